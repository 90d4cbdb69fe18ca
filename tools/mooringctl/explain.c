/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - plan, why, resources */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

/* NULL: no model is meant, which was said. */
static char *path_of(struct cli *c, const char *what, const char *query) {
        cleanup_(freep) char *head = NULL;
        char *path;

        if (!cli_model(c))
                return NULL;
        head = call_path("/v1/models/%s", cli_model(c));
        path = str_format("%s/%s", head, what);
        call_query(&path, query, cli_operand(c, 0));
        return path;
}

static int by_object(const void *a, const void *b) {
        const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
        int r = text_natural(json_get_str(x, "application", ""),
                             json_get_str(y, "application", ""));

        if (r == 0)
                r = text_natural(json_get_str(x, "type", ""), json_get_str(y, "type", ""));
        return r ? r : text_natural(json_get_str(x, "path", ""), json_get_str(y, "path", ""));
}

/* NULL-terminated; free the array. */
static const json_t **sort(const json_t *list, int (*compare)(const void *, const void *)) {
        size_t n = json_array_size(list);
        const json_t **sorted = mem_array(const json_t *, n + 1);

        for (size_t i = 0; i < n; i++)
                sorted[i] = json_array_get(list, i);
        if (n)
                qsort(sorted, n, sizeof(*sorted), compare);
        return sorted;
}

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
        cleanup_(freep) const json_t **sorted = sort(list, by_object);

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

static int plan(struct cli *c) {
        cleanup_(freep) char *path = path_of(c, "plan", "application");
        cleanup_(json_freep) json_t *json = NULL;
        int r = path ? call_pages(c, path, "plan", "after", SIZE_MAX, &json) : CLI_FAILED;
        json_t *changes = json_get(json, "plan"), *unknown = json_get(json, "unknown");
        bool rest = !json_array_size(changes) && !json_array_size(unknown);

        if (r)
                return r;
        if (cli_print(c, json))
                return rest ? CLI_DONE : CLI_NOT_CONVERGED;
        if (rest)
                cli_say(c, "nothing to do: the outside is as the model says");
        else
                print_plan(c, changes, unknown);
        return rest ? CLI_DONE : CLI_NOT_CONVERGED;
}

static int depth_at(const json_t *list, size_t i) {
        return (int)json_get_int(json_array_get(list, i), "depth", 0);
}

/* Whether another cause of that depth follows below the same one. */
static bool has_next(const json_t *list, size_t i, int depth) {
        for (size_t k = i + 1; k < json_array_size(list) && depth_at(list, k) >= depth; k++)
                if (depth_at(list, k) == depth)
                        return true;
        return false;
}

static void print_branch(const json_t *list, size_t i, FILE *out) {
        int depth = depth_at(list, i);

        for (int d = 1; d < depth; d++)
                fputs(has_next(list, i, d) ? "│  " : "   ", out);
        if (depth)
                fputs(has_next(list, i, depth) ? "├─ " : "└─ ", out);
}

static int why(struct cli *c) {
        cleanup_(freep) char *path = path_of(c, "why", "subject");
        cleanup_(json_freep) json_t *json = NULL;
        int r = path ? call_get(c, path, &json) : CLI_FAILED;
        const json_t *cause, *list = json_get(json, "why");
        size_t i;

        if (r || cli_print(c, json))
                return r;
        json_array_foreach(list, i, cause) {
                cleanup_(freep) char *subject = text_safe(json_get_str(cause, "subject", ""));
                cleanup_(freep) char *text = text_safe(json_get_str(cause, "text", ""));

                print_branch(list, i, c->out);
                fprintf(c->out, "%s%s%s: %s\n", c->globals->color ? table_color(STYLE_BOLD) : "",
                        subject, c->globals->color ? "\033[0m" : "", text);
        }
        return CLI_DONE;
}

static int resources(struct cli *c) {
        static const char *const head[] = { "Application", "Object", "State", "Reason", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(freep) const json_t **sorted = NULL;
        cleanup_(freep) char *path = path_of(c, "resources", "application");
        int r = path ? call_pages(c, path, "resources", "after", SIZE_MAX, &json) : CLI_FAILED;

        if (r || cli_print(c, json))
                return r;
        sorted = sort(json_get(json, "resources"), by_object);
        table_init(&t, head);
        for (size_t i = 0; sorted[i]; i++) {
                const char *state = json_get_str(sorted[i], "state", "");

                table_add(&t, json_get_str(sorted[i], "application", ""));
                table_printf(&t, "%s %s", json_get_str(sorted[i], "type", ""),
                             json_get_str(sorted[i], "path", ""));
                table_style(&t, state,
                            str_eq(state, "ready")     ? STYLE_GOOD
                            : str_eq(state, "blocked") ? STYLE_BAD
                                                       : STYLE_WAIT);
                table_add(&t, json_get_str(sorted[i], "reason", ""));
        }
        table_print(&t, c->globals->color, c->out);
        return CLI_DONE;
}

const struct command explain_commands[] = {
        { "plan", NULL, GROUP_LOOK, "[APPLICATION]", 0, 1, COMMAND_LIST, COMPLETES_APPLICATION,
          NULL, 0, plan, "Show what the daemon would do now, and what it waits for",
          "Ends with 0 when the outside is as the model says, and with 4 when there is something "
          "to do "
          "or something cannot be known: a change that is still being planned, a cluster that "
          "cannot "
          "be read, an object that is blocked.",
          .example = "plan mlflow-server" },
        { "why", NULL, GROUP_LOOK, "APPLICATION|UNIT|KIND/NAME", 1, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, why,
          "Show why something is not as it should be, down to the cause", NULL,
          .example = "why deployment/mlflow-server" },
        { "objects", "resources", GROUP_LOOK, "[APPLICATION]", 0, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, resources,
          "List the objects outside that are looked after", NULL,
          .example = "objects mlflow-server" },
        {}
};
