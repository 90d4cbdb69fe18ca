/* SPDX-License-Identifier: Apache-2.0 */
/* listing.c - resources, and what would be done with them, as JSON, in slices of a turn of the loop
 *
 * Thousands of rows take longer than anything may hold the loop: each row is true at the moment it
 * is made, and between slices the loop does its work. `plan` calls the same resource_policy and
 * decide as the loop does, and changes nothing. */
#include "reconcile-internal.h"

#include "clock.h"
#include "trial.h"

#include <stdlib.h>

#define SLICE_US 1000
#define LOOK_EVERY 4 /* resources between two looks at the clock */

struct listing {
        struct reconcile *rec;
        struct later later;
        struct list link;
        int64_t model;     /* 0: there is none of that name */
        char *application; /* NULL: all */
        int64_t after;     /* the last resource that was looked at */
        size_t count, max; /* of those that belong */
        bool plan;
        bool whole; /* what is done with it has a turn of its own */
        json_t *json, *rows, *unknown;
        reconcile_listed_fn *done;
        void *arg;
};

static json_t *resource_json(struct reconcile *rec, struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);
        const struct world_target *t = world_target(&rec->world, r->target);
        int failures;
        int64_t next = queue_next(rec->queue, KEY_RESOURCE, r->id, &failures);
        json_t *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:s?}", "type", r->type, "path",
                                r->path, "state", decide_state_name(r->state), "reason", r->reason,
                                "presence", presence_name(r->seen.presence), "application",
                                a ? a->name : NULL, "target", t ? t->name : NULL);

        json_object_set_new(out, "ready", json_boolean(r->seen.ready == READY_YES));
        json_object_set_new(out, "generation", json_integer(r->row.wanted_generation));
        json_object_set_new(out, "applied", json_integer(r->row.applied_generation));
        if (r->tries && r->retry_at) {
                json_object_set_new(out, "tries", json_integer(r->tries));
                json_object_set_new(out, "next-try-ms",
                                    json_integer(MAX_OF(next - clock_mono(), 0)));
        }
        return out;
}

static const char *change_word(const struct world_resource *r, const struct decision *d) {
        if (r->row.dying || d->action == ACTION_REMOVE || d->action == ACTION_FORGET)
                return r->row.data && r->row.made ? "destroy" : "remove";
        if (d->drift == DRIFT_DATA_LOST)
                return "lost";
        if (d->drift != DRIFT_NONE)
                return "repair";
        return r->row.applied_generation ? "change" : "create";
}

static void add_unknown(json_t *list, const char *subject, const char *fmt, ...) printf_(3, 4);
static void add_unknown(json_t *list, const char *subject, const char *fmt, ...) {
        cleanup_(freep) char *why = NULL;
        va_list ap;

        va_start(ap, fmt);
        why = str_vformat(fmt, ap);
        va_end(ap);
        json_array_append_new(list, json_pack("{s:s, s:s}", "subject", subject, "why", why));
}

/* What stands in the way of saying what is to be done. */
static void unknown_application(const struct world_application *a, json_t *list) {
        bool stopped = !a->charm || a->plan_error || a->undecided;

        if (a->held && !application_changing(a))
                return; /* that is known: add_held */
        if (application_changing(a) || (!a->planned && !stopped))
                add_unknown(list, a->name, "what is wanted of it changed, and is being planned");
        else if (stopped)
                add_unknown(list, a->name, "%s: %s", a->status, a->message);
}

static bool is_unsure(const struct world_resource *r) {
        return r->stale || (r->row.applied_generation && r->seen.presence == PRESENCE_UNKNOWN) ||
               r->state == STATE_BLOCKED || r->state == STATE_RETRYING || r->state == STATE_LOST;
}

/* What stands for the plan's line: what would be written, and what was seen. */
static json_t *plan_line(struct reconcile *rec, const struct world_resource *r,
                         const struct decision *d, bool frozen) {
        const struct world_application *a = world_application(&rec->world, r->owner);
        cleanup_(freep) char *seen = resource_seen_text(r);
        const char *change = change_word(r, d);
        char hex[DIGEST_HEX_SIZE];
        json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "change", change,
                                 "do", change, "type", r->type, "path", r->path, "action",
                                 decide_action_name(d->action), "why", d->why, "content",
                                 resource_content_text(r, hex), "seen", seen, "resource",
                                 (json_int_t)r->id);

        if (a)
                json_object_set_new(line, "application", json_string(a->name));
        if (frozen)
                json_object_set_new(line, "frozen", json_true());
        return line;
}

static void plan_resource(struct reconcile *rec, struct world_resource *r, json_t *plan,
                          json_t *unknown) {
        cleanup_(freep) char *name = str_format("%s %s", r->type, r->path);
        struct resource_policy_text text;
        struct policy policy;
        struct decision d;

        resource_policy(rec, r, &text, &policy);
        decide(&r->row, &r->seen, &policy, clock_wall(), &d);
        if (d.drift != DRIFT_NONE || r->row.dying ||
            (!d.audit && (policy.refill || policy.redeclared ||
                          r->row.wanted_generation != r->row.applied_generation)))
                json_array_append_new(plan, plan_line(rec, r, &d, policy.frozen));
        else if (is_unsure(r))
                add_unknown(unknown, name, "%s",
                            r->stale       ? "what is wanted of it changed"
                            : r->reason[0] ? r->reason
                                           : d.why);
}

static void plan_target(struct reconcile *rec, const struct world_model *m, json_t *unknown) {
        const struct world_target *t = world_target(&rec->world, m->target);
        const char *name = t && t->name ? t->name : "its cluster";

        if (!t || !t->open)
                add_unknown(unknown, name, "is not open: %s",
                            t && t->reach_why ? t->reach_why : "starting");
        else if (!t->reachable)
                add_unknown(unknown, name, "cannot be read: %s",
                            t->reach_why ? t->reach_why : "it has not answered yet");
}

/* Detached storage is nobody's to repair. */
static void unknown_kept(struct listing *l, const struct world_model *m) {
        cleanup_(json_freep) json_t *troubles = kept_troubles(l->rec);
        json_t *one;
        size_t i;

        json_array_foreach(troubles, i, one) {
                const char *name = json_get_str(one, "name", "");

                if (str_eq(json_get_str(one, "model", ""), m->name) &&
                    (!l->application || str_eq(l->application, name)))
                        add_unknown(l->unknown, name, "%s", json_get_str(one, "lost", ""));
        }
}

/* Its plan is more than limits let go by itself. */
static void add_held(const struct world_application *a, json_t *rows) {
        json_t *line, *list = NULL;

        if (!a->held || !a->held_content)
                return;
        line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "change", "held", "do",
                         "release", "type", "plan", "path", a->name, "application", a->name,
                         "action", decide_action_name(ACTION_BLOCK), "why", a->held, "content",
                         a->held_content);
        if (json_parse(a->held_list, strlen(a->held_list), &list, NULL) == 0)
                json_object_set_new(line, "would", list);
        json_array_append_new(rows, line);
}

/* What is said once, whatever the resources are. */
static void plan_head(struct listing *l) {
        struct reconcile *rec = l->rec;
        const struct world_model *m = world_model(&rec->world, l->model);
        struct map_entry *e;

        if (m) {
                plan_target(rec, m, l->unknown);
                unknown_kept(l, m);
        }
        for (size_t i = 0; m && (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;

                if (a->model != m->id || (l->application && !str_eq(a->name, l->application)))
                        continue;
                unknown_application(a, l->unknown);
                add_held(a, l->rows);
        }
}

/* ---- slices */

static void listing_end(struct listing *l, bool whole) {
        json_t *json = take_ptr(l->json);

        later_cancel(&l->later);
        list_unlink(&l->link);
        if (!whole) {
                json_decref(json);
                json = NULL;
        }
        l->done(l->arg, json);
        free(l->application);
        free(l);
}

static void add(struct listing *l, struct world_resource *r) {
        l->after = r->id;
        if (!explain_belongs(l->rec, r, l->model, l->application))
                return;
        l->count++;
        if (l->plan)
                plan_resource(l->rec, r, l->rows, l->unknown);
        else
                json_array_append_new(l->rows, resource_json(l->rec, r));
}

static void go_on(void *arg) {
        struct listing *l = arg;
        int64_t until = clock_mono_us() + SLICE_US;
        struct world_resource *r;

        if (l->whole)
                return listing_end(l, true);
        for (size_t i = 1; (r = world_resource_next(&l->rec->world, l->after)); i++) {
                if (l->count == l->max) {
                        json_object_set_new(l->json, "next", json_integer(l->after));
                        break;
                }
                add(l, r);
                if (i % LOOK_EVERY == 0 && clock_mono_us() >= until)
                        return later_run(&l->later);
        }
        l->whole = true;
        later_run(&l->later);
}

static struct listing *listing_new(struct reconcile *rec, const struct reconcile_range *range,
                                   reconcile_listed_fn *done, void *arg) {
        const struct world_model *m = world_model_named(&rec->world, range->model);
        struct listing *l = mem_new(struct listing);

        l->rec = rec;
        l->model = m ? m->id : 0;
        l->application = str_dup(range->application);
        l->after = m ? range->after : INT64_MAX;
        l->max = range->max ? MIN_OF(range->max, (size_t)RECONCILE_LIST_MAX) : RECONCILE_LIST_MAX;
        l->json = json_object();
        l->rows = json_array();
        l->done = done;
        l->arg = arg;
        later_init(&l->later, rec->options.loop, "listing", go_on, l);
        list_init(&l->link);
        list_append(&rec->listings, &l->link);
        later_run(&l->later);
        return l;
}

void reconcile_resources(struct reconcile *rec, const struct reconcile_range *range,
                         reconcile_listed_fn *done, void *arg) {
        struct listing *l = listing_new(rec, range, done, arg);

        json_object_set_new(l->json, "resources", l->rows);
}

void reconcile_plan(struct reconcile *rec, const struct reconcile_range *range,
                    reconcile_listed_fn *done, void *arg) {
        struct listing *l = listing_new(rec, range, done, arg);

        l->plan = true;
        l->unknown = json_array();
        json_object_set_new(l->json, "plan", l->rows);
        json_object_set_new(l->json, "unknown", l->unknown);
        if (!range->after)
                plan_head(l);
}

void listing_stop(struct reconcile *rec) {
        list_each(link, &rec->listings)
                listing_end(list_entry(link, struct listing, link), false);
}

void reconcile_try(struct reconcile *rec, json_t *lines, void (*done)(void *arg), void *arg) {
        struct trial *t = trial_new(rec);
        json_t *line;
        size_t i;

        json_array_foreach(lines, i, line) {
                const char *what = json_get_str(line, "do", "");

                if (json_get_int(line, "resource", 0) &&
                    (str_eq(what, "create") || str_eq(what, "change") || str_eq(what, "repair")))
                        trial_add(t, &(struct trial_object){
                                             .line = line,
                                             .resource = json_get_int(line, "resource", 0) });
        }
        trial_start(t, done, arg);
}
