/* SPDX-License-Identifier: Apache-2.0 */
/* cli.c - from an argument vector to one command's handler, and what handlers share; see cli.h */
#include "cli.h"

#include "call.h"
#include "help.h"
#include "log.h"
#include "switch.h"
#include "text.h"
#include "yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define AT(member) offsetof(struct cli_globals, member)
#define WRAP_MIN 20 /* columns of a terminal that is worth it */

const char *const cli_exit_help[] = {
        [CLI_DONE] = "done",
        [CLI_FAILED] = "failed, or refused: the reason is on stderr",
        [CLI_USAGE] = "wrong usage: unknown command, option or operand",
        [CLI_BLOCKED] = "blocked: a person has to act first (wait), or to approve (run)",
        [CLI_NOT_CONVERGED] =
                "not converged: there is a difference (diff-bundle), or something cannot "
                "be known (plan)",
        [CLI_TIMED_OUT] = "timed out (wait, run --wait)",
        [CLI_TAMPERED] = "the audit is not what was written (audit verify)",
        [CLI_CHANGES] = "there is something to do, all of it known (plan --exit-code)",
        [CLI_WARNINGS] = "there are warnings, and no error (doctor)",
        [CLI_NO_QUORUM] = "no quorum: the controllers cannot agree (reserved)",
};
_Static_assert(ARRAY_SIZE(cli_exit_help) == CLI_EXIT_MAX, "an exit code without its sentence");

static const char *const formats[] = {
        "tabular", "json", "yaml", "short", "line", "oneline", NULL
};
_Static_assert(ARRAY_SIZE(formats) == FORMAT_MAX + 1, "a format without a name");

const struct opt cli_globals_table[] = {
        { "model", 'm', OPT_STRING, AT(model), NULL, 0, 0, "MODEL", 0, NULL,
          "model to work on; without it MOORING_MODEL, what switch chose, or the only one" },
        { "format", 0, OPT_ENUM, AT(format), "tabular", 0, 0, "FORMAT", 0, formats,
          "how to print" },
        { "output", 'o', OPT_PATH, AT(output), NULL, 0, 0, "FILE", OPT_ARGS_ONLY, NULL,
          "print into this file instead of stdout" },
        { "reason", 0, OPT_STRING, AT(reason), NULL, 0, 0, "TEXT", 0, NULL,
          "why, of a command that changes something: kept in the audit" },
        { "socket", 0, OPT_PATH, AT(socket), "/run/mooring/admin.sock", 0, 0, "PATH", 0, NULL,
          "unix socket of mooringd; or MOORING_SOCKET" },
        { "color", 0, OPT_BOOL, AT(color), NULL, 0, 0, NULL, 0, NULL,
          "colour, also where stdout is no terminal; --no-color: never" },
        { "utc", 0, OPT_BOOL, AT(utc), NULL, 0, 0, NULL, 0, NULL, "times in UTC" },
        { "quiet", 'q', OPT_BOOL, AT(quiet), NULL, 0, 0, NULL, 0, NULL, "no chatter on stderr" },
        { "help", 'h', OPT_BOOL, AT(help), NULL, 0, 0, NULL, OPT_ARGS_ONLY | OPT_ACT, NULL,
          "show help and end" },
        {}
};

/* ---- errors and chatter */

/* On a terminal at words: a name is not broken in two. After what was printed before, also where
 * both go to one file. */
static void print_line(const char *text) {
        struct winsize size = { 0 };
        bool wraps = isatty(STDERR_FILENO) && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 &&
                     size.ws_col >= WRAP_MIN;

        fflush(stdout);
        while (wraps && text_width(text) > size.ws_col) {
                size_t n = text_line(text, size.ws_col);

                fprintf(stderr, "%.*s\n", (int)n, text);
                text += n + strspn(text + n, " ");
        }
        fprintf(stderr, "%s\n", text);
}

static void print_error(const char *fmt, va_list ap) printf_(1, 0);
static void print_error(const char *fmt, va_list ap) {
        cleanup_(freep) char *text = str_vformat(fmt, ap);
        cleanup_(freep) char *safe = text_safe(text);
        cleanup_(freep) char *line = str_format("ERROR %s", safe);

        print_line(line);
}

int cli_fail(enum cli_exit code, const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        print_error(fmt, ap);
        va_end(ap);
        return code;
}

int cli_fail_err(const struct err *err) {
        return cli_fail(CLI_FAILED, "%s", err_text(err));
}

void cli_say(const struct cli *c, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        cleanup_(freep) char *safe = NULL;
        va_list ap;

        if (c->globals->quiet)
                return;
        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        safe = text_safe(text);
        print_line(safe);
}

const char *cli_operand(const struct cli *c, int i) {
        return i < c->count ? c->operands[i] : NULL;
}

bool cli_print(struct cli *c, const json_t *j) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        if (c->globals->format == FORMAT_JSON) {
                json_canonical(j, &out);
                buf_putc(&out, '\n');
        } else if (c->globals->format == FORMAT_YAML) {
                yaml_write(j, &out);
        } else {
                return false;
        }
        fputs(buf_str(&out), c->out);
        return true;
}

int cli_read_file(const char *path, size_t max, struct buf *ret, struct err *err) {
        bool standard = str_eq(path, "-");
        cleanup_(closep) int fd = standard ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (!standard && fd < 0)
                return err_set(err, -errno, "%s: %s", path, strerror(errno));
        do {
                buf_reserve(ret, 65536);
                n = read(standard ? STDIN_FILENO : fd, ret->data + ret->len, 65536);
                if (n < 0 && errno != EINTR)
                        return err_set(err, -errno, "%s: %s", path, strerror(errno));
                ret->len += n > 0 ? (size_t)n : 0;
                if (ret->len > max)
                        return err_set(err, -E2BIG, "%s: has more than %zu bytes", path, max);
        } while (n);
        ret->data[ret->len] = '\0';
        return 0;
}

/* ---- the model */

static const char *only_model(struct cli *c) {
        cleanup_(json_freep) json_t *json = NULL;
        const json_t *list;

        if (call_get(c, "/v1/models", &json))
                return NULL;
        list = json_get(json, "models");
        if (json_array_size(list) == 0) {
                cli_fail(CLI_FAILED,
                         "there is no model yet: mooringctl add-model NAME --cluster CLUSTER");
                return NULL;
        }
        if (json_array_size(list) > 1) {
                cli_fail(CLI_FAILED, "there are several models: choose one with mooringctl switch "
                                     "MODEL, --model or MOORING_MODEL");
                return NULL;
        }
        c->model = str_dup(json_get_str(json_array_get(list, 0), "name", ""));
        return c->model;
}

const char *cli_model(struct cli *c) {
        if (c->model)
                return c->model;
        if (c->globals->model)
                c->model = str_dup(c->globals->model);
        else
                c->model = switch_read(c->globals->socket);
        return c->model ? c->model : only_model(c);
}

/* ---- one run */

/* The first argument that is neither an option nor an option's value. */
static int find_name(int argc, char **argv) {
        for (int i = 1; i < argc; i++) {
                const char *arg = argv[i];
                const struct opt *row = NULL;

                if (arg[0] != '-' || !arg[1])
                        return i;
                if (arg[1] == '-' && !strchr(arg, '='))
                        row = opt_find(cli_globals_table, arg + 2);
                for (const struct opt *o = cli_globals_table; arg[1] != '-' && !arg[2] && o->name;
                     o++)
                        if (o->letter == arg[1])
                                row = o;
                if (row && row->type != OPT_BOOL)
                        i++;
        }
        return 0;
}

static size_t rows_of(const struct opt *table) {
        size_t n = 0;

        while (table && table[n].name)
                n++;
        return n;
}

/* The global options and the command's own as one table, over one piece of memory: first the
 * globals, then hers. */
struct joined {
        struct opt *table;
        void *target;
};

static struct joined join(const struct command *command) {
        size_t globals = rows_of(cli_globals_table), own = rows_of(command->options);
        struct joined j = { mem_array(struct opt, globals + own + 1),
                            mem_alloc(sizeof(struct cli_globals) + command->size) };

        memcpy(j.table, cli_globals_table, globals * sizeof(struct opt));
        for (size_t i = 0; i < own; i++) {
                j.table[globals + i] = command->options[i];
                j.table[globals + i].offset += sizeof(struct cli_globals);
        }
        return j;
}

static void joined_deinit(struct joined *j) {
        if (j->table)
                opt_deinit(j->table, j->target);
        free(j->table);
        free(j->target);
}

static int read_options(const struct joined *j, int *argc, char **argv, struct err *err) {
        int r = opt_defaults(j->table, j->target, err);

        ((struct cli_globals *)j->target)->color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
        /* Only the global ones come from the environment: MOORING_FORCE must not reach every
         * removal. */
        if (r >= 0)
                r = opt_from_env(cli_globals_table, j->target, err);
        return r < 0 ? r : opt_from_args(j->table, j->target, argc, argv, err);
}

static int check_usage(const struct cli *c, struct err *err) {
        unsigned flags = c->command->flags;
        int format = c->globals->format;
        bool fits = format == FORMAT_TABULAR || format <= FORMAT_YAML || (flags & COMMAND_STATUS);

        if (!fits)
                return err_set(err, -EINVAL, "--format %s is for status", formats[format]);
        if (c->command->max == 0 && c->count)
                return err_set(err, -EINVAL, "%s takes options only, not \"%.60s\"",
                               c->command->name, c->operands[0]);
        if (c->count < c->command->min || (c->command->max >= 0 && c->count > c->command->max))
                return err_set(err, -EINVAL, "usage: mooringctl %s%s%s", c->command->name,
                               c->command->operands[0] ? " " : "", c->command->operands);
        return 0;
}

static int open_output(struct cli *c) {
        const char *path = c->globals->output;
        int fd;

        c->out = stdout;
        if (!path || str_eq(path, "-"))
                return CLI_DONE;
        /* What is printed may hold a secret that was asked for: nobody else's to read. */
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        c->out = fd < 0 ? NULL : fdopen(fd, "w");
        return c->out ? CLI_DONE : cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
}

static int close_output(struct cli *c, int code) {
        bool bad = fflush(c->out) != 0 || ferror(c->out);

        /* The reader (head) has what it wanted. */
        if (bad && errno == EPIPE && c->out == stdout)
                return code;

        if (c->out != stdout)
                bad = fclose(c->out) != 0 || bad;
        return bad && code == CLI_DONE ? cli_fail(CLI_FAILED, "cannot print: %s", strerror(errno))
                                       : code;
}

static int run_command(const struct command *command, int argc, char **argv) {
        cleanup_(joined_deinit) struct joined j = join(command);
        struct cli c = { .globals = j.target,
                         .command = command,
                         .options = command->size ? (char *)j.target + sizeof(struct cli_globals)
                                                  : NULL,
                         .operands = argv,
                         .terminal = isatty(STDERR_FILENO) };
        struct err err = { 0 };
        int r = read_options(&j, &argc, argv, &err);

        c.count = argc;
        if (r >= 0 && c.globals->help) {
                if (str_eq(command->name, "help") && !c.count)
                        help_all(stdout);
                else
                        help_command(command, stdout);
                return CLI_DONE;
        }
        if (r >= 0)
                r = check_usage(&c, &err);
        if (r < 0)
                return cli_fail(CLI_USAGE, "%s; see mooringctl help%s%s", err_text(&err),
                                str_eq(command->name, "help") ? "" : " ",
                                str_eq(command->name, "help") ? "" : command->name);
        r = open_output(&c);
        if (r == CLI_DONE)
                r = close_output(&c, command->run(&c));
        free(c.model);
        return r;
}

static int unknown_command(const char *name) {
        const char *absent = command_absent(name);
        const char *near = absent ? NULL : command_nearest(name);

        if (absent)
                return cli_fail(CLI_USAGE, "\"%s\" is no command: %s", name, absent);
        if (near)
                return cli_fail(CLI_USAGE, "\"%s\" is no command: did you mean %s?", name, near);
        return cli_fail(CLI_USAGE, "\"%s\" is no command; mooringctl help lists them", name);
}

/* By the word at AT, or by it and the one behind; *RET_WORDS: how many those are. */
static const struct command *find_command(int argc, char **argv, int at, int *ret_words) {
        cleanup_(freep) char *two =
                at + 1 < argc ? str_format("%s %s", argv[at], argv[at + 1]) : NULL;
        const struct command *command = two ? command_find(two) : NULL;

        *ret_words = command ? 2 : 1;
        return command ? command : command_find(argv[at]);
}

/* "plan config APP NAME=VALUE" is "config APP NAME=VALUE --dry-run". */
static bool plans_command(int argc, char **argv, int at) {
        const struct command *command;
        int words;

        if (!at || !str_eq(argv[at], "plan") || at + 2 >= argc)
                return false;
        command = find_command(argc, argv, at + 1, &words);
        return command && command->options && opt_find(command->options, "dry-run");
}

static int dispatch(int argc, char **argv) {
        int at = find_name(argc, argv), words = 0;
        bool version = !at && argc == 2 && str_eq(argv[1], "--version");
        const struct command *command = at ? find_command(argc, argv, at, &words)
                                           : command_find(version ? "version" : "help");

        if (!command)
                return unknown_command(argv[at]);
        if (plans_command(argc, argv, at)) {
                static char dry_run[] = "--dry-run";

                argv[at] = dry_run;
                return dispatch(argc, argv);
        }
        if (version)
                argc--;
        /* The name goes, so that operands and options are what is left. */
        memmove(argv + at, argv + at + words, (size_t)(argc - at - words + 1) * sizeof(*argv));
        return run_command(command, argc - words - 1, argv + 1);
}

int cli_run(int argc, char **argv) {
        /* What http logs is for a daemon's journal: here the command tells an error, once. */
        log_set_level(LOG_ERR);
        return dispatch(argc, argv);
}
