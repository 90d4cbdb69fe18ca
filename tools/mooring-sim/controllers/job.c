/* SPDX-License-Identifier: Apache-2.0 */
/* job.c - Job and DaemonSet → pods
 *
 * A Job's pods succeed as soon as they run, unless a fault makes them fail; more failures than
 * backoffLimit end the Job. CronJobs are stored and never run. */
#include "control.h"
#include "controllers.h"
#include "store.h"

#define RETRY_MS 200

static json_t *pod_of(struct sim *sim, const struct kind *kind, const json_t *owner) {
        json_t *template = json_dig(owner, "spec", "template", NULL);
        json_t *meta = json_get(template, "metadata")
                               ? json_deep_copy(json_get(template, "metadata"))
                               : json_object();

        json_object_set_new(meta, "generateName", json_sprintf("%s-", store_name(owner)));
        json_object_set_new(meta, "ownerReferences", control_owner(kind, owner));
        return json_pack("{s:o,s:o,s:{s:s}}", "metadata", meta, "spec",
                         json_deep_copy(json_get(template, "spec")), "status", "phase", "Pending");
}

/* --- Job */

struct tally {
        int64_t active, ready, succeeded, failed;
};

static struct tally count(const json_t *pods) {
        struct tally t = { 0 };
        json_t *pod;
        size_t i;

        json_array_foreach((json_t *)pods, i, pod) {
                const char *phase = json_get_str(json_get(pod, "status"), "phase", "");

                if (str_eq(phase, "Succeeded"))
                        t.succeeded++;
                else if (str_eq(phase, "Failed"))
                        t.failed++;
                else if (!control_leaving(pod)) {
                        t.active++;
                        t.ready += control_pod_ready(pod);
                }
        }
        return t;
}

static void stop_active(struct sim *sim, const json_t *pods) {
        json_t *pod;
        size_t i;

        json_array_foreach((json_t *)pods, i, pod) {
                const char *phase = json_get_str(json_get(pod, "status"), "phase", "");

                if (!str_eq(phase, "Succeeded") && !str_eq(phase, "Failed") &&
                    !control_leaving(pod))
                        control_delete(sim, control_kind(sim, "", "pods"), store_namespace(pod),
                                       store_name(pod), "Background");
        }
}

static void write_job(struct sim *sim, struct kind *kind, const json_t *job, const struct tally *t,
                      bool complete, bool failed) {
        json_t *before = json_get(job, "status"), *status = json_object();

        json_object_set_new(status, "startTime",
                            json_get(before, "startTime")
                                    ? json_incref(json_get(before, "startTime"))
                                    : sim_now());
        control_count(status, "active", complete || failed ? 0 : t->active);
        json_object_set_new(status, "ready", json_integer(t->ready));
        control_count(status, "succeeded", t->succeeded);
        control_count(status, "failed", t->failed);
        json_object_set_new(status, "terminating", json_integer(0));
        json_object_set_new(status, "uncountedTerminatedPods", json_object());
        if (complete) {
                json_object_set_new(status, "completionTime",
                                    json_get(before, "completionTime")
                                            ? json_incref(json_get(before, "completionTime"))
                                            : sim_now());
                control_condition(status, before, "SuccessCriteriaMet", true, "CompletionsReached",
                                  "Reached expected number of succeeded pods");
                control_condition(status, before, "Complete", true, "CompletionsReached",
                                  "Reached expected number of succeeded pods");
        } else if (failed) {
                control_condition(status, before, "FailureTarget", true, "BackoffLimitExceeded",
                                  "Job has reached the specified backoff limit");
                control_condition(status, before, "Failed", true, "BackoffLimitExceeded",
                                  "Job has reached the specified backoff limit");
        }
        control_set_status(sim, kind, store_namespace(job), store_name(job), status,
                           CONTROL_MANAGER);
}

void job_sync(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "batch", "jobs"),
                    *pod_kind = control_kind(sim, "", "pods");
        cleanup_(json_freep) json_t *job = json_incref(store_get(kind, namespace, name)),
                                    *pods = NULL;
        json_t *spec = json_get(job, "spec");
        int64_t completions = json_get_int(spec, "completions", 1), missing;
        bool complete, failed;
        struct tally t;

        if (!job || control_leaving(job) || json_get_bool(spec, "suspend", false))
                return;
        pods = control_children(sim, pod_kind, namespace, store_uid(job));
        t = count(pods);
        complete = t.succeeded >= completions;
        failed = !complete && t.failed > json_get_int(spec, "backoffLimit", 6);
        if (complete || failed)
                stop_active(sim, pods);
        missing =
                MIN_OF(json_get_int(spec, "parallelism", 1), completions - t.succeeded) - t.active;
        for (; !complete && !failed && missing > 0; missing--) {
                if (!control_create(sim, pod_kind, namespace, pod_of(sim, kind, job),
                                    CONTROL_MANAGER, NULL)) {
                        work_add(sim, job_sync, namespace, name, RETRY_MS);
                        break;
                }
                t.active++;
        }
        write_job(sim, kind, job, &t, complete, failed);
}

/* --- DaemonSet */

static bool node_fits(const json_t *set, const json_t *node) {
        json_t *wanted = json_dig(set, "spec", "template", "spec", "nodeSelector", NULL), *value;
        json_t *labels = json_get(store_meta(node), "labels");
        const char *key;

        json_object_foreach(wanted, key, value) {
                if (!json_equal(value, json_object_get(labels, key)))
                        return false;
        }
        return true;
}

static json_t *pod_on(const json_t *pods, const char *node) {
        json_t *pod;
        size_t i;

        json_array_foreach((json_t *)pods, i, pod) {
                if (str_eq(json_get_str(json_get(pod, "spec"), "nodeName", ""), node))
                        return pod;
        }
        return NULL;
}

static void make_daemon(struct sim *sim, const struct kind *kind, const json_t *set,
                        const char *node, const char *hash) {
        json_t *pod = pod_of(sim, kind, set);

        json_object_set_new(json_get(pod, "spec"), "nodeName", json_string(node));
        json_put(pod, "/metadata/labels/controller-revision-hash", json_string(hash));
        if (!control_create(sim, control_kind(sim, "", "pods"), store_namespace(set), pod,
                            CONTROL_MANAGER, NULL))
                work_add(sim, daemonset_sync, store_namespace(set), store_name(set), RETRY_MS);
}

static void write_daemon_set(struct sim *sim, struct kind *kind, const json_t *set, int64_t desired,
                             int64_t current, int64_t ready, int64_t updated) {
        json_t *status =
                json_pack("{s:I,s:I,s:i,s:I}", "currentNumberScheduled", (json_int_t)current,
                          "desiredNumberScheduled", (json_int_t)desired, "numberMisscheduled", 0,
                          "numberReady", (json_int_t)ready);

        control_count(status, "numberAvailable", ready);
        control_count(status, "numberUnavailable", desired - ready);
        control_count(status, "updatedNumberScheduled", updated);
        json_object_set_new(status, "observedGeneration",
                            json_integer(json_get_int(store_meta(set), "generation", 0)));
        control_set_status(sim, kind, store_namespace(set), store_name(set), status,
                           CONTROL_MANAGER);
}

void daemonset_sync(struct sim *sim, const char *namespace, const char *name) {
        struct kind *kind = control_kind(sim, "apps", "daemonsets");
        const struct collection *nodes = control_kind(sim, "", "nodes")->collection;
        cleanup_(json_freep) json_t *set = json_incref(store_get(kind, namespace, name)),
                                    *pods = NULL;
        int64_t desired = 0, current = 0, ready = 0, updated = 0;
        char hash[11];

        if (!set || control_leaving(set))
                return;
        control_hash(json_dig(set, "spec", "template", NULL), hash);
        pods = control_children(sim, control_kind(sim, "", "pods"), namespace, store_uid(set));
        for (size_t i = 0; i < nodes->count; i++) {
                const char *node = store_name(nodes->items[i]->json);
                json_t *pod = pod_on(pods, node);
                bool same = pod && str_eq(json_get_str(json_get(store_meta(pod), "labels"),
                                                       "controller-revision-hash", ""),
                                          hash);

                if (!node_fits(set, nodes->items[i]->json))
                        continue;
                desired++;
                if (!pod)
                        make_daemon(sim, kind, set, node, hash);
                else if (!same && !control_leaving(pod))
                        control_delete(sim, control_kind(sim, "", "pods"), namespace,
                                       store_name(pod), "Background");
                current += pod && !control_leaving(pod);
                ready += pod && control_pod_ready(pod);
                updated += same;
        }
        write_daemon_set(sim, kind, set, desired, current, ready, updated);
}
