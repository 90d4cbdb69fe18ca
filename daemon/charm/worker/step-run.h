/* SPDX-License-Identifier: Apache-2.0 */
/* step-run.h - inside the worker: calls one step of an action, and says what it said */
#pragma once

#include "step-world.h"

struct object_set;
/* Runs the step that W names, of one of ACTIONS, and appends what it said, or its refusal, to OUT
 * as a frame. */
void step_run(struct charm_world *w, const struct charm_action *actions,
              const struct object_set *objects, struct arena *arena, struct buf *out);
/* The module's table and charm.yaml say the same actions, and each step is one. */
int step_run_check(const struct charm_action *actions, const json_t *meta, struct err *err);
/* A says ASK, which is taken over. */
void step_run_ask(struct charm_ask *a, json_t *ask);
