/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_cache.c - documents by hash, and the sweep; on SQLite and beside the shaky engine */
#include "store-fixture.h"

#include "engine-shaky.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int run_put(struct tx *tx, struct store_call *c, struct err *err) {
        return tx_cache_put(tx, "document", 8, waited_of(c)->arg, err);
}

static int run_find(struct tx *tx, struct store_call *c, struct err *err) {
        const char *text;
        size_t len;
        int r = tx_cache_get(tx, waited_of(c)->arg, &text, &len, err);

        if (r == 0)
                tx_answer(c, text, len);
        return r;
}

static int find_document(struct fixture *f, uint8_t *sha256, bool reading) {
        struct waited *w = waited_new(f, "find", run_find, sha256);
        int r;

        if (reading)
                waited_read(w);
        else
                waited_submit(w);
        r = waited_wait(w);
        if (r == 0)
                assert_string_equal(w->answer, "document");
        waited_free(w);
        return r;
}

static void put_document(struct fixture *f, uint8_t *sha256) {
        struct waited *w = waited_new(f, "put", run_put, sha256);

        waited_submit(w);
        assert_int_equal(waited_wait(w), 0);
        waited_free(w);
}

static void a_document_is_found_by_its_hash(void **state) {
        struct fixture *f = *state;
        uint8_t sha256[DIGEST_SIZE];
        uint8_t want[DIGEST_SIZE];

        put_document(f, sha256);
        digest_sha256("document", 8, want);
        assert_memory_equal(sha256, want, DIGEST_SIZE);
        assert_int_equal(find_document(f, sha256, true), 0);
        assert_int_equal(find_document(f, sha256, false), 0);
        sha256[0] ^= 1;
        assert_int_equal(find_document(f, sha256, true), -ENOENT);
}

/* The same one again and again between others, as field sets are. */
static int run_put_between(struct tx *tx, struct store_call *c, struct err *err) {
        uint8_t *sha256 = waited_of(c)->arg, other[DIGEST_SIZE];
        int r = 0;

        for (int i = 0; r >= 0 && i < 8; i++) {
                cleanup_(freep) char *text = str_format("other %d", i);

                r = tx_cache_put(tx, "document", 8, sha256, err);
                if (r >= 0)
                        r = tx_cache_put(tx, text, strlen(text), other, err);
                assert_memory_not_equal(sha256, other, DIGEST_SIZE);
        }
        return r < 0 ? r : 1;
}

static void forget_documents(struct fixture *f) {
        cleanup_(freep) char *path = str_format("%s/cache.db", f->dir);
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "DELETE FROM document", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

/* The second group finds it gone from the file, and must not take it for put. */
static void what_was_put_in_one_group_is_put_again_in_the_next(void **state) {
        struct fixture *f = *state;
        uint8_t sha256[DIGEST_SIZE];

        for (int group = 0; group < 2; group++) {
                struct waited *w = waited_new(f, "put", run_put_between, sha256);

                waited_submit(w);
                assert_int_equal(waited_wait(w), 1);
                waited_free(w);
                assert_int_equal(find_document(f, sha256, true), 0);
                forget_documents(f);
                assert_int_equal(find_document(f, sha256, true), -ENOENT);
        }
}

static void spoil(const char *path) {
        static const char nonsense[8192] = "no database";
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        for (off_t at = 0; at < st.st_size; at += (off_t)sizeof(nonsense))
                assert_int_equal(pwrite(fd, nonsense, sizeof(nonsense), at), sizeof(nonsense));
}

/* Larger than what SQLite keeps of the file, so that it must read what is on the disk. */
static int run_put_many(struct tx *tx, struct store_call *c, struct err *err) {
        int *n = waited_of(c)->arg;
        int r = 0;

        for (int i = 0; r >= 0 && i < 200; i++) {
                cleanup_(freep) char *text = str_format("%0*d", 20000, ++*n);
                uint8_t sha256[DIGEST_SIZE];

                r = tx_cache_put(tx, text, strlen(text), sha256, err);
        }
        return r;
}

static void put_many(struct fixture *f, int *n) {
        struct waited *w = waited_new(f, "many", run_put_many, n);

        waited_submit(w);
        assert_int_equal(waited_wait(w), 0);
        waited_free(w);
}

/* In the row, where the text stands behind its hash. */
static void damage(const char *path, const uint8_t sha256[DIGEST_SIZE]) {
        cleanup_(closep) int fd = open(path, O_RDWR | O_CLOEXEC);
        char all[65536], row[DIGEST_SIZE + 8];
        ssize_t n = pread(fd, all, sizeof(all), 0);
        char *at;

        memcpy(row, sha256, DIGEST_SIZE);
        memcpy(row + DIGEST_SIZE, "document", 8);
        assert_true(n > 0);
        at = memmem(all, (size_t)n, row, sizeof(row));
        assert_non_null(at);
        assert_int_equal(pwrite(fd, "X", 1, at - all + DIGEST_SIZE), 1);
}

static void a_damaged_document_is_not_given_out_and_is_put_right(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *path = str_format("%s/cache.db", f->dir);
        uint8_t sha256[DIGEST_SIZE];

        put_document(f, sha256);
        fixture_close(f);
        damage(path, sha256);
        fixture_open(f);
        assert_int_equal(find_document(f, sha256, false), -ENOENT);
        put_document(f, sha256);
        assert_int_equal(find_document(f, sha256, false), 0);
}

static void a_cache_that_is_made_anew_is_read_anew(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *path = str_format("%s/cache.db", f->dir);
        cleanup_(freep) char *wal = str_format("%s-wal", path);
        uint8_t sha256[DIGEST_SIZE];
        int n = 0;

        put_document(f, sha256);
        put_many(f, &n);
        assert_int_equal(find_document(f, sha256, true), 0);
        spoil(path);
        spoil(wal);
        put_many(f, &n);
        put_document(f, sha256);
        assert_int_equal(find_document(f, sha256, false), 0);
        assert_int_equal(find_document(f, sha256, true), 0);
}

static int run_sweep(struct tx *tx, struct store_call *c, struct err *err) {
        return tx_cache_sweep(tx, err);
}

static void sweep_round(struct fixture *f) {
        int r = 1;

        while (r == 1) {
                struct waited *w = waited_new(f, "sweep", run_sweep, NULL);

                waited_submit(w);
                r = waited_wait(w);
                waited_free(w);
        }
        assert_int_equal(r, 0);
}

/* 1,200 resources, so that the sweep takes more than one step; the last one names the document. */
static int run_name_it(struct tx *tx, struct store_call *c, struct err *err) {
        struct w_target_insert_in t = {
                .id = 1, .name = "t", .provider = "p", .config = "{}", .application_id_null = true
        };
        int r = w_target_insert(tx, &t, err);

        for (int i = 1; r >= 0 && i <= 1200; i++) {
                struct w_resource_insert_in in = { .id = i,
                                                   .target_id = 1,
                                                   .type = "t",
                                                   .path = tx_format(tx, "p%d", i),
                                                   .owner_id_null = true,
                                                   .state = "waiting" };

                if (i == 1200) {
                        in.wanted = waited_of(c)->arg;
                        in.wanted_len = DIGEST_SIZE;
                }
                r = w_resource_insert(tx, &in, err);
        }
        return r;
}

static void the_sweep_keeps_what_a_row_names_and_drops_the_rest(void **state) {
        struct fixture *f = *state;
        uint8_t sha256[DIGEST_SIZE];
        struct waited *w = waited_new(f, "name", run_name_it, sha256);

        put_document(f, sha256);
        sweep_round(f); /* what was put after the round began stays in it */
        sweep_round(f);
        assert_int_equal(find_document(f, sha256, true), -ENOENT);
        put_document(f, sha256);
        waited_submit(w);
        assert_int_equal(waited_wait(w), 1);
        waited_free(w);
        for (int i = 0; i < 3; i++)
                sweep_round(f);
        assert_int_equal(find_document(f, sha256, true), 0);
}

static int set_up_sqlite(void **state) {
        return fixture_set_up(state, &store_engine_sqlite);
}

static int set_up_shaky(void **state) {
        return fixture_set_up(state, &store_engine_shaky);
}

#define BOTH(run)                                                                                  \
        SQLITE(run), {                                                                             \
#run " (shaky)", run, set_up_shaky, fixture_tear_down, NULL                        \
        }
#define SQLITE(name) cmocka_unit_test_setup_teardown(name, set_up_sqlite, fixture_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                BOTH(a_document_is_found_by_its_hash),
                BOTH(what_was_put_in_one_group_is_put_again_in_the_next),
                SQLITE(a_damaged_document_is_not_given_out_and_is_put_right),
                SQLITE(a_cache_that_is_made_anew_is_read_anew),
                BOTH(the_sweep_keeps_what_a_row_names_and_drops_the_rest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
