/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - backups in a bucket of the relation s3-parameters, of charms that have that endpoint,
 * the objects file backup-target.yaml and the options backup-passphrase, backup-retention-count
 * and backup-retention-days
 *
 *   PATH/ID/dump.sql.gz[.sealed]   what mysqldump wrote, of one moment
 *   PATH/ID/metadata               lines of "name: value", the last one "end"; written when all
 *                                  of it is there for good: what makes it a backup
 *   PATH/ID/owner.MODEL.APPLICATION  whose it is, to be seen without reading it
 *   PATH/ID/verified               it was found good when this was written; or
 *   PATH/ID/verify-failed          was not
 *
 * ID is the time at which it was begun, as Juju's charm has it (2026-11-22T10:42:11Z), and some
 * letters of the operation. What else lies under PATH sorts after all of them, by a letter. */
#pragma once

#include "charm.h"

#define BACKUP_TARGET "backups"
#define BACKUP_METADATA "metadata"
#define BACKUP_VERIFIED "verified"
#define BACKUP_FAILED "verify-failed"
#define BACKUP_HOURS (6 * 3600) /* of a stream, with all its tries */

/* ---- the charm's own */
extern const char backup_format[]; /* the first line of the metadata */
/* Files of ID beyond those above: asks for one to be deleted. False: there are no more. */
bool backup_ask_delete_more(const struct charm_world *w, struct charm_ask *a, const char *id);

/* Declares the bucket as a target, or says why there is none. */
void backup_plan(const struct charm_view *v, struct charm_plan *p);

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
/* Asks for each file of ID to be deleted, the metadata first, which makes it a backup, and last
 * what says whose it is: what is left of it is found again. False: that was all. */
bool backup_ask_delete(const struct charm_world *w, struct charm_ask *a, const char *id);
void backup_ask_list(const struct charm_world *w, struct charm_ask *a, const char *prefix,
                     const char *after, int limit);
/* ID and FILE of the I-th object of a list's answer. False: there is no such, or it is no part
 * of a backup. *RET_END: there is none. */
bool backup_listed(const struct charm_world *w, struct charm_ask *a, size_t i, const char **ret_id,
                   const char **ret_file, bool *ret_end);
/* KEY is of what sorts behind all ids, which begin with a year. */
bool backup_is_behind(const struct charm_world *w, struct charm_ask *a, const char *key);
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

/* ---- lines and metadata */
/* The I-th line of TEXT, NULL: there is none. Fields in a line stand between tabs. */
const char *backup_line(struct charm_ask *a, const char *text, size_t i);
/* The I-th of LINE's fields, "" beyond them. */
const char *backup_field(struct charm_ask *a, const char *line, size_t i);
/* The I-th value of NAME. */
const char *backup_meta(struct charm_ask *a, const char *text, const char *name, size_t i);

/* ---- making one: steps */
/* A name that no backup has: "id". */
void backup_find_free(const struct charm_world *w, struct charm_ask *a);
/* Whose it is, and then METADATA is written, which makes it a backup. True: both are there. */
bool backup_note(const struct charm_world *w, struct charm_ask *a, const char *metadata);
/* Cleans up: with "dumping" and without "noted", what is there of it is taken away. */
void backup_tidy(const struct charm_world *w, struct charm_ask *a);
/* {"from": COMMAND, "to": ID's dump}: from a pod, packed, and sealed if there is a passphrase. */
void backup_ask_dump(const struct charm_world *w, struct charm_ask *a, const char *command);
/* The answer to it. True: it is in the bucket, and noted: bytes, sha256, plain-bytes, plain-sha256.
 * Else it gave up, or begins again at the step "reach", LOST_MAX times. */
bool backup_dumped(const struct charm_world *w, struct charm_ask *a, long lost_max);
/* TEXT, of a client in a pod, says that the server went away, and that for the MAXth time of the
 * operation at most: what was refused so is asked again. */
bool backup_lost_server(const struct charm_world *w, struct charm_ask *a, const char *text,
                        long max);
/* After it was made. Where backups are deleted, "oldest" is the oldest good one that stays. */
void backup_find_old(const struct charm_world *w, struct charm_ask *a);
void backup_prune(const struct charm_world *w, struct charm_ask *a);

/* The next word of *TEXT, which goes on behind it and one blank. */
const char *backup_word(struct charm_plan *p, const char **text);

/* ---- reading one */
/* The one that is asked for: "id" in the state, or the parameter backup-id. */
const char *backup_wanted(const struct charm_world *w);
/* Of its metadata, which backup_find has read: the value of NAME, or "". */
const char *backup_noted(const struct charm_world *w, struct charm_ask *a, const char *name);
bool backup_is_sealed(const struct charm_world *w, struct charm_ask *a);
/* Steps, which need others of the names "nearest" and "verify". */
void backup_find(const struct charm_world *w, struct charm_ask *a);
void backup_offer_nearest(const struct charm_world *w, struct charm_ask *a);
void backup_read_through(const struct charm_world *w, struct charm_ask *a);
/* All of its dump to nowhere, against its seal and its hash; one that is sealed and refused is read
 * once more as it is stored, so that another key and other bytes are told apart. ASKED: it has
 * asked, or gave up; NOT_READ: nothing is known of it, charm_outcome says why. */
enum backup_read {
        BACKUP_ASKED,
        BACKUP_READ,
        BACKUP_OTHER_KEY,
        BACKUP_BROKEN,
        BACKUP_NOT_READ,
};
enum backup_read backup_read(const struct charm_world *w, struct charm_ask *a);
/* Its dump goes into COMMAND. */
void backup_ask_unpack(const struct charm_world *w, struct charm_ask *a, const char *command);
/* The answer to it, of a restore: on to the next step, or it gives up, and says in LEFT how things
 * are left. */
void backup_loaded(const struct charm_world *w, struct charm_ask *a, const char *left);

/* ---- a verdict: steps of verify-backup */
/* Without the parameter: the newest of this application, "id". */
void backup_find_newest(const struct charm_world *w, struct charm_ask *a);
/* As backup_read_through; bytes that are not what was stored go to the step "failed". */
void backup_read_to_judge(const struct charm_world *w, struct charm_ask *a);
/* TEXT as FILE beside it, in the place of the verdict before. True: asked for, or gave up. */
bool backup_note_verdict(const struct charm_world *w, struct charm_ask *a, bool good,
                         const char *text);
/* The step "failed": "why" is noted and told. */
void backup_tell_failed(const struct charm_world *w, struct charm_ask *a);

/* ---- the action list-backups */
void backup_list_read(const struct charm_world *w, struct charm_ask *a);
void backup_list_tell(const struct charm_world *w, struct charm_ask *a);
/* These two; others may stand between them. */
extern const struct charm_step backup_list_steps[];
