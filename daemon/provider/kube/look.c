/* SPDX-License-Identifier: Apache-2.0 */
/* look.c - asks for one object and says what it looks like
 *
 * For the reconciler (an observation that lies too far back, or whose object was dropped) and
 * for pokes. With events, a second request asks why a controller could not make its pods: quota
 * and PodSecurity say so nowhere else for StatefulSets, DaemonSets and Jobs. */
#include "look.h"

#include "identify.h"
#include "kinds.h"
#include "project.h"

#include <stdlib.h>

struct looking {
        struct operation operation;
        struct look_wish wish;
        look_told *told;
        void *arg;
        bool events;
        struct buf body;
        char *reason;
};

static flow_ask ask_object, ask_events;
static flow_got got_object, got_events;

static const struct flow_step steps[] = {
        // step, ask, got, deadline, pause, flags
        { "get", ask_object, got_object, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "events", ask_events, got_events, OPERATION_STEP_MS, 0, FLOW_ALL },
        {}
};

static struct looking *looking_of(struct flow *f) {
        return container_of(container_of(f, struct operation, flow), struct looking, operation);
}

/* ---- wishes */

static char **copy_pointers(const char *const *see) {
        size_t n = 0;
        char **copy;

        if (!see)
                return NULL;
        while (see[n])
                n++;
        copy = mem_array(char *, n + 1);
        for (size_t i = 0; i < n; i++)
                copy[i] = str_dup(see[i]);
        return copy;
}

void look_wish_init(struct look_wish *w, const struct apply_request *r) {
        cleanup_(freep) char *text = NULL;

        *w = (struct look_wish){ .projection = fieldset_ref(r->projection),
                                 .written = !r->first,
                                 .see = copy_pointers(r->see) };
        w->model = str_dup(json_get_str(r->marks, "model", NULL));
        if (!r->baseline || !r->projection)
                return;
        text = json_text(r->baseline);
        project_digest(r->projection, scan_of(text, strlen(text)), NULL, w->baseline);
        w->baseline_valid = true;
}

void look_wish_deinit(struct look_wish *w) {
        fieldset_unref(w->projection);
        for (char **p = w->see; p && *p; p++)
                free(*p);
        free(w->see);
        free(w->model);
        *w = (struct look_wish){ 0 };
}

void look_wish_context(const struct look_wish *w, const struct operation *o,
                       struct observe_context *ret) {
        *ret = (struct observe_context){
                .type = o->type,
                .path = o->path,
                .projection = w->projection,
                .baseline = w->baseline_valid ? w->baseline : NULL,
                .see = (const char *const *)w->see,
                .model = w->model,
                .written = w->written,
        };
}

/* ---- steps */

static int ask_object(struct flow *f, struct ask *a, struct err *err) {
        struct looking *l = looking_of(f);
        int r = operation_address(&l->operation);

        if (r == 0)
                operation_ask(&l->operation, a, "GET", "");
        return r;
}

static int got_object(struct flow *f, struct ask *a, struct err *err) {
        struct looking *l = looking_of(f);
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice body = operation_got(&l->operation, a, ANSWER_GET, &m, &why);

        if (m.outcome == OUTCOME_DONE)
                buf_add(&l->body, body.text, body.len);
        operation_end(&l->operation, m.outcome, m.again_at, &why);
        return m.outcome == OUTCOME_DONE && l->events ? FLOW_OK : FLOW_END;
}

/* Names and namespaces have no characters that a query would need escaped. */
static int ask_events(struct flow *f, struct ask *a, struct err *err) {
        struct looking *l = looking_of(f);
        struct operation *o = &l->operation;
        size_t namespace_len;
        const char *name = identify_split(o->path, &namespace_len);
        struct http_request *r =
                http_ask(a, o->target->http, o->target->server, "GET", NULL,
                         "/api/v1/namespaces/%.*s/"
                         "events?limit=20&fieldSelector=involvedObject.kind%%3D%.*s%%2C"
                         "involvedObject.name%%3D%s%%2Creason%%3DFailedCreate",
                         (int)namespace_len, o->path, (int)strcspn(o->type, "."), o->type, name);

        r->headers = o->headers;
        return FLOW_OK;
}

/* The newest event's words; that events cannot be read is no failure of the look. */
static int got_events(struct flow *f, struct ask *a, struct err *err) {
        struct looking *l = looking_of(f);
        const struct http_request *r = http_answer(a);
        cleanup_(freep) char *newest = NULL;
        struct scan_slice event;
        struct scan_cursor c;

        if (r->end != HTTP_OK || r->status != 200 ||
            !scan_list(scan_get(scan_of(buf_str(&r->reply), r->reply.len), "items"), &c))
                return FLOW_END;
        while (scan_item(&c, &event)) {
                cleanup_(freep) char *at = scan_dup(scan_get(event, "lastTimestamp"));

                if (newest && at && strcmp(at, newest) < 0)
                        continue;
                free(l->reason);
                l->reason = scan_dup(scan_get(event, "message"));
                str_set(&newest, at);
        }
        return FLOW_END;
}

/* ---- ends */

static void ended(struct operation *o) {
        struct looking *l = container_of(o, struct looking, operation);
        struct scan_slice object = scan_of(buf_str(&l->body), l->body.len);
        struct observe_context c;

        if (l->told) {
                l->told(l->arg, o->outcome, object, l->reason);
                return;
        }
        look_wish_context(&l->wish, o, &c);
        if (o->outcome == OUTCOME_DONE)
                observe_object(o->target, &c, object, &o->op->seen, NULL);
        else if (o->outcome == OUTCOME_GONE)
                observe_absent(&o->op->seen);
}

static void drop(struct operation *o) {
        struct looking *l = container_of(o, struct looking, operation);

        operation_deinit(o);
        look_wish_deinit(&l->wish);
        buf_wipe(&l->body);
        free(l->reason);
        free(l);
}

static struct looking *looking_new(struct target *t, const char *type, const char *path,
                                   struct op *op) {
        struct looking *l = mem_new(struct looking);

        operation_init(&l->operation, t, type, path, op);
        l->operation.ended = ended;
        l->operation.drop = drop;
        return l;
}

void look_start(struct target *t, const struct apply_request *r, struct op *op) {
        struct looking *l = looking_new(t, r->type, r->path, op);

        look_wish_init(&l->wish, r);
        if (r->projection)
                l->operation.version = str_dup(fieldset_version(r->projection));
        operation_run(&l->operation, "kube-look", steps);
}

struct operation *look_poke(struct target *t, const char *type, const char *path,
                            const char *version, bool events, look_told *told, void *arg) {
        struct looking *l = looking_new(t, type, path, NULL);

        l->told = told;
        l->arg = arg;
        l->events = events && strchr(path, '/');
        l->operation.version = str_dup(version);
        operation_run(&l->operation, "kube-poke", steps);
        return &l->operation;
}
