/* SPDX-License-Identifier: Apache-2.0 */
/* test_readiness.c - readiness by kind: the cases of kstatus and our own */
#include "clock.h"
#include "kinds.h"
#include "readiness.h"
#include "yaml.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1790000000000

static const char *folder;

static char *slurp(const char *path) {
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        char *text;

        if (fd < 0 || fstat(fd, &st) < 0)
                fail_msg("%s", path);
        text = mem_alloc((size_t)st.st_size + 1);
        assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
        return text;
}

/* The file's word for "just made" becomes NOW. */
static json_t *load(const char *file) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, file);
        cleanup_(freep) char *text = slurp(path);
        cleanup_(yaml_stream_free) struct yaml_stream stream = { 0 };
        struct err err = { 0 };
        char now[CLOCK_TEXT_MAX];
        json_t *j;

        if (yaml_parse(text, strlen(text), file, YAML_KUBERNETES, &stream, &err) < 0)
                fail_msg("%s", err_text(&err));
        j = json_incref(stream.documents[0].root);
        if (str_eq(json_get_str(json_get(j, "metadata"), "creationTimestamp", ""),
                   "__NOW_RFC3339__"))
                json_object_set_new(json_get(j, "metadata"), "creationTimestamp",
                                    json_string(clock_iso(NOW, false, now)));
        return j;
}

static enum readiness judged(const json_t *object, char **ret_reason) {
        cleanup_(freep) char *type = kinds_type(object);
        struct readiness_verdict v;

        readiness_judge(type, object, NOW, &v);
        *ret_reason = v.reason;
        return v.ready;
}

/* A running Job is Current there and not ready here: what needs it needs its result. */
static enum readiness wanted_of(const char *name, const char *status) {
        if (str_eq(name, "JobStatus-jobInProgress"))
                return READY_NO;
        if (str_eq(status, "Current"))
                return READY_YES;
        return str_eq(status, "Failed") ? READY_FAILED : READY_NO;
}

static void every_case_of_kstatus_is_judged_as_there_but_for_one(void **state) {
        cleanup_(freep) char *path = str_format("%s/expected.json", folder);
        cleanup_(freep) char *text = slurp(path);
        cleanup_(json_freep) json_t *cases = NULL;
        const char *name;
        json_t *one;

        assert_int_equal(json_parse(text, strlen(text), &cases, NULL), 0);
        assert_int_equal(json_object_size(cases), 27);
        json_object_foreach(cases, name, one) {
                cleanup_(json_freep) json_t *object = load(json_get_str(one, "file", ""));
                cleanup_(freep) char *reason = NULL;
                enum readiness got = judged(object, &reason);

                if (got != wanted_of(name, json_get_str(one, "status", "")))
                        fail_msg("%s: %s (%s)", name, readiness_name(got), reason);
                assert_int_equal(got == READY_YES, reason == NULL);
        }
}

static const struct {
        const char *what, *object;
        enum readiness ready;
        const char *reason; /* is in it */
} cases[] = {
        { "deployment past its deadline",
          "{\"apiVersion\":\"apps/"
          "v1\",\"kind\":\"Deployment\",\"spec\":{\"replicas\":1},\"status\":{\"conditions\":[{"
          "\"type\":\"Progressing\",\"status\":\"False\","
          "\"reason\":\"ProgressDeadlineExceeded\",\"message\":\"too late\"}]}}",
          READY_FAILED, "too late" },
        { "deployment that may make no pods",
          "{\"apiVersion\":\"apps/"
          "v1\",\"kind\":\"Deployment\",\"spec\":{\"replicas\":1},\"status\":{\"conditions\":[{"
          "\"type\":\"ReplicaFailure\",\"status\":\"True\","
          "\"reason\":\"FailedCreate\",\"message\":\"exceeded quota: q\"}]}}",
          READY_NO, "exceeded quota: q" },
        { "deployment of none",
          "{\"apiVersion\":\"apps/"
          "v1\",\"kind\":\"Deployment\",\"spec\":{\"replicas\":0},\"status\":{"
          "\"observedGeneration\":1}}",
          READY_YES, NULL },
        { "failed job",
          "{\"apiVersion\":\"batch/"
          "v1\",\"kind\":\"Job\",\"status\":{\"conditions\":[{\"type\":\"Failed\",\"status\":"
          "\"True\",\"reason\":\"BackoffLimitExceeded\"}]}}",
          READY_FAILED, "BackoffLimitExceeded" },
        { "failed pod",
          "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"status\":{\"phase\":\"Failed\",\"reason\":"
          "\"Evicted\"}}",
          READY_FAILED, "Evicted" },
        { "pending claim",
          "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"status\":{\"phase\":"
          "\"Pending\"}}",
          READY_NO, "Pending" },
        { "lost claim",
          "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"status\":{\"phase\":"
          "\"Lost\"}}",
          READY_FAILED, "lost" },
        { "balancer with an address",
          "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"spec\":{\"type\":\"LoadBalancer\"},"
          "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"1.2.3.4\"}]}}}",
          READY_YES, NULL },
        { "refused names",
          "{\"apiVersion\":\"apiextensions.k8s.io/"
          "v1\",\"kind\":\"CustomResourceDefinition\",\"status\":{\"conditions\":[{\"type\":"
          "\"NamesAccepted\",\"status\":\"False\","
          "\"reason\":\"KindConflict\"}]}}",
          READY_FAILED, "KindConflict" },
        { "api service without pods",
          "{\"apiVersion\":\"apiregistration.k8s.io/"
          "v1\",\"kind\":\"APIService\",\"status\":{\"conditions\":[{\"type\":\"Available\","
          "\"status\":\"False\","
          "\"reason\":\"MissingEndpoints\"}]}}",
          READY_NO, "MissingEndpoints" },
        { "autoscaler without metrics",
          "{\"apiVersion\":\"autoscaling/"
          "v2\",\"kind\":\"HorizontalPodAutoscaler\",\"status\":{\"conditions\":[{\"type\":"
          "\"ScalingActive\",\"status\":\"False\","
          "\"reason\":\"FailedGetResourceMetric\"}]}}",
          READY_NO, "FailedGetResourceMetric" },
        { "budget without pods",
          "{\"apiVersion\":\"policy/"
          "v1\",\"kind\":\"PodDisruptionBudget\",\"status\":{\"currentHealthy\":0,"
          "\"desiredHealthy\":1}}",
          READY_NO, "0 of 1" },
        { "ready custom resource",
          "{\"apiVersion\":\"a.b/"
          "v1\",\"kind\":\"X\",\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}"
          "]}}",
          READY_YES, NULL },
        { "custom resource that waits",
          "{\"apiVersion\":\"a.b/"
          "v1\",\"kind\":\"X\",\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":"
          "\"False\",\"message\":\"no issuer\"}]}}",
          READY_NO, "no issuer" },
        { "stalled custom resource",
          "{\"apiVersion\":\"a.b/"
          "v1\",\"kind\":\"X\",\"status\":{\"conditions\":[{\"type\":\"Stalled\",\"status\":"
          "\"True\",\"reason\":\"Bad\"}]}}",
          READY_FAILED, "Bad" },
        { "config map", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}", READY_YES, NULL },
        { "stateful set with half its pods",
          "{\"apiVersion\":\"apps/"
          "v1\",\"kind\":\"StatefulSet\",\"spec\":{\"replicas\":2},\"status\":{\"replicas\":2,"
          "\"readyReplicas\":1}}",
          READY_NO, "1 of 2" },
        { "stateful set that rolls",
          "{\"apiVersion\":\"apps/"
          "v1\",\"kind\":\"StatefulSet\",\"spec\":{\"replicas\":2},\"status\":{\"replicas\":2,"
          "\"readyReplicas\":2,\"updatedReplicas\":1,"
          "\"currentRevision\":\"a\",\"updateRevision\":\"b\"}}",
          READY_NO, "1 of 2" },
        { "a rollout that somebody paused",
          "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{\"replicas\":1,"
          "\"paused\":true},\"status\":{\"replicas\":1,\"availableReplicas\":1}}",
          READY_NO, "spec.paused" },
        { "a paused one with nothing to roll out",
          "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{\"replicas\":1,"
          "\"paused\":true},\"status\":{\"replicas\":1,\"updatedReplicas\":1,"
          "\"availableReplicas\":1}}",
          READY_YES, NULL },
        { "what is going",
          "{\"apiVersion\":\"apps/"
          "v1\",\"kind\":\"Deployment\",\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:"
          "00Z\"}}",
          READY_NO, "deleted" },
};

static void each_kind_says_why_it_is_not_ready(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *object = NULL;
                cleanup_(freep) char *reason = NULL;
                enum readiness got;

                assert_int_equal(
                        json_parse(cases[i].object, strlen(cases[i].object), &object, NULL), 0);
                got = judged(object, &reason);
                if (got != cases[i].ready || (cases[i].reason && !strstr(reason, cases[i].reason)))
                        fail_msg("%s: %s (%s)", cases[i].what, readiness_name(got), reason);
        }
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_case_of_kstatus_is_judged_as_there_but_for_one),
                cmocka_unit_test(each_kind_says_why_it_is_not_ready),
        };

        folder = argc > 1 ? argv[1] : "kstatus";
        return cmocka_run_group_tests(tests, NULL, NULL);
}
