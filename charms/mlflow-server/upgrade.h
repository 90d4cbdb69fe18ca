/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h - another version of the server with its schema, and the way back
 *
 * The option server-image is the image that upgrade has moved to, upgraded-from the way back: "ID
 * IMAGE" of the pair that was made before it and of the image, "-" for the resource's. */
#pragma once

#include "pair.h"

extern const struct charm_step upgrade_steps[], upgrade_check_steps[], upgrade_rollback_steps[];
