/* SPDX-License-Identifier: Apache-2.0 */
/* ask.c - the kinds of things that steps ask for, one row each; see turn.h
 *
 * Three sorts. What is waited for is looked at now and then, and leaves nothing behind. What
 * changes the model is one transaction with its end: it is done once, whenever we are killed.
 * What is done outside (verb) may be done twice: after a crash it is sent again under the same
 * key, and the charm asks for what bears that.
 *
 * What may be over by itself (unreachable, throttled, not yet) is tried again, with back-off,
 * until the time of the ask is over; only then does the step hear of it. */
#include "turn.h"

#include "clock.h"
#include "log.h"
#include "metric.h"
#include "secret-ask.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_MS 250 /* between two looks at what is waited for: nothing is asked of the outside */
#define BACKOFF_MS 500
#define BACKOFF_MAX_MS 30000
#define WAIT_MORE_MS 60000 /* a wait may take so much longer than it says */

static const double ask_bounds[] = { 0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600, 0 };
static struct metric ask_time = { .name = "mooring_action_ask_seconds",
                                  .help = "From asking for something in a step until it ended",
                                  .type = METRIC_HISTOGRAM,
                                  .bounds = ask_bounds };

struct kind {
        const char *name;
        /* Waits: 1: it is so; 0: not yet, with WHY; <0: ERR. */
        int (*look)(struct turn *t, const json_t *ask, char *why, size_t size);
        ask_store_fn *store; /* with LOOK: once that is so; -EAGAIN: not yet */
        void (*start)(struct turn *t, const json_t *ask);
        bool own; /* the engine asks for it, and no step */
};

static void end(struct turn *t);

/* ---- waiting */

static int look_wait(struct turn *t, const json_t *ask, char *why, size_t size) {
        int64_t until = t->rows.asked_at + json_get_int(ask, "seconds", 0) * 1000;
        char stamp[CLOCK_TEXT_MAX];

        snprintf(why, size, "until %s", clock_iso(until, false, stamp));
        return until <= clock_wall();
}

static int look_ready(struct turn *t, const json_t *ask, char *why, size_t size) {
        int r = reconcile_ready(t->of->options.reconcile, t->rows.application_id,
                                json_get_str(ask, "label", ""), why, size);

        return r > 0; /* a label that no plan wants may be wanted by the next */
}

static int look_settled(struct turn *t, const json_t *ask, char *why, size_t size) {
        return reconcile_settled(t->of->options.reconcile, t->rows.application_id, why, size);
}

static int look_taken(struct turn *t, const json_t *ask, char *why, size_t size) {
        return reconcile_taken(t->of->options.reconcile, t->rows.application_id,
                               json_get_str(ask, "application", ""), why, size);
}

/* ---- outside */

static void on_did(void *arg, const struct reconcile_did *did);

static int64_t deadline_of(const struct turn *t) {
        return turn_objects_removing(t) ? t->rows.ask_deadline_at
                                        : MIN_OF(t->rows.ask_deadline_at, t->rows.deadline_at);
}

static void start_verb(struct turn *t, const json_t *ask) {
        struct reconcile_verb what = { .application = t->rows.application_id,
                                       .operation = t->id,
                                       .target = json_get_str(ask, "target", NULL),
                                       .verb = json_get_str(ask, "verb", ""),
                                       .ask = json_get(ask, "ask"),
                                       .within_ms = MAX_OF(deadline_of(t) - clock_wall(), 1) };

        turn_waits(t, "%s%s%s", what.verb, what.target ? " at " : "",
                   what.target ? what.target : "");
        t->verb = reconcile_verb(t->of->options.reconcile, &what, on_did, t);
}

/* ---- the table */

static const struct kind kinds[] = {
        { .name = "wait", .look = look_wait },
        { .name = "ready", .look = look_ready },
        { .name = "settled", .look = look_settled },
        { .name = "taken", .look = look_taken, .store = ask_taken },
        { .name = "new-secret", .store = ask_new_secret },
        { .name = "use-secret", .store = ask_use_secret },
        { .name = "holders", .store = ask_holders },
        { .name = "config", .store = ask_config },
        { .name = "run-at", .store = ask_run_at },
        { .name = "verb", .start = start_verb },
        { .name = "remove", .start = start_verb, .own = true },
};

static const struct kind *kind_of(const json_t *ask) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (str_eq(kinds[i].name, json_get_str(ask, "kind", "")))
                        return &kinds[i];
        return NULL;
}

bool ask_leaves_nothing(const struct turn *t) {
        const struct kind *k = kind_of(t->rows.ask);

        return k && !k->start;
}

int ask_check(const json_t *ask, struct err *err) {
        const struct kind *k = kind_of(ask);

        if (k && k->own)
                return err_set(err, -EINVAL, "asks for %s, which is not for steps", k->name);
        return secret_ask_check(ask, err);
}

int64_t ask_least_ms(const json_t *ask) {
        int64_t seconds = json_get_int(ask, "seconds", 0);

        return seconds > 0 && seconds < INT32_MAX ? seconds * 1000 + WAIT_MORE_MS : 0;
}

/* ---- ends */

/* How it ended is in the rows. */
static void ask_over(struct turn *t) {
        metric_observe(&ask_time, NULL, (double)MAX_OF(clock_wall() - t->rows.asked_at, 0) / 1000);
        str_set(&t->waits, NULL);
        t->tries = 0;
        t->not_before = 0;
        json_decref(take_ptr(t->told));
        turn_load(t);
}

static void on_ended(struct store_call *c, int r, const struct err *err) {
        struct turn *t = c->arg;

        t->storing = false;
        if (t->of->stopping)
                return turn_over(t);
        if (r < 0)
                return turn_write_again(t, err, end);
        ask_over(t);
}

static void end(struct turn *t) {
        turn_store(t, turn_rows_ended, on_ended);
}

static void end_as(struct turn *t, enum outcome outcome, const char *fmt, ...) printf_(3, 4);
static void end_as(struct turn *t, enum outcome outcome, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        t->outcome = outcome;
        err_set(&t->err, -EINVAL, "%s", text);
        end(t);
}

static bool may_be_over(enum outcome o) {
        return o == OUTCOME_UNREACHABLE || o == OUTCOME_THROTTLED || o == OUTCOME_NOT_YET ||
               o == OUTCOME_RUNNING;
}

static int64_t back_off(const struct turn *t, int64_t again_at) {
        int64_t ms = MIN_OF((int64_t)BACKOFF_MS << MIN_OF(t->tries, 10), (int64_t)BACKOFF_MAX_MS);

        return MAX_OF(ms, again_at - clock_mono());
}

static void try_again(struct turn *t) {
        turn_load(t); /* somebody may have cancelled it meanwhile */
}

/* OUTCOME may be over soon: tried again, or the end when there is no time left for it. */
static void retry(struct turn *t, enum outcome outcome, int64_t wait, const char *why) {
        char span[CLOCK_TEXT_MAX];

        if (clock_wall() + wait > deadline_of(t))
                return end_as(t, outcome, "gave up after %s: %s",
                              clock_span(clock_wall() - t->rows.asked_at, span), why);
        t->tries++;
        t->outcome = outcome;
        err_set(&t->err, -EINVAL, "%s", why);
        t->not_before = clock_mono() + wait;
        turn_waits(t, "%s: %s", outcome_name(outcome), why);
        turn_after(t, wait, try_again);
}

static void on_did(void *arg, const struct reconcile_did *did) {
        struct turn *t = arg;

        t->verb = NULL;
        if (t->of->stopping)
                return; /* turn_stop has cancelled it */
        if (may_be_over(did->outcome) && (!t->rows.cancelled_by[0] || t->rows.cleanup))
                return retry(t, did->outcome, back_off(t, did->again_at), err_text(did->err));
        t->outcome = did->outcome;
        t->told = json_deep_copy(did->told);
        t->err = *did->err;
        end(t);
}

void ask_break_off(struct turn *t) {
        const char *verb = json_get_str(t->rows.ask, "verb", "");

        if (!t->verb ||
            (!str_eq(verb, "stream") && !str_eq(verb, "mirror") && !str_eq(verb, "sweep")))
                return;
        reconcile_verb_cancel(take_ptr(t->verb));
        end_as(t, OUTCOME_UNREACHABLE, "broken off: it was cancelled");
}

/* ---- what is one transaction with its end */

/* Of a refusal: what was to be there is not, or is another by now. */
static enum outcome outcome_of(int r) {
        return r == -ENOENT ? OUTCOME_GONE : r == -ESTALE ? OUTCOME_CONFLICT : OUTCOME_REFUSED;
}

static int run_store(struct tx *tx, struct store_call *c, struct err *err) {
        struct turn *t = c->arg;
        json_t *told = NULL;
        int r = kind_of(t->rows.ask)->store(tx, t, t->rows.ask, &told, err);

        json_decref(t->told);
        t->told = told;
        if (r < 0)
                return r;
        t->outcome = OUTCOME_DONE;
        return turn_rows_ended(tx, c, err);
}

static void on_stored(struct store_call *c, int r, const struct err *err) {
        struct turn *t = c->arg;

        t->storing = false;
        if (t->of->stopping)
                return turn_over(t);
        if (turn_store_failed(r) || r == -EAGAIN)
                return retry(t, OUTCOME_NOT_YET, back_off(t, 0), err_text(err));
        if (r < 0)
                return end_as(t, outcome_of(r), "%s", err_text(err));
        ask_over(t);
}

void ask_give_up(struct turn *t) {
        if (t->tries)
                return end(t);
        end_as(t, OUTCOME_UNREACHABLE,
               "it was cancelled, and whether this was done before is not known");
}

/* ---- starting */

static void look(struct turn *t) {
        const struct kind *k = kind_of(t->rows.ask);
        char why[300] = "";

        if (k->look(t, t->rows.ask, why, sizeof(why))) {
                if (k->store)
                        return turn_store(t, run_store, on_stored);
                t->outcome = OUTCOME_DONE;
                return end(t);
        }
        if (clock_wall() > deadline_of(t))
                return end_as(t, OUTCOME_NOT_YET, "gave up waiting: %s", why);
        turn_waits(t, "%s", why);
        turn_after(t, LOOK_MS, look);
}

void ask_start(struct turn *t) {
        const struct kind *k = kind_of(t->rows.ask);

        if (!k)
                return end_as(t, OUTCOME_REFUSED, "this daemon knows no way to ask for \"%.40s\"",
                              json_get_str(t->rows.ask, "kind", ""));
        if (t->not_before > clock_mono())
                turn_after(t, t->not_before - clock_mono(), try_again);
        else if (k->look)
                look(t);
        else if (k->store)
                turn_store(t, run_store, on_stored);
        else
                k->start(t, t->rows.ask);
}
