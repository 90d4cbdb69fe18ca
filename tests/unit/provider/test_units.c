/* SPDX-License-Identifier: Apache-2.0 */
/* test_units.c - pods in the words of units */
#include "units.h"

#include <setjmp.h>

#include <cmocka.h>

#define POD(spec, status)                                                                          \
        "{\"metadata\":{\"name\":\"db-2\",\"uid\":\"u\",\"labels\":{\"mooring.dev/"                \
        "model\":\"m\",\"mooring.dev/application\":\"db\"},"                                       \
        "\"ownerReferences\":[{\"kind\":\"StatefulSet\",\"name\":\"db\",\"controller\":true}]},"   \
        "\"spec\":{" spec "},\"status\":{" status "}}"
#define NOTHING                                                                                    \
        "\"nodeName\":\"n1\",\"containers\":[{\"name\":\"main\",\"ports\":[{\"containerPort\":"    \
        "3306},{\"containerPort\":53,\"protocol\":\"UDP\"}]}]"

/* Shaped as kubelets of 1.34 write them. */
static const struct {
        const char *what, *pod, *status, *agent, *says;
        bool bad;
} cases[] = {
        { "runs",
          POD(NOTHING, "\"phase\":\"Running\",\"podIP\":\"10.0.0.7\",\"conditions\":[{\"type\":"
                       "\"Ready\",\"status\":\"True\"}]"),
          "active", "idle", "", false },
        { "image that is not there",
          POD(NOTHING, "\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"main\",\"state\":{"
                       "\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":\"Back-off "
                       "pulling image \\\"x\\\"\"}}}]"),
          "error", "error", "ImagePullBackOff: container main: Back-off pulling image \"x\"",
          true },
        { "crashes",
          POD(NOTHING, "\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"main\","
                       "\"restartCount\":5,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\","
                       "\"message\":\"back-off 5m0s\"}},"
                       "\"lastState\":{\"terminated\":{\"exitCode\":3,\"reason\":\"Error\","
                       "\"message\":\"Traceback\\n  line 1\\nValueError: no database\\n\"}}}]"),
          "error", "error",
          "CrashLoopBackOff: container main exited 3: ValueError: no database, 5 restarts", true },
        { "killed for memory",
          POD(NOTHING,
              "\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"main\",\"restartCount\":1,"
              "\"state\":{\"terminated\":{\"exitCode\":137,\"reason\":\"OOMKilled\"}}}]"),
          "error", "error", "container main exited 137: OOMKilled", true },
        { "secret that is missing",
          POD(NOTHING, "\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"main\",\"state\":{"
                       "\"waiting\":{\"reason\":\"CreateContainerConfigError\",\"message\":"
                       "\"secret \\\"s\\\" not found\"}}}]"),
          "error", "error", "CreateContainerConfigError: container main: secret \"s\" not found",
          true },
        { "init container fails first",
          POD(NOTHING,
              "\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"init\",\"state\":{"
              "\"waiting\":{\"reason\":\"ErrImagePull\",\"message\":\"denied\"}}}],"
              "\"containerStatuses\":[{\"name\":\"main\",\"state\":{\"waiting\":{\"reason\":"
              "\"PodInitializing\"}}}]"),
          "waiting", "error", "ErrImagePull: container init: denied", true },
        { "image that a registry keeps, without saying which",
          POD(NOTHING, "\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"main\",\"image\":"
                       "\"r/x:1\",\"state\":{\"waiting\":{\"reason\":\"ErrImagePull\",\"message\":"
                       "\"unauthorized\"}}}]"),
          "waiting", "error", "ErrImagePull: container main: image r/x:1: unauthorized", true },
        { "no node takes it",
          POD(NOTHING, "\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\","
                       "\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\":\"0/3 nodes "
                       "are available: 3 Insufficient memory.\"}]"),
          "waiting", "allocating", "Unschedulable: 0/3 nodes are available: 3 Insufficient memory.",
          true },
        { "readiness probe",
          POD(NOTHING, "\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
                       "\"False\",\"reason\":\"ContainersNotReady\"}],"
                       "\"containerStatuses\":[{\"name\":\"main\",\"ready\":false,\"started\":true,"
                       "\"state\":{\"running\":{}}}]"),
          "waiting", "idle", "container main: readiness probe has not passed yet", false },
        { "node that does not answer",
          POD(NOTHING, "\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
                       "\"False\",\"lastTransitionTime\":\"2026-11-21T22:00:00Z\"}],"
                       "\"containerStatuses\":[{\"name\":\"main\",\"ready\":true,\"started\":true,"
                       "\"state\":{\"running\":{}}}]"),
          "waiting", "idle",
          "condition Ready is False since 2026-11-21T22:00:00Z on node n1, though its containers "
          "are ready",
          false },
        { "starting",
          POD(NOTHING, "\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"main\",\"state\":{"
                       "\"waiting\":{\"reason\":\"ContainerCreating\"}}}]"),
          "waiting", "allocating", "starting containers", false },
        { "evicted",
          POD(NOTHING, "\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"The node was low "
                       "on resource: memory.\""),
          "error", "lost", "Evicted: The node was low on resource: memory.", true },
        { "completed", POD(NOTHING, "\"phase\":\"Succeeded\""), "terminated", "idle", "completed",
          false },
};

static void read_pod(const char *text, struct units_pod *ret) {
        cleanup_(json_freep) json_t *pod = NULL;

        assert_int_equal(json_parse(text, strlen(text), &pod, NULL), 0);
        units_read(pod, ret);
}

static void each_state_of_a_pod_has_its_word_and_reason(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct units_pod u;

                read_pod(cases[i].pod, &u);
                if (!str_eq(u.status, cases[i].status) || !str_eq(u.agent, cases[i].agent) ||
                    !str_eq(u.message, cases[i].says) || u.bad != cases[i].bad ||
                    u.no_image != (strstr(cases[i].says, "Image") != NULL))
                        fail_msg("%s: %s/%s: %s", cases[i].what, u.status, u.agent, u.message);
                units_clear(&u);
        }
}

static void a_unit_has_its_number_address_node_and_ports(void **state) {
        struct units_pod u;

        read_pod(cases[0].pod, &u);
        assert_string_equal(u.model, "m");
        assert_string_equal(u.application, "db");
        assert_int_equal(u.number, 2);
        assert_string_equal(u.address, "10.0.0.7");
        assert_string_equal(u.node, "n1");
        assert_string_equal(u.ports, "3306/TCP,53/UDP");
        assert_string_equal(u.owner, "db");
        assert_true(u.ready);
        units_clear(&u);
}

static void a_pod_of_no_stateful_set_has_no_number(void **state) {
        struct units_pod u;

        read_pod("{\"metadata\":{\"name\":\"web-5\",\"ownerReferences\":[{\"kind\":\"ReplicaSet\","
                 "\"name\":\"web\",\"controller\":true}]}}",
                 &u);
        assert_int_equal(u.number, -1);
        units_clear(&u);
}

static void a_label_says_the_number_of_a_unit_of_its_own_set(void **state) {
        struct units_pod u;

        read_pod("{\"metadata\":{\"name\":\"db-unit-2-0\",\"labels\":{\"mooring.dev/unit\":\"2\"},"
                 "\"ownerReferences\":[{\"kind\":\"StatefulSet\",\"name\":\"db-unit-2\","
                 "\"controller\":true}]}}",
                 &u);
        assert_int_equal(u.number, 2);
        units_clear(&u);
}

static void a_pod_that_stops_is_terminated_whatever_its_phase(void **state) {
        struct units_pod u;

        read_pod("{\"metadata\":{\"name\":\"a\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},"
                 "\"status\":{\"phase\":\"Running\"}}",
                 &u);
        assert_string_equal(u.status, "terminated");
        assert_string_equal(u.message, "stopping");
        units_clear(&u);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_state_of_a_pod_has_its_word_and_reason),
                cmocka_unit_test(a_unit_has_its_number_address_node_and_ports),
                cmocka_unit_test(a_pod_of_no_stateful_set_has_no_number),
                cmocka_unit_test(a_label_says_the_number_of_a_unit_of_its_own_set),
                cmocka_unit_test(a_pod_that_stops_is_terminated_whatever_its_phase),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
