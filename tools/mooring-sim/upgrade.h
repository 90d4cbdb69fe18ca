/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h - a request that becomes a WebSocket of channels: what portforward and exec share
 *
 * Every message begins with its channel. What waits for the client is bounded by whoever queues it:
 * beyond UPGRADE_BACKLOG it reads no more from its own side. The close frame goes out last: wslay
 * sends control frames ahead of whatever waits, so that it is queued when all else is out. */
#pragma once

#include "loop.h"
#include "request.h"

#include <wslay/wslay.h>

#define UPGRADE_BACKLOG (1u << 20)

struct MHD_Connection;
struct MHD_UpgradeResponseHandle;

struct upgraded {
        struct list entry; /* sim.streams */
        struct sim *sim;
        struct MHD_UpgradeResponseHandle *handle;
        struct poller client;
        wslay_event_context_ptr ws;
        struct buf early;                  /* came with the request, not yet read */
        bool ending;                       /* the close frame is due when all before it is sent */
        void (*begin)(struct upgraded *u); /* the handshake is done */
        void (*message)(struct upgraded *u, const uint8_t *data, size_t size);
        void (*settle)(struct upgraded *u); /* after a turn; may free */
        void (*free)(struct upgraded *u);   /* with what embeds it */
};

/* The first of PROTOCOLS (ended by NULL) that the client names; NULL: none, and REPLY says so. */
const char *upgrade_protocol(struct MHD_Connection *connection, const char *const *protocols,
                             struct reply *reply);
/* U has its functions. False: it was freed, and REPLY says why. */
bool upgrade_start(struct sim *sim, struct MHD_Connection *connection, struct upgraded *u,
                   const char *protocol, struct reply *reply);
void upgrade_deinit(struct upgraded *u);
void upgrade_queue(struct upgraded *u, uint8_t channel, const void *data, size_t size);
bool upgrade_full(const struct upgraded *u);
/* Sends what it can, and the close frame. False: the client is done with. */
bool upgrade_send(struct upgraded *u);
/* What the client is waited for. READING: more of its messages may come. */
void upgrade_wait(struct upgraded *u, bool reading);
void upgrade_stop_all(struct sim *sim);
