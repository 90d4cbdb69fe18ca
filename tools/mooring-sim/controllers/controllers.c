/* SPDX-License-Identifier: Apache-2.0 */
/* controllers.c - from a change to the work it asks for; see controllers.h */
#include "controllers.h"

#include "control.h"
#include "crd.h"
#include "store.h"

struct watcher {
        const char *group, *kind;
        work_run_one *run;
};

static const struct watcher watchers[] = {
        { "apps", "Deployment", deployment_sync },
        { "apps", "ReplicaSet", replicaset_sync },
        { "apps", "StatefulSet", statefulset_sync },
        { "apps", "DaemonSet", daemonset_sync },
        { "batch", "Job", job_sync },
        { "", "Pod", pod_sync },
        { "", "Namespace", namespace_sync },
        { "", "PersistentVolumeClaim", pvc_sync },
        { "", "Service", service_sync },
};

static void queue_owner(struct sim *sim, const json_t *object) {
        const json_t *owner = control_owner_of(object);

        if (!owner)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(watchers); i++)
                if (str_eq(watchers[i].kind, json_get_str(owner, "kind", "")))
                        work_add(sim, watchers[i].run, store_namespace(object),
                                 json_get_str(owner, "name", ""), 0);
}

static void queue_all(struct sim *sim, const char *group, const char *plural, const char *namespace,
                      work_run_one *run) {
        const struct kind *kind = control_kind(sim, group, plural);
        cleanup_(freep) char *prefix = *namespace ? str_format("%s/", namespace) : str_dup("");
        const struct collection *c = kind->collection;

        for (size_t i = store_seek(c, prefix); i < c->count && str_starts(c->items[i]->key, prefix);
             i++)
                work_add(sim, run, store_namespace(c->items[i]->json),
                         store_name(c->items[i]->json), 0);
}

void controllers_all_pods(struct sim *sim) {
        queue_all(sim, "", "pods", "", pod_sync);
}

/* What others wait for: a Secret that a pod mounts, a claim, a service account. */
static void queue_waiting(struct sim *sim, const struct kind *kind,
                          const struct store_event *event) {
        const char *namespace = store_namespace(event->object);

        if (str_eq(kind->kind, "Secret") || str_eq(kind->kind, "ConfigMap") ||
            str_eq(kind->kind, "PersistentVolumeClaim"))
                queue_all(sim, "", "pods", namespace, pod_sync);
        if (str_eq(kind->kind, "ServiceAccount") && event->change == STORE_ADDED) {
                queue_all(sim, "apps", "replicasets", namespace, replicaset_sync);
                queue_all(sim, "apps", "statefulsets", namespace, statefulset_sync);
                queue_all(sim, "apps", "daemonsets", namespace, daemonset_sync);
                queue_all(sim, "batch", "jobs", namespace, job_sync);
        }
        if (str_eq(kind->kind, "Pod")) {
                queue_all(sim, "", "services", namespace, service_sync);
                queue_all(sim, "", "persistentvolumeclaims", namespace, pvc_sync);
        }
}

static void queue_namespace(struct sim *sim, const struct store_event *event) {
        const char *namespace = store_namespace(event->object);

        if (event->change == STORE_DELETED && *namespace)
                work_add(sim, namespace_sync, "", namespace, 0);
}

void controllers_changed(struct sim *sim, struct kind *kind, const struct store_event *event) {
        const char *namespace = store_namespace(event->object), *name = store_name(event->object);

        owner_count(sim, event);
        if (event->change == STORE_DELETED || control_leaving(event->object))
                work_add(sim, owner_sync, "", store_uid(event->object), 0);
        if (control_leaving(event->object) && event->change != STORE_DELETED) {
                cleanup_(freep) char *path =
                        str_format("%s/%s/%s", kind->group, kind->plural, name);

                work_add(sim, owner_finish, namespace, path, 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(watchers); i++)
                if (str_eq(watchers[i].kind, kind->kind) && str_eq(watchers[i].group, kind->group))
                        work_add(sim, watchers[i].run, namespace, name, 0);
        if (str_eq(kind->kind, "CustomResourceDefinition"))
                work_add(sim, crd_sync, "", name, sim->options.crd_delay_ms);
        queue_owner(sim, event->object);
        if (!*kind->group)
                queue_waiting(sim, kind, event);
        queue_namespace(sim, event);
}

/* --- a new cluster */

static void seed_node(struct sim *sim, const char *name, const char *arch) {
        json_t *node = json_pack(
                "{s:{s:s,s:{s:s,s:s,s:s}},s:{},s:{s:{s:s,s:s,s:s},s:{s:s,s:s,s:s},s:{s:s,s:s}}}",
                "metadata", "name", name, "labels", "kubernetes.io/arch", arch, "kubernetes.io/os",
                "linux", "kubernetes.io/hostname", name, "spec", "status", "capacity", "cpu", "8",
                "memory", "32Gi", "pods", "110", "allocatable", "cpu", "8", "memory", "32Gi",
                "pods", "110", "nodeInfo", "architecture", arch, "operatingSystem", "linux");

        control_condition(json_get(node, "status"), NULL, "Ready", true, "KubeletReady",
                          "kubelet is posting ready status");
        control_create(sim, control_kind(sim, "", "nodes"), "", node, CONTROL_KUBELET, NULL);
}

void controllers_seed(struct sim *sim) {
        static const char *const namespaces[] = { "kube-system", "kube-public", "kube-node-lease",
                                                  "default" };
        json_t *class;

        for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
                control_create(sim, control_kind(sim, "", "namespaces"), "",
                               json_pack("{s:{s:s},s:{s:s}}", "metadata", "name", namespaces[i],
                                         "status", "phase", "Active"),
                               "kube-apiserver", NULL);
        seed_node(sim, "node-amd64-0", "amd64");
        seed_node(sim, "node-amd64-1", "amd64");
        seed_node(sim, "node-arm64-0", "arm64");
        class = json_pack("{s:{s:s,s:{s:s}},s:s,s:b}", "metadata", "name", "standard",
                          "annotations", "storageclass.kubernetes.io/is-default-class", "true",
                          "provisioner", "sim.mooring.dev/volume", "allowVolumeExpansion", 1);
        control_create(sim, control_kind(sim, "storage.k8s.io", "storageclasses"), "", class,
                       CONTROL_MANAGER, NULL);
}
