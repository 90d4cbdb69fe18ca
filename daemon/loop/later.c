/* SPDX-License-Identifier: Apache-2.0 */
/* later.c - runs once, soon, from the loop and never from within the call that asked
 *
 * One turn of the loop runs those that waited when the turn began, in their order; what they ask
 * for anew waits for the next turn, so that descriptors get theirs between. A turn also ends
 * after LOOP_SLOW_MS: a thousand short handlers must not hold up the network longer than one slow
 * handler may. */
#include "loop-internal.h"

void later_init(struct later *l, struct loop *loop, const char *name, timer_fn *fn, void *arg) {
        *l = (struct later){ .loop = loop, .fn = fn, .arg = arg, .name = name };
        list_init(&l->link);
}

void later_run(struct later *l) {
        if (list_linked(&l->link))
                return;
        list_append(&l->loop->laters, &l->link);
        loop_wake_laters(l->loop, true);
}

void later_cancel(struct later *l) {
        list_unlink(&l->link);
}

void later_run_all(struct loop *l) {
        struct list batch;
        int64_t first = loop_begin();
        struct list *pos;

        list_init(&batch);
        while ((pos = list_pop(&l->laters)))
                list_append(&batch, pos);
        while (loop_begin() - first < LOOP_SLOW_MS * 1000 && (pos = list_pop(&batch))) {
                struct later *each = list_entry(pos, struct later, link);
                const char *name = each->name;
                int64_t began = loop_begin();

                each->fn(each->arg); /* may free EACH, and cancel others of the batch */
                loop_end(l, name, began);
        }
        while (!list_empty(&batch)) { /* before those that came meanwhile */
                struct list *last = batch.prev;

                list_unlink(last);
                list_prepend(&l->laters, last);
        }
        if (list_empty(&l->laters))
                loop_wake_laters(l, false);
}
