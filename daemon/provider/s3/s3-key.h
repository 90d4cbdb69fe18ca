/* SPDX-License-Identifier: Apache-2.0 */
/* s3-key.h - the key of the admin API's encrypted bodies, derived in a thread, as the ask of a
 * flow's step */
#pragma once

#include "flow.h"
#include "s3-seal.h"

/* A salt of its own, a copy of SECRET_KEY. */
void s3_key_ask(struct ask *a, const char *secret_key);
const struct s3_seal_key *s3_key_answer(const struct ask *a);
