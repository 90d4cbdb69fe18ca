/* SPDX-License-Identifier: Apache-2.0 */
/* remove.h - deleting one incarnation of one object */
#pragma once

#include "operation.h"

void remove_start(struct target *t, const struct apply_request *r, struct op *op);
