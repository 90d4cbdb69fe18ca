/* SPDX-License-Identifier: Apache-2.0 */
/* staged.c - a StatefulSet, its Service, and a Deployment; and a check of their canaries */
#include "charm.gen.h"

static void plan(const struct charm_view *v, struct charm_plan *p) {
        charm_want(p, "set", "set.yaml", NULL);
        charm_want(p, "service", "service.yaml", NULL);
        charm_want(
                p, "web", "web.yaml",
                CHARM_HOLES({ "name", CHARM_TEXT, charm_text(p, "%s-web", charm_application(v)) }));
}

static void verify(const struct charm_world *w, struct charm_ask *a) {
        if (charm_option_bool(charm_world_view(w), OPTION_SOUND))
                charm_done(a);
        else
                charm_give_up(a, "the canary answers with nonsense");
}

static const struct charm_step verify_steps[] = { { "verify", verify, 0, 0 }, {} };
static const struct charm_action actions[] = { { ACTION_VERIFY, verify_steps }, {} };

CHARM(.plan = plan, .actions = actions);
