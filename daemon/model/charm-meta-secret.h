/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta-secret.h - which secrets of a charm get a new value at times, from charm.yaml */
#pragma once

#include "charm-meta.h"

/* SECRETS: charm.yaml's, or NULL. */
int charm_meta_secrets_read(struct charm_meta *m, json_t *secrets, const char *file,
                            const struct json_lines *lines, struct err *err);
