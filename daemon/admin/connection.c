/* SPDX-License-Identifier: Apache-2.0 */
/* connection.c - who is connected, and how many of each: known at the door, before a byte is read
 *
 * Anyone on the machine may connect. So that nobody keeps the others out, connections are counted
 * by user, those without a role have few places for all of them and little time, and some are
 * left for admins. Who comes beyond that finds the connection closed. */
#include "admin-internal.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>

#define NOBODY_IDLE_S 5u /* enough to ask once and to be refused */

struct connection {
        struct admin *admin;
        struct list link;
        uid_t uid;
        enum role role;
        int fd;
        int64_t since; /* peer_process_clock */
        bool asked;    /* process is known as far as it can be */
        struct peer_process process;
};

static bool has_room(const struct admin *a, const struct connection *c) {
        size_t same = 0, nobodies = 0;

        list_each(link, &a->connections) {
                const struct connection *o = list_entry(link, struct connection, link);

                same += o->uid == c->uid;
                nobodies += o->role == ROLE_NONE;
        }
        if (c->role == ROLE_NONE && nobodies >= ADMIN_CONNECTIONS_NOBODY)
                return false;
        if (c->role < ROLE_ADMIN &&
            a->connection_count >= ADMIN_CONNECTIONS_MAX - ADMIN_CONNECTIONS_ADMINS)
                return false;
        return same < ADMIN_CONNECTIONS_PER_UID;
}

/* libmicrohttpd sees the end of a socket that was shut down; it has no call to refuse one here. */
static void begin(struct admin *a, struct MHD_Connection *connection, void **context) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct connection c = { .admin = a };

        if (!info)
                return;
        if (peer_identify(a, info->connect_fd, &c.uid, &c.role) < 0 || !has_room(a, &c)) {
                shutdown(info->connect_fd, SHUT_RDWR);
                return;
        }
        c.fd = info->connect_fd;
        c.since = peer_process_clock();
        if (c.role == ROLE_NONE)
                MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, NOBODY_IDLE_S);
        *context = mem_new(struct connection);
        *(struct connection *)*context = c;
        list_append(&a->connections, &((struct connection *)*context)->link);
        a->connection_count++;
}

static void end(void **context) {
        struct connection *c = *context;

        if (!c)
                return;
        list_unlink(&c->link);
        c->admin->connection_count--;
        free(c);
        *context = NULL;
}

void connection_notify(void *admin, struct MHD_Connection *c, void **context, int code) {
        if (code == MHD_CONNECTION_NOTIFY_STARTED)
                begin(admin, c, context);
        else
                end(context);
}

static struct connection *connection_of(const struct request *q) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

        return info ? info->socket_context : NULL;
}

int connection_identify(struct request *q) {
        const struct connection *c = connection_of(q);

        if (!c)
                return -ENOTCONN;
        q->uid = c->uid;
        q->role = c->role;
        peer_describe(q);
        return 0;
}

void connection_process(const struct request *q, struct peer_process *ret) {
        struct connection *c = q->gone ? NULL : connection_of(q);

        if (c && !c->asked)
                peer_process_find(c->fd, c->since, &c->process);
        if (c)
                c->asked = true;
        *ret = c ? c->process : (struct peer_process){ 0 };
}
