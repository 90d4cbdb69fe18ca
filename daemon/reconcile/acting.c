/* SPDX-License-Identifier: Apache-2.0 */
/* acting.c - what actions see of an application: the view of its charm, whether a label is ready,
 * whether all that was changed is in place; and that one runs on it, for its status */
#include "application.h"

#include "tally.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the view */

struct looking {
        struct application_work *work;
        reconcile_view_fn *done;
        void *arg;
};

static void on_view(struct store_call *c, int r, const struct err *err) {
        struct looking *l = c->arg;
        struct application_work *w = l->work;
        struct reconcile *rec = w->rec;
        struct world_application *a = world_application(&rec->world, w->id);
        struct err why = *err;
        json_t *view = NULL;

        if (rec->stopping)
                err_set(&why, -ESHUTDOWN, "the daemon stops");
        else if (r >= 0 && (!w->found || !a))
                err_set(&why, -ENOENT, "there is no such application any more");
        else if (r >= 0)
                view = json_incref(w->view);
        if (view)
                json_object_set_new(view, "seen", application_seen_json(w));
        l->done(l->arg, view, &why);
        application_work_free(w);
        free(l);
}

static int read_view(struct tx *tx, struct store_call *c, struct err *err) {
        const struct looking *l = c->arg;
        struct store_call of_work = { .arg = l->work };

        return application_view_run(tx, &of_work, err);
}

void reconcile_view(struct reconcile *rec, int64_t application, reconcile_view_fn *done,
                    void *arg) {
        struct looking *l = mem_new(struct looking);

        *l = (struct looking){ mem_new(struct application_work), done, arg };
        l->work->rec = rec;
        l->work->id = application;
        list_init(&l->work->link);
        l->work->call = (struct store_call){ .lane = STORE_LOOP,
                                             .actor = "action",
                                             .name = "view of action",
                                             .run = read_view,
                                             .done = on_view,
                                             .arg = l };
        store_read(rec->options.store, &l->work->call);
}

/* ---- what is waited for */

int reconcile_ready(struct reconcile *rec, int64_t application, const char *label, char *why,
                    size_t size) {
        const struct world_application *a = world_application(&rec->world, application);
        const struct world_want *want = a ? world_want(a, label) : NULL;
        const struct world_resource *r = want ? world_resource(&rec->world, want->resource) : NULL;

        snprintf(why, size, "nothing is wanted under the label %s", label);
        if (!want)
                return -ENOENT;
        if (r && r->seen.presence == PRESENCE_PRESENT && r->seen.ready == READY_YES &&
            r->state == STATE_READY)
                return 1;
        snprintf(why, size, "%s %s: %s", r ? r->type : "", r ? r->path : label,
                 r && r->seen.reason ? r->seen.reason
                 : r && r->reason    ? r->reason
                                     : "not ready yet");
        return 0;
}

/* A plan may have given it another address, or another password. */
static const struct world_target *reopening(struct reconcile *rec, int64_t application) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));) {
                const struct world_target *t = e->value;

                if (t->application == application && !outside_current(rec, t))
                        return t;
        }
        return NULL;
}

bool reconcile_settled(struct reconcile *rec, int64_t application, char *why, size_t size) {
        const struct world_application *a = world_application(&rec->world, application);
        const struct world_want *want = a ? tally_first(a, TALLY_APPLYING) : NULL;
        const struct world_target *target = reopening(rec, application);

        if (a && !target && application_settled(rec, a) && !(a->held && a->held[0]) &&
            !(a->plan_error && a->plan_error[0]))
                return true;
        if (!a)
                str_copy(why, size, "there is no such application any more");
        else if (a->held && a->held[0])
                snprintf(why, size, "its plan is held: %s", a->held);
        else if (a->plan_error && a->plan_error[0])
                snprintf(why, size, "its charm cannot plan: %s", a->plan_error);
        else if (want)
                snprintf(why, size, "%s is being applied", want->label);
        else if (target)
                snprintf(why, size, "%s is being opened anew", target->name);
        else
                str_copy(why, size, "a plan is being made");
        return false;
}

/* A pod that ends works on with what it was started with. */
static const struct world_unit *ending_unit(const struct world_application *a) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&a->units, &i));) {
                const struct world_unit *u = e->value;

                if (str_eq(u->status, "terminated"))
                        return u;
        }
        return NULL;
}

/* It may have kept what it was, and waits with the old; or there is nobody to take the new. NULL:
 * neither. */
static const char *held_up(const struct world_application *a) {
        if (a->paused)
                return "it is paused";
        if (str_eq(a->plan_word, "waiting") || str_eq(a->plan_word, "blocked") ||
            str_eq(a->plan_word, "maintenance"))
                return a->plan_message && *a->plan_message ? a->plan_message : a->plan_word;
        return a->scale == 0 && a->runs >= 0 ? "it is scaled to 0, so nobody takes what it is told"
                                             : NULL;
}

bool reconcile_taken(struct reconcile *rec, int64_t application, const char *other, char *why,
                     size_t size) {
        const struct world_application *a = world_application(&rec->world, application), *o;
        const struct world_want *open;
        const struct world_unit *unit;
        char reason[200];

        o = a ? world_application_named(&rec->world, a->model, other) : NULL;
        open = o ? tally_open(o, NULL) : NULL;
        if (!a || !o)
                return true;
        if (!reconcile_settled(rec, application, reason, sizeof(reason))) {
                snprintf(why, size, "%s", reason);
                return false;
        }
        unit = ending_unit(o);
        if (reconcile_settled(rec, o->id, reason, sizeof(reason)) && !open && !unit && !held_up(o))
                return true;
        if (open)
                reconcile_ready(rec, o->id, open->label, reason, sizeof(reason));
        else if (unit)
                snprintf(reason, sizeof(reason), "pod %s ends", unit->name);
        else if (held_up(o))
                snprintf(reason, sizeof(reason), "%s", held_up(o));
        snprintf(why, size, "%s: %s", other, reason);
        return false;
}

/* ---- status */

static void remove_one(json_t *names, const char *name) {
        size_t i;
        json_t *one;

        json_array_foreach(names, i, one) {
                if (!str_eq(json_string_value(one), name))
                        continue;
                json_array_remove(names, i);
                return;
        }
}

void reconcile_acting(struct reconcile *rec, int64_t application, const char *action, bool begins) {
        struct world_application *a = world_application(&rec->world, application);
        const struct world_model *m = a ? world_model(&rec->world, a->model) : NULL;

        if (!a)
                return;
        if (!a->actions)
                a->actions = json_array();
        if (begins)
                json_array_append_new(a->actions, json_string(action));
        else
                remove_one(a->actions, action);
        if (!json_array_size(a->actions))
                json_decref(take_ptr(a->actions));
        reconcile_event(rec, "action", m ? m->name : "", a->name, action);
}
