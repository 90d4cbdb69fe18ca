/* SPDX-License-Identifier: Apache-2.0 */
/* backup-walk.c - what the bucket has, backup by backup
 *
 * Objects come sorted by key, so those of a backup are neighbours. A dump without metadata is no
 * backup: it is being made, or whoever made it was ended. What the end of a page cuts off is noted
 * in the state. What sorts behind all ids is not read. */
#include "backup.h"

#include <stdlib.h>

#define PAGE 400 /* objects: 50 KiB of answer */

static void read_open(const struct charm_world *w, struct charm_ask *a, struct backup_entry *e) {
        const char *open = charm_state(w, "open");

        open = open ? open : "";
        *e = (struct backup_entry){
                backup_field(a, open, 0),         backup_field(a, open, 1),
                backup_field(a, open, 2),         backup_field(a, open, 3),
                *backup_field(a, open, 4) == '1', *backup_field(a, open, 5) == '1'
        };
}

static void keep_open(struct charm_ask *a, const struct backup_entry *e) {
        charm_set(a, "open",
                  *e->id ? charm_text(charm_paper(a), "%s\t%s\t%s\t%s\t%d\t%d", e->id, e->bytes,
                                      e->verified, e->failed, e->noted, e->own)
                         : NULL);
}

/* A store's stamp, "2026-11-22T10:42:11.123Z", to the second. */
static const char *stamp(const struct charm_world *w, struct charm_ask *a, size_t i) {
        const char *t = charm_answer(w, charm_text(charm_paper(a), "/objects/%zu/modified", i));

        return t && strlen(t) >= 19 ? charm_text(charm_paper(a), "%.19sZ", t) : "yes";
}

static void take(const struct charm_world *w, struct charm_ask *a, size_t i, const char *file,
                 struct backup_entry *e) {
        const char *bytes = charm_answer(w, charm_text(charm_paper(a), "/objects/%zu/bytes", i));

        if (!strcmp(file, backup_dump_file(false)) || !strcmp(file, backup_dump_file(true)))
                e->bytes = bytes ? bytes : "";
        else if (!strcmp(file, BACKUP_METADATA))
                e->noted = true;
        else if (!strcmp(file, BACKUP_VERIFIED))
                e->verified = stamp(w, a, i);
        else if (!strcmp(file, BACKUP_FAILED))
                e->failed = stamp(w, a, i);
        else if (!strcmp(file, backup_owner_file(w, a)))
                e->own = true;
}

static void read_page(const struct charm_world *w, struct charm_ask *a, struct backup_entry *e,
                      backup_entry_fn *fn, void *arg) {
        const char *id, *file;
        bool end = false;

        for (size_t i = 0; !end; i++) {
                if (!backup_listed(w, a, i, &id, &file, &end))
                        continue;
                if (strcmp(id, e->id) != 0) {
                        if (*e->id)
                                fn(arg, e);
                        *e = (struct backup_entry){ id, "", "", "", false, false };
                }
                take(w, a, i, file, e);
        }
}

bool backup_walk(const struct charm_world *w, struct charm_ask *a, backup_entry_fn *fn, void *arg) {
        const char *outcome = charm_outcome(w), *after;
        struct backup_entry e;

        if (!outcome) {
                backup_ask_list(w, a, "", NULL, PAGE);
                return false;
        }
        if (strcmp(outcome, "done") != 0) {
                charm_give_up(a, "Failed to retrieve backup ids from S3: %s: %s", outcome,
                              charm_error(w));
                return false;
        }
        read_open(w, a, &e);
        read_page(w, a, &e, fn, arg);
        after = charm_answer(w, "/after");
        if (after && !backup_is_behind(w, a, after)) {
                keep_open(a, &e);
                backup_ask_list(w, a, "", after, PAGE);
                return false;
        }
        if (*e.id)
                fn(arg, &e);
        charm_set(a, "open", NULL);
        return true;
}
