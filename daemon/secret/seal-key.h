/* SPDX-License-Identifier: Apache-2.0 */
/* seal-key.h - finding, checking and making the key file; only seal.c includes it */
#pragma once

#include "seal.h"

/* The keys, one after the other: a multiple of SEAL_KEY_SIZE, at least one. *RET_MADE as in
 * seal.h. */
char *seal_key_path(const struct seal_options *o, bool *ret_credential); /* seal_where */
/* A file that there is. */
int seal_key_read(const char *path, bool credential, struct secret_text *ret, struct err *err);
/* KEYS take the place of what is in PATH, all or nothing; WIPE: that is overwritten. */
int seal_key_replace(const char *path, const struct secret_text *keys, bool wipe, struct err *err);
int seal_key_load(const struct seal_options *o, struct secret_text *ret, char **ret_made,
                  struct err *err);
