/* SPDX-License-Identifier: Apache-2.0 */
/* bundle-internal.h - what the files that read bundles share */
#pragma once

#include "bundle.h"

struct bundle_reader {
        struct bundle *bundle;
        const char *file; /* the bundle's copy */
        const struct json_lines *lines;
        const json_t *includes; /* or NULL */
        /* a further document: may take away and need not be complete */
        bool overlay;
        struct bundle_values *taken; /* overlay: applications that it takes away */
};

/* Line of MEMBER of CONTAINER, or of item INDEX when MEMBER is NULL. */
struct bundle_place bundle_place_of(const struct bundle_reader *r, const json_t *container,
                                    const char *member, size_t index);
void bundle_fault(const struct bundle_reader *r, struct bundle_place at, const char *fmt, ...)
        printf_(3, 4);
void bundle_note(const struct bundle_reader *r, struct bundle_place at, const char *fmt, ...)
        printf_(3, 4);
/* The members of J, an application's body, into A; what is wrong is a fault. */
void bundle_read_application(struct bundle_reader *r, struct bundle_application *a,
                             const json_t *j);
/* "is not known here, did you mean ..." for MEMBER at that place. */
void bundle_unknown(const struct bundle_reader *r, struct bundle_place at, const char *where,
                    const char *member, const char *const *names);
