/* SPDX-License-Identifier: Apache-2.0 */
/* view-model.h - what people read of the rows, as JSON documents; run inside a read transaction
 *
 * Shapes follow `juju status --format json` and its kin: names are members, {"current",
 * "message", "since"} are states, times are RFC 3339. The admin API adds what only the loop
 * knows (reconcile_status). Lists have a limit and a cursor: "next" is there when more follows.
 * No secret is in any of them: a secret option reads "(secret)". */
#pragma once

#include "bundle.h"
#include "limit.h"
#include "seal.h"
#include "store.h"

#define VIEW_APPLICATIONS_MAX 500 /* of one page of status: Kubeflow has 37 */
#define VIEW_UNITS_MAX 1000       /* of one application */
#define VIEW_RELATIONS_MAX 2000

struct view_filter {
        const char *application; /* NULL: all */
        bool relations, storage, units;
        /* cursor: name of the application that came last; NULL: from the start */
        const char *after;
        int64_t max; /* 0: VIEW_APPLICATIONS_MAX */
};

/* -ENOENT with the nearest name. */
int view_model_status(struct tx *tx, const char *model, const struct view_filter *f, json_t **ret,
                      struct err *err);
/* The last refresh --all with its applications. -ENOENT: none was ordered. */
int view_model_refresh(struct tx *tx, const char *model, json_t **ret, struct err *err);
int view_model_list(struct tx *tx, int64_t after, json_t **ret, struct err *err);
int view_model_clusters(struct tx *tx, int64_t after, json_t **ret, struct err *err);
/* model-config; DEFAULTS are the daemon's. */
int view_model_config(struct tx *tx, const char *model, const struct limits *defaults, json_t **ret,
                      struct err *err);
int view_model_application(struct tx *tx, const char *model, const char *application, json_t **ret,
                           struct err *err);
/* "mlflow-server/0", or the pod's name. */
int view_model_unit(struct tx *tx, const char *model, const char *unit, json_t **ret,
                    struct err *err);
/* `config APP`: {"application", "charm", "settings": {name: {"value", "default", "source",
 * "type", "description"}}} */
int view_model_options(struct tx *tx, const char *model, const char *application, json_t **ret,
                       struct err *err);
int view_model_relations(struct tx *tx, const char *model, const char *application, json_t **ret,
                         struct err *err);
int view_model_storage(struct tx *tx, const char *model, json_t **ret, struct err *err);

/* export-bundle: a tree for yaml_write, which deploys to the same rows. SEALER not NULL: with
 * the values of secret options. */
int view_model_bundle(struct tx *tx, const char *model, const struct sealer *sealer, json_t **ret,
                      struct err *err);
/* diff-bundle: {"applications": {name: {"missing": "bundle"|"model"} or {member: {"bundle",
 * "model"}, "options": {name: {"bundle", "model"}}}}, "relations": {"bundle-additions": [[a,
 * b]], "model-additions": [[a, b]]}}; empty: equal. Scale, trust, channel and the like are
 * compared where the bundle says them, options both ways, secret options not at all. */
int view_model_diff(struct tx *tx, const char *model, const struct bundle *b, json_t **ret,
                    struct err *err);
