/* SPDX-License-Identifier: Apache-2.0 */
/* kinds.c - wants one object of each kind */
#include "charm.gen.h"

#include <string.h>

static void plan(const struct charm_view *v, struct charm_plan *p) {
        static const char *const files[] = {
                "settings", "login",   "web",  "second",  "main",    "scaled",
                "store",    "job",     "role", "binding", "cluster", "network",
                "thing",    "account", "hook", "volume",  "share",   NULL,
        };
        bool new = strcmp(charm_option(v, OPTION_DEFINITION), "new") == 0;

        for (const char *const *f = files; *f; f++)
                charm_want(p, *f, charm_text(p, "%s.yaml", *f), NULL);
        charm_want(p, "definition", new ? "definition-new.yaml" : "definition.yaml", NULL);
}

CHARM(.plan = plan);
