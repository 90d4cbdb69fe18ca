/* SPDX-License-Identifier: Apache-2.0 */
/* impure.c - a charm with the mistakes that a charm's own tests must show: see test-harness */
#include "charm.gen.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int calls;
static bool began; /* which a worker that dies between two steps forgets */

static void plan(const struct charm_view *v, struct charm_plan *p) {
        const char *mistake = charm_option(v, OPTION_MISTAKE);
        const struct charm_relation *r = charm_relation(v, ENDPOINT_DB, 0);

        calls++;
        if (strcmp(mistake, "forgets") != 0)
                charm_secret(p, "db", "password", 16, NULL);
        if (strcmp(mistake, "remembers") == 0)
                charm_status(p, CHARM_ACTIVE, "call %d", calls);
        else if (strcmp(mistake, "address") == 0)
                charm_status(p, CHARM_ACTIVE, "plan at %p", (void *)(uintptr_t)&calls);
        else if (strcmp(mistake, "crashes") == 0)
                __builtin_trap();
        else if (strcmp(mistake, "prints") == 0) /* is none */
                printf("planning %s\n", charm_application(v));
        else if (strcmp(mistake, "tells") == 0)
                charm_tell(p, r, "databse", "x");
        else if (strcmp(mistake, "wants") == 0)
                charm_want(p, "a", "nothing.yaml", NULL);
        else
                charm_status(p, CHARM_ACTIVE, "well");
}

/* ---- the action stumble */

static bool makes(const struct charm_world *w, const char *mistake) {
        return !strcmp(charm_option(charm_world_view(w), OPTION_MISTAKE), mistake);
}

static void wait_first(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        began = true;
        if (!outcome) {
                charm_set(a, "noted", "yes");
                return charm_ask_wait(a, 1);
        }
        if (strcmp(outcome, "done") != 0 && makes(w, "fails"))
                charm_result(a, "answer", charm_answer(w, "/there"));
        charm_next(a);
}

static void tidy(const struct charm_world *w, struct charm_ask *a) {
        if (makes(w, "tidies") && !charm_state(w, "over"))
                charm_result(a, "over", charm_state(w, "over"));
        charm_next(a);
}

static void end(const struct charm_world *w, struct charm_ask *a) {
        if (makes(w, "points"))
                charm_log(a, "the step lies at %p", (void *)(uintptr_t)&calls);
        charm_set(a, "over", makes(w, "carries") && !began ? NULL : "yes");
        charm_next(a);
}

static const struct charm_step stumble_steps[] = { { "wait", wait_first, 0, CHARM_ALL },
                                                   { "end", end, 0, 0 },
                                                   { "tidy", tidy, 0, CHARM_CLEANUP },
                                                   {} };
static const struct charm_action actions[] = { { ACTION_STUMBLE, stumble_steps }, {} };

CHARM(.plan = plan, .actions = actions);
