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
static int ask(struct reconcile *rec, int64_t target, const struct user_question *q, char *user,
               size_t size) {
        const struct world_target *t = world_target(&rec->world, target);

        if (!t || !t->open || !t->provider->user)
                return -1;
        return t->provider->user(t->open, q, user, size);
}

static int ask_again(struct reconcile *rec, struct asked *a) {
        struct user_question q = { .type = a->type,
                                   .path = a->path,
                                   .who = a->who,
                                   .since = a->since,
                                   .deleted = a->deleted };
        int r = ask(rec, a->target, &q, a->user, sizeof(a->user));

        return r == 0 && ++a->tries == TRAIL_TRIES ? -1 : r;
}

static void on_timer(void *arg) {
        struct trail *t = arg;

        list_each(entry, &t->asked) {
                struct asked *a = list_entry(entry, struct asked, link);
                int r = ask_again(t->rec, a);

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
        struct user_question whole = *q;
        struct trail *t = rec->trail;
        struct asked *a;
        char user[sizeof(a->user)];
        int known;

        whole.type = r->type;
        whole.path = r->path;
        /* Most clusters have no log: their lines cost nothing more. */
        known = t->count == TRAIL_MAX ? -1 : ask(rec, r->target, &whole, user, sizeof(user));
        if (known < 0)
                return;
        a = mem_new(struct asked);
        a->line = line;
        a->target = r->target;
        a->type = str_dup(r->type);
        a->path = str_dup(r->path);
        a->who = str_dup(q->who);
        a->since = q->since;
        a->deleted = q->deleted;
        a->tries = 1;
        if (known > 0) {
                str_copy(a->user, sizeof(a->user), user);
                return found(rec, a);
        }
        list_append(&t->asked, &a->link);
        if (t->count++ == 0)
                timer_after(&t->timer, TRAIL_PAUSE_MS);
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
