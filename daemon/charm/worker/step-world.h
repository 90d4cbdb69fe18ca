/* SPDX-License-Identifier: Apache-2.0 */
/* step-world.h - inside the worker: one call of a step: the world as charm code reads it, and what
 * it says (charm.h, "actions") */
#pragma once

#include "charm.h"
#include "plan-out.h"
#include "view.h"

struct charm_world {
        json_t *root; /* a reference; step.h has its shape */
        struct charm_view view;
        const json_t *meta; /* of the action: charm.yaml's */
};

struct charm_ask {
        const struct charm_world *world;
        const struct charm_action *action;
        const struct charm_step *step;
        struct charm_plan paper; /* has the arena, and the first mistake */
        json_t *state, *log, *results;
        json_t *ask; /* what was said: one of these */
        const struct charm_step *next;
        bool done, on;
        char *fail; /* in the arena */
};

/* META is charm.yaml's tree. */
int step_world_open(struct charm_world *w, const char *text, size_t len, const json_t *meta,
                    struct arena *arena, struct err *err);
void step_world_close(struct charm_world *w);
