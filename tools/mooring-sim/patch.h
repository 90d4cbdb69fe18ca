/* SPDX-License-Identifier: Apache-2.0 */
/* patch.h - the three kinds of patch that are not apply; each gives a new object
 *
 * Strategic merge: lists are merged by the keys that server-side apply uses for them, with
 * $patch: delete and replace, and deletion by null. $setElementOrder and $retainKeys are taken
 * out and not obeyed. */
#pragma once

#include "err.h"
#include "schema.h"

/* -EINVAL: the patch is no patch; -ENOENT: a path that it names is not there, or a test failed. */
int patch_json(const json_t *object, const json_t *patch, json_t **ret, struct err *err);
json_t *patch_merge(const json_t *object, const json_t *patch);
json_t *patch_strategic(const struct schema_type *t, const json_t *object, const json_t *patch);
