/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - config and model-config: read all or one, set, reset */
#include "call.h"
#include "families.h"
#include "parts.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

struct options {
        char **reset;
        char *file;
        bool dry_run;
};
#define AT(member) offsetof(struct options, member)

#define DRY_RUN                                                                                    \
        {                                                                                          \
                "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,                    \
                        "say what would be done, do nothing"                                       \
        }

static const struct opt config_options[] = { { "reset", 0, OPT_LIST, AT(reset), NULL, 0, 0,
                                               "NAME[,NAME]...", 0, NULL, "back to the default" },
                                             { "file", 0, OPT_PATH, AT(file), NULL, 0, 0, "FILE", 0,
                                               NULL, "YAML of options; - is stdin" },
                                             DRY_RUN,
                                             {} };
static const struct opt model_options[] = { { "reset", 0, OPT_LIST, AT(reset), NULL, 0, 0,
                                              "NAME[,NAME]...", 0, NULL, "back to the default" },
                                            DRY_RUN,
                                            {} };

/* "--reset a,b --reset c" as a list. */
static json_t *reset_list(char *const *given) {
        json_t *list = json_array();

        for (size_t i = 0; given && given[i]; i++)
                for (const char *p = given[i]; *p;
                     p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
                        if (strcspn(p, ","))
                                json_array_append_new(list, json_stringn(p, strcspn(p, ",")));
        return list;
}

/* ---- reading */

static int print_one(struct cli *c, const json_t *settings, const char *name, const char *whose) {
        const json_t *setting = json_object_get(settings, name);
        cleanup_(freep) char *value = NULL;
        cleanup_(freep) const char **names = text_members(settings);
        const char *near = setting ? NULL : opt_nearest(name, names);

        if (!setting && near)
                return cli_fail(CLI_FAILED, "%s has no option %s: did you mean %s?", whose, name,
                                near);
        if (!setting)
                return cli_fail(CLI_FAILED, "%s has no option %s", whose, name);
        if (cli_print(c, json_get(setting, "value") ? json_get(setting, "value") : setting))
                return CLI_DONE;
        /* As it is: a file's text keeps its lines. */
        if (json_is_string(json_get(setting, "value"))) {
                fprintf(c->out, "%s\n", json_string_value(json_get(setting, "value")));
                return CLI_DONE;
        }
        value = text_value(json_get(setting, "value"));
        fprintf(c->out, "%s\n", value);
        return CLI_DONE;
}

static void print_all(struct cli *c, const json_t *settings) {
        static const char *const head[] = { "Attribute", "From", "Type", "Value", NULL };
        cleanup_(freep) const char **names = text_members(settings);
        cleanup_(table_deinit) struct table t;

        table_init(&t, head);
        for (size_t i = 0; names[i]; i++) {
                const json_t *s = json_get(settings, names[i]);
                const char *source = json_get_str(s, "source", "");
                cleanup_(freep) char *value = text_value(json_get(s, "value"));

                table_add(&t, names[i]);
                table_style(&t, source,
                            str_eq(source, "user") || str_eq(source, "model") ? STYLE_BOLD
                                                                              : STYLE_PLAIN);
                table_add(&t, json_get_str(s, "type", ""));
                table_add(&t, value);
        }
        table_print(&t, c->globals->color, c->out);
}

static int show(struct cli *c, const char *path, const char *member, const char *name,
                const char *whose) {
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *settings;
        int r = call_get(c, path, &json);

        if (r)
                return r;
        settings = member ? json_get(json, member) : json;
        if (name)
                return print_one(c, settings, name, whose);
        if (!cli_print(c, json))
                print_all(c, settings);
        return CLI_DONE;
}

/* ---- writing */

/* Operands from FIRST on: all NAME=VALUE, or one NAME to read (*RET_NAME), or none. */
static int read_operands(struct cli *c, int first, json_t **ret, const char **ret_name,
                         struct err *err) {
        int n = c->count - first;

        *ret_name = NULL;
        if (n == 1 && !strchr(c->operands[first], '=')) {
                *ret_name = c->operands[first];
                n = 0;
        }
        return parts_pairs(n ? c->operands + first : NULL, c->command->name, ret, err);
}

static int add_file(json_t *body, const char *path, struct err *err) {
        json_t *text;
        int r = path ? parts_text(path, &text, err) : 0;

        if (!path || r < 0)
                return r;
        json_object_set_new(body, "file", json_string(path));
        json_object_set_new(body, "text", text);
        return 0;
}

static int change(struct cli *c, char **path, json_t *set) {
        const struct options *o = c->options;
        json_t *body = json_object();
        struct err err = { 0 };

        json_object_set_new(body, "set", set);
        json_object_set_new(body, "reset", reset_list(o->reset));
        if (add_file(body, o->file, &err) < 0) {
                json_decref(body);
                return cli_fail_err(&err);
        }
        call_query_flag(path, "dry-run", o->dry_run);
        return call_change(c, "PATCH", *path, body);
}

static int settings(struct cli *c, char **path, const char *member, int first, const char *whose) {
        const struct options *o = c->options;
        const char *name;
        struct err err = { 0 };
        json_t *set;

        if (read_operands(c, first, &set, &name, &err) < 0)
                return cli_fail(CLI_USAGE, "%s", err_text(&err));
        if (json_object_size(set) || o->reset || o->file)
                return change(c, path, set);
        json_decref(set);
        return show(c, *path, member, name, whose);
}

static int config(struct cli *c) {
        const char *application = cli_operand(c, 0);
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/applications/%s/config", cli_model(c), application);
        return settings(c, &path, "settings", 1, application);
}

static int model_config(struct cli *c) {
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/config", cli_model(c));
        return settings(c, &path, NULL, 0, "the model");
}

const struct command settings_commands[] = {
        { "config", NULL, GROUP_DEPLOY, "APPLICATION [NAME|NAME=VALUE...]", 1, -1, COMMAND_LIST,
          COMPLETES_APPLICATION, config_options, sizeof(struct options), config,
          "Show, set or reset options of an application",
          "NAME=@FILE takes the value from a file. Secret options are shown as (secret).",
          .then = COMPLETES_SETTING, .example = "config mlflow-server mlflow_port=5001" },
        { "model-config", NULL, GROUP_DEPLOY, "[NAME|NAME=VALUE...]", 0, -1, COMMAND_LIST,
          COMPLETES_MODEL_SETTING, model_options, sizeof(struct options), model_config,
          "Show, set or reset options of the model",
          "image-registry, image-pull-secret, tolerations and node-selector concern every pod of "
          "the model.",
          .example = "model-config image-registry=registry.example" },
        {}
};
