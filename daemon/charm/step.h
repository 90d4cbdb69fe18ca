/* SPDX-License-Identifier: Apache-2.0 */
/* step.h - what a step of a charm's action said
 *
 * One frame to the worker, S, the world: canonical JSON, at most CHARM_WORLD_MAX
 *   { "view": as for a plan (charm-host.h), "action": name, "step": name or "" (the first),
 *     "cleanup": true (steps that clean up, not the others), "skip": n (the nth of its sort after
 *     it is meant: those between cannot be called), "operation": "12", "key": text,
 *     "now": ms, "unit": "mysql-k8s/0" or "", "params": {}, "state": {},
 *     "outcome": word, "error": text, "answer": any }     the last three: after it has asked
 * and one from it, A, what the step said:
 *   { "step": its name, "after": name of the next of its sort, "deadline": s,
 *     "steps": [names of all that do not clean up], "cleaning": [names of those that do],
 *     "state": {whole}, "log": [text], "results": {name: text},
 *     and one of "ask": {"kind": word, ...}, "next": name of a step, "done": true, "fail": text }
 * "done" also says that there is no step after this one. Or X: the charm's own mistake. */
#pragma once

#include "err.h"
#include "json.h"

#define CHARM_WORLD_MAX (512u << 10)  /* a view, and as much again of state and answer */
#define CHARM_STEP_MAX (256u << 10)   /* what it says, with its state */
#define CHARM_STATE_MAX (64u << 10)   /* is written once a turn */
#define CHARM_RESULTS_MAX (64u << 10) /* of one operation */
#define CHARM_LOG_MAX 100             /* lines of one call */
#define CHARM_LOG_LINE_MAX 500        /* letters of one */
#define CHARM_STEPS_MAX 100           /* of one action */
#define CHARM_STEP_NAME_MAX 63
#define CHARM_STEP_DEADLINE_S 300 /* where the table says 0 */
#define CHARM_STEP_DEADLINE_MAX (7 * 86400)

struct step {
        char *name;
        int64_t deadline_s;
        json_t *steps, *cleaning, *state, *log, *results; /* never NULL */
        json_t *ask;                           /* or NULL */
        char *next;                            /* or NULL */
        char *after; /* the step of its sort that comes after it; NULL: none */
        bool done;
        char *fail; /* or NULL */
};
/* -EBADMSG, -E2BIG: that is not what a worker says. */
int step_parse(const char *text, size_t len, struct step **ret, struct err *err);
struct step *step_free(struct step *s);
