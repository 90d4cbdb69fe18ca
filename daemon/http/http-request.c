/* SPDX-License-Identifier: Apache-2.0 */
/* http-request.c - one request: start, head, body, deadlines, end, cancel
 *
 * Two timers a request. TOTAL bounds all of it. GAP is first the deadline of the first byte,
 * then, when asked for, of silence; it is not moved with each byte but looks at the time of the
 * last one when it fires.
 *
 *      started -> waiting for the first byte -> head -> body -> ended
 *                   GAP: once more, fresh                        -> next turn of the loop: done
 *
 * No first byte: the stream may never have been sent (curl waits for room below its limit of
 * connections, or the server accepts no more streams after a GOAWAY), or the connection is dead
 * without a word. So the request is started once more on a fresh connection, unless it was sent
 * and its method is one that must not be repeated (POST).
 *
 * on_head and on_data may run inside curl, where the caller may still cancel, free or start
 * requests: http.c puts off what curl forbids, and nothing of R is touched after a callback when
 * its transfer was detached. */
#include "http-internal.h"

#include "clock.h"
#include "metric.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

static void on_total(void *arg);
static void feed(void *arg);
static void on_gap(void *arg);

#define FEED_GONE 2
#define FEED_BYTES 16384 /* at once to a reader: some items of a list */
#define STOPPED "the reader of the reply stopped it"

static const double took_bounds[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                      1,     2.5,  5,     10,   30,  60,   0 };
static struct metric ended = { .name = "mooring_http_requests_total",
                               .help = "Requests to clusters, object stores and identity "
                                       "providers that ended, by verb and by status or what went "
                                       "wrong; a watch when its stream ends",
                               .type = METRIC_COUNTER,
                               .labels = { { "verb" }, { "code" } } };
static struct metric took = { .name = "mooring_http_request_seconds",
                              .help = "From a request's start until its answer was there, by "
                                      "verb; without watches",
                              .type = METRIC_HISTOGRAM,
                              .bounds = took_bounds,
                              .labels = { { "verb" } } };

static struct exchange *exchange_of(const struct http_request *r) {
        return r->private;
}

static void call_done(void *arg) {
        struct http_request *r = arg;
        struct exchange *x = exchange_of(r);

        if (x->blocking_ended)
                *x->blocking_ended = true;
        else if (r->done)
                r->done(r); /* may free R */
}

/* ---- start */

static struct exchange *exchange_new(struct http *h, struct http_request *r) {
        struct exchange *x;

        http_deinit(r);
        x = mem_new(struct exchange);
        x->http = h;
        x->began_us = clock_mono_us();
        later_init(&x->soon, h->loop, "http-done", call_done, r);
        later_init(&x->feed, h->loop, "http-data", feed, r);
        r->private = x;
        r->end = HTTP_OK;
        r->status = 0;
        r->err = (struct err){ 0 };
        r->retry_after_ms = -1;
        r->took_us = 0;
        r->http_version = 0;
        return x;
}

static struct transfer *transfer_new(struct http *h, struct http_request *r) {
        struct transfer *t = mem_new(struct transfer);

        t->request = r;
        t->server = http_server_ref(r->server);
        t->lane = http_lane(h, r->pool, r->server);
        t->easy = http_easy_get(h);
        t->repeatable = strcmp(r->method, "POST") != 0;
        t->tried_fresh = r->fresh;
        timer_init(&t->total, h->loop, "http-deadline", on_total, t);
        timer_init(&t->gap, h->loop, "http-silence", on_gap, t);
        list_init(&t->link);
        return t;
}

static void end_at_once(struct http_request *r, enum http_end end) {
        r->end = end;
        later_run(&exchange_of(r)->soon);
}

static bool faulty(struct http *h) {
        return h->fault_left > 0 && --h->fault_left == 0;
}

static void start_gap(struct transfer *t, const struct http_request *r) {
        int64_t ms = r->first_byte_ms ? r->first_byte_ms : HTTP_FIRST_BYTE_MS;

        if (ms > 0)
                timer_after(&t->gap, ms);
        else if (r->silence_ms > 0)
                timer_after(&t->gap, r->silence_ms);
        t->last_byte = 0;
}

void http_start(struct http *h, struct http_request *r) {
        struct exchange *x = exchange_new(h, r);
        struct transfer *t;
        bool fault = faulty(h);

        if (http_easy_check(r, &r->err) < 0) {
                end_at_once(r, HTTP_STOPPED);
                return;
        }
        if (fault && h->fault_end != HTTP_RESET && h->fault_end != HTTP_TIMEOUT) {
                err_set(&r->err, -EIO, "%s: a fault on demand: %s", r->server->authority,
                        http_end_name(h->fault_end));
                end_at_once(r, h->fault_end);
                return;
        }
        t = transfer_new(h, r);
        x->transfer = t;
        t->lose_reply = fault;
        if (r->total_ms >= 0)
                timer_after(&t->total, r->total_ms ? r->total_ms : HTTP_TOTAL_MS);
        start_gap(t, r);
        http_easy_request(t, r);
        http_lane_add(t);
}

/* ---- what comes in; inside curl */

static void add_reply_header(struct exchange *x, const char *line, size_t n) {
        const char *colon = memchr(line, ':', n);
        size_t name, value;

        if (!colon)
                return;
        name = (size_t)(colon - line);
        colon++;
        value = n - name - 1;
        while (value && (*colon == ' ' || *colon == '\t')) {
                colon++;
                value--;
        }
        while (value && strchr(" \t\r\n", colon[value - 1]))
                value--;
        x->headers = mem_grow(x->headers, &x->headers_room, x->headers_len + name + value + 2, 1);
        x->offsets[x->headers_n++] = x->headers_len;
        memcpy(x->headers + x->headers_len, line, name);
        x->headers[x->headers_len + name] = '\0';
        memcpy(x->headers + x->headers_len + name + 1, colon, value);
        x->headers_len += name + value + 2;
        x->headers[x->headers_len - 1] = '\0';
}

static void end_as(struct transfer *t, enum http_end end, int code, const char *what) {
        if (t->end_set)
                return;
        t->end_set = true;
        t->end = end;
        err_set(&t->err, code, "%s: %s", t->server->authority, what);
}

static void head_begins(struct transfer *t, struct http_request *r, struct exchange *x) {
        long version = 0;

        x->headers_len = x->headers_n = 0;
        t->in_head = true;
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &r->status);
        curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
        r->http_version = version == CURL_HTTP_VERSION_1_0   ? 10
                          : version == CURL_HTTP_VERSION_1_1 ? 11
                                                             : 20;
        if (r->http_version < 20 && !t->lane->one && !t->server->one) {
                t->server->one = true;
                t->lane->move = true;
        }
}

/* The head is whole. Returns false when the request was cancelled in on_head. */
static bool head_ends(struct transfer *t, struct http_request *r) {
        const char *after;

        t->in_head = false;
        if (r->status < 200)
                return true; /* 100, 103: the real one follows */
        t->head_done = true;
        t->streaming = r->on_data && r->status < 300;
        after = http_header(r, "Retry-After");
        r->retry_after_ms = after ? http_retry_after(after) : -1;
        if (r->on_head && !t->lose_reply)
                r->on_head(r);
        return t->request != NULL;
}

static void byte_came(struct transfer *t) {
        struct http_request *r = t->request;

        if (!t->last_byte) { /* the first: from now on the gap is silence */
                timer_cancel(&t->gap);
                if (r->silence_ms > 0)
                        timer_after(&t->gap, r->silence_ms);
        }
        t->last_byte = clock_mono();
}

size_t http_on_header(char *data, size_t size, size_t n, void *arg) {
        struct transfer *t = arg;
        struct http_request *r = t->request;
        struct exchange *x;

        n *= size;
        if (!r)
                return 0;
        x = exchange_of(r);
        byte_came(t);
        if (t->head_done)
                return n; /* a trailer */
        if (!t->in_head && n > 5 && strncmp(data, "HTTP/", 5) == 0) {
                head_begins(t, r, x);
                return n;
        }
        if (n <= 2 && (data[0] == '\r' || data[0] == '\n'))
                return head_ends(t, r) ? n : 0;
        if (x->headers_n == HTTP_HEADERS_MAX || x->headers_len + n > HTTP_HEAD_MAX) {
                end_as(t, HTTP_TOO_BIG, -EMSGSIZE, "the head of the reply is too large");
                return 0;
        }
        add_reply_header(x, data, n);
        return n;
}

/* curl repeats by itself what a reused connection lost before the first byte of an answer,
 * whatever the method: a POST may have been done. */
int http_on_send(void *arg, char *from, char *to, int from_port, int to_port) {
        struct transfer *t = arg;

        if (++t->attempts == 1)
                return CURL_PREREQFUNC_OK;
        end_as(t, HTTP_RESET, -ECONNRESET, "the connection ended before the answer");
        return CURL_PREREQFUNC_ABORT;
}

static size_t collect(struct transfer *t, struct http_request *r, const char *data, size_t n) {
        size_t max = r->reply_max ? r->reply_max : HTTP_BODY_MAX;
        curl_off_t whole = -1;
        char text[64];

        if (!r->reply.len)
                curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &whole);
        if (n > max - r->reply.len || (whole > 0 && (uint64_t)whole > max)) {
                snprintf(text, sizeof(text), "the reply is larger than %zu bytes", max);
                end_as(t, HTTP_TOO_BIG, -EMSGSIZE, text);
                return 0;
        }
        if (whole > 0)
                buf_reserve(&r->reply, (size_t)whole);
        buf_add(&r->reply, data, n);
        return n;
}

/* ---- streams: curl brings a page of a list in one turn, which is handed on in several */

static bool is_late(const struct transfer *t) {
        return clock_mono_us() - t->lane->inside_us >= HTTP_SLICE_US;
}

/* 1: all is handed on. 0: the time is over. <0: the reader stopped. FEED_GONE: it cancelled. */
static int feed_until(struct http_request *r, int64_t until) {
        struct exchange *x = exchange_of(r);
        bool gone = false;
        int k = 0;

        x->gone = &gone;
        while (k >= 0 && x->fed < x->backlog.len) {
                size_t n = MIN_OF(x->backlog.len - x->fed, (size_t)FEED_BYTES);

                x->fed += n;
                k = r->on_data(r, x->backlog.data + x->fed - n, n);
                if (gone) /* and maybe freed */
                        return FEED_GONE;
                if (clock_mono_us() >= until)
                        break;
        }
        x->gone = NULL;
        if (k >= 0 && x->fed < x->backlog.len)
                return 0;
        x->fed = 0;
        buf_wipe(&x->backlog);
        return k < 0 ? k : 1;
}

/* Puts off what there is no time for. 1: there is, or no room to put it. */
static int put_off(struct transfer *t, struct http_request *r, const char *data, size_t n) {
        struct exchange *x = exchange_of(r);

        if (!x->backlog.len && !is_late(t))
                return 1;
        if (x->backlog.len + n > HTTP_BACKLOG_MAX)
                return feed_until(r, INT64_MAX);
        buf_add(&x->backlog, data, n);
        later_run(&x->feed);
        return 0;
}

static size_t take_body(struct transfer *t, const char *data, size_t n) {
        struct http_request *r = t->request;
        int stop;

        if (!r)
                return 0;
        byte_came(t);
        if (t->lose_reply)
                return n;
        if (!t->streaming)
                return collect(t, r, data, n);
        stop = put_off(t, r, data, n);
        if (stop > 0 && t->request)
                stop = r->on_data(r, data, n);
        if (!t->request)
                return 0; /* cancelled, and maybe freed */
        if (stop < 0) {
                end_as(t, HTTP_STOPPED, stop, STOPPED);
                return 0;
        }
        return n;
}

/* Wiped, for a watch's buffer lives as long as the watch, and what came last may be a Secret.
 * curl looks at it no more: no callback of ours pauses a transfer. */
size_t http_on_body(char *data, size_t size, size_t n, void *arg) {
        size_t taken = take_body(arg, data, size * n);

        explicit_bzero(data, size * n);
        return taken;
}

/* ---- deadlines; from the loop, never inside curl */

/* Ends T from outside of curl. */
static void break_off(struct transfer *t, enum http_end end, int code, const char *what) {
        end_as(t, end, code, what);
        http_ended(t, CURLE_OK);
        http_lane_drop(t);
}

static void feed(void *arg) {
        struct http_request *r = arg;
        struct exchange *x = exchange_of(r);
        int k = feed_until(r, clock_mono_us() + HTTP_SLICE_US);

        if (k == FEED_GONE)
                return;
        if (k == 0)
                return later_run(&x->feed);
        if (k < 0 && x->transfer)
                return break_off(x->transfer, HTTP_STOPPED, k, STOPPED);
        if (k < 0) {
                r->end = HTTP_STOPPED;
                err_set(&r->err, k, "%s: %s", r->server->authority, STOPPED);
        }
        if (x->ended)
                later_run(&x->soon);
}

static void on_total(void *arg) {
        struct transfer *t = arg;

        break_off(t, HTTP_TIMEOUT, -ETIMEDOUT,
                  t->last_byte ? "the reply did not end within its deadline"
                               : "no answer within the deadline");
}

static bool was_sent(const struct transfer *t) {
        curl_off_t begun = 0;

        curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &begun);
        return begun != 0;
}

static bool may_repeat(const struct transfer *t) {
        if (t->tried_fresh)
                return false;
        return t->repeatable || !was_sent(t);
}

static void make_room(struct transfer *t) {
        struct http *h = t->lane->http;
        size_t n = 0;

        if (was_sent(t))
                return;
        list_each(pos, &t->lane->running)
                n++;
        if (n > h->expected[t->lane->pool])
                http_expect(h, t->lane->pool, n);
}

/* The handle still has all it needs; R's strings may be gone. */
static void again_fresh(struct transfer *t) {
        make_room(t);
        t->tried_fresh = true;
        t->request->status = 0;
        http_lane_again(t);
        start_gap(t, t->request);
}

static void on_gap(void *arg) {
        struct transfer *t = arg;
        struct http_request *r = t->request;

        if (t->last_byte || r->first_byte_ms < 0) {
                int64_t due = t->last_byte + r->silence_ms;

                if (due > clock_mono())
                        timer_set(&t->gap, due);
                else
                        break_off(t, HTTP_TIMEOUT, -ETIMEDOUT, "the reply fell silent");
                return;
        }
        if (may_repeat(t))
                again_fresh(t);
        else
                break_off(t, HTTP_TIMEOUT, -ETIMEDOUT, "no answer, on a fresh connection neither");
}

/* ---- the end */

static void note(const struct http_request *r) {
        bool endless = r->total_ms < 0;
        char code[24];

        if (r->end == HTTP_OK)
                snprintf(code, sizeof(code), "%ld", r->status);
        else
                str_copy(code, sizeof(code), http_end_name(r->end));
        metric_add(&ended, LABELS(endless ? "WATCH" : r->method, code), 1);
        if (!endless)
                metric_observe(&took, LABELS(r->method), (double)r->took_us / 1e6);
}

static void detach(struct transfer *t) {
        if (t->request)
                exchange_of(t->request)->transfer = NULL;
        t->request = NULL;
        timer_cancel(&t->total);
        timer_cancel(&t->gap);
}

void http_ended(struct transfer *t, CURLcode code) {
        struct http_request *r = t->request;
        struct exchange *x;

        if (!r)
                return;
        x = exchange_of(r);
        if (t->lose_reply) {
                t->end_set = false;
                end_as(t, x->http->fault_end, -EIO, "a fault on demand: the answer was lost");
                r->status = 0;
        }
        if (!t->end_set && code == CURLE_OK && !t->head_done) /* which curl takes for an end */
                end_as(t, HTTP_RESET, -ECONNRESET, "the reply ended within its head");
        if (!t->end_set && code != CURLE_OK) {
                long connect_status = 0;

                curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
                t->end = http_end_of(code, t->text, connect_status);
                http_end_text(t, code, t->end, &t->err);
        }
        r->end = t->end;
        r->err = t->err;
        r->took_us = clock_mono_us() - x->began_us;
        note(r);
        detach(t);
        x->ended = true;
        if (!x->backlog.len)
                later_run(&x->soon);
}

void http_released(struct transfer *t) {
        detach(t);
        http_easy_wipe_list(t->headers);
        curl_slist_free_all(t->connect_to);
        http_server_unref(t->server);
        free(t);
}

void http_cancel(struct http_request *r) {
        struct exchange *x = exchange_of(r);
        struct transfer *t;

        if (!x)
                return;
        later_cancel(&x->soon);
        later_cancel(&x->feed);
        if (x->gone)
                *x->gone = true;
        x->gone = NULL;
        t = x->transfer;
        if (!t)
                return;
        detach(t);
        http_lane_drop(t);
}

void http_deinit(struct http_request *r) {
        struct exchange *x = exchange_of(r);

        http_cancel(r);
        buf_wipe(&r->reply); /* may have held a Secret */
        if (!x)
                return;
        buf_wipe(&x->backlog);
        if (x->headers)
                explicit_bzero(x->headers, x->headers_len); /* cookies, tokens */
        free(x->headers);
        free(x);
        r->private = NULL;
}

const char *http_header_at(const struct http_request *r, const char *name, size_t i) {
        const struct exchange *x = exchange_of(r);

        for (size_t k = 0; x && k < x->headers_n; k++) {
                const char *line = x->headers + x->offsets[k];

                if (strcasecmp(line, name) == 0 && i-- == 0)
                        return line + strlen(line) + 1;
        }
        return NULL;
}

const char *http_header(const struct http_request *r, const char *name) {
        return http_header_at(r, name, 0);
}
