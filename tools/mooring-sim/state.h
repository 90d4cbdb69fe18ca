/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - --state FILE: all objects, written when the simulator ends and read when it starts
 * again */
#pragma once

#include "sim.h"

/* 1: there is no such file. */
int state_load(struct sim *sim, const char *path, struct err *err);
int state_save(const struct sim *sim, const char *path, struct err *err);
