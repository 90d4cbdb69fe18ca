/* SPDX-License-Identifier: Apache-2.0 */
/* permissions.c - who may do what: the role that each request and each action needs, and allowing
 * an action to operators */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

struct options {
        bool dry_run;
};
static const struct opt set_options[] = { { "dry-run", 0, OPT_BOOL,
                                            offsetof(struct options, dry_run), NULL, 0, 0, NULL, 0,
                                            NULL, "say what would be done, do nothing" },
                                          {} };

static int list_requests(struct cli *c) {
        static const char *const head[] = { "Action", "Role", "Request", "What it does", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *p;
        size_t i;
        int r = call_get(c, "/v1/permissions", &json);

        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        table_spare(&t, 2);
        json_array_foreach(json_get(json, "permissions"), i, p) {
                table_add(&t, json_get_str(p, "action", ""));
                table_add(&t, json_get_str(p, "role", ""));
                table_printf(&t, "%s %s", json_get_str(p, "method", ""),
                             json_get_str(p, "path", ""));
                table_add(&t, json_get_str(p, "help", ""));
        }
        table_print(&t, c->globals->color, c->out);
        cli_say(c, "you have the role %s", json_get_str(json, "role", ""));
        return CLI_DONE;
}

static void add_action(struct cli *c, struct table *t, const char *name, const json_t *action) {
        const json_t *said = json_get(action, "permission");
        cleanup_(freep) char *why = text_safe(json_get_str(said, "why", ""));
        char stamp[40];

        table_add(t, name);
        table_add(t, json_get_str(action, "role", ""));
        table_add(t, said ? json_get_str(said, "by", "") : "its charm");
        table_add(t, text_time(json_get_str(said, "at", NULL), c->globals->utc, stamp));
        table_add(t, why);
}

static int list_actions(struct cli *c) {
        static const char *const head[] = { "Action", "Role", "Said by", "Since", "Reason", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) const char **names = NULL;
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/applications/%s/actions", cli_model(c), cli_operand(c, 0));
        r = call_get(c, path, &json);
        if (r || cli_print(c, json_get(json, "actions")))
                return r;
        names = text_members(json_get(json, "actions"));
        table_init(&t, head);
        for (size_t i = 0; names[i]; i++)
                add_action(c, &t, names[i], json_get(json_get(json, "actions"), names[i]));
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "charm %s has no actions", json_get_str(json, "charm", ""));
        return CLI_DONE;
}

static int permissions(struct cli *c) {
        return c->count ? list_actions(c) : list_requests(c);
}

static int set(struct cli *c, const char *how) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/applications/%s/actions/%s/%s", cli_model(c),
                         cli_operand(c, 0), cli_operand(c, 1), how);
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "POST", path, NULL);
}

static int grant(struct cli *c) {
        return set(c, "grant");
}

static int revoke(struct cli *c) {
        return set(c, "revoke");
}

#define SIZE sizeof(struct options)
const struct command permissions_commands[] = {
        { "permissions", NULL, GROUP_LOOK, "[APPLICATION]", 0, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, permissions,
          "List what changes something, and the role that each needs",
          "With APPLICATION its actions: who may run each, and whether the charm or an admin says "
          "so.",
          .example = "permissions mlflow-mysql" },
        { "grant-action", NULL, GROUP_OPERATE, "APPLICATION ACTION", 2, 2,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, set_options, SIZE, grant,
          "Let operators run an action of an application",
          "This goes before what the charm says, until revoke-action says otherwise. Admins may "
          "run every action, viewers none.",
          .then = COMPLETES_ACTION,
          .example = "grant-action mlflow-mysql restore --reason \"on call this week\"" },
        { "revoke-action", NULL, GROUP_OPERATE, "APPLICATION ACTION", 2, 2,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_APPLICATION, set_options, SIZE, revoke,
          "Let only admins run an action of an application",
          "Also one that the charm allows to operators. What runs or waits goes on; what they "
          "have scheduled is not run any more.",
          .then = COMPLETES_ACTION, .example = "revoke-action mlflow-mysql get-password" },
        {}
};
