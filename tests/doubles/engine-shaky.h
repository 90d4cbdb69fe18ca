/* SPDX-License-Identifier: Apache-2.0 */
/* engine-shaky.h - a store engine that behaves as a replicated one does on a bad day
 *
 * SQLite underneath. Every SHAKY_AGAIN_EVERY-th commit is rolled back and said to be unknown, so
 * that the group runs twice; every SHAKY_LOST_EVERY-th is committed and said to be unknown;
 * after either the next begin fails once, as on a connection that is gone. On demand another
 * controller takes the term. */
#pragma once

#include "store-engine.h"

#define SHAKY_AGAIN_EVERY 3
#define SHAKY_LOST_EVERY 4

extern const struct store_engine store_engine_shaky;

/* Before the next transaction begins, the term is this one. */
void shaky_take_term(uint64_t term);
int shaky_count(void); /* how many commits were said to be unknown */
