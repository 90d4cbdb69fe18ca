/* SPDX-License-Identifier: Apache-2.0 */
/* peer-process.h - which process connected: its number, the name of its program, and the user that
 * its session was logged in as */
#pragma once

#include "base.h"

#include <sys/types.h>

#define PEER_COMMAND_MAX 64 /* the kernel's own limit is 15 letters, and 63 of a kernel thread */

struct peer_process {
        pid_t pid;      /* 0: not known */
        bool has_login; /* it belongs to a login session */
        uid_t login;    /* that was begun by this user, whoever it became by su or sudo */
        char command[PEER_COMMAND_MAX]; /* "": it ended before it could be asked */
};

/* Seconds since the machine's start, as the kernel counts the start of processes. */
int64_t peer_process_clock(void);
/* The process at the other end of FD, which connected before CONNECTED (peer_process_clock). */
void peer_process_find(int fd, int64_t connected, struct peer_process *ret);
