/* SPDX-License-Identifier: Apache-2.0 */
/* server.c - a scripted HTTP/1.1 server on loopback; see server.h
 *
 * A connection's thread reads a request, finds the newest route that matches, calls its handler,
 * and goes on with the next request. server_free shuts every socket down, which ends the threads
 * wherever they wait. */
#include "server-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX (1u << 20)
#define BODY_MAX (64u << 20)
#define LOOK_MS 20 /* how often a waiting handler looks whether its client left */

/* ---- one request */

static void clear_headers(struct server_connection *c) {
        while (c->headers_n)
                free(c->headers[--c->headers_n]);
}

static const char *header_of(const struct server_connection *c, const char *name) {
        size_t n = strlen(name);

        for (size_t i = 0; i < c->headers_n; i++) {
                const char *h = c->headers[i];

                if (strncasecmp(h, name, n) == 0 && h[n] == ':') {
                        h += n + 1;
                        return h + strspn(h, " ");
                }
        }
        return NULL;
}

const char *server_header(const struct server_call *c, const char *name) {
        return header_of(c->on, name);
}

/* Takes the head out of IN: the first line into RET, the rest into the headers. */
static bool read_head(struct server_connection *c, char **ret_line) {
        char *end;
        char *save = NULL;
        char *head;

        while (!c->in.data || !(end = strstr(c->in.data, "\r\n\r\n")))
                if (c->in.len > HEAD_MAX || !server_io_fill(c))
                        return false;
        head = str_ndup(c->in.data, (size_t)(end - c->in.data));
        buf_skip(&c->in, (size_t)(end - c->in.data) + 4);
        clear_headers(c);
        *ret_line = str_dup(strtok_r(head, "\r\n", &save));
        for (char *line;
             c->headers_n < SERVER_HEADERS_MAX && (line = strtok_r(NULL, "\r\n", &save));)
                c->headers[c->headers_n++] = str_dup(line);
        free(head);
        return *ret_line != NULL;
}

static bool read_chunks(struct server_connection *c, struct buf *body) {
        for (;;) {
                char *end;
                size_t n;

                while (!c->in.data || !(end = strstr(c->in.data, "\r\n")))
                        if (!server_io_fill(c))
                                return false;
                n = strtoul(c->in.data, NULL, 16);
                buf_skip(&c->in, (size_t)(end - c->in.data) + 2);
                while (c->in.len < n + 2)
                        if (n > BODY_MAX || !server_io_fill(c))
                                return false;
                buf_add(body, c->in.data, n);
                buf_skip(&c->in, n + 2);
                if (n == 0)
                        return true;
        }
}

static bool read_body(struct server_connection *c, struct buf *body) {
        const char *length = header_of(c, "Content-Length");
        const char *coding = header_of(c, "Transfer-Encoding");
        size_t n = length ? strtoul(length, NULL, 10) : 0;

        if (coding && strcasecmp(coding, "chunked") == 0)
                return read_chunks(c, body);
        while (c->in.len < n)
                if (n > BODY_MAX || !server_io_fill(c))
                        return false;
        if (n) {
                buf_add(body, c->in.data, n);
                buf_skip(&c->in, n);
        }
        return true;
}

static bool matches(const struct server_route *r, const char *method, const char *path) {
        size_t n = strlen(r->path);

        if (r->method && strcmp(r->method, method) != 0)
                return false;
        if (n && r->path[n - 1] == '*')
                return strncmp(r->path, path, n - 1) == 0;
        return strcmp(r->path, path) == 0;
}

static void answer(struct server_call *c) {
        struct server *s = c->server;
        server_fn *fn = NULL;
        void *arg = NULL;

        pthread_mutex_lock(&s->lock);
        c->number = (int)++s->requests;
        list_each(pos, &s->routes) {
                struct server_route *r = list_entry(pos, struct server_route, link);

                if (matches(r, c->method, c->path)) {
                        fn = r->fn;
                        arg = r->arg;
                        break;
                }
        }
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        if (fn)
                fn(c, arg);
        else
                server_reply(c, 404, NULL, "no such route");
}

static bool serve_one(struct server_connection *on) {
        cleanup_(buf_free) struct buf body = BUF_INIT;
        cleanup_(freep) char *line = NULL;
        struct server_call c = { .server = on->server, .connection = on->number, .on = on };
        char *save = NULL;
        char *query;
        char *path;

        if (!read_head(on, &line) || !read_body(on, &body))
                return false;
        c.method = strtok_r(line, " ", &save);
        path = strtok_r(NULL, " ", &save);
        if (!c.method || !path)
                return false;
        query = strchr(path, '?');
        if (query)
                *query++ = '\0';
        c.path = path;
        c.query = query ? query : "";
        c.body = buf_str(&body);
        c.body_len = body.len;
        answer(&c);
        return !on->closed && !on->server->one_request;
}

/* ---- connections */

static void close_connection(struct server_connection *c) {
        pthread_mutex_lock(&c->server->lock);
        if (c->fd >= 0)
                close(c->fd);
        c->fd = -1;
        pthread_mutex_unlock(&c->server->lock);
}

static void *connection_main(void *arg) {
        struct server_connection *c = arg;
        struct server *s = c->server;
        struct server_call call = { .server = s, .connection = c->number, .on = c };
        char rest[256];

        if (s->tls) {
                c->ssl = SSL_new(s->tls);
                SSL_set_fd(c->ssl, c->fd);
        }
        if (c->ssl && SSL_accept(c->ssl) != 1) {
                /* Read on until the client leaves: closing now would be a RST, which may overtake
                 * our alert. */
                while (recv(c->fd, rest, sizeof(rest), 0) > 0)
                        ;
        } else {
                if (s->raw)
                        s->raw(&call, s->raw_arg);
                else
                        while (serve_one(c))
                                ;
        }
        if (c->ssl && c->fd >= 0)
                SSL_shutdown(c->ssl);
        close_connection(c);
        return NULL;
}

static void *acceptor_main(void *arg) {
        struct server *s = arg;
        int fd;

        while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EINTR ||
               errno == ECONNABORTED) {
                struct server_connection *c;

                if (fd < 0)
                        continue;
                c = mem_new(struct server_connection);
                c->server = s;
                c->fd = fd;
                pthread_mutex_lock(&s->lock);
                c->number = (int)++s->connections;
                list_append(&s->open, &c->link);
                pthread_cond_broadcast(&s->changed);
                if (s->stopping)
                        shutdown(fd, SHUT_RDWR);
                pthread_create(&c->thread, NULL, connection_main, c);
                pthread_mutex_unlock(&s->lock);
        }
        return NULL;
}

static void connection_free(struct server_connection *c) {
        pthread_join(c->thread, NULL);
        SSL_free(c->ssl);
        clear_headers(c);
        buf_free(&c->in);
        list_unlink(&c->link);
        free(c);
}

/* ---- the server */

static int listen_unix(const char *path) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        str_copy(a.sun_path, sizeof(a.sun_path), path);
        unlink(path);
        if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
                abort();
        return fd;
}

static int listen_port(int *ret_port) {
        struct sockaddr_in a = { .sin_family = AF_INET };
        socklen_t n = sizeof(a);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
            getsockname(fd, (struct sockaddr *)&a, &n) < 0)
                abort();
        *ret_port = ntohs(a.sin_port);
        return fd;
}

struct server *server_new(const struct server_config *config) {
        static const struct server_config plain;
        const struct server_config *c = config ? config : &plain;
        struct server *s = mem_new(struct server);

        signal(SIGPIPE, SIG_IGN);
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->changed, NULL);
        list_init(&s->routes);
        list_init(&s->open);
        s->one_request = c->one_request;
        s->raw = c->raw;
        s->raw_arg = c->raw_arg;
        s->unix_path = str_dup(c->unix_path);
        s->tls = c->cert_pem ? server_io_tls(c) : NULL;
        s->listen_fd = c->unix_path ? listen_unix(c->unix_path) : listen_port(&s->port);
        if (listen(s->listen_fd, 512) < 0)
                abort();
        s->url = c->unix_path ? str_dup("http://localhost")
                              : str_format("%s://127.0.0.1:%d", s->tls ? "https" : "http", s->port);
        pthread_create(&s->acceptor, NULL, acceptor_main, s);
        return s;
}

struct server *server_free(struct server *s) {
        if (!s)
                return NULL;
        pthread_mutex_lock(&s->lock);
        s->stopping = true;
        shutdown(s->listen_fd, SHUT_RDWR);
        list_each(pos, &s->open) {
                struct server_connection *c = list_entry(pos, struct server_connection, link);

                if (c->fd >= 0)
                        shutdown(c->fd, SHUT_RDWR);
        }
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->acceptor, NULL);
        close(s->listen_fd);
        list_each(pos2, &s->open) {
                connection_free(list_entry(pos2, struct server_connection, link));
        }
        for (struct list *pos3; (pos3 = list_pop(&s->routes));) {
                struct server_route *r = list_entry(pos3, struct server_route, link);

                free(r->method);
                free(r->path);
                free(r);
        }
        while (s->gates_n)
                free(s->gates[--s->gates_n]);
        if (s->unix_path)
                unlink(s->unix_path);
        SSL_CTX_free(s->tls);
        free(s->unix_path);
        free(s->url);
        free(s);
        return NULL;
}

const char *server_url(const struct server *s) {
        return s->url;
}

int server_port(const struct server *s) {
        return s->port;
}

void server_route(struct server *s, const char *method, const char *path, server_fn *fn,
                  void *arg) {
        struct server_route *r = mem_new(struct server_route);

        r->method = str_dup(method);
        r->path = str_dup(path);
        r->fn = fn;
        r->arg = arg;
        pthread_mutex_lock(&s->lock);
        list_prepend(&s->routes, &r->link);
        pthread_mutex_unlock(&s->lock);
}

static size_t locked(struct server *s, const size_t *what) {
        size_t n;

        pthread_mutex_lock(&s->lock);
        n = *what;
        pthread_mutex_unlock(&s->lock);
        return n;
}

size_t server_requests(struct server *s) {
        return locked(s, &s->requests);
}

size_t server_connections(struct server *s) {
        return locked(s, &s->connections);
}

size_t server_waiting(struct server *s) {
        return locked(s, &s->waiting);
}

/* ---- gates */

static size_t find_gate(const struct server *s, const char *gate) {
        for (size_t i = 0; i < s->gates_n; i++)
                if (strcmp(s->gates[i], gate) == 0)
                        return i;
        return SERVER_GATES_MAX;
}

void server_open(struct server *s, const char *gate) {
        pthread_mutex_lock(&s->lock);
        if (find_gate(s, gate) == SERVER_GATES_MAX && s->gates_n < SERVER_GATES_MAX)
                s->gates[s->gates_n++] = str_dup(gate);
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
}

void server_shut(struct server *s, const char *gate) {
        size_t i;

        pthread_mutex_lock(&s->lock);
        i = find_gate(s, gate);
        if (i < SERVER_GATES_MAX) {
                free(s->gates[i]);
                s->gates[i] = s->gates[--s->gates_n];
        }
        pthread_mutex_unlock(&s->lock);
}

static bool client_left(const struct server_connection *c) {
        struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

        return poll(&p, 1, LOOK_MS) > 0;
}

bool server_wait(struct server_call *c, const char *gate) {
        struct server *s = c->server;
        bool open = false;
        bool left = false;

        pthread_mutex_lock(&s->lock);
        s->waiting++;
        while (!open && !left) {
                open = gate && find_gate(s, gate) < SERVER_GATES_MAX;
                pthread_mutex_unlock(&s->lock);
                left = !open && client_left(c->on);
                pthread_mutex_lock(&s->lock);
                left = left || s->stopping;
        }
        s->waiting--;
        pthread_mutex_unlock(&s->lock);
        if (left)
                c->on->closed = true;
        return open && !left;
}

void server_hold(struct server_call *c) {
        server_wait(c, NULL);
}
