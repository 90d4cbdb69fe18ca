/* SPDX-License-Identifier: Apache-2.0 */
/* yaml-scalar.h - inside lib: what a plain scalar means, for the reader and for the writer */
#pragma once

#include "yaml.h"

/* The value of a plain scalar; a text when it is nothing else. NULL: infinity or not a number,
 * which JSON does not have. */
json_t *yaml_scalar_resolve(const char *text, size_t len, enum yaml_schema schema);
