/* SPDX-License-Identifier: Apache-2.0 */
/* project.h - an object restricted to a field set: its digest, the restriction itself, and what
 * differs */
#pragma once

#include "fieldset.h"

/* What is under data and stringData of a Secret is shown as keyed hashes only. KEY: DIGEST_SIZE
 * bytes; NULL: no Secret. */
void project_digest(const struct projection *p, struct scan_slice object, const uint8_t *key,
                    uint8_t ret[DIGEST_SIZE]);
json_t *project_restrict(const struct projection *p, struct scan_slice object, const uint8_t *key);
/* What is seen of a secret value: "(hidden, 3f2a...)". VALUE is base64 text where BASE64, else
 * plain. */
void project_hide(struct scan_slice value, bool base64, const uint8_t *key, struct buf *out);
bool project_is_hidden(const char *text); /* NULL: no */
