/* SPDX-License-Identifier: Apache-2.0 */
/* readiness.h - whether an object does what it is there for, by its kind */
#pragma once

#include "provider.h"

struct readiness_verdict {
        enum readiness ready;
        char *reason; /* in the object's own words; NULL while ready. Caller frees */
        struct rollout rollout; /* of a controller that brings new pods */
        bool no_pods; /* a controller that wants pods and has fewer: an event may say why */
};

/* Only then the spec has to be in OBJECT: those of CRDs are large. */
bool readiness_reads_spec(const char *type);
/* OBJECT may lack what does not matter (managedFields). Pure. */
void readiness_judge(const char *type, const json_t *object, int64_t now_wall,
                     struct readiness_verdict *ret);
