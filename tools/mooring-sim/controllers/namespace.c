/* SPDX-License-Identifier: Apache-2.0 */
/* namespace.c - what a namespace gets when it begins, and how it ends: emptied first, then gone */
#include "control.h"
#include "controllers.h"
#include "store.h"

#define RETRY_MS 20 /* while something in it still has a finalizer */

static void give(struct sim *sim, const char *namespace) {
        json_t *map = json_pack(
                "{s:{s:s,s:{s:s}},s:{s:s}}", "metadata", "name", "kube-root-ca.crt", "annotations",
                "kubernetes.io/description",
                "Contains a CA bundle that can be used to verify the kube-apiserver when using "
                "internal endpoints such as the internal service IP or "
                "kubernetes.default.svc. No other usage is guaranteed across distributions of "
                "Kubernetes clusters.",
                "data", "ca.crt", "");

        if (control_get(sim, "", "serviceaccounts", namespace, "default"))
                json_decref(map);
        else {
                control_create(sim, control_kind(sim, "", "serviceaccounts"), namespace,
                               json_pack("{s:{s:s}}", "metadata", "name", "default"),
                               CONTROL_MANAGER, NULL);
                control_create(sim, control_kind(sim, "", "configmaps"), namespace, map,
                               CONTROL_MANAGER, NULL);
        }
}

/* True when nothing is left in it. */
static bool empty(struct sim *sim, const char *namespace) {
        if (store_empty_namespace(sim, namespace))
                return true;
        list_each(e, &sim->kinds.all) {
                struct kind *k = list_entry(e, struct kind, entry);

                if (k->flags & KIND_NAMESPACED && k->collection->count)
                        control_delete_all(sim, k, namespace);
        }
        return store_empty_namespace(sim, namespace);
}

static void report_remaining(struct sim *sim, struct kind *kind, const json_t *namespace) {
        json_t *status = json_pack("{s:s}", "phase", "Terminating");

        control_condition(status, json_get(namespace, "status"),
                          "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                          "All resources successfully discovered");
        control_condition(status, json_get(namespace, "status"), "NamespaceContentRemaining", true,
                          "SomeResourcesRemain", "Some resources are remaining");
        control_set_status(sim, kind, "", store_name(namespace), status, CONTROL_MANAGER);
}

static void finish(struct sim *sim, struct kind *kind, const json_t *namespace) {
        json_t *object = json_deep_copy(namespace);

        json_put(object, "/spec/finalizers", json_array());
        store_put(sim, kind, object, NULL);
        if (!json_array_size(json_get(store_meta(namespace), "finalizers")))
                store_remove(sim, kind, "", store_name(namespace));
}

void namespace_sync(struct sim *sim, const char *unused, const char *name) {
        struct kind *kind = control_kind(sim, "", "namespaces");
        cleanup_(json_freep) json_t *namespace = json_incref(store_get(kind, "", name));

        if (!namespace)
                return;
        if (!control_leaving(namespace)) {
                give(sim, name);
                return;
        }
        if (json_array_size(json_dig(namespace, "spec", "finalizers", NULL)) == 0)
                return;
        if (empty(sim, name)) {
                finish(sim, kind, namespace);
                return;
        }
        report_remaining(sim, kind, namespace);
        work_add(sim, namespace_sync, unused, name, RETRY_MS);
}
