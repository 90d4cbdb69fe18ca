/* SPDX-License-Identifier: Apache-2.0 */
/* pod-log.h - the end of what a container printed, as an ask of an action */
#pragma once

#include "act.h"
#include "target.h"

#define POD_LOG_LINES 100 /* where the ask does not say how many */
#define POD_LOG_LINES_MAX 10000
#define POD_LOG_REPLY_MAX (4u << 20) /* so many lines of 400 bytes */

/* {"pod", "container", "lines", "previous"} is answered by {"log", "truncated"}: its last
 * ACT_TEXT_MAX bytes at most. GONE: there is no such pod; NOT_YET: it has not begun. */
void pod_log_start(struct target *t, const struct act_request *r, struct op *op);
