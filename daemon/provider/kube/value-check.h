/* SPDX-License-Identifier: Apache-2.0 */
/* value-check.h - how an apply to a Secret ends, or goes on, by the values that are in it now */
#pragma once

#include "operation.h"
#include "scan.h"

/* Before our first write: values that are there and that nobody else may know are not written over.
 * As a flow's got returns. */
int value_check_keep(struct operation *o, const struct apply_request *r, struct scan_slice object);
/* APPLY_COMPARE: the end of it. OURS: our stamp is on the object. */
int value_check_compare(struct operation *o, const struct apply_request *r,
                        struct scan_slice object, bool ours);
