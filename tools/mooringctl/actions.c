/* SPDX-License-Identifier: Apache-2.0 */
/* actions.c - actions of applications: which there are, and running one */
#include "action-params.h"
#include "changes.h"
#include "families.h"
#include "follow.h"
#include "table.h"
#include "text.h"

#include "yaml.h"

#include <stdlib.h>

struct options {
        bool schema, background, during_freeze, texts, dry_run;
        char *params, *at, *schedule, *zone, *jitter, *missed, *overlap;
        int64_t wait;
};
#define AT(member) offsetof(struct options, member)

static const struct opt list_options[] = { { "schema", 0, OPT_BOOL, AT(schema), NULL, 0, 0, NULL, 0,
                                             NULL, "all of each, with its parameters" },
                                           {} };
static const struct opt run_options[] = {
        { "params", 0, OPT_PATH, AT(params), NULL, 0, 0, "FILE", 0, NULL,
          "YAML of parameters; - is stdin; NAME=VALUE goes before" },
        { "string-args", 0, OPT_BOOL, AT(texts), NULL, 0, 0, NULL, 0, NULL,
          "values are texts as they stand, not YAML" },
        { "wait", 0, OPT_DURATION, AT(wait), "0", 0, 0, "TIME", 0, NULL,
          "wait so long at most; without it: to the end, but not for an approval" },
        { "background", 0, OPT_BOOL, AT(background), NULL, 0, 0, NULL, 0, NULL,
          "do not wait: say its number" },
        { "during-freeze", 0, OPT_BOOL, AT(during_freeze), NULL, 0, 0, NULL, 0, NULL,
          "a freeze does not hold it" },
        { "at", 0, OPT_STRING, AT(at), NULL, 0, 0, "TIME", 0, NULL,
          "not now, but then: 2026-12-01T02:00:00Z, or in how long: 2h" },
        { "schedule", 0, OPT_STRING, AT(schedule), NULL, 0, 0, "CRON", 0, NULL,
          "again and again: five fields of crontab(5), \"30 2 * * mon-fri\"" },
        { "timezone", 0, OPT_STRING, AT(zone), NULL, 0, 0, "ZONE", 0, NULL,
          "of --schedule: Europe/Berlin; UTC when it is not said" },
        { "jitter", 0, OPT_STRING, AT(jitter), NULL, 0, 0, "TIME", 0, NULL,
          "of --schedule: each run so much later at most" },
        { "missed", 0, OPT_STRING, AT(missed), NULL, 0, 0, "skip|run", 0, NULL,
          "what was due while the daemon was off: skip it, or run it once, late" },
        { "overlap", 0, OPT_STRING, AT(overlap), NULL, 0, 0, "skip|queue", 0, NULL,
          "while the run before is not over" },
        { "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,
          "check all, run nothing" },
        {}
};

/* ---- which there are */

static void print_actions(struct cli *c, const json_t *actions) {
        static const char *const head[] = { "Action", "Role", "Description", NULL };
        cleanup_(freep) const char **names = text_members(actions);
        cleanup_(table_deinit) struct table t;

        table_init(&t, head);
        for (size_t i = 0; names[i]; i++) {
                const json_t *a = json_get(actions, names[i]);
                bool destroys = json_get_bool(a, "destructive", false);

                table_style(&t, names[i], destroys ? STYLE_BAD : STYLE_BOLD);
                table_add(&t, json_get_str(a, "role", ""));
                table_printf(&t, "%s%s", json_get_str(a, "description", ""),
                             destroys ? " (a second person has to approve it)" : "");
        }
        table_print(&t, c->globals->color, c->out);
}

static int actions(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/applications/%s/actions", cli_model(c), cli_operand(c, 0));
        r = call_get(c, path, &json);
        if (r || cli_print(c, json_get(json, "actions")))
                return r;
        if (json_object_size(json_get(json, "actions")) == 0) {
                cli_say(c, "charm %s has no actions", json_get_str(json, "charm", ""));
        } else if (o->schema) {
                yaml_write(json_get(json, "actions"), &text);
                fputs(buf_str(&text), c->out);
        } else {
                print_actions(c, json_get(json, "actions"));
        }
        return CLI_DONE;
}

/* ---- running one */

static void set_text(json_t *body, const char *name, const char *text) {
        if (text)
                json_object_set_new(body, name, json_string(text));
}

static bool is_scheduled(const struct options *o) {
        return o->at || o->schedule;
}

static void set_schedule(json_t *body, const struct options *o) {
        set_text(body, "at", o->at);
        set_text(body, "cron", o->schedule);
        set_text(body, "zone", o->zone);
        set_text(body, "jitter", o->jitter);
        set_text(body, "missed", o->missed);
        set_text(body, "overlap", o->overlap);
}

static int send_run(struct cli *c, json_t *params, json_t **ret) {
        const struct options *o = c->options;
        const char *subject = cli_operand(c, 0), *slash = strchr(subject, '/');
        cleanup_(freep) char *application =
                str_ndup(subject, slash ? (size_t)(slash - subject) : strlen(subject));
        cleanup_(freep) char *path = NULL;
        json_t *body = json_object();

        json_object_set_new(body, "params", params);
        if (slash)
                json_object_set_new(body, "unit", json_string(subject));
        if (o->during_freeze)
                json_object_set_new(body, "during-freeze", json_true());
        if (is_scheduled(o))
                set_schedule(body, o);
        path = call_path(is_scheduled(o) ? "/v1/models/%s/applications/%s/actions/%s/schedules"
                                         : "/v1/models/%s/applications/%s/actions/%s",
                         cli_model(c), application, cli_operand(c, 1));
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_send(c, "POST", path, body, ret);
}

static int queued(struct cli *c, const json_t *json) {
        const struct options *o = c->options;
        int64_t id = json_get_int(json, "operation", 0);
        cleanup_(freep) char *path = follow_path(c, id, "");
        cleanup_(json_freep) json_t *operation = NULL;
        int r;

        if (o->background) {
                if (!cli_print(c, json)) {
                        changes_say(c, json);
                        fprintf(c->out, "%lld\n", (long long)id);
                }
                return CLI_DONE;
        }
        changes_say(c, json);
        if (o->wait)
                return follow(c, id, o->wait);
        r = call_get(c, path, &operation);
        if (r)
                return r;
        return str_eq(json_get_str(operation, "approval", ""), "wanted")
                       ? follow_tell(c, operation, false)
                       : follow(c, id, FOLLOW_FOR_EVER);
}

static int run(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *json = NULL;
        struct err err = { 0 };
        json_t *params;
        int r;

        if (!o->schedule && (o->zone || o->jitter || o->missed || o->overlap))
                return cli_fail(CLI_USAGE, "--timezone, --jitter, --missed and --overlap are of "
                                           "--schedule: say when with that");
        if (action_params(o->params, c->operands + 2, c->count - 2, o->texts, &params, &err) < 0)
                return cli_fail(CLI_USAGE, "%s", err_text(&err));
        if (!cli_model(c)) {
                json_decref(params);
                return CLI_FAILED;
        }
        r = send_run(c, params, &json);
        if (r || !(o->dry_run || is_scheduled(o)))
                return r ? r : queued(c, json);
        if (!cli_print(c, json))
                changes_say(c, json);
        return CLI_DONE;
}

#define SIZE sizeof(struct options)
const struct command actions_commands[] = {
        { "actions", NULL, GROUP_ACTIONS, "APPLICATION", 1, 1, COMMAND_LIST, COMPLETES_APPLICATION,
          list_options, SIZE, actions, "List the actions of an application",
          "With --schema, or --format json or yaml, all of each: parameters, deadline, what it may "
          "not run beside.",
          .example = "actions mlflow-mysql --schema" },
        { "run", "run-action", GROUP_ACTIONS, "APPLICATION|UNIT ACTION [NAME=VALUE]...", 2, -1,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, run_options, SIZE, run,
          "Run an action, and show what comes of it",
          "Values are YAML; dots nest: backup.keep=3. NAME=@FILE takes a text from a file, and "
          "NAME=@- from stdin: "
          "a password on a command line is seen by every user of the machine. What is wrong is "
          "refused before anything is done.\n\n"
          "It waits for the end, prints the result as YAML, and ends with 0 when it completed, 1 "
          "when it failed or was cancelled, 3 when a second person has to approve it first (see "
          "approve), 5 when the time of --wait is over. The daemon runs it: Ctrl-C, or a lost "
          "connection, leaves it running, and show-operation --watch shows the rest.\n\n"
          "With --at or --schedule nothing is run now: schedules lists when, remove-schedule drops "
          "it. Who set it is who asks each time, and it keeps no secret parameters.",
          .then = COMPLETES_ACTION, .example = "run mlflow-mysql get-password" },
        {}
};
