/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.c - the actions upgrade, check-rollback and rollback
 *
 *   begin ──▶ client ──▶ reach ──▶ ahead ──▶ stop ──▶ idle ──▶ survey ──▶ dump ──▶ copy ──▶ note
 *     ──▶ migrate ──▶ schema ──▶ switch ──▶ gate ──▶ done
 *                                            └─▶ halt ──▶ quiet ──▶ written
 *
 * Most artifacts are copied while the server runs; then it is stopped, so that the pair has all
 * that was ever written, and the new image migrates the schema in a Job. The new server is up when
 * it is ready. One that does not come up is stopped again; if it has written nothing, and whatever
 * else ends the action before, the dump is read back and the old server starts: nothing is lost.
 * From then on only rollback goes back, which loses what was written since and says how much. */
#include "upgrade.h"

#include "charm.gen.h"

#include <stdlib.h>

#define GATE_SECONDS 1800 /* an image of 2 GB on a slow registry, and MLflow's start */
#define QUIET_LOOKS 60    /* two seconds and more each, and an ended pod has 30 */

/* ---- the migration */

static void ask_job(const struct charm_world *w, struct charm_ask *a, bool suspend) {
        struct charm_plan *p = charm_paper(a);
        const struct charm_view *v = charm_world_view(w);
        const struct backends b = { .ca = mlflow_ca(v) };
        const struct charm_hole holes[] = {
                { "name", CHARM_TEXT, charm_text(p, "migrate-%s", charm_state(w, "id-of-job")), 0 },
                { "image", CHARM_TEXT, charm_param(w, "image"), 0 },
                { "arch", CHARM_TEXT, mlflow_arch(v), 0 },
                { "secret", CHARM_TEXT, mlflow_own_name(v, p, "database"), 0 },
                { "suspend", CHARM_BOOL, NULL, suspend },
                mlflow_ca_volume(v, p, &b),
                mlflow_ca_mount(&b),
                {}
        };

        if (suspend)
                charm_ask_apply(a, "migrate.yaml", holes);
        else
                charm_ask_job(a, "migrate.yaml", holes);
}

/* The end of what the Job said. */
static const char *last_words(const struct charm_world *w, struct charm_ask *a) {
        const char *log = charm_answer(w, "/log"), *message = charm_answer(w, "/message");
        size_t length = log ? strlen(log) : 0;

        if (!length)
                return message ? message : "";
        return charm_text(charm_paper(a), "%s: %s", message ? message : "",
                          log + (length > 600 ? length - 600 : 0));
}

static void begin(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);

        if (pair_refuses_part(w, a) ||
            !upgraded_may_begin(w, a, mlflow_image(v), charm_ready(v, "deployment"), "stopped"))
                return;
        if (!charm_outcome(w))
                charm_set(a, "id-of-job", charm_key(w));
        backup_find_free(w, a);
}

static void migrate(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome) {
                charm_set(a, "migrating", "1");
                return ask_job(w, a, false);
        }
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the migration: %s: %s", outcome, charm_error(w));
        if (strcmp(charm_answer(w, "/succeeded"), "true") != 0)
                return charm_give_up(a, "the migration failed: %s", last_words(w, a));
        charm_next(a);
}

static void schema(const struct charm_world *w, struct charm_ask *a) {
        struct client_survey s;

        if (!client_survey(w, a, 0, &s))
                return;
        if (strcmp(s.runs, charm_state(w, "runs")) != 0)
                return charm_give_up(a, "after the migration there are %s runs, and were %s",
                                     s.runs, charm_state(w, "runs"));
        charm_log(a, "the schema is %s, and was %s", s.schema, charm_state(w, "schema"));
        charm_result(a, "schema-before", charm_state(w, "schema"));
        charm_result(a, "schema", s.schema);
        charm_next(a);
}

/* ---- the new server */

static void switch_over(const struct charm_world *w, struct charm_ask *a) {
        const char *old;

        if (charm_outcome(w)) {
                charm_set(a, "switched", "1");
                return charm_next(a);
        }
        old = upgraded_note_old(w, a);
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_SERVER_IMAGE, charm_param(w, "image") },
                                { OPTION_UPGRADED_FROM,
                                  charm_text(charm_paper(a), "%s %s", charm_state(w, "id"), old) },
                                { OPTION_MAINTENANCE, NULL }));
}

static void gate(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return charm_ask_settled(a);
        if (strcmp(outcome, "done") != 0) {
                charm_set(a, "why", charm_text(charm_paper(a), "%s: %s", outcome, charm_error(w)));
                return charm_goto(a, "halt");
        }
        if (!charm_state(w, "settled")) {
                charm_set(a, "settled", "1");
                return charm_ask_ready(a, "deployment");
        }
        charm_next(a);
}

static void tell_done(const struct charm_world *w, struct charm_ask *a) {
        charm_set(a, "over", "1");
        charm_result(a, "image", charm_param(w, "image"));
        charm_result(a, "rollback-to", charm_state(w, "id"));
        charm_done(a);
}

/* ---- the new server did not come up */

/* Has it written anything? The pods of a version may answer and still not be ready. */
static void written(const struct charm_world *w, struct charm_ask *a) {
        struct client_survey s;

        if (!client_survey(w, a, 0, &s))
                return;
        if (!strcmp(s.runs, charm_state(w, "runs")) &&
            !strcmp(s.newest, charm_state(w, "newest"))) {
                charm_set(a, "unswitch", "1");
                return charm_give_up(a,
                                     "the new server did not come up: %s. It wrote no run; the "
                                     "schema of before is read back, and the old server starts",
                                     charm_state(w, "why"));
        }
        charm_give_up(
                a,
                "the new server did not come up: %s. It wrote runs all the same (%s, and were "
                "%s), so it goes on: mend it, or rollback, which loses them",
                charm_state(w, "why"), s.runs, charm_state(w, "runs"));
}

/* ---- cleaning up: what ends before the new server has its place goes back */

/* What ends it between the ask and its answer finds that in the option. Later a person may set
 * another image: what the new server wrote is not lost for that. */
static bool is_switched(const struct charm_world *w) {
        return (charm_state(w, "switched") || upgraded_is_switched(w)) &&
               !charm_state(w, "unswitch");
}

/* The schema may be half migrated: from when the migration is asked for until what notes that the
 * one of before is read back. A step that fails by itself notes nothing. */
static bool is_half(const struct charm_world *w) {
        return !charm_state(w, "read") &&
               (charm_state(w, "back") || (charm_state(w, "migrating") && !is_switched(w)));
}

/* The Job's pod ends before anything is read back; while it may write, nothing is. */
static void hold(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!charm_state(w, "migrating") || is_switched(w))
                return charm_next(a);
        if (!outcome) {
                charm_set(a, "back", "1");
                return ask_job(w, a, true);
        }
        if (strcmp(outcome, "done") != 0) {
                charm_set(a, "writes", "1");
                charm_log(a, "the migration could not be ended, and nothing is read back: %s: %s",
                          outcome, charm_error(w));
        }
        charm_next(a);
}

static bool reads_back(const struct charm_world *w) {
        return charm_state(w, "back") && !charm_state(w, "writes");
}

static void await_quiet(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *text = charm_state(w, "looks");
        long looks = text ? strtol(text, NULL, 10) : 0;
        struct client_survey s;

        if (!reads_back(w))
                return charm_next(a);
        if (outcome && strcmp(outcome, "done") != 0)
                return charm_next(a); /* who reads back has a lock, and says what fails */
        if (!client_survey(w, a, 0, &s))
                return;
        if (!strcmp(s.sessions, "0"))
                return charm_next(a);
        if (looks == QUIET_LOOKS) {
                charm_set(a, "writes", "1");
                charm_log(a,
                          "%s sessions of others did not end in %ld looks, and may write: nothing "
                          "is read back",
                          s.sessions, looks);
                return charm_next(a);
        }
        charm_set(a, "looks", charm_text(charm_paper(a), "%ld", looks + 1));
        client_pause(a);
}

static void read_back(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!reads_back(w))
                return charm_next(a);
        if (client_begins(w, a))
                return pair_ask_load(w, a);
        if (strcmp(outcome, "done") != 0 && client_lost(w, a, charm_error(w)))
                return client_pause(a);
        if (!strcmp(outcome, "done")) {
                charm_set(a, "read", "1");
                charm_log(a, "the schema of before is read back");
        } else {
                charm_log(a, "%s could not be read back: %s: %.300s", charm_state(w, "id"), outcome,
                          charm_error(w));
        }
        charm_next(a);
}

/* Half a database is left stopped, with the image that can serve it once it is whole. */
static void restart(const struct charm_world *w, struct charm_ask *a) {
        bool half = is_half(w), image = charm_state(w, "unswitch");
        const char *old = image ? upgraded_option(charm_state(w, "old-image")) : NULL,
                   *part = half ? pair_part(w, a, "restore") : NULL;

        if (!charm_state(w, "stopped") || charm_state(w, "over") || charm_outcome(w))
                return charm_next(a);
        if (half)
                charm_log(a, "the server stays stopped: restore backup-id=%s force=true",
                          charm_state(w, "id"));
        if (!image && half)
                return charm_ask_config(a, OPTION_RESTORED_IN_PART, part);
        if (!image)
                return charm_ask_config(a, OPTION_MAINTENANCE, NULL);
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_SERVER_IMAGE, old },
                                { OPTION_UPGRADED_FROM, upgraded_old_from(w) },
                                { half ? OPTION_RESTORED_IN_PART : OPTION_MAINTENANCE, part }));
}

const struct charm_step upgrade_steps[] = {
        { "begin", begin, 300, CHARM_ALL },
        { "client", client_want, 0, 0 },
        { "reach", client_reach, 3600, 0 },
        { "ahead", pair_copy_ahead, BACKUP_HOURS, 0 },
        { "stop", client_stop, 600, 0 },
        { "idle", client_idle, 600, 0 },
        { "survey", pair_survey, 300, 0 },
        { "dump", pair_dump, BACKUP_HOURS, CHARM_ALL },
        { "copy", pair_copy, BACKUP_HOURS, CHARM_ALL },
        { "note", pair_note, 3600, CHARM_ALL },
        { "migrate", migrate, BACKUP_HOURS, CHARM_ALL },
        { "schema", schema, 300, 0 },
        { "switch", switch_over, 300, 0 },
        { "gate", gate, GATE_SECONDS, CHARM_ALL },
        { "done", tell_done, 0, 0 },
        { "halt", client_stop, 600, 0 },
        { "quiet", client_idle, 600, 0 },
        { "written", written, 300, 0 },
        { "tidy", backup_tidy, 300, CHARM_CLEANUP | CHARM_ALL },
        { "hold", hold, 3600, CHARM_CLEANUP | CHARM_ALL },
        { "await", await_quiet, 600, CHARM_CLEANUP | CHARM_ALL },
        { "back", read_back, BACKUP_HOURS, CHARM_CLEANUP | CHARM_ALL },
        { "restart", restart, 300, CHARM_CLEANUP | CHARM_ALL },
        { "away", client_away, 300, CHARM_CLEANUP | CHARM_ALL },
        {}
};

/* ---- the way back */

static void tell_loss(const struct charm_world *w, struct charm_ask *a) {
        struct client_survey s;

        if (!client_survey(w, a, pair_moment(w, a), &s))
                return;
        charm_result(a, "backup-id", charm_state(w, "id"));
        charm_result(a, "image", backup_noted(w, a, "image"));
        charm_result(a, "would-be-lost", pair_loss(w, a, &s));
        charm_done(a);
}

static void ask_old(const struct charm_world *w, struct charm_ask *a) {
        charm_ask_options(
                a, CHARM_VALUES({ OPTION_SERVER_IMAGE, upgraded_option(charm_state(w, "image")) },
                                { OPTION_UPGRADED_FROM, NULL }, { OPTION_RESTORED_IN_PART, NULL },
                                { OPTION_MAINTENANCE, NULL }));
}

static void start_old(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return ask_old(w, a);
        charm_set(a, "stopped", NULL);
        charm_next(a);
}

/* The newer server would not start on the schema that is there now. */
static void reopen_old(const struct charm_world *w, struct charm_ask *a) {
        if (charm_state(w, "stopped") && charm_state(w, "whole") && !charm_outcome(w))
                return ask_old(w, a);
        pair_reopen(w, a);
}

const struct charm_step upgrade_check_steps[] = {
        { "choose", upgraded_choose, 0, 0 },
        { "find", pair_find, 300, CHARM_ALL },
        { "nearest", backup_offer_nearest, 300, CHARM_ALL },
        { "verify", backup_read_through, BACKUP_HOURS, CHARM_ALL },
        { "look", pair_must_be_whole, BACKUP_HOURS, CHARM_ALL },
        { "client", client_want, 0, 0 },
        { "reach", client_reach, 3600, 0 },
        { "tell", tell_loss, 300, 0 },
        { "away", client_away, 300, CHARM_CLEANUP | CHARM_ALL },
        {}
};

const struct charm_step upgrade_rollback_steps[] = {
        { "choose", upgraded_choose, 0, 0 },
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
        { "start", start_old, 300, 0 },
        { "run", pair_run, GATE_SECONDS, 0 },
        { "reopen", reopen_old, 300, CHARM_CLEANUP | CHARM_ALL },
        { "away", client_away, 300, CHARM_CLEANUP | CHARM_ALL },
        {}
};
