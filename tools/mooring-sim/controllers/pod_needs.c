/* SPDX-License-Identifier: Apache-2.0 */
/* pod_needs.c - see pod_needs.h; called by pod.c */
#include "pod_needs.h"

#include "control.h"
#include "store.h"

char *pod_needs_claim(struct sim *sim, const json_t *pod) {
        json_t *v;
        size_t i;

        json_array_foreach(json_dig(pod, "spec", "volumes", NULL), i, v) {
                const char *name =
                        json_get_str(json_get(v, "persistentVolumeClaim"), "claimName", NULL);
                json_t *claim;

                if (!name)
                        continue;
                claim = control_get(sim, "", "persistentvolumeclaims", store_namespace(pod), name);
                if (!claim)
                        return str_format(
                                "0/3 nodes are available: persistentvolumeclaim \"%s\" not found.",
                                name);
                if (control_leaving(claim))
                        return str_format(
                                "0/3 nodes are available: persistentvolumeclaim \"%s\" is being "
                                "deleted.",
                                name);
                if (!str_eq(json_get_str(json_get(claim, "status"), "phase", ""), "Bound"))
                        return str_dup("0/3 nodes are available: pod has unbound immediate "
                                       "PersistentVolumeClaims.");
        }
        return NULL;
}

static char *missing_source(struct sim *sim, const json_t *pod, const char *volume,
                            const char *plural, const char *word, const char *name,
                            const json_t *source) {
        if (!name || json_get_bool(source, "optional", false) ||
            control_get(sim, "", plural, store_namespace(pod), name))
                return NULL;
        return str_format("MountVolume.SetUp failed for volume \"%s\" : %s \"%s\" not found",
                          volume, word, name);
}

static char *missing_projected(struct sim *sim, const json_t *pod, const json_t *volume) {
        json_t *source;
        size_t i;

        json_array_foreach(json_dig(volume, "projected", "sources", NULL), i, source) {
                json_t *secret = json_get(source, "secret"), *map = json_get(source, "configMap");
                const char *name = json_get_str(volume, "name", "");
                char *why = missing_source(sim, pod, name, "secrets", "secret",
                                           json_get_str(secret, "name", NULL), secret);

                if (!why)
                        why = missing_source(sim, pod, name, "configmaps", "configmap",
                                             json_get_str(map, "name", NULL), map);
                if (why)
                        return why;
        }
        return NULL;
}

char *pod_needs_volume(struct sim *sim, const json_t *pod) {
        json_t *v;
        size_t i;

        json_array_foreach(json_dig(pod, "spec", "volumes", NULL), i, v) {
                json_t *secret = json_get(v, "secret"), *map = json_get(v, "configMap");
                const char *name = json_get_str(v, "name", "");
                char *why = missing_source(sim, pod, name, "secrets", "secret",
                                           json_get_str(secret, "secretName", NULL), secret);

                if (!why)
                        why = missing_source(sim, pod, name, "configmaps", "configmap",
                                             json_get_str(map, "name", NULL), map);
                if (!why)
                        why = missing_projected(sim, pod, v);
                if (why)
                        return why;
        }
        return NULL;
}

static char *missing_key(struct sim *sim, const json_t *pod, const json_t *ref, bool secret) {
        const char *name = json_get_str(ref, "name", NULL), *key = json_get_str(ref, "key", NULL);
        const char *namespace = store_namespace(pod);
        json_t *object, *data;

        if (!name || json_get_bool(ref, "optional", false))
                return NULL;
        object = control_get(sim, "", secret ? "secrets" : "configmaps", namespace, name);
        if (!object)
                return str_format("%s \"%s\" not found", secret ? "secret" : "configmap", name);
        data = json_get(object, "data");
        if (!key || json_get(data, key))
                return NULL;
        return str_format("couldn't find key %s in %s %s/%s", key, secret ? "Secret" : "ConfigMap",
                          namespace, name);
}

static char *missing_env(struct sim *sim, const json_t *pod, const json_t *container) {
        json_t *e;
        size_t i;

        json_array_foreach(json_get(container, "envFrom"), i, e) {
                char *why = missing_key(sim, pod, json_get(e, "secretRef"), true);

                if (!why)
                        why = missing_key(sim, pod, json_get(e, "configMapRef"), false);
                if (why)
                        return why;
        }
        json_array_foreach(json_get(container, "env"), i, e) {
                char *why =
                        missing_key(sim, pod, json_dig(e, "valueFrom", "secretKeyRef", NULL), true);

                if (!why)
                        why = missing_key(sim, pod,
                                          json_dig(e, "valueFrom", "configMapKeyRef", NULL), false);
                if (why)
                        return why;
        }
        return NULL;
}

char *pod_needs_env(struct sim *sim, const json_t *pod) {
        static const char *const lists[] = { "initContainers", "containers" };
        json_t *c;
        size_t i;

        for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
                json_array_foreach(json_dig(pod, "spec", lists[l], NULL), i, c) {
                        char *why = missing_env(sim, pod, c);

                        if (why)
                                return why;
                }
        }
        return NULL;
}
