/* SPDX-License-Identifier: Apache-2.0 */
/* s3-object.h - objects, as actions ask for them: small ones whole, large ones as streams
 *
 *   put-object     {"bucket", "key", "body" or "body-base64", "content-type"}  {"etag"}
 *   get-object     {"bucket", "key"}   {"body" or "body-base64", "bytes", "truncated", "etag",
 *                  "modified"}
 *   head-object    {"bucket", "key"}   {"bytes", "etag", "modified", "content-type", "copy-of"}
 *   list-objects   {"bucket", "prefix", "after", "limit"}   {"objects": [{"key", "bytes", "etag",
 *                  "modified"}], "after": where the next page begins, if there is one}
 *   delete-object  {"bucket", "key"}   {}: also where there was none
 *   list-buckets   {}   {"buckets": [name]}: the first 1,000
 *
 * All of them do no harm when they are done twice. */
#pragma once

#include "act.h"
#include "s3-target.h"

#define S3_COPY_OF "x-amz-meta-mooring-copy-of" /* the ETag of what it was copied from */
#define S3_KEY_MAX 1024 /* S3's */
#define S3_LIST_MAX 1000
#define S3_PUT_MAX (1u << 20) /* more is a stream's */

/* NEEDS_KEY: false for lists. -EINVAL. */
int s3_object_parse(const json_t *ask, bool needs_key, struct s3_object *ret, struct err *err);
void s3_object_free(struct s3_object *o);

void s3_object_act(struct target *t, const struct act_request *r,
                   struct op *op); /* the provider's */
