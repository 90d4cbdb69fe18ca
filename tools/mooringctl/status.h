/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - the daemon's answer to "status", and drawing it */
#pragma once

#include "cli.h"

/* All pages of a model's status. */
int status_get(struct cli *c, bool relations, bool storage, json_t **ret);
int status_try(struct cli *c, json_t **ret,
               struct err *err); /* without chatter, for wait and --watch */
/* Keeps the applications whose name matches one of the operands (globs, or a status word), and
 * what belongs to them. */
void status_select(json_t *status, char *const *names, int count);
/* "2" or "1/3" as Juju counts: units whose agent is idle or executing, of those that there
 * should be. */
char *status_scale(const json_t *application);
const char *status_word(const json_t *application); /* of application-status */
