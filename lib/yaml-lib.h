/* SPDX-License-Identifier: Apache-2.0 */
/* yaml-lib.h - inside lib: libyaml's header, which has the same name as ours
 *
 * Included with angle brackets, so that include_next goes on behind our folder in the include
 * path. */
#pragma once

#include_next <yaml.h>
