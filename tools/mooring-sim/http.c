/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - libmicrohttpd: requests in, answers, watch streams and upgrades out; see http.h
 *
 * A stream without news is suspended, and then libmicrohttpd does not notice that its client
 * left: so the connection is polled for hang-up meanwhile. */
#include "http.h"

#include "clock.h"
#include "exec.h"
#include "faults.h"
#include "loop.h"
#include "portforward.h"
#include "routes.h"
#include "upgrade.h"
#include "watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Connections at once: 100 kinds watched by several clients, with room. */
#define HTTP_CONNECTIONS_MAX 4000
#define HTTP_STREAM_BLOCK 65536 /* bytes given to a stream at a time */
#define HTTP_STOP_ROUNDS 50     /* turns to let ended streams finish in */

struct exchange {
        struct list entry; /* sim.delayed, while held back */
        struct sim *sim;
        struct MHD_Connection *connection;
        struct request request;
        bool too_large, delayed;
        int64_t due;
        struct watch *watch;
        bool suspended;
        struct poller hangup; /* while suspended */
};

/* --- answers */

static struct MHD_Response *response_of(const struct reply *reply) {
        /* check-style: banned: a reply needs no sorted members, and is on the hot path */
        char *text = reply->text ? str_dup(reply->text) : json_dumps(reply->body, JSON_COMPACT);
        size_t n = strlen(text);
        struct MHD_Response *response;

        if (!reply->text)
                text[n++] = '\n'; /* over the NUL: the length is given */
        response = MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE);
        MHD_add_response_header(response, "Content-Type",
                                reply->text ? "text/plain; charset=utf-8" : "application/json");
        return response;
}

static void add_headers(struct MHD_Response *response, const struct reply *reply) {
        char text[16];
        json_t *warning;
        size_t i;

        MHD_add_response_header(response, "Cache-Control", "no-cache, private");
        if (reply->retry_after) {
                snprintf(text, sizeof(text), "%d", reply->retry_after);
                MHD_add_response_header(response, "Retry-After", text);
        }
        json_array_foreach(reply->warnings, i, warning) {
                cleanup_(buf_free) struct buf quoted = BUF_INIT;

                buf_puts(&quoted, "299 - \"");
                for (const char *p = json_string_value(warning); *p; p++) {
                        if (*p == '"' || *p == '\\')
                                buf_putc(&quoted, '\\');
                        buf_putc(&quoted, *p);
                }
                buf_putc(&quoted, '"');
                MHD_add_response_header(response, "Warning", buf_str(&quoted));
        }
}

static enum MHD_Result send_reply(struct exchange *x, struct reply *reply) {
        struct MHD_Response *response = response_of(reply);
        enum MHD_Result r;

        add_headers(response, reply);
        r = MHD_queue_response(x->connection, (unsigned)reply->code, response);
        MHD_destroy_response(response);
        reply_deinit(reply);
        return r;
}

static int socket_of(struct exchange *x) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        return info ? info->connect_fd : -1;
}

/* The client sees a connection reset, not an end. */
static enum MHD_Result reset(struct exchange *x) {
        struct linger linger = { .l_onoff = 1, .l_linger = 0 };

        setsockopt(socket_of(x), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        return MHD_NO;
}

/* --- watch streams */

static void resume(struct exchange *x) {
        if (!x->suspended)
                return;
        x->suspended = false;
        x->sim->resumed = true;
        loop_remove(&x->hangup);
        MHD_resume_connection(x->connection);
}

static void on_wake(void *arg) {
        resume(arg);
}

static void on_hangup(struct poller *p, short events) {
        struct exchange *x = container_of(p, struct exchange, hangup);

        if (x->watch)
                x->watch->over = x->watch->broken = true;
        resume(x);
}

static void suspend(struct exchange *x) {
        x->suspended = true;
        x->hangup = (struct poller){ .fd = socket_of(x), .events = POLLRDHUP, .ready = on_hangup };
        loop_add(x->sim, &x->hangup);
        MHD_suspend_connection(x->connection);
}

static ssize_t read_stream(void *arg, uint64_t position, char *to, size_t size) {
        struct exchange *x = arg;
        size_t n = watch_take(x->watch, to, size);

        if (n)
                return (ssize_t)n;
        if (x->watch->over)
                return x->watch->broken ? MHD_CONTENT_READER_END_WITH_ERROR
                                        : MHD_CONTENT_READER_END_OF_STREAM;
        suspend(x);
        return 0;
}

static enum MHD_Result start_watch(struct exchange *x) {
        struct reply reply = { 0 };
        struct MHD_Response *response;
        enum MHD_Result r;

        x->watch = watch_new(x->sim, &x->request, &reply);
        if (!x->watch)
                return send_reply(x, &reply);
        x->watch->wake = on_wake;
        x->watch->arg = x;
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK,
                                                     read_stream, x, NULL);
        MHD_add_response_header(response, "Content-Type", "application/json");
        MHD_add_response_header(response, "Cache-Control", "no-cache, private");
        r = MHD_queue_response(x->connection, 200, response);
        MHD_destroy_response(response);
        return r;
}

/* --- requests */

static const char *header(struct exchange *x, const char *name) {
        return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result take_query(void *arg, enum MHD_ValueKind kind, const char *key,
                                  const char *value) {
        json_object_set_new(arg, key, json_string(value ? value : ""));
        return MHD_YES;
}

static void read_head(struct exchange *x, const char *url, const char *method) {
        struct request *q = &x->request;

        q->method = method;
        q->path = url;
        q->content_type = header(x, "Content-Type");
        q->accept = header(x, "Accept");
        q->user_agent = header(x, "User-Agent");
        q->authorization = header(x, "Authorization");
        if (q->query)
                return;
        q->query = json_object();
        MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, take_query, q->query);
}

/* A review of rights is a POST, a dry run what it would be: neither leaves anything behind. */
static bool writes(const struct request *q) {
        return !str_eq(q->method, "GET") && !json_get(q->query, "dryRun") &&
               !str_starts(q->path, "/apis/authorization.k8s.io/");
}

static enum MHD_Result answer(struct exchange *x) {
        struct request *q = &x->request;
        struct reply reply = { 0 };

        x->sim->stats.requests++;
        x->sim->stats.writes += writes(q);
        if (x->too_large) {
                reply_status(&reply, 413, "RequestEntityTooLarge", json_object(),
                             "Request entity too large: limit is %u", REQUEST_BODY_MAX);
                return send_reply(x, &reply);
        }
        switch (faults_hit(x->sim, q, &reply)) {
        case FAULTS_RESET:
                return reset(x);
        case FAULTS_ANSWERED:
                return send_reply(x, &reply);
        default:
                break;
        }
        switch (routes_handle(x->sim, q, &reply)) {
        case ROUTES_WATCH:
                return start_watch(x);
        case ROUTES_FORWARD:
                return portforward_start(x->sim, x->connection, q, &reply) ? MHD_YES
                                                                           : send_reply(x, &reply);
        case ROUTES_EXEC:
                return exec_start(x->sim, x->connection, q, &reply) ? MHD_YES
                                                                    : send_reply(x, &reply);
        default:
                return send_reply(x, &reply);
        }
}

static enum MHD_Result hold_back(struct exchange *x) {
        x->delayed = true;
        x->due = clock_mono() + x->sim->faults.latency_ms;
        list_append(&x->sim->delayed, &x->entry);
        MHD_suspend_connection(x->connection);
        return MHD_YES;
}

static void take_body(struct exchange *x, const char *data, size_t size) {
        if (x->request.body.len + size > REQUEST_BODY_MAX)
                x->too_large = true;
        else
                buf_add(&x->request.body, data, size);
}

/* Called with the head, then with pieces of the body, then once more without any. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state) {
        struct exchange *x = *state;

        if (!x) {
                x = mem_new(struct exchange);
                x->sim = arg;
                x->connection = connection;
                list_init(&x->entry);
                *state = x;
                return MHD_YES;
        }
        if (*size) {
                take_body(x, data, *size);
                *size = 0;
                return MHD_YES;
        }
        if (x->sim->faults.latency_ms && !x->delayed)
                return hold_back(x);
        read_head(x, url, method);
        return answer(x);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
        struct exchange *x = *state;

        if (!x)
                return;
        list_unlink(&x->entry);
        loop_remove(&x->hangup);
        watch_free(x->watch);
        routes_request_deinit(&x->request);
        free(x);
        *state = NULL;
}

/* --- the server */

struct http_poller {
        struct poller poller;
        struct sim *sim;
};

static struct http_poller server_poller;

static void on_server(struct poller *p, short events) {
        MHD_run(container_of(p, struct http_poller, poller)->sim->daemon);
}

static int read_listen(const char *text, struct sockaddr_in *ret, struct err *err) {
        const char *colon = strrchr(text, ':');
        cleanup_(freep) char *host = colon ? str_ndup(text, (size_t)(colon - text)) : NULL;
        int64_t port;

        *ret = (struct sockaddr_in){ .sin_family = AF_INET };
        if (!host || !str_to_int(colon + 1, &port) || port < 0 || port > 65535 ||
            inet_pton(AF_INET, host, &ret->sin_addr) != 1)
                return err_set(err, -EINVAL, "--listen: must be ADDRESS:PORT, is \"%s\"", text);
        if ((ntohl(ret->sin_addr.s_addr) >> 24) != 127)
                return err_set(err, -EINVAL, "--listen: the simulator listens on 127.0.0.0/8 only");
        ret->sin_port = htons((uint16_t)port);
        return 0;
}

static struct MHD_Daemon *start(struct sim *sim, struct sockaddr_in *address) {
        unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE;
        bool tls = sim->options.certificate;
        struct MHD_OptionItem extra[] = {
                { MHD_OPTION_HTTPS_MEM_CERT, 0, sim->options.certificate },
                { MHD_OPTION_HTTPS_MEM_KEY, 0, sim->options.key },
                { MHD_OPTION_END, 0, NULL },
        };
        static struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

        return MHD_start_daemon(flags | (tls ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, sim,
                                MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_CONNECTION_LIMIT,
                                HTTP_CONNECTIONS_MAX, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                                sim, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(128 << 10),
                                MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_ARRAY,
                                tls ? extra : none, MHD_OPTION_END);
}

int http_start(struct sim *sim, struct err *err) {
        const union MHD_DaemonInfo *info;
        struct sockaddr_in address;
        char host[INET_ADDRSTRLEN];
        int r = read_listen(sim->options.listen, &address, err);

        if (r < 0)
                return r;
        sim->daemon = start(sim, &address);
        if (!sim->daemon)
                return err_set(err, -EADDRINUSE, "--listen: cannot serve on %s",
                               sim->options.listen);
        info = MHD_get_daemon_info(sim->daemon, MHD_DAEMON_INFO_BIND_PORT);
        inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
        sim->address = str_format("%s:%u", host, info->port);
        info = MHD_get_daemon_info(sim->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        server_poller = (struct http_poller){
                { .fd = info->epoll_fd, .events = POLLIN, .ready = on_server }, sim
        };
        loop_add(sim, &server_poller.poller);
        return 0;
}

static void release_delayed(struct sim *sim, int64_t now) {
        list_each(e, &sim->delayed) {
                struct exchange *x = list_entry(e, struct exchange, entry);

                if (x->due > now)
                        continue;
                list_unlink(&x->entry);
                MHD_resume_connection(x->connection);
        }
}

int64_t http_tick(struct sim *sim) {
        int64_t now = clock_mono(), next = -1;
        MHD_UNSIGNED_LONG_LONG timeout;

        release_delayed(sim, now);
        sim->resumed = false;
        MHD_run(sim->daemon);
        if (sim->resumed)
                return now;
        list_each(e, &sim->delayed) {
                const struct exchange *x = list_entry(e, struct exchange, entry);

                if (next < 0 || x->due < next)
                        next = x->due;
        }
        if (MHD_get_timeout(sim->daemon, &timeout) == MHD_YES &&
            (next < 0 || now + (int64_t)timeout < next))
                next = now + (int64_t)timeout;
        return next;
}

void http_stop(struct sim *sim) {
        if (!sim->daemon)
                return;
        upgrade_stop_all(sim);
        /* A client whose stream ends asks again at once, on a connection that it has. */
        for (int i = 0; i < HTTP_STOP_ROUNDS; i++) {
                watch_end_all(sim, 0);
                release_delayed(sim, INT64_MAX);
                MHD_run(sim->daemon);
        }
        loop_remove(&server_poller.poller);
        MHD_stop_daemon(sim->daemon);
        sim->daemon = NULL;
}
