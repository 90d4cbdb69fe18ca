/* SPDX-License-Identifier: Apache-2.0 */
/* crd_schema.c - an object against the structural schema of its CRD: types, pruning, defaults
 *
 * Called by write.c and by crd.c. Messages are those of the API server's own validator. */
#include "crd.h"

#include "store.h"
#include "typed.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>

#define PRESERVE "x-kubernetes-preserve-unknown-fields"
#define INT_OR_STRING "x-kubernetes-int-or-string"
#define EMBEDDED "x-kubernetes-embedded-resource"

/* --- the type for apply */

static struct schema_type *convert(struct schema *s, const json_t *p, const struct schema *builtin);

static struct schema_type *any_scalar(struct schema *s, enum schema_scalar scalar) {
        struct schema_type *t = schema_add(s, NULL);

        t->scalar = scalar;
        return t;
}

static void add_identity(struct schema *s, struct schema_type *t, const struct schema *builtin) {
        schema_field(t, "apiVersion", any_scalar(s, SCHEMA_STRING), NULL);
        schema_field(t, "kind", any_scalar(s, SCHEMA_STRING), NULL);
        schema_field(t, "metadata", schema_find(builtin, "ObjectMeta"), NULL);
}

static struct schema_type *convert_object(struct schema *s, const json_t *p,
                                          const struct schema *builtin) {
        struct schema_type *t = schema_add(s, NULL);
        json_t *properties = json_get(p, "properties"),
               *other = json_get(p, "additionalProperties");
        const char *key;
        json_t *value;

        t->has_map = true;
        t->map_atomic = str_eq(json_get_str(p, "x-kubernetes-map-type", ""), "atomic");
        json_object_foreach(properties, key, value) {
                schema_field(t, key, convert(s, value, builtin), NULL);
        }
        if (json_is_object(other))
                t->other = convert(s, other, builtin);
        else if (json_is_true(other) || json_get_bool(p, PRESERVE, false) ||
                 json_object_size(properties) == 0)
                t->other = schema_deduced(s);
        if (json_get_bool(p, EMBEDDED, false))
                add_identity(s, t, builtin);
        return t;
}

static struct schema_type *convert_array(struct schema *s, const json_t *p,
                                         const struct schema *builtin) {
        struct schema_type *t = schema_add(s, NULL);
        const char *type = json_get_str(p, "x-kubernetes-list-type", "atomic");
        json_t *keys = json_get(p, "x-kubernetes-list-map-keys"), *key;
        cleanup_(buf_free) struct buf names = BUF_INIT;
        size_t i;

        t->has_list = true;
        t->list_atomic = str_eq(type, "atomic");
        t->item = convert(s, json_get(p, "items"), builtin);
        if (!str_eq(type, "map"))
                return t;
        json_array_foreach(keys, i, key) {
                const char *name = json_string_value(key);
                json_t *fallback =
                        json_dig(p, "items", "properties", name ? name : "", "default", NULL);
                const struct schema_field *f = name ? schema_field_find(t->item, name) : NULL;

                if (f && fallback)
                        schema_field(t->item, name, f->type, json_deep_copy(fallback));
                buf_printf(&names, "%s%s", i ? "," : "", name ? name : "");
        }
        schema_keys(t, buf_str(&names));
        return t;
}

static struct schema_type *convert(struct schema *s, const json_t *p,
                                   const struct schema *builtin) {
        const char *type = json_get_str(p, "type", "");

        if (json_get_bool(p, INT_OR_STRING, false))
                return any_scalar(s, SCHEMA_ANY_SCALAR);
        if (str_eq(type, "object"))
                return convert_object(s, p, builtin);
        if (str_eq(type, "array"))
                return convert_array(s, p, builtin);
        if (str_eq(type, "string"))
                return any_scalar(s, SCHEMA_STRING);
        if (str_eq(type, "integer") || str_eq(type, "number"))
                return any_scalar(s, SCHEMA_NUMBER);
        if (str_eq(type, "boolean"))
                return any_scalar(s, SCHEMA_BOOLEAN);
        return schema_deduced(s);
}

const struct schema_type *crd_type(struct schema *s, const json_t *structure,
                                   const struct schema *builtin) {
        struct schema_type *t;

        if (!structure)
                return schema_deduced(s);
        t = convert(s, structure, builtin);
        if (t->has_map && !t->deduced)
                add_identity(s, t, builtin);
        return t;
}

/* --- pruning */

static bool identity_member(const char *key) {
        return str_eq(key, "apiVersion") || str_eq(key, "kind") || str_eq(key, "metadata");
}

static void prune(const json_t *p, json_t *v, const char *path, bool root, json_t *unknown);

static void prune_object(const json_t *p, json_t *v, const char *path, bool root, json_t *unknown) {
        json_t *properties = json_get(p, "properties"),
               *other = json_get(p, "additionalProperties");
        bool keep = json_get_bool(p, PRESERVE, false) || json_is_true(other);
        const char *key;
        json_t *value;
        void *tmp;

        json_object_foreach_safe(v, tmp, key, value) {
                cleanup_(freep) char *below = str_format("%s%s%s", path, *path ? "." : "", key);
                json_t *schema = json_get(properties, key);

                if ((root || json_get_bool(p, EMBEDDED, false)) && identity_member(key))
                        continue;
                if (!schema && json_is_object(other))
                        schema = other;
                if (schema) {
                        prune(schema, value, below, false, unknown);
                } else if (!keep) {
                        if (unknown)
                                json_array_append_new(unknown, json_string(below));
                        json_object_del(v, key);
                }
        }
}

static void prune(const json_t *p, json_t *v, const char *path, bool root, json_t *unknown) {
        json_t *item;
        size_t i;

        if (json_is_object(v))
                prune_object(p, v, path, root, unknown);
        json_array_foreach(v, i, item) {
                cleanup_(freep) char *below = str_format("%s[%zu]", path, i);

                if (json_get(p, "items"))
                        prune(json_get(p, "items"), item, below, false, unknown);
        }
}

void crd_prune(const struct kind *kind, json_t *object, json_t *unknown) {
        if (kind->structure)
                prune(kind->structure, object, "", true, unknown);
}

/* --- defaults */

static void fill(const json_t *p, json_t *v) {
        json_t *properties = json_get(p, "properties"),
               *other = json_get(p, "additionalProperties");
        json_t *schema, *value;
        const char *key;
        size_t i;

        if (json_is_object(v)) {
                json_object_foreach(properties, key, schema) {
                        json_t *fallback = json_get(schema, "default"),
                               *is = json_object_get(v, key);

                        if (fallback && (!is || (json_is_null(is) &&
                                                 !json_is_true(json_get(schema, "nullable")))))
                                json_object_set_new(v, key, json_deep_copy(fallback));
                }
                json_object_foreach(v, key, value) {
                        schema = json_get(properties, key);
                        if (!schema && json_is_object(other))
                                schema = other;
                        if (schema)
                                fill(schema, value);
                }
        }
        json_array_foreach(v, i, value) {
                fill(json_get(p, "items"), value);
        }
}

void crd_defaults(const struct kind *kind, json_t *object) {
        if (kind->structure)
                fill(kind->structure, object);
}

/* --- validation */

static bool has_type(const char *type, const json_t *v) {
        if (str_eq(type, "object"))
                return json_is_object(v);
        if (str_eq(type, "array"))
                return json_is_array(v);
        if (str_eq(type, "string"))
                return json_is_string(v);
        if (str_eq(type, "boolean"))
                return json_is_boolean(v);
        if (str_eq(type, "integer"))
                return json_is_integer(v) ||
                       (json_is_real(v) && floor(json_real_value(v)) == json_real_value(v));
        return !*type || json_is_number(v);
}

static const char *type_of(const json_t *v) {
        return json_is_string(v)    ? "string"
               : json_is_boolean(v) ? "boolean"
               : json_is_integer(v) ? "integer"
               : json_is_real(v)    ? "number"
               : json_is_array(v)   ? "array"
               : json_is_object(v)  ? "object"
                                    : "null";
}

static void check(const json_t *p, const json_t *v, const char *path, struct invalid *out);

static void check_enum(const json_t *p, const json_t *v, const char *path, struct invalid *out) {
        cleanup_(freep) char *is = json_text(v);
        cleanup_(buf_free) struct buf list = BUF_INIT;
        json_t *values = json_get(p, "enum"), *one;
        size_t i;

        json_array_foreach(values, i, one) {
                cleanup_(freep) char *text = json_text(one);

                if (typed_equal(one, v))
                        return;
                buf_printf(&list, "%s%s", i ? ", " : "", text);
        }
        if (values)
                invalid_add(out, "FieldValueNotSupported", path,
                            "Unsupported value: %s: supported values: %s", is, buf_str(&list));
}

static void should(struct invalid *out, const char *path, const json_t *v, const char *fmt, ...)
        printf_(4, 5);

static void should(struct invalid *out, const char *path, const json_t *v, const char *fmt, ...) {
        cleanup_(freep) char *what = NULL, *why = NULL;
        va_list ap;

        va_start(ap, fmt);
        what = str_vformat(fmt, ap);
        va_end(ap);
        why = str_format("%s in body %s", path, what);
        invalid_value(out, path, v, why);
}

static void check_number(const json_t *p, const json_t *v, const char *path, struct invalid *out) {
        double d = json_number_value(v);
        json_t *min = json_get(p, "minimum"), *max = json_get(p, "maximum");

        if (min && (json_get_bool(p, "exclusiveMinimum", false) ? d <= json_number_value(min)
                                                                : d < json_number_value(min)))
                should(out, path, v, "should be greater than%s %.15g",
                       json_get_bool(p, "exclusiveMinimum", false) ? "" : " or equal to",
                       json_number_value(min));
        if (max && (json_get_bool(p, "exclusiveMaximum", false) ? d >= json_number_value(max)
                                                                : d > json_number_value(max)))
                should(out, path, v, "should be less than%s %.15g",
                       json_get_bool(p, "exclusiveMaximum", false) ? "" : " or equal to",
                       json_number_value(max));
}

/* Patterns are RE2; what POSIX cannot read is let pass. */
static bool pattern_matches(const char *pattern, const char *text) {
        regex_t re;
        bool ok;

        if (strchr(pattern, '\\') || strstr(pattern, "(?") ||
            regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
                return true;
        ok = regexec(&re, text, 0, NULL, 0) == 0;
        regfree(&re);
        return ok;
}

static void check_string(const json_t *p, const json_t *v, const char *path, struct invalid *out) {
        const char *text = json_string_value(v), *pattern = json_get_str(p, "pattern", NULL);
        int64_t n = 0, min = json_get_int(p, "minLength", 0),
                max = json_get_int(p, "maxLength", -1);

        for (const char *c = text; *c; c++)
                n += (*c & 0xc0) != 0x80;
        if (n < min)
                should(out, path, v, "should be at least %lld chars long", (long long)min);
        else if (max >= 0 && n > max)
                invalid_add(out, "FieldValueTooLong", path,
                            "Too long: may not be more than %lld bytes", (long long)max);
        else if (pattern && !pattern_matches(pattern, text))
                should(out, path, v, "should match '%s'", pattern);
}

static void check_array(const json_t *p, const json_t *v, const char *path, struct invalid *out) {
        int64_t n = (int64_t)json_array_size(v), max = json_get_int(p, "maxItems", -1);
        json_t *item;
        size_t i;

        if (n < json_get_int(p, "minItems", 0))
                should(out, path, v, "should have at least %lld items",
                       (long long)json_get_int(p, "minItems", 0));
        if (max >= 0 && n > max)
                invalid_add(out, "FieldValueTooMany", path,
                            "Too many: %lld: must have at most %lld items", (long long)n,
                            (long long)max);
        json_array_foreach((json_t *)v, i, item) {
                cleanup_(freep) char *below = str_format("%s[%zu]", path, i);

                check(json_get(p, "items"), item, below, out);
        }
}

static void check_object(const json_t *p, const json_t *v, const char *path, struct invalid *out) {
        json_t *required = json_get(p, "required"), *name, *value;
        json_t *properties = json_get(p, "properties"),
               *other = json_get(p, "additionalProperties");
        const char *key;
        size_t i;

        json_array_foreach(required, i, name) {
                cleanup_(freep) char *field =
                        str_format("%s%s%s", path, *path ? "." : "", json_string_value(name));

                if (!json_get(v, json_string_value(name)))
                        invalid_required(out, field, "");
        }
        json_object_foreach((json_t *)v, key, value) {
                cleanup_(freep) char *field = str_format("%s%s%s", path, *path ? "." : "", key);
                json_t *schema = json_get(properties, key);

                if (!schema && json_is_object(other))
                        schema = other;
                if (schema)
                        check(schema, value, field, out);
        }
}

/* How many of the schemas at MEMBER take V. */
static size_t taken_by(const json_t *p, const char *member, const json_t *v, const char *path) {
        json_t *schema;
        size_t i, n = 0;

        json_array_foreach(json_get(p, member), i, schema) {
                cleanup_(invalid_deinit) struct invalid inner = { 0 };

                check(schema, v, path, &inner);
                n += !inner.causes;
        }
        return n;
}

static void check_combinations(const json_t *p, const json_t *v, const char *path,
                               struct invalid *out) {
        json_t *schema;
        size_t i;

        json_array_foreach(json_get(p, "allOf"), i, schema) {
                check(schema, v, path, out);
        }
        if (json_get(p, "anyOf") && taken_by(p, "anyOf", v, path) == 0)
                should(out, path, v, "must validate at least one schema (anyOf)");
        if (json_get(p, "oneOf") && taken_by(p, "oneOf", v, path) != 1)
                should(out, path, v, "must validate one and only one schema (oneOf)");
        if (json_get(p, "not")) {
                cleanup_(invalid_deinit) struct invalid inner = { 0 };

                check(json_get(p, "not"), v, path, &inner);
                if (!inner.causes)
                        should(out, path, v, "must not validate the schema (not)");
        }
}

static void check(const json_t *p, const json_t *v, const char *path, struct invalid *out) {
        const char *type = json_get_str(p, "type", "");

        if (json_is_null(v) && json_get_bool(p, "nullable", false))
                return;
        if (json_get_bool(p, INT_OR_STRING, false)) {
                if (!json_is_integer(v) && !json_is_string(v))
                        should(out, path, v, "must be of type integer,string: \"%s\"", type_of(v));
                return;
        }
        if (!has_type(type, v)) {
                invalid_add(out, "FieldValueTypeInvalid", path,
                            "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"",
                            type_of(v), path, type, type_of(v));
                return;
        }
        check_enum(p, v, path, out);
        if (json_is_object(v))
                check_object(p, v, path, out);
        else if (json_is_array(v))
                check_array(p, v, path, out);
        else if (json_is_string(v))
                check_string(p, v, path, out);
        else if (json_is_number(v))
                check_number(p, v, path, out);
        check_combinations(p, v, path, out);
}

void crd_validate(const struct kind *kind, const json_t *object, struct invalid *invalid) {
        if (kind->structure)
                check(kind->structure, object, "", invalid);
}

void crd_validate_status(const struct kind *kind, const json_t *object, struct invalid *invalid) {
        json_t *schema = json_dig(kind->structure, "properties", "status", NULL), *cause;
        cleanup_(invalid_deinit) struct invalid inner = { 0 };
        size_t i;

        if (!schema || !json_get(object, "status"))
                return;
        check(schema, json_get(object, "status"), "", &inner);
        json_array_foreach(inner.causes, i, cause) {
                cleanup_(freep) char *field =
                        str_format("status.%s", json_get_str(cause, "field", ""));

                invalid_add(invalid, json_get_str(cause, "reason", ""), field, "%s",
                            json_get_str(cause, "message", ""));
        }
}
