/* SPDX-License-Identifier: Apache-2.0 */
/* managed.h - metadata.managedFields: reading it, running ssa.c on it, writing it back */
#pragma once

#include "kinds.h"
#include "reply.h"

/* Update managers beyond this are merged into "ancient-changes", as the API server does. */
#define MANAGED_UPDATES_MAX 10

struct managed_request {
        const struct kind *kind;
        const char *manager;
        const char *namespace;   /* as an applied object named it, for messages */
        const char *subresource; /* "" or "status", "scale" */
        bool force;
};

/* CONFIG applied over LIVE (NULL: not there yet). *RET is a new object that shares nothing, with
 * its managedFields. False: answered with the conflict or what is wrong with CONFIG. */
bool managed_apply(const struct managed_request *q, const json_t *live, const json_t *config,
                   json_t **ret, struct reply *reply);
/* Sets OBJECT's managedFields after another kind of write. */
void managed_update(const struct managed_request *q, const json_t *live, json_t *object);
/* Same but for the times in managedFields, and the resourceVersion. */
bool managed_same(const json_t *a, const json_t *b);
