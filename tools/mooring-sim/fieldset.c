/* SPDX-License-Identifier: Apache-2.0 */
/* fieldset.c - set algebra on FieldsV1 trees; called by typed.c (which builds them) and ssa.c */
#include "fieldset.h"

#include <stdlib.h>

static bool node_member(const json_t *node) {
        return node && (json_object_size(node) == 0 || json_object_get(node, "."));
}

static bool node_has_children(const json_t *node) {
        size_t n = node ? json_object_size(node) : 0;

        return n > 1 || (n == 1 && !json_object_get(node, "."));
}

/* Puts an element into OUT; steals BELOW, which may be NULL or empty. */
static void put(json_t *out, const char *element, bool member, json_t *below) {
        if (below && json_object_size(below) == 0) {
                json_decref(below);
                below = NULL;
        }
        if (!below) {
                if (member)
                        json_object_set_new(out, element, json_object());
                return;
        }
        if (member)
                json_object_set_new(below, ".", json_object());
        json_object_set_new(out, element, below);
}

void fieldset_insert(json_t *set, const struct fieldset_path *path) {
        for (size_t i = 0; i < path->length; i++) {
                bool last = i + 1 == path->length;
                json_t *node = json_object_get(set, path->element[i]);

                if (!node) {
                        node = json_object();
                        json_object_set_new(set, path->element[i], node);
                } else if (last ? json_object_size(node) > 0 : json_object_size(node) == 0) {
                        json_object_set_new(node, ".", json_object());
                }
                set = node;
        }
}

bool fieldset_is_member(const json_t *set, const char *element) {
        return set && node_member(json_object_get(set, element));
}

json_t *fieldset_below(const json_t *set, const char *element) {
        json_t *node = set ? json_object_get(set, element) : NULL;

        return node_has_children(node) ? node : NULL;
}

bool fieldset_empty(const json_t *set) {
        return !set || json_object_size(set) == 0;
}

json_t *fieldset_union(const json_t *a, const json_t *b) {
        json_t *out = json_object(), *node;
        const char *key;

        json_object_foreach((json_t *)a, key, node) {
                json_t *other = json_object_get(b, key);

                if (str_eq(key, "."))
                        continue;
                if (!other)
                        json_object_set_new(out, key, json_deep_copy(node));
                else
                        put(out, key, node_member(node) || node_member(other),
                            fieldset_union(node, other));
        }
        json_object_foreach((json_t *)b, key, node) {
                if (!str_eq(key, ".") && !json_object_get(a, key))
                        json_object_set_new(out, key, json_deep_copy(node));
        }
        return out;
}

json_t *fieldset_intersection(const json_t *a, const json_t *b) {
        json_t *out = json_object(), *node;
        const char *key;

        json_object_foreach((json_t *)a, key, node) {
                json_t *other = json_object_get(b, key);

                if (other && !str_eq(key, "."))
                        put(out, key, node_member(node) && node_member(other),
                            fieldset_intersection(node, other));
        }
        return out;
}

static json_t *subtract(const json_t *a, const json_t *b, bool recursive) {
        json_t *out = json_object(), *node;
        const char *key;

        json_object_foreach((json_t *)a, key, node) {
                json_t *other = json_object_get(b, key);

                if (str_eq(key, "."))
                        continue;
                if (!other)
                        json_object_set_new(out, key, json_deep_copy(node));
                else if (!recursive || !node_member(other))
                        put(out, key, node_member(node) && !node_member(other),
                            subtract(node, other, recursive));
        }
        return out;
}

json_t *fieldset_difference(const json_t *a, const json_t *b) {
        return subtract(a, b, false);
}

json_t *fieldset_recursive_difference(const json_t *a, const json_t *b) {
        return subtract(a, b, true);
}

static int by_text(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void each(const json_t *set, struct fieldset_path *path, fieldset_visit *visit, void *arg) {
        size_t n = json_object_size(set), i = 0;
        cleanup_(freep) const char **keys = mem_array(const char *, n ? n : 1);
        const char *key;
        json_t *node;

        if (path->length + 1 >= FIELDSET_DEPTH_MAX)
                return;
        json_object_foreach((json_t *)set, key, node) {
                if (!str_eq(key, "."))
                        keys[i++] = key;
        }
        qsort(keys, i, sizeof(*keys), by_text);
        n = i;
        path->length++;
        for (i = 0; i < n; i++) {
                node = json_object_get(set, keys[i]);
                path->element[path->length - 1] = keys[i];
                if (node_member(node))
                        visit(arg, path);
                each(node, path, visit, arg);
        }
        path->length--;
}

void fieldset_each(const json_t *set, fieldset_visit *visit, void *arg) {
        struct fieldset_path path = { .length = 0 };

        if (set)
                each(set, &path, visit, arg);
}

static void value_text(const json_t *value, struct buf *out) {
        cleanup_(freep) char *text = json_text(value);

        buf_puts(out, text ? text : "?");
}

static void key_text(const char *json, struct buf *out) {
        cleanup_(json_freep) json_t *key = NULL;
        const char *name, *sep = "";
        json_t *value;

        if (json_parse(json, strlen(json), &key, NULL) < 0)
                key = NULL;
        buf_putc(out, '[');
        json_object_foreach(key, name, value) {
                buf_printf(out, "%s%s=", sep, name);
                value_text(value, out);
                sep = ",";
        }
        buf_putc(out, ']');
}

void fieldset_element_text(const char *element, struct buf *out) {
        if (element[0] == 'k')
                key_text(element + 2, out);
        else if (element[0] == 'v')
                buf_printf(out, "[=%s]", element + 2);
        else if (element[0] == 'i')
                buf_printf(out, "[%s]", element + 2);
        else
                buf_printf(out, ".%s", element + 2);
}

void fieldset_path_text(const struct fieldset_path *path, struct buf *out) {
        for (size_t i = 0; i < path->length; i++)
                fieldset_element_text(path->element[i], out);
}
