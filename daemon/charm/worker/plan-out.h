/* SPDX-License-Identifier: Apache-2.0 */
/* plan-out.h - inside the worker: a plan while charm code writes it (charm.h, "what is wanted",
 * "secrets", "status")
 *
 * Documents become frames as they are wanted; the head, which is known last and sent first, is
 * put in front at the end. */
#pragma once

#include "arena.h"
#include "buf.h"
#include "charm.h"
#include "json.h"
#include "map.h"
#include "plan.h"

#define PLAN_DRAFT "{{want:%s:plain}}" /* a secret that is not made yet (charm-host.h) */

struct object_set;

struct charm_plan {
        struct arena *arena;              /* borrowed */
        const struct charm_view *view;    /* borrowed */
        const struct object_set *objects; /* borrowed */
        struct buf frames;                /* D and F frames so far */
        struct buf scratch;               /* one document while it is written */
        size_t bytes, count;              /* of those frames */
        struct map
                labels; /* label -> hash of its document as hex text, in the arena; "" for others */
        struct plan_output *outputs; /* that charm_output gave, to find their edges */
        json_t *tell, *secrets, *targets, *see, *needs, *keep, *sign;
        size_t see_count;
        bool said; /* a status was */
        enum charm_status status;
        char *message, *version;             /* in the arena, or NULL */
        char mistake[CHARM_REFUSED_MAX + 1]; /* "" while there is none */
};

void plan_out_begin(struct charm_plan *p, const struct charm_view *v,
                    const struct object_set *objects, struct arena *arena);
/* Appends the whole plan, or its refusal, as frames to OUT. */
void plan_out_end(struct charm_plan *p, struct buf *out);
void plan_out_deinit(struct charm_plan *p);
/* plan-certificate.c: the token of PART (key, crt) of what was asked for under LABEL, or NULL. */
const char *plan_certificate_token(const struct charm_plan *p, const char *label, const char *part);
/* PEM, as the view has it, or NULL: it was not issued yet. */
const char *plan_certificate_ca(const struct charm_plan *p, const char *label);
/* Only the first one is kept. */
void plan_out_mistake(struct charm_plan *p, const char *fmt, ...) printf_(2, 3);
