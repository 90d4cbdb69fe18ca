/* SPDX-License-Identifier: Apache-2.0 */
/* operation-hold.h - what holds operations back, all of it; inside a transaction
 *
 *   held by    which                                    until                  it also holds
 *   approval   of an action that destroys something     a second person, 7 days
 *   pause      of its model, of its application         unpause, its end       what runs
 *   freeze     the same, but for --during-freeze        unfreeze, its end      what runs
 *   order      an older one of its application; none    that one's end
 *              of the two is parallel
 *   group      one that runs of its execution group     that one's end
 *   room       OPERATIONS_RUNNING_MAX run               the end of any
 *
 * Only what waits for its turn holds up younger ones: what waits for a person (the first three)
 * does not. What runs is held before its next step; its deadline waits with it. What people read
 * of this is "What holds an action back" in docs/operating.md. */
#pragma once

#include "queries.gen.h"

#define OPERATIONS_RUNNING_MAX 64 /* as many workers as there may be; most of the time each waits */
/* Over a holiday. Whoever asked may ask again. */
#define OPERATIONS_APPROVAL_MS (7 * 86400000ll)

/* ---- pauses and freezes, before it begins and while it runs */

struct operation_subject {
        int64_t model_id, application_id;
        bool during_freeze; /* a freeze does not hold it, only a pause */
};
struct operation_held {   /* the transaction's */
        const char *what; /* "model lab", "mysql"; NULL: nothing holds it */
        const char *how;  /* "paused", "frozen" */
        const char *by;   /* "alice: reason (until 2026-09-23T14:00:00Z)" */
        bool of_model;    /* and not only of the application */
};
int operation_held(struct tx *tx, const struct operation_subject *s, struct operation_held *ret,
                   struct err *err);
/* What it waits for, "model lab, which is paused by alice: reason"; NULL: nothing holds it. */
const char *operation_held_text(struct tx *tx, const struct operation_held *h);

/* ---- the queue */

enum operation_stand { OPERATION_RUNS, OPERATION_BEGINS, OPERATION_WAITS, OPERATION_OVER };
struct operation_place {
        const struct q_operation_live_row *row;
        enum operation_stand stand;
        const char *text; /* WAITS: for what; OVER: why it never begins; the transaction's */
};
typedef int operation_place_fn(struct tx *tx, const struct operation_place *p, void *arg,
                               struct err *err);
/* Calls FN for each that lives: first what runs, then what is pending, the oldest first. What may
 * begin counts as running from there on. <0 ends it. */
int operation_queue(struct tx *tx, operation_place_fn *fn, void *arg, struct err *err);
