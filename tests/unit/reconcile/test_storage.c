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
        expect_(s, "lost", "is another one than that which held data");
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

#define TEST(run) cmocka_unit_test_setup_teardown(run, stage_set_up, stage_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(it_is_pending_until_it_is_there),
                TEST(refused_it_is_an_error_with_the_reason),
                TEST(nothing_uses_it_at_scale_zero),
                TEST(marked_for_deletion_it_is_destroying_and_gone_it_is_lost),
                TEST(another_one_in_its_place_is_lost_too),
                TEST(while_its_cluster_cannot_be_read_it_is_unknown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
