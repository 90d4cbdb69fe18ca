/* SPDX-License-Identifier: Apache-2.0 */
/* pair-restore.c - the action restore
 *
 *   find ──▶ verify ──▶ look ──▶ client ──▶ reach ──▶ use ──▶ stop ──▶ idle ──▶ copy ──▶ load
 *     ──▶ check ──▶ start ──▶ run
 *
 * Until `stop` nothing is touched: dump and artifacts were read once and are whole, and what is in
 * the way is told. Then the server is stopped, so that nobody writes; artifacts that are missing or
 * are others are copied back, which loses nothing; and only then the tables are dropped and read
 * back by one client, which holds a lock, so that one of a killed daemon ends before the next
 * begins. One that breaks off from there on leaves the server stopped, and says so by the option
 * restored-in-part: half a database is written to by nobody, and another restore makes it whole. */
#include "pair.h"

#include "charm.gen.h"

#include <stdlib.h>

#define START_SECONDS 1800
#define ROLLBACK "rollback"

/* ---- restored in part */

struct part {
        const char *action, *operation, *backup;
};

static bool read_part(const struct charm_view *v, struct charm_plan *p, struct part *ret) {
        const char *text = charm_option(v, OPTION_RESTORED_IN_PART);

        if (!charm_option_set(v, OPTION_RESTORED_IN_PART))
                return false;
        ret->action = backup_word(p, &text);
        ret->operation = backup_word(p, &text);
        ret->backup = text;
        return true;
}

static const char *what_to_do(const struct charm_view *v, struct charm_plan *p, const char *action,
                              const char *backup) {
        if (!strcmp(action, ROLLBACK))
                return charm_text(p, "`mooringctl run %s rollback force=true`",
                                  charm_application(v));
        return charm_text(p, "`mooringctl run %s restore backup-id=%s force=true`",
                          charm_application(v), backup);
}

bool pair_say_part(const struct charm_view *v, struct charm_plan *p) {
        struct part part;

        if (!read_part(v, p, &part))
                return false;
        charm_status(p, CHARM_BLOCKED,
                     "restored in part: the database has a part of %s (operation %s has not ended "
                     "well), and the server is stopped. Run %s again: %s",
                     part.backup, part.operation, part.action,
                     what_to_do(v, p, part.action, part.backup));
        return true;
}

bool pair_refuses_part(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct part part;

        if (!read_part(v, charm_paper(a), &part))
                return false;
        charm_give_up(a,
                      "the database has a part of %s, and nothing is made of that: restore it "
                      "first, %s",
                      part.backup, what_to_do(v, charm_paper(a), part.action, part.backup));
        return true;
}

const char *pair_part(const struct charm_world *w, struct charm_ask *a, const char *action) {
        return charm_text(charm_paper(a), "%s %s %s", action, charm_operation(w), backup_wanted(w));
}

/* Rollback has noted the image that it goes back to. */
static const char *action_of(const struct charm_world *w) {
        return charm_state(w, "image") ? ROLLBACK : "restore";
}

/* ---- use: what is in the way */

/* That of before the last upgrade. */
static bool is_way_back(const struct charm_world *w) {
        const char *from = charm_option(charm_world_view(w), OPTION_UPGRADED_FROM),
                   *id = backup_wanted(w);

        return strlen(id) == strcspn(from, " ") && !strncmp(from, id, strlen(id));
}

/* What the database has says nothing, as an empty one or half of one: the images have to. */
static bool is_of_image(const struct charm_world *w, struct charm_ask *a, const char *image,
                        const char *runs) {
        const char *schema = backup_noted(w, a, "schema");

        if (is_way_back(w)) {
                charm_give_up(a,
                              "%s is of %.200s, of before the upgrade to %.200s, which would not "
                              "start on it: rollback force=true goes back to both; nothing was "
                              "touched",
                              backup_wanted(w), image, runs);
                return false;
        }
        if (!charm_param_bool(w, "force")) {
                charm_give_up(a,
                              "%s has the schema %s of %.200s, and %.200s runs, which starts on "
                              "that of its own version only: have that image run first; or, if "
                              "they are of one version, force=true; nothing was touched",
                              backup_wanted(w), schema, image, runs);
                return false;
        }
        charm_log(a, "%s is of %.200s, and %.200s runs: it may not start on its schema",
                  backup_wanted(w), image, runs);
        return true;
}

/* A server starts on the schema of its own version only. */
static bool is_of_version(const struct charm_world *w, struct charm_ask *a,
                          const struct client_survey *s) {
        const char *schema = backup_noted(w, a, "schema"), *image = backup_noted(w, a, "image"),
                   *runs = mlflow_image(charm_world_view(w));

        if (charm_state(w, "image") || !strcmp(image, runs))
                return true;
        if (!strcmp(s->schema, "-"))
                return is_of_image(w, a, image, runs);
        if (!strcmp(s->schema, schema))
                return true;
        charm_give_up(a,
                      "%s has the schema %s of %.200s, and %.200s with %s would not start on it: "
                      "rollback, or upgrade to that image, first; nothing was touched",
                      backup_wanted(w), schema, image, runs, s->schema);
        return false;
}

void pair_look_at_use(const struct charm_world *w, struct charm_ask *a) {
        struct client_survey s;
        const char *loss;

        if (!client_survey(w, a, pair_moment(w, a), &s) || !is_of_version(w, a, &s))
                return;
        loss = pair_loss(w, a, &s);
        if (strcmp(s.tables, "0") != 0 && !charm_param_bool(w, "force"))
                return charm_give_up(a,
                                     "in use: %s; nothing was touched. What was written since %s "
                                     "is lost with force=true; make another backup first",
                                     loss, backup_wanted(w));
        charm_log(a, "in the place of %s", loss);
        charm_next(a);
}

/* ---- load, check */

void pair_load(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (client_begins(w, a)) {
                charm_set(a, "begun", "1");
                charm_set(a, CHARM_LEAVES,
                          charm_text(charm_paper(a),
                                     "the database is dropped and read back in part, and the "
                                     "server is stopped: only another one makes it whole, as %s",
                                     what_to_do(charm_world_view(w), charm_paper(a), action_of(w),
                                                backup_wanted(w))));
                return pair_ask_load(w, a);
        }
        if (strcmp(outcome, "done") != 0 && client_lost(w, a, charm_error(w)))
                return client_pause(a);
        backup_loaded(w, a,
                      "The database is restored in part, and the server is stopped, so that nobody "
                      "writes there: restore again");
}

void pair_check(const struct charm_world *w, struct charm_ask *a) {
        const char *schema = backup_noted(w, a, "schema"), *runs = backup_noted(w, a, "runs");
        struct client_survey s;

        if (!client_survey(w, a, 0, &s))
                return;
        /* Runs may have begun between the count and the dump. */
        if (strcmp(s.schema, schema) != 0 || strtoll(s.runs, NULL, 10) < strtoll(runs, NULL, 10))
                return charm_give_up(a,
                                     "restored, but schema and runs are %s and %s, and were %s and "
                                     "%s; the server is stopped",
                                     s.schema, s.runs, schema, runs);
        charm_set(a, "whole", "1");
        charm_set(a, CHARM_LEAVES, NULL);
        charm_result(a, "schema", s.schema);
        charm_result(a, "runs", s.runs);
        charm_next(a);
}

/* ---- the server again */

static void start(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_options(a, CHARM_VALUES({ OPTION_MAINTENANCE, NULL },
                                                         { OPTION_RESTORED_IN_PART, NULL }));
        charm_set(a, "stopped", NULL);
        charm_next(a);
}

void pair_run(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_settled(a);
        if (!charm_state(w, "running")) {
                charm_set(a, "running", "1");
                return charm_ask_ready(a, "deployment");
        }
        charm_result(a, "completed", "ok");
        charm_result(a, "backup-id", backup_wanted(w));
        charm_result(a, "artifacts-copied",
                     charm_state(w, "copied") ? charm_state(w, "copied") : "0");
        charm_done(a);
}

void pair_reopen(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_state(w, "stopped") || charm_outcome(w))
                return charm_next(a);
        if (charm_state(w, "begun") && !charm_state(w, "whole"))
                return charm_ask_config(a, OPTION_RESTORED_IN_PART, pair_part(w, a, action_of(w)));
        /* Half a database of an earlier one is not served either. */
        if (charm_option_set(charm_world_view(w), OPTION_RESTORED_IN_PART) &&
            !charm_state(w, "whole"))
                return charm_next(a);
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_MAINTENANCE, NULL }, { OPTION_RESTORED_IN_PART, NULL }));
}

const struct charm_step pair_restore_steps[] = {
        { "find", pair_find, 300, CHARM_ALL },
        { "nearest", backup_offer_nearest, 300, CHARM_ALL },
        { "verify", backup_read_through, BACKUP_HOURS, CHARM_ALL },
        { "look", pair_must_be_whole, BACKUP_HOURS, CHARM_ALL },
        { "client", client_want, 0, 0 },
        { "reach", client_reach, 3600, 0 },
        { "use", pair_look_at_use, 300, 0 },
        { "stop", client_stop, 600, 0 },
        { "idle", client_idle, 600, 0 },
        { "copy", pair_copy_back, BACKUP_HOURS, CHARM_ALL },
        { "load", pair_load, BACKUP_HOURS, CHARM_ALL },
        { "check", pair_check, 300, 0 },
        { "start", start, 300, 0 },
        { "run", pair_run, START_SECONDS, 0 },
        { "reopen", pair_reopen, 300, CHARM_CLEANUP | CHARM_ALL },
        { "away", client_away, 300, CHARM_CLEANUP | CHARM_ALL },
        {}
};
