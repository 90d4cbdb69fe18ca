/* SPDX-License-Identifier: Apache-2.0 */
/* apply.h - server-side apply of one document */
#pragma once

#include "operation.h"

void apply_start(struct target *t, const struct apply_request *r, struct op *op);
