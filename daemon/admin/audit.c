/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - who wrote what and why, whether that is as it was written, and who may do what
 *
 * Everybody who may look may read the audit and have it checked: it holds no secret, and who could
 * have changed it is not the only one to ask. */
#include "admin-internal.h"
#include "routes.h"

#include "clock.h"
#include "queries.gen.h"

#include <errno.h>
#include <stdlib.h>

static void set_text(json_t *j, const char *name, const char *text) {
        if (text[0])
                json_object_set_new(j, name, json_string(text));
}

static void set_number(json_t *j, const char *name, bool null, int64_t n) {
        if (!null)
                json_object_set_new(j, name, json_integer(n));
}

static void set_json(json_t *j, const char *name, const char *text) {
        json_t *value = NULL;

        if (text[0] && json_parse(text, strlen(text), &value, NULL) >= 0)
                json_object_set_new(j, name, value);
}

static json_t *row_json(const struct q_audit_row *a) {
        json_t *j = json_object();
        char stamp[CLOCK_TEXT_MAX], hex[DIGEST_HEX_SIZE];

        json_object_set_new(j, "id", json_integer(a->id));
        json_object_set_new(j, "at", json_string(clock_iso(a->at, true, stamp)));
        json_object_set_new(j, "kind", json_string(a->kind));
        set_text(j, "user", a->user_name);
        set_number(j, "uid", a->user_id_null, a->user_id);
        set_number(j, "login-uid", a->login_id_null, a->login_id);
        set_number(j, "pid", a->pid_null, a->pid);
        set_text(j, "command", a->command);
        set_text(j, "role", a->role);
        json_object_set_new(j, "what", json_string(a->what));
        set_text(j, "route", a->route);
        set_text(j, "model", a->model);
        set_text(j, "application", a->application);
        set_text(j, "subject", a->subject);
        set_json(j, "before", a->was);
        set_json(j, "after", a->became);
        set_text(j, "why", a->why);
        json_object_set_new(j, "outcome", json_string(a->outcome));
        set_text(j, "message", a->message);
        if (a->hash_len == DIGEST_SIZE)
                json_object_set_new(j, "hash", json_string(digest_hex(a->hash, DIGEST_SIZE, hex)));
        return j;
}

/* The newest row before the cursor; 0: there is none. */
static int find_newest(struct tx *tx, const struct request *q, int64_t *ret, struct err *err) {
        struct q_audit_newest_before_in in = { .before_id =
                                                       request_query_int(q, "before", INT64_MAX) };
        struct q_audit_newest_before_row *row;
        size_t n;
        int r = q_audit_newest_before(tx, &in, &row, &n, err);

        if (r >= 0)
                *ret = n ? row->id : 0;
        return r;
}

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        struct q_audit_list_in in = { .application = request_query(q, "application"),
                                      .who = request_query(q, "who"),
                                      .what = request_query(q, "what"),
                                      .max = request_query_lines(q) };
        struct q_audit_row *rows;
        json_t *list;
        size_t n;
        int r = request_query_since(q, tx_now(tx), &in.since, err);

        if (r >= 0)
                r = find_newest(tx, q, &in.newest, err);
        in.oldest = in.newest - REQUEST_WINDOW + 1;
        if (r >= 0)
                r = q_audit_list(tx, &in, &rows, &n, err);
        if (r < 0)
                return r;
        *ret = json_object();
        list = json_array();
        json_object_set_new(*ret, "audit", list);
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, row_json(&rows[i]));
        request_next(*ret, n, in.max, n ? rows[n - 1].id : 0, in.oldest);
        return 0;
}

void audit_list(struct request *q) {
        request_read(q, read_list, NULL);
}

static int read_one(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        struct q_audit_row *row;
        int64_t id;
        size_t n;
        int r;

        if (!str_to_int(request_param(q, 0), &id))
                return err_set(err, -EINVAL, "audit rows have numbers, not \"%s\"",
                               request_param(q, 0));
        r = q_audit_by_id(tx, &(struct q_audit_by_id_in){ .id = id }, &row, &n, err);
        if (r < 0)
                return r;
        if (n == 0)
                return err_set(err, -ENOENT,
                               "the audit has no row %lld: it never had, or it is too old",
                               (long long)id);
        *ret = row_json(row);
        return 0;
}

void audit_show(struct request *q) {
        request_read(q, read_one, NULL);
}

/* ---- verify: step by step, so that others read meanwhile */

#define HEADS_MAX 100000 /* of one request: a head each 30 s is 2,880 a day */

const struct json_field audit_verify_fields[] = {
        { "heads", JSON_FIELD_LIST, offsetof(struct audit_verify_body, heads), 0, 0, 0, NULL }, {}
};

struct verifying {
        struct store_call call;
        struct request *request;
        struct audit_check check;
        struct audit_head *heads;
};

static int by_number(const void *a, const void *b) {
        const struct audit_head *x = a, *y = b;

        return (x->id > y->id) - (x->id < y->id);
}

static int read_heads(struct verifying *v, const json_t *list, struct err *err) {
        size_t n = json_array_size(list), i;
        json_t *text;

        if (n > HEADS_MAX)
                return err_set(err, -EINVAL, "heads: at most %d", HEADS_MAX);
        v->heads = mem_array(struct audit_head, n + 1);
        json_array_foreach(list, i, text) {
                const char *head = json_string_value(text);

                if (!head || !audit_head_parse(head, &v->heads[i]))
                        return err_set(err, -EINVAL,
                                       "heads: a head is NUMBER:HASH, with a hash of 64 "
                                       "hexadecimal digits");
        }
        qsort(v->heads, n, sizeof(*v->heads), by_number);
        v->check.heads = v->heads;
        v->check.head_count = n;
        return 0;
}

static void verifying_free(struct verifying *v) {
        request_unref(v->request);
        free(v->heads);
        free(v);
}

static void tell_verified(const struct verifying *v) {
        const struct audit_check *c = &v->check;
        json_t *j = json_object();
        char hex[DIGEST_HEX_SIZE];

        json_object_set_new(j, "result", json_string(audit_fault_names[c->fault]));
        json_object_set_new(j, "rows", json_integer(c->rows));
        json_object_set_new(j, "first", json_integer(c->first));
        json_object_set_new(j, "last", json_integer(c->last.id));
        json_object_set_new(j, "hash", json_string(digest_hex(c->last.hash, DIGEST_SIZE, hex)));
        json_object_set_new(j, "heads", json_integer((json_int_t)c->compared));
        if (c->fault) {
                json_object_set_new(j, "row", json_integer(c->row));
                json_object_set_new(j, "text", json_string(c->text));
                log_event(LOG_ERR, "audit-broken",
                          (struct log_field[]){ { "ACTOR", v->request->actor }, {} },
                          "%s asked whether the audit is intact, and it is not: %s",
                          v->request->actor, c->text);
        }
        request_reply(v->request, 200, j);
}

static int verify_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct verifying *v = c->arg;

        return audit_check_step(tx, v->request->admin->options.sealer, &v->check, err);
}

static void verify_done(struct store_call *c, int r, const struct err *err) {
        struct verifying *v = c->arg;
        struct request *q = v->request;

        if (q->gone)
                return verifying_free(v);
        if (r > 0)
                return store_read(q->admin->options.store, c);
        if (r < 0)
                request_fail(q, r, err);
        else
                tell_verified(v);
        verifying_free(v);
}

void audit_verify(struct request *q) {
        const struct audit_verify_body *b = q->data;
        struct verifying *v = mem_new(struct verifying);
        struct err err = { 0 };
        int r;

        v->request = request_ref(q);
        r = read_heads(v, b->heads, &err);
        if (r < 0) {
                request_fail(q, r, &err);
                return verifying_free(v);
        }
        v->call = (struct store_call){ .lane = STORE_COMMAND,
                                       .actor = q->actor,
                                       .run = verify_run,
                                       .done = verify_done,
                                       .arg = v };
        store_read(q->admin->options.store, &v->call);
}
