/* SPDX-License-Identifier: Apache-2.0 */
/* resource-tell.c - who is told that a resource is otherwise: those that need it, those that want
 * it, its row */
#include "reconcile-internal.h"

#include "tally.h"

#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <stdlib.h>

#define WAKE_HERE_MAX 500 /* that need one; those of a namespace may be thousands */

void resource_changed(struct reconcile *rec, struct world_resource *r) {
        const struct world_ids *l = world_needed_by(&rec->world, r->id);

        tally_resource(&rec->world, r);
        if (l && l->count > WAKE_HERE_MAX)
                sweep_start(rec, &(struct sweep_which){ .needs = r->id });
        for (size_t i = 0; l && l->count <= WAKE_HERE_MAX && i < l->count; i++)
                queue_add(rec->queue, KEY_RESOURCE, l->ids[i], QUEUE_FIRST);
        for (size_t i = 0; i < r->need_count && r->row.dying; i++)
                queue_add(rec->queue, KEY_RESOURCE, r->needs[i].id, QUEUE_CHANGE);
        for (size_t i = 0; i < r->wanter_count; i++)
                application_seen(rec, r->wanters[i]);
        if (r->owner)
                application_seen(rec, r->owner);
        if (r->model)
                queue_add(rec->queue, KEY_MODEL, r->model, QUEUE_CHANGE);
}

/* The states that wait for a person stand in the row too: commands go by them. */
static bool is_told(enum resource_state s) {
        return s == STATE_BLOCKED || s == STATE_LOST;
}

/* What stands in the place of R, which is lost; "": nothing that was seen, or nothing is in it. */
static const char *found_of(const struct world_resource *r) {
        if (r->state != STATE_LOST || r->seen.presence != PRESENCE_PRESENT)
                return "";
        if (r->seen.counted) /* not all of them have one that tells them apart */
                return r->seen.filled ? "filled" : "";
        return r->seen.incarnation;
}

static bool is_found_anew(const struct world_resource *r) {
        return !str_eq(found_of(r), r->found ? r->found : "") &&
               r->seen.presence != PRESENCE_UNKNOWN;
}

struct telling {
        struct store_call call;
        struct w_resource_set_state_in in;
        struct w_resource_set_found_in found;
        char *reason, *incarnation;
};

static int tell_run(struct tx *tx, struct store_call *c, struct err *err) {
        const struct telling *t = c->arg;
        int r = w_resource_set_state(tx, &t->in, err);

        if (r >= 0)
                r = w_resource_set_found(tx, &t->found, err);
        return r < 0 ? r : 0;
}

static void tell_done(struct store_call *c, int k, const struct err *err) {
        struct telling *t = c->arg;

        if (k < 0)
                log_plain(LOG_WARNING, "state", "resource %lld: %s", (long long)t->in.id,
                          err_text(err));
        free(t->reason);
        free(t->incarnation);
        free(t);
}

void resource_tell_row(struct reconcile *rec, struct world_resource *r) {
        struct telling *t = mem_new(struct telling);

        t->reason = str_dup(r->reason);
        t->in = (struct w_resource_set_state_in){ .id = r->id,
                                                  .state = decide_state_name(r->state),
                                                  .reason = t->reason,
                                                  .outcome = outcome_name(r->row.outcome),
                                                  .tries = r->tries };
        t->incarnation = str_dup(found_of(r));
        str_set(&r->found, t->incarnation[0] ? t->incarnation : NULL);
        t->found = (struct w_resource_set_found_in){ .id = r->id,
                                                     .found = t->incarnation,
                                                     .found_since = r->seen.since,
                                                     .found_since_null = !r->seen.since };
        t->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .name = "resource told",
                                       .run = tell_run,
                                       .done = tell_done,
                                       .arg = t };
        store_submit(rec->options.store, &t->call);
}

/* Lost data is the trouble of those that are fed by its application too. */
static void touch_consumers(struct reconcile *rec, const struct world_resource *r) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&rec->world.applications, &i));) {
                const struct world_application *a = e->value;

                for (size_t k = 0; k < a->provider_count; k++)
                        for (size_t n = 0; n < r->wanter_count; n++)
                                if (a->providers[k] == r->wanters[n])
                                        application_touch(rec, a->id);
        }
}

void resource_set_state(struct reconcile *rec, struct world_resource *r, enum resource_state state,
                        const char *why) {
        enum resource_state old = r->state;

        r->waits_unread = state == STATE_WAITING && resource_waits_unread(rec, r);
        if (old == state && str_eq(r->reason, why) && !is_found_anew(r))
                return tally_resource(&rec->world, r);
        world_set_state(&rec->world, r, state);
        str_set(&r->reason, why);
        tally_resource(&rec->world, r);
        if (old == state && is_found_anew(r))
                resource_tell_row(rec, r);
        if (old != state && (is_told(old) || is_told(state))) {
                resource_tell_row(rec, r);
                touch_consumers(rec, r);
        }
        if (r->row.dying && r->owner) /* nobody wants it any more */
                application_seen(rec, r->owner);
        for (size_t i = 0; i < r->wanter_count; i++)
                application_seen(rec, r->wanters[i]);
}

/* Not what the outside itself put off, nor what it refused. */
bool resource_may_be_over(enum outcome o) {
        return o == OUTCOME_NOT_YET || o == OUTCOME_UNREACHABLE || o == OUTCOME_DENIED;
}

void resource_wake(struct reconcile *rec, struct world_resource *r) {
        r->woken |= r->busy; /* what is out may have asked too early */
        if (resource_may_be_over(r->row.outcome))
                r->retry_at = 0;
        queue_add(rec->queue, KEY_RESOURCE, r->id, QUEUE_FIRST);
}

void resource_wake_target(struct reconcile *rec, int64_t target) {
        sweep_start(rec, &(struct sweep_which){ .target = target, .wake = true });
}

void resource_wake_waiting(struct reconcile *rec, int64_t target) {
        sweep_start(rec, &(struct sweep_which){ .target = target, .wake = true, .waiting = true });
}
