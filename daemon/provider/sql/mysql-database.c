/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-database.c - a database: made, marked, compared, dropped
 *
 * Servers of this family give a database no identity and no room for a remark: one that was
 * dropped and made again by somebody else looks the same. So each database of ours holds a
 * procedure that does nothing and whose comment is the
 * mark: whose it is, and an id made with it. It goes with the database, and tables, which are
 * the application's, stay untouched. */
#include "mysql-kinds.h"

#include <mariadb/mysqld_error.h>

#define MARK_PROCEDURE "mooring_mark"
#define ID_LENGTH 20
#define CHARSET_DEFAULT                                                                            \
        "utf8mb4" /* all of Unicode; MySQL 8's own default, not yet MariaDB 10.11's */

/* information_schema compares without case; "BINARY" makes one database of "a" and "A" two
 * again. */
static int look_mark(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE "
                             "ROUTINE_SCHEMA = %S AND "
                             "BINARY ROUTINE_SCHEMA = %S AND ROUTINE_NAME = '" MARK_PROCEDURE "'",
                             t->doc.name, t->doc.name) < 0)
                return -1;
        row = mysql_fetch_row(rows.result);
        /* Another than ours must not read as "not known": it differs from what we once made. */
        str_copy(t->found_incarnation, sizeof(t->found_incarnation), "unmarked");
        if (row)
                sql_engine_marked(t, row[0], &t->ours, t->found_incarnation);
        return 0;
}

static int look_filled(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };

        if (mysql_session_do(
                    s, t, &rows,
                    "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = %S AND BINARY "
                    "TABLE_SCHEMA = %S LIMIT 1",
                    t->doc.name, t->doc.name) < 0)
                return -1;
        t->filled = mysql_num_rows(rows.result) > 0;
        return 0;
}

int mysql_database_look(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        MYSQL_ROW row;

        t->present = t->ours = t->filled = false;
        t->found_incarnation[0] = '\0';
        if (mysql_session_do(s, t, &rows,
                             "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM "
                             "information_schema.SCHEMATA WHERE SCHEMA_NAME = %S AND BINARY "
                             "SCHEMA_NAME = %S",
                             t->doc.name, t->doc.name) < 0)
                return -1;
        row = mysql_fetch_row(rows.result);
        if (!row)
                return 0;
        t->present = true;
        json_decref(t->seen);
        t->seen = json_pack("{s:s, s:s}", "charset", row[0] ? row[0] : "", "collation",
                            row[1] ? row[1] : "");
        return look_mark(s, t) < 0 ? -1 : look_filled(s, t);
}

static int set_mark(struct mysql_session *s, struct sql_task *t) {
        char id[ID_LENGTH + 1], mark[256];

        digest_random_text("abcdefghijklmnopqrstuvwxyz0123456789", ID_LENGTH, id);
        sql_engine_mark(t, id, mark, sizeof(mark));
        if (mysql_session_do(s, t, NULL, "DROP PROCEDURE IF EXISTS %I." MARK_PROCEDURE,
                             t->doc.name) < 0)
                return -1;
        return mysql_session_do(s, t, NULL,
                                "CREATE PROCEDURE %I." MARK_PROCEDURE
                                "() COMMENT %S SQL SECURITY INVOKER BEGIN END",
                                t->doc.name, mark);
}

static int create(struct mysql_session *s, struct sql_task *t, const char *charset) {
        static const unsigned exists[] = { ER_DB_CREATE_EXISTS, 0 };
        int r;

        if (t->doc.collation)
                r = mysql_session_try(s, t, exists,
                                      "CREATE DATABASE %I CHARACTER SET %S COLLATE %S", t->doc.name,
                                      charset, t->doc.collation);
        else
                r = mysql_session_try(s, t, exists, "CREATE DATABASE %I CHARACTER SET %S",
                                      t->doc.name, charset);
        t->created = r == 0;
        return r < 0 ? -1 : 0;
}

/* Whatever it was altered to, the same statement leads back: without a collation, the character
 * set's own one. */
static int alter(struct mysql_session *s, struct sql_task *t, const char *charset) {
        if (t->doc.collation)
                return mysql_session_do(s, t, NULL, "ALTER DATABASE %I CHARACTER SET %S COLLATE %S",
                                        t->doc.name, charset, t->doc.collation);
        return mysql_session_do(s, t, NULL, "ALTER DATABASE %I CHARACTER SET %S", t->doc.name,
                                charset);
}

static int check_whose(struct sql_task *t) {
        if (!t->first || t->ours || t->adopt || !t->filled)
                return 0;
        return sql_fail(t, OUTCOME_CONFLICT,
                        "database %s is there already, with tables in it, and was not made by this "
                        "application: adopt "
                        "it, or choose another name",
                        t->doc.name);
}

int mysql_database_apply(struct mysql_session *s, struct sql_task *t) {
        const char *charset = t->doc.charset ? t->doc.charset : CHARSET_DEFAULT;

        if (mysql_database_look(s, t) < 0 || check_whose(t) < 0)
                return -1;
        if (!t->present) {
                if (create(s, t, charset) < 0)
                        return -1;
        } else {
                /* Ours from a try whose answer was lost, or empty: nothing of anybody's is in
                 * it. */
                t->created = t->first && !t->adopt;
                if (alter(s, t, charset) < 0)
                        return -1;
        }
        if (!t->ours && set_mark(s, t) < 0)
                return -1;
        return mysql_database_look(s, t);
}

int mysql_database_remove(struct mysql_session *s, struct sql_task *t) {
        static const unsigned gone[] = { ER_DB_DROP_EXISTS, 0 };

        if (mysql_database_look(s, t) < 0)
                return -1;
        if (!t->present)
                return 0;
        if (t->incarnation[0] && !str_eq(t->incarnation, t->found_incarnation))
                return sql_fail(t, OUTCOME_GONE,
                                "another database has the name %s now: left in place", t->doc.name);
        t->present = false;
        return mysql_session_try(s, t, gone, "DROP DATABASE %I", t->doc.name) < 0 ? -1 : 0;
}
