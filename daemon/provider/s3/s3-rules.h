/* SPDX-License-Identifier: Apache-2.0 */
/* s3-rules.h - a bucket's versioning and lifecycle, as steps of its flows and as documents
 *
 * Looked at and set only where the document says something of them, or did when the baseline was
 * taken. A bucket that never had versions and one that is suspended are the same here. */
#pragma once

#include "s3-target.h"
#include "s3-xml.h"

#define S3_RULES_MAX 100 /* of a bucket; S3 takes 1,000 */
#define S3_RULE_DAYS_MAX 36500
#define S3_RULE_NEWER_MAX 100 /* S3's */

extern flow_ask s3_rules_ask_versioning, s3_rules_ask_lifecycle, s3_rules_set_versioning,
        s3_rules_set_lifecycle;
extern flow_got s3_rules_got_versioning, s3_rules_got_lifecycle, s3_rules_versioning_is_set,
        s3_rules_lifecycle_is_set;

/* The document's "lifecycle": [{"prefix", "expire-days", "noncurrent-expire-days",
 * "noncurrent-expire-newer"}]. -EINVAL. */
int s3_rules_check(const json_t *lifecycle, struct err *err);
/* From and to S3's XML. What a rule has beside the above is in its "other", by name. */
json_t *s3_rules_read(struct s3_xml in);
char *s3_rules_write(const json_t *lifecycle);
/* The header that S3 wants with such bodies and no others, into S: of BODY. */
void s3_rules_sum(struct s3_op *s, const char *body);
