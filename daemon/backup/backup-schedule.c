/* SPDX-License-Identifier: Apache-2.0 */
/* backup-schedule.c - backups at times: made, verified, and the oldest taken away; see
 * backup-keeper.h
 *
 * When the next is due is read from when the last was made, so one that fell into a time when the
 * daemon was off is made at its start. One that fails is tried again each RETRY_MS. */
#include "backup-internal.h"

#include "clock.h"
#include "cron.h"
#include "log.h"
#include "queries.gen.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_MS 3600000
#define READ_RETRY_MS 5000 /* the store could not be read */
#define KEEP 14            /* where nobody says: two weeks of nightly ones */

/* ---- the oldest go: only those that this controller made, for a folder may be shared */

static void pruned(struct backup_keeper *k) {
        free(take_ptr(k->folder));
        k->busy = false;
        backup_keeper_changed(k);
}

static void prune_work(void *arg) {
        struct backup_keeper *k = arg;
        int64_t keep = json_get_int(k->schedule, "keep", KEEP);
        struct dirent **entries = NULL;
        int n = scandir(k->folder, &entries, NULL, alphasort);

        while (n-- > 0) {
                cleanup_(freep) char *path = str_format("%s/%s", k->folder, entries[n]->d_name);

                if (backup_keeper_made(k, entries[n]->d_name) && keep-- <= 0)
                        unlink(path);
                free(entries[n]);
        }
        free(entries);
}

static void prune_done(void *arg) {
        pruned(arg);
}

static void place_pruned(void *arg, int r, json_t *none, const struct err *err) {
        struct backup_keeper *k = arg;

        json_decref(none);
        if (r < 0)
                log_plain(LOG_ERR, "backup", "the oldest backups could not be deleted: %s",
                          err_text(err));
        k->place = place_close(k->place);
        pruned(k);
}

static void place_listed(void *arg, int r, json_t *found, const struct err *err) {
        struct backup_keeper *k = arg;
        int64_t keep = json_get_int(k->schedule, "keep", KEEP);
        json_t *old;

        if (r < 0)
                return place_pruned(k, r, found, err);
        old = json_array();
        for (size_t i = json_array_size(found); i-- > 0;) {
                const char *file = json_get_str(json_array_get(found, i), "file", "");

                if (backup_keeper_made(k, file) && keep-- <= 0)
                        json_array_append_new(old, json_string(file));
        }
        json_decref(found);
        place_remove(k->place, old, place_pruned, k);
}

static void prune_place(struct backup_keeper *k) {
        const struct backup_keeper_options *o = &k->options;
        cleanup_(freep) char *folder = place_join(k->folder, "");
        struct err err = { 0 };
        int r = place_open(o->loop, o->http, &o->place, folder, &k->place, &err);

        if (r < 0)
                return place_pruned(k, r, NULL, &err);
        place_list(k->place, "mooring-", place_listed, k);
}

static void prune(struct backup_keeper *k) {
        const char *folder = json_get_str(k->schedule, "folder", NULL);

        k->busy = true;
        k->folder = folder ? str_dup(folder) : backup_keeper_folder(k);
        if (place_named(k->folder))
                return prune_place(k);
        k->job = (struct job){ .loop = k->options.loop,
                               .work = prune_work,
                               .done = prune_done,
                               .arg = k,
                               .name = "backup prune" };
        job_start(&k->job);
}

/* ---- one run */

static void not_made(struct backup_keeper *k, const struct err *err) {
        log_plain(LOG_ERR, "backup",
                  "the backup that is due could not be made, and is tried again in an hour: %s",
                  err_text(err));
        timer_after(&k->due, RETRY_MS);
}

static void not_verified(const struct err *err) {
        log_plain(LOG_ERR, "backup", "the backup that was due is made, but not verified: %s",
                  err_text(err));
}

static void verified(void *arg, int r, json_t *found, const struct err *err) {
        struct backup_keeper *k = arg;

        json_decref(found);
        if (r < 0)
                return not_verified(err);
        if (!k->schedule || k->stopping)
                return;
        prune(k);
}

static void made(void *arg, int r, json_t *found, const struct err *err) {
        struct backup_keeper *k = arg;
        struct backup_ask ask = { .path = json_get_str(found, "file", NULL),
                                  .done = verified,
                                  .arg = k };
        struct err why = { 0 };

        if (r < 0 && k->stopping)
                return;
        if (r < 0)
                return not_made(k, err);
        if (!k->stopping && backup_keeper_verify(k, &ask, &why) < 0)
                not_verified(&why);
        json_decref(found);
}

static void run(struct backup_keeper *k) {
        struct backup_ask ask = { .folder = json_get_str(k->schedule, "folder", NULL),
                                  .done = made,
                                  .arg = k };
        struct err err = { 0 };

        if (backup_keeper_create(k, &ask, &err) < 0)
                not_made(k, &err);
}

/* ---- when */

/* Wall clock, milliseconds; 0: never. */
static int64_t next_of(const json_t *schedule, int64_t since, struct err *err) {
        struct zone *zone = NULL;
        struct cron cron;
        int64_t at = 0;

        if (cron_parse(json_get_str(schedule, "cron", ""), &cron, err) >= 0 &&
            zone_open(json_get_str(schedule, "zone", "UTC"), &zone, err) >= 0)
                at = cron_next(&cron, zone, since / 1000);
        zone_free(zone);
        return at == CRON_NEVER ? 0 : at * 1000;
}

struct reading {
        struct store_call call;
        struct backup_keeper *keeper;
        json_t *facts;
};

static int read_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct reading *r = c->arg;

        json_decref(r->facts);
        r->facts = NULL;
        return backup_keeper_facts(tx, &r->facts, err);
}

static void take(struct backup_keeper *k, const json_t *facts) {
        const json_t *schedule = json_get(facts, "schedule");
        struct err err = { 0 };
        int64_t at;

        k->made_at = json_get_int(json_get(facts, "made"), "at", 0);
        json_decref(k->schedule);
        k->schedule = json_is_object(schedule) ? json_deep_copy(schedule) : NULL;
        timer_cancel(&k->due);
        if (!k->schedule)
                return;
        at = next_of(k->schedule, MAX_OF(json_get_int(schedule, "since", 0), k->made_at), &err);
        if (at)
                timer_after(&k->due, clock_sleep_ms(at));
        else if (err.code)
                log_plain(LOG_ERR, "backup", "no backup is due any more: %s", err_text(&err));
}

static void read_done(struct store_call *c, int r, const struct err *err) {
        struct reading *reading = c->arg;
        struct backup_keeper *k = reading->keeper;

        k->schedule_out = false;
        if (!k->stopping && r < 0)
                timer_after(&k->due, READ_RETRY_MS);
        else if (!k->stopping)
                take(k, reading->facts);
        json_decref(reading->facts);
        free(reading);
        if (k->schedule_again && !k->stopping)
                backup_keeper_changed(k);
}

void backup_keeper_changed(struct backup_keeper *k) {
        struct reading *r;

        k->schedule_again = k->schedule_out;
        if (k->schedule_out || k->stopping)
                return;
        k->schedule_out = true;
        r = mem_new(struct reading);
        r->keeper = k;
        r->call = (struct store_call){ .lane = STORE_LOOP,
                                       .actor = "backup",
                                       .name = "backup schedule",
                                       .run = read_run,
                                       .done = read_done,
                                       .arg = r };
        store_read(k->options.store, &r->call);
}

/* The clock may have been set, and a day is longer than a sleep of clock_sleep_ms. */
static void on_due(void *arg) {
        struct backup_keeper *k = arg;
        int64_t since = json_get_int(k->schedule, "since", 0), at;

        if (!k->schedule)
                return backup_keeper_changed(k);
        at = next_of(k->schedule, MAX_OF(since, k->made_at), NULL);
        if (at && at > clock_wall())
                timer_after(&k->due, clock_sleep_ms(at));
        else if (at)
                run(k);
}

int backup_keeper_set_schedule(struct tx *tx, const json_t *schedule, struct err *err) {
        cleanup_(json_freep) json_t *kept = schedule ? json_deep_copy(schedule) : NULL;
        cleanup_(freep) char *text = NULL;
        const char *folder = json_get_str(schedule, "folder", NULL);

        if (!schedule)
                return w_setting_delete(
                        tx, &(struct w_setting_delete_in){ .name = BACKUP_SCHEDULE }, err);
        if (folder && folder[0] != '/' && !place_named(folder))
                return err_set(err, -EINVAL,
                               "folder: must be absolute, or s3://BUCKET/PATH or "
                               "azblob://ACCOUNT/CONTAINER/PATH, is \"%s\"",
                               folder);
        *err = (struct err){};
        if (!next_of(schedule, tx_now(tx), err))
                return err->code ? err->code
                                 : err_set(err, -EINVAL, "cron: no such time ever comes");
        json_object_set_new(kept, "since", json_integer(tx_now(tx)));
        text = json_text(kept);
        return w_setting_set(
                tx, &(struct w_setting_set_in){ .name = BACKUP_SCHEDULE, .value = text }, err);
}

void backup_schedule_init(struct backup_keeper *k) {
        timer_init(&k->due, k->options.loop, "backup schedule", on_due, k);
        backup_keeper_changed(k);
}

void backup_schedule_stop(struct backup_keeper *k) {
        k->stopping = true;
        timer_cancel(&k->due);
}

void backup_schedule_deinit(struct backup_keeper *k) {
        json_decref(k->schedule);
        k->schedule = NULL;
}
