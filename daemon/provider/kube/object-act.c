/* SPDX-License-Identifier: Apache-2.0 */
/* object-act.c - objects of an operation; see object-act.h
 *
 *   apply    look ──▶ patch
 *   job      look ──▶ patch (then NOT_YET: it is asked again) ; over: pods ──▶ log
 *   remove   look ──▶ delete, for each
 *
 * Each may be asked twice: it looks first, and a server-side apply of the same document changes
 * nothing. */
#include "object-act.h"

#include "identify.h"
#include "fieldset.h"
#include "kinds.h"
#include "operation.h"
#include "pod-log.h"

#include <errno.h>
#include <stdlib.h>

#define LABEL "mooring.dev/operation"

/* Without what holds data, gives rights or decides about others. A row is a right in cluster-role
 * for charms whose actions apply. */
const struct object_kind object_act_kinds[] = { { "ConfigMap", "", "configmaps" },
                                                { "Job.batch", "batch", "jobs" },
                                                { "Pod", "", "pods" },
                                                { "Service", "", "services" },
                                                {} };

struct objecting {
        struct operation operation;
        struct act_request request;
        struct buf body;
        const char *headers[3];
        char *uid, *pod, *options;
        json_t *told; /* of a Job */
        size_t next;  /* of those that are removed */
};

static struct objecting *objecting_of(struct flow *f) {
        return container_of(container_of(f, struct operation, flow), struct objecting, operation);
}

static void ended(struct operation *o) {
        struct objecting *j = container_of(o, struct objecting, operation);

        if (o->outcome == OUTCOME_DONE)
                o->op->told = j->told ? take_ptr(j->told) : json_object();
}

static void drop(struct operation *o) {
        struct objecting *j = container_of(o, struct objecting, operation);

        operation_deinit(o);
        buf_free(&j->body);
        free(j->uid);
        free(j->pod);
        free(j->options);
        json_decref(j->told);
        free(j);
}

static const char *operation_label(const struct objecting *j) {
        return json_get_str(json_get(j->request.ask, "labels"), LABEL, "");
}

/* ---- look */

static int ask_look(struct flow *f, struct ask *a, struct err *err) {
        struct operation *o = &objecting_of(f)->operation;
        int r = operation_address(o);

        if (r)
                return r;
        operation_ask(o, a, "GET", "");
        return 0;
}

/* 0: there is one of the operation, OBJECT, or none; else decided. */
static int read_look(struct objecting *j, const struct ask *a, struct scan_slice *ret_object) {
        struct operation *o = &j->operation;
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice object = operation_got(o, a, ANSWER_GET, &m, &why), uid;

        *ret_object = (struct scan_slice){ 0 };
        if (m.outcome == OUTCOME_GONE)
                return 0;
        if (m.outcome != OUTCOME_DONE)
                return operation_end(o, m.outcome, m.again_at, &why);
        if (!scan_says(scan_dig(object, "metadata", "labels", LABEL, NULL), operation_label(j)))
                return operation_say(o, OUTCOME_CONFLICT,
                                     "%s %s is there already, and is none of this operation",
                                     o->type, o->path);
        if (!scan_is_null(scan_dig(object, "metadata", "deletionTimestamp", NULL)))
                return operation_say(o, OUTCOME_NOT_YET, "%s %s is being deleted", o->type,
                                     o->path);
        uid = scan_dig(object, "metadata", "uid", NULL);
        free(j->uid);
        j->uid = scan_dup(uid);
        *ret_object = object;
        return 0;
}

/* ---- patch */

static void make_body(struct objecting *j) {
        cleanup_(json_freep) json_t *object = json_deep_copy(json_get(j->request.ask, "object"));
        json_t *meta = json_get(object, "metadata"), *labels = json_get(meta, "labels");

        if (!labels) {
                labels = json_object();
                json_object_set_new(meta, "labels", labels);
        }
        json_object_update(labels, json_get(j->request.ask, "labels"));
        json_object_set(meta, "namespace", json_get(j->request.ask, "namespace"));
        buf_clear(&j->body);
        json_canonical(object, &j->body);
}

static int ask_patch(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        struct http_request *r = operation_ask(&j->operation, a, "PATCH",
                                               "?fieldManager=" FIELDSET_MANAGER
                                               "&force=true&fieldValidation=Strict");

        make_body(j);
        j->headers[0] = j->operation.headers[0];
        j->headers[1] = "Content-Type: application/apply-patch+yaml";
        r->headers = j->headers;
        r->body = j->body.data;
        r->body_len = j->body.len;
        return 0;
}

static int read_patch(struct objecting *j, const struct ask *a) {
        struct answer_meaning m;
        struct err why = { 0 };

        operation_got(&j->operation, a, ANSWER_APPLY, &m, &why);
        return m.outcome == OUTCOME_DONE
                       ? 0
                       : operation_end(&j->operation, m.outcome, m.again_at, &why);
}

/* ---- apply */

static int got_look(struct flow *f, struct ask *a, struct err *err) {
        struct scan_slice object;

        return read_look(objecting_of(f), a, &object);
}

static int got_patch(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        int r = read_patch(j, a);

        return r ? r : operation_end(&j->operation, OUTCOME_DONE, 0, NULL);
}

static const struct flow_step apply_steps[] = {
        // step, ask, got, deadline, pause, flags
        { "look", ask_look, got_look, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "patch", ask_patch, got_patch, OPERATION_STEP_MS, 0, FLOW_ALL },
        {}
};

/* ---- job */

static flow_got got_job, got_began, got_pods, got_log;
static flow_ask ask_pods, ask_log;

static const struct flow_step job_steps[] = {
        // step, ask, got, deadline, pause, flags
        { "look", ask_look, got_job, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "patch", ask_patch, got_began, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "pods", ask_pods, got_pods, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "log", ask_log, got_log, OPERATION_STEP_MS, 0, FLOW_ALL },
        {}
};
enum { STEP_PODS = 2 };

/* {"succeeded", "message"} of a Job that is over; NULL: it runs. */
static json_t *end_of(struct scan_slice job) {
        struct scan_slice condition;
        struct scan_cursor list;

        if (!scan_list(scan_dig(job, "status", "conditions", NULL), &list))
                return NULL;
        while (scan_item(&list, &condition)) {
                bool good = scan_says(scan_get(condition, "type"), "Complete");
                cleanup_(freep) char *message = scan_dup(scan_get(condition, "message"));

                if ((good || scan_says(scan_get(condition, "type"), "Failed")) &&
                    scan_says(scan_get(condition, "status"), "True"))
                        return json_pack("{s:b, s:s, s:s}", "succeeded", good, "message",
                                         message ? message : "", "log", "");
        }
        return NULL;
}

static int got_job(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        struct scan_slice job;
        int r = read_look(j, a, &job);

        if (r || !job.text)
                return r;
        j->told = end_of(job);
        if (j->told)
                return FLOW_GOTO(STEP_PODS);
        return operation_say(&j->operation, OUTCOME_NOT_YET, "job %s runs", j->operation.path);
}

static int got_began(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        int r = read_patch(j, a);

        return r ? r
                 : operation_say(&j->operation, OUTCOME_NOT_YET, "job %s runs", j->operation.path);
}

static int ask_pods(struct flow *f, struct ask *a, struct err *err) {
        struct operation *o = &objecting_of(f)->operation;
        size_t namespace_len;
        const char *name = identify_split(o->path, &namespace_len);

        http_ask(a, o->target->http, o->target->server, "GET", NULL,
                 "/api/v1/namespaces/%.*s/pods?labelSelector=job-name%%3D%s", (int)namespace_len,
                 o->path, name);
        return 0;
}

/* The newest tells how it ended: the log of one before it is of a try that failed. */
static int got_pods(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        struct operation *o = &j->operation;
        struct answer_meaning m;
        struct err why = { 0 };
        struct scan_slice body = operation_got(o, a, ANSWER_GET, &m, &why), pod;
        cleanup_(freep) char *newest = NULL;
        struct scan_cursor items;

        if (m.outcome != OUTCOME_DONE)
                return operation_end(o, m.outcome, m.again_at, &why);
        if (!scan_list(scan_get(body, "items"), &items))
                return operation_end(o, OUTCOME_DONE, 0, NULL);
        while (scan_item(&items, &pod)) {
                cleanup_(freep) char *at =
                        scan_dup(scan_dig(pod, "metadata", "creationTimestamp", NULL));

                if (newest && at && strcmp(at, newest) < 0)
                        continue;
                str_set(&newest, at);
                free(j->pod);
                j->pod = scan_dup(scan_dig(pod, "metadata", "name", NULL));
        }
        return j->pod ? 0 : operation_end(o, OUTCOME_DONE, 0, NULL);
}

static int ask_log(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        struct operation *o = &j->operation;
        int64_t lines = json_get_int(j->request.ask, "lines", POD_LOG_LINES);
        struct http_request *r;
        size_t namespace_len;

        identify_split(o->path, &namespace_len);
        r = http_ask(a, o->target->http, o->target->server, "GET", NULL,
                     "/api/v1/namespaces/%.*s/pods/%s/log?tailLines=%lld", (int)namespace_len,
                     o->path, j->pod,
                     (long long)MIN_OF(MAX_OF(lines, 1), (int64_t)POD_LOG_LINES_MAX));
        r->reply_max = POD_LOG_REPLY_MAX;
        return 0;
}

/* How it ended is known; a log that cannot be had changes nothing of that. */
static int got_log(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        const struct http_request *r = http_answer(a);
        size_t len = r->reply.len, over = len > ACT_TEXT_MAX ? len - ACT_TEXT_MAX : 0;
        cleanup_(freep) char *text = NULL;

        if (a->outcome == OUTCOME_UNREACHABLE)
                return operation_end(&j->operation, a->outcome, 0, &a->err);
        if (a->outcome == OUTCOME_DONE) {
                text = str_dup(buf_str(&r->reply) + over);
                json_object_set_new(j->told, "log", json_string(str_make_utf8(text)));
        }
        return operation_end(&j->operation, OUTCOME_DONE, 0, NULL);
}

/* ---- remove */

static flow_ask ask_each, ask_delete;
static flow_got got_each, got_delete;

static const struct flow_step remove_steps[] = {
        // step, ask, got, deadline, pause, flags
        { "look", ask_each, got_each, OPERATION_STEP_MS, 0, FLOW_ALL },
        { "delete", ask_delete, got_delete, OPERATION_STEP_MS, 0, FLOW_ALL },
        {}
};

static const json_t *listed(const struct objecting *j) {
        return json_array_get(json_get(j->request.ask, "objects"), j->next);
}

static int on_with_next(struct objecting *j) {
        j->next++;
        return listed(j) ? FLOW_GOTO(0) : operation_end(&j->operation, OUTCOME_DONE, 0, NULL);
}

static int ask_each(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        struct operation *o = &j->operation;
        cleanup_(freep) char *path =
                str_format("%s/%s", json_get_str(j->request.ask, "namespace", ""),
                           json_get_str(listed(j), "name", ""));

        free(o->type);
        o->type = kinds_type(listed(j));
        str_set(&o->path, path);
        str_set(&o->version, NULL);
        return ask_look(f, a, err);
}

static int got_each(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        struct scan_slice object;
        int r = read_look(j, a, &object);

        /* Another one of that name, or it goes already. */
        if (r &&
            (j->operation.outcome == OUTCOME_CONFLICT || j->operation.outcome == OUTCOME_NOT_YET))
                return on_with_next(j);
        return r || object.text ? r : on_with_next(j);
}

static int ask_delete(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        struct http_request *r = operation_ask(&j->operation, a, "DELETE", "");

        free(j->options);
        j->options = str_format("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\","
                                "\"propagationPolicy\":\"Background\",\"preconditions\":{\"uid\":"
                                "\"%s\"}}",
                                j->uid);
        j->headers[0] = j->operation.headers[0];
        j->headers[1] = "Content-Type: application/json";
        r->headers = j->headers;
        r->body = j->options;
        r->body_len = strlen(j->options);
        return 0;
}

static int got_delete(struct flow *f, struct ask *a, struct err *err) {
        struct objecting *j = objecting_of(f);
        struct answer_meaning m;
        struct err why = { 0 };

        operation_got(&j->operation, a, ANSWER_DELETE, &m, &why);
        if (m.outcome != OUTCOME_DONE && m.outcome != OUTCOME_GONE)
                return operation_end(&j->operation, m.outcome, m.again_at, &why);
        return on_with_next(j);
}

/* ---- starting */

static void start(struct target *t, const struct act_request *r, struct op *op, const char *type,
                  const char *path, const struct flow_step *steps) {
        struct objecting *j = mem_new(struct objecting);

        operation_init(&j->operation, t, type, path, op);
        j->operation.ended = ended;
        j->operation.drop = drop;
        j->request = *r;
        operation_run(&j->operation, "kube-object", steps);
}

static bool is_kind(const char *type) {
        for (const struct object_kind *k = object_act_kinds; k->type; k++)
                if (str_eq(k->type, type))
                        return true;
        return false;
}

/* Which object it is: of our namespace, and of a kind that may be. */
static int identify(const struct act_request *r, const char *only, struct identity *ret,
                    struct err *err) {
        const json_t *object = json_get(r->ask, "object");
        const char *ours = json_get_str(r->ask, "namespace", ""),
                   *named = json_get_str(json_get(object, "metadata"), "namespace", ours);
        int k = identify_document(object, ours, ret, err);

        if (k < 0)
                return k;
        if (!is_kind(ret->type) || (only && !str_eq(ret->type, only)))
                return err_set(err, -EINVAL, "%s: no %s is made so", r->verb, ret->type);
        return str_eq(named, ours) ? 0
                                   : err_set(err, -EINVAL, "%s: namespace %.60s is not the model's",
                                             r->verb, named);
}

static void start_object(struct target *t, const struct act_request *r, struct op *op,
                         const char *only, const struct flow_step *steps) {
        cleanup_(identity_free) struct identity id = { 0 };
        struct err err = { 0 };

        if (identify(r, only, &id, &err) < 0)
                return operation_refuse(t, op, &err);
        start(t, r, op, id.type, id.path, steps);
}

void object_act_apply(struct target *t, const struct act_request *r, struct op *op) {
        start_object(t, r, op, NULL, apply_steps);
}

void object_act_job(struct target *t, const struct act_request *r, struct op *op) {
        start_object(t, r, op, "Job.batch", job_steps);
}

void object_act_remove(struct target *t, const struct act_request *r, struct op *op) {
        start(t, r, op, "", "", remove_steps);
}
