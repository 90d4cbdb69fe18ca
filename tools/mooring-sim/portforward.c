/* SPDX-License-Identifier: Apache-2.0 */
/* portforward.c - see portforward.h
 *
 * One port a stream. Channel 0 carries data, channel 1 errors; the first message on each is the
 * port, two bytes, little-endian. Data waits in two bounded buffers; a full one stops reading
 * from the other side. What the pod said before it closed, or the error, goes out before the
 * close frame: wslay sends control frames ahead of whatever waits, so that one is queued last. */
#include "portforward.h"

#include "loop.h"
#include "store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <microhttpd.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define PROTOCOL "v4.channel.k8s.io"
#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 */
/* Bytes that wait for one side before the other is no longer read. */
#define BACKLOG_MAX (1u << 20)
#define MESSAGE_MAX                                                                                \
        (4u << 20) /* of one WebSocket message; database clients send at most 16 KiB at once */

struct portforward {
        struct list entry; /* sim.streams */
        struct sim *sim;
        struct MHD_UpgradeResponseHandle *upgrade;
        struct poller client, target;
        wslay_event_context_ptr ws;
        struct buf early;     /* came with the request, not yet read */
        struct buf to_target; /* not yet written */
        char *address;
        int port;
        bool connected;
        bool ending; /* the close frame is due when all before it is sent */
};

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

void portforward_add(struct sim *sim, const char *namespace, const char *pattern, int port,
                     const char *address) {
        struct forward *f = mem_new(struct forward);

        f->namespace = str_dup(namespace);
        f->pattern = str_dup(pattern);
        f->address = str_dup(address);
        f->port = port;
        list_prepend(&sim->forwards, &f->entry);
}

void portforward_forget(struct sim *sim) {
        list_each(e, &sim->forwards) {
                struct forward *f = list_entry(e, struct forward, entry);

                list_unlink(&f->entry);
                free(f->namespace);
                free(f->pattern);
                free(f->address);
                free(f);
        }
}

/* --- one stream */

static void stream_free(struct portforward *p) {
        list_unlink(&p->entry);
        loop_remove(&p->client);
        loop_remove(&p->target);
        if (p->target.fd >= 0)
                close(p->target.fd);
        if (p->ws)
                wslay_event_context_free(p->ws);
        if (p->upgrade)
                MHD_upgrade_action(p->upgrade, MHD_UPGRADE_ACTION_CLOSE);
        buf_free(&p->early);
        buf_free(&p->to_target);
        free(p->address);
        free(p);
}

static void queue(struct portforward *p, uint8_t channel, const void *data, size_t size) {
        cleanup_(buf_free) struct buf message = BUF_INIT;
        struct wslay_event_msg m = { .opcode = WSLAY_BINARY_FRAME };

        buf_putc(&message, (char)channel);
        buf_add(&message, data, size);
        m.msg = (const uint8_t *)buf_str(&message);
        m.msg_length = message.len;
        wslay_event_queue_msg(p->ws, &m);
}

static void queue_error(struct portforward *p, const char *why) {
        cleanup_(freep) char *text =
                str_format("an error occurred forwarding %d -> %d: %s", p->port, p->port, why);

        queue(p, 1, text, strlen(text));
        p->ending = true;
}

static ssize_t ws_recv(wslay_event_context_ptr ws, uint8_t *to, size_t size, int flags, void *arg) {
        struct portforward *p = arg;
        ssize_t n;

        if (p->early.len) {
                n = (ssize_t)MIN_OF(size, p->early.len);
                memcpy(to, p->early.data, (size_t)n);
                buf_skip(&p->early, (size_t)n);
                return n;
        }
        n = recv(p->client.fd, to, size, MSG_DONTWAIT);
        if (n > 0)
                return n;
        wslay_event_set_error(ws, n < 0 && (errno == EAGAIN || errno == EINTR)
                                          ? WSLAY_ERR_WOULDBLOCK
                                          : WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
}

static ssize_t ws_send(wslay_event_context_ptr ws, const uint8_t *data, size_t size, int flags,
                       void *arg) {
        struct portforward *p = arg;
        ssize_t n = send(p->client.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0)
                return n;
        wslay_event_set_error(ws, errno == EAGAIN || errno == EINTR ? WSLAY_ERR_WOULDBLOCK
                                                                    : WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
}

static void ws_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *m,
                       void *arg) {
        struct portforward *p = arg;

        if (!wslay_is_ctrl_frame(m->opcode) && m->msg_length > 1 && m->msg[0] == 0 &&
            p->target.fd >= 0)
                buf_add(&p->to_target, m->msg + 1, m->msg_length - 1);
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

        while (wslay_event_get_queued_msg_length(p->ws) < BACKLOG_MAX) {
                n = recv(p->target.fd, data, sizeof(data), MSG_DONTWAIT);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR;
                if (n == 0)
                        return false;
                queue(p, 0, data, (size_t)n);
        }
        return true;
}

static bool send_client(struct portforward *p) {
        if (wslay_event_want_write(p->ws) && wslay_event_send(p->ws))
                return false;
        if (!p->ending || wslay_event_want_write(p->ws))
                return true;
        p->ending = false;
        wslay_event_queue_close(p->ws, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
        return wslay_event_send(p->ws) == 0;
}

/* What each side is waited for; ends the stream when the client is done. */
static void settle(struct portforward *p) {
        if (!send_client(p)) {
                stream_free(p);
                return;
        }
        if (!wslay_event_want_read(p->ws) && !wslay_event_want_write(p->ws)) {
                stream_free(p);
                return;
        }
        p->client.events = (short)((p->to_target.len < BACKLOG_MAX ? POLLIN : 0) |
                                   (wslay_event_want_write(p->ws) ? POLLOUT : 0));
        p->target.events =
                (short)((wslay_event_get_queued_msg_length(p->ws) < BACKLOG_MAX && p->connected
                                 ? POLLIN
                                 : 0) |
                        (p->to_target.len || !p->connected ? POLLOUT : 0));
}

static void end_target(struct portforward *p, const char *why) {
        loop_remove(&p->target);
        close(p->target.fd);
        p->target.fd = -1;
        buf_clear(&p->to_target);
        p->ending = true;
        if (why)
                queue_error(p, why);
}

static void on_client(struct poller *poller, short events) {
        struct portforward *p = container_of(poller, struct portforward, client);

        if (events & (POLLERR | POLLHUP) || (events & POLLIN && wslay_event_recv(p->ws))) {
                stream_free(p);
                return;
        }
        if (p->target.fd >= 0)
                write_target(p);
        settle(p);
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
        settle(p);
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

static void open_target(struct portforward *p) {
        uint8_t port[2] = { (uint8_t)(p->port & 255), (uint8_t)(p->port >> 8) };

        queue(p, 0, port, sizeof(port));
        queue(p, 1, port, sizeof(port));
        p->target.fd = p->address ? connect_to(p->address) : -1;
        p->target.ready = on_target;
        if (p->target.fd >= 0)
                loop_add(p->sim, &p->target);
        else
                queue_error(p, p->address ? "connection refused"
                                          : "the pod has no such port: no annotation "
                                            "sim.mooring.dev/forward.PORT and no `ctl forward`");
}

static void on_upgrade(void *arg, struct MHD_Connection *connection, void *state, const char *extra,
                       size_t extra_size, int fd, struct MHD_UpgradeResponseHandle *upgrade) {
        static const struct wslay_event_callbacks callbacks = { .recv_callback = ws_recv,
                                                                .send_callback = ws_send,
                                                                .on_msg_recv_callback =
                                                                        ws_message };
        struct portforward *p = arg;

        p->upgrade = upgrade;
        p->client = (struct poller){ .fd = fd, .events = POLLIN, .ready = on_client };
        buf_add(&p->early, extra, extra_size);
        if (wslay_event_context_server_init(&p->ws, &callbacks, p)) {
                stream_free(p);
                return;
        }
        wslay_event_config_set_max_recv_msg_length(p->ws, MESSAGE_MAX);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        loop_add(p->sim, &p->client);
        open_target(p);
        if (p->early.len && wslay_event_recv(p->ws)) {
                stream_free(p);
                return;
        }
        settle(p);
}

/* --- the handshake */

static void accept_key(const char *key, char ret[64]) {
        cleanup_(freep) char *text = str_format("%s%s", key, WEBSOCKET_GUID);
        unsigned char digest[SHA_DIGEST_LENGTH];

        SHA1((const unsigned char *)text, strlen(text), digest);
        EVP_EncodeBlock((unsigned char *)ret, digest, sizeof(digest));
}

static bool names_protocol(const char *list) {
        size_t n = strlen(PROTOCOL);

        for (const char *p = list; p && (p = strstr(p, PROTOCOL)); p += n)
                if (p[n] == '\0' || p[n] == ',' || p[n] == ' ')
                        return true;
        return false;
}

bool portforward_start(struct sim *sim, struct MHD_Connection *connection, const struct request *q,
                       struct reply *reply) {
        const char *key =
                MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-WebSocket-Key");
        const char *list =
                MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Sec-WebSocket-Protocol");
        const char *ports = request_query(q, "ports");
        struct MHD_Response *response;
        struct portforward *p;
        char accept[64];
        int64_t port;

        if (!key || !names_protocol(list)) {
                reply_bad_request(
                        reply, "unable to upgrade: Upgrade request required, protocol " PROTOCOL);
                return false;
        }
        if (!ports || !str_to_int(ports, &port) || port < 1 || port > 65535) {
                reply_bad_request(reply, "query parameter \"ports\" is required, one port");
                return false;
        }
        p = mem_new(struct portforward);
        p->sim = sim;
        p->target.fd = -1;
        p->port = (int)port;
        p->address = target_of(sim, store_get(q->kind, q->namespace, q->name), (int)port);
        list_append(&sim->streams, &p->entry);
        accept_key(key, accept);
        response = MHD_create_response_for_upgrade(on_upgrade, p);
        MHD_add_response_header(response, "Upgrade", "websocket");
        MHD_add_response_header(response, "Sec-WebSocket-Accept", accept);
        MHD_add_response_header(response, "Sec-WebSocket-Protocol", PROTOCOL);
        if (MHD_queue_response(connection, MHD_HTTP_SWITCHING_PROTOCOLS, response) != MHD_YES) {
                stream_free(p);
                reply_internal(reply, "the connection cannot be upgraded");
                p = NULL;
        }
        MHD_destroy_response(response);
        return p;
}

void portforward_stop_all(struct sim *sim) {
        list_each(e, &sim->streams)
                stream_free(list_entry(e, struct portforward, entry));
}
