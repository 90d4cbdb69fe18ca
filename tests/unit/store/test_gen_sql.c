/* SPDX-License-Identifier: Apache-2.0 */
/* test_gen_sql.c - each fault of a schema or a query ends the build with file, line and reason
 *
 * Runs the real program (argv[1]) on folders of its own. */
#include "base.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *program;

struct folder {
        char *path;
        char *said; /* what gen-sql wrote on stderr */
        int status;
};

static void put(struct folder *f, const char *name, const char *text) {
        cleanup_(freep) char *path = str_format("%s/%s", f->path, name);
        cleanup_(fclosep) FILE *out = fopen(path, "we");

        assert_non_null(out);
        fputs(text, out);
}

static char *get(struct folder *f, const char *name) {
        cleanup_(freep) char *path = str_format("%s/%s", f->path, name);
        cleanup_(fclosep) FILE *in = fopen(path, "re");
        char *text = mem_alloc(1 << 20);

        assert_non_null(in);
        text[fread(text, 1, (1 << 20) - 1, in)] = '\0';
        return text;
}

static int set_up(void **state) {
        char template[] = "/tmp/gen-sql-XXXXXX";
        struct folder *f = mem_new(struct folder);
        cleanup_(freep) char *schema = NULL;
        cleanup_(freep) char *queries = NULL;

        f->path = str_dup(mkdtemp(template));
        assert_non_null(f->path);
        schema = str_format("%s/schema", f->path);
        queries = str_format("%s/queries", f->path);
        assert_int_equal(mkdir(schema, 0700), 0);
        assert_int_equal(mkdir(queries, 0700), 0);
        put(f, "schema/0001-first.sql",
            "CREATE TABLE unit (\n        id INTEGER PRIMARY KEY,\n        name TEXT NOT NULL "
            "UNIQUE,\n"
            "        size INTEGER, data BLOB, value TEXT\n) STRICT;\n"
            "CREATE TABLE other (value INTEGER NOT NULL) STRICT;\n");
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *command = str_format("rm -rf %s", f->path);

        assert_int_equal(system(command), 0);
        free(f->path);
        free(f->said);
        free(f);
        return 0;
}

static void run(struct folder *f) {
        cleanup_(freep) char *command = str_format(
                "%s --schema %s/schema --queries %s/queries --symbol store --header %s/out.h "
                "--source %s/out.c --depfile %s/out.d --additive-from 3 2>%s/said",
                program, f->path, f->path, f->path, f->path, f->path, f->path);

        f->status = system(command);
        free(f->said);
        f->said = get(f, "said");
}

/* QUERY stands alone in queries/q.sql. */
static void fails(void **state, const char *query, const char *message) {
        struct folder *f = *state;

        put(f, "queries/q.sql", query);
        run(f);
        assert_true(WIFEXITED(f->status));
        assert_int_equal(WEXITSTATUS(f->status), 1);
        if (!strstr(f->said, message))
                fail_msg("wanted \"%s\", got \"%s\"", message, f->said);
}

static void works(void **state, const char *query) {
        struct folder *f = *state;

        put(f, "queries/q.sql", query);
        run(f);
        assert_string_equal(f->said, "");
        assert_int_equal(f->status, 0);
}

static void a_misspelt_column_is_named_with_its_line(void **state) {
        fails(state,
              "-- name: unit_get\n-- one\nSELECT id,\n       nmae\nFROM unit WHERE id = :id;\n",
              "queries/q.sql:4: unit_get: no such column: nmae");
}

static void an_unindexed_scan_fails(void **state) {
        fails(state, "-- name: unit_big\nSELECT id FROM unit WHERE size = :size LIMIT 10;\n",
              "queries/q.sql:1: unit_big: SCAN unit: every row is read");
}

static void a_scan_that_is_marked_with_its_reason_passes(void **state) {
        works(state, "-- name: unit_big\n-- scan ok: three rows\n"
                     "SELECT id FROM unit WHERE size = :size LIMIT 10;\n");
}

static void a_scan_mark_without_reason_fails(void **state) {
        fails(state,
              "-- name: unit_big\n-- scan ok:\nSELECT id FROM unit WHERE size = 1 LIMIT 10;\n",
              "queries/q.sql:2: scan ok needs its reason");
}

static void a_write_that_scans_fails(void **state) {
        fails(state, "-- name: unit_drop\nDELETE FROM unit WHERE size = :size;\n", "SCAN unit");
}

static void a_read_without_limit_fails(void **state) {
        fails(state, "-- name: unit_get\nSELECT id FROM unit WHERE id = :id;\n",
              "q.sql:1: unit_get: a read without LIMIT");
}

static void a_limit_in_a_comment_or_a_bracket_is_none(void **state) {
        fails(state,
              "-- name: unit_get\nSELECT id FROM unit /* LIMIT 1 */ WHERE id IN (SELECT id FROM "
              "unit "
              "WHERE id > 'LIMIT 1' LIMIT 1);\n",
              "a read without LIMIT");
}

static void a_limit_beyond_what_a_read_may_return_fails(void **state) {
        fails(state,
              "-- name: unit_all\nSELECT id FROM unit WHERE id > 0 ORDER BY id LIMIT 20000;\n",
              "a LIMIT is at most 10000");
}

static void one_needs_a_unique_key(void **state) {
        fails(state, "-- name: unit_after\n-- one\nSELECT id FROM unit WHERE id > :id;\n",
              "-- one, but");
        works(state, "-- name: unit_get\n-- one\nSELECT id FROM unit WHERE name = :name;\n");
}

static void a_name_given_twice_names_both_places(void **state) {
        fails(state,
              "-- name: a\n-- one\nSELECT id FROM unit WHERE id = 1;\n"
              "-- name: a\n-- one\nSELECT id FROM unit WHERE id = 2;\n",
              "q.sql:4: the query a is already at");
}

static void forbidden_sql_is_named_with_what_to_do_instead(void **state) {
        fails(state, "-- name: a\nDELETE FROM unit\nWHERE id = 1 RETURNING id;\n",
              "q.sql:3: RETURNING is not allowed: read the row");
        fails(state, "-- name: a\nVACUUM;\n", "VACUUM is not allowed");
        fails(state, "-- name: a\nATTACH 'x' AS y;\n", "ATTACH is not allowed");
        fails(state, "-- name: a\nPRAGMA foreign_keys;\n", "PRAGMA is not allowed");
        fails(state, "-- name: a\nSELECT last_insert_rowid() AS id LIMIT 1;\n",
              "last_insert_rowid is not allowed: take the id from tx_id");
        fails(state, "-- name: a\nUPDATE unit SET name = datetime('now') WHERE id = 1;\n",
              "datetime is not allowed: make the time an input");
        fails(state, "-- name: a\nUPDATE unit SET size = random() WHERE id = 1;\n",
              "random is not allowed");
}

static void a_forbidden_word_in_quotes_or_a_comment_is_fine(void **state) {
        works(state, "-- name: a\nUPDATE unit SET name = 'VACUUM' /* PRAGMA */ WHERE id = :id;\n");
}

static void an_input_of_two_types_must_be_declared(void **state) {
        fails(state, "-- name: a\nUPDATE unit SET value = :value WHERE id = :id;\n",
              ":value is INT in table other and TEXT in unit");
        works(state,
              "-- name: a\n-- in: value TEXT\nUPDATE unit SET value = :value WHERE id = :id;\n");
}

static void an_input_that_is_no_column_must_be_declared(void **state) {
        fails(state, "-- name: a\n-- one\nSELECT name FROM unit WHERE id = :number;\n",
              "the type of :number is not known");
}

static void a_declaration_of_nothing_fails(void **state) {
        fails(state, "-- name: a\n-- in: what INT\n-- one\nSELECT name FROM unit WHERE id = :id;\n",
              "q.sql:2: a: there is no input :what");
        fails(state,
              "-- name: a\n-- in: id NUMBER\n-- one\nSELECT name FROM unit WHERE id = :id;\n",
              "q.sql:2: \"id NUMBER\" is not NAME");
}

static void an_expression_needs_a_name_and_a_type(void **state) {
        fails(state, "-- name: a\nSELECT max(id) FROM unit LIMIT 1;\n", "needs a name: AS name");
        fails(state, "-- name: a\nSELECT max(id) AS top FROM unit LIMIT 1;\n",
              "top is an expression; say \"-- out: top TYPE [NULL]\"");
}

static void two_statements_in_one_query_fail(void **state) {
        fails(state, "-- name: a\nDELETE FROM unit WHERE id = 1; DELETE FROM unit WHERE id = 2;\n",
              "is more than one statement");
}

static void rows_that_are_shared_have_the_same_columns(void **state) {
        fails(state,
              "-- name: a\n-- row: unit\n-- one\nSELECT id FROM unit WHERE id = :id;\n"
              "-- name: b\n-- row: unit\n-- one\nSELECT name FROM unit WHERE id = :id;\n",
              "b: its columns are not those of a");
}

static void a_gap_in_the_numbering_fails(void **state) {
        struct folder *f = *state;

        put(f, "schema/0003-third.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT;\n");
        fails(state, "", "0003-third.sql:1: the number 0002 is missing before it");
}

static void a_number_that_is_there_twice_fails(void **state) {
        struct folder *f = *state;

        put(f, "schema/0001-second.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT;\n");
        fails(state, "", "0001-second.sql:1: the number 0001 is there twice");
}

static void a_broken_migration_is_named_with_its_line(void **state) {
        struct folder *f = *state;

        put(f, "schema/0002-second.sql",
            "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT;\n\n"
            "CREATE INDEX i ON t\n(nmae);\n");
        fails(state, "", "0002-second.sql:");
        assert_non_null(strstr(f->said, "no such column: nmae")
                                ?: strstr(f->said, "no column named nmae"));
}

#define SECOND "schema/0002-second.sql"
#define THIRD "schema/0003-third.sql"

static void put_second(struct folder *f) {
        put(f, SECOND, "DROP TABLE other;\n"); /* from a time when nobody went back */
}

static void a_migration_that_does_more_than_add_fails(void **state) {
        struct folder *f = *state;
        static const char *const more[] = {
                "DROP TABLE unit;\n",
                "ALTER TABLE unit DROP COLUMN data;\n",
                "ALTER TABLE unit RENAME TO units;\n",
                "UPDATE unit SET size = 1;\n",
                "CREATE UNIQUE INDEX once ON unit (value);\n",
        };

        put_second(f);
        for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
                put(f, THIRD, more[i]);
                fails(state, "", "0003-third.sql:1: \"");
                assert_non_null(strstr(f->said, "the release before cannot work on that"));
        }
}

static void a_key_that_keeps_the_release_before_from_deleting_fails(void **state) {
        struct folder *f = *state;

        put_second(f);
        put(f, THIRD,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, unit INTEGER REFERENCES unit (id)) STRICT;\n");
        fails(state, "", "t.unit keeps the release before from deleting rows of unit");
        put(f, THIRD, "ALTER TABLE unit ADD COLUMN of INTEGER REFERENCES unit (id);\n");
        fails(state, "", "unit.of keeps the release before from deleting rows of unit");
}

static void what_adds_or_says_who_can_work_on_it_is_taken(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *marked = NULL;

        put_second(f);
        put(f, THIRD,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, unit INTEGER REFERENCES unit (id) ON DELETE "
            "CASCADE,\n  other INTEGER UNIQUE REFERENCES t (id)) STRICT;\n"
            "CREATE INDEX t_unit ON t (unit);\n"
            "ALTER TABLE unit ADD COLUMN word TEXT NOT NULL DEFAULT '';\n");
        put(f, "queries/q.sql", "");
        run(f);
        assert_int_equal(f->status, 0);
        put(f, THIRD, "-- Nobody reads it.\n-- reader: 0002\nALTER TABLE unit DROP COLUMN data;\n");
        run(f);
        assert_int_equal(f->status, 0);
        marked = get(f, "out.c");
        assert_non_null(strstr(marked, "{ 3, \"0003-third.sql\", migration_3, 2 }"));
        put(f, THIRD, "-- reader: 0004\nALTER TABLE unit DROP COLUMN data;\n");
        fails(state, "", "0003-third.sql:1: -- reader: NNNN is a schema up to this one");
}

static void a_table_that_is_not_strict_fails(void **state) {
        struct folder *f = *state;

        put(f, "schema/0002-second.sql",
            "CREATE TABLE loose (id INTEGER PRIMARY KEY, day DATE);\n");
        fails(state, "", "table loose is not STRICT");
}

static void all_faults_are_told_in_one_run(void **state) {
        struct folder *f = *state;

        fails(state,
              "-- name: a\nSELECT nmae FROM unit LIMIT 1;\n-- name: b\nSELECT szie FROM unit LIMIT "
              "1;\n",
              "nmae");
        assert_non_null(strstr(f->said, "szie"));
}

static void what_it_writes_has_the_types_of_the_columns(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *header = NULL;
        cleanup_(freep) char *dep = NULL;

        works(state,
              "-- name: unit_get\n-- What is asked.\n-- one\n"
              "SELECT id, name, size, data FROM unit WHERE name = :name;\n"
              "-- name: unit_put\nINSERT INTO unit (id, name, size) VALUES (:id, :name, :size);\n");
        header = get(f, "out.h");
        dep = get(f, "out.d");
        assert_non_null(strstr(
                header,
                "/* What is asked. (q.sql) */\n"
                "struct q_unit_get_in {\n        const char *name;\n};\n"
                "struct q_unit_get_row {\n        int64_t id;\n        const char *name;\n"
                "        int64_t size;\n        bool size_null;\n"
                "        const uint8_t *data; /* may be NULL */\n        size_t data_len;\n};\n"
                "int q_unit_get(struct tx *tx, const struct q_unit_get_in *in, "
                "struct q_unit_get_row **ret, size_t *ret_n, struct err *err);\n"));
        assert_non_null(strstr(header,
                               "int w_unit_put(struct tx *tx, const struct w_unit_put_in *in, "
                               "struct err *err);\n"));
        assert_non_null(strstr(dep, "queries/q.sql"));
        assert_non_null(strstr(dep, "schema/0001-first.sql"));
}

static void a_missing_folder_fails(void **state) {
        struct folder *f = *state;
        cleanup_(freep) char *queries = str_format("%s/queries", f->path);

        assert_int_equal(rmdir(queries), 0);
        run(f);
        assert_int_equal(WEXITSTATUS(f->status), 1);
        assert_non_null(strstr(f->said, "cannot be read"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                TEST(a_misspelt_column_is_named_with_its_line),
                TEST(an_unindexed_scan_fails),
                TEST(a_scan_that_is_marked_with_its_reason_passes),
                TEST(a_scan_mark_without_reason_fails),
                TEST(a_write_that_scans_fails),
                TEST(a_read_without_limit_fails),
                TEST(a_limit_in_a_comment_or_a_bracket_is_none),
                TEST(a_limit_beyond_what_a_read_may_return_fails),
                TEST(one_needs_a_unique_key),
                TEST(a_name_given_twice_names_both_places),
                TEST(forbidden_sql_is_named_with_what_to_do_instead),
                TEST(a_forbidden_word_in_quotes_or_a_comment_is_fine),
                TEST(an_input_of_two_types_must_be_declared),
                TEST(an_input_that_is_no_column_must_be_declared),
                TEST(a_declaration_of_nothing_fails),
                TEST(an_expression_needs_a_name_and_a_type),
                TEST(two_statements_in_one_query_fail),
                TEST(rows_that_are_shared_have_the_same_columns),
                TEST(a_gap_in_the_numbering_fails),
                TEST(a_number_that_is_there_twice_fails),
                TEST(a_broken_migration_is_named_with_its_line),
                TEST(a_migration_that_does_more_than_add_fails),
                TEST(a_key_that_keeps_the_release_before_from_deleting_fails),
                TEST(what_adds_or_says_who_can_work_on_it_is_taken),
                TEST(a_table_that_is_not_strict_fails),
                TEST(all_faults_are_told_in_one_run),
                TEST(what_it_writes_has_the_types_of_the_columns),
                TEST(a_missing_folder_fails),
        };

        if (argc != 2)
                return 2;
        program = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
