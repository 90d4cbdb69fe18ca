/* SPDX-License-Identifier: Apache-2.0 */
/* admin-internal.h - the parts of the admin API that its own files share */
#pragma once

#include "request.h"

struct MHD_Daemon;

struct admin {
        struct admin_options options;
        char *socket;
        int fd;
        struct MHD_Daemon *daemon;
        struct watcher *watcher;
        struct timer timer;
        struct later run;
        struct list requests;
        struct list streams;
        size_t stream_count;
        gid_t groups[ROLE_MAX]; /* of viewer, operator, admin */
        bool group_known[ROLE_MAX];
        uid_t owner; /* who started the daemon: admin */
        bool stopping;
};

/* server.c */
void server_kick(struct admin *a); /* MHD has something to do: after a resume */
/* peer.c */
int peer_identify(struct request *q, int fd);
void peer_init(struct admin *a);
/* stream.c */
/* check-style: name: the handlers are declared in routes.h, these two are for the server */
void stream_start(struct request *q, const char *what); /* "events" or "log" */
void stream_end_all(struct admin *a);
