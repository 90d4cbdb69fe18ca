/* SPDX-License-Identifier: Apache-2.0 */
/* test_rules.c - rules between applications, and between a plan and a person */
#include "stage.h"

#include "queries.gen.h"

static void replan(struct stage *s, const char *application, const char *plan) {
        stage_plan(s, application, plan);
        stage_application(s, application)->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, application)->id);
        stage_run(s, 500);
}

static void who_was_refused_gets_it_when_the_owner_goes(void **state) {
        struct stage *s = *state;

        stage_plan(s, "first", "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"red\"}}}");
        stage_plan(s, "second", "{\"docs\": {\"one\": {\"name\": \"one\", \"color\": \"blue\"}}}");
        stage_deploy(s, "first");
        stage_run(s, 500);
        stage_deploy(s, "second");
        stage_run(s, 500);
        assert_string_equal(stage_application(s, "second")->conflicts,
                            "Thing one is owned by first");
        stage_remove(s, "first", false);
        stage_run(s, 5000);
        assert_null(stage_application(s, "first"));
        assert_string_equal(stage_application(s, "second")->conflicts, "");
        assert_int_equal(stage_resource(s, "one")->owner, stage_application(s, "second")->id);
        assert_false(stage_resource(s, "one")->row.dying);
        assert_true(stage_there(s, "one"));
}

static void a_removal_does_not_wait_for_who_stays(void **state) {
        struct stage *s = *state;

        stage_plan(s, "base", "{\"docs\": {\"role\": {\"name\": \"role\"}}}");
        stage_plan(s, "user",
                   "{\"docs\": {\"binding\": {\"name\": \"binding\", \"needs\":"
                   " [{\"type\": \"Thing\", \"name\": \"role\"}]}}}");
        stage_deploy(s, "base");
        stage_run(s, 500);
        stage_deploy(s, "user");
        stage_run(s, 500);
        assert_int_equal(stage_resource(s, "binding")->need_count, 1);
        stage_remove(s, "base", false);
        stage_run(s, 3000);
        assert_null(stage_application(s, "base"));
        assert_false(stage_there(s, "role"));
        assert_true(stage_there(s, "binding"));
        assert_int_equal(s->rec->world.needed_by.count, 1);
        stage_remove(s, "user", false);
        stage_run(s, 3000);
        assert_null(stage_application(s, "user"));
        assert_int_equal(s->rec->world.needed_by.count, 0); /* no rest for each id there ever was */
}

static void force_leaves_what_waits_for_another_application(void **state) {
        struct stage *s = *state;

        stage_plan(s, "base", "{\"docs\": {\"role\": {\"name\": \"role\"}}}");
        stage_plan(s, "user",
                   "{\"docs\": {\"binding\": {\"name\": \"binding\", \"needs\":"
                   " [{\"type\": \"Thing\", \"name\": \"role\"}]}}}");
        stage_deploy(s, "base");
        stage_run(s, 500);
        stage_deploy(s, "user");
        stage_run(s, 500);
        s->fail = "binding";
        s->failure = OUTCOME_DENIED;
        stage_remove(s, "user", false);
        stage_remove(s, "base", false);
        stage_run(s, 2000);
        assert_non_null(stage_application(s, "base")); /* it waits for the binding */
        stage_remove(s, "base", true);
        stage_run(s, 500);
        assert_null(stage_application(s, "base"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM leftover WHERE path = 'role'"), 1);
}

#define DOC(n) "\"" n "\": {\"name\": \"" n "\"}"
static const char six[] = "{\"docs\": {" DOC("a") ", " DOC("b") ", " DOC("c") ", " DOC(
        "d") ", " DOC("e") ", " DOC("f") "}}";

static void apply_held(struct stage *s, const char *application) {
        const struct world_application *a = stage_application(s, application);
        cleanup_(json_freep) json_t *lines = json_pack("[{s:s, s:s, s:s}]", "type", "plan", "path",
                                                       application, "content", a->held_content);
        struct command_plan c = { .head = { .run = command_plan_apply, .of_model = "lab" },
                                  .model = "lab",
                                  .lines = lines };

        stage_command(s, &c.head);
}

static void a_plan_of_which_all_is_blocked_is_refused(void **state) {
        struct stage *s = *state;
        cleanup_(json_freep) json_t *lines =
                json_pack("[{s:s, s:s, s:s, s:s}]", "type", "Thing", "path", "a", "action", "block",
                          "why", "it is being deleted");
        struct command_plan c = { .head = { .run = command_plan_apply, .of_model = "lab" },
                                  .model = "lab",
                                  .lines = lines };

        stage_plan(s, "app", "{\"docs\": {" DOC("a") "}}");
        stage_deploy(s, "app");
        stage_run(s, 500);
        stage_refused(s, &c.head, "nothing of this plan can be done",
                      "Thing a is blocked: it is being deleted");
        assert_true(command_plan_is_blocked(lines));
        json_array_append_new(lines, json_pack("{s:s, s:s, s:s}", "type", "Thing", "path", "b",
                                               "action", "apply"));
        assert_false(command_plan_is_blocked(lines));
        stage_command(s, &c.head);
}

static int64_t freezes(struct stage *s) {
        return stage_count(s, "SELECT count(*) FROM freeze WHERE owner = 'mooring'");
}

static void what_is_let_go_is_the_removal_whatever_is_seen_meanwhile(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        replan(s, "app", "{\"docs\": {" DOC("a") "}}");
        assert_non_null(stage_application(s, "app")->held);
        stage_change(s, "b", NULL, NULL); /* what the charm sees is otherwise now */
        stage_run(s, 500);
        apply_held(s, "app");
        stage_run(s, 500);
        assert_null(stage_application(s, "app")->held);
        assert_false(stage_there(s, "b"));
        assert_true(stage_there(s, "a"));
        assert_int_equal(
                stage_count(s, "SELECT count(*) FROM application WHERE release_digest NOTNULL"), 0);
}

static void another_removal_is_held_again(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        replan(s, "app", "{\"docs\": {" DOC("a") ", " DOC("b") "}}");
        assert_non_null(stage_application(s, "app")->held);
        stage_plan(s, "app", "{\"docs\": {" DOC("a") "}}"); /* what comes is not what was shown */
        apply_held(s, "app");
        stage_run(s, 500);
        assert_non_null(stage_application(s, "app")->held);
        assert_true(stage_there(s, "b"));
        apply_held(s, "app");
        stage_run(s, 500);
        assert_null(stage_application(s, "app")->held);
        assert_false(stage_there(s, "b"));
}

/* Nothing of the model is written until a person has looked, and then all goes on. */
static void what_limits_hold_freezes_the_model_until_the_plan_goes(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", six);
        stage_plan(s, "other", "{\"docs\": {" DOC("x") "}}");
        stage_deploy(s, "app");
        stage_deploy(s, "other");
        stage_run(s, 500);
        replan(s, "app", "{\"docs\": {" DOC("a") "}}");
        assert_int_equal(freezes(s), 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM audit WHERE what = 'freeze'"), 1);
        stage_change(s, "x", NULL, NULL);
        stage_run(s, 2000);
        assert_false(stage_there(s, "x"));
        stage_restart(s); /* and another process knows it too */
        stage_run(s, 2000);
        assert_false(stage_there(s, "x"));
        assert_true(stage_there(s, "b"));
        assert_string_equal(stage_application(s, "app")->status, "blocked");
        apply_held(s, "app");
        stage_run(s, 2000);
        assert_int_equal(freezes(s), 0);
        assert_true(stage_there(s, "x"));
        assert_true(stage_there(s, "a"));
        assert_false(stage_there(s, "b"));
}

static void who_ends_the_freeze_goes_on_without_the_plan(void **state) {
        struct stage *s = *state;
        struct command_freeze end = { .head = { .run = command_freeze_end, .of_model = "lab" },
                                      .model = "lab" };

        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        replan(s, "app", "{\"docs\": {" DOC("a") "}}");
        stage_command(s, &end.head);
        stage_run(s, 500);
        replan(s, "app", "{\"docs\": {" DOC("a") "}}"); /* the same one freezes nothing again */
        assert_int_equal(freezes(s), 0);
        assert_non_null(stage_application(s, "app")->held);
        stage_change(s, "b", NULL, NULL);
        stage_run(s, 2000);
        assert_true(stage_there(s, "b"));
        replan(s, "app", "{\"docs\": {" DOC("b") "}}");
        assert_int_equal(freezes(s), 1);
        replan(s, "app", six); /* what led to it was taken back */
        assert_int_equal(freezes(s), 0);
        assert_null(stage_application(s, "app")->held);
}

static void set_limit(struct stage *s, const char *name, int64_t value, bool taken) {
        cleanup_(json_freep) json_t *set = json_pack("{s:I}", name, (json_int_t)value);
        struct command_model c = { .head = { .run = command_model_config, .of_model = "lab" },
                                   .model = "lab",
                                   .set = set };

        if (taken)
                stage_command(s, &c.head);
        else
                stage_refused(s, &c.head, "frozen by", "mine");
}

/* Also while the model is frozen for just that, but not under a person's freeze. */
static void another_limit_judges_a_held_plan_again(void **state) {
        struct stage *s = *state;
        struct command_freeze freeze = { .head = { .run = command_freeze_set, .of_model = "lab" },
                                         .model = "lab",
                                         .application = "app",
                                         .why = "mine" };

        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        replan(s, "app", "{\"docs\": {" DOC("a") "}}");
        s->planned = 0;
        set_limit(s, "limit-delete-free", 4, true); /* five go */
        stage_run(s, 500);
        assert_int_equal(s->planned, 1);
        assert_non_null(stage_application(s, "app")->held);
        assert_int_equal(freezes(s), 1);
        set_limit(s, "limit-delete-free", 5, true);
        stage_run(s, 2000);
        assert_null(stage_application(s, "app")->held);
        assert_int_equal(freezes(s), 0);
        assert_false(stage_there(s, "b"));
        stage_command(s, &freeze.head);
        set_limit(s, "limit-delete-free", 1, false);
}

static const char shared[] = "{\"docs\": {" DOC("one") ", " DOC("two") "}}";

/* What a plan lets go is deleted only when nobody else wants it, and when it was ours. */
static void what_another_application_wants_is_not_pruned(void **state) {
        struct stage *s = *state;

        stage_plan(s, "first", shared);
        stage_plan(s, "second", shared);
        stage_deploy(s, "first");
        stage_run(s, 500);
        stage_deploy(s, "second");
        stage_run(s, 500);
        replan(s, "first", "{\"docs\": {" DOC("two") "}}");
        assert_true(stage_there(s, "one"));
        assert_int_equal(s->removes, 0);
        assert_int_equal(stage_resource(s, "one")->owner, stage_application(s, "second")->id);
        replan(s, "second", "{\"docs\": {" DOC("two") "}}");
        assert_false(stage_there(s, "one"));
        assert_int_equal(s->removes, 1);
}

static void what_was_never_applied_is_not_pruned(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", "{\"docs\": {" DOC("one") "}}");
        stage_deploy(s, "app");
        stage_run(s, 500);
        stage_pause(s, "app", true);
        stage_restore(s, "two", "{\"name\": \"two\"}"); /* somebody has one of that name */
        replan(s, "app", "{\"docs\": {" DOC("one") ", " DOC("two") "}}");
        replan(s, "app", "{\"docs\": {" DOC("one") "}}");
        stage_pause(s, "app", false);
        stage_run(s, 2000);
        assert_null(stage_resource(s, "two"));
        assert_true(stage_there(s, "two"));
        assert_int_equal(s->removes, 0);
}

#define RED(n) "\"" n "\": {\"name\": \"" n "\", \"color\": \"red\"}"
static const char four_red[] = "{\"docs\": {" RED("a") ", " RED("b") ", " RED("c") ", " RED(
        "d") ", " DOC("e") ", " DOC("f") "}}";
static const char two_red[] = "{\"docs\": {" RED("a") ", " RED("b") ", " DOC("c") ", " DOC(
        "d") ", " DOC("e") ", " DOC("f") "}}";

static void change_at_most(struct stage *s, int64_t free) {
        s->rec->options.limits.change_free = free;
}

static void too_much_change_is_held_and_what_comes_in_parts_too(void **state) {
        struct stage *s = *state;

        change_at_most(s, 2);
        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        replan(s, "app", two_red);
        assert_null(stage_application(s, "app")->held);
        replan(s, "app", four_red); /* two more: four of six within minutes */
        assert_non_null(strstr(stage_application(s, "app")->held,
                               "changes 2, 4 in 10 minutes, of the model's 6 objects"));
        assert_int_equal(freezes(s), 1);
        apply_held(s, "app");
        stage_run(s, 2000);
        assert_null(stage_application(s, "app")->held);
        assert_int_equal(freezes(s), 0);
        assert_int_equal(s->applies, 6 + 4);
}

static void the_same_objects_again_are_no_more_and_time_passes(void **state) {
        struct stage *s = *state;

        change_at_most(s, 2);
        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        for (int i = 0; i < 5; i++)
                replan(s, "app", i % 2 ? six : two_red);
        assert_null(stage_application(s, "app")->held);
        stage_run(s, 11 * 60000);
        replan(s, "app",
               "{\"docs\": {" DOC("a") ", " DOC("b") ", " RED("c") ", " RED("d") ", " DOC(
                       "e") ", " DOC("f") "}}");
        assert_non_null(stage_application(s, "app")->held); /* a and b are changed back */
        replan(s, "app",
               "{\"docs\": {" RED("a") ", " RED("b") ", " RED("c") ", " DOC("d") ", " DOC(
                       "e") ", " DOC("f") "}}");
        assert_null(stage_application(s, "app")->held);
}

static void what_is_taken_away_in_parts_is_held_and_time_passes(void **state) {
        struct stage *s = *state;

        s->rec->options.limits.delete_most = 3;
        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        replan(s, "app", "{\"docs\": {" DOC("a") ", " DOC("b") ", " DOC("c") ", " DOC("d") "}}");
        assert_null(stage_application(s, "app")->held);
        replan(s, "app", "{\"docs\": {" DOC("a") ", " DOC("b") "}}");
        assert_non_null(
                strstr(stage_application(s, "app")->held, "deletes 2 of 4, 4 in 10 minutes"));
        assert_int_equal(s->removes, 2);
        stage_run(s, 11 * 60000);
        replan(s, "app", "{\"docs\": {" DOC("a") ", " DOC("b") ", " DOC("c") "}}");
        assert_null(stage_application(s, "app")->held);
        assert_int_equal(s->removes, 3);
}

/* Neither making things for the first time nor undoing what others did is a change of ours. */
static void first_convergence_and_repairs_are_under_no_limit(void **state) {
        struct stage *s = *state;

        change_at_most(s, 0);
        s->fail = "a";
        s->failure = OUTCOME_NOT_YET;
        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        replan(s, "app", four_red); /* it was never active */
        assert_null(stage_application(s, "app")->held);
        s->fail = NULL;
        stage_run(s, 120000);
        assert_string_equal(stage_application(s, "app")->status, "active");
        for (const char *n = "abcdef"; *n; n++) {
                const char name[] = { *n, '\0' };

                stage_change(s, name, "color", json_string("blue"));
        }
        stage_run(s, 5000);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM drift WHERE outcome = 'repaired'"),
                         6);
        assert_int_equal(freezes(s), 0);
}

static void
a_command_does_not_pass_what_limits_froze_and_a_persons_freeze_holds_the_plan(void **state) {
        struct stage *s = *state;
        struct command_freeze freeze = { .head = { .run = command_freeze_set, .of_model = "lab" },
                                         .model = "lab",
                                         .application = "app",
                                         .why = "mine" };
        struct command_application scale = { .head = { .run = command_application_scale,
                                                       .of_model = "lab" },
                                             .model = "lab",
                                             .application = "app",
                                             .scale = 0 };

        stage_plan(s, "app", six);
        stage_deploy(s, "app");
        stage_run(s, 500);
        replan(s, "app", "{\"docs\": {" DOC("a") "}}");
        stage_refused(s, &scale.head, "model lab is frozen by mooring", "mooringctl apply");
        stage_command(s, &freeze.head);
        stage_run(s, 500);
        apply_held(s, "app");
        stage_run(s, 2000);
        assert_true(stage_there(s, "b")); /* its rows go, and nothing is written */
}

static void charms_that_answer_each_other_for_ever_are_stopped(void **state) {
        struct stage *s = *state;
        const struct world_application *a;
        int planned;

        stage_plan(s, "ping", "{\"echo\": true}");
        stage_plan(s, "pong", "{\"echo\": true}");
        stage_deploy(s, "ping");
        stage_deploy(s, "pong");
        stage_run(s, 500);
        stage_relate(s, "ping:in", "pong:out");
        stage_run(s, 5000);
        a = stage_application(s, "ping");
        if (!a->plan_error)
                a = stage_application(s, "pong");
        assert_non_null(a->plan_error);
        assert_non_null(strstr(a->plan_error, "ping"));
        assert_non_null(strstr(a->plan_error, "pong"));
        assert_non_null(strstr(a->plan_error, "20 times"));
        planned = s->planned;
        stage_run(s, 60000);
        assert_in_range(s->planned, planned, planned + 12); /* its back-off, no more */
}

static void a_relation_that_settles_is_no_mistake(void **state) {
        struct stage *s = *state;

        stage_plan(s, "ping", "{\"tell\": {\"a\": \"1\"}}");
        stage_plan(s, "pong", "{\"tell\": {\"b\": \"2\"}}");
        stage_deploy(s, "ping");
        stage_deploy(s, "pong");
        stage_run(s, 500);
        stage_relate(s, "ping:in", "pong:out");
        stage_run(s, 2000);
        assert_null(stage_application(s, "ping")->plan_error);
        assert_null(stage_application(s, "pong")->plan_error);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM relation_data"), 2);
}

static void take_json(void *arg, json_t *json) {
        json_t **ret = arg;

        *ret = json;
}

/* Storage of an earlier one of its name is kept: nothing is planned until a person decides. */
static void what_a_person_must_decide_first_is_no_plan_under_way(void **state) {
        struct stage *s = *state;
        struct reconcile_range range = { .model = "lab", .application = "db" };
        const json_t *unknown;
        json_t *json = NULL;

        stage_plan(s, "db", "{\"docs\": {\"disk\": {\"name\": \"disk\", \"data\": true}}}");
        stage_deploy(s, "db");
        stage_run(s, 500);
        stage_remove(s, "db", false);
        stage_run(s, 2000);
        stage_deploy(s, "db");
        stage_run(s, 2000);
        reconcile_plan(s->rec, &range, take_json, &json);
        stage_settle(s);
        unknown = json_array_get(json_get(json, "unknown"), 0);
        assert_string_equal(json_get_str(unknown, "subject", ""), "db");
        assert_true(str_starts(json_get_str(unknown, "why", ""), "blocked: "));
        json_decref(json);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)

static const char in_server[] =
        "{\"targets\": {\"own\": {\"provider\": \"kubernetes\", \"config\": {\"inside\": true}}}, "
        "\"docs\": {\"user\": {\"name\": \"user\", \"color\": \"red\", \"target\": \"own\"}}}";

static const char running[] = "{\"docs\": {\"pod\": {\"name\": \"pod\", \"color\": \"red\"}, "
                              "\"secret\": {\"name\": \"secret\"}, \"a\": {\"name\": \"a\"}}}";

/* Its document cannot be made now: it stays as it was, and is repaired. */
static void what_a_plan_keeps_runs_on_as_it_was(void **state) {
        struct stage *s = *state;
        int64_t id;

        stage_plan(s, "app", running);
        stage_deploy(s, "app");
        stage_run(s, 1000);
        id = stage_resource(s, "pod")->id;
        replan(s, "app", "{\"docs\": {\"a\": {\"name\": \"a\"}}, \"keep\": [\"pod\", \"never\"]}");
        assert_false(stage_there(s, "secret"));
        assert_true(stage_there(s, "pod"));
        s->applies = 0;
        stage_change(s, "pod", "color", json_string("blue"));
        stage_run(s, 1000);
        assert_int_equal(s->applies, 1);
        replan(s, "app", running);
        assert_true(stage_there(s, "secret"));
        assert_int_equal(stage_resource(s, "pod")->id, id);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM want WHERE label = 'never'"), 0);
}

/* Also what lives in servers of the namespace, whose targets answer sooner than the cluster. */
static void nothing_is_written_before_the_stamp_was_read(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", in_server);
        stage_deploy(s, "app");
        stage_run(s, 2000);
        assert_true(stage_there(s, "user"));
        s->fail = "lab";
        s->failure = OUTCOME_UNREACHABLE;
        stage_change(s, "lab", "foreign", json_true());
        stage_change(s, "user", "color", json_string("blue"));
        s->applies = 0;
        stage_restart(s);
        stage_run(s, 5000);
        assert_int_equal(stage_resource(s, "user")->state, STATE_WAITING);
        s->fail = NULL;
        stage_run(s, 60000);
        assert_int_equal(stage_resource(s, "user")->state, STATE_BLOCKED);
        assert_int_equal(s->applies, 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM drift WHERE outcome <> 'open'"), 0);
}

static void read_and_found_ours_all_goes_on(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", "{\"docs\": {\"user\": {\"name\": \"user\"}}}");
        stage_deploy(s, "app");
        stage_run(s, 2000);
        s->fail = "lab";
        s->failure = OUTCOME_UNREACHABLE;
        stage_remove(s, "app", false);
        stage_restart(s);
        stage_run(s, 5000);
        assert_true(stage_there(s, "user"));
        s->fail = NULL;
        stage_run(s, 60000);
        assert_false(stage_there(s, "user"));
        assert_null(stage_application(s, "app"));
}

#define SCOPED(run) cmocka_unit_test_setup_teardown(run, stage_set_up_scoped, stage_tear_down)

static const struct world_application *paused(struct stage *s, const char *application,
                                              const char *until) {
        struct command_application c = { .head = { .run = command_application_pause,
                                                   .of_model = "lab" },
                                         .model = "lab",
                                         .application = application,
                                         .why = "disk swap",
                                         .until = until };

        stage_command(s, &c.head);
        stage_run(s, 100);
        return stage_application(s, "app");
}

/* Of the model, of an application, and both: what differs is put right when the last is over. */
static void a_pause_ends_by_itself_and_what_differs_is_put_right(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", "{\"docs\": {" DOC("a") "}}");
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_non_null(strstr(paused(s, "app", "20s")->paused, "disk swap (until "));
        paused(s, NULL, "1m");
        s->applies = 0;
        stage_change(s, "a", "color", json_string("blue"));
        stage_run(s, 15000);
        assert_int_equal(s->applies, 0);
        stage_restart(s);
        for (int i = 0; i < 1000 && stage_application(s, "app")->paused; i++)
                stage_run(s, 100); /* the store's thread has the end, and is not waited for */
        assert_null(stage_application(s, "app")->paused);
        assert_int_equal(s->applies, 0);
        for (int i = 0; i < 5000 && !s->applies; i++)
                stage_run(s, 100);
        assert_int_equal(s->applies, 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM audit WHERE what = 'unpause' AND "
                                        "kind = 'loop' AND why = 'its time is over'"),
                         2);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM model WHERE paused_by IS NULL"), 1);
}

static int freeze_run(struct tx *tx, struct store_call *c, struct err *err) {
        const int64_t *model = c->arg;
        int r = w_freeze_insert(tx,
                                &(struct w_freeze_insert_in){ .id = tx_id(tx, "freeze"),
                                                              .model_id = *model,
                                                              .application = "app",
                                                              .type = "",
                                                              .path = "",
                                                              .owner = "eve",
                                                              .why = "wait",
                                                              .at = tx_now(tx),
                                                              .until_null = true },
                                err);

        return r < 0 ? r : 0;
}

/* Its row is there, and nobody told the loop. */
static void no_data_is_deleted_once_a_freeze_is_acknowledged(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_remove,
                                         .model = "lab",
                                         .application = "app",
                                         .destroy_storage = true };
        struct err err = { 0 };
        int64_t model;
        struct store_call freeze = {
                .lane = STORE_LOOP, .actor = "x", .run = freeze_run, .arg = &model
        };

        stage_plan(s, "app", "{\"docs\": {\"one\": {\"name\": \"one\", \"data\": true}}}");
        stage_deploy(s, "app");
        stage_run(s, 500);
        assert_true(stage_there(s, "one"));
        model = stage_application(s, "app")->model;
        assert_int_equal(store_now(s->store, &freeze, &err), 0);
        stage_command(s, &c.head);
        stage_run(s, 5000);
        assert_int_equal(s->removes, 0);
        assert_true(stage_there(s, "one"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE delete_at NOTNULL"),
                         0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_plan_of_which_all_is_blocked_is_refused),
                TEST(a_pause_ends_by_itself_and_what_differs_is_put_right),
                TEST(no_data_is_deleted_once_a_freeze_is_acknowledged),
                TEST(who_was_refused_gets_it_when_the_owner_goes),
                TEST(a_removal_does_not_wait_for_who_stays),
                TEST(force_leaves_what_waits_for_another_application),
                TEST(what_is_let_go_is_the_removal_whatever_is_seen_meanwhile),
                TEST(another_removal_is_held_again),
                TEST(another_limit_judges_a_held_plan_again),
                TEST(what_limits_hold_freezes_the_model_until_the_plan_goes),
                TEST(who_ends_the_freeze_goes_on_without_the_plan),
                TEST(too_much_change_is_held_and_what_comes_in_parts_too),
                TEST(what_another_application_wants_is_not_pruned),
                TEST(what_was_never_applied_is_not_pruned),
                TEST(the_same_objects_again_are_no_more_and_time_passes),
                TEST(what_is_taken_away_in_parts_is_held_and_time_passes),
                TEST(first_convergence_and_repairs_are_under_no_limit),
                TEST(a_command_does_not_pass_what_limits_froze_and_a_persons_freeze_holds_the_plan),
                TEST(charms_that_answer_each_other_for_ever_are_stopped),
                TEST(a_relation_that_settles_is_no_mistake),
                TEST(what_a_person_must_decide_first_is_no_plan_under_way),
                TEST(what_a_plan_keeps_runs_on_as_it_was),
                SCOPED(nothing_is_written_before_the_stamp_was_read),
                SCOPED(read_and_found_ours_all_goes_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
