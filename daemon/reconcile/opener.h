/* SPDX-License-Identifier: Apache-2.0 */
/* opener.h - the values of the secrets that a document names, opened for one request
 *
 * Inside a read of the store: for a resource's document before it is applied, and for a target's
 * configuration before it is opened. The sealer is read only, so the store's threads may use it. */
#pragma once

#include "seal.h"
#include "secret-token.h"
#include "store.h"

#define OPENER_TOKENS_MAX 256 /* secret values in one document: more is a mistake */

/* Adds the value of each token in J to VALUES. -E2BIG; -ENOKEY: a secret or its revision is
 * gone; -EPERM: it is neither APPLICATION's own nor granted to it (0: not asked). */
int opener_open(struct tx *tx, const struct sealer *sealer, int64_t application, const json_t *j,
                struct secret_values *values, struct err *err);
#define OPENER_ALL (-1)
/* {URI: purpose} of those tokens in J whose secrets are APPLICATION's own; OPENER_ALL: of all. */
int opener_own(struct tx *tx, int64_t application, const json_t *j, json_t **ret, struct err *err);
