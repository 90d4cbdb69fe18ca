/* SPDX-License-Identifier: Apache-2.0 */
/* storage.c - how each thing that holds data stands, by what was seen of it last
 *
 * In Juju's words where it has one:
 *
 *   pending     wanted, and not there yet or not usable; the message says why
 *   attached    there, and what uses it can
 *   detaching   its application is being removed, and it is kept
 *   detached    there, and nothing uses it: its application has scale 0, or is gone
 *   destroying  being deleted, by us or by somebody else
 *   error       what was tried with it failed, or needs a person
 *   unknown     its cluster or server cannot be read, or nothing was seen of it yet
 *
 * and beyond Juju's, for data that was there: lost (gone, or another one in its place) and empty
 * (there again, with nothing in it). Nothing here decides anything. */
#include "reconcile-internal.h"

#include "tally.h"

#include <stdlib.h>

struct shown {
        const char *word;
        const char *message; /* or NULL: the resource's reason */
};

static struct shown of_seen(const struct world_resource *r, const struct world_application *a) {
        bool there = r->seen.presence == PRESENCE_PRESENT;

        if (r->row.lost)
                return (struct shown){ there && r->seen.counted && !r->seen.filled ? "empty"
                                                                                   : "lost",
                                       NULL };
        if (r->seen.presence == PRESENCE_LEAVING || r->row.dying)
                return (struct shown){ "destroying", r->seen.reason };
        if (a && a->dying)
                return (struct shown){ "detaching", "its application is being removed" };
        if (r->state == STATE_BLOCKED || r->state == STATE_FAILED ||
            (r->state == STATE_RETRYING && r->row.applied_generation))
                return (struct shown){ "error", NULL };
        if (!there || r->seen.ready != READY_YES)
                return (struct shown){ "pending", r->seen.reason };
        if (a && a->scale == 0)
                return (struct shown){ "detached", "scaled to 0: nothing uses it" };
        return (struct shown){ "attached", "" };
}

/* A volume of the server that R is in is lost. */
static bool is_on_lost(struct reconcile *rec, const struct world_resource *r,
                       const struct world_target *t) {
        const struct world_application *a =
                t ? world_application(&rec->world, t->application) : NULL;
        const struct world_want *want = a ? tally_first(a, TALLY_LOST) : NULL;

        for (; want; want = tally_next(a, TALLY_LOST, want)) {
                const struct world_resource *o = world_resource(&rec->world, want->resource);

                if (o && o->row.data && o->target != r->target)
                        return true;
        }
        return false;
}

static struct shown of_resource(struct reconcile *rec, const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);
        const struct world_target *t = world_target(&rec->world, r->target);

        if (!r->row.lost && is_on_lost(rec, r, t))
                return (struct shown){ "lost", "the volume of its server is lost" };
        if (!r->row.lost && (!t || !t->reachable))
                return (struct shown){ "unknown",
                                       t && t->reach_why ? t->reach_why : "it cannot be read yet" };
        if (!r->row.lost && r->seen.presence == PRESENCE_UNKNOWN && r->row.applied_generation)
                return (struct shown){ "unknown", "not seen yet" };
        return of_seen(r, a);
}

static json_t *resource_json(struct reconcile *rec, const struct world_model *m,
                             const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);
        struct shown s = of_resource(rec, r);
        cleanup_(freep) char *lost = a && r->row.lost ? status_lost(a, r) : NULL;
        const char *message = lost ? lost : s.message ? s.message : r->reason ? r->reason : "";

        return json_pack("{s:s, s:s, s:s, s:b, s:{s:s, s:s}}", "application", a ? a->name : "",
                         "type", r->type, "path", r->path, "volume", r->target == m->target,
                         "status", "current", s.word, "message", message);
}

/* Of an application of the model, or left to the model to be destroyed. */
static bool is_storage(struct reconcile *rec, const struct world_model *m,
                       const struct world_resource *r) {
        const struct world_application *a = world_application(&rec->world, r->owner);

        if (a)
                return a->model == m->id && r->row.data;
        return !r->owner && r->model == m->id && r->id != m->scope;
}

json_t *reconcile_storage(struct reconcile *rec, const char *model) {
        const struct world_model *m = world_model_named(&rec->world, model);
        json_t *out = json_array();
        struct map_entry *e;

        for (size_t i = 0; m && (e = map_next(&rec->world.resources, &i));) {
                const struct world_resource *r = e->value;

                if (is_storage(rec, m, r))
                        json_array_append_new(out, resource_json(rec, m, r));
        }
        return out;
}
