/* SPDX-License-Identifier: Apache-2.0 */
/* command.h - a command is a row: its name, operands, options, handler and help; --help, man
 * page and completion come from it */
#pragma once

#include "opt.h"

enum command_group {
        GROUP_BASICS,
        GROUP_DEPLOY,
        GROUP_LOOK,
        GROUP_OPERATE,
        GROUP_ACTIONS,
        GROUP_DATA,
        GROUP_CLUSTERS,
        GROUP_SECRETS,
        GROUP_HELP,
        GROUP_MAX
};
extern const char *const command_groups[];

/* What completes an operand. */
enum command_completes {
        COMPLETES_NOTHING,
        COMPLETES_APPLICATION,
        COMPLETES_MODEL,
        COMPLETES_CLUSTER,
        COMPLETES_FILE,
        COMPLETES_BUNDLE_OR_CHARM,
        COMPLETES_SUBJECT,       /* an application, or KIND/NAME of an object */
        COMPLETES_SETTING,       /* an option of the application before it */
        COMPLETES_MODEL_SETTING, /* of the model */
        COMPLETES_ACTION,        /* of the application before it */
        COMPLETES_OPERATION,     /* a number of one */
        COMPLETES_SCHEDULE
};

enum {
        COMMAND_LIST = 1 << 0,   /* --format tabular, json, yaml */
        COMMAND_STATUS = 1 << 1, /* and short, line, oneline */
        COMMAND_HIDDEN = 1 << 2,
        COMMAND_DRY_RUN = 1 << 3, /* for the reader of the table: it has --dry-run */
};

struct cli;
struct command {
        const char *name;
        const char *alias; /* another name, or NULL */
        enum command_group group;
        const char *operands; /* "APPLICATION [NAME[=VALUE]...]" or "" */
        int min, max;         /* number of operands; max -1: any */
        unsigned flags;
        enum command_completes completes;
        const struct opt *options;   /* or NULL */
        size_t size;                 /* of its options' struct */
        int (*run)(struct cli *c);   /* returns enum cli_exit */
        const char *help;            /* one line, without a full stop */
        const char *more;            /* paragraphs for its help and the man page, or NULL */
        enum command_completes then; /* for further operands, where it is another */
        const char *example;         /* how it is typed, without "mooringctl " */
};

/* All families, NULL-terminated; each is a table that ends with a row whose name is NULL. */
extern const struct command *const command_families[];
/* By name or alias; NULL: none. */
const struct command *command_find(const char *name);
/* Juju's word for what there is not: what to do instead; NULL: it is none of these. */
const char *command_absent(const char *name);
const char *command_nearest(const char *name); /* or NULL */
