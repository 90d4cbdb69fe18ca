/* SPDX-License-Identifier: Apache-2.0 */
/* test_hold.c - what holds operations back, before they begin and while they run */
#include "stage.h"

static const char two_verbs[] = "[{\"name\": \"one\", \"ask\": " STAGE_EXEC
                                "}, {\"name\": \"two\", \"ask\": " STAGE_EXEC "}]";

static void a_pause_of_its_model_holds_what_runs(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, two_verbs);
        id = stage_begin(s, "a", "work");
        assert_int_equal(s->sent, 1);
        stage_pause(s, NULL, true);
        stage_did(s, OUTCOME_DONE);
        stage_run(s, 5000);
        assert_int_equal(s->sent, 1);
        assert_string_equal(stage_waits(s, id),
                            "model lab, which is paused by uid 1000 (alice): a test");
        stage_pause(s, NULL, false);
        assert_int_equal(s->sent, 2);
        stage_did(s, OUTCOME_DONE);
        assert_string_equal(stage_ended(s, id), "completed: ");
}

static void a_pause_of_its_model_holds_what_waits(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_steps(s, two_verbs);
        id = stage_begin(s, "a", "destroy");
        stage_pause(s, NULL, true);
        stage_approve(s, id);
        assert_string_equal(stage_ended(s, id), "pending: ");
        stage_pause(s, NULL, false);
        assert_string_equal(stage_ended(s, id), "running: ");
}

static void what_may_run_during_a_freeze_passes_what_is_frozen(void **state) {
        struct stage *s = *state;
        int64_t held, free;

        stage_steps(s, two_verbs);
        held = stage_begin(s, "a", "destroy");
        stage_freeze(s, true);
        stage_approve(s, held);
        free = stage_begin_frozen(s, "a", "work");
        assert_string_equal(stage_ended(s, held), "pending: ");
        assert_string_equal(stage_ended(s, free), "running: ");
        stage_freeze(s, false);
        assert_string_equal(stage_ended(s, held), "pending: "); /* one at a time */
}

static void a_group_of_its_own_holds_the_same_application_and_no_other(void **state) {
        struct stage *s = *state;
        int64_t first, second, other;

        stage_steps(s, two_verbs);
        first = stage_begin(s, "a", "alone");
        second = stage_begin(s, "a", "alone");
        other = stage_begin(s, "b", "alone");
        assert_string_equal(stage_ended(s, first), "running: ");
        assert_string_equal(stage_ended(s, second), "pending: ");
        assert_string_equal(stage_ended(s, other), "running: ");
        stage_cancel(s, first);
        stage_did(s, OUTCOME_DONE);
        stage_did(s, OUTCOME_DONE);
        stage_settle(s);
        assert_string_equal(stage_ended(s, second), "running: ");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_set_up, stage_tear_down)
        const struct CMUnitTest tests[] = {
                CASE(a_pause_of_its_model_holds_what_runs),
                CASE(a_pause_of_its_model_holds_what_waits),
                CASE(what_may_run_during_a_freeze_passes_what_is_frozen),
                CASE(a_group_of_its_own_holds_the_same_application_and_no_other),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
