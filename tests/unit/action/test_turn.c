/* SPDX-License-Identifier: Apache-2.0 */
/* test_turn.c - operations turn by turn: cancel, back-off, deadlines, a disk that is full */
#include "stage.h"

#include "engine-gate.h"

#define STREAM "{\"kind\": \"verb\", \"verb\": \"stream\", \"ask\": {}}"
#define MINUTE 60000ll

static const char one_stream[] = "[{\"name\": \"copy\", \"ask\": " STREAM ", \"deadline\": 21600}]";
static const char one_ready[] =
        "[{\"name\": \"up\", \"ask\": {\"kind\": \"ready\", \"label\": \"server\"}}]";
static const char one_wait[] =
        "[{\"name\": \"rest\", \"ask\": {\"kind\": \"wait\", \"seconds\": 600}, \"deadline\": "
        "900}]";

static bool begins(const char *text, const char *with) {
        return strncmp(text, with, strlen(with)) == 0;
}

/* ---- results */

static void results_that_are_too_large_together_fail_it_and_are_cleaned_up_after(void **state) {
        static const char steps[] =
                "[{\"name\": \"one\", \"result\": 40000},"
                " {\"name\": \"two\", \"result\": 40000},"
                " {\"name\": \"tidy\", \"cleanup\": true, \"ask\": " STAGE_EXEC "}]";
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, steps);
        id = stage_begin(s, "a", "work");
        assert_int_equal(stage_out(s), 1);
        stage_did(s, OUTCOME_DONE);
        assert_string_equal(stage_ended(s, id),
                            "failed: results of 80019 bytes, at most 65536 are kept");
        assert_string_equal(stage_value(s, "SELECT length(results) FROM operation"), "40010");
}

/* ---- cancel */

static void a_cancelled_stream_in_back_off_is_not_begun_again(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, one_stream);
        id = stage_begin(s, "a", "work");
        stage_did(s, OUTCOME_UNREACHABLE);
        stage_cancel(s, id);
        stage_run(s, MINUTE);
        assert_int_equal(s->sent, 1);
        assert_true(begins(stage_ended(s, id), "cancelled: cancelled by uid 1000 (alice)"));
        assert_string_equal(stage_value(s, "SELECT outcome || ': ' || error FROM operation_turn"),
                            "unreachable: as the test says");
}

static void a_cancelled_stream_that_is_out_is_broken_off(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, one_stream);
        id = stage_begin(s, "a", "work");
        stage_cancel(s, id);
        stage_settle(s);
        assert_int_equal(stage_out(s), 0);
        assert_true(begins(stage_ended(s, id), "cancelled: "));
}

static void what_was_cancelled_is_not_sent_again_by_the_next_process(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        stage_cancel(s, id);
        stage_settle(s);
        assert_int_equal(stage_out(s), 1); /* a command is waited for */
        stage_restart(s);
        assert_string_equal(stage_value(s, "SELECT outcome FROM operation_turn WHERE seq = 1"),
                            "unreachable");
        assert_int_equal(s->sent, 2); /* and that is the clean-up's */
        stage_did(s, OUTCOME_DONE);
        assert_true(begins(stage_ended(s, id), "cancelled: "));
}

/* The rows may have been read before the cancel was written. */
static void a_cancel_while_the_rows_are_read_is_seen(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, one_wait);
        id = stage_begin(s, "a", "work");
        stage_run(s, 1000);
        gate_shut("operation_by_id");
        action_mark(s->action, MARK_OPERATION, id);
        while (!gate_reached())
                loop_step(s->loop, 2);
        stage_cancel(s, id);
        gate_open();
        stage_settle(s);
        assert_true(begins(stage_ended(s, id), "cancelled: "));
}

/* ---- freezes */

static void a_freeze_holds_what_is_to_be_sent_again(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        stage_did(s, OUTCOME_UNREACHABLE);
        stage_freeze(s, true);
        stage_run(s, MINUTE);
        stage_restart(s);
        stage_run(s, MINUTE);
        assert_int_equal(s->sent, 1);
        assert_true(begins(stage_waits(s, id), "model lab, which is frozen by "));
        stage_freeze(s, false);
        stage_run(s, 1000);
        assert_int_equal(s->sent, 2);
}

static void a_freeze_that_is_longer_than_the_deadline_fails_nothing(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        stage_run(s, 9 * MINUTE);
        stage_freeze(s, true);
        stage_did(s, OUTCOME_UNREACHABLE);
        stage_run(s, 60 * MINUTE);
        stage_freeze(s, false);
        stage_run(s, 1000);
        assert_int_equal(stage_out(s), 1);
        stage_did(s, OUTCOME_DONE);
        assert_int_equal(stage_out(s), 1);
        assert_string_equal(stage_ended(s, id), "running: ");
        stage_run(s, MINUTE);
        stage_did(s, OUTCOME_DONE); /* of its ten minutes ten are over by now */
        assert_int_equal(s->sent, 4);
        stage_did(s, OUTCOME_DONE);
        assert_true(begins(stage_ended(s, id), "failed: step two: its time of 10m"));
}

static void a_wait_goes_on_after_a_freeze_for_as_long_as_it_might_have(void **state) {
        struct stage *s = *state;
        int64_t id;

        s->not_ready = true;
        stage_steps(s, one_ready);
        id = stage_begin(s, "a", "work");
        stage_run(s, MINUTE);
        stage_freeze(s, true);
        stage_run(s, 60 * MINUTE);
        stage_freeze(s, false);
        assert_string_equal(stage_waits(s, id), "server to be ready");
        s->not_ready = false;
        stage_run(s, 1000);
        assert_string_equal(stage_ended(s, id), "completed: ");
}

/* ---- charms that do not end */

static void a_step_that_goes_to_itself_ends(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, "[{\"name\": \"turn\", \"goto\": \"turn\", \"log\": 100}]");
        id = stage_begin(s, "a", "work");
        stage_run(s, 1000);
        assert_string_equal(stage_ended(s, id),
                            "failed: step turn goes on for ever: it asks for nothing");
        assert_string_equal(stage_value(s, "SELECT count(*) FROM operation_log"), "10000");
}

static void a_step_that_asks_for_ever_ends(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, "[{\"name\": \"turn\", \"goto\": \"turn\","
                       " \"ask\": {\"kind\": \"wait\", \"seconds\": 0}}]");
        id = stage_begin(s, "a", "work");
        stage_run(s, 1000);
        assert_true(begins(stage_ended(s, id), "failed: step turn goes on for ever: it has asked"));
        assert_string_equal(stage_value(s, "SELECT count(*) FROM operation_turn"), "1000");
}

static void a_clean_up_that_goes_to_itself_ends(void **state) {
        struct stage *s = *state;
        int64_t id, next;

        stage_steps(s, "[{\"name\": \"work\"}, {\"name\": \"turn\", \"cleanup\": true,"
                       " \"goto\": \"turn\"}]");
        id = stage_begin(s, "a", "work");
        stage_run(s, 1000);
        assert_string_equal(stage_ended(s, id), "failed: cleaning up: step turn: goes on for "
                                                "ever: it asks for nothing");
        stage_steps(s, "[{\"name\": \"work\"}]");
        next = stage_begin(s, "a", "work");
        assert_string_equal(stage_ended(s, next), "completed: ");
}

/* What sets right what stands outside comes after what only waits. */
static void a_clean_up_that_asks_for_ever_keeps_the_next_from_nothing(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, "[{\"name\": \"work\"},"
                       " {\"name\": \"quiet\", \"cleanup\": true, \"goto\": \"quiet\","
                       " \"ask\": {\"kind\": \"wait\", \"seconds\": 0}},"
                       " {\"name\": \"back\", \"cleanup\": true, \"ask\": " STAGE_EXEC "}]");
        id = stage_begin(s, "a", "work");
        stage_run(s, 10000);
        assert_int_equal(stage_out(s), 1);
        assert_string_equal(
                stage_value(s, "SELECT count(*) FROM operation_turn WHERE step = 'quiet'"), "500");
        stage_did(s, OUTCOME_DONE);
        assert_true(begins(stage_ended(s, id), "failed: cleaning up: step quiet: goes on for ever: "
                                               "it has asked"));
}

static void a_clean_up_that_crashes_keeps_the_next_from_nothing(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, "[{\"name\": \"work\"},"
                       " {\"name\": \"first\", \"cleanup\": true, \"crash\": true},"
                       " {\"name\": \"second\", \"cleanup\": true, \"crash\": true},"
                       " {\"name\": \"third\", \"cleanup\": true, \"ask\": " STAGE_EXEC "}]");
        id = stage_begin(s, "a", "work");
        stage_run(s, 10000);
        assert_int_equal(stage_out(s), 1);
        stage_did(s, OUTCOME_DONE);
        assert_true(begins(stage_ended(s, id), "failed: cleaning up: step (first): the worker "
                                               "crashed"));
}

static void a_clean_up_has_a_deadline_of_its_own(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, "[{\"name\": \"work\"}, {\"name\": \"rest\", \"cleanup\": true,"
                       " \"deadline\": 90000, \"ask\": {\"kind\": \"wait\", "
                       "\"seconds\": 86400}}]");
        id = stage_begin(s, "a", "work");
        stage_run(s, 9 * MINUTE);
        assert_string_equal(stage_ended(s, id), "running: ");
        stage_run(s, 2 * MINUTE);
        assert_string_equal(stage_ended(s, id),
                            "failed: cleaning up: step rest: its time of 10m is over");
}

/* It is cut, and is still a text that JSON takes. */
static void a_reason_that_is_cut_ends_with_a_letter(void **state) {
        struct stage *s = *state;
        cleanup_(buf_free) struct buf steps = BUF_INIT;
        const char *message;

        buf_puts(&steps, "[{\"name\": \"work\", \"cleanup\": true, \"fail\": \"x");
        for (int i = 0; i < 200; i++)
                buf_puts(&steps, "ä");
        buf_puts(&steps, "\"}, {\"name\": \"w\"}]");
        stage_steps(s, buf_str(&steps));
        stage_begin(s, "a", "work");
        message = stage_value(s, "SELECT message FROM operation");
        assert_true(strlen(message) > 300);
        {
                cleanup_(json_freep) json_t *text = json_string(message);

                assert_non_null(text);
        }
}

/* ---- a disk that is full */

static void what_cannot_be_written_is_written_later(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        stage_full(s, true);
        stage_did(s, OUTCOME_DONE);
        stage_run(s, 3000);
        assert_true(begins(stage_waits(s, id), "the journal to be writable"));
        assert_int_equal(s->sent, 1);
        stage_full(s, false);
        stage_run(s, 3000);
        assert_int_equal(s->sent, 2);
}

/* ---- what may be asked, and objects */

static void what_may_not_be_asked_is_in_no_journal(void **state) {
        static const struct {
                const char *steps, *told;
        } cases[] = {
                { "[{\"name\": \"one\", \"ask\": {\"kind\": \"verb\", \"verb\": \"exec\", \"ask\": "
                  "{"
                  "\"argv\": [\"{{secret:aaaaaaaaaaaaaaaaaaaaaaaaaa:1:plain}}\"]}}}]",
                  "failed: step one: exec: a secret at /ask/argv/0 would be seen by others" },
                { "[{\"name\": \"one\", \"ask\": {\"kind\": \"verb\", \"verb\": \"http\", \"ask\": "
                  "{}}}]",
                  "failed: step one: asks for http, which charm.yaml does not list" },
                { "[{\"name\": \"one\", \"ask\": {\"kind\": \"remove\", \"verb\": \"remove\", "
                  "\"ask\": {}}}]",
                  "failed: step one: asks for remove, which is not for steps" },
        };
        struct stage *s = *state;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                int64_t id;

                stage_steps(s, cases[i].steps);
                id = stage_begin(s, "a", "work");
                stage_settle(s);
                if (!begins(stage_ended(s, id), cases[i].told))
                        fail_msg("%s", stage_ended(s, id));
                assert_int_equal(s->sent, 0);
                assert_string_equal(stage_value(s, "SELECT count(*) FROM operation_turn"), "0");
        }
}

static void what_was_applied_goes_with_its_operation(void **state) {
        static const char steps[] =
                "[{\"name\": \"one\", \"ask\": {\"kind\": \"verb\", \"verb\": \"apply\", \"ask\": {"
                "\"object\": {\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": "
                "{\"name\":"
                " \"n\"}}}}}, {\"name\": \"two\", \"fail\": \"no\"}]";
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, steps);
        id = stage_begin(s, "a", "work");
        stage_did(s, OUTCOME_DONE);
        assert_int_equal(stage_out(s), 1);
        assert_string_equal(stage_value(s, "SELECT ask FROM operation_turn WHERE seq = 2"),
                            "{\"ask\":{\"objects\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
                            "\"name\":\"n\"}]},"
                            "\"kind\":\"remove\",\"verb\":\"remove\"}");
        stage_restart(s);
        assert_int_equal(stage_out(s), 1);
        stage_did(s, OUTCOME_DENIED);
        assert_string_equal(stage_ended(s, id), "failed: step two: no");
        assert_string_equal(stage_value(s, "SELECT type || ' ' || path FROM leftover"),
                            "ConfigMap lab/n");
}

/* ---- what changes rows */

#define OPTION(was, is)                                                                            \
        "{\"kind\": \"config\", \"options\": {\"mode\": \"" is "\"}, \"was\": {\"mode\": \"" was   \
        "\"}}"

static void an_option_that_was_changed_meanwhile_is_left(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, "[{\"name\": \"one\", \"ask\": " OPTION(
                               "", "a") "},"
                                        " {\"name\": \"two\", \"ask\": " OPTION(
                                                "a", "b") "},"
                                                          " {\"name\": \"three\", \"ask\": " OPTION(
                                                                  "a", "c") "}]");
        id = stage_begin(s, "a", "work");
        assert_string_equal(stage_ended(s, id),
                            "failed: step three: conflict: option mode was changed meanwhile");
        assert_string_equal(stage_value(s, "SELECT value FROM application_option"), "\"b\"");
}

static void an_option_that_is_not_for_actions_is_not_set(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, "[{\"name\": \"one\", \"ask\": {\"kind\": \"config\", \"options\": "
                       "{\"port\": \"1\"}}}]");
        id = stage_begin(s, "a", "work");
        assert_string_equal(stage_ended(s, id), "failed: step one: asks to set option port, which "
                                                "charm.yaml does not mark as set-by-actions");
        assert_string_equal(stage_value(s, "SELECT count(*) FROM application_option"), "0");
}

static void a_step_has_another_action_run_once_and_later(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s,
                    "[{\"name\": \"later\", \"ask\": {\"kind\": \"run-at\", \"action\": \"look\", "
                    "\"at\": 1000600500, \"params\": {}}}]");
        id = stage_begin(s, "a", "work");
        assert_string_equal(stage_ended(s, id), "completed: ");
        stage_restart(s);
        assert_string_equal(stage_value(s, "SELECT group_concat(action || ' ' || run_at || ' ' || "
                                           "missed || ' ' || asked_by) FROM schedule"),
                            "look 1000600500 run operation 1");
        stage_steps(s, "[{\"name\": \"nothing\"}]");
        stage_run(s, 11 * MINUTE);
        assert_string_equal(stage_value(s, "SELECT action || ' ' || status FROM operation WHERE "
                                           "id = 2"),
                            "look completed");
        assert_string_equal(stage_value(s, "SELECT count(*) FROM schedule"), "0");
}

static void a_time_that_is_over_is_now(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s,
                    "[{\"name\": \"later\", \"ask\": {\"kind\": \"run-at\", \"action\": \"look\", "
                    "\"at\": 1, \"params\": {}}}]");
        id = stage_begin(s, "a", "work");
        assert_string_equal(stage_ended(s, id), "completed: ");
}

static void what_the_other_side_has_not_taken_is_waited_for(void **state) {
        struct stage *s = *state;
        int64_t id;

        s->not_ready = true;
        stage_steps(s, "[{\"name\": \"roll\", \"ask\": {\"kind\": \"taken\", \"application\": "
                       "\"b\", \"token\": \"{{secret:aaaaaaaaaaaaaaaaaaaaaaaaaa:1:plain}}\"}, "
                       "\"deadline\": 300}]");
        id = stage_begin(s, "a", "work");
        stage_run(s, MINUTE);
        assert_string_equal(stage_waits(s, id), "b to have taken it");
        stage_restart(s);
        stage_run(s, 1000);
        s->not_ready = false;
        stage_run(s, 1000);
        assert_string_equal(stage_ended(s, id), "completed: ");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
        const struct CMUnitTest tests[] = {
                CASE(results_that_are_too_large_together_fail_it_and_are_cleaned_up_after),
                CASE(a_cancelled_stream_in_back_off_is_not_begun_again),
                CASE(a_cancelled_stream_that_is_out_is_broken_off),
                CASE(what_was_cancelled_is_not_sent_again_by_the_next_process),
                CASE(a_cancel_while_the_rows_are_read_is_seen),
                CASE(a_freeze_holds_what_is_to_be_sent_again),
                CASE(a_freeze_that_is_longer_than_the_deadline_fails_nothing),
                CASE(a_wait_goes_on_after_a_freeze_for_as_long_as_it_might_have),
                CASE(a_step_that_goes_to_itself_ends),
                CASE(a_step_that_asks_for_ever_ends),
                CASE(a_clean_up_that_goes_to_itself_ends),
                CASE(a_clean_up_that_asks_for_ever_keeps_the_next_from_nothing),
                CASE(a_clean_up_that_crashes_keeps_the_next_from_nothing),
                CASE(a_clean_up_has_a_deadline_of_its_own),
                CASE(a_reason_that_is_cut_ends_with_a_letter),
                CASE(what_cannot_be_written_is_written_later),
                CASE(what_may_not_be_asked_is_in_no_journal),
                CASE(what_was_applied_goes_with_its_operation),
                CASE(an_option_that_was_changed_meanwhile_is_left),
                CASE(an_option_that_is_not_for_actions_is_not_set),
                CASE(a_step_has_another_action_run_once_and_later),
                CASE(a_time_that_is_over_is_now),
                CASE(what_the_other_side_has_not_taken_is_waited_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
