/* SPDX-License-Identifier: Apache-2.0 */
/* pvc.c - claims are bound to volumes made for them, grow, and are protected while a pod uses
 * them */
#include "control.h"
#include "controllers.h"
#include "store.h"

static const json_t *class_of(struct sim *sim, const json_t *claim) {
        const char *name = json_get_str(json_get(claim, "spec"), "storageClassName", "");

        return *name ? control_get(sim, "storage.k8s.io", "storageclasses", "", name) : NULL;
}

static void make_volume(struct sim *sim, const json_t *claim, const json_t *class,
                        const char *name) {
        struct kind *kind = control_kind(sim, "", "persistentvolumes");
        json_t *spec = json_get(claim, "spec"), *volume;
        json_t *size = json_dig(spec, "resources", "requests", "storage", NULL);

        if (store_get(kind, "", name))
                return;
        volume = json_pack(
                "{s:{s:s,s:{s:s}},s:{s:{s:O},s:O,s:s,s:s,s:{s:s,s:s,s:s,s:s,s:s},s:{s:s,s:s}},s:{s:"
                "s}}",
                "metadata", "name", name, "annotations", "pv.kubernetes.io/provisioned-by",
                json_get_str(class, "provisioner", ""), "spec", "capacity", "storage", size,
                "accessModes", json_get(spec, "accessModes"), "storageClassName", store_name(class),
                "persistentVolumeReclaimPolicy", json_get_str(class, "reclaimPolicy", "Delete"),
                "claimRef", "apiVersion", "v1", "kind", "PersistentVolumeClaim", "name",
                store_name(claim), "namespace", store_namespace(claim), "uid", store_uid(claim),
                "csi", "driver", "sim.mooring.dev", "volumeHandle", name, "status", "phase",
                "Bound");
        control_create(sim, kind, "", volume, CONTROL_MANAGER, NULL);
}

static void bind(struct sim *sim, struct kind *kind, const json_t *claim, const json_t *class) {
        cleanup_(freep) char *name = str_format("pvc-%s", store_uid(claim));
        json_t *object;

        make_volume(sim, claim, class, name);
        object = json_deep_copy(claim);
        json_put(object, "/spec/volumeName", json_string(name));
        json_put(object, "/metadata/annotations/pv.kubernetes.io~1bind-completed",
                 json_string("yes"));
        json_put(object, "/metadata/annotations/pv.kubernetes.io~1bound-by-controller",
                 json_string("yes"));
        json_put(object, "/metadata/annotations/volume.kubernetes.io~1storage-provisioner",
                 json_string(json_get_str(class, "provisioner", "")));
        control_update(sim, kind, object, CONTROL_MANAGER);
}

static void write_bound(struct sim *sim, struct kind *kind, const json_t *claim) {
        json_t *spec = json_get(claim, "spec");
        json_t *size = json_dig(spec, "resources", "requests", "storage", NULL);

        control_set_status(sim, kind, store_namespace(claim), store_name(claim),
                           json_pack("{s:s,s:O,s:{s:O}}", "phase", "Bound", "accessModes",
                                     json_get(spec, "accessModes"), "capacity", "storage", size),
                           CONTROL_MANAGER);
}

/* A pod without a node holds nothing: no kubelet starts one on a claim that is being deleted. */
static bool in_use(struct sim *sim, const json_t *claim) {
        const struct collection *pods = control_kind(sim, "", "pods")->collection;
        cleanup_(freep) char *prefix = str_format("%s/", store_namespace(claim));
        json_t *v;
        size_t j;

        for (size_t i = store_seek(pods, prefix);
             i < pods->count && str_starts(pods->items[i]->key, prefix); i++) {
                const json_t *spec = json_get(pods->items[i]->json, "spec");

                if (!*json_get_str(spec, "nodeName", ""))
                        continue;
                json_array_foreach(json_get(spec, "volumes"), j, v) {
                        if (str_eq(json_get_str(json_get(v, "persistentVolumeClaim"), "claimName",
                                                ""),
                                   store_name(claim)))
                                return true;
                }
        }
        return false;
}

/* The volume of a claim that is gone goes too, unless its class keeps it. */
static void release(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "", "persistentvolumes");

        for (size_t i = kind->collection->count; i-- > 0;) {
                json_t *volume = kind->collection->items[i]->json, *spec = json_get(volume, "spec");
                json_t *ref = json_get(spec, "claimRef");

                if (!str_eq(json_get_str(ref, "namespace", ""), namespace) ||
                    !str_eq(json_get_str(ref, "name", ""), name))
                        continue;
                if (str_eq(json_get_str(spec, "persistentVolumeReclaimPolicy", ""), "Delete"))
                        control_delete(sim, kind, "", store_name(volume), "Background");
                else
                        control_set_status(sim, kind, "", store_name(volume),
                                           json_pack("{s:s}", "phase", "Released"),
                                           CONTROL_MANAGER);
        }
}

void pvc_sync(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "", "persistentvolumeclaims");
        cleanup_(json_freep) json_t *claim = json_incref(store_get(kind, namespace, name));
        const json_t *class;

        if (!claim) {
                release(sim, namespace, name);
                return;
        }
        if (control_leaving(claim)) {
                if (!in_use(sim, claim))
                        control_drop_finalizer(sim, kind, namespace, name,
                                               "kubernetes.io/pvc-protection");
                return;
        }
        class = class_of(sim, claim);
        if (!*json_get_str(json_get(claim, "spec"), "volumeName", "")) {
                if (class)
                        bind(sim, kind, claim, class);
                return; /* the change brings us back */
        }
        write_bound(sim, kind, claim);
}
