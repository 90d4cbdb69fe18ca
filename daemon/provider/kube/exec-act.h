/* SPDX-License-Identifier: Apache-2.0 */
/* exec-act.h - exec as an ask of an action, and as an end of a stream */
#pragma once

#include "act.h"
#include "exec.h"

#define EXEC_STDOUT_MAX ACT_TEXT_MAX /* its beginning: what is longer is a stream's */
#define EXEC_STDERR_MAX 4096         /* its end: where the reason stands */

/* {"pod", "container", "argv", "stdin"} is answered by {"exit", "stdout", "stdout-bytes",
 * "truncated", "stderr"}. */
void exec_act_start(struct target *t, const struct act_request *r, struct op *op);
/* Out: what the command prints; a command that fails ends the stream as REFUSED. Into: what it
 * reads. on_end's TOLD is {"exit", "stderr"}. */
struct bytes *exec_act_bytes(struct target *t, const struct bytes_request *r, struct err *err);
