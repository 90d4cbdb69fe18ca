/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - what the daemon would do, and going on with it */
#include "call.h"
#include "changes.h"
#include "families.h"
#include "parts.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

struct options {
        bool exit_code, dry_run;
};
#define AT(member) offsetof(struct options, member)
static const struct opt plan_options[] = { { "exit-code", 0, OPT_BOOL, AT(exit_code), NULL, 0, 0,
                                             NULL, 0, NULL,
                                             "end with 9 when there is something to do" },
                                           {} };
static const struct opt apply_options[] = { { "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL,
                                              0, NULL,
                                              "say what would be done, and whether it still may" },
                                            {} };

/* What the daemon's words for its next step mean to who reads the table. */
static const char *step_word(const char *action) {
        static const char *const words[][2] = { { "apply", "now" },     { "remove", "now" },
                                                { "forget", "now" },    { "look", "looks first" },
                                                { "wait", "waits" },    { "block", "blocked" },
                                                { "none", "told only" } };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (str_eq(action, words[i][0]))
                        return words[i][1];
        return action;
}

static void add_plan(struct table *t, const json_t *list) {
        cleanup_(freep) const json_t **sorted = parts_by_object(list);

        for (size_t i = 0; sorted[i]; i++) {
                const json_t *p = sorted[i];
                const char *change = json_get_str(p, "change", "");
                bool bad = str_eq(change, "remove") || str_eq(change, "destroy") ||
                           str_eq(change, "lost");

                table_style(t, change, bad ? STYLE_BAD : STYLE_PLAIN);
                table_printf(t, "%s %s", json_get_str(p, "type", ""), json_get_str(p, "path", ""));
                table_add(t, step_word(json_get_str(p, "action", "")));
                table_add(t, json_get_str(p, "why", ""));
        }
}

static void add_unknown(struct table *t, const json_t *list) {
        const json_t *u;
        size_t i;

        json_array_foreach(list, i, u) {
                table_style(t, "unknown", STYLE_WAIT);
                table_add(t, json_get_str(u, "subject", ""));
                table_add(t, "");
                table_add(t, json_get_str(u, "why", ""));
        }
}

static void print_plan(struct cli *c, const json_t *changes, const json_t *unknown) {
        static const char *const head[] = { "Change", "Object", "Step", "Why", NULL };
        cleanup_(table_deinit) struct table t;

        table_init(&t, head);
        table_cut_left(&t, 1);
        add_unknown(&t, unknown);
        add_plan(&t, changes);
        table_print(&t, c->globals->color, c->out);
}

static bool has_details(const json_t *line) {
        const char *server = json_get_str(line, "server", "accepts");

        return !str_eq(server, "accepts") || json_array_size(json_get(line, "fields")) ||
               json_get(line, "warnings") || json_get(line, "anew") || json_get(line, "would");
}

static void print_details(const struct cli *c, const json_t *changes) {
        cleanup_(freep) const json_t **sorted = parts_by_object(changes);

        for (size_t i = 0; sorted[i]; i++) {
                cleanup_(freep) char *path = text_safe(json_get_str(sorted[i], "path", ""));

                if (!has_details(sorted[i]))
                        continue;
                fprintf(c->out, "\n%s %s\n", json_get_str(sorted[i], "type", ""), path);
                changes_details(c, sorted[i]);
        }
}

/* A plan of more lines than are kept has no name, and its pages are read one by one. */
static int ask(struct cli *c, json_t **ret) {
        const char *application = cli_operand(c, 0);
        cleanup_(json_freep) json_t *body = json_object();
        cleanup_(freep) char *path = NULL;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/plans", cli_model(c));
        if (application)
                json_object_set_new(body, "application", json_string(application));
        r = call_send(c, "POST", path, take_ptr(body), ret);
        if (r || !json_get_bool(*ret, "more", false))
                return r;
        json_decref(*ret);
        free(path);
        path = call_path("/v1/models/%s/plan", cli_model(c));
        call_query(&path, "application", application);
        r = call_pages(c, path, "plan", "after", SIZE_MAX, ret);
        if (!r)
                json_object_set_new(*ret, "plan-not-kept", json_string("it has too many lines"));
        return r;
}

/* No plan brings data back. Something that a person has to see to: it is lost, or blocked. */
static bool is_stuck(const json_t *changes) {
        const json_t *line;
        size_t i;

        json_array_foreach(changes, i, line)
                if (str_eq(json_get_str(line, "change", ""), "lost") ||
                    (str_eq(json_get_str(line, "action", ""), "block") &&
                     !str_eq(json_get_str(line, "type", ""), "plan")))
                        return true;
        return false;
}

/* Rules that leave things as they are, which a plan then says nothing of. */
static size_t rules_that_spare(struct cli *c) {
        cleanup_(freep) char *path = call_path("/v1/models/%s/policy", cli_model(c));
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *rule;
        size_t i, count = 0;

        if (call_get(c, path, &json))
                return 0;
        json_array_foreach(json_get(json, "rules"), i, rule)
                count += !str_eq(json_get_str(rule, "mode", ""), "repair");
        return count;
}

static void say_nothing_to_do(struct cli *c) {
        size_t rules = rules_that_spare(c);

        if (rules)
                cli_say(c, "nothing to do, but for what %zu %s as it is (mooringctl drift policy)",
                        rules, rules == 1 ? "rule leaves" : "rules leave");
        else
                cli_say(c, "nothing to do: the outside is as the model says");
}

static int code_of(const struct cli *c, const json_t *changes, const json_t *unknown) {
        const struct options *o = c->options;

        if (json_array_size(unknown) || is_stuck(changes))
                return CLI_NOT_CONVERGED;
        return o->exit_code && json_array_size(changes) ? CLI_CHANGES : CLI_DONE;
}

/* "plan config" plans an application of that name; who meant the command has not said of what. */
static void say_command(const struct cli *c) {
        const char *name = cli_operand(c, 0);
        const struct command *command = name ? command_find(name) : NULL;

        if (command && command->options && opt_find(command->options, "dry-run"))
                cli_say(c, "%s is a command too: what it would do says plan %s %s", name, name,
                        command->operands);
}

static int plan(struct cli *c) {
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *changes, *unknown;
        int r = ask(c, &json);

        if (r) {
                say_command(c);
                return r;
        }
        changes = json_get(json, "plan");
        unknown = json_get(json, "unknown");
        if (cli_print(c, json))
                return code_of(c, changes, unknown);
        if (!json_array_size(changes) && !json_array_size(unknown)) {
                say_nothing_to_do(c);
                return CLI_DONE;
        }
        print_plan(c, changes, unknown);
        print_details(c, changes);
        changes_plan_id(c, json);
        return code_of(c, changes, unknown);
}

static int apply(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/plans/%s/apply", cli_model(c), cli_operand(c, 0));
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "POST", path, NULL);
}

#define SIZE sizeof(struct options)
const struct command plan_commands[] = {
        { "plan", NULL, GROUP_LOOK, "[APPLICATION] | COMMAND...", 0, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, plan_options, SIZE, plan,
          "Show what the daemon would do now, or what a command would do",
          "The loop's own decisions, and what the API server answers to each write when it is only "
          "tried: refusals, admission, which fields would be other. At the end stands the plan's "
          "name, for apply. With a command (plan config APPLICATION NAME=VALUE) it is that "
          "command's --dry-run. Ends with 0, with changes too; with 4 when something cannot be "
          "known: a change that is still being planned, a cluster that cannot be read, an object "
          "that is blocked; with --exit-code with 9 when all is known and there is something to "
          "do.",
          .example = "plan mlflow-server" },
        { "apply", NULL, GROUP_OPERATE, "PLAN", 1, 1, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_NOTHING, apply_options, SIZE, apply, "Do what a plan said, and nothing else",
          "PLAN is the name at the end of a plan or of a dry run. It is made again and compared: "
          "where the model, an object or the server's answer is other now, nothing is done, and "
          "what moved is named. Of a plan of what the daemon would do this lets go what a pause, a "
          "rule, a window or a fight keeps back, and what a limit held.",
          .example = "apply k7mqx2dr" },
        {}
};
