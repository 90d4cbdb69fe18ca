/* SPDX-License-Identifier: Apache-2.0 */
/* opt.h - an option is a row: arguments, file, environment, --help and the man page come from it
 *
 * Order, later wins: default, config file, environment, arguments; a list is replaced by the
 * next source as a whole, and what stands in one text (default, environment) is separated by
 * commas. A value that does not fit is an error that names the option, where it was given, and
 * what would be right. */
#pragma once

#include "err.h"
#include "json.h"

enum opt_type {
        OPT_STRING,   /* char *, owned by the struct: free with opt_deinit */
        OPT_PATH,     /* char *, as OPT_STRING */
        OPT_INT,      /* int64_t */
        OPT_BOOL,     /* bool; --name or --name=false, --no-name */
        OPT_DURATION, /* int64_t milliseconds; "90s", "10m" */
        OPT_SIZE,     /* int64_t bytes; "64MiB", "64Mi", "10G" = powers of 1024, "10GB" = of 1000 */
        OPT_ENUM,     /* int: index in NAMES */
        OPT_LIST,     /* char **, NULL-terminated, each use appends */
        OPT_TYPE_MAX
};

enum {
        OPT_SECRET = 1 << 0,    /* never printed, not taken from arguments */
        OPT_RELOAD = 1 << 1,    /* may change while running (SIGHUP) */
        OPT_ARGS_ONLY = 1 << 2, /* not in the config file */
        OPT_REQUIRED = 1 << 3,
        OPT_HIDDEN = 1 << 4, /* not in --help: for tests */
        OPT_ACT = 1 << 5,    /* --help: an act, not a setting; not from the environment */
};

/* The default of an OPT_INT that stands for -1, "not said", and is nothing to give. */
#define OPT_NOT_SAID "-1"

struct opt {
        /* Long name, "state-dir"; the key in the file; MOORING_STATE_DIR in the environment. */
        const char *name;
        char letter; /* short name or 0 */
        enum opt_type type;
        size_t offset;
        const char *value; /* default as text; NULL: zero or NULL */
        int64_t min, max;  /* OPT_INT, DURATION, SIZE when they differ */
        const char *unit;  /* what the argument is called in --help: "DIR", "SECONDS" */
        unsigned flags;
        const char *const *names; /* OPT_ENUM */
        const char *help;         /* one sentence, without a full stop */
};

bool opt_unsaid(const struct opt *row); /* its default is OPT_NOT_SAID */
/* The table ends with a row whose name is NULL. */
int opt_defaults(const struct opt *table, void *target, struct err *err);
int opt_from_file(const struct opt *table, void *target, const char *path, struct err *err);
int opt_from_env(const struct opt *table, void *target, struct err *err);
/* Takes options out of ARGV wherever they stand, up to "--"; operands stay, in order, from index
 * 0; *ARGC is their number. -EINVAL with a message that names the nearest known option. */
int opt_from_args(const struct opt *table, void *target, int *argc, char **argv, struct err *err);
/* One value, as if given in WHERE ("--scale", "mooringd.yaml:3: scale"). */
int opt_set(const struct opt *row, void *target, const char *text, const char *where,
            struct err *err);
/* Texts, paths and lists that are OPT_REQUIRED were given by one of the sources. */
int opt_check(const struct opt *table, const void *target, struct err *err);
void opt_deinit(const struct opt *table, void *target);
void opt_help(const struct opt *table, FILE *out);
/* TEXT and a line's end, folded at what a terminal shows; the cursor is in COLUMN, and so is each
 * further line's beginning. Lines of TEXT end where it says. */
void opt_help_text(const char *text, size_t column, FILE *out);
void opt_man(const struct opt *table, FILE *out); /* roff, .TP entries */
/* Rows with OPT_RELOAD take FRESH's value over into LIVE. "log-level" of those that did goes into
 * RET, a blank between two; "state-dir (needs a restart)" of others that differ. The caller frees
 * it, and FRESH. */
void opt_reload(const struct opt *table, void *live, void *fresh, char **ret);
const struct opt *opt_find(const struct opt *table, const char *name);
/* Of TEXT the nearest of NAMES within a third of its letters, or NULL: "did you mean". */
const char *opt_nearest(const char *text, const char *const *names);
