/* SPDX-License-Identifier: Apache-2.0 */
/* rotation.h - secrets of charms that get a new value at times, as charm.yaml says
 *
 *         secrets:
 *           admin/password: { rotate: monthly }      # LABEL/FIELD; * stands for any text
 *
 * A plan's save notes the policy and when it is due first. What is due gets a new revision in one
 * transaction, and the application is planned again: its objects have the new value by their own
 * rollout. What was due while the daemon was off is due at its start. */
#pragma once

#include "audit.h"
#include "seal.h"
#include "store.h"

int64_t rotation_period(const char *word); /* milliseconds; 0: never, or no such word */
/* What POLICIES, charm.yaml's "secrets", say of LABEL/FIELD: the first that fits. */
const char *rotation_word(const json_t *policies, const char *label, const char *field);

#define ROTATION_SLICE 50          /* that are rotated in one transaction */
#define ROTATION_RETRY_MS 600000   /* so long one waits that stands in the way of itself */
#define ROTATION_JITTER_MS 3600000 /* at most so much later, or a tenth of the period */

/* Inside the transaction of a plan's save: what became of the policies of APPLICATION's secrets. */
int rotation_note(struct tx *tx, int64_t application, const json_t *policies, struct err *err);

struct rotation_run {
        const struct sealer *sealer;
        const struct audit *audit; /* NULL: none */
        json_t *told;    /* new list: {"model", "application", "secret", "text": why it was put
                          * off, or ""} */
        int64_t next_at; /* clock_wall when it is to be called again; 0: there is none */
};
/* Gives what is due a new value. Inside a transaction. */
int rotation_due(struct tx *tx, struct rotation_run *how, struct err *err);
