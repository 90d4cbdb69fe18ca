/* SPDX-License-Identifier: Apache-2.0 */
/* portforward.c - see portforward.h
 *
 * One port a stream. Channel 0 carries data, channel 1 errors; the first message on each is the
 * port, two bytes, little-endian. Data waits in two bounded buffers; a full one stops reading
 * from the other side. What the pod said before it closed, or the error, goes out before the
 * close frame. */
#include "portforward.h"

#include "store.h"
#include "upgrade.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct portforward {
        struct upgraded upgraded;
        struct poller target;
        struct buf to_target; /* not yet written */
        char *address;
        int port;
        bool connected;
};

static struct portforward *forward_of(struct upgraded *u) {
        return container_of(u, struct portforward, upgraded);
}

/* --- where to */

static char *target_of(const struct sim *sim, const json_t *pod, int port) {
        cleanup_(freep) char *name = str_format("sim.mooring.dev/forward.%d", port);
        const char *address = json_get_str(json_get(store_meta(pod), "annotations"), name, NULL);

        list_each(e, (struct list *)&sim->forwards) {
                const struct forward *f = list_entry(e, struct forward, entry);

                if (!address && f->port == port && str_eq(f->namespace, store_namespace(pod)) &&
                    !fnmatch(f->pattern, store_name(pod), 0))
                        address = f->address;
        }
        return str_dup(address);
}

/* --- one stream */

static void stream_free(struct upgraded *u) {
        struct portforward *p = forward_of(u);

        upgrade_deinit(u);
        loop_remove(&p->target);
        if (p->target.fd >= 0)
                close(p->target.fd);
        buf_free(&p->to_target);
        free(p->address);
        free(p);
}

static void queue_error(struct portforward *p, const char *why) {
        cleanup_(freep) char *text =
                str_format("an error occurred forwarding %d -> %d: %s", p->port, p->port, why);

        upgrade_queue(&p->upgraded, 1, text, strlen(text));
        p->upgraded.ending = true;
}

static void message(struct upgraded *u, const uint8_t *data, size_t size) {
        struct portforward *p = forward_of(u);

        if (size > 1 && data[0] == 0 && p->target.fd >= 0)
                buf_add(&p->to_target, data + 1, size - 1);
}

/* A pod that takes no more may still have said something: only reading ends the stream. */
static void write_target(struct portforward *p) {
        while (p->connected && p->to_target.len) {
                ssize_t n = send(p->target.fd, p->to_target.data, p->to_target.len,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                buf_skip(&p->to_target, n < 0 ? p->to_target.len : (size_t)n);
        }
}

static bool read_target(struct portforward *p) {
        char data[16384];
        ssize_t n;

        while (!upgrade_full(&p->upgraded)) {
                n = recv(p->target.fd, data, sizeof(data), MSG_DONTWAIT);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR;
                if (n == 0)
                        return false;
                upgrade_queue(&p->upgraded, 0, data, (size_t)n);
        }
        return true;
}

/* What each side is waited for; ends the stream when the client is done. */
static void settle(struct upgraded *u) {
        struct portforward *p = forward_of(u);

        if (p->target.fd >= 0)
                write_target(p);
        if (!upgrade_send(u)) {
                stream_free(u);
                return;
        }
        upgrade_wait(u, p->to_target.len < UPGRADE_BACKLOG);
        p->target.events = (short)((!upgrade_full(u) && p->connected ? POLLIN : 0) |
                                   (p->to_target.len || !p->connected ? POLLOUT : 0));
}

static void end_target(struct portforward *p, const char *why) {
        loop_remove(&p->target);
        close(p->target.fd);
        p->target.fd = -1;
        buf_clear(&p->to_target);
        p->upgraded.ending = true;
        if (why)
                queue_error(p, why);
}

static void on_target(struct poller *poller, short events) {
        struct portforward *p = container_of(poller, struct portforward, target);
        int error = 0;
        socklen_t size = sizeof(error);

        if (!p->connected) {
                getsockopt(p->target.fd, SOL_SOCKET, SO_ERROR, &error, &size);
                p->connected = !error;
        }
        write_target(p);
        if (error)
                end_target(p, strerror(error));
        else if (events & (POLLIN | POLLHUP | POLLERR) && !read_target(p))
                end_target(p, NULL);
        settle(&p->upgraded);
}

static int connect_to(const char *address) {
        const char *colon = strrchr(address, ':');
        cleanup_(freep) char *host = colon ? str_ndup(address, (size_t)(colon - address)) : NULL;
        struct sockaddr_in to = { .sin_family = AF_INET };
        int64_t port;
        int fd;

        if (!host || !str_to_int(colon + 1, &port) ||
            inet_pton(AF_INET, str_eq(host, "localhost") ? "127.0.0.1" : host, &to.sin_addr) != 1)
                return -1;
        to.sin_port = htons((uint16_t)port);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS) {
                close(fd);
                fd = -1;
        }
        return fd;
}

static void begin(struct upgraded *u) {
        struct portforward *p = forward_of(u);
        uint8_t port[2] = { (uint8_t)(p->port & 255), (uint8_t)(p->port >> 8) };

        upgrade_queue(u, 0, port, sizeof(port));
        upgrade_queue(u, 1, port, sizeof(port));
        p->target.fd = p->address ? connect_to(p->address) : -1;
        p->target.ready = on_target;
        if (p->target.fd >= 0)
                loop_add(u->sim, &p->target);
        else
                queue_error(p, p->address ? "connection refused"
                                          : "the pod has no such port: no annotation "
                                            "sim.mooring.dev/forward.PORT and no `ctl forward`");
}

bool portforward_start(struct sim *sim, struct MHD_Connection *connection, const struct request *q,
                       struct reply *reply) {
        static const char *const protocols[] = { "v4.channel.k8s.io", NULL };
        const char *protocol = upgrade_protocol(connection, protocols, reply);
        const char *ports = request_query(q, "ports");
        struct portforward *p;
        int64_t port;

        if (!protocol)
                return false;
        if (!ports || !str_to_int(ports, &port) || port < 1 || port > 65535) {
                reply_bad_request(reply, "query parameter \"ports\" is required, one port");
                return false;
        }
        p = mem_new(struct portforward);
        p->upgraded.begin = begin;
        p->upgraded.message = message;
        p->upgraded.settle = settle;
        p->upgraded.free = stream_free;
        p->target.fd = -1;
        p->port = (int)port;
        p->address = target_of(sim, store_get(q->kind, q->namespace, q->name), (int)port);
        return upgrade_start(sim, connection, &p->upgraded, protocol, reply);
}
