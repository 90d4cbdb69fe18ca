/* SPDX-License-Identifier: Apache-2.0 */
/* application-settled.c - whether what was told of an application is planned and applied */
#include "reconcile-internal.h"

#include "tally.h"

bool application_changing(const struct world_application *a) {
        return a->changes != a->changes_planned;
}

/* A plan that is out, or due because something that it sees changed, may tell others more. */
static bool is_planning(const struct world_application *a) {
        return application_changing(a) || a->reread || a->busy;
}

/* What a person has to see to first does not count: that would be waited for in vain. */
static bool is_applying(const struct world_application *a) {
        return tally_first(a, TALLY_APPLYING);
}

/* What the other end plans may still change what this one wants: it has not left a relation that
 * is going, or has not said yet what it needs. */
static bool is_peer_planning(struct reconcile *rec, const struct world_application *a) {
        for (size_t i = 0; i < a->peer_count; i++) {
                const struct world_application *p = world_application(&rec->world, a->peers[i]);

                if (p && application_changing(p) && !(p->plan_error && p->plan_error[0]))
                        return true;
        }
        return false;
}

bool application_settled(struct reconcile *rec, const struct world_application *a) {
        if (is_planning(a) || is_applying(a) || a->leaving || is_peer_planning(rec, a))
                return false;
        for (size_t i = 0; i < a->provider_count; i++) {
                const struct world_application *p = world_application(&rec->world, a->providers[i]);

                if (p && !p->dying && (is_planning(p) || is_applying(p)))
                        return false;
        }
        return true;
}
