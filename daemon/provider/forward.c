/* SPDX-License-Identifier: Apache-2.0 */
/* forward.c - the listener and the pipes behind it; see forward.h
 *
 *   accepted ──▶ ours? ──▶ tunnel asked for ──▶ open ──▶ bytes both ways ──▶ an end closes: both do
 *
 * What the client sends is read only when the tunnel took what came before: TCP then slows the
 * client down. What the tunnel sends is kept until the client takes it, up to
 * FORWARD_BUFFER_MAX; a client that does not read ends its connection. */
#include "forward.h"
#include "forward-peer.h"

#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 16384 /* one TLS record: what a client sends at once */
#define RETRY_MS 5  /* a tunnel that cannot take more says so, but not when it can again */
#define BACKLOG 4

struct carry {
        struct list link;
        struct forward *forward;
        struct tunnel *tunnel;
        struct watcher *watcher;
        struct timer retry;
        struct buf out; /* to the client */
        struct buf in;  /* to the tunnel: one chunk that it has not taken yet */
        struct later gone;
        int fd;
        bool open, ending;
};

struct forward {
        struct loop *loop;
        const struct provider *through;
        struct target *target;
        char *path;
        int port, local_port, fd;
        struct watcher *watcher;
        struct list carries;
        size_t count;
        struct err last;
};

/* ---- one connection */

static void carry_free(struct carry *p) {
        list_unlink(&p->link);
        p->forward->count--;
        later_cancel(&p->gone);
        timer_cancel(&p->retry);
        if (p->tunnel)
                p->tunnel->free(p->tunnel);
        watcher_stop(p->watcher);
        closep(&p->fd);
        buf_wipe(&p->out); /* passwords pass here before TLS where there is none */
        buf_wipe(&p->in);
        free(p);
}

static void on_gone(void *arg) {
        carry_free(arg);
}

static void watch(struct carry *p) {
        int events = 0;

        if (p->watcher == NULL)
                return;
        if (p->out.len)
                events |= LOOP_WRITE;
        if (p->open && !p->in.len && !p->ending)
                events |= LOOP_READ;
        if (watcher_change(p->watcher, events ? events : LOOP_HANGUP, NULL) < 0)
                later_run(&p->gone);
}

static void send_on(void *arg) {
        struct carry *p = arg;
        int r;

        if (!p->in.len)
                return watch(p);
        r = p->tunnel->send(p->tunnel, p->in.data, p->in.len);
        if (r == -EAGAIN)
                timer_after(&p->retry, RETRY_MS);
        else if (r < 0)
                return later_run(&p->gone);
        else
                buf_wipe(&p->in);
        watch(p);
}

static void read_client(struct carry *p) {
        char chunk[CHUNK];
        ssize_t n = read(p->fd, chunk, sizeof(chunk));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n <= 0)
                return later_run(&p->gone);
        buf_add(&p->in, chunk, (size_t)n);
        send_on(p);
}

static void write_client(struct carry *p) {
        while (p->out.len) {
                ssize_t n = send(p->fd, p->out.data, p->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n <= 0)
                        return later_run(&p->gone);
                buf_skip(&p->out, (size_t)n);
        }
        if (!p->out.len && p->ending)
                return later_run(&p->gone);
        watch(p);
}

static void on_client(void *arg, int fd, int events) {
        struct carry *p = arg;

        if (events & LOOP_WRITE)
                write_client(p);
        if ((events & LOOP_READ) && p->open && !p->in.len && !p->ending)
                read_client(p);
        else if (events & LOOP_HANGUP)
                later_run(&p->gone);
}

/* ---- the tunnel's side */

static void on_open(void *arg) {
        struct carry *p = arg;

        p->open = true;
        watch(p);
}

static void on_data(void *arg, const uint8_t *data, size_t len) {
        struct carry *p = arg;

        if (p->ending)
                return;
        if (p->out.len + len > FORWARD_BUFFER_MAX) {
                err_set(&p->forward->last, -ENOBUFS, "%s: more than %u bytes wait for the client",
                        p->forward->path, FORWARD_BUFFER_MAX);
                return later_run(&p->gone);
        }
        buf_add(&p->out, data, len);
        write_client(p);
}

static void on_close(void *arg, int r, const struct err *err) {
        struct carry *p = arg;

        if (r < 0 && err)
                p->forward->last = *err;
        p->ending = true;
        p->open = false;
        if (p->out.len && p->watcher)
                return watch(p);
        later_run(&p->gone);
}

/* ---- the listener */

static int start_carry(struct forward *f, struct carry *p, struct err *err) {
        struct tunnel_request request = { .path = f->path,
                                          .port = f->port,
                                          .on_open = on_open,
                                          .on_data = on_data,
                                          .on_close = on_close,
                                          .arg = p };
        int r = watcher_start(f->loop, "forward-client", p->fd, LOOP_HANGUP, on_client, p,
                              &p->watcher, err);

        if (r < 0)
                return r;
        p->tunnel = f->through->tunnel(f->target, &request, err);
        return p->tunnel ? 0 : (err && err->code < 0 ? err->code : -EIO);
}

static void add_carry(struct forward *f, int fd) {
        struct carry *p = mem_new(struct carry);
        int one = 1;

        p->forward = f;
        p->fd = fd;
        list_append(&f->carries, &p->link);
        f->count++;
        later_init(&p->gone, f->loop, "forward-gone", on_gone, p);
        timer_init(&p->retry, f->loop, "forward-send", send_on, p);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (start_carry(f, p, &f->last) < 0)
                carry_free(p);
}

static void on_accept(void *arg, int listener, int events) {
        struct forward *f = arg;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return;
        if (!forward_peer_is_us(fd)) {
                log_plain(LOG_WARNING, "forward", "%s: a connection that is not ours was closed",
                          f->path);
                close(fd);
        } else if (f->count >= FORWARD_CONNECTIONS_MAX) {
                err_set(&f->last, -EBUSY, "%s: more than %d connections", f->path,
                        FORWARD_CONNECTIONS_MAX);
                close(fd);
        } else {
                add_carry(f, fd);
        }
}

static int listen_local(struct forward *f, struct err *err) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(a);

        f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&a, n) < 0 || listen(f->fd, BACKLOG) < 0 ||
            getsockname(f->fd, (struct sockaddr *)&a, &n) < 0)
                return err_set(err, -errno, "a port on loopback: %m");
        f->local_port = ntohs(a.sin_port);
        return watcher_start(f->loop, "forward", f->fd, LOOP_READ, on_accept, f, &f->watcher, err);
}

int forward_open(struct loop *l, const struct provider *through, struct target *target,
                 const char *path, int port, struct forward **ret, struct err *err) {
        struct forward *f;
        int r;

        if (!through || !through->tunnel || !target)
                return err_set(err, -ENOTSUP,
                               "%s: its model has no cluster through which it could be reached",
                               path);
        f = mem_new(struct forward);
        f->loop = l;
        f->through = through;
        f->target = target;
        f->path = str_dup(path);
        f->port = port;
        f->fd = -1;
        list_init(&f->carries);
        r = listen_local(f, err);
        if (r < 0) {
                forward_close(f);
                return r;
        }
        *ret = f;
        return 0;
}

struct forward *forward_close(struct forward *f) {
        if (!f)
                return NULL;
        list_each(pos, &f->carries)
                carry_free(list_entry(pos, struct carry, link));
        watcher_stop(f->watcher);
        closep(&f->fd);
        free(f->path);
        free(f);
        return NULL;
}

int forward_port(const struct forward *f) {
        return f->local_port;
}

const struct err *forward_last(const struct forward *f) {
        return &f->last;
}

enum outcome forward_outcome(const struct err *why) {
        switch (why->code) {
        case -EACCES:
        case -EPERM:
                return OUTCOME_DENIED;
        case -ENOENT:
        case -ECONNREFUSED:
        case -EAGAIN:
                return OUTCOME_NOT_YET;
        default:
                return OUTCOME_UNREACHABLE;
        }
}

void forward_forget(struct forward *f) {
        f->last = (struct err){ 0 };
}
