/* SPDX-License-Identifier: Apache-2.0 */
/* backup-server.h - the server that backups are of: commands in its pod, checksums of its tables,
 * and the one that backups are tried on */
#pragma once

#include "backup.h"
#include "mysql-command.h"

#define BACKUP_SCRATCH "scratch" /* target: the server that backups are tried on */
/* Of the list of tables, in letters: the state of an operation and a metadata object are 64 KiB. */
#define BACKUP_TABLES_MAX 30000
#define BACKUP_SYSTEM "'mysql','information_schema','performance_schema','sys'"
#define BACKUP_DATABASES_MAX 40 /* they stand in a command line of 64 words */
#define BACKUP_LOST_MAX 4 /* a server that ends in the middle each time is no matter for a fifth */

/* The server for verify-backup, while it is wanted. */
void backup_plan_scratch(const struct charm_view *v, struct charm_plan *p);

/* False: the action gave up. */
bool backup_server_runs(const struct charm_world *w, struct charm_ask *a);
const char *backup_pod(const struct charm_world *w, struct charm_ask *a);

/* A command in POD as one end of a stream, as JSON. SCRIPT has the administrator's
 * password in MYSQL_PWD, and WORDS (names, one a line) as its arguments; what is left of its input
 * begins with FIRST. */
const char *backup_command(const struct charm_world *w, struct charm_ask *a, const char *pod,
                           const char *script, const char *words, const char *first);

/* What a command begins with whose input begins with the password. */
#define BACKUP_PASSWORD "IFS= read -r MYSQL_PWD && export MYSQL_PWD && "
/* A client, as such a SCRIPT. */
#define BACKUP_CLIENT MYSQL_CLIENT " --user=root"
/* Whoever has the lock is the only one; the second subquery is an error, which ends the client. A
 * server that was started anew since it was made read-only is so again before it gets anything. */
#define BACKUP_ALONE                                                                               \
        "SET SESSION lock_wait_timeout = 120;\n"                                                   \
        "SELECT IF(GET_LOCK('mooring-restore', 600) = 1, 1, (SELECT 1 UNION SELECT 2));\n"         \
        "SET GLOBAL read_only = ON;\n"

/* VERB, all TABLES (lines of database, tab, table), END, as one statement at the target SERVER;
 * BEFORE is another one before it, or NULL. */
void backup_ask_of_tables(struct charm_ask *a, const char *server, const char *verb,
                          const char *tables, const char *end, const char *before);
/* CHECKSUM TABLE of them. */
void backup_ask_checksums(struct charm_ask *a, const char *server, const char *tables);
/* The answer to it: a line for each table, "-" where there is none. */
const char *backup_checksums(const struct charm_world *w, struct charm_ask *a, const char *tables);

/* Reads its databases into the server in POD, in the place of those, and of those in "here" of the
 * state. */
void backup_ask_load(const struct charm_world *w, struct charm_ask *a, const char *pod);
/* "-log", which some servers say of themselves while they write a binary log, does not count. */
bool backup_same_version(const char *a, const char *b);
/* Checksums of its tables at SERVER. False: it has none to compare with. */
bool backup_ask_compare(const struct charm_world *w, struct charm_ask *a, const char *server);
/* The answer to it: the names of some that are other. */
const char *backup_compare(const struct charm_world *w, struct charm_ask *a, size_t *ret_all,
                           size_t *ret_bad);

/* ---- steps of create-backup, in this order, with those of binlog.h after find_chain; those of
 * upgrade too */
void backup_survey(const struct charm_world *w, struct charm_ask *a);
void backup_find_chain(const struct charm_world *w, struct charm_ask *a);
void backup_take_chain(const struct charm_world *w, struct charm_ask *a);
void backup_sum_before(const struct charm_world *w, struct charm_ask *a);
void backup_reach(const struct charm_world *w, struct charm_ask *a);
void backup_dump(const struct charm_world *w, struct charm_ask *a);
void backup_sum_after(const struct charm_world *w, struct charm_ask *a);
/* Its metadata, after all of them but the note. */
const char *backup_metadata(const struct charm_world *w, struct charm_ask *a);
/* Columns 0, and with PAIRS 1, of a result's rows, as lines; at most MAX letters. */
const char *backup_lines(const struct charm_world *w, struct charm_ask *a, int result, bool pairs,
                         size_t max);

extern const struct charm_step backup_create_steps[], backup_restore_steps[],
        backup_verify_steps[];
