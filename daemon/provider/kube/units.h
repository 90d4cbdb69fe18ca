/* SPDX-License-Identifier: Apache-2.0 */
/* units.h - a pod in the words of a unit */
#pragma once

#include "provider.h"

/* What a pod says about itself; texts are owned. */
struct units_pod {
        char *model, *application, *name, *uid, *address, *node, *ports, *message;
        char *owner_kind, *owner; /* its controller */
        int64_t number, restarts;
        const char *status, *agent;
        bool ready, bad; /* BAD: something keeps it from starting; MESSAGE says what */
        bool no_image;   /* it is BAD because an image cannot be had */
};
void units_read(const json_t *pod, struct units_pod *ret);
void units_clear(struct units_pod *p);
void units_tell(const struct units_pod *p, const struct observer *o, bool gone);
