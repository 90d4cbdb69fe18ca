/* SPDX-License-Identifier: Apache-2.0 */
/* field-path.c - see field-path.h; pure */
#include "field-path.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

static size_t word_length(const char *p) {
        size_t n = 0;

        while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '-')
                n++;
        return n;
}

/* Of "[...]", with quotes in it; 0: it does not end. */
static size_t bracket_length(const char *p) {
        bool quoted = false;

        for (size_t n = 1; p[n]; n++) {
                if (quoted && p[n] == '\\' && p[n + 1])
                        n++;
                else if (p[n] == '"')
                        quoted = !quoted;
                else if (p[n] == ']' && !quoted)
                        return n + 1;
        }
        return 0;
}

static size_t step_length(const char *p) {
        return *p == '[' ? bracket_length(p) : word_length(p);
}

int field_path_check(const char *path, struct err *err) {
        const char *p = path;
        size_t n;

        if (strlen(path) > FIELD_PATH_MAX)
                return err_set(err, -EINVAL, "a field has at most %d letters", FIELD_PATH_MAX);
        do {
                n = step_length(p);
                p += n;
                if (*p == '.' && p[1] != '[' && p[1])
                        p++;
                else if (*p && *p != '[')
                        n = 0;
        } while (n && *p);
        if (!n)
                return err_set(err, -EINVAL,
                               "\"%s\" is no field: give it as drift show prints it, as in "
                               "spec.ports[port=80].name",
                               path);
        return 0;
}

void field_path_add(struct buf *path, const char *name) {
        size_t n = word_length(name);

        if (n && !name[n])
                buf_printf(path, "%s%s", path->len ? "." : "", name);
        else
                buf_printf(path, "[\"%s\"]", name);
}

bool field_path_covers(const char *rule, const char *field) {
        while (*rule) {
                if (str_starts(rule, "[*]") && *field == '[') {
                        size_t n = bracket_length(field);

                        if (!n)
                                return false;
                        rule += 3;
                        field += n;
                        continue;
                }
                if (*rule++ != *field++)
                        return false;
        }
        return !*field || *field == '.' || *field == '[';
}

bool field_path_next(const char **p, struct field_step *ret) {
        const char *at = **p == '.' ? *p + 1 : *p;
        size_t n = *at ? step_length(at) : 0;
        bool quoted;

        if (!n)
                return false;
        *p = at + n;
        if (*at != '[') {
                *ret = (struct field_step){ false, str_ndup(at, n) };
                return true;
        }
        quoted = n > 4 && at[1] == '"' && at[n - 2] == '"';
        *ret = (struct field_step){ !quoted,
                                    quoted ? str_ndup(at + 2, n - 4) : str_ndup(at + 1, n - 2) };
        return true;
}

/* As it is printed between the brackets. */
static bool is_value(const json_t *value, const char *text, size_t len) {
        cleanup_(freep) char *said = NULL;

        if (json_is_string(value))
                return strlen(json_string_value(value)) == len &&
                       memcmp(json_string_value(value), text, len) == 0;
        said = json_dumps(value, JSON_ENCODE_ANY);
        return said && strlen(said) == len && memcmp(said, text, len) == 0;
}

bool field_path_chooses(const char *text, const json_t *item) {
        bool said = false;

        if (str_eq(text, "*"))
                return true;
        if (!json_is_object(item))
                return is_value(item, text, strlen(text));
        for (const char *p = text; *p; p += *p == ',') {
                size_t name = strcspn(p, "="), value;
                cleanup_(freep) char *key = str_ndup(p, name);
                const json_t *found = json_object_get(item, key);

                if (!p[name])
                        return false;
                p += name + 1;
                value = strcspn(p, ",");
                if (found && !is_value(found, p, value))
                        return false;
                said |= found != NULL;
                p += value;
        }
        return said;
}
