/* SPDX-License-Identifier: Apache-2.0 */
/* resource-fight.c - the fights over one resource: noted where drift is found, kept in rows, shown,
 * and over when it is quiet
 *
 * A change counts when it came after a write of ours that put that field right: what was noted and
 * not put right yet is the same change still, whatever else of the object was written meanwhile.
 * Rows are written in the transaction of the line of drift (what is noted while one is open, with
 * the next); they are loaded at the start, so that a restart slows hardly less. */
#include "reconcile-internal.h"

#include "clock.h"
#include "fight.h"
#include "log.h"
#include "queries.gen.h"

#include <stdlib.h>

bool resource_fight_guarded(struct reconcile *rec, const struct world_resource *r) {
        const struct world_target *t = world_target(&rec->world, r->target);

        return t && t->provider && t->provider->guarded && t->provider->guarded(r->type);
}

static void tell_opened(struct reconcile *rec, const struct world_resource *r,
                        const struct fight *f) {
        const struct world_model *m = resource_model(rec, r);
        cleanup_(freep) char *text = fight_text(f);
        struct world_application *a = world_application(&rec->world, r->owner);
        bool guarded = resource_fight_guarded(rec, r);

        reconcile_log(
                guarded ? LOG_ERR : LOG_WARNING, "fight", rec, r, "%s %s: %s: %s", r->type, r->path,
                text,
                guarded ? "it is about security: put right at once each time, look who does it"
                : fight_is_of_field(f)
                        ? "put right more and more slowly; `drift hand-over` leaves it to them"
                        : "put right more and more slowly; `drift policy set --mode off "
                          "--object` leaves it to them");
        reconcile_event(rec, "fight", m ? m->name : "", r->path, text);
        if (a) {
                a->noted = true;
                application_seen(rec, a->id);
        }
}

const struct fight *resource_note_fight(struct reconcile *rec, struct world_resource *r,
                                        const char *field, const char *who) {
        struct fight *f;

        if (!r->fights)
                r->fights = mem_new(struct fights);
        f = fights_get(r->fights, field);
        fight_by(f, who);
        if (f->told)
                return f; /* the same change still */
        f->told = true;
        if (fight_note(f, &rec->options.fight, clock_wall()))
                tell_opened(rec, r, f);
        return f;
}

/* When its repair may be sent; 0: at once. */
static int64_t wait_of(struct reconcile *rec, const struct world_resource *r,
                       const struct fight *f) {
        if (!fight_is_open(f) || resource_fight_guarded(rec, r) || f->next_at <= clock_wall())
                return 0;
        return f->next_at;
}

int64_t resource_fight_wait(struct reconcile *rec, const struct world_resource *r,
                            const struct fight *f, char *text, size_t size) {
        int64_t at = wait_of(rec, r, f);
        cleanup_(freep) char *said = NULL;
        char stamp[CLOCK_TEXT_MAX];

        if (!at)
                return 0;
        said = fight_text(f);
        snprintf(text, size, "%s: put right again at %s", said, clock_iso(at, false, stamp));
        return at;
}

int64_t resource_fight_whole(struct reconcile *rec, const struct world_resource *r, char *text,
                             size_t size) {
        for (size_t i = 0; r->fights && i < r->fights->count; i++)
                if (!r->fights->items[i].field[0])
                        return resource_fight_wait(rec, r, &r->fights->items[i], text, size);
        return 0;
}

const struct fight *resource_fight(const struct world_resource *r) {
        for (size_t i = 0; r->fights && i < r->fights->count; i++)
                if (fight_is_open(&r->fights->items[i]))
                        return &r->fights->items[i];
        return NULL;
}

char *resource_fight_text(struct reconcile *rec, const struct world_resource *r) {
        const struct fight *f = resource_fight(r);
        cleanup_(freep) char *text = f ? fight_text(f) : NULL;

        if (!f)
                return NULL;
        return str_format("%s of %s %s%s", text, r->type, r->path,
                          resource_fight_guarded(rec, r) ? ", which is about security" : "");
}

/* ---- rows */

static char *times_text(const struct fight *f) {
        cleanup_(json_freep) json_t *list = json_array();

        for (uint32_t i = 0; i < f->count; i++)
                json_array_append_new(list, json_integer(fight_time(f, i)));
        return json_text(list);
}

void resource_take_fights(const struct world_resource *r, struct fights *ret) {
        *ret = (struct fights){ 0 };
        for (size_t i = 0; r->fights && i < r->fights->count; i++) {
                const struct fight *f = &r->fights->items[i];

                if (!f->dirty || f->count < 2) /* a first time is no fight */
                        continue;
                ret->items = mem_grow(ret->items, &ret->room, ret->count + 1, sizeof(*f));
                ret->items[ret->count] = *f;
                ret->items[ret->count].field = str_dup(f->field);
                ret->items[ret->count++].who = str_dup(f->who);
        }
}

void resource_fights_saved(struct world_resource *r, const struct fights *l) {
        for (size_t i = 0; r->fights && i < l->count; i++) {
                const struct fight *saved = &l->items[i];
                struct fight *f = fights_find(r->fights, saved->field);

                if (f && str_eq(f->field, saved->field) && f->count == saved->count &&
                    fight_last(f) == fight_last(saved))
                        f->dirty = false; /* and nothing was noted meanwhile */
        }
}

int resource_save_fights(struct tx *tx, int64_t resource, const struct fights *l, struct err *err) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < l->count; i++) {
                const struct fight *f = &l->items[i];
                cleanup_(freep) char *times = times_text(f);

                r = w_fight_set(tx,
                                &(struct w_fight_set_in){ .id = tx_id(tx, "fight"),
                                                          .resource_id = resource,
                                                          .field = f->field,
                                                          .who = f->who,
                                                          .times = times,
                                                          .last_at = fight_last(f),
                                                          .delay_ms = f->delay_ms,
                                                          .opened_at = f->opened_at,
                                                          .slow = f->slow,
                                                          .next_at = f->next_at },
                                err);
        }
        return r;
}

/* Whether it was put right since it was noted is in no row. Not before its time, if it waits. */
static bool was_told(struct reconcile *rec, const struct world_resource *r, const struct fight *f) {
        bool waits = fight_is_open(f) && !resource_fight_guarded(rec, r);

        return MAX_OF(fight_last(f), waits ? f->next_at : 0) >= r->row.applied_at;
}

void resource_load_fight(struct reconcile *rec, const struct q_fight_row *row) {
        struct world_resource *r = world_resource(&rec->world, row->resource_id);
        struct world_application *a = r ? world_application(&rec->world, r->owner) : NULL;
        cleanup_(json_freep) json_t *times = NULL;
        const json_t *at;
        struct fight *f;
        size_t i;

        if (!r || json_parse(row->times, strlen(row->times), &times, NULL) < 0)
                return;
        if (!r->fights)
                r->fights = mem_new(struct fights);
        if (r->fights->count == FIGHTS_MAX)
                return;
        f = fights_get(r->fights, row->field);
        fight_by(f, row->who);
        json_array_foreach(times, i, at)
                fight_add(f, json_integer_value(at));
        f->delay_ms = row->delay_ms;
        f->opened_at = row->opened_at;
        f->slow = row->slow;
        f->next_at = row->next_at;
        f->told = was_told(rec, r, f);
        if (a && fight_is_open(f))
                a->noted = true;
}

/* ---- the end */

struct quiet {
        struct store_call call;
        int64_t resource;
        char *field;
};

static int quiet_run(struct tx *tx, struct store_call *c, struct err *err) {
        const struct quiet *q = c->arg;
        int r = w_fight_delete(
                tx, &(struct w_fight_delete_in){ .resource_id = q->resource, .field = q->field },
                err);

        return r < 0 ? r : 0;
}

/* A row that stays is read at the next start, and is over then. */
static void quiet_done(struct store_call *c, int r, const struct err *err) {
        struct quiet *q = c->arg;

        if (r < 0)
                log_plain(LOG_WARNING, "fight", "resource %lld: %s", (long long)q->resource,
                          err_text(err));
        free(q->field);
        free(q);
}

static void forget(struct reconcile *rec, struct world_resource *r, size_t i) {
        const struct fight *f = &r->fights->items[i];
        struct quiet *q = mem_new(struct quiet);

        if (fight_is_open(f)) {
                reconcile_log(LOG_NOTICE, "fight-over", rec, r, "%s %s: %s is quiet about %s",
                              r->type, r->path, fight_who(f), f->field[0] ? fight_what(f) : "it");
                application_seen(rec, r->owner);
        }
        q->resource = r->id;
        q->field = str_dup(f->field);
        q->call = (struct store_call){
                .lane = STORE_LOOP, .actor = "loop", .run = quiet_run, .done = quiet_done, .arg = q
        };
        store_submit(rec->options.store, &q->call);
        fights_drop(r->fights, i);
}

/* It is left to whoever writes it now. */
static bool is_given_up(struct reconcile *rec, const struct world_resource *r,
                        const struct fight *f) {
        struct rule_subject s = resource_subject(rec, r);
        const struct rule *rule = rules_find(resource_rules(rec, r), &s, f->field);

        return rule && rule->mode != RULE_REPAIR;
}

int64_t resource_settle_fights(struct reconcile *rec, struct world_resource *r) {
        int64_t next = 0, now = clock_wall();

        for (size_t i = 0; r->fights && i < r->fights->count;) {
                const struct fight *f = &r->fights->items[i];
                int64_t at = fight_quiet_at(f, &rec->options.fight);

                if (!fight_is_open(f)) /* few, and long ago */
                        at = fight_last(f) + rec->options.fight.slow_window_ms;
                if (at <= now || is_given_up(rec, r, f)) {
                        forget(rec, r, i);
                        continue;
                }
                next = clock_sooner(next, at);
                i++;
        }
        if (r->fights && !r->fights->count)
                r->fights = fights_free(r->fights);
        return next;
}
