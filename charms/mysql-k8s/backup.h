/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - backups of the server's databases in a bucket of the relation s3-parameters
 *
 *   PATH/ID/dump.sql.gz[.sealed]   what mysqldump wrote, of one moment of all databases
 *   PATH/ID/metadata               lines of "name: value", the last one "end"; written when the
 *                                  dump is there for good: what makes it a backup
 *   PATH/ID/owner.MODEL.APPLICATION  whose it is, to be seen without reading it
 *   PATH/ID/verified               a scratch server had its tables, when this was written; or
 *   PATH/ID/verify-failed          had not
 *
 * ID is the time at which it was begun, as Juju's charm has it: 2026-11-22T10:42:11Z. */
#pragma once

#include "charm.h"

#define BACKUP_TARGET "backups"
#define BACKUP_SCRATCH "scratch" /* target: the server that backups are tried on */
#define BACKUP_METADATA "metadata"
#define BACKUP_VERIFIED "verified"
#define BACKUP_FAILED "verify-failed"
#define BACKUP_HOURS (6 * 3600) /* of a stream, with all its tries */
/* Of the list of tables, in letters: the state of an operation and a metadata object are 64 KiB. */
#define BACKUP_TABLES_MAX 30000
#define BACKUP_DATABASES_MAX 40 /* they stand in a command line of 64 words */

/* Declares the bucket as a target, or says why there is none. */
void backup_plan(const struct charm_view *v, struct charm_plan *p);
/* The server for verify-backup, while it is wanted. */
void backup_plan_scratch(const struct charm_view *v, struct charm_plan *p);

struct backup_store {
        const char *bucket, *prefix; /* PREFIX: "" or "path/" */
};
/* False: the action gave up, and said why. */
bool backup_store(const struct charm_world *w, struct charm_ask *a, struct backup_store *ret);
/* {"bucket", "key": PREFIX ID/FILE, and EXTRA, which begins with a comma or is ""}. */
const char *backup_object(const struct charm_world *w, struct charm_ask *a, const char *id,
                          const char *file, const char *extra);
void backup_ask_object(const struct charm_world *w, struct charm_ask *a, const char *verb,
                       const char *id, const char *file, const char *extra);
void backup_ask_put(const struct charm_world *w, struct charm_ask *a, const char *id,
                    const char *file, const char *text);
/* Asks for each file of ID to be deleted, the metadata first, which makes it a backup. False: that
 * was all. */
bool backup_ask_delete(const struct charm_world *w, struct charm_ask *a, const char *id);
void backup_ask_list(const struct charm_world *w, struct charm_ask *a, const char *prefix,
                     const char *after, int limit);
/* ID and FILE of the I-th object of a list's answer. False: there is no such, or it is no part
 * of a backup. *RET_END: there is none. */
bool backup_listed(const struct charm_world *w, struct charm_ask *a, size_t i, const char **ret_id,
                   const char **ret_file, bool *ret_end);
const char *backup_dump_file(bool sealed);
const char *backup_owner_file(const struct charm_world *w, struct charm_ask *a);
/* 2026-11-22T10:42:11Z */
const char *backup_time(struct charm_plan *p, int64_t ms);
/* A token: the parameter, or the option. NULL: neither was given. */
const char *backup_passphrase(const struct charm_world *w);

/* ---- what the bucket has */
struct backup_entry {
        const char *id;
        const char *bytes;             /* of its dump; "": there is none */
        const char *verified, *failed; /* when; "": not */
        bool noted;                    /* it has metadata */
        bool own;                      /* of this application */
};
typedef void backup_entry_fn(void *arg, const struct backup_entry *e);
/* Calls FN for each, by rising id, over as many calls of the step as there are pages. True: those
 * were all; else it has asked for more, or gave up. */
bool backup_walk(const struct charm_world *w, struct charm_ask *a, backup_entry_fn *fn, void *arg);

/* ---- the server */
/* False: the action gave up. */
bool backup_server_runs(const struct charm_world *w, struct charm_ask *a);
const char *backup_pod(const struct charm_world *w, struct charm_ask *a);

/* A command in POD as one end of a stream, as JSON. SCRIPT has the administrator's
 * password in MYSQL_PWD, and WORDS (names, one a line) as its arguments; what is left of its input
 * begins with FIRST. */
const char *backup_command(const struct charm_world *w, struct charm_ask *a, const char *pod,
                           const char *script, const char *words, const char *first);

/* The I-th line of TEXT, NULL: there is none. Fields in a line stand between tabs. */
const char *backup_line(struct charm_ask *a, const char *text, size_t i);
/* CHECKSUM TABLE of all TABLES (lines of database, tab, table) at the target SERVER. */
void backup_ask_checksums(struct charm_ask *a, const char *server, const char *tables);
/* The answer to it: a line for each table, "-" where there is none. */
const char *backup_checksums(const struct charm_world *w, struct charm_ask *a, const char *tables);

/* ---- the metadata */
const char *backup_meta(struct charm_ask *a, const char *text, const char *name, size_t i);

/* Steps, after a backup was made. */
void backup_find_old(const struct charm_world *w, struct charm_ask *a);
void backup_prune(const struct charm_world *w, struct charm_ask *a);

/* ---- reading one */
/* The one that is asked for: the parameter backup-id, or "id" in the state. */
const char *backup_wanted(const struct charm_world *w);
/* Of its metadata, which backup_find has read: the value of NAME, or "". */
const char *backup_noted(const struct charm_world *w, struct charm_ask *a, const char *name);
bool backup_is_sealed(const struct charm_world *w, struct charm_ask *a);
/* Steps; those that restore and verify-backup have in common. */
void backup_find(const struct charm_world *w, struct charm_ask *a);
void backup_offer_nearest(const struct charm_world *w, struct charm_ask *a);
void backup_read_through(const struct charm_world *w, struct charm_ask *a);
/* Reads its databases into the server in POD, in the place of those. */
void backup_ask_load(const struct charm_world *w, struct charm_ask *a, const char *pod);
/* Checksums of its tables at SERVER. False: it has none to compare with. */
bool backup_ask_compare(const struct charm_world *w, struct charm_ask *a, const char *server);
/* The answer to it: the names of some that are other. */
const char *backup_compare(const struct charm_world *w, struct charm_ask *a, size_t *ret_all,
                           size_t *ret_bad);

extern const struct charm_step backup_create_steps[], backup_list_steps[], backup_restore_steps[],
        backup_verify_steps[];
