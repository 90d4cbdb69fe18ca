/* SPDX-License-Identifier: Apache-2.0 */
/* metrics-server.c - the listener of metrics on TCP; see metrics-server.h
 *
 *      its thread: accept, TLS, who is it? ─▶ suspended ─▶ on `waiting`, event ─┐
 *      the loop:                    resumed ◀─ text ◀─ metrics_gather ◀─────────┘
 *
 * A scrape is held twice: by its connection, in libmicrohttpd's thread, and by the loop from the
 * moment it waits until its text is there. `lock` guards the lists and what both write. Files are
 * replaced by starting a second libmicrohttpd on the same socket and ending the first. */
#include "metrics-server.h"

#include "list.h"
#include "log.h"
#include "metric.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATH "/metrics"
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static struct metric answers = { .name = "mooring_metrics_requests_total",
                                 .help = "Requests to the metrics' TCP address, by whether they "
                                         "were answered; refused ones are counted at the next "
                                         "that is answered",
                                 .type = METRIC_COUNTER,
                                 .labels = { { "result" } } };
static struct metric expiry = { .name = "mooring_metrics_certificate_expiry_timestamp_seconds",
                                .help = "When the certificate of the metrics' TCP address ends",
                                .type = METRIC_GAUGE };
static char *shown; /* PEM: the certificate of the newest listener, or NULL */

struct listener { /* one libmicrohttpd, with the files of its time */
        struct metrics_server *server;
        struct MHD_Daemon *daemon;
        struct metrics_files files;
        bool ends; /* nothing is suspended any more; under the lock */
};

struct scrape {
        struct list link; /* in waiting or gathering, while the loop is to do something */
        struct listener *listener;
        struct MHD_Connection *connection;
        int refs;  /* its connection's, and the loop's */
        bool sent; /* to the loop */
        bool over; /* the loop is through with it, or its listener ends */
        char *text;
};

struct metrics_server {
        struct metrics_server_options options;
        struct listener *listener;
        int socket, event;
        bool loopback;
        struct watcher *watcher;
        pthread_mutex_t lock;
        struct list waiting, gathering;
        size_t strangers, refused; /* answered with 401, with 404 or 405, and not counted yet */
};

static void unref(struct scrape *p) {
        if (--p->refs)
                return;
        free(p->text);
        free(p);
}

/* ---- libmicrohttpd's thread */

static bool has_certificate(const struct listener *l, struct MHD_Connection *connection) {
        const union MHD_ConnectionInfo *info =
                l->files.client_ca
                        ? MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)
                        : NULL;
        gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                          .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
        unsigned status = 0;

        if (!info || !gnutls_certificate_get_peers(info->tls_session, &status))
                return false;
        status = 0;
        return gnutls_certificate_verify_peers(info->tls_session, &purpose, 1, &status) == 0 &&
               status == 0;
}

static unsigned judge(const struct listener *l, struct MHD_Connection *c, const char *method,
                      const char *path) {
        const char *authorization =
                MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");

        if (!metrics_files_admit(&l->files, authorization) && !has_certificate(l, c))
                return 401;
        if (!str_eq(path, PATH))
                return 404;
        return str_eq(method, "GET") || str_eq(method, "HEAD") ? 200 : 405;
}

static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status, const char *type,
                                 const char *text) {
        struct MHD_Response *response =
                MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
        enum MHD_Result r;

        MHD_add_response_header(response, "Content-Type", type);
        MHD_add_response_header(response, "Cache-Control", "no-store");
        if (status == 401)
                MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
        if (status == 405)
                MHD_add_response_header(response, "Allow", "GET, HEAD");
        r = MHD_queue_response(c, status, response);
        MHD_destroy_response(response);
        return r;
}

static enum MHD_Result refuse(struct metrics_server *s, struct MHD_Connection *c, unsigned status) {
        static const char *const words[] = { [0] = "a token or a client certificate is needed\n",
                                             [1] = "here is GET " PATH " and nothing else\n" };

        pthread_mutex_lock(&s->lock);
        s->strangers += status == 401;
        s->refused += status != 401;
        pthread_mutex_unlock(&s->lock);
        return send_text(c, status, "text/plain", words[status != 401]);
}

/* False: its listener ends, and would find a connection suspended that it cannot let go. */
static bool wait_for_loop(struct scrape *p) {
        struct metrics_server *s = p->listener->server;
        bool ends;

        pthread_mutex_lock(&s->lock);
        ends = p->listener->ends;
        if (!ends) {
                MHD_suspend_connection(p->connection);
                p->refs++;
                p->sent = true;
                list_append(&s->waiting, &p->link);
        }
        pthread_mutex_unlock(&s->lock);
        if (!ends)
                eventfd_write(s->event, 1);
        return !ends;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state) {
        struct listener *l = arg;
        struct scrape *p = *state;
        unsigned status;

        if (!p) {
                status = judge(l, c, method, path);
                if (status != 200)
                        return refuse(l->server, c, status);
                p = *state = mem_new(struct scrape);
                p->refs = 1;
                p->listener = l;
                p->connection = c;
                return MHD_YES;
        }
        if (*size)
                return MHD_NO; /* what asks has no body */
        if (!p->sent && wait_for_loop(p))
                return MHD_YES;
        if (!p->text) /* the listener ends */
                return send_text(c, 503, "text/plain", "the daemon is stopping or reloading\n");
        return send_text(c, 200, METRICS_TYPE, p->text);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode code) {
        struct listener *l = arg;

        if (!*state)
                return;
        pthread_mutex_lock(&l->server->lock);
        unref(*state);
        pthread_mutex_unlock(&l->server->lock);
        *state = NULL;
}

/* ---- the loop */

static bool is_wanted(void *arg) {
        const struct scrape *p = arg;

        return !p->over; /* only the loop sets it */
}

/* Until it is resumed its connection stays, and with it P. */
static void on_text(void *arg, char *text) {
        struct scrape *p = arg;
        struct MHD_Connection *connection = p->connection;
        struct metrics_server *s;

        if (p->over) { /* with its listener, whose thread is no more */
                free(text);
                unref(p);
                return;
        }
        s = p->listener->server;
        pthread_mutex_lock(&s->lock);
        list_unlink(&p->link);
        p->text = text;
        p->over = true;
        unref(p);
        pthread_mutex_unlock(&s->lock);
        MHD_resume_connection(connection);
}

static void count(struct metrics_server *s) {
        metric_add(&answers, LABELS("unauthorized"), (double)s->strangers);
        metric_add(&answers, LABELS("refused"), (double)s->refused);
        s->strangers = s->refused = 0;
}

static void on_waiting(void *arg, int fd, int events) {
        struct metrics_server *s = arg;
        struct list *link;
        eventfd_t n;

        eventfd_read(fd, &n);
        pthread_mutex_lock(&s->lock);
        count(s);
        while ((link = list_pop(&s->waiting))) {
                list_append(&s->gathering, link);
                metric_add(&answers, LABELS("answered"), 1);
                metrics_gather(&s->options.parts, is_wanted, on_text,
                               list_entry(link, struct scrape, link));
        }
        pthread_mutex_unlock(&s->lock);
}

/* ---- listeners */

/* Taken off its list; *WAITED: nobody gathers for it. */
static struct scrape *take_one(struct listener *l, bool *waited) {
        struct list *const lists[] = { &l->server->waiting, &l->server->gathering };

        for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
                list_each(link, lists[i]) {
                        struct scrape *p = list_entry(link, struct scrape, link);

                        if (p->listener != l)
                                continue;
                        list_unlink(link);
                        *waited = i == 0;
                        return p;
                }
        return NULL;
}

/* libmicrohttpd may not be stopped while a connection is suspended. */
static void resume_all(struct listener *l) {
        struct metrics_server *s = l->server;
        struct MHD_Connection *connection;
        struct scrape *p;
        bool waited;

        do {
                pthread_mutex_lock(&s->lock);
                l->ends = true;
                p = take_one(l, &waited);
                if (p) {
                        connection = p->connection;
                        p->over = true;
                        if (waited)
                                unref(p);
                }
                pthread_mutex_unlock(&s->lock);
                if (p)
                        MHD_resume_connection(connection);
        } while (p);
}

/* No new ones come while those that are there are let go. */
static struct listener *listener_free(struct listener *l) {
        if (!l)
                return NULL;
        if (l->daemon) {
                int fd = MHD_quiesce_daemon(l->daemon);

                resume_all(l);
                MHD_stop_daemon(l->daemon);
                if (fd >= 0)
                        close(fd);
        }
        metrics_files_deinit(&l->files);
        free(l);
        return NULL;
}

static int start_daemon(struct listener *l, int fd, struct err *err) {
        const struct metrics_files *f = &l->files;
        struct MHD_OptionItem tls[] = {
                { MHD_OPTION_HTTPS_MEM_CERT, 0, f->certificate },
                { MHD_OPTION_HTTPS_MEM_KEY, 0, f->key },
                { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)PRIORITIES },
                { f->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, f->client_ca },
                { MHD_OPTION_END, 0, NULL },
        };
        struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

        l->daemon = MHD_start_daemon(
                MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                        (f->certificate ? MHD_USE_TLS : 0u),
                0, NULL, NULL, on_request, l, MHD_OPTION_LISTEN_SOCKET, fd,
                MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_CONNECTION_LIMIT,
                (unsigned)METRICS_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                (unsigned)METRICS_CONNECTIONS_PER_IP, MHD_OPTION_CONNECTION_TIMEOUT,
                (unsigned)METRICS_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384,
                MHD_OPTION_ARRAY, f->certificate ? tls : none, MHD_OPTION_END);
        return l->daemon ? 0 : err_set(err, -EIO, "metrics-address: libmicrohttpd cannot serve it");
}

/* The files as they are now, on the socket that is there. */
static int listener_new(struct metrics_server *s, const struct metrics_paths *p,
                        struct listener **ret, struct err *err) {
        struct listener *l = mem_new(struct listener);
        int fd = -1, r;

        l->server = s;
        r = metrics_files_read(p, s->loopback, &l->files, err);
        if (r >= 0) {
                fd = fcntl(s->socket, F_DUPFD_CLOEXEC, 0);
                r = fd < 0 ? err_set(err, -errno, "metrics-address: %s", strerror(errno))
                           : start_daemon(l, fd, err);
        }
        if (r < 0) {
                closep(&fd);
                listener_free(l);
                return r;
        }
        if (l->files.expires)
                metric_set(&expiry, NULL, (double)l->files.expires);
        else
                metric_clear(&expiry);
        str_set(&shown, l->files.certificate);
        *ret = l;
        return 0;
}

/* ---- the socket */

struct place {
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        } at;
        socklen_t size;
        bool loopback;
};

static bool read_host(char *host, struct place *ret) {
        size_t n = strlen(host);

        if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
                host[n - 1] = '\0';
                ret->at.v6.sin6_family = AF_INET6;
                ret->size = sizeof(ret->at.v6);
                if (inet_pton(AF_INET6, host + 1, &ret->at.v6.sin6_addr) != 1)
                        return false;
                ret->loopback = IN6_IS_ADDR_LOOPBACK(&ret->at.v6.sin6_addr);
                return true;
        }
        ret->at.v4.sin_family = AF_INET;
        ret->size = sizeof(ret->at.v4);
        if (inet_pton(AF_INET, host, &ret->at.v4.sin_addr) != 1)
                return false;
        ret->loopback = ntohl(ret->at.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
        return true;
}

static int read_address(const char *text, struct place *ret, struct err *err) {
        cleanup_(freep) char *host = str_dup(text);
        char *colon = strrchr(host, ':');
        int64_t port = -1;

        if (colon)
                *colon = '\0';
        if (!colon || !str_to_int(colon + 1, &port) || port < 0 || port > 65535 ||
            !read_host(host, ret))
                return err_set(err, -EINVAL,
                               "metrics-address \"%s\": wanted is ADDRESS:PORT in numbers, as "
                               "0.0.0.0:9478 or [::1]:9478",
                               text);
        ret->at.v4.sin_port = htons((uint16_t)port); /* at the same place in both */
        return 0;
}

int metrics_server_check(const char *address, const struct metrics_paths *p, struct err *err) {
        cleanup_(metrics_files_deinit) struct metrics_files files = { 0 };
        struct place place = { 0 };
        int r = read_address(address, &place, err);

        return r < 0 ? r : metrics_files_read(p, place.loopback, &files, err);
}

static int bind_to(struct metrics_server *s, struct err *err) {
        const char *text = s->options.address;
        struct place place = { 0 };
        int r = read_address(text, &place, err), on = 1;

        if (r < 0)
                return r;
        s->loopback = place.loopback;
        s->socket = socket(place.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->socket < 0 || setsockopt(s->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            bind(s->socket, &place.at.any, place.size) < 0 || listen(s->socket, 64) < 0)
                return err_set(err, -errno, "metrics-address %s: %s", text, strerror(errno));
        return 0;
}

static void say_where(const struct metrics_server *s) {
        struct place place = { .size = sizeof(place.at) };
        char host[INET6_ADDRSTRLEN] = "?";
        bool six;

        if (getsockname(s->socket, &place.at.any, &place.size) < 0)
                return;
        six = place.at.any.sa_family == AF_INET6;
        inet_ntop(place.at.any.sa_family,
                  six ? (const void *)&place.at.v6.sin6_addr : &place.at.v4.sin_addr, host,
                  sizeof(host));
        log_plain(LOG_NOTICE, "metrics", "metrics are served at %s://%s%s%s:%u%s",
                  s->listener->files.certificate ? "https" : "http", six ? "[" : "", host,
                  six ? "]" : "", ntohs(place.at.v4.sin_port), PATH);
}

/* ---- life */

static int start(struct metrics_server *s, struct err *err) {
        int r = bind_to(s, err);

        if (r < 0)
                return r;
        s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (s->event < 0)
                return err_set(err, -errno, "metrics-address: %s", strerror(errno));
        r = watcher_start(s->options.loop, "metrics", s->event, LOOP_READ, on_waiting, s,
                          &s->watcher, err);
        return r < 0 ? r : listener_new(s, &s->options.paths, &s->listener, err);
}

int metrics_server_new(const struct metrics_server_options *o, struct metrics_server **ret,
                       struct err *err) {
        struct metrics_server *s = mem_new(struct metrics_server);
        int r;

        s->options = *o;
        s->socket = s->event = -1;
        pthread_mutex_init(&s->lock, NULL);
        list_init(&s->waiting);
        list_init(&s->gathering);
        r = start(s, err);
        s->options.address = NULL; /* borrowed until here, as the paths */
        s->options.paths = (struct metrics_paths){ 0 };
        if (r < 0) {
                metrics_server_free(s);
                return r;
        }
        say_where(s);
        *ret = s;
        return 0;
}

int metrics_server_reload(struct metrics_server *s, const struct metrics_paths *p,
                          struct err *err) {
        struct listener *fresh;
        int r = listener_new(s, p, &fresh, err);

        if (r < 0)
                return r;
        listener_free(s->listener);
        s->listener = fresh;
        return 0;
}

struct metrics_server *metrics_server_free(struct metrics_server *s) {
        if (!s)
                return NULL;
        listener_free(s->listener);
        if (s->watcher)
                s->watcher = watcher_stop(s->watcher);
        closep(&s->event);
        closep(&s->socket);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}

const char *metrics_server_certificate(void) {
        return shown;
}

int64_t metrics_server_expiry(void) {
        return (int64_t)metric_value(&expiry, NULL);
}
