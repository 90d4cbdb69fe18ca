/* SPDX-License-Identifier: Apache-2.0 */
/* backup-create.c - the action create-backup
 *
 *   free ──▶ survey ──▶ before ──▶ reach ──▶ dump ──▶ after ──▶ note ──▶ old ──▶ prune
 *
 * The dump is one transaction's view of all databases, and streams from the pod into the bucket.
 * Checksums cannot be asked for in that transaction: they are taken before and after it, and a
 * table that has the same both times has that one in the dump too. One that was written to
 * meanwhile has none. The metadata is written last; before it, nothing lists the backup, and
 * when it never comes to it the dump is taken away.
 *
 * Where ship-binlogs has run, the backup's place in the binary logs is noted (read to chain, see
 * binlog.h): from there on ship-binlogs and restore have any later moment. Where it cannot be,
 * the backup is made all the same, and tells why. */
#include "backup-server.h"

#include "binlog.h"
#include "restore-part.h"

#include <stdio.h>

#define OWN_TABLES "table_type = 'BASE TABLE' AND table_schema NOT IN (" BACKUP_SYSTEM ")"
#define TOLD_MAX 5

/* ---- free: a name that no backup has */

static bool is_sealed(const struct charm_world *w) {
        return backup_passphrase(w) != NULL;
}

static void find_free(const struct charm_world *w, struct charm_ask *a) {
        if (!restore_part_refuses(w, a) && backup_server_runs(w, a))
                backup_find_free(w, a);
}

/* ---- survey: what there is */

/* Column 0 of rows, or columns 0 and 1, one a line. */
const char *backup_lines(const struct charm_world *w, struct charm_ask *a, int result, bool pairs,
                         size_t max) {
        struct charm_plan *p = charm_paper(a);
        char *out = charm_memory(p, max + 1);
        const char *one;
        size_t used = 0;

        for (int i = 0; (one = charm_answer(w, charm_text(p, "/results/%d/rows/%d/0", result, i)));
             i++) {
                const char *two =
                        pairs ? charm_answer(w, charm_text(p, "/results/%d/rows/%d/1", result, i))
                              : NULL;
                const char *line = charm_text(p, "%s%s%s\n", one, two ? "\t" : "", two ? two : "");

                if (used + strlen(line) > max)
                        break;
                memcpy(out + used, line, strlen(line));
                used += strlen(line);
        }
        return out;
}

static void ask_survey(struct charm_ask *a) {
        charm_ask_sql(
                a, "server",
                CHARM_TEXTS("SELECT VERSION(), (SELECT COUNT(*) FROM information_schema.tables "
                            "WHERE " OWN_TABLES ")",
                            "SELECT schema_name FROM information_schema.schemata WHERE schema_name "
                            "NOT IN (" BACKUP_SYSTEM ") ORDER BY 1",
                            "SELECT table_schema, table_name FROM information_schema.tables "
                            "WHERE " OWN_TABLES " AND table_name NOT LIKE '%\\t%' AND table_name "
                            "NOT LIKE '%\\n%' ORDER BY 1, 2 LIMIT 1000",
                            "SELECT CONCAT(table_schema, '.', table_name, ' (', engine, ')') FROM "
                            "information_schema.tables WHERE " OWN_TABLES
                            " AND engine <> 'InnoDB' ORDER BY 1 LIMIT 5"),
                NULL);
}

/* Tables that no transaction covers: their rows may be of any moment of the dump. */
static bool refuse_uncovered(const struct charm_world *w, struct charm_ask *a) {
        const char *names = backup_lines(w, a, 3, false, 400), *first = backup_line(a, names, 0);

        if (!first || charm_state(w, "fenced") || charm_param_bool(w, "force"))
                return false;
        charm_give_up(a,
                      "not InnoDB, and so not of one moment with the rest: %s%s; force=true takes "
                      "them all the same",
                      first, backup_line(a, names, 1) ? " and others" : "");
        return true;
}

void backup_survey(const struct charm_world *w, struct charm_ask *a) {
        const char *databases;

        if (!charm_outcome(w))
                return ask_survey(a);
        databases = backup_lines(w, a, 1, false, 4000);
        if (!*databases)
                return charm_give_up(a, "there is no database to back up");
        if (backup_line(a, databases, BACKUP_DATABASES_MAX))
                return charm_give_up(a, "more than %d databases", BACKUP_DATABASES_MAX);
        if (refuse_uncovered(w, a))
                return;
        charm_set(a, "version", charm_answer(w, "/results/0/rows/0/0"));
        charm_set(a, "count", charm_answer(w, "/results/0/rows/0/1"));
        charm_set(a, "databases", databases);
        charm_set(a, "tables", backup_lines(w, a, 2, true, BACKUP_TABLES_MAX));
        charm_set(a, "spare", "1");
        charm_next(a);
}

/* ---- read, chain: its place in the binary logs, where ship-binlogs has run */

void backup_find_chain(const struct charm_world *w, struct charm_ask *a) {
        if (charm_param(w, "passphrase") && !charm_outcome(w))
                return binlog_fail(w, a,
                                   "it has a passphrase of its own, and the binary logs are "
                                   "sealed with the option's or not at all");
        binlog_read(w, a);
}

void backup_take_chain(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_state(w, "chain"))
                return binlog_fail(w, a,
                                   "the server's binary logs do not go on from what was shipped, "
                                   "or the passphrase is another: run ship-binlogs");
        charm_set(a, "note", NULL);
        charm_set(a, "logs", NULL);
        charm_next(a);
}

/* ---- before, after: checksums */

void backup_sum_before(const struct charm_world *w, struct charm_ask *a) {
        const char *tables = charm_state(w, "tables");

        if (!*tables)
                return charm_next(a);
        if (!charm_outcome(w))
                return backup_ask_checksums(a, "server", tables);
        charm_set(a, "sums", backup_checksums(w, a, tables));
        charm_next(a);
}

/* Lines "CHECKSUM database table" of those that are the same as before. */
static const char *keep_same(const struct charm_world *w, struct charm_ask *a, const char *tables,
                             size_t *ret_same, size_t *ret_all) {
        const char *before = charm_state(w, "sums"), *after = backup_checksums(w, a, tables);
        size_t room = 9 * strlen(tables) + strlen(after) + 1, used = 0; /* "table: -" to each */
        char *out = charm_memory(charm_paper(a), room);
        const char *table;

        for (*ret_all = 0; (table = backup_line(a, tables, *ret_all)); (*ret_all)++) {
                const char *was = backup_line(a, before, *ret_all),
                           *is = backup_line(a, after, *ret_all);
                bool same = was && is && !strcmp(was, is);

                used += (size_t)snprintf(out + used, room - used, "table: %s\t%s\n",
                                         same ? is : "-", table);
                *ret_same += same;
        }
        return out;
}

void backup_sum_after(const struct charm_world *w, struct charm_ask *a) {
        const char *tables = charm_state(w, "tables");
        size_t same = 0, all = 0;

        if (!*tables)
                return charm_next(a);
        if (!charm_outcome(w))
                return backup_ask_checksums(a, "server", tables);
        charm_set(a, "tables", keep_same(w, a, tables, &same, &all));
        charm_set(a, "sums", NULL);
        charm_set(a, "same", charm_text(charm_paper(a), "%zu", same));
        if (same < all)
                charm_log(a,
                          "%zu of %zu tables were written to meanwhile: the dump has them as they "
                          "were at its beginning, and no checksum of them",
                          all - same, all);
        charm_next(a);
}

/* ---- dump */

/* Until the server answers: also after a dump that it left in the middle. */
void backup_reach(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_sql(a, "server", CHARM_TEXTS("SELECT 1"), NULL);
        charm_next(a);
}

#define OWN_OPTIONS " --user=root --routines --events"
#define DATABASES " --databases -- \"$@\""
#define DUMP MYSQL_DUMP OWN_OPTIONS DATABASES
/* The position of the dump in the binary log is one of its first lines; it goes to the errors too,
 * with the time by which it was taken. Writers wait while the server is asked for it: at most so
 * long as lock_wait_timeout has it. */
#define DUMP_AT                                                                                    \
        "d=" MYSQL_DUMP_PROGRAM                                                                    \
        "; case $(\"$d\" --help) in *--source-data*) at=--source-data=2;; "                        \
        "*) at=--master-data=2;; esac; exec 4>&1; r=$( { { \"$d\"" MYSQL_DUMP_OPTIONS OWN_OPTIONS  \
        " --loose-init-command='SET SESSION lock_wait_timeout=60' $at" DATABASES " 3>&- 4>&-; "    \
        "echo $? >&3; } | { n=0; while [ $n -lt 100 ] && IFS= read -r l; do n=$((n + 1)); "        \
        "printf '%s\\n' \"$l\"; case $l in '-- CHANGE '*) echo \"position: "                       \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ) $l\" >&2; break;; esac; done; exec cat; } >&4; } 3>&1 ); " \
        "exit \"${r:-1}\""

/* Of the dump's own line: "position: TIME -- CHANGE MASTER TO MASTER_LOG_FILE='NAME',
 * MASTER_LOG_POS=4711;", MySQL's with SOURCE. */
static void take_position(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *said = charm_answer(w, "/from/stderr");
        const char *line = said ? backup_meta(a, said, "position", 0) : NULL;
        const char *name = line ? strstr(line, "LOG_FILE='") : NULL,
                   *at = line ? strstr(line, "LOG_POS=") : NULL;

        if (!charm_state(w, "chain"))
                return;
        if (!name || !at) {
                charm_set(a, "no-moment", "the dump does not say where in the binary log it is");
                return charm_log(a, "the dump does not say where in the binary log it is: no "
                                    "moment after it can be restored from it");
        }
        name += strlen("LOG_FILE='");
        at += strlen("LOG_POS=");
        charm_set(a, "position",
                  charm_text(p, "binlog: %.*s %.*s\nbinlog-chain: %s\nsnapshot-by: %.20s\n",
                             (int)strcspn(name, "'"), name, (int)strspn(at, "0123456789"), at,
                             charm_state(w, "chain"), line));
}

static void dump_without_place(struct charm_ask *a) {
        const char *why = "no moment at which nobody writes was to be had for 60 s";

        charm_log(a, "%s: the dump is begun again, and no moment after it can be restored", why);
        charm_set(a, "chain", NULL);
        charm_set(a, "no-moment", why);
        charm_goto(a, "reach");
}

void backup_dump(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return backup_ask_dump(w, a,
                                       backup_command(w, a, backup_pod(w, a),
                                                      charm_state(w, "chain") ? DUMP_AT : DUMP,
                                                      charm_state(w, "databases"), ""));
        if (charm_state(w, "chain") && strcmp(charm_outcome(w), "done") != 0 &&
            strstr(charm_error(w), "Lock wait timeout"))
                return dump_without_place(a);
        if (!backup_dumped(w, a, BACKUP_LOST_MAX))
                return;
        charm_log(a, "%s bytes are in the bucket", charm_answer(w, "/bytes"));
        take_position(w, a);
        charm_next(a);
}

/* ---- note: from now on it is a backup */

const char *backup_metadata(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const struct charm_view *v = charm_world_view(w);
        const char *databases = "", *name, *position = charm_state(w, "position");

        for (size_t i = 0; (name = backup_line(a, charm_state(w, "databases"), i)); i++)
                databases = charm_text(p, "%sdatabase: %s\n", databases, name);
        return charm_text(
                p,
                "format: mooring-mysql 1\nid: %s\nmodel: %s\napplication: %s\nserver: %s\n"
                "sealed: %s\nbytes: %s\nsha256: %s\nplain-bytes: %s\nplain-sha256: %s\n"
                "%s%s%send\n",
                charm_state(w, "id"), charm_model(v), charm_application(v),
                charm_state(w, "version"), is_sealed(w) ? "yes" : "no", charm_state(w, "bytes"),
                charm_state(w, "sha256"), charm_state(w, "plain-bytes"),
                charm_state(w, "plain-sha256"), position ? position : "", databases,
                charm_state(w, "tables"));
}

static void note(const struct charm_world *w, struct charm_ask *a) {
        const char *same = charm_state(w, "same");

        if (!backup_note(w, a, backup_metadata(w, a)))
                return;
        charm_result(a, "backup-id", charm_state(w, "id"));
        charm_result(a, "bytes", charm_state(w, "bytes"));
        charm_result(a, "sha256", charm_state(w, "sha256"));
        charm_result(a, "encrypted", is_sealed(w) ? "yes" : "no");
        charm_result(a, "moments",
                     charm_state(w, "position")
                             ? "yes"
                             : charm_text(charm_paper(a), "no: %s", charm_state(w, "no-moment")));
        charm_result(a, "tables", charm_state(w, "count"));
        charm_result(a, "tables-with-checksum", same ? same : "0");
        charm_next(a);
}

const struct charm_step backup_create_steps[] = { { "free", find_free, 300, CHARM_ALL },
                                                  { "survey", backup_survey, 300, 0 },
                                                  { "read", backup_find_chain, 300, CHARM_ALL },
                                                  { "look", binlog_look, 300, CHARM_ALL },
                                                  { "compare", binlog_compare, 300, CHARM_ALL },
                                                  { "chain", backup_take_chain, 0, 0 },
                                                  { "before", backup_sum_before, BACKUP_HOURS, 0 },
                                                  { "reach", backup_reach, BACKUP_HOURS, 0 },
                                                  { "dump", backup_dump, BACKUP_HOURS, CHARM_ALL },
                                                  { "after", backup_sum_after, BACKUP_HOURS, 0 },
                                                  { "note", note, 3600, CHARM_ALL },
                                                  { "old", backup_find_old, 300, CHARM_ALL },
                                                  { "prune", backup_prune, 300, CHARM_ALL },
                                                  { "old-logs", binlog_find_old, 300, CHARM_ALL },
                                                  { "prune-logs", binlog_prune, 300, CHARM_ALL },
                                                  { "tidy", backup_tidy, 300,
                                                    CHARM_CLEANUP | CHARM_ALL },
                                                  {} };
