/* SPDX-License-Identifier: Apache-2.0 */
/* refreshes.c - going over to another content of a charm in stages, and back
 *
 * Watching one asks for the application again and again: its stages are minutes apart, and a daemon
 * that is restarted meanwhile is only asked once more. */
#include "confirm.h"
#include "families.h"
#include "parts.h"
#include "refreshes-all.h"
#include "text.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define PAUSE_MS 300
#define AWAY_MS 60000 /* a daemon that is being restarted */

struct options {
        bool dry_run, all, accept_loss, no_prompt;
        char *channel, *path;
        char **resources;
        int64_t revision, wait;
};
#define AT(member) offsetof(struct options, member)
#define DRY_RUN                                                                                    \
        {                                                                                          \
                "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,                    \
                        "say what would be done, do nothing"                                       \
        }
#define WAIT                                                                                       \
        {                                                                                          \
                "wait", 0, OPT_DURATION, AT(wait), "0", 0, 0, "TIME", 0, NULL,                     \
                        "watch it so long, until it is over or pauses"                             \
        }

static const struct opt refresh_options[] = {
        { "all", 0, OPT_BOOL, AT(all), NULL, 0, 0, NULL, 0, NULL,
          "all applications for which another content is on offer, one after the other, what "
          "others need before them; waits with the first that pauses" },
        { "channel", 0, OPT_STRING, AT(channel), NULL, 0, 0, "CHANNEL", 0, NULL,
          "go over to this channel" },
        { "revision", 0, OPT_INT, AT(revision), OPT_NOT_SAID, 0, INT64_MAX, "N", 0, NULL,
          "this revision, also an older one; otherwise the newest that the channel has" },
        { "resource", 0, OPT_LIST, AT(resources), NULL, 0, 0, "NAME=IMAGE", 0, NULL,
          "with this image, also where the charm stays as it is; can be given again" },
        { "path", 0, OPT_PATH, AT(path), NULL, 0, 0, "DIR", 0, NULL,
          "the charm in this folder of the daemon's machine, which nobody but root and the "
          "daemon's "
          "user may write to; instead of what is on offer" },
        WAIT,
        CONFIRM_OPTION(AT(no_prompt)),
        DRY_RUN,
        {},
};
#define ALL                                                                                        \
        { "all", 0, OPT_BOOL, AT(all), NULL, 0, 0, NULL, 0, NULL, "what refresh --all ordered" }
static const struct opt resume_options[] = { ALL, WAIT, DRY_RUN, {} };
static const struct opt rollback_options[] = {
        ALL,
        { "accept-data-loss", 0, OPT_BOOL, AT(accept_loss), NULL, 0, 0, NULL, 0, NULL,
          "also where the charm says that data is lost by it" },
        WAIT,
        CONFIRM_OPTION(AT(no_prompt)),
        DRY_RUN,
        {},
};

/* ---- watching */

struct watching {
        struct cli *c;
        const char *application;
        char *shown; /* that was printed last */
        int64_t until, away_since;
};

static bool is_over(const json_t *refresh) {
        const char *stage = json_get_str(refresh, "stage", "done");

        return str_eq(stage, "done") || str_eq(stage, "rolled-back");
}

static void tell(struct watching *w, const json_t *a) {
        const char *message = json_get_str(json_get(a, "application-status"), "message", "");
        const json_t *refresh = json_get(a, "refresh");
        cleanup_(freep) char *now = str_format("%s%s%s", json_get_str(refresh, "stage", "done"),
                                               is_over(refresh) || !message[0] ? "" : ": ",
                                               is_over(refresh) ? "" : message);
        cleanup_(freep) char *safe = text_safe(now);
        char stamp[40], iso[CLOCK_TEXT_MAX];

        if (str_eq(w->shown, now))
                return;
        str_set(&w->shown, now);
        cli_say(w->c, "%s %s %s",
                text_time(clock_iso(clock_wall(), false, iso), w->c->globals->utc, stamp),
                w->application, safe);
}

/* -1: look again. */
static int look(struct watching *w, const char *path) {
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *a, *refresh;
        struct err err = { 0 };

        if (call_try(w->c, path, &json, &err) != CLI_DONE) {
                if (!w->away_since)
                        w->away_since = clock_mono();
                return clock_mono() - w->away_since < AWAY_MS ? -1 : cli_fail_err(&err);
        }
        w->away_since = 0;
        a = json_get(json, w->application);
        refresh = json_get(a, "refresh");
        tell(w, a);
        if (json_get(refresh, "paused"))
                return cli_fail(CLI_BLOCKED, "%s: paused: %s: mooringctl resume %s, or rollback %s",
                                w->application, json_get_str(refresh, "paused", ""), w->application,
                                w->application);
        return is_over(refresh) ? CLI_DONE : -1;
}

static int watch(struct cli *c, const char *application, int64_t ms) {
        struct timespec pause = { 0, PAUSE_MS * 1000000l };
        struct watching w = { .c = c,
                              .application = application,
                              .until = ms ? clock_mono() + ms : INT64_MAX };
        cleanup_(freep) char *path = call_application(c, application, "");
        int r = path ? look(&w, path) : CLI_FAILED;

        while (r < 0 && clock_mono() < w.until) {
                nanosleep(&pause, NULL);
                r = look(&w, path);
        }
        free(w.shown);
        return r < 0 ? cli_fail(CLI_TIMED_OUT,
                                "%s: the time is over, and it goes on: mooringctl "
                                "status",
                                application)
                     : r;
}

/* What was asked for is done; with --wait its end is waited for. */
static int end(struct cli *c, const char *application, int r) {
        const struct options *o = c->options;

        return r || !o->wait || o->dry_run ? r : watch(c, application, o->wait);
}

/* ---- refresh */

static int add_path(json_t *body, const char *path, struct err *err) {
        cleanup_(freep) char *whole = realpath(path, NULL);

        if (!whole)
                return err_set(err, -errno, "--path: %s: %s", path, strerror(errno));
        json_object_set_new(body, "path", json_string(whole));
        return 0;
}

static int body_of(const struct options *o, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *body = json_object();
        json_t *resources = NULL;
        int r = o->resources ? parts_pairs(o->resources, "--resource", &resources, err) : 0;

        if (resources)
                json_object_set_new(body, "resources", resources);
        if (o->channel)
                json_object_set_new(body, "channel", json_string(o->channel));
        if (o->revision >= 0)
                json_object_set_new(body, "revision", json_integer(o->revision));
        if (o->path && r >= 0)
                r = add_path(body, o->path, err);
        if (r >= 0)
                *ret = take_ptr(body);
        return r;
}

static int refresh_one(struct cli *c, const char *application) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_application(c, application, "/refresh");
        cleanup_(json_freep) json_t *body = NULL;
        struct err err = { 0 };

        if (!path)
                return CLI_FAILED;
        if (body_of(o, &body, &err) < 0)
                return cli_fail(CLI_USAGE, "%s", err_text(&err));
        return confirm_change(c, "POST", path,
                              &(struct confirm_options){ .dry_run = o->dry_run,
                                                         .no_prompt = o->no_prompt,
                                                         .body = body });
}

/* ---- all of them: refreshes-all.c */

static int end_all(struct cli *c, int r) {
        const struct options *o = c->options;

        return r || !o->wait || o->dry_run ? r : refreshes_all_watch(c, o->wait);
}

static int refresh_all(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = refreshes_all_path(c, "");

        if (!path)
                return CLI_FAILED;
        return end_all(c, confirm_change(c, "POST", path,
                                         &(struct confirm_options){ .dry_run = o->dry_run,
                                                                    .no_prompt = o->no_prompt }));
}

static int check_one(struct cli *c, const char *command) {
        const struct options *o = c->options;

        return o->all == (c->count == 1)
                       ? cli_fail(CLI_USAGE, "%s: name an application, or say --all", command)
                       : CLI_DONE;
}

static int refresh(struct cli *c) {
        const struct options *o = c->options;
        int r = check_one(c, "refresh");

        if (r)
                return r;
        if (o->all && (o->channel || o->revision >= 0 || o->resources || o->path))
                return cli_fail(CLI_USAGE,
                                "refresh --all: --channel, --revision, --resource and --path are "
                                "for one application");
        return o->all ? refresh_all(c)
                      : end(c, cli_operand(c, 0), refresh_one(c, cli_operand(c, 0)));
}

/* ---- on and back */

static char *path_of(struct cli *c, const char *rest) {
        const struct options *o = c->options;

        return o->all ? refreshes_all_path(c, rest) : call_application(c, cli_operand(c, 0), rest);
}

static int end_either(struct cli *c, int r) {
        const struct options *o = c->options;

        return o->all ? end_all(c, r) : end(c, cli_operand(c, 0), r);
}

static int resume(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        int r = check_one(c, "resume");

        if (r || !(path = path_of(c, "/resume")))
                return r ? r : CLI_FAILED;
        call_query_flag(&path, "dry-run", o->dry_run);
        return end_either(c, call_change(c, "POST", path, NULL));
}

static int rollback(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *body = json_pack("{s:b}", "accept-data-loss", o->accept_loss);
        int r = check_one(c, "rollback");

        if (r || !(path = path_of(c, "/rollback")))
                return r ? r : CLI_FAILED;
        return end_either(c, confirm_change(c, "POST", path,
                                            &(struct confirm_options){ .dry_run = o->dry_run,
                                                                       .no_prompt = o->no_prompt,
                                                                       .body = body }));
}

static int cancel(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = refreshes_all_path(c, "/cancel");

        if (!path)
                return CLI_FAILED;
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "POST", path, NULL);
}

#define SIZE sizeof(struct options)
static const struct opt cancel_options[] = { DRY_RUN, {} };
const struct command refreshes_commands[] = {
        { "refresh", "upgrade-charm", GROUP_OPERATE, "APPLICATION | --all", 0, 1,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, refresh_options, SIZE, refresh,
          "Go over to the charm's content that is on offer now, in stages",
          "First one pod of each workload is of the new content; when that was well for the "
          "daemon's "
          "refresh-gate-period the rest follows. Where something goes wrong the refresh pauses, "
          "and "
          "status says why: resume, or rollback. On a terminal what would be other, and what "
          "cannot be brought back, is shown and asked for first. Options that the new charm does "
          "not take are refused, and nothing is changed. Without --wait it does not wait; with it "
          "it ends with 3 when the refresh pauses. --all is an order that the daemon keeps: it "
          "goes "
          "on when the terminal is gone and after a restart; show-refresh says how it stands, "
          "cancel-refresh ends it.",
          .example = "refresh mlflow-server --dry-run" },
        { "resume", NULL, GROUP_OPERATE, "APPLICATION | --all", 0, 1,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, resume_options, SIZE, resume,
          "Go on with a refresh that paused",
          "It goes on in the stage in which it paused, and pauses again when what was wrong still "
          "is. With --all: what refresh --all ordered, also where its next application could not "
          "be "
          "begun.",
          .example = "resume mlflow-server --wait 10m" },
        { "rollback", NULL, GROUP_OPERATE, "APPLICATION | --all", 0, 1,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, rollback_options, SIZE, rollback,
          "Bring an application back to what it was before its last refresh",
          "Its charm, options and images become what they were, also when the refresh is over. "
          "Options that are secrets stay. What the charm says cannot be brought back is "
          "named; where data is lost it needs --accept-data-loss, and the role admin. With --all: "
          "all "
          "that refresh --all has refreshed, the last first.",
          .example = "rollback mlflow-server --dry-run" },
        { "show-refresh", NULL, GROUP_DEPLOY, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0,
          refreshes_all_show, "How the last refresh --all stands",
          "Each application with its place, and why it waits.", .example = "show-refresh" },
        { "cancel-refresh", NULL, GROUP_DEPLOY, "", 0, 0, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_NOTHING, cancel_options, SIZE, cancel, "End a refresh --all",
          "Applications that wait are not refreshed. What is under way of one goes on: rollback "
          "brings that one back.",
          .example = "cancel-refresh" },
        {},
};
