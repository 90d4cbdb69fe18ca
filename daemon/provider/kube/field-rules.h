/* SPDX-License-Identifier: Apache-2.0 */
/* field-rules.h - which fields of an object are strict, and which its component completes at run
 * time
 *
 * Strict: what others add under it is drift too. By default the rules of roles, the subjects of
 * bindings and the spec of a NetworkPolicy; others by an annotation of the object, which the
 * charm wants with it or gets there from charm.yaml. Completed at run time: never drift, never
 * strict, and declared only until somebody else has written it.
 *
 * The annotations are fields of ours like any other: what edits them is drift. One that is not
 * ours says nothing: whoever may annotate an object would switch its drift off. */
#pragma once

#include "field-tree.h"
#include "scan.h"

#define FIELD_RULES_STRICT "mooring.dev/strict"
#define FIELD_RULES_RUNTIME "mooring.dev/runtime-fields"
#define FIELD_RULES_RECREATE "mooring.dev/recreate"

struct field_rules {
        json_t *strict, *runtime; /* trees of field-tree.h, or NULL: none */
};
/* Of an object as it is; ENTRY is our own of its managedFields. Paths that cannot be read are none:
 * who wrote them was told. */
void field_rules_read(const char *type, struct scan_slice object, struct scan_slice entry,
                      struct field_rules *ret);
/* What the component of WANTED, a document, completes; new, or NULL. */
json_t *field_rules_runtime(const json_t *wanted);
/* WANTED may be made anew where it cannot be changed. */
bool field_rules_recreates(const json_t *wanted);
/* Takes out of DOCUMENT, which is to be applied, what is completed at run time and is there in
 * LIVE by somebody else: not in OWN, our entry's fieldsV1. */
void field_rules_release(json_t *document, const json_t *runtime, const json_t *own,
                         const json_t *live);
void field_rules_free(struct field_rules *r); /* also a cleanup function */
