/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel-tcp.h - a provider that is only a way to others: its tunnel is a plain TCP connection
 * to one address
 *
 * For tests of what goes through a cluster without one. It can be told to refuse, to be slow and
 * to take only so much. */
#pragma once

#include "provider.h"

struct tunnel_tcp {
        struct loop *loop;
        char address[64];
        int port;
        const char *refuse; /* why no tunnel opens; NULL: they open */
        size_t take_max;    /* unsent bytes beyond which send says -EAGAIN; 0: no limit */
        int drop_at;        /* the send, counted over all tunnels, at which one breaks; 0: none */
        int opened, closed, sends, dropped; /* counts */
        char asked[256];                    /* "path:port" of the newest */
        const char *never;                  /* what must not be sent as it is, or NULL */
        bool leaked;                        /* it was, within one send */
};
extern const struct provider tunnel_tcp_provider;
struct target *tunnel_tcp_target(struct tunnel_tcp *t);
