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

/* ---- without our labels: no watch tells of it */

static void another_one_is_found_by_its_name(void **state) {
        struct stage *s = *state;
        struct command_application c = { .head.run = command_application_accept_loss,
                                         .model = "lab",
                                         .application = "app" };

        deploy(s);
        stage_change(s, "volume", NULL, NULL);
        stage_run(s, 1000);
        expect_(s, "lost", "is gone, and held data");
        stage_restore(s, "volume", "{\"name\": \"volume\", \"data\": true, \"since\": 1000}");
        stage_run(s, 31000);
        expect_(s, "lost",
                "another one of that name is there since 1970-01-01T00:00:01Z (uid i777): "
                "mooringctl accept-data-loss app takes it as it is, deletes nothing");
        assert_string_equal(stage_resource(s, "volume")->row.found, "i777");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM resource WHERE found = 'i777'"), 1);
        assert_true(s->removes == 0);
        stage_command(s, &c.head);
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

#define TEST(run) cmocka_unit_test_setup_teardown(run, stage_set_up, stage_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(it_is_pending_until_it_is_there),
                TEST(refused_it_is_an_error_with_the_reason),
                TEST(nothing_uses_it_at_scale_zero),
                TEST(marked_for_deletion_it_is_destroying_and_gone_it_is_lost),
                TEST(another_one_in_its_place_is_lost_too),
                TEST(while_its_cluster_cannot_be_read_it_is_unknown),
                TEST(another_one_is_found_by_its_name),
                TEST(what_is_kept_is_looked_at),
                TEST(kept_and_marked_for_deletion_it_is_told_before_it_is_gone),
                TEST(another_one_in_the_place_of_what_was_kept_is_named),
                TEST(what_was_lost_before_is_not_kept),
                TEST(restored_it_is_simply_kept),
                TEST(what_cannot_be_looked_at_is_unknown),
                TEST(taken_over_again_its_lines_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
