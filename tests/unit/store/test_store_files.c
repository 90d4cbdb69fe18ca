/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_files.c - the state folder: lock, modes, schema, damage, backup */
#include "store-fixture.h"

#include "store-engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int set_up(void **state) {
        return fixture_set_up(state, &store_engine_sqlite);
}

static void run_sql(struct fixture *f, const char *file, const char *sql) {
        cleanup_(freep) char *path = fixture_path(f, file);
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void overwrite(struct fixture *f, const char *file, int64_t at, size_t n) {
        cleanup_(freep) char *path = fixture_path(f, file);
        cleanup_(freep) char *rubbish = mem_alloc(n);
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

        memset(rubbish, 0x5a, n);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, rubbish, n, at), n);
}

static mode_t mode_of(struct fixture *f, const char *file) {
        cleanup_(freep) char *path = fixture_path(f, file);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_mode & 0777;
}

static void assert_refused(struct fixture *f, int want, const char *text) {
        struct err err = {};
        int r = fixture_try_open(f, &err);

        assert_int_equal(r, want);
        assert_null(f->store);
        if (!strstr(err.text, text))
                fail_msg("wanted \"%s\", got \"%s\"", text, err.text);
}

static void nobody_else_can_read_the_state(void **state) {
        struct fixture *f = *state;
        const char *files[] = { "model.db", "model.db-wal", "cache.db", "lock" };

        assert_int_equal(fixture_set(f, "a", "1"), 1);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                assert_int_equal(mode_of(f, files[i]), 0600);
        fixture_close(f);
        assert_int_equal(chmod(f->dir, 0755), 0);
        fixture_open(f);
        assert_int_equal(mode_of(f, ""), 0700);
}

static void a_second_daemon_is_told_whose_it_is(void **state) {
        struct fixture *f = *state;
        struct store *first = take_ptr(f->store);
        cleanup_(freep) char *pid = str_format("process %d", getpid());

        assert_refused(f, -EWOULDBLOCK, pid);
        f->store = first;
        fixture_close(f);
        fixture_open(f);
}

/* What this program makes. */
static void set_version(struct fixture *f) {
        cleanup_(freep) char *sql =
                str_format("PRAGMA user_version = %d", (int)store_migrations_count);

        run_sql(f, "model.db", sql);
}

static void a_newer_schema_is_refused_and_left_alone(void **state) {
        struct fixture *f = *state;

        assert_int_equal(fixture_set(f, "a", "1"), 1);
        fixture_close(f);
        run_sql(f, "model.db", "PRAGMA user_version = 99");
        assert_refused(f, -EPROTONOSUPPORT, "the state has schema 99, this program knows up to ");
        set_version(f);
        fixture_open(f);
        cleanup_(freep) char *found = fixture_get(f, "a");
        assert_string_equal(found, "1");
}

static void a_damaged_model_says_what_to_do(void **state) {
        struct fixture *f = *state;
        const int64_t places[] = { 0, 4096 + 8, 3 * 4096 };

        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                cleanup_(freep) char *copy = str_format("cp %s/model.db %s/whole", f->dir, f->dir);
                cleanup_(freep) char *back = str_format("mv %s/whole %s/model.db", f->dir, f->dir);

                assert_int_equal(fixture_set(f, "a", "1"), 1);
                fixture_close(f);
                assert_int_equal(system(copy), 0);
                overwrite(f, "model.db", places[i], 4000);
                assert_refused(f, -EUCLEAN, "put a backup in its place");
                assert_int_equal(system(back), 0);
                fixture_open(f);
        }
}

static void a_file_of_another_program_is_not_touched(void **state) {
        struct fixture *f = *state;

        fixture_close(f);
        run_sql(f, "model.db", "PRAGMA application_id = 42");
        assert_refused(f, -EUCLEAN, "is not a file of Mooring");
}

static int run_put(struct tx *tx, struct store_call *c, struct err *err) {
        uint8_t sha256[DIGEST_SIZE];
        const char *text;
        size_t len;
        int before;
        int r;

        digest_sha256("doc", 3, sha256);
        before = tx_cache_get(tx, sha256, &text, &len, err);
        r = tx_cache_put(tx, "doc", 3, sha256, err);
        return r < 0 ? r : before == -ENOENT;
}

/* Whether the document was gone; it is there afterwards. */
static int put_document(struct fixture *f) {
        struct waited *w = waited_new(f, "put", run_put, NULL);
        int r;

        waited_submit(w);
        r = waited_wait(w);
        waited_free(w);
        return r;
}

static void a_cache_that_is_gone_damaged_or_old_is_made_anew(void **state) {
        struct fixture *f = *state;

        assert_int_equal(fixture_set(f, "a", "1"), 1);
        assert_int_equal(put_document(f), 1);
        assert_int_equal(put_document(f), 0);
        for (int how = 0; how < 4; how++) {
                cleanup_(freep) char *path = fixture_path(f, "cache.db");
                cleanup_(freep) char *found = NULL;

                fixture_close(f);
                if (how == 0)
                        assert_int_equal(unlink(path), 0);
                else if (how == 1)
                        overwrite(f, "cache.db", 0, 100);
                else if (how == 2)
                        overwrite(f, "cache.db", 4096, 4000);
                else
                        run_sql(f, "cache.db", "PRAGMA user_version = 9");
                fixture_open(f);
                found = fixture_get(f, "a");
                assert_string_equal(found, "1");
                assert_int_equal(put_document(f), 1);
                assert_int_equal(put_document(f), 0);
        }
}

static void a_backup_is_whole_and_is_not_written_over(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *other = fixture_path(f, "restored");
        cleanup_(freep) char *path = str_format("%s/model.db", other);
        char *dir = f->dir;
        struct err err = {};

        assert_int_equal(mkdir(other, 0700), 0);
        assert_int_equal(fixture_set(f, "a", "1"), 1);
        assert_int_equal(store_backup(f->store, path, &err), 0);
        assert_int_equal(mode_of(f, "restored/model.db"), 0600);
        assert_int_equal(store_backup(f->store, path, &err), -EEXIST);
        assert_int_equal(fixture_set(f, "a", "2"), 1); /* after the copy */
        fixture_close(f);
        f->dir = other;
        fixture_open(f);
        cleanup_(freep) char *found = fixture_get(f, "a");
        assert_string_equal(found, "1");
        fixture_close(f);
        f->dir = dir;
}

static void a_backup_that_cannot_be_written_leaves_nothing(void **state) {
        struct fixture *f = *state;
        struct err err = {};

        assert_true(store_backup(f->store, "/nonexistent/backup", &err) < 0);
        assert_non_null(strstr(err.text, "/nonexistent/backup"));
}

static void a_broken_migration_leaves_the_version_before(void **state) {
        struct fixture *f = *state;
        struct err err = {};

        /* The schema is there but says 0: the first migration fails on its first table. */
        assert_int_equal(fixture_set(f, "a", "1"), 1);
        fixture_close(f);
        run_sql(f, "model.db", "PRAGMA user_version = 0");
        assert_true(fixture_try_open(f, &err) < 0);
        assert_non_null(strstr(err.text, "migration 0001-model.sql"));
        set_version(f);
        fixture_open(f);
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, set_up, fixture_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(nobody_else_can_read_the_state),
                TEST(a_second_daemon_is_told_whose_it_is),
                TEST(a_newer_schema_is_refused_and_left_alone),
                TEST(a_damaged_model_says_what_to_do),
                TEST(a_file_of_another_program_is_not_touched),
                TEST(a_cache_that_is_gone_damaged_or_old_is_made_anew),
                TEST(a_backup_is_whole_and_is_not_written_over),
                TEST(a_backup_that_cannot_be_written_leaves_nothing),
                TEST(a_broken_migration_leaves_the_version_before),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
