/* SPDX-License-Identifier: Apache-2.0 */
/* backup-list.c - the action list-backups: what the bucket says, and nothing else */
#include "backup.h"

#define SHOWN 40000

struct rows {
        struct charm_ask *a;
        const char *text;
};

static const char *status_of(const struct backup_entry *e) {
        if (!e->noted)
                return "unfinished";
        if (!*e->bytes)
                return "dump missing";
        return *e->failed ? "failed" : "finished";
}

/* Newest first, and what is too much is cut off at the old end. */
static void add_row(void *arg, const struct backup_entry *e) {
        struct rows *r = arg;
        struct charm_plan *p = charm_paper(r->a);
        const char *verified = *e->verified ? e->verified : "-";
        const char *all;
        size_t length;

        if (*e->failed)
                verified = charm_text(p, "failed %s", e->failed);
        all = charm_text(p, "%-20s | logical      | %-13s | %-27s | %s\n%s", e->id, status_of(e),
                         verified, *e->bytes ? e->bytes : "-", r->text);
        length = strlen(all);
        if (length > SHOWN) {
                for (length = SHOWN; length && all[length - 1] != '\n';)
                        length--;
                charm_set(r->a, "more", "1");
        }
        r->text = charm_text(p, "%.*s", (int)length, all);
}

void backup_list_read(const struct charm_world *w, struct charm_ask *a) {
        const char *rows = charm_state(w, "rows");
        struct rows r = { a, rows ? rows : "" };

        if (backup_walk(w, a, add_row, &r))
                charm_next(a);
        charm_set(a, "rows", r.text);
}

void backup_list_tell(const struct charm_world *w, struct charm_ask *a) {
        charm_result(a, "backups",
                     charm_text(charm_paper(a),
                                "%-20s | backup-type  | backup-status | %-27s | bytes\n%s%s",
                                "backup-id", "verified", charm_state(w, "rows"),
                                charm_state(w, "more") ? "... and older ones\n" : ""));
        charm_done(a);
}

const struct charm_step backup_list_steps[] = { { "read", backup_list_read, 300, CHARM_ALL },
                                                { "tell", backup_list_tell, 0, 0 },
                                                {} };
