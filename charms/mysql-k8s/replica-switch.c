/* SPDX-License-Identifier: Apache-2.0 */
/* replica-switch.c - the actions promote-to-primary and fail-over
 *
 *   promote-to-primary  look ──▶ fence ──▶ stopped ──▶ reach ──▶ switch ──▶ check ──▶ moved
 *                                             │          │                              └▶ leave
 *                                             └──────────┴─ ends otherwise: unfence
 *   fail-over           dead ──▶ received ──▶ apply ──▶ compare ──▶ switch ──▶ check
 *
 * Steps change options and look at servers; what a server then is the loop makes it
 * (replica.h). So there is one place that makes a server writable, and it does it to the unit that
 * primary-unit names. promote-to-primary has seen the one before read-only, and the next one with
 * all that it wrote, before it changes that option. fail-over could not see the one before: that is
 * set aside. It comes back read-only, whatever it was, for each server has that written down in its
 * own volume. */
#include "replica.h"

#include "charm.gen.h"
#include "upgrade.h"

#include <stdlib.h>

#define REACH_SECONDS 20 /* of one look; the server waits so long */
#define REACH_MAX 60     /* looks */
#define DEAD_SECONDS 10  /* for which it does not answer; that it is dead persons have said */
#define LOOKS_MAX 90     /* for what the loop does meanwhile */
#define LOOK_SECONDS 2
#define GTIDS_MAX 60000 /* a set of them, in letters: the state of an operation is 64 KiB */
#define KILLS_MAX 50    /* of one statement list */
#define KILLS_ROUNDS 20

static const char *number(struct charm_ask *a, int64_t n) {
        return charm_text(charm_paper(a), "%lld", (long long)n);
}

static int64_t state_number(const struct charm_world *w, const char *key) {
        const char *text = charm_state(w, key);

        return text ? strtoll(text, NULL, 10) : 0;
}

static const char *unit_name(const struct charm_world *w, struct charm_ask *a, int64_t unit) {
        return replica_name(charm_world_view(w), charm_paper(a), unit);
}

/* Notes the two units; -1: the action gave up. */
static int64_t begin(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        int64_t unit = replica_asked(w, a);

        if (unit < 0)
                return -1;
        if (replica_is_aside(v, charm_paper(a), unit)) {
                charm_give_up(a, "%s is set aside: run rejoin-replica on it first", charm_unit(w));
                return -1;
        }
        charm_set(a, "to", number(a, unit));
        charm_set(a, "from", number(a, replica_primary(v)));
        return unit;
}

static const char *target_to(const struct charm_world *w, struct charm_ask *a) {
        return replica_target(charm_paper(a), state_number(w, "to"));
}

static const char *target_from(const struct charm_world *w, struct charm_ask *a) {
        return replica_target(charm_paper(a), state_number(w, "from"));
}

/* ---- promote-to-primary */

static void look(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *io, *sql, *image;
        int64_t unit;

        if (!charm_outcome(w)) {
                unit = begin(w, a);
                if (unit >= 0)
                        charm_ask_sql(a, replica_target(charm_paper(a), unit),
                                      CHARM_TEXTS("SELECT 1", "SHOW REPLICA STATUS"), NULL);
                return;
        }
        image = upgrade_unit_image(v, charm_paper(a), state_number(w, "to"));
        if (strcmp(image, upgrade_image(v)) != 0)
                return charm_give_up(a,
                                     "%s runs %s, and the others would copy from a later version: "
                                     "nothing was changed; upgrade to that first",
                                     charm_unit(w), image);
        io = replica_column(w, a, 1, "Replica_IO_Running");
        sql = replica_column(w, a, 1, "Replica_SQL_Running");
        if (!io || strcmp(io, "Yes") != 0 || !sql || strcmp(sql, "Yes") != 0)
                return charm_give_up(a,
                                     "%s does not replicate from the primary (receives: %s, "
                                     "applies: %s): nothing was changed. Where the primary is "
                                     "dead, run fail-over",
                                     charm_unit(w), io ? io : "no", sql ? sql : "no");
        charm_next(a);
}

static void fence(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w)) {
                charm_set(a, "fencing", "1");
                return charm_ask_config(a, OPTION_NEXT_PRIMARY, charm_state(w, "to"));
        }
        charm_next(a);
}

/* Looks, until the loop has done it, and waits between; false: that was the last time. The call
 * after a look finds "looked" in the state, the one after a wait does not. */
static bool look_again(const struct charm_world *w, struct charm_ask *a) {
        int64_t tries = state_number(w, "tries");

        if (tries >= LOOKS_MAX)
                return false;
        charm_set(a, "tries", number(a, tries + 1));
        charm_set(a, "looked", NULL);
        charm_ask_wait(a, LOOK_SECONDS);
        return true;
}

static void ask_look(struct charm_ask *a, const char *target, const char *statement) {
        charm_set(a, "looked", "1");
        charm_ask_sql(a, target, CHARM_TEXTS(statement), NULL);
}

static void looked_enough(struct charm_ask *a) {
        charm_set(a, "looked", NULL);
        charm_set(a, "tries", NULL);
}

static void see_stopped(const struct charm_world *w, struct charm_ask *a) {
        const char *fenced = charm_answer(w, "/rows/0/0"), *set = charm_answer(w, "/rows/0/1");

        if (!charm_state(w, "looked"))
                return ask_look(a, target_from(w, a),
                                "SELECT @@GLOBAL.super_read_only, REPLACE(@@GLOBAL.gtid_executed, "
                                "'\\n', '')");
        if (!fenced || strcmp(fenced, "1") != 0 || !set) {
                if (!look_again(w, a))
                        charm_give_up(a, "%s still takes writes: it stays the primary",
                                      unit_name(w, a, state_number(w, "from")));
                return;
        }
        looked_enough(a);
        if (strlen(set) > GTIDS_MAX)
                return charm_give_up(a, "the set of transactions is longer than %d letters",
                                     GTIDS_MAX);
        charm_set(a, "set", set);
        charm_log(a, "%s takes no more writes", unit_name(w, a, state_number(w, "from")));
        charm_next(a);
}

static void reach(const struct charm_world *w, struct charm_ask *a) {
        const char *late = charm_answer(w, "/rows/0/0");
        int64_t looks = state_number(w, "looks");

        if (charm_outcome(w) && late && !strcmp(late, "0")) {
                charm_log(a, "%s has all that was written", unit_name(w, a, state_number(w, "to")));
                return charm_next(a);
        }
        if (looks >= REACH_MAX)
                return charm_give_up(a,
                                     "%s did not get all that was written within %d s: the primary "
                                     "takes writes again",
                                     unit_name(w, a, state_number(w, "to")),
                                     REACH_MAX * REACH_SECONDS);
        charm_set(a, "looks", number(a, looks + 1));
        charm_ask_sql(a, target_to(w, a),
                      CHARM_TEXTS(charm_text(charm_paper(a),
                                             "SELECT WAIT_FOR_EXECUTED_GTID_SET(:'set', %d)",
                                             REACH_SECONDS)),
                      CHARM_VALUES({ "set", charm_state(w, "set") }));
}

static void move(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_options(a,
                                         CHARM_VALUES({ OPTION_PRIMARY_UNIT, charm_state(w, "to") },
                                                      { OPTION_NEXT_PRIMARY, NULL }));
        charm_set(a, "fencing", NULL);
        charm_log(a, "%s is the primary", unit_name(w, a, state_number(w, "to")));
        charm_next(a);
}

/* "server" is the primary's target. */
static void check(const struct charm_world *w, struct charm_ask *a) {
        const char *fenced = charm_answer(w, "/rows/0/0"), *id = charm_answer(w, "/rows/0/1");

        if (!charm_state(w, "looked"))
                return ask_look(a, "server", "SELECT @@GLOBAL.super_read_only, @@GLOBAL.server_id");
        if (!fenced || !id || strcmp(fenced, "0") != 0 ||
            strtoll(id, NULL, 10) != state_number(w, "to") + 1) {
                if (!look_again(w, a))
                        charm_give_up(a,
                                      "%s is the primary, and does not take writes yet: see what "
                                      "its status says",
                                      unit_name(w, a, state_number(w, "to")));
                return;
        }
        looked_enough(a);
        charm_result(a, "success", "true");
        charm_result(a, "primary", unit_name(w, a, state_number(w, "to")));
        charm_next(a);
}

/* The Service leads there. Something else of the application may be in the way: that is no failure
 * of this. */
static void see_moved(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        if (strcmp(charm_outcome(w), "done") != 0)
                charm_log(a, "not all of the application is settled: %s", charm_error(w));
        charm_next(a);
}

/* Clients that stay connected to what is a replica now would be refused each write. */
#define SESSIONS                                                                                   \
        "SELECT ID FROM information_schema.PROCESSLIST WHERE USER NOT IN ('root', 'system user', " \
        "'event_scheduler', 'mooring-replication', 'mysql.session') LIMIT 50"

static void ask_kill(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char **statements = charm_memory(p, (KILLS_MAX + 2) * sizeof(*statements)), *id;
        size_t n = 0;

        for (; n < KILLS_MAX && (id = charm_answer(w, charm_text(p, "/rows/%zu/0", n))); n++)
                statements[n] = charm_text(p, "KILL %lld", strtoll(id, NULL, 10));
        charm_set(a, "killing", n ? "1" : NULL);
        if (n)
                return charm_ask_sql(a, target_from(w, a), statements, NULL);
        charm_next(a);
}

/* One that went by itself meanwhile is no failure, and neither is a server that goes now. */
static void leave(const struct charm_world *w, struct charm_ask *a) {
        int64_t rounds = state_number(w, "rounds");
        const char *outcome = charm_outcome(w);

        if (outcome && !charm_state(w, "killing"))
                return strcmp(outcome, "done") ? charm_next(a) : ask_kill(w, a);
        if (rounds >= KILLS_ROUNDS)
                return charm_next(a);
        charm_set(a, "rounds", number(a, rounds + 1));
        charm_set(a, "killing", NULL);
        charm_ask_sql(a, target_from(w, a), CHARM_TEXTS(SESSIONS), NULL);
}

static void end(const struct charm_world *w, struct charm_ask *a) {
        (void)w;
        charm_done(a);
}

static void unfence(const struct charm_world *w, struct charm_ask *a) {
        if (charm_outcome(w) || !charm_state(w, "fencing"))
                return charm_next(a);
        charm_ask_config(a, OPTION_NEXT_PRIMARY, NULL);
}

const struct charm_step replica_promote_steps[] = { { "look", look, 60, 0 },
                                                    { "fence", fence, 60, 0 },
                                                    { "stopped", see_stopped, 120, 0 },
                                                    { "reach", reach, 120, 0 },
                                                    { "switch", move, 60, 0 },
                                                    { "check", check, 60, CHARM_ALL },
                                                    { "moved", see_moved, 60, CHARM_ALL },
                                                    { "leave", leave, 60, CHARM_ALL },
                                                    { "end", end, 0, 0 },
                                                    { "unfence", unfence, 300, CHARM_CLEANUP },
                                                    {} };

/* ---- fail-over */

/* One that only we do not reach goes on taking writes, which the others then lack. */
static bool may_live(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        int64_t from = state_number(w, "from");

        if (charm_param_bool(w, "force") ||
            !charm_ready(v, replica_label(charm_paper(a), "statefulset", from)))
                return false;
        charm_give_up(a,
                      "%s does not answer us (%s), and its pod is ready: it may be taking writes, "
                      "and nothing was changed. End it first: kubectl -n %s delete pod %s; where "
                      "it is known to be dead: force=true",
                      unit_name(w, a, from), charm_error(w), charm_model(v),
                      replica_pod(v, charm_paper(a), from));
        return true;
}

static void see_dead(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome) {
                if (begin(w, a) >= 0)
                        charm_ask_sql(a, "server", CHARM_TEXTS("SELECT 1"), NULL);
                return;
        }
        if (!strcmp(outcome, "done"))
                return charm_give_up(a, "%s answers: run promote-to-primary, which loses nothing",
                                     unit_name(w, a, state_number(w, "from")));
        if (!strcmp(outcome, "denied"))
                return charm_give_up(a, "%s is not dead, it does not let us in: %s",
                                     unit_name(w, a, state_number(w, "from")), charm_error(w));
        if (may_live(w, a))
                return;
        charm_log(a, "%s does not answer: %s", unit_name(w, a, state_number(w, "from")),
                  charm_error(w));
        charm_next(a);
}

/* What it received it is to apply first. */
static void see_received(const struct charm_world *w, struct charm_ask *a) {
        const char *set = replica_column(w, a, 1, "Retrieved_Gtid_Set"),
                   *host = replica_column(w, a, 1, "Source_Host");
        char *line;

        if (!charm_outcome(w))
                return charm_ask_sql(a, target_to(w, a),
                                     CHARM_TEXTS("SELECT 1", "SHOW REPLICA STATUS"), NULL);
        if (!host)
                return charm_give_up(a,
                                     "%s never replicated: it has nothing of the primary's, and "
                                     "nothing was changed",
                                     unit_name(w, a, state_number(w, "to")));
        if (set && strlen(set) > GTIDS_MAX)
                return charm_give_up(a, "the set of transactions is longer than %d letters",
                                     GTIDS_MAX);
        line = charm_memory(charm_paper(a), strlen(set ? set : "") + 1);
        for (char *end = line; set && *set; set++)
                if (*set != '\n')
                        *end++ = *set;
        charm_set(a, "set", line);
        charm_next(a);
}

static void apply_received(const struct charm_world *w, struct charm_ask *a) {
        const char *late = charm_answer(w, "/rows/0/0"), *executed = charm_answer(w, "/rows/0/1");
        int64_t looks = state_number(w, "looks");

        if (charm_outcome(w) && late && !strcmp(late, "0") && executed) {
                charm_set(a, "set", executed);
                charm_set(a, "other", "0");
                return charm_next(a);
        }
        if (looks >= REACH_MAX)
                return charm_give_up(a,
                                     "%s does not apply what it received: nothing was changed; try "
                                     "another replica",
                                     unit_name(w, a, state_number(w, "to")));
        charm_set(a, "looks", number(a, looks + 1));
        charm_ask_sql(a, target_to(w, a),
                      CHARM_TEXTS(charm_text(charm_paper(a),
                                             "SELECT WAIT_FOR_EXECUTED_GTID_SET(:'set', %d), "
                                             "REPLACE(@@GLOBAL.gtid_executed, '\\n', '')",
                                             REACH_SECONDS)),
                      CHARM_VALUES({ "set", charm_state(w, "set") }));
}

/* The next unit from UNIT on that is neither of the two, nor set aside; -1: no more. */
static int64_t next_other(const struct charm_world *w, struct charm_ask *a, int64_t unit) {
        const struct charm_view *v = charm_world_view(w);

        for (; unit < replica_units(v); unit++)
                if (unit != state_number(w, "to") && unit != state_number(w, "from") &&
                    !replica_is_aside(v, charm_paper(a), unit))
                        return unit;
        return -1;
}

/* False: the action gave up. */
static bool judge_other(const struct charm_world *w, struct charm_ask *a, int64_t other) {
        const char *more = charm_answer(w, "/rows/0/0"), *name = unit_name(w, a, other);
        const char *outcome = charm_outcome(w);

        if (!strcmp(outcome, "unreachable") || !strcmp(outcome, "not yet") ||
            !strcmp(outcome, "gone")) {
                charm_log(a, "%s does not answer, and is not compared", name);
                return true;
        }
        if (strcmp(outcome, "done") != 0 || !more)
                charm_give_up(a, "%s cannot be compared: %s: nothing was changed", name,
                              charm_error(w));
        else if (*more)
                charm_give_up(a,
                              "%s has transactions that %s lacks (%.200s): nothing was changed; "
                              "run fail-over on %s",
                              name, charm_unit(w), more, name);
        return !strcmp(outcome, "done") && more && !*more;
}

/* Another replica that has more is the one to take. */
static void compare(const struct charm_world *w, struct charm_ask *a) {
        int64_t other = next_other(w, a, state_number(w, "other"));

        if (charm_outcome(w)) {
                if (!judge_other(w, a, other))
                        return;
                other = next_other(w, a, other + 1);
        }
        if (other < 0)
                return charm_next(a);
        charm_set(a, "other", number(a, other));
        charm_ask_sql(a, replica_target(charm_paper(a), other),
                      CHARM_TEXTS("SELECT GTID_SUBTRACT((SELECT CONCAT(@@GLOBAL.gtid_executed, "
                                  "',', COALESCE(GROUP_CONCAT(RECEIVED_TRANSACTION_SET), '')) FROM "
                                  "performance_schema.replication_connection_status), :'set')"),
                      CHARM_VALUES({ "set", charm_state(w, "set") }));
}

/* It takes writes, also where an upgrade broke off. One that was moved before the primary takes the
 * others along: none copies from a later version. */
static void ask_take_over(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *image = upgrade_unit_image(v, p, state_number(w, "to"));
        const char *aside =
                replica_with(p, charm_option(v, OPTION_UNITS_ASIDE), state_number(w, "from"));

        if (!strcmp(image, upgrade_image(v)))
                return charm_ask_options(
                        a, CHARM_VALUES({ OPTION_PRIMARY_UNIT, charm_state(w, "to") },
                                        { OPTION_NEXT_PRIMARY, NULL }, { OPTION_MAINTENANCE, NULL },
                                        { OPTION_UNITS_ASIDE, aside }));
        charm_log(a, "an upgrade has left %s on %s: all are started on that", charm_unit(w), image);
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_PRIMARY_UNIT, charm_state(w, "to") },
                                { OPTION_NEXT_PRIMARY, NULL }, { OPTION_MAINTENANCE, NULL },
                                { OPTION_UNITS_ASIDE, aside }, { OPTION_SERVER_IMAGE, image },
                                { OPTION_UNITS_AHEAD, NULL }));
}

static void take_over(const struct charm_world *w, struct charm_ask *a) {
        int64_t from = state_number(w, "from");

        if (!charm_outcome(w))
                return ask_take_over(w, a);
        charm_result(a, "set-aside", unit_name(w, a, from));
        charm_result(a, "has", charm_state(w, "set"));
        charm_result(a, "may-be-lost",
                     charm_text(charm_paper(a),
                                "what %s committed and had not sent; rejoin-replica on it says "
                                "what that is",
                                unit_name(w, a, from)));
        charm_next(a);
}

const struct charm_step replica_fail_over_steps[] = { { "dead", see_dead, DEAD_SECONDS, CHARM_ALL },
                                                      { "received", see_received, 60, 0 },
                                                      { "apply", apply_received, 120, 0 },
                                                      { "compare", compare, 20, CHARM_ALL },
                                                      { "switch", take_over, 60, 0 },
                                                      { "check", check, 60, CHARM_ALL },
                                                      { "end", end, 0, 0 },
                                                      {} };
