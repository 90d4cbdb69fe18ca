/* SPDX-License-Identifier: Apache-2.0 */
/* charm.gen.h - stands for the header made from the charm.yaml of the charm that is compiled; the
 * build names that one */
#pragma once

#include CHARM_GEN_HEADER
