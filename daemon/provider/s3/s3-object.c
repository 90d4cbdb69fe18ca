/* SPDX-License-Identifier: Apache-2.0 */
/* s3-object.c - one request a verb; see s3-object.h */
#include "s3-object.h"
#include "s3-azure.h"
#include "s3-identity.h"
#include "s3-xml.h"

#include "digest.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

static flow_ask ask_put, ask_get, ask_head, ask_list, ask_delete, ask_buckets;
static flow_got got_put, got_get, got_head, got_list, got_delete, got_buckets;

static const struct flow_step put_steps[] = {
        S3_LET_IN, { "put-object", ask_put, got_put, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL }, {}
};
static const struct flow_step get_steps[] = {
        S3_LET_IN, { "get-object", ask_get, got_get, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL }, {}
};
static const struct flow_step head_steps[] = {
        S3_LET_IN, { "head-object", ask_head, got_head, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL }, {}
};
static const struct flow_step list_steps[] = {
        S3_LET_IN, { "list-objects", ask_list, got_list, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL }, {}
};
static const struct flow_step delete_steps[] = { S3_LET_IN,
                                                 { "delete-object", ask_delete, got_delete,
                                                   S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
                                                 {} };

static const struct flow_step buckets_steps[] = {
        { "list-buckets", ask_buckets, got_buckets, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL }, {}
};

/* ---- names */

int s3_object_parse(const json_t *ask, bool needs_key, struct s3_object *ret, struct err *err) {
        const char *bucket = json_get_str(ask, "bucket", "");
        const char *key = json_get_str(ask, "key", "");
        struct buf path = BUF_INIT;

        if (!*bucket || strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(bucket))
                return err_set(err, -EINVAL, "bucket \"%.100s\": no name of a bucket", bucket);
        if (needs_key && (!*key || *key == '/' || strlen(key) > S3_KEY_MAX))
                return err_set(err, -EINVAL, "key \"%.100s\": 1 to %d bytes, not begun by \"/\"",
                               key, S3_KEY_MAX);
        buf_printf(&path, "/%s", bucket);
        if (needs_key) {
                buf_putc(&path, '/');
                http_escape(&path, key, true);
        }
        ret->bucket = bucket;
        ret->path = buf_take(&path);
        return 0;
}

void s3_object_free(struct s3_object *o) {
        free(o->path);
        o->path = NULL;
}

/* ---- put */

static int ask_put(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const char *type = json_get_str(s->act.ask, "content-type", "application/octet-stream");
        struct http_request *r;

        if (strlen(type) >= sizeof(s->type_header) - 16)
                return s3_fail(s, OUTCOME_REFUSED, "content-type: too long");
        snprintf(s->type_header, sizeof(s->type_header), "Content-Type: %s", type);
        s->headers[0] = s->type_header;
        s->headers[1] = s3_is_azure(s) ? AZURE_BLOB_TYPE : NULL;
        r = s3_ask(s, a, "PUT", NULL, "%s", s->object.path);
        r->body = buf_str(&s->keys);
        r->body_len = s->keys.len;
        r->headers = s->headers;
        return 0;
}

static void tell_header(struct s3_op *s, const struct ask *a, const char *name,
                        const char *header) {
        const char *value = http_header(http_answer(a), header);

        if (value)
                json_object_set_new(s->told, name, json_words(value));
}

static int got_put(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (!s3_is_made(a))
                return s3_fail_answer(s, a);
        tell_header(s, a, "etag", "ETag");
        return FLOW_OK;
}

static int fill_body(struct s3_op *s, struct err *err) {
        const char *text = json_get_str(s->act.ask, "body", NULL);
        const char *base64 = json_get_str(s->act.ask, "body-base64", NULL);
        int r = 0;

        if (!text == !base64)
                return err_set(err, -EINVAL, "body or body-base64: one of them");
        if (text)
                buf_puts(&s->keys, text);
        else
                r = digest_unbase64(base64, strlen(base64), &s->keys, err);
        if (r == 0 && s->keys.len > S3_PUT_MAX)
                return err_set(err, -EINVAL, "body: more than %u bytes, which a stream is for",
                               S3_PUT_MAX);
        return r;
}

/* ---- get and head */

static int ask_get(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        int64_t limit = json_get_int(s->act.ask, "limit", ACT_TEXT_MAX);

        if (limit < 1 || limit > (int64_t)S3_PUT_MAX)
                return s3_fail(s, OUTCOME_REFUSED, "limit: from 1 to %u", S3_PUT_MAX);
        snprintf(s->type_header, sizeof(s->type_header), "Range: bytes=0-%lld",
                 (long long)limit - 1);
        s->headers[0] = s->type_header;
        s3_ask(s, a, "GET", NULL, "%s", s->object.path)->headers = s->headers;
        return 0;
}

static int64_t whole_size(const struct http_request *r) {
        const char *range = http_header(r, "Content-Range"), *length;
        int64_t n = 0;

        range = range ? strchr(range, '/') : NULL;
        length = range ? range + 1 : http_header(r, "Content-Length");
        return length && str_to_int(length, &n) ? n : 0;
}

static int got_get(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        struct buf none = BUF_INIT;
        bool empty = s3_status(a) == 416;

        if (!empty && s3_status(a) != 200 && s3_status(a) != 206)
                return s3_fail_answer(s, a);
        act_tell(s->told, "body", empty ? &none : &r->reply,
                 !empty && whole_size(r) > (int64_t)r->reply.len);
        json_object_set_new(s->told, "bytes", json_integer(empty ? 0 : whole_size(r)));
        if (!empty && whole_size(r) > (int64_t)r->reply.len)
                json_object_set_new(s->told, "truncated", json_true());
        tell_header(s, a, "etag", "ETag");
        tell_header(s, a, "modified", "Last-Modified");
        return FLOW_OK;
}

static int ask_head(struct flow *f, struct ask *a, struct err *err) {
        s3_ask(s3_op_of(f), a, "HEAD", NULL, "%s", s3_op_of(f)->object.path);
        return 0;
}

static int got_head(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        json_object_set_new(s->told, "bytes", json_integer(whole_size(http_answer(a))));
        tell_header(s, a, "content-type", "Content-Type");
        tell_header(s, a, "copy-of", S3_COPY_OF);
        tell_header(s, a, "etag", "ETag");
        tell_header(s, a, "modified", "Last-Modified");
        return FLOW_OK;
}

/* ---- list */

static int ask_list(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        int64_t limit = json_get_int(s->act.ask, "limit", S3_LIST_MAX);
        cleanup_(buf_free) struct buf query = BUF_INIT;

        if (limit < 1 || limit > S3_LIST_MAX)
                return s3_fail(s, OUTCOME_REFUSED, "limit: from 1 to %d", S3_LIST_MAX);
        if (s3_is_azure(s)) {
                cleanup_(freep) char *words = s3_azure_list_query(s->act.ask, limit);

                s3_ask(s, a, "GET", NULL, "%s?%s", s->object.path, words);
                return 0;
        }
        buf_puts(&query, "&prefix=");
        http_escape(&query, json_get_str(s->act.ask, "prefix", ""), false);
        if (json_get_str(s->act.ask, "after", NULL)) {
                buf_puts(&query, "&start-after=");
                http_escape(&query, json_get_str(s->act.ask, "after", ""), false);
        }
        s3_ask(s, a, "GET", NULL, "%s?list-type=2&encoding-type=url&max-keys=%lld%s",
               s->object.path, (long long)limit, query.data);
        return 0;
}

static json_t *entry(struct s3_xml item) {
        cleanup_(freep) char *key = s3_xml_text(item, "Key"), *size = s3_xml_text(item, "Size");
        cleanup_(freep) char *etag = s3_xml_text(item, "ETag");
        cleanup_(freep) char *modified = s3_xml_text(item, "LastModified");
        json_t *j = json_object();
        int64_t bytes = 0;

        if (key)
                s3_xml_unescape(key);
        if (size)
                str_to_int(size, &bytes);
        json_object_set_new(j, "key", json_words(key));
        json_object_set_new(j, "bytes", json_integer(bytes));
        json_object_set_new(j, "etag", json_words(etag));
        json_object_set_new(j, "modified", json_words(modified));
        return j;
}

static int got_list(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        cleanup_(freep) char *more = NULL;
        struct s3_xml in, item;
        json_t *objects, *last;

        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        if (s3_is_azure(s)) {
                s3_azure_list(s, a);
                return FLOW_OK;
        }
        objects = json_array();
        json_object_set_new(s->told, "objects", objects);
        in = s3_xml_of(r->reply.data, r->reply.len);
        for (size_t at = 0; s3_xml_next(in, "Contents", &at, &item);)
                json_array_append_new(objects, entry(item));
        more = s3_xml_text(in, "IsTruncated");
        last = json_array_get(objects, json_array_size(objects) - 1);
        if (last && str_eq(more, "true"))
                json_object_set(s->told, "after", json_get(last, "key"));
        return FLOW_OK;
}

/* ---- delete */

static int ask_delete(struct flow *f, struct ask *a, struct err *err) {
        s3_ask(s3_op_of(f), a, "DELETE", NULL, "%s", s3_op_of(f)->object.path);
        return 0;
}

static int got_delete(struct flow *f, struct ask *a, struct err *err) {
        bool gone =
                s3_status(a) == 204 || s3_status(a) == 200 || s3_status(a) == 202 ||
                (s3_status(a) == 404 && (s3_code(a, "NoSuchKey") || s3_code(a, "BlobNotFound")));

        return gone ? FLOW_OK : s3_fail_answer(s3_op_of(f), a);
}

/* ---- list-buckets */

static int ask_buckets(struct flow *f, struct ask *a, struct err *err) {
        s3_ask(s3_op_of(f), a, "GET", NULL, "/");
        return 0;
}

static int got_buckets(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        json_t *buckets = json_array();
        struct s3_xml bucket;

        json_object_set_new(s->told, "buckets", buckets);
        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        for (size_t at = 0;
             s3_xml_next(s3_xml_of(r->reply.data, r->reply.len), "Bucket", &at, &bucket);) {
                cleanup_(freep) char *name = s3_xml_text(bucket, "Name");

                if (json_array_size(buckets) < S3_LIST_MAX)
                        json_array_append_new(buckets, json_words(name));
        }
        return FLOW_OK;
}

/* ---- begin */

static void start_with(struct target *t, const struct act_request *r, struct op *op,
                       const struct flow_step *steps) {
        struct s3_op *s = s3_target_new(t, op, steps);
        struct err err = { 0 };
        int k = steps == buckets_steps
                        ? 0
                        : s3_object_parse(r->ask, steps != list_steps, &s->object, &err);

        s->act = *r;
        s->told = json_object();
        if (k == 0 && steps == put_steps)
                k = fill_body(s, &err);
        snprintf(s->flow.subject, sizeof(s->flow.subject), "%s %s", r->verb,
                 s->object.path ? s->object.path : "");
        s3_target_run(s, k < 0 ? &err : NULL);
}

static void start_put(struct target *t, const struct act_request *r, struct op *op) {
        start_with(t, r, op, put_steps);
}

static void start_get(struct target *t, const struct act_request *r, struct op *op) {
        start_with(t, r, op, get_steps);
}

static void start_head(struct target *t, const struct act_request *r, struct op *op) {
        start_with(t, r, op, head_steps);
}

static void start_list(struct target *t, const struct act_request *r, struct op *op) {
        start_with(t, r, op, list_steps);
}

static void start_delete(struct target *t, const struct act_request *r, struct op *op) {
        start_with(t, r, op, delete_steps);
}

static void start_buckets(struct target *t, const struct act_request *r, struct op *op) {
        start_with(t, r, op, buckets_steps);
}

static const struct act_verb verbs[] = {
        { "put-object", start_put },
        { "get-object", start_get },
        { "head-object", start_head },
        { "list-objects", start_list },
        { "delete-object", start_delete },
        { "list-buckets", start_buckets },
        {},
};

void s3_object_act(struct target *t, const struct act_request *r, struct op *op) {
        struct err err = { 0 };
        const struct act_verb *verb = act_find(verbs, r, &err);

        if (verb)
                verb->start(t, r, op);
        else
                s3_target_run(s3_target_new(t, op, put_steps), &err);
}
