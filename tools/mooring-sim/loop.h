/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h - one thread, one poll(2): files that wake us, and work that is due */
#pragma once

#include "sim.h"

struct poller {
        struct list entry; /* sim.pollers; unlinked: not polled */
        int fd;
        short events;
        void (*ready)(struct poller *p, short events);
};

void loop_add(struct sim *sim, struct poller *p);
void loop_remove(struct poller *p); /* also from within a ready function */
/* Until sim.stopping. */
int loop_run(struct sim *sim, struct err *err);
