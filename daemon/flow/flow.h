/* SPDX-License-Identifier: Apache-2.0 */
/* flow.h - what asks the outside more than once is a table of steps
 *
 *         const struct flow_step apply_steps[] = {
 *                 // step       ask          got          deadline pause (ms)
 *                 { "patch",    ask_patch,   got_patch,   30000,   1000 },
 *                 { "take",     ask_take,    got_take,    30000,   1000 },
 *                 {}
 *         };
 *
 * A step fills one struct ask and reads one answer. ask: 0 = asked, FLOW_SKIP = nothing to ask,
 * go on with the next step, FLOW_AGAIN = nothing to ask yet, FLOW_END = done, FLOW_GOTO(n), <0 =
 * the flow failed. got: 0 = next step, FLOW_AGAIN = this step once more after its pause (and not
 * before again_at), FLOW_RETRY = as an answer that is worth another try (below), FLOW_END,
 * FLOW_GOTO(n) = step n, <0 = the flow failed. A flow does not roll back: each step looks before
 * it acts; cancel is drop, crash is run again from the top.
 *
 * Answers whose outcome is worth another try (OUTCOME_UNREACHABLE, THROTTLED, NOT_YET) never
 * reach got unless the step has FLOW_ALL: flow asks again, after again_at or with back-off and
 * jitter, until the step's deadline; then the flow fails with "step patch: gave up after 30s:
 * <last error>". All other outcomes reach got, which looks at them. The last try is one pause
 * before the deadline; an again_at behind the deadline ends the flow at once. A step that names
 * how many tries ends the flow earlier, at the last of them.
 *
 * Flow knows no kind of ask: the layer that owns one gives its struct ask_kind. */
#pragma once

#include "err.h"
#include "list.h"
#include "loop.h"

/* How one call to the outside ended: the words of the provider interface. */
enum outcome {
        OUTCOME_DONE,
        OUTCOME_RUNNING,  /* token says of what; ask again at again_at */
        OUTCOME_GONE,     /* what was asked about is not there */
        OUTCOME_CONFLICT, /* it is somebody else's, or it changed under us */
        OUTCOME_NOT_YET,  /* something it stands on is not ready; ask again */
        /* the outside says the content is wrong: no use asking again unchanged */
        OUTCOME_REFUSED,
        OUTCOME_IMMUTABLE,   /* refused, and only making it anew would help */
        OUTCOME_DENIED,      /* no right to do it */
        OUTCOME_THROTTLED,   /* until again_at */
        OUTCOME_UNREACHABLE, /* no answer, or none that can be trusted */
        OUTCOME_MAX
};
const char *outcome_name(enum outcome o);
enum outcome outcome_find(const char *name); /* OUTCOME_DONE: none of them */

struct ask;
/* Start: 0, or <0 and the ask was not started. Ends with one flow_answer, never before start
 * returned. */
struct ask_kind {
        const char *name;
        int (*start)(struct ask *a, struct err *err);
        void (*cancel)(struct ask *a); /* flow_answer is then never called */
        void (*clear)(struct ask *a);  /* frees request and answer */
};

struct ask {
        const struct ask_kind *kind;
        struct loop *loop;
        void *request; /* the kind's own struct, owned by the ask */
        void *private; /* the kind's own */
        /* the answer */
        enum outcome outcome;
        int64_t again_at; /* clock_mono; 0: not said */
        struct err err;   /* when the outcome is not DONE */
};
/* For kinds: the answer is in A; got runs later, from the loop. */
void flow_answer(struct ask *a);

enum {
        FLOW_OK = 0,
        FLOW_SKIP = 1,
        FLOW_AGAIN = 2,
        FLOW_END = 3,
        FLOW_RETRY = 4,
        FLOW_GOTO_BASE = 16
};
#define FLOW_GOTO(step) (FLOW_GOTO_BASE + (step))
enum { FLOW_ALL = 1 }; /* step flag: got sees every outcome */

struct flow;
typedef int flow_ask(struct flow *f, struct ask *a, struct err *err);
typedef int flow_got(struct flow *f, struct ask *a, struct err *err);

struct flow_step {
        const char *name;
        flow_ask *ask;
        flow_got *got;
        /* for all tries of this step; 0: none, for steps that wait for an event */
        int64_t deadline_ms;
        int64_t pause_ms; /* FLOW_AGAIN's pause, and the first back-off */
        unsigned flags;
        int tries_max; /* that one after the other did not do; 0: what the deadline is enough for */
};

/* As client-go: a server that was away is met again within half a minute. */
#define FLOW_BACKOFF_MAX_MS 30000

/* Embedded in the struct that holds what survives a wait. */
struct flow {
        const struct flow_step *steps;
        struct loop *loop;
        const char *name;  /* for trace and errors */
        char subject[128]; /* what it works on, for `flows` */
        /* once; not after flow_cancel */
        void (*done)(struct flow *f, int r, const struct err *err);

        /* private */
        size_t step;
        int tries;
        int64_t step_since, since;
        struct ask ask;
        bool asking;
        struct timer timer;
        struct later soon;
        struct err last; /* of the newest try that did not do */
        struct list link;
        /* set while a step's function runs: tells that the flow was cancelled in it */
        bool *dropped;
};

/* Runs the first step from the loop, later. F is zeroed before its public fields are set. */
void flow_start(struct flow *f);
void flow_cancel(struct flow *f); /* fine when not running */
bool flow_running(const struct flow *f);
/* Why the newest tries of its step did not do, and how many; NULL: none failed so far. */
const struct err *flow_trouble(const struct flow *f, int *ret_tries);
/* The running flows of a loop, for `mooringctl debug flows`: calls FN for each. */
void flow_each(struct loop *l, void (*fn)(void *arg, const struct flow *f, const char *step),
               void *arg);
