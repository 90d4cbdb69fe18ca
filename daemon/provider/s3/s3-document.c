/* SPDX-License-Identifier: Apache-2.0 */
/* s3-document.c - buckets, policies and users as documents and as paths; see s3-document.h
 *
 *   {"type":"bucket","name":"mlflow","versioning":"enabled",                   mlflow
 *    "lifecycle":[{"prefix":"tmp/","expire-days":7}]}
 *   {"type":"policy","name":"mlflow-rw","document":{"Version":...}}            mlflow-rw
 *   {"type":"user","name":"KEY","secret-key":"{{secret:...}}","policy":"..."}  KEY
 *
 * What a bucket's document does not say of versioning and lifecycle nobody minds. A bucket holds
 * data, and one that is gone is made again empty at once: what wrote to it goes
 * on, and the loss is shown. Pure. */
#include "s3-document.h"
#include "s3-rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

static const char *const kind_names[] = { "bucket", "policy", "user", NULL };
_Static_assert(ARRAY_SIZE(kind_names) == S3_KIND_MAX + 1, "a kind without a name");

/* MinIO's own, which every store of it has. */
static const char *const own_policies[] = { "readonly", "readwrite", "writeonly", "diagnostics",
                                            "consoleAdmin" };

struct fields {
        int type;
        const char *name, *policy, *secret_key, *versioning;
        json_t *document, *lifecycle;
};

#define TYPE                                                                                       \
        {                                                                                          \
                "type", JSON_FIELD_ENUM, offsetof(struct fields, type), JSON_REQUIRED,             \
                        .names = kind_names                                                        \
        }

static const struct json_field bucket_fields[] = {
        TYPE,
        { "name", JSON_FIELD_STRING, offsetof(struct fields, name), JSON_REQUIRED, 3, 63 },
        { "versioning", JSON_FIELD_STRING, offsetof(struct fields, versioning), 0 },
        { "lifecycle", JSON_FIELD_LIST, offsetof(struct fields, lifecycle), 0 },
        {}
};
static const struct json_field policy_fields[] = {
        TYPE,
        { "name", JSON_FIELD_STRING, offsetof(struct fields, name), JSON_REQUIRED, 1, 128 },
        { "document", JSON_FIELD_OBJECT, offsetof(struct fields, document), JSON_REQUIRED },
        {}
};
static const struct json_field user_fields[] = {
        TYPE,
        { "name", JSON_FIELD_STRING, offsetof(struct fields, name), JSON_REQUIRED, 3, 20 },
        { "secret-key", JSON_FIELD_STRING, offsetof(struct fields, secret_key),
          JSON_REQUIRED | JSON_SECRET, 8, SECRET_TOKEN_MAX + S3_SECRET_MAX },
        { "policy", JSON_FIELD_STRING, offsetof(struct fields, policy), JSON_REQUIRED, 1, 128 },
        {}
};
static const struct json_field *const tables[] = { bucket_fields, policy_fields, user_fields };

static int kind_find(const char *name) {
        for (int i = 0; i < S3_KIND_MAX; i++)
                if (str_eq(name, kind_names[i]))
                        return i;
        return -1;
}

/* ---- names */

/* AWS' rules for new buckets, which MinIO shares: a name that is also a host name, and no
 * address. */
static int check_bucket(const char *s, struct err *err) {
        struct in_addr address;
        size_t n = strlen(s);

        for (size_t i = 0; i < n; i++) {
                bool edge = i == 0 || i + 1 == n;

                if (!(islower((unsigned char)s[i]) || isdigit((unsigned char)s[i]) ||
                      (!edge && (s[i] == '-' || s[i] == '.'))))
                        return err_set(err, -EINVAL,
                                       "bucket \"%s\": lower-case letters, digits, and inside "
                                       "\"-\" and \".\"",
                                       s);
        }
        if (strstr(s, "..") || strstr(s, ".-") || strstr(s, "-.") ||
            inet_pton(AF_INET, s, &address) == 1)
                return err_set(err, -EINVAL, "bucket \"%s\": no host name", s);
        if (str_starts(s, "xn--") || str_ends(s, "-s3alias") || str_eq(s, "minio"))
                return err_set(err, -EINVAL, "bucket \"%s\": kept by the store itself", s);
        return 0;
}

static int check_word(const char *what, const char *s, struct err *err) {
        for (const char *p = s; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
                        return err_set(err, -EINVAL,
                                       "%s \"%s\": letters, digits, \"_\", \".\" and \"-\"", what,
                                       s);
        return 0;
}

static int check_policy_name(const char *s, struct err *err) {
        for (size_t i = 0; i < ARRAY_SIZE(own_policies); i++)
                if (str_eq(s, own_policies[i]))
                        return err_set(err, -EINVAL, "policy \"%s\" belongs to the store itself",
                                       s);
        return check_word("policy", s, err);
}

static int check(const struct fields *f, enum s3_kind kind, struct err *err) {
        cleanup_(freep) char *text = NULL;
        int r;

        switch (kind) {
        case S3_BUCKET:
                if (f->versioning && !str_eq(f->versioning, "enabled") &&
                    !str_eq(f->versioning, "suspended"))
                        return err_set(err, -EINVAL, "versioning: enabled or suspended");
                r = f->lifecycle ? s3_rules_check(f->lifecycle, err) : 0;
                return r < 0 ? r : check_bucket(f->name, err);
        case S3_POLICY:
                text = f->document ? json_text(f->document) : NULL;
                if (f->document && !json_is_array(json_get(f->document, "Statement")))
                        return err_set(err, -EINVAL, "document.Statement: must be a list");
                if (text && strlen(text) > S3_POLICY_MAX)
                        return err_set(err, -EINVAL, "document: larger than %d bytes",
                                       S3_POLICY_MAX);
                return check_policy_name(f->name, err);
        default:
                r = check_word("access key", f->name, err);
                return r < 0 || !f->policy ? r : check_word("policy", f->policy, err);
        }
}

/* ---- documents */

static const char *keep(struct s3_document *d, const char *member, const char *text) {
        if (!text)
                return NULL;
        json_object_set_new(d->json, member, json_string(text));
        return json_get_str(d->json, member, NULL);
}

static void take(const struct fields *f, enum s3_kind kind, struct s3_document *ret) {
        *ret = (struct s3_document){ .kind = kind, .json = json_object() };
        ret->name = keep(ret, "name", f->name);
        ret->policy = keep(ret, "policy", f->policy);
        ret->secret_key = keep(ret, "secret-key", f->secret_key);
        if (f->document)
                json_object_set_new(ret->json, "document", json_deep_copy(f->document));
        ret->document = json_get(ret->json, "document");
        ret->versioning = keep(ret, "versioning", f->versioning);
        if (f->lifecycle)
                json_object_set_new(ret->json, "lifecycle", json_deep_copy(f->lifecycle));
        ret->lifecycle = json_get(ret->json, "lifecycle");
}

int s3_document_parse(const json_t *wanted, struct s3_document *ret, struct err *err) {
        int kind = kind_find(json_get_str(wanted, "type", NULL));
        struct fields f = { 0 };
        int r;

        if (kind < 0)
                return err_set(err, -EINVAL, "type: one of bucket, policy, user");
        r = json_decode(wanted, tables[kind], false, &f, &(struct json_where){ .path = "" }, err);
        if (r == 0)
                r = check(&f, (enum s3_kind)kind, err);
        if (r < 0)
                return err_add(err, r, "%s", kind_names[kind]);
        take(&f, (enum s3_kind)kind, ret);
        return 0;
}

int s3_document_at(const char *type, const char *path, struct s3_document *ret, struct err *err) {
        int kind = kind_find(type);
        struct fields f = { .name = path };
        int r = kind < 0 ? err_set(err, -EINVAL, "%s %s: no such path", type, path)
                         : check(&f, (enum s3_kind)kind, err);

        if (r == 0)
                take(&f, (enum s3_kind)kind, ret);
        return r;
}

void s3_document_free(struct s3_document *d) {
        json_decref(d->json);
        *d = (struct s3_document){ 0 };
}

int s3_document_identify(const json_t *wanted, const char *scope, struct identity *ret,
                         struct err *err) {
        cleanup_(s3_document_free) struct s3_document d = { 0 };
        struct identity i = { 0 };
        int r = s3_document_parse(wanted, &d, err);

        if (r < 0)
                return r;
        i.type = str_dup(kind_names[d.kind]);
        i.path = str_dup(d.name);
        i.data = i.remake = d.kind == S3_BUCKET;
        if (d.kind == S3_USER)
                identity_need(&i, NEED_EXISTS, "policy", d.policy);
        *ret = i;
        return 0;
}
