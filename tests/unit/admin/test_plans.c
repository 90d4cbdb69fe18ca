/* SPDX-License-Identifier: Apache-2.0 */
/* test_plans.c - going on with a plan: asked for again with the same key, refused while it is made
 * again */
#include "desk.h"

#define MODEL "/v1/models/m"

static int set_up(void **state) {
        int r = desk_set_up(state);

        desk_role(ROLE_ADMIN);
        assert_int_equal(
                desk_status(*state, "POST", "/v1/clusters",
                            "{\"name\": \"c\", \"config\": {\"server\": "
                            "\"https://127.0.0.1:1\"}, \"credential\": {\"token\": \"t\"}}"),
                200);
        assert_int_equal(
                desk_status(*state, "POST", "/v1/models", "{\"name\": \"m\", \"cluster\": \"c\"}"),
                200);
        return r;
}

/* The path under which a plan is gone on with that sets a rule. */
static char *plan(struct desk *d) {
        static const char rule[] =
                "{\"mode\": \"report\", \"kind\": \"Service\", \"reason\": \"x\"}";
        cleanup_(answer_deinit) struct answer a = { 0 };

        desk_ask(d, "PUT", MODEL "/policy?dry-run=true", NULL, rule, strlen(rule), &a);
        assert_int_equal(a.status, 200);
        return str_format(MODEL "/plans/%s/apply", json_get_str(a.json, "plan-id", "none"));
}

static int apply(struct desk *d, const char *path, const char *key, struct answer *ret) {
        cleanup_(freep) char *headers = str_format("Idempotency-Key: %s\r\n", key);

        desk_ask(d, "POST", path, headers, NULL, 0, ret);
        return ret->status;
}

static void a_plan_that_was_done_is_answered_again_for_the_same_key(void **state) {
        cleanup_(answer_deinit) struct answer a = { 0 }, b = { 0 }, c = { 0 };
        cleanup_(freep) char *path = plan(*state);

        assert_int_equal(apply(*state, path, "k1", &a), 200);
        assert_int_equal(apply(*state, path, "k1", &b), 200);
        assert_true(json_equal(a.json, b.json));
        assert_int_equal(apply(*state, path, "k2", &c), 404);
        assert_int_equal(desk_status(*state, "POST", path, NULL), 404);
}

static void what_is_refused_while_it_is_made_again_has_its_row(void **state) {
        static const char unset[] = MODEL "/policy?kind=Service";
        cleanup_(answer_deinit) struct answer a = { 0 }, b = { 0 };
        cleanup_(freep) char *set = plan(*state), *path = NULL, *dry = NULL;
        const json_t *rows;
        const char *route;

        assert_int_equal(desk_status(*state, "POST", set, NULL), 200);
        desk_ask(*state, "DELETE", MODEL "/policy?kind=Service&dry-run=true", NULL, NULL, 0, &a);
        path = str_format(MODEL "/plans/%s/apply", json_get_str(a.json, "plan-id", "none"));
        dry = str_format("%s?dry-run=true", path);
        assert_int_equal(desk_status(*state, "DELETE", unset, NULL), 200);
        assert_int_equal(desk_status(*state, "POST", dry, NULL), 404);
        assert_int_equal(desk_status(*state, "POST", path, NULL), 404);
        desk_ask(*state, "GET", "/v1/audit?what=unset-drift-policy", NULL, NULL, 0, &b);
        rows = json_get(b.json, "audit");
        assert_int_equal(json_array_size(rows), 2);
        assert_string_equal(json_get_str(json_array_get(rows, 0), "outcome", ""), "refused");
        route = json_get_str(json_array_get(rows, 0), "route", "");
        assert_true(str_starts(route, "apply "));
        assert_null(strstr(route, "dry-run"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, desk_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_plan_that_was_done_is_answered_again_for_the_same_key),
                TEST(what_is_refused_while_it_is_made_again_has_its_row),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
