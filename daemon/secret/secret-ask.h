/* SPDX-License-Identifier: Apache-2.0 */
/* secret-ask.h - where a token may stand in what a step of an action asks for (step.h,
 * docs/asks.md)
 *
 * What is written into a command line, a path or a key of an object stands in somebody's log. The
 * daemon, its providers and the charms' harness have the same table. Pure. */
#pragma once

#include "secret-token.h"

/* In VERB's document, what a member "ask" of a step's ask of kind "verb" is. */
bool secret_ask_verb(const char *verb, const char *pointer);
/* ASK, as a step said it, has no token elsewhere. -EINVAL. */
int secret_ask_check(const json_t *ask, struct err *err);
