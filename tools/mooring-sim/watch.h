/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - streams of changes: from a version or from a list, with bookmarks, until the time is
 * up
 *
 * A watch is a text that grows; http.c takes it from there and is told when there is more. */
#pragma once

#include "request.h"
#include "selector.h"
#include "sim.h"

/* Bytes that a watcher may lag behind. One that reads nothing is cut off, as the API server
 * does. */
#define WATCH_BACKLOG_MAX (64u << 20)

typedef void watch_wake(void *arg);

struct watch {
        struct list entry; /* sim.watches */
        struct sim *sim;
        struct kind *kind; /* NULL: its CRD is gone */
        char *namespace, *accept;
        struct selector selector;
        bool bookmarks;
        bool over;        /* nothing more comes after TEXT */
        bool broken;      /* ends as a broken connection, not as a finished answer */
        int64_t deadline; /* clock_mono */
        int64_t bookmark_at;
        uint64_t version; /* of the last event given */
        struct buf text;
        size_t at; /* bytes of TEXT that were taken */
        watch_wake *wake;
        void *arg;
};

/* NULL: answered with what is wrong. */
struct watch *watch_new(struct sim *sim, const struct request *q, struct reply *reply);
struct watch *watch_free(struct watch *w);
void watch_changed(struct sim *sim, const struct kind *kind, const struct store_event *event);
/* Bookmarks and deadlines that are due; returns when to call again (clock_mono) or -1. */
int64_t watch_tick(struct sim *sim);
/* Ends all: CODE 410 as an error event, 0 as an end, -1 as a broken connection. */
void watch_end_all(struct sim *sim, int code);
/* Gives what silent watches missed. */
void watch_resume(struct sim *sim);
/* Up to SIZE bytes of what waits; 0: nothing. */
size_t watch_take(struct watch *w, char *to, size_t size);
void watch_kind_gone(struct sim *sim, const struct kind *kind);
