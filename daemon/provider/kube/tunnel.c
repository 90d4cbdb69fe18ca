/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel.c - port-forward over a WebSocket: GET .../pods/P/portforward?ports=N,
 * v4.channel.k8s.io
 *
 * Called for databases and object stores that live in the cluster. Every message begins with its
 * channel: 0 carries the bytes, 1 an error as text, after which nothing comes. The first message
 * on each is the port, two bytes little-endian; when both were read the way is open. One tunnel
 * is one TCP connection to the pod; there is no half-close in this protocol, so that an end on
 * one side ends both. */
#include "tunnel.h"

#include "identify.h"

#include <errno.h>
#include <stdlib.h>

#define TUNNEL_OPEN_MS 15000 /* connect, TLS, upgrade, and the kubelet's dial to the pod */
#define TUNNEL_PING_MS 30000 /* cloud load balancers forget idle flows after 4 minutes */
#define TUNNEL_MESSAGE_MAX 1048576
#define TUNNEL_PIECE 65536 /* of one send: the kubelet copies message by message */

enum { CHANNEL_DATA = 0, CHANNEL_ERROR = 1, CHANNELS = 2 };

struct pipe {
        struct tunnel tunnel; /* first: what the caller holds */
        struct tunnel_request request;
        char *path;
        struct websocket *websocket;
        bool begun[CHANNELS]; /* its port number was read */
        bool open, ended;
        struct err err;
        struct later end;
};

static struct pipe *pipe_of(struct tunnel *t) {
        return container_of(t, struct pipe, tunnel);
}

/* The socket may not be freed inside its own callback. */
static void on_end(void *arg) {
        struct pipe *p = arg;

        p->websocket = websocket_free(p->websocket);
        p->request.on_close(p->request.arg, p->err.code, &p->err);
}

static void end_soon(struct pipe *p, int code, const char *fmt, ...) printf_(3, 4);
static void end_soon(struct pipe *p, int code, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        if (p->ended)
                return;
        p->ended = true;
        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        err_set(&p->err, code, "port %d of pod %s: %s", p->request.port, p->path, text);
        later_run(&p->end);
}

static void on_bytes(struct pipe *p, int channel, const uint8_t *data, size_t len) {
        if (channel == CHANNEL_ERROR)
                end_soon(p, -ECONNREFUSED, "%.*s", (int)MIN_OF(len, 300u), (const char *)data);
        else
                p->request.on_data(p->request.arg, data, len);
}

static void on_message(void *arg, const uint8_t *data, size_t len) {
        struct pipe *p = arg;
        int channel = len ? data[0] : -1;

        if (p->ended || len <= 1)
                return;
        if (channel < 0 || channel >= CHANNELS) {
                end_soon(p, -EPROTO, "the server sent on channel %d", channel);
                return;
        }
        if (p->begun[channel]) {
                on_bytes(p, channel, data + 1, len - 1);
                return;
        }
        if (len != 3 || (data[1] | data[2] << 8) != p->request.port) {
                end_soon(p, -EPROTO, "channel %d does not begin with the port", channel);
                return;
        }
        p->begun[channel] = true;
        if (p->begun[CHANNEL_DATA] && p->begun[CHANNEL_ERROR] && !p->open) {
                p->open = true;
                p->request.on_open(p->request.arg);
        }
}

static void on_open(void *arg, const char *protocol) {
}

static void on_writable(void *arg) {
}

static void on_close(void *arg, int r, long status, const struct err *err) {
        struct pipe *p = arg;

        if (status == 403)
                end_soon(p, -EACCES, "missing right: create and get pods/portforward");
        else if (status == 404)
                end_soon(p, -ENOENT, "there is no such pod");
        else if (status)
                end_soon(p, -EPROTO, "the API server answered %ld", status);
        else if (r == 0)
                end_soon(p, p->open ? 0 : -ECONNRESET, "closed by the other side");
        else
                end_soon(p, r, "%s", err_text(err));
}

/* Channel and bytes in one message; -EAGAIN before anything of it was taken. */
static int send_piece(struct pipe *p, const uint8_t *data, size_t len) {
        uint8_t message[1 + TUNNEL_PIECE];

        message[0] = CHANNEL_DATA;
        memcpy(message + 1, data, len);
        return websocket_send(p->websocket, message, len + 1);
}

static int tunnel_send(struct tunnel *t, const void *data, size_t len) {
        struct pipe *p = pipe_of(t);
        const uint8_t *at = data;

        if (p->ended || !p->open)
                return p->ended ? -EPIPE : -EAGAIN;
        /* All or nothing: a part that was taken could not be told. */
        if (websocket_unsent(p->websocket) + len + len / TUNNEL_PIECE + 1 > WEBSOCKET_SEND_MAX)
                return -EAGAIN;
        while (len) {
                size_t n = MIN_OF(len, (size_t)TUNNEL_PIECE);
                int r = send_piece(p, at, n);

                if (r < 0)
                        return -EPIPE;
                at += n;
                len -= n;
        }
        return 0;
}

static struct tunnel *tunnel_free(struct tunnel *t) {
        struct pipe *p = t ? pipe_of(t) : NULL;

        if (!p)
                return NULL;
        later_cancel(&p->end);
        websocket_free(p->websocket);
        free(p->path);
        free(p);
        return NULL;
}

struct tunnel *tunnel_open(struct target *t, const struct tunnel_request *r, struct err *err) {
        size_t namespace_len;
        const char *name = identify_split(r->path, &namespace_len);
        cleanup_(freep) char *path = str_format("/api/v1/namespaces/%.*s/pods/%s/"
                                                "portforward?ports=%d",
                                                (int)namespace_len, r->path, name, r->port);
        struct pipe *p = mem_new(struct pipe);
        struct websocket_config c = {
                .server = t->server,
                .path = path,
                .protocols = "v4.channel.k8s.io",
                .open_ms = TUNNEL_OPEN_MS,
                .ping_ms = TUNNEL_PING_MS,
                .message_max = TUNNEL_MESSAGE_MAX,
                .on_open = on_open,
                .on_message = on_message,
                .on_writable = on_writable,
                .on_close = on_close,
                .arg = p,
        };

        p->tunnel = (struct tunnel){ .send = tunnel_send, .free = tunnel_free };
        p->request = *r;
        p->path = str_dup(r->path);
        later_init(&p->end, t->loop, "tunnel-end", on_end, p);
        if (websocket_open(t->http, &c, &p->websocket, err) < 0) {
                tunnel_free(&p->tunnel);
                return NULL;
        }
        return &p->tunnel;
}
