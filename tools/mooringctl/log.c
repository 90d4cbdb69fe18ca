/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - debug-log: the daemon's log */
#include "call.h"
#include "families.h"
#include "table.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

struct options {
        bool replay, no_tail, tail;
        char *include, *level;
        int64_t lines;
};
#define AT(member) offsetof(struct options, member)

static const struct opt options[] = {
        { "replay", 0, OPT_BOOL, AT(replay), NULL, 0, 0, NULL, 0, NULL,
          "all lines that are kept, not the last ten only" },
        { "tail", 0, OPT_BOOL, AT(tail), NULL, 0, 0, NULL, 0, NULL,
          "follow, also where stdout is no terminal; --no-tail: end" },
        { "lines", 'n', OPT_INT, AT(lines), OPT_NOT_SAID, 0, 100000, "N", 0, NULL,
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

struct reading {
        struct cli *c;
        size_t lines;
};

static int print_line(void *arg, const json_t *line) {
        struct reading *r = arg;
        struct cli *c = r->c;
        const char *level = json_get_str(line, "level", "");
        cleanup_(freep) char *text = text_safe(json_get_str(line, "text", ""));
        const char *begin = c->globals->color ? table_color(level_style(level)) : "";
        char stamp[40];

        r->lines++;
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

/* No line is about it, and no model has it. */
static int check_application(struct cli *c, const char *application) {
        cleanup_(json_freep) json_t *models = NULL;
        const json_t *m;
        size_t i;
        int r = call_get(c, "/v1/models", &models);

        if (r)
                return r;
        json_array_foreach(json_get(models, "models"), i, m) {
                cleanup_(freep) char *path = call_path("/v1/models/%s/applications/%s",
                                                       json_get_str(m, "name", ""), application);
                cleanup_(json_freep) json_t *json = NULL;
                struct err err = { 0 };

                if (call_try(c, path, &json, &err) != -ENOENT)
                        return CLI_DONE;
        }
        return cli_fail(CLI_FAILED,
                        "no line is about %s, and no model has an application of "
                        "that name",
                        application);
}

static int debug_log(struct cli *c) {
        const struct options *o = c->options;
        struct reading reading = { c, 0 };
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
        if (o->include && o->tail && check_application(c, o->include))
                return CLI_FAILED; /* it would wait for ever */
        if (call_stream(c, path, print_line, &reading, -1, &err) < 0)
                return cli_fail_err(&err);
        return o->include && !reading.lines ? check_application(c, o->include) : CLI_DONE;
}

const struct command log_commands[] = { { "debug-log", NULL, GROUP_LOOK, "", 0, 0, COMMAND_LIST,
                                          COMPLETES_NOTHING, options, sizeof(struct options),
                                          debug_log, "Show the daemon's log",
                                          "Without --tail it ends after the newest lines: ten, or "
                                          "as --lines and --replay say. With --format json each "
                                          "line is an object of its own.",
                                          .example = "debug-log --tail --level warning" },
                                        {} };
