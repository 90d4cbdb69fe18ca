/* SPDX-License-Identifier: Apache-2.0 */
/* test_namespace.c - a namespace is deleted only when nobody's data and no pod is in it
 *
 * A scripted API server knows one namespace of ours, and lists what the test puts into it. */
#include "clock.h"
#include "kube-api.h"

#include <stdatomic.h>
#include <stdlib.h>

#define NONE "[]"
#define ONE "[{\"metadata\":{\"name\":\"others\"}}]"

static struct world {
        struct kube_api api;
        bool done;
        const char *claims, *pods; /* set while no request is out */
        atomic_int deletions;
        atomic_int refuse; /* status of the list of claims; 0: it is given */
} w;

static void serve_namespace(struct server_call *c, void *arg) {
        if (!str_eq(c->method, "DELETE")) {
                server_reply(c, 405, NULL, "{\"kind\":\"Status\",\"code\":405}");
                return;
        }
        atomic_fetch_add(&w.deletions, 1);
        server_reply(c, 200, NULL, "{\"kind\":\"Status\",\"status\":\"Success\"}");
}

static void serve_list(struct server_call *c, const char *kind, const char *items) {
        cleanup_(freep) char *text = str_format("{\"kind\":\"%s\",\"items\":%s}", kind, items);

        server_reply(c, 200, NULL, text);
}

static void serve_claims(struct server_call *c, void *arg) {
        if (atomic_load(&w.refuse))
                server_reply(c, atomic_load(&w.refuse), NULL,
                             "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Forbidden\","
                             "\"code\":403,"
                             "\"message\":\"persistentvolumeclaims is forbidden: User \\\"u\\\" "
                             "cannot list resource "
                             "\\\"persistentvolumeclaims\\\"\"}");
        else
                serve_list(c, "PersistentVolumeClaimList", w.claims);
}

static void serve_pods(struct server_call *c, void *arg) {
        serve_list(c, "PodList", w.pods);
}

static void on_done(struct op *op) {
        w.done = true;
}

static void remove_it(const char *claims, const char *pods, struct op *op) {
        cleanup_(json_freep) json_t *marks =
                kube_api_json("{\"model\":\"m\",\"controller\":\"c\"}");
        struct apply_request r = {
                .type = "Namespace", .path = "ns", .marks = marks, .incarnation = "u1", .token = ""
        };

        w.claims = claims;
        w.pods = pods;
        w.done = false;
        atomic_store(&w.deletions, 0);
        *op = (struct op){ .loop = w.api.loop, .done = on_done };
        provider_kube.remove(w.api.target, &r, op);
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; !w.done && clock_mono() < end;)
                loop_step(w.api.loop, 50);
        assert_true(w.done);
}

static void an_empty_namespace_is_deleted(void **state) {
        struct op op;

        remove_it(NONE, NONE, &op);
        assert_int_equal(op.outcome, OUTCOME_GONE);
        assert_int_equal(atomic_load(&w.deletions), 1);
        op_clear(&op);
}

static void a_volume_claim_of_others_keeps_it(void **state) {
        struct op op;

        remove_it(ONE, NONE, &op);
        assert_int_equal(op.outcome, OUTCOME_NOT_YET);
        assert_non_null(strstr(op.err.text, "volume claim others"));
        assert_int_equal(atomic_load(&w.deletions), 0);
        op_clear(&op);
}

static void a_pod_of_others_keeps_it(void **state) {
        struct op op;

        remove_it(NONE, ONE, &op);
        assert_int_equal(op.outcome, OUTCOME_NOT_YET);
        assert_non_null(strstr(op.err.text, "pod others"));
        assert_int_equal(atomic_load(&w.deletions), 0);
        op_clear(&op);
}

static void who_may_not_look_into_it_does_not_delete_it(void **state) {
        struct op op;

        atomic_store(&w.refuse, 403);
        remove_it(NONE, NONE, &op);
        atomic_store(&w.refuse, 0);
        assert_int_equal(op.outcome, OUTCOME_DENIED);
        assert_int_equal(atomic_load(&w.deletions), 0);
        op_clear(&op);
}

static int setup(void **state) {
        kube_api_init(&w.api, "{\"resource\":\"namespaces\",\"responseKind\":{\"kind\":"
                              "\"Namespace\"},\"scope\":\"Cluster\",\"verbs\":[\"get\"]}");
        server_route(w.api.server, NULL, "/api/v1/namespaces/ns", serve_namespace, NULL);
        server_route(w.api.server, "GET", "/api/v1/namespaces/ns/persistentvolumeclaims",
                     serve_claims, NULL);
        server_route(w.api.server, "GET", "/api/v1/namespaces/ns/pods", serve_pods, NULL);
        kube_api_open(&w.api, NULL, NULL);
        return kube_api_until_reachable(&w.api);
}

static int teardown(void **state) {
        kube_api_deinit(&w.api);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_namespace_is_deleted),
                cmocka_unit_test(a_volume_claim_of_others_keeps_it),
                cmocka_unit_test(a_pod_of_others_keeps_it),
                cmocka_unit_test(who_may_not_look_into_it_does_not_delete_it),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
