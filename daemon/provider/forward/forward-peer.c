/* SPDX-License-Identifier: Apache-2.0 */
/* forward-peer.c - from an accepted connection to the socket at its other end
 *
 * /proc/self/net/tcp names the inode of every socket of this network namespace; /proc/self/fd says which are ours. A
 * port alone proves nothing: another user may have dialled. */
#include "forward-peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* As the kernel prints it: the address as one number of the machine's own byte order. */
static bool inode_of(const struct sockaddr_in *local, const struct sockaddr_in *remote, unsigned long *ret) {
        cleanup_(fclosep) FILE *f = fopen("/proc/self/net/tcp", "re");
        char line[256];

        while (f && fgets(line, sizeof(line), f)) {
                unsigned la, lp, ra, rp;
                unsigned long inode;

                if (sscanf(line, " %*u: %8X:%4X %8X:%4X %*X %*X:%*X %*X:%*X %*X %*u %*u %lu", &la, &lp, &ra, &rp,
                           &inode) != 5)
                        continue;
                if (la == local->sin_addr.s_addr && lp == ntohs(local->sin_port) && ra == remote->sin_addr.s_addr &&
                    rp == ntohs(remote->sin_port)) {
                        *ret = inode;
                        return inode != 0;
                }
        }
        return false;
}

static void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

static bool have_inode(unsigned long inode) {
        cleanup_(closedirp) DIR *d = opendir("/proc/self/fd");
        char want[64], is[64];
        const struct dirent *e;

        snprintf(want, sizeof(want), "socket:[%lu]", inode);
        while (d && (e = readdir(d))) {
                ssize_t n = readlinkat(dirfd(d), e->d_name, is, sizeof(is) - 1);

                if (n <= 0)
                        continue;
                is[n] = '\0';
                if (str_eq(is, want))
                        return true;
        }
        return false;
}

bool forward_peer_is_us(int fd) {
        struct sockaddr_in us = { 0 }, peer = { 0 };
        socklen_t n = sizeof(us), m = sizeof(peer);
        unsigned long inode;

        if (getsockname(fd, (struct sockaddr *)&us, &n) < 0 || getpeername(fd, (struct sockaddr *)&peer, &m) < 0)
                return false;
        if (us.sin_family != AF_INET || peer.sin_family != AF_INET)
                return false;
        return inode_of(&peer, &us, &inode) && have_inode(inode);
}
