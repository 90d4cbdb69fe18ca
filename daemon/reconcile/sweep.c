/* SPDX-License-Identifier: Apache-2.0 */
/* sweep.c - makes many resources dirty, in slices of a turn of the loop
 *
 * Thousands of keys made dirty at once would hold the loop for longer than anything may. Those that
 * are due for an audit are found in the same way. */
#include "reconcile-internal.h"

#include "clock.h"

#include <stdlib.h>

#define SLICE_US 2000
#define LOOK_EVERY 64 /* resources between two looks at the clock */

/* One walk over all of them, so many times in an audit's period: a timer for each of 100,000 takes
 * 25 MB. */
#define AUDIT_WALKS 144
#define AUDIT_WALK_MIN_MS 100

struct sweep {
        struct reconcile *rec;
        struct later later;
        struct list link;
        struct sweep_which which;
        char *type;
        int64_t after; /* the last that was looked at */
};

static void sweep_free(struct sweep *s) {
        later_cancel(&s->later);
        list_unlink(&s->link);
        free(s->type);
        free(s);
}

static bool needs(const struct world_resource *r, int64_t id) {
        for (size_t i = 0; i < r->need_count; i++)
                if (r->needs[i].id == id)
                        return true;
        return false;
}

static bool is_meant(const struct world_resource *r, const struct sweep *s) {
        if (s->which.needs && !needs(r, s->which.needs))
                return false;
        if ((s->which.target && r->target != s->which.target) ||
            (s->type && !str_eq(r->type, s->type)))
                return false;
        if (s->which.audits && !resource_audit_due(s->rec, r))
                return false;
        return !s->which.waiting || r->busy ||
               (r->retry_at &&
                (r->row.outcome == OUTCOME_NOT_YET || r->row.outcome == OUTCOME_UNREACHABLE));
}

static void visit(struct sweep *s, struct world_resource *r) {
        s->after = r->id;
        if (!is_meant(r, s))
                return;
        if (s->which.wake)
                resource_wake(s->rec, r);
        else
                queue_add(s->rec->queue, KEY_RESOURCE, r->id,
                          s->which.audits ? QUEUE_AUDIT : QUEUE_FIRST);
}

static void go_on(void *arg) {
        struct sweep *s = arg;
        int64_t until = clock_mono_us() + SLICE_US;
        struct world_resource *r;

        for (size_t i = 1; (r = world_resource_next(&s->rec->world, s->after)); i++) {
                visit(s, r);
                if (i % LOOK_EVERY == 0 && clock_mono_us() >= until)
                        return later_run(&s->later);
        }
        sweep_free(s);
}

void sweep_start(struct reconcile *rec, const struct sweep_which *which) {
        struct sweep *s = mem_new(struct sweep);

        s->rec = rec;
        s->which = *which;
        s->type = str_dup(which->type);
        later_init(&s->later, rec->options.loop, "sweep", go_on, s);
        list_init(&s->link);
        list_append(&rec->sweeps, &s->link);
        later_run(&s->later);
}

static void wait_for_audits(struct reconcile *rec) {
        timer_after(&rec->audits, MAX_OF(rec->options.audit_ms / AUDIT_WALKS, AUDIT_WALK_MIN_MS));
}

static void on_audits(void *arg) {
        struct reconcile *rec = arg;

        sweep_start(rec, &(struct sweep_which){ .audits = true });
        wait_for_audits(rec);
}

void sweep_audits(struct reconcile *rec) {
        timer_init(&rec->audits, rec->options.loop, "audits", on_audits, rec);
        if (rec->options.audit_ms)
                wait_for_audits(rec);
}

void sweep_stop(struct reconcile *rec) {
        if (rec->started)
                timer_cancel(&rec->audits);
        list_each(link, &rec->sweeps)
                sweep_free(list_entry(link, struct sweep, link));
}
