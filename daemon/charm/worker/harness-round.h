/* SPDX-License-Identifier: Apache-2.0 */
/* harness-round.h - the plans that follow one that asks for secrets and certificates: when they
 * are made, and when they are made anew */
#pragma once

#include "plan.h"

struct harness_options;
/* P is what the charm said to VIEW. Gives it tokens for what it asks for, as the daemon does, and
 * plans again, until nothing is asked for that is not there; then once more with the next revision
 * of each. None of these may be refused, or hold a certificate that another application has not
 * issued yet. The names of all that was asked for become members of ASKED. */
int harness_round_check(const struct harness_options *o, const json_t *view, const struct plan *p,
                        json_t *asked, struct err *err);
