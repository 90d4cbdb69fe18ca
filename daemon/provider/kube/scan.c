/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - a reader of JSON texts that makes no trees; see scan.h
 *
 * Called for every watch event and list item. The canonical form is made in one pass: members
 * are written as they come with a note of where each begins, and only a run that turns out
 * unsorted is put in order. Two texts that mean the same give the same bytes; the bytes are
 * those of lib's json_canonical but for names with escapes in them, whose place in the order may
 * differ, so that both are never mixed. */
#include "scan.h"

#include <stdlib.h>

static const char *skip_blanks(const char *p, const char *end) {
        while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
                p++;
        return p;
}

/* P stands on the opening quote; the answer stands behind the closing one, or is NULL. */
static const char *skip_text(const char *p, const char *end) {
        for (p++; p < end; p++) {
                const char *quote = memchr(p, '"', (size_t)(end - p));
                const char *back;

                if (!quote)
                        return NULL;
                for (back = quote; back > p && back[-1] == '\\';)
                        back--;
                /* An even number of backslashes before it: they escape each other, and the quote
                 * is one. */
                if (((quote - back) & 1) == 0)
                        return quote + 1;
                p = quote;
        }
        return NULL;
}

static const char *skip_container(const char *p, const char *end) {
        int depth = 0;

        while (p < end) {
                switch (*p) {
                case '"':
                        p = skip_text(p, end);
                        if (!p)
                                return NULL;
                        continue;
                case '{':
                case '[':
                        depth++;
                        break;
                case '}':
                case ']':
                        if (--depth == 0)
                                return p + 1;
                        break;
                }
                p++;
        }
        return NULL;
}

static bool is_plain_byte(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' ||
               c == '.' || c == 'E';
}

static const char *skip_value(const char *p, const char *end) {
        const char *start = p;

        if (p >= end)
                return NULL;
        if (*p == '"')
                return skip_text(p, end);
        if (*p == '{' || *p == '[')
                return skip_container(p, end);
        while (p < end && is_plain_byte(*p))
                p++;
        return p > start ? p : NULL;
}

struct scan_slice scan_of(const char *text, size_t len) {
        const char *start = skip_blanks(text, text + len);
        const char *end = text + len;

        while (end > start &&
               (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t'))
                end--;
        return (struct scan_slice){ start, (size_t)(end - start) };
}

static bool begin(struct scan_slice value, char open, struct scan_cursor *ret) {
        if (value.len < 2 || value.text[0] != open)
                return false;
        *ret = (struct scan_cursor){ value.text + 1, value.text + value.len };
        return true;
}

bool scan_object(struct scan_slice value, struct scan_cursor *ret) {
        return begin(value, '{', ret);
}

bool scan_list(struct scan_slice value, struct scan_cursor *ret) {
        return begin(value, '[', ret);
}

/* Moves over a comma to the next value's first byte; false at the end. */
static bool to_next(struct scan_cursor *c) {
        c->p = skip_blanks(c->p, c->end);
        if (c->p < c->end && *c->p == ',')
                c->p = skip_blanks(c->p + 1, c->end);
        return c->p < c->end && *c->p != '}' && *c->p != ']';
}

static bool take_value(struct scan_cursor *c, struct scan_slice *ret) {
        const char *end = skip_value(c->p, c->end);

        if (!end)
                return false;
        *ret = (struct scan_slice){ c->p, (size_t)(end - c->p) };
        c->p = end;
        return true;
}

/* The name and its colon. */
static bool take_name(struct scan_cursor *c, struct scan_slice *ret) {
        const char *end;

        if (!to_next(c) || *c->p != '"')
                return false;
        end = skip_text(c->p, c->end);
        if (!end)
                return false;
        *ret = (struct scan_slice){ c->p + 1, (size_t)(end - c->p) - 2 };
        c->p = skip_blanks(end, c->end);
        if (c->p >= c->end || *c->p != ':')
                return false;
        c->p = skip_blanks(c->p + 1, c->end);
        return true;
}

bool scan_member(struct scan_cursor *c, struct scan_slice *ret_name, struct scan_slice *ret_value) {
        struct scan_slice name;

        if (!take_name(c, &name) || !take_value(c, ret_value))
                return false;
        *ret_name = name;
        return true;
}

bool scan_item(struct scan_cursor *c, struct scan_slice *ret_value) {
        return to_next(c) && take_value(c, ret_value);
}

struct scan_slice scan_get(struct scan_slice object, const char *member) {
        struct scan_slice name, value;
        struct scan_cursor c;
        size_t len = strlen(member);

        if (!scan_object(object, &c))
                return (struct scan_slice){ 0 };
        while (scan_member(&c, &name, &value))
                if (scan_name_is(name, member, len))
                        return value;
        return (struct scan_slice){ 0 };
}

struct scan_slice scan_dig(struct scan_slice object, ...) {
        const char *member;
        va_list ap;

        va_start(ap, object);
        while (object.text && (member = va_arg(ap, const char *)))
                object = scan_get(object, member);
        va_end(ap);
        return object;
}

bool scan_is_null(struct scan_slice value) {
        return !value.text || (value.len == 4 && memcmp(value.text, "null", 4) == 0);
}

bool scan_is_text(struct scan_slice value) {
        return value.len >= 2 && value.text[0] == '"';
}

bool scan_name_is(struct scan_slice name, const char *s, size_t len) {
        cleanup_(buf_free) struct buf plain = BUF_INIT;

        if (!memchr(name.text, '\\', name.len))
                return name.len == len && memcmp(name.text, s, len) == 0;
        scan_name(name, &plain);
        return plain.len == len && memcmp(plain.data, s, len) == 0;
}

bool scan_says(struct scan_slice value, const char *s) {
        if (!scan_is_text(value))
                return false;
        return scan_name_is((struct scan_slice){ value.text + 1, value.len - 2 }, s, strlen(s));
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* Four hex digits; -1 when they are none. */
static int32_t hex_unit(const char *p, const char *end) {
        int32_t unit = 0;

        if (end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                int digit = hex_digit(p[i]);

                if (digit < 0)
                        return -1;
                unit = unit << 4 | digit;
        }
        return unit;
}

static void put_utf8(uint32_t c, struct buf *out) {
        if (c < 0x80) {
                buf_putc(out, (char)c);
        } else if (c < 0x800) {
                buf_putc(out, (char)(0xc0 | c >> 6));
                buf_putc(out, (char)(0x80 | (c & 0x3f)));
        } else if (c < 0x10000) {
                buf_putc(out, (char)(0xe0 | c >> 12));
                buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
                buf_putc(out, (char)(0x80 | (c & 0x3f)));
        } else {
                buf_putc(out, (char)(0xf0 | c >> 18));
                buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
                buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
                buf_putc(out, (char)(0x80 | (c & 0x3f)));
        }
}

/* P stands behind "\u"; the answer behind the digits. Half a surrogate pair becomes U+FFFD, as
 * Go writes it. */
static const char *take_unicode(const char *p, const char *end, struct buf *out) {
        int32_t unit = hex_unit(p, end);
        int32_t low;

        if (unit < 0) {
                put_utf8(0xfffd, out);
                return p;
        }
        p += 4;
        if (unit < 0xd800 || unit > 0xdfff) {
                put_utf8((uint32_t)unit, out);
                return p;
        }
        low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex_unit(p + 2, end) : -1;
        if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) {
                put_utf8(0xfffd, out);
                return p;
        }
        put_utf8(0x10000 + ((uint32_t)(unit - 0xd800) << 10 | (uint32_t)(low - 0xdc00)), out);
        return p + 6;
}

static const char *take_escape(const char *p, const char *end, struct buf *out) {
        static const char from[] = "bfnrt";
        static const char to[] = "\b\f\n\r\t";
        const char *known;

        if (p >= end)
                return p;
        if (*p == 'u')
                return take_unicode(p + 1, end, out);
        known = strchr(from, *p);
        buf_putc(out, known && *p ? to[known - from] : *p);
        return p + 1;
}

void scan_name(struct scan_slice name, struct buf *out) {
        const char *p = name.text;
        const char *end = p + name.len;

        while (p < end) {
                const char *escape = memchr(p, '\\', (size_t)(end - p));
                const char *stop = escape ? escape : end;

                buf_add(out, p, (size_t)(stop - p));
                p = escape ? take_escape(escape + 1, end, out) : end;
        }
}

bool scan_text(struct scan_slice value, struct buf *out) {
        if (!scan_is_text(value))
                return false;
        scan_name((struct scan_slice){ value.text + 1, value.len - 2 }, out);
        return true;
}

char *scan_dup(struct scan_slice value) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        return scan_text(value, &out) ? buf_take(&out) : NULL;
}

int64_t scan_int(struct scan_slice value, int64_t or) {
        char digits[24];
        int64_t n;

        if (!value.text || value.len >= sizeof(digits))
                return or ;
        memcpy(digits, value.text, value.len);
        digits[value.len] = '\0';
        return str_to_int(digits, &n) ? n : or ;
}

json_t *scan_json(struct scan_slice value) {
        json_t *j = NULL;

        if (!value.text || json_parse(value.text, value.len, &j, NULL) < 0)
                return NULL;
        return j;
}

/* ---- canonical form */

struct note {
        size_t start, value, end; /* of one member in the output: its quote, its value, its end */
};

struct writer {
        struct scan_cursor in;
        struct buf *out;
        struct note *notes; /* a stack: those of the objects that are open */
        size_t count, room;
        int depth;
};

static bool write_value(struct writer *w);

/* The canonical form is mostly as long as the text, and there is room for that: one comparison a
 * piece. */
static inline void put(struct buf *out, const char *s, size_t n) {
        if (out->room - out->len <= n)
                buf_reserve(out, n);
        memcpy(out->data + out->len, s, n);
        out->len += n;
}

static inline void put_byte(struct buf *out, char c) {
        if (out->room - out->len <= 1)
                buf_reserve(out, 1);
        out->data[out->len++] = c;
}

/* What stands between the quotes is canonical already: of escapes only those that have no other
 * form. So it is with nearly all texts, and then they are copied. */
static bool is_canonical(struct scan_slice raw) {
        const char *p = raw.text;
        const char *end = p + raw.len;

        while ((p = memchr(p, '\\', (size_t)(end - p)))) {
                if (end - p < 2 || !p[1] || !strchr("bfnrt\"\\", p[1]))
                        return false;
                p += 2;
                if (p == end)
                        break;
        }
        return true;
}

static size_t plain_run(const char *p, size_t len) {
        size_t n = 0;

        while (n < len && (unsigned char)p[n] >= 0x20 && p[n] != '"' && p[n] != '\\')
                n++;
        return n;
}

static void put_escaped(const char *p, size_t len, struct buf *out) {
        static const char from[] = "\b\f\n\r\t\"\\";
        static const char to[] = "bfnrt\"\\";

        while (len) {
                size_t n = plain_run(p, len);
                const char *known;

                buf_add(out, p, n);
                if (n == len)
                        return;
                known = p[n] ? strchr(from, p[n]) : NULL;
                if (known)
                        buf_printf(out, "\\%c", to[known - from]);
                else
                        buf_printf(out, "\\u%04x", (unsigned char)p[n]);
                p += n + 1;
                len -= n + 1;
        }
}

/* RAW is what stands between the quotes. */
static void write_text(struct scan_slice raw, struct buf *out) {
        cleanup_(buf_free) struct buf plain = BUF_INIT;

        put_byte(out, '"');
        if (is_canonical(raw)) {
                put(out, raw.text, raw.len);
        } else {
                scan_name(raw, &plain);
                put_escaped(buf_str(&plain), plain.len, out);
        }
        put_byte(out, '"');
}

static int compare_notes(const void *a, const void *b, void *arg) {
        const struct note *x = a, *y = b;
        const char *base = arg;
        size_t xn = x->value - x->start, yn = y->value - y->start;
        int r = memcmp(base + x->start, base + y->start, MIN_OF(xn, yn));

        return r ? r : (xn > yn) - (xn < yn);
}

static bool sorted(const struct note *notes, size_t n, char *base) {
        for (size_t i = 1; i < n; i++)
                if (compare_notes(&notes[i - 1], &notes[i], base) > 0)
                        return false;
        return true;
}

/* Puts the members that were written from FROM on in order. */
static void sort_members(struct writer *w, size_t from) {
        struct note *notes = w->notes + from;
        size_t n = w->count - from;
        cleanup_(buf_free) struct buf copy = BUF_INIT;
        size_t start;

        if (n < 2 || sorted(notes, n, w->out->data))
                return;
        start = notes[0].start;
        qsort_r(notes, n, sizeof(*notes), compare_notes, w->out->data);
        for (size_t i = 0; i < n; i++) {
                if (i)
                        buf_putc(&copy, ',');
                buf_add(&copy, w->out->data + notes[i].start, notes[i].end - notes[i].start);
        }
        memcpy(w->out->data + start, copy.data, copy.len);
}

static bool write_object(struct writer *w) {
        size_t from = w->count;
        struct scan_slice name;

        w->in.p++;
        put_byte(w->out, '{');
        while (to_next(&w->in)) {
                struct note note = { 0 };

                if (w->count > from)
                        put_byte(w->out, ',');
                if (!take_name(&w->in, &name))
                        return false;
                note.start = w->out->len;
                write_text(name, w->out);
                put_byte(w->out, ':');
                note.value = w->out->len;
                if (!write_value(w))
                        return false;
                note.end = w->out->len;
                if (w->count == w->room)
                        w->notes = mem_grow(w->notes, &w->room, w->count + 1, sizeof(*w->notes));
                w->notes[w->count++] = note;
        }
        if (w->in.p >= w->in.end || *w->in.p != '}')
                return false;
        w->in.p++;
        sort_members(w, from);
        w->count = from;
        put_byte(w->out, '}');
        return true;
}

static bool write_list(struct writer *w) {
        bool first = true;

        w->in.p++;
        put_byte(w->out, '[');
        while (to_next(&w->in)) {
                if (!first)
                        put_byte(w->out, ',');
                first = false;
                if (!write_value(w))
                        return false;
        }
        if (w->in.p >= w->in.end || *w->in.p != ']')
                return false;
        w->in.p++;
        put_byte(w->out, ']');
        return true;
}

/* Whole numbers, true, false and null stand as they are; only reals have several forms. */
static bool write_plain(struct scan_slice v, struct buf *out) {
        cleanup_(json_freep) json_t *j = NULL;
        bool simple = v.len < 18 && !memchr(v.text, '.', v.len) && !memchr(v.text, '+', v.len) &&
                      v.text[0] != '-';

        if (simple && v.text[0] >= '0' && v.text[0] <= '9')
                simple = !memchr(v.text, 'e', v.len) && !memchr(v.text, 'E', v.len);
        if (simple) {
                put(out, v.text, v.len);
                return true;
        }
        j = scan_json(v);
        if (!j)
                return false;
        json_canonical(j, out);
        return true;
}

static bool write_value(struct writer *w) {
        struct scan_slice v;
        bool ok;

        w->in.p = skip_blanks(w->in.p, w->in.end);
        if (w->in.p >= w->in.end || w->depth >= JSON_DEPTH_MAX)
                return false;
        if (*w->in.p == '{' || *w->in.p == '[') {
                w->depth++;
                ok = *w->in.p == '{' ? write_object(w) : write_list(w);
                w->depth--;
                return ok;
        }
        if (!take_value(&w->in, &v))
                return false;
        if (v.text[0] != '"')
                return write_plain(v, w->out);
        write_text((struct scan_slice){ v.text + 1, v.len - 2 }, w->out);
        return true;
}

bool scan_canonical(struct scan_slice value, struct buf *out) {
        struct writer w = { .in = { value.text, value.text + value.len }, .out = out };
        bool ok;

        if (!value.text)
                return false;
        buf_reserve(out, value.len + 2);
        ok = write_value(&w);
        put_byte(out, '\0');
        out->len--;
        free(w.notes);
        return ok;
}
