/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - the curl multis on the loop: descriptors, timers, adding and taking out of transfers
 *
 * Called by http-request.c and websocket.c only. All entries into curl that may call back go
 * through enter(); while one is under way (lane->inside) nothing is added or removed, which curl
 * forbids there; settle() does it afterwards, then reads *all* messages of ended transfers,
 * whatever woke us: descriptor or timer.
 *
 * A transfer that ended is taken out at once; its request's done runs a turn later
 * (http-request.c), each in a handler of its own, so that a hundred that end in one wake do not
 * make one long handler.
 *
 * It does not: queue. More streams than the limit of connections carries wait inside curl, and
 * their first-byte deadline runs; who starts thousands says so by http_expect. */
#include "http-internal.h"

#include "clock.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- memory: out of it, curl fails in places that nobody tests; we abort and start again */

static void *or_die(void *p) {
        if (!p)
                abort();
        return p;
}

static void *curl_alloc(size_t n) {
        return or_die(malloc(n ? n : 1));
}

/* What curl sends and gets passes through buffers of its own: a request's body with the values of
 * a Secret among them. */
static void curl_wipe(void *p) {
        if (p)
                explicit_bzero(p, malloc_usable_size(p));
        free(p);
}

static void *curl_realloc(void *p, size_t n) {
        size_t was = p ? malloc_usable_size(p) : 0;
        void *to = curl_alloc(n);

        if (was)
                memcpy(to, p, MIN_OF(was, n));
        curl_wipe(p);
        return to;
}

static void *curl_calloc(size_t n, size_t size) {
        return or_die(calloc(n ? n : 1, size ? size : 1));
}

static char *curl_strdup(const char *s) {
        return or_die(strdup(s));
}

static CURLcode curl_ready;

/* The first context of OpenSSL reads its configuration and its tables, 10 ms: now, and not in
 * the handler of the first connection. */
static void warm_up_tls(void) {
        SSL_CTX_free(SSL_CTX_new(TLS_client_method()));
}

static void global_init(void) {
        warm_up_tls();
        curl_ready = curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_alloc, curl_wipe, curl_realloc,
                                          curl_strdup, curl_calloc);
}

/* ---- handles */

CURL *http_easy_get(struct http *h) {
        CURL *easy = h->spare_n ? h->spare[--h->spare_n] : curl_easy_init();

        assert(easy);
        h->busy++;
        return easy;
}

static void easy_put(struct http *h, CURL *easy) {
        h->busy--;
        if (h->spare_n < HTTP_SPARE_HANDLES) {
                curl_easy_reset(easy);
                h->spare[h->spare_n++] = easy;
        } else {
                curl_easy_cleanup(easy);
        }
}

static void release(struct transfer *t) {
        struct lane *l = t->lane;
        CURL *easy = t->easy;

        list_unlink(&t->link);
        curl_multi_remove_handle(l->curl, easy);
        easy_put(l->http, easy);
        http_released(t);
}

/* ---- lanes */

/* Transfers whose server turned out to speak HTTP/1.1 only: behind the low limit of connections
 * they would never start. */
static void change_lanes(struct lane *l) {
        l->move = false;
        list_each(pos, &l->running) {
                struct transfer *t = list_entry(pos, struct transfer, link);
                curl_off_t begun = 0;

                curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &begun);
                if (!t->server->one || begun || t->connected)
                        continue;
                list_unlink(&t->link);
                curl_multi_remove_handle(l->curl, t->easy);
                t->lane = &l->http->lanes[l->pool][1];
                curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
                http_lane_add(t);
        }
}

static void read_messages(struct lane *l) {
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(l->curl, &left))) {
                struct transfer *t = NULL;
                CURLcode code = m->data.result; /* M is gone after the removal */

                if (m->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
                if (t->connected) {
                        t->connected(t->arg, code, t->text);
                        continue;
                }
                http_ended(t, code);
                release(t);
        }
}

static void settle(struct lane *l) {
        struct list *pos;

        if (l->inside)
                return;
        while ((pos = list_pop(&l->dropped)))
                release(list_entry(pos, struct transfer, link));
        read_messages(l);
        if (l->move)
                change_lanes(l);
        while ((pos = list_pop(&l->waiting)))
                http_lane_add(list_entry(pos, struct transfer, link));
}

static void enter(struct lane *l, curl_socket_t fd, int flags) {
        int running;

        l->inside++;
        l->inside_us = clock_mono_us();
        curl_multi_socket_action(l->curl, fd, flags, &running);
        l->inside--;
        settle(l);
}

static void on_socket(void *arg, int fd, int events) {
        int flags = 0;

        if (events & LOOP_READ)
                flags |= CURL_CSELECT_IN;
        if (events & LOOP_WRITE)
                flags |= CURL_CSELECT_OUT;
        enter(arg, fd, flags);
}

/* ---- one packet for a request: curl writes its head and its body one after the other, and the
 * server would begin with the head alone, on the processor that we need for the body */

void http_lane_opened(struct lane *l, int fd) {
        if (!l->one && l->held_n < HTTP_HELD_MAX)
                l->held[l->held_n++] = fd;
}

void http_lane_closed(struct lane *l, int fd) {
        for (size_t i = 0; i < l->held_n; i++)
                if (l->held[i] == fd) {
                        l->held[i] = l->held[--l->held_n];
                        return;
                }
}

/* Nothing that depends on it: where it fails, curl's writes go out as they are. */
static void hold(const struct lane *l, int on) {
        for (size_t i = 0; i < l->held_n; i++)
                setsockopt(l->held[i], IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static void on_time(void *arg) {
        struct lane *l = arg;
        bool fresh = l->fresh;

        l->fresh = false;
        if (fresh)
                hold(l, 1);
        enter(l, CURL_SOCKET_TIMEOUT, 0);
        if (fresh)
                hold(l, 0);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg) {
        struct lane *l = arg;
        struct watcher *w = socket_arg;
        struct err err;
        int events = 0;

        if (what == CURL_POLL_REMOVE) {
                watcher_stop(w);
                curl_multi_assign(l->curl, fd, NULL);
                return 0;
        }
        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
                events |= LOOP_READ;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
                events |= LOOP_WRITE;
        if (w)
                return watcher_change(w, events, &err) < 0 ? -1 : 0;
        if (watcher_start(l->http->loop, "http", fd, events, on_socket, l, &w, &err) < 0)
                return -1; /* curl fails its transfers */
        curl_multi_assign(l->curl, fd, w);
        return 0;
}

static int want_time(CURLM *curl, long ms, void *arg) {
        struct lane *l = arg;

        timer_cancel(&l->timer);
        later_cancel(&l->soon);
        if (ms == 0)
                later_run(&l->soon); /* also with a fake clock, which stands still */
        else if (ms > 0)
                timer_after(&l->timer, ms);
        return 0;
}

/* How many connections to one server carry N streams of this lane. */
static long connections(const struct lane *l, size_t n) {
        if (!l->one)
                return (long)((n + HTTP_STREAMS_PER_CONNECTION - 1) / HTTP_STREAMS_PER_CONNECTION) +
                       2;
        return l->pool == HTTP_REQUESTS ? HTTP_ONE_REQUESTS_MAX : HTTP_ONE_STREAMS_MAX;
}

static void lane_init(struct lane *l, struct http *h, enum http_pool pool, bool one) {
        l->http = h;
        l->pool = pool;
        l->one = one;
        timer_init(&l->timer, h->loop, "http", on_time, l);
        later_init(&l->soon, h->loop, "http", on_time, l);
        list_init(&l->running);
        list_init(&l->waiting);
        list_init(&l->dropped);
}

static void lane_open(struct lane *l) {
        l->curl = or_die(curl_multi_init());
        curl_multi_setopt(l->curl, CURLMOPT_SOCKETFUNCTION, want_socket);
        curl_multi_setopt(l->curl, CURLMOPT_SOCKETDATA, l);
        curl_multi_setopt(l->curl, CURLMOPT_TIMERFUNCTION, want_time);
        curl_multi_setopt(l->curl, CURLMOPT_TIMERDATA, l);
        curl_multi_setopt(l->curl, CURLMOPT_PIPELINING,
                          l->one ? CURLPIPE_NOTHING : CURLPIPE_MULTIPLEX);
        curl_multi_setopt(l->curl, CURLMOPT_MAX_CONCURRENT_STREAMS,
                          (long)HTTP_STREAMS_PER_CONNECTION);
        curl_multi_setopt(l->curl, CURLMOPT_MAXCONNECTS, (long)HTTP_IDLE_CONNECTIONS);
        curl_multi_setopt(l->curl, CURLMOPT_MAX_HOST_CONNECTIONS,
                          connections(l, l->http->expected[l->pool]));
}

struct lane *http_lane(struct http *h, enum http_pool pool, const struct http_server *s) {
        struct lane *l = &h->lanes[pool][s->one || !s->tls];

        if (!l->curl)
                lane_open(l);
        return l;
}

void http_lane_add(struct transfer *t) {
        struct lane *l = t->lane;
        CURLMcode r;

        if (!l->curl)
                lane_open(l);
        if (l->inside) {
                list_append(&l->waiting, &t->link);
                return;
        }
        l->fresh = true;
        list_append(&l->running, &t->link);
        r = curl_multi_add_handle(l->curl, t->easy);
        assert(r == CURLM_OK); /* only fails for a handle that is in one, or within a callback */
}

void http_lane_again(struct transfer *t) {
        list_unlink(&t->link);
        curl_multi_remove_handle(t->lane->curl, t->easy);
        t->lane = http_lane(t->lane->http, t->lane->pool, t->server);
        curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(t->easy, CURLOPT_PIPEWAIT, 0L);
        if (t->lane->one)
                curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        http_lane_add(t);
}

void http_lane_drop(struct transfer *t) {
        struct lane *l = t->lane;

        if (l->inside) {
                list_unlink(&t->link);
                list_append(&l->dropped, &t->link);
                return;
        }
        release(t);
}

/* ---- the whole */

int http_new(struct loop *l, struct http **ret, struct err *err) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        struct http *h;

        pthread_once(&once, global_init);
        if (curl_ready != CURLE_OK)
                return err_set(err, -EIO, "libcurl: %s", curl_easy_strerror(curl_ready));
        h = mem_new(struct http);
        h->loop = l;
        for (int p = 0; p < HTTP_POOL_MAX; p++) {
                lane_init(&h->lanes[p][0], h, (enum http_pool)p, false);
                lane_init(&h->lanes[p][1], h, (enum http_pool)p, true);
        }
        *ret = h;
        return 0;
}

struct http *http_free(struct http *h) {
        if (!h)
                return NULL;
        assert(h->busy == 0); /* a request is neither ended nor cancelled */
        for (int p = 0; p < HTTP_POOL_MAX; p++)
                for (int one = 0; one < 2; one++) {
                        struct lane *l = &h->lanes[p][one];

                        if (l->curl)
                                curl_multi_cleanup(l->curl);
                        timer_cancel(&l->timer);
                        later_cancel(&l->soon);
                }
        while (h->spare_n)
                curl_easy_cleanup(h->spare[--h->spare_n]);
        free(h);
        return NULL;
}

void http_expect(struct http *h, enum http_pool pool, size_t n) {
        h->expected[pool] = n;
        for (int one = 0; one < 2; one++) {
                struct lane *l = &h->lanes[pool][one];

                if (l->curl)
                        curl_multi_setopt(l->curl, CURLMOPT_MAX_HOST_CONNECTIONS,
                                          connections(l, n));
        }
}

void http_fault(struct http *h, int countdown, enum http_end end) {
        h->fault_left = countdown;
        h->fault_end = end;
}
