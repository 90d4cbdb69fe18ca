/* SPDX-License-Identifier: Apache-2.0 */
/* json-text.c - the one canonical text of a tree: json_canonical, json_text
 *
 * Not json_dumps: that prints 0.1 as 0.10000000000000001, and builds its text piece by piece
 * with a callback. Digests of wants and baselines are taken of this text, so its form never
 * changes. */
#include "clock.h"
#include "json.h"

#include <inttypes.h>
#include <stdlib.h>

static void write_value(const json_t *j, struct buf *out);

#define MEMBERS_ON_STACK 32

struct member {
        const char *name;
        const json_t *value;
};

/* Length of the run at P that needs no escape. */
static size_t plain_run(const char *p, size_t len) {
        static const bool escaped[256] = { [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true };
        size_t n = 0;

        while (n < len && !escaped[(unsigned char)p[n]])
                n++;
        return n;
}

static void write_escape(unsigned char c, struct buf *out) {
        static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";

        for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
                if ((unsigned char)letters[i] != c)
                        continue;
                buf_putc(out, '\\');
                buf_putc(out, letters[i + 1]);
                return;
        }
        buf_printf(out, "\\u%04x", c);
}

static void write_string(const char *s, size_t len, struct buf *out) {
        buf_reserve(out, len + 2);
        buf_putc(out, '"');
        while (len) {
                size_t n = plain_run(s, len);

                buf_add(out, s, n);
                s += n;
                len -= n;
                if (!len)
                        break;
                write_escape((unsigned char)*s, out);
                s++;
                len--;
        }
        buf_putc(out, '"');
}

/* The shortest digits that read back as the same number; a point or exponent keeps it a real. */
static void write_real(double d, struct buf *out) {
        char text[40];

        for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, d);
                if (strtod(text, NULL) == d)
                        break;
        }
        for (char *p = text; *p; p++)
                if (*p == ',') /* a locale's decimal comma */
                        *p = '.';
        buf_puts(out, text);
        if (!strpbrk(text, ".e"))
                buf_puts(out, ".0");
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

/* The members of OBJECT by name. What was read from canonical text is in order already. */
static size_t sorted_members(const json_t *object, struct member *to) {
        bool sorted = true;
        const char *name;
        json_t *value;
        size_t n = 0;

        json_object_foreach((json_t *)object, name, value) {
                sorted = sorted && (n == 0 || strcmp(to[n - 1].name, name) < 0);
                to[n++] = (struct member){ name, value };
        }
        if (!sorted)
                qsort(to, n, sizeof(*to), compare_names);
        return n;
}

static void write_members(const struct member *members, size_t n, struct buf *out) {
        buf_putc(out, '{');
        for (size_t i = 0; i < n; i++) {
                if (i)
                        buf_putc(out, ',');
                write_string(members[i].name, strlen(members[i].name), out);
                buf_putc(out, ':');
                write_value(members[i].value, out);
        }
        buf_putc(out, '}');
}

static void write_object(const json_t *j, struct buf *out) {
        struct member few[MEMBERS_ON_STACK];
        cleanup_(freep) struct member *many = NULL;
        struct member *members = few;

        if (json_object_size(j) > ARRAY_SIZE(few))
                members = many = mem_array(struct member, json_object_size(j));
        write_members(members, sorted_members(j, members), out);
}

static void write_list(const json_t *j, struct buf *out) {
        size_t i;
        json_t *value;

        buf_putc(out, '[');
        json_array_foreach(j, i, value) {
                if (i)
                        buf_putc(out, ',');
                write_value(value, out);
        }
        buf_putc(out, ']');
}

static void write_integer(json_int_t i, struct buf *out) {
        char text[24];

        buf_add(out, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, (int64_t)i));
}

static void write_value(const json_t *j, struct buf *out) {
        if (json_is_object(j))
                write_object(j, out);
        else if (json_is_array(j))
                write_list(j, out);
        else if (json_is_string(j))
                write_string(json_string_value(j), json_string_length(j), out);
        else if (json_is_integer(j))
                write_integer(json_integer_value(j), out);
        else if (json_is_real(j))
                write_real(json_real_value(j), out);
        else if (json_is_boolean(j))
                buf_puts(out, json_is_true(j) ? "true" : "false");
        else
                buf_puts(out, "null");
}

void json_canonical(const json_t *j, struct buf *out) {
        write_value(j, out);
}

char *json_text(const json_t *j) {
        struct buf out = BUF_INIT;

        write_value(j, &out);
        return buf_take(&out);
}

json_t *json_stamp(int64_t wall, bool ms) {
        char text[CLOCK_TEXT_MAX];

        return wall ? json_string(clock_iso(wall, ms, text)) : json_null();
}

json_t *json_words(const char *text) {
        json_t *j = json_string(text ? text : "");
        cleanup_(freep) char *plain = NULL;

        if (j)
                return j;
        plain = str_dup(text);
        for (char *p = plain; *p; p++)
                if ((unsigned char)*p >= 0x80)
                        *p = '?';
        return json_string(plain);
}
