/* SPDX-License-Identifier: Apache-2.0 */
/* admin.h - the admin API: HTTP/1.1 with JSON on a unix socket, described by
 * schema/api/openapi.yaml
 *
 * Who asks is known from the socket: uid and groups of the peer give the role (viewer, operator,
 * admin). Requests are decoded by field tables into a struct, become one command (command.h) or
 * one read, and are answered when that is durable. Lists have a cursor; /v1/events is a stream
 * of lines. libmicrohttpd is used here (and in the simulator) only. */
#pragma once

#include "action.h"
#include "audit.h"
#include "log.h"
#include "reconcile.h"

#define ADMIN_BODY_MAX (8u << 20) /* a bundle with overlays is far below; a kubeconfig too */
#define ADMIN_CONNECTIONS_MAX 256
#define ADMIN_CONNECTIONS_ADMINS 32 /* of these are left for admins: one of them always gets in */
#define ADMIN_CONNECTIONS_NOBODY 16 /* of all without a role, who are only told so */
#define ADMIN_CONNECTIONS_PER_UID 80
#define ADMIN_REQUESTS_PER_UID 64 /* fewer, so that who asks too much is told */
#define ADMIN_KEY_MAX 255         /* Idempotency-Key */
#define ADMIN_STREAMS_MAX 64      /* event streams at once: 14 kB each (measured) */
#define ADMIN_STREAM_LAG_MAX                                                                       \
        1000 /* events a slow reader may be behind; then it is told so and reads again */
#define ADMIN_STREAM_BEAT_MS                                                                       \
        15000 /* an empty line: a suspended stream does not notice that its client left */

struct admin;
struct admin_options {
        struct loop *loop;
        struct store *store;
        struct reconcile *reconcile;
        struct action *action; /* NULL: none is run */
        struct charm_host *host;
        struct sealer *sealer;
        struct rekey *rekey;
        struct backup_keeper *backups; /* NULL: none are made (tests) */
        struct upgrade *upgrade;       /* NULL: none is made (tests) */
        const struct audit *audit; /* NULL: nothing is kept */
        const char *socket;        /* path */
        const char *state_dir;
        const char *key_file; /* or NULL: as seal.h says */
        const char *viewer_group, *operator_group,
                *admin_group;   /* unix groups; NULL or unknown: nobody */
        const char *controller; /* uuid */
        const char *name;       /* what `status` calls the controller */
};
/* -EADDRINUSE: another daemon answers there. A dead socket file is replaced. */
int admin_new(const struct admin_options *o, struct admin **ret, struct err *err);
struct admin *admin_free(struct admin *a); /* ends all streams, waits for no one */
/* To every event stream that may see it; reconcile_options.event. */
void admin_event(struct admin *a, const json_t *event);
/* A log line, for /v1/log streams; log_set_sink. */
void admin_log(struct admin *a, const struct log_line *line);
