/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h - another release of mooringd in our place: tried on a copy first, then it takes over
 *
 *   asked ──▶ looks at what is installed, and at the room ──▶ backup, sealed
 *         ──▶ the installed program verifies it: unpacks it aside, migrates that, opens every
 *             secret, loads every charm in its own workers ──▶ told ──▶ go: it replaces us
 *
 * Nothing of ours is changed before the last step, so each refusal leaves all as it was. The
 * installed program is the file at our own path, which who administers the machine replaced (apt);
 * no other can be asked for. An older release than ours goes the same way. */
#pragma once

#include "backup-keeper.h"

#define UPGRADE_PART "upgrade.part"   /* backup of a dry run, in the state folder */
#define UPGRADE_KEPT "release-before" /* programs of the release before, there too */
/* Room for the copies that are made: the backup, what is unpacked of it, and that of the
 * migration; and as much again for what is written meanwhile. */
#define UPGRADE_ROOM 4

struct upgrade;
struct upgrade_options {
        struct loop *loop;
        struct store *store;
        struct backup_keeper *backups;
        const char *state_dir;
        const char *program;        /* where we are installed */
        const char *failed;         /* why the one before gave our place back; or NULL */
        void (*replace)(void *arg); /* end the loop, and let the installed program take over */
        void (*stays)(void *arg);   /* the release before is not gone back to */
        void *arg;
};
/* Borrows the texts. */
struct upgrade *upgrade_new(const struct upgrade_options *o);
struct upgrade *upgrade_free(struct upgrade *u);

/* On the loop, once. PLAN is the receiver's; NULL while R < 0. */
typedef void upgrade_fn(void *arg, int r, json_t *plan, const struct err *err);
struct upgrade_ask {
        const char *folder; /* of the backup; NULL: the default one */
        const void *key;    /* NULL: that of backup-key-file */
        size_t key_len;
        bool try_only; /* the backup goes again, under a key that nobody knows */
        bool force;    /* also when charms do not load, or there is no way back */
        upgrade_fn *done;
        void *arg;
};
/* {"program", "from": {"release", "schema"}, "to": {"release", "schema", "reader"}, "way-back",
 * "backup": file or null, "charms", "charms-refused": [{"charm", "why"}]}. -EALREADY: what is
 * installed is what runs; -EBUSY; DONE is not called after a refusal of the call itself. */
int upgrade_try(struct upgrade *u, const struct upgrade_ask *ask, struct err *err);
/* After upgrade_try ended well, and whoever asked was told. */
void upgrade_go(struct upgrade *u);
void upgrade_stays(struct upgrade *u); /* a person says so; NULL is fine */
/* Why the one that was to take our place gave it back; NULL: none did. U may be NULL. */
const char *upgrade_failed(const struct upgrade *u);
/* {"program", "release", "since" (ms), "schema", "known", "installed": whether another program lies
 * there, "failed"}: the caller's. */
json_t *upgrade_json(const struct upgrade *u);
