/* SPDX-License-Identifier: Apache-2.0 */
/* deployment.c - Deployment → ReplicaSets, ReplicaSet → pods
 *
 * A rolling update steps by maxSurge and maxUnavailable, and counts a pod as available after
 * minReadySeconds. Recreate takes the old ones down first. While it is paused nothing is rolled,
 * and it is not scaled. */
#include "clock.h"
#include "control.h"
#include "controllers.h"
#include "store.h"

#define REVISION "deployment.kubernetes.io/revision"
#define AVAILABLE_SOON_MS 3600000 /* longer than this is for ever here */
#define RETRY_MS 200              /* when a pod was refused: the reason may go away */

static int64_t wanted(const json_t *object) {
        return json_get_int(json_get(object, "spec"), "replicas", 1);
}

static int64_t status_of(const json_t *object, const char *member) {
        return json_get_int(json_get(object, "status"), member, 0);
}

/* --- ReplicaSets of a Deployment */

static json_t *labelled_template(const json_t *deployment, const char *hash) {
        json_t *template = json_deep_copy(json_dig(deployment, "spec", "template", NULL));

        json_put(template, "/metadata/labels/pod-template-hash", json_string(hash));
        return template;
}

static int64_t revision_of(const json_t *object) {
        const char *text = json_get_str(json_get(store_meta(object), "annotations"), REVISION, "0");
        int64_t n = 0;

        str_to_int(text, &n);
        return n;
}

static int64_t highest_revision(const json_t *sets) {
        int64_t highest = 0;
        json_t *set;
        size_t i;

        json_array_foreach((json_t *)sets, i, set) {
                highest = MAX_OF(highest, revision_of(set));
        }
        return highest;
}

static json_t *find_set(const json_t *sets, const char *hash) {
        json_t *set;
        size_t i;

        json_array_foreach((json_t *)sets, i, set) {
                if (str_eq(json_get_str(json_get(store_meta(set), "labels"), "pod-template-hash",
                                        ""),
                           hash))
                        return set;
        }
        return NULL;
}

static void make_set(struct sim *sim, const json_t *deployment, const char *hash, int64_t replicas,
                     int64_t revision) {
        int64_t least = json_get_int(json_get(deployment, "spec"), "minReadySeconds", 0);
        struct kind *kind = control_kind(sim, "apps", "replicasets");
        json_t *template = labelled_template(deployment, hash);
        json_t *selector = json_deep_copy(json_dig(deployment, "spec", "selector", NULL));
        json_t *labels = json_deep_copy(json_dig(template, "metadata", "labels", NULL));
        json_t *set;

        json_put(selector, "/matchLabels/pod-template-hash", json_string(hash));
        set = json_pack("{s:{s:o,s:o,s:{s:o,s:o},s:o},s:{s:I,s:o,s:o}}", "metadata", "name",
                        json_sprintf("%s-%s", store_name(deployment), hash), "labels", labels,
                        "annotations", REVISION, json_sprintf("%lld", (long long)revision),
                        "deployment.kubernetes.io/desired-replicas",
                        json_sprintf("%lld", (long long)wanted(deployment)), "ownerReferences",
                        control_owner(control_kind(sim, "apps", "deployments"), deployment), "spec",
                        "replicas", (json_int_t)replicas, "selector", selector, "template",
                        template);
        if (least)
                json_put(set, "/spec/minReadySeconds", json_integer(least));
        control_create(sim, kind, store_namespace(deployment), set, CONTROL_MANAGER, NULL);
}

/* Those of the sets before keep theirs. */
static void set_min_ready(struct sim *sim, const json_t *deployment, const json_t *set) {
        int64_t least = json_get_int(json_get(deployment, "spec"), "minReadySeconds", 0);
        json_t *object;

        if (least == json_get_int(json_get(set, "spec"), "minReadySeconds", 0))
                return;
        object = json_deep_copy(set);
        json_put(object, "/spec/minReadySeconds", json_integer(least));
        control_update(sim, control_kind(sim, "apps", "replicasets"), object, CONTROL_MANAGER);
}

static void set_scale(struct sim *sim, const json_t *set, int64_t replicas) {
        json_t *object;

        if (wanted(set) == replicas)
                return;
        object = json_deep_copy(set);
        json_put(object, "/spec/replicas", json_integer(replicas));
        control_update(sim, control_kind(sim, "apps", "replicasets"), object, CONTROL_MANAGER);
}

/* All pods of the sets before go. True: none is left. */
static bool shrink_old(struct sim *sim, const json_t *sets, const char *hash) {
        bool none = true;
        json_t *set;
        size_t i;

        json_array_foreach((json_t *)sets, i, set) {
                if (str_eq(json_get_str(json_get(store_meta(set), "labels"), "pod-template-hash",
                                        ""),
                           hash))
                        continue;
                none = none && status_of(set, "replicas") == 0 && wanted(set) == 0;
                set_scale(sim, set, 0);
        }
        return none;
}

/* --- status of a Deployment */

static void progress(const json_t *deployment, const json_t *new_set, json_t *status,
                     bool complete) {
        cleanup_(freep) char *text = str_format(
                "ReplicaSet \"%s\" %s", new_set ? store_name(new_set) : store_name(deployment),
                complete ? "has successfully progressed." : "is progressing.");

        control_condition(status, json_get(deployment, "status"), "Progressing", true,
                          complete ? "NewReplicaSetAvailable" : "ReplicaSetUpdated", text);
}

/* A set that was refused a pod says so, and its deployment repeats it. */
static void failure(const json_t *deployment, const json_t *sets, json_t *status) {
        json_t *set, *c;
        size_t i, j;

        json_array_foreach((json_t *)sets, i, set) {
                json_array_foreach(json_dig(set, "status", "conditions", NULL), j, c) {
                        if (str_eq(json_get_str(c, "type", ""), "ReplicaFailure")) {
                                control_condition(status, json_get(deployment, "status"),
                                                  "ReplicaFailure", true,
                                                  json_get_str(c, "reason", ""),
                                                  json_get_str(c, "message", ""));
                                return;
                        }
                }
        }
}

static int64_t sum(const json_t *sets, const char *member) {
        int64_t n = 0;
        json_t *set;
        size_t i;

        json_array_foreach((json_t *)sets, i, set) {
                n += status_of(set, member);
        }
        return n;
}

static int64_t percent_of(const char *text) {
        cleanup_(freep) char *number = str_ndup(text, strcspn(text, "%"));
        int64_t n = 0;

        str_to_int(number, &n);
        return n;
}

/* NAME of the rolling update, of N pods: a number, or a share of them. */
static int64_t rolling(const json_t *deployment, const char *name, bool up) {
        const json_t *value = json_dig(deployment, "spec", "strategy", "rollingUpdate", name, NULL);
        int64_t n = wanted(deployment);

        if (json_is_integer(value))
                return json_integer_value(value);
        if (!json_is_string(value))
                return 0;
        return (n * percent_of(json_string_value(value)) + (up ? 99 : 0)) / 100;
}

static int64_t max_surge(const json_t *deployment) {
        return rolling(deployment, "maxSurge", true);
}

/* One, where neither is allowed: else nothing could move. */
static int64_t max_unavailable(const json_t *deployment) {
        int64_t n = rolling(deployment, "maxUnavailable", false);

        return n || max_surge(deployment) ? n : 1;
}

/* What must be there to count as available. */
static int64_t least_available(const json_t *deployment) {
        return MAX_OF(wanted(deployment) - max_unavailable(deployment), 0);
}

static void write_status(struct sim *sim, const json_t *deployment, const json_t *sets,
                         const json_t *new_set) {
        struct kind *kind = control_kind(sim, "apps", "deployments");
        int64_t n = wanted(deployment), available = sum(sets, "availableReplicas");
        int64_t total = sum(sets, "replicas"),
                updated = new_set ? status_of(new_set, "replicas") : 0;
        bool enough = available >= least_available(deployment);
        bool complete = updated == n && total == n && available == n;
        cleanup_(freep) char *revision = NULL;
        json_t *status = json_object(), *c;
        size_t i;

        json_object_set_new(status, "observedGeneration",
                            json_integer(json_get_int(store_meta(deployment), "generation", 0)));
        control_count(status, "replicas", total);
        control_count(status, "updatedReplicas", updated);
        control_count(status, "readyReplicas", sum(sets, "readyReplicas"));
        control_count(status, "availableReplicas", available);
        control_count(status, "unavailableReplicas", MAX_OF(MAX_OF(n, total) - available, 0));
        control_condition(status, json_get(deployment, "status"), "Available", enough,
                          enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                          enough ? "Deployment has minimum availability."
                                 : "Deployment does not have minimum availability.");
        progress(deployment, new_set, status, complete);
        failure(deployment, sets, status);
        json_array_foreach(json_get(status, "conditions"), i, c) {
                json_object_set(c, "lastUpdateTime", json_get(c, "lastTransitionTime"));
        }
        revision = str_format(
                "%lld", (long long)(new_set ? revision_of(new_set) : revision_of(deployment)));
        control_set_status_noted(sim, kind, store_namespace(deployment), store_name(deployment),
                                 status, CONTROL_MANAGER, REVISION, revision);
}

/* ---- one step of a rolling update */

static int64_t sum_wanted(const json_t *sets) {
        int64_t n = 0;
        json_t *set;
        size_t i;

        json_array_foreach((json_t *)sets, i, set) {
                n += wanted(set);
        }
        return n;
}

/* How many pods of HASH there may be now, beside those of the sets before. */
static int64_t size_of_new(const json_t *deployment, const json_t *sets, const json_t *new_set) {
        int64_t have = new_set ? wanted(new_set) : 0;
        int64_t room = wanted(deployment) + max_surge(deployment) - sum_wanted(sets);

        if (json_array_size(sets) == (new_set ? 1u : 0u))
                return wanted(deployment);
        return MIN_OF(have + MAX_OF(room, 0), wanted(deployment));
}

/* Takes N off the sets before; those of SICK pods first. What is left of N. */
static int64_t take_off(struct sim *sim, const json_t *sets, const json_t *new_set, int64_t n,
                        bool sick) {
        json_t *set;
        size_t i;

        json_array_foreach((json_t *)sets, i, set) {
                int64_t have = wanted(set);
                int64_t most = sick ? have - status_of(set, "availableReplicas") : have;
                int64_t off = MIN_OF(MAX_OF(most, 0), n);

                if (set == new_set || off <= 0)
                        continue;
                set_scale(sim, set, have - off);
                n -= off;
        }
        return n;
}

static void step_down(struct sim *sim, const json_t *deployment, const json_t *sets,
                      const json_t *new_set) {
        int64_t coming = wanted(new_set) - status_of(new_set, "availableReplicas");
        int64_t spare = sum_wanted(sets) - least_available(deployment) - coming;

        if (spare > 0 && take_off(sim, sets, new_set, spare, true) == spare)
                take_off(
                        sim, sets, new_set,
                        MIN_OF(spare, sum(sets, "availableReplicas") - least_available(deployment)),
                        false);
}

static void roll(struct sim *sim, const json_t *deployment, const json_t *sets,
                 const json_t *new_set) {
        set_min_ready(sim, deployment, new_set);
        set_scale(sim, new_set, size_of_new(deployment, sets, new_set));
        step_down(sim, deployment, sets, new_set);
}

void deployment_sync(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "apps", "deployments");
        cleanup_(json_freep) json_t *deployment = json_incref(store_get(kind, namespace, name));
        cleanup_(json_freep) json_t *sets = NULL;
        bool recreate, paused, old_gone;
        json_t *new_set;
        char hash[11];

        if (!deployment || control_leaving(deployment))
                return;
        paused = json_get_bool(json_get(deployment, "spec"), "paused", false);
        control_hash(json_dig(deployment, "spec", "template", NULL), hash);
        sets = control_children(sim, control_kind(sim, "apps", "replicasets"), namespace,
                                store_uid(deployment));
        new_set = find_set(sets, hash);
        recreate = str_eq(json_get_str(json_dig(deployment, "spec", "strategy", NULL), "type", ""),
                          "Recreate");
        old_gone = !paused && recreate && shrink_old(sim, sets, hash);
        if (!paused && (!recreate || old_gone)) {
                if (!new_set) {
                        make_set(sim, deployment, hash, size_of_new(deployment, sets, NULL),
                                 highest_revision(sets) + 1);
                        return; /* the set's change brings us back */
                }
                roll(sim, deployment, sets, new_set);
        }
        write_status(sim, deployment, sets, new_set);
}

/* --- pods of a ReplicaSet */

static bool make_pod(struct sim *sim, const json_t *set, struct err *why) {
        json_t *template = json_dig(set, "spec", "template", NULL);
        json_t *pod = json_pack("{s:O}", "spec", json_get(template, "spec"));
        json_t *meta = json_get(template, "metadata")
                               ? json_deep_copy(json_get(template, "metadata"))
                               : json_object();

        json_object_set_new(pod, "spec", json_deep_copy(json_get(template, "spec")));
        json_object_set_new(meta, "generateName", json_sprintf("%s-", store_name(set)));
        json_object_set_new(meta, "ownerReferences",
                            control_owner(control_kind(sim, "apps", "replicasets"), set));
        json_object_set_new(pod, "metadata", meta);
        json_object_set_new(pod, "status", json_pack("{s:s}", "phase", "Pending"));
        return control_create(sim, control_kind(sim, "", "pods"), store_namespace(set), pod,
                              CONTROL_MANAGER, why);
}

/* Pods that are not ready go first. */
static void delete_pods(struct sim *sim, const json_t *set, const json_t *pods, int64_t n) {
        json_t *pod;
        size_t i;

        for (int pass = 0; pass < 2; pass++) {
                json_array_foreach((json_t *)pods, i, pod) {
                        if (n <= 0)
                                return;
                        if (control_leaving(pod) || control_pod_ready(pod) != (pass == 1))
                                continue;
                        control_delete(sim, control_kind(sim, "", "pods"), store_namespace(set),
                                       store_name(pod), "Background");
                        n--;
                }
        }
}

struct pods {
        int64_t total, ready, available;
};

static void write_set_status(struct sim *sim, const json_t *set, const struct pods *p,
                             const struct err *refused) {
        json_t *status = json_object();

        json_object_set_new(status, "replicas", json_integer(p->total));
        control_count(status, "fullyLabeledReplicas", p->total);
        control_count(status, "readyReplicas", p->ready);
        control_count(status, "availableReplicas", p->available);
        json_object_set_new(status, "observedGeneration",
                            json_integer(json_get_int(store_meta(set), "generation", 0)));
        if (refused->code)
                control_condition(status, json_get(set, "status"), "ReplicaFailure", true,
                                  "FailedCreate", err_text(refused));
        control_set_status(sim, control_kind(sim, "apps", "replicasets"), store_namespace(set),
                           store_name(set), status, CONTROL_MANAGER);
}

static bool finished(const json_t *pod) {
        const char *phase = json_get_str(json_get(pod, "status"), "phase", "");

        return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

static void report_refusal(struct sim *sim, const json_t *set, const struct err *why) {
        cleanup_(freep) char *text = str_format("Error creating: %s", err_text(why));

        if (json_array_size(json_dig(set, "status", "conditions", NULL)) == 0)
                control_event(sim, control_kind(sim, "apps", "replicasets"), set, "Warning",
                              "FailedCreate", text);
        work_add(sim, replicaset_sync, store_namespace(set), store_name(set), RETRY_MS);
}

/* It has been ready for minReadySeconds; else its set is looked at again when it will have been. */
static bool is_available(struct sim *sim, const json_t *set, const json_t *pod) {
        int64_t least = json_get_int(json_get(set, "spec"), "minReadySeconds", 0) * 1000;
        json_t *c;
        size_t i;

        if (!control_pod_ready(pod) || !least)
                return control_pod_ready(pod);
        json_array_foreach(json_dig(pod, "status", "conditions", NULL), i, c) {
                int64_t since = 0, left;

                if (!str_eq(json_get_str(c, "type", ""), "Ready") ||
                    !clock_parse_iso(json_get_str(c, "lastTransitionTime", ""), &since))
                        continue;
                left = since + least - clock_wall();
                if (left <= 0)
                        return true;
                if (left <= AVAILABLE_SOON_MS)
                        work_add(sim, replicaset_sync, store_namespace(set), store_name(set), left);
        }
        return false;
}

void replicaset_sync(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "apps", "replicasets");
        cleanup_(json_freep) json_t *set = json_incref(store_get(kind, namespace, name)),
                                    *pods = NULL;
        struct err refused = { 0 };
        struct pods n = { 0 };
        int64_t missing;
        json_t *pod;
        size_t i;

        if (!set || control_leaving(set))
                return;
        pods = control_children(sim, control_kind(sim, "", "pods"), namespace, store_uid(set));
        json_array_foreach(pods, i, pod) {
                if (control_leaving(pod) || finished(pod))
                        continue;
                n.total++;
                n.ready += control_pod_ready(pod);
                n.available += is_available(sim, set, pod);
        }
        missing = wanted(set) - n.total;
        if (missing < 0)
                delete_pods(sim, set, pods, -missing);
        for (; missing > 0; missing--, n.total++) {
                if (!make_pod(sim, set, &refused)) {
                        report_refusal(sim, set, &refused);
                        break;
                }
        }
        write_set_status(sim, set, &n, &refused);
}
