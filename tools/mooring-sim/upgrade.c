/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.c - see upgrade.h */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <sys/socket.h>

#define WEBSOCKET_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 */
#define MESSAGE_MAX (4u << 20) /* of one message; clients send at most 32 KiB at once */

/* --- messages */

void upgrade_queue(struct upgraded *u, uint8_t channel, const void *data, size_t size) {
        cleanup_(buf_free) struct buf message = BUF_INIT;
        struct wslay_event_msg m = { .opcode = WSLAY_BINARY_FRAME };

        buf_putc(&message, (char)channel);
        buf_add(&message, data, size);
        m.msg = (const uint8_t *)buf_str(&message);
        m.msg_length = message.len;
        wslay_event_queue_msg(u->ws, &m);
}

bool upgrade_full(const struct upgraded *u) {
        return wslay_event_get_queued_msg_length(u->ws) >= UPGRADE_BACKLOG;
}

static ssize_t ws_recv(wslay_event_context_ptr ws, uint8_t *to, size_t size, int flags, void *arg) {
        struct upgraded *u = arg;
        ssize_t n;

        if (u->early.len) {
                n = (ssize_t)MIN_OF(size, u->early.len);
                memcpy(to, u->early.data, (size_t)n);
                buf_skip(&u->early, (size_t)n);
                return n;
        }
        n = recv(u->client.fd, to, size, MSG_DONTWAIT);
        if (n > 0)
                return n;
        wslay_event_set_error(ws, n < 0 && (errno == EAGAIN || errno == EINTR)
                                          ? WSLAY_ERR_WOULDBLOCK
                                          : WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
}

static ssize_t ws_send(wslay_event_context_ptr ws, const uint8_t *data, size_t size, int flags,
                       void *arg) {
        struct upgraded *u = arg;
        ssize_t n = send(u->client.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0)
                return n;
        wslay_event_set_error(ws, errno == EAGAIN || errno == EINTR ? WSLAY_ERR_WOULDBLOCK
                                                                    : WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
}

static void ws_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *m,
                       void *arg) {
        struct upgraded *u = arg;

        if (!wslay_is_ctrl_frame(m->opcode) && m->msg_length)
                u->message(u, m->msg, m->msg_length);
}

bool upgrade_send(struct upgraded *u) {
        if (wslay_event_want_write(u->ws) && wslay_event_send(u->ws))
                return false;
        if (u->ending && !wslay_event_want_write(u->ws)) {
                u->ending = false;
                wslay_event_queue_close(u->ws, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
                if (wslay_event_send(u->ws))
                        return false;
        }
        return wslay_event_want_read(u->ws) || wslay_event_want_write(u->ws);
}

void upgrade_wait(struct upgraded *u, bool reading) {
        u->client.events =
                (short)((reading ? POLLIN : 0) | (wslay_event_want_write(u->ws) ? POLLOUT : 0));
}

static void on_client(struct poller *poller, short events) {
        struct upgraded *u = container_of(poller, struct upgraded, client);

        if (events & (POLLERR | POLLHUP) || (events & POLLIN && wslay_event_recv(u->ws)))
                u->free(u);
        else
                u->settle(u);
}

/* --- the handshake */

static void on_upgrade(void *arg, struct MHD_Connection *connection, void *state, const char *extra,
                       size_t extra_size, int fd, struct MHD_UpgradeResponseHandle *handle) {
        static const struct wslay_event_callbacks callbacks = { .recv_callback = ws_recv,
                                                                .send_callback = ws_send,
                                                                .on_msg_recv_callback =
                                                                        ws_message };
        struct upgraded *u = arg;

        u->handle = handle;
        u->client = (struct poller){ .fd = fd, .events = POLLIN, .ready = on_client };
        buf_add(&u->early, extra, extra_size);
        if (wslay_event_context_server_init(&u->ws, &callbacks, u)) {
                u->free(u);
                return;
        }
        wslay_event_config_set_max_recv_msg_length(u->ws, MESSAGE_MAX);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        loop_add(u->sim, &u->client);
        u->begin(u);
        if (u->early.len && wslay_event_recv(u->ws))
                u->free(u);
        else
                u->settle(u);
}

static void accept_key(const char *key, char ret[64]) {
        cleanup_(freep) char *text = str_format("%s%s", key, WEBSOCKET_GUID);
        unsigned char digest[SHA_DIGEST_LENGTH];

        SHA1((const unsigned char *)text, strlen(text), digest);
        EVP_EncodeBlock((unsigned char *)ret, digest, sizeof(digest));
}

static bool names(const char *list, const char *protocol) {
        size_t n = strlen(protocol);

        for (const char *p = list; p && (p = strstr(p, protocol)); p += n)
                if (p[n] == '\0' || p[n] == ',' || p[n] == ' ')
                        return true;
        return false;
}

static const char *header(struct MHD_Connection *connection, const char *name) {
        return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

const char *upgrade_protocol(struct MHD_Connection *connection, const char *const *protocols,
                             struct reply *reply) {
        const char *list = header(connection, "Sec-WebSocket-Protocol");

        for (const char *const *p = protocols; header(connection, "Sec-WebSocket-Key") && *p; p++)
                if (names(list, *p))
                        return *p;
        reply_bad_request(reply, "unable to upgrade: Upgrade request required, protocol %s",
                          protocols[0]);
        return NULL;
}

bool upgrade_start(struct sim *sim, struct MHD_Connection *connection, struct upgraded *u,
                   const char *protocol, struct reply *reply) {
        struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, u);
        char accept[64];
        bool queued;

        u->sim = sim;
        list_append(&sim->streams, &u->entry);
        accept_key(header(connection, "Sec-WebSocket-Key"), accept);
        MHD_add_response_header(response, "Upgrade", "websocket");
        MHD_add_response_header(response, "Sec-WebSocket-Accept", accept);
        MHD_add_response_header(response, "Sec-WebSocket-Protocol", protocol);
        queued = MHD_queue_response(connection, MHD_HTTP_SWITCHING_PROTOCOLS, response) == MHD_YES;
        MHD_destroy_response(response);
        if (!queued) {
                u->free(u);
                reply_internal(reply, "the connection cannot be upgraded");
        }
        return queued;
}

void upgrade_deinit(struct upgraded *u) {
        list_unlink(&u->entry);
        loop_remove(&u->client);
        if (u->ws)
                wslay_event_context_free(u->ws);
        if (u->handle)
                MHD_upgrade_action(u->handle, MHD_UPGRADE_ACTION_CLOSE);
        buf_free(&u->early);
}

void upgrade_stop_all(struct sim *sim) {
        list_each(e, &sim->streams) {
                struct upgraded *u = list_entry(e, struct upgraded, entry);

                u->free(u);
        }
}
