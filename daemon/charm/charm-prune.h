/* SPDX-License-Identifier: Apache-2.0 */
/* charm-prune.h - removes the copies of charms that no application is pinned to any more, and takes
 * in again those that one is pinned to and that went: at the start of the daemon and each
 * CHARM_PRUNE_MS
 *
 * The content before the last refresh of an application stays too: a rollback goes back to it. */
#pragma once

#include "charm-host.h"
#include "map.h"
#include "store.h"

#define CHARM_PRUNE_MS 3600000 /* copies come with refreshes, by hand: an hour's growth is small */
/* A copy that was taken in so shortly ago stays: the row that names it may still come, and a dry
 * run asks it and leaves none. */
#define CHARM_PRUNE_AGE_MS 3600000

struct charm_prune {
        struct loop *loop;
        struct store *store;
        struct charm_host *host;
        const char *state_dir; /* borrowed */

        struct timer timer; /* private from here */
        struct store_call call;
        struct job job;
        struct map kept;    /* contents that are pinned or in use */
        struct map missing; /* of those: content -> the folder on offer that has it */
        struct err err;
        int removed;
        bool stopped;
};

/* The four above are set. The first time comes with the next turn of the loop. */
void charm_prune_start(struct charm_prune *p);
/* Before the store and the loop's jobs end. */
void charm_prune_stop(struct charm_prune *p);
/* After them. */
void charm_prune_deinit(struct charm_prune *p);
