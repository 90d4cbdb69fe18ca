/* SPDX-License-Identifier: Apache-2.0 */
/* bundle-file.h - a bundle, its overlays and the files they include, as the daemon takes them */
#pragma once

#include "cli.h"

/* {"sources": [{"file", "text"}], "includes": {path: text}}: read with the caller's rights. */
int bundle_file_body(const char *path, char *const *overlays, json_t **ret, struct err *err);
/* Whether an operand names a bundle's file and not a charm. */
bool bundle_file_is(const char *operand);
