/* SPDX-License-Identifier: Apache-2.0 */
/* backup.c - backups of the controller: made, listed, verified, scheduled; confirm-restore
 *
 * backup restore is in backup-restore.c: there is no daemon to ask on that day. */
#include "backup-restore.h"
#include "call.h"
#include "clock.h"
#include "families.h"
#include "parts.h"
#include "table.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_MS 7300000 /* above what the daemon gives a verification */

#define AT(member) offsetof(struct backup_options, member)
static const struct opt options[] = {
        { "to", 0, OPT_PATH, AT(to), NULL, 0, 0, "DIR", 0, NULL,
          "create, schedule, list: this folder of the daemon's machine, or s3://BUCKET/PATH or "
          "azblob://ACCOUNT/CONTAINER/PATH; a new one has a name with the time" },
        { "passphrase-file", 0, OPT_PATH, AT(passphrase), NULL, 0, 0, "FILE", 0, NULL,
          "sealed with what is in it, in the place of the daemon's backup-key-file; - is stdin" },
        { "zone", 0, OPT_STRING, AT(zone), "UTC", 0, 0, "ZONE", 0, NULL,
          "schedule: time zone, as Europe/Berlin" },
        { "keep", 0, OPT_INT, AT(keep), "14", 1, 1000, "N", 0, NULL,
          "schedule: how many are kept in that folder, the newest" },
        { "state-dir", 0, OPT_PATH, AT(state_dir), NULL, 0, 0, "DIR", 0, NULL,
          "restore: into this folder; else that of mooringd's configuration" },
        { "config", 0, OPT_PATH, AT(config), NULL, 0, 0, "FILE", 0, NULL,
          "restore: mooringd's configuration" },
        { "mooringd", 0, OPT_PATH, AT(mooringd), NULL, 0, 0, "FILE", 0, NULL,
          "restore: the program; else the one that was installed with this" },
        { "s3-credentials-file", 0, OPT_PATH, AT(s3), NULL, 0, 0, "FILE", 0, NULL,
          "restore from s3://: else backup-s3-credentials-file of mooringd's configuration" },
        { "azure-credentials-file", 0, OPT_PATH, AT(azure), NULL, 0, 0, "FILE", 0, NULL,
          "restore from azblob://: else backup-azure-credentials-file" },
        { "ca-file", 0, OPT_PATH, AT(ca), NULL, 0, 0, "FILE", 0, NULL,
          "restore from either: else backup-ca-file" },
        { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, 0, NULL,
          "restore: also over a controller, which is moved away; says what is lost" },
        {}
};

/* ---- create, verify */

static int send(struct cli *c, const char *path, json_t *body, json_t **ret) {
        const struct backup_options *o = c->options;
        int r = parts_key(o->passphrase, body);

        if (r) {
                json_decref(body);
                return r;
        }
        c->patience_ms = PATIENCE_MS;
        return call_send(c, "POST", path, body, ret);
}

static int create(struct cli *c) {
        const struct backup_options *o = c->options;
        cleanup_(json_freep) json_t *made = NULL;
        cleanup_(freep) char *path = parts_place(cli_operand(c, 1));
        cleanup_(freep) char *folder = parts_place(o->to);
        char size[32];
        int r;

        if (path && folder)
                return cli_fail(CLI_USAGE, "backup create takes FILE or --to DIR, not both");
        r = send(c, "/v1/backups", json_pack("{s:s*, s:s*}", "path", path, "folder", folder),
                 &made);
        if (r || cli_print(c, made))
                return r;
        fprintf(c->out, "%s\n", json_get_str(made, "file", ""));
        cli_say(c, "%s; %s", text_bytes(json_get_int(made, "size", 0), size),
                json_get_bool(made, "key", false)
                        ? "the key of the secrets is in it"
                        : "the key of the secrets is not in it: it is not the daemon's own file");
        cli_say(c, "now: mooringctl backup verify %s", json_get_str(made, "file", ""));
        return CLI_DONE;
}

void backup_print_found(struct cli *c, const json_t *found) {
        int64_t made, missing = json_get_int(found, "charms-missing", 0);
        char age[CLOCK_TEXT_MAX] = "?", stamp[40];

        if (clock_parse_iso(json_get_str(found, "made", ""), &made))
                clock_span(MAX_OF(clock_wall() - made, 0) / 1000 * 1000, age);
        fprintf(c->out, "File         %s\n", json_get_str(found, "file", ""));
        fprintf(c->out, "Made         %s, %s ago, by mooringd %s\n",
                text_time(json_get_str(found, "made", NULL), c->globals->utc, stamp), age,
                json_get_str(found, "version", ""));
        fprintf(c->out, "Controller   %s (%s)\n", json_get_str(found, "name", ""),
                json_get_str(found, "controller", ""));
        fprintf(c->out, "Models       %lld\n", (long long)json_get_int(found, "models", 0));
        fprintf(c->out, "Applications %lld\n", (long long)json_get_int(found, "applications", 0));
        fprintf(c->out, "Targets      %lld\n", (long long)json_get_int(found, "clusters", 0));
        fprintf(c->out, "Secrets      %lld, each opens\n",
                (long long)json_get_int(found, "secrets", 0));
        fprintf(c->out, "Audit        %lld rows, as they were written\n",
                (long long)json_get_int(found, "audit-rows", 0));
        fprintf(c->out, "Charms       %lld%s\n", (long long)json_get_int(found, "charms", 0),
                missing ? "" : ", each whole");
        if (missing)
                cli_say(c, "%lld of the charms are not in it: mooringctl doctor, charm-missing",
                        (long long)missing);
}

static int verify(struct cli *c) {
        cleanup_(json_freep) json_t *found = NULL;
        cleanup_(freep) char *path = NULL;
        int r;

        if (!cli_operand(c, 1))
                return cli_fail(CLI_USAGE, "backup verify FILE: which one is missing");
        path = parts_place(cli_operand(c, 1));
        r = send(c, "/v1/backups/verify", json_pack("{s:s}", "path", path), &found);
        if (!r && !cli_print(c, found))
                backup_print_found(c, found);
        return r;
}

/* ---- list, schedule */

static void say_newest(struct cli *c, const json_t *json, bool some) {
        const json_t *verified = json_get(json, "verified"), *schedule = json_get(json, "schedule");
        const char *failed = json_get_str(json, "failed", NULL);
        char stamp[40];

        if (failed)
                cli_say(c, "%s", failed);
        if (json_is_object(verified))
                cli_say(c, "newest that was verified: %s, of %s",
                        json_get_str(verified, "file", ""),
                        text_time(json_get_str(verified, "made", NULL), c->globals->utc, stamp));
        else if (some)
                cli_say(c, "none was verified yet: mooringctl backup verify FILE");
        if (json_is_object(schedule))
                cli_say(c, "schedule: %s %s, the newest %lld are kept",
                        json_get_str(schedule, "cron", ""), json_get_str(schedule, "zone", ""),
                        (long long)json_get_int(schedule, "keep", 0));
        else
                cli_say(c, "no schedule: mooringctl backup schedule '30 2 * * *'");
}

static int list(struct cli *c) {
        const struct backup_options *o = c->options;
        static const char *const head[] = { "File", "Size", "Made", NULL };
        cleanup_(freep) char *path = str_dup("/v1/backups");
        cleanup_(freep) char *folder = parts_place(o->to);
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *one;
        size_t i;
        int r;

        call_query(&path, "folder", folder);
        r = call_get(c, path, &json);
        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        table_right(&t, 1);
        json_array_foreach(json_get(json, "backups"), i, one) {
                char size[32], stamp[40];

                table_add(&t, json_get_str(one, "file", ""));
                table_add(&t, json_get_bool(one, "sealed", true)
                                      ? text_bytes(json_get_int(one, "size", 0), size)
                                      : "no backup");
                table_add(&t, text_time(json_get_str(one, "made", NULL), c->globals->utc, stamp));
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no backups in %s: mooringctl backup create",
                        json_get_str(json, "folder", ""));
        say_newest(c, json, table_rows(&t));
        return CLI_DONE;
}

static int schedule(struct cli *c) {
        const struct backup_options *o = c->options;
        const char *cron = cli_operand(c, 1);
        cleanup_(freep) char *folder = parts_place(o->to);
        cleanup_(json_freep) json_t *json = NULL;
        int r;

        if (!cron)
                return cli_fail(CLI_USAGE,
                                "backup schedule CRON, as '30 2 * * *', or backup schedule off");
        if (str_eq(cron, "off"))
                r = call_send(c, "DELETE", "/v1/backups/schedule", NULL, &json);
        else
                r = call_send(c, "PUT", "/v1/backups/schedule",
                              json_pack("{s:s, s:s, s:s*, s:I}", "cron", cron, "zone", o->zone,
                                        "folder", folder, "keep", (json_int_t)o->keep),
                              &json);
        if (!r && !cli_print(c, json))
                say_newest(c, json, false);
        return r;
}

/* ---- */

static int backup(struct cli *c) {
        static const struct {
                const char *name;
                int (*run)(struct cli *c);
                int max;
        } verbs[] = { { "create", create, 2 },
                      { "list", list, 1 },
                      { "verify", verify, 2 },
                      { "restore", backup_restore_run, 2 },
                      { "schedule", schedule, 2 } };
        const char *verb = cli_operand(c, 0);

        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
                if (!str_eq(verb, verbs[i].name))
                        continue;
                if (c->count > verbs[i].max)
                        return cli_fail(CLI_USAGE, "backup %s: \"%s\" is too much", verb,
                                        cli_operand(c, verbs[i].max));
                return verbs[i].run(c);
        }
        return cli_fail(CLI_USAGE, "\"%s\": backup takes create, list, verify, restore or schedule",
                        verb);
}

struct confirm_options {
        bool dry_run, force;
};
static const struct opt confirm_options[] = {
        { "dry-run", 0, OPT_BOOL, offsetof(struct confirm_options, dry_run), NULL, 0, 0, NULL, 0,
          NULL, "say what would be done, do nothing" },
        { "force", 0, OPT_BOOL, offsetof(struct confirm_options, force), NULL, 0, 0, NULL, 0, NULL,
          "also where objects that hold secrets cannot be read: what is newer there is put back" },
        {}
};

static int confirm(struct cli *c) {
        const struct confirm_options *o = c->options;
        cleanup_(freep) char *path = str_dup("/v1/restore/confirm");

        call_query_flag(&path, "dry-run", o->dry_run);
        call_query_flag(&path, "force", o->force);
        return call_change(c, "POST", path, NULL);
}

const struct command backup_commands[] = {
        { "backup", NULL, GROUP_OPERATE,
          "create [FILE] | list | verify FILE | restore FILE | schedule CRON|off", 1, 2,
          COMMAND_LIST, COMPLETES_FILE, options, sizeof(struct backup_options), backup,
          "Back the controller up while it runs, look whether a backup can be restored, restore it",
          "A backup is one sealed file: the store, the charms and files in use, and the key of the "
          "secrets where that is the daemon's own file. It is sealed with what is in the daemon's "
          "backup-key-file, or in --passphrase-file; whoever loses that has no backup. The daemon "
          "writes and reads the file, as its user. verify unpacks it aside, opens it as a start "
          "would, and looks at every page, every row of the audit and every secret; doctor tells "
          "how "
          "old the newest is that passed. restore asks no daemon: it is for a machine on which "
          "none "
          "runs, and refuses before it touches anything when the file is cut off, was changed or "
          "has "
          "another passphrase. The daemon that starts on it watches and shows its plan, and writes "
          "nothing outside until confirm-restore.",
          .example = "backup create --to /mnt/backup" },
        { "confirm-restore", NULL, GROUP_OPERATE, "", 0, 0, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_NOTHING, confirm_options, sizeof(struct confirm_options), confirm,
          "Let a controller that was restored from a backup write again",
          "Look at plan first: what was changed since the backup is put back to what the backup "
          "has. "
          "Be sure that the controller that was backed up does not run any more.",
          .example = "confirm-restore" },
        {}
};
