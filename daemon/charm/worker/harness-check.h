/* SPDX-License-Identifier: Apache-2.0 */
/* harness-check.h - what the daemon and the cluster would say later, said by the harness now */
#pragma once

#include "charm-meta.h"
#include "plan.h"

/* Reads charm.yaml as the daemon does. */
int harness_check_meta(const char *folder, struct charm_meta **ret, struct err *err);
/* VIEW has the members that views have (charm-host.h); its options, endpoints, images and storage
 * are those of charm.yaml. */
int harness_check_view(const struct charm_meta *m, const json_t *view, struct err *err);
/* ASK, of a step of A: charm.yaml lists it, and tokens stand only where their values are put in. */
int harness_check_ask(const struct charm_meta *m, const struct meta_action *a, const json_t *ask,
                      struct err *err);
/* What P asks for among secrets: certificates as the daemon issues them, for Services of no other
 * namespace than MODEL. */
int harness_check_secrets(const struct plan *p, const char *model, struct err *err);
/* Tokens only where the daemon fills them in, and texts where Kubernetes wants texts. */
int harness_check_documents(const struct plan *p, struct err *err);
