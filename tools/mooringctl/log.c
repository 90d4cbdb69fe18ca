/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - debug-log: the daemon's log */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>

struct options {
        bool replay, no_tail, tail;
        char *include, *level;
        int64_t lines;
};
#define AT(member) offsetof(struct options, member)
#define LINES_NOT_SAID "-1"

static const struct opt options[] = {
        { "replay", 0, OPT_BOOL, AT(replay), NULL, 0, 0, NULL, 0, NULL,
          "all lines that are kept, not the last ten only" },
        { "tail", 0, OPT_BOOL, AT(tail), NULL, 0, 0, NULL, 0, NULL,
          "follow, also where stdout is no terminal; --no-tail: end" },
        { "lines", 'n', OPT_INT, AT(lines), LINES_NOT_SAID, -1, 100000, "N", 0, NULL,
          "that many of the lines that are kept" },
        { "include", 0, OPT_STRING, AT(include), NULL, 0, 0, "APPLICATION", 0, NULL,
          "only lines about this application" },
        { "level", 'l', OPT_STRING, AT(level), NULL, 0, 0, "LEVEL", 0, NULL,
          "error, warning, notice, info or debug: these and what is more important" },
        {}
};

static enum table_style level_style(const char *level) {
        if (str_eq(level, "error"))
                return STYLE_BAD;
        if (str_eq(level, "warning"))
                return STYLE_WAIT;
        return str_eq(level, "debug") ? STYLE_DIM : STYLE_PLAIN;
}

static void print_fields(struct cli *c, const json_t *fields) {
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)fields, name, value) {
                cleanup_(freep) char *text = text_value(value);

                fprintf(c->out, " %s=%s", name, text);
        }
}

static int print_line(void *arg, const json_t *line) {
        struct cli *c = arg;
        const char *level = json_get_str(line, "level", "");
        cleanup_(freep) char *text = text_safe(json_get_str(line, "text", ""));
        const char *begin = c->globals->color ? table_color(level_style(level)) : "";
        char stamp[40];

        if (cli_print(c, line)) {
                fflush(c->out);
                return 0;
        }
        if (str_eq(json_get_str(line, "kind", ""), "lagged")) {
                cli_say(c, "(%lld lines were lost: this terminal is too slow)",
                        (long long)json_get_int(line, "lost", 0));
                return 0;
        }
        fprintf(c->out, "%s %s%-7s%s %s: %s",
                text_time(json_get_str(line, "at", NULL), c->globals->utc, stamp), begin, level,
                begin[0] ? "\033[0m" : "", json_get_str(line, "event", ""), text);
        print_fields(c, json_get(line, "fields"));
        fputc('\n', c->out);
        return fflush(c->out) == 0 ? 0 : 1; /* nobody reads any more */
}

/* Juju writes them large. */
static char *level_word(const char *level) {
        char *word = str_dup(level);

        for (char *p = word; p && *p; p++)
                *p = (char)tolower((unsigned char)*p);
        if (str_eq(word, "warn"))
                str_set(&word, "warning");
        return word;
}

static int debug_log(struct cli *c) {
        const struct options *o = c->options;
        cleanup_(freep) char *level = level_word(o->level);
        cleanup_(freep) char *path = str_dup("/v1/log");
        struct err err = { 0 };

        call_query_flag(&path, "replay", o->replay);
        if (o->lines >= 0)
                call_query_int(&path, "tail", o->lines);
        call_query(&path, "application", o->include);
        call_query(&path, "level", level);
        if (!o->tail)
                call_query(&path, "follow", "false");
        return call_stream(c, path, print_line, c, -1, &err) < 0 ? cli_fail_err(&err) : CLI_DONE;
}

const struct command log_commands[] = { { "debug-log", NULL, GROUP_LOOK, "", 0, 0, COMMAND_LIST,
                                          COMPLETES_NOTHING, options, sizeof(struct options),
                                          debug_log, "Show the daemon's log",
                                          "Without --tail it ends after the lines that are kept.",
                                          .example = "debug-log --tail --level warning" },
                                        {} };
