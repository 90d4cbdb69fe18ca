/* SPDX-License-Identifier: Apache-2.0 */
/* action-params.h - parameters of an action as Juju takes them on a command line
 *
 * "backup.keep=3" is {"backup": {"keep": 3}}: dots nest, values are YAML. "NAME=@FILE" is the text
 * of a file (- is stdin), for what must not stand in a list of processes. */
#pragma once

#include "parts.h"

/* FILE (YAML or JSON; NULL: none), and over it the COUNT operands of PAIRS. TEXTS: values are texts
 * as they stand. -EINVAL. */
int action_params(const char *file, char *const *pairs, int count, bool texts, json_t **ret,
                  struct err *err);
