/* SPDX-License-Identifier: Apache-2.0 */
/* json-quick.c - the JSON that machines write, read some times faster than jansson does
 *
 * jansson takes a text byte by byte through three layers, each string into a buffer that grows.
 * Nearly all that is read here is plain: objects, lists, strings of long plain runs, small whole
 * numbers. That is read in one pass. Whatever is not plain (other numbers, escaped characters by
 * number, a name that is no ASCII or stands twice, any mistake) ends the attempt, and jansson has
 * the word: what is allowed, and what an error says, is decided there alone. */
#include "json-quick.h"

#include "buf.h"

#define DIGITS_MAX 18 /* fit an int64 whatever they are */

struct reader {
        const char *p, *end;
        int depth;
};

static json_t *read_value(struct reader *r);

static void skip_blanks(struct reader *r) {
        while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
                r->p++;
}

/* The next byte that is no blank is C, and is taken. */
static bool take(struct reader *r, char c) {
        skip_blanks(r);
        if (r->p == r->end || *r->p != c)
                return false;
        r->p++;
        return true;
}

/* Bytes from the reader on that stand for themselves; *ASCII: all of them are. */
static size_t plain_run(const struct reader *r, bool *ascii) {
        const unsigned char *start = (const unsigned char *)r->p, *p = start;
        const unsigned char *end = (const unsigned char *)r->end;
        unsigned char all = 0;

        while (p < end && *p >= 0x20 && *p != '"' && *p != '\\')
                all |= *p++;
        *ascii = all < 0x80;
        return (size_t)(p - start);
}

static bool take_escape(struct reader *r, struct buf *out) {
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *at;

        if (r->end - r->p < 2 || *r->p != '\\')
                return false;
        at = memchr(from, r->p[1], sizeof(from) - 1);
        if (!at)
                return false;
        buf_putc(out, to[at - from]);
        r->p += 2;
        return true;
}

static json_t *read_escaped(struct reader *r) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;

        while (r->p < r->end && *r->p != '"') {
                bool ascii;
                size_t n = plain_run(r, &ascii);

                buf_add(&text, r->p, n);
                r->p += n;
                if (r->p < r->end && *r->p != '"' && !take_escape(r, &text))
                        return NULL;
        }
        if (r->p == r->end)
                return NULL;
        r->p++;
        return json_stringn(buf_str(&text), text.len); /* NULL: it is no UTF-8 */
}

/* Behind the opening quote. */
static json_t *read_string(struct reader *r) {
        const char *start = r->p;
        bool ascii;
        size_t n = plain_run(r, &ascii);

        if (r->p + n == r->end)
                return NULL;
        if (start[n] != '"')
                return read_escaped(r);
        r->p += n + 1;
        return ascii ? json_stringn_nocheck(start, n) : json_stringn(start, n);
}

static json_t *read_number(struct reader *r) {
        bool negative = *r->p == '-';
        const char *start = r->p + negative, *p = start;
        int64_t n = 0;

        for (; p < r->end && *p >= '0' && *p <= '9'; p++) {
                if (p - start == DIGITS_MAX)
                        return NULL;
                n = n * 10 + (*p - '0');
        }
        if (p == start || (*start == '0' && (p - start > 1 || negative)) ||
            (p < r->end && (*p == '.' || *p == 'e' || *p == 'E')))
                return NULL;
        r->p = p;
        return json_integer(negative ? -n : n);
}

static bool read_member(struct reader *r, json_t *object) {
        const char *name;
        json_t *value;
        bool ascii;
        size_t n;

        if (!take(r, '"'))
                return false;
        name = r->p;
        n = plain_run(r, &ascii);
        if (!ascii || r->p + n == r->end || name[n] != '"')
                return false;
        r->p += n + 1;
        if (!take(r, ':'))
                return false;
        value = read_value(r);
        return value && json_object_setn_new_nocheck(object, name, n, value) == 0;
}

static bool read_members(struct reader *r, json_t *object) {
        size_t n = 0;

        if (take(r, '}'))
                return true;
        do {
                if (!read_member(r, object))
                        return false;
                n++;
        } while (take(r, ','));
        return take(r, '}') && json_object_size(object) == n;
}

static bool read_items(struct reader *r, json_t *list) {
        if (take(r, ']'))
                return true;
        do {
                json_t *item = read_value(r);

                if (!item || json_array_append_new(list, item) < 0)
                        return false;
        } while (take(r, ','));
        return take(r, ']');
}

static json_t *read_container(struct reader *r, bool object) {
        json_t *j;
        bool good;

        if (++r->depth > JSON_DEPTH_MAX)
                return NULL;
        j = object ? json_object() : json_array();
        good = object ? read_members(r, j) : read_items(r, j);
        r->depth--;
        if (good)
                return j;
        json_decref(j);
        return NULL;
}

static bool take_word(struct reader *r, const char *word) {
        size_t n = strlen(word);

        if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
                return false;
        r->p += n;
        return true;
}

static json_t *read_word(struct reader *r) {
        if (take_word(r, "true"))
                return json_true();
        if (take_word(r, "false"))
                return json_false();
        return take_word(r, "null") ? json_null() : NULL;
}

static json_t *read_value(struct reader *r) {
        skip_blanks(r);
        if (r->p == r->end)
                return NULL;
        switch (*r->p) {
        case '{':
        case '[':
                return read_container(r, *r->p++ == '{');
        case '"':
                r->p++;
                return read_string(r);
        case 't':
        case 'f':
        case 'n':
                return read_word(r);
        default:
                return read_number(r);
        }
}

json_t *json_quick(const char *text, size_t len) {
        struct reader r = { .p = text, .end = text + len };
        json_t *j = read_value(&r);

        skip_blanks(&r);
        if (j && r.p == r.end)
                return j;
        json_decref(j);
        return NULL;
}
