/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.h - rows by the names that people use, inside a transaction; what is not there is told
 * with the nearest name */
#pragma once

#include "charm-meta.h"
#include "queries.gen.h"

int lookup_cluster(struct tx *tx, const char *name, const struct q_target_row **ret,
                   struct err *err);
int lookup_model(struct tx *tx, const char *name, const struct q_model_row **ret, struct err *err);
int lookup_application(struct tx *tx, const struct q_model_row *model, const char *name,
                       const struct q_application_row **ret, struct err *err);
/* The same, and -EBUSY while it is being removed. */
int lookup_live_model(struct tx *tx, const char *name, const struct q_model_row **ret,
                      struct err *err);
int lookup_live_application(struct tx *tx, const struct q_model_row *model, const char *name,
                            const struct q_application_row **ret, struct err *err);
/* Of a look-up by what destroys: the nearest name is not told, for who has just removed one, and
 * asks once more, would be led to the next. */
int lookup_no_guess(int r, struct err *err);
/* What the application is pinned to; *RET NULL: no charm. */
int lookup_meta(struct tx *tx, const struct q_application_row *a, struct charm_meta **ret,
                struct err *err);
