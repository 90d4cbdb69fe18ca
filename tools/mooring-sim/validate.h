/* SPDX-License-Identifier: Apache-2.0 */
/* validate.h - what the API server refuses: names, duplicates, immutable fields, in its own
 * words */
#pragma once

#include "reply.h"
#include "sim.h"

/* False: a member that holds bytes is not base64. */
bool validate_bytes(const struct kind *kind, const json_t *object);
/* LIVE is NULL on creation. Problems are added to INVALID. */
void validate_object(const struct kind *kind, const json_t *live, const json_t *object,
                     struct invalid *invalid);
/* "10Gi" as a number; 0: it is none. */
double validate_quantity(const char *text);
