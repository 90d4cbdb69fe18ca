/* SPDX-License-Identifier: Apache-2.0 */
/* s3-bucket.c - buckets: made, watched for strangers' rights, emptied page by page and removed
 *
 * A bucket has no id; the second it was made in tells one from another of the same name. Opening
 * a bucket to everybody is a change that is seen and taken back (MinIO; other stores answer such
 * questions in too many ways). Versioning and lifecycle are s3-rules.c's. */
#include "s3-rules.h"

#include <stdlib.h>

#define PAGE 1000 /* what one delete may name */
#define EMPTY_MS                                                                                   \
        (30 * 60 *                                                                                 \
         1000) /* a million objects at a thousand a request; then the removal is begun again */

static flow_ask ask_list, ask_public, ask_born, ask_make, ask_close, ask_versions, ask_delete,
        ask_remove;
static flow_got got_list, got_public, got_born, got_make, got_close, got_versions, got_delete,
        got_remove;

const struct flow_step s3_bucket_look[] = {
        { "list", ask_list, got_list, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "public", ask_public, got_public, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "versioning", s3_rules_ask_versioning, s3_rules_got_versioning, S3_DEADLINE_MS,
          S3_PAUSE_MS, FLOW_ALL },
        { "lifecycle", s3_rules_ask_lifecycle, s3_rules_got_lifecycle, S3_DEADLINE_MS, S3_PAUSE_MS,
          FLOW_ALL },
        { "born", ask_born, got_born, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        {}
};

const struct flow_step s3_bucket_apply[] = {
        { "list", ask_list, got_list, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "public", ask_public, got_public, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "versioning", s3_rules_ask_versioning, s3_rules_got_versioning, S3_DEADLINE_MS,
          S3_PAUSE_MS, FLOW_ALL },
        { "lifecycle", s3_rules_ask_lifecycle, s3_rules_got_lifecycle, S3_DEADLINE_MS, S3_PAUSE_MS,
          FLOW_ALL },
        { "make", ask_make, got_make, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "close", ask_close, got_close, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "set-versioning", s3_rules_set_versioning, s3_rules_versioning_is_set, S3_DEADLINE_MS,
          S3_PAUSE_MS, FLOW_ALL },
        { "set-lifecycle", s3_rules_set_lifecycle, s3_rules_lifecycle_is_set, S3_DEADLINE_MS,
          S3_PAUSE_MS, FLOW_ALL },
        { "look", ask_list, got_list, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "look-public", ask_public, got_public, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "look-versioning", s3_rules_ask_versioning, s3_rules_got_versioning, S3_DEADLINE_MS,
          S3_PAUSE_MS, FLOW_ALL },
        { "look-lifecycle", s3_rules_ask_lifecycle, s3_rules_got_lifecycle, S3_DEADLINE_MS,
          S3_PAUSE_MS, FLOW_ALL },
        { "born", ask_born, got_born, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        {}
};

enum { STEP_BORN, STEP_VERSIONS };
const struct flow_step s3_bucket_remove[] = {
        { "born", ask_born, got_born, S3_DEADLINE_MS, S3_PAUSE_MS, FLOW_ALL },
        { "versions", ask_versions, got_versions, EMPTY_MS, S3_PAUSE_MS, FLOW_ALL },
        { "delete", ask_delete, got_delete, EMPTY_MS, S3_PAUSE_MS, FLOW_ALL },
        { "remove", ask_remove, got_remove, EMPTY_MS, S3_PAUSE_MS, FLOW_ALL },
        {}
};

/* ---- looking */

static int ask_list(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        s3_seen_reset(s);
        s3_ask(s, a, "GET", NULL, "/%s?list-type=2&max-keys=1", s->doc.name);
        return 0;
}

static int got_list(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        struct s3_xml found;
        size_t at = 0;

        if (s3_status(a) == 404)
                return s->applying ? FLOW_OK : FLOW_END;
        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        s->present = true;
        s->filled = s3_xml_next(s3_xml_of(r->reply.data, r->reply.len), "Contents", &at, &found);
        json_object_set_new(s->seen, "bucket", json_string(s->doc.name));
        return FLOW_OK;
}

static int ask_public(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (!s->present || s3_config_of(s)->engine != S3_MINIO)
                return FLOW_SKIP;
        s3_ask(s, a, "GET", NULL, "/%s?policy=", s->doc.name);
        return 0;
}

static int got_public(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        json_t *policy = NULL;

        if (s3_status(a) == 404)
                return FLOW_OK;
        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        if (json_parse(r->reply.data, r->reply.len, &policy, NULL) < 0)
                return s3_fail(s, OUTCOME_UNREACHABLE, "bucket %s: its policy is no JSON",
                               s->doc.name);
        json_object_set_new(s->seen, "public", policy);
        return FLOW_OK;
}

static int ask_born(struct flow *f, struct ask *a, struct err *err) {
        s3_ask(s3_op_of(f), a, "GET", NULL, "/");
        return 0;
}

static void take_born(struct s3_op *s, const struct http_request *r) {
        struct s3_xml in = s3_xml_of(r->reply.data, r->reply.len), bucket;

        for (size_t at = 0; s3_xml_next(in, "Bucket", &at, &bucket);) {
                cleanup_(freep) char *name = s3_xml_text(bucket, "Name");
                cleanup_(freep) char *born = s3_xml_text(bucket, "CreationDate");

                if (str_eq(name, s->doc.name))
                        str_copy(s->found_incarnation, sizeof(s->found_incarnation),
                                 born ? born : "");
        }
}

/* Keys that may not list all buckets can still do their work: then nothing tells one bucket from
 * another. */
static int got_born(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (s3_status(a) == 403 && s3_code(a, "AccessDenied"))
                return FLOW_OK;
        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        take_born(s, http_answer(a));
        if (s->removing && s->incarnation[0] && s->found_incarnation[0] &&
            !str_eq(s->incarnation, s->found_incarnation))
                return s3_fail(s, OUTCOME_GONE, "another bucket has the name %s now: left in place",
                               s->doc.name);
        return FLOW_OK;
}

/* ---- making */

static int ask_make(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const char *region = s3_config_of(s)->region;
        char *body = NULL;

        if (s->present && s->first && s->filled && !s->adopt)
                return s3_fail(s, OUTCOME_CONFLICT,
                               "bucket %s is there already, with objects in it, and was not made "
                               "by this application: "
                               "adopt it, or choose another name",
                               s->doc.name);
        if (s->present) {
                s->created = s->first && !s->adopt;
                return FLOW_SKIP;
        }
        if (!str_eq(region, "us-east-1"))
                body = str_format(
                        "<CreateBucketConfiguration "
                        "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                        "<LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>",
                        region);
        s3_ask(s, a, "PUT", body, "/%s", s->doc.name);
        return 0;
}

static int got_make(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (s3_status(a) == 409 && s3_code(a, "BucketAlreadyOwnedByYou"))
                return FLOW_OK; /* made between our look and now */
        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        s->created = true;
        return FLOW_OK;
}

static int ask_close(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (!json_get(s->seen, "public"))
                return FLOW_SKIP;
        s3_ask(s, a, "DELETE", NULL, "/%s?policy=", s->doc.name);
        return 0;
}

static int got_close(struct flow *f, struct ask *a, struct err *err) {
        return s3_status(a) == 204 || s3_status(a) == 404 ? FLOW_OK
                                                          : s3_fail_answer(s3_op_of(f), a);
}

/* ---- removing: pages of keys and versions until none is left */

static int ask_versions(struct flow *f, struct ask *a, struct err *err) {
        s3_ask(s3_op_of(f), a, "GET", NULL, "/%s?versions=&encoding-type=url&max-keys=%d",
               s3_op_of(f)->doc.name, PAGE);
        return 0;
}

static size_t add_keys(struct s3_op *s, struct s3_xml in, const char *element) {
        struct s3_xml item;
        size_t n = 0;

        for (size_t at = 0; s3_xml_next(in, element, &at, &item);) {
                cleanup_(freep) char *key = s3_xml_text(item, "Key");
                cleanup_(freep) char *version = s3_xml_text(item, "VersionId");

                if (!key)
                        continue;
                s3_xml_unescape(key);
                buf_puts(&s->keys, "<Object><Key>");
                s3_xml_put(&s->keys, key);
                buf_puts(&s->keys, "</Key>");
                if (version && version[0]) {
                        buf_puts(&s->keys, "<VersionId>");
                        s3_xml_put(&s->keys, version);
                        buf_puts(&s->keys, "</VersionId>");
                }
                buf_puts(&s->keys, "</Object>");
                n++;
        }
        return n;
}

static int got_versions(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        struct s3_xml in;

        buf_clear(&s->keys);
        if (s3_status(a) == 404)
                return FLOW_END;
        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        in = s3_xml_of(r->reply.data, r->reply.len);
        add_keys(s, in, "Version");
        add_keys(s, in, "DeleteMarker");
        return FLOW_OK;
}

static int ask_delete(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        char *body;

        if (!s->keys.len)
                return FLOW_SKIP;
        body = str_format("<Delete><Quiet>true</Quiet>%s</Delete>", s->keys.data);
        s3_rules_sum(s, body);
        s3_ask(s, a, "POST", body, "/%s?delete=", s->doc.name)->headers = s->headers;
        return 0;
}

static int got_delete(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        struct s3_xml first;
        size_t at = 0;

        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        if (s3_xml_next(s3_xml_of(r->reply.data, r->reply.len), "Error", &at, &first)) {
                cleanup_(freep) char *why = s3_xml_text(first, "Message");

                return s3_fail(s, OUTCOME_REFUSED, "bucket %s: an object cannot be removed: %s",
                               s->doc.name, why ? why : "no reason given");
        }
        return FLOW_GOTO(STEP_VERSIONS);
}

static int ask_remove(struct flow *f, struct ask *a, struct err *err) {
        s3_ask(s3_op_of(f), a, "DELETE", NULL, "/%s", s3_op_of(f)->doc.name);
        return 0;
}

static int got_remove(struct flow *f, struct ask *a, struct err *err) {
        if (s3_status(a) == 409 && s3_code(a, "BucketNotEmpty"))
                return FLOW_GOTO(STEP_VERSIONS); /* somebody goes on writing */
        return s3_status(a) == 204 || s3_status(a) == 404 ? FLOW_OK
                                                          : s3_fail_answer(s3_op_of(f), a);
}
