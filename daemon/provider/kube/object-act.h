/* SPDX-License-Identifier: Apache-2.0 */
/* object-act.h - objects that live as long as an operation: applied, Jobs run to their end, and
 * all of them removed, as asks of an action
 *
 * Such an object has the label mooring.dev/operation with the operation's number: one of that
 * name without it is somebody else's, and is not touched. Documents hold no secrets: a pod of
 * theirs reads those from a Secret of the plan. */
#pragma once

#include "act.h"
#include "target.h"

/* {"object"}: the name is there, as that says. Besides from the daemon: {"namespace", "labels"}.
 * CONFLICT: there is another one of that name. */
void object_act_apply(struct target *t, const struct act_request *r, struct op *op);
/* {"object": a Job, "lines": 100} is answered by {"succeeded", "message", "log": of its newest
 * pod, the last lines}. NOT_YET: it runs. */
void object_act_job(struct target *t, const struct act_request *r, struct op *op);
/* {"objects": [{"apiVersion", "kind", "name"}]}: those of the operation go, what is not there is
 * gone. */
void object_act_remove(struct target *t, const struct act_request *r, struct op *op);
/* Those that can be applied, for rights: [{"group", "plural"}]... ends with {}. */
struct object_kind {
        const char *type, *group, *plural;
};
extern const struct object_kind object_act_kinds[];
