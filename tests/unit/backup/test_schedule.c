/* SPDX-License-Identifier: Apache-2.0 */
/* test_schedule.c - backups at times, by a clock that the test moves: made when they are due,
 * verified, the oldest deleted and nothing else
 *
 * The verifying process is this program itself (main), so that it can be told to find something. */
#include "archive.h"
#include "backup-internal.h"
#include "log.h"

#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROLLER "0123abcd-0000-4000-8000-000000000000"
#define OTHERS "mooring-test-ffffffff-20200101T000000Z.backup"
#define NOTES "mooring-test-0123abcd-notes.backup"
#define HOUR 3600000ll
#define DAY (24 * HOUR)
#define STEP_MS 1000

struct fixture {
        char dir[64];
        char *state, *to, *key;
        struct loop *loop;
        struct store *store;
        struct backup_keeper *keeper;
        struct store_call call;
        const char *cron;
        int64_t keep;
        json_t *facts;
};

static void touch(const char *folder, const char *name, const char *text) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, name);
        cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void settle(struct fixture *f) {
        while (f->keeper->busy || f->keeper->schedule_out || store_unanswered(f->store))
                loop_step(f->loop, STEP_MS);
}

static void start(struct fixture *f) {
        f->keeper = backup_keeper_new(
                &(struct backup_keeper_options){ .loop = f->loop,
                                                 .store = f->store,
                                                 .seal = { .state_dir = f->state },
                                                 .key_file = f->key,
                                                 .folder = f->to,
                                                 .controller = CONTROLLER,
                                                 .name = "test",
                                                 .max_age = DAY });
        settle(f);
}

static void stop(struct fixture *f) {
        backup_keeper_stop(f->keeper);
        loop_finish_jobs(f->loop);
        f->keeper = backup_keeper_free(f->keeper);
}

/* Time goes on, and what fell due is done. */
static void pass(struct fixture *f, int64_t ms) {
        loop_advance(f->loop, ms);
        settle(f);
}

static int set_up(void **state) {
        struct fixture *f = mem_new(struct fixture);
        struct store_options store = {};
        int64_t now;

        log_set_level(LOG_EMERG); /* what fails here is meant to */
        str_copy(f->dir, sizeof(f->dir), "/tmp/mooring-schedule-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        f->state = str_format("%s/state", f->dir);
        f->to = str_format("%s/to", f->dir);
        f->key = str_format("%s/key", f->dir);
        assert_int_equal(mkdir(f->state, 0700), 0);
        assert_int_equal(mkdir(f->to, 0700), 0);
        touch(f->dir, "key", "a long passphrase");
        touch(f->to, OTHERS, "x");
        touch(f->to, NOTES, "x");
        assert_true(clock_parse_iso("2026-11-22T00:00:00Z", &now));
        clock_fake(DAY, now);
        store.state_dir = f->state;
        assert_int_equal(loop_new(&f->loop, NULL), 0);
        assert_int_equal(store_open(f->loop, &store, &f->store, NULL), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;

        stop(f);
        store_close(f->store);
        loop_free(f->loop);
        clock_real();
        json_decref(f->facts);
        archive_remove_folder(f->dir, NULL);
        free(f->state);
        free(f->to);
        free(f->key);
        free(f);
        return 0;
}

static int run_set(struct tx *tx, struct store_call *c, struct err *err) {
        struct fixture *f = c->arg;
        cleanup_(json_freep) json_t *schedule = json_pack(
                "{s:s, s:s, s:I}", "cron", f->cron, "zone", "UTC", "keep", (json_int_t)f->keep);

        return backup_keeper_set_schedule(tx, f->cron ? schedule : NULL, err);
}

static int run_facts(struct tx *tx, struct store_call *c, struct err *err) {
        struct fixture *f = c->arg;

        json_decref(f->facts);
        f->facts = NULL;
        return backup_keeper_facts(tx, &f->facts, err);
}

static int now(struct fixture *f, int (*run)(struct tx *, struct store_call *, struct err *)) {
        f->call =
                (struct store_call){ .lane = STORE_COMMAND, .actor = "test", .run = run, .arg = f };
        return store_now(f->store, &f->call, NULL);
}

static void schedule(struct fixture *f, const char *cron, int64_t keep) {
        f->cron = cron;
        f->keep = keep;
        assert_true(now(f, run_set) >= 0);
        start(f);
}

static const char *fact(struct fixture *f, const char *which, const char *member) {
        assert_true(now(f, run_facts) >= 0);
        return json_get_str(json_get(f->facts, which), member, "");
}

/* How many of the folder's backups this controller made; the newest in NEWEST. */
static int ours(struct fixture *f, char newest[NAME_MAX + 1]) {
        struct dirent **entries;
        int n = scandir(f->to, &entries, NULL, alphasort), found = 0;

        assert_true(n >= 0);
        for (int i = 0; i < n; i++) {
                if (backup_keeper_made(f->keeper, entries[i]->d_name)) {
                        found++;
                        str_copy(newest, NAME_MAX + 1, entries[i]->d_name);
                }
                free(entries[i]);
        }
        free(entries);
        return found;
}

static bool is_there(struct fixture *f, const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s", f->to, name);

        return access(path, F_OK) == 0;
}

/* ---- */

static void made_when_due_and_verified(void **state) {
        struct fixture *f = *state;
        char newest[NAME_MAX + 1];

        schedule(f, "30 2 * * *", 2);
        pass(f, 2 * HOUR + HOUR / 2 - 1000);
        assert_int_equal(ours(f, newest), 0);
        pass(f, 2000);
        assert_int_equal(ours(f, newest), 1);
        assert_string_equal(newest, "mooring-test-0123abcd-20261122T023000Z.backup");
        assert_true(str_ends(fact(f, "verified", "file"), newest));
        pass(f, DAY - 3000);
        assert_int_equal(ours(f, newest), 1);
        pass(f, 3000);
        assert_int_equal(ours(f, newest), 2);
}

static void the_oldest_go_and_nothing_that_is_not_ours(void **state) {
        struct fixture *f = *state;
        char newest[NAME_MAX + 1];

        schedule(f, "30 2 * * *", 2);
        for (int day = 0; day < 5; day++)
                pass(f, DAY);
        assert_int_equal(ours(f, newest), 2);
        assert_true(str_starts(newest, "mooring-test-0123abcd-20261126T0230"));
        assert_true(is_there(f, OTHERS)); /* of another controller with the same name */
        assert_true(is_there(f, NOTES));
}

static void one_that_was_due_while_it_was_off_is_made_at_the_start(void **state) {
        struct fixture *f = *state;
        char newest[NAME_MAX + 1];

        schedule(f, "30 2 * * *", 9);
        pass(f, DAY);
        assert_int_equal(ours(f, newest), 1);
        stop(f);
        clock_fake_advance(3 * DAY);
        start(f);
        pass(f, 1);
        assert_int_equal(ours(f, newest), 2); /* one for all three */
        pass(f, 2 * HOUR);
        assert_int_equal(ours(f, newest), 2);
        pass(f, HOUR);
        assert_int_equal(ours(f, newest), 3);
}

static void one_that_fails_is_tried_again_in_an_hour(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *away = str_format("%s.away", f->key);
        char newest[NAME_MAX + 1];

        schedule(f, "30 2 * * *", 9);
        assert_int_equal(rename(f->key, away), 0);
        pass(f, 2 * HOUR + HOUR / 2);
        assert_int_equal(ours(f, newest), 0);
        assert_int_equal(rename(away, f->key), 0);
        pass(f, HOUR - 1000);
        assert_int_equal(ours(f, newest), 0);
        pass(f, 2000);
        assert_int_equal(ours(f, newest), 1);
}

/* Of backups that may be worth nothing the old ones are kept. */
static void nothing_goes_while_the_new_one_is_not_verified(void **state) {
        struct fixture *f = *state;
        char newest[NAME_MAX + 1];

        schedule(f, "30 2 * * *", 1);
        pass(f, DAY);
        assert_int_equal(ours(f, newest), 1);
        touch(f->state, "bad", "");
        pass(f, DAY);
        assert_int_equal(ours(f, newest), 2);
        assert_false(str_ends(fact(f, "verified", "file"), newest));
        assert_true(str_ends(fact(f, "made", "file"), newest));
}

static void off_is_off(void **state) {
        struct fixture *f = *state;
        char newest[NAME_MAX + 1];

        schedule(f, "30 2 * * *", 1);
        f->cron = NULL;
        assert_true(now(f, run_set) >= 0);
        backup_keeper_changed(f->keeper);
        settle(f);
        pass(f, 3 * DAY);
        assert_int_equal(ours(f, newest), 0);
        f->cron = "30 2 30 2 *";
        assert_int_equal(now(f, run_set), -EINVAL); /* never comes */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

/* As mooringd --verify does. */
static int verify(int argc, char **argv) {
        const char *file = "", *folder = "";
        cleanup_(freep) char *bad = NULL;

        for (int i = 1; i + 1 < argc; i++) {
                if (str_eq(argv[i], "--verify"))
                        file = argv[i + 1];
                if (str_eq(argv[i], "--state-dir"))
                        folder = argv[i + 1];
        }
        bad = str_format("%s/bad", folder);
        if (access(bad, F_OK) == 0)
                puts("{\"error\": \"it is damaged\", \"code\": -74}");
        else
                printf("{\"file\": \"%s\", \"made\": \"2026-11-22T02:30:00Z\"}\n", file);
        return 0;
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(made_when_due_and_verified),
                TEST(the_oldest_go_and_nothing_that_is_not_ours),
                TEST(one_that_was_due_while_it_was_off_is_made_at_the_start),
                TEST(one_that_fails_is_tried_again_in_an_hour),
                TEST(nothing_goes_while_the_new_one_is_not_verified),
                TEST(off_is_off),
        };

        if (argc > 1)
                return verify(argc, argv);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
