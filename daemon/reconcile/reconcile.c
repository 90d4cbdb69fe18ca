/* SPDX-License-Identifier: Apache-2.0 */
/* reconcile.c - builds the loop, reads the rows at the start, hands dirty keys to the files of
 * their kind */
#include "reconcile-internal.h"

#include "clock.h"
#include "log.h"
#include "queries.gen.h"
#include "tally.h"

#include <errno.h>
#include <stdlib.h>

#define LOAD_PAGE 500
#define APPLICATIONS_AT_ONCE                                                                       \
        8 /* plans at once: what a small machine runs, and some waiting for I/O */

void reconcile_event(struct reconcile *rec, const char *kind, const char *model,
                     const char *subject, const char *text) {
        cleanup_(json_freep) json_t *event = NULL;
        char stamp[CLOCK_TEXT_MAX];

        if (!rec->options.event)
                return;
        event = json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", kind, "model", model, "subject",
                          subject, "text", text, "at", clock_iso(clock_wall(), true, stamp));
        rec->options.event(rec->options.arg, event);
}

void reconcile_log(int level, const char *event, const struct reconcile *rec,
                   const struct world_resource *r, const char *fmt, ...) {
        struct world *w = (struct world *)&rec->world;
        const struct world_application *a = r ? world_application(w, r->owner) : NULL;
        const struct world_model *m = r ? world_model(w, a ? a->model : r->model) : NULL;
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        log_event(level, event,
                  (struct log_field[]){ { "MODEL", m ? m->name : NULL },
                                        { "APPLICATION", a ? a->name : NULL },
                                        { "RESOURCE", r ? r->path : NULL },
                                        {} },
                  "%s", text);
}

const char *const reconcile_kind_names[KEY_KIND_MAX] = { [KEY_TARGET] = "target",
                                                         [KEY_MODEL] = "model",
                                                         [KEY_APPLICATION] = "application",
                                                         [KEY_RESOURCE] = "resource" };

static void handle(void *arg, struct queue_key key) {
        struct reconcile *rec = arg;

        /* Of a run of many that was slow the last is named: it was the one too many. */
        loop_doing(rec->options.loop, reconcile_kind_names[key.kind]);
        if (rec->stopping)
                return queue_done(rec->queue, key.kind, key.id);
        switch ((enum reconcile_kind)key.kind) {
        case KEY_TARGET:
                return outside_handle(rec, key.id);
        case KEY_MODEL:
                return scope_handle(rec, key.id);
        case KEY_APPLICATION:
                return application_handle(rec, key.id);
        case KEY_RESOURCE:
                return resource_handle(rec, key.id);
        case KEY_KIND_MAX:
                break;
        }
}

void reconcile_mark(struct reconcile *rec, enum store_mark kind, int64_t id) {
        switch (kind) {
        case MARK_TARGET:
                queue_change(rec->queue, KEY_TARGET, id, 0);
                break;
        case MARK_MODEL:
                kept_added(rec);
                queue_change(rec->queue, KEY_MODEL, id, 0);
                break;
        case MARK_APPLICATION:
                application_dirty(rec, id);
                break;
        case MARK_RESOURCE:
                resource_marked(rec, id);
                queue_change(rec->queue, KEY_RESOURCE, id, 0);
                break;
        case MARK_OPERATION: /* action.h's */
        case MARK_MAX:
                break;
        }
}

void reconcile_offers_changed(struct reconcile *rec) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;

                if (!a->charm)
                        application_dirty(rec, a->id);
        }
}

const struct limits *reconcile_limits(const struct reconcile *rec) {
        return &rec->options.limits;
}

void reconcile_options_changed(struct reconcile *rec) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));) {
                const struct world_target *t = e->value;

                if (!t->open)
                        queue_add(rec->queue, KEY_TARGET, t->id, QUEUE_CHANGE);
        }
}

void reconcile_writable(struct reconcile *rec) {
        struct map_entry *e;

        sweep_start(rec, &(struct sweep_which){ 0 });
        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));)
                application_dirty(rec, ((struct world_application *)e->value)->id);
}

int reconcile_new(const struct reconcile_options *o, struct reconcile **ret, struct err *err) {
        struct reconcile *rec = mem_new(struct reconcile);

        rec->options = *o;
        rec->controller = str_dup(o->controller);
        world_init(&rec->world);
        list_init(&rec->jobs);
        list_init(&rec->plans);
        list_init(&rec->sweeps);
        list_init(&rec->listings);
        list_init(&rec->previews);
        list_init(&rec->examinings);
        list_init(&rec->trials);
        list_init(&rec->verbs);
        term_init(rec);
        rec->kept = kept_new(rec);
        rec->trail = trail_new(rec);
        queue_new(o->loop, handle, rec, &rec->queue);
        queue_tell_to(rec->queue, metrics_queue);
        metrics_begin();
        queue_limit(rec->queue, KEY_TARGET, 16);
        queue_limit(rec->queue, KEY_MODEL, 4);
        queue_limit(rec->queue, KEY_APPLICATION, APPLICATIONS_AT_ONCE);
        queue_limit(rec->queue, KEY_RESOURCE, o->in_flight ? o->in_flight : RECONCILE_IN_FLIGHT);
        *ret = rec;
        return 0;
}

/* ---- start: ids of everything, rows of resources */

struct load {
        struct store_call call;
        struct reconcile *rec;
        int64_t after;
        size_t count;
};

static int load_targets(struct tx *tx, struct store_call *c, struct err *err) {
        struct load *l = c->arg;
        struct q_target_row *rows;
        int r = q_target_list(tx, &(struct q_target_list_in){ .after = l->after, .max = LOAD_PAGE },
                              &rows, &l->count, err);

        for (size_t i = 0; r >= 0 && i < l->count; i++) {
                struct world_target *t = world_target_get(&l->rec->world, rows[i].id);

                t->reconcile = l->rec;
                str_set(&t->name, rows[i].name);
                t->provider = provider_find(rows[i].provider);
                t->application = rows[i].application_id_null ? 0 : rows[i].application_id;
                l->after = rows[i].id;
                queue_add(l->rec->queue, KEY_TARGET, rows[i].id, QUEUE_FIRST);
        }
        return r;
}

static int load_models(struct tx *tx, struct store_call *c, struct err *err) {
        struct load *l = c->arg;
        struct q_model_row *rows;
        int r = q_model_list(tx, &(struct q_model_list_in){ .after = l->after, .max = LOAD_PAGE },
                             &rows, &l->count, err);

        for (size_t i = 0; r >= 0 && i < l->count; i++) {
                struct world_model *m = world_model_get(&l->rec->world, rows[i].id);

                world_model_rename(&l->rec->world, m, rows[i].name);
                str_set(&m->uuid, rows[i].uuid);
                m->target = rows[i].target_id;
                m->scope = rows[i].scope_null ? 0 : rows[i].scope;
                m->paused = rule_pause_text(rows[i].paused_by, rows[i].paused_why,
                                            rows[i].paused_until);
                m->rules = rules_free(m->rules);
                r = rules_load(tx, rows[i].id, &m->rules, err);
                l->after = rows[i].id;
                queue_add(l->rec->queue, KEY_MODEL, rows[i].id, QUEUE_FIRST);
        }
        return r;
}

static int load_applications(struct tx *tx, struct store_call *c, struct err *err) {
        struct load *l = c->arg;
        struct q_application_row *rows;
        int r = q_application_list_all(
                tx, &(struct q_application_list_all_in){ .after = l->after, .max = LOAD_PAGE },
                &rows, &l->count, err);

        for (size_t i = 0; r >= 0 && i < l->count; i++) {
                struct world_application *a = world_application_get(&l->rec->world, rows[i].id);

                a->reconcile = l->rec;
                a->model = rows[i].model_id;
                str_set(&a->name, rows[i].name);
                str_set(&a->charm, rows[i].charm_sha256);
                str_set(&a->charm_name, rows[i].charm_name);
                str_copy(a->status, sizeof(a->status), rows[i].status);
                str_set(&a->message, rows[i].message);
                a->status_at = rows[i].status_at;
                str_copy(a->saved_status, sizeof(a->saved_status), rows[i].status);
                str_set(&a->saved_message, rows[i].message);
                a->saved_at = rows[i].status_at;
                a->last_active = MAX_OF(rows[i].active_at,
                                        str_eq(rows[i].status, "active") ? rows[i].status_at : 0);
                a->paused = rule_pause_text(rows[i].paused_by, rows[i].paused_why,
                                            rows[i].paused_until);
                r = unit_load(tx, a, err);
                a->changes = 1; /* perhaps: what was told before the end was not planned */
                l->after = rows[i].id;
                queue_add(l->rec->queue, KEY_APPLICATION, rows[i].id, QUEUE_FIRST);
        }
        return r;
}

/* Each resource by the same function that reads it later, so that there is one way from row to
 * world. */
static int load_resources(struct tx *tx, struct store_call *c, struct err *err) {
        struct load *l = c->arg;
        struct q_resource_row *rows;
        int r = q_resource_list_page(
                tx, &(struct q_resource_list_page_in){ .after = l->after, .max = LOAD_PAGE }, &rows,
                &l->count, err);

        for (size_t i = 0; r >= 0 && i < l->count; i++) {
                struct resource_job *j = resource_job_new(l->rec, rows[i].id, false);
                struct world_resource *taken;

                r = resource_load_now(tx, j, &rows[i], err);
                taken = r >= 0 ? resource_take(j, NULL) : NULL;
                if (taken)
                        taken->tried = true; /* perhaps, just before the end of the last run */
                resource_job_free(j);
                l->after = rows[i].id;
                queue_add(l->rec->queue, KEY_RESOURCE, rows[i].id, QUEUE_FIRST);
        }
        return r;
}

static int load_drift(struct tx *tx, struct store_call *c, struct err *err) {
        struct load *l = c->arg;
        struct q_drift_open_page_row *rows;
        int r = q_drift_open_page(
                tx, &(struct q_drift_open_page_in){ .after = l->after, .max = LOAD_PAGE }, &rows,
                &l->count, err);

        for (size_t i = 0; r >= 0 && i < l->count; i++) {
                struct world_resource *res = world_resource(&l->rec->world, rows[i].resource_id);

                if (res && rows[i].standing_len == DIGEST_SIZE) {
                        struct world_application *a = world_application(&l->rec->world, res->owner);

                        if (a)
                                a->noted = true;
                        res->standing = rows[i].id;
                        memcpy(world_lines(res)->stands, rows[i].standing, DIGEST_SIZE);
                } else if (res) {
                        res->drift = rows[i].id;
                }
                if (res)
                        tally_resource(&l->rec->world, res);
                l->after = rows[i].id;
        }
        return r;
}

static int load_fights(struct tx *tx, struct store_call *c, struct err *err) {
        struct load *l = c->arg;
        struct q_fight_row *rows;
        int r = q_fight_page(tx, &(struct q_fight_page_in){ .after = l->after, .max = LOAD_PAGE },
                             &rows, &l->count, err);

        for (size_t i = 0; r >= 0 && i < l->count; i++) {
                resource_load_fight(l->rec, &rows[i]);
                l->after = rows[i].id;
        }
        return r;
}

/* At the start, before anything else runs: the loop waits for each page, so the store thread may
 * fill the world itself. */
static int load(struct reconcile *rec, int (*run)(struct tx *, struct store_call *, struct err *),
                struct err *err) {
        struct load l = { .rec = rec };

        do {
                int r;

                l.call = (struct store_call){
                        .lane = STORE_LOOP, .actor = "start", .run = run, .arg = &l
                };
                r = store_now(rec->options.store, &l.call, err);
                if (r < 0)
                        return r;
        } while (l.count == LOAD_PAGE);
        return 0;
}

int reconcile_start(struct reconcile *rec, struct err *err) {
        int r = load(rec, load_targets, err);

        if (r >= 0)
                r = load(rec, load_models, err);
        if (r >= 0)
                r = load(rec, load_applications, err);
        if (r >= 0)
                r = load(rec, load_resources, err);
        if (r >= 0)
                r = load(rec, load_drift, err);
        if (r >= 0)
                r = load(rec, load_fights, err);
        rec->started = r >= 0;
        if (rec->started) {
                kept_soon(rec);
                sweep_audits(rec);
                certificate_clock_start(rec);
        }
        return r < 0 ? r : 0;
}

void reconcile_stop(struct reconcile *rec) {
        if (rec->started)
                status_keep_seen(rec);
        rec->stopping = true;
        certificate_clock_stop(rec);
        term_deinit(rec);
        application_stop(rec);
        sweep_stop(rec);
        listing_stop(rec);
        trial_stop(rec);
        verb_stop(rec);
        preview_stop(rec);
        examine_stop(rec);
        kept_stop(rec);
        outside_close_all(rec);
}

struct reconcile *reconcile_free(struct reconcile *rec) {
        if (!rec)
                return NULL;
        list_each(link, &rec->jobs)
                resource_job_free(list_entry(link, struct resource_job, link));
        certificate_clock_free(rec);
        rec->kept = kept_free(rec->kept);
        rec->trail = trail_free(rec->trail);
        rec->queue = queue_free(rec->queue);
        world_deinit(&rec->world);
        map_free(&rec->marked);
        free(rec->controller);
        free(rec);
        return NULL;
}

bool reconcile_idle(const struct reconcile *rec) {
        return rec->in_flight == 0 && queue_idle(rec->queue);
}
