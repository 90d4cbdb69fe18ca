/* SPDX-License-Identifier: Apache-2.0 */
/* admission.h - the few admission plugins that a deployer meets: namespace life, service
 * accounts, storage class, protection and growth of claims */
#pragma once

#include "reply.h"
#include "sim.h"

/* Fills in what admission adds to a new object. */
void admission_defaults(struct sim *sim, const struct kind *kind, json_t *object);
/* False: answered with the refusal. */
bool admission_check(struct sim *sim, const struct kind *kind, const json_t *object,
                     struct reply *reply);
/* A claim asks for more than LIVE does, and its class lets none grow: answered with that. */
bool admission_refuse_growth(struct sim *sim, const struct kind *kind, const json_t *live,
                             const json_t *object, struct reply *reply);
bool admission_refuse_terminating(const struct kind *kind, const char *name, const char *namespace,
                                  struct reply *reply); /* always false */
