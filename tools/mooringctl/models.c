/* SPDX-License-Identifier: Apache-2.0 */
/* models.c - models: add, list, choose, remove, take over */
#include "confirm.h"
#include "families.h"
#include "switch.h"
#include "table.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>

struct options {
        char *cluster;
        bool destroy_storage, force, dry_run, no_prompt;
};
#define AT(member) offsetof(struct options, member)

static const struct opt add_options[] = {
        { "cluster", 0, OPT_STRING, AT(cluster), NULL, 0, 0, "CLUSTER", 0, NULL,
          "cluster it lives in; may be left out while there is one" },
        {}
};
static const struct opt take_over_options[] = { CONFIRM_OPTION(AT(no_prompt)),
                                                { "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0,
                                                  NULL, 0, NULL,
                                                  "say what would be done, do nothing" },
                                                {} };
static const struct opt remove_options[] = {
        { "destroy-storage", 0, OPT_BOOL, AT(destroy_storage), NULL, 0, 0, NULL, 0, NULL,
          "destroy all data in it too" },
        { "force", 0, OPT_BOOL, AT(force), NULL, 0, 0, NULL, 0, NULL,
          "do not wait for what cannot be reached" },
        CONFIRM_OPTION(AT(no_prompt)),
        { "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,
          "say what would be done, do nothing" },
        {}
};

/* The only one there is; NULL: an error was printed. */
static char *only_cluster(struct cli *c) {
        cleanup_(json_freep) json_t *json = NULL;
        size_t n;

        if (call_get(c, "/v1/clusters", &json))
                return NULL;
        n = json_array_size(json_get(json, "clusters"));
        if (n == 1)
                return str_dup(
                        json_get_str(json_array_get(json_get(json, "clusters"), 0), "name", ""));
        cli_fail(CLI_FAILED, "%s",
                 n ? "there are several clusters: say which with --cluster"
                   : "there is no cluster yet: mooringctl add-cluster NAME --kubeconfig FILE");
        return NULL;
}

static int add_model(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *cluster = o->cluster ? str_dup(o->cluster) : only_cluster(c);
        json_t *body;

        if (!cluster)
                return CLI_FAILED;
        body = json_object();
        json_object_set_new(body, "name", json_string(cli_operand(c, 0)));
        json_object_set_new(body, "cluster", json_string(cluster));
        return call_change(c, "POST", "/v1/models", body);
}

/* Since when: of an outage; a row's own age says nothing. */
static void add_notes(struct table *t, struct cli *c, const json_t *state, const json_t *paused) {
        const char *word = json_get_str(state, "current", ""),
                   *said = json_get_str(state, "message", "");
        const char *until = json_get_str(paused, "until", NULL);
        cleanup_(buf_free) struct buf notes = BUF_INIT;
        char since[40];

        if (str_eq(word, "unreachable") && json_get_str(state, "since", NULL))
                buf_printf(&notes, "since %s: ",
                           text_time(json_get_str(state, "since", NULL), c->globals->utc, since));
        buf_puts(&notes, said);
        if (paused)
                buf_printf(&notes, "%spaused by %s%s%s: %s", notes.len ? "; " : "",
                           json_get_str(paused, "by", "?"), until ? " until " : "",
                           until ? text_time(until, c->globals->utc, since) : "",
                           json_get_str(paused, "why", ""));
        table_add(t, buf_str(&notes));
}

static int list_models(struct cli *c) {
        static const char *const head[] = { "Model",  "Cloud/Region", "Applications",
                                            "Status", "Notes",        NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) char *chosen =
                c->globals->model ? str_dup(c->globals->model) : switch_read(c->globals->socket);
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *m;
        size_t i;
        int r = call_pages(c, "/v1/models", "models", "after", SIZE_MAX, &json);

        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        table_right(&t, 2);
        json_array_foreach(json_get(json, "models"), i, m) {
                const char *name = json_get_str(m, "name", "");
                const char *word = json_get_str(json_get(m, "model-status"), "current", "");

                table_printf(&t, "%s%s", name, str_eq(name, chosen) ? "*" : "");
                table_add(&t, json_get_str(m, "cluster", ""));
                table_printf(&t, "%lld", (long long)json_get_int(m, "applications", 0));
                table_style(&t, word, str_eq(word, "available") ? STYLE_PLAIN : STYLE_BAD);
                add_notes(&t, c, json_get(m, "model-status"), json_get(m, "paused"));
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no models: mooringctl add-model NAME --cluster CLUSTER");
        return CLI_DONE;
}

static void print_chosen(struct cli *c, const char *model) {
        cleanup_(json_freep) json_t *json = json_pack("{s:s}", "model", model);

        if (!cli_print(c, json))
                fprintf(c->out, "%s\n", model);
}

static int choose(struct cli *c) {
        const char *model = cli_operand(c, 0);
        cleanup_(json_freep) json_t *json = NULL;
        struct err err = { 0 };
        cleanup_(freep) char *path = NULL;
        int r;

        if (!model) {
                if (!cli_model(c))
                        return CLI_FAILED;
                print_chosen(c, cli_model(c));
                return CLI_DONE;
        }
        path = call_path("/v1/models/%s/config",
                         model); /* it is there, or the nearest name is told */
        r = call_get(c, path, &json);
        if (r)
                return r;
        if (switch_write(c->globals->socket, model, &err) < 0)
                return cli_fail_err(&err);
        if (c->globals->format == FORMAT_TABULAR)
                cli_say(c, "%s", model);
        else
                print_chosen(c, model);
        if (c->globals->model && !str_eq(c->globals->model, model))
                cli_say(c, "but MOORING_MODEL or --model says %s, which goes before it",
                        c->globals->model);
        return CLI_DONE;
}

static int remove_model(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_path("/v1/models/%s", cli_operand(c, 0));

        call_query_flag(&path, "destroy-storage", o->destroy_storage);
        call_query_flag(&path, "force", o->force);
        return confirm_change(c, "DELETE", path,
                              &(struct confirm_options){ .dry_run = o->dry_run,
                                                         .no_prompt = o->no_prompt,
                                                         .name = cli_operand(c, 0) });
}

static int take_over(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_path("/v1/models/%s/take-over", cli_operand(c, 0));

        return confirm_change(
                c, "POST", path,
                &(struct confirm_options){ .dry_run = o->dry_run, .no_prompt = o->no_prompt });
}

#define SIZE sizeof(struct options)
const struct command models_commands[] = {
        { "add-model", NULL, GROUP_BASICS, "MODEL", 1, 1, COMMAND_LIST, COMPLETES_NOTHING,
          add_options, SIZE, add_model, "Add a model: a namespace of a cluster", NULL,
          .example = "add-model mlflow --cluster prod" },
        { "models", NULL, GROUP_BASICS, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0,
          list_models, "List models", NULL, .example = "models" },
        { "switch", NULL, GROUP_BASICS, "[MODEL]", 0, 1, COMMAND_LIST, COMPLETES_MODEL, NULL, 0,
          choose, "Choose the model that commands work on, or show it", NULL,
          .example = "switch mlflow" },
        { "remove-model", "destroy-model", GROUP_BASICS, "MODEL", 1, 1,
          COMMAND_LIST | COMMAND_DRY_RUN, COMPLETES_MODEL, remove_options, SIZE, remove_model,
          "Remove a model and all that is in it",
          "The namespace goes only when mooringd made it and nothing else is in it.",
          .example = "remove-model mlflow --dry-run" },
        { "take-over-model", NULL, GROUP_CLUSTERS, "MODEL", 1, 1, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_MODEL, take_over_options, SIZE, take_over,
          "Take a namespace over that carries another controller's stamp",
          "Look at plan, and at --dry-run, first.", .example = "take-over-model mlflow" },
        {}
};
