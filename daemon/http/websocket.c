/* SPDX-License-Identifier: Apache-2.0 */
/* websocket.c - WebSocket client: curl connects (proxies, TLS, client certificates), wslay frames
 *
 * For exec, attach and port-forward of the Kubernetes provider.
 *
 * curl's CONNECT_ONLY gives a connection that curl_easy_send and curl_easy_recv use. Two traps:
 * over TLS with ALPN h2 curl_easy_send crashes, so HTTP/1.1 is asked for; and the handle must
 * stay in its multi as long as the connection is used. After the connect the descriptor is
 * watched here, not by the multi. OpenSSL may hold bytes that poll does not see, so every read
 * goes on until curl says "again"; and a write that could not be done must be repeated from the
 * same address, so bytes to write lie in a flight of their own.
 *
 * Callbacks may free the WebSocket: while one runs, or wslay is on the stack (busy),
 * websocket_free only marks it.
 *
 * It does not: reconnect, compress, or send text. */
#include "websocket-internal.h"

#include "clock.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>

#define MESSAGE_MAX (16u << 20) /* where the caller names none: as a collected reply */
#define CLOSE_NORMAL 1000
#define CLOSE_GOING_AWAY 1001

static const char *who(const struct websocket *w) {
        return w->transfer->server->authority;
}

/* ---- bytes */

int websocket_fill(struct websocket *w, struct err *err) {
        size_t n = 0;
        CURLcode r;

        if (w->in_at == w->in.len) {
                buf_clear(&w->in);
                w->in_at = 0;
        }
        buf_reserve(&w->in, WEBSOCKET_READ);
        r = curl_easy_recv(w->transfer->easy, w->in.data + w->in.len, WEBSOCKET_READ, &n);
        if (r == CURLE_AGAIN)
                return 0;
        if (r != CURLE_OK) {
                http_end_text(w->transfer, r, http_end_of(r, w->transfer->text, 0), err);
                return err->code;
        }
        if (n == 0) {
                w->in_ended = true;
                return err_set(err, -ECONNRESET, "%s: the connection ended", who(w));
        }
        w->in.len += n;
        w->in.data[w->in.len] = '\0';
        w->turn += n;
        w->pings = 0;
        return 1;
}

int websocket_flush(struct websocket *w, struct err *err) {
        while (w->flight_at < w->flight_len) {
                size_t n = 0;
                CURLcode r = curl_easy_send(w->transfer->easy, w->flight + w->flight_at,
                                            w->flight_len - w->flight_at, &n);

                if (r == CURLE_AGAIN)
                        return 0;
                if (r != CURLE_OK) {
                        http_end_text(w->transfer, r, http_end_of(r, w->transfer->text, 0), err);
                        return err->code;
                }
                w->flight_at += n;
        }
        w->flight_at = w->flight_len = 0;
        return 1;
}

/* ---- wslay's callbacks */

static ssize_t frames_recv(wslay_event_context_ptr ctx, uint8_t *data, size_t len, int flags,
                           void *arg) {
        struct websocket *w = arg;
        struct err err = { 0 };
        size_t n;

        if (w->dying || w->paused) {
                wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
                return -1;
        }
        if (w->in_at == w->in.len) {
                int r;

                if (w->turn >= WEBSOCKET_TURN) {
                        w->again = true;
                        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
                        return -1;
                }
                r = websocket_fill(w, &err);
                if (r <= 0) {
                        wslay_event_set_error(ctx, r ? WSLAY_ERR_CALLBACK_FAILURE
                                                     : WSLAY_ERR_WOULDBLOCK);
                        return -1;
                }
        }
        n = MIN_OF(len, w->in.len - w->in_at);
        memcpy(data, w->in.data + w->in_at, n);
        w->in_at += n;
        return (ssize_t)n;
}

/* Into the flight only: flushed as a whole. */
static ssize_t frames_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                           void *arg) {
        struct websocket *w = arg;
        size_t n = w->flight_at ? 0 : MIN_OF(len, WEBSOCKET_FLIGHT - w->flight_len);

        if (n == 0) {
                wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
                return -1;
        }
        memcpy(w->flight + w->flight_len, data, n);
        w->flight_len += n;
        return (ssize_t)n;
}

static int frames_mask(wslay_event_context_ptr ctx, uint8_t *data, size_t len, void *arg) {
        return RAND_bytes(data, (int)len) == 1 ? 0 : -1;
}

static void frames_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m,
                           void *arg) {
        struct websocket *w = arg;

        if (w->dying || wslay_is_ctrl_frame(m->opcode))
                return;
        if (w->config.on_message)
                w->config.on_message(w->config.arg, m->msg, m->msg_length);
}

int websocket_frames_start(struct websocket *w, struct err *err) {
        static const struct wslay_event_callbacks callbacks = {
                .recv_callback = frames_recv,
                .send_callback = frames_send,
                .genmask_callback = frames_mask,
                .on_msg_recv_callback = frames_message,
        };
        size_t max = w->config.message_max ? w->config.message_max : MESSAGE_MAX;

        if (wslay_event_context_client_init(&w->frames, &callbacks, w) != 0)
                abort(); /* out of memory */
        wslay_event_config_set_max_recv_msg_length(w->frames, max);
        return 0;
}

/* ---- the end */

static void let_go(struct websocket *w) {
        w->state = WEBSOCKET_CLOSED;
        w->watcher = watcher_stop(w->watcher);
        timer_cancel(&w->timer);
        later_cancel(&w->soon);
        if (w->transfer)
                http_lane_drop(w->transfer);
        w->transfer = NULL;
}

/* During the opening it holds a token. */
static void wipe_flight(struct websocket *w) {
        if (!w->frames)
                wipep(&w->flight);
        freep(&w->flight);
}

/* Until the connection takes no more: 1, all is out. */
static int send_frames(struct websocket *w, struct err *err) {
        int r = 1;

        while (r > 0 && (w->flight_len || wslay_event_want_write(w->frames))) {
                if (!w->flight_len && wslay_event_send(w->frames) != 0)
                        return err_set(err, -EPROTO, "%s: framing failed", who(w));
                r = websocket_flush(w, err);
        }
        return r;
}

/* One try: a close frame that finds no room is not worth a wait. wslay sends it ahead of all that
 * waits, and nothing after it, so what waits goes first. */
static void say_goodbye(struct websocket *w) {
        struct err err = { 0 };

        if (w->state != WEBSOCKET_OPEN || send_frames(w, &err) <= 0)
                return;
        wslay_event_queue_close(w->frames, CLOSE_NORMAL, NULL, 0);
        send_frames(w, &err);
}

static void destroy(struct websocket *w) {
        say_goodbye(w);
        let_go(w);
        buf_wipe(&w->in);
        wipe_flight(w);
        if (w->frames)
                wslay_event_context_free(w->frames);
        free(w->path);
        free(w->protocols);
        free(w);
}

void websocket_end(struct websocket *w, int r, const struct err *err) {
        let_go(w);
        if (!w->dying && w->config.on_close)
                w->config.on_close(w->config.arg, r, w->status == 101 ? 0 : w->status, err);
}

/* Every entry from the loop stands between these two. */
static void enter(struct websocket *w) {
        w->busy++;
}

static void leave(struct websocket *w) {
        if (--w->busy == 0 && w->dying)
                destroy(w);
}

/* ---- the open connection */

static bool wants_write(const struct websocket *w) {
        return w->flight_len || (w->frames && wslay_event_want_write(w->frames));
}

static void watch(struct websocket *w) {
        struct err err = { 0 };
        int events = (w->paused ? 0 : LOOP_READ) | (wants_write(w) ? LOOP_WRITE : 0);

        if (w->state == WEBSOCKET_CLOSED || w->dying || !w->watcher)
                return;
        if (watcher_change(w->watcher, events, &err) < 0)
                websocket_end(w, err.code, &err);
}

/* The other side closed, or wslay did after a frame that breaks the rules. */
static void end_after_close(struct websocket *w) {
        struct err err = { 0 };
        unsigned code = wslay_event_get_status_code_received(w->frames);
        int r = 0;

        websocket_flush(w, &err); /* our own close frame; whatever becomes of it */
        err = (struct err){ 0 };
        if (!wslay_event_get_close_received(w->frames)) {
                code = wslay_event_get_status_code_sent(w->frames);
                r = code == WSLAY_CODE_MESSAGE_TOO_BIG ? -EMSGSIZE : -EPROTO;
                err_set(&err, r, "%s: %s (%u)", who(w),
                        r == -EMSGSIZE ? "a message is too large" : "broke the WebSocket protocol",
                        code);
        } else if (code && code != CLOSE_NORMAL && code != CLOSE_GOING_AWAY &&
                   code != WSLAY_CODE_NO_STATUS_RCVD) {
                r = err_set(&err, -EPROTO, "%s: closed the WebSocket with code %u", who(w), code);
        }
        websocket_end(w, r, r ? &err : NULL);
}

static bool is_open(const struct websocket *w) {
        return w->state == WEBSOCKET_OPEN && !w->dying;
}

static void read_frames(struct websocket *w) {
        int r;

        w->turn = 0;
        w->again = false;
        r = wslay_event_recv(w->frames);
        if (w->dying || w->state == WEBSOCKET_CLOSED)
                return;
        if (r != 0) {
                struct err err = { 0 };

                /* Once more for its text: the callback had nowhere to leave it. */
                if (websocket_fill(w, &err) >= 0)
                        err_set(&err, -ECONNRESET, "%s: the connection ended", who(w));
                websocket_end(w, err.code, &err);
                return;
        }
        if (w->again)
                later_run(&w->soon);
}

static size_t send_max(const struct websocket *w) {
        return w->config.send_max ? w->config.send_max : WEBSOCKET_SEND_MAX;
}

static void tell_writable(struct websocket *w) {
        if (!w->throttled || websocket_unsent(w) > send_max(w) / 2)
                return;
        w->throttled = false;
        if (w->config.on_writable)
                w->config.on_writable(w->config.arg);
}

/* The other side may have said why it closes before it did: an exit status, for example. */
static void end_after_send(struct websocket *w, int r, const struct err *err) {
        for (w->again = true; w->again && is_open(w) && !w->paused;)
                read_frames(w);
        if (w->state != WEBSOCKET_CLOSED)
                websocket_end(w, r, err);
}

static void write_frames(struct websocket *w) {
        struct err err = { 0 };
        int r = send_frames(w, &err);

        if (r < 0)
                return end_after_send(w, r, &err);
        tell_writable(w);
}

static void run_open(struct websocket *w) {
        if (is_open(w) && !w->paused)
                read_frames(w);
        if (is_open(w))
                write_frames(w);
        if (is_open(w) &&
            (wslay_event_get_close_received(w->frames) || !wslay_event_get_read_enabled(w->frames)))
                end_after_close(w);
        watch(w);
}

/* ---- the opening */

static void opened(struct websocket *w, const char *protocol) {
        timer_cancel(&w->timer);
        wipe_flight(w);
        w->flight = mem_alloc(WEBSOCKET_FLIGHT);
        websocket_frames_start(w, NULL);
        if (w->config.ping_ms > 0)
                timer_after(&w->timer, w->config.ping_ms);
        if (w->config.on_open)
                w->config.on_open(w->config.arg, protocol);
        run_open(w); /* frames may lie behind the head */
}

static void run_upgrade(struct websocket *w) {
        struct err err = { 0 };
        char protocol[128] = "";
        int r = MIN_OF(websocket_flush(w, &err), 0);
        bool ended = false;

        w->turn = 0;
        while (r == 0 && !ended) {
                int more = websocket_fill(w, &err);

                if (more == 0)
                        break;
                ended = more < 0;
                r = websocket_read_upgrade(w, protocol, sizeof(protocol), &err);
        }
        if (r > 0 && w->state == WEBSOCKET_OPEN) {
                opened(w, protocol);
                return;
        }
        if (r == 0 && !ended) {
                watch(w);
                return;
        }
        websocket_end(w, err.code, &err);
}

static void run(struct websocket *w) {
        enter(w);
        if (w->state == WEBSOCKET_OPEN)
                run_open(w);
        else if (w->state == WEBSOCKET_UPGRADING || w->state == WEBSOCKET_REFUSED)
                run_upgrade(w);
        leave(w);
}

static void on_descriptor(void *arg, int fd, int events) {
        run(arg);
}

/* First after the connect, when the multi has let go of the descriptor; later for bytes that were
 * left. */
static void on_soon(void *arg) {
        struct websocket *w = arg;
        struct err err = { 0 };

        if (w->state != WEBSOCKET_CONNECTING) {
                run(w);
                return;
        }
        w->state = WEBSOCKET_UPGRADING;
        websocket_ask_upgrade(w);
        if (watcher_start(w->http->loop, "websocket", w->fd, LOOP_READ | LOOP_WRITE, on_descriptor,
                          w, &w->watcher, &err) == 0)
                return;
        enter(w);
        websocket_end(w, err.code, &err);
        leave(w);
}

static void connected(void *arg, CURLcode code, const char *text) {
        struct websocket *w = arg;
        struct err err = { 0 };
        curl_socket_t fd = -1;
        long connect_status = 0;

        curl_easy_getinfo(w->transfer->easy, CURLINFO_ACTIVESOCKET, &fd);
        if (code == CURLE_OK && fd >= 0) {
                w->fd = fd;
                later_run(&w->soon);
                return;
        }
        curl_easy_getinfo(w->transfer->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
        http_end_text(w->transfer, code, http_end_of(code, text, connect_status), &err);
        enter(w);
        websocket_end(w, err.code ? err.code : -EHOSTUNREACH, &err);
        leave(w);
}

static void ping(struct websocket *w) {
        struct wslay_event_msg m = { .opcode = WSLAY_PING };

        if (w->pings >= 2) {
                struct err err = { 0 };

                err_set(&err, -ETIMEDOUT, "%s: two pings without an answer", who(w));
                websocket_end(w, err.code, &err);
                return;
        }
        if (!w->paused && !w->config.patient) /* else the answer would not be read, or not sent */
                w->pings++;
        wslay_event_queue_msg(w->frames, &m);
        timer_after(&w->timer, w->config.ping_ms);
        write_frames(w);
        watch(w);
}

static void on_timer(void *arg) {
        struct websocket *w = arg;
        struct err err = { 0 };

        enter(w);
        if (w->state == WEBSOCKET_OPEN) {
                ping(w);
        } else {
                err_set(&err, -ETIMEDOUT, "%s: no WebSocket within its deadline", who(w));
                websocket_end(w, err.code, &err);
        }
        leave(w);
}

/* ---- what the caller calls */

static void start_connect(struct websocket *w, struct http_server *s) {
        struct transfer *t = mem_new(struct transfer);

        w->transfer = t;
        t->server = http_server_ref(s);
        t->lane = &w->http->lanes[HTTP_TUNNELS][1];
        t->easy = http_easy_get(w->http);
        t->connected = connected;
        t->arg = w;
        list_init(&t->link);
        http_easy_server(t);
        curl_easy_setopt(t->easy, CURLOPT_URL, s->url);
        curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
        curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(t->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
        if (w->config.patient) /* the kernel counts a shut window as data that nobody took */
                curl_easy_setopt(t->easy, CURLOPT_SOCKOPTFUNCTION, NULL);
        http_lane_add(t);
}

int websocket_open(struct http *h, const struct websocket_config *c, struct websocket **ret,
                   struct err *err) {
        struct http_request like = { .method = "GET", .path = c->path };
        struct websocket *w;
        int r = http_easy_check(&like, err);

        if (r < 0)
                return r;
        w = mem_new(struct websocket);
        w->http = h;
        w->config = *c;
        w->path = str_dup(c->path);
        w->protocols = str_dup(c->protocols);
        later_init(&w->soon, h->loop, "websocket", on_soon, w);
        timer_init(&w->timer, h->loop, "websocket", on_timer, w);
        timer_after(&w->timer, c->open_ms > 0 ? c->open_ms : HTTP_FIRST_BYTE_MS);
        start_connect(w, c->server);
        *ret = w;
        return 0;
}

int websocket_send(struct websocket *w, const void *data, size_t len) {
        struct wslay_event_msg m = { .opcode = WSLAY_BINARY_FRAME, .msg = data, .msg_length = len };
        size_t unsent;

        if (w->state != WEBSOCKET_OPEN || w->dying)
                return -EPIPE;
        unsent = websocket_unsent(w);
        if (unsent && unsent + len > send_max(w)) {
                w->throttled = true;
                return -EAGAIN;
        }
        if (wslay_event_queue_msg(w->frames, &m) != 0)
                return -EPIPE; /* a close frame is under way */
        later_run(&w->soon);
        return 0;
}

size_t websocket_unsent(const struct websocket *w) {
        size_t queued = w->frames ? wslay_event_get_queued_msg_length(w->frames) : 0;

        return queued + w->flight_len - w->flight_at;
}

void websocket_pause(struct websocket *w, bool paused) {
        if (w->paused == paused)
                return;
        w->paused = paused;
        if (w->state == WEBSOCKET_OPEN)
                later_run(&w->soon); /* watches anew, and reads what curl or wslay holds */
}

struct websocket *websocket_free(struct websocket *w) {
        if (!w)
                return NULL;
        w->dying = true;
        if (!w->busy)
                destroy(w);
        return NULL;
}
