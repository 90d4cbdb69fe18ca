/* SPDX-License-Identifier: Apache-2.0 */
/* difference.h - what an object would be made into, for who reads a plan */
#pragma once

#include "json.h"

#define DIFFERENCE_FIELDS_MAX 50     /* of one object: a screen; the rest is counted */
#define DIFFERENCE_VALUE_MAX 4096    /* bytes of a value */
#define DIFFERENCE_OBJECTS_MAX 65536 /* bytes of both: comparing CRDs would hold the loop */

/* {"fields": [{"field", "from", "to"}], "more": n} between two objects as normalise_found gives
 * them; "from" or "to" is missing where there is none. What only the server writes is left out,
 * what it fills in is not: that too would be so. Secret values are "(hidden, differs)". */
json_t *difference(const json_t *from, const json_t *to);
/* The same of two texts of an object, for provider.h's op.told; FROM empty: it would be made. */
json_t *difference_told(const char *type, const struct buf *from, const struct buf *to,
                        const uint8_t *key);
