/* SPDX-License-Identifier: Apache-2.0 */
/* housekeeping.h - what grows without end is cut: the ledger, the status history, the leftovers,
 * actions that ended,
 * documents in cache.db that nothing names; the audit as its options say */
#pragma once

#include "audit.h"
#include "store.h"

#define HOUSEKEEPING_SLICE 1000 /* rows of each in one commit: bounds how long it holds up others */
#define HOUSEKEEPING_DRIFT 100000
#define HOUSEKEEPING_HISTORY 100000
#define HOUSEKEEPING_OPERATIONS 10000   /* that ended, with their journals: some 20 KB each */
#define HOUSEKEEPING_SCHEDULED 500      /* that completed, of one schedule: of the 10,000 */
#define HOUSEKEEPING_OPERATIONS_SLICE 5 /* of a journal of 2,000 turns with 64 KiB each, at worst */
#define HOUSEKEEPING_LEFTOVERS 10000    /* each is for a person to read */
#define HOUSEKEEPING_FIGHT_MS (int64_t)(8 * 86400000LL) /* longer than any window of fights */
#define HOUSEKEEPING_KEEP_MS (90 * 86400000ll)          /* of the ledger and the history */

/* store_call.run, arg: const struct audit *. One step. 1: there is more to do. 0: done, for now. */
int housekeeping_run(struct tx *tx, struct store_call *c, struct err *err);
