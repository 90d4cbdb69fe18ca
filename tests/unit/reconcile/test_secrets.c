/* SPDX-License-Identifier: Apache-2.0 */
/* test_secrets.c - how long a secret stays: as long as something wants or holds it */
#include "stage.h"

#define ROOT "\"root/password\": {\"length\": 20}"
#define LENT "\"lent/password\": {\"length\": 20}"
#define VOLUME "\"volume\": {\"name\": \"volume\", \"data\": true}"
#define SERVER "\"server\": {\"name\": \"server\", \"secret\": \"own:root/password\"}"
#define USER "\"user\": {\"name\": \"user\", \"secret\": \"own:lent/password\"}"

static const char serving[] = "{\"secrets\": {" ROOT ", " LENT "}, \"docs\": {" VOLUME ", " SERVER
                              ", " USER "}, \"tell\": {\"password\": \"own:lent/password\"}}";
static const char alone[] = "{\"secrets\": {" ROOT "}, \"docs\": {" VOLUME ", " SERVER "}}";
static const char using[] = "{\"docs\": {\"copy\": {\"name\": \"copy\", \"secret\":"
                            " \"told:password\"}, \"pod\": {\"name\": \"pod\"}}}";

static void replan(struct stage *s, const char *application, const char *plan) {
        stage_plan(s, application, plan);
        stage_application(s, application)->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, application)->id);
        stage_run(s, 1000);
}

static int64_t secrets(struct stage *s) {
        return stage_count(s, "SELECT count(*) FROM secret");
}

/* The relation is there, and its password is with the other side. */
static void relate(struct stage *s) {
        stage_plan(s, "server", serving);
        stage_plan(s, "client", using);
        stage_deploy(s, "server");
        stage_deploy(s, "client");
        stage_run(s, 500);
        stage_relate(s, "server:serves", "client:uses");
        stage_run(s, 1000);
        assert_true(stage_there(s, "copy"));
        assert_int_equal(secrets(s), 2);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret_grant"), 1);
}

static void begin_end_of_relation(struct stage *s) {
        struct command_relation c = {
                .head.run = command_relation_remove, .model = "lab", .a = "server", .b = "client"
        };

        stage_plan(s, "server", alone);
        stage_command(s, &c.head);
}

static void end_relation(struct stage *s) {
        begin_end_of_relation(s);
        stage_run(s, 2000);
}

static bool is_settled(struct stage *s, const char *application) {
        return application_settled(s->rec, stage_application(s, application));
}

static void who_waits_for_the_end_of_a_relation_waits_for_what_it_opened(void **state) {
        struct stage *s = *state;

        relate(s);
        assert_true(is_settled(s, "server"));
        s->hold = true;
        begin_end_of_relation(s);
        stage_run(s, 2000);
        assert_true(stage_there(s, "user"));
        assert_false(is_settled(s, "server"));
        assert_false(is_settled(s, "client"));
        stage_release(s);
        stage_run(s, 2000);
        assert_false(stage_there(s, "user"));
        assert_true(is_settled(s, "server"));
        assert_true(is_settled(s, "client"));
}

/* At whatever moment it is asked. */
static void no_side_of_a_relation_is_settled_before_it_is_gone(void **state) {
        struct stage *s = *state;

        relate(s);
        begin_end_of_relation(s);
        for (int i = 0; !is_settled(s, "server") || !is_settled(s, "client"); i++) {
                assert_in_range(i, 0, 5000);
                loop_advance(s->loop, 1);
                loop_step(s->loop, 2);
        }
        assert_int_equal(stage_count(s, "SELECT count(*) FROM relation"), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE life = 'dying'"), 0);
        assert_false(stage_there(s, "user"));
        assert_false(stage_there(s, "copy"));
}

/* It may still ask for something that the other side has to make. */
static void who_has_not_planned_for_its_relation_unsettles_the_other_side(void **state) {
        struct stage *s = *state;

        relate(s);
        s->charms_silent = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "client")->id);
        assert_false(is_settled(s, "server"));
        s->charms_silent = false;
        stage_run(s, 500);
        assert_true(is_settled(s, "server"));
}

static void nothing_of_a_removed_relation_is_left(void **state) {
        struct stage *s = *state;

        relate(s);
        end_relation(s);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM relation"), 0);
        assert_false(stage_there(s, "copy"));
        assert_false(stage_there(s, "user"));
        assert_int_equal(secrets(s), 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret_revision"), 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret_grant"), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret WHERE label = 'root'"), 1);
}

/* The user of that password is still in the server: who has to go there needs it. */
static void it_stays_while_its_user_is_outside(void **state) {
        struct stage *s = *state;

        relate(s);
        s->fail = "user";
        s->failure = OUTCOME_DENIED;
        end_relation(s);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM relation"), 0);
        assert_true(stage_there(s, "user"));
        assert_int_equal(secrets(s), 2);
        s->fail = NULL;
        stage_run(s, 300000);
        assert_false(stage_there(s, "user"));
        assert_int_equal(secrets(s), 1);
}

static void it_stays_while_the_other_side_has_it_outside(void **state) {
        struct stage *s = *state;

        relate(s);
        s->fail = "copy";
        s->failure = OUTCOME_DENIED;
        end_relation(s);
        assert_false(stage_there(s, "user"));
        assert_true(stage_there(s, "copy"));
        assert_int_equal(secrets(s), 2);
        s->fail = NULL;
        stage_run(s, 300000);
        assert_false(stage_there(s, "copy"));
        assert_int_equal(secrets(s), 1);
}

static void it_goes_with_its_application_when_the_other_side_let_go(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_remove,
                                         .model = "lab",
                                         .application = "server",
                                         .destroy_storage = true };

        relate(s);
        s->fail = "copy";
        s->failure = OUTCOME_DENIED;
        stage_command(s, &c.head);
        stage_run(s, 5000);
        assert_null(stage_application(s, "server"));
        assert_int_equal(secrets(s), 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM secret WHERE application_id IS NULL"),
                         1);
        s->fail = NULL;
        stage_run(s, 300000);
        assert_false(stage_there(s, "copy"));
        assert_int_equal(secrets(s), 0);
}

static void asked_for_again_in_time_it_is_the_same(void **state) {
        struct stage *s = *state;
        int64_t before;

        relate(s);
        before = stage_count(s, "SELECT id FROM secret WHERE label = 'lent'");
        s->fail = "user";
        s->failure = OUTCOME_DENIED;
        replan(s, "server", alone);
        assert_int_equal(stage_count(s, "SELECT asked FROM secret WHERE label = 'lent'"), 0);
        s->fail = NULL;
        replan(s, "server", serving);
        assert_int_equal(stage_count(s, "SELECT id FROM secret WHERE label = 'lent'"), before);
        assert_int_equal(stage_count(s, "SELECT asked FROM secret WHERE label = 'lent'"), 1);
        assert_true(stage_there(s, "user"));
}

/* ---- with storage */

static void deploy_alone(struct stage *s) {
        stage_plan(s, "server", alone);
        stage_deploy(s, "server");
        stage_run(s, 1000);
        assert_true(stage_there(s, "volume"));
        assert_int_equal(stage_count(s, "SELECT initialised_at NOTNULL FROM resource"
                                        " WHERE path = 'volume'"),
                         1);
}

static void what_opens_kept_storage_is_kept_until_that_is_destroyed(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_destroy_storage,
                                         .model = "lab",
                                         .application = "server" };

        deploy_alone(s);
        stage_remove(s, "server", false);
        stage_run(s, 2000);
        assert_null(stage_application(s, "server"));
        assert_true(stage_there(s, "volume"));
        assert_int_equal(secrets(s), 1);
        s->fail = "volume";
        s->failure = OUTCOME_DENIED;
        stage_command(s, &c.head);
        stage_run(s, 2000);
        assert_int_equal(secrets(s), 1); /* the volume is still there */
        s->fail = NULL;
        stage_run(s, 300000);
        assert_false(stage_there(s, "volume"));
        assert_int_equal(secrets(s), 0);
}

static void what_came_with_storage_stays_though_the_first_plan_lacks_it(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_attach_storage,
                                         .model = "lab",
                                         .application = "server" };

        deploy_alone(s);
        stage_remove(s, "server", false);
        stage_run(s, 2000);
        stage_plan(s, "server", "{}"); /* it lacks an option, say */
        stage_deploy(s, "server");
        stage_command(s, &c.head);
        stage_run(s, 1000);
        assert_int_equal(secrets(s), 1);
        replan(s, "server", alone);
        assert_int_equal(secrets(s), 1);
        assert_int_equal(stage_count(s, "SELECT asked FROM secret"), 1);
}

static void remove_model(struct stage *s, bool destroy) {
        struct command_model c = { .head.run = command_model_remove,
                                   .model = "lab",
                                   .destroy_storage = destroy };

        stage_command(s, &c.head);
        stage_run(s, 5000);
}

static void a_removed_model_stays_with_what_it_keeps(void **state) {
        struct stage *s = *state;

        deploy_alone(s);
        remove_model(s, false);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM application"), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM model"), 1);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 1);
        assert_true(stage_there(s, "volume"));
        assert_int_equal(secrets(s), 1);
        remove_model(s, true);
        assert_false(stage_there(s, "volume"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM model"), 0);
        assert_int_equal(secrets(s), 0);
}

static void a_removed_model_goes_with_the_last_of_its_storage(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_destroy_storage,
                                         .model = "lab",
                                         .application = "server" };

        deploy_alone(s);
        remove_model(s, false);
        stage_command(s, &c.head);
        stage_run(s, 5000);
        assert_false(stage_there(s, "volume"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM model"), 0);
        assert_int_equal(secrets(s), 0);
}

static void a_removed_model_is_added_again_with_what_it_kept(void **state) {
        struct stage *s = *state;
        struct command_model add = { .head.run = command_model_add,
                                     .model = "lab",
                                     .cluster = "here" };
        struct command_application attach = { .head.run = command_application_attach_storage,
                                              .model = "lab",
                                              .application = "server" };

        deploy_alone(s);
        remove_model(s, false);
        stage_command(s, &add.head);
        stage_deploy(s, "server");
        stage_command(s, &attach.head);
        stage_run(s, 2000);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 0);
        assert_int_equal(stage_resource(s, "volume")->owner, stage_application(s, "server")->id);
        assert_int_equal(stage_resource(s, "volume")->row.lost, false);
        assert_int_equal(secrets(s), 1);
}

/* ---- wanted again */

#define OTHERS "{\"docs\": {\"a\": {\"name\": \"a\"}, \"b\": {\"name\": \"b\"}"

static void let_go_and_want_again(struct stage *s, bool other) {
        stage_plan(s, "app", OTHERS ", " VOLUME "}}");
        stage_deploy(s, "app");
        stage_run(s, 1000);
        replan(s, "app", OTHERS "}}");
        assert_null(stage_resource(s, "volume"));
        assert_true(stage_there(s, "volume"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached WHERE path = 'volume'"), 1);
        if (other)
                stage_remake(s, "volume");
        replan(s, "app", OTHERS ", " VOLUME "}}");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 0);
}

static void storage_that_is_wanted_again_is_the_one_it_was(void **state) {
        struct stage *s = *state;

        let_go_and_want_again(s, false);
        assert_false(stage_resource(s, "volume")->row.lost);
        assert_int_equal(stage_resource(s, "volume")->row.made, true);
}

static void another_one_in_its_place_is_lost_data(void **state) {
        struct stage *s = *state;

        let_go_and_want_again(s, true);
        assert_true(stage_resource(s, "volume")->row.lost);
        assert_int_equal(
                stage_count(s, "SELECT count(*) FROM resource WHERE path = 'volume' AND lost_at"),
                1);
}

/* Its label comes after the volume's: by then that was taken back. */
#define OPENER "\"word\": {\"name\": \"word\", \"secret\": \"own:root/password\"}"

static void what_opens_storage_that_is_wanted_again_is_the_same(void **state) {
        static const char with[] = "{\"secrets\": {" ROOT "}, \"docs\": {\"a\": {\"name\": \"a\"},"
                                   " \"b\": {\"name\": \"b\"}, " VOLUME ", " OPENER "}}";
        struct stage *s = *state;
        int64_t before;

        stage_plan(s, "app", with);
        stage_deploy(s, "app");
        stage_run(s, 1000);
        assert_true(stage_there(s, "word"));
        before = stage_count(s, "SELECT id FROM secret");
        replan(s, "app", OTHERS "}}");
        assert_false(stage_there(s, "word"));
        assert_int_equal(secrets(s), 1);
        replan(s, "app", with);
        assert_true(stage_there(s, "word"));
        assert_int_equal(stage_count(s, "SELECT id FROM secret WHERE asked"), before);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 0);
}

static void what_was_let_go_ends_with_its_application(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_remove,
                                         .model = "lab",
                                         .application = "app",
                                         .destroy_storage = true };

        stage_plan(s, "app", OTHERS ", " VOLUME "}}");
        stage_deploy(s, "app");
        stage_run(s, 1000);
        replan(s, "app", OTHERS "}}");
        stage_command(s, &c.head);
        stage_run(s, 5000);
        assert_null(stage_application(s, "app"));
        assert_false(stage_there(s, "volume"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 0);
}

/* ---- in a server of its own */

#define OWN "\"targets\": {\"own\": {\"provider\": \"kubernetes\", \"config\": {\"inside\": true}}}"
#define BASE "\"base\": {\"name\": \"base\", \"data\": true, \"target\": \"own\"}"
#define INSIDE                                                                                     \
        "{" OWN ", \"secrets\": {" ROOT                                                            \
        "}, \"docs\": {\"a\": {\"name\": \"a\"}, \"b\": {\"name\": \"b\"}"

static void let_go_inside(struct stage *s) {
        stage_plan(s, "server", INSIDE ", " BASE "}}");
        stage_deploy(s, "server");
        stage_run(s, 1000);
        assert_true(stage_there(s, "base"));
        replan(s, "server", INSIDE "}}");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached WHERE path = 'base'"), 1);
}

static void remove_server(struct stage *s, bool destroy) {
        struct command_application c = { .head.run = command_application_remove,
                                         .model = "lab",
                                         .application = "server",
                                         .destroy_storage = destroy };

        stage_command(s, &c.head);
        stage_run(s, 5000);
        assert_null(stage_application(s, "server"));
        assert_int_equal(stage_count(s, "SELECT count(*) FROM application"), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE path = 'base'"), 0);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM target WHERE application_id"), 0);
        assert_int_equal(secrets(s), 0);
}

static void what_was_let_go_in_its_own_server_goes_with_that(void **state) {
        let_go_inside(*state);
        remove_server(*state, false);
}

static void and_is_not_destroyed_one_by_one(void **state) {
        struct stage *s = *state;

        let_go_inside(s);
        s->fail = "base";
        s->failure = OUTCOME_DENIED;
        remove_server(s, true);
}

static void what_is_being_destroyed_in_it_does_not_hold_its_end_up(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_destroy_storage,
                                         .model = "lab",
                                         .application = "server" };

        let_go_inside(s);
        s->fail = "base";
        s->failure = OUTCOME_DENIED;
        stage_command(s, &c.head);
        stage_run(s, 1000);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE path = 'base'"), 1);
        remove_server(s, false);
}

/* ---- wanted by another one */

static void expect_refused(struct stage *s, const char *why) {
        const char *said = stage_application(s, "other")->plan_error;

        if (!said || !strstr(said, why))
                fail_msg("\"%s\" is not in \"%s\"", why, said ? said : "");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM want JOIN application ON"
                                        " application_id = application.id WHERE name = 'other'"),
                         0);
}

static void what_is_kept_is_not_taken_over_by_another_one(void **state) {
        struct command_application c = { .head.run = command_application_destroy_storage,
                                         .model = "lab",
                                         .application = "server" };
        struct stage *s = *state;

        deploy_alone(s);
        stage_remove(s, "server", false);
        stage_run(s, 2000);
        stage_plan(s, "other", "{\"docs\": {" VOLUME "}}");
        stage_deploy(s, "other");
        stage_run(s, 2000);
        expect_refused(s, "is kept as storage of server");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 1);
        s->fail = "volume";
        s->failure = OUTCOME_DENIED;
        stage_command(s, &c.head);
        stage_run(s, 300000);
        expect_refused(s, "are being destroyed");
        s->fail = NULL;
        stage_run(s, 600000);
        assert_true(stage_there(s, "volume"));
        assert_int_equal(stage_resource(s, "volume")->owner, stage_application(s, "other")->id);
        assert_true(s->removes > 0);
        assert_int_equal(stage_count(s, "SELECT made FROM resource WHERE path = 'volume'"), 1);
        assert_int_equal(secrets(s), 0);
}

static void what_a_living_one_let_go_is_its_own(void **state) {
        struct stage *s = *state;

        stage_plan(s, "app", OTHERS ", " VOLUME "}}");
        stage_deploy(s, "app");
        stage_run(s, 1000);
        replan(s, "app", OTHERS "}}");
        stage_plan(s, "other", "{\"docs\": {" VOLUME "}}");
        stage_deploy(s, "other");
        stage_run(s, 2000);
        expect_refused(s, "is kept as storage of app");
        replan(s, "app", OTHERS ", " VOLUME "}}");
        assert_int_equal(stage_resource(s, "volume")->owner, stage_application(s, "app")->id);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM detached"), 0);
}

/* R is dying with its first owner, and is wanted as it is by the next. */
static void a_removal_ends_when_another_one_wants_the_last_of_it(void **state) {
        struct stage *s = *state;
        int applies;

        stage_plan(s, "app", "{\"docs\": {\"one\": {\"name\": \"one\"}}}");
        stage_deploy(s, "app");
        stage_run(s, 1000);
        s->fail = "one";
        s->failure = OUTCOME_DENIED;
        stage_remove(s, "app", false);
        stage_run(s, 2000);
        assert_non_null(stage_application(s, "app"));
        s->fail = NULL;
        s->hold = true; /* nothing ends before the other plan is saved */
        applies = s->applies;
        stage_plan(s, "other", "{\"docs\": {\"one\": {\"name\": \"one\"}}}");
        stage_deploy(s, "other");
        stage_run(s, 200);
        stage_release(s);
        stage_run(s, 2000);
        assert_null(stage_application(s, "app"));
        assert_true(stage_there(s, "one"));
        assert_int_equal(stage_resource(s, "one")->owner, stage_application(s, "other")->id);
        assert_true(s->applies > applies); /* with the labels of the new owner */
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, stage_set_up, stage_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(who_waits_for_the_end_of_a_relation_waits_for_what_it_opened),
                TEST(no_side_of_a_relation_is_settled_before_it_is_gone),
                TEST(who_has_not_planned_for_its_relation_unsettles_the_other_side),
                TEST(nothing_of_a_removed_relation_is_left),
                TEST(it_stays_while_its_user_is_outside),
                TEST(it_stays_while_the_other_side_has_it_outside),
                TEST(it_goes_with_its_application_when_the_other_side_let_go),
                TEST(asked_for_again_in_time_it_is_the_same),
                TEST(what_opens_kept_storage_is_kept_until_that_is_destroyed),
                TEST(what_came_with_storage_stays_though_the_first_plan_lacks_it),
                TEST(a_removed_model_stays_with_what_it_keeps),
                TEST(a_removed_model_goes_with_the_last_of_its_storage),
                TEST(a_removed_model_is_added_again_with_what_it_kept),
                TEST(storage_that_is_wanted_again_is_the_one_it_was),
                TEST(another_one_in_its_place_is_lost_data),
                TEST(what_opens_storage_that_is_wanted_again_is_the_same),
                TEST(what_was_let_go_ends_with_its_application),
                TEST(what_was_let_go_in_its_own_server_goes_with_that),
                TEST(and_is_not_destroyed_one_by_one),
                TEST(what_is_being_destroyed_in_it_does_not_hold_its_end_up),
                TEST(what_is_kept_is_not_taken_over_by_another_one),
                TEST(what_a_living_one_let_go_is_its_own),
                TEST(a_removal_ends_when_another_one_wants_the_last_of_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
