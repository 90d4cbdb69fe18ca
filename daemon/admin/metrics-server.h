/* SPDX-License-Identifier: Apache-2.0 */
/* metrics-server.h - GET /metrics on a TCP address, for a Prometheus on another machine
 *
 * Nothing else is served there. TLS, unless the address is loopback; who asks has the token or a
 * client certificate of the authority, either is enough. A thread of its own accepts, shakes hands
 * and writes: whoever can reach the port must not hold the loop up; the loop only gathers. */
#pragma once

#include "metrics-files.h"
#include "metrics.h"

#define METRICS_CONNECTIONS_MAX 32 /* a pair of Prometheus, people who look, and some that hang */
#define METRICS_CONNECTIONS_PER_IP 8
#define METRICS_IDLE_S 20 /* also for a handshake */

struct metrics_server;
struct metrics_server_options {
        struct loop *loop;
        struct metrics_parts parts;
        const char *address; /* "127.0.0.1:9478", "[::1]:9478": numbers, no names */
        struct metrics_paths paths;
};
/* Whether there can be one, as far as its options and files tell: nothing is bound or kept. */
int metrics_server_check(const char *address, const struct metrics_paths *p, struct err *err);
int metrics_server_new(const struct metrics_server_options *o, struct metrics_server **ret,
                       struct err *err);
/* Reads the files again. <0: goes on with what it had. Scrapes that are out end. */
int metrics_server_reload(struct metrics_server *s, const struct metrics_paths *p, struct err *err);
/* The certificate that is shown now, as PEM, or NULL. On the loop. */
const char *metrics_server_certificate(void);
/* When the certificate that is shown now ends, in Unix seconds; 0: there is none. */
int64_t metrics_server_expiry(void);
struct metrics_server *metrics_server_free(struct metrics_server *s);
