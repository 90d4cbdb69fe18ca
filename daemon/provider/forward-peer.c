/* SPDX-License-Identifier: Apache-2.0 */
/* forward-peer.c - is the other end of a loopback connection one of our own descriptors?
 *
 * A pair of addresses and ports names one connection of a network namespace. So the other end is
 * ours when one of our sockets is bound to what we see as the peer, and connected to what we
 * are. Looking at our own descriptors costs two calls each; the kernel's table of all
 * connections (/proc/net/tcp) would cost a line for each of the machine's. */
#include "forward-peer.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}

static bool same(const struct sockaddr_in *a, const struct sockaddr_in *b) {
        return a->sin_family == AF_INET && b->sin_family == AF_INET && a->sin_port == b->sin_port &&
               a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static bool ends_of(int fd, struct sockaddr_in *ret_local, struct sockaddr_in *ret_remote) {
        socklen_t n = sizeof(*ret_local), m = sizeof(*ret_remote);

        *ret_local = *ret_remote = (struct sockaddr_in){ 0 };
        return getsockname(fd, (struct sockaddr *)ret_local, &n) == 0 &&
               getpeername(fd, (struct sockaddr *)ret_remote, &m) == 0;
}

bool forward_peer_is_us(int fd) {
        cleanup_(closedirp) DIR *d = opendir("/proc/self/fd");
        struct sockaddr_in local, remote, l, r;
        const struct dirent *e;
        int64_t other;

        if (!d || !ends_of(fd, &local, &remote))
                return false;
        while ((e = readdir(d)))
                if (str_to_int(e->d_name, &other) && other != fd && ends_of((int)other, &l, &r) &&
                    same(&l, &remote) && same(&r, &local))
                        return true;
        return false;
}
