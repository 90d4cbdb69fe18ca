/* SPDX-License-Identifier: Apache-2.0 */
/* sql-target.h - one database server: its connection, and the operations that wait for it
 *
 * Operations of a target run one after the other, in a thread of the loop's pool, on one
 * connection that is kept for SQL_IDLE_MS, and made anew after `login-period`: a session goes on
 * whatever becomes of its user's password, and nobody else would be let in. A connection that
 * turns out to be broken is made anew and the operation begun again, once: every operation looks
 * before it acts. */
#pragma once

#include "polled.h"
#include "sql-act.h"

#define SQL_FIELDS "sql/1"
#define SQL_IDLE_MS 60000 /* a poll every 30 s keeps it; a server that is left alone sees it end */
#define SQL_LOGIN_MS 120000   /* every fourth poll: a login is dearer for a server than a look */
#define SQL_WAITING_MAX 20000 /* operations in line: more than a model's resources is a mistake */

int sql_target_open(const struct target_config *c, const struct observer *o, struct target **ret,
                    struct err *err);
struct target *sql_target_close(struct target *t);
void sql_target_start(struct target *t, enum sql_verb verb, const struct apply_request *r,
                      struct op *op);
void sql_target_cancel(struct op *op);
void sql_target_act(struct target *t, const struct act_request *r, struct op *op);
json_t *sql_target_manner(const struct target *t); /* the provider's */
