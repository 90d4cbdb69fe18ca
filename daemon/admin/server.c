/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - libmicrohttpd under the loop: sockets, bodies, routes, replies
 *
 * One thread: MHD's epoll descriptor is watched by the loop, MHD_run follows each event, each
 * resume, and its own timeout. Measured traps (libmicrohttpd 0.9.75): a suspended connection
 * does not notice that its client left, and stopping aborts while one is suspended; so all are
 * resumed and ended first. */
#include "admin-internal.h"
#include "clock.h"

#include "metric.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A larger body is decoded in a thread: a manifest of megabytes takes 20 ms, which would hold all
 * else up. */
#define DECODE_HERE_MAX (64u << 10)
#define CONNECTION_IDLE_S 60 /* without a byte; waiting for an answer does not count */

static struct metric requests = { .name = "mooring_admin_requests_total",
                                  .help = "Requests on the admin socket, by status",
                                  .type = METRIC_COUNTER,
                                  .labels = { { "status" } } };

static void run(void *arg) {
        struct admin *a = arg;
        MHD_UNSIGNED_LONG_LONG ms;

        MHD_run(a->daemon);
        if (MHD_get_timeout(a->daemon, &ms) == MHD_YES)
                timer_after(&a->timer, (int64_t)MIN_OF(ms, 60000ull));
        else
                timer_cancel(&a->timer);
}

static void on_event(void *arg, int fd, int events) {
        run(arg);
}

void server_kick(struct admin *a) {
        if (!a->stopping)
                later_run(&a->run);
}

/* ---- routes */

/* libmicrohttpd hands on paths and queries as they were sent (keep_escaped), so that "%2F" is a
 * part of a name. */
static size_t keep_escaped(void *arg, struct MHD_Connection *connection, char *text) {
        return strlen(text);
}

static enum MHD_Result check_query(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
        struct request *q = arg;
        cleanup_(freep) char *plain = str_dup(value ? value : "");

        MHD_http_unescape(plain);
        for (size_t i = 0; q->route->query && q->route->query[i]; i++) {
                if (!str_eq(q->route->query[i], name))
                        continue;
                if (json_object_set_new(q->query, name, json_string(plain)) == 0)
                        return MHD_YES;
                q->reply = str_format("query parameter %s: not UTF-8", name);
                return MHD_NO;
        }
        q->reply = str_format("unknown query parameter \"%s\"", name);
        return MHD_NO;
}

static int check_share(const struct request *q, struct err *err) {
        size_t n = 0;

        list_each(link, &q->admin->requests)
                n += list_entry(link, struct request, link)->uid == q->uid;
        return n <= ADMIN_REQUESTS_PER_UID
                       ? 0
                       : err_set(err, -EAGAIN, "%s has %d requests waiting: end some", q->user,
                                 ADMIN_REQUESTS_PER_UID);
}

const char *server_group_of(const struct admin_options *o, enum role role) {
        const char *const groups[] = { "", o->viewer_group, o->operator_group, o->admin_group };

        return groups[role] ? groups[role] : "";
}

static int admit(struct request *q, const char *method, const char *path, struct err *err) {
        int r = connection_identify(q);

        if (r < 0)
                return err_set(err, -EACCES, "the socket does not say who asks");
        r = check_share(q, err);
        if (r >= 0)
                r = route_find(method, path, q->params, &q->route, err);
        if (r < 0)
                return r;
        q->action = q->route->action;
        if (q->role < q->route->access && !q->action)
                q->action = "read";
        MHD_get_connection_values(q->connection, MHD_GET_ARGUMENT_KIND, check_query, q);
        if (q->role < q->route->access)
                free(take_ptr(q->reply)); /* that it was wrong besides is told to who may ask */
        if (q->role < q->route->access)
                return err_set(err, -EACCES,
                               "%s needs the role %s, which the unix group %s gives; %s has %s",
                               str_eq(q->action, "read") ? "reading" : q->action,
                               request_role_name(q->route->access),
                               server_group_of(&q->admin->options, q->route->access), q->user,
                               request_role_name(q->role));
        if (q->reply) {
                err_set(err, -EINVAL, "%s", q->reply);
                free(take_ptr(q->reply));
                return -EINVAL;
        }
        return 0;
}

/* Known from the head, and not waited for. */
static bool announces_too_much(const struct request *q) {
        const char *length =
                MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Content-Length");

        return length && strtoull(length, NULL, 10) > ADMIN_BODY_MAX;
}

static int refuse_size(struct err *err) {
        return err_set(err, -E2BIG, "the body is larger than %u bytes", ADMIN_BODY_MAX);
}

static int take_key(struct request *q, struct err *err) {
        const char *key =
                MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Idempotency-Key");

        if (key && strlen(key) > ADMIN_KEY_MAX)
                return err_set(err, -EINVAL, "the Idempotency-Key is longer than %d bytes",
                               ADMIN_KEY_MAX);
        str_set(&q->key, key);
        return 0;
}

/* Shown and kept as it is: one line of text. */
static int take_reason(struct request *q, struct err *err) {
        const char *reason =
                MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Mooring-Reason");
        cleanup_(json_freep) json_t *text = json_string(reason);

        if (!reason || !*reason)
                return 0;
        if (!text || strlen(reason) > AUDIT_TEXT_MAX)
                return err_set(
                        err, -EINVAL,
                        "the reason (--reason, header Mooring-Reason) is UTF-8 of at most %d bytes",
                        AUDIT_TEXT_MAX);
        str_set(&q->reason, reason);
        return 0;
}

int request_decode(struct request *q, struct err *err) {
        q->data = mem_alloc(q->route->size + 1); /* a route without a body has no struct */
        return route_decode(q->route, q->body.data, q->body.len, &q->json, q->data, err);
}

/* ---- MHD's callbacks */

static enum MHD_Result send_reply(struct request *q) {
        struct MHD_Response *response;
        enum MHD_Result r;
        char status[8];

        snprintf(status, sizeof(status), "%u", q->status);
        metric_add(&requests, LABELS(status), 1);
        response = MHD_create_response_from_buffer(q->reply_len, q->reply, MHD_RESPMEM_PERSISTENT);
        MHD_add_response_header(response, "Content-Type", q->type);
        MHD_add_response_header(response, "Cache-Control", "no-store");
        r = MHD_queue_response(q->connection, q->status, response);
        MHD_destroy_response(response);
        return r;
}

static void handle(struct request *q, int r, const struct err *err) {
        q->unread = r < 0;
        if (r < 0)
                request_fail(q, r, err);
        else
                q->route->handler(q);
}

static void decode_work(void *arg) {
        struct request *q = arg;

        q->decoded = request_decode(q, &q->decode_err);
}

static void decode_done(void *arg) {
        struct request *q = arg;

        if (!q->gone) /* else nobody would hear of it */
                handle(q, q->decoded, &q->decode_err);
        request_unref(q);
}

static void begin(struct request *q) {
        struct err err = { 0 };
        int r;

        q->started = true;
        if (q->too_big) {
                r = refuse_size(&err);
                return request_fail(q, r, &err);
        }
        if (q->body.len <= DECODE_HERE_MAX) {
                r = request_decode(q, &err);
                return handle(q, r, &err);
        }
        request_ref(q);
        q->decoding = (struct job){ .loop = q->admin->options.loop,
                                    .work = decode_work,
                                    .done = decode_done,
                                    .arg = q,
                                    .name = "request body" };
        job_start(&q->decoding);
}

static enum MHD_Result handle_whole(struct request *q) {
        if (!q->started && !q->replied)
                begin(q);
        if (q->replied)
                return send_reply(q);
        if (q->stream)
                return stream_respond(q);
        q->suspended = true;
        MHD_suspend_connection(q->connection);
        return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state) {
        struct admin *a = arg;
        struct request *q = *state;
        struct err err = { 0 };
        int r;

        if (!q) {
                q = *state = mem_new(struct request);
                q->refs = 1;
                q->admin = a;
                a->refs++;
                q->query = json_object();
                q->connection = connection;
                list_append(&a->requests, &q->link);
                q->at_once = announces_too_much(q);
                r = take_reason(q, &err);
                if (r >= 0)
                        r = admit(q, method, url, &err);
                if (r >= 0)
                        r = take_key(q, &err);
                if (r >= 0 && q->at_once)
                        r = refuse_size(&err);
                if (r < 0)
                        request_fail(q, r, &err);
                return q->at_once ? send_reply(q) : MHD_YES;
        }
        if (*size) {
                if (q->body.len + *size > ADMIN_BODY_MAX)
                        q->too_big = true;
                else if (!q->replied && !q->started)
                        buf_add(&q->body, data, *size);
                *size = 0;
                return MHD_YES;
        }
        return handle_whole(q);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
        struct request *q = *state;

        if (!q)
                return;
        list_unlink(&q->link);
        q->gone = true;
        stream_free(q);
        request_unref(q);
        *state = NULL;
}

/* ---- the socket */

static int is_alive(const struct sockaddr_un *address) {
        cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static int listen_on(struct admin *a, struct err *err) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (str_copy(address.sun_path, sizeof(address.sun_path), a->socket) >=
            sizeof(address.sun_path))
                return err_set(err, -ENAMETOOLONG,
                               "socket %s: longer than %zu characters; --socket names another",
                               a->socket, sizeof(address.sun_path) - 1);
        if (is_alive(&address))
                return err_set(err, -EADDRINUSE, "socket %s: another daemon answers there",
                               a->socket);
        unlink(a->socket);
        a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* Anyone may connect: who it is decides what he may do. The folder may be closed more. */
        if (a->fd < 0 || bind(a->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            chmod(a->socket, 0666) < 0 || listen(a->fd, 128) < 0)
                return err_set(err, -errno, "socket %s: %s", a->socket, strerror(errno));
        return 0;
}

static int start_daemon(struct admin *a, struct err *err) {
        const union MHD_DaemonInfo *info;

        a->daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL, on_request,
                a, MHD_OPTION_LISTEN_SOCKET, a->fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                MHD_OPTION_NOTIFY_CONNECTION, connection_notify, a, MHD_OPTION_CONNECTION_LIMIT,
                (unsigned)ADMIN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                (unsigned)CONNECTION_IDLE_S, MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768, MHD_OPTION_END);
        info = a->daemon ? MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
        if (!info)
                return err_set(err, -EIO, "socket %s: libmicrohttpd cannot serve it", a->socket);
        return watcher_start(a->options.loop, "admin", info->epoll_fd, LOOP_READ, on_event, a,
                             &a->watcher, err);
}

int admin_new(const struct admin_options *o, struct admin **ret, struct err *err) {
        struct admin *a = mem_new(struct admin);
        int r;

        a->refs = 1;
        a->options = *o;
        a->clock_offset = clock_wall() - clock_mono();
        a->socket = str_dup(o->socket);
        a->fd = -1;
        list_init(&a->connections);
        list_init(&a->requests);
        list_init(&a->streams);
        timer_init(&a->timer, o->loop, "admin timeout", run, a);
        later_init(&a->run, o->loop, "admin run", run, a);
        peer_init(a);
        stream_init(a);
        request_audit_init(a);
        r = listen_on(a, err);
        if (r >= 0)
                r = start_daemon(a, err);
        if (r < 0) {
                admin_free(a);
                return r;
        }
        *ret = a;
        return 0;
}

/* Whoever still waits is told that the daemon stops. */
static void end_requests(struct admin *a) {
        struct err err = { .code = -EAGAIN, .text = "the daemon is stopping" };

        list_each(link, &a->requests) {
                struct request *q = list_entry(link, struct request, link);

                if (q->suspended && !q->stream)
                        request_fail(q, -EAGAIN, &err);
        }
}

struct admin *server_unref(struct admin *a) {
        if (!a || --a->refs)
                return NULL;
        peer_deinit(a);
        free(a->socket);
        free(a);
        return NULL;
}

struct admin *admin_free(struct admin *a) {
        if (!a)
                return NULL;
        a->stopping = true;
        if (a->daemon) {
                stream_end_all(a);
                end_requests(a);
                MHD_run(a->daemon);
        }
        if (a->watcher)
                a->watcher = watcher_stop(a->watcher);
        timer_cancel(&a->timer);
        later_cancel(&a->run);
        request_audit_deinit(a);
        if (a->daemon) {
                MHD_stop_daemon(a->daemon); /* closes the listening socket too */
                unlink(a->socket);
        } else if (a->fd >= 0) {
                close(a->fd);
        }
        stream_deinit(a);
        return server_unref(a);
}
