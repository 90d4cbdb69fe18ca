/* SPDX-License-Identifier: Apache-2.0 */
/* websocket-internal.h - what websocket.c and websocket-open.c share
 *
 *      CONNECTING --curl--> UPGRADING --101--> OPEN --close, error--> CLOSED
 *                              \--other status--> REFUSED --body--> CLOSED */
#pragma once

#include "http-internal.h"

#include <wslay/wslay.h>

enum websocket_state {
        WEBSOCKET_CONNECTING,
        WEBSOCKET_UPGRADING,
        WEBSOCKET_REFUSED,
        WEBSOCKET_OPEN,
        WEBSOCKET_CLOSED
};

/* Written at once: one TLS record. Must not move while OpenSSL wants the same write again. */
#define WEBSOCKET_FLIGHT 16384
#define WEBSOCKET_READ 16384
/* Of one descriptor in one turn of the loop, so that a fast sender does not hold it: about a
 * millisecond. */
#define WEBSOCKET_TURN (256u << 10)

struct websocket {
        struct http *http;
        struct transfer *transfer; /* NULL once closed */
        struct websocket_config config;
        char *path, *protocols;
        enum websocket_state state;
        int fd;
        struct watcher *watcher;
        struct later soon;
        struct timer timer; /* deadline of the opening, then pings */
        int pings;          /* sent and nothing heard since */
        bool paused, throttled, dying;
        int busy;           /* within a callback or wslay: freed afterwards */
        struct buf in;      /* read, used up to IN_AT */
        size_t in_at, turn; /* TURN: bytes read in this turn */
        bool in_ended, again;
        char *flight; /* being written: FLIGHT_LEN bytes, FLIGHT_AT of them are */
        size_t flight_len, flight_at;
        char key[32];
        long status;
        wslay_event_context_ptr frames;
};

/* websocket.c */
void websocket_end(struct websocket *w, int r, const struct err *err); /* calls on_close */
/* More bytes into IN; 1: some came, 0: none now, <0: the connection ended. */
int websocket_fill(struct websocket *w, struct err *err);
/* Writes out the flight; 1: all, 0: not all, <0: broken. */
int websocket_flush(struct websocket *w, struct err *err);
int websocket_frames_start(struct websocket *w, struct err *err);

/* websocket-open.c */
void websocket_ask_upgrade(struct websocket *w); /* fills the flight */
/* Looks at IN. 1: the state is OPEN or REFUSED and whole, 0: more is wanted, <0: not a proper
 * answer. */
int websocket_read_upgrade(struct websocket *w, char *ret_protocol, size_t protocol_size,
                           struct err *err);
