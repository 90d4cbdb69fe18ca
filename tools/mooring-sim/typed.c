/* SPDX-License-Identifier: Apache-2.0 */
/* typed.c - shapes, item keys, checking, field sets, removal; the two-sided walks are in
 * typed_pair.c
 *
 * Follows the rules of the structured-merge-diff library, which the API server uses, as its
 * recorded tests show them (tests/unit/sim runs those when they are at hand). Written from the
 * rules, not from its code. */
#include "typed.h"
#include "typed_shape.h"

#include <stdlib.h>

void typed_problems_deinit(struct typed_problems *p) {
        json_decref(p->list);
        p->list = NULL;
}

void typed_problems_text(const struct typed_problems *p, struct buf *out) {
        size_t i;
        json_t *text;

        if (json_array_size(p->list) == 1) {
                buf_puts(out, json_string_value(json_array_get(p->list, 0)));
                return;
        }
        buf_puts(out, "errors:");
        json_array_foreach(p->list, i, text) {
                buf_printf(out, "\n  %s", json_string_value(text));
        }
}

static void problem(struct typed_problems *p, const struct fieldset_path *path, const char *fmt,
                    ...) printf_(3, 4);

static void problem(struct typed_problems *p, const struct fieldset_path *path, const char *fmt,
                    ...) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(freep) char *message = NULL;
        va_list ap;

        va_start(ap, fmt);
        message = str_vformat(fmt, ap);
        va_end(ap);
        fieldset_path_text(path, &text);
        buf_printf(&text, "%s%s", text.len ? ": " : "", message);
        if (!p->list)
                p->list = json_array();
        json_array_append_new(p->list, json_string(buf_str(&text)));
}

/* --- shapes */

enum typed_shape typed_shape_of(const struct schema_type *t, const json_t *v) {
        bool is_scalar = v && (json_is_string(v) || json_is_number(v) || json_is_boolean(v));

        if (is_scalar && t->scalar)
                return TYPED_SCALAR;
        if (json_is_array(v) && t->has_list)
                return TYPED_LIST;
        if (json_is_object(v) && t->has_map)
                return TYPED_MAP;
        if (t->has_map)
                return TYPED_MAP;
        return t->scalar ? TYPED_SCALAR : TYPED_LIST;
}

bool typed_shape_empty(const json_t *v) {
        return (!json_is_array(v) || json_array_size(v) == 0) &&
               (!json_is_object(v) || json_object_size(v) == 0);
}

static bool equal_members(const json_t *a, const json_t *b) {
        const char *key;
        json_t *value;

        if (json_object_size(a) != json_object_size(b))
                return false;
        json_object_foreach((json_t *)a, key, value) {
                json_t *other = json_object_get(b, key);

                if (!other || !typed_equal(value, other))
                        return false;
        }
        return true;
}

bool typed_equal(const json_t *a, const json_t *b) {
        if (a == b)
                return true;
        if (!a || !b)
                return false;
        if (json_is_number(a) && json_is_number(b))
                return json_is_integer(a) && json_is_integer(b)
                               ? json_integer_value(a) == json_integer_value(b)
                               : json_number_value(a) == json_number_value(b);
        if (json_typeof(a) != json_typeof(b))
                return false;
        if (json_is_object(a))
                return equal_members(a, b);
        if (!json_is_array(a))
                return json_equal(a, b);
        if (json_array_size(a) != json_array_size(b))
                return false;
        for (size_t i = 0; i < json_array_size(a); i++)
                if (!typed_equal(json_array_get(a, i), json_array_get(b, i)))
                        return false;
        return true;
}

/* --- list items */

static void put_value(struct buf *out, const json_t *v) {
        double d = json_real_value(v);
        cleanup_(freep) char *text = NULL;

        if (json_is_real(v)) {
                text = str_format("%.15g", d); /* the shortest that reads as the same number */
                buf_printf(out, strtod(text, NULL) == d ? "%.15g" : "%.17g", d);
                return;
        }
        text = json_text(v);
        buf_puts(out, text ? text : "null");
}

static char *keyed_element(const struct schema_type *list, const json_t *item,
                           const char **ret_why) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        size_t found = 0;

        if (!json_is_object(item)) {
                *ret_why = json_is_null(item)
                                   ? "associative list with keys may not have a null element"
                                   : "associative list with keys may not have non-map elements";
                return NULL;
        }
        buf_puts(&out, "k:{");
        for (size_t i = 0; i < list->key_count; i++) {
                const struct schema_field *f = schema_field_find(list->item, list->keys[i]);
                const json_t *value = json_object_get(item, list->keys[i]);

                if (!value)
                        value = f ? f->fallback : NULL;
                if (!value)
                        continue;
                buf_printf(&out, "%s\"%s\":", found++ ? "," : "", list->keys[i]);
                put_value(&out, value);
        }
        buf_putc(&out, '}');
        if (!found) {
                *ret_why = "associative list with keys has an element that omits all key fields "
                           "(and doesn't have default values for any key fields)";
                return NULL;
        }
        return buf_take(&out);
}

char *typed_item_element(const struct schema_type *list, const json_t *item, const char **ret_why) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        if (list->key_count)
                return keyed_element(list, item, ret_why);
        *ret_why = json_is_object(item)
                           ? "associative list without keys has an element that's a map type"
                   : json_is_array(item) ? "not supported: associative list with lists as elements"
                   : json_is_null(item)
                           ? "associative list without keys has an element that's an explicit null"
                           : NULL;
        if (*ret_why)
                return NULL;
        buf_puts(&out, "v:");
        put_value(&out, item);
        return buf_take(&out);
}

/* --- checking */

struct check {
        bool duplicates;
        struct typed_problems *problems;
        struct fieldset_path path;
};

static void check(struct check *c, const struct schema_type *t, const json_t *v);

static void check_below(struct check *c, const char *element, const struct schema_type *t,
                        const json_t *v) {
        if (c->path.length == FIELDSET_DEPTH_MAX)
                return;
        c->path.element[c->path.length++] = element;
        check(c, t, v);
        c->path.length--;
}

static const char *go_type(const json_t *v) {
        return json_is_string(v)    ? "string"
               : json_is_integer(v) ? "int64"
               : json_is_real(v)    ? "float64"
               : json_is_boolean(v) ? "bool"
               : json_is_array(v)   ? "[]interface {}"
                                    : "map[string]interface {}";
}

static void check_scalar(struct check *c, const struct schema_type *t, const json_t *v) {
        cleanup_(freep) char *text = json_text(v);

        if (json_is_null(v))
                return;
        if (t->scalar == SCHEMA_NUMBER && !json_is_number(v))
                problem(c->problems, &c->path, "expected numeric (int or float), got %s",
                        go_type(v));
        else if (t->scalar == SCHEMA_STRING && !json_is_string(v))
                problem(c->problems, &c->path,
                        "expected string, got &value.valueUnstructured{Value:%s}", text);
        else if (t->scalar == SCHEMA_BOOLEAN && !json_is_boolean(v))
                problem(c->problems, &c->path, "expected boolean, got %s", text);
        else if (json_is_object(v) || json_is_array(v))
                problem(c->problems, &c->path, "expected any scalar, got %s", text);
}

static void check_items(struct check *c, const struct schema_type *t, const json_t *v) {
        cleanup_(map_free) struct map seen = MAP_INIT;
        json_t *item;
        size_t i;

        json_array_foreach((json_t *)v, i, item) {
                cleanup_(freep) char *element = NULL;
                const char *why = NULL;

                if (t->list_atomic)
                        element = str_format("i:%zu", i);
                else
                        element = typed_item_element(t, item, &why);
                if (!element) {
                        problem(c->problems, &c->path, "element %zu: %s", i, why);
                        return;
                }
                if (!t->list_atomic && map_set(&seen, element, (void *)t) && !c->duplicates) {
                        cleanup_(buf_free) struct buf text = BUF_INIT;

                        fieldset_element_text(element, &text);
                        problem(c->problems, &c->path, "duplicate entries for key %s",
                                buf_str(&text));
                }
                check_below(c, element, t->item, item);
        }
}

static void check_members(struct check *c, const struct schema_type *t, const json_t *v) {
        const char *key;
        json_t *value;

        /* An unknown member ends the check of its map, as upstream; found first, so that it is
         * not luck. */
        json_object_foreach((json_t *)v, key, value) {
                cleanup_(freep) char *element = str_format("f:%s", key);

                if (schema_member(t, key))
                        continue;
                c->path.element[c->path.length++] = element;
                problem(c->problems, &c->path, "field not declared in schema");
                c->path.length--;
                return;
        }
        json_object_foreach((json_t *)v, key, value) {
                cleanup_(freep) char *element = str_format("f:%s", key);

                check_below(c, element, schema_member(t, key), value);
        }
}

static void check(struct check *c, const struct schema_type *t, const json_t *v) {
        enum typed_shape shape = typed_shape_of(t, v);
        cleanup_(freep) char *text = NULL;

        if (c->path.length + 1 >= FIELDSET_DEPTH_MAX)
                return;
        if (shape == TYPED_SCALAR) {
                check_scalar(c, t, v);
                return;
        }
        if (json_is_null(v))
                return;
        if (shape == TYPED_MAP ? !json_is_object(v) : !json_is_array(v)) {
                text = json_text(v);
                problem(c->problems, &c->path, "expected %s, got &{%s}",
                        shape == TYPED_MAP ? "map" : "list", text);
                return;
        }
        if (shape == TYPED_MAP)
                check_members(c, t, v);
        else
                check_items(c, t, v);
}

void typed_check(const struct schema_type *t, const json_t *v, bool duplicates,
                 struct typed_problems *problems) {
        struct check c = { .duplicates = duplicates, .problems = problems };

        check(&c, t, v);
}

/* --- field sets */

static void fields(json_t *set, struct fieldset_path *path, const struct schema_type *t,
                   const json_t *v);

static void fields_below(json_t *set, struct fieldset_path *path, const char *element,
                         const struct schema_type *t, const json_t *v, bool member) {
        if (path->length == FIELDSET_DEPTH_MAX)
                return;
        path->element[path->length++] = element;
        if (t)
                fields(set, path, t, v);
        if (member)
                fieldset_insert(set, path);
        path->length--;
}

/* An item that is there twice is owned as one, without its fields. */
static void fields_of_items(json_t *set, struct fieldset_path *path, const struct schema_type *t,
                            const json_t *v) {
        cleanup_(map_free) struct map seen = MAP_INIT;
        static char twice;
        json_t *item;
        size_t i;

        json_array_foreach((json_t *)v, i, item) {
                const char *why;
                cleanup_(freep) char *element = typed_item_element(t, item, &why);

                if (element && map_set(&seen, element, item))
                        map_set(&seen, element, &twice);
        }
        json_array_foreach((json_t *)v, i, item) {
                const char *why;
                cleanup_(freep) char *element = typed_item_element(t, item, &why);

                if (element)
                        fields_below(set, path, element,
                                     map_find(&seen, element) == &twice ? NULL : t->item, item,
                                     true);
        }
}

static void fields(json_t *set, struct fieldset_path *path, const struct schema_type *t,
                   const json_t *v) {
        enum typed_shape shape = typed_shape_of(t, v);
        const char *key;
        json_t *value;

        if (shape == TYPED_SCALAR || (shape == TYPED_LIST ? t->list_atomic : t->map_atomic)) {
                fieldset_insert(set, path);
                return;
        }
        if (shape == TYPED_LIST) {
                fields_of_items(set, path, t, v);
                return;
        }
        json_object_foreach((json_t *)v, key, value) {
                cleanup_(freep) char *element = str_format("f:%s", key);
                bool empty = json_is_null(value) ||
                             (json_is_object(value) && json_object_size(value) == 0);

                fields_below(set, path, element, schema_member(t, key), value,
                             empty || !schema_field_find(t, key));
        }
}

json_t *typed_fields(const struct schema_type *t, const json_t *v) {
        struct fieldset_path path = { .length = 0 };
        json_t *set = json_object();

        fields(set, &path, t, v);
        return set;
}

/* --- removal */

static json_t *remove_items(const struct schema_type *t, const json_t *v, const json_t *set) {
        json_t *out = json_array(), *item;
        size_t i;

        json_array_foreach((json_t *)v, i, item) {
                const char *why;
                cleanup_(freep) char *element = typed_item_element(t, item, &why);
                json_t *below = element ? fieldset_below(set, element) : NULL;

                if (element && fieldset_is_member(set, element))
                        continue;
                if (!below)
                        json_array_append(out, item);
                else
                        json_array_append_new(out,
                                              typed_remove(t->item, item, below) ?: json_null());
        }
        return out;
}

static json_t *remove_members(const struct schema_type *t, const json_t *v, const json_t *set) {
        json_t *out = json_object(), *value;
        const char *key;

        json_object_foreach((json_t *)v, key, value) {
                cleanup_(freep) char *element = str_format("f:%s", key);
                json_t *below = fieldset_below(set, element);
                const struct schema_type *type = schema_member(t, key);

                if (fieldset_is_member(set, element))
                        continue;
                if (!below || !type)
                        json_object_set(out, key, value);
                else
                        json_object_set_new(out, key,
                                            typed_remove(type, value, below) ?: json_null());
        }
        return out;
}

json_t *typed_remove(const struct schema_type *t, const json_t *v, const json_t *set) {
        enum typed_shape shape = typed_shape_of(t, v);
        json_t *out;

        if (shape == TYPED_SCALAR)
                return json_incref((json_t *)v);
        if (typed_shape_empty(v) || (shape == TYPED_LIST ? t->list_atomic : t->map_atomic))
                return NULL;
        out = shape == TYPED_LIST ? remove_items(t, v, set) : remove_members(t, v, set);
        if (typed_shape_empty(out)) {
                json_decref(out);
                return NULL;
        }
        return out;
}

/* --- sets seen through a type */

json_t *typed_named_members(const struct schema_type *t, const json_t *set) {
        json_t *out = json_object(), *node;
        const char *key;

        json_object_foreach((json_t *)set, key, node) {
                json_t *below = fieldset_below(set, key), *copy;
                const struct schema_type *type = NULL;
                bool member = fieldset_is_member(set, key);

                if (str_eq(key, "."))
                        continue;
                if (key[0] == 'f' && t && t->has_map) {
                        type = schema_member(t, key + 2);
                        member = member || schema_field_find(t, key + 2);
                } else if (key[0] == 'k' && t && t->has_list) {
                        type = t->item;
                }
                copy = below ? typed_named_members(type, below) : json_object();
                if (below && member)
                        json_object_set_new(copy, ".", json_object());
                json_object_set_new(out, key, copy);
        }
        return out;
}

static const struct schema_type *type_below(const struct schema_type *t, const char *element) {
        if (element[0] == 'f')
                return t->has_map ? schema_member(t, element + 2) : NULL;
        return t->has_list ? t->item : NULL;
}

json_t *typed_follow_schema(const struct schema_type *t, const json_t *set) {
        json_t *out = json_object(), *node;
        const char *key;

        json_object_foreach((json_t *)set, key, node) {
                const struct schema_type *type = type_below(t, key);
                json_t *below = fieldset_below(set, key), *copy;
                bool atomic = type && !type->deduced &&
                              (type->has_map  ? type->map_atomic
                               : type->scalar ? false
                                              : type->list_atomic);

                if (str_eq(key, "."))
                        continue;
                if (!below || !type || type->deduced) {
                        json_object_set_new(out, key, json_deep_copy(node));
                        continue;
                }
                copy = atomic ? json_object() : typed_follow_schema(type, below);
                if (!atomic && fieldset_is_member(set, key))
                        json_object_set_new(copy, ".", json_object());
                json_object_set_new(out, key, copy);
        }
        return out;
}
