/* SPDX-License-Identifier: Apache-2.0 */
/* defaults.h - fields that the API server fills in, so that a client's drift detection meets
 * them
 *
 * OBJECT is changed in place; LIVE is what is stored (NULL on creation) and keeps what was given
 * once. */
#pragma once

#include "sim.h"

void defaults_set(struct sim *sim, const struct kind *kind, const json_t *live, json_t *object);
/* What the server adds after it was noted who owns what. */
void defaults_prepare(const struct kind *kind, const json_t *live, json_t *object);
/* status as a new object has it. */
void defaults_status(const struct kind *kind, json_t *object);
