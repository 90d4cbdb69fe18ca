/* SPDX-License-Identifier: Apache-2.0 */
/* turn.c - one operation, turn by turn; see turn.h */
#include "turn.h"

#include "clock.h"
#include "log.h"
#include "metric.h"
#include "refresh-all.h"
#include "step.h"

#include <errno.h>
#include <stdlib.h>

#define RETRY_MS 1000 /* the store cannot be written, a worker died */
#define CALL_TRIES 3  /* of a step whose worker dies or does not answer */
#define HELD_MS 60000

static struct metric ended_count = { .name = "mooring_actions_ended_total",
                                     .help = "Actions that ended, by how",
                                     .type = METRIC_COUNTER,
                                     .labels = { { "status" } } };
static struct metric turns_count = { .name = "mooring_action_turns_total",
                                     .help = "Steps of actions that were called",
                                     .type = METRIC_COUNTER };

static void on_loaded(struct store_call *c, int r, const struct err *err);
static void call_step(struct turn *t);

/* ---- waiting */

static void on_timer(void *arg) {
        struct turn *t = arg;
        void (*fn)(struct turn * t) = take_ptr(t->on_timer);

        if (fn)
                fn(t);
}

void turn_after(struct turn *t, int64_t ms, void (*fn)(struct turn *t)) {
        t->on_timer = fn;
        t->firm = false;
        t->next_try = clock_wall() + ms;
        timer_after(&t->timer, ms);
}

void turn_write_again(struct turn *t, const struct err *err, void (*fn)(struct turn *t)) {
        turn_waits(t, "the journal to be writable: %s", err_text(err));
        turn_after(t, RETRY_MS, fn);
        t->firm = true;
}

void turn_waits(struct turn *t, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        if (!t->waits)
                t->waits_since = clock_wall();
        if (str_eq(text, t->waits))
                return;
        str_set(&t->waits, text);
        turn_event(t, text);
}

static void waits_no_more(struct turn *t) {
        str_set(&t->waits, NULL);
        t->tries = 0;
}

/* ---- the store */

bool turn_store_failed(int r) {
        return r == -EROFS || r == -ENOSPC || r == -EBUSY || r == -EIO || r == -ESHUTDOWN;
}

void turn_store(struct turn *t, int (*run)(struct tx *, struct store_call *, struct err *),
                void (*done)(struct store_call *, int, const struct err *)) {
        t->storing = true;
        t->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "action",
                                       .name = "turn of action",
                                       .run = run,
                                       .done = done,
                                       .arg = t };
        if (run == turn_rows_read)
                store_read(t->of->options.store, &t->call);
        else
                store_submit(t->of->options.store, &t->call);
}

void turn_load(struct turn *t) {
        t->again = false;
        turn_store(t, turn_rows_read, on_loaded);
}

/* ---- what a step said, and ends, into the rows */

static void say(struct turn *t);

static void log_said(const struct turn *t) {
        const struct step *s = t->said;
        char id[24];

        if (!s || !(s->fail || t->ends_as))
                return;
        snprintf(id, sizeof(id), "%lld", (long long)t->id);
        log_event(LOG_WARNING, "action-step",
                  (struct log_field[]){ { "MODEL", t->rows.model },
                                        { "APPLICATION", t->rows.application },
                                        { "OPERATION", id },
                                        {} },
                  "operation %s, %s of %s: step %s: %s", id, t->rows.action, t->rows.application,
                  s->name, s->fail ? s->fail : t->ends_why);
}

static void tell_said(const struct turn *t) {
        const struct step *s = t->said;
        size_t i;
        json_t *line;

        json_array_foreach(s ? s->log : NULL, i, line)
                turn_event(t, json_string_value(line));
        if (s && s->next)
                turn_event(t, s->next);
}

static void on_said(struct store_call *c, int r, const struct err *err) {
        struct turn *t = c->arg;

        t->storing = false;
        if (t->of->stopping)
                return turn_over(t);
        if (r < 0 && turn_store_failed(r))
                return turn_write_again(t, err, say);
        if (r < 0) { /* what it said cannot be kept */
                str_set(&t->ends_as, "failed");
                str_set(&t->ends_why, err_text(err));
                t->said = step_free(t->said);
                return say(t);
        }
        log_said(t);
        tell_said(t);
        waits_no_more(t);
        t->leaves_out = false;
        t->said = step_free(t->said);
        str_set(&t->ends_as, NULL);
        str_set(&t->ends_why, NULL);
        turn_load(t);
}

static void say(struct turn *t) {
        turn_store(t, turn_rows_said, on_said);
}

/* It is cleaned up and then ends so; or at once, when it was being cleaned up. */
static void finish_as(struct turn *t, const char *status, const char *fmt, ...) printf_(3, 4);
static void finish_as(struct turn *t, const char *status, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        free(t->ends_why);
        t->ends_why = str_vformat(fmt, ap);
        va_end(ap);
        str_set(&t->ends_as, status);
        say(t);
}

/* ---- calling the step */

/* The worst that it has come to: what fails in cleaning up does not undo a cancel. */
static const char *failed(const struct turn *t) {
        const struct turn_rows *o = &t->rows;

        return o->cleanup && !str_eq(o->ending, "completed") ? o->ending : "failed";
}

static bool is_endless(struct turn *t, const struct step *said) {
        bool cleanup = t->rows.cleanup, stays = said->ask || str_eq(said->next, said->name);
        int most = cleanup ? TURN_CLEANUP_ASKS_MAX : TURN_ASKS_MAX;
        bool spent = said->ask &&
                     (t->rows.turn >= most || (cleanup && t->asks >= TURN_CLEANUP_STEP_ASKS_MAX));

        t->calls = said->ask && !spent ? 0 : t->calls + 1;
        t->asks = stays ? t->asks + !!said->ask : 0;
        return t->calls > TURN_CALLS_MAX || spent;
}

/* One that cleans up has failed, and the next of them is called. */
static void end_endless(struct turn *t, struct step *said) {
        const char *why =
                said->ask ? "it has asked for as much as an action may" : "it asks for nothing";

        t->asks = 0;
        if (!said->ask)
                t->calls = 0;
        if (!t->rows.cleanup || ++t->ended > CHARM_STEPS_MAX) {
                finish_as(t, failed(t), "step %s goes on for ever: %s", said->name, why);
                step_free(said);
                return;
        }
        free(said->fail);
        said->fail = str_format("goes on for ever: %s", why);
        json_decref(take_ptr(said->ask));
        str_set(&said->next, NULL);
        t->said = said;
        say(t);
}

static void take_said(struct turn *t, struct step *said) {
        if (is_endless(t, said))
                return end_endless(t, said);
        t->said = said;
        say(t);
}

/* Its charm crashes in it, or makes a mistake. One that cleans up is left out: the next are called
 * all the same. */
static void give_up_step(struct turn *t, const struct err *err) {
        t->leaves_out = t->rows.cleanup;
        t->skips += t->leaves_out;
        t->tries = 0;
        finish_as(t, failed(t), "step %s: %s", *t->rows.step ? t->rows.step : "(first)",
                  err_text(err));
}

static void on_stepped(struct charm_call *c, int r, struct step *step, const struct err *err) {
        struct turn *t = container_of(c, struct turn, charm);

        free(take_ptr(t->world));
        if (r >= 0) {
                metric_add(&turns_count, NULL, 1);
                t->skips = 0;
                return take_said(t, step);
        }
        /* A worker that died or hung may have had bad luck; a mistake of the charm stays one. */
        if (r != -EINVAL && ++t->tries < CALL_TRIES) {
                turn_waits(t, "its charm: %s", err_text(err));
                return turn_after(t, RETRY_MS, turn_load);
        }
        give_up_step(t, err);
}

static json_t *world_of(const struct turn *t, json_t *view) {
        const struct turn_rows *o = &t->rows;
        int64_t now = o->asked ? o->ask_ended_at : o->step_at;
        json_t *w = json_pack("{s:o, s:s, s:s, s:b, s:s, s:I, s:O, s:O}", "view", view, "action",
                              o->action, "step", o->step, "cleanup", o->cleanup, "unit", o->unit,
                              "now", (json_int_t)now, "params", o->params, "state", o->state);
        char id[24], key[64];

        snprintf(id, sizeof(id), "%lld", (long long)t->id);
        snprintf(key, sizeof(key), "%s-%s-%lld", id, o->key, (long long)o->turn + 1);
        if (t->skips)
                json_object_set_new(w, "skip", json_integer(t->skips));
        json_object_set_new(w, "operation", json_string(id));
        json_object_set_new(w, "key", json_string(key));
        if (!o->asked)
                return w;
        json_object_set_new(w, "outcome", json_string(o->outcome));
        json_object_set_new(w, "error", json_string(o->error));
        if (o->told)
                json_object_set(w, "answer", o->told);
        return w;
}

static void on_view(void *arg, json_t *view, const struct err *err) {
        struct turn *t = arg;
        cleanup_(json_freep) json_t *world = NULL;

        t->viewing = false;
        if (t->of->stopping) {
                json_decref(view);
                return turn_over(t);
        }
        if (!view && err->code == -ENOENT)
                return finish_as(t, "aborted", "%s", err_text(err));
        if (!view) {
                turn_waits(t, "its view: %s", err_text(err));
                return turn_after(t, RETRY_MS, turn_load);
        }
        world = world_of(t, view);
        t->world = json_text(world);
        if (strlen(t->world) > CHARM_WORLD_MAX)
                return finish_as(t, "failed",
                                 "its view, state and answer have %zu bytes, at most "
                                 "%u are shown to a step",
                                 strlen(t->world), CHARM_WORLD_MAX);
        t->charm = (struct charm_call){ .model = t->rows.model_id,
                                        .application = t->rows.application_id,
                                        .view = t->world,
                                        .view_len = strlen(t->world),
                                        .stepped = on_stepped };
        str_copy(t->charm.sha256, sizeof(t->charm.sha256), t->rows.charm_sha256);
        charm_host_plan(t->of->options.host, &t->charm);
}

static void call_step(struct turn *t) {
        t->viewing = true;
        reconcile_view(t->of->options.reconcile, t->rows.application_id, on_view, t);
}

/* ---- what the rows say is next */

static void show_acting(struct turn *t) {
        if (!t->acting)
                reconcile_acting(t->of->options.reconcile, t->rows.application_id, t->rows.action,
                                 true);
        t->acting = true;
}

static bool is_late(const struct turn *t) {
        return t->rows.deadline_at <= clock_wall();
}

static void on_held(struct store_call *c, int r, const struct err *err);

static void set_held(struct turn *t) {
        turn_store(t, turn_rows_held, on_held);
}

static void on_held(struct store_call *c, int r, const struct err *err) {
        struct turn *t = c->arg;

        t->storing = false;
        if (t->of->stopping)
                return turn_over(t);
        if (r < 0)
                return turn_write_again(t, err, set_held);
        turn_load(t);
}

/* Freezes also end by the clock, which marks nothing. */
static void hold(struct turn *t) {
        turn_waits(t, "%s", t->rows.held);
        turn_after(t, HELD_MS, turn_load);
}

static void go_on(struct turn *t) {
        const struct turn_rows *o = &t->rows;
        char span[CLOCK_TEXT_MAX];
        bool out = o->asked && !o->outcome[0], stays = out && !ask_leaves_nothing(t);

        if (!o->cleanup && o->cancelled_by[0] && stays)
                return ask_give_up(t);
        if (!o->cleanup && o->cancelled_by[0])
                return finish_as(t, "cancelled", "cancelled by %s", o->cancelled_by);
        if (!o->held != !o->held_at)
                return set_held(t);
        if (o->held)
                return hold(t);
        if (is_late(t) && !stays)
                return finish_as(t, failed(t), "step %s: its time of %s is over",
                                 *o->step ? o->step : "(first)", clock_span(o->deadline_ms, span));
        if (out)
                return ask_start(t);
        if (turn_objects_removing(t))
                return say(t);
        call_step(t);
}

static void tell_end(const struct turn *t) {
        char id[24];

        snprintf(id, sizeof(id), "%lld", (long long)t->id);
        metric_add(&ended_count, LABELS(t->rows.ending), 1);
        log_event(str_eq(t->rows.ending, "completed") ? LOG_NOTICE : LOG_WARNING, "action-ended",
                  (struct log_field[]){ { "MODEL", t->rows.model },
                                        { "APPLICATION", t->rows.application },
                                        { "OPERATION", id },
                                        {} },
                  "operation %s, %s of %s: %s%s%s", id, t->rows.action, t->rows.application,
                  t->rows.ending, t->rows.message[0] ? ": " : "", t->rows.message);
        if (t->refresh_stopped)
                refresh_all_say_stopped(t->rows.model, t->rows.application, t->refresh_stopped);
        turn_event(t, t->rows.ending);
}

static void on_loaded(struct store_call *c, int r, const struct err *err) {
        struct turn *t = c->arg;

        t->storing = false;
        if (t->of->stopping)
                return turn_over(t);
        if (r < 0) {
                turn_waits(t, "its rows: %s", err_text(err));
                return turn_after(t, RETRY_MS, turn_load);
        }
        if (t->again)
                return turn_load(t);
        turn_rows_clear(&t->rows);
        t->rows = t->reading;
        t->reading = (struct turn_rows){};
        if (!t->rows.model) /* the row is gone */
                return turn_over(t);
        if (!t->rows.live) {
                tell_end(t);
                return turn_over(t);
        }
        show_acting(t);
        go_on(t);
}

/* ---- from outside */

void turn_start(struct action *a, int64_t id) {
        struct turn *t = mem_new(struct turn);

        t->of = a;
        t->id = id;
        timer_init(&t->timer, a->options.loop, "action", on_timer, t);
        list_append(&a->turns, &t->link);
        a->running++;
        turn_load(t);
}

/* Whether somebody cancelled what has something out. It may have ended meanwhile, so it is found
 * by its number. */
struct looking {
        struct store_call call;
        struct action *of;
        int64_t id;
        bool cancelled;
};

static int look_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct looking *l = c->arg;
        struct q_operation_row *row;
        size_t n;
        int r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = l->id }, &row, &n, err);

        l->cancelled = r >= 0 && n && row->cancelled_by[0] && !row->cleanup;
        return r < 0 ? r : 0;
}

static void on_looked(struct store_call *c, int r, const struct err *err) {
        struct looking *l = c->arg;
        struct turn *t = l->of->stopping ? NULL : turn_find(l->of, l->id);

        if (t && r >= 0 && l->cancelled && t->verb)
                ask_break_off(t);
        else if (t && r >= 0 && l->cancelled)
                turn_wake(t); /* it has ended meanwhile, and is perhaps to be tried again */
        free(l);
}

static void look_for_cancel(const struct turn *t) {
        struct looking *l = mem_new(struct looking);

        *l = (struct looking){ .of = t->of, .id = t->id };
        l->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "action",
                                       .name = "cancelled",
                                       .run = look_run,
                                       .done = on_looked,
                                       .arg = l };
        store_read(t->of->options.store, &l->call);
}

/* While it waits for time or for what is only looked at, what is new is seen now. What is with the
 * store may have been read before that was written. */
void turn_wake(struct turn *t) {
        t->again = t->storing;
        if (!t->on_timer && t->verb)
                return look_for_cancel(t);
        if (!t->on_timer || t->firm)
                return;
        t->on_timer = NULL;
        timer_cancel(&t->timer);
        turn_load(t);
}

void turn_stop(struct turn *t) {
        t->on_timer = NULL;
        timer_cancel(&t->timer);
        charm_host_cancel(&t->charm);
        reconcile_verb_cancel(take_ptr(t->verb));
        if (!t->storing && !t->viewing)
                turn_over(t);
}
