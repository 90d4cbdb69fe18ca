/* SPDX-License-Identifier: Apache-2.0 */
/* pair-verify.c - the action verify-backup
 *
 *   newest ──▶ find ──▶ verify ──▶ look ──▶ verified
 *                          └────────┴─────▶ failed
 *
 * The dump is read once, to nowhere, against its hash; every artifact of the lists is looked for at
 * the copies, with the size and ETag that it was noted with. The verdict is an object beside the
 * pair. */
#include "pair.h"

static void look(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w), *why;

        if (!pair_look(w, a, &why))
                return;
        if (!why)
                return charm_goto(a, "verified");
        /* Another reason than what is there: nothing is known of it then. */
        if (!strcmp(outcome, "done") || !strcmp(outcome, "refused") || !strcmp(outcome, "gone")) {
                charm_set(a, "why", why);
                return charm_goto(a, "failed");
        }
        charm_give_up(a, "%s: nothing is known of it: %s", backup_wanted(w), why);
}

static void tell_verified(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *count = backup_noted(w, a, "artifact-count");

        if (backup_note_verdict(w, a, true,
                                charm_text(p,
                                           "operation %s: the dump has its hash, and %s artifacts "
                                           "are as they were noted",
                                           charm_operation(w), count)))
                return;
        charm_result(a, "backup-id", backup_wanted(w));
        charm_result(a, "verified-at", backup_time(p, charm_now(w)));
        charm_result(a, "artifacts", count);
        charm_done(a);
}

const struct charm_step pair_verify_steps[] = { { "newest", backup_find_newest, 300, CHARM_ALL },
                                                { "find", backup_find, 300, CHARM_ALL },
                                                { "nearest", backup_offer_nearest, 300, CHARM_ALL },
                                                { "verify", backup_read_to_judge, BACKUP_HOURS,
                                                  CHARM_ALL },
                                                { "look", look, BACKUP_HOURS, CHARM_ALL },
                                                { "verified", tell_verified, 3600, CHARM_ALL },
                                                { "failed", backup_tell_failed, 3600, CHARM_ALL },
                                                {} };
