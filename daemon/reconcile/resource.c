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
                                    .help = "Operations on the outside, by outcome",
                                    .type = METRIC_COUNTER,
                                    .label = "outcome" };

/* ---- policy */

static bool need_met(const struct world_resource *n, enum need_kind kind) {
        if (!n->row.applied_generation || n->seen.presence != PRESENCE_PRESENT)
                return false;
        return kind == NEED_EXISTS || n->seen.ready == READY_YES;
}

static const char *find_unmet(struct reconcile *rec, const struct world_resource *r, char *text,
                              size_t size) {
        for (size_t i = 0; i < r->need_count; i++) {
                const struct world_resource *n = world_resource(&rec->world, r->needs[i].id);
                const char *what;

                if (n && need_met(n, r->needs[i].kind))
                        continue;
                if (!n)
                        what = "not planned yet";
                else if (n->seen.presence != PRESENCE_PRESENT)
                        what = "not there yet";
                else
                        what = n->seen.reason ? n->seen.reason : "not ready yet";
                snprintf(text, size, "%s %s: %s", n ? n->type : "resource", n ? n->path : "?",
                         what);
                return text;
        }
        return NULL;
}

/* Of an application that was marked it is not known yet whether it goes. */
static bool may_go(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        return r->row.dying || r->stale || (a && (a->dying || a->reread));
}

/* A dying resource goes after what stands on it and is going too. Who stands on it and stays did
 * not ask whether it does. */
static const char *find_held_up(struct reconcile *rec, const struct world_resource *r, char *text,
                                size_t size) {
        const struct world_ids *l = world_needed_by(&rec->world, r->id);

        for (size_t i = 0; l && i < l->count; i++) {
                const struct world_resource *d = world_resource(&rec->world, l->ids[i]);

                if (!d || !may_go(rec, d))
                        continue;
                snprintf(text, size, "%s %s", d->type, d->path);
                return text;
        }
        return NULL;
}

static struct world_model *model_of(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        return world_model(&rec->world, a ? a->model : r->model);
}

static const char *find_paused(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);
        const struct world_model *m = model_of(rec, r);

        if (m && m->paused)
                return m->paused;
        return a ? a->paused : NULL;
}

/* How often resources of a target that tells nothing by itself are looked at; 0: it tells. */
static int64_t poll_of(const struct world_target *t) {
        if (!t || !t->provider || (t->provider->can & PROVIDER_WATCHES))
                return 0;
        return t->poll_ms ? t->poll_ms : t->provider->poll_every_ms;
}

void resource_policy(struct reconcile *rec, struct world_resource *r,
                     struct resource_policy_text *text, struct policy *ret) {
        const struct world_target *t = world_target(&rec->world, r->target);
        const struct world_model *m = model_of(rec, r);

        *ret = (struct policy){ .audit_every_ms = rec->options.audit_ms };
        if (m && m->scope != r->id)
                ret->blocked = scope_blocked(rec, m, text->blocked, sizeof(text->blocked));
        ret->paused = find_paused(rec, r);
        if (r->row.dying)
                ret->held_up = find_held_up(rec, r, text->held_up, sizeof(text->held_up));
        else if (!outside_usable(t, text->unmet, sizeof(text->unmet)))
                ret->unmet = text->unmet;
        else
                ret->unmet = find_unmet(rec, r, text->unmet, sizeof(text->unmet));
        if (r->retry_at > clock_mono() && r->retry_generation == r->row.wanted_generation)
                ret->backing_off = r->reason;
        if (r->tries)
                ret->failed = r->reason;
        ret->look_due = poll_of(t) && r->seen.presence != PRESENCE_UNKNOWN &&
                        clock_mono() - r->seen.as_of >= poll_of(t);
        ret->list_pending = !r->look_again && outside_list_pending(t, r->type);
        /* Spread over the period by id, so that a start with thousands of objects does not audit
         * them together. */
        if (ret->audit_every_ms)
                ret->audit_every_ms += r->id * 7919 % (ret->audit_every_ms / 4 + 1);
}

/* ---- observations */

static bool looks_same(const struct observation *a, const struct observation *b) {
        return a->presence == b->presence && a->ready == b->ready && a->ours == b->ours &&
               a->foreign == b->foreign && a->filled == b->filled &&
               a->digest_valid == b->digest_valid &&
               memcmp(a->digest, b->digest, DIGEST_SIZE) == 0 &&
               str_eq(a->incarnation, b->incarnation) && str_eq(a->reason, b->reason) &&
               json_equal(a->seen, b->seen) && json_equal(a->output, b->output);
}

/* json_equal does not take two NULLs as equal. */
static bool same(const struct observation *a, const struct observation *b) {
        struct observation x = *a, y = *b;

        if (!x.seen && !y.seen)
                x.seen = y.seen = json_null();
        if (!x.output && !y.output)
                x.output = y.output = json_null();
        return looks_same(&x, &y);
}

void resource_observed(struct reconcile *rec, struct world_target *t, const char *type,
                       const char *path, struct observation *o) {
        struct world_resource *r = world_resource_at(&rec->world, t->id, type, path);
        bool changed;

        if (!r) {
                observation_clear(o);
                return;
        }
        r->listed = true;
        if (o->order && r->seen.order > o->order && str_eq(o->incarnation, r->seen.incarnation)) {
                observation_clear(o); /* older than our own last write */
                return;
        }
        changed = !same(&r->seen, o);
        observation_move(&r->seen, o);
        if (!changed)
                return;
        if (!r->drift_seen_us)
                r->drift_seen_us = clock_mono_us();
        queue_add(rec->queue, KEY_RESOURCE, r->id, QUEUE_DRIFT);
        resource_changed(rec, r);
}

/* ---- operations */

static void finish(struct resource_job *j, bool again) {
        struct reconcile *rec = j->rec;
        struct world_resource *r = world_resource(&rec->world, j->id);

        if (r)
                r->busy = false;
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
        if (t) {
                t->in_flight--;
                if (j->lock)
                        map_remove(&t->locks, j->lock);
        }
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
        bool newer = (r->seen.order > j->op.seen.order && r->seen.presence == PRESENCE_PRESENT) ||
                     world_see_more(r, j->see);
        cleanup_(buf_free) struct buf old = BUF_INIT;
        struct err err = { 0 };

        r->row.applied_generation = j->generation;
        r->row.made |= j->op.created;
        r->row.applied_at = clock_wall();
        r->row.outcome = OUTCOME_DONE;
        r->row.baseline_valid = j->op.baseline != NULL;
        memcpy(r->row.baseline, j->op.baseline_digest, DIGEST_SIZE);
        str_copy(r->row.incarnation, sizeof(r->row.incarnation), j->op.seen.incarnation);
        /* The observation moves into the world below; the save still needs these. */
        str_copy(j->row.incarnation, sizeof(j->row.incarnation), j->op.seen.incarnation);
        str_copy(j->version, sizeof(j->version), j->op.seen.version);
        r->tries = 0;
        r->retry_at = 0;
        r->interest.baseline_valid = r->row.baseline_valid;
        memcpy(r->interest.baseline, r->row.baseline, DIGEST_SIZE);
        if (j->op.fields) {
                digest_sha256(j->op.fields, strlen(j->op.fields), j->fields);
                if (world_set_fields(&j->rec->world, r, t->provider, j->fields, j->op.fields,
                                     &err) < 0)
                        reconcile_log(LOG_ERR, "field-set", j->rec, r, "%s", err_text(&err));
        }
        observation_move(&r->seen, &j->op.seen);
        if (newer) {
                r->seen.presence = PRESENCE_UNKNOWN;
                r->look_again = true;
        }
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

static void take_failure(struct resource_job *j, struct world_resource *r) {
        enum resource_state state = decide_state_after(j->op.outcome);

        if (j->action == ACTION_LOOK && r->state == STATE_LOST)
                state = STATE_LOST; /* that it cannot be looked at hides no loss */
        r->row.outcome = j->op.outcome;
        r->tries++;
        resource_set_state(j->rec, r, r->row.dying ? STATE_REMOVING : state, err_text(&j->op.err));
}

static void on_failed_saved(struct store_call *c, int k, const struct err *err) {
        struct resource_job *j = c->arg;
        struct world_resource *r = world_resource(&j->rec->world, j->id);
        int64_t next;

        if (k < 0 && r && j->op.outcome == OUTCOME_RUNNING)
                return save_later(j, r, err); /* no poll before its token is committed */
        next = queue_failed_until(j->rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE, j->op.again_at);
        if (r) {
                r->busy = false;
                r->retry_at = next;
                r->retry_generation = j->generation;
        }
        resource_job_free(j);
}

static void on_op(struct op *op) {
        struct resource_job *j = op->arg;
        struct world_resource *r = world_resource(&j->rec->world, j->id);

        release_target(j);
        metric_add(&operations, outcome_name(op->outcome), 1);
        if (!r)
                return finish(j, false);
        log_outcome(j, r);
        if (j->action == ACTION_LOOK &&
            (op->outcome == OUTCOME_DONE || op->outcome == OUTCOME_GONE)) {
                bool changed;

                if (op->outcome == OUTCOME_GONE)
                        op->seen.presence = PRESENCE_ABSENT;
                r->look_again = world_see_more(r, j->see);
                r->untold |= r->tries > 0;
                r->tries = 0;
                if (r->row.applied_generation == r->row.wanted_generation)
                        r->row.outcome = OUTCOME_DONE;
                changed = !same(&r->seen, &op->seen);
                observation_move(&r->seen, &op->seen);
                if (r->look_again)
                        r->seen.presence = PRESENCE_UNKNOWN;
                r->retry_at = 0;
                if (changed)
                        resource_changed(j->rec, r);
                return finish(j, true);
        }
        if (j->action == ACTION_APPLY && op->outcome == OUTCOME_DONE) {
                take_baseline(j, r);
                if (j->drift_line)
                        r->drift = 0;
                resource_changed(j->rec, r);
                if (r->look_again)
                        queue_add(j->rec->queue, KEY_RESOURCE, j->id, QUEUE_CHANGE);
                r->drift_seen_us = 0;
                return resource_save(j, on_saved);
        }
        if (j->action == ACTION_REMOVE &&
            (op->outcome == OUTCOME_DONE || op->outcome == OUTCOME_GONE)) {
                observation_clear(&r->seen);
                r->seen.presence = PRESENCE_ABSENT;
                return finish(j, true);
        }
        take_failure(j, r);
        resource_save(j, on_failed_saved);
}

static json_t *marks_of(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);
        const struct world_model *m = model_of(rec, r);
        json_t *marks = json_object();

        json_object_set_new(marks, "controller", json_string(rec->controller));
        if (m) {
                json_object_set_new(marks, "model", json_string(m->name));
                json_object_set_new(marks, "model-uuid", json_string(m->uuid));
        }
        if (a)
                json_object_set_new(marks, "application", json_string(a->name));
        return marks;
}

/* A removal is tried all the same, so that --force sees that it cannot be done. */
static void not_open(struct resource_job *j, struct world_resource *r,
                     const struct world_target *t) {
        char why[256];

        outside_usable(t, why, sizeof(why));
        j->generation = r->row.wanted_generation;
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
        j->marks = marks_of(rec, r);
        j->see = world_see_copy(r);
        j->generation = r->row.wanted_generation;
        j->request = (struct apply_request){
                .type = r->type,
                .path = r->path,
                .wanted = j->document,
                .marks = j->marks,
                .values = j->values,
                .own = j->own,
                .projection = r->interest.projection,
                .baseline = j->baseline,
                .incarnation = r->row.incarnation,
                .token = j->token ? j->token : "",
                .see = (const char *const *)j->see,
                .first = !r->row.made && !r->row.applied_generation,
                .flags = r->row.adopted ? APPLY_ADOPT : 0,
        };
        j->op.loop = rec->options.loop;
        j->op.done = on_op;
        j->op.arg = j;
        j->busy_op = true;
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
        if (j->action == ACTION_APPLY)
                return start_op(j);
        finish(j, true); /* decided once more: when it is looked at again */
}

static void find_differences(struct resource_job *j, struct world_resource *r) {
        struct world_target *t = world_target(&j->rec->world, r->target);
        struct apply_request request = { .type = r->type,
                                         .path = r->path,
                                         .wanted = j->document,
                                         .baseline = j->baseline,
                                         .projection = r->interest.projection };
        struct err err = { 0 };

        if (j->drift != DRIFT_CHANGED || !j->baseline || !r->seen.found)
                return;
        if (t->provider->compare(&request, &r->seen, &j->differences, &err) < 0)
                reconcile_log(LOG_WARNING, "compare", j->rec, r, "%s", err_text(&err));
}

/* ---- one step */

static const char *action_word(const struct decision *d) {
        if (d->action == ACTION_APPLY)
                return "repair";
        return d->action == ACTION_BLOCK ? "hold" : "report";
}

static void rest(struct reconcile *rec, struct world_resource *r, const struct decision *d) {
        int64_t poll = poll_of(world_target(&rec->world, r->target));

        resource_set_state(rec, r, d->state, d->why);
        if (r->untold)
                resource_tell_row(rec, r);
        r->untold = r->busy = false;
        if (d->action == ACTION_NONE)
                queue_done(rec->queue, KEY_RESOURCE, r->id);
        else
                queue_rest(rec->queue, KEY_RESOURCE, r->id);
        if (r->retry_at > clock_mono())
                queue_add_at(rec->queue, KEY_RESOURCE, r->id, QUEUE_CHANGE, r->retry_at);
        else if (r->row.dying && d->action == ACTION_WAIT)
                queue_add_at(rec->queue, KEY_RESOURCE, r->id, QUEUE_CHANGE,
                             clock_mono() + HELD_UP_MS);
        else if (poll && r->row.applied_generation)
                queue_add_at(rec->queue, KEY_RESOURCE, r->id, QUEUE_AUDIT, clock_mono() + poll);
        else if (rec->options.audit_ms && d->action == ACTION_NONE && r->row.applied_at)
                queue_add_at(rec->queue, KEY_RESOURCE, r->id, QUEUE_AUDIT,
                             clock_mono() + rec->options.audit_ms +
                                     r->id * 7919 % (rec->options.audit_ms / 4 + 1));
}

static void mark_filled(struct reconcile *rec, struct world_resource *r);

static void act(struct resource_job *j, struct world_resource *r, const struct decision *d) {
        if (store_is_readonly(j->rec->options.store))
                return put_off(j, r); /* what is done outside could not be written down */
        j->action = d->action;
        j->audit = d->audit;
        j->drift = d->drift;
        j->drift_line = r->drift;
        resource_set_state(j->rec, r, d->state, d->why);
        if (d->action == ACTION_FORGET)
                return resource_save(j, on_saved);
        if (d->drift != DRIFT_NONE && !r->drift) {
                find_differences(j, r);
                return ledger_open(j, action_word(d), on_drift_written);
        }
        if (d->action == ACTION_LOOK || d->action == ACTION_APPLY || d->action == ACTION_REMOVE)
                return start_op(j);
        finish(j, false);
}

static void judge(struct reconcile *rec, struct world_resource *r, struct decision *d) {
        struct resource_policy_text text;
        struct policy policy;

        resource_policy(rec, r, &text, &policy);
        decide(&r->row, &r->seen, &policy, clock_wall(), d);
        if (r->drift && d->compared && d->drift == DRIFT_NONE)
                ledger_undone(rec, r);
}

static void step(struct reconcile *rec, struct world_resource *r) {
        struct decision d;

        judge(rec, r, &d);
        mark_filled(rec, r);
        r->row.lost |= d.drift == DRIFT_DATA_LOST;
        r->row.lost &= !r->seen.filled;
        if ((d.action == ACTION_NONE || d.action == ACTION_WAIT || d.action == ACTION_BLOCK) &&
            (d.drift == DRIFT_NONE || r->drift))
                return rest(rec, r, &d);
        resource_load(resource_job_new(rec, r->id, true), on_loaded);
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
        r->busy = true;
        outside_follow(world_target(&rec->world, r->target), r->type);
        judge(rec, r, &d);
        r->document_lost &= !j->document;
        if (d.action == ACTION_APPLY && j->docs && !j->document) {
                ask_for_plan(rec, r);
                return finish(j, false);
        }
        if (d.action == ACTION_APPLY && !j->docs) {
                resource_load(resource_job_new(rec, r->id, true), on_loaded);
                resource_job_free(j);
                return;
        }
        if ((d.drift == DRIFT_NONE || r->drift) &&
            (d.action == ACTION_NONE || d.action == ACTION_WAIT || d.action == ACTION_BLOCK)) {
                resource_job_free(j);
                return rest(rec, r, &d);
        }
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

/* ---- data that came to be filled */

struct filled {
        struct store_call call;
        struct reconcile *rec;
        int64_t id;
};

static int filled_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct filled *f = c->arg;
        int r = w_resource_set_initialised(tx,
                                           &(struct w_resource_set_initialised_in){
                                                   .id = f->id, .initialised_at = tx_now(tx) },
                                           err);

        return r < 0 ? r : 0;
}

static void filled_done(struct store_call *c, int k, const struct err *err) {
        free(c->arg);
}

static void mark_filled(struct reconcile *rec, struct world_resource *r) {
        struct filled *f;

        if (!r->row.data || r->row.initialised || !r->seen.filled ||
            r->seen.presence != PRESENCE_PRESENT ||
            !str_eq(r->seen.incarnation, r->row.incarnation))
                return;
        r->row.initialised = true;
        r->row.accepted_loss = false;
        f = mem_new(struct filled);
        f->rec = rec;
        f->id = r->id;
        f->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .run = filled_run,
                                       .done = filled_done,
                                       .arg = f };
        store_submit(rec->options.store, &f->call);
}
