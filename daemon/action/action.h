/* SPDX-License-Identifier: Apache-2.0 */
/* action.h - runs actions: picks what is queued, calls their steps, does what these ask for, and
 * keeps a journal of it in the rows, so that they go on where they were after any end
 *
 *   pending ──pick──▶ running ──the last step is done──▶ cleaning up ──▶ completed
 *      │                 ├─ a step gave up, its deadline ──────┤───────▶ failed
 *      │                 └─ cancel-task ───────────────────────┘───────▶ cancelled
 *      └─ cancel-task, the application goes ──▶ cancelled          (gone while it ran: aborted)
 *
 * One turn of an operation: its rows are read; the step is called with them, the view of its
 * application and the answer to what it asked for last; what it says is committed; what it asks
 * for is done, and how that ended is committed. What was asked for and has no end in the rows is
 * asked for again after a restart, under the same key.
 *
 * Who may begin, and what is held while it runs, is operation-hold.h's. */
#pragma once

#include "charm-host.h"
#include "reconcile.h"
#include "store.h"

struct action;
struct action_options {
        struct loop *loop;
        struct store *store;
        struct charm_host *host;
        struct reconcile *reconcile;
        const struct sealer *sealer;
        const struct audit *audit; /* of what steps change of the model; or NULL */
        void (*event)(void *arg, const json_t *event); /* as reconcile_options' */
        void *arg;
};
/* Goes on with what ran at the last end. Before the loop runs. */
int action_new(const struct action_options *o, struct action **ret, struct err *err);
/* Nothing new is begun; then loop_finish_jobs and store_close: what is with the store comes
 * back. */
void action_stop(struct action *a);
struct action *action_free(struct action *a);

/* store_options.mark: the row became dirty. */
void action_mark(struct action *a, enum store_mark kind, int64_t id);
/* What operation ID is at: {"waits", "since", "tries", "next-try", "moved": bytes of a stream so
 * far}; NULL: it does not run now. */
json_t *action_at(struct action *a, int64_t id);
void action_metrics(struct action *a); /* sets the gauges (metric.h) to what is so now */
