/* SPDX-License-Identifier: Apache-2.0 */
/* test_audit.c - every write by a person has its row, done or refused, with who, why, before and
 * after; a flood of refusals is counted and not kept */
#include "desk.h"

#include "clock.h"

#include <stdlib.h>
#include <unistd.h>

#define JSON "Content-Type: application/json\r\n"

static json_t *rows(struct desk *d, const char *query) {
        cleanup_(answer_deinit) struct answer a = { 0 };
        cleanup_(freep) char *path = str_format("/v1/audit?max=1000%s", query);

        desk_role(ROLE_VIEWER);
        desk_ask(d, "GET", path, NULL, NULL, 0, &a);
        assert_int_equal(a.status, 200);
        return json_incref(json_get(a.json, "audit"));
}

static int ask(struct desk *d, const char *method, const char *path, const char *headers,
               const char *body) {
        cleanup_(answer_deinit) struct answer a = { 0 };

        desk_ask(d, method, path, headers, body, body ? strlen(body) : 0, &a);
        return a.status;
}

static int add_cluster(struct desk *d, const char *name) {
        cleanup_(freep) char *body =
                str_format("{\"name\": \"%s\", \"config\": {\"server\": \"https://127.0.0.1:1\"}, "
                           "\"credential\": {\"token\": \"hunter2-token\"}}",
                           name);

        return ask(d, "POST", "/v1/clusters", JSON "Mooring-Reason: ticket 4711\r\n", body);
}

static void a_write_tells_who_what_why_and_what_became(void **state) {
        cleanup_(json_freep) json_t *list = NULL;
        cleanup_(freep) char *all = NULL;
        const json_t *row;
        char comm[64] = "";

        desk_role(ROLE_ADMIN);
        assert_int_equal(add_cluster(*state, "aks"), 200);
        list = rows(*state, "");
        assert_int_equal(json_array_size(list), 1);
        row = json_array_get(list, 0);
        assert_string_equal(json_get_str(row, "kind", ""), "person");
        assert_string_equal(json_get_str(row, "what", ""), "add-cluster");
        assert_string_equal(json_get_str(row, "route", ""), "POST /v1/clusters");
        assert_string_equal(json_get_str(row, "role", ""), "admin");
        assert_string_equal(json_get_str(row, "why", ""), "ticket 4711");
        assert_string_equal(json_get_str(row, "outcome", ""), "done");
        assert_string_equal(json_get_str(row, "message", ""), "add cluster aks");
        assert_string_equal(json_get_str(json_dig(row, "after", "config", NULL), "server", ""),
                            "https://127.0.0.1:1");
        assert_string_equal(json_get_str(json_get(row, "after"), "credential", ""), "(secret)");
        /* The client is this process. */
        assert_int_equal(json_get_int(row, "pid", 0), getpid());
        FILE *f = fopen("/proc/self/comm", "re");
        assert_non_null(fgets(comm, sizeof(comm), f));
        fclose(f);
        comm[strcspn(comm, "\n")] = '\0';
        assert_string_equal(json_get_str(row, "command", ""), comm);
        all = json_text(list);
        assert_null(strstr(all, "hunter2"));
}

static void what_is_refused_has_its_row_before_it_is_answered(void **state) {
        cleanup_(json_freep) json_t *list = NULL;
        const json_t *row;

        desk_role(ROLE_VIEWER);
        assert_int_equal(ask(*state, "DELETE", "/v1/models/lab?force=true",
                             "Mooring-Reason: no more\r\n", NULL),
                         403);
        list = rows(*state, "");
        assert_int_equal(json_array_size(list), 1);
        row = json_array_get(list, 0);
        assert_string_equal(json_get_str(row, "what", ""), "remove-model");
        assert_string_equal(json_get_str(row, "outcome", ""), "refused");
        assert_string_equal(json_get_str(row, "role", ""), "viewer");
        assert_string_equal(json_get_str(row, "subject", ""), "lab");
        assert_string_equal(json_get_str(row, "why", ""), "no more");
        assert_string_equal(json_get_str(row, "route", ""), "DELETE /v1/models/{model}?force=true");
        assert_non_null(strstr(json_get_str(row, "message", ""), "needs the role admin"));
}

static void a_command_that_fails_is_refused_and_a_trial_leaves_nothing(void **state) {
        cleanup_(json_freep) json_t *list = NULL;

        desk_role(ROLE_ADMIN);
        assert_int_equal(ask(*state, "DELETE", "/v1/models/none", NULL, NULL), 404);
        assert_int_equal(ask(*state, "DELETE", "/v1/models/none?dry-run=true", NULL, NULL), 404);
        assert_int_equal(ask(*state, "POST", "/v1/models", JSON, "{\"name\": \"hunter2"), 400);
        list = rows(*state, "&what=model");
        assert_int_equal(json_array_size(list), 2);
        assert_non_null(strstr(json_get_str(json_array_get(list, 1), "message", ""), "none"));
        /* What cannot be read may hold anything. */
        assert_string_equal(json_get_str(json_array_get(list, 0), "message", ""),
                            "the request could not be read");
}

static void a_field_that_is_wrong_is_named_without_what_stood_in_it(void **state) {
        static const char scale[] = "{\"scale\": \"hunter2\"}";
        cleanup_(json_freep) json_t *list = NULL;
        const char *message;

        desk_role(ROLE_ADMIN);
        assert_int_equal(ask(*state, "PUT", "/v1/models/m/applications/a/scale", JSON, scale), 400);
        assert_int_equal(ask(*state, "PUT", "/v1/models/m/applications/a/scale", JSON, "{}"), 400);
        list = rows(*state, "&what=scale");
        message = json_get_str(json_array_get(list, 1), "message", "");
        assert_non_null(strstr(message, "scale: must be a whole number between 0 and 10000"));
        assert_null(strstr(message, "hunter2"));
        assert_non_null(
                strstr(json_get_str(json_array_get(list, 0), "message", ""), "scale: is missing"));
}

static void reading_leaves_nothing_but_its_refusal(void **state) {
        cleanup_(json_freep) json_t *list = NULL;

        desk_role(ROLE_VIEWER);
        assert_int_equal(ask(*state, "GET", "/v1/models", NULL, NULL), 200);
        desk_role(ROLE_NONE);
        assert_int_equal(ask(*state, "GET", "/v1/models", NULL, NULL), 403);
        list = rows(*state, "");
        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(json_get_str(json_array_get(list, 0), "what", ""), "read");
}

static void a_flood_of_refusals_is_counted_and_not_kept(void **state) {
        struct desk *d = *state;
        cleanup_(json_freep) json_t *list = NULL, *told = NULL;
        size_t kept;

        desk_role(ROLE_NONE);
        for (int i = 0; i < 200; i++)
                assert_int_equal(ask(d, "GET", "/v1/models", NULL, NULL), 403);
        list = rows(d, "");
        kept = json_array_size(list);
        assert_in_range(kept, 1, 100);
        d->admin = admin_free(d->admin); /* at the end, as at the end of the time, it is told */
        struct err err = { 0 };
        assert_int_equal(desk_open_admin(d, &d->admin, &err), 0);
        for (int i = 0; i < 1000 && json_array_size(told) == 0; i++) { /* nobody waits for it */
                json_decref(told);
                told = rows(d, "&what=refusals");
        }
        assert_int_equal(json_array_size(told), 1);
        assert_non_null(
                strstr(json_get_str(json_array_get(told, 0), "message", ""), "more refusals"));
        int64_t counted = 0;
        const char *name;
        json_t *n;
        json_object_foreach(json_get(json_array_get(told, 0), "after"), name, n)
                counted += json_integer_value(n);
        assert_int_equal((size_t)counted + kept, 200);
}

/* What is refused is refused all the same, and what was not kept leaves no hole. */
static void a_full_disk_keeps_no_refusal_and_breaks_no_chain(void **state) {
        cleanup_(answer_deinit) struct answer good = { 0 };
        struct desk *d = *state;

        desk_role(ROLE_ADMIN);
        assert_int_equal(add_cluster(d, "aks"), 200);
        store_fault(d->store, STORE_FAULT_FULL, 1);
        desk_role(ROLE_VIEWER);
        assert_int_equal(ask(d, "DELETE", "/v1/models/lab", NULL, NULL), 403);
        desk_role(ROLE_ADMIN);
        assert_int_equal(add_cluster(d, "other"), 503);
        store_fault(d->store, STORE_FAULT_FULL, 0);
        for (int i = 0; i < 1000 && add_cluster(d, "third") == 503; i++)
                loop_step(d->loop, 5); /* until the store has tried again */
        desk_ask(d, "POST", "/v1/audit/verify", JSON, "{}", 2, &good);
        assert_string_equal(json_get_str(good.json, "result", ""), "intact");
        assert_int_equal(json_get_int(good.json, "rows", 0), 2);
}

static void filters_find_what_they_say(void **state) {
        cleanup_(json_freep) json_t *none = NULL, *one = NULL, *old = NULL;

        desk_role(ROLE_ADMIN);
        assert_int_equal(add_cluster(*state, "aks"), 200);
        none = rows(*state, "&who=nobody-of-that-name");
        assert_int_equal(json_array_size(none), 0);
        one = rows(*state, "&what=cluster&since=1h");
        assert_int_equal(json_array_size(one), 1);
        old = rows(*state, "&application=web");
        assert_int_equal(json_array_size(old), 0);
}

static void verify_compares_with_heads(void **state) {
        cleanup_(answer_deinit) struct answer good = { 0 }, cut = { 0 };
        cleanup_(freep) char *body = NULL;

        desk_role(ROLE_ADMIN);
        assert_int_equal(add_cluster(*state, "aks"), 200);
        desk_ask(*state, "POST", "/v1/audit/verify", JSON, "{}", 2, &good);
        assert_string_equal(json_get_str(good.json, "result", ""), "intact");
        body = str_format("{\"heads\": [\"1:%s\", \"9:%s\"]}", json_get_str(good.json, "hash", ""),
                          json_get_str(good.json, "hash", ""));
        desk_ask(*state, "POST", "/v1/audit/verify", JSON, body, strlen(body), &cut);
        assert_string_equal(json_get_str(cut.json, "result", ""), "cut-off");
        assert_int_equal(json_get_int(cut.json, "row", 0), 2);
        assert_int_equal(json_get_int(cut.json, "heads", 0), 1);
        assert_int_equal(ask(*state, "POST", "/v1/audit/verify", JSON, "{\"heads\": [\"x\"]}"),
                         400);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, desk_set_up, desk_tear_down)
int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_write_tells_who_what_why_and_what_became),
                TEST(what_is_refused_has_its_row_before_it_is_answered),
                TEST(a_command_that_fails_is_refused_and_a_trial_leaves_nothing),
                TEST(a_field_that_is_wrong_is_named_without_what_stood_in_it),
                TEST(reading_leaves_nothing_but_its_refusal),
                TEST(a_flood_of_refusals_is_counted_and_not_kept),
                TEST(a_full_disk_keeps_no_refusal_and_breaks_no_chain),
                TEST(filters_find_what_they_say),
                TEST(verify_compares_with_heads),
        };

        return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
