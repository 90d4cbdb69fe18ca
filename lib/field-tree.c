/* SPDX-License-Identifier: Apache-2.0 */
/* field-tree.c - reads lists of fields, and follows them through objects and field sets; see
 * field-tree.h
 *
 * Called by the reader of charm.yaml, to say what is wrong while there is a line to name, and by
 * the Kubernetes provider. Pure. */
#include "field-tree.h"

#include "field-path.h"

#include <errno.h>
#include <stdlib.h>

#define ANY "*"

/* ---- reading */

/* port=80,protocol=TCP as {"port":80,"protocol":"TCP"}: what reads as a number is one. */
static json_t *key_of(const char *text) {
        json_t *key = json_object();

        for (const char *p = text; *p; p += *p == ',') {
                size_t name = strcspn(p, "="), value = p[name] ? strcspn(p + name + 1, ",") : 0;
                cleanup_(freep) char *member = str_ndup(p, name);
                cleanup_(freep) char *said = p[name] ? str_ndup(p + name + 1, value) : NULL;
                int64_t number;

                if (!name || !value) {
                        json_decref(key);
                        return NULL;
                }
                json_object_set_new(key, member,
                                    str_to_int(said, &number) ? json_integer(number)
                                                              : json_string(said));
                p += name + 1 + value;
        }
        return key;
}

/* As managedFields has it; NULL: the step names no item. */
static char *element_of(const struct field_step *step) {
        cleanup_(json_freep) json_t *key = NULL;
        cleanup_(freep) char *text = NULL;

        if (!step->item)
                return str_format("f:%s", step->text);
        if (str_eq(step->text, ANY))
                return str_dup(ANY);
        key = key_of(step->text);
        if (!json_object_size(key))
                return NULL;
        text = json_text(key);
        return str_format("k:%s", text);
}

static int add_path(json_t *tree, const char *path, struct err *err) {
        const char *p = path;
        struct field_step step;
        int r = field_path_check(path, err);

        if (r < 0)
                return r;
        while (field_path_next(&p, &step)) {
                cleanup_(freep) char *text = step.text;
                cleanup_(freep) char *element = element_of(&step);
                json_t *next;

                if (!element)
                        return err_set(err, -EINVAL,
                                       "\"%s\": an item is [*], or chosen as in [name=value]",
                                       path);
                next = json_object_get(tree, element);
                if (next && json_object_size(next) == 0)
                        return 0; /* a shorter path says all of it */
                if (!next) {
                        next = json_object();
                        json_object_set_new(tree, element, next);
                }
                tree = next;
        }
        json_object_clear(tree);
        return 0;
}

/* Up to the comma that ends it, which is outside of brackets. */
static size_t path_length(const char *p) {
        bool quoted = false, inside = false;
        size_t n = 0;

        for (; p[n] && (p[n] != ',' || inside || quoted); n++) {
                if (p[n] == '"')
                        quoted = !quoted;
                else if (!quoted && (p[n] == '[' || p[n] == ']'))
                        inside = p[n] == '[';
        }
        return n;
}

int field_tree_parse(const char *list, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *tree = json_object();

        if (strlen(list) > FIELD_TREE_MAX)
                return err_set(err, -EINVAL, "a list of fields has at most %d letters",
                               FIELD_TREE_MAX);
        for (const char *p = list; *(p += strspn(p, " ,"));) {
                size_t n = path_length(p), end = n;
                cleanup_(freep) char *path = NULL;
                int r;

                while (end && p[end - 1] == ' ')
                        end--;
                path = str_ndup(p, end);
                r = add_path(tree, path, err);
                if (r < 0)
                        return r;
                p += n;
        }
        *ret = take_ptr(tree);
        return 0;
}

/* ---- following */

const json_t *field_tree_child(const json_t *tree, const char *element) {
        const json_t *child = json_get(tree, element);

        if (child || str_starts(element, "f:"))
                return child;
        return json_get(tree, ANY);
}

static bool may_be_same(const char *a, const char *b) {
        return str_eq(a, b) || (str_eq(a, ANY) && !str_starts(b, "f:")) ||
               (str_eq(b, ANY) && !str_starts(a, "f:"));
}

bool field_tree_overlap(const json_t *a, const json_t *b) {
        const char *x, *y;
        json_t *below, *other;

        if (!a || !b)
                return false;
        if (json_object_size(a) == 0 || json_object_size(b) == 0)
                return true;
        json_object_foreach((json_t *)a, x, below) {
                json_object_foreach((json_t *)b, y, other) {
                        if (may_be_same(x, y) && field_tree_overlap(below, other))
                                return true;
                }
        }
        return false;
}

bool field_tree_is_item(const json_t *item, const char *element) {
        cleanup_(json_freep) json_t *key = NULL;
        const char *name;
        json_t *value;

        if (str_eq(element, ANY))
                return true;
        if (!str_starts(element, "k:") ||
            json_parse(element + 2, strlen(element + 2), &key, NULL) < 0)
                return false;
        json_object_foreach(key, name, value) {
                if (!json_equal(value, json_get(item, name)))
                        return false;
        }
        return true;
}

static void prune_items(json_t *list, const char *element, const json_t *below) {
        for (size_t i = json_array_size(list); i-- > 0;) {
                json_t *item = json_array_get(list, i);

                if (!field_tree_is_item(item, element))
                        continue;
                if (json_object_size(below))
                        field_tree_prune(item, below);
                else
                        json_array_remove(list, i);
        }
}

void field_tree_prune(json_t *value, const json_t *tree) {
        const char *element;
        json_t *below;

        json_object_foreach((json_t *)tree, element, below) {
                if (!str_starts(element, "f:"))
                        prune_items(value, element, below);
                else if (json_object_size(below))
                        field_tree_prune(json_get(value, element + 2), below);
                else if (json_is_object(value))
                        json_object_del(value, element + 2);
        }
}

void field_tree_prune_set(json_t *fields, const json_t *tree) {
        const char *name;
        json_t *child;
        void *next;

        json_object_foreach_safe(fields, next, name, child) {
                const json_t *below = field_tree_child(tree, name);

                if (!below)
                        continue;
                if (json_object_size(below) && json_object_size(child))
                        field_tree_prune_set(child, below);
                else if (json_object_size(below))
                        continue; /* atomic: all of it or nothing */
                if (!json_object_size(below) || json_object_size(child) == 0)
                        json_object_del(fields, name);
        }
}
