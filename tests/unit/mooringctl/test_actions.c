/* SPDX-License-Identifier: Apache-2.0 */
/* test_actions.c - actions on the command line: what is sent, what is printed, what it ends with */
#include "bench.h"

#include <stdlib.h>

#include "action-params.h"

static json_t *params(char *const *pairs, int count, bool texts) {
        json_t *j = NULL;
        struct err err = { 0 };

        if (action_params(NULL, pairs, count, texts, &j, &err) < 0)
                fail_msg("%s", err_text(&err));
        return j;
}

static void dots_nest_and_values_are_yaml(void **state) {
        char *pairs[] = { (char[]){ "keep=3" },       (char[]){ "to.bucket=b" },
                          (char[]){ "to.fast=true" }, (char[]){ "tags=[a, 2]" },
                          (char[]){ "none=" },        (char[]){ "w=yes" } };
        cleanup_(json_freep) json_t *j = params(pairs, ARRAY_SIZE(pairs), false);
        cleanup_(freep) char *text = json_text(j);

        assert_string_equal(text, "{\"keep\":3,\"none\":null,\"tags\":[\"a\",2],\"to\":{\"bucket\":"
                                  "\"b\",\"fast\":true},\"w\":\"yes\"}");
}

static void string_args_are_texts_as_they_stand(void **state) {
        char *pairs[] = { (char[]){ "password=12345678" }, (char[]){ "a.b={" } };
        cleanup_(json_freep) json_t *j = params(pairs, ARRAY_SIZE(pairs), true);
        cleanup_(freep) char *text = json_text(j);

        assert_string_equal(text, "{\"a\":{\"b\":\"{\"},\"password\":\"12345678\"}");
}

static void what_is_no_parameter_is_told(void **state) {
        char *const wrong[] = { (char[]){ "a" },    (char[]){ "=1" },   (char[]){ "a..b=1" },
                                (char[]){ ".a=1" }, (char[]){ "a.=1" }, (char[]){ "a={" } };

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                cleanup_(json_freep) json_t *j = NULL;
                struct err err = { 0 };

                assert_int_equal(action_params(NULL, &wrong[i], 1, false, &j, &err) < 0, 1);
        }
}

static void queued(struct server_call *c, void *arg) {
        bench_note(c, arg);
        server_reply(c, 200, NULL, "{\"changes\":[],\"notes\":[],\"operation\":7}");
}

static void completed(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"id\":7,\"application\":\"a\",\"action\":\"x\",\"status\":\"completed\","
                     "\"steps\":[\"zero\",\"one\"],"
                     "\"results\":{\"size\":\"3\"},\"secret-results\":[],\"turns\":[{\"seq\":1,"
                     "\"step\":\"one\",\"ask\":{\"kind\":\"verb\",\"verb\":\"sql\",\"target\":"
                     "\"db\"},\"outcome\":\"done\",\"asked\":\"2026-01-01T00:00:00.000Z\","
                     "\"ended\":\"2026-01-01T00:00:02.000Z\"}],\"log\":[]}");
}

static void wanted(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"id\":7,\"application\":\"a\",\"action\":\"x\",\"status\":\"pending\","
                     "\"approval\":\"wanted\",\"results\":{},\"turns\":[],\"log\":[]}");
}

static void running(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"id\":7,\"application\":\"a\",\"action\":\"x\",\"status\":\"running\","
                     "\"steps\":[\"one\",\"two\",\"three\"],"
                     "\"results\":{},\"step\":\"two\",\"now\":{\"waits\":\"rain\"},\"turns\":[],"
                     "\"log\":[]}");
}

static struct bench *bench(void **state, server_fn *operation) {
        struct bench *b = *state;

        server_route(b->server, "POST", "/v1/models/m/applications/a/actions/x", queued, b);
        server_route(b->server, "GET", "/v1/models/m/operations/7", operation, b);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        return b;
}

static void run_prints_the_result_and_each_step(void **state) {
        struct bench *b = bench(state, completed);
        cleanup_(freep) char *out = NULL, *err = NULL;

        assert_int_equal(bench_run(b, &out, &err, "run", "a/0", "x", "n.m=1", NULL), CLI_DONE);
        assert_string_equal(b->asked, "POST /v1/models/m/applications/a/actions/x "
                                      "{\"params\":{\"n\":{\"m\":1}},\"unit\":\"a/0\"}");
        assert_string_equal(out, "size: \"3\"\n");
        assert_non_null(strstr(err, "step 2 of 2 one: sql at db: done (2s)"));
}

static void at_times_it_is_a_schedule(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *err = NULL;

        server_route(b->server, "POST", "/v1/models/m/applications/a/actions/x/schedules",
                     bench_changed, b);
        assert_int_equal(bench_run(b, NULL, NULL, "run", "a", "x", "--schedule", "30 2 * * *",
                                   "--timezone", "UTC", "--missed", "run", NULL),
                         CLI_DONE);
        assert_string_equal(b->asked, "POST /v1/models/m/applications/a/actions/x/schedules "
                                      "{\"cron\":\"30 2 * * *\",\"missed\":\"run\",\"params\":{},"
                                      "\"zone\":\"UTC\"}");
        assert_int_equal(bench_run(b, NULL, &err, "run", "a", "x", "--jitter", "1m", NULL),
                         CLI_USAGE);
}

static void schedules_on_offer(struct server_call *c, void *arg) {
        server_reply(
                c, 200, NULL,
                "{\"schedules\":[{\"id\":3,\"application\":\"a\",\"unit\":null,\"action\":\"x\","
                "\"cron\":\"30 2 * * *\",\"zone\":\"UTC\",\"next\":\"2036-01-01T02:30:00Z\","
                "\"last\":null,\"not-run\":\"the model is frozen\",\"operation\":null},{\"id\":4,"
                "\"application\":\"a\",\"action\":\"y\",\"cron\":\"0 3 * * *\",\"zone\":\"UTC\","
                "\"not-run\":\"\",\"operation\":12,\"operation-status\":\"failed\"}]}");
}

static void a_schedule_says_when_it_is_next_and_why_it_was_not_run(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/models/m/schedules", schedules_on_offer, b);
        server_route(b->server, "DELETE", "/v1/models/m/schedules/3", bench_changed, b);
        assert_int_equal(bench_run(b, &out, NULL, "schedules", "--utc", NULL), CLI_DONE);
        assert_non_null(strstr(out, "30 2 * * * UTC  2036-01-01 02:30:00"));
        assert_non_null(strstr(out, "the model is frozen"));
        assert_non_null(strstr(out, "operation 12 failed"));
        assert_int_equal(bench_run(b, NULL, NULL, "remove-schedule", "3", NULL), CLI_DONE);
        assert_string_equal(b->asked, "DELETE /v1/models/m/schedules/3 ");
}

static void operations_on_offer(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"operations\":[{\"id\":7,\"application\":\"a\",\"action\":\"x\",\"status\":"
                     "\"completed\",\"message\":\"\",\"asked-by\":\"uid 1000 (alice) as uid 0 "
                     "(root)\",\"approved-by\":\"uid 1001 (?)\"},{\"id\":6,\"application\":\"a\","
                     "\"action\":\"y\",\"status\":\"running\",\"step\":\"two\",\"asked-by\":"
                     "\"schedule 3 of uid 1002 (?)\"}]}");
}

static void a_list_names_who_asked_and_who_approved(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/models/m/operations", operations_on_offer, b);
        assert_int_equal(bench_run(b, &out, NULL, "operations", NULL), CLI_DONE);
        assert_non_null(strstr(out, "alice as root"));
        assert_non_null(strstr(out, "approved by 1001"));
        assert_non_null(strstr(out, "schedule 3 of 1002  step two"));
}

static void what_waits_for_approval_ends_with_blocked(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(bench(state, wanted), NULL, &err, "run", "a", "x", NULL),
                         CLI_BLOCKED);
        assert_non_null(strstr(err, "mooringctl approve 7"));
}

static void the_end_of_the_wait_says_what_it_is_at(void **state) {
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(bench(state, running), NULL, &err, "run", "a", "x", "--wait",
                                   "1ms", NULL),
                         CLI_TIMED_OUT);
        assert_non_null(strstr(err, "step 2 of 3 two: waits for rain"));
}

static void often(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"id\":7,\"status\":\"running\",\"step\":\"two\",\"now\":{\"waits\":"
                     "\"unreachable: no route\",\"tries\":3},\"turns\":[],\"log\":[]}");
}

static void what_is_tried_again_is_counted(void **state) {
        cleanup_(freep) char *out = NULL;

        assert_int_equal(bench_run(bench(state, often), &out, NULL, "show-operation", "7", NULL),
                         CLI_DONE);
        assert_non_null(strstr(out, "step two: tried 3 times: unreachable: no route"));
}

/* Two pages of a journal of an operation that has ended; the second begins after its turn 1. */
static void two_pages(struct server_call *c, void *arg) {
        bool first = !strstr(c->query, "after-turn=1");
        cleanup_(freep) char *body = str_format(
                "{\"id\":7,\"application\":\"a\",\"action\":\"x\",\"status\":\"completed\","
                "\"results\":{},\"secret-results\":[],\"turns\":[{\"seq\":%d,\"step\":\"%s\","
                "\"ask\":{\"kind\":\"wait\"},\"outcome\":\"done\",\"asked\":"
                "\"2026-01-01T00:00:00.000Z\",\"ended\":\"2026-01-01T00:00:02.000Z\"}],\"log\":[]"
                "%s}",
                first ? 1 : 2, first ? "one" : "two", first ? ",\"next-turn\":1" : "");

        server_reply(c, 200, NULL, body);
}

static void all_pages_of_the_journal_are_told(void **state) {
        struct bench *b = bench(state, two_pages);
        cleanup_(freep) char *out = NULL, *err = NULL;

        assert_int_equal(bench_run(b, &out, &err, "run", "a/0", "x", "--format", "json", NULL),
                         CLI_DONE);
        assert_non_null(strstr(err, "one: wait: done"));
        assert_non_null(strstr(err, "two: wait: done"));
        assert_non_null(strstr(out, "\"one\""));
        assert_non_null(strstr(out, "\"two\""));
}

static void refused(struct server_call *c, void *arg) {
        server_reply(c, 403, NULL,
                     "{\"error\":{\"code\":\"EPERM\",\"message\":\"this is for operators\"}}");
}

static void what_cannot_be_read_is_not_followed(void **state) {
        struct bench *b = bench(state, refused);
        cleanup_(freep) char *err = NULL;

        assert_int_equal(bench_run(b, NULL, &err, "show-operation", "7", "--watch", NULL),
                         CLI_FAILED);
        assert_non_null(strstr(err, "this is for operators"));
}

static void a_daemon_that_does_not_answer_is_told_of_once(void **state) {
        struct bench *b = bench(state, refused);
        cleanup_(freep) char *err = NULL;
        const char *said;

        assert_int_equal(bench_run(b, NULL, &err, "run", "a/0", "x", "--wait", "2s", NULL),
                         CLI_TIMED_OUT);
        said = strstr(err, "the daemon does not answer: ");
        assert_non_null(said);
        assert_null(strstr(said + 1, "the daemon does not answer: "));
}

static void in_the_background_only_the_number_is_printed(void **state) {
        cleanup_(freep) char *out = NULL;

        assert_int_equal(
                bench_run(bench(state, running), &out, NULL, "run", "a", "x", "--background", NULL),
                CLI_DONE);
        assert_string_equal(out, "7\n");
}

static void actions_on_offer(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"charm\":\"c\",\"actions\":{\"x\":{\"role\":\"operator\",\"permission\":{"
                     "\"by\":\"uid 0 (root)\",\"why\":\"on call\",\"at\":"
                     "\"2036-01-01T02:30:00Z\"}},\"y\":{\"role\":\"admin\"}}}");
}

static void who_may_run_an_action_is_told_and_said(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "GET", "/v1/models/m/applications/a/actions", actions_on_offer, b);
        server_route(b->server, "POST", "/v1/models/m/applications/a/actions/y/grant",
                     bench_changed, b);
        server_route(b->server, "POST", "/v1/models/m/applications/a/actions/x/revoke",
                     bench_changed, b);
        assert_int_equal(bench_run(b, &out, NULL, "permissions", "a", "--utc", NULL), CLI_DONE);
        assert_non_null(strstr(out, "operator  uid 0 (root)  2036-01-01 02:30:00"));
        assert_non_null(strstr(out, "admin     its charm"));
        assert_int_equal(bench_run(b, NULL, NULL, "grant-action", "a", "y", NULL), CLI_DONE);
        assert_string_equal(b->asked, "POST /v1/models/m/applications/a/actions/y/grant ");
        assert_int_equal(bench_run(b, NULL, NULL, "revoke-action", "a", "x", "--dry-run", NULL),
                         CLI_DONE);
        assert_string_equal(b->asked,
                            "POST /v1/models/m/applications/a/actions/x/revoke?dry-run=true ");
}

static void words_of_juju_lead_here(void **state) {
        cleanup_(freep) char *err = NULL, *show = NULL;

        assert_int_equal(bench_run(*state, NULL, &err, "list-operations", NULL), CLI_USAGE);
        assert_non_null(strstr(err, "did you mean operations?"));
        assert_int_equal(bench_run(*state, NULL, &show, "show-action-output", "7", NULL),
                         CLI_USAGE);
        assert_non_null(strstr(show, "did you mean show-operation?"));
}

static void revealed(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL,
                     "{\"id\":7,\"status\":\"completed\",\"results\":{\"password\":"
                     "\"a\\\"b\\\\c: #1\",\"size\":\"3\"},\"secret-results\":[\"password\"]}");
}

static void a_password_is_printed_as_it_is(void **state) {
        struct bench *b = *state;
        cleanup_(freep) char *out = NULL;

        server_route(b->server, "POST", "/v1/models/m/operations/7/results", revealed, b);
        assert_int_equal(bench_run(b, &out, NULL, "show-operation", "7", "--reveal", NULL),
                         CLI_DONE);
        assert_string_equal(out, "password: a\"b\\c: #1\nsize: \"3\"\n");
}

/* Of an operation that failed in its second turn, after ASK. */
static void failed_after(struct server_call *c, void *arg) {
        const char *const *ask = arg;
        cleanup_(freep) char *body = str_format(
                "{\"id\":7,\"application\":\"a\",\"action\":\"x\",\"status\":\"failed\","
                "\"message\":"
                "\"step two: denied: no\",\"started\":\"2026-01-01T00:00:00.000Z\",\"results\":{},"
                "\"turns\":[{\"seq\":1,\"step\":\"one\",\"outcome\":\"done\",\"ask\":%s},"
                "{\"seq\":2,\"step\":\"two\",\"outcome\":\"denied\",\"error\":\"no\",\"ask\":"
                "{\"kind\":\"wait\"}}],\"log\":[]}",
                *ask);

        server_reply(c, 200, NULL, body);
}

#define VERB(verb, ask) "{\"kind\":\"verb\",\"verb\":\"" verb "\",\"ask\":{" ask "}}"
static void what_was_only_read_does_not_stay(void **state) {
        static const struct {
                const char *ask;
                bool reads;
        } cases[] = {
                { "{\"kind\":\"settled\"}", true },
                { "{\"kind\":\"config\"}", false },
                { VERB("get-object", ""), true },
                { VERB("put-object", ""), false },
                { VERB("stream", "\"from\":{}"), true },
                { VERB("stream", "\"from\":{},\"to\":{}"), false },
                { VERB("exec", ""), false },
                { VERB("sql", "\"statements\":[{\"sql\":\"SELECT 1\"},{\"sql\":\"SHOW X\"}]"),
                  true },
                { VERB("sql", "\"statements\":[{\"sql\":\"SELECT 1\"},{\"sql\":\"DROP X\"}]"),
                  false },
                { VERB("sql", ""), false },
        };
        struct bench *b = *state;
        const char *ask;

        server_route(b->server, "POST", "/v1/models/m/applications/a/actions/x", queued, b);
        server_route(b->server, "GET", "/v1/models/m/operations/7", failed_after, &ask);
        server_route(b->server, "GET", "/v1/events", bench_hold, b);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(freep) char *err = NULL;

                ask = cases[i].ask;
                assert_int_equal(bench_run(b, NULL, &err, "run", "a", "x", NULL), CLI_FAILED);
                assert_int_equal(strstr(err, "it had only looked: nothing was changed") != NULL,
                                 cases[i].reads);
                assert_int_equal(strstr(err, "(1 of what it asked for, that may have") != NULL,
                                 !cases[i].reads);
        }
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, bench_set_up, bench_tear_down)
        const struct CMUnitTest tests[] = {
                CASE(dots_nest_and_values_are_yaml),
                CASE(string_args_are_texts_as_they_stand),
                CASE(what_is_no_parameter_is_told),
                CASE(run_prints_the_result_and_each_step),
                CASE(at_times_it_is_a_schedule),
                CASE(a_schedule_says_when_it_is_next_and_why_it_was_not_run),
                CASE(a_list_names_who_asked_and_who_approved),
                CASE(what_waits_for_approval_ends_with_blocked),
                CASE(the_end_of_the_wait_says_what_it_is_at),
                CASE(what_is_tried_again_is_counted),
                CASE(all_pages_of_the_journal_are_told),
                CASE(what_cannot_be_read_is_not_followed),
                CASE(a_daemon_that_does_not_answer_is_told_of_once),
                CASE(in_the_background_only_the_number_is_printed),
                CASE(who_may_run_an_action_is_told_and_said),
                CASE(a_password_is_printed_as_it_is),
                CASE(what_was_only_read_does_not_stay),
                CASE(words_of_juju_lead_here),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
