/* SPDX-License-Identifier: Apache-2.0 */
/* charm.gen.h - stands for the header made from the charm.yaml of the charm being compiled; the build names that one */
#include CHARM_GEN_HEADER
