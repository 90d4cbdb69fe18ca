/* SPDX-License-Identifier: Apache-2.0 */
/* test_storage.c - what is said of storage is what was seen of it */
#include "stage.h"

static const char data[] = "{\"docs\": {\"volume\": {\"name\": \"volume\", \"data\": true},"
                           " \"pod\": {\"name\": \"pod\"}}}";

static void deploy(struct stage *s) {
        stage_plan(s, "app", data);
        stage_deploy(s, "app");
        stage_run(s, 1000);
}

/* The word; its message has PART. */
static void expect_(struct stage *s, const char *word, const char *part) {
        cleanup_(json_freep) json_t *list = reconcile_storage(s->rec, "lab");
        const json_t *status = json_get(json_array_get(list, 0), "status");
        const char *message = json_get_str(status, "message", "");

        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(json_get_str(json_array_get(list, 0), "path", ""), "volume");
        assert_string_equal(json_get_str(status, "current", ""), word);
        if (!strstr(message, part))
                fail_msg("\"%s\" is not in \"%s\"", part, message);
}

static void it_is_pending_until_it_is_there(void **state) {
        struct stage *s = *state;

        s->fail = "volume";
        s->failure = OUTCOME_UNREACHABLE;
        deploy(s);
        expect_(s, "pending", "");
        s->fail = NULL;
        stage_run(s, 300000);
        expect_(s, "attached", "");
}

static void refused_it_is_an_error_with_the_reason(void **state) {
        struct stage *s = *state;

        s->fail = "volume";
        s->failure = OUTCOME_DENIED;
        deploy(s);
        expect_(s, "error", "told to");
}

static void nothing_uses_it_at_scale_zero(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_scale,
                                         .model = "lab",
                                         .application = "app",
                                         .scale = 0 };

        deploy(s);
        stage_command(s, &c.head);
        stage_run(s, 1000);
        expect_(s, "detached", "scaled to 0");
}

static void marked_for_deletion_it_is_destroying_and_gone_it_is_lost(void **state) {
        struct stage *s = *state;

        deploy(s);
        stage_leave(s, "volume");
        stage_run(s, 1000);
        expect_(s, "destroying", "");
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 1000);
        expect_(s, "lost", "accept-data-loss");
}

static void another_one_in_its_place_is_lost_too(void **state) {
        struct stage *s = *state;

        deploy(s);
        stage_remake(s, "volume");
        stage_run(s, 1000);
        expect_(s, "lost", "another one of that name is there (uid ");
}

static void while_its_cluster_cannot_be_read_it_is_unknown(void **state) {
        struct stage *s = *state;
        struct world_target *t;

        deploy(s);
        t = world_target(&s->rec->world, stage_resource(s, "volume")->target);
        t->reachable = false;
        str_set(&t->reach_why, "connection refused");
        expect_(s, "unknown", "connection refused");
}

/* ---- how the line of what was lost ends */

static int64_t ended(struct stage *s, const char *outcome) {
        cleanup_(freep) char *sql =
                str_format("SELECT count(*) FROM drift WHERE outcome = '%s'", outcome);

        return stage_count(s, sql);
}

static void lose(struct stage *s) {
        stage_plan(s, "app",
                   "{\"docs\": {\"volume\": {\"name\": \"volume\", \"data\": true, \"counted\": "
                   "true}}}");
        stage_deploy(s, "app");
        stage_run(s, 1000);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 1000);
        expect_(s, "lost", "is gone, and held data");
}

static void accept(struct stage *s) {
        struct command_application c = { .head.run = command_application_accept_loss,
                                         .model = "lab",
                                         .application = "app" };

        stage_command(s, &c.head);
}

/* Its users fill what they find, with tables or with a first upload. */
static void what_came_into_it_is_taken_by_a_person_and_the_very_one_by_itself(void **state) {
        static const char body[] = "{\"name\": \"volume\", \"data\": true, \"counted\": true}";
        struct stage *s = *state;

        lose(s);
        stage_restore(s, "volume", body); /* as another one */
        stage_run(s, 61000);
        expect_(s, "lost",
                "another one of that name is there, with something in it: mooringctl "
                "accept-data-loss app takes it as it is");
        stage_restart(s);
        stage_run(s, 31000);
        expect_(s, "lost", "with something in it");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE found = 'filled'"), 1);
        accept(s);
        stage_run(s, 31000);
        expect_(s, "attached", "");
        assert_int_equal(ended(s, "accepted"), 1);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 1000);
        expect_(s, "lost", "is gone, and held data");
        stage_restore(s, "volume", body); /* as the one it was: nothing is to be put right */
        stage_run(s, 31000);
        expect_(s, "attached", "");
        assert_int_equal(ended(s, "restored"), 1);
        assert_int_equal(ended(s, "repaired"), 0);
}

static void given_up_and_made_anew_it_is_accepted(void **state) {
        struct stage *s = *state;

        lose(s);
        accept(s);
        stage_run(s, 2000);
        assert_true(stage_there(s, "volume"));
        assert_int_equal(ended(s, "accepted"), 1);
        assert_int_equal(ended(s, "restored"), 0);
}

/* Though it answers: on which volume it runs is for a person to say. */
static void on_a_lost_volume_all_is_lost(void **state) {
        struct stage *s = *state;
        cleanup_(json_freep) json_t *list = NULL;

        stage_plan(
                s, "app",
                "{\"targets\": {\"own\": {\"provider\": \"kubernetes\", \"config\": {\"inside\": "
                "true}}}, \"docs\": {\"volume\": {\"name\": \"volume\", \"data\": true}, "
                "\"base\": {\"name\": \"base\", \"data\": true, \"target\": \"own\"}}}");
        stage_deploy(s, "app");
        stage_run(s, 1000);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 1000);
        list = reconcile_storage(s->rec, "lab");
        assert_int_equal(json_array_size(list), 2);
        for (size_t i = 0; i < 2; i++)
                assert_string_equal(
                        json_get_str(json_get(json_array_get(list, i), "status"), "current", ""),
                        "lost");
}

/* ---- without our labels: no watch tells of it */

static void another_one_is_found_by_its_name(void **state) {
        struct stage *s = *state;

        deploy(s);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 1000);
        expect_(s, "lost", "is gone, and held data");
        stage_restore(s, "volume", "{\"name\": \"volume\", \"data\": true, \"since\": 1000}");
        stage_run(s, 31000);
        expect_(s, "lost",
                "another one of that name is there since 1970-01-01T00:00:01Z (uid i777): "
                "mooringctl accept-data-loss app takes it as it is, deletes nothing");
        assert_string_equal(stage_resource(s, "volume")->found, "i777");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE found = 'i777'"), 1);
        assert_true(s->removes == 0);
        accept(s);
        stage_run(s, 1000);
        expect_(s, "attached", "");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE found = ''"), 2);
}

/* ---- detached */

static char *kept(struct stage *s) {
        cleanup_(json_freep) json_t *all = reconcile_kept(s->rec, "lab");
        const char *id;
        json_t *status;

        json_object_foreach(all, id, status)
                return str_format("%s: %s", json_get_str(status, "current", ""),
                                  json_get_str(status, "message", ""));
        return str_dup("detached");
}

static void expect_kept(struct stage *s, const char *part) {
        cleanup_(freep) char *text = kept(s);

        if (!strstr(text, part))
                fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static int64_t open_lines(struct stage *s, const char *what) {
        cleanup_(freep) char *sql =
                str_format("SELECT count(*) FROM drift WHERE outcome = 'open' AND type = 'Thing' "
                           "AND application = 'app' AND fields LIKE '%%%s%%'",
                           what);

        return stage_count(s, sql);
}

static void detach(struct stage *s) {
        deploy(s);
        stage_remove(s, "app", false);
        stage_run(s, 1000);
        assert_null(stage_application(s, "app"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 1);
}

static void what_is_kept_is_looked_at(void **state) {
        struct stage *s = *state;

        detach(s);
        expect_kept(s, "detached");
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 31000);
        expect_kept(s, "lost: is gone, and held data since ");
        assert_int_equal(open_lines(s, "data lost"), 1);
        stage_restart(s);
        stage_run(s, 61000);
        expect_kept(s, "lost: is gone");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM drift"), 1);
        assert_int_equal(s->removes + stage_there(s, "volume"), 1); /* the pod's */
}

/* Each part of a model's removal is a command, and there is storage of all models. */
static void a_command_has_only_what_is_new_looked_at(void **state) {
        struct stage *s = *state;

        detach(s);
        s->looks = 0;
        for (int i = 0; i < 5; i++) {
                reconcile_mark(s->rec, MARK_MODEL, 1);
                stage_run(s, 200);
        }
        assert_int_equal(s->looks, 0);
        stage_run(s, 31000);
        assert_in_range(s->looks, 1, 2);
}

static void kept_and_marked_for_deletion_it_is_told_before_it_is_gone(void **state) {
        struct stage *s = *state;

        detach(s);
        stage_leave(s, "volume");
        stage_run(s, 31000);
        expect_kept(s, "destroying: it is being deleted: copy the data");
        assert_int_equal(open_lines(s, "marked for deletion"), 1);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 31000);
        expect_kept(s, "lost: ");
        assert_int_equal(open_lines(s, "marked for deletion"), 0);
        assert_int_equal(open_lines(s, "data lost"), 1);
}

static void another_one_in_the_place_of_what_was_kept_is_named(void **state) {
        struct stage *s = *state;

        detach(s);
        stage_remake(s, "volume");
        stage_run(s, 31000);
        expect_kept(s, "another one of that name is there (uid i");
}

static void what_was_lost_before_is_not_kept(void **state) {
        struct stage *s = *state;

        deploy(s);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 1000);
        stage_remove(s, "app", false);
        stage_settle(s);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached WHERE trouble = 'lost'"), 1);
        stage_run(s, 61000);
        expect_kept(s, "lost: ");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM drift"), 1);
        assert_int_equal(open_lines(s, "data lost"), 1);
}

static void restored_it_is_simply_kept(void **state) {
        struct stage *s = *state;

        detach(s);
        stage_leave(s, "volume");
        stage_run(s, 31000);
        stage_stay(s, "volume");
        stage_run(s, 31000);
        expect_kept(s, "detached");
        assert_int_equal(open_lines(s, ""), 0);
}

static void what_cannot_be_looked_at_is_unknown(void **state) {
        struct stage *s = *state;

        detach(s);
        s->fail = "volume";
        s->failure = OUTCOME_DENIED;
        stage_run(s, 31000);
        expect_kept(s, "unknown: ");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM drift"), 0);
}

static void taken_over_again_its_lines_end(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_destroy_storage,
                                         .model = "lab",
                                         .application = "app" };

        detach(s);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 31000);
        stage_command(s, &c.head);
        stage_run(s, 31000);
        expect_kept(s, "detached");
        assert_int_equal(open_lines(s, ""), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 0);
}

/* ---- keeping wins until the first deletion was sent */

static void remove_as(struct stage *s, bool destroy) {
        struct command_application c = { .head.run = command_application_remove,
                                         .model = "lab",
                                         .application = "app",
                                         .destroy_storage = destroy };

        stage_command(s, &c.head);
        stage_run(s, 1000);
}

static void what_was_to_be_destroyed_can_be_kept_until_then(void **state) {
        struct stage *s = *state;

        deploy(s);
        stage_pause(s, "app", true);
        remove_as(s, true);
        expect_(s, "destroying", "");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE delete_at"), 0);
        remove_as(s, false);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached WHERE path = 'volume'"), 1);
        stage_pause(s, "app", false);
        stage_run(s, 5000);
        assert_null(stage_application(s, "app"));
        assert_true(stage_there(s, "volume"));
        assert_false(stage_there(s, "pod"));
}

static void a_deletion_is_committed_before_it_is_sent(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_remove,
                                         .model = "lab",
                                         .application = "app" };

        deploy(s);
        s->fail = "volume";
        s->failure = OUTCOME_UNREACHABLE;
        remove_as(s, true);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE delete_at"), 1);
        stage_refused(s, &c.head, "as uid 1000 (alice) said at ", "Thing volume is being deleted");
        s->fail = NULL;
        stage_run(s, 300000);
        assert_false(stage_there(s, "volume"));
        assert_null(stage_application(s, "app"));
}

/* ---- in the volume of a server */

#define SERVER(secrets, docs)                                                                      \
        "{\"targets\": {\"own\": {\"provider\": \"kubernetes\", \"config\": {\"inside\": "         \
        "true}}}, "                                                                                \
        "\"secrets\": {" secrets "}, "                                                             \
        "\"docs\": {\"volume\": {\"name\": \"volume\", \"data\": true}" docs "}}"
#define PASSWORD "\"old/password\": {\"length\": 20}"
#define OLD ", \"old\": {\"name\": \"old\", \"target\": \"own\", \"secret\": \"own:old/password\"}"
#define AGAIN ", \"again\": {\"name\": \"again\", \"target\": \"own\"}"
#define GRANT                                                                                      \
        ", \"grant\": {\"name\": \"grant\", \"target\": \"own\", \"needs\": [{\"name\": "          \
        "\"old\"}]}"

static void keep_server(struct stage *s) {
        stage_plan(s, "app", SERVER(PASSWORD, OLD AGAIN GRANT));
        stage_deploy(s, "app");
        stage_run(s, 2000);
        assert_true(stage_there(s, "old"));
        stage_remove(s, "app", false);
        stage_run(s, 2000);
        assert_null(stage_application(s, "app"));
        assert_true(stage_there(s, "old")); /* it is in the volume */
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret"), 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM inherited"), 3);
}

static void what_nobody_wants_in_kept_storage_goes_when_it_is_attached(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_attach_storage,
                                         .model = "lab",
                                         .application = "app" };

        keep_server(s);
        stage_plan(s, "app", SERVER("", AGAIN));
        stage_deploy(s, "app");
        stage_run(s, 2000);
        assert_true(stage_there(s, "old")); /* not decided on yet */
        s->removes = 0;
        stage_command(s, &c.head);
        stage_run(s, 5000);
        assert_false(stage_there(s, "old"));
        assert_false(stage_there(s, "grant"));
        assert_true(stage_there(s, "again"));
        assert_int_equal(s->removes, 2);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret"), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM inherited"), 0);
        assert_string_equal(stage_application(s, "app")->status, "active");
}

#define BASE                                                                                       \
        ", \"base\": {\"name\": \"base\", \"target\": \"own\", \"data\": true, \"counted\": true}"

static void keep_base(struct stage *s) {
        stage_plan(s, "app", SERVER("", BASE));
        stage_deploy(s, "app");
        stage_run(s, 2000);
}

static void replan(struct stage *s, const char *plan) {
        stage_plan(s, "app", plan);
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_run(s, 5000);
}

/* The volume that comes back is attached, and wanted with its database by PLAN. */
static void attach(struct stage *s, const char *plan) {
        struct command_application c = { .head.run = command_application_attach_storage,
                                         .model = "lab",
                                         .application = "app" };

        stage_remove(s, "app", false);
        stage_run(s, 2000);
        assert_null(stage_application(s, "app"));
        stage_plan(s, "app", plan);
        stage_deploy(s, "app");
        stage_run(s, 2000);
        stage_command(s, &c.head);
        stage_run(s, 5000);
}

static void expect_base_lost(struct stage *s, const char *part) {
        assert_string_equal(stage_application(s, "app")->status, "blocked");
        if (!strstr(stage_application(s, "app")->message, part))
                fail_msg("%s", stage_application(s, "app")->message);
        accept(s);
        stage_run(s, 31000);
        assert_true(stage_there(s, "base"));
        assert_string_equal(stage_application(s, "app")->status, "active");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM inherited"), 0);
}

static void a_database_is_lost_when_the_kept_volume_came_back_without_it(void **state) {
        struct stage *s = *state;

        keep_base(s);
        attach(s, SERVER("", BASE));
        assert_string_equal(stage_application(s, "app")->status, "active");
        replan(s, SERVER("", "")); /* its relation ended before */
        stage_change(s, "base", NULL, NULL);
        attach(s, SERVER("", ""));
        assert_string_equal(stage_application(s, "app")->status, "active"); /* nobody wants it */
        replan(s, SERVER("", BASE));
        assert_false(stage_there(s, "base"));
        expect_base_lost(s, "base is gone, and held data since");
}

static void a_loss_survives_the_removal_of_its_application(void **state) {
        struct stage *s = *state;

        keep_base(s);
        stage_change(s, "base", NULL, NULL);
        stage_run(s, 1000);
        stage_restore(s, "base", "{\"name\": \"base\", \"data\": true, \"counted\": true}");
        attach(s, SERVER("", BASE));
        expect_base_lost(s, "is gone, and another one of that name is there, with something in it");
}

static void with_a_volume_that_is_given_up_goes_what_was_in_it(void **state) {
        struct stage *s = *state;

        keep_base(s);
        stage_change(s, "base", NULL, NULL);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 1000);
        attach(s, SERVER("", ""));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM inherited"), 1);
        accept(s);
        stage_run(s, 31000);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM inherited"), 0);
        assert_string_equal(stage_application(s, "app")->status, "active");
}

static void and_is_forgotten_when_it_is_destroyed(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_destroy_storage,
                                         .model = "lab",
                                         .application = "app" };

        keep_server(s);
        stage_command(s, &c.head);
        stage_run(s, 2000);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM inherited"), 0);
}

static void without_kept_storage_nothing_comes_back(void **state) {
        struct stage *s = *state;

        stage_plan(
                s, "app",
                "{\"targets\": {\"own\": {\"provider\": \"kubernetes\", \"config\": {\"inside\": "
                "true}}}, \"docs\": {\"old\": {\"name\": \"old\", \"target\": \"own\"}}}");
        stage_deploy(s, "app");
        stage_run(s, 2000);
        stage_remove(s, "app", false);
        stage_run(s, 2000);
        assert_null(stage_application(s, "app"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM inherited"), 0);
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, stage_set_up, stage_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(it_is_pending_until_it_is_there),
                TEST(refused_it_is_an_error_with_the_reason),
                TEST(nothing_uses_it_at_scale_zero),
                TEST(marked_for_deletion_it_is_destroying_and_gone_it_is_lost),
                TEST(another_one_in_its_place_is_lost_too),
                TEST(while_its_cluster_cannot_be_read_it_is_unknown),
                TEST(what_came_into_it_is_taken_by_a_person_and_the_very_one_by_itself),
                TEST(given_up_and_made_anew_it_is_accepted),
                TEST(on_a_lost_volume_all_is_lost),
                TEST(another_one_is_found_by_its_name),
                TEST(what_is_kept_is_looked_at),
                TEST(a_command_has_only_what_is_new_looked_at),
                TEST(kept_and_marked_for_deletion_it_is_told_before_it_is_gone),
                TEST(another_one_in_the_place_of_what_was_kept_is_named),
                TEST(what_was_lost_before_is_not_kept),
                TEST(restored_it_is_simply_kept),
                TEST(what_cannot_be_looked_at_is_unknown),
                TEST(taken_over_again_its_lines_end),
                TEST(what_was_to_be_destroyed_can_be_kept_until_then),
                TEST(a_deletion_is_committed_before_it_is_sent),
                TEST(what_nobody_wants_in_kept_storage_goes_when_it_is_attached),
                TEST(a_database_is_lost_when_the_kept_volume_came_back_without_it),
                TEST(a_loss_survives_the_removal_of_its_application),
                TEST(with_a_volume_that_is_given_up_goes_what_was_in_it),
                TEST(and_is_forgotten_when_it_is_destroyed),
                TEST(without_kept_storage_nothing_comes_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
