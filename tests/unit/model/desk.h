/* SPDX-License-Identifier: Apache-2.0 */
/* desk.h - commands and views on a real store in a folder of its own, with a sealer and a few
 * charms */
#pragma once

#include "command.h"
#include "lookup.h"
#include "view-model.h"

#include "store-fixture.h"
#include "unit.h"

struct desk {
        struct fixture *fixture;
        struct sealer *sealer;
        struct charm_meta *charms[64]; /* NULL-terminated: what charm choices find */
        json_t *reply;                 /* of the last command or view */
        struct err err;
};

int desk_set_up(void **state); /* with cluster "aks" and model "lab" */
/* And with applications store (minio), db (mysql-k8s) and server (mlflow-server). */
int desk_small_set_up(void **state);
int desk_tear_down(void **state);
/* The clock stands at a midnight, which it returns, until clock_real. */
int64_t desk_midnight(void);

/* Adds a charm that choices find from now on. */
void desk_charm(struct desk *d, const char *yaml);
void desk_charm_take(struct desk *d, struct charm_meta *m);
/* minio, mysql-k8s, mlflow-server: small, with the real endpoints. */
void desk_mlflow_charms(struct desk *d);
struct charm_meta *desk_find_charm(struct desk *d, const char *name);
void desk_choose(struct desk *d, const char *charm, struct charm_choice *ret);

/* Runs C; the reply is in d->reply. */
int desk_run(struct desk *d, struct command *c);
/* Parses and deploys TEXT into "lab". */
int desk_deploy(struct desk *d, const char *text, bool dry_run);
void desk_deployed(struct desk *d, const char *text); /* the test fails where it is refused */
/* C on an application of "lab"; head and model are filled in. */
int desk_application(struct desk *d, int (*run)(struct tx *, struct command *, struct err *),
                     struct command_application c);
size_t desk_changes(const struct desk *d); /* of the last reply */
/* Text of change or error I, "" when there is none. */
const char *desk_change(const struct desk *d, size_t i);
const char *desk_error(const struct desk *d, size_t i);
bool desk_has_error(const struct desk *d, const char *text);
bool desk_has_note(const struct desk *d, const char *text);

/* A read; ARG is FN's. Its document is in d->reply. */
typedef int (*desk_view)(struct tx *tx, const void *arg, json_t **ret, struct err *err);
int desk_read(struct desk *d, desk_view fn, const void *arg);
/* status of "lab" with everything. */
json_t *desk_status(struct desk *d);
/* The bundle that "lab" exports, as text; the caller frees. */
char *desk_export(struct desk *d, const struct sealer *sealer);
/* A write of the loop's kind. */
int desk_write(struct desk *d, int (*fn)(struct tx *tx, int64_t id, struct err *err), int64_t id);
int64_t desk_application_id(struct desk *d, const char *name); /* 0: none */
