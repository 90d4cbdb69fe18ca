/* SPDX-License-Identifier: Apache-2.0 */
/* server-internal.h - what server.c, server-io.c and server-ws.c share */
#pragma once

#include "list.h"
#include "server.h"

#include <openssl/ssl.h>
#include <pthread.h>

#define SERVER_HEADERS_MAX 64
#define SERVER_GATES_MAX 16

struct server_route {
        char *method, *path;
        server_fn *fn;
        void *arg;
        struct list link;
};

struct server_connection {
        struct server *server;
        int fd;
        SSL *ssl;
        pthread_t thread;
        int number;
        struct buf in; /* read and not used yet */
        bool closed;   /* no further request on it */
        bool mute;
        char *headers[SERVER_HEADERS_MAX];
        size_t headers_n;
        struct list link;
};

struct server {
        int listen_fd;
        int port;
        char *url, *unix_path;
        SSL_CTX *tls;
        pthread_t acceptor;
        pthread_mutex_t lock; /* all below, and the fds of connections */
        pthread_cond_t changed;
        bool stopping, one_request;
        size_t requests, connections, waiting;
        char *gates[SERVER_GATES_MAX];
        size_t gates_n;
        struct list routes;
        struct list open;
        server_fn *raw;
        void *raw_arg;
};

/* server-io.c */
ssize_t server_io_read(struct server_connection *c, void *data, size_t size);
bool server_io_write(struct server_connection *c, const void *data, size_t len);
bool server_io_fill(struct server_connection *c); /* some more bytes into IN; false at the end */
SSL_CTX *server_io_tls(const struct server_config *c);
