/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - asking the daemon; see call.h */
#include "call.h"

#include "changes.h"
#include "http.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES (1u << 20) /* of a stream: an event has some hundred bytes */

/* ---- paths */

char *call_path(const char *fmt, ...) {
        struct buf out = BUF_INIT;
        va_list ap;

        va_start(ap, fmt);
        for (const char *p = fmt; *p; p++) {
                if (p[0] == '%' && p[1] == 's') {
                        http_escape(&out, va_arg(ap, const char *), false);
                        p++;
                } else {
                        buf_putc(&out, *p);
                }
        }
        va_end(ap);
        return buf_take(&out);
}

char *call_application(struct cli *c, const char *application, const char *rest) {
        cleanup_(freep) char *head = NULL;

        if (!cli_model(c))
                return NULL;
        head = call_path("/v1/models/%s/applications/%s", cli_model(c), application);
        return str_format("%s%s", head, rest);
}

void call_query(char **path, const char *name, const char *value) {
        struct buf out = BUF_INIT;

        if (!value)
                return;
        buf_printf(&out, "%s%c%s=", *path, strchr(*path, '?') ? '&' : '?', name);
        http_escape(&out, value, false);
        free(*path);
        *path = buf_take(&out);
}

void call_query_flag(char **path, const char *name, bool on) {
        call_query(path, name, on ? "true" : NULL);
}

void call_query_int(char **path, const char *name, int64_t value) {
        char text[24];

        snprintf(text, sizeof(text), "%lld", (long long)value);
        call_query(path, name, text);
}

/* ---- one request */

static int server(const struct cli *c, struct http_server **ret, struct err *err) {
        struct http_server_config config = { .url = "http://mooring",
                                             .unix_socket = c->globals->socket,
                                             .user_agent = "mooringctl/" MOORING_VERSION };

        return http_server_new(&config, ret, err);
}

static int cannot_reach(const struct cli *c, const struct http_request *r, struct err *err) {
        const char *socket = c->globals->socket;

        if (access(socket, F_OK) < 0)
                return err_set(err, -ECONNREFUSED,
                               "no mooringd at %s: %s: start it, or name its socket with --socket "
                               "or MOORING_SOCKET",
                               socket, strerror(errno));
        if (r->end == HTTP_UNREACHABLE)
                return err_set(
                        err, -ECONNREFUSED,
                        "mooringd does not answer at %s: is it running? systemctl status mooringd",
                        socket);
        return err_add(err, r->err.code ? r->err.code : -EIO, "asking mooringd at %s", socket);
}

struct exchange {
        const char *method, *path;
        json_t *body;
        struct http_request request;
        json_t *json; /* the answer, when it is JSON */
};

static void exchange_deinit(struct exchange *x) {
        http_deinit(&x->request);
        http_server_unref(x->request.server);
        json_decref(x->body);
        json_decref(x->json);
}

/* One line, whatever was typed. */
static char *reason_header(const char *reason) {
        cleanup_(freep) char *safe = text_safe(reason);

        return str_format("Mooring-Reason: %s", safe);
}

/* 0: an answer came, whatever its status. */
static int ask(const struct cli *c, struct exchange *x, struct err *err) {
        cleanup_(freep) char *text = x->body ? json_text(x->body) : NULL;
        cleanup_(freep) char *reason = NULL;
        const char *headers[3] = { NULL };
        size_t n = 0;
        struct http_request *r = &x->request;
        int e = server(c, &r->server, err);

        if (e < 0)
                return e;
        r->method = x->method;
        r->path = x->path;
        if (text)
                headers[n++] = "Content-Type: application/json";
        if (c->globals->reason && !str_eq(x->method, "GET"))
                headers[n++] = reason = reason_header(c->globals->reason);
        r->headers = n ? headers : NULL;
        r->body = text;
        r->body_len = text ? strlen(text) : 0;
        r->total_ms = c->patience_ms ? c->patience_ms : CALL_TOTAL_MS;
        r->first_byte_ms = r->total_ms;
        e = http_blocking(r, err);
        if (text)
                explicit_bzero(text, strlen(text)); /* a kubeconfig has keys in it */
        if (e < 0)
                return cannot_reach(c, r, err);
        if (r->reply.len && json_parse(r->reply.data, r->reply.len, &x->json, NULL) < 0)
                x->json = NULL;
        return 0;
}

/* ---- refusals */

/* {"errors": [{"file", "line", "text"}], "more"}: every one has its line. */
static void print_faults(const json_t *json) {
        int64_t more = json_get_int(json, "more", 0);
        const json_t *fault;
        size_t i;

        json_array_foreach(json_get(json, "errors"), i, fault) {
                const char *file = json_get_str(fault, "file", NULL);
                int64_t line = json_get_int(fault, "line", 0);
                const char *text = json_get_str(fault, "text", "");

                if (file && line)
                        cli_fail(CLI_FAILED, "%s:%lld: %s", file, (long long)line, text);
                else if (file)
                        cli_fail(CLI_FAILED, "%s: %s", file, text);
                else
                        cli_fail(CLI_FAILED, "%s", text);
        }
        if (more)
                cli_fail(CLI_FAILED, "and %lld more", (long long)more);
}

static int refused(const struct exchange *x) {
        const json_t *error = json_get(x->json, "error");

        if (json_array_size(json_get(x->json, "errors"))) {
                print_faults(x->json);
                return CLI_FAILED;
        }
        if (error)
                return cli_fail(CLI_FAILED, "%s", json_get_str(error, "message", "refused"));
        return cli_fail(CLI_FAILED, "%s %s was answered with status %ld and no reason", x->method,
                        x->path, x->request.status);
}

static bool is_done(const struct exchange *x) {
        return x->request.status >= 200 && x->request.status < 300;
}

int call_send(struct cli *c, const char *method, const char *path, json_t *body, json_t **ret) {
        cleanup_(exchange_deinit) struct exchange x = { .method = method,
                                                        .path = path,
                                                        .body = body };
        struct err err = { 0 };

        if (ask(c, &x, &err) < 0)
                return cli_fail_err(&err);
        if (!is_done(&x))
                return refused(&x);
        if (!x.json)
                return cli_fail(CLI_FAILED, "%s %s: the answer is not JSON", method, path);
        if (ret)
                *ret = take_ptr(x.json);
        return CLI_DONE;
}

int call_get(struct cli *c, const char *path, json_t **ret) {
        return call_send(c, "GET", path, NULL, ret);
}

static int try(struct cli *c, const char *method, const char *path, json_t **ret, struct err *err) {
        cleanup_(exchange_deinit) struct exchange x = { .method = method, .path = path };
        int r = ask(c, &x, err);

        if (r < 0)
                return r;
        if (!is_done(&x) || !x.json)
                return err_set(err, x.request.status == 404 ? -ENOENT : -EIO, "%s",
                               json_get_str(json_get(x.json, "error"), "message", "no answer"));
        *ret = take_ptr(x.json);
        return 0;
}

int call_try(struct cli *c, const char *path, json_t **ret, struct err *err) {
        return try(c, "GET", path, ret, err);
}

int call_try_post(struct cli *c, const char *path, json_t **ret, struct err *err) {
        return try(c, "POST", path, ret, err);
}

int call_text(struct cli *c, const char *path, char **ret) {
        cleanup_(exchange_deinit) struct exchange x = { .method = "GET", .path = path };
        struct err err = { 0 };

        if (ask(c, &x, &err) < 0)
                return cli_fail_err(&err);
        if (!is_done(&x))
                return refused(&x);
        *ret = buf_take(&x.request.reply);
        return CLI_DONE;
}

/* Each list of PAGE goes on where that of ALL ends. */
static void add_page(json_t *all, const json_t *page) {
        const char *name;
        json_t *list;

        json_object_foreach((json_t *)page, name, list)
                if (json_is_array(list))
                        json_array_extend(json_get(all, name), list);
}

int call_pages(struct cli *c, const char *path, const char *list, const char *after, size_t max,
               json_t **ret) {
        cleanup_(json_freep) json_t *all = NULL;
        cleanup_(freep) char *page = str_dup(path);
        const json_t *next;
        int r;

        for (;;) {
                cleanup_(json_freep) json_t *json = NULL;
                cleanup_(freep) char *cursor = NULL;

                r = call_get(c, page, &json);
                if (r)
                        return r;
                if (!all)
                        all = json_incref(json);
                else
                        add_page(all, json);
                next = json_get(json, "next");
                if (!next || json_array_size(json_get(all, list)) >= max)
                        break;
                cursor = json_is_string(next) ? str_dup(json_string_value(next)) : json_text(next);
                str_set(&page, path);
                call_query(&page, after, cursor);
        }
        json_object_del(all, "next");
        while (json_array_size(json_get(all, list)) > max) /* the last page was a whole one */
                json_array_remove(json_get(all, list), json_array_size(json_get(all, list)) - 1);
        *ret = take_ptr(all);
        return CLI_DONE;
}

/* ---- changes */

int call_change(struct cli *c, const char *method, const char *path, json_t *body) {
        cleanup_(json_freep) json_t *json = NULL;
        int r = call_send(c, method, path, body, &json);

        if (r)
                return r;
        if (!cli_print(c, json))
                changes_say(c, json);
        return CLI_DONE;
}

/* ---- streams */

struct streaming {
        struct buf rest;
        call_line *line;
        void *arg;
        int result;
};

static int take_line(struct streaming *s, const char *text, size_t len) {
        cleanup_(json_freep) json_t *json = NULL;

        if (len == 0 || json_parse(text, len, &json, NULL) < 0)
                return 0; /* a beat */
        return s->line(s->arg, json);
}

static int on_data(struct http_request *r, const char *data, size_t len) {
        struct streaming *s = r->arg;

        buf_add(&s->rest, data, len);
        if (s->rest.len > LINE_MAX_BYTES)
                return -1;
        for (char *end; s->rest.len && (end = memchr(s->rest.data, '\n', s->rest.len));) {
                size_t n = (size_t)(end - s->rest.data);

                s->result = take_line(s, s->rest.data, n);
                if (s->result)
                        return -1;
                buf_skip(&s->rest, n + 1);
        }
        return 0;
}

static int stream_refused(struct exchange *x, struct err *err) {
        const struct buf *reply = &x->request.reply;
        const char *why = NULL;

        if (reply->len && json_parse(reply->data, reply->len, &x->json, NULL) == 0)
                why = json_get_str(json_get(x->json, "error"), "message", NULL);
        if (why)
                return err_set(err, -EIO, "%s", why);
        return err_set(err, -EIO, "%s was answered with status %ld and no reason", x->path,
                       x->request.status);
}

int call_stream(struct cli *c, const char *path, call_line *line, void *arg, int64_t ms,
                struct err *err) {
        cleanup_(exchange_deinit) struct exchange x = { .method = "GET", .path = path };
        struct streaming s = { .line = line, .arg = arg };
        struct http_request *r = &x.request;
        int e = server(c, &r->server, err);

        if (e < 0)
                return e;
        r->method = "GET";
        r->path = path;
        r->total_ms = ms < 0 ? -1 : MAX_OF(ms, 1);
        r->on_data = on_data;
        r->arg = &s;
        e = http_blocking(r, err);
        buf_free(&s.rest);
        if (s.result || r->end == HTTP_TIMEOUT)
                return s.result;
        if (e < 0)
                return cannot_reach(c, r, err);
        return r->status < 300 ? 0 : stream_refused(&x, err);
}
