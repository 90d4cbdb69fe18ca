/* SPDX-License-Identifier: Apache-2.0 */
/* engine.c - which operations run: what is picked, and when; see action.h
 *
 * Nobody counts on being told: each pick reads all that waits and runs from the rows and begins
 * what may begin. It is done after commands, after each end, and when something that holds others
 * may have gone. */
#include "turn.h"

#include "clock.h"
#include "command.h"
#include "log.h"
#include "metric.h"
#include "operation-hold.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 500
#define RETRY_MS 1000
/* A pick reads all that waits on the thread that writes, some microseconds each: with many it rests
 * before the next, so that it takes about a tenth of the time that all others have to share. */
#define PICK_ROWS_PER_MS 20
#define LOOK_MS                                                                                    \
        60000 /* for what ends by the clock while some wait: freezes, what nobody approved */

static struct metric live_gauge = { .name = "mooring_actions",
                                    .help = "Actions that wait or run",
                                    .type = METRIC_GAUGE,
                                    .labels = { { "status" } } };

/* ---- what may begin */

static int start_one(struct action *a, struct tx *tx, int64_t id, struct err *err) {
        struct q_operation_row *row;
        size_t n;
        int r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = id }, &row, &n, err);

        if (r < 0 || !n)
                return r;
        a->started =
                mem_grow(a->started, &a->started_room, a->started_count + 1, sizeof(*a->started));
        a->started[a->started_count++] = id;
        return w_operation_set_started(tx,
                                       &(struct w_operation_set_started_in){
                                               .id = id,
                                               .started_at = tx_now(tx),
                                               .deadline_at = tx_now(tx) + row->deadline_ms },
                                       err);
}

static int end_one(struct tx *tx, int64_t id, const char *why, struct err *err) {
        struct q_operation_row *row;
        size_t n;
        int r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = id }, &row, &n, err);

        return r < 0 || !n ? r : command_operation_end(tx, row, "cancelled", why, err);
}

static int pick_one(struct tx *tx, const struct operation_place *p, void *arg, struct err *err) {
        struct action *a = arg;

        a->pick_rows++;
        if (p->stand == OPERATION_BEGINS)
                return start_one(a, tx, p->row->id, err);
        if (p->stand == OPERATION_OVER)
                return end_one(tx, p->row->id, p->text, err);
        a->pick_pending += p->stand == OPERATION_WAITS;
        return 0;
}

static int pick_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct action *a = c->arg;

        a->started_count = 0;
        a->pick_pending = a->pick_rows = 0;
        return operation_queue(tx, pick_one, a, err);
}

static void pick_soon(struct action *a) {
        if (!a->stopping)
                later_run(&a->soon);
}

static void on_retry(void *arg) {
        pick_soon(arg);
}

static void on_picked(struct store_call *c, int r, const struct err *err) {
        struct action *a = c->arg;

        a->picking = false;
        a->pick_after = clock_mono() + (int64_t)a->pick_rows / PICK_ROWS_PER_MS;
        if (a->stopping)
                return;
        if (r < 0) {
                log_plain(LOG_WARNING, "action", "nothing is begun: %s", err_text(err));
                return timer_after(&a->retry, RETRY_MS);
        }
        a->pending = a->pick_pending;
        for (size_t i = 0; i < a->started_count; i++)
                turn_start(a, a->started[i]);
        if (a->pick_again)
                pick_soon(a);
        else if (a->pending)
                timer_after(&a->retry, LOOK_MS);
}

static void on_soon(void *arg) {
        struct action *a = arg;
        int64_t rest = a->pick_after - clock_mono();

        a->pick_again = a->picking;
        if (a->picking || a->stopping)
                return;
        if (rest > 0)
                return timer_after(&a->retry, rest);
        a->picking = true;
        a->pick = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "action",
                                       .name = "actions picked",
                                       .run = pick_run,
                                       .done = on_picked,
                                       .arg = a };
        store_submit(a->options.store, &a->pick);
}

/* ---- what runs */

struct turn *turn_find(struct action *a, int64_t id) {
        list_each(link, &a->turns) {
                struct turn *t = list_entry(link, struct turn, link);

                if (t->id == id)
                        return t;
        }
        return NULL;
}

/* Those that it may hold now, or no longer. What is with the outside is held when that has
 * ended. */
static void wake_held(struct action *a, enum store_mark kind, int64_t id) {
        list_each(link, &a->turns) {
                struct turn *t = list_entry(link, struct turn, link);
                const struct turn_rows *o = &t->rows;

                if (!t->verb &&
                    (!o->model || id == (kind == MARK_MODEL ? o->model_id : o->application_id)))
                        turn_wake(t);
        }
}

void action_mark(struct action *a, enum store_mark kind, int64_t id) {
        struct turn *t = kind == MARK_OPERATION ? turn_find(a, id) : NULL;

        if (a->stopping)
                return;
        if (kind == MARK_OPERATION && !id)
                schedule_changed(a->schedule);
        if (t)
                turn_wake(t);
        if (kind == MARK_MODEL || kind == MARK_APPLICATION)
                wake_held(a, kind, id);
        if (kind == MARK_OPERATION ||
            (a->pending && (kind == MARK_MODEL || kind == MARK_APPLICATION)))
                pick_soon(a);
}

void turn_over(struct turn *t) {
        struct action *a = t->of;

        if (t->acting)
                reconcile_acting(a->options.reconcile, t->rows.application_id, t->rows.action,
                                 false);
        a->running--;
        list_unlink(&t->link);
        timer_cancel(&t->timer);
        turn_rows_clear(&t->rows);
        turn_rows_clear(&t->reading);
        step_free(t->said);
        json_decref(t->told);
        free(t->ends_as);
        free(t->ends_why);
        free(t->waits);
        free(t->refresh_stopped);
        free(t->world);
        free(t);
        pick_soon(a);
}

void turn_event(const struct turn *t, const char *text) {
        char subject[24];
        json_t *event;

        snprintf(subject, sizeof(subject), "%lld", (long long)t->id);
        event = json_pack("{s:s, s:s?, s:s?, s:s, s:s}", "kind", "operation", "model",
                          t->rows.model, "application", t->rows.application, "subject", subject,
                          "text", text);
        if (event && t->of->options.event)
                t->of->options.event(t->of->options.arg, event);
        json_decref(event);
}

/* ---- start and end */

struct resuming {
        struct store_call call;
        struct action *of;
};

static int resume_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct resuming *s = c->arg;
        struct q_operation_live_in in = { .max = PAGE };
        struct q_operation_live_row *rows;
        size_t n;
        int r;

        s->of->started_count = 0; /* it may run again */
        do {
                r = q_operation_live(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        struct action *a = s->of;

                        in.after = rows[i].id;
                        if (!str_eq(rows[i].status, "running"))
                                continue;
                        a->started = mem_grow(a->started, &a->started_room, a->started_count + 1,
                                              sizeof(*a->started));
                        a->started[a->started_count++] = rows[i].id;
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

int action_new(const struct action_options *o, struct action **ret, struct err *err) {
        struct action *a = mem_new(struct action);
        struct resuming s = { .of = a };
        int r;

        a->options = *o;
        list_init(&a->turns);
        later_init(&a->soon, o->loop, "actions", on_soon, a);
        timer_init(&a->retry, o->loop, "actions", on_retry, a);
        s.call = (struct store_call){
                .lane = STORE_LOOP, .actor = "start", .run = resume_run, .arg = &s
        };
        r = store_now(o->store, &s.call, err);
        if (r < 0) {
                action_free(a);
                return r;
        }
        for (size_t i = 0; i < a->started_count; i++)
                turn_start(a, a->started[i]);
        pick_soon(a);
        a->schedule = schedule_new(&(struct schedule_options){
                .loop = o->loop, .store = o->store, .sealer = o->sealer, .audit = o->audit });
        *ret = a;
        return 0;
}

void action_stop(struct action *a) {
        if (!a)
                return;
        a->stopping = true;
        schedule_stop(a->schedule);
        later_cancel(&a->soon);
        timer_cancel(&a->retry);
        list_each(link, &a->turns)
                turn_stop(list_entry(link, struct turn, link));
}

struct action *action_free(struct action *a) {
        if (!a)
                return NULL;
        a->stopping = true;
        while (!list_empty(&a->turns))
                turn_over(list_entry(a->turns.next, struct turn, link));
        later_cancel(&a->soon);
        schedule_free(a->schedule);
        free(a->started);
        free(a);
        return NULL;
}

/* ---- looking */

/* A stream that is in trouble says so beside what it is. The caller's. */
static char *waits_now(const struct turn *t) {
        char trouble[ERR_TEXT_MAX];

        if (t->waits && t->verb && reconcile_verb_trouble(t->verb, trouble, sizeof(trouble)))
                return str_format("%s: %s", t->waits, trouble);
        return str_dup(t->waits);
}

json_t *action_at(struct action *a, int64_t id) {
        const struct turn *t = turn_find(a, id);
        uint64_t moved = t && t->verb ? reconcile_verb_moved(t->verb) : 0;
        cleanup_(freep) char *waits = t ? waits_now(t) : NULL;
        json_t *j;

        if (!t)
                return NULL;
        j = json_pack("{s:s?, s:o, s:i, s:o}", "waits", waits, "since",
                      json_stamp(t->waits ? t->waits_since : 0, true), "tries", t->tries,
                      "next-try", json_stamp(t->waits ? t->next_try : 0, true));
        if (moved)
                json_object_set_new(j, "moved", json_integer((json_int_t)moved));
        return j;
}

void action_metrics(struct action *a) {
        metric_set(&live_gauge, LABELS("running"), (double)a->running);
        metric_set(&live_gauge, LABELS("pending"), (double)a->pending);
}
