/* SPDX-License-Identifier: Apache-2.0 */
/* drift-outcome.c - see drift-outcome.h */
#include "drift-outcome.h"

static const char *const names[DRIFT_OUTCOME_MAX] = {
        [DRIFT_OPEN] = "open",         [DRIFT_REPAIRED] = "repaired",
        [DRIFT_UNDONE] = "undone",     [DRIFT_SUPERSEDED] = "superseded",
        [DRIFT_LET_BE] = "let be",     [DRIFT_RESTORED] = "restored",
        [DRIFT_ACCEPTED] = "accepted", [DRIFT_REMOVED] = "removed",
};

const char *drift_outcome_name(enum drift_outcome o) {
        return names[o];
}
