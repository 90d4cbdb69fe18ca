/* SPDX-License-Identifier: Apache-2.0 */
/* test_failures.c - what fails is tried again in its time, and nothing is done twice or without a
 * record */
#include "stage.h"

static const char one[] = "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"red\"}}}";

static void deploy(struct stage *s, const char *plan) {
        stage_plan(s, "app", plan);
        stage_deploy(s, "app");
        stage_run(s, 500);
}

static int64_t lines(struct stage *s, const char *outcome) {
        cleanup_(freep) char *sql =
                str_format("SELECT count(*) FROM drift WHERE outcome = '%s'", outcome);

        return stage_count(s, sql);
}

static void a_charm_that_fails_is_not_asked_with_each_event(void **state) {
        struct stage *s = *state;

        deploy(s, "{\"error\": \"no\"}");
        for (int i = 0; i < 100; i++) {
                application_touch(s->rec, stage_application(s, "app")->id);
                stage_run(s, 40);
        }
        assert_in_range(s->planned, 2, 6);
}

static void what_was_done_is_saved_when_that_is_possible_again(void **state) {
        struct stage *s = *state;

        s->hold = true;
        deploy(s, one);
        assert_int_equal(s->applies, 1);
        stage_full(s, true);
        stage_release(s);
        stage_run(s, 5000);
        assert_int_equal(s->applies, 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE applied_at"), 0);
        stage_full(s, false);
        stage_run(s, 2000);
        assert_int_equal(s->applies, 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE applied_at"), 1);
}

static void a_running_operation_is_not_polled_before_its_token_is_kept(void **state) {
        struct stage *s = *state;

        s->hold = true;
        deploy(s, one);
        s->fail = "one";
        s->failure = OUTCOME_RUNNING;
        stage_full(s, true);
        stage_release(s);
        stage_run(s, 5000);
        assert_int_equal(s->applies, 1);
        stage_full(s, false);
        s->fail = NULL;
        stage_run(s, 20000);
        assert_int_equal(s->applies, 2);
        assert_string_equal(s->token, "go on");
}

static void nothing_is_repaired_without_a_record(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        stage_full(s, true);
        stage_change(s, "one", "color", json_string("blue"));
        stage_run(s, 5000);
        assert_int_equal(s->applies, 1);
        assert_int_equal(stage_resource(s, "one")->state, STATE_WAITING);
        assert_non_null(strstr(stage_resource(s, "one")->reason, "room on the disk"));
        stage_full(s, false);
        stage_run(s, 2000);
        assert_int_equal(s->applies, 2);
        assert_int_equal(lines(s, "repaired"), 1);
        assert_int_equal(stage_resource(s, "one")->state, STATE_READY);
}

static void what_was_undone_closes_its_line_and_the_next_gets_its_own(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        stage_pause(s, "app", true);
        stage_change(s, "one", "color", json_string("blue"));
        stage_run(s, 100);
        assert_int_equal(lines(s, "open"), 1);
        stage_change(s, "one", "color", json_string("red"));
        stage_run(s, 100);
        assert_int_equal(lines(s, "undone"), 1);
        stage_change(s, "one", "color", json_string("green"));
        stage_run(s, 100);
        assert_int_equal(lines(s, "open"), 1);
        stage_pause(s, "app", false);
        stage_run(s, 100);
        assert_int_equal(lines(s, "open"), 0);
        assert_int_equal(lines(s, "repaired"), 1);
}

static int64_t answers_lost(struct stage *s) {
        return stage_count(s, "SELECT count(*) FROM audit WHERE kind = 'loop' AND what = 'apply' "
                              "AND message LIKE '%answer was lost'");
}

static void a_repair_that_a_crash_cut_off_is_ours(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        s->hold = true;
        stage_change(s, "one", "color", json_string("blue"));
        stage_run(s, 3000);
        assert_int_equal(lines(s, "open"), 1);
        stage_reach(s);
        s->hold = false;
        stage_restart(s);
        stage_run(s, 3000);
        assert_int_equal(s->applies, 2);
        assert_int_equal(lines(s, "undone"), 0);
        assert_int_equal(lines(s, "repaired"), 1);
        assert_int_equal(answers_lost(s), 1);
}

static void what_others_undid_while_our_repair_was_refused_is_theirs(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        s->fail = "one";
        s->failure = OUTCOME_DENIED;
        stage_change(s, "one", "color", json_string("blue"));
        stage_run(s, 100);
        assert_int_equal(lines(s, "open"), 1);
        stage_change(s, "one", "color", json_string("red"));
        stage_restart(s);
        stage_run(s, 3000);
        assert_int_equal(lines(s, "undone"), 1);
        assert_int_equal(answers_lost(s), 0);
}

static void a_removed_resource_leaves_no_line_open(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        stage_pause(s, "app", true);
        stage_change(s, "one", "color", NULL);
        stage_run(s, 100);
        assert_int_equal(lines(s, "open"), 1);
        stage_remove(s, "app", false);
        stage_run(s, 500);
        assert_null(stage_resource(s, "one"));
        assert_int_equal(lines(s, "open"), 0);
}

static void what_is_polled_is_looked_at_while_paused(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        stage_pause(s, "app", true);
        stage_change(s, "one", "color", json_string("blue"));
        stage_run(s, 3000);
        assert_int_equal(s->applies, 1);
        assert_int_equal(lines(s, "open"), 1);
        stage_change(s, "one", "color", json_string("red"));
        stage_run(s, 3000);
        assert_int_equal(lines(s, "undone"), 1);
}

static void what_cannot_be_looked_at_stays_failed_until_it_can(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        s->fail = "one";
        s->failure = OUTCOME_UNREACHABLE;
        stage_run(s, 2000);
        assert_int_equal(stage_resource(s, "one")->state, STATE_RETRYING);
        s->looks = 0;
        for (int i = 0; i < 200; i++) {
                loop_advance(s->loop, 50); /* and what is shown while a look is out */
                assert_int_equal(stage_resource(s, "one")->state, STATE_RETRYING);
                stage_settle(s);
        }
        assert_in_range(s->looks, 1, 5);
        s->fail = NULL;
        stage_run(s, 30000);
        assert_int_equal(stage_resource(s, "one")->state, STATE_READY);
        assert_int_equal(stage_count(s, "SELECT tries FROM resource"), 0);
}

/* As stage_run, in one step: a minute of small ones takes seconds. */
static void leap(struct stage *s, int64_t ms) {
        loop_advance(s->loop, ms);
        stage_settle(s);
}

/* Failing for so long that it is tried once a minute; then what failed is mended, and SOMEBODY says
 * something. How many milliseconds until it is in place. */
static int64_t outlast(struct stage *s, enum outcome failure,
                       void (*somebody)(struct stage *s, struct world_target *t)) {
        struct world_target *t;
        int64_t ms;

        s->fail = "one";
        s->failure = failure;
        deploy(s, one);
        t = world_target(&s->rec->world, stage_resource(s, "one")->target);
        t->observer.reach(t->observer.arg, false, NULL, "it is away");
        while (stage_resource(s, "one")->retry_at < clock_mono() + 50000)
                leap(s, 1000);
        s->fail = NULL;
        somebody(s, t);
        for (ms = 0; stage_resource(s, "one")->state != STATE_READY; ms += ms < 1000 ? 100 : 1000)
                leap(s, ms < 1000 ? 100 : 1000);
        return ms;
}

static void say_nothing(struct stage *s, struct world_target *t) {
}

static void reach(struct stage *s, struct world_target *t) {
        t->observer.reach(t->observer.arg, true, NULL, NULL);
}

static void become_ready(struct stage *s, struct world_target *t) {
        struct unit_seen u = { .model = "lab",
                               .application = "app",
                               .name = "app-0",
                               .uid = "u",
                               .status = "waiting",
                               .agent = "idle" };

        t->application = stage_application(s, "app")->id; /* it is what serves */
        t->observer.unit(t->observer.arg, &u);
        stage_run(s, 100);
        assert_true(stage_resource(s, "one")->retry_at > clock_mono() + 30000);
        u.status = "active";
        t->observer.unit(t->observer.arg, &u);
}

static void what_fails_for_long_waits_for_its_minute(void **state) {
        assert_true(outlast(*state, OUTCOME_NOT_YET, say_nothing) > 30000);
}

static void what_failed_is_tried_as_soon_as_its_outside_answers_somebody(void **state) {
        assert_in_range(outlast(*state, OUTCOME_UNREACHABLE, reach), 0, 200);
}

static void what_is_not_served_yet_is_tried_as_soon_as_the_server_is_ready(void **state) {
        assert_in_range(outlast(*state, OUTCOME_NOT_YET, become_ready), 0, 200);
}

static void what_was_refused_waits_though_its_outside_answers(void **state) {
        assert_true(outlast(*state, OUTCOME_REFUSED, reach) > 30000);
}

/* The wake comes while the operation is out that still fails. */
static void a_wake_during_an_operation_is_not_lost(void **state) {
        struct stage *s = *state;
        struct world_target *t;

        s->fail = "one";
        s->failure = OUTCOME_UNREACHABLE;
        deploy(s, one);
        t = world_target(&s->rec->world, stage_resource(s, "one")->target);
        while (stage_resource(s, "one")->retry_at < clock_mono() + 50000)
                leap(s, 1000);
        s->hold = true;
        while (!stage_resource(s, "one")->busy)
                leap(s, 1000);
        t->observer.reach(t->observer.arg, false, NULL, "it is away");
        t->observer.reach(t->observer.arg, true, NULL, NULL);
        s->applies = 0;
        stage_release(s);
        stage_settle(s); /* it fails, and once more at once */
        assert_int_equal(s->applies, 1);
}

static void data_that_was_seen_to_leave_is_lost_when_it_is_gone(void **state) {
        struct stage *s = *state;

        deploy(s, "{\"docs\": {\"one\": {\"name\": \"one\", \"data\": true}}}");
        stage_leave(s, "one");
        stage_run(s, 100);
        assert_int_equal(lines(s, "open"), 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE lost_at"), 0);
        stage_change(s, "one", NULL, NULL);
        stage_run(s, 100);
        assert_int_equal(stage_resource(s, "one")->state, STATE_LOST);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE lost_at"), 1);
        assert_int_equal(s->applies, 1);
}

/* ---- what the audit says of removals */

static int64_t removals(struct stage *s, const char *name, const char *outcome) {
        cleanup_(freep) char *sql =
                str_format("SELECT count(*) FROM audit WHERE kind = 'loop' AND what = 'remove' AND "
                           "subject = 'Thing %s' AND outcome = '%s' AND application = 'app'",
                           name, outcome);

        return stage_count(s, sql);
}

static void a_removal_that_ends_at_once_is_in_the_audit(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        stage_remove(s, "app", false);
        stage_run(s, 5000);
        assert_null(stage_application(s, "app"));
        assert_int_equal(removals(s, "one", "done"), 1);
}

static void begin_long_removal(struct stage *s) {
        deploy(s, one);
        s->fail = "one";
        s->failure = OUTCOME_RUNNING;
        stage_remove(s, "app", false);
        stage_run(s, 5000);
        assert_true(stage_there(s, "one"));
        assert_int_equal(removals(s, "one", "running"), 1);
        assert_int_equal(removals(s, "one", "done"), 0);
}

static void a_removal_whose_end_is_only_seen_ends_in_the_audit(void **state) {
        struct stage *s = *state;

        begin_long_removal(s);
        stage_change(s, "one", NULL, NULL);
        stage_run(s, 5000);
        assert_null(stage_application(s, "app"));
        assert_int_equal(removals(s, "one", "done"), 1);
}

static void a_removal_whose_end_is_answered_ends_in_the_audit_once(void **state) {
        struct stage *s = *state;

        begin_long_removal(s);
        s->fail = NULL;
        stage_run(s, 60000);
        assert_null(stage_application(s, "app"));
        assert_int_equal(removals(s, "one", "running"), 1);
        assert_int_equal(removals(s, "one", "done"), 1);
}

static void what_a_stranger_removed_is_not_told_as_ours(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        s->fail = "one";
        s->failure = OUTCOME_DENIED;
        stage_remove(s, "app", false);
        stage_run(s, 5000);
        assert_int_equal(removals(s, "one", "denied"), 1);
        stage_change(s, "one", NULL, NULL);
        stage_run(s, 60000);
        assert_null(stage_application(s, "app"));
        assert_int_equal(removals(s, "one", "done"), 0);
}

static void the_end_of_a_removal_is_kept_until_it_can_be_written(void **state) {
        struct stage *s = *state;

        deploy(s, one);
        s->hold = true;
        stage_remove(s, "app", false);
        stage_run(s, 1000);
        stage_full(s, true);
        stage_release(s);
        stage_run(s, 2000);
        assert_false(stage_there(s, "one"));
        assert_int_equal(removals(s, "one", "done"), 0);
        stage_full(s, false);
        stage_run(s, 60000);
        assert_null(stage_application(s, "app"));
        assert_int_equal(removals(s, "one", "done"), 1);
}

/* ---- a pause */

static void what_a_pause_keeps_from_being_applied_is_not_active(void **state) {
        struct stage *s = *state;
        const struct world_application *a;

        deploy(s, one);
        stage_pause(s, "app", true);
        stage_run(s, 1000);
        a = stage_application(s, "app");
        assert_string_equal(a->status, "active");
        stage_plan(s, "app", "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"blue\"}}}");
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, a->id);
        stage_run(s, 2000);
        assert_int_equal(s->applies, 1);
        assert_string_equal(a->status, "waiting");
        assert_non_null(strstr(a->message, "one: is to be changed: put right after the pause"));
        stage_pause(s, "app", false);
        stage_run(s, 2000);
        assert_int_equal(s->applies, 2);
        assert_string_equal(a->status, "active");
}

#define WATCHED(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)
#define POLLED(f) cmocka_unit_test_setup_teardown(f, stage_set_up_polled, stage_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WATCHED(a_charm_that_fails_is_not_asked_with_each_event),
                WATCHED(what_was_done_is_saved_when_that_is_possible_again),
                WATCHED(a_running_operation_is_not_polled_before_its_token_is_kept),
                WATCHED(nothing_is_repaired_without_a_record),
                WATCHED(what_was_undone_closes_its_line_and_the_next_gets_its_own),
                WATCHED(a_repair_that_a_crash_cut_off_is_ours),
                WATCHED(what_others_undid_while_our_repair_was_refused_is_theirs),
                WATCHED(a_removed_resource_leaves_no_line_open),
                WATCHED(data_that_was_seen_to_leave_is_lost_when_it_is_gone),
                POLLED(what_is_polled_is_looked_at_while_paused),
                POLLED(what_cannot_be_looked_at_stays_failed_until_it_can),
                POLLED(what_fails_for_long_waits_for_its_minute),
                POLLED(what_failed_is_tried_as_soon_as_its_outside_answers_somebody),
                POLLED(what_is_not_served_yet_is_tried_as_soon_as_the_server_is_ready),
                POLLED(what_was_refused_waits_though_its_outside_answers),
                POLLED(a_wake_during_an_operation_is_not_lost),
                WATCHED(a_removal_that_ends_at_once_is_in_the_audit),
                WATCHED(a_removal_whose_end_is_only_seen_ends_in_the_audit),
                WATCHED(a_removal_whose_end_is_answered_ends_in_the_audit_once),
                WATCHED(what_a_stranger_removed_is_not_told_as_ours),
                WATCHED(the_end_of_a_removal_is_kept_until_it_can_be_written),
                WATCHED(what_a_pause_keeps_from_being_applied_is_not_active),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
