/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - memory for plain secret values; see arena.h
 *
 * Values are small and many, pages are 4 KiB: regions of REGION_BYTES are cut into pieces of a
 * power of two, and freed pieces of a size wait in a list for the next value. What is larger
 * than a piece may be gets a mapping of its own. Regions stay until the end; they never hold
 * anything but values and the links of free pieces. */
#include "arena.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGION_BYTES (64u << 10) /* a thousand passwords; small, because locked memory is limited */
#define PIECE_MIN 64
#define PIECE_MAX (16u << 10) /* certificate bundles; beyond, a mapping of its own */
#define CLASSES 9             /* 64, 128, ... 16384 */

struct piece { /* while free */
        struct piece *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *free_pieces[CLASSES];
static char *fresh; /* the rest of the newest region */
static size_t fresh_left;
static size_t used;

static size_t page_size(void) {
        return sysconf(_SC_PAGESIZE);
}

static size_t whole_pages(size_t size) {
        size_t page = page_size();

        return (size + page - 1) / page * page;
}

static void *or_die(void *p) {
        if (p == MAP_FAILED) {
                static const char text[] = "out of memory for secrets\n";
                ssize_t n unused_ = write(STDERR_FILENO, text, sizeof(text) - 1);
                abort();
        }
        return p;
}

/* SIZE whole pages with a guard page before and behind. */
static char *map_pages(size_t size) {
        size_t page = page_size();
        char *p =
                or_die(mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

        p += page;
        if (mprotect(p, size, PROT_READ | PROT_WRITE) < 0 || madvise(p, size, MADV_DONTDUMP) < 0 ||
            madvise(p, size, MADV_WIPEONFORK) < 0)
                or_die(MAP_FAILED); /* a kernel without these is not one we run on (4.14) */
        if (mlock(p, size) < 0) {
                /* RLIMIT_MEMLOCK is used up: the pages may be swapped, which the manual says. */
        }
        return p;
}

static void unmap_pages(char *p, size_t size) {
        size_t page = page_size();

        munmap(p - page, size + 2 * page);
}

static int class_of(size_t size) {
        int class = 0;

        while (((size_t)PIECE_MIN << class) < size)
                class ++;
        return class;
}

static void *take_piece(int class) {
        size_t size = (size_t)PIECE_MIN << class;
        struct piece *p = free_pieces[class];

        if (p) {
                free_pieces[class] = p->next;
                p->next = NULL;
                return p;
        }
        /* The rest of a region that is too small for this piece is lost: at most a quarter of
         * it. */
        if (fresh_left < size) {
                fresh = map_pages(REGION_BYTES);
                fresh_left = REGION_BYTES;
        }
        p = (struct piece *)fresh;
        fresh += size;
        fresh_left -= size;
        return p;
}

void *arena_alloc(size_t size) {
        void *p;

        pthread_mutex_lock(&lock);
        if (size > PIECE_MAX)
                p = map_pages(whole_pages(size));
        else
                p = take_piece(class_of(size));
        used += size;
        pthread_mutex_unlock(&lock);
        return p;
}

void arena_free(void *p, size_t size) {
        if (!p)
                return;
        explicit_bzero(p, size);
        pthread_mutex_lock(&lock);
        used -= size;
        if (size > PIECE_MAX) {
                unmap_pages(p, whole_pages(size));
        } else {
                struct piece *piece = p;
                int class = class_of(size);

                piece->next = free_pieces[class];
                free_pieces[class] = piece;
        }
        pthread_mutex_unlock(&lock);
}

size_t arena_used(void) {
        size_t n;

        pthread_mutex_lock(&lock);
        n = used;
        pthread_mutex_unlock(&lock);
        return n;
}

void secret_text_set(struct secret_text *t, const void *data, size_t len) {
        char *copy = arena_alloc(len + 1);

        if (len)
                memcpy(copy, data, len);
        secret_text_free(t);
        t->data = copy;
        t->len = len;
}

void secret_text_free(struct secret_text *t) {
        if (t->data)
                arena_free(t->data, t->len + 1);
        t->data = NULL;
        t->len = 0;
}
