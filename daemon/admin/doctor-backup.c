/* SPDX-License-Identifier: Apache-2.0 */
/* doctor-backup.c - backups of the controller, and what waits for a person: a restore, an upgrade;
 * see doctor.h */
#include "doctor.h"

#include "admin-internal.h"
#include "backup-keeper.h"
#include "clock.h"
#include "queries.gen.h"
#include "restored.h"
#include "upgrade.h"
#include "upgraded.h"

#include <stdlib.h>

#define UPGRADE_OLD_MS (7 * 86400000ll) /* who has not gone back in a week will not */
#define UPGRADE "mooringctl upgrade-controller"
#define CREATE "mooringctl backup create, then backup verify FILE"

static int read_upgrade(struct tx *tx, const struct request *q, json_t *facts, struct err *err) {
        const struct upgrade *upgrade = q->admin->options.upgrade;
        json_t *waits;
        int r = upgraded_read(tx, &waits, err);

        if (r < 0)
                return r;
        json_object_set_new(facts, "unconfirmed", waits ? waits : json_null());
        if (upgrade)
                json_object_set_new(facts, "upgrade", upgrade_json(upgrade));
        return 0;
}

int doctor_backups_read(struct tx *tx, struct request *q, json_t *facts, struct err *err) {
        const struct backup_keeper *keeper = q->admin->options.backups;
        struct q_audit_oldest_row *oldest;
        json_t *backup, *restored;
        size_t n;
        int r = q_audit_oldest(tx, &(struct q_audit_oldest_in){ .max = 1 }, &oldest, &n, err);

        if (r >= 0)
                json_object_set_new(facts, "began", json_integer(n ? oldest->at : 0));
        if (r >= 0)
                r = restored_read(tx, &restored, err);
        if (r < 0)
                return r;
        json_object_set_new(facts, "restored", restored ? restored : json_null());
        r = read_upgrade(tx, q, facts, err);
        if (r < 0 || !keeper)
                return r;
        r = backup_keeper_facts(tx, &backup, err);
        if (r < 0)
                return r;
        json_object_set_new(backup, "max-age", json_integer(backup_keeper_max_age(keeper)));
        json_object_set_new(facts, "backup", backup);
        return 0;
}

/* A controller that is younger than what a backup may be is not asked for one. */
static bool is_young(const struct doctor *d, int64_t max) {
        int64_t began = json_get_int(d->facts, "began", 0);

        return !began || d->now - began < max;
}

static void no_backup(struct doctor *d, const json_t *made, int64_t max) {
        const char *file = json_get_str(made, "file", NULL);
        enum doctor_severity severity = is_young(d, max) ? DOCTOR_OK : DOCTOR_WARNING;
        cleanup_(freep) char *next = str_format("mooringctl backup verify %s", file ? file : "");

        if (file)
                doctor_find(d, severity, DOCTOR_SUBJECT(file, 0, next),
                            "no backup of the controller was verified yet: nobody knows whether "
                            "this one can be restored");
        else
                doctor_find(d, severity, DOCTOR_SUBJECT("controller", 0, CREATE),
                            "there is no backup of the controller");
}

void doctor_backup(struct doctor *d) {
        const json_t *backup = json_get(d->facts, "backup");
        const json_t *verified = json_get(backup, "verified");
        int64_t max = json_get_int(backup, "max-age", 0), made = 0;
        const char *file = json_get_str(verified, "file", "");
        char age[CLOCK_TEXT_MAX], most[CLOCK_TEXT_MAX];

        if (!backup)
                return;
        if (!clock_parse_iso(json_get_str(verified, "made", ""), &made))
                return no_backup(d, json_get(backup, "made"), max);
        clock_span(d->now - made, age);
        if (d->now - made > max)
                doctor_find(d, DOCTOR_WARNING, DOCTOR_SUBJECT(file, made, CREATE),
                            "the newest backup that was verified is %s old, more than "
                            "backup-max-age (%s)",
                            age, clock_span(max, most));
        else
                doctor_find(d, DOCTOR_OK, DOCTOR_SUBJECT(file, made),
                            "the newest backup that was verified is %s old", age);
}

void doctor_restored(struct doctor *d) {
        const json_t *restored = json_get(d->facts, "restored");

        if (!json_is_object(restored))
                return;
        doctor_find(d, DOCTOR_ERROR,
                    DOCTOR_SUBJECT("controller", json_get_int(restored, "at", 0),
                                   "mooringctl plan, then mooringctl confirm-restore"),
                    "restored from the backup of %s: nothing is written outside until somebody "
                    "confirms it",
                    json_get_str(restored, "made", "?"));
}

/* ---- releases */

static void judge_unconfirmed(struct doctor *d, const json_t *waits) {
        int64_t at = json_get_int(waits, "at", 0);
        char age[CLOCK_TEXT_MAX];

        clock_span(d->now - at, age);
        doctor_find(d, d->now - at > UPGRADE_OLD_MS ? DOCTOR_WARNING : DOCTOR_OK,
                    DOCTOR_SUBJECT("controller", at, UPGRADE " --confirm"),
                    "upgraded %s ago from %s (schema %lld), and nobody confirmed that it stays",
                    age, json_get_str(waits, "release", "an earlier release"),
                    (long long)json_get_int(waits, "from", 0));
}

void doctor_upgrade(struct doctor *d) {
        const json_t *waits = json_get(d->facts, "unconfirmed"),
                     *upgrade = json_get(d->facts, "upgrade");
        const char *failed = json_get_str(upgrade, "failed", NULL);

        if (failed)
                doctor_find(d, DOCTOR_WARNING,
                            DOCTOR_SUBJECT("controller", json_get_int(upgrade, "since", 0),
                                           UPGRADE " --dry-run"),
                            "the release that was to take over could not start: %s", failed);
        if (json_get_bool(upgrade, "installed", false))
                doctor_find(
                        d, DOCTOR_WARNING, DOCTOR_SUBJECT("controller", 0, UPGRADE " --dry-run"),
                        "another release lies at %s than the one that runs (%s)",
                        json_get_str(upgrade, "program", ""), json_get_str(upgrade, "release", ""));
        if (json_is_object(waits))
                judge_unconfirmed(d, waits);
}
