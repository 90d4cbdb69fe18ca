/* SPDX-License-Identifier: Apache-2.0 */
/* constraint.h - what an application asks of the nodes it runs on: "mem=2G cores=2 arch=arm64
 * nodes.pool=user"
 *
 * mem, cores, cpu-power (hundredths of a core), arch, root-disk as in Juju; nodes.LABEL=VALUE
 * for nodes by label, and Juju's tags=LABEL=VALUE,... for the same. What Juju knows but
 * Kubernetes has no use for is refused by name.
 *
 * Kept, and shown to charms, as flat JSON of texts: {"arch": "arm64", "cores": "2", "mem":
 * "2147483648", "nodes.pool": "user"}; sizes are bytes. */
#pragma once

#include "json.h"

/* TEXT may be empty: {}. -EINVAL. */
int constraint_parse(const char *text, json_t **ret, struct err *err);
/* Back to text, as bundles have it: members in order; the caller frees. */
char *constraint_text(const json_t *constraints);
