/* SPDX-License-Identifier: Apache-2.0 */
/* admission.c - see admission.h; called by write.c on creation */
#include "admission.h"

#include "store.h"
#include "validate.h"

#define DEFAULT_CLASS "storageclass.kubernetes.io/is-default-class"

static const char *default_class(const struct sim *sim) {
        const struct kind *kind = kinds_find(&sim->kinds, "storage.k8s.io", "v1", "storageclasses");
        const struct collection *c = kind->collection;

        for (size_t i = 0; i < c->count; i++) {
                json_t *annotations = json_get(store_meta(c->items[i]->json), "annotations");

                if (str_eq(json_get_str(annotations, DEFAULT_CLASS, ""), "true"))
                        return store_name(c->items[i]->json);
        }
        return NULL;
}

static void claim(struct sim *sim, json_t *object) {
        json_t *spec = json_get(object, "spec"), *meta = store_meta(object);
        const char *class = default_class(sim);

        if (class && json_is_object(spec) && !json_get(spec, "storageClassName"))
                json_object_set_new(spec, "storageClassName", json_string(class));
        if (!json_get(meta, "finalizers"))
                json_object_set_new(meta, "finalizers",
                                    json_pack("[s]", "kubernetes.io/pvc-protection"));
}

/* Pods get the two tolerations by which they leave a broken node after five minutes. */
static void tolerations(json_t *object) {
        static const char *const keys[] = { "node.kubernetes.io/not-ready",
                                            "node.kubernetes.io/unreachable" };
        json_t *spec = json_get(object, "spec"), *list = json_get(spec, "tolerations");

        if (!json_is_object(spec))
                return;
        if (!json_is_array(list)) {
                list = json_array();
                json_object_set_new(spec, "tolerations", list);
        }
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                bool there = false;
                json_t *t;
                size_t j;

                json_array_foreach(list, j, t) {
                        there = there || str_eq(json_get_str(t, "key", ""), keys[i]);
                }
                if (!there)
                        json_array_append_new(list,
                                              json_pack("{s:s,s:s,s:s,s:i}", "key", keys[i],
                                                        "operator", "Exists", "effect", "NoExecute",
                                                        "tolerationSeconds", 300));
        }
}

void admission_defaults(struct sim *sim, const struct kind *kind, json_t *object) {
        if (*kind->group)
                return;
        if (str_eq(kind->kind, "PersistentVolumeClaim"))
                claim(sim, object);
        else if (str_eq(kind->kind, "Pod"))
                tolerations(object);
}

bool admission_refuse_terminating(const struct kind *kind, const char *name, const char *namespace,
                                  struct reply *reply) {
        cleanup_(freep) char *message = str_format("namespace %s is being terminated", namespace);

        reply_forbidden(
                reply, kind, name,
                json_pack("[{s:s,s:s,s:s}]", "reason", "NamespaceTerminating", "message", message,
                          "field", "metadata.namespace"),
                "unable to create new content in namespace %s because it is being terminated",
                namespace);
        return false;
}

bool admission_check(struct sim *sim, const struct kind *kind, const json_t *object,
                     struct reply *reply) {
        const struct kind *accounts = kinds_find(&sim->kinds, "", "v1", "serviceaccounts");
        json_t *spec = json_get(object, "spec");
        const char *account = json_get_str(spec, "serviceAccountName",
                                           json_get_str(spec, "serviceAccount", "default"));

        if (*kind->group || !str_eq(kind->kind, "Pod") ||
            store_get(accounts, store_namespace(object), account))
                return true;
        reply_forbidden(reply, kind, store_name(object), NULL,
                        "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                        store_namespace(object), account, account);
        return false;
}

static double asked_for(const json_t *claim) {
        json_t *requests = json_dig(claim, "spec", "resources", "requests", NULL);

        return validate_quantity(json_get_str(requests, "storage", ""));
}

bool admission_refuse_growth(struct sim *sim, const struct kind *kind, const json_t *live,
                             const json_t *object, struct reply *reply) {
        const struct kind *classes =
                kinds_find(&sim->kinds, "storage.k8s.io", "v1", "storageclasses");
        const json_t *class;

        if (*kind->group || !str_eq(kind->kind, "PersistentVolumeClaim") ||
            asked_for(object) <= asked_for(live))
                return false;
        class = store_get(classes, NULL,
                          json_get_str(json_get(live, "spec"), "storageClassName", ""));
        if (json_get_bool(class, "allowVolumeExpansion", false))
                return false;
        reply_forbidden(reply, kind, store_name(object), NULL,
                        "only dynamically provisioned pvc can be resized and the storageclass that "
                        "provisions the pvc must support resize");
        return true;
}
