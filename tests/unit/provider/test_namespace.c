/* SPDX-License-Identifier: Apache-2.0 */
/* test_namespace.c - a namespace is deleted only when nobody's data and no pod is in it
 *
 * A scripted API server knows one namespace of ours, and lists what the test puts into it. */
#include "clock.h"
#include "http.h"
#include "kube.h"
#include "server.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#define WAIT_MS 20000 /* only reached when the test has failed */
#define NONE "[]"
#define ONE "[{\"metadata\":{\"name\":\"others\"}}]"

static struct world {
        struct loop *loop;
        struct http *http;
        struct server *server;
        struct target *target;
        bool reachable, done;
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

static void serve_identity(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"metadata\":{\"uid\":\"cluster\"}}");
}

static void serve_core(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{},\"versions\":"
                     "[{\"version\":\"v1\",\"resources\":[{\"resource\":\"namespaces\","
                     "\"responseKind\":{\"kind\":\"Namespace\"},\"scope\":\"Cluster\",\"verbs\":"
                     "[\"get\"]}]}]}]}");
}

static void serve_groups(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[]}");
}

static void on_done(struct op *op) {
        w.done = true;
}

static json_t *parse(const char *text) {
        json_t *j = NULL;

        assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
        return j;
}

static void remove_it(const char *claims, const char *pods, struct op *op) {
        cleanup_(json_freep) json_t *marks = parse("{\"model\":\"m\",\"controller\":\"c\"}");
        struct apply_request r = {
                .type = "Namespace", .path = "ns", .marks = marks, .incarnation = "u1", .token = ""
        };

        w.claims = claims;
        w.pods = pods;
        w.done = false;
        atomic_store(&w.deletions, 0);
        *op = (struct op){ .loop = w.loop, .done = on_done };
        provider_kube.remove(w.target, &r, op);
        for (int64_t end = clock_mono() + WAIT_MS; !w.done && clock_mono() < end;)
                loop_step(w.loop, 50);
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

static const struct interest *no_interest(void *arg, const char *type, const char *path) {
        return NULL;
}

static void on_observed(void *arg, const char *type, const char *path, struct observation *o) {
}

static void on_unit(void *arg, const struct unit_seen *u) {
}

static void on_listed(void *arg, const char *type, bool begin) {
}

static void on_reach(void *arg, bool reachable, const char *identity, const char *why) {
        w.reachable = reachable;
        if (reachable)
                assert_string_equal(identity, "cluster");
}

static void on_warning(void *arg, const char *type, const char *path, const char *text) {
}

static void on_changed(void *arg) {
}

static int setup(void **state) {
        static const uint8_t key[DIGEST_SIZE];
        static const struct observer o = { .interest = no_interest,
                                           .observed = on_observed,
                                           .unit = on_unit,
                                           .listed = on_listed,
                                           .reach = on_reach,
                                           .warning = on_warning,
                                           .changed = on_changed };
        cleanup_(freep) char *text = NULL;
        cleanup_(json_freep) json_t *config = NULL;
        cleanup_(json_freep) json_t *marks = parse("{\"controller\":\"c\"}");
        struct target_config c = { .id = 1, .name = "t", .marks = marks, .hash_key = key };

        assert_int_equal(loop_new(&w.loop, NULL), 0);
        assert_int_equal(http_new(w.loop, &w.http, NULL), 0);
        w.server = server_new(NULL);
        server_route(w.server, NULL, "/api/v1/namespaces/ns", serve_namespace, NULL);
        server_route(w.server, "GET", "/api/v1/namespaces/ns/persistentvolumeclaims", serve_claims,
                     NULL);
        server_route(w.server, "GET", "/api/v1/namespaces/ns/pods", serve_pods, NULL);
        server_route(w.server, "GET", "/api/v1/namespaces/kube-system", serve_identity, NULL);
        server_route(w.server, "GET", "/api", serve_core, NULL);
        server_route(w.server, "GET", "/apis", serve_groups, NULL);
        text = str_format("{\"server\":\"%s\"}", server_url(w.server));
        config = parse(text);
        c.config = config;
        c.http = w.http;
        c.loop = w.loop;
        assert_int_equal(provider_kube.open(&c, &o, &w.target, NULL), 0);
        for (int64_t end = clock_mono() + WAIT_MS; !w.reachable && clock_mono() < end;)
                loop_step(w.loop, 50);
        return w.reachable ? 0 : -1;
}

static int teardown(void **state) {
        provider_kube.close(w.target);
        http_free(w.http);
        loop_free(w.loop);
        server_free(w.server);
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
