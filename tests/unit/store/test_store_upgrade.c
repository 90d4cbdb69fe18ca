/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_upgrade.c - stores of older and newer releases: forward in one transaction after a
 * copy, and back until it is confirmed */
#include "store-fixture.h"

#include "releases.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLDER 20 /* a release that there was */

static const char *const adds[] = {
        "CREATE TABLE next_release (id INTEGER PRIMARY KEY) STRICT",
        "ALTER TABLE setting ADD COLUMN note TEXT NOT NULL DEFAULT ''",
        NULL,
};
static const struct store_migration additive = { .name = "next.sql", .statements = adds };
static const char *const breaks[] = {
        "CREATE TABLE next_release (id INTEGER PRIMARY KEY) STRICT",
        "INSERT INTO nowhere (id) VALUES (1)",
        NULL,
};
static const struct store_migration broken = { .name = "next.sql", .statements = breaks };

static int set_up(void **state) {
        releases_know(-1, NULL);
        return fixture_set_up(state, &store_engine_sqlite);
}

static int number_in(struct fixture *f, const char *file, const char *sql) {
        cleanup_(freep) char *path = fixture_path(f, file);
        sqlite3_stmt *s = NULL;
        sqlite3 *db = NULL;
        int n = -1;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
                n = sqlite3_column_int(s, 0);
        sqlite3_finalize(s);
        sqlite3_close(db);
        return n;
}

static int version_of(struct fixture *f, const char *file) {
        return number_in(f, file, "PRAGMA user_version");
}

/* A store that the first N migrations made, with one setting in it. */
static void make_old(struct fixture *f, int n) {
        cleanup_(freep) char *command = str_format("rm -rf %s/*", f->dir);

        fixture_close(f);
        assert_int_equal(system(command), 0);
        releases_know(n, NULL);
        fixture_open(f);
        assert_int_equal(fixture_set(f, "a", "before"), 1);
        fixture_close(f);
        assert_int_equal(version_of(f, "model.db"), n < 0 ? releases_own() : n);
}

static void assert_setting(struct fixture *f, const char *name, const char *want) {
        cleanup_(freep) char *found = fixture_get(f, name);

        assert_string_equal(found, want);
}

static void assert_refused(struct fixture *f, int want, const char *text) {
        struct err err = {};

        assert_int_equal(fixture_try_open(f, &err), want);
        assert_null(f->store);
        if (!strstr(err.text, text))
                fail_msg("wanted \"%s\", got \"%s\"", text, err.text);
}

static void an_older_store_goes_forward_and_a_copy_of_it_stays(void **state) {
        struct fixture *f = *state;
        struct store_schema h;

        make_old(f, OLDER);
        releases_know(-1, NULL);
        fixture_open(f);
        store_schema(f->store, &h);
        assert_int_equal(h.before, OLDER);
        assert_int_equal(h.number, releases_own());
        assert_setting(f, "a", "before");
        cleanup_(freep) char *upgrade = fixture_get(f, STORE_UPGRADE);
        assert_non_null(strstr(upgrade, "\"from\":20"));
        assert_int_equal(version_of(f, STORE_BEFORE "/model.db"), OLDER);
        assert_int_equal(number_in(f, STORE_BEFORE "/model.db",
                                   "SELECT value = 'before' FROM setting WHERE name = 'a'"),
                         1);
}

static void of_a_migration_that_fails_nothing_stays(void **state) {
        struct fixture *f = *state;

        make_old(f, OLDER);
        releases_know(-1, &broken);
        assert_refused(f, -EIO, "migration next.sql");
        assert_int_equal(version_of(f, "model.db"), OLDER);
        assert_int_equal(number_in(f, "model.db",
                                   "SELECT count(*) FROM sqlite_schema WHERE name = 'certificate'"),
                         0);
        releases_know(OLDER, NULL);
        fixture_open(f);
        assert_setting(f, "a", "before");
        assert_setting(f, STORE_UPGRADE, "");
}

static void without_room_for_the_copy_nothing_is_migrated(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *path = fixture_path(f, STORE_BEFORE);
        cleanup_(fclosep) FILE *in_the_way = NULL;

        make_old(f, OLDER);
        in_the_way = fopen(path, "we");
        assert_non_null(in_the_way);
        releases_know(-1, NULL);
        assert_refused(f, -ENOTDIR, "the state is untouched");
        assert_int_equal(version_of(f, "model.db"), OLDER);
}

static void the_release_before_comes_back_until_it_is_confirmed(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *copy = fixture_path(f, STORE_BEFORE);
        struct store_schema h;

        make_old(f, -1);
        releases_know(-1, &additive);
        fixture_open(f);
        assert_int_equal(fixture_set(f, "a", "by the next"), 1);
        fixture_close(f);

        releases_know(-1, NULL);
        fixture_open(f);
        store_schema(f->store, &h);
        assert_int_equal(h.number, releases_own() + 1);
        assert_int_equal(h.known, releases_own());
        assert_setting(f, "a", "by the next");
        assert_int_equal(fixture_set(f, "b", "by the one before"), 1);
        fixture_close(f);

        releases_know(-1, &additive);
        fixture_open(f);
        assert_setting(f, "b", "by the one before");
        assert_int_equal(access(copy, F_OK), 0);
        fixture_close(f);
        assert_int_equal(number_in(f, "model.db",
                                   "DELETE FROM setting WHERE name = '" STORE_UPGRADE
                                   "' RETURNING 1"),
                         1);
        releases_know(-1, NULL);
        assert_refused(f, -EPROTONOSUPPORT, "the upgrade was confirmed");
        releases_know(-1, &additive);
        fixture_open(f);
        assert_setting(f, "b", "by the one before");
        assert_int_equal(access(copy, F_OK), -1);
}

static void one_that_takes_away_leaves_the_copy_as_the_way_back(void **state) {
        struct fixture *f = *state;
        struct store_migration takes = additive;
        cleanup_(freep) char *back = str_format(
                "cd %s && rm -f model.db-wal model.db-shm && mv " STORE_BEFORE "/model.db .",
                f->dir);

        make_old(f, -1);
        takes.reader = releases_own() + 1;
        releases_know(-1, &takes);
        fixture_open(f);
        assert_int_equal(fixture_set(f, "a", "by the next"), 1);
        fixture_close(f);
        releases_know(-1, NULL);
        assert_refused(f, -EPROTONOSUPPORT, STORE_BEFORE "/model.db");
        assert_int_equal(system(back), 0);
        fixture_open(f);
        assert_setting(f, "a", "before");
}

static void of_two_that_follow_each_other_the_first_says_from_where(void **state) {
        struct fixture *f = *state;

        make_old(f, OLDER);
        releases_know(OLDER + 2, NULL);
        fixture_open(f);
        fixture_close(f);
        releases_know(-1, NULL);
        fixture_open(f);
        cleanup_(freep) char *upgrade = fixture_get(f, STORE_UPGRADE);
        assert_non_null(strstr(upgrade, "\"from\":20"));
        assert_int_equal(version_of(f, STORE_BEFORE "/model.db"), OLDER + 2);
        fixture_close(f);
        releases_know(OLDER, NULL);
        fixture_open(f);
        assert_setting(f, "a", "before");
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, set_up, fixture_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(an_older_store_goes_forward_and_a_copy_of_it_stays),
                TEST(of_a_migration_that_fails_nothing_stays),
                TEST(without_room_for_the_copy_nothing_is_migrated),
                TEST(the_release_before_comes_back_until_it_is_confirmed),
                TEST(one_that_takes_away_leaves_the_copy_as_the_way_back),
                TEST(of_two_that_follow_each_other_the_first_says_from_where),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
