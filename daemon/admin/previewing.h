/* SPDX-License-Identifier: Apache-2.0 */
/* previewing.h - a dry run of a command on applications also says which objects would be other
 *
 * The rows of the command are read inside its transaction, which is taken back; then the charms
 * are asked with them, and their plans compared (reconcile/preview.c). */
#pragma once

#include "command.h"
#include "request.h"

/* Runs C, as request_command does; MODEL and APPLICATION live as long as Q. APPLICATION NULL: all
 * that C says it changes or concerns. */
void previewing_command(struct request *q, struct command *c, const char *model,
                        const char *application, void (*release)(struct command *c));

/* The same for who calls request_try later: before it, and what is given to it. */
void previewing_attach(struct request *q, struct command *c, const char *model,
                       const char *application, void (*release)(struct command *c));
void previewing_show(struct request *q, json_t *json, struct command *c);
void previewing_release(struct command *c);
