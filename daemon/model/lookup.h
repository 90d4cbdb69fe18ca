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
/* Calls FN for each application of a model, by name. <0 ends it. */
typedef int lookup_application_fn(struct tx *tx, const struct q_application_row *a, void *arg,
                                  struct err *err);
int lookup_each_application(struct tx *tx, int64_t model, lookup_application_fn *fn, void *arg,
                            struct err *err);
/* A unit that was seen; -ENOENT names those that there are. */
int lookup_unit(struct tx *tx, const struct q_application_row *a, int64_t number, struct err *err);
/* What the application is pinned to; *RET NULL: no charm. */
int lookup_meta(struct tx *tx, const struct q_application_row *a, struct charm_meta **ret,
                struct err *err);
/* The charm of that content. *RET NULL: it is not there. */
int lookup_charm(struct tx *tx, const char *sha256, struct charm_meta **ret, struct err *err);
/* Action NAME of it. META is the caller's to free, also after a failure. -ENOENT. */
int lookup_action(struct tx *tx, const struct q_application_row *a, const char *name,
                  struct charm_meta **ret_meta, const struct meta_action **ret, struct err *err);
