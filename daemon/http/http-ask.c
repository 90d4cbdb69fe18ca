/* SPDX-License-Identifier: Apache-2.0 */
/* http-ask.c - an HTTP request as the ask of a flow's step
 *
 * The ask owns request, path and body. The error text names method, path without its query (which
 * may hold a signature) and status; what the body says about it is for who knows the API. */
#include "http-internal.h"

#include <errno.h>
#include <stdlib.h>

struct http_ask {
        struct http_request request; /* first: struct ask's REQUEST points here */
        struct http *http;
        struct ask *ask;
        char *path, *body;
};

static struct http_ask *of(const struct ask *a) {
        return a->request;
}

static void say_status(struct ask *a, const struct http_request *r) {
        const char *path = of(a)->path;

        err_set(&a->err, -EPROTO, "%s %.*s: %s answered %ld", r->method, (int)strcspn(path, "?"),
                path, r->server->authority, r->status);
}

static void on_done(struct http_request *r) {
        struct ask *a = container_of(r, struct http_ask, request)->ask;

        a->outcome = http_outcome(r, &a->again_at);
        if (r->end != HTTP_OK)
                a->err = r->err;
        else if (a->outcome != OUTCOME_DONE)
                say_status(a, r);
        flow_answer(a);
}

static int start(struct ask *a, struct err *err) {
        http_start(of(a)->http, &of(a)->request);
        return 0;
}

static void cancel(struct ask *a) {
        http_cancel(&of(a)->request);
}

static void clear(struct ask *a) {
        struct http_ask *x = of(a);

        if (!x)
                return;
        http_deinit(&x->request);
        http_server_unref(x->request.server);
        free(x->path);
        if (x->body)
                explicit_bzero(x->body, x->request.body_len); /* may hold a Secret */
        free(x->body);
        free(x);
        a->request = NULL;
}

const struct ask_kind http_ask_kind = {
        .name = "http",
        .start = start,
        .cancel = cancel,
        .clear = clear,
};

struct http_request *http_ask(struct ask *a, struct http *h, struct http_server *s,
                              const char *method, char *body, const char *path_fmt, ...) {
        struct http_ask *x = mem_new(struct http_ask);
        va_list ap;

        va_start(ap, path_fmt);
        x->path = str_vformat(path_fmt, ap);
        va_end(ap);
        x->http = h;
        x->ask = a;
        x->body = body;
        x->request.server = http_server_ref(s);
        x->request.method = method;
        x->request.path = x->path;
        x->request.body = body;
        x->request.body_len = body ? strlen(body) : 0;
        x->request.done = on_done;
        a->kind = &http_ask_kind;
        a->request = x;
        return &x->request;
}

const struct http_request *http_answer(const struct ask *a) {
        return &of(a)->request;
}
