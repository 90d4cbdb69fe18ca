/* SPDX-License-Identifier: Apache-2.0 */
/* hello.c - a web service that may keep its data in a MySQL database
 *
 * Wants a Deployment and a Service, and while it is related to a database a Secret with the way
 * to it. What needs no decision stands in objects/; here is what does: without a relation the
 * pods get no database; with one the first pods wait until the database has told its
 * credentials, and they roll when those change. */
#include "charm.gen.h"

#define DATABASE_NAME "app"

/* Tells what is wanted. False: not all of the answer is there yet. */
static bool ask_for_database(struct charm_plan *p, const struct charm_relation *r) {
        charm_tell(p, r, "database", DATABASE_NAME);
        return charm_told(r, "endpoints") && charm_told(r, "username") && charm_told(r, "password");
}

static void want_credentials(struct charm_plan *p, const struct charm_relation *r,
                             const char *name) {
        const char *database = charm_told(r, "database");

        charm_want(p, "database", "database.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, name },
                               { "endpoints", CHARM_TEXT, charm_told(r, "endpoints") },
                               { "database", CHARM_TEXT, database ? database : DATABASE_NAME },
                               { "username", CHARM_TEXT, charm_told(r, "username") },
                               { "password", CHARM_TEXT, charm_told(r, "password") }));
}

/* The pods' environment from the Secret NAME; NULL: no database. */
static void want_pods(const struct charm_view *v, struct charm_plan *p, const char *name) {
        const char *greeting = "", *env_from = "";
        bool greets = charm_option_set(v, OPTION_GREETING);

        if (greets)
                greeting = charm_text(p, "{\"name\": \"GREETING\", \"value\": %s}",
                                      charm_quote(p, charm_option(v, OPTION_GREETING)));
        if (name)
                env_from = charm_text(p, "[{\"secretRef\": {\"name\": %s}}]", charm_quote(p, name));
        charm_want(p, "deployment", "deployment.yaml",
                   CHARM_HOLES({ "port", CHARM_TEXT, charm_option(v, OPTION_PORT) },
                               { "greeting", greets ? CHARM_JSON : CHARM_NONE, greeting },
                               { "env-from", name ? CHARM_JSON : CHARM_NONE, env_from },
                               { "database-digest", name ? CHARM_TEXT : CHARM_NONE,
                                 name ? charm_digest(p, "database") : "" }));
}

static void plan(const struct charm_view *v, struct charm_plan *p) {
        const struct charm_relation *r = charm_relation(v, ENDPOINT_DATABASE, 0);
        const char *name = NULL;

        charm_want(p, "service", "service.yaml", NULL);
        if (r && ask_for_database(p, r)) {
                name = charm_text(p, "%s-database", charm_application(v));
                want_credentials(p, r, name);
                charm_needs(p, "deployment", "database", CHARM_EXISTS);
        } else if (r) {
                charm_status(p, CHARM_WAITING, "waiting for %s to give a database", r->application);
                /* What is not wanted any more is deleted: pods that run already stay as they
                 * are. */
                if (!charm_exists(v, "deployment"))
                        return;
        }
        want_pods(v, p, name);
}

/* ---- the action wait-ready: for scripts that deploy and then want to use it */

static void wait_for_pods(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_ready(a, "deployment");
        charm_log(a, "the pods are ready");
        charm_next(a);
}

static void tell_address(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);

        charm_result(a, "address",
                     charm_text(charm_paper(a), "%s.%s.svc:%s", charm_application(v),
                                charm_model(v), charm_option(v, OPTION_PORT)));
        charm_done(a);
}

static const struct charm_step wait_ready_steps[] = { { "wait", wait_for_pods, 600, 0 },
                                                      { "tell", tell_address, 0, 0 },
                                                      {} };
static const struct charm_action actions[] = { { ACTION_WAIT_READY, wait_ready_steps }, {} };

CHARM(.plan = plan, .actions = actions);
