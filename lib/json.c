/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - parsing with limits, getters and pointers over jansson trees; see json.h
 *
 * Decoding by field table is in json-decode.c, the canonical text in json-text.c. jansson's
 * memory is told to abort when there is none, as all our small memory is: what comes from
 * outside has its limit before. */
#include "json.h"

#include "json-quick.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

static void *alloc_or_abort(size_t size) {
        /* check-style: banned: mem_alloc zeroes, which jansson does not need */
        void *p = malloc(size);

        if (!p)
                abort();
        return p;
}

/* What a tree held may have been a secret: a credential that was opened, a request's body, a
 * filled document. It costs a few per cent of freeing, and spares knowing which tree did. */
static void wipe_and_free(void *p) {
        if (p)
                explicit_bzero(p, malloc_usable_size(p));
        free(p);
}

/* Before main, because jansson wants it before its first object. */
__attribute__((constructor)) static void set_memory(void) {
        json_set_alloc_funcs(alloc_or_abort, wipe_and_free);
}

void json_freep(json_t **p) {
        json_decref(*p);
        *p = NULL;
}

static void overwrite(json_t *j) {
        const char *name;
        json_t *item;
        size_t i;

        if (json_is_string(j))
                explicit_bzero((char *)json_string_value(j), json_string_length(j));
        json_array_foreach(j, i, item)
                overwrite(item);
        json_object_foreach(j, name, item)
                overwrite(item);
}

void json_wipe(json_t *j) {
        overwrite(j);
        json_decref(j);
}

/* What stands before the first byte of a string's end: P is behind the opening quote, the answer
 * too. */
static const char *skip_string(const char *p, const char *end) {
        for (; p < end && *p != '"'; p++)
                if (*p == '\\' && p + 1 < end)
                        p++;
        return p < end ? p + 1 : end;
}

static bool too_deep(const char *text, size_t len) {
        const char *end = text + len;
        int depth = 0;

        for (const char *p = text; p < end;) {
                char c = *p++;

                if (c == '"')
                        p = skip_string(p, end);
                else if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
                        return true;
                else if (c == '}' || c == ']')
                        depth--;
        }
        return false;
}

static bool is_number_byte(char c) {
        return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Copies a number; an integer that int64 does not hold gets an exponent, which makes it a real. */
static const char *copy_number(const char *p, const char *end, struct buf *out) {
        const char *start = p;
        bool whole = true;

        for (; p < end && is_number_byte(*p); p++)
                if (*p != '-' && (*p < '0' || *p > '9'))
                        whole = false;
        buf_add(out, start, (size_t)(p - start));
        if (whole && p - start > 18) {
                cleanup_(freep) char *digits = str_ndup(start, (size_t)(p - start));
                int64_t n;

                if (!str_to_int(digits, &n))
                        buf_puts(out, "e0");
        }
        return p;
}

/* jansson refuses integers beyond int64, every other reader in the cluster takes them as reals. */
static void widen_numbers(const char *text, size_t len, struct buf *out) {
        const char *end = text + len;
        const char *p = text;

        while (p < end) {
                const char *start = p;

                if (*p == '"')
                        p = skip_string(p + 1, end);
                else if (is_number_byte(*p) && *p != 'e' && *p != 'E')
                        p = start = copy_number(p, end, out);
                else
                        p++;
                buf_add(out, start, (size_t)(p - start));
        }
}

int json_parse(const char *text, size_t len, json_t **ret, struct err *err) {
        const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
        json_error_t e;
        json_t *j = len <= JSON_TEXT_MAX ? json_quick(text, len) : NULL;

        if (j) {
                *ret = j;
                return 0;
        }
        if (len > JSON_TEXT_MAX)
                return err_set(err, -EBADMSG, "JSON of %zu bytes, at most %u are read", len,
                               JSON_TEXT_MAX);
        if (too_deep(text, len))
                return err_set(err, -EBADMSG, "JSON nested deeper than %d", JSON_DEPTH_MAX);
        j = json_loadb(text, len, flags, &e);
        if (!j && json_error_code(&e) == json_error_numeric_overflow) {
                cleanup_(buf_free) struct buf wide = BUF_INIT;

                widen_numbers(text, len, &wide);
                j = json_loadb(buf_str(&wide), wide.len, flags, &e);
        }
        if (!j)
                return err_set(err, -EBADMSG, "not JSON: line %d, column %d: %s", e.line, e.column,
                               e.text);
        *ret = j;
        return 0;
}

json_t *json_get(const json_t *j, const char *member) {
        return json_object_get(j, member);
}

const char *json_get_str(const json_t *j, const char *member, const char *fallback) {
        const char *s = json_string_value(json_object_get(j, member));

        return s ? s : fallback;
}

int64_t json_get_int(const json_t *j, const char *member, int64_t fallback) {
        const json_t *value = json_object_get(j, member);

        return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool json_get_bool(const json_t *j, const char *member, bool fallback) {
        const json_t *value = json_object_get(j, member);

        return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *json_dig(const json_t *j, ...) {
        json_t *at = (json_t *)j;
        const char *member;
        va_list ap;

        va_start(ap, j);
        while (at && (member = va_arg(ap, const char *)))
                at = json_object_get(at, member);
        va_end(ap);
        return at;
}

const char *json_type_name(const json_t *j) {
        static const char *const names[] = {
                [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",
                [JSON_STRING] = "a text",    [JSON_INTEGER] = "a whole number",
                [JSON_REAL] = "a number",    [JSON_TRUE] = "true",
                [JSON_FALSE] = "false",      [JSON_NULL] = "null",
        };

        return j ? names[json_typeof(j)] : "nothing";
}

/* One reference token of a pointer, "~1" and "~0" resolved. *P stands behind its slash and moves
 * to the next slash or the end. */
static char *take_token(const char **p) {
        size_t n = strcspn(*p, "/");
        char *token = str_ndup(*p, n);
        char *to = token;

        for (const char *from = token; *from; from++) {
                char c = *from;

                if (c == '~' && (from[1] == '0' || from[1] == '1'))
                        c = *++from == '0' ? '~' : '/';
                *to++ = c;
        }
        *to = '\0';
        *p += n;
        return token;
}

/* An index has no leading zeros and no sign. */
static json_t *item_at(const json_t *list, const char *token) {
        int64_t n;

        if (token[0] < '0' || token[0] > '9' || (token[0] == '0' && token[1]))
                return NULL;
        return str_to_int(token, &n) ? json_array_get(list, (size_t)n) : NULL;
}

static json_t *child_at(const json_t *j, const char *token) {
        if (json_is_array(j))
                return item_at(j, token);
        return json_object_get(j, token);
}

json_t *json_at(const json_t *j, const char *pointer) {
        while (j && *pointer) {
                cleanup_(freep) char *token = NULL;

                if (*pointer++ != '/')
                        return NULL;
                token = take_token(&pointer);
                j = child_at(j, token);
        }
        return (json_t *)j;
}

/* Sets a member, replaces an item, or appends one with "-". Takes over VALUE also when it fails. */
static bool put_child(json_t *j, const char *token, json_t *value) {
        int64_t n;

        if (json_is_object(j))
                return json_object_set_new(j, token, value) == 0;
        if (json_is_array(j) && strcmp(token, "-") == 0)
                return json_array_append_new(j, value) == 0;
        if (item_at(j, token) && str_to_int(token, &n))
                return json_array_set_new(j, (size_t)n, value) == 0;
        json_decref(value);
        return false;
}

bool json_put(json_t *j, const char *pointer, json_t *value) {
        cleanup_(json_freep) json_t *owned = value;

        while (*pointer == '/') {
                cleanup_(freep) char *token = NULL;
                json_t *next;

                pointer++;
                token = take_token(&pointer);
                if (!*pointer)
                        return put_child(j, token, take_ptr(owned));
                next = child_at(j, token);
                if (!next) {
                        next = json_object();
                        if (!put_child(j, token, next))
                                return false;
                }
                j = next;
        }
        return false;
}
