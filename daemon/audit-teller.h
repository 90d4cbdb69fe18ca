/* SPDX-License-Identifier: Apache-2.0 */
/* audit-teller.h - the audit's head goes to the log, where nobody who writes the state folder can
 * take it back: at the start, each AUDIT_HEAD_MS, and at the end */
#pragma once

#include "store.h"

struct audit_teller {
        struct loop *loop;
        struct store *store;
        const char *controller; /* uuid; borrowed */
        struct timer timer;     /* private from here */
        int64_t told;           /* row whose head is in the log */
};

void audit_teller_start(struct audit_teller *t);
void audit_teller_stop(struct audit_teller *t);
/* When the loop has ended. */
void audit_teller_last(struct audit_teller *t);
