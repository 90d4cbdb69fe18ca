/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.h - making items that others put into our keyed lists ours, so that an apply can
 * remove them */
#pragma once

#include "fieldset.h"

/* From an object as it is, a JSON patch that moves the items of others (those that STORED does
 * not know) into our entry, under those keyed lists of STORED in which an item of ours is
 * missing (ALL: under each of them); pinned to the object's resourceVersion. NULL: there is
 * nothing to move. RET_WHOSE: the managers' names. */
char *takeover_patch(const struct projection *stored, struct scan_slice object, bool all,
                     int64_t now_wall, char **ret_whose);
/* A JSON patch that takes OWNED (keep.h's) out of our entry, so that an apply without them leaves
 * them as they are; pinned to the object's resourceVersion. NULL: we own none of it. */
char *takeover_give_up(const json_t *owned, struct scan_slice object);
