/* SPDX-License-Identifier: Apache-2.0 */
/* facts.c - how all stands, as doctor judges it: outsides, models, applications, the queue
 *
 * Only what is known already; nothing is asked, and nothing is decided here. */
#include "reconcile-internal.h"

#include "tally.h"

#include "clock.h"

#include <stdlib.h>

struct telling {
        json_t *list;
        int64_t now;
};

static void tell_watch(void *arg, const struct watch_seen *w) {
        const struct telling *t = arg;

        json_array_append_new(t->list,
                              json_pack("{s:s, s:I, s:I}", "type", w->type, "silent-ms",
                                        (json_int_t)(t->now - w->news_at), "lost-ms",
                                        (json_int_t)(w->lost_at ? t->now - w->lost_at : 0)));
}

static json_t *target_json(const struct world_target *t) {
        json_t *j = json_pack(
                "{s:s, s:s, s:b, s:b, s:b, s:b, s:o, s:I}", "name", t->name ? t->name : "",
                "provider", t->provider ? t->provider->name : "", "operators", t->application == 0,
                "open", t->open != NULL, "known", t->reach_known, "readable", t->reachable, "why",
                json_words(t->reach_why), "since", (json_int_t)t->reach_since);
        struct telling telling = { json_array(), clock_mono() };

        if (t->open && t->provider->watches)
                t->provider->watches(t->open, tell_watch, &telling);
        json_object_set_new(j, "watches", telling.list);
        json_object_set_new(j, "examined",
                            json_boolean(t->provider && t->provider->examine != NULL));
        if (t->open && t->provider->manner)
                json_object_set_new(j, "manner", t->provider->manner(t->open));
        return j;
}

static json_t *model_json(struct reconcile *rec, const struct world_model *m) {
        const struct world_target *t = world_target(&rec->world, m->target);
        char text[400] = "";
        /* While its cluster cannot be read nothing is known of it. */
        bool foreign = t && t->reachable && scope_foreign(rec, m, text, sizeof(text)) != NULL;
        bool blocked =
                t && t->reachable && !foreign && scope_blocked(rec, m, text, sizeof(text)) != NULL;

        return json_pack("{s:s, s:s, s:b, s:b, s:o}", "name", m->name ? m->name : "", "target",
                         t && t->name ? t->name : "", "foreign", foreign, "blocked", blocked, "why",
                         json_words(text));
}

static json_t *application_json(struct reconcile *rec, const struct world_application *a) {
        const struct world_model *m = world_model(&rec->world, a->model);
        const struct world_want *want = tally_first(a, TALLY_LOST);
        const struct world_resource *r = want ? world_resource(&rec->world, want->resource) : NULL;
        cleanup_(freep) char *lost = r ? status_lost(a, r) : NULL;
        cleanup_(freep) char *refresh =
                a->refresh && a->refresh->paused ? refreshing_text(rec, a) : NULL;
        const char *said = str_eq(a->plan_word, "blocked") ? a->plan_message : NULL;

        return json_pack("{s:s, s:s, s:b, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:I}",
                         "model", m && m->name ? m->name : "", "name", a->name, "dying", a->dying,
                         "message", a->message ? a->message : "", "drifted",
                         (json_int_t)tally_count(a, TALLY_DRIFTED), "held", json_words(a->held),
                         "conflicts", json_words(a->conflicts), "plan-error",
                         json_words(a->plan_error), "blocked",
                         json_words(a->undecided ? a->undecided : said), "lost", json_words(lost),
                         "lost-path", r ? r->path : "", "refresh-paused", json_words(refresh),
                         "since", (json_int_t)a->status_at);
}

/* Pods that do not run, and why. */
static void add_pods(struct reconcile *rec, const struct world_application *a, json_t *to) {
        const struct world_model *m = world_model(&rec->world, a->model);
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&a->units, &i));) {
                const struct world_unit *u = e->value;

                if (u->trouble)
                        json_array_append_new(to, json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:I}",
                                                            "model", m && m->name ? m->name : "",
                                                            "name", a->name, "number",
                                                            (json_int_t)u->number, "pod", u->name,
                                                            "trouble", u->trouble, "message",
                                                            json_words(u->message), "since",
                                                            (json_int_t)u->since));
        }
}

/* Data that somebody has deleted, and that is there until its last user ends. */
static json_t *leaving_json(struct reconcile *rec) {
        json_t *list = json_array();
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.resources, &i));) {
                const struct world_resource *r = e->value;
                bool leaves = r->seen.presence == PRESENCE_LEAVING && !r->row.dying &&
                              decide_is_sacred(&r->row);
                const struct world_application *a =
                        leaves ? world_application(&rec->world, r->owner) : NULL;
                const struct world_model *m = a ? world_model(&rec->world, a->model) : NULL;

                if (m && m->name)
                        json_array_append_new(
                                list, json_pack("{s:s, s:s, s:s, s:s, s:o, s:I}", "model", m->name,
                                                "name", a->name, "type", r->type, "path", r->path,
                                                "why", json_words(r->seen.reason), "since",
                                                (json_int_t)r->seen.leaving_at));
        }
        return list;
}

static json_t *queue_json(struct reconcile *rec) {
        json_t *list = json_array();

        for (int kind = 0; kind < KEY_KIND_MAX; kind++) {
                struct queue_figures f;

                queue_figures(rec->queue, kind, &f);
                json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}", "kind",
                                                      reconcile_kind_names[kind], "ready",
                                                      (json_int_t)f.ready, "failing",
                                                      (json_int_t)f.failing, "oldest-ms",
                                                      (json_int_t)f.oldest_ms));
        }
        return list;
}

static json_t *fights_json(struct reconcile *rec) {
        json_t *list = json_array();
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.resources, &i));) {
                const struct world_resource *r = e->value;
                const struct fight *f = r->fights ? resource_fight(r) : NULL;
                const struct world_model *m = resource_model(rec, r);
                cleanup_(freep) char *text = f ? resource_fight_text(rec, r) : NULL;

                if (f)
                        json_array_append_new(
                                list, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:I}", "model",
                                                m && m->name ? m->name : "", "type", r->type,
                                                "path", r->path, "text", json_words(text), "field",
                                                json_words(fight_is_of_field(f) ? f->field : ""),
                                                "who", json_words(fight_is_of_one(f) ? f->who : ""),
                                                "guarded", resource_fight_guarded(rec, r), "since",
                                                (json_int_t)f->opened_at));
        }
        return list;
}

json_t *reconcile_facts(struct reconcile *rec) {
        json_t *targets = json_array(), *models = json_array(), *applications = json_array();
        json_t *pods = json_array();
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));)
                json_array_append_new(targets, target_json(e->value));
        for (size_t i = 0; (e = map_next(&rec->world.models, &i));)
                json_array_append_new(models, model_json(rec, e->value));
        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;

                if (!a->name)
                        continue;
                json_array_append_new(applications, application_json(rec, a));
                add_pods(rec, a, pods);
        }
        return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "fights", fights_json(rec),
                         "targets", targets, "models", models, "applications", applications, "pods",
                         pods, "leaving", leaving_json(rec), "kept", kept_troubles(rec), "queue",
                         queue_json(rec));
}
