/* SPDX-License-Identifier: Apache-2.0 */
/* secret-stamp.h - which revisions of our secrets a Secret of the cluster holds, in an annotation
 *
 * {"password": "URI:3"}: of each key whose value is one token. It goes out with the values, so it
 * is as old as they are; one that was written before there was this annotation gets it when it is
 * written next. A controller that was restored from a backup reads from it which values are newer
 * than its own. Pure. */
#pragma once

#include "scan.h"
#include "secret-token.h"

#define ANNOTATION_REVISIONS "mooring.dev/revisions"

/* Of WANTED, a Secret's document with tokens; NULL: none of its values is one. The caller's. */
char *secret_stamp_text(const json_t *wanted);

enum secret_age {
        SECRET_AGE_UNKNOWN, /* no stamp, or of a secret that is not known here */
        SECRET_AGE_OLDER,
        SECRET_AGE_SAME,
        SECRET_AGE_NEWER
};
/* Of the value that OBJECT holds in KEY, beside REF's; *RET its revision, unless not known. */
enum secret_age secret_stamp_age(struct scan_slice object, const char *key,
                                 const struct secret_ref *ref, int64_t *ret);
