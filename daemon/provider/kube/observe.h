/* SPDX-License-Identifier: Apache-2.0 */
/* observe.h - an object as the reconciler sees it */
#pragma once

#include "target.h"

struct observe_context {
        const char *type, *path;
        const struct projection *projection; /* NULL: none */
        const uint8_t *baseline;             /* digest, or NULL: none to compare with */
        const uint8_t *digest;               /* of this very object when it is known, or NULL */
        const char *const *see;
        const char *model; /* NULL: any of this controller's */
        bool written;      /* we wrote it before: without PROJECTION it says itself what was ours */
};

/* RET_NO_PODS (may be NULL): a controller that has fewer pods than it wants, and no reason for
 * it. */
void observe_object(struct target *t, const struct observe_context *c, struct scan_slice object,
                    struct observation *ret, bool *ret_no_pods);
void observe_absent(struct observation *ret);
/* For a resource that somebody watches: asks for its interest and hands the observation over. */
void observe_tell(struct target *t, const char *type, const char *path, struct scan_slice object);
void observe_tell_absent(struct target *t, const char *type, const char *path);
/* "it is being deleted, waiting for finalizer x". Caller frees. */
char *observe_leaving(struct scan_slice object);
/* "ns/name" of an object. Caller frees. */
char *observe_path(struct scan_slice object);
