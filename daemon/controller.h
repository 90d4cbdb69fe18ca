/* SPDX-License-Identifier: Apache-2.0 */
/* controller.h - owns every part of the daemon: built in one order, freed in reverse */
#pragma once

#include "err.h"
#include "options.h"

struct controller;

/* O is changed by a reload, and outlives the controller. */
int controller_new(struct options *o, struct controller **ret, struct err *err);
/* Until SIGTERM or SIGINT, or until another release is to take our place (*RET_REPLACED:
 * release.h). Returns the exit code. */
int controller_run(struct controller *c, bool *ret_replaced);
struct controller *controller_free(struct controller *c);
