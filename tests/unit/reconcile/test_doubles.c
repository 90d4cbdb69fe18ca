/* SPDX-License-Identifier: Apache-2.0 */
/* test_doubles.c - the charm across both outsides, on a store that behaves as a replicated one on
 * a bad day: what is added later (a provider, an engine, a charm) needs no change here
 *
 * The engine "shaky" runs transactions twice and says "unknown" after commits; the provider "slow"
 * tells nothing by itself, throttles, and runs long. Each thing that is begun there is counted. */
#include "loop-fixture.h"

#include "engine-shaky.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET "/api/v1/namespaces/" FIXTURE_MODEL "/secrets/app"

static int set_up(void **state) {
        struct fixture *f = mem_new(struct fixture);

        fixture_init(f, &store_engine_shaky);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        fixture_deinit(*state);
        free(*state);
        return 0;
}

static bool rows_say(struct fixture *f, const void *sql) {
        return fixture_number(f, sql) > 0;
}

static void until_token(struct fixture *f, const char *action) {
        cleanup_(freep) char *sql = str_format("SELECT count(*) FROM resource WHERE token LIKE "
                                               "'slow:%%' AND token_action = '%s'",
                                               action);

        fixture_until(f, "a token in the store", rows_say, sql);
}

static bool is_gone(struct fixture *f, const void *path) {
        return !slow_at(path);
}

static bool is_there(struct fixture *f, const void *path) {
        return slow_at(path) != NULL;
}

static bool has_note(struct fixture *f, const void *note) {
        return str_eq(json_get_str(slow_at("blue/one"), "note", ""), note);
}

static void thing(struct fixture *f, const char *name) {
        fixture_config(f, "app", json_pack("{s:s}", "thing", name));
}

static void note(struct fixture *f, const char *text) {
        fixture_config(f, "app", json_pack("{s:s}", "note", text));
}

static void assert_no_drift(struct fixture *f) {
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM drift"), 0);
}

static void the_charm_across_both_converges_and_begins_nothing_twice(void **state) {
        struct fixture *f = *state;
        int unknown = shaky_count();
        cleanup_(json_freep) json_t *secret = NULL;

        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "active", "");
        fixture_settle(f);
        assert_true(shaky_count() > unknown + 5);
        assert_int_equal(slow_begun(), 1);
        assert_int_equal(slow_throttled(), 1);
        assert_int_equal(slow_early(), 0); /* asked again when it said, not before */
        assert_int_equal(slow_count(), 1);
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM resource WHERE token <> ''"), 0);
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM resource"), 3);
        assert_no_drift(f);
        secret = fixture_object(f, SECRET);
        assert_non_null(secret);
}

static void a_restart_in_the_middle_hands_the_token_back(void **state) {
        struct fixture *f = *state;

        slow_hold(true);
        fixture_deploy(f, "app", NULL);
        until_token(f, "apply");
        for (int i = 0; i < 2; i++) {
                fixture_close(f);
                fixture_open(f);
                fixture_until_status(f, "app", "waiting", "Thing blue/one");
        }
        slow_hold(false);
        fixture_until_status(f, "app", "active", "");
        assert_int_equal(slow_begun(), 1);
        assert_int_equal(slow_count(), 1);
        assert_no_drift(f);
}

static void what_changed_while_it_ran_is_written_after_it(void **state) {
        struct fixture *f = *state;

        slow_hold(true);
        fixture_deploy(f, "app", NULL);
        until_token(f, "apply");
        note(f, "second");
        fixture_settle(f);
        assert_int_equal(slow_begun(), 1); /* one at a time */
        fixture_close(f);
        fixture_open(f);
        slow_hold(false);
        fixture_until(f, "the second note", has_note, "second");
        fixture_until_status(f, "app", "active", "");
        assert_int_equal(slow_begun(), 2);
        assert_no_drift(f);
}

static void what_is_not_wanted_any_more_while_it_is_made_is_made_and_removed(void **state) {
        struct fixture *f = *state;

        slow_hold(true);
        fixture_deploy(f, "app", NULL);
        until_token(f, "apply");
        thing(f, "Other");
        fixture_settle(f);
        fixture_close(f);
        fixture_open(f);
        slow_hold(false);
        fixture_until(f, "the other thing", is_there, "blue/other");
        fixture_until_status(f, "app", "active", "");
        fixture_until(f, "the end of the first", rows_say,
                      "SELECT count(*) = 0 FROM resource WHERE path = 'blue/one'");
        assert_null(slow_at("blue/one"));
        assert_int_equal(slow_begun(), 3);
        assert_no_drift(f);
}

static void what_is_wanted_again_while_it_is_removed_is_removed_and_made(void **state) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "active", "");
        slow_hold(true);
        thing(f, "Other");
        until_token(f, "remove");
        thing(f, "One");
        fixture_settle(f);
        fixture_close(f);
        fixture_open(f);
        slow_hold(false);
        fixture_until(f, "the end of the other", is_gone, "blue/other");
        fixture_until(f, "the first", is_there, "blue/one");
        fixture_until_status(f, "app", "active", "");
        assert_no_drift(f);
}

static void an_outside_that_is_away_is_waited_for(void **state) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "active", "");
        slow_down(true);
        note(f, "second");
        fixture_until_status(f, "app", "waiting", "nobody answers");
        slow_down(false);
        fixture_until_status(f, "app", "active", "");
        assert_true(has_note(f, "second"));
        assert_no_drift(f);
}

static void what_others_do_there_is_found_and_mended_once(void **state) {
        struct fixture *f = *state;
        int begun;

        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "active", "");
        begun = slow_begun();
        assert_true(slow_change("blue/one", "note", json_string("somebody's")));
        fixture_until(f, "our note", has_note, "first");
        fixture_until(f, "the line", rows_say,
                      "SELECT count(*) FROM drift WHERE outcome = 'repaired'");
        assert_int_equal(slow_begun(), begun + 1);
        assert_true(slow_delete("blue/one"));
        fixture_until(f, "the thing", is_there, "blue/one");
        fixture_until(f, "the second line", rows_say,
                      "SELECT count(*) = 2 FROM drift WHERE outcome = 'repaired'");
        fixture_until_status(f, "app", "active", "");
        assert_int_equal(slow_begun(), begun + 2);
        assert_int_equal(fixture_number(f, "SELECT max(before) FROM drift"), 0);
        for (int again = 1; again <= 2; again++) { /* the same once more is counted */
                assert_true(slow_delete("blue/one"));
                fixture_until(f, "the thing", is_there, "blue/one");
                fixture_until_status(f, "app", "active", "");
                assert_int_equal(fixture_number(f, "SELECT max(before) FROM drift"), again);
        }
}

/* Of the fixture itself: its folders were left behind by setups that failed. */
static void a_test_that_dies_leaves_no_folder(void **state) {
        struct fixture f = { .dir = FIXTURE_DIR };
        int tell[2];
        pid_t pid;

        assert_int_equal(pipe(tell), 0);
        pid = fork();
        if (pid == 0) {
                fixture_folder(&f);
                (void)!write(tell[1], f.dir, sizeof(f.dir));
                _exit(1);
        }
        assert_int_equal(read(tell[0], f.dir, sizeof(f.dir)), sizeof(f.dir));
        waitpid(pid, NULL, 0);
        close(tell[0]);
        close(tell[1]);
        while (access(f.dir, F_OK) == 0)
                usleep(1000); /* for ever: then the suite's own deadline says so */
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_charm_across_both_converges_and_begins_nothing_twice),
                TEST(a_restart_in_the_middle_hands_the_token_back),
                TEST(what_changed_while_it_ran_is_written_after_it),
                TEST(what_is_not_wanted_any_more_while_it_is_made_is_made_and_removed),
                TEST(what_is_wanted_again_while_it_is_removed_is_removed_and_made),
                TEST(an_outside_that_is_away_is_waited_for),
                TEST(what_others_do_there_is_found_and_mended_once),
                cmocka_unit_test(a_test_that_dies_leaves_no_folder),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
