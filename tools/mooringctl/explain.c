/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - why, resources */
#include "call.h"
#include "families.h"
#include "parts.h"
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

/* What stands before cause I; before its FURTHER lines. The caller frees. */
static char *branch(const json_t *list, size_t i, bool further) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        int depth = depth_at(list, i);

        for (int d = 1; d < depth + further; d++)
                buf_puts(&out, d && has_next(list, i, d) ? "│  " : "   ");
        if (depth && !further)
                buf_puts(&out, has_next(list, i, depth) ? "├─ " : "└─ ");
        if (further)
                buf_puts(&out, depth_at(list, i + 1) > depth && i + 1 < json_array_size(list)
                                       ? "│ "
                                       : "  ");
        return buf_take(&out);
}

static void print_cause(const struct cli *c, const json_t *list, size_t i) {
        const json_t *cause = json_array_get(list, i);
        cleanup_(freep) char *subject = text_safe(json_get_str(cause, "subject", ""));
        cleanup_(freep) char *text = text_safe(json_get_str(cause, "text", ""));
        cleanup_(freep) char *before = branch(list, i, false), *below = branch(list, i, true);
        bool color = c->globals->color;

        fprintf(c->out, "%s%s%s%s: ", before, color ? table_color(STYLE_BOLD) : "", subject,
                color ? "\033[0m" : "");
        text_put(text, text_width(before) + text_width(subject) + 2, below, text_columns(c->out),
                 c->out);
}

static int why(struct cli *c) {
        cleanup_(freep) char *path = path_of(c, "why", "subject");
        cleanup_(json_freep) json_t *json = NULL;
        int r = path ? call_get(c, path, &json) : CLI_FAILED;
        const json_t *list = json_get(json, "why");

        if (r || cli_print(c, json))
                return r;
        for (size_t i = 0; i < json_array_size(list); i++)
                print_cause(c, list, i);
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
        sorted = parts_by_object(json_get(json, "resources"));
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
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "nothing outside is looked after");
        return CLI_DONE;
}

const struct command explain_commands[] = {
        { "why", NULL, GROUP_LOOK, "APPLICATION|UNIT|KIND/NAME", 1, 1, COMMAND_LIST,
          COMPLETES_SUBJECT, NULL, 0, why,
          "Show why something is not as it should be, down to the cause", NULL,
          .example = "why deployment/mlflow-server" },
        { "objects", "resources", GROUP_LOOK, "[APPLICATION]", 0, 1, COMMAND_LIST,
          COMPLETES_APPLICATION, NULL, 0, resources,
          "List the objects outside that are looked after", NULL,
          .example = "objects mlflow-server" },
        {}
};
