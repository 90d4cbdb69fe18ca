/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - what only the loop knows: plan, why, resources, targets
 *
 * The model is looked up in the rows first, so that a name that is not there is answered with
 * the nearest one. */
#include "admin-internal.h"
#include "routes.h"

#include "lookup.h"

#include <errno.h>

static int read_model(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const struct q_model_row *model;
        const struct q_application_row *application;
        const char *name = request_query(q, "application");
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        return r < 0 || !name ? r : lookup_application(tx, model, name, &application, err);
}

static void reply_list(struct request *q, const char *name, json_t *list) {
        json_t *j = json_object();

        json_object_set_new(j, name, list);
        request_reply(q, 200, j);
}

static struct reconcile_range range_of(const struct request *q) {
        return (struct reconcile_range){ .model = request_param(q, 0),
                                         .application = request_query(q, "application"),
                                         .after = request_query_int(q, "after", 0),
                                         .max = (size_t)MAX_OF(request_query_int(q, "max", 0), 0) };
}

static void listed(void *arg, json_t *json) {
        struct request *q = arg;

        if (json)
                request_reply_long(q, json);
        request_unref(q);
}

static void finish_plan(struct request *q, json_t *json) {
        struct reconcile_range range = range_of(q);

        reconcile_plan(q->admin->options.reconcile, &range, listed, request_ref(q));
}

void explain_plan(struct request *q) {
        request_read(q, read_model, finish_plan);
}

static void finish_resources(struct request *q, json_t *json) {
        struct reconcile_range range = range_of(q);

        reconcile_resources(q->admin->options.reconcile, &range, listed, request_ref(q));
}

void explain_resources(struct request *q) {
        request_read(q, read_model, finish_resources);
}

static void finish_why(struct request *q, json_t *json) {
        const char *subject = request_query(q, "subject");
        struct err err = { 0 };
        json_t *list;

        if (!subject) {
                err_set(&err, -EINVAL, "why what: subject is an application, a unit, or KIND/NAME");
                return request_fail(q, -EINVAL, &err);
        }
        list = reconcile_why(q->admin->options.reconcile, request_param(q, 0), subject, &err);
        if (list)
                reply_list(q, "why", list);
        else
                request_fail(q, err.code ? err.code : -ENOENT, &err);
}

void explain_why(struct request *q) {
        request_read(q, read_model, finish_why);
}

void explain_targets(struct request *q) {
        reply_list(q, "targets", reconcile_targets(q->admin->options.reconcile));
}
