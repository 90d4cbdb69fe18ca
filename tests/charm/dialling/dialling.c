/* SPDX-License-Identifier: Apache-2.0 */
/* dialling.c - pods that connect to a database all the time: by their environment, by files */
#include "charm.gen.h"

static const char *told(const struct charm_relation *r, const char *key) {
        const char *text = charm_told(r, key);

        return text ? text : "";
}

static void want_pods(const struct charm_view *v, struct charm_plan *p, const char *way,
                      const char *secret, bool files) {
        const char *name = charm_text(p, "%s-%s", charm_application(v), way);
        const char *period =
                charm_text(p, "%lld", (long long)charm_option_int(v, OPTION_PERIOD_MS));
        const char *late = charm_text(p, "%lld", (long long)charm_option_int(v, OPTION_LATE_MS));

        charm_want(p, way, files ? "files.yaml" : "environment.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, name }, { "secret", CHARM_TEXT, secret },
                               { "period", CHARM_TEXT, period }, { "late", CHARM_TEXT, late },
                               { "digest", CHARM_TEXT, charm_digest(p, "database") }));
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *r = charm_relation(v, ENDPOINT_DATABASE, 0);
        const char *secret = charm_text(p, "%s-database", charm_application(v));

        if (r)
                charm_tell(p, r, "database", charm_application(v));
        if (!r || !charm_told(r, "password"))
                return charm_status(p, CHARM_WAITING, "waiting for a database");
        charm_want(p, "database", "database.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, secret },
                               { "endpoint", CHARM_TEXT, told(r, "endpoints") },
                               { "user", CHARM_TEXT, told(r, "username") },
                               { "password", CHARM_TEXT, told(r, "password") },
                               { "database", CHARM_TEXT, told(r, "database") },
                               { "ca", CHARM_TEXT, told(r, "tls-ca") }));
        want_pods(v, p, "environment", secret, false);
        want_pods(v, p, "files", secret, true);
}

CHARM(.plan = plan);
