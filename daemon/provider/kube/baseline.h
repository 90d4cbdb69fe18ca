/* SPDX-License-Identifier: Apache-2.0 */
/* baseline.h - from the answer of an apply: our field set, the baseline and its digest */
#pragma once

#include "flow.h"
#include "project.h"

/* Beyond this the restriction is made in a thread: a CRD of 300 KB takes 10 ms, and no handler
 * may take more than 5. */
#define BASELINE_INLINE_MAX 65536

struct baseline {
        char *fields;                  /* NULL: the answer had none of ours */
        struct projection *projection; /* of FIELDS, else the stored one; NULL: neither */
        json_t *document;
        uint8_t digest[DIGEST_SIZE];
};

void baseline_deinit(struct baseline *b);
/* Fields and projection, of an object of TYPE; STORED is what is used when the answer has no
 * entry of ours. */
void baseline_prepare(struct baseline *b, const char *type, struct scan_slice object,
                      const struct projection *stored);
/* Document and digest, here and now. */
void baseline_read(struct baseline *b, struct scan_slice object, const uint8_t *key);
/* The same as an ask of a flow, in a thread; B and OBJECT's text must live until it is answered
 * or cancelled. */
void baseline_ask(struct ask *a, struct baseline *b, struct scan_slice object, const uint8_t *key);
