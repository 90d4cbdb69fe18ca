/* SPDX-License-Identifier: Apache-2.0 */
/* backup-verify.c - the action verify-backup
 *
 *   newest ──▶ find ──▶ verify ──▶ scratch ──▶ start ──▶ load ──▶ check ──▶ verified
 *                          └─────────────────────────────────────────┴────▶ failed
 *
 * A backup is verified when a server that was empty before has its tables, by their checksums. That
 * server is a pod of its own, of the same image, with a volume that goes with it: neither memory
 * nor disk of the one that clients use is spent. The option scratch-server wants it, which the
 * action sets, and resets whatever comes. The verdict is an object beside the backup. */
#include "upgrade.h"

#include "charm.gen.h"

#include <stdlib.h>

#define SCRATCH_OBJECT "statefulset-scratch"

/* ---- the scratch server */

void backup_plan_scratch(const struct charm_view *v, struct charm_plan *p) {
        const char *name = charm_text(p, "%s-scratch", charm_application(v));

        if (!charm_option_bool(v, OPTION_SCRATCH_SERVER))
                return;
        charm_want(p, SCRATCH_OBJECT, "scratch.yaml",
                   CHARM_HOLES({ "name", CHARM_TEXT, name },
                               { "image", CHARM_TEXT, upgrade_image(v) },
                               { "service", CHARM_TEXT,
                                 charm_text(p, "%s-endpoints", charm_application(v)) },
                               { "secret", CHARM_TEXT,
                                 charm_text(p, "%s-root", charm_application(v)) }));
        charm_target(
                p, BACKUP_SCRATCH, "sql", "target.yaml",
                CHARM_HOLES({ "via", CHARM_TEXT, charm_text(p, "%s/%s-0", charm_model(v), name) }));
}

static const char *scratch_pod(const struct charm_world *w, struct charm_ask *a) {
        return charm_text(charm_paper(a), "%s-scratch-0", charm_application(charm_world_view(w)));
}

/* ---- scratch, start */

static void want_scratch(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_config(a, OPTION_SCRATCH_SERVER, "true");
        charm_next(a);
}

static void start(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_ready(a, SCRATCH_OBJECT);
        if (!charm_state(w, "started")) {
                charm_set(a, "started", "1");
                return charm_ask_sql(a, BACKUP_SCRATCH, CHARM_TEXTS("SELECT VERSION()"), NULL);
        }
        charm_set(a, "version", charm_answer(w, "/rows/0/0"));
        charm_next(a);
}

/* ---- load, check */

static void load(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return backup_ask_load(w, a, scratch_pod(w, a));
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a,
                                     "%s could not be restored into a scratch server, which says "
                                     "nothing about it yet: %s: %s",
                                     backup_wanted(w), outcome, charm_error(w));
        charm_log(a, "%s bytes of SQL are read into a scratch server",
                  charm_answer(w, "/plain-bytes"));
        charm_next(a);
}

static void judge(const struct charm_world *w, struct charm_ask *a, size_t all, size_t bad,
                  const char *wrong) {
        const char *backed_up = backup_noted(w, a, "server"), *version = charm_state(w, "version");

        charm_set(a, "compared", charm_text(charm_paper(a), "%zu", all));
        if (!bad)
                return charm_goto(a, "verified");
        if (!backup_same_version(version, backed_up))
                return charm_give_up(a,
                                     "restored, but %zu of %zu tables have other checksums: %s. "
                                     "The backup is of server %s and this is %s, which may count "
                                     "otherwise: nothing is known",
                                     bad, all, wrong, backed_up, version);
        charm_set(a, "why",
                  charm_text(charm_paper(a), "%zu of %zu tables are not what was backed up: %s",
                             bad, all, wrong));
        charm_goto(a, "failed");
}

static void check(const struct charm_world *w, struct charm_ask *a) {
        const char *wrong;
        size_t all, bad;

        if (!charm_outcome(w)) {
                if (!backup_ask_compare(w, a, BACKUP_SCRATCH))
                        judge(w, a, 0, 0, "");
                return;
        }
        wrong = backup_compare(w, a, &all, &bad);
        judge(w, a, all, bad, wrong);
}

/* ---- the verdict */

static size_t count_of(const struct charm_world *w, struct charm_ask *a, const char *name) {
        size_t n = 0;

        while (backup_meta(a, charm_state(w, "meta"), name, n))
                n++;
        return n;
}

static void tell_verified(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *compared = charm_state(w, "compared");
        size_t tables = count_of(w, a, "table");

        if (backup_note_verdict(w, a, true,
                                charm_text(p,
                                           "operation %s, server %s: %s tables have the checksums "
                                           "of the backup",
                                           charm_operation(w), charm_state(w, "version"),
                                           compared)))
                return;
        charm_result(a, "backup-id", backup_wanted(w));
        charm_result(a, "verified-at", backup_time(p, charm_now(w)));
        charm_result(a, "tables-compared", compared);
        charm_result(a, "tables-without-checksum",
                     charm_text(p, "%zu", tables - strtoul(compared, NULL, 10)));
        charm_done(a);
}

/* ---- away: also when it was cancelled, or failed */

static void drop_scratch(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w))
                return charm_ask_config(a, OPTION_SCRATCH_SERVER, NULL);
        if (!charm_state(w, "gone")) {
                charm_set(a, "gone", "1");
                return charm_ask_settled(a); /* so that the next one begins with an empty one */
        }
        charm_next(a);
}

const struct charm_step backup_verify_steps[] = {
        { "newest", backup_find_newest, 300, CHARM_ALL },
        { "find", backup_find, 300, CHARM_ALL },
        { "nearest", backup_offer_nearest, 300, CHARM_ALL },
        { "verify", backup_read_to_judge, BACKUP_HOURS, CHARM_ALL },
        { "scratch", want_scratch, 0, 0 },
        { "start", start, 3600, 0 },
        { "load", load, BACKUP_HOURS, CHARM_ALL },
        { "check", check, BACKUP_HOURS, 0 },
        { "verified", tell_verified, 3600, CHARM_ALL },
        { "failed", backup_tell_failed, 3600, CHARM_ALL },
        { "away", drop_scratch, 300, CHARM_CLEANUP | CHARM_ALL },
        {}
};
