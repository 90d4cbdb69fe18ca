/* SPDX-License-Identifier: Apache-2.0 */
/* loop-internal.h - what the files of this layer share: the loop itself and the measuring of
 * handlers */
#pragma once

#include "loop.h"

#include <pthread.h>
#include <uv.h>

/* libuv's timers stand still while the machine sleeps, our deadlines (CLOCK_BOOTTIME) do not:
 * after a sleep a deadline is met at most this late. One wake a minute costs nothing that can be
 * measured. */
#define LOOP_RECHECK_MS 60000

/* How much of other handlers' work may stand in what a slow one is said to have worked. */
#define LOOP_SAMPLE_US 1000

struct loop {
        uv_loop_t uv;
        uv_timer_t wake;  /* for the earliest deadline of the heap */
        uv_timer_t guard; /* ends the wait of loop_step */
        uv_idle_t soon;   /* active while laters wait: the poll does not block */
        uv_async_t posted;

        struct timer **heap; /* binary, earliest first; equal times in the order of their setting */
        size_t heap_len, heap_room;
        uint64_t order;
        int64_t armed; /* what WAKE was last set for; 0: not set */

        struct list laters;
        struct list signals;
        struct list dying;    /* children killed and not reaped yet */
        pthread_mutex_t lock; /* for POSTS only */
        struct list posts;

        size_t jobs; /* that are out */
        bool stopped, guard_over;
        int result;
        uint64_t ran; /* handlers called so far */

        const char *doing; /* what the handler that runs said of itself, or NULL */
        int64_t slowest_us;
        const char *slowest_name;
        uv_prepare_t turn;      /* once a turn, before it waits */
        int64_t sampled_us;     /* when SAMPLED_RAN_US was read */
        int64_t sampled_ran_us; /* what this thread had run by then */
        int64_t slow_logged_us; /* when the last line about a slow handler was written */
        uint64_t slow_unlogged;
};

/* Around every handler: the real clock, also when the deadlines follow a fake one. */
int64_t loop_begin(void);
void loop_end(struct loop *l, const char *name, int64_t began);

/* For timer.c and later.c: wake the loop for them. */
void loop_wake_at(struct loop *l, int64_t in_ms);
void loop_wake_laters(struct loop *l, bool waiting);

/* Fires what is due at NOW and was set before this call; returns how many. */
size_t timer_fire_due(struct loop *l, int64_t now);
/* Sets the uv timer for the earliest deadline when that changed. */
void timer_arm(struct loop *l);
/* When the earliest timer falls due; 0: none is set. */
int64_t timer_earliest(const struct loop *l);

/* Runs those that wait now, until none is left or LOOP_SLOW_MS are used up. */
void later_run_all(struct loop *l);

/* Before the loop goes: waits for the children that were killed. */
void child_reap_all(struct loop *l);
