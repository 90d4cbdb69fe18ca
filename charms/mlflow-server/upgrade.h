/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h - another version of the server with its schema, and the way back: upgraded.h with
 * pairs */
#pragma once

#include "pair.h"
#include "upgraded.h"

extern const struct charm_step upgrade_steps[], upgrade_check_steps[], upgrade_rollback_steps[];
