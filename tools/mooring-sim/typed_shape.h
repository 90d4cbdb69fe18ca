/* SPDX-License-Identifier: Apache-2.0 */
/* typed_shape.h - which of a type's shapes a value takes; shared by typed.c and typed_pair.c
 * alone */
#pragma once

#include "schema.h"

enum typed_shape { TYPED_MAP, TYPED_SCALAR, TYPED_LIST, TYPED_SHAPE_MAX };

/* NULL and null take the first shape that T has. */
enum typed_shape typed_shape_of(const struct schema_type *t, const json_t *v);
/* No list or map, or one without items. */
bool typed_shape_empty(const json_t *v);
