/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - one run of mooringctl: its global options, the command and what it was given
 *
 * Plain blocking code: a command reads operands and options, asks the daemon (call.h), prints.
 * What a person asked for goes to stdout (c->out), everything else to stderr. Errors are one
 * line, "ERROR what: where: what to do", and end the command with an exit code. */
#pragma once

#include "command.h"
#include "err.h"
#include "json.h"

enum cli_exit {
        CLI_DONE,
        CLI_FAILED,        /* refused, or did not work */
        CLI_USAGE,         /* not a command line that could work */
        CLI_BLOCKED,       /* wait, run: a person has to act before it can come true */
        CLI_NOT_CONVERGED, /* diff-bundle, wait for nothing: there is a difference; plan: unknown */
        CLI_TIMED_OUT,     /* wait, run: the time is over */
        CLI_NO_QUORUM,     /* reserved: the controllers cannot agree */
        CLI_TAMPERED,      /* audit verify: it is not what was written */
        CLI_WARNINGS,      /* doctor: warnings, and no error */
        CLI_CHANGES,       /* plan --exit-code: there is something to do */
        CLI_EXIT_MAX
};
extern const char *const cli_exit_help[]; /* one sentence each */

enum cli_format {
        FORMAT_TABULAR,
        FORMAT_JSON,
        FORMAT_YAML,
        FORMAT_SHORT,
        FORMAT_LINE,
        FORMAT_ONELINE,
        FORMAT_MAX
};

struct cli_globals {
        char *socket, *model, *output, *reason;
        int format;
        bool color, utc, quiet, help;
};
extern const struct opt cli_globals_table[];

struct cli {
        struct cli_globals *globals;
        const struct command *command;
        void *options; /* the command's own struct */
        char **operands;
        int count;
        FILE *out;
        bool terminal; /* stderr is one: progress may be drawn */
        char *model;   /* found by cli_model */
        int64_t patience_ms; /* for an answer; 0: as for any (call.h) */
};

/* The whole of main: returns the exit code. ARGV is reordered. */
int cli_run(int argc, char **argv);
/* Operand I, or NULL. */
const char *cli_operand(const struct cli *c, int i);
/* The model to work on: --model, MOORING_MODEL, what `switch` chose, or the only one there is.
 * NULL: an error was printed. */
const char *cli_model(struct cli *c);
/* Prints an error; returns EXIT, so that it ends a command. */
int cli_fail(enum cli_exit code, const char *fmt, ...) printf_(2, 3);
int cli_fail_err(const struct err *err);
/* Chatter, on stderr; nothing with --quiet. */
void cli_say(const struct cli *c, const char *fmt, ...) printf_(2, 3);
/* JSON or YAML when that was asked for: true, J was printed. False: the command draws it. */
bool cli_print(struct cli *c, const json_t *j);
/* A file's whole text. */
int cli_read_file(const char *path, size_t max, struct buf *ret, struct err *err);
