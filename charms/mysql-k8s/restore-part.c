/* SPDX-License-Identifier: Apache-2.0 */
/* restore-part.c - see restore-part.h */
#include "restore-part.h"

#include "backup.h"
#include "charm.gen.h"

#define RUNS "runs"
#define ENDED "ended"
#define NAMES_MAX 200 /* letters of databases' names: a status has 512 in all */

/* ---- the option */

struct part {
        const char *state, *operation, *backup, *databases;
};

/* False: nothing is restored in part. */
static bool read_part(const struct charm_view *v, struct charm_plan *p, struct part *ret) {
        const char *text = charm_option(v, OPTION_RESTORED_IN_PART);

        if (!charm_option_set(v, OPTION_RESTORED_IN_PART))
                return false;
        ret->state = backup_word(p, &text);
        ret->operation = backup_word(p, &text);
        ret->backup = backup_word(p, &text);
        ret->databases = text;
        return true;
}

static const char *names(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *out = "", *name;

        for (size_t i = 0; (name = backup_meta(a, charm_state(w, "meta"), "database", i)); i++) {
                if (strlen(out) + strlen(name) > NAMES_MAX)
                        return charm_text(p, "%s, ...", out);
                out = charm_text(p, "%s%s%s", out, *out ? ", " : "", name);
        }
        return out;
}

static const char *part_text(const struct charm_world *w, struct charm_ask *a, const char *state) {
        return charm_text(charm_paper(a), "%s %s %s %s", state, charm_operation(w),
                          backup_wanted(w), names(w, a));
}

/* ---- what is said of it */

static const char *what_to_do(const struct charm_view *v, struct charm_plan *p,
                              const char *backup) {
        return charm_text(p, "`mooringctl run %s restore backup-id=%s force=true`",
                          charm_application(v), backup);
}

void restore_part_say(const struct charm_view *v, struct charm_plan *p) {
        struct part part;

        if (!read_part(v, p, &part))
                return;
        if (!strcmp(part.state, RUNS))
                return charm_status(p, CHARM_MAINTENANCE,
                                    "operation %s restores %s: %s. Where that has ended "
                                    "(`mooringctl show-operation %s`): %s",
                                    part.operation, part.backup, part.databases, part.operation,
                                    what_to_do(v, p, part.backup));
        charm_status(p, CHARM_BLOCKED,
                     "restored in part: %s of %s (operation %s has not ended well); the server "
                     "was left read-only. Run restore again: %s",
                     part.databases, part.backup, part.operation, what_to_do(v, p, part.backup));
}

bool restore_part_refuses(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct part part;

        if (!read_part(v, charm_paper(a), &part))
                return false;
        charm_give_up(a,
                      "the server has %s of %s in part, and nothing is made of that: restore it "
                      "first, %s",
                      part.databases, part.backup, what_to_do(v, charm_paper(a), part.backup));
        return true;
}

/* ---- the steps */

void restore_part_note(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);

        if (charm_outcome(w))
                return charm_next(a);
        if (!charm_state(w, "noted")) {
                charm_set(a, "noted", "1");
                charm_set(a, "was",
                          charm_option_set(v, OPTION_RESTORED_IN_PART)
                                  ? charm_option(v, OPTION_RESTORED_IN_PART)
                                  : NULL);
        }
        charm_set(a, CHARM_LEAVES,
                  charm_text(charm_paper(a),
                             "the databases %s are dropped and read back in part, and clients "
                             "cannot write: only another restore makes them whole, as %s",
                             names(w, a), what_to_do(v, charm_paper(a), backup_wanted(w))));
        charm_ask_config(a, OPTION_RESTORED_IN_PART, part_text(w, a, RUNS));
}

void restore_part_forget(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_outcome(w)) {
                charm_set(a, CHARM_LEAVES, NULL);
                return charm_ask_config(a, OPTION_RESTORED_IN_PART, NULL);
        }
        charm_next(a);
}

/* What is so now: it came to the first drop and not to the end; it did not come so far, and all is
 * as it was before; or clients write again. */
static const char *part_now(const struct charm_world *w, struct charm_ask *a) {
        if (!charm_state(w, "quiet"))
                return NULL;
        return charm_state(w, "begun") ? part_text(w, a, ENDED) : charm_state(w, "was");
}

void restore_part_left(const struct charm_world *w, struct charm_ask *a) {
        bool there = charm_option_set(charm_world_view(w), OPTION_RESTORED_IN_PART),
             noted = charm_state(w, "noted");
        const char *now = part_now(w, a);

        if (noted && (!charm_state(w, "quiet") || !charm_state(w, "begun")))
                charm_set(a, CHARM_LEAVES, NULL);
        /* Half a database of an earlier restore is not opened to writers by this one either. */
        if (charm_state(w, "was") || (there && !noted))
                charm_set(a, "begun", "1");
        if (!noted || charm_outcome(w))
                return charm_next(a);
        charm_ask_config(a, OPTION_RESTORED_IN_PART, now);
}
