/* SPDX-License-Identifier: Apache-2.0 */
/* test_cli.c - the command line against a scripted daemon: exit codes, what goes to stdout and
 * what to stderr, what is sent. */
#include "bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void faults(struct server_call *c, void *arg) {
        server_reply(
                c, 400, NULL,
                "{\"error\":{\"code\":\"invalid\",\"message\":\"first, and 1 more\"},\"errors\":["
                "{\"file\":\"b.yaml\",\"line\":3,\"text\":\"one\"},{\"file\":\"b.yaml\",\"line\":7,"
                "\"text\":\"two\"}]}");
}

static void status_active(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"application-status\":{"
                     "\"current\":\"active\"}}}}");
}

static void status_waiting(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"application-status\":{"
                     "\"current\":\"unknown\","
                     "\"message\":\"last seen active 14:02\"}}}}");
}

/* ---- usage: 2 */

static void an_unknown_command_names_the_nearest(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(*state, NULL, &err, "statu", NULL), CLI_USAGE);
        assert_string_equal(err, "ERROR \"statu\" is no command: did you mean status?\n");
}

static void an_unknown_option_names_the_nearest(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(*state, NULL, &err, "status", "--relation", NULL), CLI_USAGE);
        assert_non_null(strstr(err, "--relations"));
}

static void a_missing_operand_shows_the_usage(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(*state, NULL, &err, "integrate", "a", NULL), CLI_USAGE);
        assert_non_null(strstr(err, "usage: mooringctl integrate APPLICATION"));
}

/* ---- failure: 1 */

static void no_daemon_says_which_socket_and_what_to_do(void **state) {
        cleanup_(freep) char *err = NULL;
        cleanup_(freep) char *out = NULL;

        assert_int_equal(bench_run(*state, &out, &err, "models", "--socket", "/nowhere", NULL),
                         CLI_FAILED);
        assert_string_equal(out, "");
        assert_non_null(strstr(err, "ERROR no mooringd at /nowhere"));
        assert_non_null(strstr(err, "MOORING_SOCKET"));
}

static void every_fault_of_a_bundle_has_its_line(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;
        cleanup_(freep) char *path = str_format("%s/out", b->dir); /* any file that exists */

        server_route(b->server, "POST", "/v1/models/m/deploy", faults, b);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(bench_run(b, NULL, &err, "deploy", path, NULL), CLI_FAILED);
        assert_string_equal(err, "ERROR b.yaml:3: one\nERROR b.yaml:7: two\n");
}

static void a_file_that_is_no_text_has_its_line(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;
        cleanup_(freep) char *want = NULL;
        cleanup_(freep) char *path = str_format("%s/binary", b->dir);
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, "a: 1\n\0\n", 7), 7);
        close(fd);
        assert_int_not_equal(bench_run(b, NULL, &err, "deploy", path, NULL), CLI_DONE);
        want = str_format("%s:2: has a NUL byte", path);
        assert_non_null(strstr(err, want));
        assert_null(b->asked);
}

static void an_option_given_twice_is_refused(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(b, NULL, &err, "config", "web", "port=1", "port=2", NULL),
                         CLI_USAGE);
        assert_non_null(strstr(err, "port is given twice"));
        assert_null(b->asked);
}

static void a_word_of_a_command_has_that_commands_help(void **state) {
        cleanup_(freep) char *out = NULL;

        assert_int_equal(bench_run(*state, &out, NULL, "help", "drift", "show", NULL), CLI_DONE);
        assert_true(str_starts(out, "Usage: mooringctl drift "));
        assert_int_equal(bench_run(*state, NULL, NULL, "help", "nothing", "at-all", NULL),
                         CLI_USAGE);
}

/* ---- success: 0 */

static void what_was_done_is_chatter_and_silent_with_quiet(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;
        cleanup_(freep) char *err = NULL;
        cleanup_(freep) char *quiet = NULL;

        server_route(b->server, "PUT", "/v1/models/m/applications/web/scale", bench_changed, b);
        assert_int_equal(bench_run(b, &out, &err, "scale-application", "web", "3", NULL), CLI_DONE);
        assert_string_equal(out, "");
        assert_string_equal(err, "did it\n");
        assert_string_equal(b->asked, "PUT /v1/models/m/applications/web/scale {\"scale\":3}");
        assert_int_equal(bench_run(b, NULL, &quiet, "scale", "web", "3", "-q", NULL), CLI_DONE);
        assert_string_equal(quiet, "");
}

static void names_are_encoded_in_paths(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "*", bench_changed, b);
        server_route(b->server, "GET", "/v1/models", bench_models, b);
        bench_run(b, NULL, NULL, "show-unit", "web/0", NULL);
        assert_string_equal(b->asked, "GET /v1/models/m/units/web%2F0 ");
}

static void fewer_units_than_none_are_refused(void **state) {
        const char *const ways[][2] = { { "-n", "-1" }, { "--scale", "-1" } };

        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                cleanup_(freep) char *err = NULL;

                assert_int_equal(bench_run(*state, NULL, &err, "deploy", "minio", ways[i][0],
                                           ways[i][1], NULL),
                                 CLI_USAGE);
                assert_non_null(strstr(err, "between 0 and 10000, is \"-1\""));
        }
}

static void options_of_one_charm_are_sent_as_its_body(void **state) {
        struct bench *b = *state;

        server_route(b->server, "POST", "/v1/models/m/applications", bench_changed, b);
        assert_int_equal(bench_run(b, NULL, NULL, "deploy", "minio", "store", "-n", "2", "--config",
                                   "mode=gateway", "--storage", "data=fast,10G", "--dry-run", NULL),
                         CLI_DONE);
        assert_string_equal(
                b->asked,
                "POST /v1/models/m/applications?dry-run=true {\"application\":\"store\","
                "\"attach-storage\":false,\"charm\":\"minio\",\"options\":{\"mode\":\"gateway\"},"
                "\"scale\":2,\"storage\":{\"data\":\"fast,10G\"}}");
}

static void config_sets_resets_and_reads(void **state) {
        struct bench *b = *state;

        server_route(b->server, "PATCH", "/v1/models/m/applications/web/config", bench_changed, b);
        assert_int_equal(
                bench_run(b, NULL, NULL, "config", "web", "port=1", "--reset", "a,b", NULL),
                CLI_DONE);
        assert_string_equal(b->asked, "PATCH /v1/models/m/applications/web/config "
                                      "{\"reset\":[\"a\",\"b\"],\"set\":{\"port\":\"1\"}}");
}

static void the_chosen_model_is_used_until_another_is_named(void **state) {
        struct bench *b = *state;

        server_route(b->server, NULL, "*", bench_changed, b);
        assert_int_equal(bench_run(b, NULL, NULL, "switch", "other", NULL), CLI_DONE);
        bench_run(b, NULL, NULL, "storage", NULL);
        assert_string_equal(b->asked, "GET /v1/models/other/storage ");
        bench_run(b, NULL, NULL, "storage", "-m", "third", NULL);
        assert_string_equal(b->asked, "GET /v1/models/third/storage ");
        setenv("MOORING_MODEL", "fourth", 1);
        bench_run(b, NULL, NULL, "storage", NULL);
        assert_string_equal(b->asked, "GET /v1/models/fourth/storage ");
}

static void output_goes_to_a_file_that_only_the_user_reads(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *path = str_format("%s/printed", b->dir);
        cleanup_(freep) char *text = NULL;
        struct stat st;

        server_route(b->server, "GET", "/v1/models/m/status", status_active, b);
        assert_int_equal(bench_run(b, NULL, NULL, "status", "--format", "json", "-o", path, NULL),
                         CLI_DONE);
        text = bench_read(path);
        assert_int_equal(text[0], '{');
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        unlink(path);
}

static void a_page_of_three(struct server_call *c, void *arg) {
        bench_note(c, arg);
        if (strstr(c->query, "before=9"))
                server_reply(c, 200, NULL, "{\"audit\":[],\"next\":7}");
        else if (strstr(c->query, "before=7"))
                server_reply(c, 200, NULL, "{\"audit\":[{\"id\":6},{\"id\":5}],\"next\":5}");
        else
                server_reply(c, 200, NULL, "{\"audit\":[{\"id\":10},{\"id\":9}],\"next\":9}");
}

static void a_list_goes_on_over_an_empty_page_and_ends_at_its_maximum(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/audit", a_page_of_three, b);
        assert_int_equal(bench_run(b, &out, NULL, "audit", "--max", "3", "--format", "json", NULL),
                         CLI_DONE);
        assert_non_null(strstr(b->asked, "before=7"));
        assert_non_null(strstr(out, "\"id\":6"));
        assert_null(strstr(out, "\"id\":5"));
}

/* ---- wait: 0, 5; plan, diff: 0, 4 */

static void wait_ends_when_all_are_active(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "/v1/models/m/status", status_active, b);
        assert_int_equal(bench_run(b, NULL, NULL, "wait", "--timeout", "1m", NULL), CLI_DONE);
}

static void wait_does_not_take_unknown_for_active_and_times_out(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_waiting, b);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        assert_int_equal(bench_run(b, NULL, &err, "wait", "--timeout", "1ms", NULL), CLI_TIMED_OUT);
        assert_non_null(strstr(err, "0 of 1 are active: a (unknown: last seen active 14:02)"));
}

static void status_dying(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\",\"model-status\":{\"current\":\"destroying\"}},"
                     "\"applications\":{}}");
}

static void status_unsettled(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"settled\":false,"
                     "\"application-status\":{\"current\":\"active\"}}}}");
}

static void wait_does_not_take_active_for_done_while_a_change_is_planned(void **state) {
        struct bench *b = *state;

        server_route(b->server, "GET", "/v1/models/m/status", status_unsettled, b);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        assert_int_equal(bench_run(b, NULL, NULL, "wait", "--timeout", "1ms", NULL), CLI_TIMED_OUT);
}

static void status_drifted(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"settled\":true,"
                     "\"readable\":true,\"drifted\":2,\"version\":\"1.2\","
                     "\"application-status\":{\"current\":\"active\"}}}}");
}

static void status_as_made(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"settled\":true,"
                     "\"readable\":true,\"drifted\":0,"
                     "\"application-status\":{\"current\":\"blocked\"}}}}");
}

static void status_unread(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"settled\":true,"
                     "\"readable\":false,\"drifted\":0,"
                     "\"application-status\":{\"current\":\"unknown\"}}}}");
}

static void wait_for_no_drift_asks_what_is_open(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_drifted, b);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        assert_int_equal(
                bench_run(b, NULL, &err, "wait", "--for", "drift=0", "--timeout", "1ms", NULL),
                CLI_TIMED_OUT);
        assert_non_null(strstr(err, "2 of its objects differ"));
        server_route(b->server, "GET", "/v1/models/m/status", status_as_made, b);
        assert_int_equal(bench_run(b, NULL, NULL, "wait", "--for", "drift=0", NULL), CLI_DONE);
        server_route(b->server, "GET", "/v1/models/m/status", status_unread, b);
        assert_int_equal(
                bench_run(b, NULL, NULL, "wait", "--for", "drift=0", "--timeout", "1ms", NULL),
                CLI_TIMED_OUT);
}

static void wait_for_a_version_reads_it(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_drifted, b);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        assert_int_equal(bench_run(b, NULL, NULL, "wait", "--for", "version=1.2", NULL), CLI_DONE);
        assert_int_equal(
                bench_run(b, NULL, &err, "wait", "--for", "version=1.3", "--timeout", "1ms", NULL),
                CLI_TIMED_OUT);
        assert_non_null(strstr(err, "its version is 1.2"));
}

static void wait_for_nothing_that_is_known_is_refused(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(b, NULL, &err, "wait", "--for", "activ", NULL), CLI_USAGE);
        assert_non_null(strstr(err, "did you mean active"));
}

static void status_blocked(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"model\":{\"name\":\"m\"},\"applications\":{\"a\":{\"application-status\":{"
                     "\"current\":\"blocked\",\"message\":\"quota\"}}}}");
}

static void a_wait_whose_time_ends_on_blocked_says_blocked(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_blocked, b);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        assert_int_equal(bench_run(b, NULL, &err, "wait", "--timeout", "1ms", NULL), CLI_BLOCKED);
        assert_non_null(strstr(err, "a: blocked: quota"));
}

static void not_there(struct server_call *c, void *arg) {
        server_reply(
                c, 404, NULL,
                "{\"error\":{\"code\":\"not-found\",\"message\":\"no application \\\"b\\\": is it "
                "a?\"}}");
}

static void no_model(struct server_call *c, void *arg) {
        server_reply(c, 404, NULL,
                     "{\"error\":{\"code\":\"not-found\",\"message\":\"no model \\\"m\\\"\"}}");
}

static void a_name_that_is_not_there_is_told_at_once(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL, *shown = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_active, b);
        server_route(b->server, "GET", "/v1/models/m/applications/b", not_there, b);
        assert_int_equal(bench_run(b, NULL, &err, "wait", "b", "--timeout", "0", NULL), CLI_FAILED);
        assert_non_null(strstr(err, "no application \"b\""));
        assert_int_equal(bench_run(b, NULL, &shown, "status", "b", NULL), CLI_FAILED);
        assert_non_null(strstr(shown, "no application \"b\""));
}

static void a_model_that_is_not_there_is_told_at_once(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", no_model, b);
        assert_int_equal(bench_run(b, NULL, &err, "wait", "--timeout", "0", NULL), CLI_FAILED);
        assert_non_null(strstr(err, "no model"));
        assert_int_equal(bench_run(b, NULL, NULL, "wait", "--for", "gone", NULL), CLI_DONE);
}

static void a_status_word_that_selects_nothing_is_not_an_empty_model(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL, *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_active, b);
        assert_int_equal(bench_run(b, &out, &err, "status", "blocked", NULL), CLI_DONE);
        assert_null(strstr(out, "is empty"));
        assert_non_null(strstr(err, "no application is blocked"));
}

static void waiting_for_gone_is_not_over_before_the_model_itself_is(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "GET", "/v1/models/m/status", status_dying, b);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        assert_int_equal(
                bench_run(b, NULL, &err, "wait", "--for", "gone", "--timeout", "1ms", NULL),
                CLI_TIMED_OUT);
        assert_non_null(strstr(err, "the model is still being removed"));
        /* A named application that is not in it is gone. */
        assert_int_equal(bench_run(b, NULL, NULL, "wait", "a", "--for", "gone", NULL), CLI_DONE);
}

static void a_plan_with_nothing_to_do_is_converged(void **state) {
        struct bench *b = *state;

        server_route(b->server, "POST", "/v1/models/m/plans", bench_nothing_to_do, b);
        assert_int_equal(bench_run(b, NULL, NULL, "plan", NULL), CLI_DONE);
        assert_int_equal(bench_run(b, NULL, NULL, "plan", "--exit-code", NULL), CLI_DONE);
}

static void plan_work(struct server_call *c, void *arg) {
        server_reply(
                c, 200, NULL,
                "{\"plan-id\":\"k7mqx2dr\",\"plan\":[{\"change\":\"repair\",\"type\":\"Service\","
                "\"path\":\"m/web\",\"server\":\"refused\",\"server-why\":\"no more ports\","
                "\"fields\":[{\"field\":\"spec.type\",\"from\":\"ClusterIP\"}]}]}");
}

static void plan_unknown(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"plan\":[],\"unknown\":[{\"subject\":\"aks\",\"why\":\"cannot be read: no "
                     "route\"}]}");
}

static void a_plan_that_cannot_be_known_is_not_converged(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "POST", "/v1/models/m/plans", plan_unknown, b);
        assert_int_equal(bench_run(b, &out, NULL, "plan", NULL), CLI_NOT_CONVERGED);
        assert_non_null(strstr(out, "unknown"));
        assert_non_null(strstr(out, "cannot be read: no route"));
        assert_int_equal(bench_run(b, NULL, NULL, "plan", "--format", "json", NULL),
                         CLI_NOT_CONVERGED);
}

static void a_plan_with_work_has_a_name_and_a_code_only_when_it_is_asked_for(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "POST", "/v1/models/m/plans", plan_work, b);
        assert_int_equal(bench_run(b, &out, NULL, "plan", NULL), CLI_DONE);
        assert_non_null(strstr(out, "Service m/web"));
        assert_non_null(strstr(out, "would not take it: refused: no more ports"));
        assert_non_null(strstr(out, "spec.type: ClusterIP → (nothing)"));
        assert_non_null(strstr(out, "mooringctl apply k7mqx2dr"));
        assert_int_equal(bench_run(b, NULL, NULL, "plan", "--exit-code", NULL), CLI_CHANGES);
        assert_int_equal(bench_run(b, NULL, NULL, "plan", "--exit-code", "--format", "json", NULL),
                         CLI_CHANGES);
}

static void too_large(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "{\"plan\":[],\"more\":true}");
}

/* More than is kept is read page by page. */
static void a_plan_of_too_many_lines_has_no_name(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "POST", "/v1/models/m/plans", too_large, b);
        server_route(b->server, "GET", "/v1/models/m/plan", plan_unknown, b);
        assert_int_equal(bench_run(b, &out, NULL, "plan", NULL), CLI_NOT_CONVERGED);
        assert_null(strstr(out, "apply"));
}

static void plan_of_a_command_is_its_dry_run(void **state) {
        struct bench *b = *state;

        server_route(b->server, "PUT", "/v1/models/m/applications/web/scale", bench_changed, b);
        assert_int_equal(bench_run(b, NULL, NULL, "plan", "scale-application", "web", "2", NULL),
                         CLI_DONE);
        assert_non_null(strstr(b->asked, "/scale?dry-run=true"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, bench_set_up, bench_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(an_unknown_command_names_the_nearest),
                TEST(an_unknown_option_names_the_nearest),
                TEST(a_missing_operand_shows_the_usage),
                TEST(no_daemon_says_which_socket_and_what_to_do),
                TEST(every_fault_of_a_bundle_has_its_line),
                TEST(a_file_that_is_no_text_has_its_line),
                TEST(an_option_given_twice_is_refused),
                TEST(a_word_of_a_command_has_that_commands_help),
                TEST(what_was_done_is_chatter_and_silent_with_quiet),
                TEST(names_are_encoded_in_paths),
                TEST(fewer_units_than_none_are_refused),
                TEST(options_of_one_charm_are_sent_as_its_body),
                TEST(config_sets_resets_and_reads),
                TEST(the_chosen_model_is_used_until_another_is_named),
                TEST(output_goes_to_a_file_that_only_the_user_reads),
                TEST(a_list_goes_on_over_an_empty_page_and_ends_at_its_maximum),
                TEST(wait_ends_when_all_are_active),
                TEST(wait_does_not_take_unknown_for_active_and_times_out),
                TEST(waiting_for_gone_is_not_over_before_the_model_itself_is),
                TEST(a_plan_with_nothing_to_do_is_converged),
                TEST(a_plan_with_work_has_a_name_and_a_code_only_when_it_is_asked_for),
                TEST(a_plan_of_too_many_lines_has_no_name),
                TEST(plan_of_a_command_is_its_dry_run),
                TEST(a_plan_that_cannot_be_known_is_not_converged),
                TEST(wait_does_not_take_active_for_done_while_a_change_is_planned),
                TEST(wait_for_no_drift_asks_what_is_open),
                TEST(wait_for_a_version_reads_it),
                TEST(wait_for_nothing_that_is_known_is_refused),
                TEST(a_wait_whose_time_ends_on_blocked_says_blocked),
                TEST(a_name_that_is_not_there_is_told_at_once),
                TEST(a_model_that_is_not_there_is_told_at_once),
                TEST(a_status_word_that_selects_nothing_is_not_an_empty_model),
        };

        return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
