/* SPDX-License-Identifier: Apache-2.0 */
/* resource-save.c - writes down how an operation on a resource ended
 *
 * The reconciler's writes wait together and are committed in groups, so a first convergence of
 * thousands of objects costs a few commits. The run may be repeated: it touches only the
 * job, which is nobody else's while it is out. */
#include "reconcile-internal.h"

#include "command.h"
#include "queries.gen.h"

#include <errno.h>

#define PATIENT_IN_FLIGHT 8 /* operations that are out: the group is full before its time is over */

/* What was begun anew because a person gave its data up is not repaired. */
static bool is_accepted(const struct resource_job *j) {
        return j->row.data && j->row.accepted_loss;
}

/* Only data can have been lost, and what we made ourselves is not what was there: of all else the
 * line need not be read. */
static int find_outcome(struct tx *tx, const struct resource_job *j, const char **ret,
                        struct err *err) {
        bool loss = false;
        int r = 0;

        if (j->row.data && !j->row.accepted_loss && !j->op.created)
                r = ledger_is_loss(tx, j->drift_line, &loss, err);
        if (r < 0)
                return r;
        *ret = drift_outcome_name(is_accepted(j) ? DRIFT_ACCEPTED
                                  : loss         ? DRIFT_RESTORED
                                                 : DRIFT_REPAIRED);
        return 0;
}

static int close_line(struct tx *tx, const struct resource_job *j, struct err *err) {
        struct w_drift_close_in in = { .id = j->drift_line, .repaired_at = tx_now(tx) };
        int r = find_outcome(tx, j, &in.outcome, err);

        if (r >= 0)
                r = w_drift_close(tx, &in, err);
        if (r < 0 || !j->op.took_over)
                return r;
        return w_drift_set_action(
                tx,
                &(struct w_drift_set_action_in){
                        .id = j->drift_line,
                        .action = tx_format(tx, "repair, took over items of %s", j->op.took_over) },
                err);
}

/* Of what stood nothing is left: all was declared anew. */
static int close_standing(struct tx *tx, const struct resource_job *j, struct err *err) {
        return w_drift_close_open(
                tx,
                &(struct w_drift_close_open_in){ .resource_id = j->id,
                                                 .outcome = drift_outcome_name(DRIFT_REPAIRED),
                                                 .repaired_at = tx_now(tx) },
                err);
}

static int save_mended(struct tx *tx, struct resource_job *j, struct err *err) {
        int r = w_resource_set_mended(
                tx,
                &(struct w_resource_set_mended_in){ .id = j->id,
                                                    .version = j->version,
                                                    .state = "applied",
                                                    .outcome = outcome_name(OUTCOME_DONE),
                                                    .applied_at = tx_now(tx) },
                err);

        return r < 0 || !j->drift_line ? r : close_line(tx, j, err);
}

/* One that may have held secrets which this one does not. Storage that was taken back had its
 * secrets before it had a document. */
static bool has_document_before(const struct resource_job *j) {
        return j->generation > 1 || j->row.data;
}

static int save_applied(struct tx *tx, struct resource_job *j, struct err *err) {
        cleanup_(freep) char *kept = j->kept_names ? json_text(j->kept_names) : str_dup("[]");
        cleanup_(buf_free) struct buf text = BUF_INIT;
        struct w_resource_set_applied_in in = {
                .id = j->id,
                .applied_generation = j->generation,
                .incarnation = j->row.incarnation,
                .version = j->version,
                .made = j->op.created || j->row.made,
                .state = "applied",
                .reason = "",
                .outcome = outcome_name(OUTCOME_DONE),
                .applied_at = tx_now(tx),
                .kept = kept,
                .unwritten = j->unwritten,
        };
        uint8_t baseline[DIGEST_SIZE];
        int k;

        if (j->outputs_valid) {
                in.outputs = j->outputs;
                in.outputs_len = DIGEST_SIZE;
        }
        if (j->op.fields) {
                k = tx_cache_put(tx, j->op.fields, strlen(j->op.fields), j->fields, err);
                if (k < 0)
                        return k;
                in.fields = j->fields;
                in.fields_len = DIGEST_SIZE;
        }
        if (j->op.baseline) {
                json_canonical(j->op.baseline, &text);
                k = tx_cache_put(tx, text.data, text.len, baseline, err);
                if (k < 0)
                        return k;
                in.baseline = j->op.baseline_digest;
                in.baseline_len = DIGEST_SIZE;
                in.baseline_document = baseline;
                in.baseline_document_len = DIGEST_SIZE;
        }
        k = w_resource_set_applied(tx, &in, err);
        if (k >= 0 && has_document_before(j))
                k = secret_leave(tx, j->id, j->generation, err);
        if (k >= 0 && resource_made_again(j))
                k = w_resource_set_lost(
                        tx, &(struct w_resource_set_lost_in){ .at = tx_now(tx), .id = j->id }, err);
        if (k >= 0 && j->drift_line)
                k = close_line(tx, j, err);
        return k < 0 || !j->standing ? k : close_standing(tx, j, err);
}

static int save_left(struct tx *tx, struct resource_job *j, struct err *err) {
        struct data_left left = { j->left_model, j->left_by, j->type, j->path, j->left_why };

        return data_leave(tx, &left, err);
}

static int delete_row(struct tx *tx, int64_t id, struct err *err) {
        int r = secret_leave(tx, id, SECRET_ALL_GENERATIONS, err);

        if (r >= 0)
                r = w_fight_delete_resource(
                        tx, &(struct w_fight_delete_resource_in){ .resource_id = id }, err);
        if (r >= 0)
                r = w_edge_delete_of(tx, &(struct w_edge_delete_of_in){ .resource_id = id }, err);
        if (r >= 0)
                r = w_edge_delete_to(tx, &(struct w_edge_delete_to_in){ .needs_id = id }, err);
        return r < 0 ? r : w_resource_delete(tx, &(struct w_resource_delete_in){ .id = id }, err);
}

int resource_delete_rows(struct tx *tx, int64_t id, struct err *err) {
        int r = w_drift_close_open(
                tx,
                &(struct w_drift_close_open_in){ .resource_id = id,
                                                 .outcome = drift_outcome_name(DRIFT_REMOVED),
                                                 .repaired_at = tx_now(tx) },
                err);

        return r < 0 ? r : delete_row(tx, id, err);
}

int resource_detach_rows(struct tx *tx, const struct q_resource_row *row, struct err *err) {
        return row->lost_at_null ? resource_delete_rows(tx, row->id, err)
                                 : delete_row(tx, row->id, err);
}

static int save_gone(struct tx *tx, struct resource_job *j, struct err *err) {
        int r = j->left_why ? save_left(tx, j, err) : 0;

        if (r >= 0)
                r = resource_delete_rows(tx, j->id, err);
        if (r >= 0 && j->owner)
                tx_mark(tx, MARK_APPLICATION, j->owner);
        return r;
}

bool resource_token_ends(const struct resource_job *j) {
        return j->action != ACTION_LOOK && j->op.outcome != OUTCOME_RUNNING &&
               j->op.outcome != OUTCOME_THROTTLED && j->op.outcome != OUTCOME_UNREACHABLE;
}

static int save_token(struct tx *tx, struct resource_job *j, struct err *err) {
        return w_resource_set_token(
                tx,
                &(struct w_resource_set_token_in){
                        .id = j->id,
                        .token = j->op.token,
                        .token_action = decide_action_name(j->action),
                        .token_generation = j->generation,
                        .token_outputs = j->outputs_valid ? j->outputs : NULL,
                        .token_outputs_len = j->outputs_valid ? DIGEST_SIZE : 0,
                        .state = decide_state_name(j->action == ACTION_REMOVE ? STATE_REMOVING
                                                                              : STATE_APPLYING),
                        .outcome = outcome_name(OUTCOME_RUNNING) },
                err);
}

/* What the last operation ended with, for status after a restart, and a long-running operation's
 * token. */
static int save_failed(struct tx *tx, struct resource_job *j, struct err *err) {
        bool running = j->op.outcome == OUTCOME_RUNNING;
        struct w_resource_set_state_in in = {
                .id = j->id,
                .state = decide_state_name(decide_state_after(j->op.outcome)),
                .reason = err_text(&j->op.err),
                .outcome = outcome_name(j->op.outcome),
                .tries = running ? 0 : j->tries + 1,
        };
        int r = w_resource_set_state(tx, &in, err);

        if (r >= 0 && running)
                return save_token(tx, j, err);
        if (r < 0 || !j->token[0] || !resource_token_ends(j))
                return r;
        return w_resource_drop_token(tx, &(struct w_resource_drop_token_in){ .id = j->id }, err);
}

static int save_removed(struct tx *tx, struct resource_job *j, struct err *err) {
        struct q_resource_row *row;
        size_t n;
        int r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = j->id }, &row, &n, err);

        if (r < 0 || n == 0)
                return r;
        if (str_eq(row->life, "dying"))
                return w_resource_drop_token(tx, &(struct w_resource_drop_token_in){ .id = j->id },
                                             err);
        return w_resource_set_removed(tx, &(struct w_resource_set_removed_in){ .id = j->id }, err);
}

int resource_save_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct resource_job *j = c->arg;
        int r;

        if (j->action == ACTION_FORGET)
                r = save_gone(tx, j, err);
        else if (j->action == ACTION_APPLY && j->op.outcome == OUTCOME_DONE)
                r = j->part ? save_mended(tx, j, err) : save_applied(tx, j, err);
        else if (j->action == ACTION_REMOVE &&
                 (j->op.outcome == OUTCOME_DONE || j->op.outcome == OUTCOME_GONE))
                r = save_removed(tx, j, err);
        else
                r = save_failed(tx, j, err);
        return r < 0 ? r : resource_audit(tx, j, err);
}

void resource_save(struct resource_job *j,
                   void (*done)(struct store_call *c, int r, const struct err *err)) {
        j->call.name = "resource saved";
        j->call.run = resource_save_run;
        j->call.done = done;
        /* In a convergence of thousands the next to be written is under way, and nothing else
         * waits for this row. */
        j->call.patient = j->action == ACTION_APPLY && j->op.outcome == OUTCOME_DONE &&
                          j->rec->in_flight >= PATIENT_IN_FLIGHT;
        if (j->op.kept)
                secret_take(j);
        store_submit(j->rec->options.store, &j->call);
}

/* A pause or a freeze that was acknowledged, and that the loop may not have read yet. */
static int check_stops(struct tx *tx, const struct resource_job *j, int64_t model,
                       const struct q_application_row *a, struct err *err) {
        struct q_model_row *m;
        struct rules *rules = NULL;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &m, &n, err);
        bool stopped;

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        r = rules_load_freezes(tx, model, &rules, err);
        if (r < 0)
                return r;
        stopped = !m->paused_at_null || (a && !a->paused_at_null) ||
                  rules_frozen(rules, a ? a->name : NULL) || rules_paused(rules, j->type, j->path);
        rules_free(rules);
        return stopped ? err_set(err, -EBUSY, "it was paused or frozen just now") : 0;
}

static int check_let(struct tx *tx, const struct resource_job *j, struct err *err) {
        struct q_resource_row *row;
        struct q_application_row *a = NULL;
        size_t n, known = 0;
        int r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = j->id }, &row, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        if (!row->owner_id_null)
                r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = row->owner_id },
                                        &a, &known, err);
        if (r < 0)
                return r;
        return check_stops(tx, j, known ? a->model_id : row->model_id, known ? a : NULL, err);
}

static int let_delete_run(struct tx *tx, struct store_call *c, struct err *err) {
        const struct resource_job *j = c->arg;
        int r = check_let(tx, j, err);

        if (r < 0)
                return r;
        r = w_resource_let_delete(
                tx, &(struct w_resource_let_delete_in){ .delete_at = tx_now(tx), .id = j->id },
                err);
        if (r == 0)
                return err_set(err, -EBUSY, "it is kept after all");
        return r < 0 ? r : 0;
}

void resource_let_delete(struct resource_job *j,
                         void (*done)(struct store_call *c, int r, const struct err *err)) {
        j->call.name = "resource let go";
        j->call.run = let_delete_run;
        j->call.done = done;
        store_submit(j->rec->options.store, &j->call);
}
