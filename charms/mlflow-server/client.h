/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - a pod with MySQL's client, in which actions reach the database by the relation's
 * credentials, and the server stopped meanwhile
 *
 * The options backup-client and maintenance want the two; actions set them, and reset them whatever
 * comes. */
#pragma once

#include "mlflow.h"

/* Words of a command in the pod, of MySQL's client or MariaDB's: each passes over the other's. */
#define CLIENT_TLS                                                                                 \
        " ${MYSQL_CA:+--ssl-ca=\"$MYSQL_CA\" --loose-ssl-mode=VERIFY_IDENTITY "                    \
        "--loose-ssl-verify-server-cert}"
#define CLIENT_TRIES_MAX 90 /* until the database lets in: three minutes */

void client_plan(const struct charm_view *v, struct charm_plan *p, const struct backends *b);

/* ---- steps: the pod is wanted, and there; in the end it goes (CHARM_CLEANUP) */
void client_want(const struct charm_world *w, struct charm_ask *a);
void client_reach(const struct charm_world *w, struct charm_ask *a);
void client_away(const struct charm_world *w, struct charm_ask *a);
/* ---- steps: no pod of the server is wanted, "stopped"; none has a session any more */
void client_stop(const struct charm_world *w, struct charm_ask *a);
void client_idle(const struct charm_world *w, struct charm_ask *a);

/* A command in the pod as one end of a stream, as JSON; its input begins with FIRST. */
const char *client_command(const struct charm_world *w, struct charm_ask *a, const char *script,
                           const char *first);
/* The step is to ask: for the first time, or after client_pause. */
bool client_begins(const struct charm_world *w, struct charm_ask *a);
void client_pause(struct charm_ask *a);
/* TEXT says that the server went away, and not for too often: it may be asked again. */
bool client_lost(const struct charm_world *w, struct charm_ask *a, const char *text);

struct client_survey {
        const char *version; /* of the server */
        const char *tables;
        const char *schema;                    /* MLflow's revision of it, or "-" */
        const char *runs, *newest;             /* number; when the last began, ms since 1970 */
        const char *runs_since, *models_since; /* of runs and model versions, since SINCE */
        const char *elsewhere;                 /* runs with artifacts outside of the bucket */
        const char *sessions;                  /* of others */
};
/* What the database has. False: it has asked for it, or gave up. */
bool client_survey(const struct charm_world *w, struct charm_ask *a, int64_t since,
                   struct client_survey *ret);
