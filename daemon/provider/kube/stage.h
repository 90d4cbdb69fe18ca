/* SPDX-License-Identifier: Apache-2.0 */
/* stage.h - a workload whose new pod template reaches only some of its pods */
#pragma once

#include "json.h"

/* HOLD: {"stage": "canary"}: one pod; {"stage": "stop", "updated": N}: those that are new, and no
 * more. "scale": how many pods there are where WANTED does not say. What cannot be held
 * (Recreate, OnDelete) is left as it is. */
void stage_hold(json_t *wanted, const json_t *hold);
