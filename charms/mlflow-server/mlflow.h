/* SPDX-License-Identifier: Apache-2.0 */
/* mlflow.h - what the plan and the actions of mlflow-server share */
#pragma once

#include "charm.h"

#define MLFLOW_DATABASE "mlflow"

struct backends {
        const char *uri; /* of the database, with tokens; and its parts */
        const char *host, *port, *user, *password, *database;
        const char *ca; /* PEM that verifies it; NULL: none was told */
        const char *endpoint; /* URL of the object store */
        const char *via, *store_port; /* its pod: "NAMESPACE/POD" */
        const char *access_key, *secret_key;
        const char *secure; /* "true" or "false" */
        const char *bucket;
};

/* False: one of the relations has not told enough. The status says which; in an action nobody
 * sees that. */
bool mlflow_backends(const struct charm_view *v, struct charm_plan *p, struct backends *ret);
/* ---- the database's authority: a volume "database-ca" and where it is mounted, in the pods of the
 * server, of the client and of a migration. What changes in it is seen there without a restart. */
#define MLFLOW_CA_FOLDER "/etc/mlflow-database"
#define MLFLOW_CA_FILE MLFLOW_CA_FOLDER "/ca.pem"
/* PEM; NULL: none was told. */
const char *mlflow_ca(const struct charm_view *v);
struct charm_hole mlflow_ca_volume(const struct charm_view *v, struct charm_plan *p,
                                   const struct backends *b);
struct charm_hole mlflow_ca_mount(const struct backends *b);
/* "APPLICATION-END" */
const char *mlflow_own_name(const struct charm_view *v, struct charm_plan *p, const char *end);
/* Of the server: the one that upgrade has set, or the resource. */
const char *mlflow_image(const struct charm_view *v);
const char *mlflow_arch(const struct charm_view *v);
/* The bucket that is to be there. One that cannot be is not asked for: then it is the one that was
 * told last. */
const char *mlflow_bucket_wanted(const struct charm_view *v);
/* What counts requests is on only while somebody scrapes it. */
bool mlflow_is_scraped(const struct charm_view *v);

/* ---- tell.c */
void mlflow_tell(const struct charm_view *v, struct charm_plan *p);
/* For user namespaces: when the object store has told its keys. */
void mlflow_tell_namespaces(const struct charm_view *v, struct charm_plan *p,
                            const struct backends *b);
