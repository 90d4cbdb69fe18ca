/* SPDX-License-Identifier: Apache-2.0 */
/* backup-verdict.c - steps of verify-backup: which one, all of it read once, and the verdict, an
 * object beside the backup */
#include "backup.h"

/* ---- newest: which one, when none is named */

static void take_newest(void *arg, const struct backup_entry *e) {
        const char **newest = arg;

        if (e->noted && e->own && *e->bytes)
                *newest = e->id;
}

void backup_find_newest(const struct charm_world *w, struct charm_ask *a) {
        const char *newest = charm_state(w, "id");

        if (charm_param(w, "backup-id"))
                return charm_next(a);
        if (!backup_walk(w, a, take_newest, &newest))
                return charm_set(a, "id", newest);
        if (!newest)
                return charm_give_up(a, "there is no backup of this application");
        charm_set(a, "id", newest);
        charm_next(a);
}

/* ---- verify: before a server is started for it */

void backup_read_to_judge(const struct charm_world *w, struct charm_ask *a) {
        const char *id = backup_wanted(w);

        switch (backup_read(w, a)) {
        case BACKUP_ASKED:
                return;
        case BACKUP_READ:
                return charm_next(a);
        case BACKUP_BROKEN:
                charm_set(a, "why",
                          charm_text(charm_paper(a), "it cannot be read back: %s", charm_error(w)));
                return charm_goto(a, "failed");
        case BACKUP_OTHER_KEY:
                return charm_give_up(a,
                                     "%s is as it was stored, and the passphrase is not the one "
                                     "that it was sealed with: nothing more is known of it",
                                     id);
        default: /* another reason than bytes that are not what was stored */
                charm_give_up(a, "%s cannot be read now, which says nothing about it: %s: %s", id,
                              charm_outcome(w), charm_error(w));
        }
}

/* ---- the verdict, which is noted in the place of the one before */

bool backup_note_verdict(const struct charm_world *w, struct charm_ask *a, bool good,
                         const char *text) {
        const char *file = good ? BACKUP_VERIFIED : BACKUP_FAILED,
                   *other = good ? BACKUP_FAILED : BACKUP_VERIFIED;
        const char *outcome = charm_outcome(w), *id = backup_wanted(w);

        if (outcome && strcmp(outcome, "done") != 0) {
                charm_give_up(a, "%s, but that could not be noted beside %s: %s: %s", text, id,
                              outcome, charm_error(w));
                return true;
        }
        if (outcome && charm_state(w, "noted"))
                return false;
        if (outcome) {
                charm_set(a, "noted", "1");
                backup_ask_object(w, a, "delete-object", id, other, "");
        } else {
                backup_ask_put(w, a, id, file, charm_text(charm_paper(a), "%s\n", text));
        }
        return true;
}

void backup_tell_failed(const struct charm_world *w, struct charm_ask *a) {
        if (backup_note_verdict(w, a, false, charm_state(w, "why")))
                return;
        charm_give_up(a, "%s is no good: %s; make another one", backup_wanted(w),
                      charm_state(w, "why"));
}
