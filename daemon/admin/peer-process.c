/* SPDX-License-Identifier: Apache-2.0 */
/* peer-process.c - the process behind a connection, without being fooled by a number that is used
 * again
 *
 * What /proc says of a number is of our peer only while the peer lives. So a pidfd is had first,
 * /proc is read, and what was read counts only when the pidfd says that its process is still
 * there.
 *
 * From Linux 6.5 on the socket itself gives the pidfd (SO_PEERPIDFD): it is of the process that
 * called connect, always. Before (Debian 12), it is opened by the number that SO_PEERCRED gives,
 * which may be another process's by now: one that started after the connection was taken is told
 * apart by its start time, one that took the number between connect and accept is not. Nothing is
 * decided by what is found here: the role comes from uid and groups. Arguments are not read, they
 * may hold secrets. */
#include "peer-process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* not in Debian 12's headers */
#endif
#define NO_LOGIN ((uid_t)-1) /* what the kernel says of processes that no session began */
#define START_FIELD 22       /* of /proc/PID/stat */

int64_t peer_process_clock(void) {
        struct timespec t;

        clock_gettime(CLOCK_BOOTTIME, &t);
        return t.tv_sec;
}

/* A small file of /proc, its last newline cut off. */
static bool read_proc(pid_t pid, const char *name, char *ret, size_t size) {
        cleanup_(freep) char *path = str_format("/proc/%d/%s", (int)pid, name);
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

        ret[MAX_OF(n, 0)] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
        return n >= 0;
}

/* The command's name, in parentheses, may hold blanks and parentheses itself. */
static bool started_before(pid_t pid, int64_t connected) {
        char text[1024];
        char *p;

        if (!read_proc(pid, "stat", text, sizeof(text)) || !(p = strrchr(text, ')')))
                return false;
        for (int field = 2; field < START_FIELD && p; field++)
                p = strchr(p + 1, ' ');
        return p && strtoll(p + 1, NULL, 10) / sysconf(_SC_CLK_TCK) <= connected;
}

static bool is_alive(int pidfd) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        return poll(&p, 1, 0) == 0;
}

/* *RET_EXACT: of the process that connected, for certain. */
static int open_peer(int fd, pid_t pid, bool *ret_exact) {
        int pidfd = -1;
        socklen_t size = sizeof(pidfd);

        *ret_exact = getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0;
        if (*ret_exact || errno != ENOPROTOOPT)
                return *ret_exact ? pidfd : -1;
        return (int)syscall(SYS_pidfd_open, pid, 0);
}

void peer_process_find(int fd, int64_t connected, struct peer_process *ret) {
        struct peer_process found = { 0 };
        struct ucred peer;
        socklen_t size = sizeof(peer);
        char login[32];
        bool exact;
        int64_t uid;

        *ret = found;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return;
        ret->pid = found.pid = peer.pid;
        cleanup_(closep) int pidfd = open_peer(fd, peer.pid, &exact);
        if (pidfd < 0 || !read_proc(peer.pid, "comm", found.command, sizeof(found.command)))
                return;
        found.has_login = read_proc(peer.pid, "loginuid", login, sizeof(login)) &&
                          str_to_int(login, &uid) && (uid_t)uid != NO_LOGIN;
        found.login = found.has_login ? (uid_t)uid : 0;
        if ((exact || started_before(peer.pid, connected)) && is_alive(pidfd))
                *ret = found;
}
