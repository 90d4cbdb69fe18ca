/* SPDX-License-Identifier: Apache-2.0 */
/* reviews.h - questions about one's own rights: everything is allowed here */
#pragma once

#include "reply.h"

void reviews_answer(const struct kind *kind, const json_t *object, struct reply *reply);
