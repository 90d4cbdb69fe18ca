/* SPDX-License-Identifier: Apache-2.0 */
/* body.h - the body of an apply, made in a thread where it is large */
#pragma once

#include "flow.h"
#include "normalise.h"

/* Beyond this it is made in a thread: a CRD of 700 KB takes 4 ms, and no handler may take more
 * than 5. */
#define BODY_INLINE_MAX 65536

/* What normalise_body is given. */
struct body_wish {
        const json_t *wanted, *marks;
        const char *type, *path, *version;
        const struct secret_values *values;
        struct buf *body;
        size_t size; /* of WANTED as text, as far as that is known */
};

bool body_is_large(const struct body_wish *w);
/* An ask of a flow for a large one, which is no Secret; OUTCOME_REFUSED with its reason. The
 * buffer must live until it is answered or cancelled; the trees must not be changed. */
void body_ask(struct ask *a, const struct body_wish *w);
