/* SPDX-License-Identifier: Apache-2.0 */
/* binlog.h - the server's binary logs in the bucket of backups, so that a moment after a backup
 * can be restored
 *
 *   PATH/binlogs/MODEL.APPLICATION/shipped           lines "name: value", the last one "end": the
 *                                                    chain, its last logs, the bytes of each, and
 *                                                    until when all is there
 *   PATH/binlogs/MODEL.APPLICATION/CHAIN/shipped     the same, of this chain, for good
 *   PATH/binlogs/MODEL.APPLICATION/CHAIN/NAME.gz[.sealed]    a log
 *
 * The log that the server writes to goes there as far as it is, and again when it went on; a log
 * is complete before the next one goes there. A chain is the logs of one server, without a gap. A
 * server whose logs do not go on from the last one (another volume, RESET, logs that it deleted
 * before they were shipped) begins another chain, and so does another passphrase, or a note that
 * is lost. Each backup notes its chain, and its place in it. CHAIN is the time at which it was
 * begun, so chains sort by age. */
#pragma once

#include "backup-server.h"

#define BINLOG_NOTE "shipped"
/* Logs of a server are this large: what is shipped each minute is at most the one it writes to. */
#define BINLOG_BYTES "67108864"
/* Logs between a backup and a moment: each is asked for twice, of 1,000 that an operation may. */
#define BINLOG_LOGS_MAX 400
/* Logs a run: the words of a command are 64. What is more follows in the next run. */
#define BINLOG_RUN_MAX 40

/* Steps that find the server's chain: what it says itself, what was shipped, whether one goes on
 * from the other. They leave in the state: chain (where it goes on), until, logs (lines of NAME,
 * tab, bytes: what is to be shipped), more (so many logs more are left to the next run), heads (a
 * line for each), folder (of the server's logs). create-backup, with "spare" in its state, goes on
 * without a chain where they fail: at its step "before", with the reason in "no-moment". */
void binlog_read(const struct charm_world *w, struct charm_ask *a);
void binlog_look(const struct charm_world *w, struct charm_ask *a);
void binlog_compare(const struct charm_world *w, struct charm_ask *a);
void binlog_fail(const struct charm_world *w, struct charm_ask *a, const char *why);

/* "binlogs/MODEL.APPLICATION", or that with "/CHAIN". */
const char *binlog_place(struct charm_ask *a, const char *model, const char *application,
                         const char *chain);
const char *binlog_own_place(const struct charm_world *w, struct charm_ask *a, const char *chain);
/* The note: BYTES of NAME, whose head is HEAD, and all logs before it, are there, so all until
 * UNTIL ("-": nothing is yet). */
const char *binlog_note(const struct charm_world *w, struct charm_ask *a, const char *line,
                        const char *head, const char *until);
/* Of the option's passphrase: which it is, and nothing of what it says; "-": none. */
const char *binlog_key(const struct charm_world *w, struct charm_ask *a);
/* What stands in the bucket goes into SQL and a shell only as these. */
bool binlog_is_name(const char *text);
bool binlog_is_number(const char *text);
/* Of the state, 0 where there is none. */
size_t binlog_number(const struct charm_world *w, const char *key);
/* It is cut off, or none. */
bool binlog_note_broken(struct charm_ask *a, const char *text);
/* Of two logs' names: by number, which may have more digits one day. */
int binlog_order(const char *a, const char *b);
/* FILE without .gz or .gz.sealed; NULL: it is no log. */
const char *binlog_name(struct charm_ask *a, const char *file, bool *ret_sealed);

/* Steps of restore, where restore-to-time is given. */
bool binlog_asked(const struct charm_world *w);
void binlog_find(const struct charm_world *w, struct charm_ask *a);
void binlog_list(const struct charm_world *w, struct charm_ask *a);
void binlog_scan(const struct charm_world *w, struct charm_ask *a);
void binlog_replay(const struct charm_world *w, struct charm_ask *a);
/* What its refusals end with, until it is "quiet". */
#define BINLOG_NOTHING "; nothing was touched"
/* As backup_time has it; NULL: all that there is. */
const char *binlog_moment(const struct charm_world *w, struct charm_ask *a);
/* Of the backup: the place of its chain, and where in its first log it is. */
const char *binlog_noted_place(const struct charm_world *w, struct charm_ask *a);
const char *binlog_noted_position(const struct charm_world *w, struct charm_ask *a);
/* Of the log NAME, there. */
const char *binlog_file(const struct charm_world *w, struct charm_ask *a, const char *name);
/* SQL that goes before the dump: what is replayed is noted from then on. */
const char *binlog_restart(const struct charm_world *w);
/* Writable again, and what was noted there is gone; what the action tells then. */
void binlog_ask_open(struct charm_ask *a);
void binlog_tell(const struct charm_world *w, struct charm_ask *a);

/* Steps of create-backup, after older backups were deleted: their logs follow. */
void binlog_find_old(const struct charm_world *w, struct charm_ask *a);
void binlog_prune(const struct charm_world *w, struct charm_ask *a);

/* binlog_list_steps: of list-backups, which tells until when they go too. */
extern const struct charm_step binlog_ship_steps[], binlog_list_steps[];
