/* SPDX-License-Identifier: Apache-2.0 */
/* charm-load.h - would a module be taken by the workers of this release? Asked before anything
 * depends on it
 *
 * Starts one worker on the folder, which reads it, confines itself, loads the module and checks
 * ABI, symbol, name and charm.yaml, and ends it. Nothing is planned. Blocking, some milliseconds:
 * from a job, or where no loop runs. */
#pragma once

#include "worker.h"

#define CHARM_LOAD_MS 10000 /* as a plan has: a module's own constructors run in it */

/* Of SPEC only program, folder, sha256, user and sandbox are looked at. 0: it loads. <0: the
 * worker's words. */
int charm_load_try(const struct worker_spec *spec, struct err *err);
