/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-user.c - a user of MySQL or MariaDB: password, lock, and no rights beyond its grants
 *
 * What the server keeps of the password is read and hashed with our key at once: another
 * password, another plugin or a salt of its own (a password set anew) all show as a change. The
 * two families keep their users in different tables: MariaDB a JSON in mysql.global_priv, MySQL
 * columns in mysql.user. */
#include "mysql-kinds.h"

#include <mariadb/mysqld_error.h>

/* Limits that a user may have; 0 is none. */
static const char *const limits[] = { "max_questions", "max_updates", "max_connections",
                                      "max_user_connections" };

/* What a MariaDB entry says besides: times and versions, which change by themselves, are no
 * drift. */
static const char *const mariadb_other[] = { "auth_or",     "ssl_type",     "ssl_cipher",
                                             "x509_issuer", "x509_subject", "is_role" };

static void set_password_seen(struct mysql_session *s, struct sql_task *t, const char *plugin,
                              const void *text, size_t len) {
        cleanup_(freep) char *path = sql_document_path(&t->doc);
        char hash[DIGEST_HEX_SIZE];

        sql_engine_hash(s->config, path, text, len, hash);
        json_object_set_new(t->seen, "plugin", json_string(plugin));
        json_object_set_new(t->seen, "password", json_string(hash));
}

static void set_limit(struct sql_task *t, const char *name, int64_t value) {
        if (value)
                json_object_set_new(t->seen, name, json_integer(value));
}

static void take_mariadb(struct mysql_session *s, struct sql_task *t, const json_t *entry) {
        const char *text = json_get_str(entry, "authentication_string", "");

        set_password_seen(s, t, json_get_str(entry, "plugin", ""), text, strlen(text));
        json_object_set_new(t->seen, "locked",
                            json_boolean(json_get_bool(entry, "account_locked", false)));
        json_object_set_new(t->seen, "expired",
                            json_boolean(json_get_int(entry, "password_last_changed", 1) == 0));
        for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
                set_limit(t, limits[i], json_get_int(entry, limits[i], 0));
        for (size_t i = 0; i < ARRAY_SIZE(mariadb_other); i++) {
                cleanup_(freep) char *value = json_text(json_get(entry, mariadb_other[i]));
                char hash[DIGEST_HEX_SIZE];

                if (!json_get(entry, mariadb_other[i]) || str_eq(value, "0"))
                        continue;
                /* auth_or holds other ways in with their hashes. */
                sql_engine_hash(s->config, mariadb_other[i], value, strlen(value), hash);
                json_object_set_new(t->seen, mariadb_other[i], json_string(hash));
        }
}

static int look_mariadb(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        cleanup_(json_freep) json_t *entry = NULL;
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SELECT Priv FROM mysql.global_priv WHERE User = %S AND Host = %S",
                             t->doc.name, t->doc.host) < 0)
                return -1;
        row = mysql_fetch_row(rows.result);
        if (!row)
                return 0;
        if (!row[0] || json_parse(row[0], strlen(row[0]), &entry, NULL) < 0)
                return sql_fail(t, OUTCOME_REFUSED,
                                "mysql.global_priv: the entry of user %s is no JSON", t->doc.name);
        t->present = true;
        take_mariadb(s, t, entry);
        return 0;
}

static int look_mysql(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        unsigned long *lengths;
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SELECT plugin, authentication_string, account_locked, "
                             "password_expired, ssl_type, max_questions, max_updates, "
                             "max_connections, max_user_connections, "
                             "JSON_CONTAINS_PATH(User_attributes, 'one', '$.additional_password'), "
                             "JSON_EXTRACT(User_attributes, '$.Password_locking') FROM "
                             "mysql.user WHERE User = %S AND Host = %S",
                             t->doc.name, t->doc.host) < 0)
                return -1;
        row = mysql_fetch_row(rows.result);
        if (!row)
                return 0;
        lengths = mysql_fetch_lengths(rows.result);
        t->present = true;
        set_password_seen(s, t, row[0] ? row[0] : "", row[1] ? row[1] : "",
                          row[1] ? lengths[1] : 0);
        json_object_set_new(t->seen, "locked", json_boolean(str_eq(row[2], "Y")));
        json_object_set_new(t->seen, "expired", json_boolean(str_eq(row[3], "Y")));
        if (row[4] && row[4][0])
                json_object_set_new(t->seen, "ssl_type", json_string(row[4]));
        for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
                set_limit(t, limits[i], row[5 + i] ? strtol(row[5 + i], NULL, 10) : 0);
        if (str_eq(row[9], "1"))
                json_object_set_new(t->seen, "second-password", json_true());
        if (row[10])
                json_object_set_new(t->seen, "login-attempts", json_string(row[10]));
        return 0;
}

/* So any right that came by a role is somebody else's too. */
static int look_roles(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        json_t *list = json_array();
        MYSQL_ROW row;

        json_object_set_new(t->seen, "roles", list);
        if (mysql_session_do(s, t, &rows,
                             s->mariadb ? "SELECT Role, '' FROM mysql.roles_mapping WHERE User = "
                                          "%S AND Host = %S ORDER BY Role"
                                        : "SELECT FROM_USER, FROM_HOST FROM mysql.role_edges WHERE "
                                          "TO_USER = %S AND TO_HOST = %S ORDER BY 1, 2",
                             t->doc.name, t->doc.host) < 0)
                return -1;
        while ((row = mysql_fetch_row(rows.result)))
                json_array_append_new(list,
                                      json_sprintf("%s%s%s", row[0], row[1][0] ? "@" : "", row[1]));
        return 0;
}

/* Rights on everything: this provider gives none, so any is somebody else's. */
static int look_global(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        cleanup_(freep) char *grantee = str_format("'%s'@'%s'", t->doc.name, t->doc.host);
        json_t *list = json_array();
        MYSQL_ROW row;

        json_object_set_new(t->seen, "global", list);
        if (mysql_session_do(
                    s, t, &rows,
                    "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = "
                    "%S AND "
                    "BINARY GRANTEE = %S AND PRIVILEGE_TYPE <> 'USAGE' ORDER BY PRIVILEGE_TYPE",
                    grantee, grantee) < 0)
                return -1;
        while ((row = mysql_fetch_row(rows.result)))
                json_array_append_new(list, json_string(row[0]));
        return 0;
}

/* In the names that we grant on these characters are escaped. */
static bool is_pattern(const char *s) {
        for (; *s; s++) {
                if (*s == '%' || *s == '_')
                        return true;
                if (*s == '\\' && s[1])
                        s++;
        }
        return false;
}

/* Rights on databases that no grant of ours can be on: the server's own, and patterns. On a
 * relation's database mysql-grant.c goes by what is wanted there.
 * {"mysql": {"*": "database", "user": "table"}} */
static int look_elsewhere(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        cleanup_(json_freep) json_t *all = json_object();
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SELECT Db, '*', 'database' FROM mysql.db WHERE User = %S AND Host = "
                             "%S UNION SELECT Db, Table_name, 'table' FROM mysql.tables_priv WHERE "
                             "User = %S AND Host = %S ORDER BY 1, 2",
                             t->doc.name, t->doc.host, t->doc.name, t->doc.host) < 0)
                return -1;
        while ((row = mysql_fetch_row(rows.result))) {
                bool pattern = str_eq(row[2], "database") && is_pattern(row[0]);

                if (!pattern && !sql_document_of_server(row[0]))
                        continue;
                if (!json_get(all, row[0]))
                        json_object_set_new(all, row[0], json_object());
                json_object_set_new(json_get(all, row[0]), row[1], json_string(row[2]));
        }
        if (json_object_size(all))
                json_object_set(t->seen, "elsewhere", all);
        return 0;
}

int mysql_user_look(struct mysql_session *s, struct sql_task *t) {
        int r;

        t->present = false;
        json_decref(t->seen);
        t->seen = json_object();
        r = s->mariadb ? look_mariadb(s, t) : look_mysql(s, t);
        if (r < 0 || !t->present)
                return r;
        if (look_global(s, t) < 0 || look_roles(s, t) < 0)
                return -1;
        return look_elsewhere(s, t);
}

#define NO_LIMITS                                                                                  \
        "WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 "           \
        "MAX_USER_CONNECTIONS 0 "

/* "IDENTIFIED BY" alone gives the server's own default plugin, on both families. */
static int set_password(struct mysql_session *s, struct sql_task *t) {
        if (s->mariadb)
                return mysql_session_do(
                        s, t, NULL, "ALTER USER %U IDENTIFIED BY %S REQUIRE NONE " NO_LIMITS "%L",
                        t->doc.name, t->doc.host, t->password, t->doc.locked);
        if (mysql_session_do(s, t, NULL,
                             "ALTER USER %U IDENTIFIED BY %S REQUIRE NONE " NO_LIMITS
                             "PASSWORD EXPIRE DEFAULT FAILED_LOGIN_ATTEMPTS 0 PASSWORD_LOCK_TIME 0 "
                             "%L",
                             t->doc.name, t->doc.host, t->password, t->doc.locked) < 0)
                return -1;
        /* Setting the first does not touch the second. */
        return mysql_session_do(s, t, NULL, "ALTER USER %U DISCARD OLD PASSWORD", t->doc.name,
                                t->doc.host);
}

static int create(struct mysql_session *s, struct sql_task *t) {
        static const unsigned exists[] = { ER_CANNOT_USER, 0 };
        int r = mysql_session_try(s, t, exists, "CREATE USER %U IDENTIFIED BY %S %L", t->doc.name,
                                  t->doc.host, t->password, t->doc.locked);

        if (r <= 0) {
                t->created = r == 0;
                return r;
        }
        /* Made between our look and now, or left half-made by edits of the tables. */
        return set_password(s, t);
}

static bool is_plain(const struct sql_task *t) {
        json_t *expired = json_get(t->seen, "expired");

        /* plugin, password, locked, expired, global, roles, and perhaps elsewhere: what else there
         * is a password set anew takes away. */
        return json_object_size(t->seen) == (json_get(t->seen, "elsewhere") ? 7 : 6) &&
               json_get_bool(t->seen, "locked", !t->doc.locked) == t->doc.locked &&
               json_is_false(expired);
}

static int take_roles(struct mysql_session *s, struct sql_task *t) {
        static const unsigned none[] = { ER_CANNOT_REVOKE_ROLE, ER_INVALID_ROLE, 0 };
        size_t i;
        json_t *item;

        json_array_foreach(json_get(t->seen, "roles"), i, item) {
                const char *text = json_string_value(item), *at = strrchr(text, '@');
                cleanup_(freep) char *role =
                        at && !s->mariadb ? str_ndup(text, (size_t)(at - text)) : str_dup(text);
                int r = s->mariadb ? mysql_session_try(s, t, none, "REVOKE %I FROM %U", role,
                                                       t->doc.name, t->doc.host)
                                   : mysql_session_do(s, t, NULL, "REVOKE %U FROM %U", role,
                                                      at ? at + 1 : "%", t->doc.name, t->doc.host);

                if (r < 0)
                        return -1;
        }
        return 0;
}

static int take_global(struct mysql_session *s, struct sql_task *t) {
        static const unsigned none[] = { ER_NONEXISTING_GRANT, 0 };

        if (mysql_session_do(s, t, NULL, "REVOKE ALL PRIVILEGES ON *.* FROM %U", t->doc.name,
                             t->doc.host) < 0)
                return -1;
        return mysql_session_try(s, t, none, "REVOKE GRANT OPTION ON *.* FROM %U", t->doc.name,
                                 t->doc.host) < 0
                       ? -1
                       : 0;
}

static int take_one(struct mysql_session *s, struct sql_task *t, const char *database,
                    const char *table) {
        static const unsigned none[] = { ER_NONEXISTING_GRANT, ER_NONEXISTING_TABLE_GRANT,
                                         ER_NO_SUCH_TABLE, 0 };

        if (!table)
                return mysql_session_try(s, t, none, "REVOKE ALL PRIVILEGES ON %I.* FROM %U",
                                         database, t->doc.name, t->doc.host) < 0 ||
                                       mysql_session_try(s, t, none,
                                                         "REVOKE GRANT OPTION ON %I.* FROM %U",
                                                         database, t->doc.name, t->doc.host) < 0
                               ? -1
                               : 0;
        return mysql_session_try(s, t, none, "REVOKE ALL PRIVILEGES ON %I.%I FROM %U", database,
                                 table, t->doc.name, t->doc.host) < 0 ||
                               mysql_session_try(s, t, none, "REVOKE GRANT OPTION ON %I.%I FROM %U",
                                                 database, table, t->doc.name, t->doc.host) < 0
                       ? -1
                       : 0;
}

static int take_elsewhere(struct mysql_session *s, struct sql_task *t) {
        const char *database, *table;
        json_t *tables, *of;

        json_object_foreach(json_get(t->seen, "elsewhere"), database, tables)
                json_object_foreach(tables, table, of)
                        if (take_one(s, t, database,
                                     str_eq(json_string_value(of), "table") ? table : NULL) < 0)
                                return -1;
        return 0;
}

/* One that is locked is not tried for nothing: the server counts who is refused, and somebody
 * watches that. */
static bool is_ours(struct mysql_session *s, struct sql_task *t) {
        bool locked = json_get_bool(t->seen, "locked", false);

        return (t->first || !locked) && mysql_session_admits(s, t->doc.name, t->password);
}

/* A user that lets in with a password that only we know is ours, made by a try whose answer was
 * lost. */
static int repair(struct mysql_session *s, struct sql_task *t) {
        bool admits = is_ours(s, t);

        if (t->first && !admits && !t->adopt)
                return sql_fail(
                        t, OUTCOME_CONFLICT,
                        "user %s is there already, with another password: adopt it, or remove it",
                        t->doc.name);
        t->created = t->first && admits;
        if ((!admits || !is_plain(t)) && set_password(s, t) < 0)
                return -1;
        if (take_roles(s, t) < 0 || take_elsewhere(s, t) < 0)
                return -1;
        return json_array_size(json_get(t->seen, "global")) ? take_global(s, t) : 0;
}

int mysql_user_apply(struct mysql_session *s, struct sql_task *t) {
        int r;

        if (!t->password || !t->password[0])
                return sql_fail(t, OUTCOME_REFUSED, "user %s: no password is wanted for it",
                                t->doc.name);
        if (mysql_user_look(s, t) < 0)
                return -1;
        r = t->present ? repair(s, t) : create(s, t);
        return r < 0 ? r : mysql_user_look(s, t);
}

int mysql_user_remove(struct mysql_session *s, struct sql_task *t) {
        t->present = false;
        return mysql_session_do(s, t, NULL, "DROP USER IF EXISTS %U", t->doc.name, t->doc.host);
}
