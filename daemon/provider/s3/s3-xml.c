/* SPDX-License-Identifier: Apache-2.0 */
/* s3-xml.c - finding elements by name in what object stores answer; see s3-xml.h
 *
 * S3's answers nest no element inside one of the same name where we look, carry no CDATA and no
 * comments. An attacker who answers in our store's name gains nothing here: names are compared,
 * lengths are the text's. */
#include "s3-xml.h"

#include <ctype.h>
#include <stdlib.h>

static const struct entity {
        const char *name;
        char is;
} entities[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' }
};

struct s3_xml s3_xml_of(const char *text, size_t len) {
        return (struct s3_xml){ text ? text : "", text ? len : 0 };
}

static const char *find(const char *from, const char *end, const char *what) {
        return from < end ? memmem(from, (size_t)(end - from), what, strlen(what)) : NULL;
}

bool s3_xml_next(struct s3_xml in, const char *name, size_t *at, struct s3_xml *ret) {
        const char *end = in.text + in.len, *p = in.text + *at;
        cleanup_(freep) char *open = str_format("<%s", name);
        cleanup_(freep) char *close = str_format("</%s>", name);

        while ((p = find(p, end, open))) {
                const char *inside, *stop;

                p += strlen(open);
                if (p < end && *p != '>' && *p != '/' && !isspace((unsigned char)*p))
                        continue; /* "<KeyCount" is no "<Key" */
                inside = find(p, end, ">");
                if (!inside)
                        return false;
                if (inside[-1] == '/') {
                        *ret = s3_xml_of(inside, 0);
                        *at = (size_t)(inside + 1 - in.text);
                        return true;
                }
                stop = find(inside, end, close);
                if (!stop)
                        return false;
                *ret = s3_xml_of(inside + 1, (size_t)(stop - inside - 1));
                *at = (size_t)(stop - in.text) + strlen(close);
                return true;
        }
        return false;
}

/* "&#10;" and "&#xA;", below 128: keys come percent-encoded, so no other is needed. */
static size_t numeric(const char *p, size_t n, char *ret) {
        char *stop;
        char copy[12];
        long value;

        if (n < 4 || p[1] != '#')
                return 0;
        str_copy(copy, MIN_OF(sizeof(copy), n - 1), p + 2);
        value = copy[0] == 'x' ? strtol(copy + 1, &stop, 16) : strtol(copy, &stop, 10);
        if (*stop != ';' || value <= 0 || value > 127)
                return 0;
        *ret = (char)value;
        return 2 + (size_t)(stop - copy) + 1;
}

static size_t resolve(const char *p, size_t n, char *ret) {
        for (size_t i = 0; i < ARRAY_SIZE(entities); i++) {
                size_t len = strlen(entities[i].name);

                if (len <= n && memcmp(p, entities[i].name, len) == 0) {
                        *ret = entities[i].is;
                        return len;
                }
        }
        return numeric(p, n, ret);
}

char *s3_xml_text(struct s3_xml in, const char *name) {
        struct buf b = BUF_INIT;
        struct s3_xml e;
        size_t at = 0;

        if (!s3_xml_next(in, name, &at, &e))
                return NULL;
        for (size_t i = 0; i < e.len;) {
                char c = e.text[i];
                size_t n = c == '&' ? resolve(e.text + i, e.len - i, &c) : 0;

                buf_putc(&b, c);
                i += n ? n : 1;
        }
        return buf_take(&b);
}

void s3_xml_put(struct buf *out, const char *text) {
        for (; *text; text++) {
                const char *name = NULL;

                for (size_t i = 0; i < ARRAY_SIZE(entities); i++)
                        if (entities[i].is == *text)
                                name = entities[i].name;
                if (name)
                        buf_puts(out, name);
                else if ((unsigned char)*text < ' ')
                        buf_printf(out, "&#%d;", *text);
                else
                        buf_putc(out, *text);
        }
}

static int hex(char c) {
        return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

void s3_xml_unescape(char *s) {
        char *to = s;

        for (; *s; s++) {
                if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
                        *to++ = (char)(hex(s[1]) * 16 + hex(s[2]));
                        s += 2;
                } else {
                        *to++ = *s == '+' ? ' ' : *s;
                }
        }
        *to = '\0';
}
