/* SPDX-License-Identifier: Apache-2.0 */
/* test_words.c - what people type and did not mean, what they see of it, and what scripts read */
#include "bench.h"

#include "clock.h"

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
                { "add-relation", "integrate" },
                { "list-models", "models" },
                { "list-secrets", "secrets" },
                { "show-storage", "storage" },
                { "show-model", "models" },
                { "destroy-application", "remove-application" },
                { "set-config", "config" },
                { "info", "charms" },
                { "find", "charms" },
                { "remove-storage", "destroy-storage" },

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

/* ---- names that are not there */

static void no_such_application(struct server_call *c, void *arg) {
        bench_note(c, arg);
        server_reply(c, 404, NULL,
                     "{\"error\":{\"code\":\"not-found\",\"message\":\"no application \\\"wbe\\\", "
                     "did you mean \\\"web\\\"?\"}}");
}

static void empty_lists(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"drift\":[],\"history\":[],\"models\":[{\"name\":\"m\"}]}");
}

static void no_lines(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "");
}

static void objects(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"resources\":[{\"type\":\"Deployment.apps\"}]}");
}

static void a_name_that_nothing_has_is_not_an_empty_list(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *drift = NULL, *log = NULL, *history = NULL, *type = NULL;

        server_route(b->server, "GET", "/v1/models/m/drift", empty_lists, b);
        server_route(b->server, "GET", "/v1/models/m/history", empty_lists, b);
        server_route(b->server, "GET", "/v1/models/m/resources", objects, b);
        server_route(b->server, "GET", "/v1/log", no_lines, b);
        server_route(b->server, "GET", "/v1/models/m/applications/wbe", no_such_application, b);
        assert_int_equal(bench_run(b, NULL, &drift, "drift", "wbe", NULL), CLI_FAILED);
        assert_non_null(strstr(drift, "did you mean \"web\"?"));
        assert_int_equal(bench_run(b, NULL, &history, "show-status-log", "wbe", NULL), CLI_FAILED);
        assert_non_null(strstr(history, "did you mean \"web\"?"));
        assert_int_equal(bench_run(b, NULL, &log, "debug-log", "--include", "wbe", NULL),
                         CLI_FAILED);
        assert_non_null(strstr(log, "no model has an application of that name"));
        assert_int_equal(bench_run(b, NULL, NULL, "debug-log", "--tail", "--include", "wbe", NULL),
                         CLI_FAILED);
        assert_int_equal(bench_run(b, NULL, &type, "drift", "--type", "Deploymnt.apps", NULL),
                         CLI_FAILED);
        assert_non_null(strstr(type, "did you mean Deployment.apps?"));
        assert_int_equal(bench_run(b, NULL, NULL, "drift", "--type", "Deployment.apps", NULL),
                         CLI_DONE);
}

static void what_juju_has_and_we_have_not_is_one_sentence(void **state) {
        static const char *const words[] = { "ssh",        "exec",           "bootstrap",
                                             "expose",     "offer",          "offers",
                                             "sync",       "add-user",       "add-machine",
                                             "detach-storage", "destroy-controller",
                                             "migrate" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                cleanup_(freep) char *err = NULL;

                assert_int_equal(bench_run(*state, NULL, &err, words[i], NULL), CLI_USAGE);
                assert_null(strstr(err, "lists them"));
                assert_null(command_find(words[i]));
        }
}

static void an_operand_of_a_command_without_any_is_named(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(*state, NULL, &err, "debug-log", "--tail", "3", NULL),
                         CLI_USAGE);
        assert_non_null(strstr(err, "debug-log takes options only, not \"3\""));
}

static void count_posts(struct server_call *c, void *arg) {
        struct bench *b = arg;
        cleanup_(freep) char *before = b->asked ? str_dup(b->asked) : str_dup("");
        char *all =
                str_format("%s %s %.*s", before, c->path, (int)c->body_len, c->body ? c->body : "");

        free(b->asked);
        b->asked = all;
        server_reply(c, 200, NULL, "{\"changes\":[],\"notes\":[]}");
}

static void adopt_takes_several_applications_or_one_object(void **state) {
        struct bench *b = *state;

        server_route(b->server, "POST", "*", count_posts, b);
        assert_int_equal(bench_run(b, NULL, NULL, "adopt", "a", "b", NULL), CLI_DONE);
        assert_string_equal(b->asked, " /v1/models/m/applications/a/adopt {} "
                                      "/v1/models/m/applications/b/adopt {}");
        free(take_ptr(b->asked));
        assert_int_equal(bench_run(b, NULL, NULL, "adopt", "a", "deployment/x", NULL), CLI_DONE);
        assert_string_equal(b->asked,
                            " /v1/models/m/applications/a/adopt {\"object\":\"deployment/x\"}");
        free(take_ptr(b->asked));
        assert_int_equal(bench_run(b, NULL, NULL, "accept-data-loss", "a", "b", NULL), CLI_DONE);
        assert_string_equal(b->asked, " /v1/models/m/applications/a/accept-data-loss  "
                                      "/v1/models/m/applications/b/accept-data-loss ");
}

/* ---- what scripts read */

static void switch_is_json_too(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *set = NULL, *read = NULL;

        server_route(b->server, "GET", "/v1/models/m/config", bench_nothing_to_do, b);
        assert_int_equal(bench_run(b, &set, NULL, "switch", "m", "--format", "json", NULL),
                         CLI_DONE);
        assert_string_equal(set, "{\"model\":\"m\"}\n");
        assert_int_equal(bench_run(b, &read, NULL, "switch", "--format", "json", NULL), CLI_DONE);
        assert_string_equal(read, "{\"model\":\"m\"}\n");
}

#define LOOK_MS 2000

/* A is blocked; B waits for it, and says so. */
static void status_behind(struct server_call *c, void *arg) {
        clock_fake_advance(LOOK_MS);
        server_reply(
                c, 200, NULL,
                "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"application-status\":{"
                "\"current\":\"blocked\",\"message\":\"quota\"}},\"b\":{\"application-status\":{"
                "\"current\":\"waiting\",\"message\":\"for a\"},\"relations\":{\"db\":[{"
                "\"related-application\":\"a\"}]}}}}");
}

static void status_apart(struct server_call *c, void *arg) {
        clock_fake_advance(LOOK_MS);
        server_reply(
                c, 200, NULL,
                "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"application-status\":{"
                "\"current\":\"blocked\",\"message\":\"quota\"}},\"b\":{\"application-status\":{"
                "\"current\":\"waiting\",\"message\":\"for an image\"}}}}");
}

static void something_happens(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"kind\":\"status\"}\n");
}

static void what_waits_for_the_blocked_does_not_keep_wait_waiting(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL, *late = NULL;

        clock_fake(1000, 1000);
        server_route(b->server, "GET", "/v1/models/m/status", status_behind, b);
        server_route(b->server, "GET", "/v1/events", something_happens, b);
        assert_int_equal(
                bench_run(b, &out, NULL, "wait", "--timeout", "10h", "--format", "json", NULL),
                CLI_BLOCKED);
        assert_in_range(clock_mono(), 10000, 60000);
        assert_string_equal(out, "{\"applications\":{\"a\":\"blocked: quota\",\"b\":\"waiting: for "
                                 "a\"},\"for\":\"active\",\"result\":\"blocked\"}\n");
        server_route(b->server, "GET", "/v1/models/m/status", status_apart, b);
        assert_int_equal(bench_run(b, NULL, &late, "wait", "--timeout", "5m", NULL), CLI_BLOCKED);
        assert_in_range(clock_mono(), 300000, 400000); /* b may still get on */
        assert_non_null(strstr(late, "ERROR a: blocked: quota"));
        clock_real();
}

static void rows_of_the_audit(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"audit\":[{\"id\":2,\"kind\":\"person\",\"user\":\"root\",\"what\":"
                     "\"config\",\"subject\":\"m/web\",\"outcome\":\"done\",\"after\":{\"web\":{"
                     "\"option port\":81}}},{\"id\":1,\"kind\":\"loop\",\"what\":\"apply\","
                     "\"subject\":\"Service m/web\",\"outcome\":\"done\",\"after\":{\"version\":"
                     "\"7\"}}]}");
}

static void a_row_of_the_audit_says_what_in_words(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/audit", rows_of_the_audit, b);
        assert_int_equal(bench_run(b, &out, NULL, "audit", NULL), CLI_DONE);
        assert_non_null(strstr(out, "  m/web: option port of web: 81\n"));
        assert_non_null(strstr(out, "  service/web\n"));
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
                TEST(a_name_that_nothing_has_is_not_an_empty_list),
                TEST(what_juju_has_and_we_have_not_is_one_sentence),
                TEST(an_operand_of_a_command_without_any_is_named),
                TEST(adopt_takes_several_applications_or_one_object),
                TEST(switch_is_json_too),
                TEST(what_waits_for_the_blocked_does_not_keep_wait_waiting),
                TEST(a_row_of_the_audit_says_what_in_words),
        };

        return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
