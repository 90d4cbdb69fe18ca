/* SPDX-License-Identifier: Apache-2.0 */
/* pod-http.c - see pod-http.h
 *
 * Through a port on loopback (forward.h) that lives as long as the request. Not by the API server's
 * own proxy of pods, which keeps a header of ours for itself: Authorization. */
#include "pod-http.h"

#include "forward.h"
#include "kube.h"
#include "operation.h"

#include <errno.h>
#include <stdlib.h>

#define HEADERS_MAX 20
#define REPLY_MAX (4u << 20) /* of which ACT_TEXT_MAX are told */

struct calling {
        struct operation operation;
        struct act_request request;
        struct forward *forward;
        struct http_server *server;
        struct http_request http;
        struct buf body;
        char *headers[HEADERS_MAX + 1];
};

static void drop(struct operation *o) {
        struct calling *c = container_of(o, struct calling, operation);

        http_deinit(&c->http);
        http_server_unref(c->server);
        forward_close(c->forward);
        buf_wipe(&c->body);
        for (char **h = c->headers; *h; h++)
                wipep(h);
        operation_deinit(o);
        free(c);
}

static json_t *told(struct calling *c) {
        struct buf *reply = &c->http.reply;
        json_t *j = json_object();
        size_t bytes = reply->len;

        json_object_set_new(j, "status", json_integer(c->http.status));
        json_object_set_new(j, "bytes", json_integer((json_int_t)bytes));
        act_hide(&c->request, reply);
        if (bytes > ACT_TEXT_MAX)
                json_object_set_new(j, "truncated", json_true());
        reply->len = MIN_OF(reply->len, (size_t)ACT_TEXT_MAX);
        act_tell(j, "body", reply, bytes > ACT_TEXT_MAX);
        return j;
}

/* Through a tunnel the client only sees a connection that ended: the tunnel knows why. */
static void judge(struct calling *c) {
        const struct err *why = forward_last(c->forward);

        if (c->http.end == HTTP_OK) {
                operation_end(&c->operation, OUTCOME_DONE, 0, NULL);
                c->operation.op->told = told(c);
        } else if (why->text[0]) {
                operation_end(&c->operation, forward_outcome(why), 0, why);
        } else {
                operation_end(&c->operation,
                              c->http.end == HTTP_TOO_BIG ? OUTCOME_REFUSED : OUTCOME_UNREACHABLE,
                              0, &c->http.err);
        }
}

static void on_done(struct http_request *r) {
        struct calling *c = container_of(r, struct calling, http);
        struct op *op = c->operation.op;

        judge(c);
        op->outcome = c->operation.outcome;
        op->err = c->operation.err;
        op->private = NULL;
        drop(&c->operation);
        op->done(op);
}

/* ---- begin */

static int open_server(struct calling *c, struct err *err) {
        const json_t *tls = json_get(c->request.ask, "tls");
        const char *name = json_get_str(tls, "name", NULL);
        cleanup_(freep) char *url =
                str_format("%s://127.0.0.1:%d", tls ? "https" : "http", forward_port(c->forward));
        struct http_server_config config = { .url = url,
                                             .ca_pem = json_get_str(tls, "ca", NULL),
                                             .tls_name = name,
                                             .any_name = tls && !name,
                                             .user_agent = "mooring" };

        if (tls && !config.ca_pem)
                return err_set(err, -EINVAL, "tls: ca: who its certificate is signed by");
        return http_server_new(&config, &c->server, err);
}

static int fill_headers(struct calling *c, struct err *err) {
        json_t *headers = json_get(c->request.ask, "headers"), *value;
        const char *name;
        size_t n = 0;

        if (json_object_size(headers) > HEADERS_MAX)
                return err_set(err, -EINVAL, "headers: more than %d", HEADERS_MAX);
        json_object_foreach(headers, name, value) {
                cleanup_(buf_wipe) struct buf line = BUF_INIT;
                int r;

                if (!json_is_string(value))
                        return err_set(err, -EINVAL, "headers: %s: a text", name);
                buf_printf(&line, "%s: ", name);
                r = act_fill(&c->request, json_string_value(value), &line, err);
                if (r < 0)
                        return r;
                c->headers[n++] = str_dup(buf_str(&line));
        }
        return 0;
}

static int begin(struct calling *c, struct target *t, struct err *err) {
        const json_t *ask = c->request.ask;
        int64_t port = json_get_int(ask, "port", 0);
        const char *body = json_get_str(ask, "body", NULL);
        int r = 0;

        if (!strchr(c->operation.path, '/') || strpbrk(c->operation.path, "?#% "))
                return err_set(err, -EINVAL, "pod \"%s\": NAMESPACE/POD", c->operation.path);
        if (port < 1 || port > 65535)
                return err_set(err, -EINVAL, "port: from 1 to 65535");
        if (body)
                r = act_fill(&c->request, body, &c->body, err);
        if (r == 0)
                r = fill_headers(c, err);
        if (r == 0)
                r = forward_open(t->loop, &provider_kube, t, c->operation.path, (int)port,
                                 &c->forward, err);
        return r < 0 ? r : open_server(c, err);
}

void pod_http_start(struct target *t, const struct act_request *r, struct op *op) {
        struct calling *c = mem_new(struct calling);
        struct err err = { 0 };

        operation_init(&c->operation, t, "Pod", json_get_str(r->ask, "pod", ""), op);
        c->operation.drop = drop;
        c->request = *r;
        if (begin(c, t, &err) < 0) {
                drop(&c->operation);
                operation_refuse(t, op, &err);
                return;
        }
        c->http = (struct http_request){ .server = c->server,
                                         .method = json_get_str(r->ask, "method", "GET"),
                                         .path = json_get_str(r->ask, "path", "/"),
                                         .headers = (const char *const *)c->headers,
                                         .body = c->body.len ? c->body.data : NULL,
                                         .body_len = c->body.len,
                                         .reply_max = REPLY_MAX,
                                         .first_byte_ms = -1,
                                         .total_ms = r->within_ms ? r->within_ms : POD_HTTP_MS,
                                         .fresh = true, /* never sent twice */
                                         .done = on_done };
        http_start(t->http, &c->http);
}
