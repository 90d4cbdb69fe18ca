/* SPDX-License-Identifier: Apache-2.0 */
/* routes.h - the handlers of the admin API, one file a resource; their rows are in routes.c */
#pragma once

#include "request.h"

/* clusters.c */
request_handler clusters_list, clusters_add, clusters_update, clusters_remove, clusters_rebind;
extern const struct json_field clusters_fields[];
struct clusters_body {
        const char *name;
        json_t *config, *credential;
};

/* models.c */
request_handler models_list, models_add, models_remove, models_config, models_set_config,
        models_take_over, models_status;
request_handler models_storage, models_relations, models_bundle, models_diff, models_pause,
        models_unpause;
extern const struct json_field models_add_fields[], models_config_fields[], models_bundle_fields[];
struct models_add_body {
        const char *name, *cluster;
};
struct models_config_body {
        json_t *set, *reset;
};
struct models_bundle_body {
        json_t *sources;  /* [{"file", "text"}]: the bundle, then overlays */
        json_t *includes; /* {path: text} */
        bool attach_storage;
};

/* deploy.c */
request_handler deploy_bundle, deploy_charm, deploy_refresh, deploy_refresh_all;
request_handler refreshes_resume, refreshes_rollback;
request_handler refreshes_resume_all, refreshes_rollback_all, refreshes_cancel_all;
request_handler refreshes_show_all;
/* The bundle and overlays of a request; pure, any thread. Never fails: see its faults. */
struct bundle *deploy_parse(const struct models_bundle_body *b);
extern const struct json_field deploy_charm_fields[];
struct deploy_charm_body {
        const char *charm, *application, *channel, *constraints;
        int64_t revision, scale;
        bool trust, attach_storage;
        json_t *options, *storage, *resources;
};

extern const struct json_field deploy_refresh_fields[];
extern const struct json_field refreshes_rollback_fields[];
struct refreshes_body {
        bool accept_loss;
};
struct deploy_refresh_body {
        const char *channel;
        int64_t revision;
        json_t *resources;
        const char *path;
};

/* applications.c */
request_handler applications_show, applications_remove, applications_scale, applications_trust,
        applications_config;
request_handler applications_set_config, applications_pause, applications_unpause;
request_handler applications_accept_loss, applications_adopt, applications_attach_storage;
request_handler applications_recreate;
request_handler applications_destroy_storage, applications_constraints, applications_unit;
request_handler applications_set_storage;
extern const struct json_field applications_scale_fields[], applications_trust_fields[],
        applications_config_fields[];
extern const struct json_field applications_adopt_fields[], applications_constraints_fields[];
extern const struct json_field applications_storage_fields[];
extern const struct json_field applications_recreate_fields[];
struct applications_body {
        int64_t scale;
        bool trust;
        const char *constraints, *object;
        json_t *set, *reset;
        const char *file, *text;
        const char *storage, *size;
        bool force;
};

/* attach.c: a resource of an application: an image reference, or a file's text that is kept in
 * the state folder */
request_handler attach_resource;
extern const struct json_field attach_fields[];
struct attach_body {
        const char *resource, *image, *text;
};

/* files.c */
request_handler files_list, files_delete;

/* relations.c */
request_handler relations_add, relations_remove;
extern const struct json_field relations_fields[];
struct relations_body {
        const char *a, *b;
};

/* drift.c */
request_handler drift_list, drift_show, drift_stats, drift_history, drift_leftovers;

/* policy.c */
request_handler policy_list, policy_set, policy_unset, policy_hand_over, policy_take_over;
extern const struct json_field policy_fields[], policy_hand_over_fields[];
struct policy_body {
        const char *mode, *application, *kind, *object, *field, *window, *zone, *length, *until;
        const char *writer, *reason;
};

/* freeze.c */
request_handler freeze_model, freeze_model_end, freeze_application, freeze_application_end;
request_handler freeze_object, freeze_object_end;
extern const struct json_field freeze_fields[];
struct freeze_body { /* of pauses too */
        const char *reason, *until;
};

/* audit.c */
request_handler audit_list, audit_show, audit_verify;
extern const struct json_field audit_verify_fields[];
struct audit_verify_body {
        json_t *heads; /* ["812:HEX"] */
};

/* permissions.c */
request_handler permissions_list, permissions_grant, permissions_revoke;

/* explain.c: what only the loop knows */
request_handler explain_plan, explain_why, explain_resources, explain_targets;

/* plans.c, plans-state.c */
request_handler plans_apply, plans_make;
extern const struct json_field plans_fields[];
struct plans_body {
        const char *application;
};

/* metrics.c */
request_handler metrics_show;

/* secrets.c */
request_handler secrets_list, secrets_show, secrets_reveal;

/* key.c */
request_handler key_show, key_rotate;

/* backups.c */
request_handler backups_list, backups_create, backups_verify, backups_schedule,
        backups_unschedule, backups_confirm;
extern const struct json_field backups_fields[], backups_schedule_fields[];
struct backups_body {
        const char *path, *folder, *key;
};
struct backups_schedule_body {
        const char *cron, *zone, *folder;
        int64_t keep;
};

/* upgrade-release.c */
request_handler upgrade_show, upgrade_begin, upgrade_confirm;
extern const struct json_field upgrade_fields[];
struct upgrade_body {
        const char *folder, *key;
};

/* user-secrets.c */
request_handler user_secrets_add, user_secrets_update, user_secrets_remove, user_secrets_grant,
        user_secrets_revoke;
extern const struct json_field user_secrets_add_fields[], user_secrets_update_fields[],
        user_secrets_access_fields[];
struct user_secrets_body {
        const char *name, *info, *expire;
        json_t *content, *applications;
};

/* operations.c */
request_handler operations_actions, operations_run, operations_list, operations_show,
        operations_cancel, operations_approve, operations_results;
/* Runs the command on the number that is the path's second parameter; WHAT has such numbers. */
typedef int operations_numbered_fn(struct tx *tx, struct command *c, struct err *err);
void operations_numbered(struct request *q, const char *what, operations_numbered_fn *run);
extern const struct json_field operations_run_fields[];
struct operations_run_body {
        json_t *params;
        const char *unit;
        bool during_freeze;
};

/* schedules.c */
request_handler schedules_list, schedules_add, schedules_remove;
extern const struct json_field schedules_fields[];
struct schedules_body {
        json_t *params;
        const char *unit, *at, *cron, *zone, *jitter, *missed, *overlap;
        bool during_freeze;
};

/* certificates.c */
request_handler certificates_list, certificates_rotate, certificates_rotate_ca, certificates_ca_csr,
        certificates_set_ca;
extern const struct json_field certificates_fields[];
struct certificates_body {
        const char *pem;
};

/* cluster-role.c */
request_handler cluster_role_show;
/* Before the read: which charms are on offer. Q is ready for the read also after a failure. */
int cluster_role_prepare(struct request *q, struct err *err);
/* {"rules": [{"group", "resource", "verbs", "why"}], "unknown": objects that are planned again} */
int cluster_role_read(struct tx *tx, struct request *q, json_t **ret, struct err *err);

/* doctor.c */
request_handler doctor_show;

/* streams and the rest */
request_handler stream_events, stream_log, root_info, root_whoami, root_openapi, root_charms;

/* models.c: what only the loop knows of an application, put beside its rows */
void models_add_live(json_t *application, const json_t *live);
/* MODEL's, as the loop sees it. APPLICATION: only its, or NULL. */
void storage_add_live(struct reconcile *r, const char *model, json_t *shown,
                      const char *application);
/* What refresh would bring; NULL: nothing. And the same as "can-upgrade-to". */
const struct charm_offer *models_upgrade(const struct charm_host *host, const json_t *application);
void models_add_upgrade(const struct charm_host *host, json_t *application);
