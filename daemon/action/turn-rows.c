/* SPDX-License-Identifier: Apache-2.0 */
/* turn-rows.c - the journal: reading where an operation is, writing what its step said, and how
 * what it asked for ended; all on the store's threads */
#include "turn.h"

#include "command.h"
#include "log.h"
#include "lookup.h"
#include "metric.h"
#include "operation-hold.h"
#include "refresh-all.h"

#include <errno.h>
#include <stdlib.h>

#define REMOVE_MS 300000 /* of what it applied; then they are leftovers */

/* ---- reading */

void turn_rows_clear(struct turn_rows *r) {
        free(r->model);
        free(r->application);
        free(r->action);
        free(r->unit);
        free(r->charm_sha256);
        free(r->key);
        free(r->step);
        free(r->ending);
        free(r->message);
        free(r->cancelled_by);
        free(r->held);
        free(r->outcome);
        free(r->error);
        json_decref(r->params);
        json_decref(r->state);
        json_decref(r->results);
        json_decref(r->steps);
        json_decref(r->ask);
        json_decref(r->told);
        *r = (struct turn_rows){};
}

static int parse(const char *text, json_t **ret, struct err *err) {
        return *text ? json_parse(text, strlen(text), ret, err) : 0;
}

static int copy(struct turn_rows *to, const struct q_operation_row *o, struct err *err) {
        int r;

        *to = (struct turn_rows){ .live = o->live,
                                  .cleanup = o->cleanup,
                                  .asked = o->asked,
                                  .model_id = o->model_id,
                                  .application_id = o->application_id,
                                  .turn = o->turn,
                                  .logged = o->logged,
                                  .step_at = o->step_at,
                                  .deadline_at = o->deadline_at,
                                  .deadline_ms = o->deadline_ms,
                                  .held_at = o->held_at_null ? 0 : o->held_at,
                                  .model = str_dup(o->model),
                                  .application = str_dup(o->application),
                                  .action = str_dup(o->action),
                                  .unit = str_dup(o->unit),
                                  .charm_sha256 = str_dup(o->charm_sha256),
                                  .key = str_dup(o->key),
                                  .step = str_dup(o->step),
                                  .ending = str_dup(o->ending),
                                  .message = str_dup(o->message),
                                  .cancelled_by = str_dup(o->cancelled_by) };
        r = parse(o->params, &to->params, err);
        if (r >= 0)
                r = parse(o->state, &to->state, err);
        if (r >= 0)
                r = parse(o->steps, &to->steps, err);
        return r < 0 ? r : parse(o->results, &to->results, err);
}

static int read_turn(struct tx *tx, struct turn *t, struct err *err) {
        struct turn_rows *rows = &t->reading;
        struct q_operation_turn_row *row;
        size_t n;
        int r = q_operation_turn_get(
                tx, &(struct q_operation_turn_get_in){ .operation_id = t->id, .seq = rows->turn },
                &row, &n, err);

        if (r < 0 || !n)
                return r < 0 ? r
                             : err_set(err, -EUCLEAN, "operation %lld has no turn %lld",
                                       (long long)t->id, (long long)rows->turn);
        rows->outcome = str_dup(row->outcome);
        rows->error = str_dup(row->error);
        rows->asked_at = row->asked_at;
        rows->ask_deadline_at = row->deadline_at;
        rows->ask_ended_at = row->ended_at_null ? 0 : row->ended_at;
        r = parse(row->ask, &rows->ask, err);
        return r < 0 ? r : parse(row->told, &rows->told, err);
}

static int read_held(struct tx *tx, struct turn *t, const struct q_operation_row *o,
                     struct err *err) {
        struct operation_held held;
        int r = operation_held(
                tx, &(struct operation_subject){ o->model_id, o->application_id, o->during_freeze },
                &held, err);
        const char *text = r < 0 ? NULL : operation_held_text(tx, &held);

        t->reading.held = text ? str_dup(text) : NULL;
        return r;
}

int turn_rows_read(struct tx *tx, struct store_call *c, struct err *err) {
        struct turn *t = c->arg;
        struct q_operation_row *row;
        size_t n;
        int r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = t->id }, &row, &n, err);

        turn_rows_clear(&t->reading);
        if (r < 0 || !n)
                return r;
        r = copy(&t->reading, row, err);
        if (r >= 0 && row->asked)
                r = read_turn(tx, t, err);
        return r < 0 ? r : read_held(tx, t, row, err);
}

/* ---- what a step said */

static int add_log(struct tx *tx, struct turn *t, int64_t *logged, const char *text,
                   struct err *err) {
        return w_operation_log_insert(
                tx,
                &(struct w_operation_log_insert_in){
                        .operation_id = t->id, .seq = ++*logged, .at = tx_now(tx), .text = text },
                err);
}

static int add_logs(struct tx *tx, struct turn *t, int64_t *logged, struct err *err) {
        size_t i;
        json_t *line;
        int r = 0;

        json_array_foreach(t->said ? t->said->log : NULL, i, line)
                if (r >= 0 && *logged < TURN_LOG_MAX)
                        r = add_log(tx, t, logged,
                                    *logged < TURN_LOG_MAX - 1
                                            ? json_string_value(line)
                                            : "(as many lines as are kept: later ones are not)",
                                    err);
        return r;
}

static int add_turn(struct tx *tx, const struct turn *t, int64_t seq, const char *step,
                    const json_t *what, int64_t ms, struct err *err) {
        cleanup_(freep) char *ask = json_text(what);

        return w_operation_turn_insert(
                tx,
                &(struct w_operation_turn_insert_in){ .operation_id = t->id,
                                                      .seq = seq,
                                                      .step = step,
                                                      .ask = ask,
                                                      .asked_at = tx_now(tx),
                                                      .deadline_at = tx_now(tx) + ms },
                err);
}

static int may_ask(struct tx *tx, const struct turn *t, const json_t *ask, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        const struct meta_action *action = NULL;
        int r = ask_check(ask, err);

        if (r < 0 || !(json_get(ask, "verb") || json_get(ask, "options")))
                return r; /* others need nothing of charm.yaml */
        r = lookup_charm(tx, t->rows.charm_sha256, &meta, err);
        if (r >= 0)
                r = charm_meta_options_asked(meta, ask, err);
        if (r >= 0 && meta)
                action = charm_meta_action(meta, t->rows.action);
        return r >= 0 && action ? charm_meta_action_asks(action, ask, err) : r;
}

static int add_asked(struct tx *tx, const struct turn *t, int64_t seq, struct err *err) {
        const struct step *s = t->said;

        return add_turn(tx, t, seq, s->name, s->ask,
                        MAX_OF(s->deadline_s * 1000, ask_least_ms(s->ask)), err);
}

/* What it may not ask for is a mistake of its charm, and in no row: the step has failed. */
static int check_ask(struct tx *tx, struct turn *t, struct err *err) {
        struct err why = {};
        int r = t->said && t->said->ask ? may_ask(tx, t, t->said->ask, &why) : 0;

        if (r >= 0)
                return 0;
        if (r != -EINVAL && r != -EPERM)
                return err_set(err, r, "%s", err_text(&why));
        str_set(&t->said->fail, err_text(&why));
        json_decref(take_ptr(t->said->ask));
        return 0;
}

/* What the row will be. */
struct change {
        const char *step, *ending, *message;
        bool cleanup, asked, over;
        int64_t turn;
};

/* From here on only what cleans up is called. */
static void clean_up(struct change *c, const char *ending, const char *message) {
        c->step = "";
        c->cleanup = true;
        c->asked = false;
        c->ending = ending;
        c->message = message;
}

/* BEFORE and WHY in one text, cut where they are long, at whole letters: else it would be no JSON
 * any more. */
static const char *both(struct tx *tx, const char *before, const char *why) {
        char *text = tx_format(tx, "%.300s%scleaning up: %.300s", before, *before ? "; " : "", why);

        return str_make_utf8(text);
}

/* A step that cleans up has failed: the others are still called. */
static void go_on_cleaning(struct tx *tx, const struct turn *t, struct change *c, const char *step,
                           const char *why) {
        c->message = both(tx, c->message, tx_format(tx, "step %s: %s", step, why));
        if (str_eq(c->ending, "completed"))
                c->ending = "failed";
        c->asked = false;
        if (t->said && t->said->after)
                c->step = t->said->after;
        else
                c->over = true;
}

static void take_failure(struct tx *tx, const struct turn *t, struct change *c, const char *step,
                         const char *why) {
        if (c->cleanup)
                return go_on_cleaning(tx, t, c, step, why);
        clean_up(c, "failed", tx_format(tx, "step %s: %s", step, why));
}

static void decide(struct tx *tx, const struct turn *t, struct change *c) {
        const struct step *s = t->said;

        if (turn_objects_removing(t)) {
                c->over = true;
        } else if (t->leaves_out && t->skips < CHARM_STEPS_MAX) {
                c->ending = t->ends_as;
                c->message = both(tx, c->message, t->ends_why);
                c->asked = false;
        } else if (t->ends_as && (c->cleanup || str_eq(t->ends_as, "aborted"))) {
                c->over = true;
                c->ending = t->ends_as;
                c->message = c->cleanup ? both(tx, c->message, t->ends_why) : t->ends_why;
        } else if (t->ends_as) {
                clean_up(c, t->ends_as, t->ends_why);
        } else if (s->fail) {
                take_failure(tx, t, c, s->name, s->fail);
        } else if (s->ask) {
                c->step = s->name;
                c->turn++;
                c->asked = true;
        } else if (s->next) {
                c->step = s->next;
                c->asked = false;
        } else if (c->cleanup) {
                c->over = true;
        } else {
                clean_up(c, "completed", "");
        }
}

/* Those of before, and what was said now. */
static json_t *all_results(const struct turn *t) {
        json_t *all = json_deep_copy(t->rows.results);

        if (t->said)
                json_object_update(all, t->said->results);
        return all;
}

static int save(struct tx *tx, struct turn *t, const struct change *c, int64_t logged,
                struct err *err) {
        cleanup_(json_freep) json_t *results = all_results(t);
        cleanup_(freep) char *results_text = json_text(results),
                             *state = json_text(t->said ? t->said->state : t->rows.state),
                             *steps = json_text(t->said ? t->said->steps : t->rows.steps);
        bool moved = !str_eq(c->step, t->rows.step) || c->cleanup != t->rows.cleanup;

        if (strlen(results_text) > CHARM_RESULTS_MAX)
                return err_set(err, -E2BIG, "results of %zu bytes, at most %u are kept",
                               strlen(results_text), CHARM_RESULTS_MAX);
        return w_operation_set_turn(tx,
                                    &(struct w_operation_set_turn_in){
                                            .id = t->id,
                                            .step = c->step,
                                            .cleanup = c->cleanup,
                                            .turn = c->turn,
                                            .asked = c->asked,
                                            .state = state,
                                            .results = results_text,
                                            .logged = logged,
                                            .ending = c->ending,
                                            .message = c->message,
                                            .steps = steps,
                                            .step_at = moved ? tx_now(tx) : t->rows.step_at },
                                    err);
}

/* What cleans up has as much time as the action had. */
static int begin_cleanup(struct tx *tx, const struct turn *t, struct err *err) {
        int r = w_operation_set_deadline(
                tx,
                &(struct w_operation_set_deadline_in){
                        .id = t->id, .deadline_at = tx_now(tx) + t->rows.deadline_ms },
                err);

        return r < 0 ? r : 0;
}

/* What a refresh --all has waited with for this end. */
static int refresh_next(struct tx *tx, struct turn *t, struct err *err) {
        const struct refresh_all_turn turn = { t->of->options.sealer, t->of->options.audit };
        const char *stopped;
        int r = refresh_all_ended(tx, &turn, t->rows.application_id, &stopped, err);

        str_set(&t->refresh_stopped, r < 0 ? NULL : stopped);
        return r < 0 ? r : 0;
}

static int end(struct tx *tx, struct turn *t, const struct change *c, struct err *err) {
        struct q_operation_row *row;
        size_t n;
        int r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = t->id }, &row, &n, err);

        if (r < 0 || !n)
                return r;
        r = command_operation_end(tx, row, c->ending, c->message, err);
        return r < 0 ? r : refresh_next(tx, t, err);
}

/* Before it is over; or that is over too. */
static int remove_objects(struct tx *tx, const struct turn *t, struct change *c, struct err *err) {
        cleanup_(json_freep) json_t *ask = NULL;
        int r;

        if (turn_objects_removing(t))
                return str_eq(t->rows.outcome, "done") ? 0 : turn_objects_left(tx, t, err);
        r = turn_objects_ask(tx, t, &ask, err);
        if (r < 0 || !ask)
                return r;
        c->over = false;
        c->cleanup = c->asked = true;
        return add_turn(tx, t, ++c->turn, c->step, ask, REMOVE_MS, err);
}

int turn_rows_said(struct tx *tx, struct store_call *call, struct err *err) {
        struct turn *t = call->arg;
        struct change c = { .step = t->rows.step,
                            .ending = t->rows.ending,
                            .message = t->rows.message,
                            .cleanup = t->rows.cleanup,
                            .asked = t->rows.asked,
                            .turn = t->rows.turn };
        int64_t logged = t->rows.logged;
        int r = check_ask(tx, t, err);

        if (r >= 0)
                r = add_logs(tx, t, &logged, err);
        decide(tx, t, &c);
        if (r >= 0 && t->said && t->said->ask && !t->ends_as)
                r = add_asked(tx, t, c.turn, err);
        if (r >= 0 && c.over)
                r = remove_objects(tx, t, &c, err);
        if (r >= 0)
                r = save(tx, t, &c, logged, err);
        if (r >= 0 && c.cleanup && !t->rows.cleanup)
                r = begin_cleanup(tx, t, err);
        if (r >= 0 && c.over)
                r = end(tx, t, &c, err);
        return r < 0 ? r : 0;
}

/* ---- how what it asked for ended */

int turn_rows_ended(struct tx *tx, struct store_call *call, struct err *err) {
        struct turn *t = call->arg;
        cleanup_(freep) char *told = t->told ? json_text(t->told) : str_dup("");
        struct w_operation_turn_end_in in = { .operation_id = t->id,
                                              .seq = t->rows.turn,
                                              .outcome = outcome_name(t->outcome),
                                              .error = t->outcome == OUTCOME_DONE
                                                               ? ""
                                                               : err_text(&t->err),
                                              .told = told,
                                              .ended_at = tx_now(tx) };
        int r = w_operation_turn_end(tx, &in, err);

        return r < 0 ? r : 0;
}

/* ---- what holds it */

static int end_hold(struct tx *tx, const struct turn *t, struct err *err) {
        int64_t ms = MAX_OF(tx_now(tx) - t->rows.held_at, 0);
        int r = w_operation_set_free(tx, &(struct w_operation_set_free_in){ .id = t->id, .ms = ms },
                                     err);

        if (r >= 0)
                r = w_operation_turn_later(
                        tx, &(struct w_operation_turn_later_in){ .operation_id = t->id, .ms = ms },
                        err);
        return r < 0 ? r : 0;
}

int turn_rows_held(struct tx *tx, struct store_call *call, struct err *err) {
        const struct turn *t = call->arg;
        int r;

        if (!t->rows.held)
                return end_hold(tx, t, err);
        r = w_operation_set_held(
                tx, &(struct w_operation_set_held_in){ .id = t->id, .held_at = tx_now(tx) }, err);
        return r < 0 ? r : 0;
}
