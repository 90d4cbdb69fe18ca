/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_disk.c - a disk that is full, and one whose power goes: nothing acknowledged is
 * lost */
#include "store-fixture.h"

#include "store-engine.h"
#include "vfs-test.h"

#include <errno.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUTS 40 /* each at another moment and with another part of the writes kept */
#define WRITES_A_CUT 24
#define HISTORY_BYTES (1 << 20)

static int set_up(void **state) {
        vfs_test_install();
        return fixture_set_up(state, &store_engine_sqlite);
}

/* ---- full */

static int run_large(struct tx *tx, struct store_call *c, struct err *err) {
        char *text = tx_alloc(tx, HISTORY_BYTES + 1);

        memset(text, 'h', HISTORY_BYTES);
        return w_setting_set(tx, &(struct w_setting_set_in){ .name = "history", .value = text },
                             err);
}

static int run_small(struct tx *tx, struct store_call *c, struct err *err) {
        return w_setting_set(tx, &(struct w_setting_set_in){ .name = "command", .value = "1" },
                             err);
}

static int run_hold(struct tx *tx, struct store_call *c, struct err *err) {
        sem_t *sems = waited_of(c)->arg;

        sem_post(&sems[0]);
        sem_wait(&sems[1]);
        return 0;
}

static void assert_setting(struct fixture *f, const char *name, const char *value) {
        cleanup_(freep) char *found = fixture_get(f, name);

        assert_string_equal(found, value);
}

/* Both in one group: the command must not fail because history does not fit. */
static void a_full_disk_sheds_history_first(void **state) {
        struct fixture *f = *state;
        sem_t sems[2];
        struct waited *hold = waited_new(f, "hold", run_hold, sems);
        struct waited *large = waited_new(f, "large", run_large, NULL);
        struct waited *small = waited_new(f, "small", run_small, NULL);

        sem_init(&sems[0], 0, 0);
        sem_init(&sems[1], 0, 0);
        large->call.lane = STORE_HISTORY;
        waited_submit(hold);
        sem_wait(&sems[0]);
        waited_submit(large);
        waited_submit(small);
        vfs_test_room(HISTORY_BYTES / 2);
        sem_post(&sems[1]);
        assert_int_equal(waited_wait(small), 1);
        assert_int_equal(waited_wait(large), -ENOSPC);
        assert_false(store_is_readonly(f->store));
        vfs_test_room(-1);
        assert_setting(f, "command", "1");
        assert_setting(f, "history", "");
        waited_wait(hold);
        waited_free(hold);
        waited_free(large);
        waited_free(small);
        sem_destroy(&sems[0]);
        sem_destroy(&sems[1]);
}

static bool is_writable(struct fixture *f) {
        return fixture_event(f, "writable") >= 0;
}

/* What, where and what to do: it is all that a person at night is shown. */
static void assert_refusal_says(struct fixture *f, const char *part) {
        struct waited *w = waited_new(f, "refused", run_small, NULL);

        waited_submit(w);
        assert_int_equal(waited_wait(w), -EROFS);
        assert_non_null(strstr(err_text(&w->err), part));
        waited_free(w);
}

static void no_room_at_all_is_read_only_until_there_is(void **state) {
        struct fixture *f = *state;

        assert_int_equal(fixture_set(f, "before", "1"), 1);
        vfs_test_room(0);
        assert_int_equal(fixture_set(f, "during", "1"), -EROFS);
        assert_true(f->readonly);
        assert_refusal_says(f, "/model.db: no room left on the disk (at ");
        assert_refusal_says(f, "make room on its file system");
        assert_refusal_says(f, "has to be asked for again");
        assert_setting(f, "before", "1");
        assert_int_equal(fixture_set(f, "during", "1"), -EROFS);
        vfs_test_room(-1);
        fixture_wait(f, is_writable);
        assert_int_equal(fixture_set(f, "after", "1"), 1);
        fixture_close(f);
        fixture_open(f);
        assert_setting(f, "before", "1");
        assert_setting(f, "during", "");
        assert_setting(f, "after", "1");
}

/* ---- removed under us */

static bool is_read_only(struct fixture *f) {
        return f->readonly;
}

/* Acknowledged into a file that nobody finds again, it would be lost at the next start. */
static void what_was_removed_is_not_written_to(void **state) {
        static const char *const names[] = { "model.db", "model.db-wal", "model.db-shm" };
        struct fixture *f = *state;

        assert_int_equal(fixture_set(f, "before", "1"), 1);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                cleanup_(freep) char *path = fixture_path(f, names[i]);
                cleanup_(freep) char *away = fixture_path(f, "away");
                cleanup_(freep) char *says = str_format("/%s was removed under the", names[i]);

                assert_int_equal(rename(path, away), 0);
                if (i > 0) /* the first time nobody asks: it is seen all the same */
                        assert_int_equal(fixture_set(f, "during", "1"), -EROFS);
                fixture_wait(f, is_read_only);
                assert_refusal_says(f, says);
                assert_setting(f, "before", "1");
                fixture_clear_events(f);
                assert_int_equal(rename(away, path), 0);
                fixture_wait(f, is_writable);
                assert_int_equal(fixture_set(f, "after", "1"), 1);
        }
        assert_setting(f, "during", "");
}

static void another_file_in_its_place_is_not_written_to(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *path = fixture_path(f, "model.db");
        cleanup_(freep) char *away = fixture_path(f, "away");

        assert_int_equal(fixture_set(f, "before", "1"), 1);
        assert_int_equal(rename(path, away), 0);
        assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
        assert_int_equal(fixture_set(f, "during", "1"), -EROFS);
        assert_refusal_says(f, "/model.db was replaced under the");
        assert_int_equal(rename(away, path), 0);
        fixture_wait(f, is_writable);
}

/* ---- power */

/* The control: this disk does forget, or the next test could not fail. */
static void what_is_not_synced_is_forgotten(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *path = fixture_path(f, "loose.db");
        sqlite3_stmt *s = NULL;
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER);"
                                      "PRAGMA wal_checkpoint; PRAGMA synchronous = OFF",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        vfs_test_watch(true);
        assert_int_equal(sqlite3_exec(db, "INSERT INTO t VALUES (1)", NULL, NULL, NULL), SQLITE_OK);
        vfs_test_cut();
        sqlite3_close(db);
        vfs_test_restore(0);
        vfs_test_watch(false);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        assert_int_equal(sqlite3_column_int(s, 0), 0);
        sqlite3_finalize(s);
        sqlite3_close(db);
}

/* A document as each plan writes some: in cache.db, which may forget. */
static char *document_of(int64_t id) {
        return str_format("document of row %lld", (long long)id);
}

static int run_insert(struct tx *tx, struct store_call *c, struct err *err) {
        int64_t id = tx_id(tx, "leftover");
        cleanup_(freep) char *document = document_of(id);
        uint8_t sha256[DIGEST_SIZE];
        struct w_leftover_insert_in in = { .id = id,
                                           .model = "m",
                                           .application = "a",
                                           .type = "t",
                                           .path = waited_of(c)->name,
                                           .why = "w",
                                           .at = tx_now(tx) };
        int r = tx_cache_put(tx, document, strlen(document), sha256, err);

        if (r < 0)
                return r;
        tx_answer(c, &id, sizeof(id));
        return w_leftover_insert(tx, &in, err);
}

static int run_look(struct tx *tx, struct store_call *c, struct err *err) {
        int64_t id = *(int64_t *)waited_of(c)->arg;
        struct q_leftover_list_in in = { .after = id - 1, .max = 1 };
        struct q_leftover_row *row;
        size_t n;
        int r = q_leftover_list(tx, &in, &row, &n, err);

        return r < 0 ? r : n == 1 && row->id == id;
}

/* Submits, cuts the power after some were acknowledged, and returns how many were; their ids in
 * IDS. */
static size_t write_until_cut(struct fixture *f, size_t cut_after, int64_t *ids) {
        struct waited *w[WRITES_A_CUT];
        bool dark = false;
        size_t n = 0;

        for (size_t i = 0; i < WRITES_A_CUT; i++) {
                w[i] = waited_new(f, "write", run_insert, NULL);
                waited_submit(w[i]);
                if (i % 3 == 2)
                        waited_wait(w[i]);
                if (i == cut_after) {
                        vfs_test_cut();
                        dark = true;
                }
        }
        assert_true(dark);
        for (size_t i = 0; i < WRITES_A_CUT; i++) {
                if (waited_wait(w[i]) == 1)
                        memcpy(&ids[n++], w[i]->answer, sizeof(*ids));
                waited_free(w[i]);
        }
        return n;
}

static void assert_there(struct fixture *f, int64_t id) {
        struct waited *w = waited_new(f, "look", run_look, &id);

        waited_read(w);
        assert_int_equal(waited_wait(w), 1);
        waited_free(w);
}

/* 1: it is there and whole, 0: forgotten. */
static int run_read_document(struct tx *tx, struct store_call *c, struct err *err) {
        cleanup_(freep) char *document = document_of(*(int64_t *)waited_of(c)->arg);
        uint8_t sha256[DIGEST_SIZE];
        const char *text;
        size_t len;
        int r;

        digest_sha256(document, strlen(document), sha256);
        r = tx_cache_get(tx, sha256, &text, &len, err);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return len == strlen(document) && memcmp(text, document, len) == 0 ? 1 : -EBADMSG;
}

static size_t count_documents(struct fixture *f, int64_t *ids, size_t n) {
        size_t there = 0;

        for (size_t i = 0; i < n; i++) {
                struct waited *w = waited_new(f, "document", run_read_document, &ids[i]);
                int r;

                waited_read(w);
                r = waited_wait(w);
                assert_true(r >= 0);
                there += r;
                waited_free(w);
        }
        return there;
}

static void after_a_power_cut_all_that_was_acknowledged_is_there(void **state) {
        struct fixture *f = *state;
        int64_t ids[CUTS * WRITES_A_CUT];
        size_t acknowledged = 0, refused = 0, documents;
        int64_t highest = 0;

        fixture_close(f);
        for (unsigned cut = 0; cut < CUTS; cut++) {
                size_t n;

                vfs_test_watch(true);
                fixture_open(f);
                for (size_t i = 0; i < acknowledged; i++)
                        assert_there(f, ids[i]);
                n = write_until_cut(f, 2 + cut % (WRITES_A_CUT - 4), ids + acknowledged);
                for (size_t i = acknowledged; i < acknowledged + n; i++) {
                        assert_true(ids[i] > highest);
                        highest = ids[i];
                }
                acknowledged += n;
                refused += WRITES_A_CUT - n;
                fixture_close(f);
                vfs_test_restore(cut); /* the first: nothing of it; then some */
                vfs_test_watch(false);
                fixture_clear_events(f);
        }
        fixture_open(f);
        for (size_t i = 0; i < acknowledged; i++)
                assert_there(f, ids[i]);
        /* cache.db forgot some, which refused no write and gave no wrong answer. */
        documents = count_documents(f, ids, acknowledged);
        fixture_clear_events(f);
        assert_true(documents < acknowledged);
        assert_true(acknowledged > CUTS * 3); /* both happened, or nothing was tested */
        assert_true(refused > CUTS);
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, set_up, fixture_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_full_disk_sheds_history_first),
                TEST(no_room_at_all_is_read_only_until_there_is),
                TEST(what_was_removed_is_not_written_to),
                TEST(another_file_in_its_place_is_not_written_to),
                TEST(what_is_not_synced_is_forgotten),
                TEST(after_a_power_cut_all_that_was_acknowledged_is_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
