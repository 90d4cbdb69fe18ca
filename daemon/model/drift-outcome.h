/* SPDX-License-Identifier: Apache-2.0 */
/* drift-outcome.h - how a line of drift ends: the words of its column, in the database, the API
 * and the table of docs/operating.md (a test compares) */
#pragma once

#define DRIFT_WHO_UNKNOWN "not recorded" /* instead of a name in the ledger */

enum drift_outcome {
        DRIFT_OPEN,       /* not ended: it is being repaired, waits or is only told; see action */
        DRIFT_REPAIRED,   /* by a write of ours */
        DRIFT_UNDONE,     /* as it was again, and no write of ours did it */
        DRIFT_SUPERSEDED, /* the object differs otherwise now: a newer line goes on */
        DRIFT_LET_BE,     /* it differs still, and a rule says now that nobody wants to know */
        DRIFT_RESTORED,   /* lost data: the very one is back */
        DRIFT_ACCEPTED,   /* lost data that a person gave up, or took another for */
        DRIFT_REMOVED,    /* the object is not ours any more */
        DRIFT_OUTCOME_MAX
};
const char *drift_outcome_name(enum drift_outcome o);
