/* SPDX-License-Identifier: Apache-2.0 */
/* field-rules.c - reads an object's rules; see field-rules.h
 *
 * Called for each answer of an apply. No default holds where the component completes the same
 * field. */
#include "field-rules.h"

static const struct {
        const char *type, *paths;
} defaults[] = {
        { "Role.rbac.authorization.k8s.io", "rules" },
        { "ClusterRole.rbac.authorization.k8s.io", "rules" },
        { "RoleBinding.rbac.authorization.k8s.io", "subjects" },
        { "ClusterRoleBinding.rbac.authorization.k8s.io", "subjects" },
        { "NetworkPolicy.networking.k8s.io", "spec" },
};

static const char *default_of(const char *type, struct scan_slice object) {
        for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
                if (str_eq(defaults[i].type, type))
                        return scan_is_null(scan_get(object, "aggregationRule"))
                                       ? defaults[i].paths
                                       : NULL; /* its controller's */
        return NULL;
}

/* Of an annotation that is in OWN, the names of ours. */
static json_t *read_paths(struct scan_slice annotations, struct scan_slice own, const char *name) {
        cleanup_(freep) char *text = scan_dup(scan_get(annotations, name));
        cleanup_(freep) char *element = str_format("f:%s", name);
        struct err ignored = { 0 };
        json_t *tree = NULL;

        if (!text || !own.text || !scan_get(own, element).text ||
            field_tree_parse(text, &tree, &ignored) < 0)
                return NULL;
        if (json_object_size(tree))
                return tree;
        json_decref(tree);
        return NULL;
}

void field_rules_read(const char *type, struct scan_slice object, struct scan_slice entry,
                      struct field_rules *ret) {
        struct scan_slice annotations = scan_dig(object, "metadata", "annotations", NULL);
        struct scan_slice own = scan_dig(entry, "fieldsV1", "f:metadata", "f:annotations", NULL);
        const char *paths = default_of(type, object);
        struct err ignored = { 0 };

        *ret = (struct field_rules){ 0 };
        if (annotations.text) {
                ret->strict = read_paths(annotations, own, FIELD_RULES_STRICT);
                ret->runtime = read_paths(annotations, own, FIELD_RULES_RUNTIME);
        }
        if (ret->strict || !paths)
                return;
        field_tree_parse(paths, &ret->strict, &ignored);
        if (!field_tree_overlap(ret->strict, ret->runtime))
                return;
        json_decref(ret->strict);
        ret->strict = NULL;
}

/* ---- what a document says */

static const char *annotation(const json_t *wanted, const char *name) {
        return json_get_str(json_dig(wanted, "metadata", "annotations", NULL), name, "");
}

json_t *field_rules_runtime(const json_t *wanted) {
        const char *paths = annotation(wanted, FIELD_RULES_RUNTIME);
        struct err ignored = { 0 };
        json_t *tree = NULL;

        if (*paths)
                field_tree_parse(paths, &tree, &ignored);
        return tree;
}

bool field_rules_recreates(const json_t *wanted) {
        return str_eq(annotation(wanted, FIELD_RULES_RECREATE), "true");
}

/* The element of our set OWN that ITEM is found by, or NULL. */
static const char *own_key(const json_t *own, const json_t *item) {
        const char *element;
        json_t *child;

        json_object_foreach((json_t *)own, element, child)
                if (str_starts(element, "k:") && field_tree_is_item(item, element))
                        return element;
        return NULL;
}

static const json_t *item_of(const json_t *list, const char *key) {
        const json_t *item;
        size_t i;

        json_array_foreach((json_t *)list, i, item)
                if (field_tree_is_item(item, key))
                        return item;
        return NULL;
}

static void release_items(json_t *list, const char *element, const json_t *below, const json_t *own,
                          const json_t *live) {
        json_t *item;
        size_t i;

        json_array_foreach(list, i, item) {
                const char *key;

                if (!field_tree_is_item(item, element))
                        continue;
                key = own_key(own, item);
                field_rules_release(item, below, key ? json_get(own, key) : NULL,
                                    key ? item_of(live, key) : NULL);
        }
}

void field_rules_release(json_t *document, const json_t *runtime, const json_t *own,
                         const json_t *live) {
        const char *element;
        json_t *below;

        json_object_foreach((json_t *)runtime, element, below) {
                const char *name = element + strlen("f:");

                if (!str_starts(element, "f:"))
                        release_items(document, element, below, own, live);
                else if (json_object_size(below))
                        field_rules_release(json_get(document, name), below, json_get(own, element),
                                            json_get(live, name));
                else if (json_is_object(document) && json_get(live, name) &&
                         !json_get(own, element))
                        json_object_del(document, name);
        }
}

void field_rules_free(struct field_rules *r) {
        json_decref(r->strict);
        json_decref(r->runtime);
}
