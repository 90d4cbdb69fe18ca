/* SPDX-License-Identifier: Apache-2.0 */
/* takeover.h - making ours what others put where only we declare, so that an apply can remove it */
#pragma once

#include "fieldset.h"

enum takeover_how {
        TAKEOVER_LOST,   /* in keyed lists that miss an item of ours, and what is strict */
        TAKEOVER_ALL,    /* in all keyed lists of ours: two items have one name */
        TAKEOVER_STRICT, /* only what others own under what is strict: after an apply */
};

struct takeover {
        const struct projection *stored; /* what we declare; NULL: it was lost, see document */
        const json_t *document;          /* what it is told by then (declared.h) */
        enum takeover_how how;
        const json_t *baseline;        /* what was there after our last apply, or NULL */
        const struct kept_field *kept; /* what the apply leaves as it is is not taken */
        size_t kept_count;
};
/* From an object as it is, a JSON patch that moves what others have (and we do not declare) into
 * our entry; pinned to the object's resourceVersion. NULL: there is nothing to move. RET_WHOSE:
 * the managers' names. */
char *takeover_patch(const struct takeover *t, struct scan_slice object, int64_t now_wall,
                     char **ret_whose);

/* The same after an apply for what others own under what is strict. */
char *takeover_strict(const char *type, struct scan_slice object, int64_t now_wall,
                      char **ret_whose);
/* The same for what somebody's old `kubectl apply` and we both declare: ours alone from then on,
 * so that it goes when we stop declaring it. What only that one declared stays its own. */
char *takeover_fold(struct scan_slice object);
/* A JSON patch that takes OWNED (keep.h's) out of our entry, so that an apply without them leaves
 * them as they are; pinned to the object's resourceVersion. NULL: we own none of it. */
char *takeover_give_up(const json_t *owned, struct scan_slice object);
