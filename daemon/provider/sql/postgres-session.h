/* SPDX-License-Identifier: Apache-2.0 */
/* postgres-session.h - one connection to PostgreSQL, with deadlines, and statements that are
 * always quoted
 *
 * Statements are written by postgres_session_do: %I an identifier, %S a text, %P a list of
 * privileges that was checked against a table. Nothing else puts text into a statement. */
#pragma once

#include "sql-engine.h"

#include <libpq-fe.h>

struct postgres_session {
        PGconn *pg;
        const struct sql_config *config;
        int tunnel_port, answer_seconds;
        bool lost;
};

struct sql_session *postgres_session_open(const struct sql_config *c, int tunnel_port,
                                          struct sql_task *t);
struct sql_session *postgres_session_close(struct sql_session *s);
int postgres_session_socket(const struct sql_session *s);
bool postgres_session_lost(const struct sql_session *s);
/* A second connection, to DATABASE of the same server; NULL after sql_fail. */
struct postgres_session *postgres_session_of(struct postgres_session *s, struct sql_task *t,
                                             const char *database);
void postgres_session_closep(struct postgres_session **s); /* cleanup function */

void postgres_session_clearp(PGresult **r); /* cleanup function */
/* RET may be NULL: no rows are wanted. */
int postgres_session_do(struct postgres_session *s, struct sql_task *t, PGresult **ret,
                        const char *fmt, ...);
/* 1: the only failure was STATE. */
int postgres_session_try(struct postgres_session *s, struct sql_task *t, const char *state,
                         const char *fmt, ...);
/* A value of the result; NULL for NULL. */
const char *postgres_session_at(const PGresult *r, int row, int column);
void postgres_session_quote(struct sql_session *s, const char *text, bool identifier,
                            struct buf *out);
/* Any one statement of an action. */
int postgres_session_query(struct sql_session *s, struct sql_task *t, const struct buf *statement,
                           json_t **ret);
