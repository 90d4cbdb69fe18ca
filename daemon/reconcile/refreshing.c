/* SPDX-License-Identifier: Apache-2.0 */
/* refreshing.c - moves refreshes on: what is seen of an application goes to refresh_decide, and
 * what that says into the row
 *
 * Called whenever the status of an application is looked at, which is after each change of what is
 * known of it. Nothing is remembered here but for how long something has been so; a new process
 * begins to count anew, but for the gate, whose beginning is in the row. */
#include "reconcile-internal.h"

#include "audit.h"
#include "clock.h"
#include "log.h"
#include "refresh-all.h"
#include "tally.h"

#include <stdlib.h>

struct moving {
        struct store_call call;
        struct reconcile *rec;
        struct refresh_decision decision;
        int64_t application, turn, at;
        char *name, *model, *holds, *to;
        char *stopped; /* why what follows it in a refresh --all cannot; or NULL */
        enum refresh_stage stage;
};

/* ---- what is seen */

struct seen {
        char restarted[400], broken[400], waits[400];
        int64_t wanted, fresh; /* pods of the new content: that are told of, that are well */
};

static void first(char to[400], const char *fmt, ...) printf_(2, 3);
static void first(char to[400], const char *fmt, ...) {
        va_list ap;

        if (to[0])
                return;
        va_start(ap, fmt);
        vsnprintf(to, 400, fmt, ap);
        va_end(ap);
}

static void see_unit(const struct world_application *a, const struct world_unit *u,
                     struct seen *s) {
        int64_t before = json_get_int(a->refresh->units, u->uid, 0);

        if (before == REFRESH_UNIT_OLD || str_eq(u->status, "terminated"))
                return;
        if (u->restarts > before)
                first(s->restarted, "unit %s/%lld (pod %s) was started again %lld times%s%s",
                      a->name, (long long)u->number, u->name, (long long)(u->restarts - before),
                      u->message[0] ? ": " : "", u->message);
        /* An image that cannot be pulled is an error in turns only. */
        if (str_eq(u->status, "error") || str_eq(u->status, "blocked") ||
            str_eq(u->trouble, UNIT_NO_IMAGE))
                first(s->broken, "unit %s/%lld (pod %s): %s", a->name, (long long)u->number,
                      u->name, u->message);
        if (!str_eq(u->status, "active"))
                first(s->waits, "unit %s/%lld (pod %s) is %s%s%s", a->name, (long long)u->number,
                      u->name, u->status, u->message[0] ? ": " : "", u->message);
        else
                s->fresh++;
}

static void see_workload(const struct world_application *a, const struct world_resource *r,
                         struct seen *s) {
        const struct rollout *o = &r->seen.rollout;
        bool held = a->refresh->stage == REFRESH_CANARY && o->updated < o->all;

        if (r->seen.ready == READY_FAILED)
                first(s->broken, "%s %s: %s", r->type, r->path, r->reason);
        if (r->seen.presence != PRESENCE_PRESENT || !o->known)
                first(s->waits, "%s %s was not seen yet as it is wanted now", r->type, r->path);
        else if (o->wanted && !o->updated)
                first(s->waits, "%s %s: no pod of the new content yet", r->type, r->path);
        else if (held)
                s->wanted += o->updated;
        else if (r->seen.ready != READY_YES)
                first(s->waits, "%s %s: %s", r->type, r->path, r->reason);
}

static void see_kind(struct reconcile *rec, const struct world_application *a, enum tally_kind kind,
                     struct seen *s) {
        const struct world_want *want = tally_first(a, kind);
        const struct world_resource *r = want ? world_resource(&rec->world, want->resource) : NULL;

        if (r)
                first(s->broken, "%s %s: %s", r->type, r->path, r->reason);
}

static void see(struct reconcile *rec, const struct world_application *a, struct seen *s) {
        struct map_entry *e;

        if (a->plan_error && a->plan_error[0])
                first(s->broken, "%s", a->plan_error);
        if (a->conflicts && a->conflicts[0])
                first(s->broken, "%s", a->conflicts);
        see_kind(rec, a, TALLY_BLOCKED, s);
        see_kind(rec, a, TALLY_FAILING, s);
        for (size_t i = 0; (e = map_next(&a->units, &i));)
                see_unit(a, e->value, s);
        for (size_t i = 0; i < a->want_count; i++) {
                const struct world_resource *r = world_resource(&rec->world, a->wants[i].resource);
                const struct world_target *t = r ? world_target(&rec->world, r->target) : NULL;

                if (t && t->provider && t->provider->runs && t->provider->runs(r->type))
                        see_workload(a, r, s);
        }
        if (s->fresh < s->wanted)
                first(s->waits, "%lld of %lld pods of the new content are ready",
                      (long long)s->fresh, (long long)s->wanted);
        if (!a->refresh->was_active || !a->plan_word)
                return;
        if (str_eq(a->plan_word, "blocked") || str_eq(a->plan_word, "error"))
                first(s->broken, "the charm says %s: %s", a->plan_word, a->plan_message);
        else if (str_eq(a->plan_word, "waiting") || str_eq(a->plan_word, "maintenance"))
                first(s->waits, "the charm says %s: %s", a->plan_word, a->plan_message);
}

/* Nothing is written, or nothing can be seen: how it stands is not known. */
static bool is_stopped(struct reconcile *rec, const struct world_application *a) {
        const struct world_model *m = world_model(&rec->world, a->model);
        const struct world_target *t = m ? world_target(&rec->world, m->target) : NULL;
        char text[400];

        return !m || !t || !t->open || !t->reachable || m->paused || a->paused || a->held ||
               a->undecided || a->dying || !m->rules || rules_frozen(m->rules, a->name) ||
               scope_blocked(rec, m, text, sizeof(text)) || tally_first(a, TALLY_UNREAD);
}

/* ---- moving */

static const char *name_of(enum refresh_stage stage, const struct refresh_decision *d) {
        if (d->step == REFRESH_PAUSE)
                return "paused";
        if (d->step == REFRESH_NEXT)
                return refresh_stage_names[d->next];
        return refresh_stage_names[stage];
}

/* What people hear of. */
static bool is_stage(const struct refresh_decision *d) {
        return d->step == REFRESH_NEXT || d->step == REFRESH_PAUSE;
}

static int move_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct moving *m = c->arg;
        const char *stopped = NULL;
        struct refresh_move move = { m->rec->options.sealer,
                                     m->rec->options.audit,
                                     m->application,
                                     m->turn,
                                     &m->decision,
                                     m->holds,
                                     &stopped };
        struct audit_entry row = { .kind = "loop",
                                   .what = "refresh",
                                   .model = m->model,
                                   .application = m->name,
                                   .subject = name_of(m->stage, &m->decision),
                                   .why = refresh_stage_names[m->stage],
                                   .outcome = "done",
                                   .message = m->decision.step == REFRESH_PAUSE ? m->decision.why
                                                                                : m->to };
        int r = refresh_move(tx, &move, err);

        m->at = tx_now(tx);
        str_set(&m->stopped, stopped);
        if (r <= 0 || !is_stage(&m->decision) || !m->rec->options.audit)
                return r;
        r = audit_append(tx, m->rec->options.audit, &row, err);
        return r < 0 ? r : 1;
}

static void tell(const struct moving *m) {
        const struct log_field fields[] = { { "MODEL", m->model }, { "APPLICATION", m->name }, {} };
        const char *stage = refresh_stage_names[m->stage];

        if (m->decision.step == REFRESH_PAUSE)
                log_event(
                        LOG_ERR, "refresh", fields,
                        "the refresh of %s to %s is paused in its %s: %s; mooringctl resume %s, or "
                        "rollback %s",
                        m->name, m->to, stage, m->decision.why, m->name, m->name);
        else if (m->decision.step == REFRESH_NEXT)
                log_event(LOG_NOTICE, "refresh", fields, "the refresh of %s to %s: %s is over, %s",
                          m->name, m->to, stage, refresh_stage_names[m->decision.next]);
        if (m->stopped)
                refresh_all_say_stopped(m->model, m->name, m->stopped);
        reconcile_event(m->rec, "refresh", m->model, m->name, name_of(m->stage, &m->decision));
}

static void move_free(struct moving *m) {
        free(m->name);
        free(m->model);
        free(m->holds);
        free(m->to);
        free(m->stopped);
        free(m);
}

/* What leads to another plan comes back by its mark. */
static void moved(struct store_call *c, int r, const struct err *err) {
        struct moving *m = c->arg;
        struct world_application *a = world_application(&m->rec->world, m->application);
        struct world_refresh *f = a ? a->refresh : NULL;
        bool well = m->decision.step == REFRESH_WELL || m->decision.step == REFRESH_UNWELL;

        if (r < 0)
                log_plain(LOG_WARNING, "refresh", "%s: %s", m->name, err_text(err));
        else if (r > 0 && is_stage(&m->decision))
                tell(m);
        if (f && f->turn == m->turn) {
                f->moving = false;
                if (r > 0 && well) {
                        f->turn++;
                        f->well_at = m->decision.step == REFRESH_WELL ? m->at : 0;
                }
        }
        if (a && !m->rec->stopping)
                application_touch(m->rec, a->id);
        move_free(m);
}

/* Units of the new content of each workload, where it stands still. */
static char *holds_text(struct reconcile *rec, const struct world_application *a) {
        cleanup_(json_freep) json_t *holds = json_object();

        for (size_t i = 0; a->refresh->stage == REFRESH_REST && i < a->want_count; i++) {
                const struct world_resource *r = world_resource(&rec->world, a->wants[i].resource);

                if (r && r->seen.rollout.known && r->seen.rollout.updated < r->seen.rollout.wanted)
                        json_object_set_new(holds, a->wants[i].label,
                                            json_integer(r->seen.rollout.updated));
        }
        return json_text(holds);
}

static void move(struct reconcile *rec, struct world_application *a,
                 const struct refresh_decision *d) {
        const struct world_model *model = world_model(&rec->world, a->model);
        struct moving *m = mem_new(struct moving);

        m->rec = rec;
        m->decision = *d;
        m->application = a->id;
        m->turn = a->refresh->turn;
        m->stage = a->refresh->stage;
        m->name = str_dup(a->name);
        m->model = str_dup(model ? model->name : "");
        m->to = str_dup(a->refresh->to);
        m->holds = holds_text(rec, a);
        m->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "refresh",
                                       .run = move_run,
                                       .done = moved,
                                       .arg = m };
        a->refresh->moving = true;
        store_submit(rec->options.store, &m->call);
}

static int64_t since(int64_t *at, bool so) {
        if (!so)
                *at = 0;
        else if (!*at)
                *at = clock_mono();
        return *at ? clock_mono() - *at : 0;
}

void refreshing_consider(struct reconcile *rec, struct world_application *a) {
        struct world_refresh *f = a->refresh;
        struct refresh_decision d;
        struct refresh_input in;
        struct seen s = { 0 };

        if (!f || f->moving || rec->stopping)
                return;
        in = (struct refresh_input){ .stage = f->stage,
                                     .paused = f->paused != NULL,
                                     .stopped = is_stopped(rec, a),
                                     .settled = !application_changing(a) && !a->leaving &&
                                                !tally_first(a, TALLY_APPLYING),
                                     .times = rec->options.refresh };
        if (!in.stopped)
                see(rec, a, &s);
        in.restarted = s.restarted[0] ? s.restarted : NULL;
        in.broken = s.broken[0] ? s.broken : NULL;
        in.waits = s.waits[0] ? s.waits : NULL;
        in.check = f->check;
        in.check_text = f->check_text;
        in.broken_ms = since(&f->broken_since, in.broken != NULL);
        in.stage_ms = since(&f->since, !in.stopped && !in.paused);
        in.well_ms = f->well_at ? MAX_OF(clock_wall() - f->well_at, 0) : -1;
        str_set(&f->waits, in.broken ? in.broken : in.waits);
        refresh_decide(&in, &d);
        if (d.step != REFRESH_WAIT)
                move(rec, a, &d);
        else if (f->check == REFRESH_CHECK_RUNS)
                a->reread = true; /* how that ends is in the rows */
        if (d.step == REFRESH_WAIT && d.again_ms)
                queue_touch(rec->queue, KEY_APPLICATION, a->id, QUEUE_CHANGE,
                            clock_mono() + d.again_ms);
}

char *refreshing_text(const struct reconcile *rec, const struct world_application *a) {
        const struct world_refresh *f = a->refresh;
        const char *what = f && f->stage == REFRESH_ROLLBACK ? "going back" : "refresh";
        char until[CLOCK_TEXT_MAX];

        if (!f)
                return NULL;
        if (f->paused)
                return str_format(
                        "the refresh to %s is paused in its %s: %s; mooringctl resume %s, or "
                        "rollback %s",
                        f->to, refresh_stage_names[f->stage], f->paused, a->name, a->name);
        if (f->stage == REFRESH_CANARY && f->well_at)
                return str_format(
                        "refresh to %s: the canary is well, the rest follows at %s", f->to,
                        clock_iso(f->well_at + rec->options.refresh.gate_ms, false, until));
        return str_format("%s to %s%s%s%s%s", what, f->to, f->stage == REFRESH_ROLLBACK ? "" : ": ",
                          f->stage == REFRESH_ROLLBACK ? "" : refresh_stage_names[f->stage],
                          f->waits ? "; " : "", f->waits ? f->waits : "");
}
