/* SPDX-License-Identifier: Apache-2.0 */
/* param.c - parameters of actions against their schemas; see param.h
 *
 * One table of keywords for both: what a schema may say, and what that means for a value. A value
 * is first made of its type, then goes through the table. The first fault ends it, with the path
 * and what was wanted; of a secret the value is never in a message. */
#include "param.h"

#include "charm-meta.h"
#include "opt.h"
#include "secret-token.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SHOWN_MAX 60 /* letters of a wrong value that a message repeats */
/* A text of parameters stands in a journal, a view of a step, a log line. */
#define TEXT_MAX (64u << 10)

struct check {
        const char *what;
        const char *path; /* "" at the root */
        const json_t *schema, *value;
        bool secret;
        struct err *err;
};

/* ---- messages */

static void add_value(struct buf *out, const struct check *c) {
        cleanup_(freep) char *text = NULL;

        if (c->secret || json_is_object(c->value) || json_is_array(c->value))
                return buf_puts(out, json_type_name(c->value));
        text = json_text(c->value);
        buf_printf(out, "%s%.*s%s", json_is_string(c->value) ? "the text " : "", SHOWN_MAX, text,
                   strlen(text) > SHOWN_MAX ? "..." : "");
}

static int wrong(const struct check *c, const char *fmt, ...) printf_(2, 3);
static int wrong(const struct check *c, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        if (!*c->path)
                return err_set(c->err, -EINVAL, "the %ss: %s", c->what, text);
        return err_set(c->err, -EINVAL, "%s %s: %s", c->what, c->path, text);
}

/* "must be at least 1, is 0" */
static int refuse(const struct check *c, const char *fmt, ...) printf_(2, 3);
static int refuse(const struct check *c, const char *fmt, ...) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        buf_printf(&out, "%s, is ", text);
        add_value(&out, c);
        return wrong(c, "%s", buf_str(&out));
}

static char *path_of(const char *path, const char *member) {
        return *path ? str_format("%s.%s", path, member) : str_dup(member);
}

/* ---- types */

static bool is_integer(const json_t *j) {
        return json_is_integer(j) ||
               (json_is_real(j) && floor(json_real_value(j)) == json_real_value(j));
}

static bool is_number(const json_t *j) {
        return json_is_number(j);
}

static bool is_string(const json_t *j) {
        return json_is_string(j);
}

static bool is_boolean(const json_t *j) {
        return json_is_boolean(j);
}

static bool is_array(const json_t *j) {
        return json_is_array(j);
}

static bool is_object(const json_t *j) {
        return json_is_object(j);
}

static bool is_null(const json_t *j) {
        return json_is_null(j);
}

/* A text as a command line gives it. NULL: it does not read as one. */
static json_t *read_integer(const char *text) {
        int64_t n;

        return str_to_int(text, &n) ? json_integer(n) : NULL;
}

static json_t *read_number(const char *text) {
        char *end = NULL;
        double d = strtod(text, &end);

        return end == text || *end || !isfinite(d) ? NULL : json_real(d);
}

static json_t *read_boolean(const char *text) {
        if (str_eq(text, "true") || str_eq(text, "True"))
                return json_true();
        return str_eq(text, "false") || str_eq(text, "False") ? json_false() : NULL;
}

static const struct type {
        const char *name, *wanted;
        bool (*is)(const json_t *j);
        json_t *(*read)(const char *text); /* NULL: a text is never taken for it */
} types[] = {
        { "string", "a text", is_string, NULL },
        { "integer", "a whole number", is_integer, read_integer },
        { "number", "a number", is_number, read_number },
        { "boolean", "true or false", is_boolean, read_boolean },
        { "array", "a list", is_array, NULL },
        { "object", "a map", is_object, NULL },
        { "null", "null", is_null, NULL },
};

static const struct type *type_find(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (str_eq(types[i].name, name))
                        return &types[i];
        return NULL;
}

/* The I-th type that SCHEMA allows; NULL: no more. */
static const struct type *type_at(const json_t *schema, size_t i) {
        const json_t *type = json_get(schema, "type");

        if (json_is_array(type))
                return type_find(json_string_value(json_array_get(type, i)));
        return i == 0 ? type_find(json_string_value(type)) : NULL;
}

static int wrong_type(const struct check *c) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        const struct type *t;

        for (size_t i = 0; (t = type_at(c->schema, i)); i++)
                buf_printf(&out, "%s%s", i ? " or " : "", t->wanted);
        return refuse(c, "wants %s", buf_str(&out));
}

/* VALUE as one of the types: itself, or what its text says. */
static int of_type(const struct check *c, json_t **ret) {
        const struct type *t;
        json_t *read;

        if (!type_at(c->schema, 0)) {
                *ret = json_incref((json_t *)c->value);
                return 0;
        }
        for (size_t i = 0; (t = type_at(c->schema, i)); i++) {
                if (!t->is(c->value))
                        continue;
                *ret = str_eq(t->name, "integer") && json_is_real(c->value)
                               ? json_integer((json_int_t)json_real_value(c->value))
                               : json_incref((json_t *)c->value);
                return 0;
        }
        for (size_t i = 0; (t = type_at(c->schema, i)); i++) {
                read = t->read && json_is_string(c->value) ? t->read(json_string_value(c->value))
                                                           : NULL;
                if (!read)
                        continue;
                *ret = read;
                return 0;
        }
        return wrong_type(c);
}

/* ---- what keywords mean for a value */

static int check_enum(const struct check *c, const json_t *rule) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        size_t i;
        json_t *one;

        json_array_foreach(rule, i, one) {
                cleanup_(freep) char *text = json_text(one);

                if (json_equal(one, c->value))
                        return 0;
                buf_printf(&out, "%s%s", i ? ", " : "",
                           json_is_string(one) ? json_string_value(one) : text);
        }
        return refuse(c, "must be one of %s", buf_str(&out));
}

static int check_const(const struct check *c, const json_t *rule) {
        cleanup_(freep) char *text = json_text(rule);

        return json_equal(rule, c->value) ? 0 : refuse(c, "must be %s", text);
}

static int check_minimum(const struct check *c, const json_t *rule) {
        if (!json_is_number(c->value) || json_number_value(c->value) >= json_number_value(rule))
                return 0;
        return refuse(c, "must be at least %g", json_number_value(rule));
}

static int check_maximum(const struct check *c, const json_t *rule) {
        if (!json_is_number(c->value) || json_number_value(c->value) <= json_number_value(rule))
                return 0;
        return refuse(c, "must be at most %g", json_number_value(rule));
}

static int check_above(const struct check *c, const json_t *rule) {
        if (!json_is_number(c->value) || json_number_value(c->value) > json_number_value(rule))
                return 0;
        return refuse(c, "must be above %g", json_number_value(rule));
}

static int check_below(const struct check *c, const json_t *rule) {
        if (!json_is_number(c->value) || json_number_value(c->value) < json_number_value(rule))
                return 0;
        return refuse(c, "must be below %g", json_number_value(rule));
}

static size_t letters(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += ((unsigned char)*text & 0xc0) != 0x80;
        return n;
}

static int check_min_length(const struct check *c, const json_t *rule) {
        const char *text = json_string_value(c->value);
        long long least = json_integer_value(rule);

        if (!text || (long long)letters(text) >= least)
                return 0;
        return wrong(c, "must have at least %lld %s, has %zu", least,
                     least == 1 ? "letter" : "letters", letters(text));
}

static int check_max_length(const struct check *c, const json_t *rule) {
        const char *text = json_string_value(c->value);
        long long most = json_integer_value(rule);

        if (!text || (long long)letters(text) <= most)
                return 0;
        return wrong(c, "must have at most %lld %s, has %zu", most,
                     most == 1 ? "letter" : "letters", letters(text));
}

static int check_pattern(const struct check *c, const json_t *rule) {
        const char *text = json_string_value(c->value);
        struct err err = {};

        if (!text || charm_meta_pattern(json_string_value(rule), false, text, &err) > 0)
                return 0;
        return refuse(c, "must match %s", json_string_value(rule));
}

static int check_min_items(const struct check *c, const json_t *rule) {
        size_t n = json_array_size(c->value);

        if (!json_is_array(c->value) || (long long)n >= json_integer_value(rule))
                return 0;
        return wrong(c, "must have at least %lld %s, has %zu", (long long)json_integer_value(rule),
                     json_integer_value(rule) == 1 ? "item" : "items", n);
}

static int check_max_items(const struct check *c, const json_t *rule) {
        size_t n = json_array_size(c->value);

        if (n <= (size_t)json_integer_value(rule))
                return 0;
        return wrong(c, "must have at most %lld %s, has %zu", (long long)json_integer_value(rule),
                     json_integer_value(rule) == 1 ? "item" : "items", n);
}

static int check_unique(const struct check *c, const json_t *rule) {
        size_t n = json_array_size(c->value);

        for (size_t i = 0; json_is_true(rule) && i < n; i++)
                for (size_t k = 0; k < i; k++)
                        if (json_equal(json_array_get(c->value, i), json_array_get(c->value, k)))
                                return wrong(c, "item %zu is the same as item %zu", i, k);
        return 0;
}

static int check_required(const struct check *c, const json_t *rule) {
        size_t i;
        json_t *name;

        json_array_foreach(rule, i, name) {
                const char *member = json_string_value(name);
                const char *about = json_get_str(json_dig(c->schema, "properties", member, NULL),
                                                 "description", "");
                cleanup_(freep) char *path = path_of(c->path, member);

                if (!json_is_object(c->value) || json_get(c->value, member))
                        continue;
                return err_set(c->err, -EINVAL, "%s %s: is needed%s%.200s", c->what, path,
                               *about ? ": " : "", about);
        }
        return 0;
}

/* ---- schemas */

struct schema { /* that is checked itself */
        const json_t *json;
        const struct json_where *where;
        const char *name; /* of the keyword */
        json_t *rule;
        struct err *err;
};

static int mistake(const struct schema *s, const char *text) {
        return json_error(s->err, s->where, s->json, s->name, "%s, is %s", text,
                          json_type_name(s->rule));
}

static int want_text(const struct schema *s) {
        return json_is_string(s->rule) ? 0 : mistake(s, "must be a text");
}

static int want_number(const struct schema *s) {
        return json_is_number(s->rule) ? 0 : mistake(s, "must be a number");
}

static int want_count(const struct schema *s) {
        return json_is_integer(s->rule) && json_integer_value(s->rule) >= 0
                       ? 0
                       : mistake(s, "must be a whole number from 0 on");
}

static int want_boolean(const struct schema *s) {
        return json_is_boolean(s->rule) ? 0 : mistake(s, "must be true or false");
}

static int want_anything(const struct schema *s) {
        return 0;
}

static int want_list(const struct schema *s) {
        return json_array_size(s->rule) ? 0 : mistake(s, "must be a list that is not empty");
}

static int want_type(const struct schema *s) {
        size_t n = json_is_array(s->rule) ? json_array_size(s->rule) : 1;

        for (size_t i = 0; i < n; i++)
                if (!type_at(s->json, i))
                        return json_error(s->err, s->where, s->json, s->name,
                                          "must be string, integer, number, boolean, array, object "
                                          "or null, or a list of these");
        return n ? 0 : mistake(s, "must not be empty");
}

static int want_pattern(const struct schema *s) {
        struct err err = {};
        int r = want_text(s);

        if (r == 0 && charm_meta_pattern(json_string_value(s->rule), false, "", &err) < 0)
                return json_error(s->err, s->where, s->json, s->name, "%s", err_text(&err));
        return r;
}

static int want_schema(const struct schema *s) {
        cleanup_(freep) char *path = path_of(s->where->path, s->name);
        struct json_where where = { s->where->file, s->where->lines, path };

        return param_check_schema(s->rule, &where, s->err);
}

static int want_schema_or_boolean(const struct schema *s) {
        return json_is_boolean(s->rule) ? 0 : want_schema(s);
}

static int want_schemas(const struct schema *s) {
        const char *name;
        json_t *one;

        if (!json_is_object(s->rule))
                return mistake(s, "must be a map");
        json_object_foreach(s->rule, name, one) {
                cleanup_(freep) char *path = str_format("%s%s%s.%s", s->where->path,
                                                        *s->where->path ? "." : "", s->name, name);
                struct json_where where = { s->where->file, s->where->lines, path };
                int r = param_check_schema(one, &where, s->err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static const char *nearest_member(const json_t *object, const char *name) {
        cleanup_(freep) const char **names = mem_array(const char *, json_object_size(object) + 1);
        const char *member;
        json_t *value;
        size_t n = 0;

        json_object_foreach((json_t *)object, member, value)
                names[n++] = member;
        return opt_nearest(name, names);
}

static int want_names(const struct schema *s) {
        const json_t *properties = json_get(s->json, "properties");
        size_t i;
        json_t *name;

        if (!json_is_array(s->rule))
                return mistake(s, "must be a list of names");
        json_array_foreach(s->rule, i, name) {
                const char *text = json_string_value(name);

                if (!text)
                        return mistake(s, "must be a list of names");
                if (!json_get(properties, text))
                        return json_error(s->err, s->where, s->json, s->name,
                                          "\"%.60s\" is none of the properties", text);
        }
        return 0;
}

static int want_secret(const struct schema *s) {
        const struct type *t = type_at(s->json, 0);

        if (!json_is_true(s->rule) || (t && str_eq(t->name, "string") && !type_at(s->json, 1)))
                return want_boolean(s);
        return json_error(s->err, s->where, s->json, s->name, "only a text can be a secret");
}

static int want_default(const struct schema *s) {
        cleanup_(json_freep) json_t *made = NULL;
        struct err err = {};

        if (json_get_bool(s->json, "secret", false))
                return json_error(s->err, s->where, s->json, s->name, "a secret has no default");
        if (param_check(s->json, "default", s->rule, &made, &err) < 0)
                return json_error(s->err, s->where, s->json, s->name, "%s", err_text(&err));
        return 0;
}

static const struct keyword {
        const char *name;
        int (*schema)(const struct schema *s);
        int (*value)(const struct check *c, const json_t *rule); /* NULL: not by itself */
} keywords[] = {
        { "type", want_type, NULL },
        { "enum", want_list, check_enum },
        { "const", want_anything, check_const },
        { "minimum", want_number, check_minimum },
        { "maximum", want_number, check_maximum },
        { "exclusiveMinimum", want_number, check_above },
        { "exclusiveMaximum", want_number, check_below },
        { "minLength", want_count, check_min_length },
        { "maxLength", want_count, check_max_length },
        { "pattern", want_pattern, check_pattern },
        { "items", want_schema, NULL },
        { "minItems", want_count, check_min_items },
        { "maxItems", want_count, check_max_items },
        { "uniqueItems", want_boolean, check_unique },
        { "properties", want_schemas, NULL },
        { "required", want_names, check_required },
        { "additionalProperties", want_schema_or_boolean, NULL },
        { "secret", want_secret, NULL },
        { "title", want_text, NULL },
        { "description", want_text, NULL },
        { "examples", want_anything, NULL },
        { "format", want_text, NULL },
        { "default", want_default, NULL }, /* last: the others are right by then */
};

static const struct keyword *keyword_find(const char *name) {
        for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
                if (str_eq(keywords[i].name, name))
                        return &keywords[i];
        return NULL;
}

static int unknown_keyword(const json_t *schema, const char *name, const struct json_where *where,
                           struct err *err) {
        const char *names[ARRAY_SIZE(keywords) + 1] = { NULL };
        const char *near;

        for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
                names[i] = keywords[i].name;
        near = opt_nearest(name, names);
        return json_error(err, where, schema, name, "is not checked here%s%s%s",
                          near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

int param_check_schema(const json_t *schema, const struct json_where *where, struct err *err) {
        const char *name;
        json_t *rule;
        int r = 0;

        if (!json_is_object(schema))
                return json_error(err, where, schema, NULL, "must be a schema, is %s",
                                  json_type_name(schema));
        json_object_foreach((json_t *)schema, name, rule)
                if (!keyword_find(name))
                        return unknown_keyword(schema, name, where, err);
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(keywords); i++) {
                struct schema s = { schema, where, keywords[i].name,
                                    json_get(schema, keywords[i].name), err };

                if (s.rule)
                        r = keywords[i].schema(&s);
        }
        return r;
}

/* ---- values */

static int check_value(const struct check *c, json_t **ret);

static int unknown_member(const struct check *c, const char *name) {
        const json_t *known = json_get(c->schema, "properties");
        cleanup_(freep) char *path = path_of(c->path, name);
        const char *near = nearest_member(known, name);

        if (near)
                return err_set(c->err, -EINVAL, "there is no %s %.80s, did you mean \"%s\"?",
                               c->what, path, near);
        return err_set(c->err, -EINVAL, "there is no %s %.80s%s", c->what, path,
                       json_object_size(known) ? "" : ": it takes none");
}

static int check_member(const struct check *c, const char *name, const json_t *value, json_t *out) {
        const json_t *schema = json_dig(c->schema, "properties", name, NULL);
        const json_t *others = json_get(c->schema, "additionalProperties");
        cleanup_(freep) char *path = path_of(c->path, name);
        struct check inner = { c->what, path, schema ? schema : others, value, false, c->err };
        json_t *made = NULL;
        int r;

        if (!schema && json_is_false(others))
                return unknown_member(c, name);
        if (json_is_object(inner.schema))
                r = check_value(&inner, &made);
        else
                r = (made = json_deep_copy(value)) ? 0 : -EINVAL;
        if (r >= 0)
                json_object_set_new(out, name, made);
        return r;
}

static int check_object(const struct check *c, json_t **ret) {
        cleanup_(json_freep) json_t *out = json_object();
        const char *name;
        json_t *value, *schema;

        json_object_foreach((json_t *)c->value, name, value) {
                int r = check_member(c, name, value, out);

                if (r < 0)
                        return r;
        }
        json_object_foreach(json_get(c->schema, "properties"), name, schema) {
                json_t *filled = json_get(schema, "default");

                if (filled && !json_is_null(filled) && !json_get(out, name))
                        json_object_set_new(out, name, json_deep_copy(filled));
        }
        *ret = take_ptr(out);
        return 0;
}

static int check_list(const struct check *c, json_t **ret) {
        cleanup_(json_freep) json_t *out = json_array();
        const json_t *schema = json_get(c->schema, "items");
        size_t i;
        json_t *value;

        json_array_foreach(c->value, i, value) {
                cleanup_(freep) char *path = str_format("%s[%zu]", c->path, i);
                struct check inner = { c->what, path, schema, value, false, c->err };
                json_t *made = NULL;
                int r = schema ? check_value(&inner, &made) : 0;

                if (r < 0)
                        return r;
                json_array_append_new(out, schema ? made : json_deep_copy(value));
        }
        *ret = take_ptr(out);
        return 0;
}

static int check_rules(const struct check *c) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(keywords); i++) {
                const json_t *rule = json_get(c->schema, keywords[i].name);

                if (rule && keywords[i].value)
                        r = keywords[i].value(c, rule);
        }
        return r;
}

/* "secret:NAME" is taken where the schema's pattern says so; anywhere else it would be used as it
 * is: as the passphrase of a backup, say. */
static bool is_stray_secret(const struct check *c) {
        const char *text = json_string_value(c->value),
                   *pattern = json_get_str(c->schema, "pattern", "");

        return text && str_starts(text, USER_SECRET_SCHEME) &&
               !str_starts(pattern, USER_SECRET_SCHEME) &&
               !str_starts(pattern, "^" USER_SECRET_SCHEME);
}

static int check_value(const struct check *outer, json_t **ret) {
        cleanup_(json_freep) json_t *made = NULL, *inside = NULL;
        struct check c = *outer;
        int r;

        c.secret = json_get_bool(c.schema, "secret", false);
        r = of_type(&c, &made);
        if (r < 0)
                return r;
        c.value = made;
        if (json_string_length(made) > TEXT_MAX)
                return wrong(&c, "has %zu bytes, at most %u fit", json_string_length(made),
                             TEXT_MAX);
        if (is_stray_secret(&c))
                return wrong(&c, "takes no secret:NAME, give the value itself (--params FILE hides "
                                 "it)");
        if (json_is_object(made)) /* its members first: what is missing may be misspelt */
                r = check_object(&c, &inside);
        c.value = inside ? inside : made;
        if (r >= 0)
                r = check_rules(&c);
        if (r < 0)
                return r;
        if (json_is_array(made))
                return check_list(&c, ret);
        *ret = inside ? take_ptr(inside) : take_ptr(made);
        return 0;
}

int param_check(const json_t *schema, const char *what, const json_t *value, json_t **ret,
                struct err *err) {
        struct check c = { what, "", schema, value, false, err };

        return check_value(&c, ret);
}

/* ---- secrets */

static void each_secret(const json_t *schema, const char *path, json_t *value, param_secret_fn *fn,
                        void *arg) {
        const char *name;
        json_t *inner;

        json_object_foreach(json_get(schema, "properties"), name, inner) {
                cleanup_(freep) char *at = path_of(path, name);
                json_t *member = json_get(value, name), *other = NULL;

                if (!member)
                        continue;
                if (json_get_bool(inner, "secret", false))
                        other = fn(arg, at, member);
                else if (json_is_object(member))
                        each_secret(inner, at, member, fn, arg);
                if (other)
                        json_object_set_new(value, name, other);
        }
}

void param_each_secret(const json_t *schema, json_t *value, param_secret_fn *fn, void *arg) {
        each_secret(schema, "", value, fn, arg);
}
