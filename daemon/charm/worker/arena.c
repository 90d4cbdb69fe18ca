/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - blocks handed out from the front; see arena.h */
#include "arena.h"

#include <stdlib.h>

#define BLOCK_SIZE (16u << 10) /* the texts of an ordinary plan fit into one */
#define ALIGNMENT 16

struct arena_block {
        struct arena_block *next;
        size_t used, room;
        char data[] __attribute__((aligned(ALIGNMENT)));
};

static struct arena_block *add_block(struct arena *a, size_t n) {
        size_t room = MAX_OF(n, (size_t)BLOCK_SIZE);
        struct arena_block *b = mem_alloc(sizeof(*b) + room);

        b->room = room;
        b->next = a->blocks;
        a->blocks = b;
        return b;
}

void *arena_alloc(struct arena *a, size_t n) {
        struct arena_block *b = a->blocks;
        void *p;

        if (n > SIZE_MAX / 2)
                abort(); /* a charm's arithmetic went wrong: its crash, not ours */
        n = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (!b || b->room - b->used < n)
                b = add_block(a, n);
        p = b->data + b->used;
        b->used += n;
        return p;
}

char *arena_text(struct arena *a, const char *text, size_t len) {
        char *copy = arena_alloc(a, len + 1);

        memcpy(copy, text, len);
        return copy;
}

char *arena_format(struct arena *a, const char *fmt, va_list ap) {
        va_list again;
        char *text;
        int n;

        va_copy(again, ap);
        n = vsnprintf(NULL, 0, fmt, again);
        va_end(again);
        if (n < 0)
                abort();
        text = arena_alloc(a, (size_t)n + 1);
        vsnprintf(text, (size_t)n + 1, fmt, ap);
        return text;
}

void arena_reset(struct arena *a) {
        while (a->blocks) {
                struct arena_block *next = a->blocks->next;

                free(a->blocks);
                a->blocks = next;
        }
}
