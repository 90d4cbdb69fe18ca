/* SPDX-License-Identifier: Apache-2.0 */
/* readiness.c - a function for each kind that has a state; custom kinds by their conditions
 *
 * Called for each event of a kind that is not plain data. What the API conventions say holds for
 * all: a status of an older generation says nothing yet, and Stalled means that waiting is of no
 * use.
 *
 * Where this differs from kstatus, on purpose: a running Job is not ready (what needs it needs
 * its result); a failed Pod is failed; a LoadBalancer without an address is not ready; an HPA
 * that cannot read its metrics is not ready. */
#include "readiness.h"

#include "clock.h"
#include "kinds.h"

#include <inttypes.h>
#include <stdlib.h>

#define UNSCHEDULABLE_GRACE_MS 15000 /* a scheduler that just came up, a node that is being added */

struct judging {
        const json_t *object, *spec, *status;
        int64_t now;
        struct readiness_verdict *to;
};

static void verdict(struct judging *j, enum readiness ready, const char *fmt, ...) printf_(3, 4);
static void verdict(struct judging *j, enum readiness ready, const char *fmt, ...) {
        va_list ap;

        j->to->ready = ready;
        va_start(ap, fmt);
        j->to->reason = str_vformat(fmt, ap);
        va_end(ap);
}

static const json_t *condition(const struct judging *j, const char *type) {
        const json_t *c;
        size_t i;

        json_array_foreach(json_get(j->status, "conditions"), i, c)
                if (str_eq(json_get_str(c, "type", ""), type))
                        return c;
        return NULL;
}

static bool condition_is(const json_t *c, const char *status) {
        return c && str_eq(json_get_str(c, "status", ""), status);
}

/* "Reason: message", or what of the two there is. */
static char *condition_text(const json_t *c) {
        const char *reason = json_get_str(c, "reason", "");
        const char *message = json_get_str(c, "message", "");

        return str_format("%s%s%s", reason, *reason && *message ? ": " : "", message);
}

static void verdict_of(struct judging *j, enum readiness ready, const json_t *c) {
        cleanup_(freep) char *text = condition_text(c);

        verdict(j, ready, "%s", *text ? text : json_get_str(c, "type", "?"));
}

/* ---- controllers of pods */

/* HAVE of WANT; true: enough. */
static bool enough(struct judging *j, const char *what, int64_t have, int64_t want) {
        if (have >= want)
                return true;
        verdict(j, READY_NO, "%" PRId64 " of %" PRId64 " %s", have, want, what);
        return false;
}

static void beyond(struct judging *j, int64_t n, const char *what) {
        verdict(j, READY_NO, "%" PRId64 " %s %s still there", n, n == 1 ? "pod" : "pods", what);
}

static bool replica_failure(struct judging *j) {
        const json_t *failure = condition(j, "ReplicaFailure");

        if (!condition_is(failure, "True"))
                return false;
        verdict_of(j, READY_NO, failure);
        return true;
}

static int64_t status_int(const struct judging *j, const char *member) {
        return json_get_int(j->status, member, 0);
}

static void note_rollout(struct judging *j, int64_t want) {
        j->to->rollout = (struct rollout){ .known = true,
                                           .wanted = want,
                                           .all = status_int(j, "replicas"),
                                           .updated = status_int(j, "updatedReplicas") };
}

/* A field that we set only while a refresh is paused, and status says that. */
static bool stands_still(const struct judging *j, int64_t want) {
        int64_t updated = status_int(j, "updatedReplicas");

        return json_is_true(json_get(j->spec, "paused")) &&
               (updated < want || status_int(j, "replicas") > updated);
}

static void judge_deployment(struct judging *j) {
        int64_t want = json_get_int(j->spec, "replicas", 1);
        const json_t *progressing = condition(j, "Progressing");
        const json_t *available = condition(j, "Available");

        note_rollout(j, want);
        j->to->no_pods = status_int(j, "replicas") < want;
        if (replica_failure(j))
                return;
        if (condition_is(progressing, "False") &&
            str_eq(json_get_str(progressing, "reason", ""), "ProgressDeadlineExceeded"))
                verdict_of(j, READY_FAILED, progressing);
        else if (stands_still(j, want))
                verdict(j, READY_NO,
                        "somebody paused its rollout (spec.paused), and not all pods are new: "
                        "kubectl rollout resume");
        else if (!enough(j, "pods created", status_int(j, "replicas"), want) ||
                 !enough(j, "pods updated", status_int(j, "updatedReplicas"), want))
                return;
        else if (status_int(j, "replicas") > status_int(j, "updatedReplicas"))
                beyond(j, status_int(j, "replicas") - status_int(j, "updatedReplicas"),
                       "of an older revision");
        else if (!enough(j, "pods available", status_int(j, "availableReplicas"), want))
                return;
        else if (condition_is(progressing, "False"))
                verdict_of(j, READY_NO, progressing);
        else if (available && !condition_is(available, "True"))
                verdict_of(j, READY_NO, available);
}

static void judge_stateful_set(struct judging *j) {
        int64_t want = json_get_int(j->spec, "replicas", 1);
        const char *current = json_get_str(j->status, "currentRevision", NULL);
        const char *update = json_get_str(j->status, "updateRevision", NULL);
        const json_t *partition =
                json_dig(j->spec, "updateStrategy", "rollingUpdate", "partition", NULL);
        const char *strategy =
                json_get_str(json_get(j->spec, "updateStrategy"), "type", "RollingUpdate");

        note_rollout(j, want);
        j->to->no_pods = status_int(j, "replicas") < want;
        if (!enough(j, "pods created", status_int(j, "replicas"), want) ||
            !enough(j, "pods ready", status_int(j, "readyReplicas"), want))
                return;
        if (status_int(j, "replicas") > want)
                beyond(j, status_int(j, "replicas") - want, "too many");
        else if (json_integer_value(partition) > 0)
                enough(j, "pods updated", status_int(j, "updatedReplicas"),
                       want - json_integer_value(partition));
        else if (update && !str_eq(current, update) && !str_eq(strategy, "OnDelete"))
                enough(j, "pods updated", MIN_OF(status_int(j, "updatedReplicas"), want - 1), want);
}

static void judge_daemon_set(struct judging *j) {
        int64_t want = json_get_int(j->status, "desiredNumberScheduled", -1);

        if (want < 0 || !json_get(j->status, "observedGeneration")) {
                verdict(j, READY_NO, "its controller has not seen it yet");
                return;
        }
        j->to->no_pods = status_int(j, "currentNumberScheduled") < want;
        if (enough(j, "pods scheduled", status_int(j, "currentNumberScheduled"), want) &&
            enough(j, "pods updated", status_int(j, "updatedNumberScheduled"), want) &&
            enough(j, "pods available", status_int(j, "numberAvailable"), want))
                enough(j, "pods ready", status_int(j, "numberReady"), want);
}

static void judge_replica_set(struct judging *j) {
        int64_t want = json_get_int(j->spec, "replicas", 1);

        j->to->no_pods = status_int(j, "replicas") < want;
        if (!replica_failure(j) && enough(j, "pods created", status_int(j, "replicas"), want) &&
            enough(j, "pods available", status_int(j, "availableReplicas"), want))
                enough(j, "pods ready", status_int(j, "readyReplicas"), want);
}

static void judge_job(struct judging *j) {
        const json_t *failed = condition(j, "Failed");
        int64_t want = json_get_int(j->spec, "completions", 1);

        if (condition_is(failed, "True"))
                verdict_of(j, READY_FAILED, failed);
        else if (condition_is(condition(j, "Suspended"), "True"))
                verdict(j, READY_NO, "suspended");
        else if (!condition_is(condition(j, "Complete"), "True")) {
                j->to->no_pods = status_int(j, "active") == 0;
                verdict(j, READY_NO, "%" PRId64 " of %" PRId64 " completed, %" PRId64 " running",
                        status_int(j, "succeeded"), want, status_int(j, "active"));
        }
}

static void judge_pod(struct judging *j) {
        const char *phase = json_get_str(j->status, "phase", "");
        const json_t *scheduled = condition(j, "PodScheduled");
        const json_t *ready = condition(j, "Ready");
        int64_t born = 0;

        if (str_eq(phase, "Succeeded"))
                return;
        if (str_eq(phase, "Failed")) {
                verdict(j, READY_FAILED, "%s",
                        json_get_str(j->status, "message",
                                     json_get_str(j->status, "reason", "failed")));
        } else if (condition_is(scheduled, "False")) {
                clock_parse_iso(
                        json_get_str(json_get(j->object, "metadata"), "creationTimestamp", ""),
                        &born);
                verdict_of(j, j->now - born > UNSCHEDULABLE_GRACE_MS ? READY_FAILED : READY_NO,
                           scheduled);
        } else if (!ready) {
                verdict(j, READY_NO, "%s", *phase ? phase : "not seen by a scheduler yet");
        } else if (!condition_is(ready, "True")) {
                verdict_of(j, READY_NO, ready);
        }
}

/* ---- the others */

static void judge_claim(struct judging *j) {
        const char *phase = json_get_str(j->status, "phase", "Pending");

        if (str_eq(phase, "Lost"))
                verdict(j, READY_FAILED, "the volume is lost");
        else if (!str_eq(phase, "Bound"))
                verdict(j, READY_NO, "the claim is %s", phase);
}

static void judge_service(struct judging *j) {
        const json_t *ingress = json_dig(j->status, "loadBalancer", "ingress", NULL);

        if (str_eq(json_get_str(j->spec, "type", ""), "LoadBalancer") &&
            json_array_size(ingress) == 0)
                verdict(j, READY_NO, "the load balancer has no address yet");
}

static void judge_ingress(struct judging *j) {
        /* Some controllers never write an address; then only a class that does counts, and there
         * is no way to know. */
        const json_t *balancer = json_get(j->status, "loadBalancer");

        if (json_is_object(balancer) && json_array_size(json_get(balancer, "ingress")) == 0)
                verdict(j, READY_NO, "no ingress controller has given it an address yet");
}

static void judge_definition(struct judging *j) {
        const json_t *accepted = condition(j, "NamesAccepted");
        const json_t *established = condition(j, "Established");

        if (condition_is(accepted, "False"))
                verdict_of(j, READY_FAILED, accepted);
        else if (!condition_is(established, "True"))
                verdict(j, READY_NO, "the server has not established it yet");
}

static void judge_api_service(struct judging *j) {
        const json_t *available = condition(j, "Available");

        if (condition_is(available, "True"))
                return;
        if (available)
                verdict_of(j, READY_NO, available);
        else
                verdict(j, READY_NO, "not seen by the aggregator yet");
}

static void judge_autoscaler(struct judging *j) {
        static const char *const needed[] = { "AbleToScale", "ScalingActive", NULL };

        for (const char *const *type = needed; *type; type++) {
                const json_t *c = condition(j, *type);

                /* With the target at 0 an autoscaler is off, which is no failure of it. */
                if (!condition_is(c, "False") ||
                    str_eq(json_get_str(c, "reason", ""), "ScalingDisabled"))
                        continue;
                verdict_of(j, READY_NO, c);
                return;
        }
        if (!json_get(j->status, "conditions"))
                verdict(j, READY_NO, "its controller has not seen it yet");
}

static void judge_budget(struct judging *j) {
        if (!json_get(j->status, "currentHealthy"))
                verdict(j, READY_NO, "its controller has not seen it yet");
        else
                enough(j, "pods healthy", status_int(j, "currentHealthy"),
                       status_int(j, "desiredHealthy"));
}

static void judge_namespace(struct judging *j) {
        if (str_eq(json_get_str(j->status, "phase", ""), "Terminating"))
                verdict(j, READY_NO, "it is being deleted");
}

static void judge_volume(struct judging *j) {
        const char *phase = json_get_str(j->status, "phase", "Available");

        if (str_eq(phase, "Failed"))
                verdict(j, READY_FAILED, "%s", json_get_str(j->status, "message", "failed"));
        else if (str_eq(phase, "Pending"))
                verdict(j, READY_NO, "the volume is Pending");
}

static void judge_nothing(struct judging *j) {
}

/* A kind of a CRD: what the API conventions and the custom of operators have in common. */
static void judge_custom(struct judging *j) {
        static const char *const failures[] = { "Stalled", "Failed", NULL };
        static const char *const wanted[] = { "Ready", "Available", "Succeeded", "Complete", NULL };

        for (const char *const *type = failures; *type; type++)
                if (condition_is(condition(j, *type), "True")) {
                        verdict_of(j, READY_FAILED, condition(j, *type));
                        return;
                }
        for (const char *const *type = wanted; *type; type++) {
                const json_t *c = condition(j, *type);

                if (!c)
                        continue;
                if (!condition_is(c, "True"))
                        verdict_of(j, READY_NO, c);
                return;
        }
        if (condition_is(condition(j, "Reconciling"), "True"))
                verdict_of(j, READY_NO, condition(j, "Reconciling"));
}

static const struct {
        const char *type;
        void (*judge)(struct judging *j);
        bool spec; /* is read too: replicas and the like */
} judges[] = {
        { "APIService.apiregistration.k8s.io", judge_api_service, false },
        { "CronJob.batch", judge_nothing, false },
        { "CustomResourceDefinition.apiextensions.k8s.io", judge_definition, false },
        { "DaemonSet.apps", judge_daemon_set, false },
        { "Deployment.apps", judge_deployment, true },
        { "HorizontalPodAutoscaler.autoscaling", judge_autoscaler, false },
        { "Ingress.networking.k8s.io", judge_ingress, false },
        { "Job.batch", judge_job, true },
        { "Namespace", judge_namespace, false },
        { "PersistentVolume", judge_volume, false },
        { "PersistentVolumeClaim", judge_claim, false },
        { "Pod", judge_pod, false },
        { "PodDisruptionBudget.policy", judge_budget, false },
        { "ReplicaSet.apps", judge_replica_set, true },
        { "Service", judge_service, true },
        { "StatefulSet.apps", judge_stateful_set, true },
};

static bool is_old_status(struct judging *j) {
        const json_t *metadata = json_get(j->object, "metadata");
        int64_t generation = json_get_int(metadata, "generation", 0);
        int64_t observed = json_get_int(j->status, "observedGeneration", generation);

        if (observed >= generation)
                return false;
        verdict(j, READY_NO, "its controller has not seen the newest change yet");
        return true;
}

bool readiness_reads_spec(const char *type) {
        for (size_t i = 0; i < ARRAY_SIZE(judges); i++)
                if (str_eq(judges[i].type, type))
                        return judges[i].spec;
        return false;
}

void readiness_judge(const char *type, const json_t *object, int64_t now_wall,
                     struct readiness_verdict *ret) {
        const struct kind_row *row = kinds_find(type);
        struct judging j = {
                .object = object,
                .spec = json_get(object, "spec"),
                .status = json_get(object, "status"),
                .now = now_wall,
                .to = ret,
        };

        *ret = (struct readiness_verdict){ .ready = READY_YES };
        if (row && row->flags & KIND_PLAIN)
                return;
        if (json_dig(object, "metadata", "deletionTimestamp", NULL)) {
                verdict(&j, READY_NO, "it is being deleted");
                return;
        }
        if (is_old_status(&j))
                return;
        for (size_t i = 0; i < ARRAY_SIZE(judges); i++)
                if (str_eq(judges[i].type, type)) {
                        judges[i].judge(&j);
                        return;
                }
        judge_custom(&j);
}
