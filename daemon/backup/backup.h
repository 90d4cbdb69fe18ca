/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - backups of the controller: made while it runs, looked at aside, put into a folder
 *
 *      create   model.db copied online (store_backup), charms/, resources/, and the key when it is
 *               the daemon's own file: one sealed file (archive.h)
 *      verify   unpacked aside, opened as a start would, every page, reference, audit row and
 *               sealed value looked at, and removed
 *      restore  the same, then moved into a state folder: its controller is frozen until
 *               confirm-restore (model/restored.h)
 *
 * The key of backups is not in the state folder, and seals nothing else. All of this blocks:
 * create runs in a job's thread, verify and restore in a process of their own (mooringd --verify
 * and --restore), whose store has a loop of its own. */
#pragma once

#include "arena.h"
#include "json.h"
#include "seal.h"
#include "store.h"

struct worker_spec;

#define BACKUP_KEY_MIN 12   /* bytes: a short passphrase is guessed, whatever it is derived by */
#define BACKUP_KEY_MAX 4096 /* of its file */
#define BACKUP_SUFFIX ".backup"

/* ---- backup-key.c */
/* The file of the key: systemd's credential mooring-backup-key, else FILE; NULL: none is set. */
char *backup_key_path(const char *file, bool *ret_credential);
/* What is in it, without the newline at its end. FILE "-": standard input. -ENOKEY: none is set;
 * -EPERM: others can read it, or it lies in STATE_DIR, beside what it is to seal. */
int backup_key_read(const char *file, const char *state_dir, struct secret_text *ret,
                    struct err *err);
/* The same of bytes. */
int backup_key_take(const void *bytes, size_t len, struct secret_text *ret, struct err *err);

/* ---- backup-create.c */
struct backup_source {
        struct store *store;
        struct seal_options seal; /* which key file is ours */
        const char *controller, *name;
};
/* {"file", "made", "size", "bytes"}: the caller's. Leaves nothing when it fails. */
int backup_create(const struct backup_source *s, const char *path, const struct secret_text *key,
                  json_t **ret, struct err *err);

/* ---- backup-look.c */
struct backup_look {
        const char *path;
        const struct secret_text *key;
        const char *aside;    /* a folder that is made for it, and not there yet */
        const char *key_file; /* of what is sealed in it, where that is not the daemon's own */
        const struct worker_spec *worker; /* each charm is loaded by it; NULL: not tried */
        /* Inside a transaction, when all is well; or NULL. */
        int (*also)(struct tx *tx, const json_t *found, struct err *err);
};
/* Leaves it in ASIDE, closed, when it is well. {"file", "made", "controller", "name", "version",
 * "models", "applications", "clusters", "audit-rows", "secrets", "charms", "charms-missing",
 * "by": our version, "schema": {"before", "number", "reader"}, "charms-refused": [what does not
 * load, and why], or null where that was not tried} */
int backup_look(const struct backup_look *l, json_t **ret, struct err *err);

/* ---- backup-restore.c */
struct backup_restore {
        const char *path, *state_dir, *key_file;
        const struct secret_text *key;
        const struct worker_spec *worker; /* verify; or NULL */
        bool force; /* also over a folder that holds a controller */
};
/* Verifies, and removes what was unpacked. */
int backup_verify(const struct backup_restore *b, json_t **ret, struct err *err);
/* Beside what backup_look tells: "replaced", the folder of what was there before, "lost", what that
 * was; null. -EWOULDBLOCK: a daemon runs on it; -EEXIST: it holds a controller. */
int backup_restore(const struct backup_restore *b, json_t **ret, struct err *err);
