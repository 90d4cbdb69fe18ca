/* SPDX-License-Identifier: Apache-2.0 */
/* binlog.h - the server's binary logs in the bucket of backups, so that a moment after a backup
 * can be restored
 *
 *   PATH/binlogs/MODEL.APPLICATION/shipped   lines "name: value", the last one "end": the chain,
 *                                            its last log, so much of it, and until when it is all
 *   PATH/binlogs/MODEL.APPLICATION/CHAIN/NAME.gz[.sealed]   a log
 *   PATH/binlogs/MODEL.APPLICATION/CHAIN/ended   what "shipped" said of a chain that is over
 *
 * The log that the server writes to goes there as far as it is, and again when it went on; a log
 * is complete before the next one goes there. A chain is the logs of one server, without a gap. A
 * server whose logs do not go on from the last one (another volume, RESET, logs that it deleted
 * before they were shipped) begins another chain. Each backup notes its chain, and its place in
 * it. CHAIN is the time at which it was begun, so chains sort by age. */
#pragma once

#include "backup-server.h"

#define BINLOG_NOTE "shipped"
#define BINLOG_ENDED "ended"
/* Logs of a server are this large: what is shipped each minute is at most the one it writes to. */
#define BINLOG_BYTES "67108864"
/* Logs between a backup and a moment: each is asked for twice, of 1,000 that an operation may. */
#define BINLOG_LOGS_MAX 400

/* Steps that find the server's chain: what it says itself, what was shipped, whether one goes on
 * from the other; of a server that writes no log they only note that in "no-log". They leave in
 * the state: chain, until, folder (of the server's logs), logs (lines of NAME, tab, bytes: what is
 * to be shipped), head (of the last of these). */
void binlog_read(const struct charm_world *w, struct charm_ask *a);
void binlog_look(const struct charm_world *w, struct charm_ask *a);
void binlog_compare(const struct charm_world *w, struct charm_ask *a);
void binlog_end(const struct charm_world *w, struct charm_ask *a);
void binlog_begin(const struct charm_world *w, struct charm_ask *a);

/* "binlogs/MODEL.APPLICATION", or that with "/CHAIN". */
const char *binlog_place(struct charm_ask *a, const char *model, const char *application,
                         const char *chain);
const char *binlog_own_place(const struct charm_world *w, struct charm_ask *a, const char *chain);
/* Puts the note: BYTES of NAME, and all logs before it, are there, so all until UNTIL ("-":
 * nothing is yet). */
void binlog_ask_note(const struct charm_world *w, struct charm_ask *a, const char *chain,
                     const char *name, const char *bytes, const char *until);
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
