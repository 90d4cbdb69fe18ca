/* SPDX-License-Identifier: Apache-2.0 */
/* help.h - what people read about commands, from the tables: --help, the man page, bash
 * completion */
#pragma once

#include "command.h"

void help_command(const struct command *c, FILE *out);
void help_all(FILE *out); /* a page: the names of all commands, and where to read on */
bool help_topic(const char *name, FILE *out); /* false: it is none */
void help_man(FILE *out);                     /* roff, mooringctl.1 */
void help_completion(FILE *out);              /* bash */
void help_reference(FILE *out);               /* docs/commands.md */
