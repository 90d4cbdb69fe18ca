/* SPDX-License-Identifier: Apache-2.0 */
/* test_cancel.c - cancel-task of an operation, whatever it is at: it ends, what its step has out is
 * waited for and not sent again, and what cleans up is called once */
#include "stage.h"

#define CANCELLED "cancelled: cancelled by uid 1000 (alice)"
#define BEFORE CANCELLED " before it began"

static void cancel(struct stage *s, int64_t id) {
        stage_cancel(s, id);
        stage_settle(s);
}

static void one_that_waits_for_a_second_person_has_ended_at_once(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "destroy");
        cancel(s, id);
        assert_string_equal(stage_ended(s, id), BEFORE);
        assert_int_equal(s->called, 0);
}

static void one_that_waits_for_another_has_ended_at_once_and_the_other_goes_on(void **state) {
        struct stage *s = *state;
        int64_t first, second;

        stage_steps(s, stage_two_verbs);
        first = stage_begin(s, "a", "work");
        second = stage_begin(s, "a", "work");
        cancel(s, second);
        assert_string_equal(stage_ended(s, second), BEFORE);
        assert_string_equal(stage_ended(s, first), "running: ");
        assert_int_equal(stage_out(s), 1);
}

static void one_that_a_pause_holds_has_ended_at_once(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "destroy");
        stage_pause(s, NULL, true);
        stage_approve(s, id);
        cancel(s, id);
        assert_string_equal(stage_ended(s, id), BEFORE);
        assert_int_equal(s->called, 0);
}

static void what_a_command_does_is_waited_for_and_then_cleaned_up_after(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        cancel(s, id);
        cancel(s, id); /* again: the same */
        assert_int_equal(s->sent, 1);
        assert_string_equal(stage_ended(s, id), "running: ");
        stage_did(s, OUTCOME_DONE);
        assert_int_equal(s->sent, 2);
        assert_string_equal(stage_value(s, "SELECT step FROM operation"), "tidy");
        stage_did(s, OUTCOME_DONE);
        assert_string_equal(stage_ended(s, id), CANCELLED);
        assert_int_equal(s->sent, 2);
}

static void what_is_to_be_tried_again_is_not(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        stage_did(s, OUTCOME_UNREACHABLE);
        cancel(s, id);
        stage_run(s, 60000);
        assert_int_equal(s->sent, 2); /* the second is the clean-up's */
        assert_string_equal(stage_value(s, "SELECT step FROM operation"), "tidy");
        stage_did(s, OUTCOME_DONE);
        assert_string_equal(stage_ended(s, id), CANCELLED);
}

/* It may be what a server that was half changed needs. */
static void what_cleans_up_is_tried_again(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        cancel(s, id);
        stage_did(s, OUTCOME_DONE);
        stage_did(s, OUTCOME_UNREACHABLE);
        assert_string_equal(stage_ended(s, id), "running: cancelled by uid 1000 (alice)");
        stage_run(s, 5000);
        assert_int_equal(s->sent, 3);
        stage_did(s, OUTCOME_DONE);
        assert_string_equal(stage_ended(s, id), CANCELLED);
}

/* Nothing is written under a pause, by what cleans up either. */
static void one_that_a_pause_holds_between_steps_cleans_up_after_the_pause(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        stage_pause(s, NULL, true);
        stage_did(s, OUTCOME_DONE);
        cancel(s, id);
        stage_run(s, 5000);
        assert_int_equal(s->sent, 1);
        assert_string_equal(stage_waits(s, id),
                            "model lab, which is paused by uid 1000 (alice): a test");
        stage_pause(s, NULL, false);
        assert_int_equal(s->sent, 2);
        stage_did(s, OUTCOME_DONE);
        assert_string_equal(stage_ended(s, id), CANCELLED);
}

static void one_that_cleans_up_goes_on_with_that_and_ends_as_it_would_have(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, stage_two_verbs);
        id = stage_begin(s, "a", "work");
        stage_did(s, OUTCOME_REFUSED);
        assert_string_equal(stage_value(s, "SELECT step FROM operation"), "tidy");
        cancel(s, id);
        assert_int_equal(stage_out(s), 1);
        stage_did(s, OUTCOME_DONE);
        assert_string_equal(stage_ended(s, id), "failed: step one: refused: as the test says");
        assert_int_equal(s->sent, 2);
}

static void one_whose_daemon_died_ends_in_the_next(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, "[{\"name\": \"rest\", \"ask\": {\"kind\": \"wait\", \"seconds\": 600}, "
                       "\"deadline\": 900}]");
        id = stage_begin(s, "a", "work");
        stage_cancel(s, id);
        stage_restart(s);
        assert_string_equal(stage_ended(s, id), CANCELLED);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
        const struct CMUnitTest tests[] = {
                CASE(one_that_waits_for_a_second_person_has_ended_at_once),
                CASE(one_that_waits_for_another_has_ended_at_once_and_the_other_goes_on),
                CASE(one_that_a_pause_holds_has_ended_at_once),
                CASE(what_a_command_does_is_waited_for_and_then_cleaned_up_after),
                CASE(what_is_to_be_tried_again_is_not),
                CASE(what_cleans_up_is_tried_again),
                CASE(one_that_a_pause_holds_between_steps_cleans_up_after_the_pause),
                CASE(one_that_cleans_up_goes_on_with_that_and_ends_as_it_would_have),
                CASE(one_whose_daemon_died_ends_in_the_next),
        };

        return cmocka_run_group_tests_name("cancel", tests, NULL, NULL);
}
