/* SPDX-License-Identifier: Apache-2.0 */
/* http-sigv4.c - what libcurl's AWS signature leaves to its caller
 *
 * curl signs path and query as they stand: it neither sorts the parameters nor encodes what the
 * canonical form wants encoded (curl #9717), so that a server which does so refuses the
 * signature. Here the path is brought into that form before it is both sent and signed: every
 * byte that is not unreserved is encoded, bare keys become "key=", parameters are sorted by name
 * and value. What was already encoded is decoded first, so that nothing is encoded twice. */
#include "http-internal.h"

#include <openssl/sha.h>
#include <stdlib.h>

/* S3 has calls with a dozen; what is beyond is sent unsorted and refused by the server. */
#define QUERY_PARTS_MAX 64

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* Appends N bytes of TEXT, decoded and encoded again. "%00" stays as it is: http_escape takes
 * strings. */
static void recode(struct buf *out, const char *text, size_t n, bool slash) {
        cleanup_(buf_free) struct buf plain = BUF_INIT;

        for (size_t i = 0; i < n; i++) {
                int a = text[i] == '%' && i + 2 < n ? hex_digit(text[i + 1]) : -1;
                int b = a >= 0 ? hex_digit(text[i + 2]) : -1;

                if (b < 0 || a * 16 + b == 0) {
                        buf_putc(&plain, text[i]);
                        continue;
                }
                buf_putc(&plain, (char)(a * 16 + b));
                i += 2;
        }
        http_escape(out, buf_str(&plain), slash);
}

static int by_text(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorting "name=value" as a whole would put "a-b=" before "a=": '-' is less than '='. Encoded
 * text has no byte below '-' but '%', so '=' is replaced by a lower one while sorting. */
static char *sort_key(const char *part, size_t n) {
        struct buf b = BUF_INIT;
        const char *eq = memchr(part, '=', n);
        size_t name = eq ? (size_t)(eq - part) : n;

        recode(&b, part, name, false);
        buf_putc(&b, '\1');
        if (eq)
                recode(&b, eq + 1, n - name - 1, false);
        return buf_take(&b);
}

static void add_query(struct buf *out, const char *query) {
        char *parts[QUERY_PARTS_MAX];
        size_t n = 0;

        while (*query && n < QUERY_PARTS_MAX) {
                size_t len = strcspn(query, "&");

                if (len)
                        parts[n++] = sort_key(query, len);
                query += len + (query[len] == '&');
        }
        qsort(parts, n, sizeof(*parts), by_text);
        for (size_t i = 0; i < n; i++) {
                *strchr(parts[i], '\1') = '=';
                buf_putc(out, i ? '&' : '?');
                buf_puts(out, parts[i]);
                free(parts[i]);
        }
        if (*query) {
                buf_putc(out, '&');
                buf_puts(out, query);
        }
}

char *http_sigv4_path(const char *path) {
        struct buf out = BUF_INIT;
        size_t n = strcspn(path, "?");

        recode(&out, path, n, true);
        if (path[n] == '?')
                add_query(&out, path + n + 1);
        return buf_take(&out);
}

void http_sigv4_hash(const char *body, size_t len, char ret_hex[65]) {
        unsigned char digest[SHA256_DIGEST_LENGTH];

        SHA256((const unsigned char *)(body ? body : ""), body ? len : 0, digest);
        for (size_t i = 0; i < sizeof(digest); i++)
                snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}
