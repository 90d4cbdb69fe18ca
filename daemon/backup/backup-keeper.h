/* SPDX-License-Identifier: Apache-2.0 */
/* backup-keeper.h - backups of the daemon that runs: asked for by a person or due by schedule, one
 * at a time, and what is remembered of them
 *
 * Remembered in settings: "backup-made" and "backup-verified", each the newest that ended well;
 * doctor and metrics read those. Files are sealed in a job's thread; a verification is a process
 * of its own, so that what it unpacks and opens costs the daemon nothing. */
#pragma once

#include "backup.h"
#include "loop.h"

#define BACKUP_LIST_MAX 1000         /* files told of one folder, the newest */
#define BACKUP_KEEP_MAX 1000         /* of a schedule */
#define BACKUP_VERIFY_MS 7200000     /* a verification that takes longer stands still */

struct backup_keeper;
struct backup_keeper_options {
        struct loop *loop;
        struct store *store;
        struct seal_options seal;
        const char *key_file;   /* of backups; or NULL */
        const char *folder;     /* where they go when nobody says otherwise; or NULL */
        const char *controller; /* uuid */
        const char *name;
        int64_t max_age; /* of the newest that was verified; beyond it, doctor warns */
        /* Further arguments of the process that verifies, NULL-terminated: how workers are started.
         * Or NULL. */
        const char *const *verify_args;
};
/* Borrows the texts; reads the schedule. */
struct backup_keeper *backup_keeper_new(const struct backup_keeper_options *o);
void backup_keeper_stop(struct backup_keeper *k); /* then loop_finish_jobs and store_close */
struct backup_keeper *backup_keeper_free(struct backup_keeper *k);

/* On the loop, once. FOUND is the receiver's; NULL while R < 0. */
typedef void backup_keeper_fn(void *arg, int r, json_t *found, const struct err *err);
struct backup_ask {
        const char *path;       /* verify: which; create: NULL, or the file that it becomes */
        const char *folder;     /* create without a path: NULL, or where to */
        const void *key;        /* NULL: that of backup-key-file */
        size_t key_len;
        const char *program;    /* verify: by this mooringd; NULL: by our own */
        bool forgotten;         /* it is not remembered: its file goes at once */
        backup_keeper_fn *done;
        void *arg;
};
/* Nothing of the ask is needed after the call. -EBUSY: one is being made or looked at; DONE is not
 * called then, nor after any other refusal. */
int backup_keeper_create(struct backup_keeper *k, const struct backup_ask *ask, struct err *err);
int backup_keeper_verify(struct backup_keeper *k, const struct backup_ask *ask, struct err *err);

/* ---- inside a transaction; the folder is read too: on the read thread */
/* What backup_keeper_facts gives, "max-age" (ms), "folder", "backups": [{"file", "made", "size",
 * "sealed"}], "failed". */
int backup_keeper_list(struct tx *tx, const struct backup_keeper *k, json_t **ret,
                       struct err *err);
/* {"made", "verified", "schedule"}, each as it is remembered, or null. */
int backup_keeper_facts(struct tx *tx, json_t **ret, struct err *err);
int64_t backup_keeper_max_age(const struct backup_keeper *k);
/* {"cron", "zone", "folder", "keep"}; NULL: none from now on. -EINVAL. */
int backup_keeper_set_schedule(struct tx *tx, const json_t *schedule, struct err *err);
/* It was changed. On the loop. */
void backup_keeper_changed(struct backup_keeper *k);
