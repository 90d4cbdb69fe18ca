/* SPDX-License-Identifier: Apache-2.0 */
/* examine.c - asks every outside that can be read what a person would look at, for doctor
 *
 * One operation a target, side by side, all within EXAMINE_MS; what did not answer in that time
 * is told as that. Nothing of it goes into the world: the loop decides from what it observes
 * itself. */
#include "reconcile-internal.h"

#include <stdlib.h>

#define EXAMINE_MS 15000 /* a person waits for it */

struct one {
        struct op op;
        struct examining *all;
        const struct provider *provider;
        int64_t target;
        char *name;
        bool busy;
};

struct examining {
        struct list link;
        struct reconcile *rec;
        struct timer deadline;
        json_t *told;
        struct one *ones;
        size_t count, busy;
        reconcile_listed_fn *done;
        void *arg;
};

static void finish(struct examining *e, bool stopped) {
        reconcile_listed_fn *done = e->done;
        void *arg = e->arg;
        json_t *told = take_ptr(e->told);

        list_unlink(&e->link);
        timer_cancel(&e->deadline);
        for (size_t i = 0; i < e->count; i++)
                free(e->ones[i].name);
        free(e->ones);
        free(e);
        if (stopped)
                json_decref(take_ptr(told));
        done(arg, told);
}

static void over(struct one *o) {
        o->busy = false;
        o->all->busy--;
}

static void on_done(struct op *op) {
        struct one *o = op->arg;
        struct examining *e = o->all;

        over(o);
        json_object_set_new(e->told, o->name, take_ptr(op->told));
        op_clear(op);
        if (!e->busy)
                finish(e, false);
}

static void give_up(struct one *o, const char *why) {
        o->provider->cancel(&o->op);
        over(o);
        json_object_set_new(o->all->told, o->name, json_pack("{s:s}", "failed", why));
        op_clear(&o->op);
}

static void on_deadline(void *arg) {
        struct examining *e = arg;

        for (size_t i = 0; i < e->count; i++)
                if (e->ones[i].busy)
                        give_up(&e->ones[i], "it did not answer all within 15 s");
        finish(e, false);
}

static json_t *scopes_of(struct reconcile *rec, int64_t target) {
        json_t *scopes = json_array();
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.models, &i));) {
                const struct world_model *m = e->value;

                if (m->target == target && m->name)
                        json_array_append_new(scopes, json_string(m->name));
        }
        return scopes;
}

static void start_one(struct examining *e, struct world_target *t) {
        struct one *o = &e->ones[e->count++];
        cleanup_(json_freep) json_t *scopes = scopes_of(e->rec, t->id);

        *o = (struct one){ .all = e, .provider = t->provider, .target = t->id, .busy = true };
        o->name = str_dup(t->name);
        o->op = (struct op){ .loop = e->rec->options.loop, .done = on_done, .arg = o };
        e->busy++;
        t->provider->examine(t->open, scopes, &o->op);
}

void reconcile_examine(struct reconcile *rec, reconcile_listed_fn *done, void *arg) {
        struct examining *e = mem_new(struct examining);
        struct map_entry *m;

        e->rec = rec;
        e->done = done;
        e->arg = arg;
        e->told = json_object();
        e->ones = mem_array(struct one, rec->world.targets.count + 1);
        timer_init(&e->deadline, rec->options.loop, "examine", on_deadline, e);
        list_append(&rec->examinings, &e->link);
        for (size_t i = 0; (m = map_next(&rec->world.targets, &i));) {
                struct world_target *t = m->value;

                if (t->open && t->reachable && t->provider->examine)
                        start_one(e, t);
        }
        timer_after(&e->deadline, e->busy ? EXAMINE_MS : 0);
}

void examine_target_closes(struct reconcile *rec, int64_t target) {
        list_each(link, &rec->examinings) {
                struct examining *e = list_entry(link, struct examining, link);

                for (size_t i = 0; i < e->count; i++)
                        if (e->ones[i].busy && e->ones[i].target == target)
                                give_up(&e->ones[i], "its connection was closed meanwhile");
                if (!e->busy)
                        timer_after(&e->deadline, 0);
        }
}

void examine_stop(struct reconcile *rec) {
        while (!list_empty(&rec->examinings)) {
                struct examining *e = list_entry(rec->examinings.next, struct examining, link);

                for (size_t i = 0; i < e->count; i++)
                        if (e->ones[i].busy)
                                give_up(&e->ones[i], "the daemon stops");
                finish(e, true);
        }
}
