/* SPDX-License-Identifier: Apache-2.0 */
/* base.c - memory and strings that never fail; see base.h */
#include "base.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void *or_die(void *p) {
        if (!p) {
                /* No log here: logging allocates. */
                static const char text[] = "out of memory\n";
                ssize_t n unused_ = write(STDERR_FILENO, text, sizeof(text) - 1);
                abort();
        }
        return p;
}

void *mem_alloc(size_t size) {
        return or_die(calloc(1, size ? size : 1));
}

void *mem_alloc_array(size_t n, size_t size) {
        return or_die(calloc(n ? n : 1, size ? size : 1));
}

void *mem_grow(void *p, size_t *room, size_t n, size_t size) {
        size_t want = *room;
        size_t bytes;

        if (n <= *room && p)
                return p;
        while (want < n)
                want = want ? want * 2 : 8;
        if (want == 0)
                want = 8;
        if (__builtin_mul_overflow(want, size, &bytes))
                abort();
        p = or_die(realloc(p, bytes));
        memset((char *)p + *room * size, 0, (want - *room) * size);
        *room = want;
        return p;
}

void *mem_dup(const void *p, size_t size) {
        void *copy = or_die(malloc(size ? size : 1));

        if (size)
                memcpy(copy, p, size);
        return copy;
}

char *str_dup(const char *s) {
        return s ? or_die(strdup(s)) : NULL;
}

char *str_ndup(const char *s, size_t n) {
        return or_die(strndup(s, n));
}

char *str_vformat(const char *fmt, va_list ap) {
        char *s = NULL;

        if (vasprintf(&s, fmt, ap) < 0)
                s = NULL;
        return or_die(s);
}

char *str_format(const char *fmt, ...) {
        va_list ap;
        char *s;

        va_start(ap, fmt);
        s = str_vformat(fmt, ap);
        va_end(ap);
        return s;
}

void str_set(char **p, const char *s) {
        char *copy = str_dup(s);

        free(*p);
        *p = copy;
}

bool str_eq(const char *a, const char *b) {
        if (!a || !b)
                return a == b;
        return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix) {
        size_t n = strlen(s);
        size_t m = strlen(suffix);

        return n >= m && strcmp(s + n - m, suffix) == 0;
}

size_t str_copy(char *dst, size_t size, const char *src) {
        size_t n = strlen(src);

        if (size) {
                size_t keep = MIN_OF(n, size - 1);

                memcpy(dst, src, keep);
                dst[keep] = '\0';
        }
        return n;
}

/* Bytes of the letter that S begins with, 0: none; *RET_CUT: the text ends within one. */
static size_t letter(const unsigned char *s, bool *ret_cut) {
        size_t n = s[0] < 0x80                   ? 1
                   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                 : 0;
        uint32_t code = s[0] & (0x7fu >> n);

        *ret_cut = false;
        for (size_t i = 1; i < n; i++) {
                *ret_cut = !s[i];
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (s[i] & 0x3fu);
        }
        /* Forms that are too long, halves of pairs, beyond the last. */
        if ((n == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
            (n == 4 && (code < 0x10000 || code > 0x10ffff)))
                return 0;
        return n;
}

char *str_make_utf8(char *s) {
        bool cut;

        for (unsigned char *c = (unsigned char *)s; *c;) {
                size_t n = letter(c, &cut);

                if (!n && cut)
                        *c = '\0';
                else if (!n)
                        *c++ = '?';
                c += n;
        }
        return s;
}

bool str_to_int(const char *s, int64_t *ret) {
        char *end;
        long long n;

        if (!s || !*s || strchr(" \t\n\r\v\f+", *s))
                return false;
        errno = 0;
        n = strtoll(s, &end, 10);
        if (errno || *end)
                return false;
        *ret = n;
        return true;
}

void freep(void *p) {
        void **q = p;

        free(*q);
        *q = NULL;
}

void wipep(void *p) {
        char **q = p;

        if (*q)
                explicit_bzero(*q, strlen(*q));
        freep(q);
}

void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
        *f = NULL;
}
