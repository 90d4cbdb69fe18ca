/* SPDX-License-Identifier: Apache-2.0 */
/* switch.h - the model that `switch` chose, one for each socket, in
 * $XDG_CONFIG_HOME/mooring/model */
#pragma once

#include "err.h"

/* NULL: none was chosen. The caller frees. */
char *switch_read(const char *socket);
int switch_write(const char *socket, const char *model, struct err *err);
