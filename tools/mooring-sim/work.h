/* SPDX-License-Identifier: Apache-2.0 */
/* work.h - the controllers' queue: keyed, so that what is already waiting is not queued twice */
#pragma once

#include "sim.h"

/* Pieces of work done before the loop looks at its sockets again. */
#define WORK_BATCH 256

typedef void work_run_one(struct sim *sim, const char *namespace, const char *name);

void work_add(struct sim *sim, work_run_one *run, const char *namespace, const char *name,
              int64_t delay_ms);
/* Runs what is due. */
void work_run(struct sim *sim);
/* When more is due (clock_mono), or -1. */
int64_t work_next(const struct sim *sim);
void work_clear(struct sim *sim);
