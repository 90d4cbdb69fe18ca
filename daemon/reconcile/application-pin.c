/* SPDX-License-Identifier: Apache-2.0 */
/* application-pin.c - an application that waits for its charm is pinned to one that came */
#include "application.h"

#include "charm-take.h"
#include "command.h"
#include "log.h"

#include <stdlib.h>

struct pin {
        struct reconcile *rec;
        struct store_call call;
        struct command_pin command;
        struct charm_choice choice;
        struct charm_take take;
};

static void on_pinned(struct store_call *c, int r, const struct err *err) {
        struct command_pin *command = c->arg;
        struct pin *p = container_of(command, struct pin, command);
        struct world_application *a = world_application(&p->rec->world, command->application);

        if (r < 0)
                log_plain(LOG_WARNING, "pin", "application %lld: %s",
                          (long long)command->application, err_text(err));
        if (a) {
                str_set(&a->pin_error, r < 0 ? err_text(err) : NULL);
                status_update(p->rec, a);
        }
        command_deinit(&command->head);
        charm_choice_deinit(&p->choice);
        free(p);
}

static void on_taken(struct charm_take *take) {
        struct pin *p = container_of(take, struct pin, take);
        const struct reconcile_options *o = &p->rec->options;
        struct world_application *a = world_application(&p->rec->world, p->command.application);

        if (take->items[0].r < 0 || p->rec->stopping) {
                if (a && take->items[0].r < 0)
                        str_set(&a->pin_error, err_text(&take->items[0].err));
                charm_take_deinit(take);
                charm_choice_deinit(&p->choice);
                free(p);
                return;
        }
        charm_take_deinit(take);
        p->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "loop",
                                       .run = command_run,
                                       .done = on_pinned,
                                       .arg = &p->command };
        store_submit(o->store, &p->call);
}

void application_pin(struct application_work *w) {
        const struct reconcile_options *o = &w->rec->options;
        const struct charm_offer *offer;
        struct err err = { 0 };
        struct pin *p;

        if (charm_host_find(o->host, w->charm_name, w->channel[0] ? w->channel : NULL, w->revision,
                            &offer, &err) < 0)
                return;
        p = mem_new(struct pin);
        p->rec = w->rec;
        charm_choice_found(&p->choice, offer->sha256, offer->meta);
        p->command = (struct command_pin){
                .head = { .run = command_deploy_pin, .sealer = o->sealer, .actor = "loop" },
                .application = w->id,
                .choice = &p->choice
        };
        p->take =
                (struct charm_take){ .loop = o->loop, .state_dir = o->state_dir, .done = on_taken };
        charm_take_add(&p->take, offer, p);
        charm_take_start(&p->take);
}
