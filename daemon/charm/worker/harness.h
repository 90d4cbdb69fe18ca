/* SPDX-License-Identifier: Apache-2.0 */
/* harness.h - a charm's own tests: tests/NAME.view.json in, tests/NAME.plan.json out
 *
 * Every view is planned by a fresh worker and by one that has planned all the others before,
 * forwards and backwards; the bytes must be equal. The plan goes through the same reader as in
 * the daemon, with all limits, what it tells is held against the interface schemas, and then it
 * is compared with the file (or written there). The workers are this program, in the same
 * sandbox as in production. */
#pragma once

#include "base.h"

struct harness_options {
        const char *folder;
        const char *module; /* path of the built module, or NULL: it lies in the folder */
        bool update;
        bool sandbox;
};

/* Exit status: 0 all passed, 1 not. */
int harness_run(const struct harness_options *o);
