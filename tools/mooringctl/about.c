/* SPDX-License-Identifier: Apache-2.0 */
/* about.c - charms on offer, versions, help, and what the build and the shell ask for */
#include "call.h"
#include "families.h"
#include "help.h"
#include "table.h"
#include "text.h"
#include "yaml.h"

#include <stdlib.h>

/* ---- charms */

static char *channels(const json_t *charm) {
        struct buf out = BUF_INIT;
        const json_t *channel;
        size_t i;

        json_array_foreach(json_get(charm, "channels"), i, channel)
                buf_printf(&out, "%s%s", i ? ", " : "", json_string_value(channel));
        return buf_take(&out);
}

static void print_charms(struct cli *c, const json_t *list) {
        static const char *const head[] = { "Charm", "Rev", "Summary", "Channels", NULL };
        cleanup_(table_deinit) struct table t;
        const json_t *charm;
        size_t i;

        table_init(&t, head);
        table_right(&t, 1);
        json_array_foreach(list, i, charm) {
                const char *refused = json_get_str(charm, "refused", NULL);
                cleanup_(freep) char *served = channels(charm);

                const char *folder = json_get_str(charm, "folder", "");
                const char *slash = strrchr(folder, '/');

                table_add(&t, json_get_str(charm, "name", slash ? slash + 1 : folder));
                if (json_get(charm, "revision"))
                        table_printf(&t, "%lld", (long long)json_get_int(charm, "revision", 0));
                else
                        table_add(&t, "");
                if (refused)
                        table_style(&t, refused, STYLE_BAD);
                else
                        table_add(&t, json_get_str(charm, "summary", ""));
                table_add(&t, served);
        }
        table_print(&t, c->globals->color, c->out);
}

static int charms(struct cli *c) {
        cleanup_(freep) char *path = str_dup("/v1/charms");
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(buf_free) struct buf text = BUF_INIT;
        int r;

        call_query(&path, "charm", cli_operand(c, 0));
        r = call_get(c, path, &json);
        if (r || cli_print(c, json))
                return r;
        if (!cli_operand(c, 0)) {
                print_charms(c, json_get(json, "charms"));
                return CLI_DONE;
        }
        yaml_write(json_array_get(json_get(json, "charms"), 0), &text);
        fputs(buf_str(&text), c->out);
        return CLI_DONE;
}

/* ---- versions */

static int version(struct cli *c) {
        cleanup_(json_freep) json_t *info = NULL;
        cleanup_(json_freep) json_t *both = json_object();
        struct err err = { 0 };
        int r = call_try(c, "/v1/info", &info, &err);

        json_object_set_new(both, "mooringctl", json_string(MOORING_VERSION));
        if (r >= 0)
                json_object_set(both, "mooringd", info);
        if (cli_print(c, both))
                return CLI_DONE;
        fprintf(c->out, "mooringctl  %s\n", MOORING_VERSION);
        if (r >= 0)
                fprintf(c->out, "mooringd    %s\n", json_get_str(info, "version", ""));
        else
                cli_say(c, "mooringd    %s", err_text(&err));
        return CLI_DONE;
}

static int whoami(struct cli *c) {
        cleanup_(json_freep) json_t *info = NULL;
        int r = call_get(c, "/v1/whoami", &info);
        const json_t *groups = json_get(info, "groups");

        if (r || cli_print(c, info))
                return r;
        fprintf(c->out, "Controller  %s\nUser        %s\nRole        %s\n",
                json_get_str(info, "name", ""), json_get_str(info, "user", ""),
                json_get_str(info, "role", ""));
        if (str_eq(json_get_str(info, "role", ""), "none"))
                cli_say(c,
                        "nothing may be read or changed without a role: who is root on this "
                        "machine gives one by a unix group: %s reads, %s operates, %s may do all; "
                        "it holds from the next login",
                        json_get_str(groups, "viewer", ""), json_get_str(groups, "operator", ""),
                        json_get_str(groups, "admin", ""));
        return CLI_DONE;
}

/* ---- help */

static int help(struct cli *c) {
        cleanup_(freep) char *two =
                c->count == 2 ? str_format("%s %s", cli_operand(c, 0), cli_operand(c, 1)) : NULL;
        const char *name = two ? two : cli_operand(c, 0);
        const struct command *command = name ? command_find(name) : NULL;

        if (two && !command) /* "drift show": the first word's help has it */
                command = command_find(cli_operand(c, 0));
        if (name && !command && help_topic(name, c->out))
                return CLI_DONE;
        if (name && !command)
                return cli_fail(CLI_USAGE, "\"%s\" is no command; mooringctl help lists them",
                                name);
        if (command)
                help_command(command, c->out);
        else
                help_all(c->out);
        return CLI_DONE;
}

static int print_man(struct cli *c) {
        help_man(c->out);
        return CLI_DONE;
}

static int print_reference(struct cli *c) {
        help_reference(c->out);
        return CLI_DONE;
}

static int completion(struct cli *c) {
        if (c->count && !str_eq(cli_operand(c, 0), "bash"))
                return cli_fail(CLI_USAGE, "there is a completion for bash, and none for \"%s\"",
                                cli_operand(c, 0));
        help_completion(c->out);
        return CLI_DONE;
}

/* For the completion script: names, one a line; silent where there is no daemon. */
struct completed {
        const char *kind;
        const char *path;   /* below the model's when that begins without a slash */
        const char *member; /* of the answer, or NULL: the answer itself */
        const char *end;    /* after each name */
};
static const struct completed completed[] = {
        { "applications", "status", "applications", "" },
        { "objects", "resources", "resources", "" },
        { "settings", "applications/%s/config", "settings", "=" },
        { "model-settings", "config", NULL, "=" },
        { "actions", "applications/%s/actions", "actions", "" },
        { "operations", "operations", "operations", "" },
        { "schedules", "schedules", "schedules", "" },
        { "models", "/v1/models", "models", "" },
        { "clusters", "/v1/clusters", "clusters", "" },
        { "charms", "/v1/charms", "charms", "" },
};

static char *completed_path(struct cli *c, const struct completed *k) {
        cleanup_(freep) char *below = NULL, *model = NULL, *application = NULL;
        const char *of = strstr(k->path, "%s");

        if (k->path[0] == '/')
                return str_dup(k->path);
        if (!cli_model(c) || (of && !cli_operand(c, 1)))
                return NULL;
        model = call_path("/v1/models/%s", cli_model(c));
        if (of)
                application = call_path("%s", cli_operand(c, 1));
        below = of ? str_format("%.*s%s%s", (int)(of - k->path), k->path, application, of + 2)
                   : str_dup(k->path);
        return str_format("%s/%s", model, below);
}

/* "deployment/mlflow-server", as `why` takes it. */
static void print_object(const json_t *item, FILE *out) {
        const char *type = json_get_str(item, "type", ""), *path = json_get_str(item, "path", "");
        const char *slash = strrchr(path, '/');

        for (; *type && *type != '.'; type++)
                fputc(*type >= 'A' && *type <= 'Z' ? *type - 'A' + 'a' : *type, out);
        fprintf(out, "/%s\n", slash ? slash + 1 : path);
}

static int complete(struct cli *c) {
        const struct completed *k = completed;
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(freep) char *path = NULL;
        const json_t *list, *item;
        const char *name;
        size_t i;

        while (k < completed + ARRAY_SIZE(completed) && !str_eq(k->kind, cli_operand(c, 0)))
                k++;
        path = k < completed + ARRAY_SIZE(completed) ? completed_path(c, k) : NULL;
        if (!path || call_try(c, path, &json, NULL) < 0)
                return CLI_FAILED;
        list = k->member ? json_get(json, k->member) : json;
        json_array_foreach(list, i, item) {
                if (json_get(item, "name"))
                        fprintf(c->out, "%s%s\n", json_get_str(item, "name", ""), k->end);
                else if (json_get(item, "id"))
                        fprintf(c->out, "%lld\n", (long long)json_get_int(item, "id", 0));
                else
                        print_object(item, c->out);
        }
        json_object_foreach((json_t *)list, name, item)
                fprintf(c->out, "%s%s\n", name, k->end);
        return CLI_DONE;
}

const struct command about_commands[] = {
        { "charms", NULL, GROUP_LOOK, "[CHARM]", 0, 1, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0,
          charms, "List charms on offer, or show all of one", NULL, .example = "charms minio" },
        { "version", NULL, GROUP_HELP, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0, version,
          "Show the versions of mooringctl and mooringd", NULL, .example = "version" },
        { "whoami", NULL, GROUP_HELP, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0, whoami,
          "Show what the daemon takes you for, and your role", NULL, .example = "whoami" },
        { "help", NULL, GROUP_HELP, "[COMMAND|TOPIC]", 0, 2, 0, COMPLETES_NOTHING, NULL, 0, help,
          "Show help", NULL, .example = "help deploy" },
        { "print-man", NULL, GROUP_HELP, "", 0, 0, COMMAND_HIDDEN, COMPLETES_NOTHING, NULL, 0,
          print_man, "Print the man page", NULL },
        { "print-reference", NULL, GROUP_HELP, "", 0, 0, COMMAND_HIDDEN, COMPLETES_NOTHING, NULL, 0,
          print_reference, "Print docs/commands.md", NULL },
        { "completion", NULL, GROUP_HELP, "[bash]", 0, 1, 0, COMPLETES_NOTHING, NULL, 0, completion,
          "Print what completes commands and names in a shell",
          "source <(mooringctl completion bash)", .example = "completion bash" },
        { "complete", NULL, GROUP_HELP, "KIND [APPLICATION]", 1, 2, COMMAND_HIDDEN,
          COMPLETES_NOTHING, NULL, 0, complete, "Print names for the shell", NULL },
        {}
};
