/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - what the loop knows, as JSON for people: status beside the rows, and why
 *
 * `why` calls the same resource_policy and decide as the loop does, and changes nothing. */
#include "reconcile-internal.h"

#include "clock.h"
#include "output.h"
#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define WHY_DEPTH_MAX 12 /* causes of causes: one screen */
#define WHY_WANTS_MAX 50 /* objects of one application that are told one by one */
#define WHY_LOOK_MAX 500 /* looked at for that: ten thousand take longer than a handler may */

/* While an action runs, as Juju shows it: executing, and "(set-password) " before what there is to
 * say. */
static json_t *unit_json(const struct world_application *a, const struct world_unit *u) {
        const char *action = json_string_value(json_array_get(a->actions, 0));
        bool acts = action && str_eq(u->agent, "idle");
        cleanup_(freep) char *message =
                acts ? str_format("(%s)%s%s", action, u->message && u->message[0] ? " " : "",
                                  u->message ? u->message : "")
                     : str_dup(u->message ? u->message : "");

        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o}", "pod", u->name, "status",
                         u->status, "agent", acts ? "executing" : u->agent, "message", message,
                         "address", u->address, "node", u->node, "number", (json_int_t)u->number,
                         "since", json_stamp(u->since, false));
}

static json_t *application_json(struct reconcile *rec, const struct world_application *a) {
        const struct world_model *m = world_model(&rec->world, a->model);
        const struct world_target *t = m ? world_target(&rec->world, m->target) : NULL;
        json_t *units = json_object(), *out;
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&a->units, &i));) {
                const struct world_unit *u = e->value;
                cleanup_(freep) char *name = str_format("%s/%lld", a->name, (long long)u->number);

                json_object_set_new(units, name, unit_json(a, u));
        }
        out = json_pack("{s:s, s:s, s:o, s:b, s:o}", "current", a->status, "message", a->message,
                        "since", json_stamp(a->status_at, false), "executing",
                        a->executing || a->actions, "units", units);
        json_object_set_new(out, "actions", a->actions ? json_deep_copy(a->actions) : json_array());
        if (a->planned && a->runs < 0)
                json_object_set_new(out, "runs-pods", json_false());
        json_object_set_new(out, "changing", json_boolean(application_changing(a)));
        json_object_set_new(out, "settled", json_boolean(application_settled(rec, a)));
        json_object_set_new(out, "drifted",
                            json_integer((json_int_t)tally_count(a, TALLY_DRIFTED)));
        json_object_set_new(out, "readable", json_boolean(t && t->reachable));
        json_object_set_new(out, "seen-until",
                            t && t->reachable ? json_null()
                                              : json_stamp(t ? t->lost_at : 0, false));
        return out;
}

json_t *reconcile_status(struct reconcile *rec, const char *model) {
        const struct world_model *m = world_model_named(&rec->world, model);
        json_t *out = json_object();
        struct map_entry *e;

        for (size_t i = 0; m && (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;

                if (a->model == m->id)
                        json_object_set_new(out, a->name, application_json(rec, a));
        }
        return out;
}

bool explain_belongs(struct reconcile *rec, const struct world_resource *r, int64_t model,
                     const char *application) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        if (application)
                return a && a->model == model && str_eq(a->name, application);
        return a ? a->model == model : r->model == model;
}

/* ---- why */

struct why {
        struct reconcile *rec;
        json_t *list;
        struct map told; /* applications and resources: each once, for needs may form a net */
};

static bool is_new(struct why *w, const void *thing) {
        if (map_find_bytes(&w->told, &thing, sizeof(thing)))
                return false;
        map_set_bytes(&w->told, &thing, sizeof(thing), w);
        return true;
}

static void add_cause(json_t *list, int depth, const char *what, const char *why) {
        json_array_append_new(
                list, json_pack("{s:i, s:s, s:s}", "depth", depth, "subject", what, "text", why));
}

static void why_resource(struct why *w, struct world_resource *r, int depth);

/* A value that is taken is told also when it is known: it explains what was written. */
static void why_value(struct why *w, const struct world_need *need, const char *missing,
                      int depth) {
        const struct world_resource *n = world_resource(&w->rec->world, need->id);
        cleanup_(freep) char *name = resource_need_name(w->rec, need);
        cleanup_(freep) char *value = n ? output_value(n->seen.output, need->output) : NULL;

        if (!missing)
                missing = secret_token_in(value) ? "known, and secret" : value;
        add_cause(w->list, depth, name, missing);
}

static void why_need(struct why *w, const struct world_need *need, int depth) {
        struct world_resource *n = world_resource(&w->rec->world, need->id);
        const char *missing = resource_need_missing(w->rec, need);

        if (need->kind == NEED_VALUE)
                why_value(w, need, missing, depth++);
        if (n && missing)
                why_resource(w, n, depth);
}

static void why_fight(struct why *w, const struct world_resource *r, const char *name, int depth) {
        cleanup_(freep) char *text = resource_fight_text(w->rec, r);

        if (text)
                add_cause(w->list, depth + 1, name, text);
}

#define DATA_RUNBOOK "docs/runbooks/MooringDataLost.md has each step"

/* Nobody but a person ends these two: what the ways out are. */
static void why_data(struct why *w, const struct world_resource *r, const struct decision *d,
                     int depth) {
        const struct world_application *a = world_application(&w->rec->world, r->owner);
        const struct world_model *m = a ? world_model(&w->rec->world, a->model) : NULL;
        cleanup_(freep) char *text = NULL;

        if (m && d->drift == DRIFT_LEAVING)
                text = str_format("nothing takes the deletion back: make a backup now (mooringctl "
                                  "actions %s has how), and have its volume kept; then its pod may "
                                  "end: " DATA_RUNBOOK,
                                  a->name);
        else if (m && d->state == STATE_LOST && r->target == m->target)
                text = str_format("where its volume was kept (mooringctl doctor says so), make one "
                                  "of that name on it, then accept-data-loss %s takes it as it is; "
                                  "else that makes an empty one, and a backup is restored into it "
                                  "(mooringctl actions %s): " DATA_RUNBOOK,
                                  a->name, a->name);
        else if (m && d->state == STATE_LOST)
                text = str_format("restore it under that name (mooringctl actions %s), or "
                                  "accept-data-loss %s: " DATA_RUNBOOK,
                                  a->name, a->name);
        if (text)
                add_cause(w->list, depth, "what to do", text);
}

static void why_resource(struct why *w, struct world_resource *r, int depth) {
        cleanup_(freep) char *name = str_format("%s %s", r->type, r->path);
        cleanup_(buf_free) struct buf text = BUF_INIT;
        struct resource_policy_text backing;
        char span[CLOCK_TEXT_MAX];
        struct policy policy;
        struct decision d;
        int failures;
        int64_t next = queue_next(w->rec->queue, KEY_RESOURCE, r->id, &failures);
        bool failing = r->tries && r->reason[0];

        if (!is_new(w, r))
                return;
        resource_policy(w->rec, r, &backing, &policy);
        decide(&r->row, &r->seen, &policy, clock_wall(), &d);
        /* What failed stands in the way, also where the object was seen well before. */
        buf_printf(&text, "%s", decide_state_name(failing ? r->state : d.state));
        if (failing || d.why[0])
                buf_printf(&text, ": %s", failing ? r->reason : d.why);
        if (r->tries && next > clock_mono())
                buf_printf(&text, " (try %d, next in %s)", r->tries,
                           clock_span(next - clock_mono(), span));
        add_cause(w->list, depth, name, text.data);
        why_data(w, r, &d, depth + 1);
        why_fight(w, r, name, depth);
        for (size_t i = 0; depth < WHY_DEPTH_MAX && i < r->need_count; i++)
                why_need(w, &r->needs[i], depth + 1);
}

/* Those of a large application are counted: the first ones tell what is the matter. */
static void why_wants(struct why *w, const struct world_application *a, int depth) {
        const struct world_want *want = tally_open(a, NULL);
        cleanup_(freep) char *text = NULL;
        size_t told = 0, looked_at = 0;

        for (; want && told < WHY_WANTS_MAX && looked_at < WHY_LOOK_MAX;
             want = tally_open(a, want)) {
                struct world_resource *r = world_resource(&w->rec->world, want->resource);

                looked_at++;
                if (!r || r->state == STATE_READY) /* as it was, until the next is written */
                        continue;
                why_resource(w, r, depth);
                told++;
        }
        if (!want)
                return;
        text = str_format("%zu more objects are not ready: mooringctl objects %s",
                          tally_open_count(a) - told, a->name);
        add_cause(w->list, depth, a->name, text);
}

/* What is being removed has no wants any more. */
static void why_ending(struct why *w, const struct world_application *a, int depth) {
        for (size_t i = 0; i < a->ending.count && i < WHY_WANTS_MAX; i++) {
                struct world_resource *r = world_resource(&w->rec->world, a->ending.ids[i]);

                if (r && r->owner == a->id && tally_is_ending(r))
                        why_resource(w, r, depth);
        }
}

/* One that is not as it should be: since when, where that says something. */
static void why_unit(struct why *w, const struct world_application *a, const struct world_unit *u,
                     int depth) {
        cleanup_(freep) char *name = str_format("%s/%lld", a->name, (long long)u->number);
        cleanup_(freep) char *word = NULL;
        char since[CLOCK_TEXT_MAX];

        word = str_format("%s%s%s: %s", u->status, u->trouble ? " since " : "",
                          u->trouble ? clock_iso(u->since, false, since) : "", u->message);
        add_cause(w->list, depth, name, word);
        if (str_eq(u->trouble, UNIT_NO_IMAGE))
                add_cause(w->list, depth + 1, "what to do",
                          "it is tried again by itself; a wrong name or tag, a pull secret or the "
                          "registry is for a person: docs/runbooks/doctor.md, image-pull");
}

static void why_application(struct why *w, struct world_application *a, int depth) {
        cleanup_(freep) char *text =
                str_format("%s%s%s", a->status, a->message[0] ? ": " : "", a->message);
        struct map_entry *e;

        if (!is_new(w, a))
                return;
        add_cause(w->list, depth, a->name, text);
        if (depth >= WHY_DEPTH_MAX)
                return;
        why_wants(w, a, depth + 1);
        if (a->dying)
                why_ending(w, a, depth + 1);
        for (size_t i = 0; (e = map_next(&a->units, &i));) {
                const struct world_unit *u = e->value;

                if (!str_eq(u->status, "active"))
                        why_unit(w, a, u, depth + 1);
        }
        for (size_t i = 0; i < a->provider_count; i++) {
                struct world_application *p = world_application(&w->rec->world, a->providers[i]);

                if (p && !str_eq(p->status, "active") && !str_eq(a->status, "active"))
                        why_application(w, p, depth + 1);
        }
}

/* "deployment/mlflow-server": kind in any case, with or without its group; path with or without
 * its namespace. */
static bool is_meant(const struct world_resource *r, const char *kind, size_t kind_len,
                     const char *name) {
        const char *dot = strchr(r->type, '.');
        size_t len = dot ? (size_t)(dot - r->type) : strlen(r->type);
        const char *slash = strrchr(r->path, '/');

        if (strncasecmp(r->type, kind, kind_len) != 0 ||
            (kind_len != len && kind_len != strlen(r->type)))
                return false;
        return str_eq(r->path, name) || str_eq(slash ? slash + 1 : r->path, name);
}

/* The first one that is meant, other than BUT (or NULL). */
static struct world_resource *find_subject(struct reconcile *rec, const struct world_model *m,
                                           const char *subject, const struct world_resource *but) {
        const char *slash = strchr(subject, '/');
        struct map_entry *e;

        for (size_t i = 0; slash && (e = map_next(&rec->world.resources, &i));) {
                struct world_resource *r = e->value;

                if (r != but && explain_belongs(rec, r, m->id, NULL) &&
                    is_meant(r, subject, (size_t)(slash - subject), slash + 1))
                        return r;
        }
        return NULL;
}

bool reconcile_has_kind(struct reconcile *rec, const char *model, const char *kind) {
        const struct world_model *m = world_model_named(&rec->world, model);
        struct map_entry *e;

        for (size_t i = 0; m && (e = map_next(&rec->world.resources, &i));) {
                const struct world_resource *r = e->value;

                if (rule_is_kind(kind, r->type) && explain_belongs(rec, r, m->id, NULL))
                        return true;
        }
        return false;
}

int reconcile_find_object(struct reconcile *rec, const char *model, const char *name,
                          struct reconcile_object *ret, struct err *err) {
        const struct world_model *m = world_model_named(&rec->world, model);
        const struct world_resource *r = m ? find_subject(rec, m, name, NULL) : NULL;
        /* Then a rule would hold for whichever comes first. A whole path means just one. */
        const struct world_resource *second = r ? find_subject(rec, m, name, r) : NULL;
        const struct world_application *a = r ? world_application(&rec->world, r->owner) : NULL;
        const struct world_target *t = r ? world_target(&rec->world, r->target) : NULL;

        if (!r)
                return err_set(err, -ENOENT,
                               "model %s has no object %s: give KIND/NAME as `objects` lists them",
                               model, name);
        if (second)
                return err_set(err, -EINVAL,
                               "%s is two objects of model %s at least: %s %s and %s %s: give the "
                               "whole path, as `objects` lists it",
                               name, model, r->type, r->path, second->type, second->path);
        *ret = (struct reconcile_object){ .type = str_dup(r->type),
                                          .path = str_dup(r->path),
                                          .application = str_dup(a ? a->name : ""),
                                          .keeps = t && t->provider &&
                                                   (t->provider->can & PROVIDER_KEEPS) };
        return 1;
}

void reconcile_object_deinit(struct reconcile_object *o) {
        free(o->type);
        free(o->path);
        free(o->application);
        *o = (struct reconcile_object){ 0 };
}

json_t *reconcile_why(struct reconcile *rec, const char *model, const char *subject,
                      struct err *err) {
        const struct world_model *m = world_model_named(&rec->world, model);
        cleanup_(freep) char *head = NULL;
        struct world_application *a;
        struct world_resource *r;
        struct why w = { .rec = rec };

        if (!m) {
                err_set(err, -ENOENT, "no model %s", model);
                return NULL;
        }
        head = str_ndup(subject, strcspn(subject, "/"));
        a = world_application_named(&rec->world, m->id, head);
        r = find_subject(rec, m, subject, NULL);
        if (!a && !r) {
                err_set(err, -ENOENT,
                        "nothing of model %s is called %s: give an application, a unit, or "
                        "KIND/NAME",
                        model, subject);
                return NULL;
        }
        w.list = json_array();
        if (r)
                why_resource(&w, r, 0);
        else
                why_application(&w, a, 0);
        map_free(&w.told);
        return w.list;
}

/* Null: it can be read, or is tried right now. */
static json_t *next_try(const struct world_target *t) {
        int64_t at = t->open && !t->reachable && t->provider->next_try
                             ? t->provider->next_try(t->open)
                             : 0;

        return json_stamp(at ? clock_wall() + at - clock_mono() : 0, false);
}

/* NULL: it can be read, or tells only when it is asked. */
static const char *why_unread(const struct world_target *t) {
        bool asked = t->open && (t->provider->can & PROVIDER_WATCHES) && !t->reach_known;

        return t->reach_why ? t->reach_why : asked ? "no answer yet" : NULL;
}

json_t *reconcile_targets(struct reconcile *rec) {
        json_t *out = json_array();
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.targets, &i));) {
                const struct world_target *t = e->value;
                json_t *j = json_pack("{s:s, s:s?, s:b, s:b, s:s?, s:s?, s:I}", "name", t->name,
                                      "provider", t->provider ? t->provider->name : NULL, "open",
                                      t->open != NULL, "readable", t->reachable, "identity",
                                      t->identity, "why", why_unread(t), "in-flight",
                                      (json_int_t)t->in_flight);

                json_object_set_new(j, "since", json_stamp(t->reach_since, false));
                json_object_set_new(j, "next-try", next_try(t));
                json_array_append_new(out, j);
        }
        return out;
}

json_t *reconcile_model_state(struct reconcile *rec, const char *model) {
        const struct world_model *m = world_model_named(&rec->world, model);
        const struct world_target *t = m ? world_target(&rec->world, m->target) : NULL;
        char text[400];

        if (!t)
                return NULL;
        if (!t->reachable)
                return json_pack("{s:s, s:o, s:o}", "current", "unreachable", "message",
                                 json_sprintf("cluster %s cannot be read: %s", t->name,
                                              t->reach_why ? t->reach_why : "no answer yet"),
                                 "since", json_stamp(t->reach_since, false));
        if (!scope_told(rec, m, text, sizeof(text)))
                return NULL;
        return json_pack("{s:s, s:s, s:n}", "current", "blocked", "message", text, "since");
}
