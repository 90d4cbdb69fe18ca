/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h - when actions are run by themselves: waits for the next time, and has what is due
 * queued (model/command-schedule.c) */
#pragma once

#include "loop.h"
#include "seal.h"
#include "store.h"

struct audit;
struct schedule;
struct schedule_options {
        struct loop *loop;
        struct store *store;
        const struct sealer *sealer;
        const struct audit *audit;
};
struct schedule *schedule_new(const struct schedule_options *o);
void schedule_changed(struct schedule *s); /* one came or went */
void schedule_stop(struct schedule *s);    /* then store_close */
struct schedule *schedule_free(struct schedule *s);
