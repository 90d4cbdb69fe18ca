/* SPDX-License-Identifier: Apache-2.0 */
/* object.h - inside the worker: objects/FILE with its placeholders, and the document it becomes
 *
 * A placeholder is a whole scalar: ${hole.NAME}, ${config.OPTION}, ${application}, ${model},
 * ${scale}, ${image.RESOURCE}, ${constraint.NAME}, ${storage.NAME.size}, ${storage.NAME.class},
 * ${secret.LABEL.FIELD}, ${certificate.LABEL.PART}. It becomes a value of its own type: nothing
 * is spliced into text. One of these inside a longer text is an error while loading, because it
 * would stay there unseen; any other "${" in text is just text. A value that is absent
 * (CHARM_NONE, an option that is not set, a constraint that is not given, a storage class that
 * is the cluster's default) takes its map member or list item with it. */
#pragma once

#include "charm.h"
#include "json.h"

struct object_set;
struct charm_dir;

/* Parses all files of the charm below objects/, checked by hash; names in placeholders are held
 * against charm.yaml (META). */
int object_load(int folder, const struct charm_dir *dir, const json_t *meta,
                struct object_set **ret, struct err *err);
struct object_set *object_free(struct object_set *s);
/* Appends the document as canonical JSON. -ENOENT: there is no such file, or no such hole. */
int object_write(const struct object_set *s, const char *file, const struct charm_hole *holes,
                 const struct charm_plan *p, struct buf *out, struct err *err);
