/* SPDX-License-Identifier: Apache-2.0 */
/* s3-policy.c - MinIO's canned policies, which say what a user may do
 *
 * The store gives a policy back in its own form (one action as a list, lists sorted), so
 * documents are brought into that form before they are compared. */
#include "s3-target.h"

#include <stdlib.h>

static flow_ask ask_info, ask_put, ask_remove;
static flow_got got_info, got_put, got_remove;

const struct flow_step s3_policy_look[] = {
        { "info", ask_info, got_info, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL }, {}
};
const struct flow_step s3_policy_apply[] = {
        { "info", ask_info, got_info, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "put", ask_put, got_put, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "look", ask_info, got_info, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        {}
};
const struct flow_step s3_policy_remove[] = {
        { "remove", ask_remove, got_remove, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL }, {}
};

/* ---- one form */

static int by_text(const void *a, const void *b) {
        return strcmp(json_string_value(*(json_t *const *)a),
                      json_string_value(*(json_t *const *)b));
}

static json_t *sorted_set(const json_t *j) {
        size_t n = json_is_array(j) ? json_array_size(j) : 1;
        json_t **items = mem_array(json_t *, n + 1), *out = json_array();

        for (size_t i = 0; i < n; i++)
                items[i] = json_is_array(j) ? json_array_get(j, i) : (json_t *)j;
        for (size_t i = 0; i < n; i++) {
                if (json_is_string(items[i]))
                        continue;
                free(items);
                json_decref(out);
                return json_deep_copy(j); /* nothing we know: as it is */
        }
        qsort(items, n, sizeof(*items), by_text);
        for (size_t i = 0; i < n; i++)
                if (!i || !json_equal(items[i], items[i - 1]))
                        json_array_append(out, items[i]);
        free(items);
        return out;
}

static json_t *statement_form(const json_t *statement) {
        static const char *const sets[] = { "Action", "NotAction", "Resource", "NotResource" };
        json_t *out = json_deep_copy(statement);

        for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
                if (json_get(out, sets[i]))
                        json_object_set_new(out, sets[i], sorted_set(json_get(statement, sets[i])));
        if (json_object_size(json_get(out, "Condition")) == 0)
                json_object_del(out, "Condition");
        if (str_eq(json_get_str(out, "Sid", ""), ""))
                json_object_del(out, "Sid");
        return out;
}

static json_t *policy_form(const json_t *policy) {
        json_t *out = json_object(), *list = json_array(), *item;
        size_t i;

        json_array_foreach(json_get(policy, "Statement"), i, item)
                json_array_append_new(list, statement_form(item));
        json_object_set_new(out, "Version",
                            json_string(json_get_str(policy, "Version", "2012-10-17")));
        json_object_set_new(out, "Statement", list);
        return out;
}

/* ---- steps */

static int ask_info(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        s3_seen_reset(s);
        s3_ask(s, a, "GET", NULL, "/minio/admin/v3/info-canned-policy?name=%s", s->doc.name);
        return 0;
}

static int got_info(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        cleanup_(json_freep) json_t *policy = NULL;

        if (s3_status(a) == 404)
                return FLOW_OK;
        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        if (json_parse(r->reply.data, r->reply.len, &policy, NULL) < 0)
                return s3_fail(s, OUTCOME_UNREACHABLE, "policy %s: the answer is no JSON",
                               s->doc.name);
        s->present = true;
        json_object_set_new(s->seen, "document", policy_form(policy));
        return FLOW_OK;
}

static int ask_put(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        cleanup_(json_freep) json_t *wanted = policy_form(s->doc.document);
        bool same = s->present && json_equal(wanted, json_get(s->seen, "document"));

        if (s->present && !same && s->first && !s->adopt)
                return s3_fail(s, OUTCOME_CONFLICT,
                               "policy %s is there already and says something else: adopt it, or "
                               "choose another name",
                               s->doc.name);
        s->created = s->first ? !s->adopt || !s->present : !s->present;
        if (same)
                return FLOW_SKIP;
        s3_ask(s, a, "PUT", json_text(s->doc.document), "/minio/admin/v3/add-canned-policy?name=%s",
               s->doc.name);
        return 0;
}

static int got_put(struct flow *f, struct ask *a, struct err *err) {
        return s3_status(a) == 200 ? FLOW_OK : s3_fail_answer(s3_op_of(f), a);
}

static int ask_remove(struct flow *f, struct ask *a, struct err *err) {
        s3_ask(s3_op_of(f), a, "DELETE", NULL, "/minio/admin/v3/remove-canned-policy?name=%s",
               s3_op_of(f)->doc.name);
        return 0;
}

static int got_remove(struct flow *f, struct ask *a, struct err *err) {
        long status = s3_status(a);

        return status == 200 || status == 204 || status == 404 ? FLOW_OK
                                                               : s3_fail_answer(s3_op_of(f), a);
}
