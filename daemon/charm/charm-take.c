/* SPDX-License-Identifier: Apache-2.0 */
/* charm-take.c - offers taken in by a job; see charm-take.h */
#include "charm-take.h"

#include "charm-load.h"
#include "charm-pin.h"

#include <errno.h>
#include <stdlib.h>

void charm_take_add(struct charm_take *t, const struct charm_offer *offer, void *owner) {
        struct charm_take_item *item;

        t->items = mem_grow(t->items, &t->room, t->count + 1, sizeof(*t->items));
        item = &t->items[t->count++];
        *item = (struct charm_take_item){ .folder = str_dup(offer->folder), .owner = owner };
        str_copy(item->sha256, sizeof(item->sha256), offer->sha256);
        if (offer->refused)
                item->r = err_set(&item->err, -EPERM, "charm in %s cannot be used: %s",
                                  offer->folder, offer->refused);
}

static void load(const struct charm_take *t, struct charm_take_item *item) {
        cleanup_(freep) char *folder = charm_pin_folder(t->state_dir, item->sha256);
        struct worker_spec spec = *t->load;
        int r;

        spec.folder = folder;
        spec.sha256 = item->sha256;
        r = charm_load_try(&spec, &item->err);
        if (r < 0)
                item->r = err_add(&item->err, r, "the module in %s does not load", item->folder);
}

static void work(void *arg) {
        struct charm_take *t = arg;

        for (size_t i = 0; i < t->count; i++) {
                struct charm_take_item *item = &t->items[i];

                if (item->r == 0)
                        item->r = charm_pin(t->state_dir, item->folder, item->sha256, &item->err);
                if (item->r >= 0 && t->load)
                        load(t, item);
        }
}

static void done(void *arg) {
        struct charm_take *t = arg;

        t->done(t);
}

void charm_take_start(struct charm_take *t) {
        t->job = (struct job){ .loop = t->loop,
                               .work = work,
                               .done = done,
                               .dropped = done,
                               .arg = t,
                               .name = "take charms" };
        job_start(&t->job);
}

void charm_take_deinit(struct charm_take *t) {
        for (size_t i = 0; i < t->count; i++)
                free(t->items[i].folder);
        free(t->items);
        t->items = NULL;
        t->count = t->room = 0;
}
