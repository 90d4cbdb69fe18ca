/* SPDX-License-Identifier: Apache-2.0 */
/* trail.c - which user it was: asked of the outside's own audit log, where one is given
 *
 * The log says it at about the time that the change is seen, often a little later: a line of drift
 * never waits for it. It is written into the line when it is known, or not at all. */
#include "reconcile-internal.h"

#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <stdlib.h>

#define TRAIL_MAX 1000 /* lines that wait; of the others the user stays unknown */
#define TRAIL_PAUSE_MS 1000
#define TRAIL_TRIES 15

struct trail {
        struct reconcile *rec;
        struct timer timer;
        struct list asked;
        size_t count;
};

struct asked {
        struct list link;
        struct store_call call;
        int64_t line, target, since;
        char *type, *path, *who;
        char user[256];
        bool deleted;
        int tries;
};

static void asked_free(struct asked *a) {
        free(a->type);
        free(a->path);
        free(a->who);
        free(a);
}

static int run(struct tx *tx, struct store_call *c, struct err *err) {
        const struct asked *a = c->arg;
        int r = w_drift_set_user(
                tx, &(struct w_drift_set_user_in){ .user = a->user, .id = a->line }, err);

        return r < 0 ? r : 0;
}

static void done(struct store_call *c, int r, const struct err *err) {
        struct asked *a = c->arg;

        if (r < 0)
                log_plain(LOG_WARNING, "ledger", "line %lld: %s", (long long)a->line,
                          err_text(err));
        asked_free(a);
}

static void found(struct reconcile *rec, struct asked *a) {
        log_plain(LOG_NOTICE, "drift-user", "line %lld: %s %s was %s by user %s",
                  (long long)a->line, a->type, a->path, a->deleted ? "deleted" : "changed",
                  a->user);
        a->call = (struct store_call){
                .lane = STORE_LOOP, .actor = "loop", .run = run, .done = done, .arg = a
        };
        store_submit(rec->options.store, &a->call);
}

/* 1: found; 0: not yet; < 0: it will not be. */
static int ask(struct reconcile *rec, struct asked *a) {
        const struct world_target *t = world_target(&rec->world, a->target);
        struct user_question q = { .type = a->type,
                                   .path = a->path,
                                   .who = a->who,
                                   .since = a->since,
                                   .deleted = a->deleted };
        int r = t && t->open ? t->provider->user(t->open, &q, a->user, sizeof(a->user)) : -1;

        return r == 0 && ++a->tries == TRAIL_TRIES ? -1 : r;
}

static void on_timer(void *arg) {
        struct trail *t = arg;

        list_each(entry, &t->asked) {
                struct asked *a = list_entry(entry, struct asked, link);
                int r = ask(t->rec, a);

                if (r == 0)
                        continue;
                list_unlink(entry);
                t->count--;
                if (r > 0)
                        found(t->rec, a);
                else
                        asked_free(a);
        }
        if (t->count)
                timer_after(&t->timer, TRAIL_PAUSE_MS);
}

void trail_ask(struct reconcile *rec, const struct world_resource *r, int64_t line,
               const struct user_question *q) {
        const struct world_target *target = world_target(&rec->world, r->target);
        struct trail *t = rec->trail;
        struct asked *a;

        if (!target || !target->provider || !target->provider->user || t->count == TRAIL_MAX)
                return;
        a = mem_new(struct asked);
        a->line = line;
        a->target = r->target;
        a->type = str_dup(r->type);
        a->path = str_dup(r->path);
        a->who = str_dup(q->who);
        a->since = q->since;
        a->deleted = q->deleted;
        list_append(&t->asked, &a->link);
        if (t->count++ == 0)
                timer_after(&t->timer, 0);
}

struct trail *trail_new(struct reconcile *rec) {
        struct trail *t = mem_new(struct trail);

        t->rec = rec;
        list_init(&t->asked);
        timer_init(&t->timer, rec->options.loop, "trail", on_timer, t);
        return t;
}

struct trail *trail_free(struct trail *t) {
        struct list *entry;

        timer_cancel(&t->timer);
        while ((entry = list_pop(&t->asked)))
                asked_free(list_entry(entry, struct asked, link));
        free(t);
        return NULL;
}
