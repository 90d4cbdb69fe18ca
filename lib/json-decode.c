/* SPDX-License-Identifier: Apache-2.0 */
/* json-decode.c - objects into structs by field table, with messages that name file, line and
 * path
 *
 * Every admin request, bundle, charm.yaml and kubeconfig goes through here. The first wrong
 * member ends the decoding; members of the struct that were decoded before keep their values.
 * Values of fields marked JSON_SECRET never appear in a message. */
#include "json.h"

#include "json-lines.h"
#include "opt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define SHOWN_MAX 40 /* letters of a wrong text that a message repeats */

/* "bundle.yaml:12: applications.minio.scale: " */
static void write_place(struct buf *out, const struct json_where *where, const json_t *container,
                        const char *member) {
        const char *path = where && where->path ? where->path : "";
        int line = 0;

        if (where && member)
                line = json_line_of(where->lines, container, member, 0);
        if (where && !line)
                line = json_lines_own(where->lines, container);
        if (where && where->file) {
                buf_puts(out, where->file);
                if (line)
                        buf_printf(out, ":%d", line);
                buf_puts(out, ": ");
        } else if (line) {
                buf_printf(out, "line %d: ", line);
        }
        if (*path || member)
                buf_printf(out, "%s%s%s: ", path, *path && member ? "." : "", member ? member : "");
}

int json_error(struct err *err, const struct json_where *where, const json_t *container,
               const char *member, const char *fmt, ...) {
        cleanup_(buf_free) struct buf place = BUF_INIT;
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        write_place(&place, where, container, member);
        return err_set(err, -EINVAL, "%s%s", buf_str(&place), text);
}

/* One field on its way from the object to the struct. */
struct pass {
        const json_t *object;
        const struct json_field *field;
        const json_t *value;
        void *to;
        const struct json_where *where;
        struct err *err;
};

/* `the text "two"`, "the number 5": what was found instead. */
static char *describe(const struct json_field *f, const json_t *value) {
        if (f->flags & JSON_SECRET)
                return str_dup(json_type_name(value));
        if (json_is_string(value)) {
                const char *s = json_string_value(value);
                bool cut = strlen(s) > SHOWN_MAX;

                return str_format("the text \"%.*s%s\"", SHOWN_MAX, s, cut ? "..." : "");
        }
        if (json_is_number(value)) {
                cleanup_(freep) char *text = json_text(value);

                return str_format("the number %s", text);
        }
        return str_dup(json_type_name(value));
}

static int wrong(const struct pass *p, const char *wanted) {
        cleanup_(freep) char *found = describe(p->field, p->value);

        return json_error(p->err, p->where, p->object, p->field->name, "must be %s, is %s", wanted,
                          found);
}

/* "a whole number between 0 and 100", "a text of at least 1 letters" */
static int wrong_range(const struct pass *p, const char *what, const char *link, const char *unit) {
        const struct json_field *f = p->field;
        cleanup_(freep) char *wanted = NULL;

        if (f->min == INT64_MIN)
                wanted = str_format("%s %sat most %" PRId64 "%s", what, link, f->max, unit);
        else if (f->max == INT64_MAX)
                wanted = str_format("%s %sat least %" PRId64 "%s", what, link, f->min, unit);
        else
                wanted = str_format("%s %sbetween %" PRId64 " and %" PRId64 "%s", what, link,
                                    f->min, f->max, unit);
        return wrong(p, wanted);
}

static bool has_range(const struct json_field *f) {
        return f->min != f->max;
}

static int take_string(const struct pass *p) {
        const char *s = json_string_value(p->value);
        int64_t n = s ? (int64_t)json_string_length(p->value) : 0;

        if (!s)
                return wrong(p, "a text");
        if (has_range(p->field) && (n < p->field->min || n > p->field->max))
                return wrong_range(p, "a text", "of ", " bytes");
        *(const char **)p->to = s;
        return 0;
}

static int take_int(const struct pass *p) {
        int64_t n = json_integer_value(p->value);

        if (!json_is_integer(p->value))
                return has_range(p->field) ? wrong_range(p, "a whole number", "", "")
                                           : wrong(p, "a whole number");
        if (has_range(p->field) && (n < p->field->min || n > p->field->max))
                return wrong_range(p, "a whole number", "", "");
        *(int64_t *)p->to = n;
        return 0;
}

static int take_bool(const struct pass *p) {
        if (!json_is_boolean(p->value))
                return wrong(p, "true or false");
        *(bool *)p->to = json_is_true(p->value);
        return 0;
}

static int take_number(const struct pass *p) {
        if (!json_is_number(p->value))
                return wrong(p, "a number");
        *(double *)p->to = json_number_value(p->value);
        return 0;
}

static int take_tree(const struct pass *p) {
        enum json_kind kind = p->field->kind;

        if (kind == JSON_FIELD_OBJECT && !json_is_object(p->value))
                return wrong(p, "an object");
        if (kind == JSON_FIELD_LIST && !json_is_array(p->value))
                return wrong(p, "a list");
        if (kind == JSON_FIELD_SCALAR &&
            (json_is_object(p->value) || json_is_array(p->value) || json_is_null(p->value)))
                return wrong(p, "a text, a number or true or false");
        *(json_t **)p->to = (json_t *)p->value;
        return 0;
}

static int take_enum(const struct pass *p) {
        const char *const *names = p->field->names;
        const char *s = json_string_value(p->value);
        cleanup_(buf_free) struct buf wanted = BUF_INIT;

        for (int i = 0; s && names[i]; i++) {
                if (strcmp(names[i], s) == 0) {
                        *(int *)p->to = i;
                        return 0;
                }
        }
        for (int i = 0; names[i]; i++)
                buf_printf(&wanted, "%s%s", i ? ", " : "one of ", names[i]);
        return wrong(p, buf_str(&wanted));
}

static int take(const struct pass *p) {
        static int (*const takers[JSON_FIELD_KIND_MAX])(const struct pass *) = {
                [JSON_FIELD_STRING] = take_string, [JSON_FIELD_INT] = take_int,
                [JSON_FIELD_BOOL] = take_bool,     [JSON_FIELD_NUMBER] = take_number,
                [JSON_FIELD_OBJECT] = take_tree,   [JSON_FIELD_LIST] = take_tree,
                [JSON_FIELD_ANY] = take_tree,      [JSON_FIELD_SCALAR] = take_tree,
                [JSON_FIELD_ENUM] = take_enum,
        };

        return takers[p->field->kind](p);
}

static size_t count_fields(const struct json_field *fields) {
        size_t n = 0;

        while (fields[n].name)
                n++;
        return n;
}

static int unknown(const json_t *j, const char *member, const struct json_field *fields,
                   const struct json_where *where, struct err *err) {
        size_t n = count_fields(fields);
        cleanup_(freep) const char **names = mem_array(const char *, n + 1);
        const char *near;

        for (size_t i = 0; i < n; i++)
                names[i] = fields[i].name;
        near = opt_nearest(member, names);
        if (near)
                return json_error(err, where, j, member, "is not known here, did you mean \"%s\"?",
                                  near);
        return json_error(err, where, j, member, "is not known here");
}

static bool is_note(const char *member) {
        return member[0] == '_' || str_starts(member, "x-");
}

static int check_members(const json_t *j, const struct json_field *fields,
                         const struct json_where *where, struct err *err) {
        const char *member;
        json_t *value;

        json_object_foreach((json_t *)j, member, value) {
                size_t i = 0;

                while (fields[i].name && strcmp(fields[i].name, member) != 0)
                        i++;
                if (!fields[i].name && !is_note(member))
                        return unknown(j, member, fields, where, err);
        }
        return 0;
}

int json_decode(const json_t *j, const struct json_field *fields, bool open, void *target,
                const struct json_where *where, struct err *err) {
        int r;

        if (!json_is_object(j))
                return json_error(err, where, j, NULL, "must be an object, is %s",
                                  json_type_name(j));
        r = open ? 0 : check_members(j, fields, where, err);
        if (r < 0)
                return r;
        for (const struct json_field *f = fields; f->name; f++) {
                struct pass p = {
                        j, f, json_object_get(j, f->name), (char *)target + f->offset, where, err
                };
                bool absent = !p.value || (json_is_null(p.value) && f->flags & JSON_NULL_OK);

                if (absent && !(f->flags & JSON_REQUIRED))
                        continue;
                if (absent)
                        return json_error(err, where, j, f->name, "is missing");
                r = take(&p);
                if (r < 0)
                        return r;
        }
        return 0;
}
