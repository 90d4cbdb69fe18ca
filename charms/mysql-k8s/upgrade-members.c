/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade-members.c - several servers, one after the other: replicas before the primary
 *
 *   member ──▶ ahead ──▶ come ──▶ stay ──▶ passed ──▶ member, or maintain: the primary
 *
 *   behind ──▶ return ──▶ unroll ──▶ returned ──▶ behind, or end
 *
 * A replica may be of a later version than what it copies, and never of an earlier one. So replicas
 * go first, while clients write to the primary as ever: each has passed when it is ready, of the
 * version that its image said, replicates, and was not started again for a while. The primary's
 * turn is the same as that of a server that is alone (upgrade.c).
 *
 * Whatever ends that takes the replicas back, after the primary: on their own data where the later
 * version never answered (settled first, so that it is not on its way yet). Else, or where they do
 * not come up so, they begin in an empty folder of their volume, and the loop makes them copies of
 * the primary. */
#include "upgrade.h"

#include "charm.gen.h"
#include "replica.h"

#include <stdlib.h>

static int64_t member(const struct charm_world *w) {
        const char *text = charm_state(w, "member");

        return text ? strtoll(text, NULL, 10) : 0;
}

static const char *number(struct charm_ask *a, int64_t unit) {
        return charm_text(charm_paper(a), "%lld", (long long)unit);
}

/* "APP/1" */
static const char *name(const struct charm_world *w, struct charm_ask *a) {
        return replica_name(charm_world_view(w), charm_paper(a), member(w));
}

static const char *touched(const struct charm_world *w, struct charm_ask *a) {
        return charm_text(charm_paper(a), "touched-%lld", (long long)member(w));
}

/* The numbers that the state has under KEY. */
static const char *noted(const struct charm_world *w, const char *key) {
        const char *text = charm_state(w, key);

        return text ? text : "";
}

/* ---- before anything is touched */

void upgrade_look_at_members(const struct charm_world *w, struct charm_ask *a,
                             void (*add)(void *arg, const char *text), void *arg) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *moved = replica_moved(v, p), *image = charm_param(w, "image");

        if (moved)
                add(arg, moved);
        for (int64_t unit = 1; unit < replica_units(v); unit++) {
                const char *label = charm_text(p, "replication-%lld", (long long)unit);
                const char *runs = upgrade_unit_image(v, p, unit), *who = replica_name(v, p, unit);

                if (replica_is_aside(v, p, unit))
                        add(arg, charm_text(p, "%s is set aside: run rejoin-replica on it", who));
                else if (unit != replica_primary(v) && !charm_ready(v, label) &&
                         strcmp(runs, image) != 0)
                        add(arg, charm_text(p, "%s does not replicate: %s", who,
                                            charm_reason(v, label)));
                if (strcmp(runs, upgrade_image(v)) != 0 && strcmp(runs, image) != 0)
                        add(arg, charm_text(p, "%s runs %s: upgrade to that first", who, runs));
        }
}

/* ---- forward */

/* The last that has not passed; -1: all have. */
static int64_t next_member(const struct charm_world *w, struct charm_ask *a) {
        for (int64_t unit = replica_units(charm_world_view(w)) - 1; unit > 0; unit--)
                if (!charm_list_has(noted(w, "passed"), number(a, unit)))
                        return unit;
        return -1;
}

void upgrade_choose_member(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        int64_t unit = next_member(w, a);

        if (unit < 0)
                return charm_goto(a, "maintain");
        charm_set(a, "member", number(a, unit));
        upgrade_begin_looks(a);
        /* One that runs it already, of an upgrade that broke off, is not started again, and may not
         * be up. */
        if (charm_list_has(upgrade_ahead_of(v, charm_param(w, "image")), number(a, unit))) {
                charm_set(a, "started", NULL);
                return charm_next(a);
        }
        if (!charm_outcome(w))
                return charm_ask_sql(a, replica_target(charm_paper(a), unit),
                                     CHARM_TEXTS(UPGRADE_SEEN), NULL);
        charm_set(a, "started", upgrade_seen_of(w, a).started);
        charm_next(a);
}

void upgrade_go_ahead(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *image = charm_param(w, "image");
        const char *others = upgrade_ahead_of(charm_world_view(w), image);

        if (charm_outcome(w))
                return charm_next(a);
        charm_log(a, "%s goes first", name(w, a));
        charm_set(a, "went-ahead", "1");
        charm_ask_config(a, OPTION_UNITS_AHEAD,
                         charm_text(p, "%s %s", image, replica_with(p, others, member(w))));
}

void upgrade_await_member(const struct charm_world *w, struct charm_ask *a) {
        struct upgrade_seen s;
        enum upgrade_came came = upgrade_await(w, a, true, NULL, NULL, &s);

        if (s.version && !backup_same_version(s.version, charm_state(w, "server")))
                charm_set(a, touched(w, a), "1");
        if (came == UPGRADE_WAITS)
                return;
        if (came == UPGRADE_CAME_NOT)
                return charm_give_up(a, "%s did not come up and replicate: %s", name(w, a),
                                     upgrade_reason(w, a));
        if (!upgrade_is_target(w, s.version))
                return charm_give_up(a, "%s is %s now, and %s was to be expected", name(w, a),
                                     s.version, charm_state(w, "target"));
        charm_set(a, "started", s.started);
        charm_next(a);
}

void upgrade_pass_member(const struct charm_world *w, struct charm_ask *a) {
        charm_log(a, "%s has passed: it replicates", name(w, a));
        charm_set(a, "passed", replica_with(charm_paper(a), noted(w, "passed"), member(w)));
        charm_set(a, "member", NULL);
        charm_goto(a, "member");
}

/* ---- back */

static bool is_there(const struct charm_world *w) {
        return member(w) < replica_units(charm_world_view(w));
}

static bool begins_anew(const struct charm_world *w, struct charm_ask *a) {
        return charm_state(w, touched(w, a)) || charm_state(w, "anew-member");
}

void upgrade_choose_behind(const struct charm_world *w, struct charm_ask *a) {
        const char *ahead = upgrade_ahead(charm_world_view(w));

        charm_set(a, "copies", NULL);
        charm_set(a, "anew-member", NULL);
        if (!*ahead || !charm_state(w, "went-ahead"))
                return charm_goto(a, "end");
        charm_set(a, "member", charm_list_first(charm_paper(a), ahead));
        charm_next(a);
}

/* Also one that was scaled in meanwhile: its volume stays. */
void upgrade_go_back(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *left = upgrade_ahead_without(v, p, member(w));
        const char *folder = upgrade_new_folder(w, a);

        if (charm_outcome(w))
                return charm_next(a);
        upgrade_begin_looks(a);
        if (!begins_anew(w, a))
                return charm_ask_config(a, OPTION_UNITS_AHEAD, left);
        charm_set(a, "copies", folder);
        charm_log(a, "%s begins with an empty folder, and is made a copy of the primary",
                  name(w, a));
        charm_ask_options(a, CHARM_VALUES({ OPTION_UNITS_AHEAD, left },
                                          { OPTION_UNIT_FOLDERS,
                                            upgrade_folders_with(v, p, member(w), folder) }));
}

static void try_anew(const struct charm_world *w, struct charm_ask *a) {
        charm_log(a, "%s does not come up on its data: %s", name(w, a), upgrade_reason(w, a));
        charm_set(a, "anew-member", "1");
        charm_goto(a, "return");
}

/* The next one keeps what it has as long as this one has nothing. */
static void leave_others(const struct charm_world *w, struct charm_ask *a) {
        const char *others = upgrade_ahead(charm_world_view(w));

        charm_log(a, "%s is no copy of the primary yet: %s", name(w, a), upgrade_reason(w, a));
        if (!*others)
                return charm_goto(a, "behind");
        charm_log(a,
                  "units %s stay on the later version meanwhile: once it replicates, run "
                  "upgrade again, or replace-replica on each",
                  others);
        charm_goto(a, "end");
}

void upgrade_await_back(const struct charm_world *w, struct charm_ask *a) {
        struct upgrade_seen s;
        bool same;

        if (!is_there(w))
                return charm_goto(a, "behind");
        switch (upgrade_await(w, a, false, charm_state(w, "copies"), NULL, &s)) {
        case UPGRADE_WAITS:
                return;
        case UPGRADE_CAME:
                same = backup_same_version(s.version, charm_state(w, "server"));
                if (!same && !begins_anew(w, a))
                        return try_anew(w, a);
                charm_log(a, "%s is back", name(w, a));
                return charm_goto(a, "behind");
        case UPGRADE_CAME_NOT:
                return begins_anew(w, a) ? leave_others(w, a) : try_anew(w, a);
        }
}

void upgrade_end(const struct charm_world *w, struct charm_ask *a) {
        charm_set(a, "member", NULL);
        charm_next(a);
        (void)w;
}
