/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - what is wrong, or will be, and what to type next */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

struct options {
        bool all;
};

static const struct opt options[] = { { "all", 'a', OPT_BOOL, offsetof(struct options, all), NULL,
                                        0, 0, NULL, 0, NULL, "also what is well" },
                                      {} };

static enum table_style style_of(const char *severity) {
        if (str_eq(severity, "error"))
                return STYLE_BAD;
        return str_eq(severity, "warning") ? STYLE_WAIT : STYLE_GOOD;
}

static void print(const struct cli *c, const json_t *f) {
        cleanup_(freep) char *subject = text_safe(json_get_str(f, "subject", ""));
        cleanup_(freep) char *text = text_safe(json_get_str(f, "text", ""));
        cleanup_(freep) char *next = text_safe(json_get_str(f, "next", ""));
        const char *severity = json_get_str(f, "severity", "");
        const char *since = json_get_str(f, "since", NULL);
        cleanup_(freep) char *line = NULL;
        bool color = c->globals->color;
        char stamp[40];

        line = str_format("%s%s%s: %s%s%s%s", json_get_str(f, "id", ""), subject[0] ? ": " : "",
                          subject, text, since ? " (since " : "",
                          since ? text_time(since, c->globals->utc, stamp) : "", since ? ")" : "");
        fprintf(c->out, "%s%s%s ", color ? table_color(style_of(severity)) : "", severity,
                color ? "\033[0m" : "");
        text_put(line, strlen(severity) + 1, "        ", text_columns(c->out), c->out);
        if (next[0]) /* in one piece: it is copied */
                fprintf(c->out, "        next: %s\n", next);
}

static int end(struct cli *c, const json_t *json) {
        int64_t errors = json_get_int(json, "errors", 0);
        int64_t warnings = json_get_int(json, "warnings", 0);

        if (!errors && !warnings)
                cli_say(c, "nothing is wrong");
        else
                cli_say(c, "%lld %s, %lld %s; docs/runbooks/doctor.md has a section for each",
                        (long long)errors, errors == 1 ? "error" : "errors", (long long)warnings,
                        warnings == 1 ? "warning" : "warnings");
        return errors ? CLI_FAILED : warnings ? CLI_WARNINGS : CLI_DONE;
}

static int doctor(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *path = str_dup("/v1/doctor");
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *finding;
        size_t i;
        int r;

        call_query_flag(&path, "all", o->all);
        r = call_get(c, path, &json);
        if (r)
                return r;
        if (!cli_print(c, json))
                json_array_foreach(json_get(json, "findings"), i, finding)
                        print(c, finding);
        return end(c, json);
}

const struct command doctor_commands[] = {
        { "doctor", NULL, GROUP_LOOK, "", 0, 0, COMMAND_LIST, COMPLETES_NOTHING, options,
          sizeof(struct options), doctor,
          "Look for what is wrong, or will be, and say what to do about it",
          "Looks at the state folder, the key, the clock, every cluster (it is asked for its "
          "version, our rights and its volumes), certificates, the queue, workers, models and "
          "charms. Ends with 0 when nothing was found, 1 when there are errors, 8 when there are "
          "only warnings. What could not be looked at is a warning. Each line has a stable id, "
          "for which docs/runbooks/doctor.md has a section.",
          .example = "doctor --all" },
        {}
};
