/* SPDX-License-Identifier: Apache-2.0 */
/* yaml-write.c - trees as YAML in block style: yaml_write, for export-bundle and --format yaml
 *
 * Every text that any reader could take for something else is quoted; what is written reads back
 * as the same tree in both schemas. Texts of several lines become literal blocks where that
 * loses nothing. */
#include "yaml.h"

#include "yaml-scalar.h"

#include <stdlib.h>

#define KEY_PLAIN_MAX 1000 /* libyaml takes a key without "?" up to 1024 letters */

static void write_node(const json_t *j, int indent, bool in_list, struct buf *out);

static void write_indent(int indent, struct buf *out) {
        for (int i = 0; i < indent; i++)
                buf_puts(out, "  ");
}

static bool reads_as_text(const char *s, size_t len) {
        for (enum yaml_schema schema = YAML_KUBERNETES; schema <= YAML_CORE; schema++) {
                json_t *j = yaml_scalar_resolve(s, len, schema);
                bool text = json_is_string(j);

                json_decref(j);
                if (!text)
                        return false;
        }
        return true;
}

/* Dates, and numbers of base 60, which we read as texts and older readers do not. */
static bool looks_old(const char *s) {
        return *s >= '0' && *s <= '9' && strpbrk(s, ":-") && !s[strspn(s, "0123456789:-._TtZz+ ")];
}

static bool is_plain(const char *s, size_t len) {
        static const char letters[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        static const char middle[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                " _./@%+=,;()~^$<>*&!?-:'";

        /* The first letter and what stands around colons and blanks decide; when in doubt,
         * quotes. */
        if (!len || strspn(s, middle) != len || !strchr(letters, s[0]))
                if (!len || s[0] != '/' || strspn(s, middle) != len)
                        return false;
        if (s[len - 1] == ' ' || s[len - 1] == ':' || strstr(s, ": "))
                return false;
        return reads_as_text(s, len) && !looks_old(s);
}

/* Length of the UTF-8 sequence at S and its code point; jansson let only valid ones in. */
static size_t code_point(const unsigned char *s, uint32_t *ret) {
        size_t n = *s < 0x80 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
        uint32_t c = n == 1 ? *s : *s & (0x7fu >> n);

        for (size_t i = 1; i < n; i++)
                c = c << 6 | (s[i] & 0x3f);
        *ret = c;
        return n;
}

static bool is_printable(uint32_t c) {
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
                return false;
        return c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

static void write_quoted(const char *text, size_t len, struct buf *out) {
        const unsigned char *s = (const unsigned char *)text;
        const unsigned char *end = s + len;

        buf_putc(out, '"');
        while (s < end) {
                uint32_t c;
                size_t n = code_point(s, &c);

                if (c == '"' || c == '\\')
                        buf_printf(out, "\\%c", (int)c);
                else if (c == '\n')
                        buf_puts(out, "\\n");
                else if (c == '\t')
                        buf_puts(out, "\\t");
                else if (!is_printable(c))
                        buf_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
                else
                        buf_add(out, s, n);
                s += n;
        }
        buf_putc(out, '"');
}

/* A literal block keeps everything but odd bytes, and blanks that would change its indentation. */
static bool fits_block(const char *text, size_t len) {
        const unsigned char *s = (const unsigned char *)text;
        const unsigned char *end = s + len;

        if (!memchr(text, '\n', len) || strchr(" \n\t", *text))
                return false;
        while (s < end) {
                uint32_t c;
                size_t n = code_point(s, &c);

                if (c != '\n' && c != '\t' && !is_printable(c))
                        return false;
                s += n;
        }
        return true;
}

static void write_block(const char *text, size_t len, int indent, struct buf *out) {
        const char *end = text + len;
        const char *keep = "-"; /* no newline at the end */

        if (end[-1] == '\n')
                keep = len > 1 && end[-2] == '\n' ? "+" : "";
        buf_printf(out, "|%s\n", keep);
        while (text < end) {
                const char *stop = memchr(text, '\n', (size_t)(end - text));
                size_t n = (size_t)((stop ? stop : end) - text);

                if (n)
                        write_indent(indent, out);
                buf_add(out, text, n);
                buf_putc(out, '\n');
                text += n + 1;
        }
}

static void write_text(const char *s, size_t len, struct buf *out) {
        if (is_plain(s, len))
                buf_add(out, s, len);
        else
                write_quoted(s, len, out);
}

/* A value that needs no lines of its own; ends the line. */
static void write_inline(const json_t *j, int indent, struct buf *out) {
        const char *s = json_string_value(j);
        size_t len = json_string_length(j);

        if (s && fits_block(s, len)) {
                write_block(s, len, indent, out);
                return;
        }
        if (s)
                write_text(s, len, out);
        else if (json_is_object(j))
                buf_puts(out, "{}");
        else if (json_is_array(j))
                buf_puts(out, "[]");
        else
                json_canonical(j, out);
        buf_putc(out, '\n');
}

static bool has_lines(const json_t *j) {
        return json_object_size(j) > 0 || json_array_size(j) > 0;
}

static void write_map(const json_t *j, int indent, bool in_list, struct buf *out) {
        bool first = in_list;
        const char *member;
        json_t *value;

        json_object_foreach((json_t *)j, member, value) {
                bool long_key = strlen(member) > KEY_PLAIN_MAX;

                if (!first)
                        write_indent(indent, out);
                first = false;
                buf_puts(out, long_key ? "? " : "");
                write_text(member, strlen(member), out);
                if (long_key) {
                        buf_putc(out, '\n');
                        write_indent(indent, out);
                }
                if (!has_lines(value)) {
                        buf_puts(out, ": ");
                        write_inline(value, indent + 1, out);
                        continue;
                }
                buf_puts(out, ":\n");
                /* A list stands at its key's own indentation, as in every bundle. */
                write_node(value, json_is_array(value) ? indent : indent + 1, false, out);
        }
}

static void write_list(const json_t *j, int indent, bool in_list, struct buf *out) {
        bool first = in_list;
        size_t i;
        json_t *value;

        json_array_foreach(j, i, value) {
                if (!first)
                        write_indent(indent, out);
                first = false;
                buf_puts(out, "- ");
                if (has_lines(value))
                        write_node(value, indent + 1, true, out);
                else
                        write_inline(value, indent + 1, out);
        }
}

/* IN_LIST: the cursor stands behind "- ", the first line has its indentation. */
static void write_node(const json_t *j, int indent, bool in_list, struct buf *out) {
        if (json_is_object(j))
                write_map(j, indent, in_list, out);
        else
                write_list(j, indent, in_list, out);
}

void yaml_write(const json_t *j, struct buf *out) {
        if (has_lines(j))
                write_node(j, 0, false, out);
        else
                write_inline(j, 1, out);
}
