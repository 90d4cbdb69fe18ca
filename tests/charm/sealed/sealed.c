/* SPDX-License-Identifier: Apache-2.0 */
/* sealed.c - a generated secret, a secret option, both in one Secret, and ConfigMaps beside it */
#include "charm.gen.h"

#define PASSWORD_LENGTH 32

static void plan(const struct charm_view *v, struct charm_plan *p) {
        const char *password = charm_secret(p, "admin", "password", PASSWORD_LENGTH, NULL);
        int64_t count = charm_option_int(v, OPTION_COUNT);

        charm_want(p, "secret", "secret.yaml",
                   CHARM_HOLES({ "url", CHARM_TEXT,
                                 charm_text(p, "http://admin:%s@localhost", password) }));
        for (int64_t i = 0; i < count; i++) {
                const char *number = charm_text(p, "%lld", (long long)i);
                const char *name = charm_text(p, "%s-%s", charm_application(v), number);

                charm_want(p, name, "configmap.yaml",
                           CHARM_HOLES({ "name", CHARM_TEXT, name },
                                       { "number", CHARM_TEXT, number }));
        }
}

CHARM(.plan = plan);
