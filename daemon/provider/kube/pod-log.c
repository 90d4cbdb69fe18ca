/* SPDX-License-Identifier: Apache-2.0 */
/* pod-log.c - GET .../pods/P/log; see pod-log.h
 *
 * Asked for a Job that failed, and shown beside its action. The server counts lines; bytes are
 * counted here, for it would give the first of them and not the last. */
#include "pod-log.h"

#include "identify.h"
#include "operation.h"

#include <stdlib.h>

struct reading {
        struct operation operation;
        struct act_request request;
        struct buf text;
};

static flow_ask ask_log;
static flow_got got_log;

static const struct flow_step steps[] = {
        // step, ask, got, deadline, pause, flags
        { "log", ask_log, got_log, OPERATION_STEP_MS, 0, FLOW_ALL },
        {}
};

static struct reading *reading_of(struct flow *f) {
        return container_of(container_of(f, struct operation, flow), struct reading, operation);
}

static int ask_log(struct flow *f, struct ask *a, struct err *err) {
        struct reading *l = reading_of(f);
        struct operation *o = &l->operation;
        const json_t *ask = l->request.ask;
        const char *container = json_get_str(ask, "container", NULL);
        int64_t lines = json_get_int(ask, "lines", POD_LOG_LINES);
        cleanup_(buf_free) struct buf query = BUF_INIT;
        size_t namespace_len;
        const char *name = identify_split(o->path, &namespace_len);
        struct http_request *r;

        if (!namespace_len || !*name || strpbrk(o->path, "?#% "))
                return operation_say(o, OUTCOME_REFUSED, "pod \"%s\": NAMESPACE/POD", o->path);
        if (lines < 1 || lines > POD_LOG_LINES_MAX)
                return operation_say(o, OUTCOME_REFUSED, "lines: from 1 to %d", POD_LOG_LINES_MAX);
        buf_printf(&query, "tailLines=%lld", (long long)lines);
        if (json_get_bool(ask, "previous", false))
                buf_puts(&query, "&previous=true");
        if (container) {
                buf_puts(&query, "&container=");
                http_escape(&query, container, false);
        }
        r = http_ask(a, o->target->http, o->target->server, "GET", NULL,
                     "/api/v1/namespaces/%.*s/pods/%s/log?%s", (int)namespace_len, o->path, name,
                     buf_str(&query));
        r->reply_max = POD_LOG_REPLY_MAX;
        return FLOW_OK;
}

static int got_log(struct flow *f, struct ask *a, struct err *err) {
        struct reading *l = reading_of(f);
        const struct http_request *r = http_answer(a);
        cleanup_(json_freep) json_t *status = NULL;
        const char *message = "";

        if (a->outcome == OUTCOME_DONE) {
                buf_add(&l->text, r->reply.data, r->reply.len);
                return operation_end(&l->operation, OUTCOME_DONE, 0, NULL);
        }
        if (r->end == HTTP_OK && json_parse(buf_str(&r->reply), r->reply.len, &status, NULL) == 0)
                message = json_get_str(status, "message", "");
        if (r->end == HTTP_OK && r->status == 400 && strstr(message, "waiting to start"))
                return operation_say(&l->operation, OUTCOME_NOT_YET, "%s", message);
        return operation_say(&l->operation, a->outcome, "%s%s%s", err_text(&a->err),
                             *message ? ": " : "", message);
}

static void ended(struct operation *o) {
        struct reading *l = container_of(o, struct reading, operation);
        size_t over = l->text.len > ACT_TEXT_MAX ? l->text.len - ACT_TEXT_MAX : 0;

        if (o->outcome != OUTCOME_DONE)
                return;
        buf_skip(&l->text, over);
        o->op->told = json_object();
        json_object_set_new(o->op->told, "log",
                            json_string(str_make_utf8((char *)buf_str(&l->text))));
        if (over)
                json_object_set_new(o->op->told, "truncated", json_true());
}

static void drop(struct operation *o) {
        struct reading *l = container_of(o, struct reading, operation);

        operation_deinit(o);
        buf_wipe(&l->text);
        free(l);
}

void pod_log_start(struct target *t, const struct act_request *r, struct op *op) {
        struct reading *l = mem_new(struct reading);

        operation_init(&l->operation, t, "Pod", json_get_str(r->ask, "pod", ""), op);
        l->operation.ended = ended;
        l->operation.drop = drop;
        l->request = *r;
        operation_run(&l->operation, "kube-log", steps);
}
