/* SPDX-License-Identifier: Apache-2.0 */
/* resource-data.c - what is noted of resources that hold data: that something came to be in them,
 * and that it is gone
 *
 * Called by resource.c after each decision. Both outlive the daemon: when it was first seen
 * filled is written here, that it is lost with the state that says so. */
#include "reconcile-internal.h"

#include "clock.h"
#include "queries.gen.h"

#include <stdlib.h>

struct filled {
        struct store_call call;
        struct reconcile *rec;
        int64_t id;
};

static int filled_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct filled *f = c->arg;
        int r = w_resource_set_initialised(tx,
                                           &(struct w_resource_set_initialised_in){
                                                   .id = f->id, .initialised_at = tx_now(tx) },
                                           err);

        return r < 0 ? r : 0;
}

static void filled_done(struct store_call *c, int k, const struct err *err) {
        free(c->arg);
}

void resource_note_filled(struct reconcile *rec, struct world_resource *r) {
        struct filled *f;

        if (!r->row.data || r->row.initialised || !r->seen.filled ||
            r->seen.presence != PRESENCE_PRESENT ||
            !str_eq(r->seen.incarnation, r->row.incarnation))
                return;
        r->row.initialised = clock_wall();
        r->row.accepted_loss = false;
        f = mem_new(struct filled);
        f->rec = rec;
        f->id = r->id;
        f->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .run = filled_run,
                                       .done = filled_done,
                                       .arg = f };
        store_submit(rec->options.store, &f->call);
}

/* A bucket is made again at once, empty: that it is not what it was must outlive the repair. */
void resource_note_loss(struct world_resource *r, const struct decision *d) {
        r->row.lost |= d->drift == DRIFT_DATA_LOST;
        r->row.lost &= !r->seen.filled;
}
