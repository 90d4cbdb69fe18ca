/* SPDX-License-Identifier: Apache-2.0 */
/* trial.h - asks the outside what it would answer if objects were written, without writing them:
 * admission, immutable fields, defaulting and webhooks have their say before anybody decides
 *
 * TRIAL_PARALLEL at once of all plans, TRIAL_MAX of one, within TRIAL_MS, for TRIALS_MAX plans side
 * by side. What could not be asked says why. */
#pragma once

#include "reconcile-internal.h"

#define TRIAL_PARALLEL 16 /* half of the connections to a server: repairs have the others */
#define TRIAL_MAX 500     /* of one plan: seconds for an API server that answers in 100 ms */
#define TRIAL_MS 30000    /* a person waits for it */
#define TRIALS_MAX 4      /* plans that ask at a time: whoever may read may ask for one */

struct trial;
struct trial *trial_new(struct reconcile *rec);
struct trial *trial_free(struct trial *t); /* of one that was not started */

struct trial_object {
        json_t *line; /* gets "server": the outcome's word, and more that readers see; borrowed */
        int64_t resource; /* 0: it has no row */
        /* What is tried instead of what its row says; without a row: all of these. */
        char *document;      /* JSON; taken over */
        int64_t application; /* whose secrets stand in it; it may not be there yet: */
        const char *name;    /* what it is called, */
        int64_t model;       /* and where; as DOCUMENT */
        int64_t target;      /* 0: not known yet */
        const char *type, *path;
};
void trial_add(struct trial *t, const struct trial_object *o);
/* LINE's object is not asked about, and that is why. */
void trial_skip(json_t *line, const char *why);
/* Instead of trying writes: the values of secrets that its objects hold outside and that are other
 * than ours go to DIFFERS, whose they are from then on, with the object as it was read. */
void trial_compare(struct trial *t,
                   void (*differs)(void *arg, const struct resource_job *j,
                                   struct secret_values *found),
                   void *arg);
/* Frees T in the end; DONE once, also when it stops. */
void trial_start(struct trial *t, void (*done)(void *arg), void *arg);
