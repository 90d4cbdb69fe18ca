/* SPDX-License-Identifier: Apache-2.0 */
/* sql-act.h - statements of actions, on connections of their own
 *
 *   {"statements": [{"sql": "ALTER USER :'name'@'%' IDENTIFIED BY :'password'",
 *                    "values": {"name": "mlflow", "password": "{{secret:...}}"}},
 *                   {"sql": "DELETE FROM t WHERE a = ? AND b = ?", "params": ["x", 7]}],
 *    "database": "mlflow"}
 *
 * A "?" outside of quotes is the next of params; :'NAME' and :"NAME" are, as psql writes them, a
 * value as a literal and as an identifier. All are written by us as what they are (a text in
 * quotes; numbers, true and null as such), so that whatever is in a value, it stays one, also where
 * a server takes no parameters (ALTER USER). One statement is answered by {"columns", "rows",
 * "truncated"} or {"affected"}; several by {"results": one of these each}. One that fails ends
 * them: OP->told is {"statement": its index, "sqlstate", "number", "results": of those before}. All
 * run on one connection, which is closed after them, so that what a session has set (a transaction
 * that was begun, a lock) ends with it. Whoever cancels breaks the connection: the server notices
 * when it next writes, and may have done its work. */
#pragma once

#include "act.h"
#include "sql-engine.h"

#define SQL_ACTS_MAX 2 /* threads of one target; what is asked beyond waits */
#define SQL_ACTS_ALL_MAX                                                                           \
        6 /* of all targets: the loop's other 10 threads print, prepare and write meanwhile */
#define SQL_STATEMENTS_MAX 100
#define SQL_STATEMENT_MAX (256u << 10)
#define SQL_ACT_SECONDS 300 /* without within_ms: for one statement */

/* Of a target. */
struct sql_lane {
        const struct sql_config *config;
        const struct sql_engine *engine;
        struct loop *loop;
        struct forward *forward; /* or NULL */
        int tunnel_port;
        struct list waiting, working;
        struct list starved; /* among those that wait for a thread of another target's */
        size_t threads;
        bool closing;
        void (*idle)(void *arg); /* after sql_act_close, when the last thread is back */
        void *arg;
};
void sql_act_init(struct sql_lane *l);
/* Breaks off what is under way. True: no thread is out, idle is not called. */
bool sql_act_close(struct sql_lane *l);

/* What op->private points to, of all operations of this provider. */
struct sql_pending {
        void (*cancel)(struct op *op);
};
void sql_act_start(struct sql_lane *l, const struct act_request *r, struct op *op);
/* Pure: STATEMENT's "sql" with its values put in by QUOTE. -EINVAL: a place without a value, or a
 * value without a place. */
typedef void sql_quote_fn(struct sql_session *s, const char *text, bool identifier,
                          struct buf *out);
int sql_act_write(const json_t *statement, sql_quote_fn *quote, struct sql_session *s,
                  struct buf *out, struct err *err);
