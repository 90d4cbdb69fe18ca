/* SPDX-License-Identifier: Apache-2.0 */
/* backup-restore.h - backup restore: mooringd itself does it, as there is none to ask */
#pragma once

#include "cli.h"

struct backup_options {
        char *to, *passphrase, *zone, *state_dir, *config, *mooringd, *s3, *azure, *ca;
        int64_t keep;
        bool force;
};
int backup_restore_run(struct cli *c);
/* What a backup holds, for people; of verify too. */
void backup_print_found(struct cli *c, const json_t *found);
