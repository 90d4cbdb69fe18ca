/* SPDX-License-Identifier: Apache-2.0 */
/* application-see.c - which fields of its resources a charm wants to see (charm_see), and what is
 * seen of them
 *
 * An application holds what its charm asked for by label; each resource has texts of its own, of
 * all that want it, for they outlive the plan that asked: providers read them with each event. */
#include "application.h"

#include "tally.h"

#include <stdlib.h>

#define SEEN_ALL_MAX                                                                               \
        64 /* a plan of at most so many wants sees all of them; a larger one those it asked for */

void application_see_set(struct world_application *a, const json_t *see) {
        const char *label;
        json_t *pointers, *p;
        size_t i;

        for (i = 0; i < a->see_count; i++)
                free(a->see[i]);
        free(a->see);
        a->see_count = 0;
        a->see = NULL;
        json_object_foreach((json_t *)see, label, pointers)
                a->see_count += 2 * json_array_size(pointers);
        a->see = mem_array(char *, a->see_count);
        a->see_count = 0;
        json_object_foreach((json_t *)see, label, pointers) {
                json_array_foreach(pointers, i, p) {
                        a->see[a->see_count++] = str_dup(label);
                        a->see[a->see_count++] =
                                str_dup(json_string_value(p) ? json_string_value(p) : "");
                }
        }
}

/* What A asks to see: of R only, or of each of its wants. */
static void ask(struct reconcile *rec, const struct world_application *a,
                const struct world_resource *only) {
        for (size_t k = 0; k < a->see_count; k += 2) {
                const struct world_want *want = world_want(a, a->see[k]);
                struct world_resource *r =
                        want ? world_resource(&rec->world, want->resource) : NULL;

                if (r && (!only || r == only) && a->see[k + 1][0])
                        world_see_add(r, a->see[k + 1]);
        }
}

/* A field asked for anew is only seen with the next event: look once. */
static void look_if_more(struct reconcile *rec, struct world_resource *r) {
        if (r->seen.presence != PRESENCE_PRESENT || !world_see_more(r, r->see_before))
                return;
        r->look_again = true;
        r->seen.presence = PRESENCE_UNKNOWN;
        tally_resource(&rec->world, r);
        queue_add(rec->queue, KEY_RESOURCE, r->id, QUEUE_CHANGE);
}

void application_see_withdraw(struct reconcile *rec, const struct world_application *a) {
        for (size_t i = 0; i < a->want_count; i++) {
                struct world_resource *r = world_resource(&rec->world, a->wants[i].resource);

                if (!r || (!r->see && !r->see_before))
                        continue;
                world_see_withdraw(r);
                for (size_t k = 0; k < r->wanter_count; k++) {
                        const struct world_application *other =
                                world_application(&rec->world, r->wanters[k]);

                        if (other && other != a)
                                ask(rec, other, r);
                }
        }
}

void application_see_share(struct reconcile *rec, const struct world_application *a) {
        ask(rec, a, NULL);
        for (size_t k = 0; k < a->see_count; k += 2) {
                const struct world_want *want = world_want(a, a->see[k]);
                struct world_resource *r =
                        want ? world_resource(&rec->world, want->resource) : NULL;

                if (r)
                        look_if_more(rec, r);
        }
}

void resource_see(struct reconcile *rec, struct world_resource *r) {
        world_see_withdraw(r);
        for (size_t i = 0; i < r->wanter_count; i++) {
                const struct world_application *a = world_application(&rec->world, r->wanters[i]);

                if (a)
                        ask(rec, a, r);
        }
        look_if_more(rec, r);
}

static json_t *seen_fields(const struct world_resource *r) {
        json_t *fields = json_object();
        const char *pointer;
        json_t *value;

        json_object_foreach(r->seen.seen, pointer, value)
                json_object_set(fields, pointer, value);
        return fields;
}

/* Nobody has looked yet, since the start or since it could not be trusted: it is as it was left.
 * Were it shown as missing, a charm would take away what it had built on it. */
static bool is_unread(const struct world_resource *r) {
        return r->row.applied_generation && r->seen.presence == PRESENCE_UNKNOWN && !r->row.lost;
}

/* What is on its way has no reason: those words change with each look and each start, so that a
 * plan would follow each of them, and be the first thing that each start commits. */
static bool has_reason(const struct world_resource *r) {
        switch (r->state) {
        case STATE_NEW:
        case STATE_WAITING:
        case STATE_APPLYING:
        case STATE_UNSEEN:
        case STATE_READY:
                return false;
        default:
                return true;
        }
}

static json_t *seen_json(const struct world_resource *r) {
        bool unread = is_unread(r);
        bool exists = unread || (r->row.applied_generation && r->seen.presence == PRESENCE_PRESENT);
        bool ready = unread || (exists && r->seen.ready == READY_YES);
        const char *incarnation = unread ? r->row.incarnation : r->seen.incarnation;

        return json_pack("{s:b, s:b, s:s, s:s, s:o}", "exists", exists, "ready", ready, "reason",
                         !unread && has_reason(r) ? r->reason : "", "incarnation",
                         exists ? incarnation : "", "fields", seen_fields(r));
}

static void add_seen(struct reconcile *rec, const struct world_want *want, json_t *seen) {
        const struct world_resource *r = want ? world_resource(&rec->world, want->resource) : NULL;

        if (r)
                json_object_set_new(seen, want->label, seen_json(r));
}

json_t *application_seen_json(const struct application_work *w) {
        json_t *seen = json_object(), *pointers;
        const char *label;

        for (size_t i = 0; w->want_count <= SEEN_ALL_MAX && i < w->want_count; i++)
                add_seen(w->rec, &w->wants[i], seen);
        if (w->want_count > SEEN_ALL_MAX)
                json_object_foreach(w->see, label, pointers)
                        add_seen(w->rec, world_want_in(w->wants, w->want_count, label), seen);
        return seen;
}

/* Of what only answers when asked the first failure counts as an answer: its address may be what
 * the next plan changes. */
static bool is_awaited(struct reconcile *rec, const struct world_resource *r) {
        const struct world_target *t = world_target(&rec->world, r->target);
        bool told = t && t->provider && (t->provider->can & PROVIDER_WATCHES);

        return is_unread(r) && !r->seen.seen && (told || !r->tries);
}

bool application_awaits_fields(struct reconcile *rec, const struct world_application *a) {
        for (size_t k = 0; k < a->see_count; k += 2) {
                const struct world_want *want = world_want(a, a->see[k]);
                const struct world_resource *r =
                        want ? world_resource(&rec->world, want->resource) : NULL;

                if (r && a->see[k + 1][0] && is_awaited(rec, r))
                        return true;
        }
        return false;
}

bool application_plans_by_seen(const struct world_application *a) {
        return a->want_count <= SEEN_ALL_MAX || a->see_count || !a->planned || a->dying;
}
