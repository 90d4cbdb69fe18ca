/* SPDX-License-Identifier: Apache-2.0 */
/* flow.c - runs tables of steps: ask, wait for the answer, got; retries, deadlines and trace
 *
 * Called by whatever asks the outside more than once: operations of providers, reconciler, actions.
 *
 *                  +------------------- pause over -------------------+
 *                  v                                                  |
 *      start -> SOON --ask--> ASKING --answer--> SOON --got--> AGAIN, retry: PAUSING
 *                 |              |                  |                 |
 *                 |           deadline              +-> next step     | deadline
 *                 v              v                  v                 v
 *                done <----------+------------------+-----------------+
 *
 * One timer serves both waits: the deadline of the step while an answer is awaited, the pause
 * between two tries. SOON is a later, so that no function of a flow runs inside the call that
 * caused it. Flow allocates nothing: all state is in struct flow.
 *
 * A step's function may cancel the flow, and free what embeds it: after each call of one, nothing
 * of F is touched when DROPPED says so.
 *
 * It does not: know kinds of asks, log, or keep history. The running flows of the process are in
 * one list, for `mooringctl debug flows`. */
#include "flow.h"

#include "clock.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

/* A table whose steps all skip and go back to the first one would never let the loop go on. */
#define FLOW_SKIPS_MAX 1000
#define FLOW_PAUSE_MS 1000 /* the first back-off where a step names none */

static struct list running = LIST_INIT(running);

static const char *const outcome_names[OUTCOME_MAX] = {
        [OUTCOME_DONE] = "done",           [OUTCOME_RUNNING] = "running",
        [OUTCOME_GONE] = "gone",           [OUTCOME_CONFLICT] = "conflict",
        [OUTCOME_NOT_YET] = "not yet",     [OUTCOME_REFUSED] = "refused",
        [OUTCOME_IMMUTABLE] = "immutable", [OUTCOME_DENIED] = "denied",
        [OUTCOME_THROTTLED] = "throttled", [OUTCOME_UNREACHABLE] = "unreachable",
};

const char *outcome_name(enum outcome o) {
        return (unsigned)o < OUTCOME_MAX ? outcome_names[o] : "unknown";
}

enum outcome outcome_find(const char *name) {
        for (enum outcome o = 0; o < OUTCOME_MAX; o++)
                if (str_eq(name, outcome_names[o]))
                        return o;
        return OUTCOME_DONE;
}

static void on_soon(void *arg);
static void on_timer(void *arg);
static void ask_step(struct flow *f);

/* xorshift: only spreads retries, so that a thousand flows do not come back in the same
 * millisecond. */
static uint64_t spread(void) {
        static uint64_t state;

        while (state == 0)
                if (getrandom(&state, sizeof(state), 0) < 0)
                        state = (uint64_t)clock_mono_us() | 1;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
}

static const struct flow_step *step_of(const struct flow *f) {
        return &f->steps[f->step];
}

static void clear_ask(struct flow *f) {
        if (f->ask.kind && f->ask.kind->clear)
                f->ask.kind->clear(&f->ask);
        f->ask = (struct ask){ 0 };
}

/* The answer is in and got is about to read it. */
static bool answered(const struct flow *f) {
        return f->asking && list_linked(&f->soon.link);
}

/* After this F is idle: only its DONE may be called. */
static void leave(struct flow *f) {
        if (f->asking && !answered(f))
                f->ask.kind->cancel(&f->ask);
        f->asking = false;
        clear_ask(f);
        timer_cancel(&f->timer);
        later_cancel(&f->soon);
        list_unlink(&f->link);
}

static void finish(struct flow *f, int r, const struct err *err) {
        leave(f);
        if (f->done)
                f->done(f, r, err); /* may free F */
}

static void fail(struct flow *f, int r, struct err *err) {
        err_add(err, r, "step %s", step_of(f)->name);
        finish(f, r, err);
}

static void give_up(struct flow *f) {
        struct err err = { 0 };
        char span[CLOCK_TEXT_MAX], times[32] = "";
        int64_t took = clock_mono() - f->step_since;
        const char *why = f->last.code || f->last.text[0] ? err_text(&f->last) : "no answer";

        if (step_of(f)->tries_max)
                snprintf(times, sizeof(times), "%d tries in ", f->tries);
        err_set(&err, -ETIMEDOUT, "step %s: gave up after %s%s: %s", step_of(f)->name, times,
                clock_span(took, span), why);
        finish(f, -ETIMEDOUT, &err);
}

static void enter_step(struct flow *f, size_t step) {
        f->step = step;
        f->tries = 0;
        f->step_since = clock_mono();
        f->last = (struct err){ 0 };
}

static int64_t deadline(const struct flow *f) {
        int64_t ms = step_of(f)->deadline_ms;

        return ms > 0 ? f->step_since + ms : INT64_MAX;
}

/* Waits until AT, or gives up where that is of no use. */
static void pause_until(struct flow *f, int64_t at, int64_t not_before) {
        int64_t end = deadline(f);
        int64_t now = clock_mono();
        int64_t last_try = end - MAX_OF(step_of(f)->pause_ms, 1);

        if (not_before >= end) {
                give_up(f);
                return;
        }
        if (at > last_try && last_try > now)
                at = last_try;
        timer_set(&f->timer, MIN_OF(MAX_OF(at, not_before), end));
}

static int64_t back_off(const struct flow *f) {
        int64_t ms = step_of(f)->pause_ms > 0 ? step_of(f)->pause_ms : FLOW_PAUSE_MS;

        for (int i = 1; i < f->tries && ms < FLOW_BACKOFF_MAX_MS; i++)
                ms *= 2;
        ms = MIN_OF(ms, FLOW_BACKOFF_MAX_MS);
        return ms - (int64_t)(spread() % (uint64_t)(ms / 2 + 1));
}

static bool worth_another_try(enum outcome o) {
        return o == OUTCOME_UNREACHABLE || o == OUTCOME_THROTTLED || o == OUTCOME_NOT_YET;
}

static void retry(struct flow *f) {
        int64_t not_before = f->ask.again_at;

        f->tries++;
        f->last = f->ask.err;
        if (!f->last.text[0])
                err_set(&f->last, -EAGAIN, "%s", outcome_name(f->ask.outcome));
        clear_ask(f);
        if (step_of(f)->tries_max && f->tries >= step_of(f)->tries_max)
                return give_up(f);
        pause_until(f, clock_mono() + back_off(f), not_before);
}

/* What a step's function said, once the flow goes on. Returns whether the next ask follows at
 * once. */
static bool go_on(struct flow *f, int r, int64_t not_before) {
        if (r == FLOW_OK || r == FLOW_SKIP) {
                enter_step(f, f->step + 1);
        } else if (r >= FLOW_GOTO_BASE) {
                enter_step(f, (size_t)(r - FLOW_GOTO_BASE));
        } else if (r == FLOW_AGAIN) {
                pause_until(f, clock_mono() + step_of(f)->pause_ms, not_before);
                return false;
        } else {
                assert(r == FLOW_END);
                finish(f, 0, NULL);
                return false;
        }
        if (!step_of(f)->name) {
                finish(f, 0, NULL);
                return false;
        }
        return true;
}

/* Calls the step's ask and starts what it filled in. Returns as go_on does. */
static bool ask_once(struct flow *f) {
        struct err err = { 0 };
        bool dropped = false;
        int r;

        f->ask = (struct ask){ .loop = f->loop };
        f->dropped = &dropped;
        r = step_of(f)->ask(f, &f->ask, &err);
        if (dropped)
                return false;
        f->dropped = NULL;
        if (r == FLOW_OK) {
                assert(f->ask.kind);
                f->asking = true;
                r = f->ask.kind->start(&f->ask, &err);
                if (r == 0) {
                        if (step_of(f)->deadline_ms > 0)
                                timer_set(&f->timer, deadline(f));
                        return false;
                }
                f->asking = false;
        }
        if (r < 0) {
                fail(f, r, &err);
                return false;
        }
        clear_ask(f);
        return go_on(f, r, 0);
}

static void ask_step(struct flow *f) {
        struct err err = { 0 };
        size_t last;

        for (int i = 0; i < FLOW_SKIPS_MAX; i++) {
                last = f->step;
                if (!ask_once(f))
                        return;
        }
        f->step = last;
        err_set(&err, -ELOOP, "%d steps without asking anything", FLOW_SKIPS_MAX);
        fail(f, -ELOOP, &err);
}

static void read_answer(struct flow *f) {
        struct err err = { 0 };
        bool dropped = false;
        int64_t not_before = f->ask.again_at;
        int tries = f->tries, r;

        timer_cancel(&f->timer);
        f->asking = false;
        if (worth_another_try(f->ask.outcome) && !(step_of(f)->flags & FLOW_ALL)) {
                retry(f);
                return;
        }
        f->tries = 0;
        f->last = f->ask.err;
        f->dropped = &dropped;
        r = step_of(f)->got(f, &f->ask, &err);
        if (dropped)
                return;
        f->dropped = NULL;
        if (r < 0) {
                fail(f, r, &err);
                return;
        }
        if (r == FLOW_RETRY) {
                f->tries = tries;
                retry(f);
                return;
        }
        clear_ask(f);
        if (go_on(f, r, not_before))
                later_run(&f->soon);
}

static void on_soon(void *arg) {
        struct flow *f = arg;

        if (f->asking)
                read_answer(f);
        else
                ask_step(f);
}

static void on_timer(void *arg) {
        struct flow *f = arg;

        if (answered(f))
                return; /* at the deadline, but in time */
        if (f->asking || clock_mono() >= deadline(f))
                give_up(f);
        else
                ask_step(f);
}

void flow_answer(struct ask *a) {
        struct flow *f = container_of(a, struct flow, ask);

        assert(f->asking);
        later_run(&f->soon);
}

void flow_start(struct flow *f) {
        assert(!flow_running(f) && f->steps && f->steps[0].name);
        timer_init(&f->timer, f->loop, f->name, on_timer, f);
        later_init(&f->soon, f->loop, f->name, on_soon, f);
        f->ask = (struct ask){ 0 };
        f->asking = false;
        f->dropped = NULL;
        enter_step(f, 0);
        f->since = f->step_since;
        list_append(&running, &f->link);
        later_run(&f->soon);
}

void flow_cancel(struct flow *f) {
        if (!flow_running(f))
                return;
        if (f->dropped)
                *f->dropped = true;
        leave(f);
}

bool flow_running(const struct flow *f) {
        return list_linked(&f->link);
}

const struct err *flow_trouble(const struct flow *f, int *ret_tries) {
        *ret_tries = f->tries;
        return flow_running(f) && f->tries ? &f->last : NULL;
}

void flow_each(struct loop *l, void (*fn)(void *arg, const struct flow *f, const char *step),
               void *arg) {
        list_each(pos, &running) {
                struct flow *f = list_entry(pos, struct flow, link);

                if (f->loop == l)
                        fn(arg, f, step_of(f)->name);
        }
}
