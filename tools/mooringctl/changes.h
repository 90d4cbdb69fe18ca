/* SPDX-License-Identifier: Apache-2.0 */
/* changes.h - what a command did or would do, and what would differ outside, for people */
#pragma once

#include "cli.h"

/* What a change did as chatter; what a dry run would do is what was asked for. */
void changes_say(const struct cli *c, const json_t *json);
/* Below a line of a plan: what the server says, and which fields would be other. */
void changes_details(const struct cli *c, const json_t *line);
/* What the plan is called, last. */
void changes_plan_id(const struct cli *c, const json_t *json);
