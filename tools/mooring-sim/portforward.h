/* SPDX-License-Identifier: Apache-2.0 */
/* portforward.h - a pod's port over WebSocket (v4.channel.k8s.io), led to an address on this
 * machine
 *
 * Where to: the pod's annotation sim.mooring.dev/forward.PORT, or what `ctl forward` said. */
#pragma once

#include "request.h"
#include "sim.h"

struct MHD_Connection;

/* False: REPLY says why not. */
bool portforward_start(struct sim *sim, struct MHD_Connection *connection, const struct request *q,
                       struct reply *reply);
