/* SPDX-License-Identifier: Apache-2.0 */
/* test_stop.c - stopping in the middle of things; what would be read after it is freed is the
 * sanitizer's to find */
#include "stage.h"

static void step_until_planned(struct stage *s) {
        while (!s->planned)
                loop_step(s->loop, 20);
}

static void while_the_error_of_a_charm_is_saved(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", "{\"error\": \"no\"}");
        stage_deploy(s, "app");
        step_until_planned(s);
        stage_stop(s);
}

static void while_a_plan_is_prepared(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", "{\"docs\": {\"one\": {\"name\": \"one\"}}}");
        stage_deploy(s, "app");
        step_until_planned(s);
        stage_stop(s);
}

/* More than is written on the loop: its second view has them all. */
static void plan_hundreds(struct stage *s) {
        cleanup_(buf_free) struct buf plan = BUF_INIT;

        buf_puts(&plan, "{\"docs\": {");
        for (int i = 0; i < 600; i++)
                buf_printf(&plan, "%s\"n%d\": {\"name\": \"n%d\"}", i ? ", " : "", i, i);
        buf_puts(&plan, "}}");
        stage_plan(s, "app", buf_str(&plan));
        stage_deploy(s, "app");
}

static void after_a_large_view_was_written(void **state) {
        struct stage *s = *state;

        plan_hundreds(s);
        stage_run(s, 2000);
        assert_int_equal(s->applies, 600);
        assert_int_equal(s->planned, 1); /* the view is as it was */
        assert_string_equal(stage_application(s, "app")->status, "active");
        stage_application(s, "app")->replan = true;
        application_dirty(s->rec, stage_application(s, "app")->id);
        stage_run(s, 2000);
        assert_int_equal(s->planned, 2);
        assert_int_equal(s->applies, 600);
        stage_stop(s);
}

static void while_a_large_view_is_written(void **state) {
        struct stage *s = *state;

        plan_hundreds(s);
        while (!stage_application(s, "app") || stage_application(s, "app")->want_count < 600)
                loop_step(s->loop, 20);
        stage_stop(s);
}

static void while_a_charm_is_asked(void **state) {
        struct stage *s = *state;

        s->charms_silent = true;
        stage_deploy(s, "app");
        stage_settle(s);
        assert_false(list_empty(&s->asked));
        stage_stop(s);
        assert_true(list_empty(&s->asked));
}

static void while_an_operation_is_out(void **state) {
        struct stage *s = *state;

        s->hold = true;
        stage_plan(s, "app", "{\"docs\": {\"one\": {\"name\": \"one\"}}}");
        stage_deploy(s, "app");
        stage_run(s, 100);
        assert_false(list_empty(&s->held));
        stage_stop(s);
        assert_true(list_empty(&s->held));
}

static void while_a_charm_that_came_is_taken_in(void **state) {
        static const char yaml[] = "name: any\n";
        static char folder[] = "/nonexistent";
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        struct charm_offer offer = { .folder = folder };
        struct stage *s = *state;

        assert_int_equal(charm_meta_parse(yaml, strlen(yaml), "charm.yaml", &meta, NULL), 0);
        memset(offer.sha256, 'b', sizeof(offer.sha256) - 1);
        offer.meta = meta;
        s->offer = &offer;
        stage_deploy(s, "app");
        while (!s->found)
                loop_step(s->loop, 20);
        stage_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(while_the_error_of_a_charm_is_saved, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(while_a_plan_is_prepared, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(after_a_large_view_was_written, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(while_a_large_view_is_written, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(while_a_charm_is_asked, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(while_an_operation_is_out, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(while_a_charm_that_came_is_taken_in, stage_set_up,
                                                stage_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
