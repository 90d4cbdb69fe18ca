/* SPDX-License-Identifier: Apache-2.0 */
/* view-model-status.c - status, units, relations and storage; see view-model.h */
#include "refresh.h"
#include "refresh-all.h"
#include "rule.h"
#include "view-internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- units */

static json_t *unit_json(const struct q_unit_row *u) {
        json_t *j = json_object();

        json_object_set_new(j, "workload-status", view_state(u->status, u->message, u->status_at));
        json_object_set_new(j, "juju-status", view_state(u->agent, NULL, u->status_at));
        view_put(j, "address", u->address);
        view_put(j, "provider-id", u->name);
        view_put(j, "node", u->node);
        view_put(j, "open-ports", *u->ports ? u->ports : NULL);
        return j;
}

int view_units_json(struct tx *tx, const struct q_application_row *a, json_t **ret,
                    struct err *err) {
        struct q_unit_list_in in = { .application_id = a->id, .after = "", .max = VIEW_UNITS_MAX };
        struct q_unit_row *rows;
        json_t *units;
        size_t n;
        int r = q_unit_list(tx, &in, &rows, &n, err);

        if (r < 0)
                return r;
        units = json_object();
        for (size_t i = 0; i < n; i++) {
                cleanup_(freep) char *name =
                        str_format("%s/%lld", a->name, (long long)rows[i].number);

                json_object_set_new(units, name, unit_json(&rows[i]));
        }
        *ret = units;
        return 0;
}

/* ---- one application */

static int put_relations(struct tx *tx, const struct q_application_row *a, json_t *into,
                         struct err *err) {
        struct q_relation_ends_in in = { .application_id = a->id, .max = VIEW_RELATIONS_MAX };
        struct q_relation_ends_row *rows;
        json_t *relations;
        size_t n;
        int r = q_relation_ends(tx, &in, &rows, &n, err);

        if (r < 0)
                return r;
        relations = json_object();
        json_object_set_new(into, "relations", relations);
        for (size_t i = 0; i < n; i++) {
                const char *endpoint = *rows[i].endpoint ? rows[i].endpoint : "(not settled)";
                json_t *list = json_get(relations, endpoint);

                if (!list) {
                        list = json_array();
                        json_object_set_new(relations, endpoint, list);
                }
                json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:s}", "id",
                                                      (json_int_t)rows[i].relation_id,
                                                      "related-application", rows[i].other_name,
                                                      "interface", rows[i].interface, "life",
                                                      rows[i].life));
        }
        return 0;
}

static int put_charm(struct tx *tx, const struct q_application_row *a, json_t *j, struct err *err) {
        struct q_charm_row *charm;
        size_t n = 0;
        int r = 0;

        view_put(j, "charm", a->charm_name);
        view_put(j, "charm-name", a->charm_name);
        view_put(j, "charm-channel", a->channel);
        if (a->charm_sha256)
                r = q_charm_by_sha256(tx,
                                      &(struct q_charm_by_sha256_in){ .sha256 = a->charm_sha256 },
                                      &charm, &n, err);
        if (r < 0)
                return r;
        if (n > 0)
                view_put_int(j, "charm-rev", charm->revision);
        view_put(j, "charm-sha256", a->charm_sha256);
        return 0;
}

static void put_row(const struct q_application_row *a, json_t *j) {
        cleanup_(json_freep) json_t *kept = view_parse(a->annotations);

        view_put_int(j, "scale", a->scale);
        view_put(j, "version", *a->version ? a->version : NULL);
        view_put(j, "life", a->life);
        json_object_set_new(j, "exposed", json_boolean(json_get_bool(kept, "expose", false)));
        json_object_set_new(j, "trust", json_boolean(a->trust));
        json_object_set_new(j, "application-status",
                            view_state(a->status, a->message, a->status_at));
        view_put(j, "held", a->held);
        view_put(j, "error", a->plan_error);
        view_put_pause(j, a->paused_by, a->paused_why, a->paused_until);
}

/* The last one, also when it is over. */
static int put_refresh(struct tx *tx, const struct q_application_row *a, json_t *into,
                       struct err *err) {
        struct q_refresh_row *f;
        json_t *j;
        int r = refresh_find(tx, a->id, &f, err);

        if (r < 0 || !f)
                return r;
        j = json_object();
        view_put(j, "stage", f->stage);
        view_put_time(j, "stage-since", f->stage_at);
        view_put(j, "paused", f->paused);
        view_put(j, "from-sha256", f->from_sha256);
        view_put(j, "to-sha256", f->to_sha256);
        view_put(j, "by", f->asked_by);
        view_put_time(j, "started", f->started_at);
        json_object_set_new(into, "refresh", j);
        return 0;
}

int view_application_json(struct tx *tx, const struct q_application_row *a,
                          const struct view_filter *f, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = json_object();
        json_t *units = NULL;
        int r = put_charm(tx, a, j, err);

        put_row(a, j);
        if (r >= 0)
                r = put_refresh(tx, a, j, err);
        if (r >= 0 && f->relations)
                r = put_relations(tx, a, j, err);
        if (r >= 0 && f->units)
                r = view_units_json(tx, a, &units, err);
        if (r < 0)
                return r;
        if (units)
                json_object_set_new(j, "units", units);
        *ret = take_ptr(j);
        return 0;
}

/* ---- relations of a model */

static void put_end(json_t *j, const char *member, const struct q_relation_side_list_row *s) {
        cleanup_(freep) char *text = *s->endpoint ? str_format("%s:%s", s->application, s->endpoint)
                                                  : str_dup(s->application);

        view_put(j, member, text);
}

json_t *view_relation_json(const struct q_relation_row *r,
                           const struct q_relation_side_list_row *sides, size_t count) {
        const struct q_relation_side_list_row *first = &sides[0], *last = &sides[count - 1];
        json_t *j = json_object();

        /* by role: provides sorts before requires */
        view_put_int(j, "id", r->id);
        put_end(j, "provider", first);
        put_end(j, "requirer", last);
        view_put(j, "interface", r->interface);
        view_put(j, "type", count == 1 ? "peer" : "regular");
        view_put(j, "life", r->life);
        view_put(j, "message",
                 str_eq(r->life, "dying") ? "being removed"
                 : *r->interface          ? ""
                                          : "waits for a charm");
        return j;
}

struct relation_walk {
        json_t *list;
        const char *application; /* NULL: all */
        bool more;
};

static int add_relation(struct tx *tx, const struct q_relation_row *r,
                        const struct q_relation_side_list_row *sides, size_t count, void *arg,
                        struct err *err) {
        struct relation_walk *w = arg;
        bool mine = !w->application;

        for (size_t i = 0; i < count; i++)
                mine = mine || str_eq(sides[i].application, w->application);
        w->more = w->more || (mine && json_array_size(w->list) == VIEW_RELATIONS_MAX);
        if (mine && !w->more)
                json_array_append_new(w->list, view_relation_json(r, sides, count));
        return 0;
}

static int put_model_relations(struct tx *tx, int64_t model, const char *application, json_t *into,
                               struct err *err) {
        struct relation_walk w = { json_array(), application, false };
        int r;

        json_object_set_new(into, "relations", w.list);
        r = view_each_relation(tx, model, add_relation, &w, err);
        if (w.more)
                json_object_set_new(into, "more-relations", json_true());
        return r;
}

int view_model_relations(struct tx *tx, const char *model, const char *application, json_t **ret,
                         struct err *err) {
        cleanup_(json_freep) json_t *j = json_object();
        const struct q_application_row *a;
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0 && application)
                r = lookup_application(tx, m, application, &a, err);
        if (r >= 0)
                r = put_model_relations(tx, m->id, application, j, err);
        if (r < 0)
                return r;
        *ret = take_ptr(j);
        return 0;
}

/* ---- storage */

struct storage_walk {
        json_t *into;
        const char *application;
};

static void put_storage(json_t *into, const struct q_application_row *a, const char *name,
                        const char *location, const char *class, int64_t size) {
        cleanup_(freep) char *id = str_format("%s/%s", a->name, name);
        json_t *j = json_object();

        view_put(j, "application", a->name);
        view_put(j, "name", name);
        if (str_eq(a->life, "dying")) /* for storage_add_live, which takes it out */
                json_object_set_new(j, "dying", json_true());
        view_put(j, "kind", "filesystem");
        view_put(j, "class", class);
        view_put(j, "location", location);
        view_put_int(j, "size", size);
        json_object_set_new(into, id, j);
}

static int add_storage(struct tx *tx, const struct q_application_row *a, void *arg,
                       struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        struct q_application_storage_list_row *rows;
        struct storage_walk *w = arg;
        size_t n;
        int r = lookup_meta(tx, a, &meta, err);

        if (r >= 0)
                r = q_application_storage_list(
                        tx, &(struct q_application_storage_list_in){ .application_id = a->id },
                        &rows, &n, err);
        if (r < 0 || (w->application && !str_eq(w->application, a->name)))
                return r;
        for (size_t i = 0; meta && i < meta->storage_count; i++)
                put_storage(w->into, a, meta->storages[i].name, meta->storages[i].location, NULL,
                            meta->storages[i].size);
        for (size_t i = 0; i < n; i++) {
                const struct meta_storage *m = meta ? charm_meta_storage(meta, rows[i].name) : NULL;

                put_storage(w->into, a, rows[i].name, m ? m->location : NULL, rows[i].class,
                            rows[i].size);
        }
        return 0;
}

static int put_detached(struct tx *tx, int64_t model, json_t *into, struct err *err) {
        struct q_detached_list_in in = { .model_id = model, .max = VIEW_APPLICATIONS_MAX };
        struct q_detached_row *rows;
        json_t *list = json_array();
        size_t n;
        int r = q_detached_list(tx, &in, &rows, &n, err);

        json_object_set_new(into, "detached", list);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *j = json_object();

                view_put_int(j, "id", rows[i].id);
                view_put(j, "application", rows[i].application);
                view_put(j, "charm", rows[i].charm_name);
                view_put(j, "type", rows[i].type);
                view_put(j, "path", rows[i].path);
                view_put_time(j, "since", rows[i].at);
                if (rows[i].trouble[0])
                        view_put(j, "trouble", rows[i].trouble);
                json_array_append_new(list, j);
        }
        return r < 0 ? r : 0;
}

static int put_model_storage(struct tx *tx, int64_t model, const char *application, json_t *into,
                             struct err *err) {
        struct storage_walk w = { json_object(), application };
        int r;

        json_object_set_new(into, "storage", w.into);
        r = lookup_each_application(tx, model, add_storage, &w, err);
        return r < 0 ? r : put_detached(tx, model, into, err);
}

int view_model_storage(struct tx *tx, const char *model, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = json_object();
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0)
                r = put_model_storage(tx, m->id, NULL, j, err);
        if (r < 0)
                return r;
        *ret = take_ptr(j);
        return 0;
}

/* ---- status */

static int put_applications(struct tx *tx, const struct q_model_row *m, const struct view_filter *f,
                            json_t *into, struct err *err) {
        int64_t max =
                f->max > 0 ? MIN_OF(f->max, (int64_t)VIEW_APPLICATIONS_MAX) : VIEW_APPLICATIONS_MAX;
        struct q_application_list_in in = { .model_id = m->id,
                                            .after = f->after ? f->after : "",
                                            .max = max };
        json_t *applications = json_object();
        struct q_application_row *rows;
        size_t n;
        int r = q_application_list(tx, &in, &rows, &n, err);

        json_object_set_new(into, "applications", applications);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *j;

                if (f->application && !str_eq(f->application, rows[i].name))
                        continue;
                r = view_application_json(tx, &rows[i], f, &j, err);
                if (r >= 0)
                        json_object_set_new(applications, rows[i].name, j);
        }
        if (r >= 0 && (int64_t)n == max)
                view_put(into, "next", rows[n - 1].name);
        return r < 0 ? r : 0;
}

static int put_one(struct tx *tx, const struct q_model_row *m, const struct view_filter *f,
                   json_t *into, struct err *err) {
        const struct q_application_row *a;
        json_t *j;
        int r = lookup_application(tx, m, f->application, &a, err);

        if (r >= 0)
                r = view_application_json(tx, a, f, &j, err);
        if (r >= 0)
                json_object_set_new(into, "applications", json_pack("{s:o}", a->name, j));
        return r < 0 ? r : 0;
}

static json_t *stop_json(const struct freeze *f) {
        json_t *j = json_pack("{s:s, s:s}", "by", f->owner, "why", f->why);

        view_put_time(j, "since", f->at);
        if (f->until)
                view_put_time(j, "until", f->until);
        return j;
}

/* Freezes of the model and its applications, and objects that are paused. */
static int put_stops(struct tx *tx, int64_t model, json_t *into, struct err *err) {
        json_t *frozen = json_object(), *paused = json_object();
        struct rules *rules = NULL;
        int r = rules_load_freezes(tx, model, &rules, err);

        for (size_t i = 0; r >= 0 && i < rules->freeze_count; i++) {
                const struct freeze *f = &rules->freezes[i];
                const char *name = f->type[0]          ? tx_format(tx, "%s %s", f->type, f->path)
                                   : f->application[0] ? f->application
                                                       : "(model)";

                if (!json_get(f->type[0] ? paused : frozen, name)) /* a restore's is the first */
                        json_object_set_new(f->type[0] ? paused : frozen, name, stop_json(f));
        }
        rules_free(rules);
        json_object_set_new(into, "frozen", frozen);
        json_object_set_new(into, "paused-objects", paused);
        return r;
}

static int put_model(struct tx *tx, const struct q_model_row *m, json_t *into, struct err *err) {
        struct q_target_row *cluster;
        json_t *j = json_object(), *state;
        size_t n;
        int r = q_target_by_id(tx, &(struct q_target_by_id_in){ .id = m->target_id }, &cluster, &n,
                               err);

        json_object_set_new(into, "model", j);
        if (r >= 0)
                r = view_model_state(tx, m, &state, err);
        if (r < 0)
                return r;
        view_put(j, "name", m->name);
        view_put(j, "type", "caas");
        view_put(j, "cloud", n ? cluster->name : NULL);
        view_put(j, "version", MOORING_VERSION);
        json_object_set_new(j, "model-status", state);
        r = put_stops(tx, m->id, into, err);
        view_put_pause(j, m->paused_by, m->paused_why, m->paused_until);
        return r;
}

/* What is over is shown by show-refresh alone. */
static int put_refresh_all(struct tx *tx, const struct q_model_row *m, json_t *into,
                           struct err *err) {
        struct q_refresh_all_row *o;
        json_t *j = NULL;
        int r = refresh_all_find(tx, m->id, &o, err);

        if (r >= 0 && o && !refresh_all_is_over(o))
                r = refresh_all_json(tx, m->id, false, &j, err);
        if (j)
                json_object_set_new(into, "refresh-all", j);
        return r;
}

int view_model_refresh(struct tx *tx, const char *model, json_t **ret, struct err *err) {
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0)
                r = refresh_all_json(tx, m->id, true, ret, err);
        if (r >= 0 && !*ret)
                return err_set(err, -ENOENT, "model %s: no refresh --all was ordered", m->name);
        return r < 0 ? r : 0;
}

int view_model_status(struct tx *tx, const char *model, const struct view_filter *f, json_t **ret,
                      struct err *err) {
        cleanup_(json_freep) json_t *j = json_object();
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0)
                r = put_model(tx, m, j, err);
        if (r >= 0)
                r = put_refresh_all(tx, m, j, err);
        if (r >= 0)
                r = f->application ? put_one(tx, m, f, j, err) : put_applications(tx, m, f, j, err);
        if (r >= 0 && f->relations)
                r = put_model_relations(tx, m->id, f->application, j, err);
        if (r >= 0 && f->storage)
                r = put_model_storage(tx, m->id, f->application, j, err);
        if (r < 0)
                return r;
        json_object_set_new(j, "controller", json_object());
        view_put_time(json_get(j, "controller"), "timestamp", tx_now(tx));
        *ret = take_ptr(j);
        return 0;
}
