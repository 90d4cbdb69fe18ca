/* SPDX-License-Identifier: Apache-2.0 */
/* refresh-order.c - who provides before who requires; see refresh-all.h
 *
 * Depth first, from the first name on: whatever an application needs comes before it, also by way
 * of others. A need that leads back to one whose own needs are being followed closes a circle, and
 * is passed over. */
#include "refresh-all.h"

#include <stdlib.h>

enum mark { UNSEEN, OPEN, PLACED };

struct walk {
        const struct refresh_need *needs;
        size_t *first; /* by application: its first need; one more at the end */
        size_t *next;  /* and the one to follow next */
        size_t *stack;
        enum mark *marks;
        size_t depth;
        refresh_circle_fn *circle;
        void *arg;
};

static void open_one(struct walk *w, size_t which) {
        w->marks[which] = OPEN;
        w->next[which] = w->first[which];
        w->stack[w->depth++] = which;
}

static void tell_circle(struct walk *w, size_t begin) {
        size_t i = w->depth;

        while (w->stack[i - 1] != begin)
                i--;
        w->circle(w->arg, &w->stack[i - 1], w->depth - i + 1);
}

/* True: all that WHICH needs is placed. */
static bool follow(struct walk *w, size_t which) {
        while (w->next[which] < w->first[which + 1]) {
                size_t provider = w->needs[w->next[which]++].provider;

                if (provider == which || w->marks[provider] == PLACED)
                        continue;
                if (w->marks[provider] == OPEN) {
                        tell_circle(w, provider);
                        continue;
                }
                open_one(w, provider);
                return false;
        }
        return true;
}

static int compare(const void *a, const void *b) {
        const struct refresh_need *x = a, *y = b;

        if (x->requirer != y->requirer)
                return x->requirer < y->requirer ? -1 : 1;
        return (x->provider > y->provider) - (x->provider < y->provider);
}

void refresh_order(struct refresh_need *needs, size_t need_count, size_t n, size_t *ret,
                   refresh_circle_fn *circle, void *arg) {
        cleanup_(freep) size_t *first = mem_array(size_t, n + 1);
        cleanup_(freep) size_t *next = mem_array(size_t, n + 1);
        cleanup_(freep) size_t *stack = mem_array(size_t, n + 1);
        cleanup_(freep) enum mark *marks = mem_array(enum mark, n + 1);
        struct walk w = { needs, first, next, stack, marks, 0, circle, arg };
        size_t placed = 0;

        if (need_count)
                qsort(needs, need_count, sizeof(*needs), compare);
        for (size_t i = 0; i < need_count; i++)
                first[needs[i].requirer + 1]++;
        for (size_t i = 0; i < n; i++)
                first[i + 1] += first[i];
        for (size_t i = 0; i < n; i++) {
                if (marks[i] == UNSEEN)
                        open_one(&w, i);
                while (w.depth) {
                        size_t top = stack[w.depth - 1];

                        if (!follow(&w, top))
                                continue;
                        marks[top] = PLACED;
                        ret[placed++] = top;
                        w.depth--;
                }
        }
}
