/* SPDX-License-Identifier: Apache-2.0 */
/* refresh-all.h - `refresh --all`: refreshes of one model, one after the other, as one order
 *
 *   forward ──all over──▶ done            back ──all over──▶ rolled-back
 *      │ ▲                 │               ▲
 *      │ └─ resume (person)│               │
 *      └─────────── rollback (a person) ───┘        forward, back ── cancel ──▶ cancelled
 *
 * An order is a row, its applications are rows with a place. Each is refreshed as if a person had
 * asked for it (refresh.h), in a transaction with what ended the one before: so a restart has
 * nothing to go on with. Where an action of the next one runs that wants it for itself, the end of
 * that begins it. Where the refresh of one pauses, the order waits; where one cannot be begun, or
 * was brought back by hand, it is stopped. Only a person goes on then. */
#pragma once

#include "command.h"
#include "queries.gen.h"

/* ---- refresh-order.c: pure */
struct refresh_need { /* by index */
        size_t requirer, provider;
};
/* MEMBERS need one another, each the next, the last the first; the last comes first. */
typedef void refresh_circle_fn(void *arg, const size_t *members, size_t n);
/* NEEDS of N, sorted here; *RET has room for N. */
void refresh_order(struct refresh_need *needs, size_t need_count, size_t n, size_t *ret,
                   refresh_circle_fn *circle, void *arg);

/* ---- refresh-all.c: rows, inside a transaction */
/* *RET NULL: none was ever ordered. */
int refresh_all_find(struct tx *tx, int64_t model, struct q_refresh_all_row **ret, struct err *err);
bool refresh_all_is_over(const struct q_refresh_all_row *o);
/* Calls FN for each application of it, in their order. <0 ends it. */
typedef int refresh_all_part_fn(struct tx *tx, const struct q_refresh_all_part_list_row *p,
                                void *arg, struct err *err);
int refresh_all_each(struct tx *tx, int64_t model, refresh_all_part_fn *fn, void *arg,
                     struct err *err);
int refresh_all_set(struct tx *tx, int64_t application, const char *state, struct err *err);
/* What the loop begins in a person's name. */
struct refresh_all_turn {
        const struct sealer *sealer;
        const struct audit *audit; /* or NULL */
};
/* Begins the next of MODEL's order, if the last is over. *RET_STOPPED (the transaction's): why
 * that cannot be; NULL: it goes on, or is over. */
int refresh_all_advance(struct tx *tx, const struct refresh_all_turn *t, int64_t model,
                        const char **ret_stopped, struct err *err);
/* A refresh, a rollback, or an action, of APPLICATION is over. The same. */
int refresh_all_ended(struct tx *tx, const struct refresh_all_turn *t, int64_t application,
                      const char **ret_stopped, struct err *err);
/* *RET (the transaction's): the action that its next one waits for, as refresh_check_quiet says it;
 * NULL: it waits for none. */
int refresh_all_waits(struct tx *tx, const struct q_refresh_all_row *o, const char **ret,
                      struct err *err);
/* To the log: *RET_STOPPED of the above, after the transaction. */
void refresh_all_say_stopped(const char *model, const char *application, const char *why);
/* APPLICATION goes: its order does without, or is stopped where it was. */
int refresh_all_leave(struct tx *tx, const struct q_application_row *a, struct err *err);
int refresh_all_forget(struct tx *tx, int64_t model, struct err *err);
/* As the API shows it; *RET NULL: none was ever ordered. PARTS: with its applications. */
int refresh_all_json(struct tx *tx, int64_t model, bool parts, json_t **ret, struct err *err);
