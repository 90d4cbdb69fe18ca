/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-host.c - checks of the machine, the state folder and the daemon itself; see doctor.h */
#include "doctor.h"

#include "clock.h"

#include <stdlib.h>
#include <sys/stat.h>

#define FREE_WARN_PERCENT 15
#define FREE_ERROR_PERCENT 5
#define FREE_ERROR_BYTES (64 << 20) /* a large file system at 6 % is well, a small one is not */
#define INODES_ERROR_PERCENT 1
#define INODES_WARN_PERCENT 5
#define WAL_WARN_BYTES (256ll << 20) /* checkpoints keep it at some MB: a reader holds them up */
#define JUMP_WARN_MS 5000            /* NTP slews what is less */
#define QUEUE_WARN_MS 300000         /* as the alert MooringQueueStuck */
#define DEATH_RECENT_MS 3600000
#define DEATH_LOOP_MS 600000 /* five within ten minutes: it dies whenever it is asked */

/* ---- the state folder */

static const char *state_path(const struct doctor *d) {
        return json_get_str(json_get(d->facts, "state"), "path", "the state folder");
}

void doctor_state_folder(struct doctor *d) {
        const json_t *state = json_get(d->facts, "state");
        const char *path = state_path(d), *failed = json_get_str(state, "failed", NULL);
        int64_t mode = json_get_int(state, "mode", 0), owner = json_get_int(state, "owner", 0);
        int64_t self = json_get_int(state, "self", 0);
        cleanup_(freep) char *chown = str_format("chown %lld %s", (long long)self, path);
        cleanup_(freep) char *chmod = str_format("chmod go= %s", path);

        if (failed)
                doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(path, 0, "systemctl status mooringd"),
                            "it cannot be looked at: %s", failed);
        if (!state || failed)
                return;
        if (owner != self)
                doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(path, 0, chown),
                            "it belongs to uid %lld, and the daemon is uid %lld", (long long)owner,
                            (long long)self);
        if (mode & (S_IWGRP | S_IWOTH))
                doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(path, 0, chmod),
                            "others than its owner can write it (mode %04llo)",
                            (unsigned long long)mode);
        else if (mode & S_IROTH)
                doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(path, 0, chmod),
                            "every user of the machine can list it (mode %04llo)",
                            (unsigned long long)mode);
}

static void judge_share(struct doctor *d, const char *what, int64_t percent, bool error,
                        bool warn) {
        if (error || warn)
                doctor_find(d, error ? DOCTOR_ERROR : DOCTOR_WARNING,
                            DOCTOR_SUBJECT(state_path(d), 0, "df -h; df -i; mooringctl leftovers"),
                            "%lld %% of the file system's %s are free: full, history is shed, "
                            "then nothing is repaired",
                            (long long)percent, what);
}

void doctor_disk_space(struct doctor *d) {
        const json_t *disk = json_get(d->facts, "disk");
        int64_t bytes = json_get_int(disk, "bytes", 0), free = json_get_int(disk, "free", 0);
        int64_t inodes = json_get_int(disk, "inodes", 0);
        int64_t share = bytes ? free * 100 / bytes : 100;
        int64_t left = inodes ? json_get_int(disk, "inodes-free", 0) * 100 / inodes : 100;

        judge_share(d, "bytes", share,
                    bytes && (share < FREE_ERROR_PERCENT || free < FREE_ERROR_BYTES),
                    share < FREE_WARN_PERCENT);
        judge_share(d, "inodes", left, left < INODES_ERROR_PERCENT, left < INODES_WARN_PERCENT);
}

void doctor_store_read_only(struct doctor *d) {
        if (json_get_bool(d->facts, "read-only", false))
                doctor_find(d, DOCTOR_ERROR,
                            DOCTOR_SUBJECT(state_path(d), 0,
                                           "df -h; mooringctl debug-log --level error"),
                            "it cannot be written: commands are refused and nothing is repaired");
}

void doctor_store_wal(struct doctor *d) {
        int64_t size = json_get_int(json_get(d->facts, "files"), "model.db-wal", 0);

        if (size > WAL_WARN_BYTES)
                doctor_find(d, DOCTOR_WARNING,
                            DOCTOR_SUBJECT("model.db-wal", 0, "systemctl restart mooringd"),
                            "it has %lld MB: something keeps it from being written back (a reader "
                            "that does not end, such as sqlite3)",
                            (long long)(size >> 20));
}

void doctor_key(struct doctor *d) {
        const json_t *key = json_get(d->facts, "key");
        const char *path = json_get_str(key, "path", "key");
        const char *failed = json_get_str(key, "failed", NULL);
        int64_t mode = json_get_int(key, "mode", 0), owner = json_get_int(key, "owner", 0);
        bool credential = json_get_bool(key, "credential", false);
        int64_t keys = json_get_int(key, "keys", 1);
        cleanup_(freep) char *chmod = str_format("chmod 600 %s", path);

        if (!key)
                return;
        if (failed)
                doctor_find(
                        d, DOCTOR_ERROR,
                        DOCTOR_SUBJECT(path, 0, "put the key back from its backup"),
                        "it cannot be looked at: %s; without it the daemon does not start again",
                        failed);
        else if (!credential && (mode & 077))
                doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(path, 0, chmod),
                            "others can read the key (mode %04llo)", (unsigned long long)mode);
        else if (!credential && owner && owner != json_get_int(key, "self", owner))
                doctor_find(d, DOCTOR_ERROR, DOCTOR_SUBJECT(path, 0, chmod),
                            "it belongs to uid %lld", (long long)owner);
        else if (keys > 1)
                doctor_find(d, DOCTOR_WARNING,
                            DOCTOR_SUBJECT(path, 0, "mooringctl rotate-key --status"),
                            "a rotation of the key stands unfinished: %lld keys are in it",
                            (long long)keys);
        else
                doctor_find(d, DOCTOR_OK, DOCTOR_SUBJECT(path), "the key is %s",
                            credential ? "a credential of systemd's"
                                       : "a file that only its owner reads");
}

/* ---- the daemon */

void doctor_clock_jump(struct doctor *d) {
        int64_t moved = json_get_int(d->facts, "clock-moved-ms", 0);
        char span[CLOCK_TEXT_MAX];

        if (llabs(moved) >= JUMP_WARN_MS)
                doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT("clock", 0, "timedatectl"),
                            "it was set %s by %s since the daemon started: stamps of before and "
                            "after do not fit together",
                            moved > 0 ? "forward" : "back", clock_span(llabs(moved), span));
}

void doctor_queue_stuck(struct doctor *d) {
        const json_t *q;
        size_t i;
        char span[CLOCK_TEXT_MAX];

        json_array_foreach(json_dig(d->facts, "loop", "queue", NULL), i, q) {
                int64_t oldest = json_get_int(q, "oldest-ms", 0);
                cleanup_(freep) char *name = str_format("queue %s", json_get_str(q, "kind", ""));

                if (oldest > QUEUE_WARN_MS)
                        doctor_find(d, DOCTOR_WARNING,
                                    DOCTOR_SUBJECT(name, d->now - oldest, "mooringctl plan"),
                                    "%lld wait for their turn, the oldest for %s",
                                    (long long)json_get_int(q, "ready", 0),
                                    clock_span(oldest, span));
        }
}

void doctor_worker_deaths(struct doctor *d) {
        const json_t *deaths = json_get(d->facts, "deaths");
        int64_t last = json_get_int(deaths, "last", 0), fifth = json_get_int(deaths, "fifth", 0);
        bool loop = fifth && d->now - fifth < DEATH_LOOP_MS;

        if (last && d->now - last < DEATH_RECENT_MS)
                doctor_find(d, loop ? DOCTOR_ERROR : DOCTOR_WARNING,
                            DOCTOR_SUBJECT("charm workers", last,
                                           "mooringctl debug-log --level warning"),
                            loop ? "they die again and again: five within ten minutes, %lld since "
                                   "the start"
                                 : "one died; %lld since the start",
                            (long long)json_get_int(deaths, "total", 0));
}

void doctor_metrics_certificate(struct doctor *d) {
        doctor_ends(d,
                    DOCTOR_SUBJECT("metrics-address", 0,
                                   "put a new certificate there, then systemctl reload mooringd"),
                    "the certificate of the metrics' listener",
                    json_get_int(d->facts, "metrics-certificate-ends", 0));
}
