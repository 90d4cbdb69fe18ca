/* SPDX-License-Identifier: Apache-2.0 */
/* admin-internal.h - the parts of the admin API that its own files share */
#pragma once

#include "backup-keeper.h"
#include "map.h"
#include "request.h"

struct MHD_Daemon;
struct mail;

#define REFUSALS_USERS_MAX 32 /* whose refusals are counted apart */
struct refusals_of {
        uid_t uid;
        size_t kept, dropped;
};

struct admin {
        int refs; /* admin_free's, and each request's: reads may be out when the daemon stops */
        struct admin_options options;
        char *socket;
        int fd;
        struct MHD_Daemon *daemon;
        struct watcher *watcher;
        struct timer timer;
        struct later run;
        struct list connections;
        size_t connection_count;
        struct list requests;
        struct list streams;
        size_t stream_count;
        struct timer beat;      /* of all streams */
        struct mail *mail;      /* log lines on their way from other threads */
        gid_t groups[ROLE_MAX]; /* of viewer, operator, admin */
        bool group_known[ROLE_MAX];
        uid_t owner;                                    /* who started the daemon: admin */
        struct map names;                               /* of users, by uid */
        struct refusals_of refused[REFUSALS_USERS_MAX]; /* of the time that runs now */
        size_t refused_count, refused_now, refused_dropped;
        struct timer refused_timer;
        int64_t clock_offset; /* clock_wall less clock_mono at the start: a jump changes it */
        bool stopping;
};

/* server.c */
/* The unix group that gives ROLE; "" for ROLE_NONE. Borrowed from O. */
const char *server_group_of(const struct admin_options *o, enum role role);
void server_kick(struct admin *a); /* MHD has something to do: after a resume */
struct admin *server_unref(struct admin *a);
/* connection.c */
struct connection;
void connection_notify(void *admin, struct MHD_Connection *c, void **context, int code);
/* Who is at the other end, into Q. -ENOTCONN: not known. */
int connection_identify(struct request *q);
/* Which process that is, asked once a connection. */
void connection_process(const struct request *q, struct peer_process *ret);
/* request-audit.c */
void request_audit_init(struct admin *a);
void request_audit_deinit(struct admin *a);
/* Q was refused with MESSAGE: its row is written, and JSON is its answer after. False: no row, and
 * Q is answered by the caller. */
bool request_audit_refusal(struct request *q, unsigned status, json_t *json, const char *message);
/* backups.c */
#define BACKUPS_KEY_MAX (2 * BACKUP_KEY_MAX) /* base64 */
/* The bytes of TEXT, a body's "key"; none of NULL. -EBADMSG. */
int backups_key(const char *text, struct buf *ret, struct err *err);
/* peer.c */
int peer_identify(struct admin *a, int fd, uid_t *ret_uid, enum role *ret_role);
void peer_describe(struct request *q); /* names for its uid */
/* The name of UID, kept by A until it ends or has too many; NULL: it is not known. */
const char *peer_name(struct admin *a, uid_t uid);
void peer_init(struct admin *a);
void peer_deinit(struct admin *a);
/* Tests: from now on every peer is this one; NULL: as the kernel says. Borrowed. */
struct peer_fake {
        uid_t uid;
        gid_t gid;
        const gid_t *groups;
        size_t count;
};
void peer_set_fake(const struct peer_fake *fake);
/* stream.c */
void stream_init(struct admin *a);
void stream_deinit(struct admin *a);
/* The request's answer begins: MHD asks the stream for its bytes from here on. */
int stream_respond(struct request *q);
void stream_free(struct request *q); /* its connection ended */
void stream_end_all(struct admin *a);
