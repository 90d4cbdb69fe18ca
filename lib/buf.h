/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - a growing run of bytes, always followed by a NUL that does not count */
#pragma once

#include "base.h"

struct buf {
        char *data; /* NULL while empty and never grown */
        size_t len;
        size_t room;
};

#define BUF_INIT                                                                                   \
        { NULL, 0, 0 }

void buf_free(struct buf *b); /* also a cleanup function; the buffer is empty and usable after */
/* As buf_free, and the bytes are overwritten first: for secrets. Growing leaves no bytes behind. */
void buf_wipe(struct buf *b);
void buf_clear(struct buf *b);
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *s);
static inline void buf_putc(struct buf *b, char c) {
        if (b->len + 2 > b->room)
                buf_reserve(b, 1);
        b->data[b->len++] = c;
        b->data[b->len] = '\0';
}
void buf_printf(struct buf *b, const char *fmt, ...) printf_(2, 3);
/* Drops the first N bytes. */
void buf_skip(struct buf *b, size_t n);
/* The bytes as a string that the caller frees; the buffer is empty after. Never NULL. */
char *buf_take(struct buf *b);
/* "" while nothing was added. */
const char *buf_str(const struct buf *b);
