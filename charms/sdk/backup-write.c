/* SPDX-License-Identifier: Apache-2.0 */
/* backup-write.c - what makes a backup, but for what is in it: a name, the dump, the metadata, and
 * the end of one that broke off
 *
 * The metadata is written last; before it nothing lists the backup, and when it never comes to it
 * what is there is taken away. */
#include "backup.h"

#include <stdlib.h>

/* ---- free: a name that no backup has */

/* The time, and some letters that no other operation has: two applications that are due at the same
 * time may share a bucket and a path. */
static const char *name_of(const struct charm_world *w, struct charm_ask *a, int64_t ms) {
        const char *own = strchr(charm_key(w), '-');

        return charm_text(charm_paper(a), "%s-%.8s", backup_time(charm_paper(a), ms),
                          own ? own + 1 : "");
}

static void ask_free(const struct charm_world *w, struct charm_ask *a, int64_t ms) {
        const char *id = name_of(w, a, ms);
        struct backup_store s;

        if (!backup_store(w, a, &s))
                return;
        charm_set(a, "id", id);
        backup_ask_list(w, a, charm_text(charm_paper(a), "%s/", id), NULL, 1);
}

void backup_find_free(const struct charm_world *w, struct charm_ask *a) {
        const char *outcome = charm_outcome(w);

        if (!outcome)
                return ask_free(w, a, charm_now(w));
        if (!strcmp(outcome, "gone"))
                return charm_give_up(a, "the bucket is not there: %s", charm_error(w));
        if (strcmp(outcome, "done") != 0)
                return charm_give_up(a, "the bucket: %s: %s", outcome, charm_error(w));
        if (charm_answer(w, "/objects/0/key")) /* another application's, of this second */
                return ask_free(w, a, charm_now(w) + 1000);
        charm_next(a);
}

/* ---- the dump */

void backup_ask_dump(const struct charm_world *w, struct charm_ask *a, const char *command) {
        struct charm_plan *p = charm_paper(a);
        const char *key = backup_passphrase(w),
                   *to = backup_object(w, a, charm_state(w, "id"), backup_dump_file(key != NULL),
                                       ",\"target\":\"" BACKUP_TARGET "\"");

        if (!to)
                return;
        charm_set(a, "dumping", "1");
        charm_ask_verb(a, NULL, "stream",
                       charm_text(p, "{\"from\":%s,\"to\":%s,\"gzip\":true%s%s}", command, to,
                                  key ? ",\"key\":" : "", key ? charm_quote(p, key) : ""));
}

bool backup_dumped(const struct charm_world *w, struct charm_ask *a, long lost_max) {
        static const char *const kept[] = { "bytes", "sha256", "plain-bytes", "plain-sha256" };
        const char *outcome = charm_outcome(w);

        if (!strcmp(outcome, "refused") && backup_lost_server(w, a, charm_error(w), lost_max)) {
                charm_log(a, "the server went away in the middle of the dump: it is begun again");
                charm_goto(a, "reach");
                return false;
        }
        if (strcmp(outcome, "done") != 0) {
                charm_give_up(a, "the dump broke off, and there is no backup %s: %s: %s",
                              charm_state(w, "id"), outcome, charm_error(w));
                return false;
        }
        for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
                charm_set(a, kept[i], charm_answer(w, charm_text(charm_paper(a), "/%s", kept[i])));
        return true;
}

bool backup_lost_server(const struct charm_world *w, struct charm_ask *a, const char *text,
                        long max) {
        static const char *const words[] = { "Lost connection", "gone away", "Can't connect",
                                             "Server shutdown in progress" };
        const char *before = charm_state(w, "lost");
        long count = before ? strtol(before, NULL, 10) : 0;

        for (size_t i = 0; text && i < sizeof(words) / sizeof(*words); i++)
                if (strstr(text, words[i]) && count < max) {
                        charm_set(a, "lost", charm_text(charm_paper(a), "%ld", count + 1));
                        return true;
                }
        return false;
}

/* ---- note: from now on it is a backup */

bool backup_note(const struct charm_world *w, struct charm_ask *a, const char *metadata) {
        const char *outcome = charm_outcome(w), *id = charm_state(w, "id");

        if (outcome && strcmp(outcome, "done") != 0) {
                charm_give_up(a, "Failed to upload metadata to provided S3: %s: %s", outcome,
                              charm_error(w));
        } else if (!outcome) {
                backup_ask_put(w, a, id, backup_owner_file(w, a), "\n");
        } else if (!charm_state(w, "noting")) {
                charm_set(a, "noting", "1");
                backup_ask_put(w, a, id, BACKUP_METADATA, metadata);
        } else {
                charm_set(a, "noted", "1");
                return true;
        }
        return false;
}

/* ---- tidy: what is no backup is taken away; what cannot be is found by the next that prunes */

void backup_tidy(const struct charm_world *w, struct charm_ask *a) {
        bool none = charm_state(w, "noted") || !charm_state(w, "dumping");
        const char *outcome = charm_outcome(w);

        if (!none && outcome && strcmp(outcome, "done") != 0) {
                charm_log(a, "%s is not deleted: %s: %.300s", charm_state(w, "id"), outcome,
                          charm_error(w));
                return charm_next(a);
        }
        if (none || !backup_ask_delete(w, a, charm_state(w, "id")))
                charm_next(a);
}
