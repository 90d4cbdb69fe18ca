/* SPDX-License-Identifier: Apache-2.0 */
/* backup-prune.c - steps of create-backup, after the backup is there for good: those of this
 * application that are older, or more, than its options keep are deleted
 *
 * Never deleted: the one just made, the newest that was verified, and what another application
 * keeps under the same path. One that was found to be no good counts for nothing. What cannot be
 * deleted is told, and the backup is none the worse for it. */
#include "backup.h"

#include "charm.gen.h"

#include <stdio.h>
#include <stdlib.h>

#define LINES_MAX 30000 /* letters: more than 1,300 backups, the oldest; the others are counted */
#define DAY_MS ((int64_t)86400000)
#define ASKS_MAX 300 /* of one run, of the 1,000 that an action has */

static int64_t days_kept(const struct charm_view *v) {
        const struct charm_relation *r = charm_relation(v, ENDPOINT_S3_PARAMETERS, 0);
        const char *told = r ? charm_told(r, "delete-older-than-days") : NULL;

        if (charm_option_set(v, OPTION_BACKUP_RETENTION_DAYS))
                return charm_option_int(v, OPTION_BACKUP_RETENTION_DAYS);
        return told ? strtoll(told, NULL, 10) : 0;
}

/* ---- old: which are there, a line each: + or -, ID; + is good */

struct seen {
        struct charm_ask *a;
        const char *lines, *verified;
        size_t good;
};

static void collect(void *arg, const struct backup_entry *e) {
        struct seen *s = arg;
        bool good = e->noted && *e->bytes && !*e->failed;

        if (!e->own)
                return;
        s->good += good;
        if (good && *e->verified)
                s->verified = e->id;
        if (strlen(s->lines) < LINES_MAX)
                s->lines = charm_text(charm_paper(s->a), "%s%c%s\n", s->lines, good ? '+' : '-',
                                      e->id);
}

/* IDs, one a line; the oldest good one that stays is noted. An upload that broke off has a day to
 * be somebody's who is still at it. */
static const char *choose(const struct charm_world *w, struct charm_ask *a, const struct seen *s) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        int64_t days = days_kept(v);
        size_t keep = (size_t)charm_option_int(v, OPTION_BACKUP_RETENTION_COUNT), newer = s->good;
        const char *before = days > 0 ? backup_time(p, charm_now(w) - days * DAY_MS) : "",
                   *yesterday = backup_time(p, charm_now(w) - DAY_MS), *chosen = "", *oldest = "",
                   *line;

        for (size_t i = 0; (line = backup_line(a, s->lines, i)); i++) {
                const char *id = line + 1;
                bool good = *line == '+', stays;

                newer -= good;
                stays = !strcmp(id, charm_state(w, "id")) || !strcmp(id, s->verified) ||
                        (!good && strcmp(id, yesterday) >= 0) ||
                        !((keep && newer >= keep) || strcmp(id, before) < 0);
                if (!stays)
                        chosen = charm_text(p, "%s%s\n", chosen, id);
                else if (good && !*oldest)
                        oldest = id;
        }
        charm_set(a, "oldest", oldest);
        return chosen;
}

static const char *state_or(const struct charm_world *w, const char *key, const char *other) {
        return charm_state(w, key) ? charm_state(w, key) : other;
}

void backup_find_old(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct seen s = { a, state_or(w, "own", ""), state_or(w, "verified", ""),
                          strtoul(state_or(w, "good", "0"), NULL, 10) };
        const char *outcome = charm_outcome(w);

        if (!charm_option_set(v, OPTION_BACKUP_RETENTION_COUNT) && days_kept(v) <= 0)
                return charm_done(a);
        if (outcome && strcmp(outcome, "done") != 0) {
                charm_result(a, "not-pruned",
                             charm_text(charm_paper(a), "%s: %s", outcome, charm_error(w)));
                return charm_done(a);
        }
        if (backup_walk(w, a, collect, &s)) {
                charm_set(a, "old", choose(w, a, &s));
                charm_set(a, "own", NULL);
                return charm_next(a);
        }
        charm_set(a, "own", s.lines);
        charm_set(a, "verified", s.verified);
        charm_set(a, "good", charm_text(charm_paper(a), "%zu", s.good));
}

/* ---- prune: one after the other */

void backup_prune(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        size_t at = strtoul(state_or(w, "pruned", "0"), NULL, 10);
        const char *id = backup_line(a, charm_state(w, "old"), at), *outcome = charm_outcome(w);
        unsigned long asks = strtoul(state_or(w, "prune-asks", "0"), NULL, 10);

        charm_result(a, "pruned", charm_text(p, "%zu", at));
        if (outcome && strcmp(outcome, "done") != 0) {
                charm_result(a, "not-pruned",
                             charm_text(p, "%s: %s: %s", id, outcome, charm_error(w)));
                return charm_done(a);
        }
        if (id && asks >= ASKS_MAX) {
                charm_result(a, "not-pruned",
                             charm_text(p,
                                        "%s and newer ones: the next create-backup goes on with "
                                        "them",
                                        id));
                return charm_done(a);
        }
        charm_set(a, "prune-asks", charm_text(p, "%lu", asks + 1));
        if (id && backup_ask_delete(w, a, id))
                return;
        if (!id)
                return charm_next(a);
        charm_log(a, "%s is deleted, as backup-retention has it", id);
        charm_set(a, "pruned", charm_text(p, "%zu", at + 1));
        charm_result(a, "pruned", charm_text(p, "%zu", at + 1));
        charm_goto(a, "prune");
}
