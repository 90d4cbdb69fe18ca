/* SPDX-License-Identifier: Apache-2.0 */
/* restored.h - a controller that was restored from a backup, until a person has looked
 *
 *      restored ──▶ every model frozen: it watches, plans, shows ──▶ confirm-restore ──▶ as ever
 *
 * What was written since the backup is not known here, so what would be done may be wrong. The
 * freeze is no row: it is read with the freezes of each model (rule.c), also of one that is added
 * meanwhile, and no unfreeze, apply or --during-freeze passes over it. */
#pragma once

#include "json.h"
#include "store.h"

#define RESTORED_OWNER "restore" /* of the freeze */

/* Inside the transaction of a restore; BACKUP: {"file", "made"}. */
int restored_begin(struct tx *tx, const json_t *backup, struct err *err);
/* {"file", "made", "at"}, the caller's; NULL: it is not, or that was confirmed. */
int restored_read(struct tx *tx, json_t **ret, struct err *err);
int restored_end(struct tx *tx, struct err *err);
/* Why all is frozen, which lives as long as the transaction; NULL: it is not. */
int restored_why(struct tx *tx, const char **ret, int64_t *ret_at, struct err *err);
