/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.c - actions that are run at times: which there are, and dropping one; run sets them */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>

struct options {
        bool dry_run;
};
static const struct opt remove_options[] = { { "dry-run", 0, OPT_BOOL,
                                               offsetof(struct options, dry_run), NULL, 0, 0, NULL,
                                               0, NULL, "say what would be done, do nothing" },
                                             {} };

static void add_operation(struct table *t, int64_t operation, const char *status) {
        cleanup_(freep) char *text = str_format("operation %lld %s", (long long)operation, status);

        table_style(t, text,
                    str_eq(status, "failed") || str_eq(status, "aborted") ? STYLE_BAD
                                                                          : STYLE_PLAIN);
}

static void add_schedule(struct cli *c, struct table *t, const json_t *s) {
        const char *not_run = json_get_str(s, "not-run", "");
        int64_t operation = json_get_int(s, "operation", 0);
        char stamp[40];

        table_printf(t, "%lld", (long long)json_get_int(s, "id", 0));
        table_add(t, json_get_str(s, "unit", json_get_str(s, "application", "")));
        table_add(t, json_get_str(s, "action", ""));
        if (json_get_str(s, "cron", NULL))
                table_printf(t, "%s %s", json_get_str(s, "cron", ""), json_get_str(s, "zone", ""));
        else
                table_add(t, "once");
        table_add(t, text_time(json_get_str(s, "next", NULL), c->globals->utc, stamp));
        table_add(t, text_time(json_get_str(s, "last", NULL), c->globals->utc, stamp));
        if (*not_run)
                table_style(t, not_run, STYLE_BAD);
        else if (operation)
                add_operation(t, operation, json_get_str(s, "operation-status", ""));
        else
                table_add(t, "");
        table_add(t, text_time(json_get_str(s, "completed", NULL), c->globals->utc, stamp));
}

static int schedules(struct cli *c) {
        static const char *const head[] = { "ID",   "Application", "Action",    "When", "Next",
                                            "Last", "Run",         "Completed", NULL };
        cleanup_(table_deinit) struct table t = { 0 };
        cleanup_(freep) char *path = NULL;
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *s;
        size_t i;
        int r;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/schedules", cli_model(c));
        r = call_pages(c, path, "schedules", "after", SIZE_MAX, &json);
        if (r || cli_print(c, json))
                return r;
        table_init(&t, head);
        table_right(&t, 0);
        json_array_foreach(json_get(json, "schedules"), i, s)
                add_schedule(c, &t, s);
        if (table_rows(&t))
                table_print(&t, c->globals->color, c->out);
        else
                cli_say(c, "no schedules");
        return CLI_DONE;
}

static int remove_schedule(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = NULL;

        if (!cli_model(c))
                return CLI_FAILED;
        path = call_path("/v1/models/%s/schedules/%s", cli_model(c), cli_operand(c, 0));
        call_query_flag(&path, "dry-run", o->dry_run);
        return call_change(c, "DELETE", path, NULL);
}

const struct command schedules_commands[] = {
        { "schedules", NULL, GROUP_ACTIONS, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, NULL, 0,
          schedules, "List actions that are run at times, and when each is run next",
          "Run is the newest operation of each, or why nothing was run when it was due last; "
          "Completed is when "
          "its action did so last, by a schedule or by hand.",
          .example = "schedules" },
        { "remove-schedule", NULL, GROUP_ACTIONS, "ID", 1, 1, COMMAND_LIST | COMMAND_DRY_RUN,
          COMPLETES_SCHEDULE, remove_options, sizeof(struct options), remove_schedule,
          "Drop a schedule; what runs of it goes on", NULL, .example = "remove-schedule 3" },
        {}
};
