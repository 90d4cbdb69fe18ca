/* SPDX-License-Identifier: Apache-2.0 */
/* sql-engine.h - one piece of work for a database server, and the engines that do it
 *
 * Everything here runs in a thread of the loop's pool, blocking, with deadlines. A task owns all
 * it reads, so that it outlives whoever asked for it. An engine function returns 0 when the
 * task's answer is filled, or <0 after it said outcome and reason by sql_fail. No message holds
 * a password or a statement. */
#pragma once

#include "sql-config.h"
#include "sql-document.h"

#define SQL_CONNECT_SECONDS                                                                        \
        10                /* as the brief of an operator: a dead address is known within one poll */
#define SQL_ROWS_MAX 1000 /* of an action's statement */
#define SQL_RESULT_MAX (64u << 10) /* the same in bytes, of all its rows */
#define SQL_ANSWER_SECONDS                                                                         \
        30 /* DROP DATABASE of a large schema; longer is tried again and found done */

enum sql_verb { SQL_LOOK, SQL_APPLY, SQL_REMOVE };

struct sql_task {
        enum sql_verb verb;
        struct sql_document doc;
        char *password; /* of a user, or the certificate; filled in, wiped with the task */
        bool first, adopt;
        char mark[128];       /* "MODEL-UUID APPLICATION": whose it is */
        char incarnation[64]; /* as the caller knows it; "": never seen */

        enum outcome outcome;
        struct err err;
        bool present, filled, ours, created;
        char found_incarnation[64];
        json_t *seen;     /* what the baseline is made of */
        json_t *warnings; /* list or NULL */

        /* Of an action's statements (sql-act.h): */
        const char *database; /* to begin in; or NULL */
        int answer_seconds;   /* 0: SQL_ANSWER_SECONDS */
        char sqlstate[6];     /* of what failed; "": nothing, or it was not the server */
        unsigned number;      /* MySQL's own */
};
/* Returns -1, so that it ends a function. */
int sql_fail(struct sql_task *t, enum outcome outcome, const char *fmt, ...) printf_(3, 4);
/* The administrator is not let in: what a person must do stands in one sentence. */
void sql_fail_login(const struct sql_config *c, struct sql_task *t);

struct sql_session; /* an engine's own; one connection */
struct sql_engine {
        const char *name;
        /* TUNNEL_PORT: on loopback, when the target goes through via. NULL after sql_fail. */
        struct sql_session *(*open)(const struct sql_config *c, int tunnel_port,
                                    struct sql_task *t);
        struct sql_session *(*close)(struct sql_session *s);
        int (*socket)(const struct sql_session *s);
        /* The connection broke: what was asked may be asked again on a new one. */
        bool (*lost)(const struct sql_session *s);
        int (*look)(struct sql_session *s, struct sql_task *t);
        int (*apply)(struct sql_session *s, struct sql_task *t);
        int (*remove)(struct sql_session *s, struct sql_task *t);
        /* Appends TEXT as a literal or an identifier that means nothing but itself. */
        void (*quote)(struct sql_session *s, const char *text, bool identifier, struct buf *out);
        /* Any one statement; *RET is {"columns", "rows", "affected", "truncated"}. */
        int (*query)(struct sql_session *s, struct sql_task *t, const struct buf *statement,
                     json_t **ret);
};
extern const struct sql_engine mysql_engine, postgres_engine;
const struct sql_engine *sql_engine_of(enum sql_engine_kind k);

/* A keyed hash of what the server keeps of a password, as hex: the only trace of it that leaves
 * the thread. */
void sql_engine_hash(const struct sql_config *c, const char *user, const void *data, size_t len,
                     char ret[DIGEST_HEX_SIZE]);
/* "mooring 0c5e... mlflow 5f2a...": the mark on what was made here, and its parts again. */
void sql_engine_mark(const struct sql_task *t, const char *id, char *ret, size_t size);
/* Whether TEXT is a mark; *RET_OURS: of this task's model and application. */
bool sql_engine_marked(const struct sql_task *t, const char *text, bool *ret_ours, char ret_id[64]);
/* A row's value as JSON; what is no UTF-8 as {"base64": text}. NULL: null. */
json_t *sql_engine_value(const char *data, size_t len, bool number);
/* Adds ROW (taken over) to RESULT's rows, of which *BYTES were added so far; false: that is enough,
 * and RESULT says so. */
bool sql_engine_row(json_t *result, json_t *row, size_t row_bytes, size_t *bytes);
/* Sets in two JSON lists of texts: what of A is not in B. */
json_t *sql_engine_missing(const json_t *a, const json_t *b);
