/* SPDX-License-Identifier: Apache-2.0 */
/* confirm.h - what destroys is shown and asked for first, when a person types it
 *
 * What is shown is the daemon's own dry run. Without a terminal (a script, a pipe) nothing is
 * asked; --no-prompt asks nobody either. No consent: nothing is done, exit code 1. */
#pragma once

#include "call.h"

struct confirm_options {
        bool dry_run, no_prompt;
        const char *name; /* has to be typed; NULL: y is enough */
        json_t *body;     /* borrowed; NULL: none */
        bool of_data;     /* asked only where the dry run destroys data */
};
#define CONFIRM_OPTION(at)                                                                         \
        {                                                                                          \
                "no-prompt", 'y', OPT_BOOL, at, NULL, 0, 0, NULL, 0, NULL,                         \
                        "ask nothing; without a terminal nothing is asked anyway"                  \
        }
int confirm_change(struct cli *c, const char *method, const char *path,
                   const struct confirm_options *o);
