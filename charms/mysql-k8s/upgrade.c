/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.c - the action upgrade: another version of the server
 *
 *   start ... backups ──▶ judge ──▶ member ... passed (replicas: upgrade-members.c) ──▶ maintain
 *     ──▶ told ──▶ fence ──▶ free ──▶ survey ──▶ read ... before ──▶ reach ──▶ dump ──▶ after
 *     ──▶ steady ──▶ note ──▶ switch ──▶ apply ──▶ gate ──▶ refit ──▶ same ──▶ unlock ──▶ try
 *     ──▶ watch ──▶ place ──▶ over ──▶ write ──▶ file ──▶ done
 *
 * Up to `judge` nothing is touched. Then nobody but the administrator writes, until the new server
 * has passed: clients go on reading, but for its start. So the backup has all that was ever
 * written, and going back to it loses nothing. The new server takes the data on as it starts
 * (MariaDB's needs mariadb-upgrade too). It has passed when it is ready, says the version of its
 * image, has the tables of the backup by their checksums, stores and reads a row, and then was not
 * started again for a while. From `over` on it is open, and only rollback goes back.
 *
 * Whatever ends it before leads back: to the data as they are, where the new server never
 * answered, and the old one comes up on them with every table as backed up; else the old one
 * begins with an empty folder, into which the backup is read. */
#include "upgrade.h"

#include "binlog.h"
#include "charm.gen.h"
#include "replica.h"

#include <stdlib.h>

/* ---- the backup is of a server that nobody wrote to */

/* A server that was started again meanwhile, before the pod had the file, took writes. */
static void steady(const struct charm_world *w, struct charm_ask *a) {
        struct upgrade_seen s = upgrade_seen_of(w, a);
        const char *text = charm_state(w, "again");
        long again = text ? strtol(text, NULL, 10) : 0;

        if (!charm_outcome(w))
                return charm_ask_sql(a, "server",
                                     CHARM_TEXTS(UPGRADE_SEEN, "SET GLOBAL read_only = ON"), NULL);
        charm_set(a, "started", s.started);
        if (!s.read_only || strcmp(s.read_only, "0") != 0)
                return charm_next(a);
        if (again == BACKUP_LOST_MAX)
                return charm_give_up(a, "somebody makes the server writable again and again");
        charm_set(a, "again", charm_text(charm_paper(a), "%ld", again + 1));
        charm_log(a, "the server was started again meanwhile, and took writes: once more");
        charm_goto(a, "survey");
}

static void note(const struct charm_world *w, struct charm_ask *a) {
        const char *text = backup_metadata(w, a);

        if (!backup_note(w, a, text))
                return;
        charm_set(a, "meta", text);
        charm_set(a, "tables", NULL);
        charm_log(a, "%s has all that was ever written", charm_state(w, "id"));
        charm_next(a);
}

/* ---- the new server */

static void switch_over(const struct charm_world *w, struct charm_ask *a) {
        if (charm_outcome(w))
                return charm_next(a);
        charm_set(a, "image", upgraded_note_old(w, a));
        charm_set(a, "folder", upgrade_new_folder(w, a));
        charm_set(a, "switched", "1");
        charm_ask_config(a, OPTION_SERVER_IMAGE, charm_param(w, "image"));
}

bool upgrade_is_target(const struct charm_world *w, const char *version) {
        struct upgrade_version is, target;

        return charm_state(w, "of-tag") ||
               (upgrade_version_of(version, &is) &&
                upgrade_version_of(charm_state(w, "target"), &target) &&
                upgrade_series(&is) == upgrade_series(&target) && is.patch == target.patch);
}

static void gate(const struct charm_world *w, struct charm_ask *a) {
        struct upgrade_seen s;

        enum upgrade_came came = upgrade_await(w, a, true, NULL, NULL, &s);

        if (s.version && !backup_same_version(s.version, charm_state(w, "server")))
                charm_set(a, "touched", "1");
        switch (came) {
        case UPGRADE_WAITS:
                return;
        case UPGRADE_CAME_NOT:
                return charm_give_up(a, "the new server did not come up: %s", upgrade_reason(w, a));
        case UPGRADE_CAME:
                break;
        }
        charm_set(a, "answered", "1");
        charm_set(a, "version", s.version);
        charm_set(a, "started", s.started);
        if (!upgrade_is_target(w, s.version))
                return charm_give_up(a, "the new server is %s, and %s was to be expected",
                                     s.version, charm_state(w, "target"));
        if (!strcmp(s.read_only, "0")) {
                charm_set(a, "stays", "1");
                return charm_give_up(a, "somebody made the new server writable before it has "
                                        "passed: it stays as it is, for what was written would "
                                        "be lost");
        }
        charm_log(a, "%s is up, and read-only", s.version);
        charm_next(a);
}

#define REFIT                                                                                      \
        "u=$(command -v mariadb-upgrade || command -v mysql_upgrade) || exit 0; "                  \
        "c() { \"$u\" --no-defaults --protocol=tcp --host=\"${MYSQL_HOST:-127.0.0.1}\" "           \
        "--user=root \"$@\"; }; c --check-if-upgrade-is-needed --silent || exit 0; c"

/* MySQL's server does that as it starts. */
static void refit(const struct charm_world *w, struct charm_ask *a) {
        const char *exit = charm_answer(w, "/exit"), *errors = charm_answer(w, "/stderr");
        const char *password = charm_owned(w, "root", "password");

        if (!strstr(charm_state(w, "version"), "MariaDB"))
                return charm_next(a);
        if (!charm_outcome(w))
                return charm_ask_exec(
                        a, &(struct charm_exec){
                                   .pod = backup_pod(w, a),
                                   .container = "mysql",
                                   .argv = CHARM_TEXTS("sh", "-c", BACKUP_PASSWORD REFIT),
                                   .input = charm_text(charm_paper(a), "%s\n", password) });
        if (!exit || strcmp(exit, "0") != 0)
                return charm_give_up(a, "mariadb-upgrade failed: %.300s",
                                     errors ? errors : charm_error(w));
        charm_next(a);
}

/* Another version may count otherwise; then it is only told. */
static void same(const struct charm_world *w, struct charm_ask *a) {
        const char *wrong;
        size_t all = 0, bad = 0;

        if (!charm_outcome(w) && backup_ask_compare(w, a, "server"))
                return;
        if (charm_outcome(w)) {
                wrong = backup_compare(w, a, &all, &bad);
                if (bad && !charm_state(w, "touched"))
                        return charm_give_up(a, "%zu of %zu tables are not what was backed up: %s",
                                             bad, all, wrong);
                if (bad)
                        charm_log(a,
                                  "%zu of %zu tables have other checksums, which %s may count "
                                  "otherwise: %s",
                                  bad, all, charm_state(w, "version"), wrong);
        }
        charm_result(a, "tables-compared", charm_text(charm_paper(a), "%zu", all));
        charm_next(a);
}

/* A server that has replicas is closed to everybody from its start on: here the loop opens it to
 * its administrator, and may have to do so yet. */
static void unlock(const struct charm_world *w, struct charm_ask *a) {
        if (charm_outcome(w) || !replica_ever(charm_world_view(w)))
                return charm_next(a);
        charm_ask_sql(a, "server", CHARM_TEXTS("SET GLOBAL super_read_only = OFF"), NULL);
}

#define TRIED "mooring_gate"

static void try_row(const struct charm_world *w, struct charm_ask *a) {
        const char *sum = charm_answer(w, "/results/4/rows/0/0");

        if (!charm_outcome(w))
                return charm_ask_sql(
                        a, "server",
                        CHARM_TEXTS("SET SESSION sql_log_bin = 0", "DROP DATABASE IF EXISTS " TRIED,
                                    "CREATE DATABASE " TRIED,
                                    "CREATE TABLE " TRIED ".t ENGINE = InnoDB AS SELECT 42 AS n",
                                    "SELECT SUM(n) FROM " TRIED ".t", "DROP DATABASE " TRIED),
                        NULL);
        if (!sum || strcmp(sum, "42") != 0)
                return charm_give_up(a, "the new server does not store a row as it should");
        charm_next(a);
}

static void watch(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct upgrade_seen s = upgrade_seen_of(w, a);
        const char *label = upgrade_server_label(w, a);
        long long before, now;

        if (!charm_outcome(w))
                return charm_ask_wait(a, charm_param_int(w, "watch"));
        if (!s.started)
                return upgrade_ask_seen(w, a);
        before = strtoll(charm_state(w, "started"), NULL, 10);
        now = strtoll(s.started, NULL, 10);
        if (now > before + 1 || !charm_ready(v, label))
                return charm_give_up(a, "the new server did not stay up: %s",
                                     charm_ready(v, label) ? "it was started again"
                                                           : charm_reason(v, label));
        if (s.stopped)
                return charm_give_up(a, "the new server does not replicate any more");
        charm_next(a);
}

/* ---- open: from here on there is only rollback */

static void place(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_sql(a, "server",
                                     CHARM_TEXTS(upgrade_gtid_query(charm_state(w, "version"))),
                                     NULL);
        charm_set(a, "gtids", upgrade_gtids(a, charm_answer(w, "/rows/0/0")));
        charm_next(a);
}

static void open_new(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);

        if (charm_outcome(w)) {
                charm_set(a, "over", "1");
                return charm_next(a);
        }
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_UPGRADED_FROM,
                                  charm_text(p, "%s %s %s %s", charm_state(w, "id"),
                                             charm_state(w, "image"), backup_time(p, charm_now(w)),
                                             charm_state(w, "gtids")) },
                                { OPTION_UNITS_AHEAD, NULL }, { OPTION_MAINTENANCE, NULL }));
}

static void tell_done(const struct charm_world *w, struct charm_ask *a) {
        charm_result(a, "image", charm_param(w, "image"));
        charm_result(a, "server-before", charm_state(w, "server"));
        charm_result(a, "server", charm_state(w, "version"));
        charm_result(a, "rollback-to", charm_state(w, "id"));
        charm_done(a);
}

/* ---- the way back */

/* What ends it between the ask and its answer finds that in the option. */
static bool is_over(const struct charm_world *w) {
        const char *from = charm_option(charm_world_view(w), OPTION_UPGRADED_FROM),
                   *id = charm_state(w, "id");

        return charm_state(w, "over") ||
               (id && strlen(id) == strcspn(from, " ") && !strncmp(from, id, strlen(id)));
}

/* Nothing is to be taken back. */
static bool is_back(const struct charm_world *w) {
        return !charm_state(w, "fenced") || is_over(w) || charm_state(w, "stays");
}

static bool is_switched(const struct charm_world *w) {
        return !is_back(w) && charm_state(w, "switched");
}

/* On its own data, where the new one cannot have taken them on. */
static void turn_back(const struct charm_world *w, struct charm_ask *a) {
        if (!is_switched(w) || charm_state(w, "touched") || charm_outcome(w))
                return charm_next(a);
        charm_set(a, "returns", "1");
        upgrade_begin_looks(a);
        charm_ask_config(a, OPTION_SERVER_IMAGE, upgraded_option(charm_state(w, "image")));
}

static void settle_back(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_state(w, "returns") || charm_outcome(w))
                return charm_next(a);
        charm_ask_settled(a);
}

static void come_back(const struct charm_world *w, struct charm_ask *a) {
        struct upgrade_seen s;

        if (!charm_state(w, "returns"))
                return charm_next(a);
        switch (upgrade_await(w, a, false, NULL, NULL, &s)) {
        case UPGRADE_WAITS:
                return;
        case UPGRADE_CAME:
                charm_set(a, "answered", "1");
                if (backup_same_version(s.version, charm_state(w, "server"))) {
                        charm_set(a, "version", s.version);
                        return charm_next(a);
                }
                break;
        case UPGRADE_CAME_NOT:
                break;
        }
        charm_log(a, "the server of before does not come up on its data: %s", upgrade_reason(w, a));
        charm_set(a, "returns", NULL);
        charm_next(a);
}

static void compare_back(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_state(w, "returns"))
                return charm_next(a);
        upgrade_compare(w, a);
}

/* Unit 0 answers in neither version: its node may be gone, and replicas have what it had. To empty
 * them for its sake would leave nothing to fail over to. */
static bool is_away(const struct charm_world *w, struct charm_ask *a) {
        return !charm_state(w, "touched") && !charm_state(w, "answered") &&
               replica_others(charm_world_view(w), charm_paper(a));
}

static void begin_anew(const struct charm_world *w, struct charm_ask *a) {
        if (!is_switched(w) || charm_state(w, "whole"))
                return charm_next(a);
        if (is_away(w, a) && !charm_outcome(w)) {
                charm_set(a, "away", "1");
                return charm_next(a);
        }
        if (!charm_outcome(w)) {
                charm_set(a, "half", NULL);
                upgrade_begin_looks(a);
                charm_log(a, "the server of before begins with an empty folder, and reads %s back",
                          charm_state(w, "id"));
        }
        upgrade_anew(w, a);
}

#define IF_ANEW(FUNCTION)                                                                          \
        static void FUNCTION##_if_anew(const struct charm_world *w, struct charm_ask *a) {         \
                if (!charm_state(w, "began-anew"))                                                 \
                        return charm_next(a);                                                      \
                FUNCTION(w, a);                                                                    \
        }
IF_ANEW(upgrade_empty)
IF_ANEW(upgrade_load)
IF_ANEW(upgrade_compare)
IF_ANEW(upgrade_account)

/* A step that fails by itself notes nothing, so what counts is what was found whole. */
static bool is_half(const struct charm_world *w) {
        return is_switched(w) && !charm_state(w, "whole");
}

static void reopen(const struct charm_world *w, struct charm_ask *a) {
        if (is_back(w) || charm_outcome(w))
                return charm_next(a);
        if (charm_state(w, "away")) {
                charm_log(a,
                          "the primary comes up in neither version, and stays closed; its replicas "
                          "keep what they have: fail-over on one of them, or, once it is up, "
                          "restore backup-id=%s force=true",
                          charm_state(w, "id"));
                return charm_next(a);
        }
        if (is_half(w)) {
                charm_log(a,
                          "the server stays read-only: restore backup-id=%s force=true makes "
                          "it whole",
                          charm_state(w, "id"));
                return charm_next(a);
        }
        if (charm_state(w, "switched"))
                charm_log(a, "the server of before is back, with every table as backed up");
        /* Where nothing began anew, a unit that is aside has what it had. */
        if (!charm_state(w, "began-anew"))
                return charm_ask_config(a, OPTION_MAINTENANCE, NULL);
        charm_ask_options(a,
                          CHARM_VALUES({ OPTION_UNITS_ASIDE, NULL }, { OPTION_MAINTENANCE, NULL }));
}

static void write_again(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_state(w, "fenced") || charm_state(w, "stays") || is_half(w))
                return charm_next(a);
        upgrade_let_write(w, a);
}

/* Where the primary is back. */
static void choose_behind(const struct charm_world *w, struct charm_ask *a) {
        if (is_over(w) || charm_state(w, "stays") || is_half(w))
                return charm_goto(a, "end");
        upgrade_choose_behind(w, a);
}

const struct charm_step upgrade_steps[] = {
        UPGRADE_CHECKS,
        { "judge", upgrade_judge, 0, 0 },
        UPGRADE_MEMBERS(watch),
        { "maintain", upgrade_maintain, 300, 0 },
        { "told", upgrade_settle, 600, 0 },
        { "fence", upgrade_fence, 600, CHARM_ALL },
        { "free", backup_find_free, 300, CHARM_ALL },
        { "survey", backup_survey, 300, 0 },
        { "read", backup_find_chain, 300, CHARM_ALL },
        { "look", binlog_look, 300, CHARM_ALL },
        { "compare", binlog_compare, 300, CHARM_ALL },
        { "chain", backup_take_chain, 0, 0 },
        { "before", backup_sum_before, BACKUP_HOURS, 0 },
        { "reach", backup_reach, BACKUP_HOURS, 0 },
        { "dump", backup_dump, BACKUP_HOURS, CHARM_ALL },
        { "after", backup_sum_after, BACKUP_HOURS, 0 },
        { "steady", steady, 300, 0 },
        { "note", note, 3600, CHARM_ALL },
        { "switch", switch_over, 300, 0 },
        { "apply", upgrade_settle, 120, CHARM_ALL },
        { "gate", gate, 60, CHARM_ALL },
        { "refit", refit, BACKUP_HOURS, CHARM_ALL },
        { "same", same, BACKUP_HOURS, 0 },
        { "unlock", unlock, 300, 0 },
        { "try", try_row, 300, 0 },
        { "watch", watch, 3900, 0 },
        { "place", place, 300, 0 },
        { "over", open_new, 300, 0 },
        { "write", upgrade_let_write, 600, 0 },
        { "file", upgrade_await_file, 600, CHARM_ALL },
        { "done", tell_done, 0, 0 },
        { "tidy", backup_tidy, 300, CHARM_CLEANUP | CHARM_ALL },
        { "turn", turn_back, 300, CHARM_CLEANUP | CHARM_ALL },
        { "await", settle_back, 120, CHARM_CLEANUP | CHARM_ALL },
        { "back", come_back, 60, CHARM_CLEANUP | CHARM_ALL },
        { "whole", compare_back, BACKUP_HOURS, CHARM_CLEANUP | CHARM_ALL },
        { "anew", begin_anew, 300, CHARM_CLEANUP | CHARM_ALL },
        { "empty", upgrade_empty_if_anew, 60, CHARM_CLEANUP | CHARM_ALL },
        { "load", upgrade_load_if_anew, BACKUP_HOURS, CHARM_CLEANUP | CHARM_ALL },
        { "check", upgrade_compare_if_anew, BACKUP_HOURS, CHARM_CLEANUP | CHARM_ALL },
        { "account", upgrade_account_if_anew, 120, CHARM_CLEANUP | CHARM_ALL },
        { "reopen", reopen, 300, CHARM_CLEANUP | CHARM_ALL },
        { "again", write_again, 600, CHARM_CLEANUP | CHARM_ALL },
        UPGRADE_MEMBERS_BACK(choose_behind),
        {}
};
