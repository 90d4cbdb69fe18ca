/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.c - upgrade-controller: the release that is installed takes the place of the one that
 * runs; --confirm stays with it
 *
 * The daemon tries it on a copy and says what came of it; then it is the same process that goes on
 * as another release, and who asked looks until one of the two serves again. */
#include "call.h"
#include "clock.h"
#include "families.h"
#include "parts.h"
#include "text.h"

#include <errno.h>
#include <unistd.h>

#define PATIENCE_MS 7300000 /* above what the daemon gives the trial, which is a verification */
#define SERVES_MS 1800000   /* as long as a start may migrate */
#define PAUSE_US 100000

struct options {
        bool confirm, dry_run, force;
        char *to, *passphrase;
};
#define AT(member) offsetof(struct options, member)
static const struct opt options[] = {
        { "confirm", 0, OPT_BOOL, AT(confirm), NULL, 0, 0, NULL, 0, NULL,
          "stay with the release that runs: the one before cannot open the store any more" },
        { "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,
          "try it on a copy, say what would be done, do nothing" },
        { "to", 0, OPT_PATH, AT(to), NULL, 0, 0, "DIR", 0, NULL,
          "put the backup that is made before into this folder of the daemon's machine, or "
          "s3://BUCKET/PATH or azblob://ACCOUNT/CONTAINER/PATH" },
        { "passphrase-file", 0, OPT_PATH, AT(passphrase), NULL, 0, 0, "FILE", 0, NULL,
          "seal it with what is in it, in the place of the daemon's backup-key-file; - is stdin" },
        { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, 0, NULL,
          "also when charms in use do not load in the other release, or there is no way back" },
        {}
};
#undef AT

/* ---- what is there */

static const char *named(const json_t *release, char text[80]) {
        snprintf(text, 80, "%s (schema %lld)", json_get_str(release, "release", "?"),
                 (long long)json_get_int(release, "schema", 0));
        return text;
}

static void say_unconfirmed(struct cli *c, const json_t *unconfirmed) {
        char age[CLOCK_TEXT_MAX];
        int64_t from = json_get_int(unconfirmed, "from", 0);

        if (!json_is_object(unconfirmed))
                return;
        clock_span(clock_wall() - json_get_int(unconfirmed, "at", 0), age);
        cli_say(c, "upgraded %s ago from %s (schema %lld), and not confirmed: %s", age,
                json_get_str(unconfirmed, "release", "an earlier release"), (long long)from,
                json_get_int(unconfirmed, "reader", 0) <= from
                        ? "install that one again and run upgrade-controller, and it goes on with "
                          "all that was written"
                        : "that one can only be started on the copy in before-upgrade of the "
                          "state folder, without what was written since");
        cli_say(c, "to stay: mooringctl upgrade-controller --confirm");
}

static void say_charms(struct cli *c, const json_t *plan) {
        const json_t *one;
        size_t i;

        json_array_foreach(json_get(plan, "charms-refused"), i, one)
                cli_say(c, "does not load: %s", json_get_str(one, "why", "?"));
}

static void print_plan(struct cli *c, const json_t *plan) {
        const char *backup = json_get_str(plan, "backup", NULL);
        bool way_back = json_get_bool(plan, "way-back", false);
        char from[80], to[80];

        named(json_get(plan, "from"), from);
        named(json_get(plan, "to"), to);
        fprintf(c->out, "Release   %s takes the place of %s\n", to, from);
        fprintf(c->out, "Program   %s\n", json_get_str(plan, "program", ""));
        fprintf(c->out, "Tried     on a copy: migrated, every secret opened, %lld charms loaded\n",
                (long long)(json_get_int(plan, "charms", 0) -
                            (int64_t)json_array_size(json_get(plan, "charms-refused"))));
        fprintf(c->out, "Backup    %s\n", backup ? backup : "is made and verified before");
        fprintf(c->out, "Way back  %s\n",
                way_back ? "the release before works on the same store, until it is confirmed"
                         : "none but the copy of before, without what is written after");
        say_charms(c, plan);
}

/* ---- doing it */

static int try_it(struct cli *c, json_t **ret) {
        const struct options *o = c->options;
        cleanup_(freep) char *folder = parts_place(o->to);
        cleanup_(freep) char *path = str_dup("/v1/upgrade");
        json_t *body = json_pack("{s:s*}", "folder", folder);
        int r = o->dry_run ? CLI_DONE : parts_key(o->passphrase, body);

        if (r) {
                json_decref(body);
                return r;
        }
        call_query_flag(&path, "dry-run", o->dry_run);
        call_query_flag(&path, "force", o->force);
        c->patience_ms = PATIENCE_MS;
        r = call_send(c, "POST", path, body, ret);
        c->patience_ms = 0;
        return r;
}

/* Until another start of the daemon than that of SINCE serves. */
static int wait_served(struct cli *c, int64_t since, json_t **ret) {
        int64_t until = clock_mono() + SERVES_MS;
        struct err err = { 0 };

        for (;;) {
                json_t *now = NULL;

                if (call_try(c, "/v1/upgrade", &now, &err) >= 0 &&
                    json_get_int(now, "since", 0) != since) {
                        *ret = now;
                        return CLI_DONE;
                }
                json_decref(now);
                if (clock_mono() > until)
                        return cli_fail(CLI_FAILED,
                                        "no release serves yet: look at `journalctl -u mooringd`");
                usleep(PAUSE_US);
        }
}

static int end(struct cli *c, const json_t *plan, const json_t *now) {
        const char *failed = json_get_str(now, "failed", NULL);
        char to[80];

        if (failed)
                return cli_fail(CLI_FAILED,
                                "%s could not start, and %s serves again with all that was there: "
                                "%s",
                                named(json_get(plan, "to"), to), json_get_str(now, "release", "?"),
                                failed);
        if (!cli_print(c, now)) {
                cli_say(c, "%s serves", named(json_get(plan, "to"), to));
                say_unconfirmed(c, json_get(now, "unconfirmed"));
        }
        return CLI_DONE;
}

static int upgrade(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *before = NULL;
        cleanup_(json_freep) json_t *plan = NULL;
        cleanup_(json_freep) json_t *now = NULL;
        cleanup_(freep) char *confirm = str_dup("/v1/upgrade/confirm");
        int r;

        call_query_flag(&confirm, "dry-run", o->dry_run);
        if (o->confirm)
                return call_change(c, "POST", confirm, NULL);
        r = call_get(c, "/v1/upgrade", &before);
        if (r)
                return r;
        if (!json_get_bool(before, "installed", false))
                say_unconfirmed(c, json_get(before, "unconfirmed"));
        r = try_it(c, &plan);
        if (r)
                return r;
        if (o->dry_run && cli_print(c, plan))
                return CLI_DONE;
        if (!c->globals->format || o->dry_run)
                print_plan(c, plan);
        if (o->dry_run)
                return CLI_DONE;
        r = wait_served(c, json_get_int(before, "since", 0), &now);
        return r ? r : end(c, plan, now);
}

const struct command upgrade_commands[] = {
        { "upgrade-controller", NULL, GROUP_OPERATE, "", 0, 0, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_NOTHING, options, sizeof(struct options), upgrade,
          "Let the release of Mooring that was installed take the place of the one that runs",
          "Install the other release first (apt install mooring); the daemon goes on as it is. "
          "Then "
          "the daemon makes a backup, the installed program verifies it - unpacks it aside, brings "
          "that copy to its schema, opens every secret, loads every charm in use - and only when "
          "all of it is well does it take over: in the same process, on the same socket. When it "
          "cannot start, the release before serves again. The schema goes forward in one "
          "transaction, and until --confirm the release before can work on the same store: to go "
          "back, install that one and run upgrade-controller again.",
          .example = "upgrade-controller --dry-run" },
        {}
};
