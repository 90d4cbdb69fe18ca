/* SPDX-License-Identifier: Apache-2.0 */
/* backup-restore.c - the action restore
 *
 *   find ──▶ verify ──▶ use ──▶ quiet ──▶ note ──▶ told ──▶ closed ──▶ here ──▶ restore ──▶ check
 *                └▶ until ──▶ logs ──▶ scan ──▶ use ...                 check ──▶ replay ──▶ open
 *                                               check ──▶ open ──▶ forget ──▶ file ──▶ write
 *
 * The second row is that of restore-to-time (binlog-replay.c). Then all databases are of that
 * moment: those that came after the backup are dropped too, and made again by what is replayed.
 *
 * Until `quiet` nothing is touched: the metadata is read, then the whole dump, to nowhere,
 * against its hash (and its seal). Then the server takes writes of nobody but the administrator;
 * databases of the backup are dropped and read back by one client, which holds a lock, so that
 * one of a killed daemon ends before the next begins; tables are compared. A restore that breaks
 * off leaves the server read-only: half a database is written to by nobody, and another restore
 * makes it whole; until then that is what the application's status says (restore-part.h).
 *
 * It is done to the primary, with binary logs on: replicas do what it does. */
#include "backup-server.h"

#include "charm.gen.h"

#include "binlog.h"
#include "replica.h"
#include "restore-part.h"
#include "upgrade.h"

/* ---- find */

static void find(const struct charm_world *w, struct charm_ask *a) {
        if (backup_server_runs(w, a))
                backup_find(w, a);
}

/* ---- use: is somebody's data in the way */

static const char *list_of(const struct charm_world *w, struct charm_ask *a, const char *form) {
        struct charm_plan *p = charm_paper(a);
        const char *out = "";

        for (int i = 0; i < BACKUP_DATABASES_MAX &&
                        backup_meta(a, charm_state(w, "meta"), "database", (size_t)i);
             i++)
                out = charm_text(p, "%s%s:%sd%d%s", out, *out ? ", " : "", form, i, form);
        return out;
}

static const struct charm_value *databases(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        struct charm_value *values = charm_memory(p, (BACKUP_DATABASES_MAX + 1) * sizeof(*values));
        const char *name;

        for (size_t i = 0; i < BACKUP_DATABASES_MAX &&
                           (name = backup_meta(a, charm_state(w, "meta"), "database", i));
             i++)
                values[i] = (struct charm_value){ charm_text(p, "d%zu", i), name };
        return values;
}

static void ask_use(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        bool all = binlog_asked(w);
        const char *in =
                all ? "NOT IN (" BACKUP_SYSTEM ")" : charm_text(p, "IN (%s)", list_of(w, a, "'"));

        charm_ask_sql(
                a, "server",
                CHARM_TEXTS(
                        charm_text(p,
                                   "SELECT COUNT(*), CAST(COALESCE(SUM(data_length), 0) AS "
                                   "UNSIGNED) FROM information_schema.tables WHERE table_type = "
                                   "'BASE TABLE' AND table_schema %s",
                                   in),
                        charm_text(p,
                                   "SELECT COUNT(*) FROM information_schema.processlist WHERE db "
                                   "%s AND user <> 'root'",
                                   in),
                        "SELECT VERSION()"),
                all ? NULL : databases(w, a));
}

static void look_at_use(const struct charm_world *w, struct charm_ask *a) {
        const char *tables, *bytes, *sessions;

        if (!charm_outcome(w))
                return ask_use(w, a);
        tables = charm_answer(w, "/results/0/rows/0/0");
        bytes = charm_answer(w, "/results/0/rows/0/1");
        sessions = charm_answer(w, "/results/1/rows/0/0");
        if (strcmp(tables, "0") != 0 && !charm_param_bool(w, "force"))
                return charm_give_up(
                        a,
                        "in use: %s tables (%s bytes) are where %s would be restored to, and %s "
                        "sessions are open; nothing was touched. What was written since that "
                        "backup "
                        "is lost with force=true; make another backup first",
                        tables, bytes, charm_param(w, "backup-id"), sessions);
        if (strcmp(tables, "0") != 0)
                charm_log(a,
                          "%s tables (%s bytes) are dropped, with what was written since %s; %s "
                          "sessions are open",
                          tables, bytes, charm_param(w, "backup-id"), sessions);
        charm_set(a, "version", charm_answer(w, "/results/2/rows/0/0"));
        charm_next(a);
}

/* ---- quiet: from now on nobody but us writes */

static void quiet(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w)) {
                charm_set(a, "quiet", "1");
                return charm_ask_sql(a, "server", CHARM_TEXTS("SET GLOBAL read_only = ON"), NULL);
        }
        charm_next(a);
}

/* ---- told, closed: among several the loop keeps the primary closed from the note on. What it
 * opened before it knew, or closed to everybody as it started, is put right here */

static bool is_alone(const struct charm_world *w) {
        return !replica_ever(charm_world_view(w));
}

static void settle(const struct charm_world *w, struct charm_ask *a) {
        if (is_alone(w) || charm_outcome(w))
                return charm_next(a);
        charm_ask_settled(a);
}

static void close_again(const struct charm_world *w, struct charm_ask *a) {
        if (is_alone(w) || charm_outcome(w))
                return charm_next(a);
        charm_ask_sql(a, "server",
                      CHARM_TEXTS("SET GLOBAL read_only = ON", "SET GLOBAL super_read_only = OFF"),
                      NULL);
}

/* ---- here: all databases go; after a replay that broke off there may be others than before it */

/* Lines of databases, all that there are. */
static const char *take_all(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *out = "", *name;

        for (size_t i = 0; (name = charm_answer(w, charm_text(p, "/rows/%zu/0", i))); i++)
                out = charm_text(p, "%s%s\n", out, name);
        return out;
}

static void look_here(const struct charm_world *w, struct charm_ask *a) {
        if (!binlog_asked(w))
                return charm_next(a);
        if (!charm_outcome(w))
                return charm_ask_sql(a, "server",
                                     CHARM_TEXTS("SELECT schema_name FROM "
                                                 "information_schema.schemata WHERE schema_name "
                                                 "NOT IN (" BACKUP_SYSTEM ") ORDER BY 1"),
                                     NULL);
        charm_set(a, "here", take_all(w, a));
        charm_next(a);
}

/* ---- restore */

static void restore(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome) {
                charm_set(a, "begun", "1");
                return backup_ask_load(w, a, backup_pod(w, a));
        }
        if (!strcmp(outcome, "refused") &&
            backup_lost_server(w, a, charm_error(w), BACKUP_LOST_MAX)) {
                charm_log(a, "the server went away in the middle of it: it is begun again");
                return charm_goto(a, "quiet"); /* a server that was started again lets writers in */
        }
        backup_loaded(w, a,
                      "The databases are restored in part, and the server is read-only, so that "
                      "nobody writes there: restore again");
}

/* ---- check */

static void check(const struct charm_world *w, struct charm_ask *a) {
        const char *backed_up = backup_noted(w, a, "server"), *wrong;
        size_t all, bad;

        if (!backup_same_version(charm_state(w, "version"), backed_up)) {
                charm_log(a, "tables are not compared: the backup is of server %s, this is %s",
                          backed_up, charm_state(w, "version"));
                return charm_next(a);
        }
        if (!charm_outcome(w)) {
                if (!backup_ask_compare(w, a, "server"))
                        charm_next(a);
                return;
        }
        wrong = backup_compare(w, a, &all, &bad);
        if (bad)
                return charm_give_up(a,
                                     "restored, but %zu of %zu tables are not what was backed up: "
                                     "%s; the server is read-only",
                                     bad, all, wrong);
        charm_result(a, "tables-compared", charm_text(charm_paper(a), "%zu", all));
        charm_next(a);
}

/* ---- open */

static void open_again(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);

        /* An upgrade that broke off has left it: the server is whole now. */
        if (charm_option_bool(v, OPTION_MAINTENANCE)) {
                charm_set(a, "reset", "1");
                return charm_ask_config(a, OPTION_MAINTENANCE, NULL);
        }
        charm_set(a, "reset", NULL);
        if (!charm_outcome(w) || charm_state(w, "reset"))
                return binlog_asked(w)
                               ? binlog_ask_open(a)
                               : charm_ask_sql(a, "server",
                                               CHARM_TEXTS("SET GLOBAL read_only = OFF"), NULL);
        if (binlog_asked(w))
                binlog_tell(w, a);
        charm_set(a, "quiet", NULL);
        charm_next(a);
}

/* ---- write: a server that was started anew before its file was gone began read-only */

static void write_again(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_sql(a, "server", CHARM_TEXTS("SET GLOBAL read_only = OFF"), NULL);
        charm_result(a, "completed", "ok");
        charm_result(a, "backup-id", backup_wanted(w));
        charm_done(a);
}

/* It ended between being quiet and touching anything; or later, and a server that was started
 * again before its pod had the file would let writers into half a database. */
static void reopen(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *begun = charm_state(w, "begun");

        if (!charm_state(w, "quiet"))
                return charm_next(a);
        if (!outcome)
                return charm_ask_sql(a, "server",
                                     CHARM_TEXTS(begun ? "SET GLOBAL read_only = ON"
                                                       : "SET GLOBAL read_only = OFF"),
                                     NULL);
        if (begun && strcmp(outcome, "done") != 0)
                charm_log(a,
                          "the server could not be made read-only again: one that was started anew "
                          "before its pod had the file that says so takes writes into what is half "
                          "restored: %s",
                          charm_error(w));
        charm_next(a);
}

const struct charm_step backup_restore_steps[] = {
        { "find", find, 300, CHARM_ALL },
        { "nearest", backup_offer_nearest, 300, CHARM_ALL },
        { "verify", backup_read_through, BACKUP_HOURS, CHARM_ALL },
        { "until", binlog_find, 300, CHARM_ALL },
        { "logs", binlog_list, 300, CHARM_ALL },
        { "scan", binlog_scan, BACKUP_HOURS, CHARM_ALL },
        { "use", look_at_use, 300, 0 },
        { "quiet", quiet, 300, 0 },
        { "note", restore_part_note, 300, 0 },
        { "told", settle, 120, CHARM_ALL },
        { "closed", close_again, 300, 0 },
        { "here", look_here, 300, 0 },
        { "restore", restore, BACKUP_HOURS, CHARM_ALL },
        { "check", check, BACKUP_HOURS, 0 },
        { "replay", binlog_replay, BACKUP_HOURS, CHARM_ALL },
        { "open", open_again, 300, 0 },
        { "forget", restore_part_forget, 300, 0 },
        { "file", upgrade_await_file, 600, CHARM_ALL },
        { "write", write_again, 300, 0 },
        { "left", restore_part_left, 300, CHARM_CLEANUP | CHARM_ALL },
        { "reopen", reopen, 300, CHARM_CLEANUP | CHARM_ALL },
        {}
};
