/* SPDX-License-Identifier: Apache-2.0 */
/* test_drift.c - what others changed, field by field: who fights, what stands, what is kept */
#include "stage.h"

#include <unistd.h>

#define MANY 40 /* more fields than there is room for */

static const struct fight_options usual = { 3, 60000, 16, 3600000, 2000, 2000 };

static void begin(struct stage *s, const char *plan) {
        s->rec->options.fight = usual;
        stage_plan(s, "app", plan);
        stage_deploy(s, "app");
        stage_run(s, 500);
}

static void change(struct stage *s, const char *field, const char *value) {
        stage_change(s, "one", field, json_string(value));
        stage_run(s, 200);
}

static const struct fight *first_fight(struct stage *s) {
        const struct world_resource *r = stage_resource(s, "one");

        assert_non_null(r->fights);
        assert_int_equal(r->fights->count, 1);
        return &r->fights->items[0];
}

/* ---- fights */

static const char two[] = "{\"docs\": {\"one\": {\"name\": \"one\", \"a\": \"1\", \"b\": \"1\"}}}";

static void who_rewrites_more_fields_than_are_told_apart_is_slowed(void **state) {
        struct stage *s = *state;
        cleanup_(json_freep) json_t *plan =
                json_pack("{s:{s:{s:s}}}", "docs", "one", "name", "one");
        cleanup_(freep) char *text = NULL, *said = NULL;
        char name[16];

        for (int i = 0; i < MANY; i++) {
                snprintf(name, sizeof(name), "k%d", i);
                json_object_set_new(json_dig(plan, "docs", "one", NULL), name, json_string("1"));
        }
        text = json_text(plan);
        begin(s, text);
        for (int round = 0; round < 3; round++) {
                for (int i = 0; i < MANY; i++) {
                        snprintf(name, sizeof(name), "k%d", i);
                        stage_change(s, "one", name, json_string("2"));
                }
                stage_run(s, 200);
                assert_string_equal(stage_member(s, "one", "k7"), round < 2 ? "1" : "2");
        }
        assert_string_equal(first_fight(s)->field, FIGHT_MANY);
        said = fight_text(first_fight(s));
        assert_true(str_starts(said, "somebody changed many fields 3 times"));
        stage_run(s, 2000);
        assert_string_equal(stage_member(s, "one", "k7"), "1");
}

static void the_repair_of_another_field_is_no_change_of_a_field_that_waits(void **state) {
        struct stage *s = *state;
        int64_t next;

        begin(s, two);
        for (int round = 0; round < 3; round++)
                change(s, "a", "2");
        assert_string_equal(stage_member(s, "one", "a"), "2");
        next = first_fight(s)->next_at;
        change(s, "b", "2");
        assert_string_equal(stage_member(s, "one", "b"), "1");
        assert_string_equal(stage_member(s, "one", "a"), "2");
        change(s, "c", "new"); /* compared once more */
        assert_int_equal(stage_resource(s, "one")->fights->items[0].count, 3);
        assert_int_equal(stage_resource(s, "one")->fights->items[0].next_at, next);
        stage_run(s, 2000);
        assert_string_equal(stage_member(s, "one", "a"), "1");
        change(s, "a", "2");
        assert_int_equal(stage_resource(s, "one")->fights->items[0].count, 4);
}

static void a_restart_counts_no_change_twice(void **state) {
        struct stage *s = *state;

        begin(s, two);
        for (int round = 0; round < 3; round++)
                change(s, "a", "2");
        change(s, "b", "2");
        stage_restart(s);
        s->rec->options.fight = usual;
        stage_run(s, 200);
        assert_int_equal(first_fight(s)->count, 3);
        assert_string_equal(stage_member(s, "one", "a"), "2");
        stage_run(s, 2000);
        assert_string_equal(stage_member(s, "one", "a"), "1");
}

static void the_end_of_a_fight_is_seen_though_the_row_is_read_again(void **state) {
        struct stage *s = *state;

        begin(s, two);
        s->rec->options.fight.window_ms = 3000;
        for (int round = 0; round < 3; round++)
                change(s, "a", "2");
        stage_run(s, 2000);
        assert_true(fight_is_open(first_fight(s)));
        reconcile_mark(s->rec, MARK_RESOURCE, stage_resource(s, "one")->id);
        stage_run(s, 8000);
        assert_null(stage_resource(s, "one")->fights);
        assert_int_equal(stage_count(s, "SELECT count(*) FROM fight"), 0);
}

static void what_could_not_be_written_of_a_fight_is_written_with_the_next_line(void **state) {
        struct stage *s = *state;

        begin(s, two);
        change(s, "a", "2");
        stage_full(s, true);
        change(s, "a", "2");
        stage_full(s, false);
        stage_run(s, 60000);
        assert_string_equal(stage_member(s, "one", "a"), "1");
        assert_int_equal(stage_count(s, "SELECT count(*) FROM fight"), 1);
}

/* ---- rules */

static void rule(struct stage *s, const char *field, const char *mode) {
        struct command_policy c = { .head.run = command_policy_set,
                                    .model = "lab",
                                    .type = "Thing",
                                    .path = "one",
                                    .field = field,
                                    .mode = mode,
                                    .why = "a test" };

        stage_command(s, &c.head);
        stage_run(s, 200);
}

static int64_t lines(struct stage *s, const char *of) {
        cleanup_(freep) char *sql = str_format("SELECT count(*) FROM drift WHERE %s", of);

        return stage_count(s, sql);
}

static void lose_cache(struct stage *s) {
        static const char *const names[] = { "cache.db", "cache.db-wal", "cache.db-shm", NULL };

        stage_stop(s);
        for (const char *const *name = names; *name; name++) {
                cleanup_(freep) char *path = str_format("%s/%s", s->dir, *name);

                unlink(path);
        }
        s->applies = 0;
        stage_restart(s);
        stage_run(s, 2000);
}

/* What differs for weeks is not kept whole: it is looked at again when it is to be judged anew. */
static void what_stands_is_let_go_and_looked_at_when_a_rule_ends(void **state) {
        struct command_policy end = { .head.run = command_policy_unset,
                                      .model = "lab",
                                      .type = "Thing",
                                      .path = "one",
                                      .field = "a" };
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "report");
        change(s, "a", "2");
        assert_null(stage_resource(s, "one")->seen.found);
        change(s, "a", "2"); /* an event that changes nothing of it */
        assert_null(stage_resource(s, "one")->seen.found);
        s->applies = s->looks = 0;
        change(s, "b", "2"); /* another field is put right, and this one stays */
        assert_string_equal(stage_member(s, "one", "a"), "2");
        assert_string_equal(stage_member(s, "one", "b"), "1");
        assert_int_equal(s->applies, 1);
        assert_int_equal(s->looks, 0);
        assert_null(stage_resource(s, "one")->seen.found);
        stage_command(s, &end.head);
        stage_run(s, 500);
        assert_string_equal(stage_member(s, "one", "a"), "1");
        assert_int_equal(s->looks, 1);
        assert_int_equal(s->applies, 2);
}

static void what_is_ignored_is_looked_at_before_the_object_is_written(void **state) {
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "ignore");
        change(s, "a", "2");
        assert_null(stage_resource(s, "one")->seen.found);
        s->applies = s->looks = 0;
        stage_plan(s, "app",
                   "{\"docs\": {\"one\": {\"name\": \"one\", \"a\": \"1\", \"b\": \"3\"}}}");
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_run(s, 500);
        assert_string_equal(stage_member(s, "one", "a"), "2");
        assert_string_equal(stage_member(s, "one", "b"), "3");
        assert_int_equal(s->looks, 1);
        assert_int_equal(s->applies, 1);
}

static void what_is_ignored_and_let_go_has_no_line_in_a_pause(void **state) {
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "ignore");
        change(s, "a", "2");
        assert_null(stage_resource(s, "one")->seen.found);
        stage_pause(s, "app", true);
        stage_run(s, 500);
        reconcile_mark(s->rec, MARK_RESOURCE, stage_resource(s, "one")->id);
        stage_run(s, 500);
        assert_int_equal(lines(s, "1"), 0);
        change(s, "b", "2");
        assert_int_equal(lines(s, "outcome = 'open'"), 1);
}

/* Its charm cannot make it again now: only what was kept of it says what is right. */
static void what_a_plan_only_keeps_is_put_right_though_cache_db_was_lost(void **state) {
        struct stage *s = *state;

        begin(s, two);
        stage_plan(s, "app", "{\"docs\": {}, \"keep\": [\"one\"]}");
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_run(s, 500);
        lose_cache(s);
        assert_int_equal(s->applies, 0);
        change(s, "a", "2");
        stage_run(s, 1000);
        assert_string_equal(stage_member(s, "one", "a"), "1");
        stage_change(s, "one", NULL, NULL);
        stage_run(s, 1000);
        assert_true(stage_there(s, "one"));
}

static void what_stands_is_in_status_after_a_restart(void **state) {
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "report");
        change(s, "a", "2");
        assert_non_null(strstr(stage_application(s, "app")->message, "a was changed"));
        stage_restart(s);
        stage_run(s, 500);
        assert_non_null(strstr(stage_application(s, "app")->message, "a was changed"));
        assert_int_equal(lines(s, "1"), 1);
}

static void keep(struct stage *s, const char *mode) {
        begin(s, two);
        rule(s, "a", mode);
        change(s, "a", "2");
        assert_int_equal(lines(s, "1"), str_eq(mode, "report"));
        lose_cache(s);
        assert_string_equal(stage_member(s, "one", "a"), "2");
        assert_int_equal(s->applies, 0);
        assert_int_equal(lines(s, "action <> 'report' OR outcome = 'undone'"), 0);
}

static void a_field_that_is_only_told_stays_when_cache_db_was_lost(void **state) {
        struct stage *s = *state;

        keep(s, "report");
        assert_int_equal(lines(s, "outcome = 'open'"), 1);
}

static void a_field_that_is_ignored_stays_when_cache_db_was_lost(void **state) {
        keep(*state, "ignore");
}

static void a_field_that_is_let_be_stays_when_cache_db_was_lost(void **state) {
        keep(*state, "off");
}

/* Without a baseline a document says nothing of what it has not: C may be what the rule means. */
static void what_is_not_known_is_told_where_rules_are_about_fields(void **state) {
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "ignore");
        stage_pause(s, "app", true);
        change(s, "c", "new");
        lose_cache(s);
        stage_pause(s, "app", false);
        stage_run(s, 500);
        assert_int_equal(s->applies, 0);
        assert_int_equal(lines(s, "outcome = 'open' AND standing NOTNULL"), 1);
        assert_non_null(strstr(stage_application(s, "app")->message, "which field is not known"));
}

static void what_is_not_known_is_put_right_where_there_are_no_rules(void **state) {
        struct stage *s = *state;

        begin(s, two);
        stage_pause(s, "app", true);
        change(s, "c", "new");
        lose_cache(s);
        stage_pause(s, "app", false);
        stage_run(s, 500);
        assert_string_equal(stage_member(s, "one", "c"), "");
}

static void want(struct stage *s, const char *plan) {
        stage_plan(s, "app", plan);
        stage_application(s, "app")->replan = true;
        reconcile_mark(s->rec, MARK_APPLICATION, stage_application(s, "app")->id);
        stage_run(s, 500);
}

static const char other[] =
        "{\"docs\": {\"one\": {\"name\": \"one\", \"a\": \"1\", \"b\": \"9\"}}}";

static void what_was_let_be_is_told_when_a_change_of_ours_writes_over_it(void **state) {
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "off");
        change(s, "a", "theirs");
        assert_int_equal(lines(s, "1"), 0);
        want(s, other);
        assert_string_equal(stage_member(s, "one", "a"), "1");
        assert_int_equal(lines(s, "outcome = 'repaired' AND fields LIKE '%theirs%' AND action = "
                                  "'repair, with a change of ours'"),
                         1);
        assert_int_equal(lines(s, "1"), 1);
}

static void what_a_change_of_ours_will_write_over_waits_with_it(void **state) {
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "off");
        change(s, "a", "theirs");
        s->fail = "role";
        s->failure = OUTCOME_NOT_YET;
        stage_plan(s, "base", "{\"docs\": {\"role\": {\"name\": \"role\"}}}");
        stage_deploy(s, "base");
        stage_run(s, 500);
        want(s, "{\"docs\": {\"one\": {\"name\": \"one\", \"a\": \"1\", \"b\": \"9\", \"needs\":"
                " [{\"type\": \"Thing\", \"name\": \"role\"}]}}}");
        assert_string_equal(stage_member(s, "one", "a"), "theirs");
        assert_int_equal(lines(s, "repaired_at IS NULL AND action = 'wait, with a change of ours'"),
                         1);
        s->fail = NULL;
        stage_run(s, 5000);
        assert_string_equal(stage_member(s, "one", "a"), "1");
        assert_int_equal(lines(s, "outcome = 'repaired'"), 1);
}

static void what_is_ignored_is_not_told_when_a_change_of_ours_leaves_it(void **state) {
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "ignore");
        change(s, "a", "theirs");
        want(s, other);
        assert_string_equal(stage_member(s, "one", "b"), "9");
        assert_int_equal(lines(s, "1"), 0);
}

static void in_a_pause_the_line_tells_what_it_is_by_now(void **state) {
        struct stage *s = *state;

        begin(s, two);
        stage_pause(s, "app", true);
        change(s, "a", "theirs");
        assert_int_equal(lines(s, "outcome = 'open' AND action = 'pause'"), 1);
        change(s, "b", "too");
        assert_int_equal(lines(s, "outcome = 'open' AND fields LIKE '%theirs%too%'"), 1);
        assert_int_equal(lines(s, "outcome = 'superseded'"), 1);
        stage_restart(s);
        stage_run(s, 500);
        assert_int_equal(lines(s, "1"), 2);
        stage_pause(s, "app", false);
        stage_run(s, 500);
        assert_string_equal(stage_member(s, "one", "b"), "1");
        assert_int_equal(lines(s, "outcome = 'repaired' AND fields LIKE '%theirs%too%'"), 1);
        assert_int_equal(lines(s, "outcome = 'open'"), 0);
}

static void what_a_pause_held_up_stands_after_it_where_a_rule_says_so(void **state) {
        struct stage *s = *state;

        begin(s, two);
        rule(s, "a", "report");
        stage_pause(s, "app", true);
        change(s, "a", "theirs");
        assert_int_equal(lines(s, "outcome = 'open' AND action = 'pause'"), 1);
        stage_pause(s, "app", false);
        stage_run(s, 500);
        assert_int_equal(lines(s, "outcome = 'open'"), 1);
        assert_int_equal(lines(s, "outcome = 'open' AND action = 'report'"), 1);
        assert_non_null(strstr(stage_application(s, "app")->message, "is only told"));
}

static void a_rule_that_came_in_a_pause_takes_the_line_over(void **state) {
        struct stage *s = *state;

        begin(s, two);
        stage_pause(s, "app", true);
        change(s, "a", "theirs");
        rule(s, "a", "report");
        stage_pause(s, "app", false);
        stage_run(s, 500);
        assert_int_equal(lines(s, "outcome = 'open' AND action = 'report'"), 1);
        assert_int_equal(lines(s, "outcome = 'superseded'"), 1);
        assert_string_equal(stage_member(s, "one", "a"), "theirs");
        rule(s, "a", "repair");
        stage_run(s, 500);
        assert_int_equal(lines(s, "outcome = 'repaired' AND fields LIKE '%theirs%'"), 1);
        assert_int_equal(lines(s, "1"), 2);
}

/* ---- which user it was */

static void the_user_is_in_the_line_as_soon_as_the_log_says_it(void **state) {
        struct stage *s = *state;

        begin(s, two);
        s->log_user = "alice";
        change(s, "a", "2");
        assert_int_equal(s->users_asked, 1);
        assert_int_equal(lines(s, "user = 'alice'"), 1);
        s->log_user = "";
        change(s, "a", "3");
        change(s, "b", "2");
        assert_int_equal(s->users_asked, 3);
        stage_run(s, 3000);
        assert_int_equal(lines(s, "user = 'bob'"), 0);
        s->log_user = "bob";
        stage_run(s, 1000);
        assert_int_equal(lines(s, "user = 'bob'"), 2);
}

static void a_log_that_never_says_it_is_not_asked_for_ever(void **state) {
        struct stage *s = *state;

        begin(s, two);
        s->log_user = "";
        change(s, "a", "2");
        stage_run(s, 60000);
        assert_int_equal(s->users_asked, 15);
}

static void where_there_is_no_log_it_is_asked_once(void **state) {
        struct stage *s = *state;

        begin(s, two);
        change(s, "a", "2");
        stage_run(s, 5000);
        assert_int_equal(s->users_asked, 1);
}

/* Of three, in an hour and a quarter of it: each once, none before. */
static void each_object_is_applied_again_once_in_an_audit_period(void **state) {
        struct stage *s = *state;

        s->audit_ms = 3600000;
        stage_restart(s);
        stage_plan(s, "app",
                   "{\"docs\": {\"a\": {\"name\": \"a\"}, \"b\": {\"name\": \"b\"},"
                   " \"c\": {\"name\": \"c\"}}}");
        stage_deploy(s, "app");
        stage_run(s, 3500000);
        assert_int_equal(s->applies, 3);
        stage_run(s, 1300000);
        assert_int_equal(s->applies, 6);
        stage_run(s, 2000000);
        assert_int_equal(s->applies, 6);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, stage_set_up, stage_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(each_object_is_applied_again_once_in_an_audit_period),
                TEST(who_rewrites_more_fields_than_are_told_apart_is_slowed),
                TEST(the_repair_of_another_field_is_no_change_of_a_field_that_waits),
                TEST(a_restart_counts_no_change_twice),
                TEST(the_end_of_a_fight_is_seen_though_the_row_is_read_again),
                TEST(what_could_not_be_written_of_a_fight_is_written_with_the_next_line),
                TEST(what_stands_is_in_status_after_a_restart),
                TEST(what_stands_is_let_go_and_looked_at_when_a_rule_ends),
                TEST(what_is_ignored_is_looked_at_before_the_object_is_written),
                TEST(what_is_ignored_and_let_go_has_no_line_in_a_pause),
                TEST(what_a_plan_only_keeps_is_put_right_though_cache_db_was_lost),
                TEST(a_field_that_is_only_told_stays_when_cache_db_was_lost),
                TEST(a_field_that_is_ignored_stays_when_cache_db_was_lost),
                TEST(a_field_that_is_let_be_stays_when_cache_db_was_lost),
                TEST(what_is_not_known_is_told_where_rules_are_about_fields),
                TEST(what_was_let_be_is_told_when_a_change_of_ours_writes_over_it),
                TEST(what_a_change_of_ours_will_write_over_waits_with_it),
                TEST(what_is_ignored_is_not_told_when_a_change_of_ours_leaves_it),
                TEST(in_a_pause_the_line_tells_what_it_is_by_now),
                TEST(what_a_pause_held_up_stands_after_it_where_a_rule_says_so),
                TEST(a_rule_that_came_in_a_pause_takes_the_line_over),
                TEST(what_is_not_known_is_put_right_where_there_are_no_rules),
                TEST(the_user_is_in_the_line_as_soon_as_the_log_says_it),
                TEST(a_log_that_never_says_it_is_not_asked_for_ever),
                TEST(where_there_is_no_log_it_is_asked_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
