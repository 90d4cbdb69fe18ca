/* SPDX-License-Identifier: Apache-2.0 */
/* remove.c - deletes what we know by its uid, and says what it waits for
 *
 *   look     when no uid is known, or a token says that the deletion was asked for:
 *            gone, another one, or still leaving
 *   claims,  of a namespace: others' data or pods in it, and it stays
 *   pods
 *   delete   with the uid as precondition: what somebody else made anew under the
 *            name is not touched
 *
 * While finalizers hold it the outcome is RUNNING with the uid as token; each later call is one
 * look. Workloads go in the foreground, so that gone means that their pods are gone too and
 * nothing writes into a volume any more. */
#include "remove.h"

#include "clock.h"
#include "kinds.h"
#include "look.h"
#include "normalise.h"

#include <errno.h>
#include <stdlib.h>

#define AGAIN_MS 500 /* background deletion of something without finalizers is one more look away */
#define AGAIN_SLOW_MS 3000 /* finalizers are another program's work */

struct removing {
        struct operation operation;
        struct look_wish wish;
        char *uid;
        bool asked; /* the deletion was accepted, now or in a call before */
        char *options;
        const char *headers[3];
        struct observation seen;
};

static flow_ask ask_look, ask_claims, ask_pods, ask_delete;
static flow_got got_look, got_inside, got_delete;

static const struct flow_step steps[] = {
        // step, ask, got, deadline, pause, flags
        { "look", ask_look, got_look, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "claims", ask_claims, got_inside, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "pods", ask_pods, got_inside, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "delete", ask_delete, got_delete, OPERATION_STEP_MS, 0, FLOW_ALL },
        {}
};

static struct removing *removing_of(struct flow *f) {
        return container_of(container_of(f, struct operation, flow), struct removing, operation);
}

static int gone(struct removing *r) {
        observation_clear(&r->seen);
        observe_absent(&r->seen);
        return operation_end(&r->operation, OUTCOME_GONE, 0, NULL);
}

static int ask_look(struct flow *f, struct ask *a, struct err *err) {
        struct removing *r = removing_of(f);
        int n = operation_address(&r->operation);

        /* Its definition is gone, and with it went the object. */
        if (n == FLOW_END && r->operation.outcome == OUTCOME_NOT_YET)
                return gone(r);
        if (n)
                return n;
        if (!r->asked && r->uid)
                return FLOW_SKIP;
        operation_ask(&r->operation, a, "GET", "");
        return 0;
}

static int still_leaving(struct removing *r, struct scan_slice object) {
        struct operation *o = &r->operation;
        cleanup_(freep) char *why = observe_leaving(object);
        bool held = strstr(why, "finalizer") != NULL;
        struct observe_context c;
        struct err text = { 0 };

        look_wish_context(&r->wish, o, &c);
        observe_object(o->target, &c, object, &r->seen, NULL);
        err_set(&text, -EAGAIN, "%s", why);
        return operation_end(o, OUTCOME_RUNNING, clock_mono() + (held ? AGAIN_SLOW_MS : AGAIN_MS),
                             &text);
}

static int got_look(struct flow *f, struct ask *a, struct err *err) {
        struct removing *r = removing_of(f);
        struct operation *o = &r->operation;
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice object = operation_got(o, a, ANSWER_GET, &m, &why);
        struct scan_slice uid = scan_dig(object, "metadata", "uid", NULL);

        if (m.outcome == OUTCOME_GONE)
                return gone(r);
        if (m.outcome != OUTCOME_DONE)
                return operation_end(o, m.outcome, m.again_at, &why);
        if (r->uid && !scan_says(uid, r->uid))
                return gone(r);
        if (!r->uid && !normalise_is_ours(object, o->target->controller, r->wish.model))
                return operation_say(o, OUTCOME_CONFLICT, "%s %s is not ours: it is left alone",
                                     o->type, o->path);
        if (!r->uid)
                r->uid = scan_dup(uid);
        if (!scan_is_null(scan_dig(object, "metadata", "deletionTimestamp", NULL)))
                return still_leaving(r, object);
        return 0;
}

/* A namespace goes with everything in it, and by now nothing of ours is: what holds data or runs
 * there is somebody else's. */
static int ask_inside(struct flow *f, struct ask *a, const char *what) {
        struct removing *r = removing_of(f);

        if (r->asked || !str_eq(r->operation.type, "Namespace"))
                return FLOW_SKIP;
        operation_ask(&r->operation, a, "GET", what);
        return 0;
}

static int ask_claims(struct flow *f, struct ask *a, struct err *err) {
        return ask_inside(f, a, "/persistentvolumeclaims?limit=1");
}

static int ask_pods(struct flow *f, struct ask *a, struct err *err) {
        return ask_inside(f, a, "/pods?limit=1");
}

static int got_inside(struct flow *f, struct ask *a, struct err *err) {
        struct removing *r = removing_of(f);
        struct operation *o = &r->operation;
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice body = operation_got(o, a, ANSWER_GET, &m, &why), item;
        cleanup_(freep) char *kind = scan_dup(scan_get(body, "kind"));
        cleanup_(freep) char *name = NULL;
        struct scan_cursor items;

        if (m.outcome == OUTCOME_GONE)
                return gone(r);
        if (m.outcome != OUTCOME_DONE)
                return operation_end(o, m.outcome, m.again_at, &why);
        if (!scan_list(scan_get(body, "items"), &items) || !scan_item(&items, &item))
                return 0;
        name = scan_dup(scan_dig(item, "metadata", "name", NULL));
        err_set(&why, -ENOTEMPTY,
                "%s %s is in it, which is not ours: remove it, or let the namespace stay with "
                "--force",
                str_eq(kind, "PodList") ? "pod" : "volume claim", name ? name : "?");
        return operation_end(o, OUTCOME_NOT_YET, clock_mono() + AGAIN_SLOW_MS, &why);
}

static int ask_delete(struct flow *f, struct ask *a, struct err *err) {
        struct removing *r = removing_of(f);
        const struct kind_row *row = kinds_find(r->operation.type);
        struct http_request *q = operation_ask(&r->operation, a, "DELETE", "");

        free(r->options);
        r->options = str_format(
                "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":\"%s\","
                "\"preconditions\":{\"uid\":\"%s\"}}",
                row && row->pod && *row->pod ? "Foreground" : "Background", r->uid);
        r->headers[0] = r->operation.headers[0];
        r->headers[1] = "Content-Type: application/json";
        q->headers = r->headers;
        q->body = r->options;
        q->body_len = strlen(r->options);
        return 0;
}

/* The answer is the object while something holds it, else a Status. */
static int got_delete(struct flow *f, struct ask *a, struct err *err) {
        struct removing *r = removing_of(f);
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice body = operation_got(&r->operation, a, ANSWER_DELETE, &m, &why);

        if (m.outcome == OUTCOME_GONE)
                return gone(r);
        if (m.outcome != OUTCOME_DONE)
                return operation_end(&r->operation, m.outcome, m.again_at, &why);
        r->asked = true;
        if (scan_says(scan_get(body, "kind"), "Status"))
                return gone(r);
        if (scan_is_null(scan_dig(body, "metadata", "deletionTimestamp", NULL)))
                return gone(r); /* without grace and finalizers the answer is the object that was */
        return still_leaving(r, body);
}

static void ended(struct operation *o) {
        struct removing *r = container_of(o, struct removing, operation);

        if (o->outcome == OUTCOME_RUNNING)
                str_copy(o->op->token, sizeof(o->op->token), r->uid);
        observation_move(&o->op->seen, &r->seen);
}

static void drop(struct operation *o) {
        struct removing *r = container_of(o, struct removing, operation);

        operation_deinit(o);
        look_wish_deinit(&r->wish);
        observation_clear(&r->seen);
        free(r->uid);
        free(r->options);
        free(r);
}

void remove_start(struct target *t, const struct apply_request *r, struct op *op) {
        struct removing *n = mem_new(struct removing);

        operation_init(&n->operation, t, r->type, r->path, op);
        n->operation.ended = ended;
        n->operation.drop = drop;
        look_wish_init(&n->wish, r);
        n->asked = r->token && *r->token;
        if (n->asked)
                n->uid = str_dup(r->token);
        else if (r->incarnation && *r->incarnation)
                n->uid = str_dup(r->incarnation);
        operation_run(&n->operation, "kube-remove", steps);
}
