/* SPDX-License-Identifier: Apache-2.0 */
/* impure.c - a charm with the mistakes that a charm's own tests must show: see test-harness */
#include "charm.gen.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int calls;

static void plan(const struct charm_view *v, struct charm_plan *p) {
        const char *mistake = charm_option(v, OPTION_MISTAKE);
        const struct charm_relation *r = charm_relation(v, ENDPOINT_DB, 0);

        calls++;
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

CHARM(.plan = plan);
