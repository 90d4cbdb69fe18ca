/* SPDX-License-Identifier: Apache-2.0 */
/* server-reply.c - what handlers of the test server send */
#include "server-internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void server_reply_bytes(struct server_call *c, int status, const char *headers, const void *body,
                        size_t len) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        buf_printf(&out, "HTTP/1.1 %d Scripted\r\n", status);
        if (c->server->one_request)
                buf_puts(&out, "Connection: close\r\n");
        if (status != 204 && status != 304)
                buf_printf(&out, "Content-Length: %zu\r\n", len);
        buf_puts(&out, headers ? headers : "");
        buf_puts(&out, "\r\n");
        if (strcmp(c->method, "HEAD") != 0)
                buf_add(&out, body, len);
        if (!server_io_write(c->on, out.data, out.len))
                c->on->closed = true;
}

void server_reply(struct server_call *c, int status, const char *headers, const char *body) {
        server_reply_bytes(c, status, headers, body, strlen(body));
}

bool server_begin(struct server_call *c, int status, const char *headers) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        buf_printf(&out, "HTTP/1.1 %d Scripted\r\nTransfer-Encoding: chunked\r\n%s\r\n", status,
                   headers ? headers : "");
        return server_raw(c, out.data, out.len);
}

bool server_send(struct server_call *c, const void *data, size_t len) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        buf_printf(&out, "%zx\r\n", len);
        buf_add(&out, data, len);
        buf_puts(&out, "\r\n");
        return server_raw(c, out.data, out.len);
}

void server_end(struct server_call *c) {
        server_raw(c, "0\r\n\r\n", 5);
}

bool server_raw(struct server_call *c, const void *data, size_t len) {
        bool sent = server_io_write(c->on, data, len);

        if (!sent)
                c->on->closed = true;
        return sent;
}

ssize_t server_read(struct server_call *c, void *data, size_t size) {
        struct buf *in = &c->on->in;
        size_t n;

        if (!in->len && !server_io_fill(c->on))
                return 0;
        n = MIN_OF(size, in->len);
        memcpy(data, in->data, n);
        buf_skip(in, n);
        return (ssize_t)n;
}

static void drop(struct server_connection *c) {
        pthread_mutex_lock(&c->server->lock);
        close(c->fd);
        c->fd = -1;
        pthread_mutex_unlock(&c->server->lock);
        c->closed = true;
}

void server_reset(struct server_call *c) {
        struct linger now = { .l_onoff = 1, .l_linger = 0 };

        setsockopt(c->on->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        drop(c->on);
}

void server_mute(struct server_call *c) {
        c->on->mute = true;
}

void server_hangup(struct server_call *c) {
        if (c->on->ssl)
                SSL_shutdown(c->on->ssl);
        drop(c->on);
}

static bool relay(int from, int to) {
        char piece[16384];
        ssize_t n = recv(from, piece, sizeof(piece), 0);

        return n > 0 && send(to, piece, (size_t)n, MSG_NOSIGNAL) == n;
}

void server_tunnel(struct server_call *c, int port) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        cleanup_(closep) int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct pollfd p[2];

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        c->on->closed = true;
        if (connect(to, (struct sockaddr *)&a, sizeof(a)) < 0)
                return;
        for (;;) {
                p[0] = (struct pollfd){ .fd = c->on->fd, .events = POLLIN };
                p[1] = (struct pollfd){ .fd = to, .events = POLLIN };
                if (poll(p, 2, -1) < 0)
                        return;
                if (p[0].revents && !relay(c->on->fd, to))
                        return;
                if (p[1].revents && !relay(to, c->on->fd))
                        return;
        }
}
