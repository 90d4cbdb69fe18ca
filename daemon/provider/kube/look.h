/* SPDX-License-Identifier: Apache-2.0 */
/* look.h - one GET of one object */
#pragma once

#include "observe.h"
#include "operation.h"

void look_start(struct target *t, const struct apply_request *r, struct op *op);

/* For pokes: no op; TOLD is called once, before everything is freed, with the outcome and, when
 * DONE, the object. EVENTS: asks for FailedCreate events too; REASON is the newest one's message
 * or NULL. */
typedef void look_told(void *arg, enum outcome outcome, struct scan_slice object,
                       const char *reason);
struct operation *look_poke(struct target *t, const char *type, const char *path,
                            const char *version, bool events, look_told *told, void *arg);

/* What of a request must outlive the call that brought it. */
struct look_wish {
        struct projection *projection;
        uint8_t baseline[DIGEST_SIZE];
        bool baseline_valid, written;
        char **see;
        char *model;
};
void look_wish_init(struct look_wish *w, const struct apply_request *r);
void look_wish_deinit(struct look_wish *w);
void look_wish_context(const struct look_wish *w, const struct operation *o,
                       struct observe_context *ret);
