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

static const char *reason(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        const char *label = upgrade_server_label(w, a), *text;

        if (charm_ready(v, label))
                label = charm_text(charm_paper(a), "replication-%lld", (long long)member(w));
        text = charm_reason(v, label);
        return *text ? text : "it does not answer";
}

/* The numbers that the state has under KEY. */
static const char *noted(const struct charm_world *w, const char *key) {
        const char *text = charm_state(w, key);

        return text ? text : "";
}

static void begin_looks(struct charm_ask *a) {
        charm_set(a, "since", NULL);
        charm_set(a, "looks", NULL);
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
                else if (unit != replica_primary(v) && !charm_ready(v, label))
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
        if (!charm_outcome(w))
                return charm_ask_sql(a, replica_target(charm_paper(a), unit),
                                     CHARM_TEXTS(UPGRADE_SEEN), NULL);
        /* One that runs it already, of an upgrade that broke off, is not started again. */
        charm_set(a, "started",
                  charm_list_has(upgrade_ahead(v), number(a, unit))
                          ? NULL
                          : upgrade_seen_of(w, a).started);
        begin_looks(a);
        charm_next(a);
}

void upgrade_go_ahead(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *units = replica_with(p, upgrade_ahead(charm_world_view(w)), member(w));

        if (charm_outcome(w))
                return charm_next(a);
        charm_log(a, "%s goes first", name(w, a));
        charm_set(a, "went-ahead", "1");
        charm_ask_config(a, OPTION_UNITS_AHEAD,
                         charm_text(p, "%s %s", charm_param(w, "image"), units));
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
                                     reason(w, a));
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

/* unit-folders, with another one for the member. */
static const char *folders(const struct charm_world *w, struct charm_ask *a) {
        struct charm_plan *p = charm_paper(a);
        const char *text = charm_option(charm_world_view(w), OPTION_UNIT_FOLDERS);
        const char *own = charm_text(p, "%lld:%s", (long long)member(w), upgrade_new_folder(w, a));
        const char *others = replica_without(p, text, member(w));

        return others ? charm_text(p, "%s,%s", others, own) : own;
}

void upgrade_go_back(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *ahead = charm_option(v, OPTION_UNITS_AHEAD);
        const char *others = replica_without(p, upgrade_ahead(v), member(w));
        const char *left =
                others ? charm_text(p, "%.*s %s", (int)strcspn(ahead, " "), ahead, others) : NULL;

        if (charm_outcome(w))
                return charm_next(a);
        begin_looks(a);
        if (!begins_anew(w, a) || !is_there(w))
                return charm_ask_config(a, OPTION_UNITS_AHEAD, left);
        charm_set(a, "copies", upgrade_new_folder(w, a));
        charm_log(a, "%s begins with an empty folder, and is made a copy of the primary",
                  name(w, a));
        charm_ask_options(a, CHARM_VALUES({ OPTION_UNITS_AHEAD, left },
                                          { OPTION_UNIT_FOLDERS, folders(w, a) }));
}

static void try_anew(const struct charm_world *w, struct charm_ask *a) {
        charm_log(a, "%s does not come up on its data: %s", name(w, a), reason(w, a));
        charm_set(a, "anew-member", "1");
        charm_goto(a, "return");
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
                if (!begins_anew(w, a))
                        return try_anew(w, a);
                charm_log(a, "%s does not come up: %s", name(w, a), reason(w, a));
                return charm_goto(a, "behind");
        }
}

void upgrade_end(const struct charm_world *w, struct charm_ask *a) {
        charm_set(a, "member", NULL);
        charm_next(a);
        (void)w;
}
