/* SPDX-License-Identifier: Apache-2.0 */
/* s3-rules.c - versioning and lifecycle of buckets; see s3-rules.h
 *
 * The store keeps a lifecycle as one document, so a rule that somebody adds is drift like one that
 * somebody changes, and both are put right by the whole. */
#include "s3-rules.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define ENABLED "enabled"
#define SUSPENDED "suspended"

/* ---- documents */

struct rule {
        const char *prefix;
        int64_t expire, noncurrent, newer;
};

static const struct json_field rule_fields[] = {
        { "prefix", JSON_FIELD_STRING, offsetof(struct rule, prefix), 0, 0, 1024 },
        { "expire-days", JSON_FIELD_INT, offsetof(struct rule, expire), 0, 1, S3_RULE_DAYS_MAX },
        { "noncurrent-expire-days", JSON_FIELD_INT, offsetof(struct rule, noncurrent), 0, 1,
          S3_RULE_DAYS_MAX },
        { "noncurrent-expire-newer", JSON_FIELD_INT, offsetof(struct rule, newer), 0, 1,
          S3_RULE_NEWER_MAX },
        {}
};

int s3_rules_check(const json_t *lifecycle, struct err *err) {
        size_t i;
        json_t *one;

        if (json_array_size(lifecycle) > S3_RULES_MAX)
                return err_set(err, -EINVAL, "lifecycle: more than %d rules", S3_RULES_MAX);
        json_array_foreach((json_t *)lifecycle, i, one) {
                cleanup_(freep) char *path = str_format("lifecycle[%zu]", i);
                struct rule rule = { 0 };
                int r = json_decode(one, rule_fields, false, &rule,
                                    &(struct json_where){ .path = path }, err);

                if (r < 0)
                        return r;
                if (!rule.expire && !rule.noncurrent && !rule.newer)
                        return err_set(err, -EINVAL,
                                       "%s: expire-days, noncurrent-expire-days or "
                                       "noncurrent-expire-newer: a rule says one of them",
                                       path);
        }
        return 0;
}

/* ---- XML */

static void read_number(struct s3_xml in, const char *element, json_t *rule, const char *member) {
        cleanup_(freep) char *text = s3_xml_text(in, element);
        int64_t n;

        if (text && str_to_int(text, &n))
                json_object_set_new(rule, member, json_integer(n));
}

/* What we never write: that it is there is all that counts. */
static void read_other(struct s3_xml in, json_t *rule) {
        static const char *const names[] = { "Tag",
                                             "ObjectSizeGreaterThan",
                                             "ObjectSizeLessThan",
                                             "Transition",
                                             "NoncurrentVersionTransition",
                                             "Date",
                                             "ExpiredObjectDeleteMarker",
                                             "ExpiredObjectAllVersions",
                                             "DelMarkerExpiration",
                                             "AbortIncompleteMultipartUpload" };
        json_t *other = json_array();
        struct s3_xml found;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (s3_xml_next(in, names[i], &(size_t){ 0 }, &found))
                        json_array_append_new(other, json_string(names[i]));
        if (json_array_size(other))
                json_object_set(rule, "other", other);
        json_decref(other);
}

static json_t *read_rule(struct s3_xml in) {
        cleanup_(freep) char *prefix = s3_xml_text(in, "Prefix"),
                             *status = s3_xml_text(in, "Status");
        json_t *rule = json_object();
        struct s3_xml part;

        json_object_set_new(rule, "prefix", json_words(prefix));
        if (s3_xml_next(in, "Expiration", &(size_t){ 0 }, &part))
                read_number(part, "Days", rule, "expire-days");
        if (s3_xml_next(in, "NoncurrentVersionExpiration", &(size_t){ 0 }, &part)) {
                read_number(part, "NoncurrentDays", rule, "noncurrent-expire-days");
                read_number(part, "NewerNoncurrentVersions", rule, "noncurrent-expire-newer");
        }
        if (!str_eq(status, "Enabled"))
                json_object_set_new(rule, "status", json_words(status));
        read_other(in, rule);
        return rule;
}

json_t *s3_rules_read(struct s3_xml in) {
        json_t *rules = json_array();
        struct s3_xml rule;

        for (size_t at = 0; s3_xml_next(in, "Rule", &at, &rule);)
                json_array_append_new(rules, read_rule(rule));
        return rules;
}

static void write_number(struct buf *out, const char *element, int64_t n) {
        if (n)
                buf_printf(out, "<%s>%lld</%s>", element, (long long)n, element);
}

static void write_rule(struct buf *out, size_t i, const json_t *rule) {
        int64_t expire = json_get_int(rule, "expire-days", 0),
                noncurrent = json_get_int(rule, "noncurrent-expire-days", 0),
                newer = json_get_int(rule, "noncurrent-expire-newer", 0);

        buf_printf(out, "<Rule><ID>mooring-%zu</ID><Status>Enabled</Status><Filter><Prefix>",
                   i + 1);
        s3_xml_put(out, json_get_str(rule, "prefix", ""));
        buf_puts(out, "</Prefix></Filter>");
        if (expire) {
                buf_puts(out, "<Expiration>");
                write_number(out, "Days", expire);
                buf_puts(out, "</Expiration>");
        }
        if (noncurrent || newer) {
                buf_puts(out, "<NoncurrentVersionExpiration>");
                write_number(out, "NoncurrentDays", noncurrent);
                write_number(out, "NewerNoncurrentVersions", newer);
                buf_puts(out, "</NoncurrentVersionExpiration>");
        }
        buf_puts(out, "</Rule>");
}

char *s3_rules_write(const json_t *lifecycle) {
        struct buf out = BUF_INIT;
        size_t i;
        json_t *rule;

        buf_puts(&out, "<LifecycleConfiguration>");
        json_array_foreach((json_t *)lifecycle, i, rule)
                write_rule(&out, i, rule);
        buf_puts(&out, "</LifecycleConfiguration>");
        return buf_take(&out);
}

void s3_rules_sum(struct s3_op *s, const char *body) {
        cleanup_(buf_free) struct buf sum = BUF_INIT;
        uint8_t digest[16];

        EVP_Digest(body, strlen(body), digest, NULL, EVP_md5(), NULL);
        digest_base64(digest, sizeof(digest), &sum);
        snprintf(s->md5_header, sizeof(s->md5_header), "Content-MD5: %s", sum.data);
        s->headers[0] = s->md5_header;
        s->headers[1] = "Content-Type: application/xml";
}

/* ---- steps: looking */

int s3_rules_ask_versioning(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (!s->present || !s->looks_versioning)
                return FLOW_SKIP;
        s3_ask(s, a, "GET", NULL, "/%s?versioning=", s->doc.name);
        return 0;
}

int s3_rules_got_versioning(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        cleanup_(freep) char *status = NULL;
        bool enabled;

        if (s3_status(a) != 200)
                return s3_fail_answer(s, a);
        status = s3_xml_text(s3_xml_of(r->reply.data, r->reply.len), "Status");
        enabled = str_eq(status, "Enabled");
        json_object_set_new(s->seen, "versioning", json_string(enabled ? ENABLED : SUSPENDED));
        return FLOW_OK;
}

int s3_rules_ask_lifecycle(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);

        if (!s->present || !s->looks_lifecycle)
                return FLOW_SKIP;
        s3_ask(s, a, "GET", NULL, "/%s?lifecycle=", s->doc.name);
        return 0;
}

int s3_rules_got_lifecycle(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const struct http_request *r = http_answer(a);
        bool none = s3_status(a) == 404 && s3_code(a, "NoSuchLifecycleConfiguration");

        if (s3_status(a) != 200 && !none)
                return s3_fail_answer(s, a);
        json_object_set_new(s->seen, "lifecycle",
                            none ? json_array()
                                 : s3_rules_read(s3_xml_of(r->reply.data, r->reply.len)));
        return FLOW_OK;
}

/* ---- steps: setting */

int s3_rules_set_versioning(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const char *wanted = s->doc.versioning,
                   *seen = json_get_str(s->seen, "versioning", SUSPENDED);
        char *body;

        if (!wanted || str_eq(wanted, seen))
                return FLOW_SKIP;
        body = str_format("<VersioningConfiguration><Status>%s</Status></VersioningConfiguration>",
                          str_eq(wanted, ENABLED) ? "Enabled" : "Suspended");
        s3_rules_sum(s, body);
        s3_ask(s, a, "PUT", body, "/%s?versioning=", s->doc.name)->headers = s->headers;
        return 0;
}

int s3_rules_versioning_is_set(struct flow *f, struct ask *a, struct err *err) {
        return s3_status(a) == 200 ? FLOW_OK : s3_fail_answer(s3_op_of(f), a);
}

/* As it is read back. */
static bool same_rules(const json_t *wanted, const json_t *seen) {
        cleanup_(freep) char *text = s3_rules_write(wanted);
        cleanup_(json_freep) json_t *form = s3_rules_read(s3_xml_of(text, strlen(text)));

        return json_equal(form, seen);
}

int s3_rules_set_lifecycle(struct flow *f, struct ask *a, struct err *err) {
        struct s3_op *s = s3_op_of(f);
        const json_t *wanted = s->doc.lifecycle, *seen = json_get(s->seen, "lifecycle");
        char *body;

        if (!wanted || (seen ? same_rules(wanted, seen) : !json_array_size(wanted)))
                return FLOW_SKIP;
        if (!json_array_size(wanted)) {
                s3_ask(s, a, "DELETE", NULL, "/%s?lifecycle=", s->doc.name);
                return 0;
        }
        body = s3_rules_write(wanted);
        s3_rules_sum(s, body);
        s3_ask(s, a, "PUT", body, "/%s?lifecycle=", s->doc.name)->headers = s->headers;
        return 0;
}

int s3_rules_lifecycle_is_set(struct flow *f, struct ask *a, struct err *err) {
        return s3_status(a) == 200 || s3_status(a) == 204 ? FLOW_OK
                                                          : s3_fail_answer(s3_op_of(f), a);
}
