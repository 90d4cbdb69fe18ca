/* SPDX-License-Identifier: Apache-2.0 */
/* mysql-session.h - one connection to MySQL or MariaDB, and statements that are always quoted
 *
 * Statements are written by mysql_write: %I an identifier in backticks, %S a text in quotes, %W
 * a database name as GRANT wants it (in backticks, with "_" and "%" made ordinary), %U user and
 * host, %L whether the account is locked, %P a list of privileges that were checked against what
 * the server knows. Nothing else puts text into a statement. */
#pragma once

#include "sql-engine.h"

#include <mariadb/mysql.h>

struct mysql_session {
        MYSQL *my;
        const struct sql_config *config;
        int tunnel_port;
        bool mariadb;
        bool lost;
};

struct sql_session *mysql_session_open(const struct sql_config *c, int tunnel_port,
                                       struct sql_task *t);
struct sql_session *mysql_session_close(struct sql_session *s);
int mysql_session_socket(const struct sql_session *s);
bool mysql_session_lost(const struct sql_session *s);
/* Does the server let this user in with this password? 0: no, 1: yes. */
int mysql_session_admits(const struct mysql_session *s, const char *user, const char *password);

/* A result that is wholly here. ROWS is NULL for statements without one. */
struct mysql_rows {
        MYSQL_RES *result;
        unsigned columns;
};
void mysql_session_rows_free(struct mysql_rows *r); /* also a cleanup function */
/* RET may be NULL: no result is wanted. PASSWORD statements go through here too: nothing of FMT
 * is logged. */
int mysql_session_do(struct mysql_session *s, struct sql_task *t, struct mysql_rows *ret,
                     const char *fmt, ...);
/* As do, but the numbers of ALLOWED (0-ended) are no failure: returns the number. */
int mysql_session_try(struct mysql_session *s, struct sql_task *t, const unsigned *allowed,
                      const char *fmt, ...);
/* Says outcome and reason of the statement that just failed. Returns -1. */
int mysql_session_fail(struct mysql_session *s, struct sql_task *t);
void mysql_session_quote(struct sql_session *s, const char *text, bool identifier, struct buf *out);
