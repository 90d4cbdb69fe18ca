/* SPDX-License-Identifier: Apache-2.0 */
/* audit-heads.h - the heads of the audit that mooringd told the journal */
#pragma once

#include "err.h"
#include "json.h"

/* Appends those of this controller to LIST, as "ROW:HASH": only what UNIT's own processes wrote.
 * -EACCES: this user may not read that journal. */
int audit_heads_read(const char *unit, const char *controller, json_t *list, struct err *err);
