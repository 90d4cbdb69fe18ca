/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta-action.h - "actions" of charm.yaml, for charm-meta.c */
#pragma once

#include "charm-meta.h"

/* FILE and LINES as in struct json_where. */
int charm_meta_action_read(struct charm_meta *m, json_t *actions, const char *file,
                           const struct json_lines *lines, struct err *err);
void charm_meta_action_free(struct charm_meta *m);
