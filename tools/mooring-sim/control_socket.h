/* SPDX-License-Identifier: Apache-2.0 */
/* control_socket.h - the control socket: one line asks, the answer is lines and ends with "ok" or
 * "error: ..."
 *
 * Its words are the table in control_words.c; `mooring-sim ctl` sends them (ctl.c). */
#pragma once

#include "sim.h"

int control_listen(struct sim *sim, const char *path, struct err *err);
void control_close(struct sim *sim);
/* One command; the answer is added to OUT. */
int control_words_run(struct sim *sim, const char *line, struct buf *out, struct err *err);
void control_words_help(struct buf *out);
/* `mooring-sim ctl`: returns the exit code. */
int ctl_main(int argc, char **argv);
