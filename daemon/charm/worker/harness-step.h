/* SPDX-License-Identifier: Apache-2.0 */
/* harness-step.h - the part of the harness for actions: NAME.step.json (the world) in,
 * NAME.ask.json (what the step says) out */
#pragma once

#include "charm-meta.h"

struct harness_options;
/* How many there are below TESTS; those that fail are told and added to FAILED. */
size_t harness_step_run(const struct harness_options *o, const struct charm_meta *meta,
                        const char *tests, size_t *failed);
