/* SPDX-License-Identifier: Apache-2.0 */
/* http-internal.h - what the files of this layer share
 *
 *      http_request (the caller's) --private--> exchange
 *              --> transfer (ours) --> easy handle, in the multi of a lane
 *
 * A request may be freed inside a curl callback, where curl allows no removal: the transfer then
 * stays, without its request, until curl has returned. */
#pragma once

#include "http.h"

#include <curl/curl.h>

#define HTTP_TOTAL_MS 60000
/* A whole reply head; a kube-apiserver's has 500 bytes, an identity provider's a few thousand. */
#define HTTP_HEAD_MAX (256u << 10)
/* A server that says "next week" is asked again within the hour. */
#define HTTP_RETRY_AFTER_MAX_MS 3600000
/* HTTP/1.1 has one request a connection. Requests: what keeps a server with 8 to 32 workers busy.
 * Watches and tunnels hold theirs: as many as half the usual limit of descriptors. */
#define HTTP_ONE_REQUESTS_MAX 32
#define HTTP_ONE_STREAMS_MAX 512
#define HTTP_IDLE_CONNECTIONS 64 /* kept open for the next request, of all servers of a lane */
#define HTTP_SPARE_HANDLES 64    /* easy handles kept for reuse: 5 kB each */
#define HTTP_KEEPALIVE_S 30L
/* Sent bytes that nobody acknowledges: the kernel ends the connection, so that requests on it are
 * not one by one found dead by their first-byte deadline. */
#define HTTP_UNACKED_MS 15000
/* Connections of an HTTP/2 lane whose first bytes of a turn go out together; others send as curl
 * writes. */
#define HTTP_HELD_MAX 32
/* What streams hand on in one turn of the loop; curl brings a whole page of a list in one. */
#define HTTP_SLICE_US 2000
#define HTTP_BACKLOG_MAX (8u << 20) /* beyond, memory counts for more than the turn */

/* One curl multi. Each pool has two: one for servers that speak HTTP/2, with a low limit of
 * connections that many streams share, and one for those that do not, where each stream needs a
 * connection. */
struct lane {
        struct http *http;
        enum http_pool pool;
        bool one; /* HTTP/1.1 */
        CURLM *curl;
        struct timer timer;
        struct later soon;
        int inside;        /* within curl: no adding, no removing */
        int64_t inside_us; /* since when */
        /* a server turned out to speak HTTP/1.1: its unstarted transfers change lanes */
        bool move;
        bool fresh;              /* transfers were added that send in the next turn */
        int held[HTTP_HELD_MAX]; /* HTTP/2: descriptors of its connections */
        size_t held_n;
        struct list running; /* transfers in CURL */
        struct list waiting; /* to be added once curl has returned */
        struct list dropped; /* cancelled within curl, to be removed */
};

struct http {
        struct loop *loop;
        struct lane lanes[HTTP_POOL_MAX][2];
        size_t expected[HTTP_POOL_MAX];
        CURL *spare[HTTP_SPARE_HANDLES];
        size_t spare_n;
        size_t busy; /* transfers that are not released yet */
        int fault_left;
        enum http_end fault_end;
};

struct http_server {
        unsigned refs;
        char *url;       /* what curl gets: with tls_name as its host */
        char *authority; /* host:port or the socket's path: for messages */
        char *host;      /* value of a Host header, when tls_name hides the real one */
        char *connect_to;
        char *unix_socket, *proxy, *user_agent, *header;
        char *ca_pem, *cert_pem, *key_pem;
        bool any_name, insecure, tls;
        bool one; /* learned: speaks HTTP/1.1 only */
        void (*authorize)(void *arg, struct buf *ret_value);
        void *arg;
};

struct transfer {
        struct http_request *request; /* NULL: cancelled, or a WebSocket's */
        struct lane *lane;
        CURL *easy;
        struct http_server *server;
        struct curl_slist *headers;
        struct curl_slist *connect_to;
        struct timer total, gap;
        int64_t last_byte;
        bool tried_fresh;
        int attempts;    /* times it was about to be sent; counted when it is not repeatable */
        bool repeatable; /* its method does the same when it is done twice */
        bool streaming;  /* 2xx and on_data */
        bool in_head, head_done;
        bool lose_reply;   /* http_fault */
        enum http_end end; /* when END_SET */
        bool end_set;
        struct err err;
        char text[CURL_ERROR_SIZE];
        /* WebSockets: called when the connection is there, or failed; the handle stays in its
         * multi */
        void (*connected)(void *arg, CURLcode code, const char *text);
        void *arg;
        struct list link;
};

/* Of a request: lives until http_deinit, or the next http_start. */
struct exchange {
        struct http *http;
        struct transfer *transfer; /* NULL once it ended */
        struct later soon;         /* calls done */
        struct buf backlog;        /* of the body: what a turn of the loop had no time for */
        size_t fed;                /* of it, handed on */
        struct later feed;         /* hands on the rest */
        bool ended;                /* done waits for the backlog */
        bool *gone;                /* told when the request is cancelled by whom it is fed to */
        char *headers;             /* "name\0value\0" one after the other */
        size_t headers_len, headers_room;
        size_t offsets[HTTP_HEADERS_MAX];
        size_t headers_n;
        int64_t began_us;
        bool *blocking_ended; /* http_blocking: set instead of calling done */
};

/* http.c */
struct lane *http_lane(struct http *h, enum http_pool pool, const struct http_server *s);
void http_lane_add(struct transfer *t);
/* A descriptor of one of its connections, from opening it to closing it. */
void http_lane_opened(struct lane *l, int fd);
void http_lane_closed(struct lane *l, int fd);
void http_lane_drop(struct transfer *t);  /* takes it out and releases it, as soon as curl allows */
void http_lane_again(struct transfer *t); /* starts it anew on a fresh connection */
CURL *http_easy_get(struct http *h);

/* http-easy.c */
void http_easy_server(struct transfer *t);
void http_easy_request(struct transfer *t, const struct http_request *r);
/* What is wrong with R, or 0. */
int http_easy_check(const struct http_request *r, struct err *err);
void http_easy_wipe_list(struct curl_slist *l);

/* http-request.c */
size_t http_on_header(char *data, size_t size, size_t n, void *arg);
int http_on_send(void *arg, char *from, char *to, int from_port, int to_port);
size_t http_on_body(char *data, size_t size, size_t n, void *arg);
void http_ended(struct transfer *t, CURLcode code); /* releases T */
void http_released(struct transfer *t);             /* the rest of T, once the handle is out */

/* http-end.c */
enum http_end http_end_of(CURLcode code, const char *text, long connect_status);
int64_t http_retry_after(const char *value);
void http_end_text(struct transfer *t, CURLcode code, enum http_end end, struct err *err);

/* http-sigv4.c: PATH as the signature's canonical form wants it */
char *http_sigv4_path(const char *path);
void http_sigv4_hash(const char *body, size_t len, char ret_hex[65]);
