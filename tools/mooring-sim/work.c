/* SPDX-License-Identifier: Apache-2.0 */
/* work.c - see work.h */
#include "work.h"

#include "clock.h"

#include <stdlib.h>

struct work_item {
        struct list entry; /* sim.work, by time, then as queued */
        int64_t due;
        work_run_one *run;
        char *key, *namespace, *name;
};

static char *key_of(work_run_one *run, const char *namespace, const char *name) {
        return str_format("%p %s/%s", (void *)(uintptr_t)run, namespace, name);
}

static void item_free(struct work_item *w) {
        list_unlink(&w->entry);
        free(w->key);
        free(w->namespace);
        free(w->name);
        free(w);
}

static void insert(struct sim *sim, struct work_item *w) {
        struct list *at = sim->work.prev;

        while (at != &sim->work && list_entry(at, struct work_item, entry)->due > w->due)
                at = at->prev;
        list_append(at->next, &w->entry);
}

void work_add(struct sim *sim, work_run_one *run, const char *namespace, const char *name,
              int64_t delay_ms) {
        cleanup_(freep) char *key = key_of(run, namespace, name);
        struct work_item *w = map_find(&sim->work_keys, key);
        int64_t due = clock_mono() + delay_ms;

        if (w && w->due <= due)
                return;
        if (w) {
                list_unlink(&w->entry);
        } else {
                w = mem_new(struct work_item);
                w->run = run;
                w->namespace = str_dup(namespace);
                w->name = str_dup(name);
                w->key = take_ptr(key);
                map_set(&sim->work_keys, w->key, w);
        }
        w->due = due;
        insert(sim, w);
}

void work_run(struct sim *sim) {
        for (size_t i = 0; i < WORK_BATCH && !list_empty(&sim->work); i++) {
                struct work_item *w = list_entry(sim->work.next, struct work_item, entry);

                if (w->due > clock_mono())
                        return;
                /* Off the queue first: what it changes may queue it again. */
                map_remove(&sim->work_keys, w->key);
                list_unlink(&w->entry);
                w->run(sim, w->namespace, w->name);
                item_free(w);
        }
}

int64_t work_next(const struct sim *sim) {
        return list_empty((struct list *)&sim->work)
                       ? -1
                       : list_entry(sim->work.next, struct work_item, entry)->due;
}

void work_clear(struct sim *sim) {
        list_each(e, &sim->work)
                item_free(list_entry(e, struct work_item, entry));
        map_free(&sim->work_keys);
}
