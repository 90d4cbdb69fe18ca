/* SPDX-License-Identifier: Apache-2.0 */
/* data_mysql_act.c - statements of actions on a real server: what is put into them stays a value,
 * what comes back is told in bounds, and how each end is told */
#include "data_mysql.h"

static const char uri[] = "abcdefghijklmnopqrstuvwxyz";

static const json_t *result(const struct op *op, size_t i) {
        const json_t *list = json_get(op->told, "results");

        return list ? json_array_get(list, i) : op->told; /* one alone is the answer */
}

static void rows_come_with_their_types(void **state) {
        struct mysql_world *w = *state;
        cleanup_(freep) char *text = NULL;
        struct op op = data_act(w->d, "sql",
                                "{'statements':[{'sql':'SELECT 1 AS a, NULL AS b, :\\\"t\\\" AS c',"
                                "'values':{'t':'x'}}]}",
                                NULL);

        data_must(&op, OUTCOME_REFUSED, NULL); /* :"t" is a name: there is no column x */
        op = data_act(w->d, "sql",
                      "{'statements':[{'sql':'SELECT 1 AS a, NULL AS b, :\\u0027t\\u0027 AS c, "
                      ":\\u0027n\\u0027 AS d, X\\u0027ff00\\u0027 AS e',"
                      "'values':{'t':'it\\u0027s \\\\\\\\ `\\\"','n':42}},"
                      "{'sql':'SET @x = 1'}]}",
                      NULL);
        text = json_text(result(&op, 0));
        assert_string_equal(text, "{\"columns\":[\"a\",\"b\",\"c\",\"d\",\"e\"],\"rows\":[[1,null,"
                                  "\"it's \\\\\\\\ `\\\"\",42,{\"base64\":\"/wA=\"}]]}");
        assert_int_equal(json_get_int(result(&op, 1), "affected", -1), 0);
        data_must(&op, OUTCOME_DONE, NULL);
}

static void a_value_stays_a_value(void **state) {
        static const char *const nasty[] = { "x'; DROP DATABASE `acts`; -- ", "a\\\\\\\\' OR 1=1 #",
                                             "`; x", ":'other'" };
        struct mysql_world *w = *state;
        struct op op;

        mysql_do(w, "CREATE DATABASE IF NOT EXISTS acts");
        op = data_act(
                w->d, "sql",
                "{'database':'acts','statements':[{'sql':'CREATE TABLE t (v VARCHAR(100))'}]}",
                NULL);
        data_must(&op, OUTCOME_DONE, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(nasty); i++) {
                cleanup_(buf_free) struct buf ask = BUF_INIT;

                buf_puts(&ask, "{'database':'acts','statements':[{'sql':'INSERT INTO t VALUES "
                               "(:\\u0027v\\u0027)','values':{'v':'");
                for (const char *p = nasty[i]; *p; p++)
                        if (*p == '\'')
                                buf_puts(&ask, "\\u0027");
                        else
                                buf_putc(&ask, *p);
                buf_puts(&ask, "'}}]}");
                op = data_act(w->d, "sql", ask.data, NULL);
                assert_int_equal(json_get_int(result(&op, 0), "affected", -1), 1);
                data_must(&op, OUTCOME_DONE, NULL);
        }
        op = data_act(w->d, "sql",
                      "{'database':'acts','statements':[{'sql':'SELECT v FROM t ORDER BY v'}]}",
                      NULL);
        assert_int_equal(json_array_size(json_get(result(&op, 0), "rows")), ARRAY_SIZE(nasty));
        data_must(&op, OUTCOME_DONE, NULL);
        mysql_do(w, "DROP DATABASE acts");
}

static void a_password_is_set_by_a_token_and_told_by_nobody(void **state) {
        struct mysql_world *w = *state;
        struct secret_values *values = secret_values_new();
        char token[SECRET_TOKEN_MAX];
        cleanup_(freep) char *ask = NULL;
        struct op op;

        secret_values_add(values, uri, 1, "it's `secret\"", 13);
        secret_token_write(uri, 1, SECRET_PLAIN, token);
        ask = str_format(
                "{'statements':[{'sql':'CREATE USER :\\u0027u\\u0027@\\u0027%%\\u0027 "
                "IDENTIFIED BY :\\u0027p\\u0027','values':{'u':'act-user','p':'%s'}},"
                "{'sql':'SELECT :\\u0027p\\u0027 FROM `no such table`','values':{'p':'%s'}}"
                "]}",
                token, token);
        op = data_act(w->d, "sql", ask, values);
        assert_int_equal(op.outcome, OUTCOME_REFUSED);
        assert_int_equal(json_get_int(op.told, "statement", -1), 1);
        assert_non_null(json_get(op.told, "sqlstate"));
        assert_null(strstr(err_text(&op.err), "secret"));
        op_clear(&op);
        assert_int_equal(mysql_as("act-user", "it's `secret\"", "SELECT 1"), 0);
        mysql_do(w, "DROP USER 'act-user'@'%%'");
        free(ask);
        ask = str_format("{'statements':[{'sql':'SELECT :\\u0027p\\u0027','values':{'p':'%s'}}]}",
                         token);
        op = data_act(w->d, "sql", ask, values);
        assert_string_equal(json_string_value(json_array_get(
                                    json_array_get(json_get(result(&op, 0), "rows"), 0), 0)),
                            "(hidden)");
        data_must(&op, OUTCOME_DONE, NULL);
        free(ask);
        ask = str_format("{'statements':[{'sql':'SELECT %s'}]}", token);
        op = data_act(w->d, "sql", ask, values);
        data_must(&op, OUTCOME_REFUSED, "/statements/0/sql");
        secret_values_free(values);
}

static void failures_name_statement_and_state(void **state) {
        static const struct {
                const char *ask;
                int index, number;
                const char *state;
        } cases[] = {
                { "{'statements':[{'sql':'SELECT 1'},{'sql':'SELEKT 1'},{'sql':'SELECT 2'}]}", 1,
                  1064, "42000" },
                { "{'statements':[{'sql':'SELECT * FROM mysql.nothing'}]}", 0, 1146, "42S02" },
                { "{'statements':[{'sql':'SELECT 1; SELECT 2'}]}", 0, 1064, "42000" },
        };
        struct mysql_world *w = *state;
        struct op op;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                op = data_act(w->d, "sql", cases[i].ask, NULL);
                assert_int_equal(op.outcome, OUTCOME_REFUSED);
                assert_int_equal(json_get_int(op.told, "statement", -1), cases[i].index);
                assert_int_equal(json_get_int(op.told, "number", -1), cases[i].number);
                assert_string_equal(json_get_str(op.told, "sqlstate", ""), cases[i].state);
                assert_int_equal(json_array_size(json_get(op.told, "results")), cases[i].index);
                op_clear(&op);
        }
        op = data_act(w->d, "sql", "{'statements':[]}", NULL);
        data_must(&op, OUTCOME_REFUSED, "statements");
        op = data_act(w->d, "sql", "{'statements':[{'sql':'SELECT :\\u0027x\\u0027'}]}", NULL);
        data_must(&op, OUTCOME_REFUSED, "x");
        op = data_act(w->d, "sql", "{'database':'nothing','statements':[{'sql':'SELECT 1'}]}",
                      NULL);
        data_must(&op, OUTCOME_REFUSED, NULL);
        op = data_act(w->d, "dance", "{}", NULL);
        data_must(&op, OUTCOME_REFUSED, "dance");
}

static void much_is_told_in_part(void **state) {
        struct mysql_world *w = *state;
        struct op op = data_act(
                w->d, "sql",
                "{'statements':[{'sql':'SELECT a.HELP_TOPIC_ID FROM (SELECT 1 AS HELP_TOPIC_ID "
                "UNION "
                "SELECT 2 UNION SELECT 3 UNION SELECT 4) a, information_schema.collations b, "
                "information_schema.character_sets c LIMIT 5000'},"
                "{'sql':'SELECT REPEAT(\\u0027x\\u0027, 70000)'}]}",
                NULL);

        assert_int_equal(json_array_size(json_get(result(&op, 0), "rows")), 1000);
        assert_true(json_get_bool(result(&op, 0), "truncated", false));
        assert_int_equal(json_array_size(json_get(result(&op, 1), "rows")), 0);
        assert_true(json_get_bool(result(&op, 1), "truncated", false));
        data_must(&op, OUTCOME_DONE, NULL);
}

/* A transaction that was begun and not committed is not there for whoever comes next. */
static void nothing_of_a_session_is_left(void **state) {
        struct mysql_world *w = *state;
        struct op op;

        mysql_do(w, "CREATE DATABASE IF NOT EXISTS acts");
        op = data_act(
                w->d, "sql",
                "{'database':'acts','statements':[{'sql':'CREATE TABLE t (v INT) ENGINE=InnoDB'},"
                "{'sql':'SET @mark = 7'},{'sql':'BEGIN'},{'sql':'INSERT INTO t VALUES (1)'}]}",
                NULL);
        data_must(&op, OUTCOME_DONE, NULL);
        op = data_act(w->d, "sql",
                      "{'database':'acts','statements':[{'sql':'SELECT COUNT(*), @mark FROM t'}]}",
                      NULL);
        assert_int_equal(json_integer_value(json_array_get(
                                 json_array_get(json_get(result(&op, 0), "rows"), 0), 0)),
                         0);
        assert_true(json_is_null(
                json_array_get(json_array_get(json_get(result(&op, 0), "rows"), 0), 1)));
        data_must(&op, OUTCOME_DONE, NULL);
        mysql_do(w, "DROP DATABASE acts");
}

static void never_called(struct op *op) {
        fail_msg("a cancelled operation was told");
}

static void a_cancelled_statement_tells_nobody_and_holds_nobody_up(void **state) {
        struct mysql_world *w = *state;
        cleanup_(json_freep) json_t *slow =
                json_pack("{s:[{s:s}]}", "statements", "sql", "SELECT SLEEP(60)");
        struct act_request r = { .verb = "sql" };
        struct op ops[4];
        int64_t began = clock_mono();

        r.ask = slow;
        for (size_t i = 0; i < ARRAY_SIZE(ops); i++) { /* two at work, two waiting */
                ops[i] = (struct op){ .loop = w->d->loop, .done = never_called };
                provider_sql.act(w->d->target, &r, &ops[i]);
        }
        data_turn(w->d, 300);
        {
                struct thing db = thing_of(w->d, "{'type':'database','name':'x'}");
                struct op op; /* the reconciler's line goes on beside them */

                assert_int_equal(thing_do(w->d, &db, DATA_LOOK, 0, &op), OUTCOME_GONE);
                op_clear(&op);
                thing_free(&db);
        }
        for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
                provider_sql.cancel(&ops[i]);
        data_turn(w->d, 50);
        provider_sql.act(w->d->target, &r, &ops[0]);
        loop_step(w->d->loop, 50);
        provider_sql.cancel(&ops[0]);
        w->d->target = provider_sql.close(w->d->target); /* with threads out */
        loop_finish_jobs(w->d->loop);
        assert_true(clock_mono() - began < 30000); /* not the sixty seconds */
}

int data_mysql_acts(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, mysql_setup, mysql_teardown)
        const struct CMUnitTest tests[] = {
                T(rows_come_with_their_types),
                T(a_value_stays_a_value),
                T(a_password_is_set_by_a_token_and_told_by_nobody),
                T(failures_name_statement_and_state),
                T(much_is_told_in_part),
                T(nothing_of_a_session_is_left),
                T(a_cancelled_statement_tells_nobody_and_holds_nobody_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
