/* SPDX-License-Identifier: Apache-2.0 */
/* exec.h - a command in a pod (v5 and v4.channel.k8s.io): run on this machine where `ctl exec` says
 * so, as the pods of the simulator run nothing */
#pragma once

#include "request.h"
#include "sim.h"

struct MHD_Connection;

/* False: REPLY says why not. */
bool exec_start(struct sim *sim, struct MHD_Connection *connection, const struct request *q,
                struct reply *reply);
