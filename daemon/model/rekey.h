/* SPDX-License-Identifier: Apache-2.0 */
/* rekey.h - another key that seals the store, while the daemon runs
 *
 *   key file: OLD ──▶ NEW, OLD ──▶ slices: what OLD sealed is sealed again ──▶ a last look ──▶ NEW
 *
 * The new key is in the file before anything is sealed with it, and the old one goes when a whole
 * look at the store, REKEY_SETTLE_MS after the last that found any, finds nothing of it: so the
 * store opens with the keys of the file wherever that ends. A start with several keys in the file
 * goes on. A key file of the operator's is only read: he puts a new key in front, and takes the
 * old ones away when that is told. */
#pragma once

#include "audit.h"
#include "loop.h"
#include "seal.h"
#include "store.h"

#define REKEY_SLICE 200       /* rows of one transaction */
#define REKEY_SETTLE_MS 10000 /* what was sealed with the old key is in the store by then */

struct rekey;
struct rekey_options {
        struct loop *loop;
        struct store *store;
        struct sealer *sealer;
        struct seal_options seal;
};
struct rekey *rekey_new(const struct rekey_options *o); /* goes on with what stands unfinished */
void rekey_stop(struct rekey *r);                       /* then store_close */
struct rekey *rekey_free(struct rekey *r);
/* -EBUSY: one is not over; -ENOTSUP: the operator has to do something first, which ERR says. */
int rekey_start(struct rekey *r, struct err *err);
/* {"path", "source", "current", "state": "idle", "sealing" or "settling", "sealed"} */
json_t *rekey_json(const struct rekey *r);

/* ---- one slice, inside a transaction */
struct rekey_at { /* where it is */
        int kind;
        int64_t id, revision;
};
struct rekey_run {
        const struct sealer *sealer;
        bool only_open;           /* everything is opened, and nothing sealed: is it all whole? */
        struct rekey_at from, to; /* TO: where the next one begins */
        size_t sealed;            /* that were under another key; ONLY_OPEN: that opened */
        bool over;                /* there is nothing behind TO */
};
int rekey_slice(struct tx *tx, struct rekey_run *run, struct err *err);

/* What outlives a key (seal.h) is read from the store, or kept there: once at the start. */
int rekey_parts(struct tx *tx, struct sealer *s, struct err *err);
