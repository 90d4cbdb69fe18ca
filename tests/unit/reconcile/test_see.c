/* SPDX-License-Identifier: Apache-2.0 */
/* test_see.c - what charms want to see of their resources is there as long as somebody reads it */
#include "application.h"
#include "stage.h"
#include "tally.h"

static const char sees[] = "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"red\"}},"
                           " \"see\": {\"one\": [\"/color\"]}}";
static const char sees_other[] = "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"red\"}},"
                                 " \"see\": {\"one\": [\"/size\", \"/name\"]}}";
/* An empty plan would be held. */
static const char other_thing[] = "{\"docs\": {\"two\": {\"name\": \"two\"}}}";
static const char sees_nothing[] = "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"red\"}}}";

static const char *seen(struct stage *s, const char *name, const char *pointer) {
        return json_get_str(stage_resource(s, name)->seen.seen, pointer, NULL);
}

static void what_is_asked_for_is_seen(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", sees);
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_string_equal(seen(s, "one", "/color"), "red");
        stage_plan(s, "app", sees_other);
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_application(s, "app")->replan = true;
        stage_run(s, 500);
        assert_string_equal(seen(s, "one", "/name"), "one");
        assert_null(seen(s, "one", "/color"));
}

static void an_operation_keeps_its_pointers_while_the_application_is_read_again(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", sees);
        stage_deploy(s, "app");
        stage_run(s, 500);
        s->hold = true;
        stage_run(s, 1200); /* the look of the poll is out */
        assert_false(list_empty(&s->held));
        stage_plan(s, "app", sees_other);
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_run(s, 100);
        stage_release(s);
        stage_settle(s);
        assert_string_equal(seen(s, "one", "/name"), "one");
}

static void a_dropped_want_leaves_no_pointers_behind(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", sees);
        stage_deploy(s, "app");
        stage_run(s, 500);
        s->hold = true;
        stage_plan(s, "app", other_thing);
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_run(s, 200);
        assert_true(stage_resource(s, "one")->row.dying);
        stage_change(s, "one", "color", json_string("blue")); /* the provider reads them */
        assert_int_equal(world_see_count(stage_resource(s, "one")), 0);
        stage_release(s);
        stage_run(s, 200);
        assert_null(stage_resource(s, "one"));
}

static void who_still_wants_it_still_sees_it_when_the_other_goes(void **state) {
        struct stage *s = *state;

        stage_plan(s, "first", sees);
        stage_plan(s, "second", sees_other);
        stage_plan(s, "third", sees_nothing);
        stage_deploy(s, "first");
        stage_deploy(s, "second");
        stage_deploy(s, "third");
        stage_run(s, 500);
        assert_string_equal(seen(s, "one", "/color"), "red");
        assert_string_equal(seen(s, "one", "/name"), "one");
        stage_remove(s, "first", false);
        stage_run(s, 500);
        stage_change(s, "one", "size", json_string("big"));
        assert_string_equal(seen(s, "one", "/size"), "big");
        assert_null(seen(s, "one", "/color"));
        stage_remove(s, "second", false);
        stage_run(s, 500);
        assert_int_equal(world_see_count(stage_resource(s, "one")), 0);
        assert_true(stage_there(s, "one"));
}

static void set_word(struct stage *s, const char *word) {
        cleanup_(json_freep) json_t *set = json_pack("{s:s}", "word", word);

        stage_command(s, &(struct command_config){ .head.run = command_config_set,
                                                   .model = "lab",
                                                   .application = "app",
                                                   .set = set }
                                  .head);
}

/* Another application keeps what it stood for before. */
static void who_needs_a_label_waits_for_what_it_stands_for_now(void **state) {
        struct stage *s = *state;
        const struct world_resource *r;

        stage_plan(s, "keeper", "{\"docs\": {\"x\": {\"name\": \"before\"}}}");
        stage_deploy(s, "keeper");
        stage_plan(s, "app",
                   "{\"docs\": {\"a\": {\"name\": \"a\"}, \"b\": {\"name\": \"before\"}},"
                   " \"needs\": [{\"label\": \"a\", \"on\": \"b\", \"kind\": \"ready\"}]}");
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_int_equal(stage_resource(s, "a")->need_count, 1);
        assert_int_equal(stage_resource(s, "a")->needs[0].id, stage_resource(s, "before")->id);
        stage_plan(s, "app",
                   "{\"docs\": {\"a\": {\"name\": \"a\"}, \"b\": {\"name\": \"now\"}},"
                   " \"needs\": [{\"label\": \"a\", \"on\": \"b\", \"kind\": \"ready\"}]}");
        set_word(s, "other");
        stage_run(s, 500);
        assert_true(stage_there(s, "before"));
        r = stage_resource(s, "a");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM edge"), 1);
        assert_int_equal(r->need_count, 1);
        assert_int_equal(r->needs[0].id, stage_resource(s, "now")->id);
}

/* As after a start, while the cluster does not answer. */
static void forget_what_was_seen(struct world_resource *r) {
        observation_clear(&r->seen);
        r->seen.presence = PRESENCE_UNKNOWN;
        r->state = STATE_UNSEEN;
}

struct shown {
        struct stage *stage;
        json_t *seen; /* of the view; NULL: none came */
        bool early;   /* before the application's first turn since the start */
};

static void on_view(void *arg, json_t *view, const struct err *err) {
        struct shown *shown = arg;

        shown->early = !stage_application(shown->stage, "app")->wants;
        shown->seen = json_incref(json_get(view, "seen"));
        json_decref(view);
}

static json_t *seen_now(struct stage *s) {
        const struct world_application *a = stage_application(s, "app");

        return application_seen_json(&(struct application_work){
                .rec = s->rec, .wants = a->wants, .want_count = a->want_count });
}

static void assert_in_place(const json_t *one) {
        assert_true(json_get_bool(one, "exists", false));
        assert_true(json_get_bool(one, "ready", false));
        assert_string_not_equal(json_get_str(one, "incarnation", ""), "");
}

static void what_is_not_read_yet_is_as_it_was_left(void **state) {
        struct stage *s = *state;
        cleanup_(json_freep) json_t *seen = NULL;

        stage_plan(s, "app", sees_nothing);
        stage_deploy(s, "app");
        stage_run(s, 500);
        forget_what_was_seen(stage_resource(s, "one"));
        seen = seen_now(s);
        assert_in_place(json_get(seen, "one"));
}

/* An action that goes on with the daemon's start finds its server running. */
static void a_step_is_shown_what_is_in_place_before_its_application_is_planned(void **state) {
        struct stage *s = *state;
        cleanup_(json_freep) json_t *seen = NULL;
        struct shown shown = { .stage = s };

        stage_plan(s, "app", sees_nothing);
        stage_deploy(s, "app");
        stage_run(s, 500);
        stage_begin(s);
        reconcile_view(s->rec, stage_application(s, "app")->id, on_view, &shown);
        stage_settle(s);
        seen = shown.seen;
        assert_true(shown.early);
        assert_in_place(json_get(seen, "one"));
}

static void assert_reason(struct stage *s, enum resource_state state, const char *shown) {
        struct world_resource *r = stage_resource(s, "one");
        cleanup_(json_freep) json_t *seen = NULL;

        r->state = state;
        str_set(&r->reason, "words");
        seen = seen_now(s);
        assert_string_equal(json_get_str(json_get(seen, "one"), "reason", "none"), shown);
}

/* Such words change by themselves, and each change would be a plan. */
static void what_is_on_its_way_has_no_reason(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", sees_nothing);
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_reason(s, STATE_NEW, "");
        assert_reason(s, STATE_WAITING, "");
        assert_reason(s, STATE_APPLYING, "");
        assert_reason(s, STATE_READY, "");
        assert_reason(s, STATE_APPLIED, "words");
        assert_reason(s, STATE_FAILED, "words");
        assert_reason(s, STATE_RETRYING, "words");
        assert_reason(s, STATE_BLOCKED, "words");
}

static void no_plan_is_made_without_a_field_that_the_last_one_asked_for(void **state) {
        struct stage *s = *state;
        struct world_target *t;
        int planned;

        stage_plan(s, "app", sees);
        stage_deploy(s, "app");
        stage_run(s, 500);
        planned = s->planned;
        t = world_target(&s->rec->world, stage_resource(s, "one")->target);
        t->reachable = false;
        str_set(&t->reach_why, "no route to host");
        forget_what_was_seen(stage_resource(s, "one"));
        stage_plan(s, "app", other_thing);
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_run(s, 500);
        assert_int_equal(s->planned, planned);
        t->reachable = true;
        str_set(&t->reach_why, NULL);
        stage_change(s, "one", "size", json_string("big"));
        stage_run(s, 500);
        assert_true(s->planned > planned);
}

static void what_cannot_be_listed_is_looked_at_and_holds_up_no_plan(void **state) {
        struct stage *s = *state;
        struct world_resource *r;
        struct world_target *t;

        stage_plan(s, "app", sees_nothing);
        stage_deploy(s, "app");
        stage_run(s, 500);
        r = stage_resource(s, "one");
        t = world_target(&s->rec->world, r->target);
        forget_what_was_seen(r);
        tally_resource(&s->rec->world, r);
        map_remove(&t->followed, r->type);
        s->unlisted = true;
        s->looks = 0;
        stage_plan(s, "app", sees_other);
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_RESOURCE, r->id);
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_run(s, 1000);
        assert_true(s->looks > 0);
        assert_string_equal(seen(s, "one", "/name"), "one");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_asked_for_is_seen, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(
                        an_operation_keeps_its_pointers_while_the_application_is_read_again,
                        stage_set_up_polled, stage_tear_down),
                cmocka_unit_test_setup_teardown(who_needs_a_label_waits_for_what_it_stands_for_now,
                                                stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(a_dropped_want_leaves_no_pointers_behind,
                                                stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(what_is_not_read_yet_is_as_it_was_left,
                                                stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(
                        a_step_is_shown_what_is_in_place_before_its_application_is_planned,
                        stage_set_up, stage_tear_down),
                cmocka_unit_test_setup_teardown(what_is_on_its_way_has_no_reason, stage_set_up,
                                                stage_tear_down),
                cmocka_unit_test_setup_teardown(
                        what_cannot_be_listed_is_looked_at_and_holds_up_no_plan, stage_set_up,
                        stage_tear_down),
                cmocka_unit_test_setup_teardown(
                        no_plan_is_made_without_a_field_that_the_last_one_asked_for, stage_set_up,
                        stage_tear_down),
                cmocka_unit_test_setup_teardown(
                        who_still_wants_it_still_sees_it_when_the_other_goes, stage_set_up,
                        stage_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
