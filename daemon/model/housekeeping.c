/* SPDX-License-Identifier: Apache-2.0 */
/* housekeeping.c - one step of cutting; see housekeeping.h */
#include "housekeeping.h"

#include "queries.gen.h"

static int cut_drift(struct tx *tx, struct err *err) {
        struct w_drift_prune_age_in age = { .before_at = tx_now(tx) - HOUSEKEEPING_KEEP_MS,
                                            .max = HOUSEKEEPING_SLICE };
        int r = w_drift_prune_age(tx, &age, err), s;

        if (r < 0)
                return r;
        s = w_drift_prune_count(tx,
                                &(struct w_drift_prune_count_in){ .keep = HOUSEKEEPING_DRIFT,
                                                                  .max = HOUSEKEEPING_SLICE },
                                err);
        return s < 0 ? s : r == HOUSEKEEPING_SLICE || s == HOUSEKEEPING_SLICE;
}

static int cut_history(struct tx *tx, struct err *err) {
        struct w_status_history_prune_age_in age = { .before_at = tx_now(tx) - HOUSEKEEPING_KEEP_MS,
                                                     .max = HOUSEKEEPING_SLICE };
        int r = w_status_history_prune_age(tx, &age, err), s;

        if (r < 0)
                return r;
        s = w_status_history_prune_count(
                tx,
                &(struct w_status_history_prune_count_in){ .keep = HOUSEKEEPING_HISTORY,
                                                           .max = HOUSEKEEPING_SLICE },
                err);
        return s < 0 ? s : r == HOUSEKEEPING_SLICE || s == HOUSEKEEPING_SLICE;
}

static int cut_leftovers(struct tx *tx, struct err *err) {
        int r = w_leftover_prune(tx,
                                 &(struct w_leftover_prune_in){ .keep = HOUSEKEEPING_LEFTOVERS,
                                                                .max = HOUSEKEEPING_SLICE },
                                 err);

        return r < 0 ? r : r == HOUSEKEEPING_SLICE;
}

/* Fights that the loop did not end itself: of resources that went. */
static int cut_fights(struct tx *tx, struct err *err) {
        int r = w_fight_prune(
                tx,
                &(struct w_fight_prune_in){ .before_at = tx_now(tx) - HOUSEKEEPING_FIGHT_MS,
                                            .max = HOUSEKEEPING_SLICE },
                err);

        return r < 0 ? r : r == HOUSEKEEPING_SLICE;
}

/* Plans that nobody went on with. */
static int cut_shown(struct tx *tx, struct err *err) {
        int r = w_shown_prune(
                tx,
                &(struct w_shown_prune_in){ .before_at = tx_now(tx), .max = HOUSEKEEPING_SLICE },
                err);

        return r < 0 ? r : r == HOUSEKEEPING_SLICE;
}

static int cut_scheduled(struct tx *tx, struct err *err) {
        struct w_operation_prune_scheduled_in in = { .keep = HOUSEKEEPING_SCHEDULED,
                                                     .max = HOUSEKEEPING_OPERATIONS_SLICE };
        int r = w_operation_prune_scheduled(tx, &in, err);

        return r < 0 ? r : r == HOUSEKEEPING_OPERATIONS_SLICE;
}

static int cut_operations(struct tx *tx, struct err *err) {
        struct w_operation_prune_age_in age = { .before_at = tx_now(tx) - HOUSEKEEPING_KEEP_MS,
                                                .max = HOUSEKEEPING_OPERATIONS_SLICE };
        int r = w_operation_prune_age(tx, &age, err), s;

        if (r < 0)
                return r;
        s = w_operation_prune_count(
                tx,
                &(struct w_operation_prune_count_in){ .keep = HOUSEKEEPING_OPERATIONS,
                                                      .max = HOUSEKEEPING_OPERATIONS_SLICE },
                err);
        return s < 0 ? s : r == HOUSEKEEPING_OPERATIONS_SLICE || s == HOUSEKEEPING_OPERATIONS_SLICE;
}

int housekeeping_run(struct tx *tx, struct store_call *c, struct err *err) {
        int (*const steps[])(struct tx *, struct err *) = { cut_drift,      cut_history,
                                                            cut_leftovers,  cut_fights,
                                                            cut_shown,      cut_scheduled,
                                                            cut_operations, tx_cache_sweep };
        int more = c->arg ? audit_cut(tx, c->arg, err) : 0;

        if (more < 0)
                return more;
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
                int r = steps[i](tx, err);

                if (r < 0)
                        return r;
                more |= r;
        }
        return more;
}
