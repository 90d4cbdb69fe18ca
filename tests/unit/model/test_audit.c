/* SPDX-License-Identifier: Apache-2.0 */
/* test_audit.c - the chain of the audit: whatever is done to its rows in the file, without the
 * key, is found, and the first row that is wrong is named; what is cut stays checkable */
#include "desk.h"

#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS 2500 /* more than one step of the walk */

struct state {
        struct desk *desk;
        struct audit audit;
        int64_t n;
        struct audit_check check;
        struct audit_head head;
};
static struct state s;

static int append_run(struct tx *tx, struct store_call *c, struct err *err) {
        int r = 0;

        for (int64_t i = 0; r >= 0 && i < s.n; i++) {
                struct audit_entry e = { .kind = "person",
                                         .has_user = true,
                                         .uid = 1000 + i,
                                         .user = "alice",
                                         .what = "scale",
                                         .subject = tx_format(tx, "lab/app%lld", (long long)i),
                                         .outcome = "done" };

                r = audit_append(tx, c->arg, &e, err);
        }
        return r;
}

static int run(int (*fn)(struct tx *, struct store_call *, struct err *), bool read) {
        struct waited *w = waited_new(s.desk->fixture, "audit", fn, NULL);
        int r;

        w->call.arg = &s.audit;
        if (read)
                waited_read(w);
        else
                waited_submit(w);
        r = waited_wait(w);
        if (r < 0)
                print_error("%s\n", err_text(&w->err));
        waited_free(w);
        return r;
}

static void append(int64_t n) {
        s.n = n;
        assert_int_equal(run(append_run, false), 0);
}

static int check_run(struct tx *tx, struct store_call *c, struct err *err) {
        return audit_check_step(tx, s.audit.sealer, &s.check, err);
}

static int last_run(struct tx *tx, struct store_call *c, struct err *err) {
        return audit_last(tx, &s.head, err);
}

/* With these heads, or none. */
static void check(const struct audit_head *heads, size_t n) {
        int r;

        s.check = (struct audit_check){ .heads = heads, .head_count = n };
        do {
                r = run(check_run, true);
                assert_true(r >= 0);
        } while (r > 0);
}

static void expect(enum audit_fault fault, int64_t row) {
        check(NULL, 0);
        if (s.check.fault != fault || s.check.row != row)
                fail_msg("%s at row %lld and not %s at %lld: %s", audit_fault_names[s.check.fault],
                         (long long)s.check.row, audit_fault_names[fault], (long long)row,
                         s.check.text);
}

static struct audit_head head(void) {
        assert_int_equal(run(last_run, true), 0);
        return s.head;
}

/* Somebody with the file and without the key. */
static void edit(const char *sql) {
        cleanup_(freep) char *path = fixture_path(s.desk->fixture, "model.db");
        sqlite3 *db;
        char *why = NULL;

        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 10000);
        if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
                fail_msg("%s: %s", sql, why);
        sqlite3_close(db);
}

static int set_up(void **state) {
        desk_set_up(state);
        s = (struct state){ .desk = *state };
        s.audit = (struct audit){ .sealer = s.desk->sealer,
                                  .keep_ms = INT64_MAX / 2,
                                  .keep_rows = 1000000 };
        return 0;
}

/* ---- starts */

static int64_t life;

static int start_run(struct tx *tx, struct store_call *c, struct err *err) {
        return audit_start(tx, c->arg, err);
}

static int append_and_fail_run(struct tx *tx, struct store_call *c, struct err *err) {
        int r = append_run(tx, c, err);

        return r < 0 ? r : err_set(err, -EPERM, "not like this");
}

static void begin_life(void) {
        life = 0;
        s.audit.start = &life;
        assert_int_equal(run(start_run, false), 0);
}

static void a_start_is_told_with_the_first_row_of_its_life(void **state) {
        begin_life();
        assert_int_equal(head().id, 1); /* an audit without any row was emptied */
        append(2);
        assert_int_equal(head().id, 3);
        begin_life();
        begin_life();
        assert_int_equal(head().id, 3);
        append(2);
        assert_int_equal(life, 4);
        append(1);
        assert_int_equal(head().id, 7);
        expect(AUDIT_INTACT, 0);
}

static void a_start_whose_row_was_rolled_back_is_told_with_the_next(void **state) {
        append(1);
        begin_life();
        assert_int_equal(run(append_and_fail_run, false), -EPERM);
        assert_int_equal(head().id, 1);
        append(1);
        assert_int_equal(life, 2);
        assert_int_equal(head().id, 3);
        expect(AUDIT_INTACT, 0);
}

static void what_was_written_is_intact(void **state) {
        append(ROWS);
        expect(AUDIT_INTACT, 0);
        assert_int_equal(s.check.rows, ROWS);
        assert_int_equal(s.check.first, 1);
        assert_int_equal(s.check.last.id, ROWS);
}

static void a_row_that_was_changed_is_named(void **state) {
        static const char *const columns[] = { "user_name", "command", "role",    "what",
                                               "route",     "model",   "subject", "application",
                                               "was",       "became",  "why",     "outcome",
                                               "message" };
        append(20);
        for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
                cleanup_(freep) char *change = str_format(
                        "UPDATE audit SET %s = %s || 'x' WHERE id = 7", columns[i], columns[i]);
                cleanup_(freep) char *back = str_format(
                        "UPDATE audit SET %s = substr(%s, 1, length(%s) - 1) WHERE id = 7",
                        columns[i], columns[i], columns[i]);

                edit(change);
                expect(AUDIT_CHANGED, 7);
                edit(back);
                expect(AUDIT_INTACT, 0);
        }
        edit("UPDATE audit SET user_id = NULL WHERE id = 9");
        expect(AUDIT_CHANGED, 9);
        edit("UPDATE audit SET at = at - 1 WHERE id = 3");
        expect(AUDIT_CHANGED, 3);
        edit("UPDATE audit SET hash = zeroblob(32) WHERE id = 2");
        expect(AUDIT_CHANGED, 2);
        edit("UPDATE audit SET hash = zeroblob(3) WHERE id = 1");
        expect(AUDIT_CHANGED, 1);
}

static void text_moved_into_the_next_column_is_a_change(void **state) {
        append(3);
        edit("UPDATE audit SET what = 'scalelab', subject = substr(subject, 4) WHERE id = 2");
        expect(AUDIT_CHANGED, 2);
}

static void rows_that_were_taken_out_are_named(void **state) {
        append(20);
        edit("DELETE FROM audit WHERE id IN (5, 6)");
        expect(AUDIT_MISSING, 5);
        edit("UPDATE audit SET id = id - 2 WHERE id > 6"); /* and the gap closed */
        expect(AUDIT_CHANGED, 5);
}

static void rows_taken_from_the_beginning_are_missed(void **state) {
        append(20);
        edit("DELETE FROM audit WHERE id < 4");
        expect(AUDIT_MISSING, 1);
        edit("DELETE FROM audit");
        expect(AUDIT_MISSING, 1);
}

static void rows_that_changed_places_are_found(void **state) {
        append(20);
        edit("UPDATE audit SET id = 1000 WHERE id = 8; UPDATE audit SET id = 8 WHERE id = 9; "
             "UPDATE audit SET id = 9 WHERE id = 1000");
        expect(AUDIT_CHANGED, 8);
}

static void a_row_that_was_put_in_is_found(void **state) {
        append(5);
        edit("INSERT INTO audit SELECT 6, at, kind, user_id, login_id, user_name, pid, command, "
             "role, what, route, model, application, subject, was, became, why, outcome, message, "
             "key_id, hash FROM audit WHERE id = 5");
        expect(AUDIT_CHANGED, 6);
}

/* All of it anew, by the right code under a key of one's own. */
static void a_chain_under_another_key_is_found(void **state) {
        char dir[] = "/tmp/audit-key-XXXXXX";
        struct seal_options o = { .state_dir = mkdtemp(dir) };
        cleanup_(freep) char *path = str_format("%s/key", dir);
        const struct sealer *ours = s.audit.sealer;
        struct sealer *other = NULL;
        struct err err = {};

        assert_int_equal(seal_new(&o, &other, NULL, &err), 0);
        s.audit.sealer = other;
        append(20);
        expect(AUDIT_INTACT, 0); /* for who has that key */
        s.audit.sealer = ours;
        expect(AUDIT_OTHER_KEY, 1);
        /* It says that it is ours. */
        append(1);
        edit("UPDATE audit SET key_id = (SELECT key_id FROM audit WHERE id = 21)");
        expect(AUDIT_CHANGED, 1);
        seal_free(other);
        unlink(path);
        rmdir(dir);
}

static void a_tail_that_was_cut_is_found_by_a_head(void **state) {
        struct audit_head heads[2];

        append(10);
        heads[0] = head();
        append(10);
        heads[1] = head();
        check(heads, 2);
        assert_int_equal(s.check.fault, AUDIT_INTACT);
        assert_int_equal(s.check.compared, 2);
        edit("DELETE FROM audit WHERE id > 15");
        expect(AUDIT_INTACT, 0); /* nothing in the table tells it */
        check(heads, 2);
        assert_int_equal(s.check.fault, AUDIT_CUT_OFF);
        assert_int_equal(s.check.row, 16);
        append(2); /* they have the numbers of two that are gone */
        check(heads, 2);
        assert_string_equal(s.check.text,
                            "rows 18 to 20 are missing from the end: a head knows row 20; rows 11 "
                            "to 17 are there, and may have been written anew: no head of one of "
                            "them was given");
        append(8); /* the daemon goes on as if nothing had been there */
        expect(AUDIT_INTACT, 0);
        check(heads, 2);
        assert_int_equal(s.check.fault, AUDIT_OTHER_HEAD);
        assert_int_equal(s.check.row, 20);
        check(heads, 1);
        assert_int_equal(s.check.fault, AUDIT_INTACT);
}

static void an_emptied_table_is_found_by_a_head(void **state) {
        struct audit_head h;

        append(10);
        h = head();
        edit("DELETE FROM audit");
        check(&h, 1);
        assert_int_equal(s.check.fault, AUDIT_CUT_OFF);
        assert_int_equal(s.check.row, 1);
}

static void what_is_cut_for_its_number_leaves_a_chain_that_holds(void **state) {
        struct audit_head old, now;

        append(50);
        old = head();
        s.audit.keep_rows = 1000;
        append(4950); /* cut on the way, by row 1000 and so on */
        expect(AUDIT_INTACT, 0);
        assert_in_range(s.check.rows, 1000, 2200);
        assert_true(s.check.first > 2000);
        now = head();
        struct audit_head heads[] = { old, now };
        check(heads, 2); /* the old one was cut: it tells nothing, and is no fault */
        assert_int_equal(s.check.fault, AUDIT_INTACT);
        assert_int_equal(s.check.compared, 1);
}

static int cut_run(struct tx *tx, struct store_call *c, struct err *err) {
        return audit_cut(tx, &s.audit, err);
}

static void a_cut_that_nobody_of_ours_made_is_found(void **state) {
        append(500);
        s.audit.keep_rows = 300;
        assert_int_equal(run(cut_run, false), 0);
        expect(AUDIT_INTACT, 0);
        assert_int_equal(s.check.first, 201);
        edit("DELETE FROM audit WHERE id < 300");
        expect(AUDIT_MISSING, 201);
        /* It is told as if the cut had gone so far. */
        edit("UPDATE audit SET became = json_set(became, '$.through', 299, '$.hash', (SELECT "
             "lower(hex(hash)) FROM audit WHERE id = 300)) WHERE kind = 'cut'");
        check(NULL, 0);
        assert_int_equal(s.check.fault, AUDIT_CHANGED);
        edit("UPDATE audit SET became = 'x' WHERE kind = 'cut'");
        check(NULL, 0);
        assert_int_equal(s.check.fault, AUDIT_CHANGED);
}

static void few_rows_stay_and_age_cuts_too(void **state) {
        append(AUDIT_CUT_MIN - 1);
        s.audit.keep_ms = -1; /* all are older than that */
        assert_int_equal(run(cut_run, false), 0);
        expect(AUDIT_INTACT, 0);
        assert_int_equal(s.check.first, 1);
        append(10);
        assert_int_equal(run(cut_run, false), 0);
        expect(AUDIT_INTACT, 0);
        assert_true(s.check.first > 1);
}

static int failing_run(struct tx *tx, struct store_call *c, struct err *err) {
        s.n = 3;
        if (append_run(tx, c, err) < 0)
                return -EIO;
        return err_set(err, -EINVAL, "refused after its rows");
}

static void what_is_rolled_back_leaves_no_gap(void **state) {
        append(3);
        assert_int_equal(run(failing_run, false), -EINVAL);
        append(3);
        expect(AUDIT_INTACT, 0);
        assert_int_equal(s.check.last.id, 6);
}

/* ---- commands */

static const struct audit_entry who = { .kind = "person", .what = "config", .user = "alice" };

static int read_newest(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct q_audit_row *rows;
        size_t n;
        int r = q_audit_list(tx, &(struct q_audit_list_in){ .newest = INT64_MAX, .max = 1 }, &rows,
                             &n, err);

        if (r < 0)
                return r;
        assert_int_equal(n, 1);
        *ret = json_pack("{s:s, s:s, s:s, s:s, s:s}", "was", rows[0].was, "became", rows[0].became,
                         "outcome", rows[0].outcome, "message", rows[0].message, "application",
                         rows[0].application);
        return 0;
}

static void newest(const char *outcome, const char *was, const char *became) {
        assert_int_equal(desk_read(s.desk, read_newest, NULL), 0);
        assert_string_equal(json_get_str(s.desk->reply, "outcome", ""), outcome);
        assert_string_equal(json_get_str(s.desk->reply, "was", ""), was);
        assert_string_equal(json_get_str(s.desk->reply, "became", ""), became);
}

static void config(const char *application, json_t *set) {
        struct command_config c = {
                .head = { .run = command_config_set, .audit = &s.audit, .entry = &who },
                .model = "lab",
                .application = application,
                .set = set
        };

        assert_int_equal(desk_run(s.desk, &c.head), 0);
        command_deinit(&c.head);
        json_decref(set);
}

static void values_are_kept_before_and_after_and_secrets_are_masked(void **state) {
        desk_charm(s.desk, "name: web\nscale: {default: 1, max: 3}\nconfig:\n  options:\n"
                           "    port: {type: int, default: 80}\n"
                           "    pass: {type: string, secret: true}\n");
        assert_true(desk_deploy(s.desk,
                                "bundle: kubernetes\napplications: {web: {charm: web, scale: 1}}",
                                false) >= 0);
        config("web", json_pack("{s:i}", "port", 81));
        newest("done", "", "{\"web\":{\"option port\":81}}");
        config("web", json_pack("{s:i}", "port", 82));
        newest("done", "{\"web\":{\"option port\":81}}", "{\"web\":{\"option port\":82}}");
        config("web", json_pack("{s:i}", "port", 82));
        newest("unchanged", "", "");
        config("web", json_pack("{s:s}", "pass", "hunter2"));
        newest("done", "", "{\"web\":{\"option pass\":\"(secret)\"}}");
        config("web", json_pack("{s:s}", "pass", "hunter3"));
        newest("done", "{\"web\":{\"option pass\":\"(secret)\"}}",
               "{\"web\":{\"option pass\":\"(secret)\"}}");
}

static void a_long_value_is_told_by_its_size(void **state) {
        cleanup_(freep) char *text = mem_alloc(AUDIT_VALUE_MAX + 100);
        cleanup_(json_freep) json_t *long_one = NULL, *list = json_array(), *told = NULL,
                                    *same = NULL;

        memset(text, 'x', AUDIT_VALUE_MAX + 50);
        long_one = json_string(text);
        told = audit_value(long_one);
        assert_non_null(strstr(json_string_value(told), "(1052 bytes, sha256 "));
        for (int i = 0; i < 1000; i++)
                json_array_append_new(list, json_integer(i));
        json_decref(told);
        told = audit_value(list);
        assert_true(json_is_string(told));
        json_array_clear(list);
        same = audit_value(list);
        assert_ptr_equal(same, list);
}

static void without_a_charm_no_value_is_kept(void **state) {
        assert_true(desk_deploy(s.desk,
                                "bundle: kubernetes\napplications: {gone: {charm: gone, scale: 1}}",
                                false) >= 0);
        config("gone", json_pack("{s:s}", "phrase", "hunter2"));
        assert_int_equal(desk_read(s.desk, read_newest, NULL), 0);
        cleanup_(freep) char *all = json_text(s.desk->reply);
        assert_null(strstr(all, "hunter2"));
        assert_non_null(strstr(all, "option phrase"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, desk_tear_down)
int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_start_is_told_with_the_first_row_of_its_life),
                TEST(a_start_whose_row_was_rolled_back_is_told_with_the_next),
                TEST(what_was_written_is_intact),
                TEST(a_row_that_was_changed_is_named),
                TEST(text_moved_into_the_next_column_is_a_change),
                TEST(rows_that_were_taken_out_are_named),
                TEST(rows_taken_from_the_beginning_are_missed),
                TEST(rows_that_changed_places_are_found),
                TEST(a_row_that_was_put_in_is_found),
                TEST(a_chain_under_another_key_is_found),
                TEST(a_tail_that_was_cut_is_found_by_a_head),
                TEST(an_emptied_table_is_found_by_a_head),
                TEST(what_is_cut_for_its_number_leaves_a_chain_that_holds),
                TEST(a_cut_that_nobody_of_ours_made_is_found),
                TEST(few_rows_stay_and_age_cuts_too),
                TEST(what_is_rolled_back_leaves_no_gap),
                TEST(values_are_kept_before_and_after_and_secrets_are_masked),
                TEST(a_long_value_is_told_by_its_size),
                TEST(without_a_charm_no_value_is_kept),
        };

        return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
