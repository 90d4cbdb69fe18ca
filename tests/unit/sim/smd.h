/* SPDX-License-Identifier: Apache-2.0 */
/* smd.h - for tests: reading the schemas of structured-merge-diff, and finding its recorded
 * cases
 *
 * The cases are not in this repository: MOORING_SHARED names the folder that holds fixtures/smd,
 * or it lies beside the checkout as ../shared. */
#pragma once

#include "schema.h"

/* The whole file, or NULL when it is not at hand. */
char *smd_file(const char *name);
/* The type that TYPE_REF ("namedType: x") names in one schema's YAML. */
const struct schema_type *smd_schema(struct schema *s, const char *yaml, const char *type_ref);
