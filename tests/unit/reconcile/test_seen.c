/* SPDX-License-Identifier: Apache-2.0 */
/* test_seen.c - what is believed of what was seen: lists, looks and answers that meet each other */
#include "stage.h"

static const char one[] = "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"red\"}}}";

static void see_absent(struct stage *s, const char *name) {
        const struct world_resource *r = stage_resource(s, name);
        struct observation o = { .presence = PRESENCE_ABSENT, .as_of = clock_mono() };

        resource_observed(s->rec, world_target(&s->rec->world, r->target), r->type, name, &o);
}

static void list(struct stage *s, const char *name) {
        const struct world_resource *r = stage_resource(s, name);
        const struct observer *o = &world_target(&s->rec->world, r->target)->observer;

        o->listed(o->arg, r->type, true);
        o->listed(o->arg, r->type, false);
}

static void what_a_list_does_not_hold_is_looked_at(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", one);
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_int_equal(s->applies, 1);
        s->looks = 0;
        list(s, "one");
        stage_run(s, 200);
        assert_int_equal(s->looks, 1);
        assert_int_equal(s->applies, 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM drift"), 0);
        assert_int_equal(stage_resource(s, "one")->seen.presence, PRESENCE_PRESENT);
}

static void what_came_while_a_list_was_read_is_looked_at(void **state) {
        struct stage *s = *state;

        s->hold = true;
        stage_plan(s, "app", one);
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_int_equal(s->applies, 1);
        s->looks = 0;
        list(s, "one");
        stage_release(s);
        stage_run(s, 200);
        assert_int_equal(s->looks, 1);
        assert_int_equal(s->applies, 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM drift"), 0);
}

static void an_absence_that_crossed_an_answer_is_looked_into(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", one);
        stage_deploy(s, "app");
        stage_run(s, 500);
        s->hold = true;
        s->looks = 0;
        stage_run(s, 1200); /* the look of the poll is out */
        assert_int_equal(s->looks, 1);
        see_absent(s, "one");
        stage_release(s);
        stage_run(s, 200);
        assert_int_equal(s->looks, 2);
        assert_int_equal(stage_resource(s, "one")->seen.presence, PRESENCE_PRESENT);
        assert_int_equal(s->applies, 1);
}

static void see_filled(struct stage *s, const char *name) {
        const struct world_resource *r = stage_resource(s, name);
        struct observation o = { .presence = PRESENCE_PRESENT,
                                 .ready = READY_YES,
                                 .ours = true,
                                 .filled = true,
                                 .as_of = clock_mono() };

        str_copy(o.incarnation, sizeof(o.incarnation), r->row.incarnation);
        resource_observed(s->rec, world_target(&s->rec->world, r->target), r->type, name, &o);
}

/* Both come before anybody had time to look at the first. */
static void data_that_was_filled_and_deleted_in_one_breath_is_lost(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app",
                   "{\"docs\": {\"one\": {\"name\": \"one\", \"data\": true, \"empty\": true}}}");
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_int_equal(s->applies, 1);
        see_filled(s, "one");
        stage_change(s, "one", NULL, NULL);
        stage_run(s, 200);
        assert_int_equal(stage_resource(s, "one")->state, STATE_LOST);
        assert_int_equal(s->applies, 1);
        assert_int_equal(
                stage_count(s, "SELECT count(*) FROM resource WHERE initialised_at IS NOT NULL"),
                1);
}

/* Stamps are wrong then; what is waited for is not. */
static void a_wall_clock_that_steps_costs_no_write_and_no_wait(void **state) {
        static const int64_t steps[] = { 3600000, -7200000, 3600000 };
        struct stage *s = *state;

        stage_plan(s, "app", one);
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_int_equal(s->applies, 1);
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
                clock_fake(clock_mono(), clock_wall() + steps[i]);
                stage_run(s, 2000);
                assert_int_equal(s->applies, 1 + (int)i);
                stage_change(s, "one", "color", json_sprintf("other-%zu", i));
                stage_run(s, 500);
                assert_int_equal(s->applies, 2 + (int)i);
        }
        assert_int_equal(stage_count(s, "SELECT count(*) FROM drift WHERE outcome = 'repaired'"),
                         (int)ARRAY_SIZE(steps));
}

static void how_the_last_try_ended_is_read_back(void **state) {
        struct stage *s = *state;
        struct world_resource *r;

        s->fail = "one";
        s->failure = OUTCOME_CONFLICT;
        stage_plan(s, "app", one);
        stage_deploy(s, "app");
        stage_run(s, 300);
        r = stage_resource(s, "one");
        assert_int_equal(r->state, STATE_BLOCKED);
        reconcile_mark(s->rec, MARK_RESOURCE, r->id);
        stage_settle(s);
        assert_int_equal(r->state, STATE_BLOCKED);
        assert_int_equal(r->row.outcome, OUTCOME_CONFLICT);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE state = 'blocked'"),
                         1);
}

static void listed(void *arg, json_t *json) {
        json_t **to = arg;

        *to = json;
}

static void a_list_of_resources_goes_on_where_it_ended(void **state) {
        struct stage *s = *state;
        struct reconcile_range range = { .model = "lab", .max = 2 };
        size_t rows = 0;
        int pages = 0;

        stage_plan(s, "app",
                   "{\"docs\": {\"a\": {\"name\": \"a\"}, \"b\": {\"name\": \"b\"}, "
                   "\"c\": {\"name\": \"c\"}}}");
        stage_deploy(s, "app");
        stage_run(s, 500);
        do {
                cleanup_(json_freep) json_t *page = NULL;

                reconcile_resources(s->rec, &range, listed, &page);
                assert_null(page); /* never before it returned */
                stage_settle(s);
                rows += json_array_size(json_get(page, "resources"));
                assert_true(json_array_size(json_get(page, "resources")) <= 2);
                range.after = json_get_int(page, "next", 0);
                pages++;
        } while (range.after);
        assert_int_equal(rows, s->rec->world.resources.count);
        assert_int_equal(pages, rows / 2 + (rows % 2 != 0));
}

static void a_list_that_is_being_made_ends_with_the_loop(void **state) {
        struct stage *s = *state;
        json_t *page = json_null();

        reconcile_plan(s->rec, &(struct reconcile_range){ .model = "lab" }, listed, &page);
        stage_stop(s);
        assert_null(page);
}

static void a_removal_that_waits_is_planned_as_one(void **state) {
        struct stage *s = *state;
        cleanup_(json_freep) json_t *page = NULL;
        const json_t *row;

        stage_plan(s, "app", one);
        stage_deploy(s, "app");
        stage_run(s, 500);
        stage_pause(s, "app", true);
        stage_remove(s, "app", false);
        stage_run(s, 500);
        assert_true(stage_there(s, "one"));
        reconcile_plan(s->rec, &(struct reconcile_range){ .model = "lab" }, listed, &page);
        stage_settle(s);
        row = json_array_get(json_get(page, "plan"), 0);
        assert_string_equal(json_get_str(row, "path", ""), "one");
        assert_string_equal(json_get_str(row, "change", ""), "remove");
        assert_string_equal(json_get_str(row, "action", ""), "wait");
}

/* Nothing of what is wanted changes with it. */
static void adopting_ends_the_back_off(void **state) {
        struct stage *s = *state;
        struct command_application adopt = { .head.run = command_application_adopt,
                                             .model = "lab",
                                             .application = "app" };

        s->fail = "one";
        s->failure = OUTCOME_CONFLICT;
        stage_plan(s, "app", one);
        stage_deploy(s, "app");
        stage_run(s, 300000); /* tried once a minute by now */
        assert_string_equal(stage_application(s, "app")->status, "blocked");
        s->fail = NULL;
        stage_command(s, &adopt.head);
        stage_run(s, 500);
        assert_string_equal(stage_application(s, "app")->status, "active");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(adopting_ends_the_back_off, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(what_a_list_does_not_hold_is_looked_at,
                                                stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(what_came_while_a_list_was_read_is_looked_at,
                                                stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(an_absence_that_crossed_an_answer_is_looked_into,
                                                stage_set_up_polled, stage_tear_down),
                cmocka_unit_test_setup_teardown(
                        data_that_was_filled_and_deleted_in_one_breath_is_lost, stage_set_up,
                        stage_tear_down),
                cmocka_unit_test_setup_teardown(a_wall_clock_that_steps_costs_no_write_and_no_wait,
                                                stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(how_the_last_try_ended_is_read_back, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(a_list_of_resources_goes_on_where_it_ended,
                                                stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(a_removal_that_waits_is_planned_as_one,
                                                stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(a_list_that_is_being_made_ends_with_the_loop,
                                                stage_set_up, stage_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
