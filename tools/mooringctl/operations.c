/* SPDX-License-Identifier: Apache-2.0 */
/* operations.c - actions that were run: listing, showing, cancelling and approving them */
#include "families.h"
#include "follow.h"
#include "table.h"
#include "text.h"

#include "clock.h"
#include "yaml.h"

#include <stdlib.h>

struct options {
        char *apps, *actions, *status;
        int64_t limit, wait;
        bool watch, reveal;
};
#define AT(member) offsetof(struct options, member)
#define PAGE_MAX 1000 /* what the daemon gives at once */

static const char *const statuses[] = { "pending",   "running", "completed", "failed",
                                        "cancelled", "aborted", NULL };

static const struct opt list_options[] = {
        { "apps", 0, OPT_STRING, AT(apps), NULL, 0, 0, "APPLICATION", 0, NULL,
          "only of this application" },
        { "actions", 0, OPT_STRING, AT(actions), NULL, 0, 0, "ACTION", 0, NULL,
          "only of this action" },
        { "status", 0, OPT_STRING, AT(status), NULL, 0, 0,
          "pending|running|completed|failed|cancelled|aborted", 0, NULL, "only with this status" },
        { "limit", 'n', OPT_INT, AT(limit), "50", 1, 100000, "N", 0, NULL, "newest lines" },
        {}
};
static const struct opt show_options[] = {
        { "watch", 0, OPT_BOOL, AT(watch), NULL, 0, 0, NULL, 0, NULL,
          "tell what is done, to its end" },
        { "wait", 0, OPT_DURATION, AT(wait), "0", 0, 0, "TIME", 0, NULL,
          "the same, for so long at most" },
        { "reveal", 0, OPT_BOOL, AT(reveal), NULL, 0, 0, NULL, 0, NULL,
          "results with the values of secrets; kept in the audit" },
        {}
};

/* ---- the list */

static enum table_style status_style(const char *status) {
        if (str_eq(status, "completed"))
                return STYLE_GOOD;
        if (str_eq(status, "pending") || str_eq(status, "running"))
                return STYLE_WAIT;
        return str_eq(status, "cancelled") ? STYLE_DIM : STYLE_BAD;
}

/* "alice as root" of "uid 1000 (alice) as uid 0 (root)": who has no name here keeps the number. */
static char *by_name(const char *by) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        while (*by) {
                size_t digits = str_starts(by, "uid ") ? strspn(by + 4, "0123456789") : 0;
                const char *name = by + 4 + digits, *end = strchr(name, ')');

                if (!digits || !str_starts(name, " (") || !end) {
                        buf_putc(&out, *by++);
                        continue;
                }
                if (str_starts(name, " (?)"))
                        buf_add(&out, by + 4, digits);
                else
                        buf_add(&out, name + 2, (size_t)(end - name - 2));
                by = end + 1;
        }
        return buf_take(&out);
}

static char *told(const json_t *o) {
        const char *message = json_get_str(o, "message", ""), *step = json_get_str(o, "step", "");
        const char *approved = json_get_str(o, "approved-by", "");

        if (str_eq(json_get_str(o, "approval", ""), "wanted") && follow_is_live(o))
                return str_dup("waits for approval");
        if (!*message && str_eq(json_get_str(o, "status", ""), "running") && *step)
                return str_format("step %s", step);
        if (!*message && *approved) {
                cleanup_(freep) char *name = by_name(approved);

                return str_format("approved by %s", name);
        }
        return str_dup(message);
}

static void print_list(struct cli *c, const json_t *list) {
        const struct options *o = c->options;
        static const char *const head[] = { "ID",     "Asked", "Application", "Action",
                                            "Status", "By",    "Message",     NULL };
        cleanup_(table_deinit) struct table t;
        const json_t *line;
        char stamp[40];
        size_t i;

        table_init(&t, head);
        table_right(&t, 0);
        table_spare(&t, 5);
        json_array_foreach(list, i, line) {
                const char *status = json_get_str(line, "status", "");
                cleanup_(freep) char *message = told(line);
                cleanup_(freep) char *by = by_name(json_get_str(line, "asked-by", ""));

                table_printf(&t, "%lld", (long long)json_get_int(line, "id", 0));
                table_add(&t,
                          text_time(json_get_str(line, "enqueued", NULL), c->globals->utc, stamp));
                table_add(&t, json_get_str(line, "unit", json_get_str(line, "application", "")));
                table_add(&t, json_get_str(line, "action", ""));
                table_style(&t, status, status_style(status));
                table_add(&t, by);
                table_add(&t, message);
        }
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, o->apps || o->actions || o->status ? "no actions that fit were run"
                                                              : "no actions were run");
}

static int check_status(const char *status) {
        const char *near = status ? opt_nearest(status, statuses) : NULL;

        for (size_t i = 0; status && statuses[i]; i++)
                if (str_eq(status, statuses[i]))
                        return CLI_DONE;
        if (!status)
                return CLI_DONE;
        return cli_fail(CLI_USAGE,
                        "--status %s: is none%s%s; there are pending, running, completed, failed, "
                        "cancelled and aborted",
                        status, near ? ", did you mean " : "", near ? near : "");
}

/* Nothing of APPLICATION: it is told when there is none of that name. One that was removed has
 * operations still. */
static int check_application(struct cli *c, const char *application) {
        cleanup_(freep) char *path =
                call_path("/v1/models/%s/applications/%s", cli_model(c), application);
        cleanup_(json_freep) json_t *json = NULL;

        return call_get(c, path, &json);
}

static int operations(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        int r = check_status(o->status);

        if (r || !cli_model(c))
                return r ? r : CLI_FAILED;
        path = call_path("/v1/models/%s/operations", cli_model(c));
        call_query(&path, "application", o->apps);
        call_query(&path, "action", o->actions);
        call_query(&path, "status", o->status);
        call_query_int(&path, "max", MIN_OF(o->limit, PAGE_MAX));
        r = call_pages(c, path, "operations", "before", (size_t)o->limit, &json);
        if (!r && o->apps && json_array_size(json_get(json, "operations")) == 0)
                r = check_application(c, o->apps);
        if (!r && !cli_print(c, json))
                print_list(c, json_get(json, "operations"));
        return r;
}

/* ---- one */

static int read_id(struct cli *c, int64_t *ret) {
        const char *text = cli_operand(c, 0);

        if (!cli_model(c))
                return CLI_FAILED;
        if (str_to_int(text, ret) && *ret > 0)
                return CLI_DONE;
        return cli_fail(CLI_USAGE, "operations have numbers, not \"%.40s\": mooringctl operations",
                        text);
}

#define NAMES 13 /* columns of what is told of one */

static void put(struct cli *c, const char *name, const char *fmt, ...) printf_(3, 4);
static void put(struct cli *c, const char *name, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL, *safe = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        safe = text_safe(text);
        if (!*safe)
                return;
        fprintf(c->out, "%-*s", NAMES, name);
        text_put(safe, NAMES, "             ", text_columns(c->out), c->out);
}

static void put_time(struct cli *c, const char *name, const json_t *o, const char *member) {
        char stamp[40];

        put(c, name, "%s", text_time(json_get_str(o, member, NULL), c->globals->utc, stamp));
}

static void put_head(struct cli *c, const json_t *o) {
        const char *status = json_get_str(o, "status", "");
        const char *message = json_get_str(o, "message", "");
        const char *color = c->globals->color ? table_color(status_style(status)) : "";
        cleanup_(freep) char *at = follow_is_live(o) ? follow_at(c, o) : str_dup(message);
        char stamp[40];

        put(c, "Operation", "%lld", (long long)json_get_int(o, "id", 0));
        put(c, "Action", "%s of %s", json_get_str(o, "action", ""),
            json_get_str(o, "unit", json_get_str(o, "application", "")));
        fprintf(c->out, "%-*s%s%s%s\n", NAMES, "Status", color, status, *color ? "\033[0m" : "");
        put(c, follow_is_live(o) ? "Now" : "Message", "%s", at);
        if (follow_is_live(o) && str_eq(json_get_str(o, "approval", ""), "wanted"))
                put(c, "Next", "mooringctl approve %lld, by a second person, or it is cancelled %s",
                    (long long)json_get_int(o, "id", 0),
                    text_time(json_get_str(o, "approve-until", NULL), c->globals->utc, stamp));
        put(c, follow_is_live(o) ? "Half done" : "Leaves", "%s", json_get_str(o, "leaves", ""));
        put(c, "Asked by", "%s", json_get_str(o, "asked-by", ""));
        put(c, "Reason", "%s", json_get_str(o, "reason", ""));
        put(c, "Approved by", "%s", json_get_str(o, "approved-by", ""));
        put(c, "Cancelled by", "%s", json_get_str(o, "cancelled-by", ""));
        put_time(c, "Asked", o, "enqueued");
        put_time(c, "Started", o, "started");
        put_time(c, "Ended", o, "completed");
        if (follow_is_live(o))
                put_time(c, "Deadline", o, "deadline");
}

static void put_members(struct cli *c, const char *title, const json_t *j) {
        cleanup_(buf_wipe) struct buf text = BUF_INIT;

        if (json_object_size(j) == 0)
                return;
        yaml_write(j, &text);
        fprintf(c->out, "\n%s:\n", title);
        for (const char *p = buf_str(&text); *p;) {
                size_t n = strcspn(p, "\n");

                fprintf(c->out, "  %.*s\n", (int)n, p);
                p += n + (p[n] == '\n');
        }
}

static void put_turns(struct cli *c, const json_t *list) {
        static const char *const head[] = { "Step", "Asked for", "Since", "Took", "Outcome", NULL };
        cleanup_(table_deinit) struct table t;
        const json_t *turn;
        char stamp[40], span[CLOCK_TEXT_MAX];
        size_t i;

        table_init(&t, head);
        json_array_foreach(list, i, turn) {
                cleanup_(freep) char *ask = follow_ask(turn);
                const char *outcome = json_get_str(turn, "outcome", "");
                const char *error = json_get_str(turn, "error", "");
                int64_t from = 0, to = 0;
                bool over = clock_parse_iso(json_get_str(turn, "asked", ""), &from) &&
                            clock_parse_iso(json_get_str(turn, "ended", ""), &to);

                table_add(&t, json_get_str(turn, "step", ""));
                table_add(&t, ask);
                table_add(&t, text_time(json_get_str(turn, "asked", NULL), c->globals->utc, stamp));
                table_add(&t, over ? clock_span(MAX_OF(to - from, 0), span) : "");
                table_printf(&t, "%s%s%s", outcome, *error ? ": " : "", error);
        }
        if (!table_rows(&t))
                return;
        fputc('\n', c->out);
        table_print(&t, c->globals->color, c->out);
}

static void put_log(struct cli *c, const json_t *list) {
        const json_t *entry;
        char stamp[40];
        size_t i;

        if (json_array_size(list))
                fputs("\nLog:\n", c->out);
        json_array_foreach(list, i, entry) {
                cleanup_(freep) char *text = text_safe(json_get_str(entry, "text", ""));

                text_time(json_get_str(entry, "at", NULL), c->globals->utc, stamp);
                fprintf(c->out, "  %s ", stamp);
                text_put(text, strlen(stamp) + 3, "    ", text_columns(c->out), c->out);
        }
}

static int code_of(const json_t *o) {
        if (follow_is_live(o))
                return CLI_DONE;
        return str_eq(json_get_str(o, "status", ""), "completed") ? CLI_DONE : CLI_FAILED;
}

static int reveal(struct cli *c, int64_t id) {
        cleanup_(freep) char *path = follow_path(c, id, "/results");
        cleanup_(json_freep) json_t *json = NULL;
        int r = call_send(c, "POST", path, NULL, &json);

        if (r)
                return r;
        if (cli_print(c, json))
                return code_of(json);
        if (json_object_size(json_get(json, "results")) == 0)
                cli_say(c, "operation %lld, which is %s, has told no results", (long long)id,
                        json_get_str(json, "status", ""));
        follow_put_results(c, json_get(json, "results"), json_get(json, "secret-results"));
        return code_of(json);
}

static int show_operation(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(json_freep) json_t *json = NULL;
        int64_t id;
        int r = read_id(c, &id);

        if (r)
                return r;
        if (o->reveal && !o->watch && !o->wait)
                return reveal(c, id);
        r = follow_read(c, id, &json); /* also of what is followed: it may not be there */
        if (r)
                return r;
        if (o->watch || o->wait)
                return follow(c, id, o->wait ? o->wait : FOLLOW_FOR_EVER);
        if (cli_print(c, json))
                return code_of(json);
        put_head(c, json);
        put_members(c, "Parameters", json_get(json, "params"));
        put_turns(c, json_get(json, "turns"));
        put_log(c, json_get(json, "log"));
        put_members(c, "Results", json_get(json, "results"));
        return code_of(json);
}

/* ---- changing one */

static int change(struct cli *c, const char *below) {
        cleanup_(freep) char *path = NULL;
        int64_t id;
        int r = read_id(c, &id);

        if (r)
                return r;
        path = follow_path(c, id, below);
        return call_change(c, "POST", path, NULL);
}

static int cancel_task(struct cli *c) {
        return change(c, "/cancel");
}

static int approve(struct cli *c) {
        return change(c, "/approve");
}

#define SIZE sizeof(struct options)
const struct command operations_commands[] = {
        { "operations", NULL, GROUP_ACTIONS, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING,
          list_options, SIZE, operations, "List actions that run, wait, or were run", NULL,
          .example = "operations --apps mlflow-mysql --status failed" },
        { "show-operation", "show-task", GROUP_ACTIONS, "ID", 1, 1, COMMAND_LIST,
          COMPLETES_OPERATION, show_options, SIZE, show_operation,
          "Show an action that was run: how far it is, each step, its results",
          "Ends with 0 when it completed or has not ended, 1 when it failed or was cancelled; with "
          "--watch or --wait as run does. Results that are secret are shown as (secret); with "
          "--watch, --wait and --reveal with their values, to whom the daemon gives them.",
          .example = "show-operation 7 --watch" },
        { "cancel-task", "cancel-operation", GROUP_ACTIONS, "ID", 1, 1, COMMAND_LIST,
          COMPLETES_OPERATION, NULL, 0, cancel_task, "Cancel an action that waits or runs",
          "One that runs ends when what its step has asked for is over, and after the steps of its "
          "charm that clean up. What it leaves half done is told; with --dry-run before anything "
          "is "
          "cancelled.",
          .example = "cancel-task 7" },
        { "approve", NULL, GROUP_ACTIONS, "ID", 1, 1, COMMAND_LIST, COMPLETES_OPERATION, NULL, 0,
          approve, "Approve an action that somebody else asked for",
          "What destroys something begins only when a second person has approved it: one who "
          "logged in to this machine as another user than who asked. sudo and su do not change "
          "that.",
          .example = "approve 7 --reason \"agreed with the owners of the data\"" },
        {}
};
