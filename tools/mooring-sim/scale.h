/* SPDX-License-Identifier: Apache-2.0 */
/* scale.h - the scale subresource: an autoscaling/v1 Scale made of an object, and put back into
 * it */
#pragma once

#include "reply.h"

json_t *scale_of(const struct kind *kind, const json_t *object);
/* A copy of LIVE with SCALE's replicas and resourceVersion; NULL: answered. */
json_t *scale_set(const struct kind *kind, const json_t *live, const json_t *scale,
                  struct reply *reply);
