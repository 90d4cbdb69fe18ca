/* SPDX-License-Identifier: Apache-2.0 */
/* charm-take.h - takes offers into the state folder in a job, off the loop
 *
 * Copying a charm means files and fsync: tens of milliseconds on a slow disk. Embedded in what the
 * caller goes on with; zeroed, filled with charm_take_add, started once. */
#pragma once

#include "charm-host.h"

struct charm_take_item {
        char *folder;
        char sha256[DIGEST_HEX_SIZE];
        void *owner; /* the caller's: which of his things it is for */
        int r;       /* >= 0: it is pinned now; 1: it was not there, or damaged */
        struct err err;
};

struct charm_take {
        struct loop *loop;
        const char *state_dir;              /* borrowed */
        const struct worker_spec *load;     /* each is loaded once, or fails; NULL: not tried */
        void (*done)(struct charm_take *t); /* on the loop, once; never before start returned */
        void *arg;
        struct charm_take_item *items; /* private from here, but for done to read */
        size_t count, room;
        struct job job;
};

void charm_take_add(struct charm_take *t, const struct charm_offer *offer, void *owner);
void charm_take_start(struct charm_take *t);
void charm_take_deinit(struct charm_take *t); /* after done */
