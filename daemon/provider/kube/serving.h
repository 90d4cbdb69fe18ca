/* SPDX-License-Identifier: Apache-2.0 */
/* serving.h - the Services that have to answer before an object may be switched on */
#pragma once

#include "json.h"
#include "scan.h"

json_t *serving_services(const char *type, const json_t *wanted); /* {"namespace", "name"} each */
bool serving_is_ready(struct scan_slice slices); /* a list of EndpointSlices has a ready one */
