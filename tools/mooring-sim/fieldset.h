/* SPDX-License-Identifier: Apache-2.0 */
/* fieldset.h - sets of field paths, in the very form that managedFields carries (FieldsV1)
 *
 * A set is a json_t object. Its members are path elements: `f:name` a map key, `k:{"name":"x"}`
 * an item of a keyed list, `v:"x"` an item of a set. An element belongs to the set itself when
 * its object is empty or holds "."; else it only leads to deeper elements. The root is never a
 * member. Functions that return a json_t return a new one; they share nothing with their input
 * that they would change later. */
#pragma once

#include "json.h"

#define FIELDSET_DEPTH_MAX                                                                         \
        256 /* path elements; twice the depth of JSON that is let in, for list items */

struct fieldset_path {
        const char *element[FIELDSET_DEPTH_MAX]; /* borrowed */
        size_t length;
};

void fieldset_insert(json_t *set, const struct fieldset_path *path);
bool fieldset_is_member(const json_t *set, const char *element);
/* The set below ELEMENT, or NULL when nothing lies below it. Borrowed. */
json_t *fieldset_below(const json_t *set, const char *element);
bool fieldset_empty(const json_t *set);
json_t *fieldset_union(const json_t *a, const json_t *b);
json_t *fieldset_intersection(const json_t *a, const json_t *b);
/* What is in A and not in B; a parent in B does not take its children away. */
json_t *fieldset_difference(const json_t *a, const json_t *b);
/* As above, but a member of B takes everything below it away. */
json_t *fieldset_recursive_difference(const json_t *a, const json_t *b);

typedef void fieldset_visit(void *arg, const struct fieldset_path *path);
/* All members, parents first, in sorted order. */
void fieldset_each(const json_t *set, fieldset_visit *visit, void *arg);
/* As messages print it: `.spec.ports[port=80,protocol="TCP"].name`. */
void fieldset_path_text(const struct fieldset_path *path, struct buf *out);
void fieldset_element_text(const char *element, struct buf *out);
