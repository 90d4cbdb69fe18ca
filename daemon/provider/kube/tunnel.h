/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel.h - a port of a pod, through the API server */
#pragma once

#include "target.h"

struct tunnel *tunnel_open(struct target *t, const struct tunnel_request *r, struct err *err);
