/* SPDX-License-Identifier: Apache-2.0 */
/* json-text.c - the one canonical text of a tree: json_canonical, json_text
 *
 * Not json_dumps: that prints 0.1 as 0.10000000000000001, and builds its text piece by piece
 * with a callback. Digests of wants and baselines are taken of this text, so its form never
 * changes. */
#include "json.h"

#include <inttypes.h>
#include <stdlib.h>

static void write_value(const json_t *j, struct buf *out);

/* Length of the run at P that needs no escape. */
static size_t plain_run(const char *p, size_t len) {
        size_t n = 0;

        while (n < len && (unsigned char)p[n] >= 0x20 && p[n] != '"' && p[n] != '\\')
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
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_object(const json_t *j, struct buf *out) {
        size_t count = json_object_size(j);
        cleanup_(freep) const char **names = mem_array(const char *, count);
        size_t n = 0;
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)j, name, value)
                names[n++] = name;
        qsort(names, n, sizeof(*names), compare_names);
        buf_putc(out, '{');
        for (size_t i = 0; i < n; i++) {
                if (i)
                        buf_putc(out, ',');
                write_string(names[i], strlen(names[i]), out);
                buf_putc(out, ':');
                write_value(json_object_get(j, names[i]), out);
        }
        buf_putc(out, '}');
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

static void write_value(const json_t *j, struct buf *out) {
        if (json_is_object(j))
                write_object(j, out);
        else if (json_is_array(j))
                write_list(j, out);
        else if (json_is_string(j))
                write_string(json_string_value(j), json_string_length(j), out);
        else if (json_is_integer(j))
                buf_printf(out, "%" PRId64, (int64_t)json_integer_value(j));
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
