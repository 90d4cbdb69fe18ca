/* SPDX-License-Identifier: Apache-2.0 */
/* releases.h - other releases: programs that know fewer migrations than this one, or more
 *
 * Linked with -Wl,--wrap=store_migrations. */
#pragma once

#include "store-engine.h"

/* From now on the program knows the first N of its own (all when N < 0), and then MORE (numbered
 * here; NULL: none). */
void releases_know(int n, const struct store_migration *more);
int releases_own(void); /* how many there are of its own */
