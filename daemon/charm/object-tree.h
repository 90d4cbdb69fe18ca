/* SPDX-License-Identifier: Apache-2.0 */
/* object-tree.h - a charm's objects/ files, read, with their placeholders held against charm.yaml
 *
 * Read by the worker, which makes documents of them (worker/object.h has what placeholders there
 * are); by the daemon's scan and by gen-charm, so that a mistake in them is told where the charm
 * is built or offered and not first by an application that runs on it. */
#pragma once

#include "charm-dir.h"
#include "json.h"
#include "map.h"

enum object_source {
        OBJECT_FROM_HOLE,
        OBJECT_FROM_CONFIG,
        OBJECT_FROM_IMAGE,
        OBJECT_FROM_CONSTRAINT,
        OBJECT_FROM_STORAGE,
        OBJECT_FROM_SECRET,
        OBJECT_FROM_CERTIFICATE,
        OBJECT_FROM_APPLICATION,
        OBJECT_FROM_MODEL,
        OBJECT_FROM_SCALE,
};

struct object_node {
        enum { OBJECT_TEXT, OBJECT_HOLE, OBJECT_MAP, OBJECT_LIST } kind;
        char *text; /* OBJECT_TEXT: canonical JSON; OBJECT_HOLE: the name after the dot */
        size_t len;
        enum object_source source; /* OBJECT_HOLE */
        char *member;              /* in a map: its canonical name and colon */
        struct object_node *items;
        size_t count;
};

/* Adds all files of the charm below objects/, checked by hash, to FILES: name below objects/ ->
 * struct object_node. META is charm.yaml. What was added before an error stays. */
int object_tree_load(int folder, const struct charm_dir *dir, const json_t *meta, struct map *files,
                     struct err *err);
void object_tree_free(struct map *files);
/* As object_tree_load, for the error's text alone; it reads charm.yaml itself. */
int object_tree_check(int folder, const struct charm_dir *dir, struct err *err);
