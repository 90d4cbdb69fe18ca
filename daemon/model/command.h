/* SPDX-License-Identifier: Apache-2.0 */
/* command.h - every change that a person may ask of the model: one struct and one run function
 * each
 *
 * The admin API decodes a request into the struct, resolves charms on the loop (charm_choice),
 * and submits a store_call whose run is command_run and whose arg is the command. Inside the
 * transaction the command checks all against the rows, writes rows, marks what became dirty, and
 * answers. It never touches the outside: the reconciler follows the rows. All that is wrong is
 * collected and nothing of it is written.
 *
 * Structs are filled with zero first; text and JSON in them are borrowed until done and may
 * stand for "not said" as NULL, numbers as -1 where that is written. `head` comes first.
 *
 * Answer (command_reply in `done`, JSON, also of a failure; the recorded one when the same
 * request id came again):
 *   { "changes": [{"change": word, "application": name, "text": sentence}],
 *     "notes": [{"file", "line", "text"}], "more": n, ... }
 *   { "errors": [{"file", "line", "text"}], "more": n }     after a failure (r < 0)
 * An empty "changes" means that all was so already. Result codes: -ENOENT no such model,
 * application, cluster; -EEXIST; -EINVAL a wrong value; -EBUSY being removed, or still in use;
 * -ESTALE it is not what the plan said. A
 * dry run ends with -ECANCELED (so that nothing is kept), with the answer of success. */
#pragma once

#include "audit.h"
#include "bundle.h"
#include "endpoint.h"
#include "seal.h"
#include "store.h"

/* Lines of one answer: below STORE_ANSWER_MAX; the rest is counted. */
#define COMMAND_CHANGES_MAX 400

struct command {
        int (*run)(struct tx *tx, struct command *c, struct err *err); /* one of those below */
        const struct sealer *sealer; /* needed by those that set options; else NULL */
        const char *actor;           /* "uid 1000 (alice)" */
        bool dry_run;
        /* It goes by what the loop found, which status shows before it is in the rows: it takes its
         * turn behind what the loop has not written yet. */
        bool after_loop;
        const char *of_model;            /* that it is about; NULL: none, or the command makes it */
        const struct audit *audit;       /* NULL: no row is kept of it */
        const struct audit_entry *entry; /* who, where and why; what was done is filled in here */
        /* Reads more of how it is then, before that is taken back (a dry run) or kept; or NULL. */
        int (*look)(struct tx *tx, struct command *c, struct err *err);
        void *look_arg;
        const json_t *expect; /* the plan that is gone on with: these changes and no others */
        int64_t shown;        /* and its row, which goes with that; 0: none */
        /* Lines that were shown: those of type "plan" name an application ("path") and what is let
         * go of its plan with this ("content", limit.h's). NULL: none. */
        const json_t *release;
        /* private: made anew by each run */
        json_t *was, *became; /* what it changed, for the audit */
        size_t values, values_more;
        bool looked;   /* by RUN itself, which took back what was to be looked at */
        json_t *also;  /* applications that it changes too, as members; NULL: none */
        bool is_stop;  /* it stops or starts the loop's work: no change of the model */
        bool is_apply; /* it goes on with what limits froze, or sets other limits */
        json_t *answer;
        char *reply;
        struct faults faults, notes;
        size_t more;
        /* stays when run again: ids that are not numbers come from it */
        uint8_t seed[DIGEST_SIZE];
        bool seeded;
};
/* store_call.run; arg: struct command * */
int command_run(struct tx *tx, struct store_call *call, struct err *err);
/* confirm-restore: a controller that was restored (restored.h) works again. */
int command_restored_confirm(struct tx *tx, struct command *c, struct err *err);
/* upgrade-controller --confirm (upgraded.h). */
int command_upgraded_confirm(struct tx *tx, struct command *c, struct err *err);
/* In `done`: the answer's text, of success, dry run or failure. Lives as long as the call and
 * the command. */
const char *command_reply(const struct store_call *call);
void command_deinit(struct command *c);

/* What serves a charm of that name, channel and revision, as charm_host_find said; resolved
 * before the transaction. */
struct charm_choice {
        char sha256[DIGEST_HEX_SIZE]; /* "": none */
        struct charm_meta *meta;      /* owned; NULL: none */
        char *missing;                /* why there is none: "no charm module \"dex-auth\" ..." */
        /* A charm of that name is there, but not so: the command is refused with `missing`. Else
         * the application is taken and blocked with it. */
        bool refused;
        bool copied; /* its content was not in the state folder, or damaged: it is now */
};
/* META is copied (through its JSON): it may be used on another thread after. */
void charm_choice_found(struct charm_choice *c, const char *sha256, const struct charm_meta *meta);
void charm_choice_missing(struct charm_choice *c, bool refused, const char *why);
void charm_choice_deinit(struct charm_choice *c);
int charm_choice_put(struct tx *tx, const struct charm_choice *c, struct err *err); /* its row */

/* ---- clusters (targets that an operator made) */
struct command_cluster_add {
        struct command head;
        const char *name;
        json_t *config;         /* without secrets */
        const void *credential; /* sealed, at (target, credential, NAME, 1); NULL: none */
        size_t credential_len;
};
int command_cluster_add(struct tx *tx, struct command *c, struct err *err);
/* same struct; config NULL: stays */
int command_cluster_update(struct tx *tx, struct command *c, struct err *err);
struct command_cluster {
        struct command head;
        const char *name;
        bool force;          /* remove: storage that stayed behind becomes a leftover */
        const char *answers; /* rebind: identity of what answers now, or NULL */
};
int command_cluster_remove(struct tx *tx, struct command *c, struct err *err);
/* Binds it to the cluster that answers now. -EBUSY: none does, or it is the one that it was. */
int command_cluster_rebind(struct tx *tx, struct command *c, struct err *err);

/* ---- models */
struct command_model {
        struct command head;
        const char *model;
        const char *cluster;         /* add */
        bool destroy_storage, force; /* remove */
        bool foreign;                /* take over: there is another stamp than ours */
        const char *why;             /* take over: what is known of it, or NULL */
        json_t *set;                 /* config: {name: text or value} */
        const json_t *reset;         /* config: [name] */
};
int command_model_add(struct tx *tx, struct command *c, struct err *err);
int command_model_remove(struct tx *tx, struct command *c, struct err *err);
int command_model_config(struct tx *tx, struct command *c, struct err *err);
/* The stamp of another controller or model is replaced with the next write. */
int command_model_take_over(struct tx *tx, struct command *c, struct err *err);

/* ---- deploying */
struct command_bundle {
        struct command head;
        const char *model;
        const struct bundle *bundle;
        struct charm_choice *choices; /* one for each application of the bundle, in its order */
        bool attach_storage;
};
int command_deploy_bundle(struct tx *tx, struct command *c, struct err *err);
struct command_charm {
        struct command head;
        const char *model;
        const char *application;     /* NULL: the charm's name */
        const char *charm, *channel; /* channel NULL: any */
        int64_t revision, scale;     /* -1: not said */
        int trust;                   /* -1: not said */
        json_t *options;             /* {name: value}; texts are converted */
        const char *constraints;
        json_t *storage;   /* {name: "[CLASS,]SIZE"} */
        json_t *resources; /* {name: image reference} */
        struct charm_choice *choice;
        bool attach_storage;
        bool force; /* also without a charm: it is taken, and blocked until there is one */
};
int command_deploy_charm(struct tx *tx, struct command *c, struct err *err);
/* The same charm in the content that is on offer now, or in another revision or channel. */
struct command_refresh {
        struct command head;
        const char *model, *application;
        const char *channel; /* NULL: stays */
        int64_t revision;    /* -1: not said */
        json_t *resources;   /* {name: image reference}, or NULL */
        struct charm_choice *choice;
};
int command_deploy_refresh(struct tx *tx, struct command *c, struct err *err);
/* All that another content is on offer for, one after the other (refresh-all.h). */
struct command_refresh_all {
        struct command head;
        const char *model;
        struct refresh_all_item {
                char *application; /* owned by whoever fills this in */
                struct charm_choice choice;
        } *items; /* by name */
        size_t count;
};
int command_refresh_all(struct tx *tx, struct command *c, struct err *err);
/* A refresh in stages (refresh.h): one that is paused goes on; all goes back to what it was. */
struct command_going {
        struct command head;
        const char *model, *application;
        bool accept_loss; /* rollback: of what it cannot bring back */
};
int command_refresh_resume(struct tx *tx, struct command *c, struct err *err);
/* -EPERM: data is lost by it, and nobody accepted that. */
int command_refresh_rollback(struct tx *tx, struct command *c, struct err *err);
/* The same of a refresh --all; struct command_going, without an application. Cancel: those that
 * wait are not begun. */
int command_refresh_all_resume(struct tx *tx, struct command *c, struct err *err);
int command_refresh_all_rollback(struct tx *tx, struct command *c, struct err *err);
int command_refresh_all_cancel(struct tx *tx, struct command *c, struct err *err);
/* A charm arrived (or the loop looks at the start): pins an application that had none. Not for
 * people. */
struct command_pin {
        struct command head;
        int64_t application;
        struct charm_choice *choice;
};
int command_deploy_pin(struct tx *tx, struct command *c, struct err *err);

/* ---- options of an application */
struct command_config {
        struct command head;
        const char *model, *application;
        json_t *set;         /* {name: value} */
        const json_t *reset; /* [name] */
        /* --file: its name and its YAML, {name: value} or {APPLICATION: {name: value}}; or NULL */
        const char *file, *text;
};
int command_config_set(struct tx *tx, struct command *c, struct err *err);

/* ---- one application */
struct command_application {
        struct command head;
        const char *model, *application;
        int64_t scale;               /* scale */
        bool trust;                  /* trust */
        const char *constraints;     /* constraints */
        bool destroy_storage, force; /* remove; storage: force */
        const char *storage, *size;  /* storage: its name, and "20G" */
        const char *why, *until;     /* pause: the reason; when it ends by itself, or NULL */
        /* attach-resource: image reference, or SHA-256 of an attached file; value NULL: the
         * charm's own */
        const char *resource, *value;
        /* adopt: "kind/name"; NULL: all that are blocked by what was there before */
        const char *object;
};
int command_application_scale(struct tx *tx, struct command *c, struct err *err);
int command_application_trust(struct tx *tx, struct command *c, struct err *err);
int command_application_constraints(struct tx *tx, struct command *c, struct err *err);
/* Larger; with force also smaller, where the cluster refused to let it grow. */
int command_application_storage(struct tx *tx, struct command *c, struct err *err);
int command_application_remove(struct tx *tx, struct command *c, struct err *err);
/* application NULL: the whole model */
int command_application_pause(struct tx *tx, struct command *c, struct err *err);
int command_application_unpause(struct tx *tx, struct command *c, struct err *err);
int command_application_attach_resource(struct tx *tx, struct command *c, struct err *err);
int command_application_accept_loss(struct tx *tx, struct command *c, struct err *err);
int command_application_adopt(struct tx *tx, struct command *c, struct err *err);
/* OBJECT is needed. */
int command_application_recreate(struct tx *tx, struct command *c, struct err *err);
int command_application_attach_storage(struct tx *tx, struct command *c, struct err *err);
/* what an earlier one left */
int command_application_destroy_storage(struct tx *tx, struct command *c, struct err *err);

/* ---- rule.h: what is done about drift, and what may not be changed meanwhile */
struct command_policy {
        struct command head;
        const char *model;
        const char *application, *type, *path, *field; /* NULL: any */
        const char *object; /* unset: KIND/NAME of one that the loop does not know any more */
        const char *mode;   /* set */
        bool kind_unknown;  /* no object of the model is of that type now */
        const char *begins, *zone; /* of a window, or NULL; zone NULL: UTC */
        const char *length;        /* of it: "4h" */
        const char *until;         /* a time, or for how long: "2h"; NULL: for ever */
        const char *writer;        /* hand over: to whom; NULL */
        const char *why;
};
int command_policy_set(struct tx *tx, struct command *c, struct err *err);
int command_policy_unset(struct tx *tx, struct command *c, struct err *err);
struct command_freeze {
        struct command head;
        const char *model;
        const char *application; /* NULL: all of the model */
        const char *type, *path; /* of one object: it is paused, and nothing is frozen; or NULL */
        const char *object;      /* end: KIND/NAME of one that the loop does not know any more */
        const char *until;       /* as command_policy's */
        const char *why;
};
int command_freeze_set(struct tx *tx, struct command *c, struct err *err);
int command_freeze_end(struct tx *tx, struct command *c, struct err *err);

/* ---- a plan of what the loop would do (shown.h) */
#define COMMAND_RELEASE_MS 600000 /* so long it may wait for what it stands on, then it is over */
struct command_plan {
        struct command head;
        const char *model;
        /* Of objects: {"resource", "application", "do", "type", "path", "content", "seen"}; of a
         * plan that is held: {"type": "plan", "path": application, "content": limit.h's}. */
        const json_t *lines;
};
/* What keeps these back lets them go, once, as they are now. -ESTALE: another plan is held;
 * -EBUSY: all of them are blocked, which nothing lets go. */
int command_plan_apply(struct tx *tx, struct command *c, struct err *err);
/* Nothing can be done of any of them. */
bool command_plan_is_blocked(const json_t *lines);
/* What A's plan that is held does, for limit_name; NULL: none is. The caller frees. */
struct q_application_row;
char *command_held_content(const struct q_application_row *a);
void command_release_digest(const char *content, const char *seen, uint8_t ret[DIGEST_SIZE]);

/* ---- actions */
/* That wait or run, in all; each start of another reads them. */
#define OPERATIONS_LIVE_MAX 2000
#define OPERATIONS_APPLICATION_MAX 200 /* of one application: a script in a loop is told */
#define OPERATION_PARAMS_MAX (64u << 10)
struct command_run {
        struct command head;
        const char *model, *application;
        const char *unit; /* "mysql-k8s/0", or NULL */
        const char *action;
        const json_t *params; /* or NULL */
        const char *why;
        bool during_freeze; /* a freeze does not hold it */
};
/* What can be known before it is queued, now or at a time: its unit, and its parameters, which *RET
 * are with their defaults. */
struct meta_action;
int command_operation_check(struct tx *tx, const struct q_application_row *a,
                            const struct meta_action *action, const char *unit,
                            const json_t *params, json_t **ret, struct err *err);
/* Queues it: "operation" of the answer is its number. */
int command_operation_run(struct tx *tx, struct command *c, struct err *err);
struct command_operation {
        struct command head;
        const char *model;
        int64_t id;
};
/* One that waits ends at once; one that runs, when what it has asked for is over and all has been
 * cleaned up. */
int command_operation_cancel(struct tx *tx, struct command *c, struct err *err);
/* TEXT (JSON) of an operation's row, with AUDIT_SECRET for each token of a secret. */
json_t *command_operation_masked(const char *text);
/* -EPERM: who asked for it may not approve it, nor who did not log in. What it destroys is told. */
int command_operation_approve(struct tx *tx, struct command *c, struct err *err);
/* Who has ROLE may run ACTION of A; WHO is for the message. NULL: the daemon itself, which may.
 * -EPERM. */
struct q_permission_row;
struct meta_action;
int command_permission_check(struct tx *tx, const char *who, const char *role,
                             const struct q_application_row *a, const struct meta_action *action,
                             struct err *err);
/* *RET_ROLE: the least that may run it; *RET_SAID: an admin said so, NULL: the charm. */
int command_permission_find(struct tx *tx, int64_t application, const struct meta_action *action,
                            const char **ret_role, const struct q_permission_row **ret_said,
                            struct err *err);
struct command_permission {
        struct command head;
        const char *model, *application, *action, *why;
        bool grant; /* to operators; else admins alone may run it */
};
int command_permission_set(struct tx *tx, struct command *c, struct err *err);
/* At times: "schedule" of the answer is its number. */
struct command_schedule {
        struct command head;
        const char *model, *application, *unit, *action, *why;
        const json_t *params;
        const char *at;   /* once: a time, or in how long; or */
        const char *cron; /* again and again, in ZONE (NULL: UTC) */
        const char *zone;
        const char *jitter;  /* "10m", or NULL */
        const char *missed;  /* skip, run; NULL: skip */
        const char *overlap; /* skip, queue; NULL: skip */
        bool during_freeze;
};
int command_schedule_add(struct tx *tx, struct command *c, struct err *err);
int command_schedule_remove(struct tx *tx, struct command *c, struct err *err); /* its number */
#define SCHEDULES_SLICE 50 /* that are run in one transaction */
struct schedule_run {
        const struct sealer *sealer;
        const struct audit *audit;
        json_t *told;    /* new list: {"schedule", "model", "application", "action", "text": why it
                          * was not run, or ""} */
        int64_t next_at; /* clock_wall when it is to be called again; 0: there is none */
};
/* Runs what is due. Called inside a transaction. */
int command_schedule_due(struct tx *tx, struct schedule_run *how, struct err *err);
/* ID has ended as STATUS ("completed", ...): its row, and the secrets of its parameters go. Called
 * inside a transaction. */
struct q_operation_row;
int command_operation_end(struct tx *tx, const struct q_operation_row *o, const char *status,
                          const char *message, struct err *err);

/* ---- certificates (certificate.h) */
struct command_certificate {
        struct command head;
        const char *model;
        const char *application, *label; /* rotate; label NULL: all of the application's */
        const char *pem;                 /* set-ca */
};
/* Due now: the reconciler issues it anew. */
int command_certificate_rotate(struct tx *tx, struct command *c, struct err *err);
int command_certificate_rotate_ca(struct tx *tx, struct command *c, struct err *err);
/* "request" of the answer: PEM. */
int command_certificate_ca_csr(struct tx *tx, struct command *c, struct err *err);
int command_certificate_set_ca(struct tx *tx, struct command *c, struct err *err);

/* ---- secrets that people add (user-secret.h) */
struct command_secret {
        struct command head;
        const char *model, *name;   /* NAME, or "secret:ID" */
        const char *new_name;       /* update: NULL: stays */
        json_t *content;            /* {key: text}; update: all of the new revision; NULL: none */
        const char *info;           /* NULL: stays */
        const char *expire;         /* a time, in how long, or "never"; NULL: stays */
        int64_t revision;           /* remove: only this one; 0: all */
        const json_t *applications; /* grant, revoke: [name] */
};
int command_secret_add(struct tx *tx, struct command *c, struct err *err); /* "secret": its ID */
int command_secret_update(struct tx *tx, struct command *c, struct err *err);
/* -EBUSY: somebody has it. */
int command_secret_remove(struct tx *tx, struct command *c, struct err *err);
int command_secret_grant(struct tx *tx, struct command *c, struct err *err);
int command_secret_revoke(struct tx *tx, struct command *c, struct err *err);

/* ---- relations */
struct command_relation {
        struct command head;
        const char *model;
        const char *a, *b; /* "application[:endpoint]" */
        int64_t id;        /* remove: instead of a and b; 0: not said */
        bool force;
};
int command_relation_add(struct tx *tx, struct command *c, struct err *err);
int command_relation_remove(struct tx *tx, struct command *c, struct err *err);

/* ---- removal's last step, for the reconciler: all that was outside is gone or listed as
 * leftover. Deletes the rows; the row of a secret that detached storage still needs stays.
 * -EBUSY: wants are left. Not commands: called inside a transaction. */
int removal_application(struct tx *tx, int64_t application, struct err *err);
int removal_relation(struct tx *tx, int64_t relation, struct err *err);
/* APPLICATION has planned without the relation, or has no charm that could; the last side takes the
 * relation's rows along. */
int removal_side(struct tx *tx, int64_t relation, int64_t application, struct err *err);
int removal_model(struct tx *tx, int64_t model, struct err *err);
/* What APPLICATION let go while it lived is destroyed with it; but what lives in its own servers
 * goes with those (removal_application), and what another one uses stays. */
int detached_end_of(struct tx *tx, int64_t model, int64_t application, struct err *err);
/* It stays where it is, and what opens it goes. */
struct q_detached_row;
int detached_forget(struct tx *tx, const struct q_detached_row *row, struct err *err);
/* RESOURCE is wanted by APPLICATION, and not looked after until now: what it let go itself is the
 * one that it was. -EBUSY: it is kept as storage of another one. */
struct q_detached_by_identity_in;
int detached_take_back(struct tx *tx, int64_t application, int64_t resource,
                       const struct q_detached_by_identity_in *identity, struct err *err);

/* ---- data.c: what holds data, and what is left in place */
/* Of a kind that is never deleted without consent, and written to, attached or adopted: attached
 * storage holds data though this application never wrote to it. */
struct q_resource_row;
bool data_held(const struct q_resource_row *row);
/* FN for each resource that APPLICATION owns, until it fails; returns how often FN gave more than
 * 0. */
typedef int data_fn(struct tx *tx, const struct q_resource_row *row, void *arg, struct err *err);
int data_each_resource(struct tx *tx, int64_t application, data_fn *fn, void *arg, struct err *err);
/* And of those of a model that no application owns any more. */
int data_each_of_model(struct tx *tx, int64_t model, data_fn *fn, void *arg, struct err *err);
/* TARGET is a server that APPLICATION runs itself: what lives in it goes with it. */
int data_inside(struct tx *tx, int64_t target, int64_t application, bool *ret, struct err *err);
struct data_left {
        const char *model, *application, *type, *path;
        const char *why; /* for people: "was adopted: never deleted" */
};
/* It becomes a leftover. */
int data_leave(struct tx *tx, const struct data_left *left, struct err *err);

/* ---- secret.c: secrets that no plan asks for go when nothing holds them any more. */
struct q_secret_row;
typedef int secret_fn(struct tx *tx, const struct q_secret_row *s, void *arg, struct err *err);
/* A plan asked for it; else it holds the value of an option, or of an action's parameter. */
bool secret_planned(const struct q_secret_row *s);
/* FN for each secret that APPLICATION owns, options' values too, until it fails. */
int secret_each(struct tx *tx, int64_t application, secret_fn *fn, void *arg, struct err *err);
/* Around the save of a plan of APPLICATION that asks for these ("label/field"): before it, so that
 * none of them goes with what held it until now; and after it the others end, which what the plan
 * lets go may have needed. */
int secret_ask(struct tx *tx, int64_t application, const json_t *asked, struct err *err);
int secret_unask(struct tx *tx, int64_t application, const json_t *asked, struct err *err);
/* RESOURCE holds nothing any more of what documents before GENERATION held. */
int secret_leave(struct tx *tx, int64_t resource, int64_t generation, struct err *err);
#define SECRET_ALL_GENERATIONS INT64_MAX
/* Perhaps nothing needs it any more. */
int secret_settle(struct tx *tx, int64_t secret, struct err *err);
/* No plan asks for S any more: it ends with RESOURCE, which it opened, or now (0). */
int secret_end_with(struct tx *tx, const struct q_secret_row *s, int64_t resource, struct err *err);
/* FN for each secret that is still there of IDS ("[1,2]"), until it fails. */
int secret_each_in(struct tx *tx, const char *ids, secret_fn *fn, void *arg, struct err *err);
/* Detached storage of MODEL needs it. */
int secret_kept(struct tx *tx, int64_t model, int64_t secret, bool *ret, struct err *err);

/* ---- secret-value.c */
struct secret_text;
#define SECRET_LENGTH_MAX 128 /* of a value that is made */
/* A random value as POLICY {"length", "alphabet"} says; false: shorter than 8, longer than
 * SECRET_LENGTH_MAX, or of fewer than 10 characters to choose from. */
bool secret_value_make(const json_t *policy, struct secret_text *ret);
/* The value of one revision. -ENOENT: there is none. */
int secret_revision_open(struct tx *tx, const struct sealer *sealer, const struct q_secret_row *s,
                         int64_t revision, struct secret_text *ret, struct err *err);
struct secret_revision {
        int64_t id; /* of the secret */
        const char *uri;
        int64_t revision;
};
/* The option that S (purpose option) is the value of has that revision. */
int application_row_follow(struct tx *tx, const struct q_secret_row *s, int64_t revision,
                           struct err *err);
/* Seals VALUE as that revision, which is not there yet. */
int secret_revision_add(struct tx *tx, const struct sealer *sealer, const struct secret_revision *s,
                        const void *value, size_t len, struct err *err);
