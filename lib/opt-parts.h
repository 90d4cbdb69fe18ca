/* SPDX-License-Identifier: Apache-2.0 */
/* opt-parts.h - inside lib: what the files of opt share */
#pragma once

#include "opt.h"

#include "clock.h"

void opt_list_append(char ***list, const char *text);
void opt_list_clear(char ***list);
char *opt_env_name(const struct opt *row); /* "MOORING_STATE_DIR", caller frees */
/* Of the names of TABLE the nearest, or NULL. */
const char *opt_near_row(const struct opt *table, const char *name);
/* N as a value of ROW is written: "90s", "64MiB", "12". Returns TEXT. */
const char *opt_number_text(const struct opt *row, int64_t n, char text[CLOCK_TEXT_MAX]);
