/* SPDX-License-Identifier: Apache-2.0 */
/* upstream.c - wants what an attached manifest holds */
#include "charm.gen.h"

static void plan(const struct charm_view *v, struct charm_plan *p) {
        charm_want_file(p, "all", "manifest", NULL);
}

CHARM(.plan = plan);
