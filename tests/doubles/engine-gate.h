/* SPDX-License-Identifier: Apache-2.0 */
/* engine-gate.h - a store engine on which a read can be stopped after it has its rows, so that a
 * test can let something be written before the reader hears of them
 *
 * SQLite underneath. One gate: shut, reached by the read thread, opened. */
#pragma once

#include "store-engine.h"

const struct store_engine *gate_engine(void); /* one store at a time */

void gate_shut(const char *statement); /* the next read of that name stops; a literal */
bool gate_reached(void);
void gate_open(void); /* also when nobody came */
