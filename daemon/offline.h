/* SPDX-License-Identifier: Apache-2.0 */
/* offline.h - what mooringd does and ends: --verify and --restore of a backup */
#pragma once

#include "options.h"
#include "place.h"

/* Whether O asks for one of these. */
bool offline_wanted(const struct options *o);
/* The daemon's own, too; borrows O's texts. */
struct place_options offline_places(const struct options *o);
/* The exit code. Prints one JSON object: what was found, or {"error", "code"}. */
int offline_run(const struct options *o);
