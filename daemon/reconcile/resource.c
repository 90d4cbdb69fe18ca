/* SPDX-License-Identifier: Apache-2.0 */
/* resource.c - one resource from dirty to in place
 *
 *   dirty ──▶ (stale? read the row) ──▶ decide ──▶ nothing: remember state and reason
 *                                        ├─▶ drift: a line in the ledger, committed first ─┐
 *                                        ├─▶ apply, look, remove: one operation ──▶ save ──┴▶ again
 *                                        └─▶ wait, block: say why; woken later
 *
 * Called by the queue (resource_handle) and by providers (resource_observed). While an operation
 * is out, observations are kept and not decided on: one that is newer than the operation's
 * answer is looked at again, because its digest was taken with the field set from before. */
#include "reconcile-internal.h"

#include "tally.h"

#include "clock.h"
#include "log.h"
#include "metric.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

#define HELD_UP_MS 1000 /* whether what holds up a removal stays after all tells nobody */

static void step(struct reconcile *rec, struct world_resource *r);
static void on_loaded(struct store_call *c, int k, const struct err *err);

static struct metric operations = { .name = "mooring_operations_total",
                                    .help = "Operations on the outside that ended, by what was "
                                            "done and its outcome",
                                    .type = METRIC_COUNTER,
                                    .labels = { { "action" }, { "outcome" } } };

static const double repair_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,  1, 2.5,
                                        5,     10,   30,    60,   300, 900,  3600, 0 };
static struct metric repairs = { .name = "mooring_drift_repair_seconds",
                                 .help = "From the time that drift was seen until the outside "
                                         "accepted its repair",
                                 .type = METRIC_HISTOGRAM,
                                 .bounds = repair_bounds };

/* ---- operations */

static void finish(struct resource_job *j, bool again) {
        struct reconcile *rec = j->rec;
        struct world_resource *r = world_resource(&rec->world, j->id);

        if (r) {
                r->busy = false;
                tally_resource(&rec->world, r);
        }
        queue_done(rec->queue, KEY_RESOURCE, j->id);
        if (again)
                queue_add(rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE);
        resource_job_free(j);
}

static void release_target(struct resource_job *j) {
        struct world_target *t = world_target(&j->rec->world, j->target);

        if (!j->busy_op)
                return;
        j->busy_op = false;
        queue_yield(j->rec->queue, KEY_RESOURCE, j->id);
        j->rec->in_flight--;
        if (t)
                t->in_flight--;
}

/* The outside has it and our row does not know: what was done is kept until it is written, for
 * doing it again could do it twice. */
static void save_later(struct resource_job *j, struct world_resource *r, const struct err *err) {
        bool passes = err->code == -EROFS || err->code == -EBUSY || err->code == -ENOSPC;

        log_plain(LOG_WARNING, "save", "resource %lld: %s", (long long)j->id, err_text(err));
        r->busy = false;
        queue_failed(j->rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE);
        if (passes) {
                r->unsaved = j;
                return;
        }
        r->stale = true; /* its row is other than we thought: wanted again, say */
        if (!r->removal)
                r->removal = take_ptr(j->removal);
        tally_resource(&j->rec->world, r);
        resource_job_free(j);
}

static void save_again(struct world_resource *r) {
        struct resource_job *j = take_ptr(r->unsaved);

        r->busy = true;
        resource_save(j, j->call.done);
}

static void on_saved(struct store_call *c, int k, const struct err *err) {
        struct resource_job *j = c->arg;
        struct world_resource *r = world_resource(&j->rec->world, j->id);

        if (k < 0 && r)
                return save_later(j, r, err);
        if (j->action == ACTION_FORGET && r) {
                resource_changed(j->rec, r);
                world_resource_drop(&j->rec->world, r);
                return finish(j, false);
        }
        finish(j, true); /* decided once more: now it is in place, and says so */
}

/* The answer of an accepted apply: from now on this is the baseline. */
static void take_baseline(struct resource_job *j, struct world_resource *r) {
        struct world_target *t = world_target(&j->rec->world, r->target);
        bool overtaken = resource_overtaken(r, &j->op) || world_see_more(r, j->see);
        cleanup_(buf_free) struct buf old = BUF_INIT;
        struct err err = { 0 };

        r->row.applied_generation = j->generation;
        r->row.made |= j->op.created;
        r->row.lost |= resource_made_again(j);
        r->row.applied_at = clock_wall();
        r->row.outcome = OUTCOME_DONE;
        r->row.running = ACTION_NONE;
        r->row.outputs_valid = j->outputs_valid;
        memcpy(r->row.outputs, j->outputs, DIGEST_SIZE);
        r->row.baseline_valid = j->op.baseline != NULL;
        memcpy(r->row.baseline, j->op.baseline_digest, DIGEST_SIZE);
        /* Made where data was lost a moment ago it is another one, which a person accepts. */
        if (!resource_made_again(j) || j->row.remake)
                str_copy(r->row.incarnation, sizeof(r->row.incarnation), j->op.seen.incarnation);
        /* The observation moves into the world below; the save still needs these. */
        str_copy(j->row.incarnation, sizeof(j->row.incarnation), r->row.incarnation);
        str_copy(j->version, sizeof(j->version), j->op.seen.version);
        r->tries = 0;
        r->retry_at = 0;
        r->interest.baseline = r->row.baseline_valid ? r->row.baseline : NULL;
        if (j->op.fields) {
                digest_sha256(j->op.fields, strlen(j->op.fields), j->fields);
                if (world_set_fields(&j->rec->world, r, t->provider, j->fields, j->op.fields,
                                     &err) < 0)
                        reconcile_log(LOG_ERR, "field-set", j->rec, r, "%s", err_text(&err));
        }
        observation_move(&r->seen, &j->op.seen);
        resource_mark_filled(j->rec, r);
        if (overtaken) /* and its digest was taken with the field set from before */
                resource_look_again(r);
}

/* Of an apply that left some of what differs as it is: field set and baseline stay. */
static void take_part(struct resource_job *j, struct world_resource *r) {
        bool overtaken = resource_overtaken(r, &j->op) || world_see_more(r, j->see);

        r->row.applied_at = clock_wall();
        r->row.outcome = OUTCOME_DONE;
        r->row.running = ACTION_NONE;
        r->tries = 0;
        r->retry_at = 0;
        str_copy(j->version, sizeof(j->version), j->op.seen.version);
        observation_move(&r->seen, &j->op.seen);
        if (overtaken)
                resource_look_again(r);
}

static void take_whole(struct resource_job *j, struct world_resource *r) {
        resource_note_unwritten(j, r);
        take_baseline(j, r);
        ledger_forget_standing(j->rec, r);
        json_decref(r->kept);
        r->kept = json_incref(j->kept_names);
}

static void log_outcome(struct resource_job *j, struct world_resource *r) {
        size_t i;
        json_t *text;

        json_array_foreach(j->op.warnings, i, text)
                reconcile_log(LOG_WARNING, "server-warning", j->rec, r, "%s %s: %s", r->type,
                              r->path, json_string_value(text));
        if (j->op.took_over)
                reconcile_log(LOG_NOTICE, "took-over", j->rec, r, "%s %s: took over fields of %s",
                              r->type, r->path, j->op.took_over);
        if (j->op.outcome != OUTCOME_DONE && j->op.outcome != OUTCOME_RUNNING &&
            j->op.outcome != OUTCOME_GONE && r->tries <= 1)
                reconcile_log(LOG_WARNING, "operation", j->rec, r, "%s %s: %s: %s", r->type,
                              r->path, outcome_name(j->op.outcome), err_text(&j->op.err));
}

#define RUNNING_POLL_MS 1000 /* of an operation whose outside does not say when to ask again */

static void take_failure(struct resource_job *j, struct world_resource *r) {
        enum resource_state state = decide_state_after(j->op.outcome);

        if (j->action == ACTION_LOOK && r->state == STATE_LOST)
                state = STATE_LOST; /* that it cannot be looked at hides no loss */
        if (j->op.outcome == OUTCOME_RUNNING)
                r->row.running = j->action;
        else if (resource_token_ends(j))
                r->row.running = ACTION_NONE;
        if (!j->token[0] && j->op.outcome != OUTCOME_RUNNING && resource_token_ends(j))
                free(take_ptr(r->removal)); /* it never began: who removes it now is another */
        r->row.outcome = j->op.outcome;
        r->tries = j->op.outcome == OUTCOME_RUNNING ? 0 : r->tries + 1;
        resource_set_state(j->rec, r, r->row.dying ? STATE_REMOVING : state, err_text(&j->op.err));
}

/* It goes on outside: asked about again in time, and no failure. */
static int64_t again_later(struct resource_job *j) {
        int64_t at = j->op.again_at ? j->op.again_at : clock_mono() + RUNNING_POLL_MS;

        queue_done(j->rec->queue, KEY_RESOURCE, j->id);
        queue_add_at(j->rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE, at);
        return at;
}

static void on_failed_saved(struct store_call *c, int k, const struct err *err) {
        struct resource_job *j = c->arg;
        struct world_resource *r = world_resource(&j->rec->world, j->id);
        int64_t next;

        if (k < 0 && r && j->op.outcome == OUTCOME_RUNNING)
                return save_later(j, r, err); /* no poll before its token is committed */
        if (j->op.outcome == OUTCOME_RUNNING)
                next = again_later(j);
        else
                next = queue_failed_until(j->rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE,
                                          j->op.again_at);
        if (r) {
                bool now = r->woken && resource_may_be_over(j->op.outcome);

                r->busy = false;
                r->stale |= k < 0;
                r->retry_at = now ? 0 : next;
                if (now)
                        queue_add(j->rec->queue, KEY_RESOURCE, j->id, QUEUE_FIRST);
                r->retry_generation = r->row.wanted_generation;
                tally_resource(&j->rec->world, r);
        }
        resource_job_free(j);
}

static void note_repair(struct world_resource *r) {
        int64_t found_at = world_lines_of(r)->found_at;

        if (found_at)
                metric_observe(&repairs, NULL, (double)(clock_mono_us() - found_at) / 1e6);
        ledger_forget_drift(r);
}

static void on_applied(struct resource_job *j, struct world_resource *r) {
        if (j->op.created) { /* made anew, it was made of all that is wanted */
                j->part = false;
                json_decref(take_ptr(j->kept_names));
        }
        if (j->part)
                take_part(j, r);
        else
                take_whole(j, r);
        resource_fights_answered(j, r);
        free(take_ptr(r->release)); /* once */
        if (j->drift_line)
                note_repair(r);
        if (j->op.created)
                resource_doubt_dependants(j->rec, r);
        resource_changed(j->rec, r);
        if (r->look_again)
                queue_add(j->rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE);
        resource_save(j, on_saved);
}

static void on_removed(struct resource_job *j, struct world_resource *r) {
        observation_clear(&r->seen);
        r->seen.presence = PRESENCE_ABSENT;
        r->row.running = ACTION_NONE;
        if (r->row.dying && !r->stale && !j->token[0]) {
                resource_removal_end(j, r);
                return finish(j, true);
        }
        free(take_ptr(r->removal)); /* the save below has its row */
        r->stale = true; /* it may be wanted again: then it is made anew, and that is no drift */
        resource_save(j, on_saved);
}

static void on_op(struct op *op) {
        struct resource_job *j = op->arg;
        struct world_resource *r = world_resource(&j->rec->world, j->id);
        bool gone;

        release_target(j);
        if (op->outcome == OUTCOME_RUNNING && !op->err.text[0])
                err_set(&op->err, -EINPROGRESS, "under way outside");
        metric_add(&operations, LABELS(decide_action_name(j->action), outcome_name(op->outcome)),
                   1);
        if (!r)
                return finish(j, false);
        log_outcome(j, r);
        gone = op->outcome == OUTCOME_DONE || op->outcome == OUTCOME_GONE;
        if (j->action == ACTION_LOOK && gone) {
                resource_take_look(j, r);
                return finish(j, true);
        }
        if (j->action == ACTION_REMOVE && gone)
                return on_removed(j, r);
        if (j->action == ACTION_APPLY && op->outcome == OUTCOME_DONE)
                return on_applied(j, r);
        take_failure(j, r);
        resource_save(j, on_failed_saved);
}

json_t *resource_marks(struct reconcile *rec, const char *application,
                       const struct world_model *m) {
        json_t *marks = json_object();

        json_object_set_new(marks, "controller", json_string(rec->controller));
        if (m) {
                json_object_set_new(marks, "model", json_string(m->name));
                json_object_set_new(marks, "model-uuid", json_string(m->uuid));
        }
        if (application)
                json_object_set_new(marks, "application", json_string(application));
        return marks;
}

static json_t *marks_of(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        return resource_marks(rec, a ? a->name : NULL, resource_model(rec, r));
}

void resource_request(struct resource_job *j, struct world_resource *r) {
        const struct world_application *a = world_application(&j->rec->world, r->owner);

        j->marks = marks_of(j->rec, r);
        j->see = world_see_copy(r);
        if (j->action == ACTION_APPLY)
                resource_keep_fields(j, r, j->anew);
        j->seen_found = json_incref(r->seen.found);
        j->request = (struct apply_request){
                .type = r->type,
                .path = r->path,
                .wanted = j->document,
                .size = j->text_len,
                .marks = j->marks,
                .values = j->values,
                .own = j->own,
                .projection = r->interest.projection,
                .baseline = j->baseline,
                .incarnation = r->row.incarnation,
                .token = j->token,
                .see = (const char *const *)j->see,
                .first = !r->row.made && !r->row.applied_generation,
                .since = a ? a->created_at : 0,
                .kept = j->kept,
                .kept_count = j->kept_count,
                .found = j->seen_found,
                .flags = (r->row.adopted ? APPLY_ADOPT : 0u) |
                         (r->row.recreate == j->generation ? APPLY_RECREATE : 0u) |
                         (j->take_over ? APPLY_TAKE_OVER : 0u) | (j->part ? APPLY_PART : 0u),
        };
}

/* A document that cannot be written as it is, found before anything went out. */
static void refuse(struct resource_job *j, struct world_resource *r) {
        j->op.outcome = OUTCOME_REFUSED;
        j->op.err = j->fill_err;
        take_failure(j, r);
        resource_save(j, on_failed_saved);
}

/* A removal is tried all the same, so that --force sees that it cannot be done. */
static void not_open(struct resource_job *j, struct world_resource *r,
                     const struct world_target *t) {
        char why[256];

        outside_usable(t, why, sizeof(why));
        j->op.outcome = OUTCOME_UNREACHABLE;
        err_set(&j->op.err, -EHOSTUNREACH, "%s", why);
        take_failure(j, r);
        resource_save(j, on_failed_saved);
}

static void start_op(struct resource_job *j) {
        struct reconcile *rec = j->rec;
        struct world_resource *r = world_resource(&rec->world, j->id);
        struct world_target *t = world_target(&rec->world, r->target);

        if (rec->stopping)
                return finish(j, false);
        if (!t || !t->open)
                return not_open(j, r, t);
        if (j->fill_err.code && j->action == ACTION_APPLY)
                return refuse(j, r);
        if (!j->token[0])
                j->generation = r->row.wanted_generation;
        resource_request(j, r);
        j->op.loop = rec->options.loop;
        j->op.done = on_op;
        j->op.arg = j;
        j->busy_op = true;
        j->sent = true;
        str_copy(j->version_before, sizeof(j->version_before), r->seen.version);
        if (j->action == ACTION_REMOVE)
                resource_removal_begin(j, r);
        else if (j->action == ACTION_APPLY)
                resource_removal_take(j, r);
        r->news = r->woken = false;
        r->tried |= j->action == ACTION_APPLY;
        rec->in_flight++;
        t->in_flight++;
        if (j->action == ACTION_LOOK)
                t->provider->look(t->open, &j->request, &j->op);
        else if (j->action == ACTION_REMOVE)
                t->provider->remove(t->open, &j->request, &j->op);
        else
                t->provider->apply(t->open, &j->request, &j->op);
}

static void put_off(struct resource_job *j, struct world_resource *r) {
        r->busy = false;
        queue_failed(j->rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE);
        resource_job_free(j);
}

/* ---- drift first, then the repair */

static void on_drift_written(struct store_call *c, int k, const struct err *err) {
        struct resource_job *j = c->arg;
        struct world_resource *r = world_resource(&j->rec->world, j->id);

        if (!r)
                return finish(j, false);
        if (k < 0) { /* no record, no repair */
                log_plain(LOG_WARNING, "ledger", "resource %lld: %s", (long long)j->id,
                          err_text(err));
                return put_off(j, r);
        }
        r->drift = j->drift_line;
        world_lines(r)->found_at = j->drift_at;
        memcpy(world_lines(r)->found, j->drift_seen, DIGEST_SIZE);
        r->row.lost |= j->drift == DRIFT_DATA_LOST;
        tally_resource(&j->rec->world, r);
        resource_set_state(j->rec, r, j->next, j->next_why);
        if (j->action == ACTION_APPLY)
                return start_op(j);
        finish(j, true); /* now that it is told: it rests, or is looked at in its turn */
}

/* ---- one step */

static const char *action_word(const struct decision *d) {
        bool now = d->action == ACTION_APPLY;

        if (d->anew)
                return now ? "repair, with a change of ours" : "wait, with a change of ours";
        if (now || d->again_at)
                return now ? "repair" : "wait";
        return d->paused ? "pause" : d->action == ACTION_BLOCK ? "hold" : "report";
}

static void rest(struct reconcile *rec, struct world_resource *r, const struct decision *d) {
        int64_t poll = resource_look_every(r, world_target(&rec->world, r->target));

        resource_set_state(rec, r, d->state, d->why);
        if (r->untold)
                resource_tell_row(rec, r);
        r->untold = r->busy = false;
        resource_let_found_go(rec, r);
        tally_resource(&rec->world, r);
        if (d->action == ACTION_NONE)
                queue_done(rec->queue, KEY_RESOURCE, r->id);
        else
                queue_rest(rec->queue, KEY_RESOURCE, r->id);
        if (d->again_at)
                queue_add_at(rec->queue, KEY_RESOURCE, r->id, QUEUE_CHANGE,
                             clock_mono() + clock_sleep_ms(d->again_at));
        if (r->retry_at > clock_mono())
                queue_add_at(rec->queue, KEY_RESOURCE, r->id, QUEUE_CHANGE, r->retry_at);
        else if (r->row.dying && d->action == ACTION_WAIT)
                queue_add_at(rec->queue, KEY_RESOURCE, r->id, QUEUE_CHANGE,
                             clock_mono() + HELD_UP_MS);
        else if (poll && r->row.applied_generation)
                queue_add_at(rec->queue, KEY_RESOURCE, r->id, QUEUE_AUDIT, clock_mono() + poll);
}

static void keep_left(struct resource_job *j, const struct world_resource *r,
                      const struct decision *d) {
        const struct world_application *a = world_application(&j->rec->world, r->owner);
        const struct world_model *m = resource_model(j->rec, r);

        if (!d->leaves)
                return;
        j->left_model = str_dup(m ? m->name : "");
        j->left_by = str_dup(a ? a->name : "");
        j->left_why = str_dup(d->why);
}

/* Status says it when the row does: who reads of a loss there may accept it at once. */
static void tell_first(struct resource_job *j, struct world_resource *r, const struct decision *d) {
        j->next = d->state;
        j->next_why = str_dup(d->why);
        j->drift_at = clock_mono_us();
        memcpy(j->drift_seen, r->seen.digest, DIGEST_SIZE);
        ledger_open(j, action_word(d), on_drift_written);
}

static void on_let_delete(struct store_call *c, int k, const struct err *err) {
        struct resource_job *j = c->arg;
        struct world_resource *r = world_resource(&j->rec->world, j->id);

        if (!r)
                return finish(j, false);
        if (k >= 0)
                return start_op(j);
        r->stale = true; /* kept, or it could not be written: its row says */
        tally_resource(&j->rec->world, r);
        put_off(j, r);
}

static void act(struct resource_job *j, struct world_resource *r, const struct decision *d) {
        if (store_is_readonly(j->rec->options.store)) {
                if (d->action != ACTION_LOOK)
                        resource_set_state(j->rec, r, r->row.dying ? STATE_REMOVING : STATE_WAITING,
                                           "waiting for room on the disk of the controller: what "
                                           "is done outside could not be written down");
                return put_off(j, r);
        }
        j->action = d->action;
        j->audit = d->audit;
        if (d->drift != DRIFT_NONE && d->action == ACTION_APPLY)
                queue_drift(j->rec->queue, KEY_RESOURCE);
        j->drift_line = r->drift;
        j->standing = r->standing;
        if (ledger_is_news(r, d) && ledger_tells(j, r))
                return tell_first(j, r, d);
        resource_set_state(j->rec, r, d->state, d->why);
        if (d->action == ACTION_FORGET) {
                keep_left(j, r, d);
                j->marks = marks_of(j->rec, r);
                resource_removal_take(j, r);
                return resource_save(j, on_saved);
        }
        if (d->action == ACTION_REMOVE && r->row.data && !j->token[0])
                return resource_let_delete(j, on_let_delete);
        if (d->action == ACTION_LOOK || d->action == ACTION_APPLY || d->action == ACTION_REMOVE)
                return start_op(j);
        finish(j, false);
}

static void judge(struct reconcile *rec, struct world_resource *r, struct decision *d) {
        struct resource_policy_text text;
        struct policy policy;

        resource_policy(rec, r, &text, &policy);
        decide(&r->row, &r->seen, &policy, clock_wall(), d);
        if ((r->drift || r->standing) && d->compared && d->drift == DRIFT_NONE)
                ledger_close(rec, r, d->spared ? DRIFT_LET_BE : DRIFT_UNDONE);
        if (d->drift == DRIFT_NONE)
                d->again_at = clock_sooner(d->again_at, resource_settle_fights(rec, r));
}

static void step(struct reconcile *rec, struct world_resource *r) {
        struct decision d;

        judge(rec, r, &d);
        resource_mark_filled(rec, r);
        if ((d.action == ACTION_NONE || d.action == ACTION_WAIT || d.action == ACTION_BLOCK) &&
            !ledger_is_news(r, &d) && !(d.ruled && resource_stands_new(r)))
                return rest(rec, r, &d);
        resource_load(resource_job_new(rec, r->id, true), on_loaded);
}

static void look_for_found(struct resource_job *j, struct world_resource *r) {
        struct decision d = { .action = ACTION_LOOK, .state = r->state };

        str_copy(d.why, sizeof(d.why), r->reason);
        act(j, r, &d);
}

/* Field by field what differs, and what the rules say of it: then it is decided once more. */
static void compare(struct resource_job *j, struct world_resource *r, struct decision *d) {
        bool differs = d->drift == DRIFT_CHANGED || d->spared;

        if (!differs || r->seen.presence != PRESENCE_PRESENT || r->seen.let_go)
                return;
        resource_find_differences(j, r);
        judge(j->rec, r, d);
}

/* It goes again and again: noted once for each time that it was found so. */
static void note_whole(struct reconcile *rec, struct world_resource *r, struct decision *d) {
        bool whole = d->drift == DRIFT_DELETED || d->drift == DRIFT_REPLACED;

        if (!whole || d->action != ACTION_APPLY || r->drift)
                return;
        resource_note_fight(rec, r, "", NULL);
        judge(rec, r, d);
}

static void on_stood(struct store_call *c, int k, const struct err *err) {
        struct resource_job *j = c->arg;
        struct world_resource *r = world_resource(&j->rec->world, j->id);

        if (!r)
                return finish(j, false);
        if (k < 0) {
                log_plain(LOG_WARNING, "ledger", "resource %lld: %s", (long long)j->id,
                          err_text(err));
                return put_off(j, r);
        }
        r->standing = j->drift_line;
        if (!r->judged->verdict.now) /* all of it stands: the other line was superseded */
                ledger_forget_drift(r);
        memcpy(world_lines(r)->stands, r->judged->stands, DIGEST_SIZE);
        tally_resource(&j->rec->world, r);
        resource_note_standing(j->rec, r);
        finish(j, true);
}

static void ask_for_plan(struct reconcile *rec, struct world_resource *r) {
        r->document_lost = true;
        for (size_t i = 0; i < r->wanter_count; i++) {
                struct world_application *a = world_application(&rec->world, r->wanters[i]);

                if (a)
                        a->replan = true;
                application_dirty(rec, r->wanters[i]);
        }
        if (r->model)
                queue_add(rec->queue, KEY_MODEL, r->model, QUEUE_CHANGE);
        resource_set_state(rec, r, STATE_WAITING,
                           "waiting for a new plan: the document is not in cache.db");
}

/* Its line would not name a field: cache.db forgot both what was there and what is wanted. */
static bool is_unnamed(const struct resource_job *j, const struct world_resource *r,
                       const struct decision *d) {
        return d->drift == DRIFT_CHANGED && !j->baseline && !r->drift && ledger_is_news(r, d);
}

static void on_loaded(struct store_call *c, int k, const struct err *err) {
        struct resource_job *j = c->arg;
        struct reconcile *rec = j->rec;
        struct world_resource *r;
        struct decision d;
        struct err e = { 0 };

        if (k < 0) {
                log_plain(LOG_ERR, "read", "resource %lld: %s", (long long)j->id, err_text(err));
                queue_failed(rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE);
                resource_job_free(j);
                return;
        }
        r = resource_take(j, &e);
        if (!r || rec->stopping)
                return finish(j, false);
        if (r->stale) /* it was written meanwhile: nothing is decided on what was */
                return finish(j, true);
        r->busy = true;
        outside_follow(world_target(&rec->world, r->target), r->type);
        judge(rec, r, &d);
        if (resource_lacks_found(j, r, &d))
                return look_for_found(j, r);
        compare(j, r, &d);
        note_whole(rec, r, &d);
        if (d.ruled && resource_stands_new(r))
                return ledger_stand(j, on_stood);
        j->drift = d.drift;
        j->anew = d.anew;
        j->paused = d.paused;
        r->document_lost &= !j->document;
        if ((d.action == ACTION_APPLY || is_unnamed(j, r, &d)) && j->docs && !j->document &&
            !j->token[0]) {
                ask_for_plan(rec, r);
                return finish(j, false);
        }
        if (d.action == ACTION_APPLY && !j->docs) {
                resource_load(resource_job_new(rec, r->id, true), on_loaded);
                resource_job_free(j);
                return;
        }
        if ((d.action == ACTION_NONE || d.action == ACTION_WAIT || d.action == ACTION_BLOCK) &&
            !(ledger_is_news(r, &d) && ledger_tells(j, r))) {
                resource_job_free(j);
                return rest(rec, r, &d);
        }
        if (!j->token[0])
                resource_fill_outputs(j, r, &j->fill_err);
        act(j, r, &d);
}

void resource_handle(struct reconcile *rec, int64_t id) {
        struct world_resource *r = world_resource(&rec->world, id);

        if (r && r->unsaved)
                return save_again(r);
        if (!r || r->stale) {
                resource_load(resource_job_new(rec, id, true), on_loaded);
                return;
        }
        step(rec, r);
}
