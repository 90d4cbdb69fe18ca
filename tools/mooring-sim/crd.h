/* SPDX-License-Identifier: Apache-2.0 */
/* crd.h - custom kinds: what their schema says of an object, and how they come and go */
#pragma once

#include "reply.h"
#include "sim.h"

#define CRD_FINALIZER "customresourcecleanup.apiextensions.k8s.io"

/* What does not fit the structural schema. CEL rules are not evaluated. */
void crd_validate(const struct kind *kind, const json_t *object, struct invalid *invalid);
/* Of a write to the status alone: told with paths from there, as the server does. */
void crd_validate_status(const struct kind *kind, const json_t *object, struct invalid *invalid);
/* Takes out what the schema does not know; names go to UNKNOWN (may be NULL) as "spec.x". */
void crd_prune(const struct kind *kind, json_t *object, json_t *unknown);
void crd_defaults(const struct kind *kind, json_t *object);
/* Builds the type that server-side apply uses from STRUCTURE. */
const struct schema_type *crd_type(struct schema *s, const json_t *structure,
                                   const struct schema *builtin);
/* Work on one CustomResourceDefinition: serves, refreshes or retires its kinds. */
void crd_sync(struct sim *sim, const char *namespace, const char *name);
