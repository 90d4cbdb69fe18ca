/* SPDX-License-Identifier: Apache-2.0 */
/* operation-hold.c - see operation-hold.h */
#include "operation-hold.h"

#include "command.h"
#include "map.h"
#include "rule.h"

#include <stdlib.h>

/* ---- pauses and freezes */

struct pause {
        const char *by, *why;
        int64_t until;
};

/* A NULL: of the model. PAUSE without BY: there is none. */
static bool take(struct tx *tx, const char *how, const struct q_model_row *m,
                 const struct q_application_row *a, const struct pause *pause,
                 struct operation_held *ret) {
        cleanup_(freep) char *text = rule_pause_text(pause->by, pause->why, pause->until);

        if (text)
                *ret = (struct operation_held){ .what = a ? a->name
                                                          : tx_format(tx, "model %s", m->name),
                                                .how = how,
                                                .by = tx_format(tx, "%s", text),
                                                .of_model = !a };
        return text != NULL;
}

/* DURING: what may run in a freeze waits for one only that a restore made. */
static int find_freeze(struct tx *tx, const struct q_model_row *m,
                       const struct q_application_row *a, bool during, struct operation_held *ret,
                       struct err *err) {
        struct rules *rules = NULL;
        const struct freeze *f;
        int r = rules_load_freezes(tx, m->id, &rules, err);

        if (r < 0)
                return r;
        f = rules_frozen(rules, a->name);
        if (f && (!during || !f->id))
                take(tx, "frozen", m, f->application[0] ? a : NULL,
                     &(struct pause){ f->owner, f->why, f->until }, ret);
        rules_free(rules);
        return 0;
}

int operation_held(struct tx *tx, const struct operation_subject *s, struct operation_held *ret,
                   struct err *err) {
        struct q_application_row *a;
        struct q_model_row *m;
        size_t n = 0;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = s->model_id }, &m, &n, err);

        *ret = (struct operation_held){};
        if (r >= 0 && n)
                r = q_application_by_id(tx,
                                        &(struct q_application_by_id_in){ .id = s->application_id },
                                        &a, &n, err);
        if (r < 0 || !n)
                return r < 0 ? r : 0;
        if (take(tx, "paused", m, NULL,
                 &(struct pause){ m->paused_by, m->paused_why, m->paused_until }, ret) ||
            take(tx, "paused", m, a,
                 &(struct pause){ a->paused_by, a->paused_why, a->paused_until }, ret))
                return 0;
        return find_freeze(tx, m, a, s->during_freeze, ret, err);
}

const char *operation_held_text(struct tx *tx, const struct operation_held *h) {
        return h->what ? tx_format(tx, "%s, which is %s by %s", h->what, h->how, h->by) : NULL;
}

/* ---- the queue */

struct queue {
        struct tx *tx;
        struct map first; /* "a12", "gmaintenance": who has the application, the group */
        struct map held;  /* "12 0": struct held of an application, with and without freezes */
        size_t running;
};

struct held {
        bool gone;
        const char *text;
};

static void queue_deinit(struct queue *q) {
        map_free(&q->first);
        map_free_with(&q->held, free);
}

static const char *application_key(struct queue *q, const struct q_operation_live_row *o) {
        return tx_format(q->tx, "a%lld", (long long)o->application_id);
}

static const char *group_key(struct queue *q, const struct q_operation_live_row *o) {
        return tx_format(q->tx, "g%s", o->execution_group);
}

static void take_first(struct queue *q, const char *key, const struct q_operation_live_row *o,
                       const char *does) {
        if (!map_find(&q->first, key))
                map_set(&q->first, key,
                        tx_format(q->tx, "operation %lld of %s, which %s", (long long)o->id,
                                  o->application, does));
}

static void take_running(struct queue *q, const struct q_operation_live_row *o) {
        q->running++;
        if (!o->parallel)
                take_first(q, application_key(q, o), o, "runs");
        if (o->execution_group[0])
                take_first(q, group_key(q, o), o, "runs");
}

/* Once for each application: many may wait. */
static int find_held(struct queue *q, const struct q_operation_live_row *o, const struct held **ret,
                     struct err *err) {
        const char *key =
                tx_format(q->tx, "%lld %d", (long long)o->application_id, (int)o->during_freeze);
        struct held *h = map_find(&q->held, key);
        struct operation_held by;
        struct q_application_row *a;
        size_t n;
        int r;

        *ret = h;
        if (h)
                return 0;
        r = q_application_by_id(q->tx, &(struct q_application_by_id_in){ .id = o->application_id },
                                &a, &n, err);
        if (r >= 0)
                r = operation_held(q->tx,
                                   &(struct operation_subject){ o->model_id, o->application_id,
                                                                o->during_freeze },
                                   &by, err);
        if (r < 0)
                return r;
        h = mem_new(struct held);
        *h = (struct held){ .gone = !n || !str_eq(a->life, "alive"),
                            .text = operation_held_text(q->tx, &by) };
        map_set(&q->held, key, h);
        *ret = h;
        return 0;
}

/* What it waits for that other operations have; NULL: nothing. */
static const char *find_others(struct queue *q, const struct q_operation_live_row *o) {
        const char *text = o->parallel ? NULL : map_find(&q->first, application_key(q, o));

        if (!text && o->execution_group[0])
                text = map_find(&q->first, group_key(q, o));
        if (!text && q->running >= OPERATIONS_RUNNING_MAX)
                text = tx_format(q->tx, "one of %d operations, as many as may run, to end",
                                 OPERATIONS_RUNNING_MAX);
        return text;
}

static void take_pending(struct queue *q, struct operation_place *p, const struct held *held) {
        const struct q_operation_live_row *o = p->row;
        bool wanted = str_eq(o->approval, "wanted");

        p->stand = OPERATION_WAITS;
        if (held->gone || (wanted && tx_now(q->tx) - o->enqueued_at >= OPERATIONS_APPROVAL_MS)) {
                p->stand = OPERATION_OVER;
                p->text = held->gone ? "its application was removed before it began"
                                     : "nobody approved it within 7 days";
                return;
        }
        p->text = wanted ? "a second person's approval" : held->text;
        if (p->text)
                return;
        p->text = find_others(q, o);
        if (p->text && !o->parallel) /* a younger one of its application does not pass it */
                take_first(q, application_key(q, o), o, "waits too");
        if (p->text)
                return;
        p->stand = OPERATION_BEGINS;
        take_running(q, o);
}

static int place_one(struct queue *q, struct operation_place *p, struct err *err) {
        const struct held *held;
        int r;

        if (p->stand == OPERATION_RUNS) {
                take_running(q, p->row);
                return 0;
        }
        r = find_held(q, p->row, &held, err);
        if (r >= 0)
                take_pending(q, p, held);
        return r;
}

static int place_all(struct queue *q, struct q_operation_live_row *rows, size_t n, bool running,
                     operation_place_fn *fn, void *arg, struct err *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct operation_place p = { .row = &rows[i] };

                if (str_eq(rows[i].status, "running") != running)
                        continue;
                p.stand = running ? OPERATION_RUNS : OPERATION_WAITS;
                r = place_one(q, &p, err);
                if (r >= 0)
                        r = fn(q->tx, &p, arg, err);
        }
        return r < 0 ? r : 0;
}

int operation_queue(struct tx *tx, operation_place_fn *fn, void *arg, struct err *err) {
        cleanup_(queue_deinit) struct queue q = { .tx = tx };
        struct q_operation_live_row *rows;
        size_t n;
        int r = q_operation_live(tx, &(struct q_operation_live_in){ .max = OPERATIONS_LIVE_MAX },
                                 &rows, &n, err);

        if (r >= 0)
                r = place_all(&q, rows, n, true, fn, arg, err);
        return r < 0 ? r : place_all(&q, rows, n, false, fn, arg, err);
}
