/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-replication.c - what a MySQL server is among several: the primary, open or closed, a
 * replica, set aside, or alone
 *
 * Only the primary is writable; a closed one is so for its administrator only. super_read_only is
 * kept by the server itself (PERSIST, in its own volume), so that it is on at each start, whoever
 * the server was before; here the primary's is taken off again. So one that comes back from the
 * dead takes no write before it is known what it is now.
 *
 * A replica with nothing of ours in it is made a copy of the primary by CLONE, which takes the
 * accounts along and leaves its position (GTIDs). The statement goes on in the server when its
 * client is gone, and ends with the server: what starts it does not wait, and asks again. A server
 * that has databases, and no account of ours, is nobody's copy, and is left alone.
 *
 * What somebody stopped is started again. What stopped by itself says why, and is tried again. */
#include "mysql-kinds.h"

#include <inttypes.h>
#include <mariadb/mysqld_error.h>
#include <stdlib.h>

#define PORT "3306"
#define CLONE_SECONDS                                                                              \
        2 /* it says within them that it cannot begin; what begins goes on by itself */
#define ER_RESTART_SERVER_FAILED 3707 /* it is done, and ends: who started the server starts it */
#define BEHIND_SECONDS 60
#define RIGHTS "BACKUP_ADMIN,REPLICATION SLAVE" /* as information_schema lists them */

struct state {
        bool fenced; /* super_read_only */
        bool closed; /* read_only, which fenced ones are too */
        char id[24];
        char source[256]; /* "": it has none */
        bool automatic, io, sql, behind;
        char trouble[300]; /* why one of both stopped by itself; or "" */
        bool account, clone;
        char rights[64];
};

/* ---- look */

static int look_server(struct mysql_session *s, struct sql_task *t, struct state *ret) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        MYSQL_ROW row;

        if (mysql_session_do(
                    s, t, &rows,
                    "SELECT @@GLOBAL.super_read_only, @@GLOBAL.server_id, (SELECT COUNT(*) FROM "
                    "mysql.user WHERE User = %S AND Host = %S), (SELECT COUNT(*) FROM "
                    "information_schema.PLUGINS WHERE PLUGIN_NAME = 'clone' AND PLUGIN_STATUS = "
                    "'ACTIVE'), (SELECT GROUP_CONCAT(PRIVILEGE_TYPE ORDER BY PRIVILEGE_TYPE) FROM "
                    "information_schema.USER_PRIVILEGES WHERE GRANTEE = CONCAT(QUOTE(%S), '@', "
                    "QUOTE(%S))), @@GLOBAL.read_only",
                    t->doc.user, "%", t->doc.user, "%") < 0)
                return -1;
        row = mysql_fetch_row(rows.result);
        ret->fenced = str_eq(row[0], "1");
        str_copy(ret->id, sizeof(ret->id), row[1]);
        ret->account = !str_eq(row[2], "0");
        ret->clone = !str_eq(row[3], "0");
        str_copy(ret->rights, sizeof(ret->rights), row[4] ? row[4] : "");
        ret->closed = str_eq(row[5], "1");
        return 0;
}

static const char *column(const struct mysql_rows *rows, MYSQL_ROW row, const char *name) {
        MYSQL_FIELD *fields = mysql_fetch_fields(rows->result);

        for (unsigned i = 0; i < rows->columns; i++)
                if (str_eq(fields[i].name, name))
                        return row[i] ? row[i] : "";
        return "";
}

static void note_trouble(struct state *st, const struct mysql_rows *rows, MYSQL_ROW row) {
        const char *io = column(rows, row, "Last_IO_Error"),
                   *sql = column(rows, row, "Last_SQL_Error");

        snprintf(st->trouble, sizeof(st->trouble), "%s%s%s", sql, *sql && *io ? "; " : "", io);
}

/* A source that does not answer is connected to again and again, by itself: that is no stop. */
static int look_source(struct mysql_session *s, struct sql_task *t, struct state *ret) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        const char *behind;
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows, "SHOW REPLICA STATUS") < 0)
                return -1;
        row = mysql_fetch_row(rows.result);
        if (!row)
                return 0;
        str_copy(ret->source, sizeof(ret->source), column(&rows, row, "Source_Host"));
        ret->automatic = str_eq(column(&rows, row, "Auto_Position"), "1");
        ret->io = !str_eq(column(&rows, row, "Replica_IO_Running"), "No");
        ret->sql = str_eq(column(&rows, row, "Replica_SQL_Running"), "Yes");
        behind = column(&rows, row, "Seconds_Behind_Source");
        ret->behind = strtoll(behind, NULL, 10) >= BEHIND_SECONDS;
        note_trouble(ret, &rows, row);
        return 0;
}

static json_t *seen_of(const struct state *st, enum sql_role role) {
        json_t *seen = json_pack("{s:b, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:s}", "fenced",
                                 st->fenced, "id", st->id, "source", st->source, "automatic",
                                 st->automatic, "receives", st->io, "applies", st->sql, "behind",
                                 st->behind, "account", st->account, "rights", st->rights);

        if (role == SQL_PRIMARY || role == SQL_CLOSED)
                json_object_set_new(seen, "closed", json_boolean(st->closed));
        return seen;
}

static int look(struct mysql_session *s, struct sql_task *t, struct state *ret) {
        *ret = (struct state){ 0 };
        t->present = false;
        if (s->mariadb)
                return sql_fail(t, OUTCOME_REFUSED,
                                "this server is MariaDB: only MySQL has replicas here");
        if (look_server(s, t, ret) < 0 || look_source(s, t, ret) < 0)
                return -1;
        json_decref(t->seen);
        t->seen = seen_of(ret, t->doc.role);
        t->present = true;
        return 0;
}

int mysql_replication_look(struct mysql_session *s, struct sql_task *t) {
        struct state st;

        return look(s, t, &st);
}

/* ---- what a server is from its start on */

static int set_id(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        char statement[64];

        if (strtoll(st->id, NULL, 10) == t->doc.id)
                return 0;
        snprintf(statement, sizeof(statement), "SET PERSIST server_id = %" PRId64, t->doc.id);
        return mysql_session_do(s, t, NULL, statement);
}

/* A relay log that a crash cut off is fetched anew. */
static int fence(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (mysql_session_do(s, t, NULL, "SET PERSIST super_read_only = ON") < 0 ||
            mysql_session_do(s, t, NULL, "SET PERSIST_ONLY relay_log_recovery = ON") < 0)
                return -1;
        return set_id(s, t, st);
}

static int open_up(struct mysql_session *s, struct sql_task *t) {
        return mysql_session_do(s, t, NULL, "SET GLOBAL super_read_only = OFF") < 0
                       ? -1
                       : mysql_session_do(s, t, NULL, "SET GLOBAL read_only = OFF");
}

static int leave_source(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (!st->source[0])
                return 0;
        if (mysql_session_do(s, t, NULL, "STOP REPLICA") < 0)
                return -1;
        return mysql_session_do(s, t, NULL, "RESET REPLICA ALL");
}

/* It is noted in a table; of one that was set aside before it had anything, only its administrator
 * may write to that for a moment. */
static int load_clone(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        static const unsigned there[] = { ER_UDF_EXISTS, 0 };

        if (st->clone)
                return 0;
        if (st->fenced && mysql_session_do(s, t, NULL, "SET GLOBAL super_read_only = OFF") < 0)
                return -1;
        return mysql_session_try(s, t, there, "INSTALL PLUGIN clone SONAME 'mysql_clone.so'") < 0
                       ? -1
                       : 0;
}

/* ---- the primary */

/* The account that replicas come with; they get it, and all that follows, from here. */
static int make_account(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (!st->account && mysql_session_do(s, t, NULL, "CREATE USER %U IDENTIFIED BY %S",
                                             t->doc.user, "%", t->password) < 0)
                return -1;
        if (st->account && !mysql_session_admits(s, t->doc.user, t->password) &&
            mysql_session_do(s, t, NULL, "ALTER USER %U IDENTIFIED BY %S ACCOUNT UNLOCK",
                             t->doc.user, "%", t->password) < 0)
                return -1;
        if (str_eq(st->rights, RIGHTS))
                return 0;
        return mysql_session_do(s, t, NULL, "GRANT REPLICATION SLAVE, BACKUP_ADMIN ON *.* TO %U",
                                t->doc.user, "%");
}

static int be_first(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (leave_source(s, t, st) < 0 || set_id(s, t, st) < 0)
                return -1;
        return mysql_session_do(s, t, NULL, "SET PERSIST_ONLY super_read_only = ON");
}

static int lead(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (be_first(s, t, st) < 0 || (st->closed && open_up(s, t) < 0) || load_clone(s, t, st) < 0)
                return -1;
        return make_account(s, t, st);
}

/* Replicas go on copying it. */
static int lead_closed(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (be_first(s, t, st) < 0 ||
            mysql_session_do(s, t, NULL, "SET SESSION lock_wait_timeout = 10") < 0 ||
            mysql_session_do(s, t, NULL, "SET GLOBAL read_only = ON") < 0 ||
            mysql_session_do(s, t, NULL, "SET GLOBAL super_read_only = OFF") < 0 ||
            load_clone(s, t, st) < 0)
                return -1;
        return make_account(s, t, st);
}

/* ---- a replica */

/* No account of ours: nothing of the primary was ever here. */
static int look_foreign(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE "
                             "SCHEMA_NAME NOT IN ('mysql', 'information_schema', "
                             "'performance_schema', 'sys') LIMIT 1") < 0)
                return -1;
        row = mysql_fetch_row(rows.result);
        return row ? sql_fail(t, OUTCOME_REFUSED,
                              "it has databases (%.64s) that did not come from the primary, and is "
                              "not made its copy: replace-replica drops them",
                              row[0])
                   : 0;
}

static int is_cloning(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };

        if (mysql_session_do(
                    s, t, &rows,
                    "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE %S LIMIT 1",
                    "CLONE INSTANCE FROM%") < 0)
                return -1;
        return mysql_num_rows(rows.result) > 0;
}

/* On a connection of its own, which is left when it has begun. */
static int begin_clone(struct mysql_session *s, struct sql_task *t) {
        static const unsigned copied[] = { ER_RESTART_SERVER_FAILED, 0 };
        int patience = t->answer_seconds, r;
        struct mysql_session *own;

        t->answer_seconds = CLONE_SECONDS;
        own = (struct mysql_session *)mysql_session_open(s->config, s->tunnel_port, t);
        t->answer_seconds = patience;
        if (!own)
                return -1;
        r = mysql_session_try(own, t, copied, "CLONE INSTANCE FROM %U:" PORT " IDENTIFIED BY %S",
                              t->doc.user, t->doc.source, t->password);
        mysql_session_close((struct sql_session *)own);
        return r < 0 && t->outcome != OUTCOME_UNREACHABLE ? -1 : 0;
}

static int seed(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        cleanup_(freep) char *donor = str_format("%s:" PORT, t->doc.source);
        int r = is_cloning(s, t);

        if (r == 0 &&
            (look_foreign(s, t) < 0 || load_clone(s, t, st) < 0 || fence(s, t, st) < 0 ||
             mysql_session_do(s, t, NULL, "SET GLOBAL clone_valid_donor_list = %S", donor) < 0 ||
             begin_clone(s, t) < 0))
                return -1;
        return r < 0 ? -1
                     : sql_fail(t, OUTCOME_NOT_YET, "is being made a copy of %s", t->doc.source);
}

static int follow(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (st->source[0] && mysql_session_do(s, t, NULL, "STOP REPLICA") < 0)
                return -1;
        return mysql_session_do(
                s, t, NULL,
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %S, SOURCE_PORT = " PORT
                ", SOURCE_USER = %S, SOURCE_PASSWORD = %S, SOURCE_AUTO_POSITION = 1, SOURCE_SSL = "
                "1, SOURCE_CONNECT_RETRY = 5, SOURCE_RETRY_COUNT = 0, GET_SOURCE_PUBLIC_KEY = 1",
                t->doc.source, t->doc.user, t->password);
}

/* It runs, or says why not. */
static int judge(struct mysql_session *s, struct sql_task *t) {
        struct state st;

        if (look(s, t, &st) < 0)
                return -1;
        if (!st.io || !st.sql || st.trouble[0])
                return sql_fail(t, OUTCOME_NOT_YET, "does not replicate from %s: %s", t->doc.source,
                                st.trouble[0] ? st.trouble : "it begins");
        return st.behind ? sql_fail(t, OUTCOME_NOT_YET, "is over %d s behind %s", BEHIND_SECONDS,
                                    t->doc.source)
                         : 0;
}

/* CLONE takes the rows of InnoDB only. */
static int look_empty(struct mysql_session *s, struct sql_task *t) {
        cleanup_(mysql_session_rows_free) struct mysql_rows rows = { 0 };
        MYSQL_ROW row;

        if (mysql_session_do(s, t, &rows,
                             "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE "
                             "TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB' AND TABLE_SCHEMA "
                             "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') "
                             "LIMIT 1") < 0)
                return -1;
        row = mysql_fetch_row(rows.result);
        return row ? sql_fail(t, OUTCOME_REFUSED,
                              "table %.64s.%.64s is not InnoDB, and is empty in a copy: alter it "
                              "at the primary, then replace-replica",
                              row[0], row[1])
                   : 0;
}

static int copy(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (!st->source[0] && !st->account)
                return seed(s, t, st);
        if (fence(s, t, st) < 0 || (!st->source[0] && look_empty(s, t) < 0))
                return -1;
        /* In trouble: it may be that it has the password of before. */
        if ((!str_eq(st->source, t->doc.source) || !st->automatic || st->trouble[0]) &&
            follow(s, t, st) < 0)
                return -1;
        if (mysql_session_do(s, t, NULL, "START REPLICA") < 0)
                return -1;
        return judge(s, t);
}

/* ---- the others */

static int set_aside(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (fence(s, t, st) < 0)
                return -1;
        return st->source[0] ? mysql_session_do(s, t, NULL, "STOP REPLICA") : 0;
}

static int be_alone(struct mysql_session *s, struct sql_task *t, const struct state *st) {
        if (leave_source(s, t, st) < 0 ||
            mysql_session_do(s, t, NULL, "RESET PERSIST IF EXISTS super_read_only") < 0)
                return -1;
        /* One that is only read_only is so for somebody's reason: a restore, say. */
        if (st->fenced && open_up(s, t) < 0)
                return -1;
        return mysql_session_do(s, t, NULL, "DROP USER IF EXISTS %U", t->doc.user, "%");
}

/* One that is alone may be closed for a reason of somebody's. */
static bool is_as_wanted(const struct state *st, enum sql_role role) {
        bool fenced = role == SQL_REPLICA || role == SQL_ASIDE;

        return st->fenced == fenced && (role == SQL_ALONE || st->closed == (role != SQL_PRIMARY));
}

int mysql_replication_apply(struct mysql_session *s, struct sql_task *t) {
        static int (*const roles[])(struct mysql_session * s, struct sql_task * t,
                                    const struct state *st) = {
                [SQL_PRIMARY] = lead,    [SQL_CLOSED] = lead_closed, [SQL_REPLICA] = copy,
                [SQL_ASIDE] = set_aside, [SQL_ALONE] = be_alone,
        };
        struct state st;

        if (look(s, t, &st) < 0 || roles[t->doc.role](s, t, &st) < 0 || look(s, t, &st) < 0)
                return -1;
        /* What is seen now counts as what was set: not what somebody else set meanwhile. */
        if (!is_as_wanted(&st, t->doc.role))
                return sql_fail(t, OUTCOME_NOT_YET, "was made %s while it was made %s",
                                st.closed ? "read-only" : "writable",
                                json_get_str(t->doc.json, "role", ""));
        return 0;
}
