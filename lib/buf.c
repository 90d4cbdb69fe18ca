/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c - a growing run of bytes; see buf.h */
#include "buf.h"

#include <stdlib.h>

void buf_free(struct buf *b) {
        free(b->data);
        *b = (struct buf)BUF_INIT;
}

void buf_wipe(struct buf *b) {
        if (b->data)
                explicit_bzero(b->data, b->room);
        buf_free(b);
}

void buf_clear(struct buf *b) {
        b->len = 0;
        if (b->data)
                b->data[0] = '\0';
}

/* Not by realloc, which leaves what it moved where it was: many a buffer holds a secret, and is
 * wiped at its end only. */
void buf_reserve(struct buf *b, size_t more) {
        struct buf grown = { .len = b->len };

        if (b->data && b->len + more + 1 <= b->room)
                return;
        grown.data = mem_grow(NULL, &grown.room, b->len + more + 1, 1);
        if (b->len)
                memcpy(grown.data, b->data, b->len);
        buf_wipe(b);
        *b = grown;
}

void buf_add(struct buf *b, const void *data, size_t n) {
        if (b->len + n + 1 > b->room)
                buf_reserve(b, n);
        if (n)
                memcpy(b->data + b->len, data, n);
        b->len += n;
        b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s) {
        buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...) {
        va_list ap;
        va_list again;
        int n;

        va_start(ap, fmt);
        va_copy(again, ap);
        n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n > 0) {
                buf_reserve(b, (size_t)n);
                vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
                b->len += (size_t)n;
        }
        va_end(again);
}

void buf_skip(struct buf *b, size_t n) {
        if (!n)
                return;
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
        b->data[b->len] = '\0';
}

char *buf_take(struct buf *b) {
        char *s = b->data ? take_ptr(b->data) : str_dup("");

        *b = (struct buf)BUF_INIT;
        return s;
}

const char *buf_str(const struct buf *b) {
        return b->data ? b->data : "";
}
