/* SPDX-License-Identifier: Apache-2.0 */
/* statefulset.c - StatefulSet → claims and pods by ordinal, one after the other
 *
 * As the real controller with OrderedReady: an ordinal waits for the one before it to be ready;
 * an update deletes the highest outdated pod when all are ready. A pod that is broken in its old
 * revision holds the update up, as it really does. */
#include "control.h"
#include "controllers.h"
#include "store.h"

#include <stdlib.h>

#define REVISION_LABEL "controller-revision-hash"
#define RETRY_MS 200

struct set {
        struct sim *sim;
        struct kind *kind, *pods, *claims;
        json_t *object;
        char revision[256]; /* name-hash */
        int64_t replicas;
        bool parallel;
};

static char *pod_name(const struct set *s, int64_t ordinal) {
        return str_format("%s-%lld", store_name(s->object), (long long)ordinal);
}

static json_t *pod_at(const struct set *s, int64_t ordinal) {
        cleanup_(freep) char *name = pod_name(s, ordinal);

        return store_get(s->pods, store_namespace(s->object), name);
}

/* --- claims */

static char *claim_name(const struct set *s, const json_t *template, int64_t ordinal) {
        return str_format("%s-%s-%lld", store_name(template), store_name(s->object),
                          (long long)ordinal);
}

static void make_claims(struct set *s, int64_t ordinal) {
        json_t *templates = json_dig(s->object, "spec", "volumeClaimTemplates", NULL), *t;
        json_t *labels = json_dig(s->object, "spec", "selector", "matchLabels", NULL);
        const char *namespace = store_namespace(s->object);
        size_t i;

        json_array_foreach(templates, i, t) {
                cleanup_(freep) char *name = claim_name(s, t, ordinal);
                json_t *claim;

                if (store_get(s->claims, namespace, name))
                        continue;
                claim = json_pack("{s:{s:s},s:{s:s}}", "metadata", "name", name, "status", "phase",
                                  "Pending");
                json_object_set_new(claim, "spec", json_deep_copy(json_get(t, "spec")));
                if (json_get(store_meta(t), "annotations"))
                        json_object_set_new(store_meta(claim), "annotations",
                                            json_deep_copy(json_get(store_meta(t), "annotations")));
                json_object_set_new(store_meta(claim), "labels",
                                    labels ? json_deep_copy(labels) : json_object());
                control_create(s->sim, s->claims, namespace, claim, CONTROL_MANAGER, NULL);
        }
}

static void add_volumes(const struct set *s, json_t *spec, int64_t ordinal) {
        json_t *templates = json_dig(s->object, "spec", "volumeClaimTemplates", NULL), *t;
        json_t *volumes = json_get(spec, "volumes");
        size_t i;

        if (!json_array_size(templates))
                return;
        if (!json_is_array(volumes)) {
                volumes = json_array();
                json_object_set_new(spec, "volumes", volumes);
        }
        json_array_foreach(templates, i, t) {
                cleanup_(freep) char *name = claim_name(s, t, ordinal);

                json_array_append_new(volumes,
                                      json_pack("{s:s,s:{s:s}}", "name", store_name(t),
                                                "persistentVolumeClaim", "claimName", name));
        }
}

/* --- pods */

static bool make_pod(struct set *s, int64_t ordinal, struct err *why) {
        json_t *template = json_dig(s->object, "spec", "template", NULL);
        json_t *spec = json_deep_copy(json_get(template, "spec"));
        json_t *meta = json_get(template, "metadata")
                               ? json_deep_copy(json_get(template, "metadata"))
                               : json_object();
        cleanup_(freep) char *name = pod_name(s, ordinal);
        const char *service = json_get_str(json_get(s->object, "spec"), "serviceName", "");
        json_t *labels;

        make_claims(s, ordinal);
        add_volumes(s, spec, ordinal);
        json_object_set_new(spec, "hostname", json_string(name));
        if (*service)
                json_object_set_new(spec, "subdomain", json_string(service));
        if (!json_get(meta, "labels"))
                json_object_set_new(meta, "labels", json_object());
        labels = json_get(meta, "labels");
        json_object_set_new(labels, "statefulset.kubernetes.io/pod-name", json_string(name));
        json_object_set_new(labels, "apps.kubernetes.io/pod-index",
                            json_sprintf("%lld", (long long)ordinal));
        json_object_set_new(labels, REVISION_LABEL, json_string(s->revision));
        json_object_set_new(meta, "name", json_string(name));
        json_object_set_new(meta, "ownerReferences", control_owner(s->kind, s->object));
        return control_create(s->sim, s->pods, store_namespace(s->object),
                              json_pack("{s:o,s:o,s:{s:s}}", "metadata", meta, "spec", spec,
                                        "status", "phase", "Pending"),
                              CONTROL_MANAGER, why);
}

static bool current(const struct set *s, const json_t *pod) {
        return str_eq(json_get_str(json_get(store_meta(pod), "labels"), REVISION_LABEL, ""),
                      s->revision);
}

static void delete_pod(struct set *s, const json_t *pod) {
        control_delete(s->sim, s->pods, store_namespace(pod), store_name(pod), "Background");
}

static bool failed(const json_t *pod) {
        const char *phase = json_get_str(json_get(pod, "status"), "phase", "");

        return str_eq(phase, "Failed") || str_eq(phase, "Succeeded");
}

/* Makes what is missing, in order. True: all are there, and ready where that is waited for. */
static bool fill(struct set *s) {
        bool all = true;

        for (int64_t i = 0; i < s->replicas; i++) {
                json_t *pod = pod_at(s, i);
                struct err why = { 0 };

                if (!pod && !make_pod(s, i, &why)) {
                        cleanup_(freep) char *text =
                                str_format("create Pod %s-%lld in StatefulSet %s failed error: %s",
                                           store_name(s->object), (long long)i,
                                           store_name(s->object), err_text(&why));

                        control_event(s->sim, s->kind, s->object, "Warning", "FailedCreate", text);
                        work_add(s->sim, statefulset_sync, store_namespace(s->object),
                                 store_name(s->object), RETRY_MS);
                        return false;
                }
                if (pod && failed(pod) && !control_leaving(pod))
                        delete_pod(s, pod);
                if (!pod || !control_pod_ready(pod) || control_leaving(pod)) {
                        all = false;
                        if (!s->parallel)
                                return false;
                }
        }
        return all || s->parallel;
}

/* Pods beyond the wanted number go, the highest first. True: none is left. */
static bool condense(struct set *s) {
        cleanup_(json_freep) json_t *pods =
                control_children(s->sim, s->pods, store_namespace(s->object), store_uid(s->object));
        json_t *pod, *highest = NULL;
        int64_t most = s->replicas - 1;
        size_t i;

        json_array_foreach(pods, i, pod) {
                const char *dash = strrchr(store_name(pod), '-');
                int64_t n;

                if (dash && str_to_int(dash + 1, &n) && n > most) {
                        most = n;
                        highest = pod;
                }
        }
        if (highest && !control_leaving(highest))
                delete_pod(s, highest);
        return !highest;
}

static void update(struct set *s) {
        json_t *strategy = json_dig(s->object, "spec", "updateStrategy", NULL);
        int64_t partition = json_get_int(json_get(strategy, "rollingUpdate"), "partition", 0);

        if (!str_eq(json_get_str(strategy, "type", ""), "RollingUpdate"))
                return;
        for (int64_t i = s->replicas - 1; i >= partition; i--) {
                json_t *pod = pod_at(s, i);

                if (pod && !current(s, pod)) {
                        if (!control_leaving(pod))
                                delete_pod(s, pod);
                        return;
                }
                if (!pod || !control_pod_ready(pod))
                        return;
        }
}

static void write_status(struct set *s) {
        cleanup_(json_freep) json_t *pods =
                control_children(s->sim, s->pods, store_namespace(s->object), store_uid(s->object));
        json_t *before = json_get(s->object, "status"), *status = json_object(), *pod;
        const char *was = json_get_str(before, "currentRevision", s->revision);
        int64_t total = 0, ready = 0, updated = 0, old = 0;
        size_t i;

        json_array_foreach(pods, i, pod) {
                if (control_leaving(pod))
                        continue;
                total++;
                ready += control_pod_ready(pod);
                updated += current(s, pod);
                old += str_eq(json_get_str(json_get(store_meta(pod), "labels"), REVISION_LABEL, ""),
                              was);
        }
        if (updated == s->replicas && ready == s->replicas) {
                was = s->revision;
                old = updated;
        }
        json_object_set_new(status, "observedGeneration",
                            json_integer(json_get_int(store_meta(s->object), "generation", 0)));
        json_object_set_new(status, "replicas", json_integer(total));
        control_count(status, "readyReplicas", ready);
        control_count(status, "currentReplicas", old);
        control_count(status, "updatedReplicas", updated);
        json_object_set_new(status, "availableReplicas", json_integer(ready));
        json_object_set_new(status, "currentRevision", json_string(was));
        json_object_set_new(status, "updateRevision", json_string(s->revision));
        json_object_set_new(status, "collisionCount", json_integer(0));
        control_set_status(s->sim, s->kind, store_namespace(s->object), store_name(s->object),
                           status, CONTROL_MANAGER);
}

void statefulset_sync(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "apps", "statefulsets");
        cleanup_(json_freep) json_t *object = json_incref(store_get(kind, namespace, name));
        struct set s = { .sim = sim, .kind = kind, .object = object };
        char hash[11];

        if (!object || control_leaving(object))
                return;
        s.pods = control_kind(sim, "", "pods");
        s.claims = control_kind(sim, "", "persistentvolumeclaims");
        s.replicas = json_get_int(json_get(object, "spec"), "replicas", 1);
        s.parallel = str_eq(json_get_str(json_get(object, "spec"), "podManagementPolicy", ""),
                            "Parallel");
        control_hash(json_dig(object, "spec", "template", NULL), hash);
        snprintf(s.revision, sizeof(s.revision), "%.240s-%s", name, hash);
        if (fill(&s) && condense(&s))
                update(&s);
        write_status(&s);
}
