/* SPDX-License-Identifier: Apache-2.0 */
/* changes.c - see changes.h */
#include "changes.h"

#include "table.h"
#include "text.h"

#include <stdlib.h>

static void print_value(struct buf *out, const json_t *value) {
        cleanup_(freep) char *text = value ? text_value(value) : NULL;
        cleanup_(freep) char *safe = text ? text_safe(text) : NULL;

        buf_puts(out, safe ? safe : "(nothing)");
}

/* "spec.replicas: 1 → 2" */
static void print_field(const struct cli *c, const json_t *field) {
        cleanup_(freep) char *name = text_safe(json_get_str(field, "field", ""));
        cleanup_(buf_free) struct buf out = BUF_INIT;
        bool color = c->globals->color;

        buf_printf(&out, "%s: %s", name, color ? table_color(STYLE_BAD) : "");
        print_value(&out, json_get(field, "from"));
        buf_printf(&out, "%s → %s", color ? "\033[0m" : "", color ? table_color(STYLE_GOOD) : "");
        print_value(&out, json_get(field, "to"));
        fprintf(c->out, "    %s%s\n", buf_str(&out), color ? "\033[0m" : "");
}

static void print_server(const struct cli *c, const json_t *line) {
        const char *server = json_get_str(line, "server", NULL);
        cleanup_(freep) char *why = text_safe(json_get_str(line, "server-why", ""));
        bool asked = !str_eq(server, "not asked");
        const char *color = c->globals->color && asked ? table_color(STYLE_BAD) : "";

        if (!server || str_eq(server, "accepts"))
                return;
        if (asked)
                fprintf(c->out, "    %sthe server would not take it: %s: %s%s\n", color, server,
                        why, *color ? "\033[0m" : "");
        else
                fprintf(c->out, "    what the server says is not known: %s\n", why);
}

void changes_details(const struct cli *c, const json_t *line) {
        cleanup_(freep) char *anew = text_safe(json_get_str(line, "anew", ""));
        int64_t more = json_get_int(line, "more", 0);
        const json_t *item;
        size_t i;

        print_server(c, line);
        if (*anew)
                fprintf(c->out, "    deleted and made anew: %s\n", anew);
        if (json_get_bool(line, "large", false))
                fputs("    too large to tell what differs\n", c->out);
        json_array_foreach(json_get(line, "warnings"), i, item) {
                cleanup_(freep) char *text = text_safe(json_string_value(item));

                fprintf(c->out, "    the server warns: %s\n", text);
        }
        json_array_foreach(json_get(line, "would"), i, item) {
                cleanup_(freep) char *text = text_safe(json_string_value(item));

                fprintf(c->out, "    %s\n", text);
        }
        json_array_foreach(json_get(line, "fields"), i, item)
                print_field(c, item);
        if (more)
                fprintf(c->out, "    and %lld more fields\n", (long long)more);
}

void changes_plan_id(const struct cli *c, const json_t *json) {
        const char *name = json_get_str(json, "plan-id", NULL);
        const char *not = json_get_str(json, "plan-not-kept", NULL);

        if (name)
                fprintf(c->out, "Plan %s: mooringctl apply %s does just this\n", name, name);
        else if (not )
                cli_say(c, "this plan gets no name to apply: %s", not );
}

static void say_notes(const struct cli *c, const json_t *json) {
        const json_t *note;
        size_t i;

        json_array_foreach(json_get(json, "notes"), i, note) {
                const char *file = json_get_str(note, "file", NULL);
                int64_t line = json_get_int(note, "line", 0);

                if (file && line)
                        cli_say(c, "note: %s:%lld: %s", file, (long long)line,
                                json_get_str(note, "text", ""));
                else
                        cli_say(c, "note: %s", json_get_str(note, "text", ""));
        }
}

/* What a dry run would do is what was asked for, so it is data; what was done is chatter. */
void changes_say(const struct cli *c, const json_t *json) {
        bool dry = json_get_bool(json, "dry-run", false);
        int64_t more = json_get_int(json, "more", 0);
        const json_t *change;
        size_t i;

        say_notes(c, json);
        json_array_foreach(json_get(json, "changes"), i, change) {
                cleanup_(freep) char *text = text_safe(json_get_str(change, "text", ""));

                if (!dry) {
                        cli_say(c, "%s", text);
                        continue;
                }
                fprintf(c->out, "would %s\n", text);
                changes_details(c, change);
        }
        if (more)
                cli_say(c, "and %lld more", (long long)more);
        if (json_array_size(json_get(json, "changes")) == 0)
                cli_say(c, "nothing to change");
        changes_plan_id(c, json);
}
