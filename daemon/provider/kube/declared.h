/* SPDX-License-Identifier: Apache-2.0 */
/* declared.h - the field set that a document would have, for when the one of the last apply was
 * lost with cache.db */
#pragma once

#include "fieldset.h"

/* DOCUMENT's, in the form that OWNED (the entries of managedFields as one) shows: a list is keyed
 * where somebody owns an item of it by its key. NULL: it cannot be told. */
struct projection *declared_fields(const json_t *document, const json_t *owned);
