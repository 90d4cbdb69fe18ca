/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-grant.c - what one user may do on one database: exactly that, no more and no less
 *
 * mysql.db has a column for every privilege that this server knows on a database, so "all" is
 * the server's own list and not a table here that ages. Rights on single tables of the database
 * count as well. "_" and "%" are patterns in a grant's database name: they are escaped, in the
 * statement and when the table is read. */
#include "mysql-kinds.h"

#include <ctype.h>
#include <mariadb/mysqld_error.h>

#define PRIVILEGE_MAX 64

/* "Create_tmp_table_priv" is CREATE TEMPORARY TABLES. False: no privilege's column. */
static bool privilege_of(const char *column, char ret[PRIVILEGE_MAX]) {
        size_t n = str_copy(ret, PRIVILEGE_MAX, column);

        if (n >= PRIVILEGE_MAX || !str_ends(column, "_priv"))
                return false;
        ret[n - strlen("_priv")] = '\0';
        for (char *p = ret; *p; p++)
                *p = *p == '_' ? ' ' : (char)toupper((unsigned char)*p);
        if (str_eq(ret, "CREATE TMP TABLE"))
                str_copy(ret, PRIVILEGE_MAX, "CREATE TEMPORARY TABLES");
        if (str_eq(ret, "GRANT"))
                str_copy(ret, PRIVILEGE_MAX, "GRANT OPTION");
        return true;
}

/* The name as mysql.db keeps it. */
static char *pattern_of(const char *database) {
        struct buf b = BUF_INIT;

        for (; *database; database++) {
                if (*database == '_' || *database == '%')
                        buf_putc(&b, '\\');
                buf_putc(&b, *database);
        }
        return buf_take(&b);
}

struct held {
        json_t *known;  /* all that this server has on a database, without GRANT OPTION */
        json_t *has;    /* sorted by the server's columns */
        json_t *tables; /* {"table": "Select,Insert"} */
};

static void held_free(struct held *h) {
        json_decref(h->known);
        json_decref(h->has);
        json_decref(h->tables);
}

static int read_database(struct mysql_session *s, struct sql_task *t, struct held *h) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        cleanup_(freep) char *pattern = pattern_of(t->doc.database);
        MYSQL_FIELD *fields;
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SELECT * FROM mysql.db WHERE Host = %S AND Db = %S AND User = %S",
                             t->doc.host, pattern, t->doc.name) < 0)
                return -1;
        fields = mysql_fetch_fields(rows.result);
        row = mysql_fetch_row(rows.result);
        for (unsigned i = 0; i < rows.columns; i++) {
                char name[PRIVILEGE_MAX];

                if (!privilege_of(fields[i].name, name))
                        continue;
                if (!str_eq(name, "GRANT OPTION"))
                        json_array_append_new(h->known, json_string(name));
                if (row && str_eq(row[i], "Y"))
                        json_array_append_new(h->has, json_string(name));
        }
        return 0;
}

static int read_tables(struct mysql_session *s, struct sql_task *t, struct held *h) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SELECT Table_name, Table_priv, Column_priv FROM mysql.tables_priv "
                             "WHERE Host = %S AND "
                             "Db = %S AND User = %S",
                             t->doc.host, t->doc.database, t->doc.name) < 0)
                return -1;
        while ((row = mysql_fetch_row(rows.result)))
                json_object_set_new(
                        h->tables, row[0],
                        json_sprintf("%s%s%s", row[1], row[2][0] ? " columns:" : "", row[2]));
        return 0;
}

static int read_held(struct mysql_session *s, struct sql_task *t, struct held *h) {
        h->known = json_array();
        h->has = json_array();
        h->tables = json_object();
        return read_database(s, t, h) < 0 ? -1 : read_tables(s, t, h);
}

/* While nothing lacks "all" stands before the names, so that a newer server's new privilege is
 * drift once and then given; the names say which one was taken. */
static void fill_seen(struct sql_task *t, const struct held *h) {
        cleanup_(json_freep) json_t *lacking = sql_engine_missing(h->known, h->has);
        cleanup_(json_freep) json_t *list = json_array();

        t->present = json_array_size(h->has) > 0 || json_object_size(h->tables) > 0;
        json_decref(t->seen);
        t->seen = json_object();
        if (json_array_size(lacking) == 0 && json_array_size(h->has) > 0)
                json_array_append_new(list, json_string("ALL PRIVILEGES"));
        json_array_extend(list, h->has);
        json_object_set(t->seen, "privileges", list);
        json_object_set(t->seen, "tables", h->tables);
}

int mysql_grant_look(struct mysql_session *s, struct sql_task *t) {
        cleanup_(held_free) struct held h = { 0 };

        if (read_held(s, t, &h) < 0)
                return -1;
        fill_seen(t, &h);
        return 0;
}

/* Only words that the server itself has as a privilege get into a statement. */
static int check_known(struct sql_task *t, const struct held *h) {
        cleanup_(json_freep) json_t *strange = sql_engine_missing(t->doc.privileges, h->known);

        if (sql_document_everything(&t->doc) || json_array_size(strange) == 0)
                return 0;
        return sql_fail(t, OUTCOME_REFUSED,
                        "privilege \"%s\" is none that this server has on a database",
                        json_string_value(json_array_get(strange, 0)));
}

static int take_tables(struct mysql_session *s, struct sql_task *t, const struct held *h) {
        const char *table;
        json_t *what;

        json_object_foreach((json_t *)h->tables, table, what) {
                static const unsigned gone[] = { ER_NONEXISTING_TABLE_GRANT, ER_NO_SUCH_TABLE, 0 };

                if (mysql_session_try(s, t, gone, "REVOKE ALL PRIVILEGES ON %I.%I FROM %U",
                                      t->doc.database, table, t->doc.name, t->doc.host) < 0 ||
                    mysql_session_try(s, t, gone, "REVOKE GRANT OPTION ON %I.%I FROM %U",
                                      t->doc.database, table, t->doc.name, t->doc.host) < 0)
                        return -1;
        }
        return 0;
}

static int settle(struct mysql_session *s, struct sql_task *t, const struct held *h) {
        const json_t *wanted = sql_document_everything(&t->doc) ? h->known : t->doc.privileges;
        cleanup_(json_freep) json_t *give = sql_engine_missing(wanted, h->has);
        cleanup_(json_freep) json_t *take = sql_engine_missing(h->has, wanted);

        if (json_array_size(give) && sql_document_everything(&t->doc)) {
                if (mysql_session_do(s, t, NULL, "GRANT ALL PRIVILEGES ON %W.* TO %U",
                                     t->doc.database, t->doc.name, t->doc.host) < 0)
                        return -1;
        } else if (json_array_size(give) &&
                   mysql_session_do(s, t, NULL, "GRANT %P ON %W.* TO %U", give, t->doc.database,
                                    t->doc.name, t->doc.host) < 0) {
                return -1;
        }
        if (json_array_size(take) &&
            mysql_session_do(s, t, NULL, "REVOKE %P ON %W.* FROM %U", take, t->doc.database,
                             t->doc.name, t->doc.host) < 0)
                return -1;
        return take_tables(s, t, h);
}

int mysql_grant_apply(struct mysql_session *s, struct sql_task *t) {
        cleanup_(held_free) struct held h = { 0 };

        if (read_held(s, t, &h) < 0 || check_known(t, &h) < 0)
                return -1;
        t->created = t->first || json_array_size(h.has) == 0;
        if (settle(s, t, &h) < 0)
                return -1;
        return mysql_grant_look(s, t);
}

int mysql_grant_remove(struct mysql_session *s, struct sql_task *t) {
        static const unsigned gone[] = { ER_NONEXISTING_GRANT, ER_CANNOT_USER, ER_PASSWORD_NO_MATCH,
                                         0 };
        cleanup_(held_free) struct held h = { 0 };

        if (read_held(s, t, &h) < 0)
                return -1;
        t->present = false;
        if (json_array_size(h.has) &&
            mysql_session_try(s, t, gone, "REVOKE %P ON %W.* FROM %U", h.has, t->doc.database,
                              t->doc.name, t->doc.host) < 0)
                return -1;
        return take_tables(s, t, &h);
}
