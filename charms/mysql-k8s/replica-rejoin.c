/* SPDX-License-Identifier: Apache-2.0 */
/* replica-rejoin.c - the actions rejoin-replica and replace-replica
 *
 *   rejoin-replica   own ──▶ lacks ──▶ join ──▶ joined
 *   replace-replica  source ──▶ aside ──▶ settled ──▶ find ──▶ empty ──▶ join ──▶ joined
 *                                                        └────▶ folder ─────────────▲
 *
 * What was the primary when it died may have transactions that no other has. So it was set aside,
 * and replicates again only when there is none: else both would have other rows, and nothing would
 * say so. replace-replica drops what it has; the loop then makes it a copy of the primary
 * (mysql-replication.c), which it does to a server that has nothing of anybody's. One that does not
 * answer, or runs another image than the primary, begins on that image in an empty folder instead:
 * no server goes back on data that a later one has had.
 *
 * `empty` is one connection whose statements go into no binary log. Done twice it finds nothing. */
#include "replica.h"

#include "charm.gen.h"
#include "upgrade.h"

#include <stdlib.h>

#define GTIDS_MAX 60000 /* letters */
#define LOOKS_MAX 400
#define SHORT_LOOKS 60 /* of these; a copy of much takes hours */
#define SHORT_SECONDS 3
#define LONG_SECONDS 60
#define DROPS_MAX 90 /* of one statement list */
#define SYSTEM "'mysql', 'information_schema', 'performance_schema', 'sys'"

static const char *target(const struct charm_world *w, struct charm_ask *a) {
        return charm_text(charm_paper(a), "unit-%s", charm_state(w, "unit"));
}

static int64_t unit_of(const struct charm_world *w) {
        return strtoll(charm_state(w, "unit"), NULL, 10);
}

static bool begin(const struct charm_world *w, struct charm_ask *a) {
        int64_t unit = replica_asked(w, a);

        if (unit >= 0)
                charm_set(a, "unit", charm_text(charm_paper(a), "%lld", (long long)unit));
        return unit >= 0;
}

/* ---- rejoin-replica */

static void look_at_own(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *set = charm_answer(w, "/rows/0/0");

        if (charm_outcome(w)) {
                if (!set || strlen(set) > GTIDS_MAX)
                        return charm_give_up(a, "the set of transactions is longer than %d letters",
                                             GTIDS_MAX);
                charm_set(a, "set", set);
                return charm_next(a);
        }
        if (!begin(w, a))
                return;
        if (!replica_is_aside(v, charm_paper(a), replica_number(v, charm_unit(w))))
                return charm_give_up(a, "%s is not set aside: it replicates, or the loop makes it",
                                     charm_unit(w));
        charm_ask_sql(a, replica_target(charm_paper(a), replica_number(v, charm_unit(w))),
                      CHARM_TEXTS("SELECT REPLACE(@@GLOBAL.gtid_executed, '\\n', '')"), NULL);
}

static void see_lacks(const struct charm_world *w, struct charm_ask *a) {
        const char *more = charm_answer(w, "/rows/0/0");

        if (!charm_outcome(w))
                return charm_ask_sql(
                        a, "server",
                        CHARM_TEXTS("SELECT GTID_SUBTRACT(:'set', @@GLOBAL.gtid_executed)"),
                        CHARM_VALUES({ "set", charm_state(w, "set") }));
        if (!more || *more)
                return charm_give_up(
                        a,
                        "%s has transactions that the primary lacks: %.500s. It stays "
                        "aside, read-only, to be looked at; replace-replica drops them",
                        charm_unit(w), more ? more : "?");
        charm_next(a);
}

static void join(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *aside = charm_option(v, OPTION_UNITS_ASIDE);

        if (!charm_outcome(w))
                return charm_ask_config(a, OPTION_UNITS_ASIDE,
                                        replica_without(charm_paper(a), aside, unit_of(w)));
        charm_next(a);
}

static bool is_yes(const struct charm_world *w, struct charm_ask *a, const char *column) {
        const char *value = replica_column(w, a, 1, column);

        return value && !strcmp(value, "Yes");
}

/* Not the server that is about to be started in another folder. */
static bool is_where(const struct charm_world *w) {
        const char *folder = charm_state(w, "folder"), *is = charm_answer(w, "/results/0/rows/0/0");

        return !folder || (is && strstr(is, folder));
}

/* The loop does it: a look, a wait, a look. */
static void see_joined(const struct charm_world *w, struct charm_ask *a) {
        const char *tries = charm_state(w, "tries");
        int64_t n = tries ? strtoll(tries, NULL, 10) : 0;

        if (!charm_state(w, "looked")) {
                charm_set(a, "looked", "1");
                return charm_ask_sql(a, target(w, a),
                                     CHARM_TEXTS("SELECT @@GLOBAL.datadir", "SHOW REPLICA STATUS"),
                                     NULL);
        }
        if (n >= LOOKS_MAX)
                return charm_give_up(a, "%s does not replicate yet: see what its status says",
                                     charm_unit(w));
        if (!is_yes(w, a, "Replica_IO_Running") || !is_yes(w, a, "Replica_SQL_Running") ||
            !is_where(w)) {
                charm_set(a, "looked", NULL);
                charm_set(a, "tries", charm_text(charm_paper(a), "%lld", (long long)n + 1));
                return charm_ask_wait(a, n < SHORT_LOOKS ? SHORT_SECONDS : LONG_SECONDS);
        }
        charm_result(a, "replicates", charm_unit(w));
        charm_done(a);
}

const struct charm_step replica_rejoin_steps[] = { { "own", look_at_own, 120, 0 },
                                                   { "lacks", see_lacks, 120, 0 },
                                                   { "join", join, 60, 0 },
                                                   { "joined", see_joined, 60, CHARM_ALL },
                                                   {} };

/* ---- replace-replica */

/* Tables that a copy would have empty: CLONE takes those of InnoDB only. */
static void look_at_source(const struct charm_world *w, struct charm_ask *a) {
        const char *name = charm_answer(w, "/rows/0/0");

        if (!charm_outcome(w)) {
                if (begin(w, a))
                        charm_ask_sql(a, "server",
                                      CHARM_TEXTS("SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) "
                                                  "FROM information_schema.TABLES WHERE TABLE_TYPE "
                                                  "= 'BASE TABLE' AND ENGINE <> 'InnoDB' AND "
                                                  "TABLE_SCHEMA NOT IN (" SYSTEM ") LIMIT 1"),
                                      NULL);
                return;
        }
        if (name)
                return charm_give_up(a,
                                     "the primary's table %.128s is not InnoDB, and would be empty "
                                     "in a copy: nothing was touched",
                                     name);
        charm_next(a);
}

static void set_aside(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);

        if (!charm_outcome(w))
                return charm_ask_config(a, OPTION_UNITS_ASIDE,
                                        replica_with(charm_paper(a),
                                                     charm_option(v, OPTION_UNITS_ASIDE),
                                                     unit_of(w)));
        charm_next(a);
}

/* The loop leaves it alone then. Something else of the application may be in the way, or what is
 * wrong with this unit: it is emptied all the same. */
static void settle(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        charm_next(a);
}

static void find(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *out = "", *name, *runs = upgrade_unit_image(v, p, unit_of(w));
        const char *wanted = upgrade_unit_image(v, p, replica_primary(v));

        if (strcmp(runs, wanted) != 0) {
                charm_log(a, "%s runs %s, and the primary %s", charm_unit(w), runs, wanted);
                return charm_goto(a, "folder");
        }
        if (charm_outcome(w) && strcmp(charm_outcome(w), "done") != 0) {
                charm_log(a, "%s does not answer: %s", charm_unit(w), charm_error(w));
                return charm_goto(a, "folder");
        }
        if (!charm_outcome(w))
                return charm_ask_sql(a, target(w, a),
                                     CHARM_TEXTS("SELECT SCHEMA_NAME FROM information_schema."
                                                 "SCHEMATA WHERE SCHEMA_NAME NOT IN (" SYSTEM
                                                 ") ORDER BY 1 LIMIT 90"),
                                     NULL);
        for (size_t i = 0; (name = charm_answer(w, charm_text(p, "/rows/%zu/0", i))); i++)
                out = charm_text(p, "%s%s\n", out, name);
        charm_set(a, "databases", out);
        charm_next(a);
}

static void ask_empty(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char **statements = charm_memory(p, (DROPS_MAX + 10) * sizeof(*statements));
        struct charm_value *values = charm_memory(p, (DROPS_MAX + 2) * sizeof(*values));
        const char *name;
        size_t n = 0, count = 0;

        statements[n++] = "SET SESSION sql_log_bin = 0";
        statements[n++] = "STOP REPLICA";
        statements[n++] = "SET GLOBAL super_read_only = OFF";
        for (; count < DROPS_MAX && (name = backup_line(a, charm_state(w, "databases"), count));
             count++) {
                const char *key = charm_text(p, "d%zu", count);

                values[count] = (struct charm_value){ key, name };
                statements[n++] = charm_text(p, "DROP DATABASE IF EXISTS :\"%s\"", key);
        }
        statements[n++] = "DROP USER IF EXISTS 'mooring-replication'@'%'";
        statements[n++] = "RESET REPLICA ALL";
        statements[n++] = "SET GLOBAL super_read_only = ON";
        charm_ask_sql(a, target(w, a), statements, values);
}

static void empty(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return ask_empty(w, a);
        if (backup_line(a, charm_state(w, "databases"), DROPS_MAX - 1))
                return charm_goto(a, "find"); /* there may be more */
        charm_log(a, "%s has nothing more, and is made a copy of the primary", charm_unit(w));
        charm_next(a);
}

static void begin_in_folder(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *aside = charm_option(v, OPTION_UNITS_ASIDE), *folder = upgrade_new_folder(w, a);

        if (charm_outcome(w)) {
                charm_log(a, "%s begins in /var/lib/mysql/%s, and is made a copy of the primary",
                          charm_unit(w), folder);
                return charm_goto(a, "joined");
        }
        charm_set(a, "folder", folder);
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_UNITS_ASIDE, replica_without(p, aside, unit_of(w)) },
                                { OPTION_UNITS_AHEAD, upgrade_ahead_without(v, p, unit_of(w)) },
                                { OPTION_UNIT_FOLDERS,
                                  upgrade_folders_with(v, p, unit_of(w), folder) }));
}

const struct charm_step replica_replace_steps[] = { { "source", look_at_source, 120, 0 },
                                                    { "aside", set_aside, 60, 0 },
                                                    { "settled", settle, 60, CHARM_ALL },
                                                    { "find", find, 30, CHARM_ALL },
                                                    { "empty", empty, 3600, 0 },
                                                    { "join", join, 60, 0 },
                                                    { "joined", see_joined, 60, CHARM_ALL },
                                                    { "folder", begin_in_folder, 60, 0 },
                                                    {} };
