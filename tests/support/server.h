/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - a scripted HTTP/1.1 server on loopback, for the tests of all layers
 *
 *         static void pods(struct server_call *c, void *arg) {
 *                 server_reply(c, 200, NULL, "{\"items\":[]}");
 *         }
 *         s = server_new(NULL);
 *         server_route(s, "GET", "/api/v1/pods", pods, NULL);
 *         ... server_url(s) ...
 *         s = server_free(s);
 *
 * One thread accepts, one serves each connection; a handler is plain blocking code in that
 * thread. So handlers wait for a condition, never for time: server_wait(c, "gate") until the test
 * calls server_open(s, "gate"). Handlers must not call cmocka's asserts: they would jump out of
 * another thread's stack; they note what they saw, the test looks. */
#pragma once

#include "buf.h"

struct server;

struct server_call {
        struct server *server;
        const char *method;
        const char *path;  /* as sent, without the query */
        const char *query; /* what follows "?", or "" */
        const char *body;
        size_t body_len;
        int connection; /* which one of the server, from 1 */
        int number;     /* which request of the server, from 1 */
        struct server_connection *on;
};
typedef void server_fn(struct server_call *c, void *arg);

struct server_config {
        const char *cert_pem, *key_pem; /* TLS when set */
        const char *client_ca_pem;      /* client certificates are wanted, signed by this */
        const char *unix_path;          /* instead of a port on 127.0.0.1 */
        /* each connection serves one, as clients of old servers see it */
        bool one_request;
        /* gets each connection before anything is read; no routes then */
        server_fn *raw;
        void *raw_arg;
};

struct server *server_new(const struct server_config *c); /* NULL: plain, 127.0.0.1, any port */
struct server *server_free(struct server *s);             /* ends every connection and handler */
const char *server_url(const struct server *s);           /* "http://127.0.0.1:PORT" */
int server_port(const struct server *s);
/* METHOD NULL: all. A PATH that ends in "*" matches by its beginning. The newest route that
 * matches counts. What matches none is answered 404. */
void server_route(struct server *s, const char *method, const char *path, server_fn *fn, void *arg);
/* Lets handlers past server_wait(c, GATE), now and later. */
void server_open(struct server *s, const char *gate);
void server_shut(struct server *s, const char *gate);
size_t server_requests(struct server *s);    /* received so far */
size_t server_connections(struct server *s); /* accepted so far */
size_t server_waiting(struct server *s);     /* handlers in server_wait or server_hold now */

/* ---- in handlers */
const char *server_header(const struct server_call *c, const char *name); /* or NULL */
/* A whole reply. HEADERS: lines that each end in "\r\n", or NULL. */
void server_reply(struct server_call *c, int status, const char *headers, const char *body);
void server_reply_bytes(struct server_call *c, int status, const char *headers, const void *body,
                        size_t len);
/* A reply in pieces (chunked). Returns false when the client has gone. */
bool server_begin(struct server_call *c, int status, const char *headers);
bool server_send(struct server_call *c, const void *data, size_t len);
void server_end(struct server_call *c);
/* Bytes as they are, in both directions. READ: 0 at the end. */
bool server_raw(struct server_call *c, const void *data, size_t len);
ssize_t server_read(struct server_call *c, void *data, size_t size);
/* Waits for a gate; false when the client left or the server ends. */
bool server_wait(struct server_call *c, const char *gate);
void server_hold(struct server_call *c);   /* never answers: until the client leaves */
void server_reset(struct server_call *c);  /* RST */
void server_hangup(struct server_call *c); /* closes in order */
void server_mute(struct server_call *c);   /* what is sent from now on goes nowhere */
/* The other end of a proxy's CONNECT: relays to 127.0.0.1:PORT until either side ends. */
void server_tunnel(struct server_call *c, int port);

/* ---- WebSocket, server side */
/* Answers 101 and, in the same write, LEN bytes that lie BEHIND the head. */
bool server_upgrade(struct server_call *c, const char *protocol, const void *behind, size_t len);
bool server_ws_send(struct server_call *c, int opcode, const void *data, size_t len);
/* One frame, unmasked, into RET; its opcode, or -1 at the end. Not masked by the client: -2. */
int server_ws_recv(struct server_call *c, struct buf *ret);
/* A frame's bytes, to send as part of something else. */
void server_ws_frame(struct buf *out, int opcode, const void *data, size_t len);
enum {
        SERVER_WS_TEXT = 1,
        SERVER_WS_BINARY = 2,
        SERVER_WS_CLOSE = 8,
        SERVER_WS_PING = 9,
        SERVER_WS_PONG = 10
};
