/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - list and watch with pages, bookmarks, 410 in all its places, silence and back-off;
 * see watch.h
 *
 * Called by target.c, one for each followed type. 410 comes as an HTTP status before a watch or
 * a page, as an ERROR event inside a stream that began with 200, and in the middle of a list:
 * each time it is listed anew. A second 410 in a row drops the wish for "not older than" and the
 * pages too (a server that compacts faster than pages are read would never let us through).
 *
 * Items are cut out of the stream and handed on as text; nothing of them is kept here. */
#include "watch.h"

#include "clock.h"
#include "digest.h"

#include <errno.h>
#include <stdlib.h>

#define TIMEOUT_MIN_S                                                                              \
        300 /* the server ends a watch after 300 to 600 s, so that not all come back at once */
#define SHORT_LIFE_MS 1000 /* a stream that ends sooner without an event counts as an error */
#define VERSION_MAX 64

struct watch {
        struct watch_config c;
        char *path, *selector;
        const char *headers[2];
        char *request_path;
        enum watch_state state;
        struct http_request request;
        bool asked;
        struct jsplit split;
        struct timer timer;
        struct later soon;
        char version[VERSION_MAX]; /* last seen; "": none */
        char before[VERSION_MAX];  /* the last of what was given up since */
        bool checked;              /* the server is not behind VERSION */
        char *next;                /* continue token of a list */
        int expired;               /* 410s in a row */
        int tries;
        bool gone;            /* 410 inside the stream */
        bool events;          /* the stream brought any */
        long event_status;    /* code of an ERROR event that is no 410 */
        int64_t began, until; /* of the stream: until when it was asked for */
        int64_t bad_since, last_error;
        int64_t news_at, lost_at; /* watch_times */
        bool ill;                 /* health was told to be bad */
        bool anew;                /* the stream before this one did not end in order */
        bool away;                /* nobody answered: who does next may have been restored */
};

static void begin(void *arg);

enum watch_state watch_state(const struct watch *w) {
        return w->state;
}

void watch_times(const struct watch *w, int64_t *ret_news_at, int64_t *ret_lost_at) {
        *ret_news_at = w->news_at;
        *ret_lost_at = w->lost_at;
}

/* ---- health and back-off */

static int64_t back_off(struct watch *w) {
        int64_t ms = WATCH_BACKOFF_MS;
        uint16_t chance;

        if (clock_mono() - w->last_error > WATCH_HEALTHY_MS)
                w->tries = 0;
        w->last_error = clock_mono();
        for (int i = 0; i < w->tries && ms < WATCH_BACKOFF_MAX_MS; i++)
                ms *= 2;
        w->tries++;
        digest_random(&chance, sizeof(chance));
        ms = MIN_OF(ms, WATCH_BACKOFF_MAX_MS);
        return ms + ms * chance / UINT16_MAX;
}

static void wait_then_begin(struct watch *w, int64_t ms) {
        w->state = WATCH_WAITING;
        timer_after(&w->timer, ms);
}

static void tell_bad(struct watch *w, bool connection, const char *why) {
        struct watch_health h = { .connection = connection, .why = why };

        if (!w->bad_since)
                w->bad_since = clock_mono();
        h.since = w->bad_since;
        h.status = w->request.end == HTTP_OK ? w->request.status : 0;
        h.credential = h.status == 401;
        w->ill = true;
        w->c.health(w->c.arg, &h);
}

static void tell_good(struct watch *w) {
        struct watch_health h = { .good = true, .anew = w->anew };

        w->bad_since = w->lost_at = 0;
        w->news_at = clock_mono();
        w->ill = w->anew = false;
        w->c.health(w->c.arg, &h);
}

/* The server's own words from a Status, for messages. */
static char *status_text(const struct http_request *r) {
        cleanup_(freep) char *message =
                scan_dup(scan_get(scan_of(buf_str(&r->reply), r->reply.len), "message"));

        return message ? str_format("%ld: %s", r->status, message)
                       : str_format("answered %ld", r->status);
}

static void failed(struct watch *w) {
        const struct http_request *r = &w->request;
        int64_t wait = back_off(w);
        cleanup_(freep) char *why = NULL;
        /* What our own reading stopped was said by a server that does answer. */
        bool connection = (r->end != HTTP_OK && r->end != HTTP_STOPPED) || r->status == 401;

        w->away |= r->status == 0 || r->status >= 500;
        if (r->end == HTTP_OK && r->retry_after_ms > wait)
                wait = r->retry_after_ms;
        why = r->end == HTTP_OK ? status_text(r) : str_dup(err_text(&r->err));
        wait_then_begin(w, wait);
        tell_bad(w, connection, why);
}

/* ---- requests */

static void put_query(struct watch *w, struct buf *path) {
        if (!w->selector)
                return;
        buf_puts(path, "&labelSelector=");
        http_escape(path, w->selector, false);
}

/* A server that is asked for the list's form in a stream opens it and sends nothing, ever. */
static const char *accept_of(const struct watch *w, bool stream) {
        if (!w->c.metadata_only)
                return "Accept: application/json";
        return stream ? "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
                        "application/json"
                      : "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
                        "application/json";
}

static void send_request(struct watch *w, struct buf *path, bool stream,
                         int (*on_data)(struct http_request *, const char *, size_t),
                         void (*done)(struct http_request *)) {
        freep(&w->request_path);
        w->request_path = buf_take(path);
        w->headers[0] = accept_of(w, stream);
        http_deinit(&w->request);
        w->request = (struct http_request){
                .server = w->c.server,
                .pool = HTTP_WATCHES,
                .method = "GET",
                .path = w->request_path,
                .headers = w->headers,
                .on_data = on_data,
                .done = done,
                .arg = w,
        };
        w->asked = true;
}

static bool was_gone(const struct http_request *r) {
        return r->end == HTTP_OK && r->status == 410;
}

static void give_up_version(struct watch *w) {
        if (w->version[0])
                str_copy(w->before, sizeof(w->before), w->version);
        w->version[0] = '\0';
}

static void list_again(struct watch *w) {
        freep(&w->next);
        w->next = NULL;
        w->expired++;
        if (w->expired > 1)
                give_up_version(w);
        w->state = WATCH_LISTING;
        if (w->expired > 2)
                wait_then_begin(w, back_off(w));
        else
                later_run(&w->soon);
}

/* ---- listing */

static int on_item(void *arg, const char *text, size_t len, struct err *err) {
        struct watch *w = arg;

        w->c.item(w->c.arg, WATCH_LISTED, scan_of(text, len));
        return 0;
}

static int on_data(struct http_request *r, const char *data, size_t len) {
        struct watch *w = r->arg;

        w->news_at = clock_mono();
        return jsplit_feed(&w->split, data, len, &w->request.err);
}

static void take_version(struct watch *w, struct scan_slice value) {
        cleanup_(freep) char *version = scan_dup(value);

        if (version && *version)
                str_copy(w->version, sizeof(w->version), version);
}

/* Versions are numbers that rise, whatever the documents say of opaqueness. */
static bool is_behind(const char *version, const char *known) {
        return version && known[0] && strtoull(version, NULL, 10) < strtoull(known, NULL, 10);
}

/* A restored etcd: what is there now may be older than what was seen of it. A watch from the
 * version of before would tell nothing until the new ones pass it. */
static void went_back(struct watch *w) {
        w->version[0] = w->before[0] = '\0';
        w->expired = 0;
        w->checked = true;
        w->state = WATCH_LISTING;
        w->c.went_back(w->c.arg);
        later_run(&w->soon);
}

static void page_ended(struct watch *w) {
        cleanup_(freep) char *version = NULL;
        struct scan_slice metadata;
        const char *rest;
        size_t len;

        rest = jsplit_rest(&w->split, &len);
        metadata = scan_get(scan_of(rest, len), "metadata");
        freep(&w->next);
        w->next = scan_dup(scan_get(metadata, "continue"));
        if (w->next && *w->next) {
                later_run(&w->soon);
                return;
        }
        freep(&w->next);
        w->next = NULL;
        version = scan_dup(scan_get(metadata, "resourceVersion"));
        if (is_behind(version, w->before))
                return went_back(w); /* and what was listed was taken for old */
        take_version(w, scan_get(metadata, "resourceVersion"));
        w->before[0] = '\0';
        w->expired = 0;
        w->checked = true;
        w->state = WATCH_WATCHING;
        later_run(&w->soon);
        w->c.listed(w->c.arg, false);
}

static void list_done(struct http_request *r) {
        struct watch *w = r->arg;
        struct err err = { 0 };

        w->asked = false;
        if (was_gone(r)) {
                list_again(w);
                return;
        }
        if (r->end == HTTP_OK && r->status == 200 && jsplit_end(&w->split, &err) == 0) {
                page_ended(w);
                return;
        }
        if (r->end == HTTP_OK && r->status == 200) {
                r->end = HTTP_RESET;
                r->err = err;
        }
        freep(&w->next);
        w->next = NULL;
        if (r->end == HTTP_OK && r->status == 504)
                give_up_version(w); /* it waited in vain for one that new */
        failed(w);
}

static void ask_list(struct watch *w) {
        cleanup_(buf_free) struct buf path = BUF_INIT;

        buf_printf(&path, "%s?", w->path);
        if (w->expired < 2)
                buf_printf(&path, "limit=%d", WATCH_PAGE);
        if (w->next) {
                buf_puts(&path, "&continue=");
                http_escape(&path, w->next, false);
        } else if (w->version[0]) {
                buf_printf(&path, "&resourceVersion=%s&resourceVersionMatch=NotOlderThan",
                           w->version);
        }
        put_query(w, &path);
        jsplit_deinit(&w->split);
        jsplit_init(&w->split, JSPLIT_LIST, WATCH_ITEM_MAX, on_item, w);
        send_request(w, &path, false, on_data, list_done);
        w->request.total_ms = 300000; /* 100,000 objects in pages: each page has its own */
        w->request.silence_ms = 30000;
        if (!w->next) {
                w->away = false;
                w->c.listed(w->c.arg, true);
        }
        http_start(w->c.http, &w->request);
}

/* ---- watching */

static int on_error(struct watch *w, struct scan_slice status, struct err *err) {
        cleanup_(freep) char *message = scan_dup(scan_get(status, "message"));

        w->event_status = (long)scan_int(scan_get(status, "code"), 500);
        w->gone = w->event_status == 410;
        return err_set(err, -EPROTO, "the watch ended: %s", message ? message : "no reason given");
}

static void hand_on(struct watch *w, struct scan_slice type, struct scan_slice object) {
        enum watch_event event = WATCH_MODIFIED;

        if (scan_says(type, "ADDED"))
                event = WATCH_ADDED;
        else if (scan_says(type, "DELETED"))
                event = WATCH_DELETED;
        w->c.item(w->c.arg, event, object);
}

static int on_event(void *arg, const char *text, size_t len, struct err *err) {
        struct watch *w = arg;
        struct scan_slice event = scan_of(text, len);
        struct scan_slice type = scan_get(event, "type");
        struct scan_slice object = scan_get(event, "object");

        if (scan_says(type, "ERROR"))
                return on_error(w, object, err);
        if (!object.text)
                return err_set(err, -EBADMSG, "the watch brought an event without an object");
        w->events = true;
        w->away = false; /* this stream stood all the time */
        if (w->ill)
                tell_good(w);
        take_version(w, scan_dig(object, "metadata", "resourceVersion", NULL));
        if (scan_says(type, "BOOKMARK"))
                return 0;
        hand_on(w, type, object);
        return 0;
}

/* The stream stands: that is what "watching" means. */
static void on_head(struct http_request *r) {
        struct watch *w = r->arg;

        if (r->status == 200)
                tell_good(w);
}

/* Silence alone is in order: a real server sends no bookmark of the version that a stream began
 * with, so one of a kind that nobody writes is silent until etcd tells of its progress. Who is away
 * does not answer others either, and that is doubted. */
static bool ended_in_order(const struct watch *w, const struct http_request *r) {
        if (r->status != 200)
                return false;
        return r->end == HTTP_TIMEOUT ||
               (r->end == HTTP_OK && !w->gone && clock_mono() >= w->until);
}

static void watch_done(struct http_request *r) {
        struct watch *w = r->arg;
        bool lived = w->events || clock_mono() - w->began >= SHORT_LIFE_MS;

        w->asked = w->checked = false;
        w->lost_at = clock_mono();
        w->anew |= !ended_in_order(w, r);
        if (w->gone || was_gone(r)) {
                list_again(w);
                return;
        }
        if (r->end == HTTP_OK && r->status != 200) {
                failed(w);
                return;
        }
        /* An end, a reset or silence of a stream that stood is no sign of illness yet: the next
         * try tells. */
        if (lived && r->end != HTTP_UNREACHABLE && r->end != HTTP_TLS && !w->event_status) {
                later_run(&w->soon);
                return;
        }
        if (r->end == HTTP_OK) {
                w->away = true; /* it is being stopped, and may be another one after the wait */
                wait_then_begin(w, back_off(w));
                return;
        }
        failed(w);
}

/* ---- after a stream that did not end in order: who answers now may have been restored
 *
 * One small question finds versions that are behind, and is enough where the stream broke and the
 * next one stands at once. While nobody answered, a restored server may have come back and been
 * written to until its versions passed ours: then only a list tells. */

static void version_done(struct http_request *r) {
        struct watch *w = r->arg;
        cleanup_(freep) char *version = NULL;

        w->asked = false;
        if (r->end != HTTP_OK || r->status != 200)
                return failed(w);
        version = scan_dup(scan_dig(scan_of(buf_str(&r->reply), r->reply.len), "metadata",
                                    "resourceVersion", NULL));
        if (is_behind(version, w->version))
                return went_back(w);
        w->checked = true;
        later_run(&w->soon);
}

static void ask_version(struct watch *w) {
        cleanup_(buf_free) struct buf path = BUF_INIT;

        buf_printf(&path, "%s?limit=1", w->path);
        put_query(w, &path);
        send_request(w, &path, false, NULL, version_done);
        http_start(w->c.http, &w->request);
}

static void ask_watch(struct watch *w) {
        cleanup_(buf_free) struct buf path = BUF_INIT;
        uint16_t chance;
        int seconds;

        digest_random(&chance, sizeof(chance));
        seconds = TIMEOUT_MIN_S + chance % TIMEOUT_MIN_S;
        buf_printf(&path,
                   "%s?watch=1&allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%d",
                   w->path, w->version, seconds);
        put_query(w, &path);
        jsplit_deinit(&w->split);
        jsplit_init(&w->split, JSPLIT_VALUES, WATCH_ITEM_MAX, on_event, w);
        send_request(w, &path, true, on_data, watch_done);
        w->request.on_head = on_head;
        w->request.total_ms = -1;
        w->request.silence_ms = w->c.silence_ms;
        w->events = w->gone = false;
        w->event_status = 0;
        w->began = clock_mono();
        w->until = w->began + seconds * 1000;
        http_start(w->c.http, &w->request);
}

/* ---- life */

static void begin(void *arg) {
        struct watch *w = arg;

        if (w->asked)
                return;
        if (w->away)
                give_up_version(w);
        else if (w->state == WATCH_WATCHING || (w->version[0] && w->expired == 0)) {
                w->state = WATCH_WATCHING;
                return w->anew && !w->checked ? ask_version(w) : ask_watch(w);
        }
        w->state = WATCH_LISTING;
        ask_list(w);
}

struct watch *watch_new(const struct watch_config *c) {
        struct watch *w = mem_new(struct watch);

        w->c = *c;
        w->path = str_dup(c->path);
        w->selector = str_dup(c->selector);
        str_copy(w->version, sizeof(w->version), c->version ? c->version : "");
        if (w->c.silence_ms <= 0)
                w->c.silence_ms = WATCH_SILENCE_MS;
        timer_init(&w->timer, c->loop, "watch", begin, w);
        later_init(&w->soon, c->loop, "watch", begin, w);
        w->news_at = w->lost_at = clock_mono();
        return w;
}

void watch_start(struct watch *w) {
        if (w->state != WATCH_STOPPED)
                return;
        w->state = WATCH_LISTING;
        later_run(&w->soon);
}

void watch_doubt(struct watch *w) {
        w->away = true;
}

void watch_again(struct watch *w) {
        if (w->state != WATCH_WAITING)
                return;
        timer_cancel(&w->timer);
        later_run(&w->soon);
}

void watch_to(struct watch *w, struct http_server *server) {
        w->c.server = server;
}

struct watch *watch_free(struct watch *w) {
        if (!w)
                return NULL;
        http_deinit(&w->request);
        timer_cancel(&w->timer);
        later_cancel(&w->soon);
        jsplit_deinit(&w->split);
        free(w->path);
        free(w->selector);
        free(w->request_path);
        free(w->next);
        free(w);
        return NULL;
}
