/* SPDX-License-Identifier: Apache-2.0 */
/* refresh-all.c - an order to refresh all moves on; see refresh-all.h */
#include "refresh-all.h"

#include "command-internal.h"
#include "log.h"
#include "refresh.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 1000

int refresh_all_find(struct tx *tx, int64_t model, struct q_refresh_all_row **ret,
                     struct err *err) {
        size_t n;
        int r = q_refresh_all_get(tx, &(struct q_refresh_all_get_in){ .model_id = model }, ret, &n,
                                  err);

        if (r >= 0 && n == 0)
                *ret = NULL;
        return r < 0 ? r : 0;
}

bool refresh_all_is_over(const struct q_refresh_all_row *o) {
        return !str_eq(o->state, "forward") && !str_eq(o->state, "back");
}

int refresh_all_each(struct tx *tx, int64_t model, refresh_all_part_fn *fn, void *arg,
                     struct err *err) {
        struct q_refresh_all_part_list_in in = { .model_id = model, .max = PAGE };
        struct q_refresh_all_part_list_row *rows;
        size_t n;
        int r;

        do {
                r = q_refresh_all_part_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].place;
                        r = fn(tx, &rows[i], arg, err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

int refresh_all_set(struct tx *tx, int64_t application, const char *state, struct err *err) {
        int r = w_refresh_all_part_set_state(
                tx,
                &(struct w_refresh_all_part_set_state_in){ .application_id = application,
                                                           .state = state },
                err);

        return r < 0 ? r : 0;
}

/* ---- which is next */

struct picking {
        bool back;
        struct q_refresh_all_part_list_row current, next; /* application NULL: none */
};

static int pick(struct tx *tx, const struct q_refresh_all_part_list_row *p, void *arg,
                struct err *err) {
        struct picking *k = arg;

        if (str_eq(p->state, "going") || str_eq(p->state, "back"))
                k->current = *p;
        if (k->back ? str_eq(p->state, "waits-back")
                    : !k->next.application && str_eq(p->state, "waiting"))
                k->next = *p;
        return 0;
}

/* ---- one begins */

struct beginning {
        const struct refresh_all_turn *turn;
        const struct q_refresh_all_row *order;
        const struct q_model_row *model;
        const struct q_refresh_all_part_list_row *part;
        bool changed;
};

static struct command head_of(struct tx *tx, const struct beginning *b, struct audit_entry *e) {
        *e = (struct audit_entry){ .kind = "loop",
                                   .what = str_eq(b->order->state, "back") ? "rollback" : "refresh",
                                   .model = b->model->name,
                                   .application = b->part->application,
                                   .subject = "refresh --all",
                                   .why = "its turn in refresh --all" };
        return (struct command){ .sealer = b->turn->sealer,
                                 .audit = b->turn->audit,
                                 .entry = b->turn->audit ? e : NULL,
                                 .of_model = b->model->name,
                                 .actor =
                                         tx_format(tx, "refresh --all of %s", b->order->asked_by) };
}

static int run(struct tx *tx, struct beginning *b, struct command *c, struct err *err) {
        struct store_call inner = { .arg = c };
        int r = command_run(tx, &inner, err);

        b->changed = json_array_size(json_get(c->answer, "changes")) > 0;
        free(inner.answer);
        command_deinit(c);
        return r;
}

static int begin_forward(struct tx *tx, void *arg, struct err *err) {
        struct beginning *b = arg;
        struct charm_choice choice = { 0 };
        struct audit_entry e;
        struct command_refresh c = { .head = head_of(tx, b, &e),
                                     .model = b->model->name,
                                     .application = b->part->application,
                                     .revision = -1,
                                     .choice = &choice };
        int r = lookup_charm(tx, b->part->to_sha256, &choice.meta, err);

        c.head.run = command_deploy_refresh;
        str_copy(choice.sha256, sizeof(choice.sha256), b->part->to_sha256);
        if (r >= 0)
                r = run(tx, b, &c.head, err);
        charm_choice_deinit(&choice);
        return r;
}

static int begin_back(struct tx *tx, void *arg, struct err *err) {
        struct beginning *b = arg;
        struct audit_entry e;
        struct command_going c = { .head = head_of(tx, b, &e),
                                   .model = b->model->name,
                                   .application = b->part->application,
                                   .accept_loss = b->order->accept_loss };

        c.head.run = command_refresh_rollback;
        return run(tx, b, &c.head, err);
}

/* 1: it is under way, 0: there was nothing to do. */
static int settle(struct tx *tx, const struct beginning *b, struct err *err) {
        bool back = str_eq(b->order->state, "back"), going;
        struct q_refresh_row *f;
        int r = refresh_find(tx, b->part->application_id, &f, err);

        if (r < 0)
                return r;
        going = f && !refresh_is_over(refresh_stage_find(f->stage)) &&
                str_eq(f->to_sha256, b->part->to_sha256);
        r = refresh_all_set(tx, b->part->application_id,
                            going        ? back ? "back" : "going"
                            : back       ? "rolled-back"
                            : b->changed ? "done"
                                         : "unchanged",
                            err);
        return r < 0 ? r : going;
}

static int stop(struct tx *tx, int64_t model, const char *why, const char **ret, struct err *err) {
        int r = w_refresh_all_set_stopped(
                tx, &(struct w_refresh_all_set_stopped_in){ .model_id = model, .stopped = why },
                err);

        *ret = why;
        return r < 0 ? r : 0;
}

/* *RET (the transaction's): the action of its that wants it for itself; NULL: none runs. */
static int find_action(struct tx *tx, const struct q_refresh_all_part_list_row *part,
                       const char **ret, struct err *err) {
        struct q_application_row *a;
        struct q_refresh_row *f;
        struct err why = {};
        size_t n;
        int r = q_application_by_id(
                tx, &(struct q_application_by_id_in){ .id = part->application_id }, &a, &n, err);

        *ret = NULL;
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        r = refresh_find(tx, a->id, &f, err);
        if (r < 0)
                return r;
        r = refresh_check_quiet(tx, a, f, &why);
        if (r == -EBUSY) {
                *ret = tx_format(tx, "%s", err_text(&why));
                return 0;
        }
        return r < 0 ? err_set(err, r, "%s", err_text(&why)) : 0;
}

/* 1: the next one may follow at once. What waits for an action is begun when that ends. */
static int begin(struct tx *tx, struct beginning *b, const char **ret_stopped, struct err *err) {
        bool back = str_eq(b->order->state, "back");
        const char *action;
        struct err why = {};
        int r = find_action(tx, b->part, &action, err);

        if (r < 0 || action)
                return r < 0 ? r : 0;
        r = tx_try(tx, back ? begin_back : begin_forward, b, &why);
        if (r < 0)
                return stop(tx, b->order->model_id,
                            tx_format(tx, "%s cannot be %s: %s", b->part->application,
                                      back ? "brought back" : "refreshed", err_text(&why)),
                            ret_stopped, err);
        r = settle(tx, b, err);
        return r < 0 ? r : r == 0;
}

/* ---- one ended */

/* 1: CURRENT is over. */
static int end_current(struct tx *tx, const struct q_refresh_all_row *o,
                       const struct q_refresh_all_part_list_row *current, const char **ret_stopped,
                       struct err *err) {
        bool back = str_eq(current->state, "back");
        struct q_refresh_row *f;
        int r = refresh_find(tx, current->application_id, &f, err);
        enum refresh_stage stage = f && r >= 0 ? refresh_stage_find(f->stage) : REFRESH_STAGE_MAX;

        if (r < 0 || !refresh_is_over(stage))
                return r < 0 ? r : 0;
        r = refresh_all_set(tx, current->application_id,
                            stage == REFRESH_ROLLED_BACK ? "rolled-back" : "done", err);
        if (r >= 0 && stage == REFRESH_ROLLED_BACK && !back)
                r = stop(tx, o->model_id,
                         tx_format(tx, "%s was brought back by a person", current->application),
                         ret_stopped, err);
        return r < 0 ? r : 1;
}

static int finish(struct tx *tx, const struct q_refresh_all_row *o, struct err *err) {
        int r = w_refresh_all_set_state(
                tx,
                &(struct w_refresh_all_set_state_in){
                        .model_id = o->model_id,
                        .state = str_eq(o->state, "back") ? "rolled-back" : "done",
                        .accept_loss = o->accept_loss,
                        .ended_at = tx_now(tx) },
                err);

        return r < 0 ? r : 0;
}

/* 1: look again. */
static int step(struct tx *tx, const struct refresh_all_turn *t, const struct q_model_row *model,
                const char **ret_stopped, struct err *err) {
        struct beginning b = { .turn = t, .model = model };
        struct picking k = { 0 };
        struct q_refresh_all_row *o;
        int r = refresh_all_find(tx, model->id, &o, err);

        if (r < 0 || !o || refresh_all_is_over(o) || o->stopped)
                return r < 0 ? r : 0;
        k.back = str_eq(o->state, "back");
        r = refresh_all_each(tx, model->id, pick, &k, err);
        if (r < 0)
                return r;
        if (k.current.application)
                return end_current(tx, o, &k.current, ret_stopped, err);
        if (!k.next.application)
                return finish(tx, o, err);
        b.order = o;
        b.part = &k.next;
        return begin(tx, &b, ret_stopped, err);
}

int refresh_all_advance(struct tx *tx, const struct refresh_all_turn *t, int64_t model,
                        const char **ret_stopped, struct err *err) {
        struct q_model_row *row;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &row, &n, err);

        *ret_stopped = NULL;
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        do
                r = step(tx, t, row, ret_stopped, err);
        while (r > 0);
        return r;
}

int refresh_all_ended(struct tx *tx, const struct refresh_all_turn *t, int64_t application,
                      const char **ret_stopped, struct err *err) {
        struct q_refresh_all_part_row *part;
        size_t n;
        int r = q_refresh_all_part_get(
                tx, &(struct q_refresh_all_part_get_in){ .application_id = application }, &part, &n,
                err);

        *ret_stopped = NULL;
        return r < 0 || n == 0 ? r : refresh_all_advance(tx, t, part->model_id, ret_stopped, err);
}

int refresh_all_waits(struct tx *tx, const struct q_refresh_all_row *o, const char **ret,
                      struct err *err) {
        struct picking k = { .back = str_eq(o->state, "back") };
        int r;

        *ret = NULL;
        if (refresh_all_is_over(o) || o->stopped)
                return 0;
        r = refresh_all_each(tx, o->model_id, pick, &k, err);
        if (r < 0 || k.current.application || !k.next.application)
                return r;
        return find_action(tx, &k.next, ret, err);
}

void refresh_all_say_stopped(const char *model, const char *application, const char *why) {
        log_event(LOG_ERR, "refresh",
                  (struct log_field[]){ { "MODEL", model }, { "APPLICATION", application }, {} },
                  "refresh --all of model %s is stopped: %s; mooringctl resume --all, or rollback "
                  "--all",
                  model, why);
}

/* ---- what goes */

int refresh_all_leave(struct tx *tx, const struct q_application_row *a, struct err *err) {
        struct q_refresh_all_part_get_in in = { .application_id = a->id };
        struct q_refresh_all_part_row *part;
        const char *told;
        size_t n;
        int r = q_refresh_all_part_get(tx, &in, &part, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        if (str_eq(part->state, "going") || str_eq(part->state, "back"))
                r = stop(tx, a->model_id, tx_format(tx, "%s was removed", a->name), &told, err);
        if (r >= 0)
                r = w_refresh_all_part_delete(
                        tx, &(struct w_refresh_all_part_delete_in){ .application_id = a->id }, err);
        return r < 0 ? r : 0;
}

int refresh_all_forget(struct tx *tx, int64_t model, struct err *err) {
        int r = w_refresh_all_part_delete_model(
                tx, &(struct w_refresh_all_part_delete_model_in){ .model_id = model }, err);

        if (r >= 0)
                r = w_refresh_all_delete(tx, &(struct w_refresh_all_delete_in){ .model_id = model },
                                         err);
        return r < 0 ? r : 0;
}
