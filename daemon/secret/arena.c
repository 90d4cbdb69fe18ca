/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - pages for plain secret values; see arena.h
 *
 * A value gets pages of its own: they are few and short-lived, and neighbours never share what madvise says. A page
 * costs 4 KiB; ARENA_MAX bounds what is mapped at once. */
#include "arena.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_MAX (64u << 20) /* values open at once; far above what 64 operations with large Secrets hold */

static atomic_size_t mapped;

static size_t round_up(size_t size) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);

        return (size + page) / page * page;
}

void *arena_alloc(size_t size) {
        size_t bytes = round_up(size);
        void *p;

        if (atomic_fetch_add(&mapped, bytes) + bytes > ARENA_MAX)
                abort(); /* a leak of secrets is worse than a restart */
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
                abort();
        madvise(p, bytes, MADV_DONTDUMP);
        madvise(p, bytes, MADV_WIPEONFORK);
        mlock(p, bytes); /* as far as RLIMIT_MEMLOCK goes */
        return p;
}

void arena_free(void *p, size_t size) {
        size_t bytes = round_up(size);

        if (!p)
                return;
        explicit_bzero(p, size);
        munmap(p, bytes);
        atomic_fetch_sub(&mapped, bytes);
}

void secret_text_set(struct secret_text *t, const void *data, size_t len) {
        char *copy = arena_alloc(len + 1);

        memcpy(copy, data, len);
        copy[len] = '\0';
        secret_text_free(t);
        t->data = copy;
        t->len = len;
}

void secret_text_free(struct secret_text *t) {
        if (t->data)
                arena_free(t->data, t->len + 1);
        *t = (struct secret_text){ 0 };
}
