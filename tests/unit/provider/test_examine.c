/* SPDX-License-Identifier: Apache-2.0 */
/* test_examine.c - what a cluster is asked for doctor, and that nothing which it refuses is passed
 * over: a scripted API server answers, refuses, and goes away */
#include "clock.h"
#include "kube-api.h"

#include <stdatomic.h>
#include <stdlib.h>

static struct world {
        struct kube_api api;
        json_t *told;
        bool ended;
        atomic_int refuse, gone;
} w;

static bool refused(struct server_call *c) {
        if (atomic_load(&w.refuse))
                server_reply(c, 403, NULL, "{\"kind\":\"Status\",\"message\":\"forbidden\"}");
        return atomic_load(&w.refuse);
}

static void serve_version(struct server_call *c, void *arg) {
        if (atomic_load(&w.gone))
                server_reset(c);
        else if (!refused(c))
                server_reply(c, 200, "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n",
                             "{\"major\":\"1\",\"minor\":\"34+\",\"gitVersion\":\"v1.34.9\"}");
}

static void serve_rights(struct server_call *c, void *arg) {
        if (!refused(c))
                server_reply(c, 201, NULL,
                             strstr(c->body, "\"namespace\":\"two\"")
                                     ? "{\"status\":{\"resourceRules\":[],\"incomplete\":true}}"
                                     : "{\"status\":{\"resourceRules\":[{\"verbs\":[\"*\"]}],"
                                       "\"incomplete\":false}}");
}

/* Two pages; only what is bound is told. */
static void serve_volumes(struct server_call *c, void *arg) {
        if (refused(c))
                return;
        server_reply(c, 200, NULL,
                     strstr(c->query, "continue=on%2Fe")
                             ? "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"b\"},"
                               "\"spec\":{\"claimRef\":{\"namespace\":\"one\",\"name\":\"c\"},"
                               "\"persistentVolumeReclaimPolicy\":\"Delete\"},"
                               "\"status\":{\"phase\":\"Bound\"}}]}"
                             : "{\"metadata\":{\"continue\":\"on/e\"},\"items\":[{\"metadata\":"
                               "{\"name\":\"a\"},\"spec\":{},\"status\":{\"phase\":"
                               "\"Available\"}}]}");
}

static int setup(void **state) {
        w = (struct world){ 0 };
        kube_api_init(&w.api, "{\"resource\":\"namespaces\",\"responseKind\":{\"kind\":"
                              "\"Namespace\"},\"scope\":\"Cluster\",\"verbs\":[\"get\"]}");
        server_route(w.api.server, "GET", "/version", serve_version, NULL);
        server_route(w.api.server, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                     serve_rights, NULL);
        server_route(w.api.server, "GET", "/api/v1/persistentvolumes", serve_volumes, NULL);
        kube_api_open(&w.api, NULL, NULL);
        return kube_api_until_reachable(&w.api);
}

static int teardown(void **state) {
        json_decref(w.told);
        kube_api_deinit(&w.api);
        return 0;
}

static void on_done(struct op *op) {
        w.told = take_ptr(op->told);
        w.ended = true;
        op_clear(op);
}

static void examine_in(const json_t *scopes) {
        struct op op = { .loop = w.api.loop, .done = on_done };

        provider_kube.examine(w.api.target, scopes, &op);
        assert_false(w.ended); /* never before the start has returned */
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; !w.ended && clock_mono() < end;)
                loop_step(w.api.loop, 50);
        assert_true(w.ended);
        assert_non_null(w.told);
}

static void examine(void) {
        cleanup_(json_freep) json_t *scopes = json_pack("[s, s]", "one", "two");

        examine_in(scopes);
}

/* A cluster of many models is looked at all the same, and what was left out is said. */
static void of_many_namespaces_the_first_are_asked(void **state) {
        cleanup_(json_freep) json_t *scopes = json_array();

        for (int i = 0; i < 70; i++)
                json_array_append_new(scopes, json_sprintf("n%d", i));
        examine_in(scopes);
        assert_int_equal(json_object_size(json_get(w.told, "rights")), 64);
        assert_non_null(strstr(json_get_str(w.told, "rights-failed", ""), "64 of 70 namespaces"));
        assert_int_equal(json_array_size(json_get(w.told, "volumes")), 1);
}

static void all_is_asked_namespace_by_namespace_and_page_by_page(void **state) {
        const json_t *volumes, *volume;

        examine();
        assert_string_equal(json_get_str(w.told, "version", ""), "v1.34.9");
        assert_true(json_get_bool(w.told, "tested", false));
        assert_int_equal(json_get_int(w.told, "date", 0), 1700000000000ll);
        assert_true(json_get_int(w.told, "took-ms", -1) >= 0);
        assert_false(json_get_bool(json_dig(w.told, "rights", "one", NULL), "incomplete", true));
        assert_true(json_get_bool(json_dig(w.told, "rights", "two", NULL), "incomplete", false));
        volumes = json_get(w.told, "volumes");
        assert_int_equal(json_array_size(volumes), 1);
        volume = json_array_get(volumes, 0);
        assert_string_equal(json_get_str(volume, "volume", ""), "b");
        assert_string_equal(json_get_str(volume, "policy", ""), "Delete");
        assert_null(json_get(w.told, "failed"));
        assert_null(json_get(w.told, "volumes-failed"));
}

static void each_refusal_is_told_in_its_place(void **state) {
        atomic_store(&w.refuse, 1);
        examine();
        assert_non_null(strstr(json_get_str(w.told, "version-failed", ""), "403: forbidden"));
        assert_non_null(strstr(json_get_str(w.told, "volumes-failed", ""), "403: forbidden"));
        assert_non_null(strstr(json_get_str(json_dig(w.told, "rights", "one", NULL), "failed", ""),
                               "403: forbidden"));
        assert_non_null(json_get(json_dig(w.told, "rights", "two", NULL), "failed"));
}

static void a_server_that_goes_away_ends_it_with_why(void **state) {
        atomic_store(&w.gone, 1);
        examine();
        assert_true(json_get_str(w.told, "failed", "")[0]);
        assert_int_equal(json_object_size(json_get(w.told, "rights")), 0);
}

static void what_is_cancelled_never_ends(void **state) {
        cleanup_(json_freep) json_t *scopes = json_array();
        struct op op = { .loop = w.api.loop, .done = on_done };

        provider_kube.examine(w.api.target, scopes, &op);
        provider_kube.cancel(&op);
        loop_step(w.api.loop, 0);
        assert_false(w.ended);
}

static void what_is_said_of_a_connection_holds_no_secret(void **state) {
        cleanup_(json_freep) json_t *manner = provider_kube.manner(w.api.target);

        assert_string_equal(json_get_str(manner, "tls", ""), "plain");
        assert_string_equal(json_get_str(manner, "server", ""), server_url(w.api.server));
        assert_null(json_get(manner, "key"));
        assert_null(json_get(manner, "token"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(all_is_asked_namespace_by_namespace_and_page_by_page),
                TEST(of_many_namespaces_the_first_are_asked),
                TEST(each_refusal_is_told_in_its_place),
                TEST(a_server_that_goes_away_ends_it_with_why),
                TEST(what_is_cancelled_never_ends),
                TEST(what_is_said_of_a_connection_holds_no_secret),
        };

        return cmocka_run_group_tests_name("examine", tests, NULL, NULL);
}
