/* SPDX-License-Identifier: Apache-2.0 */
/* timer.c - all deadlines in one heap, under one uv timer
 *
 * A binary heap of pointers, ordered by (at, order): timers of the same instant fire in the order
 * in which they were set. A timer is set when AT is not 0; heap_index is its place. The uv timer
 * is only ever moved forward to an earlier deadline: a cancelled one lets it fire for nothing
 * once, which is cheaper than a syscall for each of the many deadlines that are set and never
 * met.
 *
 * With a fake clock the uv timer is not used: loop_advance fires. */
#include "loop-internal.h"

#include "clock.h"

#include <assert.h>

static bool before(const struct timer *a, const struct timer *b) {
        return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct loop *l, size_t i, struct timer *t) {
        l->heap[i] = t;
        t->heap_index = i;
}

static void sift_up(struct loop *l, size_t i) {
        struct timer *t = l->heap[i];

        for (size_t up; i > 0; i = up) {
                up = (i - 1) / 2;
                if (!before(t, l->heap[up]))
                        break;
                put(l, i, l->heap[up]);
        }
        put(l, i, t);
}

static void sift_down(struct loop *l, size_t i) {
        struct timer *t = l->heap[i];

        for (size_t down; (down = 2 * i + 1) < l->heap_len; i = down) {
                if (down + 1 < l->heap_len && before(l->heap[down + 1], l->heap[down]))
                        down++;
                if (!before(l->heap[down], t))
                        break;
                put(l, i, l->heap[down]);
        }
        put(l, i, t);
}

static void take_out(struct timer *t) {
        struct loop *l = t->loop;
        size_t i = t->heap_index;
        struct timer *last = l->heap[--l->heap_len];

        assert(i <= l->heap_len && (last == t || l->heap[i] == t));
        if (last != t) {
                put(l, i, last);
                sift_down(l, i);
                sift_up(l, last->heap_index);
        }
        t->at = 0;
}

void timer_init(struct timer *t, struct loop *l, const char *name, timer_fn *fn, void *arg) {
        *t = (struct timer){ .loop = l, .fn = fn, .arg = arg, .name = name };
}

void timer_set(struct timer *t, int64_t at_mono) {
        struct loop *l = t->loop;

        timer_cancel(t);
        t->at = MAX_OF(at_mono, 1); /* 0 means not set */
        t->order = ++l->order;
        l->heap = mem_grow(l->heap, &l->heap_room, l->heap_len + 1, sizeof(*l->heap));
        put(l, l->heap_len++, t);
        sift_up(l, t->heap_index);
        if (t->heap_index == 0)
                timer_arm(l);
}

void timer_after(struct timer *t, int64_t ms) {
        timer_set(t, clock_mono() + MAX_OF(ms, 0));
}

void timer_cancel(struct timer *t) {
        if (t->at)
                take_out(t);
}

int64_t timer_earliest(const struct loop *l) {
        return l->heap_len ? l->heap[0]->at : 0;
}

void timer_arm(struct loop *l) {
        int64_t at = timer_earliest(l);
        int64_t wait;

        if (!at || clock_is_fake() || (l->armed && l->armed <= at))
                return;
        wait = MAX_OF(at - clock_mono(), 0);
        l->armed = at;
        loop_wake_at(l, MIN_OF(wait, LOOP_RECHECK_MS));
}

size_t timer_fire_due(struct loop *l, int64_t now) {
        uint64_t newest = l->order; /* what a handler sets waits for the next turn */
        size_t n = 0;

        while (l->heap_len && l->heap[0]->at <= now && l->heap[0]->order <= newest) {
                struct timer *t = l->heap[0];
                const char *name = t->name;
                int64_t began = loop_begin();

                take_out(t);
                t->fn(t->arg); /* may free T */
                loop_end(l, name, began);
                n++;
        }
        return n;
}
