/* SPDX-License-Identifier: Apache-2.0 */
/* poke.c - the queue of objects to look at soon; see poke.h
 *
 * At most POKE_RUNNING_MAX at once: when a namespace with a thousand objects goes, writes must
 * still get through. A look that fails is tried again while somebody is interested. */
#include "poke.h"

#include "clock.h"
#include "fieldset.h"
#include "look.h"

#include <stdlib.h>

#define POKE_RUNNING_MAX 8
#define POKE_EVENTS_DELAY_MS 700 /* a controller writes its event just after its status */
#define POKE_AGAIN_MS 2000

struct poke {
        struct poke_queue *queue;
        char *key, *type, *path;
        unsigned flags;
        int64_t at;
        bool again; /* something happened while it ran */
        struct operation *running;
};

struct poke_queue {
        struct target *target;
        struct map pokes; /* "type path" -> struct poke */
        struct timer timer;
        size_t running;
};

static void poke_free(void *p) {
        struct poke *k = p;

        free(k->key);
        free(k->type);
        free(k->path);
        free(k);
}

static void set_timer(struct poke_queue *q) {
        int64_t first = INT64_MAX;
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&q->pokes, &i));) {
                const struct poke *k = e->value;

                if (!k->running)
                        first = MIN_OF(first, k->at);
        }
        if (first == INT64_MAX || q->running >= POKE_RUNNING_MAX)
                timer_cancel(&q->timer);
        else
                timer_set(&q->timer, first);
}

/* The observation of an object with a reason that its own status does not give. */
static void tell_with_reason(struct poke *k, struct scan_slice object, const char *reason) {
        struct target *t = k->queue->target;
        const struct interest *i = t->observer.interest(t->observer.arg, k->type, k->path);
        struct observe_context c = { .type = k->type, .path = k->path };
        struct observation o;

        if (!i)
                return;
        c.projection = i->projection;
        c.baseline = i->baseline;
        c.see = i->see;
        c.written = i->baseline;
        observe_object(t, &c, object, &o, NULL);
        if (reason && o.ready == READY_NO)
                str_set(&o.reason, reason);
        t->observer.observed(t->observer.arg, k->type, k->path, &o);
        observation_clear(&o);
}

/* Something happened to it, and we may no longer see what: who wants it looks for itself, and says
 * why it cannot. Perhaps nothing of the cluster may be read any more. */
static void tell_denied(const struct poke *k) {
        struct target *t = k->queue->target;
        struct observation o = { .presence = PRESENCE_UNKNOWN, .as_of = clock_mono() };

        t->observer.observed(t->observer.arg, k->type, k->path, &o);
        observation_clear(&o);
        target_ask_who(t);
}

static void told(void *arg, enum outcome outcome, struct scan_slice object, const char *reason) {
        struct poke *k = arg;
        struct poke_queue *q = k->queue;
        bool again = k->again;

        k->running = NULL;
        q->running--;
        if (outcome == OUTCOME_DONE)
                tell_with_reason(k, object, reason);
        else if (outcome == OUTCOME_GONE)
                observe_tell_absent(q->target, k->type, k->path);
        else if (outcome == OUTCOME_DENIED)
                tell_denied(k);
        else if (q->target->observer.interest(q->target->observer.arg, k->type, k->path))
                again = true;
        if (again) {
                k->again = false;
                k->at = clock_mono() + (outcome == OUTCOME_DONE ? 0 : POKE_AGAIN_MS);
        } else {
                map_remove(&q->pokes, k->key);
                poke_free(k);
        }
        set_timer(q);
}

static void start(struct poke *k) {
        struct target *t = k->queue->target;
        const struct interest *i = t->observer.interest(t->observer.arg, k->type, k->path);
        const char *version = i && i->projection ? fieldset_version(i->projection) : NULL;

        k->queue->running++;
        k->running = look_poke(t, k->type, k->path, version, k->flags & POKE_EVENTS, told, k);
}

static void due(void *arg) {
        struct poke_queue *q = arg;
        int64_t now = clock_mono();
        struct map_entry *e;

        for (size_t i = 0; q->running < POKE_RUNNING_MAX && (e = map_next(&q->pokes, &i));) {
                struct poke *k = e->value;

                if (!k->running && k->at <= now)
                        start(k);
        }
        set_timer(q);
}

void poke_soon(struct target *t, const char *type, const char *path, unsigned flags) {
        struct poke_queue *q = t->pokes;
        cleanup_(freep) char *key = str_format("%s %s", type, path);
        int64_t at = clock_mono() + (flags & POKE_EVENTS ? POKE_EVENTS_DELAY_MS : 0);
        struct poke *k = map_find(&q->pokes, key);

        if (!k) {
                k = mem_new(struct poke);
                *k = (struct poke){
                        .queue = q, .type = str_dup(type), .path = str_dup(path), .at = at
                };
                k->key = take_ptr(key);
                map_set(&q->pokes, k->key, k);
        }
        k->flags |= flags;
        /* What runs now may have been answered before this happened; its own answer asks for no
         * other round. */
        if (k->running && !(flags & POKE_EVENTS))
                k->again = true;
        else
                k->at = MIN_OF(k->at, at);
        set_timer(q);
}

struct poke_queue *poke_queue_new(struct target *t) {
        struct poke_queue *q = mem_new(struct poke_queue);

        q->target = t;
        timer_init(&q->timer, t->loop, "poke", due, q);
        return q;
}

struct poke_queue *poke_queue_free(struct poke_queue *q) {
        struct map_entry *e;

        if (!q)
                return NULL;
        timer_cancel(&q->timer);
        for (size_t i = 0; (e = map_next(&q->pokes, &i));) {
                struct poke *k = e->value;

                if (k->running)
                        k->running->drop(k->running);
        }
        map_free_with(&q->pokes, poke_free);
        free(q);
        return NULL;
}
