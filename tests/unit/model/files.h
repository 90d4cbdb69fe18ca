/* SPDX-License-Identifier: Apache-2.0 */
/* files.h - test files: those of the checkout, and the larger ones of a shared folder that may
 * not be there */
#pragma once

#include "json.h"

/* The whole file as text, or NULL; the caller frees. */
char *files_read(const char *path);
/* Path of NAME in $MOORING_SHARED, or in a folder `shared` beside the checkout; NULL: not there.
 * The caller frees. */
char *files_shared(const char *name);
/* What TEXT says; NULL when it is no JSON. The caller's reference. */
json_t *files_json(const char *text);
