/* SPDX-License-Identifier: Apache-2.0 */
/* status-table.h - a status answer as `juju status` prints it: sections in its order, with its
 * columns */
#pragma once

#include "json.h"
#include "table.h"

struct status_table_options {
        bool color, utc;
        bool chosen; /* by name: that nothing is left does not mean an empty model */
};
void status_table_print(const json_t *status, const struct status_table_options *o, FILE *out);
/* attached, lost, ... */
enum table_style status_storage_style(const char *word);
/* --format short, line, oneline: a line a unit. */
void status_table_short(const json_t *status, FILE *out);
