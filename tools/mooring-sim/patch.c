/* SPDX-License-Identifier: Apache-2.0 */
/* patch.c - RFC 6902, RFC 7386 and strategic merge; see patch.h */
#include "patch.h"

#include "typed.h"

#include <errno.h>

/* --- RFC 6902 */

/* The container that holds what POINTER names, and the last token; NULL when there is none. */
static json_t *container_of_pointer(json_t *root, const char *pointer, struct buf *ret_token) {
        const char *last = strrchr(pointer, '/');
        cleanup_(freep) char *parent = last ? str_ndup(pointer, (size_t)(last - pointer)) : NULL;

        if (!last)
                return NULL;
        for (const char *p = last + 1; *p; p++) {
                if (p[0] == '~' && (p[1] == '0' || p[1] == '1'))
                        buf_putc(ret_token, *++p == '0' ? '~' : '/');
                else
                        buf_putc(ret_token, *p);
        }
        return json_at(root, parent);
}

static bool index_of(const char *token, size_t size, size_t *ret) {
        int64_t i;

        if (str_eq(token, "-")) {
                *ret = size;
                return true;
        }
        if (!str_to_int(token, &i) || i < 0 || (size_t)i > size)
                return false;
        *ret = (size_t)i;
        return true;
}

static int add(json_t *root, const char *pointer, json_t *value, bool replace, struct err *err) {
        cleanup_(buf_free) struct buf token = BUF_INIT;
        json_t *parent = container_of_pointer(root, pointer, &token);
        size_t i;

        if (json_is_object(parent)) {
                if (!replace || json_object_get(parent, buf_str(&token))) {
                        json_object_set_new(parent, buf_str(&token), json_deep_copy(value));
                        return 0;
                }
        } else if (json_is_array(parent) &&
                   index_of(buf_str(&token), json_array_size(parent), &i)) {
                if (!replace) {
                        json_array_insert_new(parent, i, json_deep_copy(value));
                        return 0;
                }
                if (i < json_array_size(parent)) {
                        json_array_set_new(parent, i, json_deep_copy(value));
                        return 0;
                }
        }
        return err_set(err, -ENOENT, "%s operation does not apply: doc is missing %s: %s",
                       replace ? "replace" : "add", replace && parent ? "key" : "path", pointer);
}

static int take(json_t *root, const char *pointer, struct err *err) {
        cleanup_(buf_free) struct buf token = BUF_INIT;
        json_t *parent = container_of_pointer(root, pointer, &token);
        size_t i;

        if (json_is_object(parent) && json_object_del(parent, buf_str(&token)) == 0)
                return 0;
        if (json_is_array(parent) && index_of(buf_str(&token), json_array_size(parent), &i) &&
            i < json_array_size(parent)) {
                json_array_remove(parent, i);
                return 0;
        }
        return err_set(err, -ENOENT, "remove operation does not apply: doc is missing %s: %s",
                       parent ? "key" : "path", pointer);
}

static int one(json_t *root, const json_t *operation, struct err *err) {
        const char *op = json_get_str(operation, "op", ""),
                   *path = json_get_str(operation, "path", NULL);
        const char *from = json_get_str(operation, "from", NULL);
        cleanup_(json_freep) json_t *moved = from ? json_incref(json_at(root, from)) : NULL;
        json_t *value = json_get(operation, "value");
        int r;

        if (!path)
                return err_set(err, -EINVAL, "an operation has no path");
        if (str_eq(op, "remove"))
                return take(root, path, err);
        if (str_eq(op, "add") || str_eq(op, "replace"))
                return add(root, path, value ? value : json_null(), str_eq(op, "replace"), err);
        if (str_eq(op, "test")) {
                json_t *is = json_at(root, path);

                if (typed_equal(is ? is : json_null(), value ? value : json_null()))
                        return 0;
                return err_set(err, -ENOENT, "testing value %s failed: test failed", path);
        }
        if (!str_eq(op, "move") && !str_eq(op, "copy"))
                return err_set(err, -EINVAL, "Unexpected kind: %s", op);
        if (!moved)
                return err_set(err, -ENOENT,
                               "%s operation does not apply: doc is missing from path: %s", op,
                               from ? from : "");
        r = str_eq(op, "move") ? take(root, from, err) : 0;
        return r < 0 ? r : add(root, path, moved, false, err);
}

int patch_json(const json_t *object, const json_t *patch, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *out = json_deep_copy(object);
        json_t *operation;
        size_t i;
        int r;

        if (!json_is_array(patch))
                return err_set(err, -EINVAL, "a JSON patch is a list of operations");
        json_array_foreach((json_t *)patch, i, operation) {
                r = one(out, operation, err);
                if (r < 0)
                        return r;
        }
        *ret = take_ptr(out);
        return 0;
}

/* --- RFC 7386 */

json_t *patch_merge(const json_t *object, const json_t *patch) {
        json_t *out, *value;
        const char *key;

        if (!json_is_object(patch))
                return json_deep_copy(patch);
        out = json_is_object(object) ? json_deep_copy(object) : json_object();
        json_object_foreach((json_t *)patch, key, value) {
                if (json_is_null(value))
                        json_object_del(out, key);
                else
                        json_object_set_new(out, key,
                                            patch_merge(json_object_get(out, key), value));
        }
        return out;
}

/* --- strategic merge */

static size_t find_item(const struct schema_type *t, const json_t *list, const char *element) {
        json_t *item;
        size_t i;

        json_array_foreach((json_t *)list, i, item) {
                const char *why;
                cleanup_(freep) char *have = typed_item_element(t, item, &why);

                if (have && str_eq(have, element))
                        return i;
        }
        return SIZE_MAX;
}

static json_t *without_directive(const json_t *item) {
        json_t *copy = json_deep_copy(item);

        json_object_del(copy, "$patch");
        return copy;
}

static void merge_item(const struct schema_type *t, json_t *out, const json_t *item,
                       size_t *ret_new) {
        const char *directive = json_get_str(item, "$patch", "");
        const char *why;
        cleanup_(json_freep) json_t *plain = without_directive(item);
        cleanup_(freep) char *element = typed_item_element(t, plain, &why);
        size_t at = element ? find_item(t, out, element) : SIZE_MAX;

        if (str_eq(directive, "delete")) {
                if (at != SIZE_MAX)
                        json_array_remove(out, at);
        } else if (at == SIZE_MAX) {
                /* New items come before those that only the server has, in the order of the
                 * patch. */
                json_array_insert_new(out, (*ret_new)++, patch_strategic(t->item, NULL, plain));
        } else if (json_is_object(plain)) {
                json_array_set_new(out, at,
                                   patch_strategic(t->item, json_array_get(out, at), plain));
        }
}

static json_t *merge_list(const struct schema_type *t, const json_t *list, const json_t *patch) {
        json_t *out = json_is_array(list) ? json_deep_copy(list) : json_array(), *item;
        size_t i, added = 0;

        json_array_foreach((json_t *)patch, i, item) {
                if (str_eq(json_get_str(item, "$patch", ""), "replace")) {
                        json_decref(out);
                        out = json_deep_copy(patch);
                        json_array_remove(out, i);
                        return out;
                }
        }
        json_array_foreach((json_t *)patch, i, item) {
                merge_item(t, out, item, &added);
        }
        return out;
}

/* "$deleteFromPrimitiveList/finalizers": values that leave a set. */
static void delete_from_set(json_t *out, const char *directive, const json_t *gone) {
        json_t *list = json_object_get(out, strchr(directive, '/') + 1), *value;
        size_t i, j;

        json_array_foreach((json_t *)gone, i, value) {
                for (j = json_array_size(list); j-- > 0;)
                        if (json_equal(json_array_get(list, j), value))
                                json_array_remove(list, j);
        }
}

static void merge_member(const struct schema_type *t, json_t *out, const char *key, json_t *value) {
        const struct schema_type *type = t ? schema_member(t, key) : NULL;

        if (str_starts(key, "$deleteFromPrimitiveList/"))
                delete_from_set(out, key, value);
        if (key[0] == '$')
                return;
        if (json_is_null(value))
                json_object_del(out, key);
        else
                json_object_set_new(out, key,
                                    patch_strategic(type, json_object_get(out, key), value));
}

json_t *patch_strategic(const struct schema_type *t, const json_t *object, const json_t *patch) {
        bool replace = str_eq(json_get_str(patch, "$patch", ""), "replace");
        json_t *out, *value;
        const char *key;

        if (json_is_array(patch) && t && t->has_list && !t->list_atomic)
                return merge_list(t, object, patch);
        if (!json_is_object(patch))
                return json_deep_copy(patch);
        out = json_is_object(object) && !replace ? json_deep_copy(object) : json_object();
        json_object_foreach((json_t *)patch, key, value) {
                merge_member(t, out, key, value);
        }
        return out;
}
