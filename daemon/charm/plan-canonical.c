/* SPDX-License-Identifier: Apache-2.0 */
/* plan-canonical.c - is this text what json_canonical would have written? In one pass, without a
 * tree
 *
 * A worker's documents are kept, hashed and compared as bytes; two spellings of one value would
 * be two wants. Decoding and writing each again costs ten times as much. Names must rise
 * strictly, so that doubles are found too. */
#include "plan.h"

#include <errno.h>

struct cursor {
        const char *start, *p, *end;
        int depth;
};

static bool value(struct cursor *c);

static bool take(struct cursor *c, char want) {
        if (c->p == c->end || *c->p != want)
                return false;
        c->p++;
        return true;
}

static bool take_word(struct cursor *c, const char *word) {
        size_t n = strlen(word);

        if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
                return false;
        c->p += n;
        return true;
}

static int hex_digit(char ch) {
        if (ch >= '0' && ch <= '9')
                return ch - '0';
        if (ch >= 'a' && ch <= 'f')
                return ch - 'a' + 10;
        return -1;
}

/* The byte that the escape behind a backslash at P stands for, or -1 when canonical text has no
 * such escape. */
static int escape(const char *p, const char *end, const char **ret_next) {
        static const char letters[] = "\"\"\\\\b\bf\fn\nr\rt\t";
        int low;

        if (p == end)
                return -1;
        for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
                if (letters[i] != *p)
                        continue;
                *ret_next = p + 1;
                return letters[i + 1];
        }
        if (end - p < 5 || memcmp(p, "u00", 3) != 0 || (p[3] != '0' && p[3] != '1'))
                return -1;
        low = hex_digit(p[4]);
        if (low < 0)
                return -1;
        low += (p[3] - '0') * 16;
        if (low == 0 || strchr("\b\f\n\r\t", low))
                return -1; /* NUL is in no text; the others have a short form */
        *ret_next = p + 5;
        return low;
}

/* Length of the well-formed UTF-8 sequence at P, or 0. */
static size_t sequence(const unsigned char *p, size_t left) {
        size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
        uint32_t code = p[0] & (0xff >> (n + 1));

        if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                code = code << 6 | (p[i] & 0x3f);
        }
        if ((n == 3 && code < 0x800) || (n == 4 && code < 0x10000) || code > 0x10ffff)
                return 0;
        return code >= 0xd800 && code <= 0xdfff ? 0 : n;
}

static bool string(struct cursor *c) {
        if (!take(c, '"'))
                return false;
        while (c->p < c->end) {
                unsigned char ch = (unsigned char)*c->p;
                size_t n = 1;

                if (ch == '"') {
                        c->p++;
                        return true;
                }
                if (ch < 0x20)
                        return false;
                if (ch == '\\') {
                        if (escape(c->p + 1, c->end, &c->p) < 0)
                                return false;
                        continue;
                }
                if (ch >= 0x80)
                        n = sequence((const unsigned char *)c->p, (size_t)(c->end - c->p));
                if (!n)
                        return false;
                c->p += n;
        }
        return false;
}

/* Next byte of a checked string's inside, or -1 at its end. */
static int next_byte(const char **p, const char *end) {
        if (*p == end)
                return -1;
        if (**p != '\\')
                return (unsigned char)*(*p)++;
        return escape(*p + 1, end, p);
}

/* Names are compared as what they mean, as json_canonical's sorting does. */
static bool name_rises(const char *a, const char *a_end, const char *b, const char *b_end) {
        for (;;) {
                int x = next_byte(&a, a_end), y = next_byte(&b, b_end);

                if (x != y)
                        return x < y;
                if (x < 0)
                        return false;
        }
}

static bool object(struct cursor *c) {
        const char *last = NULL, *last_end = NULL;

        if (take(c, '}'))
                return true;
        do {
                const char *name = c->p + 1;

                if (!string(c))
                        return false;
                if (last && !name_rises(last, last_end, name, c->p - 1))
                        return false;
                last = name;
                last_end = c->p - 1;
                if (!take(c, ':') || !value(c))
                        return false;
        } while (take(c, ','));
        return take(c, '}');
}

static bool list(struct cursor *c) {
        if (take(c, ']'))
                return true;
        do {
                if (!value(c))
                        return false;
        } while (take(c, ','));
        return take(c, ']');
}

static bool whole_number(const char *text, size_t len) {
        char copy[24];
        int64_t n;

        if (len >= sizeof(copy))
                return false;
        memcpy(copy, text, len);
        copy[len] = '\0';
        if (copy[0] == '-' ? copy[1] == '0' || !copy[1] : copy[0] == '0' && copy[1])
                return false;
        return str_to_int(copy, &n);
}

/* Numbers with a point are rare: those are decoded and written again. */
static bool real_number(const char *text, size_t len) {
        cleanup_(json_freep) json_t *j = NULL;
        cleanup_(buf_free) struct buf again = BUF_INIT;

        if (len > 40 || json_parse(text, len, &j, NULL) < 0)
                return false;
        json_canonical(j, &again);
        return again.len == len && memcmp(again.data, text, len) == 0;
}

static bool number(struct cursor *c) {
        const char *start = c->p;
        bool whole = true;

        while (c->p < c->end && strchr("0123456789+-.e", *c->p) && *c->p) {
                whole = whole && ((*c->p >= '0' && *c->p <= '9') || *c->p == '-');
                c->p++;
        }
        if (c->p == start)
                return false;
        return (whole ? whole_number : real_number)(start, (size_t)(c->p - start));
}

static bool nested(struct cursor *c, bool (*inside)(struct cursor *c)) {
        bool good;

        if (++c->depth > JSON_DEPTH_MAX)
                return false;
        c->p++;
        good = inside(c);
        c->depth--;
        return good;
}

static bool value(struct cursor *c) {
        if (c->p == c->end)
                return false;
        switch (*c->p) {
        case '{':
                return nested(c, object);
        case '[':
                return nested(c, list);
        case '"':
                return string(c);
        case 't':
                return take_word(c, "true");
        case 'f':
                return take_word(c, "false");
        case 'n':
                return take_word(c, "null");
        default:
                return number(c);
        }
}

int plan_canonical(const char *text, size_t len, struct err *err) {
        struct cursor c = { text, text, text + len, 0 };

        if (value(&c) && c.p == c.end)
                return 0;
        return err_set(err, -EBADMSG, "not canonical JSON at byte %zu", (size_t)(c.p - text));
}
