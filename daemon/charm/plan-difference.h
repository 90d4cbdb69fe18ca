/* SPDX-License-Identifier: Apache-2.0 */
/* plan-difference.h - two contents of a charm, asked with the same view: what else than objects
 * their plans differ in. Pure */
#pragma once

#include "plan.h"

#define PLAN_DIFFERENCES_MAX 20 /* sentences; the rest is counted in the last one */

/* Sentences that go on "APP would ...", about status, what other applications are told (by
 * RELATIONS of the view; names of keys, never values), secrets and targets. The caller's. */
json_t *plan_differences(const struct plan *before, const struct plan *after,
                         const json_t *relations);
/* Both want the very same document under LABEL. */
bool plan_same_document(const struct plan *before, const struct plan *after, const char *label);
