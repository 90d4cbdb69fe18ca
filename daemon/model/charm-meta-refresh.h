/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta-refresh.h - what a rollback of a charm cannot bring back, from charm.yaml */
#pragma once

#include "charm-meta.h"

/* REFRESH: charm.yaml's, or NULL. M has its actions already. */
int charm_meta_refresh_read(struct charm_meta *m, json_t *refresh, const char *file,
                            const struct json_lines *lines, struct err *err);
