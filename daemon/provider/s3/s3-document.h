/* SPDX-License-Identifier: Apache-2.0 */
/* s3-document.h - what a plan may want of an object store: buckets, and on MinIO policies and
 * users */
#pragma once

#include "provider.h"

#define S3_SECRET_MAX 40    /* MinIO's longest secret key */
#define S3_POLICY_MAX 20480 /* AWS' limit of a bucket policy; MinIO takes as much */

enum s3_kind { S3_BUCKET, S3_POLICY, S3_USER, S3_KIND_MAX };

struct s3_document {
        enum s3_kind kind;
        json_t *json;           /* a copy of its own; the rest is borrowed from it */
        const char *name;       /* bucket, policy, access key */
        const char *policy;     /* user: the policy's name */
        const char *secret_key; /* user: a token */
        const json_t *document; /* policy */
        const char *versioning; /* bucket: "enabled", "suspended"; NULL: as it is */
        const json_t *lifecycle; /* bucket: s3-rules.h's; NULL: as it is */
};

int s3_document_parse(const json_t *wanted, struct s3_document *ret, struct err *err); /* -EINVAL */
int s3_document_at(const char *type, const char *path, struct s3_document *ret, struct err *err);
void s3_document_free(struct s3_document *d); /* also a cleanup function */
int s3_document_identify(const json_t *wanted, const char *scope, struct identity *ret,
                         struct err *err);
