/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - plan, why, resources */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

static int get(struct cli *c, const char *what, const char *query, json_t **ret) {
        cleanup_(freep) char *head = NULL;
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        head = call_path("/v1/models/%s", cli_model(c));
        path = str_format("%s/%s", head, what);
        call_query(&path, query, cli_operand(c, 0));
        return call_get(c, path, ret);
}

static int plan(struct cli *c) {
        static const char *const head[] = { "Change", "Object", "Now", "Why", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(json_freep) json_t *json = NULL;
        int r = get(c, "plan", "application", &json);
        const json_t *p, *list = json_get(json, "plan");
        size_t i;

        if (r)
                return r;
        if (cli_print(c, json))
                return json_array_size(list) ? CLI_NOT_CONVERGED : CLI_DONE;
        table_init(&t, head);
        json_array_foreach(list, i, p) {
                const char *change = json_get_str(p, "change", "");

                table_style(&t, change, str_eq(change, "remove") ? STYLE_BAD : STYLE_PLAIN);
                table_printf(&t, "%s %s", json_get_str(p, "type", ""), json_get_str(p, "path", ""));
                table_add(&t, json_get_str(p, "action", ""));
                table_add(&t, json_get_str(p, "why", ""));
        }
        if (table_rows(&t) == 0) {
                cli_say(c, "nothing to do: the outside is as the model says");
                return CLI_DONE;
        }
        table_print(&t, c->globals->color, c->out);
        return CLI_NOT_CONVERGED;
}

static int why(struct cli *c) {
        cleanup_(json_freep) json_t *json = NULL;
        int r = get(c, "why", "subject", &json);
        const json_t *cause;
        size_t i;

        if (r || cli_print(c, json))
                return r;
        json_array_foreach(json_get(json, "why"), i, cause) {
                cleanup_(freep) char *subject = text_safe(json_get_str(cause, "subject", ""));
                cleanup_(freep) char *text = text_safe(json_get_str(cause, "text", ""));
                int depth = (int)json_get_int(cause, "depth", 0);

                fprintf(c->out, "%*s%s%s%s%s: %s\n", depth * 3, "", depth ? "└─ " : "",
                        c->globals->color ? table_color(STYLE_BOLD) : "", subject,
                        c->globals->color ? "\033[0m" : "", text);
        }
        return CLI_DONE;
}

static int by_object(const void *a, const void *b) {
        const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
        int r = text_natural(json_get_str(x, "application", ""),
                             json_get_str(y, "application", ""));

        if (r == 0)
                r = text_natural(json_get_str(x, "type", ""), json_get_str(y, "type", ""));
        return r ? r : text_natural(json_get_str(x, "path", ""), json_get_str(y, "path", ""));
}

static int resources(struct cli *c) {
        static const char *const head[] = { "Application", "Object", "State", "Reason", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(json_freep) json_t *json = NULL;
        cleanup_(freep) const json_t **sorted = NULL;
        int r = get(c, "resources", "application", &json);
        size_t n;

        if (r || cli_print(c, json))
                return r;
        n = json_array_size(json_get(json, "resources"));
        sorted = mem_array(const json_t *, n + 1);
        for (size_t i = 0; i < n; i++)
                sorted[i] = json_array_get(json_get(json, "resources"), i);
        if (n)
                qsort(sorted, n, sizeof(*sorted), by_object);
        table_init(&t, head);
        for (size_t i = 0; i < n; i++) {
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
          "Ends with 4 when there is something to do." },
        { "why", NULL, GROUP_LOOK, "APPLICATION|UNIT|KIND/NAME", 1, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, why,
          "Show why something is not as it should be, down to the cause", NULL },
        { "resources", "objects", GROUP_LOOK, "[APPLICATION]", 0, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, resources,
          "List the objects outside that are looked after", NULL },
        {}
};
