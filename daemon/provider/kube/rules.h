/* SPDX-License-Identifier: Apache-2.0 */
/* rules.h - which fields of an object are strict, and which its component completes at run time
 *
 * Strict: what others add under it is drift too. By default the rules of roles, the subjects of
 * bindings and the spec of a NetworkPolicy; others by an annotation of the object, which the
 * charm wants with it or gets there from charm.yaml. Completed at run time: never drift, never
 * strict, and declared only until somebody else has written it.
 *
 * The annotations are fields of ours like any other: what edits them is drift. */
#pragma once

#include "fieldpath.h"
#include "scan.h"

#define RULES_STRICT "mooring.dev/strict"
#define RULES_RUNTIME "mooring.dev/runtime-fields"
#define RULES_RECREATE "mooring.dev/recreate" /* "true": made anew where it cannot be changed */

struct rules {
        json_t *strict, *runtime; /* trees of fieldpath.h, or NULL: none */
};
/* Of an object as it is, or as it is wanted (DOCUMENT as text). Paths that cannot be read are
 * none: who wrote them was told. */
void rules_read(const char *type, struct scan_slice object, struct rules *ret);
/* Takes out of DOCUMENT, which is to be applied, what is completed at run time and is there in LIVE
 * by somebody else: not in OWN, our entry's fieldsV1. */
void rules_release(json_t *document, const json_t *runtime, const json_t *own, const json_t *live);
void rules_free(struct rules *r); /* also a cleanup function */
