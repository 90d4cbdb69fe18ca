/* SPDX-License-Identifier: Apache-2.0 */
/* plans.h - dry runs get a name, and `apply` goes on with them
 *
 *   dry run ──▶ what it would do ──▶ kept under a name (model/shown.h) ──▶ answered with it
 *   apply   ──▶ the same request as a dry run again ──▶ other than kept? refused, with what moved
 *                                                   └─▶ the same: done, if inside of its
 *                                                       transaction it still is */
#pragma once

#include "command.h"
#include "request.h"

/* Ends a dry run with what it would do, or goes on with the plan that it was tried for. Takes
 * JSON over. */
void plans_reply(struct request *q, json_t *json);
/* Keeps what JSON says would be done, and answers with it and the plan's name. ASKED: the request
 * that is to be made again, NULL where it is what the loop would do. Takes ASKED and JSON over. */
void plans_keep(struct request *q, const char *application, json_t *asked, json_t *json);
/* What was tried is what the plan said. False: that is answered, with what moved. */
bool plans_hold(struct request *q);
/* Goes on with q->plan, which no request made. */
void plans_apply_state(struct request *q);
/* C is done in the name of the plan that Q goes on with: that and nothing else. */
void plans_bind(struct request *q, struct command *c);
