/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.h - what is wrong, or will be, and what to do about it
 *
 * doctor.c gathers the facts as one JSON object (rows and files on the store's read thread, what
 * the loop knows, what the clusters answer); judging them is pure: a table of checks, each with a
 * stable id that docs/runbooks/doctor.md has a section for. To add one: a row in doctor_checks, a
 * function of facts, a section, a test in tests/unit/admin/test_doctor.c.
 *
 * Facts: "now": Unix milliseconds; of doctor-rows.c "state", "disk", "files", "key", "counts",
 * "models", "applications", "needed", "backup", "restored", "unconfirmed", "upgrade", "began"
 * (oldest row of the audit), and "...-failed" for what could not be read; of doctor.c
 * "read-only", "clock-moved-ms", "deaths", "metrics-certificate-ends"; "loop": reconcile_facts;
 * "asked": reconcile_examine. Whatever is missing is not known: a check says nothing of it, and
 * could-not-look says that. */
#pragma once

#include "request.h"

enum doctor_severity { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_ERROR, DOCTOR_SEVERITY_MAX };

struct doctor;
struct doctor_check {
        const char *id; /* never renamed: others match on it */
        void (*run)(struct doctor *d);
        const char *good; /* said with "all" when it has found nothing */
};
extern const struct doctor_check doctor_checks[]; /* ends with a row whose id is NULL */

struct doctor {
        const json_t *facts;
        int64_t now;
        const struct doctor_check *check; /* that runs */
        size_t found;                     /* by it */
        json_t *findings[DOCTOR_SEVERITY_MAX];
};

/* {"findings": [{"id", "severity", "subject", "text", "since", "next", "runbook"}], "errors",
 * "warnings"}: worst first, then in the order of the table. ALL: with what is well. */
json_t *doctor_judge(const json_t *facts, bool all);

/* ---- for the checks */
struct doctor_subject {
        const char *name; /* "cluster aks", "kubeflow/minio" */
        int64_t since;    /* Unix milliseconds; 0: not known */
        const char *next; /* what to type; NULL: nothing to do */
};
void doctor_find(struct doctor *d, enum doctor_severity severity, struct doctor_subject subject,
                 const char *fmt, ...) printf_(4, 5);
#define DOCTOR_SUBJECT(...) ((struct doctor_subject){ __VA_ARGS__ })
json_t *doctor_targets(const struct doctor *d); /* of the loop's facts; or NULL */
/* What TARGET told when it was asked; NULL: it was not. */
json_t *doctor_asked(const struct doctor *d, const json_t *target);
char *doctor_target_subject(const json_t *target); /* "cluster aks"; free it */
char *doctor_target_renew(const json_t *target);   /* what to type for another login; free it */
struct doctor_end {
        const char *member, *what; /* of what is known of a target's "manner" */
};
extern const struct doctor_end doctor_target_ends[]; /* ends with a row whose member is NULL */
#define DOCTOR_ENDS_DAYS 30                          /* time to ask somebody else for a new one */
char *doctor_keep_volume(const char *volume); /* what to type so that it outlives its claim; free */
/* Warns of what ends in DOCTOR_ENDS_DAYS, is an error from 7 days on. ENDS 0: not known. */
void doctor_ends(struct doctor *d, struct doctor_subject subject, const char *what, int64_t ends);

/* doctor-host.c: the machine, the state folder, the daemon itself */
void doctor_state_folder(struct doctor *d);
void doctor_disk_space(struct doctor *d);
void doctor_store_read_only(struct doctor *d);
void doctor_store_wal(struct doctor *d);
void doctor_key(struct doctor *d);
void doctor_clock_jump(struct doctor *d);
void doctor_queue_stuck(struct doctor *d);
void doctor_worker_deaths(struct doctor *d);
void doctor_metrics_certificate(struct doctor *d);

/* doctor-outside.c: clusters and what lies in them */
void doctor_unreachable(struct doctor *d);
void doctor_clock_skew(struct doctor *d);
void doctor_latency(struct doctor *d);
void doctor_version(struct doctor *d);
void doctor_permission_missing(struct doctor *d);
void doctor_watch_lost(struct doctor *d);
void doctor_certificate(struct doctor *d);
void doctor_tls_mode(struct doctor *d);
void doctor_volume_reclaim(struct doctor *d);
void doctor_could_not_look(struct doctor *d);

/* doctor-model.c: models and applications */
void doctor_model_foreign(struct doctor *d);
void doctor_conflict(struct doctor *d);
void doctor_plan_failed(struct doctor *d);
void doctor_plan_held(struct doctor *d);
void doctor_blocked(struct doctor *d);
void doctor_refresh_paused(struct doctor *d);
void doctor_pause_old(struct doctor *d);
void doctor_fight(struct doctor *d);
void doctor_fight_guarded(struct doctor *d);
void doctor_rule(struct doctor *d);
void doctor_drift_stands(struct doctor *d);
void doctor_removal_held(struct doctor *d);
void doctor_leftovers(struct doctor *d);
void doctor_charm_missing(struct doctor *d);
void doctor_charm_upgrade(struct doctor *d);

/* doctor-data.c: what holds data, and is gone or will be */
void doctor_data_leaving(struct doctor *d);
void doctor_data_lost(struct doctor *d);

/* doctor-pods.c: pods of ours that do not run */
void doctor_image_pull(struct doctor *d);
void doctor_pod_failing(struct doctor *d);

/* doctor-backup.c: backups of the controller, and a restore or an upgrade that nobody confirmed */
int doctor_backups_read(struct tx *tx, struct request *q, json_t *facts, struct err *err);
void doctor_backup(struct doctor *d);
void doctor_backup_key(struct doctor *d);
void doctor_restored(struct doctor *d);
void doctor_upgrade(struct doctor *d);

/* doctor-secret.c: what people brought, and have to bring anew */
int doctor_secrets_read(struct tx *tx, int64_t now, json_t *to, struct err *err);
void doctor_secret_expires(struct doctor *d);

/* doctor-freeze.c: what a person stopped, and what runs out meanwhile */
void doctor_freeze(struct doctor *d);
void doctor_ends_in_freeze(struct doctor *d);

/* doctor-schedule.c: actions that are run at times */
int doctor_schedules_read(struct tx *tx, int64_t model, json_t *to, struct err *err);
void doctor_schedule_failed(struct doctor *d);
void doctor_schedule_overdue(struct doctor *d);

/* doctor-issued.c: certificates of the models */
int doctor_issued_read(struct tx *tx, int64_t model, const char *name, json_t *facts,
                       struct err *err);
void doctor_issued(struct doctor *d);

/* doctor-rows.c: rows and files, in a read of the store; what fails is a fact too */
json_t *doctor_rows(struct tx *tx, struct request *q);
/* When the first certificate of PEM runs out, or the LAST of all; Unix milliseconds, 0: it cannot
 * be read. */
int64_t doctor_certificate_ends(const char *pem, bool last);
