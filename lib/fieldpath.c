/* SPDX-License-Identifier: Apache-2.0 */
/* fieldpath.c - reads paths of fields, and follows them through objects and field sets; see
 * fieldpath.h
 *
 * Called by the reader of charm.yaml, to say what is wrong while there is a line to name, and by
 * the Kubernetes provider. Pure. */
#include "fieldpath.h"

#include <errno.h>
#include <stdlib.h>

#define ANY "*"

struct reading {
        const char *at, *path; /* PATH: where the one that is read begins */
        struct err *err;
};

static int wrong(const struct reading *r, const char *what) {
        return err_set(r->err, -EINVAL, "\"%.*s\" is no path of a field: %s",
                       (int)MIN_OF(strlen(r->path), 100u), r->path, what);
}

/* ---- elements */

static bool is_word(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
}

static int read_word(struct reading *r, struct buf *out) {
        const char *start = r->at;

        while (is_word(*r->at))
                r->at++;
        if (r->at == start)
                return wrong(r, "a name is missing");
        buf_add(out, start, (size_t)(r->at - start));
        return 0;
}

static int read_quoted(struct reading *r, struct buf *out) {
        const char *end = strchr(r->at + 1, '"');

        if (!end || end == r->at + 1)
                return wrong(r, "a text in quotes does not end, or is empty");
        buf_add(out, r->at + 1, (size_t)(end - r->at - 1));
        r->at = end + 1;
        return 0;
}

/* name=x,port=80 */
static int read_key(struct reading *r, json_t *key) {
        do {
                cleanup_(buf_free) struct buf name = BUF_INIT, text = BUF_INIT;
                bool quoted;
                int64_t number;
                int k;

                r->at += *r->at == ',';
                k = read_word(r, &name);
                if (k < 0)
                        return k;
                if (*r->at++ != '=')
                        return wrong(r, "a key is written [name=value]");
                quoted = *r->at == '"';
                k = quoted ? read_quoted(r, &text) : read_word(r, &text);
                if (k < 0)
                        return k;
                if (!quoted && str_to_int(buf_str(&text), &number))
                        json_object_set_new(key, buf_str(&name), json_integer(number));
                else
                        json_object_set_new(key, buf_str(&name), json_string(buf_str(&text)));
        } while (*r->at == ',');
        return 0;
}

/* Behind "[". */
static int read_bracket(struct reading *r, struct buf *out) {
        int k = 0;

        if (str_starts(r->at, ANY "]")) {
                r->at++;
                buf_puts(out, ANY);
        } else if (*r->at == '"') {
                buf_puts(out, "f:");
                k = read_quoted(r, out);
        } else {
                cleanup_(json_freep) json_t *key = json_object();

                k = read_key(r, key);
                buf_puts(out, "k:");
                json_canonical(key, out);
        }
        if (k < 0)
                return k;
        return *r->at++ == ']' ? 0 : wrong(r, "a bracket does not close");
}

static int read_element(struct reading *r, bool first, struct buf *out) {
        if (*r->at == '[') {
                r->at++;
                return read_bracket(r, out);
        }
        if (!first && *r->at++ != '.')
                return wrong(r, "names are separated by dots");
        buf_puts(out, "f:");
        return read_word(r, out);
}

static bool is_end(const char *at) {
        return !*at || *at == ',' || *at == ' ';
}

static int read_path(struct reading *r, json_t *tree) {
        bool covered = false; /* a shorter path ends here */

        r->path = r->at;
        for (bool first = true; first || !is_end(r->at); first = false) {
                cleanup_(buf_free) struct buf element = BUF_INIT;
                json_t *next;
                int k = read_element(r, first, &element);

                if (k < 0)
                        return k;
                next = json_object_get(tree, buf_str(&element));
                covered = covered || (next && json_object_size(next) == 0);
                if (!next)
                        next = json_object();
                else
                        json_incref(next);
                if (!covered)
                        json_object_set(tree, buf_str(&element), next);
                json_decref(next);
                if (covered) {
                        while (!is_end(r->at))
                                r->at++;
                        return 0;
                }
                tree = next;
        }
        json_object_clear(tree);
        return 0;
}

int fieldpath_parse(const char *list, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *tree = json_object();
        struct reading r = { .at = list, .path = list, .err = err };

        if (strlen(list) > FIELDPATH_MAX)
                return err_set(err, -EINVAL, "paths of fields have more than %d bytes",
                               FIELDPATH_MAX);
        while (r.at += strspn(r.at, " ,"), *r.at) {
                int k = read_path(&r, tree);

                if (k < 0)
                        return k;
                if (*r.at && *r.at != ',' && r.at[strspn(r.at, " ")] != ',' &&
                    r.at[strspn(r.at, " ")])
                        return wrong(&r, "paths are separated by commas");
        }
        *ret = take_ptr(tree);
        return 0;
}

/* ---- following */

const json_t *fieldpath_child(const json_t *tree, const char *element) {
        const json_t *child = json_get(tree, element);

        if (child || str_starts(element, "f:"))
                return child;
        return json_get(tree, ANY);
}

static bool may_be_same(const char *a, const char *b) {
        return str_eq(a, b) || (str_eq(a, ANY) && !str_starts(b, "f:")) ||
               (str_eq(b, ANY) && !str_starts(a, "f:"));
}

bool fieldpath_overlap(const json_t *a, const json_t *b) {
        const char *x, *y;
        json_t *below, *other;

        if (!a || !b)
                return false;
        if (json_object_size(a) == 0 || json_object_size(b) == 0)
                return true;
        json_object_foreach((json_t *)a, x, below) {
                json_object_foreach((json_t *)b, y, other) {
                        if (may_be_same(x, y) && fieldpath_overlap(below, other))
                                return true;
                }
        }
        return false;
}

bool fieldpath_is_item(const json_t *item, const char *element) {
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

                if (!fieldpath_is_item(item, element))
                        continue;
                if (json_object_size(below))
                        fieldpath_prune(item, below);
                else
                        json_array_remove(list, i);
        }
}

void fieldpath_prune(json_t *value, const json_t *tree) {
        const char *element;
        json_t *below;

        json_object_foreach((json_t *)tree, element, below) {
                if (!str_starts(element, "f:"))
                        prune_items(value, element, below);
                else if (json_object_size(below))
                        fieldpath_prune(json_get(value, element + 2), below);
                else if (json_is_object(value))
                        json_object_del(value, element + 2);
        }
}

void fieldpath_prune_set(json_t *fields, const json_t *tree) {
        const char *name;
        json_t *child;
        void *next;

        json_object_foreach_safe(fields, next, name, child) {
                const json_t *below = fieldpath_child(tree, name);

                if (!below)
                        continue;
                if (json_object_size(below) && json_object_size(child))
                        fieldpath_prune_set(child, below);
                else if (json_object_size(below))
                        continue; /* atomic: all of it or nothing */
                if (!json_object_size(below) || json_object_size(child) == 0)
                        json_object_del(fields, name);
        }
}
