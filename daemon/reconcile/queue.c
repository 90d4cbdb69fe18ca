/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c - the keyed work queue; see queue.h
 *
 * A key is in one of these places: a ready list (one a priority), the timers, being worked on
 * (busy, perhaps dirty again), or only remembered for its back-off. Entries without back-off and
 * work are freed. */
#include "queue.h"

#include "clock.h"
#include "digest.h"

#include <stdlib.h>

struct entry {
        struct queue *queue;
        struct queue_key key;
        enum queue_priority priority;
        struct list ready;
        struct timer timer;
        int failures;
        int64_t not_before; /* clock_mono: the back-off's end */
        int64_t ready_at;   /* clock_mono_us; while it is ready */
        int64_t change_at;  /* clock_mono: a change that came while it is busy runs then; 0: none */
        bool busy, again;
        bool yielded; /* busy without counting against the kind's limit */
};

struct queue {
        struct loop *loop;
        queue_handler *handler;
        void *arg;
        struct map entries;
        struct list
                ready[QUEUE_PRIORITY_MAX]
                     [QUEUE_KINDS_MAX]; /* by kind, so that a full kind is skipped in one look */
        size_t ready_count;
        size_t ready_of[QUEUE_KINDS_MAX], failing[QUEUE_KINDS_MAX];
        size_t busy[QUEUE_KINDS_MAX], yielded[QUEUE_KINDS_MAX], limit[QUEUE_KINDS_MAX];
        int64_t drift_until[QUEUE_KINDS_MAX]; /* clock_mono: so long the rest goes step by step */
        int64_t rest_at[QUEUE_KINDS_MAX];     /* clock_mono: when one of the rest was taken */
        struct later run;
        struct timer step; /* when the next of the rest may begin */
        queue_tell *tell;
};

/* Handlers run in slices, so that a thousand ready keys do not hold the loop. */
#define SLICE_US 2000

static struct entry *entry_find(const struct queue *q, int kind, int64_t id) {
        struct queue_key key = { kind, id };
        char bytes[sizeof(int64_t) * 2];

        memcpy(bytes, &(int64_t){ key.kind }, sizeof(int64_t));
        memcpy(bytes + sizeof(int64_t), &key.id, sizeof(int64_t));
        return map_find_bytes(&q->entries, bytes, sizeof(bytes));
}

static void on_timer(void *arg);

static struct entry *entry_get(struct queue *q, int kind, int64_t id) {
        struct entry *e = entry_find(q, kind, id);
        char bytes[sizeof(int64_t) * 2];

        if (e)
                return e;
        e = mem_new(struct entry);
        e->queue = q;
        e->key = (struct queue_key){ kind, id };
        e->priority = QUEUE_AUDIT;
        list_init(&e->ready);
        timer_init(&e->timer, q->loop, "queue", on_timer, e);
        memcpy(bytes, &(int64_t){ kind }, sizeof(int64_t));
        memcpy(bytes + sizeof(int64_t), &id, sizeof(int64_t));
        map_set_bytes(&q->entries, bytes, sizeof(bytes), e);
        return e;
}

static void leave_ready(struct entry *e) {
        if (!list_linked(&e->ready))
                return;
        list_unlink(&e->ready);
        e->queue->ready_count--;
        e->queue->ready_of[e->key.kind]--;
}

static void entry_free(struct entry *e) {
        struct queue *q = e->queue;
        char bytes[sizeof(int64_t) * 2];

        leave_ready(e);
        timer_cancel(&e->timer);
        memcpy(bytes, &(int64_t){ e->key.kind }, sizeof(int64_t));
        memcpy(bytes + sizeof(int64_t), &e->key.id, sizeof(int64_t));
        map_remove_bytes(&q->entries, bytes, sizeof(bytes));
        free(e);
}

static void make_ready(struct entry *e, enum queue_priority p) {
        struct queue *q = e->queue;

        timer_cancel(&e->timer);
        if (list_linked(&e->ready)) {
                if (p >= e->priority)
                        return;
                leave_ready(e);
        } else {
                e->ready_at = clock_mono_us();
        }
        e->priority = p;
        list_append(&q->ready[p][e->key.kind], &e->ready);
        q->ready_count++;
        q->ready_of[e->key.kind]++;
        later_run(&q->run);
}

static void on_timer(void *arg) {
        struct entry *e = arg;

        if (e->busy)
                e->again = true; /* never two handlers for one key */
        else
                make_ready(e, e->priority);
}

static void on_step(void *arg) {
        struct queue *q = arg;

        later_run(&q->run);
}

/* It is looked at again when what is out ends, and when the step is over. */
static bool steps_aside(struct queue *q, int kind, enum queue_priority p) {
        int64_t now = clock_mono(), next = q->rest_at[kind] + QUEUE_DRIFT_STEP_MS;

        if (p == QUEUE_DRIFT || q->drift_until[kind] <= now || next <= now ||
            q->busy[kind] == q->yielded[kind])
                return false;
        if (!q->step.at || q->step.at > next)
                timer_set(&q->step, next);
        return true;
}

static bool has_room(struct queue *q, int kind, enum queue_priority p) {
        return q->busy[kind] - q->yielded[kind] < q->limit[kind] &&
               q->yielded[kind] < QUEUE_YIELDED_MAX && !steps_aside(q, kind, p);
}

/* The most urgent ready key whose kind has room. */
static struct entry *next_ready(struct queue *q) {
        for (int p = 0; p < QUEUE_PRIORITY_MAX; p++) {
                for (int kind = 0; kind < QUEUE_KINDS_MAX; kind++) {
                        struct list *ready = &q->ready[p][kind];

                        if (!list_empty(ready) && has_room(q, kind, (enum queue_priority)p))
                                return list_entry(ready->next, struct entry, ready);
                }
        }
        return NULL;
}

static void tell(const struct entry *e, int64_t waited_us) {
        if (e->queue->tell)
                e->queue->tell(e->key.kind, waited_us);
}

static void run(void *arg) {
        struct queue *q = arg;
        int64_t until = clock_mono_us() + SLICE_US;
        struct entry *e;

        while ((e = next_ready(q))) {
                if (clock_mono_us() >= until) {
                        later_run(&q->run);
                        return;
                }
                leave_ready(e);
                e->busy = true;
                e->again = false;
                tell(e, clock_mono_us() - e->ready_at);
                q->busy[e->key.kind]++;
                if (e->priority != QUEUE_DRIFT)
                        q->rest_at[e->key.kind] = clock_mono();
                q->handler(q->arg, e->key);
        }
}

int queue_new(struct loop *l, queue_handler *handler, void *arg, struct queue **ret) {
        struct queue *q = mem_new(struct queue);

        q->loop = l;
        q->handler = handler;
        q->arg = arg;
        for (int kind = 0; kind < QUEUE_KINDS_MAX; kind++) {
                q->limit[kind] = 1;
                for (int p = 0; p < QUEUE_PRIORITY_MAX; p++)
                        list_init(&q->ready[p][kind]);
        }
        later_init(&q->run, l, "queue run", run, q);
        timer_init(&q->step, l, "queue step", on_step, q);
        *ret = q;
        return 0;
}

struct queue *queue_free(struct queue *q) {
        struct map_entry *m;

        if (!q)
                return NULL;
        later_cancel(&q->run);
        timer_cancel(&q->step);
        for (size_t i = 0; (m = map_next(&q->entries, &i));) {
                struct entry *e = m->value;

                timer_cancel(&e->timer);
        }
        map_free_with(&q->entries, free);
        free(q);
        return NULL;
}

void queue_tell_to(struct queue *q, queue_tell *fn) {
        q->tell = fn;
}

void queue_limit(struct queue *q, int kind, size_t n) {
        q->limit[kind] = n;
}

void queue_drift(struct queue *q, int kind) {
        q->drift_until[kind] = clock_mono() + QUEUE_DRIFT_MS;
}

void queue_add(struct queue *q, int kind, int64_t id, enum queue_priority p) {
        struct entry *e = entry_get(q, kind, id);

        if (e->busy) {
                e->priority = e->again ? MIN_OF(e->priority, p) : p;
                e->again = true;
                return;
        }
        make_ready(e, p);
}

void queue_add_at(struct queue *q, int kind, int64_t id, enum queue_priority p, int64_t at) {
        struct entry *e = entry_get(q, kind, id);

        if (e->again || list_linked(&e->ready))
                return;
        if (e->timer.at && e->timer.at <= at)
                return;
        e->priority = p;
        timer_set(&e->timer, at);
}

void queue_touch(struct queue *q, int kind, int64_t id, enum queue_priority p, int64_t at) {
        const struct entry *e = entry_find(q, kind, id);

        queue_add_at(q, kind, id, p, e && e->failures ? MAX_OF(at, e->not_before) : at);
}

void queue_change(struct queue *q, int kind, int64_t id, int64_t at) {
        struct entry *e = entry_get(q, kind, id);
        int64_t now = clock_mono();

        at = MAX_OF(at, now);
        if (e->busy)
                e->change_at = e->change_at ? MIN_OF(e->change_at, at) : at;
        else if (at > now)
                queue_add_at(q, kind, id, QUEUE_CHANGE, at);
        else
                make_ready(e, QUEUE_CHANGE);
}

static void release(struct queue *q, struct entry *e) {
        if (!e->busy)
                return;
        e->busy = false;
        q->busy[e->key.kind]--;
        q->yielded[e->key.kind] -= e->yielded;
        e->yielded = false;
        if (q->ready_count)
                later_run(&q->run);
}

void queue_yield(struct queue *q, int kind, int64_t id) {
        struct entry *e = entry_find(q, kind, id);

        if (!e || !e->busy || e->yielded)
                return;
        e->yielded = true;
        q->yielded[kind]++;
        if (q->ready_count)
                later_run(&q->run);
}

/* The change that came meanwhile has its time, or is due. True: due. */
static bool take_change(struct entry *e) {
        int64_t at = e->change_at;

        e->change_at = 0;
        if (!at)
                return false;
        e->priority = e->again ? MIN_OF(e->priority, QUEUE_CHANGE) : QUEUE_CHANGE;
        if (at > clock_mono() && !e->again && (!e->timer.at || e->timer.at > at))
                timer_set(&e->timer, at);
        return at <= clock_mono();
}

/* Back among those that wait, or forgotten. */
static void settle(struct entry *e) {
        if (take_change(e) || e->again)
                make_ready(e, e->priority);
        else if (!e->failures && !e->timer.at && !list_linked(&e->ready))
                entry_free(e);
}

void queue_done(struct queue *q, int kind, int64_t id) {
        struct entry *e = entry_find(q, kind, id);

        if (!e)
                return;
        release(q, e);
        q->failing[kind] -= e->failures > 0;
        e->failures = 0;
        settle(e);
}

void queue_rest(struct queue *q, int kind, int64_t id) {
        struct entry *e = entry_find(q, kind, id);

        if (!e)
                return;
        release(q, e);
        if (e->failures && !e->again && !list_linked(&e->ready) && e->not_before > clock_mono() &&
            (!e->timer.at || e->timer.at > e->not_before))
                timer_set(&e->timer, e->not_before); /* the wake took its place */
        settle(e);
}

static int64_t back_off(int failures) {
        int64_t ms = QUEUE_BACKOFF_FIRST_MS;
        uint32_t spread;

        for (int i = 1; i < failures && ms < QUEUE_BACKOFF_MAX_MS; i++)
                ms *= 2;
        ms = MIN_OF(ms, QUEUE_BACKOFF_MAX_MS);
        digest_random(&spread, sizeof(spread));
        /* Spread, so that many keys of one outage do not come back at once. */
        return ms + spread % (ms / 4 + 1);
}

int64_t queue_failed_until(struct queue *q, int kind, int64_t id, enum queue_priority p,
                           int64_t at) {
        struct entry *e = entry_get(q, kind, id);
        int64_t next;

        release(q, e);
        tell(e, -1);
        q->failing[kind] += e->failures == 0;
        e->failures++;
        next = e->not_before = MAX_OF(clock_mono() + back_off(e->failures), at);
        e->priority = p;
        if (e->again && e->failures == 1 && !at) {
                make_ready(e, p); /* something changed meanwhile: that may be the mend */
                return clock_mono();
        }
        e->again = false;
        timer_set(&e->timer, next);
        if (!at && take_change(e))
                make_ready(e, QUEUE_CHANGE);
        e->change_at = 0;
        return list_linked(&e->ready) ? clock_mono() : e->timer.at;
}

int64_t queue_failed(struct queue *q, int kind, int64_t id, enum queue_priority p) {
        return queue_failed_until(q, kind, id, p, 0);
}

int64_t queue_next(const struct queue *q, int kind, int64_t id, int *ret_failures) {
        const struct entry *e = entry_find(q, kind, id);

        *ret_failures = e ? e->failures : 0;
        if (!e)
                return 0;
        if (list_linked(&e->ready) || e->again || e->change_at)
                return clock_mono();
        return e->timer.at;
}

size_t queue_waiting(const struct queue *q) {
        return q->ready_count;
}

size_t queue_busy(const struct queue *q) {
        size_t n = 0;

        for (int i = 0; i < QUEUE_KINDS_MAX; i++)
                n += q->busy[i];
        return n;
}

void queue_figures(const struct queue *q, int kind, struct queue_figures *ret) {
        int64_t now = clock_mono_us(), oldest = now;

        for (int p = 0; p < QUEUE_PRIORITY_MAX; p++) {
                const struct list *ready = &q->ready[p][kind];

                /* The first of each list; one that became more urgent may stand behind it. */
                if (!list_empty(ready))
                        oldest = MIN_OF(oldest,
                                        list_entry(ready->next, struct entry, ready)->ready_at);
        }
        *ret = (struct queue_figures){ .ready = q->ready_of[kind],
                                       .busy = q->busy[kind],
                                       .failing = q->failing[kind],
                                       .oldest_ms = (now - oldest) / 1000 };
}

bool queue_idle(const struct queue *q) {
        return q->ready_count == 0 && queue_busy(q) == 0;
}
