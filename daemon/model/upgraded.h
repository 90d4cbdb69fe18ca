/* SPDX-License-Identifier: Apache-2.0 */
/* upgraded.h - a store that was migrated, until a person confirms it
 *
 *      migrated ──▶ the release before can work on it too ──▶ upgrade-controller --confirm
 *
 * What the store wrote of the migration (store/schema.c) is one setting. While it is there a
 * program that knows its "reader" may open the store, whatever schema it has; without it only those
 * that know all of it. */
#pragma once

#include "json.h"
#include "store.h"

/* {"from", "to", "reader": schemas, "release": the version before, or none, "by": ours, "at"}; the
 * caller's. NULL: nothing waits for a confirmation. */
int upgraded_read(struct tx *tx, json_t **ret, struct err *err);
int upgraded_end(struct tx *tx, struct err *err);
/* Which release works on it: for what a later one tells of the one before. */
int upgraded_note_release(struct tx *tx, struct err *err);
