/* SPDX-License-Identifier: Apache-2.0 */
/* http-easy.c - from a server and a request to the options of a curl easy handle
 *
 * Everything that curl would take from its surroundings is switched off: proxies of the
 * environment, netrc, redirects, signals, other protocols, decoding of bodies, "Expect:
 * 100-continue". Its timeouts too: deadlines are the loop's, so that tests move them; see
 * http-request.c. */
#include "http-internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* 16 KiB for streams, because a hundred watches have one each; more where few lists run fast. */
#define BUFFER_STREAM 16384L
#define BUFFER_REQUEST 65536L
#define SYSTEM_CERTIFICATES "/etc/ssl/certs" /* Debian's, with a link by hash for each */
#define NEVER_MS 2000000000L /* curl's own deadlines, where 0 means a default of five minutes */

static int set_socket(void *arg, curl_socket_t fd, curlsocktype purpose) {
        unsigned ms = HTTP_UNACKED_MS;

        /* Fails on a unix socket, which needs none. */
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
        http_lane_opened(arg, fd);
        return CURL_SOCKOPT_OK;
}

static int close_socket(void *arg, curl_socket_t fd) {
        http_lane_closed(arg, fd);
        return close(fd);
}

static void set_blob(CURL *easy, CURLoption option, char *pem) {
        struct curl_blob blob = { .data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY };

        curl_easy_setopt(easy, option, &blob);
}

static void set_trust(CURL *easy, const struct http_server *s) {
        /* The system's by name, as OpenSSL finds them one by one: the whole file takes 20 ms to
         * read, on the loop. */
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(easy, CURLOPT_CAPATH, s->ca_pem ? NULL : SYSTEM_CERTIFICATES);
        if (s->ca_pem)
                set_blob(easy, CURLOPT_CAINFO_BLOB, s->ca_pem);
        if (s->cert_pem) {
                curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
                curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
                set_blob(easy, CURLOPT_SSLCERT_BLOB, s->cert_pem);
                set_blob(easy, CURLOPT_SSLKEY_BLOB, s->key_pem);
        }
        if (s->insecure)
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        if (s->insecure || s->any_name)
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
}

static void set_way(struct transfer *t) {
        const struct http_server *s = t->server;

        curl_easy_setopt(t->easy, CURLOPT_PROXY, s->proxy ? s->proxy : "");
        curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "");
        if (s->unix_socket)
                curl_easy_setopt(t->easy, CURLOPT_UNIX_SOCKET_PATH, s->unix_socket);
        if (s->connect_to) {
                t->connect_to = curl_slist_append(NULL, s->connect_to);
                curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
        }
}

void http_easy_server(struct transfer *t) {
        CURL *e = t->easy;

        curl_easy_setopt(e, CURLOPT_PRIVATE, t);
        curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->text);
        curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
        curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, NEVER_MS);
        curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
        curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, HTTP_KEEPALIVE_S);
        curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, HTTP_KEEPALIVE_S);
        curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, set_socket);
        curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, t->lane);
        curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
        curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->lane);
        if (t->server->user_agent)
                curl_easy_setopt(e, CURLOPT_USERAGENT, t->server->user_agent);
        set_trust(e, t->server);
        set_way(t);
}

/* ---- the request */

static bool is_clean(const char *text) {
        for (; *text; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        return false;
        return true;
}

int http_easy_check(const struct http_request *r, struct err *err) {
        const char *path = r->path ? r->path : "";

        if (!r->method || !*r->method || !is_clean(r->method) || strchr(r->method, ' '))
                return err_set(err, -EINVAL, "a request needs a method");
        if (path[0] != '/' || !is_clean(path) || strpbrk(path, " #"))
                return err_set(err, -EINVAL, "%s: not a path that can be asked for", path);
        for (size_t i = 0; r->headers && r->headers[i]; i++)
                if (!is_clean(r->headers[i]) || !strchr(r->headers[i], ':'))
                        return err_set(err, -EINVAL, "%s: not a header that can be sent", path);
        return 0;
}

static bool has_header(const struct http_request *r, const char *name) {
        size_t n = strlen(name);

        for (size_t i = 0; r->headers && r->headers[i]; i++)
                if (strncasecmp(r->headers[i], name, n) == 0 && r->headers[i][n] == ':')
                        return true;
        return false;
}

static void add_header(struct transfer *t, const char *name, const char *value) {
        cleanup_(wipep) char *line = str_format("%s: %s", name, value);

        t->headers = curl_slist_append(t->headers, line);
}

/* Asked for each try: a token may have been renewed meanwhile. */
static void authorize(struct transfer *t) {
        cleanup_(buf_wipe) struct buf value = BUF_INIT;

        if (!t->server->authorize)
                return;
        t->server->authorize(t->server->arg, &value);
        if (value.len && is_clean(value.data))
                add_header(t, "Authorization", value.data);
}

static void set_headers(struct transfer *t, const struct http_request *r) {
        for (size_t i = 0; r->headers && r->headers[i]; i++) {
                size_t n = strlen(r->headers[i]);

                /* "Name:" alone would remove the header: curl sends an empty one for "Name;". */
                if (r->headers[i][n - 1] == ':') {
                        char *line = str_format("%.*s;", (int)(n - 1), r->headers[i]);

                        t->headers = curl_slist_append(t->headers, line);
                        free(line);
                } else {
                        t->headers = curl_slist_append(t->headers, r->headers[i]);
                }
        }
        if (t->server->header)
                t->headers = curl_slist_append(t->headers, t->server->header);
        if (t->server->host && !has_header(r, "Host"))
                add_header(t, "Host", t->server->host);
        /* curl would say that a body is a form. */
        if (r->body && !has_header(r, "Content-Type"))
                add_header(t, "Content-Type", "application/octet-stream");
        if (!has_header(r, "Accept"))
                t->headers = curl_slist_append(t->headers, "Accept: */*");
        /* No waiting for a "100 Continue" before a large body. (The signature would sign the
         * missing header.) */
        if (!r->aws_sigv4)
                t->headers = curl_slist_append(t->headers, "Expect:");
}

static void set_method(struct transfer *t, const struct http_request *r) {
        bool wants_body = strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 ||
                          strcmp(r->method, "PATCH") == 0;

        if (strcmp(r->method, "HEAD") == 0) {
                curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
        } else if (r->body || wants_body) {
                curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, r->body ? r->body : "");
                curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
                curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, r->method);
        } else if (strcmp(r->method, "GET") != 0) {
                curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, r->method);
        }
}

static void set_signature(struct transfer *t, const struct http_request *r) {
        char hash[65];

        if (r->user)
                curl_easy_setopt(t->easy, CURLOPT_USERNAME, r->user);
        if (r->password)
                curl_easy_setopt(t->easy, CURLOPT_PASSWORD, r->password);
        if (!r->aws_sigv4)
                return;
        curl_easy_setopt(t->easy, CURLOPT_AWS_SIGV4, r->aws_sigv4);
        if (r->body_sha256)
                str_copy(hash, sizeof(hash), r->body_sha256);
        else
                http_sigv4_hash(r->body, r->body_len, hash);
        add_header(t, "x-amz-content-sha256", hash);
}

void http_easy_request(struct transfer *t, const struct http_request *r) {
        char *path = r->aws_sigv4 ? http_sigv4_path(r->path) : str_dup(r->path);
        char *url = str_format("%s%s", t->server->url, path);
        CURL *e = t->easy;

        http_easy_server(t);
        curl_easy_setopt(e, CURLOPT_URL, url);
        free(url);
        free(path);
        curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                         t->lane->one ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(e, CURLOPT_PIPEWAIT, t->lane->one || r->fresh ? 0L : 1L);
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, r->fresh ? 1L : 0L);
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE,
                         t->lane->pool == HTTP_REQUESTS ? BUFFER_REQUEST : BUFFER_STREAM);
        set_method(t, r);
        set_headers(t, r);
        set_signature(t, r);
        authorize(t);
        if (!t->repeatable) {
                curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, http_on_send);
                curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
        }
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
        curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, http_on_header);
        curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
        curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, http_on_body);
        curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
}

void http_easy_wipe_list(struct curl_slist *l) {
        for (struct curl_slist *i = l; i; i = i->next)
                explicit_bzero(i->data, strlen(i->data));
        curl_slist_free_all(l);
}
