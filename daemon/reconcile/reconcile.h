/* SPDX-License-Identifier: Apache-2.0 */
/* reconcile.h - the loop that makes the outside equal to the model, and keeps it so
 *
 * Rows in, operations out. It is told what is dirty (reconcile_mark, from the store after a
 * commit; observations from the providers), and handles each key level-triggered: read the row,
 * decide, start one operation, save. The admin API reads through the functions below what the
 * loop knows beyond the rows. */
#pragma once

#include "audit.h"
#include "fight.h"
#include "limit.h"
#include "refresh.h"
#include "charm-host.h"
#include "flow.h"
#include "http.h"
#include "json.h"
#include "loop.h"
#include "seal.h"
#include "store.h"

#define RECONCILE_IN_FLIGHT                                                                        \
        32 /* operations at once: beyond it a 2-core API server only queues (bench) */
#define RECONCILE_AUDIT_MS 86400000ll /* each object is applied again once a day, spread out */

struct reconcile;
struct interfaces;

struct reconcile_options {
        struct loop *loop;
        struct store *store;
        struct http *http;
        struct charm_host *host;
        struct sealer *sealer;
        const char *state_dir;
        const char *controller;    /* this controller's uuid */
        const struct audit *audit; /* NULL: what is written outside is not kept */
        int64_t audit_ms;          /* each object is applied again; 0: never */
        size_t in_flight;
        struct fight_options fight;
        struct limits limits; /* of what changes of ours may do at once */
        int64_t poll_ms; /* how often what tells nothing is looked at; 0: the provider's own */
        struct refresh_times refresh;
        json_t *(*provider_options)(void);
        /* Something a person may watch changed: application status, a drift line, reachability.
         * On the loop. */
        void (*event)(void *arg, const json_t *event);
        void *arg;
};

int reconcile_new(const struct reconcile_options *o, struct reconcile **ret, struct err *err);
/* Reads all rows, opens targets, begins. Before the loop runs. */
int reconcile_start(struct reconcile *r, struct err *err);
/* No new operation is started, those that are out are cancelled. Then loop_finish_jobs and
 * store_close: what is in a thread or in the store still comes back here. */
void reconcile_stop(struct reconcile *r);
struct reconcile *reconcile_free(struct reconcile *r);

/* store_options.readonly: it can be written again, what was put off goes on. */
void reconcile_writable(struct reconcile *r);
/* store_options.mark: the row became dirty. */
void reconcile_mark(struct reconcile *r, enum store_mark kind, int64_t id);

/* Other charms are on offer: those that wait for one look again. */
void reconcile_offers_changed(struct reconcile *r);
/* What the providers' options say is other now: targets that are not open are tried again. */
void reconcile_options_changed(struct reconcile *r);
/* The daemon's, which a model's own stand before. */
const struct limits *reconcile_limits(const struct reconcile *r);

/* ---- for the admin API; each returns a new JSON value */
/* Per application: status as computed now, age of what it rests on, units; keys are names. */
json_t *reconcile_status(struct reconcile *r, const char *model);
/* Causes to the root of "deployment/mlflow-server", "mlflow-server" or "mlflow-server/0". NULL:
 * nothing of that name, with err. */
json_t *reconcile_why(struct reconcile *r, const char *model, const char *subject, struct err *err);
struct reconcile_object {
        char *type, *path, *application; /* application "": the model's own */
        bool keeps;                      /* single fields of it may be left as they are */
};
/* "deployment/mlflow-server", as people name it. 1: found; -ENOENT. */
int reconcile_find_object(struct reconcile *r, const char *model, const char *name,
                          struct reconcile_object *ret, struct err *err);
void reconcile_object_deinit(struct reconcile_object *o);
/* Is an object of KIND ("Deployment", "deployment.apps") wanted in MODEL? */
bool reconcile_has_kind(struct reconcile *r, const char *model, const char *kind);
json_t *reconcile_targets(struct reconcile *r);
void reconcile_metrics(struct reconcile *r); /* sets the gauges (metric.h) to what is so now */
/* Everything of a model that holds data: application, type, path, whether it is a volume, status
 * {current, message} by what was seen last (storage.c). */
json_t *reconcile_storage(struct reconcile *r, const char *model);
/* Of its detached storage that which is not simply there: {id: {current, message}}. */
json_t *reconcile_kept(struct reconcile *r, const char *model);
/* {current, message, since} of a model that is not simply available: its cluster cannot be read, or
 * nothing of it may be written. Else NULL. */
json_t *reconcile_model_state(struct reconcile *r, const char *model);
/* Which outside answers as CLUSTER now; NULL: none does, or it is not known. Valid until the loop
 * turns. */
const char *reconcile_identity(struct reconcile *r, const char *cluster);
/* Another controller's or model's stamp, or nobody's, is on what the model lives in. */
/* What is known of that, as text; NULL: nothing. The caller frees it. */
char *reconcile_scope_reason(struct reconcile *r, const char *model);
bool reconcile_is_foreign(struct reconcile *r, const char *model);

/* Of a controller that was restored: values of secrets that our own writes put outside and that are
 * other than ours become their newest revisions (compare.c). DONE once, also when it stops; C lives
 * as long as the call. */
struct reconcile_compared {
        int result; /* <0: ERR says why; what was found until then is taken in */
        const struct err *err;
        size_t taken;         /* values that were taken in */
        size_t pending;       /* that are known, and not in the plans yet */
        const json_t *unread; /* texts: objects that could not be read, and why */
        /* Texts: certificates outside that an authority signed which is not known here, because
         * it took the place of the one that is. They are not taken in. */
        const json_t *foreign;
};
void reconcile_compare_secrets(struct reconcile *r,
                               void (*done)(void *arg, const struct reconcile_compared *c),
                               void *arg);

/* What the replacement of MODEL's CA waits for; NULL: nothing, or none goes on. Valid until the
 * loop turns. */
const char *reconcile_authority_waits(struct reconcile *r, const char *model);

/* Which objects applications would have other, under rows that a command writes and takes back:
 * read inside its transaction, each of them once, worked out after it. */
struct tx;
struct preview;
struct preview *preview_new(struct reconcile *r);
struct preview *preview_free(struct preview *p); /* that was not started */
void preview_forget(struct preview *p);          /* what was read: the transaction runs again */
int preview_read(struct preview *p, struct tx *tx, const char *model, const char *application,
                 struct err *err);
/* And those that answer them, and who answers these: they are asked once something else is told to
 * them than before. After all that are read by name. */
int preview_read_others(struct preview *p, struct tx *tx, const char *model, struct err *err);
/* A digest of all that it read; valid for as long as P, after preview_read. */
const uint8_t *preview_view(const struct preview *p);
/* Frees P in the end. DONE once, also when it stops: a new list of lines as shown.h has them,
 * with {"change": "object", "application", "text": "change Deployment.apps m/web"}. */
void preview_start(struct preview *p, void (*done)(void *arg, json_t *lines), void *arg);

/* ---- lists of resources, made in slices of a turn: the answer comes later, and is NULL when the
 * loop stops before. "next" is there when more follows after it. */
#define RECONCILE_LIST_MAX 5000 /* resources in one answer: about a megabyte */
struct reconcile_range {
        const char *model, *application; /* NULL: all of the model's */
        int64_t after;                   /* the last answer's "next", or 0 */
        size_t max;                      /* 0: RECONCILE_LIST_MAX, which is the most */
};
typedef void reconcile_listed_fn(void *arg, json_t *json);
/* "resources": type, path, state, reason, since. */
void reconcile_resources(struct reconcile *r, const struct reconcile_range *range,
                         reconcile_listed_fn *done, void *arg);
/* For doctor: "targets", "models", "applications", "queue", as they are known now (facts.c). */
json_t *reconcile_facts(struct reconcile *r);
/* Asks every outside that can be read, within seconds: {target: what provider.h's examine told}.
 * DONE as that of the lists. */
void reconcile_examine(struct reconcile *r, reconcile_listed_fn *done, void *arg);
/* "plan": what the loop would do now, resource by resource, and what it waits for; "unknown": of
 * what that cannot be said, and why. */
void reconcile_plan(struct reconcile *r, const struct reconcile_range *range,
                    reconcile_listed_fn *done, void *arg);

/* Asks the outside what it would answer to those of LINES (of "plan") that would be written: they
 * get "server" and more (trial.h). DONE once, also when it stops. */
void reconcile_try(struct reconcile *r, json_t *lines, void (*done)(void *arg), void *arg);

/* ---- for actions (action.h) */
/* What APPLICATION's charm would be shown now (charm-host.h). DONE once, also when it stops: a new
 * view, or NULL and why: -ENOENT: there is no such application. */
typedef void reconcile_view_fn(void *arg, json_t *view, const struct err *err);
void reconcile_view(struct reconcile *r, int64_t application, reconcile_view_fn *done, void *arg);
/* 1: LABEL of APPLICATION exists and is ready; 0: not yet, with WHY; -ENOENT: nothing of that label
 * is wanted. */
int reconcile_ready(struct reconcile *r, int64_t application, const char *label, char *why,
                    size_t size);
/* All that was changed of it is planned and applied; or not yet, with WHY. */
bool reconcile_settled(struct reconcile *r, int64_t application, char *why, size_t size);
/* The same of the application OTHER of its model, all of whose objects are in place and ready too,
 * whose charm waits for nothing, and which has pods, none of them of before; or it is gone. */
bool reconcile_taken(struct reconcile *r, int64_t application, const char *other, char *why,
                     size_t size);
/* One thing to do at the target that APPLICATION's plan declared under that label, or at the
 * model's cluster (NULL), there only with a pod of the application's own: ASK's "pod", a name. */
struct reconcile_verb {
        int64_t application;
        int64_t operation; /* objects that are applied belong to it */
        const char *target, *verb;
        const json_t *ask; /* copied */
        int64_t within_ms; /* as act_request's */
};
struct reconcile_did { /* valid during the call */
        enum outcome outcome;
        int64_t again_at;
        const json_t *told; /* or NULL */
        const struct err *err;
};
typedef void reconcile_did_fn(void *arg, const struct reconcile_did *did);
struct verb;
/* Never calls DONE before it returned. */
struct verb *reconcile_verb(struct reconcile *r, const struct reconcile_verb *what,
                            reconcile_did_fn *done, void *arg);
void reconcile_verb_cancel(struct verb *v); /* DONE is then never called */
/* Why a stream does not move now; false: it does, or it is no stream. */
bool reconcile_verb_trouble(const struct verb *v, char *text, size_t size);
uint64_t reconcile_verb_moved(const struct verb *v); /* bytes of a stream so far */
/* Actions that run on APPLICATION, shown in its status. */
void reconcile_acting(struct reconcile *r, int64_t application, const char *action, bool begins);

bool reconcile_idle(
        const struct reconcile *r); /* nothing in flight, nothing ready: benches and tests */
