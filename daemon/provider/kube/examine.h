/* SPDX-License-Identifier: Apache-2.0 */
/* examine.h - asks a cluster what a person would look at: see provider.h, examine */
#pragma once

#include "provider.h"

/* Minors of Kubernetes 1 that the suite runs against: another one may work, nobody has seen it. */
#define EXAMINE_TESTED_OLDEST 34
#define EXAMINE_TESTED_NEWEST 34

void examine_start(struct target *t, const json_t *scopes, struct op *op);
