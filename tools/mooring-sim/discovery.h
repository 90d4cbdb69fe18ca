/* SPDX-License-Identifier: Apache-2.0 */
/* discovery.h - /version, /api, /apis and what each version serves, in the old and in the
 * aggregated form */
#pragma once

#include "request.h"
#include "sim.h"

/* True: the path was one of discovery's and is answered. */
bool discovery_answer(struct sim *sim, const struct request *q, struct reply *reply);
