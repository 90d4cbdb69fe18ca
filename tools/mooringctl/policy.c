/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - what is done about drift: rules, which of them decides, fields that are left to others
 */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

struct options {
        char *mode, *app, *kind, *object, *field, *window, *zone, *length, *until, *to;
        bool dry_run;
};
#define AT(member) offsetof(struct options, member)
#define SIZE sizeof(struct options)
#define TEXT(name, member, value, help)                                                            \
        { name, 0, OPT_STRING, AT(member), NULL, 0, 0, value, 0, NULL, help }
#define UNTIL TEXT("until", until, "TIME", "ends by itself: a time, or for how long: 2h")
#define DRY_RUN                                                                                    \
        {                                                                                          \
                "dry-run", 0, OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL, 0, NULL,                    \
                        "say what would be done, do nothing"                                       \
        }

static const struct opt policy_options[] = {
        TEXT("mode", mode, "off|report|repair|ignore", "what to do about drift"),
        TEXT("app", app, "APPLICATION", "only of this application"),
        TEXT("kind", kind, "KIND", "only of this kind: Deployment"),
        TEXT("object", object, "KIND/NAME", "only of this object"),
        TEXT("field", field, "FIELD", "only this field, as drift show prints it"),
        TEXT("window", window, "CRON", "repair only in windows that begin so: \"0 2 * * sat\""),
        TEXT("zone", zone, "ZONE", "time zone of the windows: Europe/Berlin; else UTC"),
        TEXT("length", length, "SPAN", "how long they are open: 4h"),
        UNTIL,
        DRY_RUN,
        {}
};
static const struct opt hand_over_options[] = {
        TEXT("to", to, "WRITER", "who writes it from now on, as drift names it"), UNTIL, DRY_RUN, {}
};
static const struct opt take_over_options[] = { DRY_RUN, {} };

static void set(json_t *body, const char *name, const char *value) {
        if (value)
                json_object_set_new(body, name, json_string(value));
}

/* ---- list */

static char *scope_of(const json_t *rule) {
        struct buf out = BUF_INIT;
        const char *application = json_get_str(rule, "application", NULL);
        const char *kind = json_get_str(rule, "kind", NULL);

        if (application)
                buf_puts(&out, application);
        if (kind)
                buf_printf(&out, "%s%s%s%s", out.len ? ", " : "", kind,
                           json_get(rule, "object") ? " " : "", json_get_str(rule, "object", ""));
        if (!out.len)
                buf_puts(&out, "(model)");
        return buf_take(&out);
}

static char *mode_of(const json_t *rule) {
        const json_t *window = json_get(rule, "window");
        const char *mode = json_get_str(rule, "mode", ""),
                   *writer = json_get_str(rule, "writer", NULL);

        if (window)
                return str_format("%s at %s %s for %s%s", mode, json_get_str(window, "begins", ""),
                                  json_get_str(window, "zone", ""),
                                  json_get_str(window, "length", ""),
                                  json_is_true(json_get(window, "open")) ? ", open" : "");
        return writer ? str_format("%s, left to %s", mode, writer) : str_dup(mode);
}

static void add_rule(struct cli *c, struct table *t, const json_t *rule, const json_t *decides) {
        cleanup_(freep) char *scope = scope_of(rule);
        cleanup_(freep) char *mode = mode_of(rule);
        bool this = decides && json_equal(json_get(rule, "id"), json_get(decides, "id"));
        char stamp[40];

        table_style(t, this ? "*" : "", STYLE_GOOD);
        table_add(t, scope);
        table_add(t, json_get_str(rule, "field", ""));
        table_add(t, mode);
        table_add(t, text_time(json_get_str(rule, "until", NULL), c->globals->utc, stamp));
        table_printf(t, "%s: %s", json_get_str(rule, "owner", ""),
                     json_get_str(rule, "reason", ""));
}

static void print_rules(struct cli *c, const json_t *json) {
        static const char *const head[] = { "", "Scope", "Field", "Mode", "Until", "Why", NULL };
        const json_t *rule, *decides = json_get(json, "decides"),
                            *object = json_get(json, "object");
        cleanup_(table_deinit) struct table t;
        size_t i;

        table_init(&t, head);
        table_cut_left(&t, 2);
        json_array_foreach(json_get(json, "rules"), i, rule)
                add_rule(c, &t, rule, decides);
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else if (!decides)
                cli_say(c, "no rules: what differs is repaired at once");
        if (decides)
                fprintf(c->out, "%s %s%s%s: %s, %s\n", json_get_str(object, "kind", ""),
                        json_get_str(object, "path", ""), cli_operand(c, 1) ? " " : "",
                        cli_operand(c, 1) ? cli_operand(c, 1) : "",
                        json_get_str(decides, "mode", ""),
                        json_get(decides, "id") ? "by the rule marked *"
                                                : json_get_str(decides, "reason", ""));
}

static int list(struct cli *c) {
        cleanup_(freep) char *path = call_path("/v1/models/%s/policy", cli_model(c));
        cleanup_(json_freep) json_t *json = NULL;
        int r;

        call_query(&path, "object", cli_operand(c, 0));
        call_query(&path, "field", cli_operand(c, 1));
        r = call_get(c, path, &json);
        if (r == CLI_DONE && !cli_print(c, json))
                print_rules(c, json);
        return r;
}

/* ---- set, unset */

static int need_reason(const struct cli *c) {
        if (c->globals->reason)
                return CLI_DONE;
        return cli_fail(CLI_USAGE,
                        "--reason TEXT is needed: whoever finds it so wants to know why");
}

static int set_rule(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_path("/v1/models/%s/policy", cli_model(c));
        json_t *body;

        if (!o->mode)
                return cli_fail(CLI_USAGE, "--mode is needed: off, report, repair or ignore");
        if (need_reason(c))
                return CLI_USAGE;
        body = json_object();
        set(body, "mode", o->mode);
        set(body, "application", o->app);
        set(body, "kind", o->kind);
        set(body, "object", o->object);
        set(body, "field", o->field);
        set(body, "window", o->window);
        set(body, "zone", o->zone);
        set(body, "length", o->length);
        set(body, "until", o->until);
        set(body, "reason", c->globals->reason);
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "PUT", path, body);
}

static int unset_rule(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = call_path("/v1/models/%s/policy", cli_model(c));

        call_query(&path, "application", o->app);
        call_query(&path, "kind", o->kind);
        call_query(&path, "object", o->object);
        call_query(&path, "field", o->field);
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "DELETE", path, NULL);
}

static int policy(struct cli *c) {
        const char *verb = cli_operand(c, 0);
        bool sets = c->count == 1 && str_eq(verb, "set");

        if (!cli_model(c))
                return CLI_FAILED;
        if (sets)
                return set_rule(c);
        if (c->count == 1 && str_eq(verb, "unset"))
                return unset_rule(c);
        return list(c);
}

/* ---- fields that are left to others */

static int hand_over(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        json_t *body;

        if (!o->to)
                return cli_fail(CLI_USAGE, "--to WRITER is needed: whose it is from now on");
        if (need_reason(c))
                return CLI_USAGE;
        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/handed-over", cli_model(c));
        body = json_object();
        set(body, "object", cli_operand(c, 0));
        set(body, "field", cli_operand(c, 1));
        set(body, "writer", o->to);
        set(body, "until", o->until);
        set(body, "reason", c->globals->reason);
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "POST", path, body);
}

static int take_over(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/handed-over", cli_model(c));
        call_query(&path, "object", cli_operand(c, 0));
        call_query(&path, "field", cli_operand(c, 1));
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "DELETE", path, NULL);
}

const struct command policy_commands[] = {
        { "drift policy", NULL, GROUP_OPERATE, "[OBJECT [FIELD]] | set | unset", 0, 2, COMMAND_LIST,
          COMPLETES_NOTHING, policy_options, SIZE, policy,
          "List, set and drop rules of what is done about drift",
          "off: neither told nor repaired; report: told, not repaired; repair: both, perhaps only "
          "in windows; ignore, of a field: nothing is told, and no apply writes it, whatever it is "
          "for. The narrowest rule that fits decides: field, object, kind, application, model. "
          "With "
          "OBJECT (KIND/NAME) it says which one that is.",
          .example = "drift policy set --mode report --kind Job --reason \"team x\"" },
        { "drift hand-over", NULL, GROUP_OPERATE, "OBJECT FIELD", 2, 2, COMMAND_LIST,
          COMPLETES_NOTHING, hand_over_options, SIZE, hand_over,
          "Leave a field to another writer: it is declared no more, and nobody fights over it",
          "The value stays as it is. drift take-over ends that.",
          .example = "drift hand-over deployment/web spec.replicas --to hpa --reason \"x\"" },
        { "drift take-over", NULL, GROUP_OPERATE, "OBJECT FIELD", 2, 2, COMMAND_LIST,
          COMPLETES_NOTHING, take_over_options, SIZE, take_over,
          "Declare a field again that was left to another writer", NULL,
          .example = "drift take-over deployment/mlflow-server spec.replicas" },
        {}
};
