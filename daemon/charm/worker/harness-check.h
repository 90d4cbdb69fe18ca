/* SPDX-License-Identifier: Apache-2.0 */
/* harness-check.h - what the daemon and the cluster would say later, said by the harness now */
#pragma once

#include "charm-meta.h"
#include "plan.h"

/* Reads charm.yaml as the daemon does. */
int harness_check_meta(const char *folder, struct charm_meta **ret, struct err *err);
/* CONFIG of a view: its names are options of charm.yaml. */
int harness_check_config(const struct charm_meta *m, const json_t *config, struct err *err);
/* RELATIONS of a view: their endpoints, interfaces and roles are those of charm.yaml. */
int harness_check_relations(const struct charm_meta *m, const json_t *relations, struct err *err);
/* Tokens only where the daemon fills them in, and texts where Kubernetes wants texts. */
int harness_check_documents(const struct plan *p, struct err *err);
