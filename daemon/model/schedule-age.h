/* SPDX-License-Identifier: Apache-2.0 */
/* schedule-age.h - when what is run again and again completed last: a backup that nobody misses
 * until it is needed */
#pragma once

#include "json.h"
#include "queries.gen.h"

/* More than one run was due since the action completed last, by this schedule or by hand: the one
 * that is due now may still be at it. */
bool schedule_is_overdue(const struct q_schedule_ages_row *s, int64_t now);
/* Adds {"id", "model", "application", "action", "completed": ms or 0, "overdue"} of each that comes
 * again. MODEL: of that one; NULL: of all. */
int schedule_ages_read(struct tx *tx, const int64_t *model, json_t *to, struct err *err);
