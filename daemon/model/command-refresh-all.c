/* SPDX-License-Identifier: Apache-2.0 */
/* command-refresh-all.c - refresh --all is ordered, gone on with, brought back, cancelled
 *
 * Before an order is taken all its refreshes are made, told, and taken back (tx_try): so what one
 * of them would be refused for refuses the order, with the application's name, and the answer has
 * all that it will do. */
#include "command-internal.h"

#include "map.h"
#include "refresh-all.h"
#include "refresh.h"
#include "view-internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the order */

struct graph {
        char **names; /* of all applications of the model, by name */
        size_t n, room;
        struct map places; /* name -> its place in names, from 1 */
        struct refresh_need *needs;
        size_t need_count, need_room;
        struct command *command;
        const struct command_refresh_all *what;
};

static int add_name(struct tx *tx, const struct q_application_row *a, void *arg, struct err *err) {
        struct graph *g = arg;

        g->names = mem_grow(g->names, &g->room, g->n + 1, sizeof(*g->names));
        g->names[g->n++] = str_dup(a->name);
        map_set(&g->places, a->name, (void *)(uintptr_t)g->n);
        return 0;
}

static int add_need(struct tx *tx, const struct q_relation_row *row,
                    const struct q_relation_side_list_row *sides, size_t count, void *arg,
                    struct err *err) {
        struct graph *g = arg;
        size_t provider, requirer;

        if (count != 2 || str_eq(row->life, "dying"))
                return 0;
        provider = (size_t)(uintptr_t)map_find(&g->places, sides[0].application);
        requirer = (size_t)(uintptr_t)map_find(&g->places, sides[1].application);
        if (!provider || !requirer)
                return 0;
        g->needs = mem_grow(g->needs, &g->need_room, g->need_count + 1, sizeof(*g->needs));
        g->needs[g->need_count++] = (struct refresh_need){ requirer - 1, provider - 1 };
        return 0;
}

static const struct refresh_all_item *item_of(const struct command_refresh_all *what,
                                              const char *name) {
        for (size_t i = 0; i < what->count; i++)
                if (str_eq(what->items[i].application, name))
                        return &what->items[i];
        return NULL;
}

static void note_circle(void *arg, const size_t *members, size_t n) {
        struct graph *g = arg;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        size_t mine = 0;

        for (size_t i = 0; i < n; i++) {
                mine += item_of(g->what, g->names[members[i]]) != NULL;
                buf_printf(&text, "%s needs ", g->names[members[i]]);
        }
        if (mine > 1)
                command_note(g->command, "a circle of relations: %s%s; %s goes first",
                             buf_str(&text), g->names[members[0]], g->names[members[n - 1]]);
}

static void graph_free(struct graph *g) {
        for (size_t i = 0; i < g->n; i++)
                free(g->names[i]);
        free(g->names);
        free(g->needs);
        map_free(&g->places);
}

/* *RET: the items as they follow one another; TX's. */
static int find_order(struct tx *tx, struct command *c, int64_t model,
                      const struct refresh_all_item ***ret, struct err *err) {
        struct command_refresh_all *what = command_of(c, command_refresh_all);
        struct graph g = { .command = c, .what = what };
        cleanup_(freep) size_t *order = NULL;
        size_t n = 0;
        int r = lookup_each_application(tx, model, add_name, &g, err);

        *ret = tx_alloc(tx, (what->count + 1) * sizeof(**ret));
        if (r >= 0)
                r = view_each_relation(tx, model, add_need, &g, err);
        if (r >= 0) {
                order = mem_array(size_t, g.n + 1);
                refresh_order(g.needs, g.need_count, g.n, order, note_circle, &g);
        }
        for (size_t i = 0; r >= 0 && i < g.n; i++) {
                const struct refresh_all_item *item = item_of(what, g.names[order[i]]);

                if (item)
                        (*ret)[n++] = item;
        }
        graph_free(&g);
        return r < 0 ? r : 0;
}

/* ---- ordering */

struct trying {
        struct command *command;
        const struct refresh_all_item **order;
        const struct q_model_row *model;
};

/* All of them, as if each was refreshed at once. */
static int refresh_each(struct tx *tx, struct trying *t, struct err *err) {
        const struct command_refresh_all *what = command_of(t->command, command_refresh_all);

        for (size_t i = 0; t->order[i]; i++) {
                struct charm_choice choice = t->order[i]->choice;
                struct command_refresh one = { .model = what->model,
                                               .application = t->order[i]->application,
                                               .revision = -1,
                                               .choice = &choice };
                int r = command_refresh_one(tx, t->command, &one, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Ends what was tried: taken back, after it was looked at. */
static int end_trial(struct tx *tx, struct command *c, struct err *err) {
        int r = c->look ? c->look(tx, c, err) : 0;

        c->looked = true;
        return r < 0 ? r : err_set(err, -ECANCELED, "a trial");
}

static int try_each(struct tx *tx, void *arg, struct err *err) {
        struct trying *t = arg;
        int r = refresh_each(tx, t, err);

        if (r >= 0 && t->command->faults.count > 0)
                r = faults_end(&t->command->faults, err);
        return r < 0 ? r : end_trial(tx, t->command, err);
}

static int put_parts(struct tx *tx, const struct trying *t, struct err *err) {
        int64_t model = t->model->id;
        int r = w_refresh_all_part_delete_model(
                tx, &(struct w_refresh_all_part_delete_model_in){ .model_id = model }, err);

        for (size_t i = 0; r >= 0 && t->order[i]; i++) {
                const struct q_application_row *a;

                r = charm_choice_put(tx, &t->order[i]->choice, err);
                if (r >= 0)
                        r = lookup_live_application(tx, t->model, t->order[i]->application, &a,
                                                    err);
                if (r >= 0)
                        r = w_refresh_all_part_put(
                                tx,
                                &(struct w_refresh_all_part_put_in){
                                        .application_id = a->id,
                                        .model_id = model,
                                        .place = (int64_t)i + 1,
                                        .to_sha256 = t->order[i]->choice.sha256 },
                                err);
        }
        return r < 0 ? r : 0;
}

/* A person who waits for the answer hears at once what stops it, or holds it up. */
static int advance(struct tx *tx, struct command *c, int64_t model, struct err *err) {
        const struct refresh_all_turn turn = { c->sealer, c->audit };
        const char *stopped, *waits;
        struct q_refresh_all_row *o;
        int r = refresh_all_advance(tx, &turn, model, &stopped, err);

        if (r >= 0 && stopped)
                return err_set(err, -EBUSY, "%s", stopped);
        if (r >= 0)
                r = refresh_all_find(tx, model, &o, err);
        if (r >= 0)
                r = refresh_all_waits(tx, o, &waits, err);
        if (r >= 0 && waits)
                command_note(c, "the next one begins by itself when this is over: %s", waits);
        return r < 0 ? r : 0;
}

static int put_order(struct tx *tx, struct trying *t, struct err *err) {
        struct w_refresh_all_put_in in = { .model_id = t->model->id,
                                           .asked_by = t->command->actor ? t->command->actor
                                                                         : "somebody",
                                           .started_at = tx_now(tx) };
        int r = put_parts(tx, t, err);

        if (r >= 0)
                r = w_refresh_all_put(tx, &in, err);
        return r < 0 ? r : advance(tx, t->command, t->model->id, err);
}

static int check_none(struct tx *tx, const struct q_model_row *model, struct err *err) {
        struct q_refresh_all_row *o;
        int r = refresh_all_find(tx, model->id, &o, err);

        if (r < 0 || !o || refresh_all_is_over(o))
                return r;
        return err_set(err, -EBUSY,
                       "model %s: a refresh --all is under way%s%s: mooringctl show-refresh; wait "
                       "for its end, or cancel-refresh, or rollback --all",
                       model->name, o->stopped ? ", and stopped: " : "",
                       o->stopped ? o->stopped : "");
}

int command_refresh_all(struct tx *tx, struct command *c, struct err *err) {
        struct command_refresh_all *what = command_of(c, command_refresh_all);
        struct trying t = { .command = c };
        struct err why = {};
        int r = lookup_live_model(tx, what->model, &t.model, err);

        if (r >= 0)
                r = check_none(tx, t.model, err);
        if (r >= 0)
                r = find_order(tx, c, t.model->id, &t.order, err);
        if (r < 0)
                return r;
        if (what->count == 0) {
                command_note(c, "nothing to change: each application has what is on offer");
                return 0;
        }
        if (what->count > 1)
                command_note(c, "one application after the other, in this order; what pauses one "
                                "holds up those after it");
        if (c->dry_run)
                return refresh_each(tx, &t, err);
        r = tx_try(tx, try_each, &t, &why);
        if (r != -ECANCELED) {
                *err = why;
                return r;
        }
        return put_order(tx, &t, err);
}

/* ---- of one that was ordered */

struct subject {
        const struct q_model_row *model;
        struct q_refresh_all_row *order;
        const char *current; /* that is under way, or NULL */
        int64_t current_id;
        const char **names; /* of those that collect() took */
        int64_t *ids;
        size_t n, names_room, ids_room;
};

static int find(struct tx *tx, struct command *c, struct subject *ret, struct err *err) {
        int r = lookup_live_model(tx, command_of(c, command_going)->model, &ret->model, err);

        if (r >= 0)
                r = refresh_all_find(tx, ret->model->id, &ret->order, err);
        if (r >= 0 && !ret->order)
                return err_set(err, -ENOENT, "model %s: no refresh --all was ordered",
                               ret->model->name);
        return r;
}

static int check_going(const struct subject *s, struct err *err) {
        if (!refresh_all_is_over(s->order))
                return 0;
        return err_set(err, -EBUSY, "model %s: its refresh --all is over: %s", s->model->name,
                       s->order->state);
}

static int set_state(struct tx *tx, const struct subject *s, const char *state, bool accept_loss,
                     struct err *err) {
        int r = w_refresh_all_set_state(tx,
                                        &(struct w_refresh_all_set_state_in){
                                                .model_id = s->model->id,
                                                .state = state,
                                                .accept_loss = accept_loss,
                                                .ended_at = tx_now(tx),
                                                .ended_at_null = !str_eq(state, "cancelled") },
                                        err);

        return r < 0 ? r : 0;
}

/* ---- resume */

static int see_current(struct tx *tx, const struct q_refresh_all_part_list_row *p, void *arg,
                       struct err *err) {
        struct subject *s = arg;

        if (str_eq(p->state, "going") || str_eq(p->state, "back")) {
                s->current = p->application;
                s->current_id = p->application_id;
        }
        return 0;
}

static int resume_current(struct tx *tx, struct command *c, const struct subject *s,
                          struct err *err) {
        struct command_going one = { .model = s->model->name, .application = s->current };
        struct q_refresh_row *f;
        int r = refresh_find(tx, s->current_id, &f, err);

        if (r < 0 || !f || !refresh_is_over(refresh_stage_find(f->stage)))
                return r < 0 ? r : command_resume_one(tx, c, &one, err);
        command_change(c, "resume", NULL, "go on with the refresh --all of model %s",
                       s->model->name);
        return advance(tx, c, s->model->id, err);
}

int command_refresh_all_resume(struct tx *tx, struct command *c, struct err *err) {
        struct subject s = { 0 };
        int r = find(tx, c, &s, err);

        if (r >= 0)
                r = check_going(&s, err);
        if (r >= 0)
                r = refresh_all_each(tx, s.model->id, see_current, &s, err);
        if (r < 0)
                return r;
        if (!s.order->stopped && s.current)
                return resume_current(tx, c, &s, err);
        command_change(c, "resume", NULL, "go on with the refresh --all of model %s%s%s",
                       s.model->name, s.order->stopped ? ", which is stopped: " : "",
                       s.order->stopped ? s.order->stopped : "");
        r = set_state(tx, &s, s.order->state, s.order->accept_loss, err);
        return r < 0 ? r : advance(tx, c, s.model->id, err);
}

/* ---- cancel */

static int cancel_part(struct tx *tx, const struct q_refresh_all_part_list_row *p, void *arg,
                       struct err *err) {
        struct subject *s = arg;

        see_current(tx, p, s, err);
        if (!str_eq(p->state, "waiting") && !str_eq(p->state, "waits-back"))
                return 0;
        s->n++;
        return refresh_all_set(tx, p->application_id,
                               str_eq(p->state, "waiting") ? "cancelled" : "done", err);
}

int command_refresh_all_cancel(struct tx *tx, struct command *c, struct err *err) {
        struct subject s = { 0 };
        int r = find(tx, c, &s, err);

        c->is_stop = true;
        if (r >= 0)
                r = check_going(&s, err);
        if (r >= 0)
                r = refresh_all_each(tx, s.model->id, cancel_part, &s, err);
        if (r < 0)
                return r;
        command_change(c, "cancel-refresh", NULL,
                       "begin none of the %zu applications that wait in the refresh --all of "
                       "model %s",
                       s.n, s.model->name);
        if (s.current)
                command_note(c,
                             "what is under way of %s goes on, for itself: mooringctl rollback %s "
                             "brings it back",
                             s.current, s.current);
        return set_state(tx, &s, "cancelled", s.order->accept_loss, err);
}

/* ---- rollback */

/* Those that can be brought back, in their order. */
static int collect(struct tx *tx, const struct q_refresh_all_part_list_row *p, void *arg,
                   struct err *err) {
        struct subject *s = arg;
        struct q_refresh_row *f;
        enum refresh_stage stage;
        int r = refresh_find(tx, p->application_id, &f, err);

        if (r < 0)
                return r;
        if (str_eq(p->state, "waiting"))
                return refresh_all_set(tx, p->application_id, "cancelled", err);
        stage = f ? refresh_stage_find(f->stage) : REFRESH_STAGE_MAX;
        if (!f || stage == REFRESH_ROLLBACK || stage == REFRESH_ROLLED_BACK ||
            !str_eq(f->to_sha256, p->to_sha256) ||
            (!str_eq(p->state, "going") && !str_eq(p->state, "done")))
                return 0;
        s->names = mem_grow(s->names, &s->names_room, s->n + 1, sizeof(*s->names));
        s->ids = mem_grow(s->ids, &s->ids_room, s->n + 1, sizeof(*s->ids));
        s->names[s->n] = p->application;
        s->ids[s->n++] = p->application_id;
        return 0;
}

struct going_back {
        struct command *command;
        const struct subject *subject;
};

static int back_each(struct tx *tx, const struct going_back *b, struct err *err) {
        const struct command_going *what = command_of(b->command, command_going);
        const struct subject *s = b->subject;

        for (size_t i = s->n; i > 0; i--) {
                struct command_going one = { .model = s->model->name,
                                             .application = s->names[i - 1],
                                             .accept_loss = what->accept_loss };
                int r = command_rollback_one(tx, b->command, &one, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int try_back(struct tx *tx, void *arg, struct err *err) {
        struct going_back *b = arg;
        int r = back_each(tx, b, err);

        if (r >= 0 && b->command->faults.count > 0)
                r = faults_end(&b->command->faults, err);
        return r < 0 ? r : end_trial(tx, b->command, err);
}

static int order_back(struct tx *tx, struct command *c, const struct subject *s, struct err *err) {
        struct going_back b = { c, s };
        struct err why = {};
        int r;

        if (c->dry_run)
                return back_each(tx, &b, err);
        r = tx_try(tx, try_back, &b, &why);
        if (r != -ECANCELED) {
                *err = why;
                return r;
        }
        r = set_state(tx, s, "back", command_of(c, command_going)->accept_loss, err);
        for (size_t i = 0; r >= 0 && i < s->n; i++)
                r = refresh_all_set(tx, s->ids[i], "waits-back", err);
        return r < 0 ? r : advance(tx, c, s->model->id, err);
}

int command_refresh_all_rollback(struct tx *tx, struct command *c, struct err *err) {
        struct subject s = { 0 };
        int r = find(tx, c, &s, err);

        if (r >= 0 && (str_eq(s.order->state, "back") || str_eq(s.order->state, "rolled-back")))
                r = err_set(err, -EBUSY, "model %s: its refresh --all %s", s.model->name,
                            str_eq(s.order->state, "back") ? "is going back already"
                                                           : "was rolled back already");
        if (r >= 0)
                r = refresh_all_each(tx, s.model->id, collect, &s, err);
        if (r >= 0 && s.n == 0)
                r = err_set(err, -EBUSY,
                            "model %s: nothing of its refresh --all is there to be brought back: "
                            "mooringctl cancel-refresh ends it",
                            s.model->name);
        if (r >= 0)
                r = order_back(tx, c, &s, err);
        free(s.names);
        free(s.ids);
        return r;
}
