/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - gathers what is known of an application for status_compute, and writes what is
 * shown when it changed */
#include "reconcile-internal.h"

#include "status.h"
#include "tally.h"

#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

struct status_write {
        struct store_call call;
        int64_t id, model, active_at;
        char *name, *status, *message, *cause;
};

static void write_free(struct status_write *w) {
        free(w->name);
        free(w->status);
        free(w->message);
        free(w->cause);
        free(w);
}

static int write_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct status_write *w = c->arg;
        int r = w_application_set_status(
                tx,
                &(struct w_application_set_status_in){ .id = w->id,
                                                       .status = w->status,
                                                       .message = w->message,
                                                       .status_at = tx_now(tx),
                                                       .active_at = w->active_at },
                err);

        if (r <= 0)
                return r; /* 0: it was removed meanwhile */
        r = w_status_history_insert(tx,
                                    &(struct w_status_history_insert_in){
                                            .id = tx_id(tx, "status_history"),
                                            .model_id = w->model,
                                            .entity = tx_format(tx, "application %s", w->name),
                                            .status = w->status,
                                            .message = w->message,
                                            .cause = w->cause,
                                            .at = tx_now(tx) },
                                    err);
        return r < 0 ? r : 0;
}

static void write_done(struct store_call *c, int r, const struct err *err) {
        struct status_write *w = c->arg;

        if (r < 0)
                log_plain(LOG_WARNING, "status", "%s: %s", w->name, err_text(err));
        write_free(w);
}

/* ---- gathering */

struct gathered {
        bool reading; /* UNSEEN is but the first look that is under way */
        char unseen[300], blocked[400], failing[400], not_ready[400], lost[400], unit_error[300],
                model_blocked[400];
        char no_charm[400], removing[400];
        size_t units, ready;
};

/* False: another was first. */
static bool first(char *to, size_t size, const char *fmt, ...) printf_(3, 4);
static bool first(char *to, size_t size, const char *fmt, ...) {
        va_list ap;

        if (to[0])
                return false;
        va_start(ap, fmt);
        vsnprintf(to, size, fmt, ap);
        va_end(ap);
        return true;
}

static const char *how_lost(const struct observation *o) {
        return o->presence == PRESENCE_PRESENT && o->counted ? "is empty, and" : "is gone, and";
}

char *status_lost(const struct world_application *a, const struct world_resource *r) {
        cleanup_(freep) char *another = decide_another(&r->seen);
        char since[CLOCK_TEXT_MAX];

        clock_iso(r->row.initialised, false, since);
        if (another)
                return str_format("%s %s, which held data since %s, is gone, and %s: mooringctl "
                                  "accept-data-loss %s takes it as it is, deletes nothing",
                                  r->type, r->path, since, another, a->name);
        return str_format("%s %s %s held data since %s: restore it, or mooringctl accept-data-loss "
                          "%s",
                          r->type, r->path, how_lost(&r->seen), since, a->name);
}

static void gather_lost(const struct world_application *a, const struct world_resource *r,
                        struct gathered *g) {
        cleanup_(freep) char *text = status_lost(a, r);

        first(g->lost, sizeof(g->lost), "%s", text);
}

static void gather_not_ready(struct reconcile *rec, const struct world_application *a,
                             struct gathered *g) {
        const struct world_want *want = tally_first(a, TALLY_NOT_READY);
        const struct world_resource *r = want ? world_resource(&rec->world, want->resource) : NULL;

        if (want && !r)
                first(g->not_ready, sizeof(g->not_ready), "%s: not planned yet", want->label);
        else if (r && r->stale && r->state == STATE_READY)
                first(g->not_ready, sizeof(g->not_ready), "%s %s: what is wanted of it changed",
                      r->type, r->path);
        else if (r)
                first(g->not_ready, sizeof(g->not_ready), "%s %s: %s", r->type, r->path,
                      r->reason[0] ? r->reason : decide_state_name(r->state));
}

/* Data whose destruction a pause or a freeze holds up goes when that ends, whoever ends it. */
static void gather_ending(struct reconcile *rec, struct world_resource *r, struct gathered *g) {
        char text[300];
        const char *by = r->row.data ? resource_paused(rec, r, text, sizeof(text)) : NULL;
        const char *held = tally_held(r);

        if (by)
                first(g->removing, sizeof(g->removing),
                      "%s %s and the data in it are deleted when what holds that up ends: %s",
                      r->type, r->path, by);
        else if (held)
                first(g->removing, sizeof(g->removing), "%s %s: %s", r->type, r->path, held);
}

/* A removal has no wants any more to find what is left of it by. */
static void gather_removing(struct reconcile *rec, struct world_application *a,
                            struct gathered *g) {
        struct world_ids *l = &a->ending;

        for (size_t i = 0; !g->removing[0] && i < l->count;) {
                struct world_resource *r = world_resource(&rec->world, l->ids[i]);

                if (r && r->owner == a->id && tally_is_ending(r)) {
                        gather_ending(rec, r, g);
                        i++;
                        continue;
                }
                if (r && r->ends == a->id)
                        r->ends = 0;
                l->ids[i] = l->ids[--l->count];
        }
}

/* The first by label of its resources that stand so. */
static const struct world_resource *
first_of(struct reconcile *rec, const struct world_application *a, enum tally_kind kind) {
        const struct world_want *want = tally_first(a, kind);

        return want ? world_resource(&rec->world, want->resource) : NULL;
}

static void gather_units(const struct world_application *a, struct gathered *g) {
        struct map_entry *e;
        for (size_t i = 0; (e = map_next(&a->units, &i));) {
                const struct world_unit *u = e->value;

                g->units += !str_eq(u->status, "terminated");
                g->ready += str_eq(u->status, "active");
                if (str_eq(u->status, "error") || str_eq(u->status, "blocked"))
                        first(g->unit_error, sizeof(g->unit_error), "%s/%lld: %s", a->name,
                              (long long)u->number, u->message);
        }
}

/* Data that a provider of this application lost is this application's trouble too. */
static void gather_providers(struct reconcile *rec, const struct world_application *a,
                             struct gathered *g) {
        for (size_t i = 0; i < a->provider_count; i++) {
                const struct world_application *p = world_application(&rec->world, a->providers[i]);
                const struct world_resource *r = p ? first_of(rec, p, TALLY_LOST) : NULL;

                if (r)
                        first(g->lost, sizeof(g->lost),
                              "%s: %s %s held data that is gone: restore it, or mooringctl "
                              "accept-data-loss %s",
                              p->name, r->type, r->path, p->name);
        }
}

static const char *none_if_empty(const char *text) {
        return text && text[0] ? text : NULL;
}

static void gather_reach(struct reconcile *rec, const struct world_application *a,
                         struct gathered *g) {
        const struct world_model *m = world_model(&rec->world, a->model);
        const struct world_target *t = m ? world_target(&rec->world, m->target) : NULL;

        if (m)
                scope_blocked(rec, m, g->model_blocked, sizeof(g->model_blocked));
        if (!t || !t->open) {
                g->reading = !t || !t->reach_why;
                first(g->unseen, sizeof(g->unseen), "%s is not open: %s",
                      t && t->name ? t->name : "its cluster",
                      t && t->reach_why ? t->reach_why : "starting");
        } else if (t->reach_known && !t->reachable) {
                first(g->unseen, sizeof(g->unseen), "%s cannot be read: %s", t->name, t->reach_why);
        } else if ((t->provider->can & PROVIDER_WATCHES) && !t->reach_known) {
                g->reading = true;
                first(g->unseen, sizeof(g->unseen), "%s has not answered yet", t->name);
        }
}

/* A look that a person must make possible (a password was changed) is told as that. */
static void gather_unseen(const struct world_resource *r, struct gathered *g) {
        bool reading = r->state == STATE_UNSEEN || !r->tries;

        if (reading && first(g->unseen, sizeof(g->unseen), "%s %s is being read", r->type, r->path))
                g->reading = true;
        else if (!reading)
                first(g->unseen, sizeof(g->unseen), "%s %s cannot be read: %s", r->type, r->path,
                      r->reason);
}

static void gather(struct reconcile *rec, struct world_application *a, struct gathered *g) {
        const struct world_resource *r;

        gather_reach(rec, a, g);
        r = first_of(rec, a, TALLY_UNSEEN);
        if (r && !g->model_blocked[0])
                gather_unseen(r, g);
        r = first_of(rec, a, TALLY_BLOCKED);
        if (r)
                first(g->blocked, sizeof(g->blocked), "%s %s: %s", r->type, r->path, r->reason);
        r = first_of(rec, a, TALLY_LOST);
        if (r)
                gather_lost(a, r, g);
        r = first_of(rec, a, TALLY_FAILING);
        if (r)
                first(g->failing, sizeof(g->failing), "%s %s: %s", r->type, r->path, r->reason);
        gather_not_ready(rec, a, g);
        g->reading |= tally_first(a, TALLY_WAITS_UNREAD) != NULL;
        gather_units(a, g);
        gather_providers(rec, a, g);
        if (a->conflicts && a->conflicts[0])
                first(g->blocked, sizeof(g->blocked), "%s", a->conflicts);
}

static const char *missing_charm(struct reconcile *rec, const struct world_application *a,
                                 struct gathered *g) {
        const struct charm_offer *offer;
        struct err err = { 0 };

        if (a->charm)
                return NULL;
        if (charm_host_find(rec->options.host, a->charm_name, NULL, -1, &offer, &err) < 0)
                str_copy(g->no_charm, sizeof(g->no_charm), err_text(&err));
        else
                snprintf(g->no_charm, sizeof(g->no_charm), "charm %s is being taken in",
                         a->charm_name);
        return g->no_charm;
}

/* What changed last, as far as one sentence can say it. */
static const char *cause_of(const struct gathered *g, const struct world_application *a,
                            bool active) {
        const char *texts[] = { g->unseen,  g->model_blocked, g->lost,     g->blocked,
                                g->failing, g->unit_error,    g->not_ready };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (texts[i][0])
                        return texts[i];
        if (a->plan_message && a->plan_message[0])
                return a->plan_message;
        return active ? "all that is wanted is in place and ready" : "";
}

static void save(struct reconcile *rec, struct world_application *a, const char *cause) {
        const struct world_model *m = world_model(&rec->world, a->model);
        struct status_write *w = mem_new(struct status_write);

        str_copy(a->saved_status, sizeof(a->saved_status), a->status);
        str_set(&a->saved_message, a->message);
        a->saved_at = a->status_at;
        w->id = a->id;
        w->model = a->model;
        w->active_at = a->last_active;
        w->name = str_dup(a->name);
        w->status = str_dup(a->status);
        w->message = str_dup(a->message);
        w->cause = str_dup(cause);
        w->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "status",
                                       .run = write_run,
                                       .done = write_done,
                                       .arg = w };
        store_submit(rec->options.store, &w->call);
        log_event(LOG_INFO, "status",
                  (struct log_field[]){
                          { "MODEL", m ? m->name : "" }, { "APPLICATION", a->name }, {} },
                  "%s is %s%s%s", a->name, a->status, a->message[0] ? ": " : "", a->message);
}

/* READING: each start reads everything once; that is shown, and no news for the history. */
static void show(struct reconcile *rec, struct world_application *a, const char *word,
                 const char *message, bool reading, const char *cause) {
        const struct world_model *m = world_model(&rec->world, a->model);
        bool shown = str_eq(a->status, word) && str_eq(a->message, message);
        bool saved = str_eq(a->saved_status, word) && str_eq(a->saved_message, message);
        char before[sizeof(a->status)];

        if (!shown) {
                str_copy(before, sizeof(before), a->status);
                str_copy(a->status, sizeof(a->status), word);
                str_set(&a->message, message);
                a->status_at = saved ? a->saved_at : clock_wall();
                metrics_status_changed(rec, a, before);
        }
        if (!saved && !reading)
                save(rec, a, cause);
        if (!shown)
                reconcile_event(rec, "status", m ? m->name : "", a->name, word);
}

/* Since this start: what was told before its end may not have been planned. */
static bool is_first_plan(const struct world_application *a) {
        return application_changing(a) && a->planned && !a->planned_at;
}

/* Of what is put right at once each time. Without numbers, which would be news each time. */
static char *note_of_fight(const struct world_resource *r, const struct fight *f) {
        return str_format("%s %s: %s again and again, and put right each time: look who does it",
                          r->type, r->path, f->field[0] ? "changed" : "deleted");
}

/* What others changed and is not put right now: what is there, and until when. */
static char *note_of_standing(const struct world_resource *r, size_t more) {
        cleanup_(freep) char *others =
                more ? str_format("; %zu more objects differ", more) : str_dup("");

        return str_format("%s %s: %s%s", r->type, r->path, r->judged->verdict.why, others);
}

/* What was commanded and went nowhere. */
static char *note_of_unwritten(const struct world_resource *r) {
        const char *name = json_string_value(json_array_get(r->kept, 0));
        size_t more = json_array_size(r->kept) - 1;

        if (more)
                return str_format(
                        "%s %s: what was changed last is not written: %s and %zu more are "
                        "left to others by rules",
                        r->type, r->path, name, more);
        return str_format("%s %s: what was changed last is not written: %s is left to others by a "
                          "rule",
                          r->type, r->path, name);
}

static char *find_note(struct reconcile *rec, struct world_application *a) {
        const struct world_resource *first = NULL, *fought = NULL, *unwritten = NULL;
        bool unjudged = false; /* since the start: it stands, and was not seen and compared yet */
        size_t stand = 0;

        for (size_t i = 0; a->noted && i < a->want_count; i++) {
                const struct world_resource *r = world_resource(&rec->world, a->wants[i].resource);

                if (!r)
                        continue;
                if (resource_fight(r))
                        fought = r;
                if (r->row.unwritten && json_array_size(r->kept))
                        unwritten = r;
                unjudged |= r->standing && !r->judged;
                stand += r->standing && r->judged;
                if (!first && r->standing && r->judged)
                        first = r;
        }
        a->noted = first || fought || unwritten || unjudged;
        if (first)
                return note_of_standing(first, stand - 1);
        if (fought && resource_fight_guarded(rec, fought))
                return note_of_fight(fought, resource_fight(fought));
        return unwritten ? note_of_unwritten(unwritten) : NULL;
}

/* Its units may all be gone: whether there should be any, what it wants says. */
static bool runs_units(struct reconcile *rec, struct world_application *a) {
        bool known = true;

        for (size_t i = 0; !a->runs && i < a->want_count; i++) {
                const struct world_resource *r = world_resource(&rec->world, a->wants[i].resource);
                const struct world_target *t = r ? world_target(&rec->world, r->target) : NULL;

                known &= t && t->provider;
                if (t && t->provider && t->provider->runs && t->provider->runs(r->type))
                        a->runs = 1;
        }
        if (!a->runs && known)
                a->runs = -1;
        return a->runs > 0;
}

/* Where the freeze is for A's own plan, that plan says why. */
static char *frozen_text(const struct world_application *a, const struct freeze *f) {
        bool own = a->held && str_eq(f->owner, LIMIT_OWNER) && strstr(f->why, a->held);

        return own ? str_dup(LIMIT_OWNER) : freeze_text(f);
}

void status_update(struct reconcile *rec, struct world_application *a) {
        struct gathered g = { 0 };
        struct status_output out;
        struct status_input in = { 0 };
        const struct world_model *m = world_model(&rec->world, a->model);
        const struct freeze *f = m && a->name ? rules_frozen(m->rules, a->name) : NULL;
        cleanup_(freep) char *frozen = f ? frozen_text(a, f) : NULL;
        cleanup_(freep) char *note = NULL, *refresh = NULL;

        if (!a->name)
                return;
        refreshing_consider(rec, a);
        refresh = refreshing_text(rec, a);
        gather(rec, a, &g);
        if (a->active) /* until now: nothing was told meanwhile */
                a->last_active = clock_wall();
        if (a->dying)
                gather_removing(rec, a, &g);
        note = find_note(rec, a);
        in = (struct status_input){
                .unseen = none_if_empty(g.unseen),
                .last_word = a->last_active ? "active" : a->status,
                .last_seen = a->last_active,
                .dying = a->dying,
                .removing = none_if_empty(g.removing[0] ? g.removing : g.not_ready),
                .no_charm = missing_charm(rec, a, &g),
                .paused = m && m->paused ? m->paused : a->paused,
                .frozen = frozen,
                .note = note,
                .model_blocked = none_if_empty(g.model_blocked),
                .held = a->held,
                .refresh = refresh,
                .refresh_paused = a->refresh && a->refresh->paused,
                .lost = none_if_empty(g.lost),
                .undecided = a->undecided,
                .plan_error = a->plan_error,
                .planned = a->planned,
                .plan_word = none_if_empty(a->plan_word),
                .plan_message = a->plan_message,
                .blocked = none_if_empty(g.blocked),
                .failing = none_if_empty(g.failing),
                .unit_error = none_if_empty(g.unit_error),
                .not_ready = none_if_empty(g.not_ready),
                .changing = application_changing(a),
                .units = g.units,
                .ready = g.ready,
                .runs = g.units > 0 || runs_units(rec, a),
                .scale = a->scale,
                .keeps_data = tally_first(a, TALLY_DATA),
        };
        status_compute(&in, &out);
        a->active = out.word == STATUS_ACTIVE;
        if (a->active)
                a->last_active = clock_wall();
        show(rec, a, status_words[out.word], out.message, g.reading || is_first_plan(a),
             cause_of(&g, a, out.word == STATUS_ACTIVE));
}

static int keep_seen(struct tx *tx, struct store_call *c, struct err *err) {
        struct reconcile *rec = c->arg;
        struct map_entry *e;
        int r = 0;

        for (size_t i = 0; r >= 0 && (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;

                if (str_eq(a->status, "active"))
                        r = w_application_set_active(tx,
                                                     &(struct w_application_set_active_in){
                                                             .active_at = tx_now(tx), .id = a->id },
                                                     err);
        }
        return r < 0 ? r : 0;
}

void status_keep_seen(struct reconcile *rec) {
        struct store_call c = { .lane = STORE_LOOP, .actor = "loop", .run = keep_seen, .arg = rec };
        struct err err = { 0 };

        if (store_now(rec->options.store, &c, &err) < 0)
                log_plain(LOG_WARNING, "status", "%s", err_text(&err));
}
