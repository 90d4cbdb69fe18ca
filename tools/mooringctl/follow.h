/* SPDX-License-Identifier: Apache-2.0 */
/* follow.h - watching an operation to its end, and telling what became of it */
#pragma once

#include "call.h"

#define FOLLOW_FOR_EVER INT64_MAX

/* Tells each change of operation ID until it has ended, or MS are over; then how it ended. Returns
 * the exit code. */
/* The operation with all of its journal. */
int follow_read(struct cli *c, int64_t id, json_t **ret);
int follow(struct cli *c, int64_t id, int64_t ms);
/* How operation O ended, or what it waits for: results on stdout, the rest as chatter. REVEAL: with
 * the values of secrets, where the daemon gives them to who asks. Returns the exit code. */
int follow_tell(struct cli *c, json_t *o, bool reveal);
/* That O waits for a second person. */
int follow_tell_waiting(struct cli *c, const json_t *o);
/* RESULTS, an object, as YAML; of those in SECRET (a list of names) the values as they are, where
 * they are one line. */
void follow_put_results(const struct cli *c, const json_t *results, const json_t *secret);
/* What it waits for, or is at: one line; the caller frees. */
char *follow_at(const struct cli *c, const json_t *o);
/* "sql at mysql" of what a step asked for; the caller frees. */
char *follow_ask(const json_t *turn);
char *follow_path(struct cli *c, int64_t id, const char *below);
bool follow_is_live(const json_t *o);
