/* SPDX-License-Identifier: Apache-2.0 */
/* test_words.c - what people type and did not mean, what they see of it, and what scripts read */
#include "bench.h"

#include <stdlib.h>

static void status_paused(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"settled\":false,"
                     "\"paused\":{\"by\":\"alice\"},\"application-status\":{"
                     "\"current\":\"active\",\"message\":\"paused by alice: x\"}}}}");
}

static void a_pause_with_changes_waits_for_a_person(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_paused, b);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        assert_int_equal(bench_run(b, NULL, &err, "wait", "--timeout", "1ms", NULL), CLI_BLOCKED);
        assert_non_null(strstr(err,
                               "a: active: paused by alice: x; not all that is wanted of it is "
                               "applied"));
}

static void log_refused(struct server_call *c, void *arg) {
        bench_note(c, arg);
        server_reply(c, 400, NULL,
                     "{\"error\":{\"code\":\"invalid\",\"message\":\"level: must be error or "
                     "debug\"}}");
}

static void a_refused_stream_says_why(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/log", log_refused, b);
        assert_int_equal(bench_run(b, NULL, &err, "debug-log", "--level", "loud", NULL),
                         CLI_FAILED);
        assert_string_equal(err, "ERROR level: must be error or debug\n");
}

static void levels_are_taken_as_juju_writes_them(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "/v1/log", log_refused, b);
        bench_run(b, NULL, NULL, "debug-log", "--level", "WARNING", NULL);
        assert_non_null(strstr(b->asked, "level=warning"));
        bench_run(b, NULL, NULL, "debug-log", "--level", "warn", NULL);
        assert_non_null(strstr(b->asked, "level=warning"));
        bench_run(b, NULL, NULL, "debug-log", "--level", "ERROR", NULL);
        assert_non_null(strstr(b->asked, "level=error"));
}

static void jujus_other_words_are_told_in_ours(void **state) {
        static const char *const cases[][2] = {
                { "add-relation", "integrate" }, { "list-models", "models" },
                { "list-secrets", "secrets" },   { "show-storage", "storage" },
                { "show-model", "models" },      { "completion", "print-completion" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(freep) char *err = NULL;
                cleanup_(freep) char *wanted = str_format(
                        "ERROR \"%s\" is no command: did you mean %s?\n", cases[i][0], cases[i][1]);

                assert_int_equal(bench_run(*state, NULL, &err, cases[i][0], NULL), CLI_USAGE);
                assert_string_equal(err, wanted);
        }
}

static void a_line_of_drift_without_show_is_no_application(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(*state, NULL, &err, "drift", "1", NULL), CLI_USAGE);
        assert_non_null(strstr(err, "drift show ID"));
        assert_int_equal(bench_run(*state, NULL, NULL, "drift", "show", NULL), CLI_USAGE);
}

static void unconstrained(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"a\":{\"constraints\":\"\"}}");
}

static void no_constraints_are_json_too(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/models/m/applications/a", unconstrained, b);
        assert_int_equal(bench_run(b, &out, NULL, "constraints", "a", "--format", "json", NULL),
                         CLI_DONE);
        assert_string_equal(out, "{\"constraints\":\"\"}\n");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_set_up, bench_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_pause_with_changes_waits_for_a_person),
                TEST(a_refused_stream_says_why),
                TEST(levels_are_taken_as_juju_writes_them),
                TEST(jujus_other_words_are_told_in_ours),
                TEST(a_line_of_drift_without_show_is_no_application),
                TEST(no_constraints_are_json_too),
        };

        return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
