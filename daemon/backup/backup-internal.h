/* SPDX-License-Identifier: Apache-2.0 */
/* backup-internal.h - what the files of the keeper share; nobody else includes it */
#pragma once

#include "backup-keeper.h"

#define BACKUP_MADE "backup-made" /* settings */
#define BACKUP_VERIFIED "backup-verified"
#define BACKUP_SCHEDULE "backup-schedule"

struct backup_keeper {
        struct backup_keeper_options options;
        bool busy, verifying, forgotten;
        backup_keeper_fn *done; /* of who asked */
        void *arg;
        char *path, *folder; /* FOLDER: made when it is not there; or NULL */
        char *program;       /* that verifies; NULL: ours */
        struct secret_text key;
        struct job job;
        struct child *child;
        int said; /* file in memory */
        struct timer deadline;
        struct store_call call;
        json_t *found;
        int result;
        struct err err;

        /* backup-schedule.c's */
        struct timer due;
        json_t *schedule; /* NULL: none */
        int64_t made_at;  /* wall clock, when the newest backup was */
        bool schedule_out, schedule_again, stopping;
};

char *backup_keeper_folder(const struct backup_keeper *k); /* the default one; free it */

/* ---- backup-schedule.c */
void backup_schedule_init(struct backup_keeper *k);
void backup_schedule_stop(struct backup_keeper *k);
void backup_schedule_deinit(struct backup_keeper *k);
