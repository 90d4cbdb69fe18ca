/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - one collection, listed in pages and then watched, for ever
 *
 *          +---------------- 410, anywhere ----------------+
 *          v                                               |
 *   start -> LISTING --last page--> WATCHING --end--> (again from the last version)
 *               ^   \                  |  error, silence
 *               |    error             v
 *               +------ WAITING (0.8 s x 2^n, at most 30 s, and as much again by chance)
 *
 * A watch that ends or is reset goes on from the last resource version: a list is asked for only
 * at the start, after a 410 (then one not older than what was seen, so that time never runs
 * backwards), and when nobody answered for a while. The server's own time may have gone back then
 * (an etcd restored from a snapshot): that is told, where its versions show it, and all is listed
 * as it is now. One small request looks for it after each stream that did not end in order, or
 * sooner than was asked for; one that was only silent is asked for again. */
#pragma once

#include "http.h"
#include "jsplit.h"
#include "scan.h"

#define WATCH_PAGE 500         /* as client-go: a page of pods is 2 MB */
/* Bookmarks come each minute: a stream that is silent for longer may be dead. */
#define WATCH_SILENCE_MS 70000
#define WATCH_BACKOFF_MS 800
#define WATCH_BACKOFF_MAX_MS 30000
#define WATCH_HEALTHY_MS 120000 /* after so long without an error the back-off starts anew */
#define WATCH_ITEM_MAX                                                                             \
        (8u << 20) /* etcd holds 1.5 MB; a CRD converted to its other version is not much more */

enum watch_event { WATCH_LISTED, WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED };
enum watch_state { WATCH_STOPPED, WATCH_LISTING, WATCH_WATCHING, WATCH_WAITING };

/* How the collection can be read. */
struct watch_health {
        bool good;
        bool anew;       /* good, after the stream before did not end in order: who answers now? */
        bool connection; /* not good, and it concerns all of the server (TLS, 401, no answer) */
        bool credential; /* 401 */
        long status;     /* HTTP status when the server refused, else 0 */
        int64_t since;   /* clock_mono: not watching since */
        const char *why;
};

struct watch_config {
        struct loop *loop;
        struct http *http;
        struct http_server *server;
        const char *path;     /* of the collection */
        const char *selector; /* label selector or NULL */
        bool metadata_only;   /* objects come as PartialObjectMetadata */
        const char *version;  /* goes on from this resource version; NULL: lists first */
        int64_t silence_ms;   /* 0: WATCH_SILENCE_MS */
        void (*item)(void *arg, enum watch_event event, struct scan_slice object);
        void (*listed)(void *arg, bool begin);
        void (*went_back)(void *arg); /* versions did: what was seen is no newer than what comes */
        void (*health)(void *arg, const struct watch_health *h);
        void *arg;
};

struct watch;
struct watch *watch_new(const struct watch_config *c);
void watch_start(struct watch *w);                          /* later; fine when running */
void watch_to(struct watch *w, struct http_server *server); /* from the next request on */
void watch_again(struct watch *w);                          /* ends a wait at once */
void watch_doubt(struct watch *w); /* others found nobody: lists when this stream ends in silence */
struct watch *watch_free(struct watch *w);                  /* not inside its own callbacks */
enum watch_state watch_state(const struct watch *w);
/* clock_mono: when the last byte came; not watching since, or 0. */
void watch_times(const struct watch *w, int64_t *ret_news_at, int64_t *ret_lost_at);
