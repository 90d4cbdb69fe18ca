/* SPDX-License-Identifier: Apache-2.0 */
/* worker-output.h - inside the charm host, --dev only: what a module prints, as lines of the
 * daemon's log
 *
 * A worker never has a descriptor of the daemon's own: with its limits the first byte to a
 * regular file would end it, and what it prints could forge lines of the log. So it prints into
 * a pipe, which the daemon reads. */
#pragma once

#include "loop.h"

struct worker_output;
/* *RET_FD: the worker's end, its stdout and stderr; the caller closes it when the worker has it. */
int worker_output_start(struct loop *l, const char *charm, struct worker_output **ret, int *ret_fd,
                        struct err *err);
/* Logs what is left. NULL is fine. */
struct worker_output *worker_output_stop(struct worker_output *o);
