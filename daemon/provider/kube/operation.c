/* SPDX-License-Identifier: Apache-2.0 */
/* operation.c - addresses, requests and outcomes of what is asked of one object; see operation.h */
#include "operation.h"

#include "clock.h"
#include "kinds.h"

#include <errno.h>
#include <stdlib.h>

/* For a kind that is not served: the net below the news from discovery. */
#define PARKED_AGAIN_MS 2000
#define UNREACHABLE_AGAIN_MS 1000

void operation_init(struct operation *o, struct target *t, const char *type, const char *path,
                    struct op *op) {
        o->target = t;
        o->op = op;
        o->type = str_dup(type);
        o->path = str_dup(path);
        o->headers[0] = "Accept: application/json";
        list_append(&t->operations, &o->link);
        if (op)
                op->private = o;
}

void operation_deinit(struct operation *o) {
        flow_cancel(&o->flow);
        list_unlink(&o->link);
        free(o->type);
        free(o->path);
        free(o->version);
        free(o->url);
}

static void finished(struct flow *f, int r, const struct err *err) {
        struct operation *o = container_of(f, struct operation, flow);
        struct op *op = o->op;

        if (!o->decided) {
                o->outcome = OUTCOME_UNREACHABLE;
                o->again_at = clock_mono() + UNREACHABLE_AGAIN_MS;
                err_set(&o->err, r < 0 ? r : -EIO, "%s",
                        err ? err_text(err) : "ended without an answer");
        }
        if (op) {
                op->outcome = o->outcome;
                op->again_at = o->again_at;
                op->err = o->err;
                op->private = NULL;
        }
        o->ended(o);
        o->drop(o);
        if (op)
                op->done(op);
}

void operation_run(struct operation *o, const char *name, const struct flow_step *steps) {
        o->flow = (struct flow){
                .steps = steps, .loop = o->target->loop, .name = name, .done = finished
        };
        snprintf(o->flow.subject, sizeof(o->flow.subject), "%s %s", o->type, o->path);
        flow_start(&o->flow);
}

int operation_end(struct operation *o, enum outcome outcome, int64_t again_at,
                  const struct err *why) {
        o->decided = true;
        o->outcome = outcome;
        o->again_at = again_at;
        if (why)
                o->err = *why;
        return FLOW_END;
}

int operation_say(struct operation *o, enum outcome outcome, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        struct err why = { 0 };
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        err_set(&why, -EAGAIN, "%s", text);
        return operation_end(o, outcome,
                             outcome == OUTCOME_NOT_YET ? clock_mono() + PARKED_AGAIN_MS : 0, &why);
}

int operation_address(struct operation *o) {
        struct target *t = o->target;
        const struct discovery_kind *kind = discovery_find(t->discovery.table, o->type);
        const struct discovery_version *version = NULL;
        cleanup_(buf_free) struct buf url = BUF_INIT;
        const char *name = NULL;

        if (!t->discovery.table) {
                operation_say(o, OUTCOME_UNREACHABLE, "the cluster was not reached yet%s%s",
                              t->why ? ": " : "", t->why ? t->why : "");
                o->again_at = clock_mono() + UNREACHABLE_AGAIN_MS;
                return FLOW_END;
        }
        if (o->version)
                kinds_group(o->version, &name);
        if (kind)
                version = discovery_version(kind, name);
        if (!version) {
                target_park(t, o->type);
                return operation_say(o, OUTCOME_NOT_YET, "the cluster does not serve %s%s%s yet",
                                     o->type, name ? " in version " : "", name ? name : "");
        }
        if (o->makes && target_leaves(t, kind, version))
                return operation_say(o, OUTCOME_NOT_YET,
                                     "the definition of its kind is being deleted");
        if (!o->version)
                o->version = str_format("%s%s%s", kind->group, *kind->group ? "/" : "",
                                        version->version);
        discovery_path(kind, version, o->path, &url);
        free(o->url);
        o->url = buf_take(&url);
        return 0;
}

struct http_request *operation_ask(struct operation *o, struct ask *a, const char *method,
                                   const char *query) {
        struct http_request *r = http_ask(a, o->target->http, o->target->server, method, NULL,
                                          "%s%s", o->url, query);

        r->headers = o->headers;
        r->total_ms = OPERATION_STEP_MS;
        return r;
}

struct scan_slice operation_got(struct operation *o, const struct ask *a, enum answer_verb verb,
                                struct answer_meaning *ret, struct err *ret_why) {
        const struct http_request *r = http_answer(a);
        struct answer answer = {
                .type = o->type,
                .verb = verb,
                .status = r->status,
                .body = scan_of(buf_str(&r->reply), r->reply.len),
                .retry_after_ms = r->retry_after_ms,
                .now = clock_mono(),
        };

        if (r->end != HTTP_OK) {
                *ret = (struct answer_meaning){ .outcome = OUTCOME_UNREACHABLE,
                                                .again_at = answer.now + UNREACHABLE_AGAIN_MS };
                err_set(ret_why, -EHOSTUNREACH, "%s", err_text(&r->err));
                return (struct scan_slice){ 0 };
        }
        answer_read(&answer, ret, ret_why);
        /* A login page of something on the way: an API server's objects say what they are. */
        if (ret->outcome == OUTCOME_DONE && !scan_is_text(scan_get(answer.body, "kind"))) {
                ret->outcome = OUTCOME_UNREACHABLE;
                ret->again_at = answer.now + UNREACHABLE_AGAIN_MS;
                err_set(ret_why, -EPROTO, "what answered is no Kubernetes API server");
        }
        if (ret->credential)
                target_refused(o->target, err_text(ret_why));
        if (ret->kind)
                target_park(o->target, o->type);
        return answer.body;
}

/* 299 - "text" */
void operation_warnings(const struct http_request *r, json_t **list) {
        const char *header;

        for (size_t i = 0; (header = http_header_at(r, "Warning", i)); i++) {
                const char *start = strchr(header, '"');
                const char *end = start ? strrchr(start + 1, '"') : NULL;

                if (!end)
                        continue;
                if (!*list)
                        *list = json_array();
                json_array_append_new(*list, json_stringn(start + 1, (size_t)(end - start - 1)));
        }
}

/* ---- one that cannot begin */

static int ask_nothing(struct flow *f, struct ask *a, struct err *err) {
        return FLOW_END;
}

static const struct flow_step no_steps[] = {
        { "refused", ask_nothing, NULL, OPERATION_STEP_MS, 0, 0 }, {}
};

static void nothing_ended(struct operation *o) {
        /* What it says was said before it began. */
}

static void drop_nothing(struct operation *o) {
        operation_deinit(o);
        free(o);
}

void operation_refuse(struct target *t, struct op *op, const struct err *why) {
        struct operation *o = mem_new(struct operation);

        operation_init(o, t, "", "", op);
        o->ended = nothing_ended;
        o->drop = drop_nothing;
        operation_end(o, OUTCOME_REFUSED, 0, why);
        operation_run(o, "kube-refused", no_steps);
}
