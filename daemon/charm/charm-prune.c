/* SPDX-License-Identifier: Apache-2.0 */
/* charm-prune.c - what is pinned is read, then a job takes in what of it is missing, where it is on
 * offer, and removes the rest; see charm-prune.h
 *
 * An application that is pinned between the two has taken its charm in shortly before, and a copy
 * that was taken in shortly ago stays (charm_pin_prune). */
#include "charm-prune.h"

#include "charm-pin.h"
#include "clock.h"
#include "log.h"
#include "queries.gen.h"

#include <stdlib.h>
#include <unistd.h>

#define PAGE 1000

/* An action goes on with the steps that it began with. */
static int read_operations(struct tx *tx, struct charm_prune *p, struct err *err) {
        struct q_operation_charms_row *rows;
        size_t n;
        int r = q_operation_charms(tx, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                map_set(&p->kept, rows[i].charm_sha256, p);
        return r < 0 ? r : 0;
}

/* What a rollback goes back to. */
static int read_refreshes(struct tx *tx, struct charm_prune *p, struct err *err) {
        struct q_refresh_charms_in in = { .after = "", .max = PAGE };
        struct q_refresh_charms_row *rows;
        size_t n;
        int r;

        do {
                r = q_refresh_charms(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].from_sha256;
                        map_set(&p->kept, rows[i].from_sha256, p);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

/* What waits in a refresh --all. */
static int read_orders(struct tx *tx, struct charm_prune *p, struct err *err) {
        struct q_refresh_all_charms_in in = { .after = "", .max = PAGE };
        struct q_refresh_all_charms_row *rows;
        size_t n;
        int r;

        do {
                r = q_refresh_all_charms(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].to_sha256;
                        map_set(&p->kept, rows[i].to_sha256, p);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

static int read_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct charm_prune *p = c->arg;
        struct q_application_charms_in in = { .after = "", .max = PAGE };
        struct q_application_charms_row *rows;
        size_t n;
        int r;

        do {
                r = q_application_charms(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].charm_sha256;
                        map_set(&p->kept, rows[i].charm_sha256, p);
                }
        } while (r >= 0 && n == PAGE);
        if (r >= 0)
                r = read_refreshes(tx, p, err);
        if (r >= 0)
                r = read_orders(tx, p, err);
        return r < 0 ? r : read_operations(tx, p, err);
}

static void again(struct charm_prune *p) {
        map_free(&p->kept);
        p->kept = (struct map)MAP_INIT;
        map_free_with(&p->missing, free);
        p->missing = (struct map)MAP_INIT;
        if (!p->stopped)
                timer_after(&p->timer, CHARM_PRUNE_MS);
}

/* Without its copy an application runs on, and cannot be planned. */
static void find_missing(struct charm_prune *p) {
        const struct charm_offer *offers;
        size_t n;

        offers = charm_host_offers(p->host, &n);
        for (size_t i = 0; i < n; i++) {
                const char *sha256 = offers[i].sha256;
                cleanup_(freep) char *copy = charm_pin_folder(p->state_dir, sha256);

                if (!offers[i].refused && map_find(&p->kept, sha256) && access(copy, F_OK) < 0)
                        free(map_set(&p->missing, sha256, str_dup(offers[i].folder)));
        }
}

static void take_in_missing(struct charm_prune *p) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(&p->missing, &i));) {
                struct err err = {};

                if (charm_pin(p->state_dir, e->value, e->key, &err) < 0)
                        log_plain(LOG_WARNING, "charm-missing", "%s", err_text(&err));
                else
                        log_plain(LOG_NOTICE, "charm-missing",
                                  "the state folder did not have content %.12s any more, which "
                                  "applications are pinned to: taken in again from %s",
                                  e->key, (const char *)e->value);
        }
}

static void work(void *arg) {
        struct charm_prune *p = arg;

        take_in_missing(p);
        p->removed =
                charm_pin_prune(p->state_dir, &p->kept, clock_wall() - CHARM_PRUNE_AGE_MS, &p->err);
}

static void done(void *arg) {
        struct charm_prune *p = arg;

        if (p->removed < 0)
                log_plain(LOG_WARNING, "charm-prune", "%s", err_text(&p->err));
        else if (p->removed)
                log_plain(LOG_INFO, "charm-prune",
                          "removed %d copies of charms that no application is pinned to",
                          p->removed);
        again(p);
}

static void read_done(struct store_call *c, int r, const struct err *err) {
        struct charm_prune *p = c->arg;

        if (r < 0 || p->stopped) {
                if (r < 0 && !p->stopped)
                        log_plain(LOG_WARNING, "charm-prune", "%s", err_text(err));
                return again(p);
        }
        find_missing(p);
        charm_host_used(p->host, &p->kept);
        p->err = (struct err){};
        p->job = (struct job){ .loop = p->loop,
                               .work = work,
                               .done = done,
                               .dropped = done,
                               .arg = p,
                               .name = "prune charms" };
        job_start(&p->job);
}

static void on_timer(void *arg) {
        struct charm_prune *p = arg;

        p->call = (struct store_call){
                .actor = "charm-prune", .run = read_run, .done = read_done, .arg = p
        };
        store_read(p->store, &p->call);
}

void charm_prune_start(struct charm_prune *p) {
        timer_init(&p->timer, p->loop, "prune charms", on_timer, p);
        timer_after(&p->timer, 0);
}

void charm_prune_stop(struct charm_prune *p) {
        p->stopped = true;
        timer_cancel(&p->timer);
}

void charm_prune_deinit(struct charm_prune *p) {
        map_free(&p->kept);
        map_free_with(&p->missing, free);
}
