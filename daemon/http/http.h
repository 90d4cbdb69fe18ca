/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - the only user of libcurl: requests, streams and WebSockets on the loop, and a blocking
 * face
 *
 * Three curl multis (HTTP_REQUESTS, HTTP_WATCHES, HTTP_TUNNELS), so that a hundred watches never
 * keep a write from its connection; HTTP/2 where the server offers it. Traps that this file deals
 * with, each with a test: a connection limit that is too low leaves streams unstarted without an
 * error (first-byte deadline, then a fresh connection); CURLE_HTTP2 and CURLE_HTTP2_STREAM
 * (GOAWAY, RST) are resets; curl adds no PING (silence timers); two transfers ending in one wake;
 * the last transfer ending on the timer; a request freed inside its own callback; curl repeating
 * a POST by itself. A POST is never sent twice; all other methods may be, on a fresh connection,
 * when no byte of an answer came. */
#pragma once

#include "buf.h"
#include "flow.h"
#include "loop.h"

/* Default cap of a collected reply: 4x the largest object etcd holds. */
#define HTTP_BODY_MAX (16u << 20)
#define HTTP_HEADERS_MAX 128
#define HTTP_FIRST_BYTE_MS 10000         /* then the request is tried on a fresh connection */
#define HTTP_STREAMS_PER_CONNECTION 100  /* what a kube-apiserver allows on one HTTP/2 connection */

struct http;
enum http_pool { HTTP_REQUESTS, HTTP_WATCHES, HTTP_TUNNELS, HTTP_POOL_MAX };

int http_new(struct loop *l, struct http **ret, struct err *err);
struct http *http_free(struct http *h); /* every request was ended or cancelled before */
/* Streams to expect at once on one server: sizes the limit of connections of HTTP/2,
 * ceil(n/100)+2. More than fit wait, with their first-byte deadline running; when it passes for
 * one that was never sent, the limit is raised. */
void http_expect(struct http *h, enum http_pool pool, size_t n);

/* How to reach one server. Shared by reference; immutable after http_server_new except for
 * rotate. */
struct http_server;
struct http_server_config {
        const char *url;             /* "https://10.0.0.1:6443", no path */
        const char *unix_socket;     /* or NULL */
        const char *ca_pem;          /* NULL: the system's */
        const char *cert_pem, *key_pem; /* client certificate or NULL */
        const char *tls_name;        /* verify this name instead of the URL's host, or NULL */
        const char *proxy;           /* "http://...", "socks5://..." or NULL */
        bool any_name;               /* the authority is verified, the name is not */
        bool insecure;               /* no verification: refused unless the operator said so */
        const char *user_agent;
        const char *header;          /* "Name: value" that each request has too, or NULL */
        /* Asked for each request when set: fills the value of Authorization ("Bearer ..."), or
         * leaves BUF empty. */
        void (*authorize)(void *arg, struct buf *ret_value);
        void *arg;
};
int http_server_new(const struct http_server_config *c, struct http_server **ret, struct err *err);
struct http_server *http_server_ref(struct http_server *s);
struct http_server *http_server_unref(struct http_server *s);

enum http_end {
        HTTP_OK,          /* a whole reply came, whatever its status */
        HTTP_UNREACHABLE, /* could not connect, or name not found */
        HTTP_TLS,         /* certificate refused, by either side */
        HTTP_RESET,       /* the connection ended, GOAWAY or RST inside the reply */
        HTTP_TIMEOUT,     /* first byte, silence or total deadline */
        HTTP_TOO_BIG,
        HTTP_STOPPED,     /* on_data returned <0 */
        HTTP_END_MAX
};

struct http_request {
        /* what is asked; strings are copied by http_start */
        struct http_server *server;
        enum http_pool pool;
        const char *method;
        const char *path;               /* with query; begins with "/" */
        const char *const *headers;     /* "Name: value", NULL-terminated, or NULL */
        const char *body;               /* borrowed until done */
        size_t body_len;
        size_t reply_max;               /* 0: HTTP_BODY_MAX */
        int64_t first_byte_ms;          /* 0: HTTP_FIRST_BYTE_MS; <0: none */
        int64_t silence_ms;             /* 0: none; longest gap between bytes of the reply */
        int64_t total_ms;               /* 0: 60 s; <0: none */
        const char *aws_sigv4;          /* "aws:amz:REGION:s3" signs with USER and PASSWORD */
        const char *body_sha256;        /* hex, for the signature; NULL: computed on the loop */
        const char *user, *password;
        bool fresh;                     /* a new connection; not tried a second time */
        /* Streams: called for each piece when the status is 2xx; else the body is collected. <0
         * ends it. */
        int (*on_data)(struct http_request *r, const char *data, size_t len);
        void (*on_head)(struct http_request *r); /* status and headers are there; optional */
        void (*done)(struct http_request *r);    /* once, from the loop; may free R */
        void *arg;

        /* the reply, until http_deinit or the next http_start */
        enum http_end end;
        long status;
        struct buf reply;
        /* when end is not HTTP_OK: who, what, e.g. "10.0.0.1:6443: connection refused" */
        struct err err;
        int64_t retry_after_ms;  /* from Retry-After, seconds or date; -1: none */
        int64_t took_us;
        int http_version;        /* 10, 11, 20 */
        void *private;
};

/* R is zeroed, then filled. Never calls back before it returned; an error that shows at once
 * comes by done too. */
void http_start(struct http *h, struct http_request *r);
/* Tests: the COUNTDOWN-th request from now on ends as END. HTTP_RESET and HTTP_TIMEOUT: it was
 * sent and done, its answer is lost (at once; no waiting); the other ends: it was never sent. 0:
 * none. */
void http_fault(struct http *h, int countdown, enum http_end end);
/* done is never called; fine when not running, and inside callbacks */
void http_cancel(struct http_request *r);
void http_deinit(struct http_request *r); /* cancels, frees the reply; R may be started again */
const char *http_header(const struct http_request *r, const char *name); /* reply header or NULL */
/* The I-th value of a header that may come more than once (Warning), or NULL. */
const char *http_header_at(const struct http_request *r, const char *name, size_t i);
/* What an end and a status mean in the provider's words: 2xx DONE, 404/410 GONE, 409/412
 * CONFLICT, 401/403 DENIED, 429 THROTTLED (retry_after), 408 and 5xx UNREACHABLE (or THROTTLED
 * with Retry-After), other 4xx REFUSED; 3xx, which no API we ask answers, UNREACHABLE: a proxy's
 * or a login page's. Too big and stopped: REFUSED; the other ends UNREACHABLE. Sets again_at too
 * (0: not said). */
enum outcome http_outcome(const struct http_request *r, int64_t *ret_again_at);
const char *http_end_name(enum http_end e);

/* Blocking, for mooringctl and tests: same struct, no loop; on_data works, done is not called.
 * Returns 0 when end is HTTP_OK, else <0 with err. Pool and connections end with the call. */
int http_blocking(struct http_request *r, struct err *err);

/* Percent-encodes everything but unreserved characters; with SLASH "/" stays too. */
void http_escape(struct buf *out, const char *text, bool slash);

/* ---- as an ask of a flow: request is a struct http_request made by http_ask */
extern const struct ask_kind http_ask_kind;
/* Makes A an HTTP ask and returns its request to fill in (owned by the ask). BODY is taken over
 * when not NULL. */
struct http_request *http_ask(struct ask *a, struct http *h, struct http_server *s,
                              const char *method, char *body,
                              const char *path_fmt, ...) printf_(6, 7);
const struct http_request *http_answer(const struct ask *a);

/* ---- WebSocket (client): curl's CONNECT_ONLY carries over HTTP/1.1, wslay frames */

/* Unsent bytes; beyond it (or send_max) websocket_send says -EAGAIN until on_writable. */
#define WEBSOCKET_SEND_MAX (4u << 20)
struct websocket;
struct websocket_config {
        struct http_server *server;
        const char *path;
        const char *protocols;   /* "v5.channel.k8s.io, v4.channel.k8s.io" */
        int64_t open_ms;         /* deadline for the 101 */
        int64_t ping_ms;         /* 0: none; no answer for two of them closes */
        size_t message_max;
        size_t send_max;         /* 0: WEBSOCKET_SEND_MAX */
        /* The other side may read as slowly as it likes: neither a ping that lies unanswered behind
         * what it has not read, nor a window that stays shut, is a sign of its death. */
        bool patient;
        void (*on_open)(void *arg, const char *protocol);
        void (*on_message)(void *arg, const uint8_t *data, size_t len);
        void (*on_writable)(void *arg);
        /* Once, last; STATUS is the HTTP status when the upgrade was refused, else 0. */
        void (*on_close)(void *arg, int r, long status, const struct err *err);
        void *arg;
};
int websocket_open(struct http *h, const struct websocket_config *c, struct websocket **ret,
                   struct err *err);
/* one binary message; 0 or -EAGAIN, -EPIPE */
int websocket_send(struct websocket *w, const void *data, size_t len);
size_t websocket_unsent(const struct websocket *w);
/* Stops and goes on reading, for a consumer that cannot take more: TCP then slows the sender
 * down. */
void websocket_pause(struct websocket *w, bool paused);
struct websocket *websocket_free(struct websocket *w); /* closes; on_close is not called any more */
