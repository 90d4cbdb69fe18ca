/* SPDX-License-Identifier: Apache-2.0 */
/* faults.c - see faults.h */
#include "faults.h"

#include "routes.h"
#include "store.h"

#include <fnmatch.h>
#include <stdlib.h>

void faults_init(struct faults *f) {
        *f = (struct faults){ 0 };
        list_init(&f->requests);
        list_init(&f->pods);
}

static void fault_free(struct fault *x) {
        list_unlink(&x->entry);
        free(x->path);
        free(x->method);
        free(x);
}

void faults_clear(struct faults *f) {
        list_each(e, &f->requests)
                fault_free(list_entry(e, struct fault, entry));
        list_each(e, &f->pods) {
                struct pod_fault *p = list_entry(e, struct pod_fault, entry);

                list_unlink(&p->entry);
                free(p->pattern);
                free(p->reason);
                free(p);
        }
        f->latency_ms = 0;
        f->silence = f->stale_reads = false;
}

void faults_add(struct faults *f, int code, int64_t count, const char *path, const char *method) {
        struct fault *x = mem_new(struct fault);

        x->code = code;
        x->left = count;
        x->path = str_dup(path);
        x->method = str_dup(method);
        list_append(&f->requests, &x->entry);
}

void faults_add_pods(struct faults *f, const char *pattern, const char *reason) {
        struct pod_fault *p = mem_new(struct pod_fault);

        p->pattern = str_dup(pattern);
        p->reason = str_dup(reason);
        list_prepend(&f->pods, &p->entry);
}

static bool is_afflicted(const char *pattern, const char *full, const char *image) {
        if (str_starts(pattern, FAULTS_IMAGE))
                return !fnmatch(pattern + strlen(FAULTS_IMAGE), image, 0);
        return !fnmatch(pattern, strchr(pattern, '/') ? full : strchr(full, '/') + 1, 0);
}

const char *faults_pod(const struct faults *f, const json_t *pod) {
        cleanup_(freep) char *full = str_format("%s/%s", store_namespace(pod), store_name(pod));
        const char *image = json_get_str(json_at(pod, "/spec/containers/0"), "image", "");

        list_each(e, (struct list *)&f->pods) {
                const struct pod_fault *p = list_entry(e, struct pod_fault, entry);

                if (is_afflicted(p->pattern, full, image))
                        return p->reason;
        }
        return NULL;
}

/* As RBAC words it. */
static void forbid(const struct request *q, struct reply *reply) {
        static const char *const verbs[][2] = { { "POST", "create" },
                                                { "PUT", "update" },
                                                { "PATCH", "patch" },
                                                { "DELETE", "delete" } };
        const char *verb = *q->name ? "get" : "list";

        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                if (str_eq(q->method, verbs[i][0]))
                        verb = verbs[i][1];
        reply_status(
                reply, 403, "Forbidden", NULL,
                "%s \"%s\" is forbidden: User \"mooring-sim\" cannot %s resource \"%s\" in API "
                "group \"%s\" in the namespace \"%s\"",
                q->kind->plural, q->name, verb, q->kind->plural, q->kind->group, q->namespace);
}

static void answer(int code, struct reply *reply) {
        switch (code) {
        case 410:
                reply_expired(reply, "The resourceVersion for the provided watch is too old.");
                return;
        case 429:
                reply_status(reply, 429, "TooManyRequests",
                             json_pack("{s:i}", "retryAfterSeconds", 1),
                             "the server has received too many requests and has asked us to try "
                             "again later");
                reply->retry_after = 1;
                return;
        case 500:
                reply_internal(reply, "etcdserver: request timed out");
                return;
        case 503:
                reply_status(reply, 503, "ServiceUnavailable", NULL,
                             "the server is currently unable to handle the request");
                reply->retry_after = 1;
                return;
        default:
                reply_status(reply, code,
                             code == 403   ? "Forbidden"
                             : code == 401 ? "Unauthorized"
                             : code == 409 ? "Conflict"
                             : code == 404 ? "NotFound"
                             : code == 504 ? "Timeout"
                                           : "",
                             NULL, "fault %d asked for by the control socket", code);
        }
}

enum faults_effect faults_hit(struct sim *sim, struct request *q, struct reply *reply) {
        list_each(e, &sim->faults.requests) {
                struct fault *x = list_entry(e, struct fault, entry);
                int code = x->code;

                if ((x->path && !strstr(q->path, x->path)) ||
                    (x->method && !str_eq(x->method, q->method)))
                        continue;
                sim->stats.faults++;
                if (x->left > 0 && --x->left == 0)
                        fault_free(x);
                if (!code)
                        return FAULTS_RESET;
                if (code == 403 && routes_find(sim, q))
                        forbid(q, reply);
                else
                        answer(code, reply);
                return FAULTS_ANSWERED;
        }
        return FAULTS_NONE;
}
