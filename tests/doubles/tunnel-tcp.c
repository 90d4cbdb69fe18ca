/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel-tcp.c - see tunnel-tcp.h */
#include "tunnel-tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct way {
        struct tunnel tunnel; /* first */
        struct tunnel_tcp *to;
        struct tunnel_request request;
        struct watcher *watcher;
        struct later soon;
        struct buf out;
        int fd;
        bool open;
};

static void end(struct way *w, int r, const char *why) {
        struct err err = { 0 };

        w->watcher = watcher_stop(w->watcher);
        err_set(&err, r, "%s", why);
        w->request.on_close(w->request.arg, r, &err);
}

static void want(struct way *w) {
        watcher_change(w->watcher, w->out.len || !w->open ? LOOP_READ | LOOP_WRITE : LOOP_READ,
                       NULL);
}

static void on_socket(void *arg, int fd, int events) {
        struct way *w = arg;
        char data[65536];
        ssize_t n;

        if ((events & LOOP_WRITE) && !w->open) {
                int r = 0;
                socklen_t len = sizeof(r);

                getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &len);
                if (r)
                        return end(w, -r, strerror(r));
                w->open = true;
                w->request.on_open(w->request.arg);
        }
        if ((events & LOOP_WRITE) && w->out.len) {
                n = send(fd, w->out.data, w->out.len, MSG_NOSIGNAL);
                if (n > 0)
                        buf_skip(&w->out, (size_t)n);
        }
        want(w);
        if (!(events & LOOP_READ))
                return;
        n = read(fd, data, sizeof(data));
        if (n > 0)
                w->request.on_data(w->request.arg, (uint8_t *)data, (size_t)n);
        else if (n == 0 || errno != EAGAIN)
                end(w, n == 0 ? 0 : -errno, "ended");
}

static void on_refused(void *arg) {
        struct way *w = arg;

        end(w, -EAGAIN, w->to->refuse ? w->to->refuse : "broke");
}

static int send_on(struct tunnel *t, const void *data, size_t len) {
        struct way *w = (struct way *)t;

        if (!w->watcher)
                return -EPIPE;
        if (w->to->never && memmem(data, len, w->to->never, strlen(w->to->never)))
                w->to->leaked = true;
        if (++w->to->sends == w->to->drop_at) {
                w->to->dropped++;
                w->watcher = watcher_stop(w->watcher);
                later_run(&w->soon);
                return 0; /* taken, and never to arrive */
        }
        if (w->to->take_max && w->out.len > w->to->take_max)
                return -EAGAIN;
        buf_add(&w->out, data, len);
        want(w);
        return 0;
}

static struct tunnel *way_free(struct tunnel *t) {
        struct way *w = (struct way *)t;

        w->to->closed++;
        watcher_stop(w->watcher);
        later_cancel(&w->soon);
        closep(&w->fd);
        buf_free(&w->out);
        free(w);
        return NULL;
}

static struct tunnel *tunnel(struct target *opaque, const struct tunnel_request *r,
                             struct err *err) {
        struct tunnel_tcp *to = (struct tunnel_tcp *)opaque;
        struct way *w = mem_new(struct way);
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)to->port) };

        to->opened++;
        snprintf(to->asked, sizeof(to->asked), "%s:%d", r->path, r->port);
        w->tunnel = (struct tunnel){ .send = send_on, .free = way_free };
        w->to = to;
        w->request = *r;
        later_init(&w->soon, to->loop, "refused", on_refused, w);
        inet_pton(AF_INET, to->address, &a.sin_addr);
        w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (to->refuse ||
            (connect(w->fd, (struct sockaddr *)&a, sizeof(a)) < 0 && errno != EINPROGRESS)) {
                later_run(&w->soon);
                return &w->tunnel;
        }
        watcher_start(to->loop, "tunnel", w->fd, LOOP_READ | LOOP_WRITE, on_socket, w, &w->watcher,
                      err);
        return &w->tunnel;
}

const struct provider tunnel_tcp_provider = { .name = "tunnel-tcp", .tunnel = tunnel };

struct target *tunnel_tcp_target(struct tunnel_tcp *t) {
        return (struct target *)t;
}
