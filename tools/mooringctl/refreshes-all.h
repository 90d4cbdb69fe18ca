/* SPDX-License-Identifier: Apache-2.0 */
/* refreshes-all.h - how an order of refresh --all is watched and shown */
#pragma once

#include "cli.h"

char *refreshes_all_path(struct cli *c, const char *rest); /* NULL: no model; it was said */
/* Until it is over (CLI_DONE), waits for a person (CLI_BLOCKED), or MS are over (CLI_TIMED_OUT). */
int refreshes_all_watch(struct cli *c, int64_t ms);
int refreshes_all_show(struct cli *c);
