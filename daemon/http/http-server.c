/* SPDX-License-Identifier: Apache-2.0 */
/* http-server.c - how to reach one server: address, trust, credentials
 *
 * Shared by reference between requests. Certificates and keys are held as PEM in memory, never as
 * files, and are overwritten when the last reference goes. What is wrong with a URL is told here,
 * once, not by each request. */
#include "http-internal.h"

#include <errno.h>
#include <stdlib.h>

/* The parts of C->url that matter. HOST without the brackets of an IPv6 address. */
struct url_parts {
        char *scheme, *host, *port;
};

static void url_parts_free(struct url_parts *u) {
        curl_free(u->scheme);
        curl_free(u->host);
        curl_free(u->port);
}

static void curlu_free(CURLU **u) {
        curl_url_cleanup(*u);
}

static int parse_url(const char *url, struct url_parts *ret, struct err *err) {
        cleanup_(curlu_free) CURLU *u = curl_url();
        cleanup_(url_parts_free) struct url_parts p = { 0 };
        char *path = NULL;
        bool bare;

        if (!url || curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
            curl_url_get(u, CURLUPART_SCHEME, &p.scheme, 0) != CURLUE_OK ||
            curl_url_get(u, CURLUPART_HOST, &p.host, 0) != CURLUE_OK ||
            curl_url_get(u, CURLUPART_PORT, &p.port, CURLU_DEFAULT_PORT) != CURLUE_OK)
                return err_set(err, -EINVAL, "not a server's URL: \"%s\"", url ? url : "");
        if (strcmp(p.scheme, "https") != 0 && strcmp(p.scheme, "http") != 0)
                return err_set(err, -EINVAL, "%s: only http and https can be asked", url);
        if (curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK)
                return err_set(err, -EINVAL, "not a server's URL: \"%s\"", url);
        bare = strcmp(path, "/") == 0;
        curl_free(path);
        if (!bare || strpbrk(url, "?#@"))
                return err_set(err, -EINVAL, "%s: must be scheme, host and port only", url);
        *ret = p;
        p = (struct url_parts){ 0 };
        return 0;
}

static void set_names(struct http_server *s, const struct http_server_config *c,
                      const struct url_parts *u) {
        s->tls = strcmp(u->scheme, "https") == 0;
        s->authority = str_format("%s:%s", u->host, u->port);
        if (c->unix_socket)
                str_set(&s->authority, c->unix_socket);
        if (!c->tls_name) {
                s->url = str_format("%s://%s:%s", u->scheme, u->host, u->port);
                return;
        }
        /* curl verifies the host of the URL: that becomes the wanted name, and the address a
         * detour. */
        s->url = str_format("%s://%s:%s", u->scheme, c->tls_name, u->port);
        s->connect_to = str_format("::%s:%s", u->host, u->port);
        s->host = str_dup(s->authority);
}

int http_server_new(const struct http_server_config *c, struct http_server **ret, struct err *err) {
        cleanup_(url_parts_free) struct url_parts u = { 0 };
        struct http_server *s;
        int r = parse_url(c->url, &u, err);

        if (r < 0)
                return r;
        if (!c->cert_pem != !c->key_pem)
                return err_set(err, -EINVAL, "%s: a client certificate needs its key", c->url);
        s = mem_new(struct http_server);
        s->refs = 1;
        set_names(s, c, &u);
        s->unix_socket = str_dup(c->unix_socket);
        s->proxy = str_dup(c->proxy);
        s->user_agent = str_dup(c->user_agent);
        s->header = str_dup(c->header);
        s->ca_pem = str_dup(c->ca_pem);
        s->cert_pem = str_dup(c->cert_pem);
        s->key_pem = str_dup(c->key_pem);
        s->any_name = c->any_name;
        s->insecure = c->insecure;
        s->authorize = c->authorize;
        s->arg = c->arg;
        *ret = s;
        return 0;
}

struct http_server *http_server_ref(struct http_server *s) {
        s->refs++;
        return s;
}

struct http_server *http_server_unref(struct http_server *s) {
        if (!s || --s->refs)
                return NULL;
        wipep(&s->key_pem);
        wipep(&s->cert_pem);
        wipep(&s->proxy); /* may hold a password */
        free(s->ca_pem);
        free(s->url);
        free(s->authority);
        free(s->host);
        free(s->connect_to);
        free(s->unix_socket);
        free(s->user_agent);
        free(s->header);
        free(s);
        return NULL;
}
