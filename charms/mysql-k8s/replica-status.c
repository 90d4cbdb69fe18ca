/* SPDX-License-Identifier: Apache-2.0 */
/* replica-status.c - the action get-cluster-status, and what steps about replicas have in common */
#include "replica.h"

#include "charm.gen.h"

#include <stdlib.h>

#define COLUMNS_MAX 100 /* of SHOW REPLICA STATUS; MySQL 9.7 has 61 */

const char *replica_column(const struct charm_world *w, struct charm_ask *a, int index,
                           const char *name) {
        struct charm_plan *p = charm_paper(a);
        const char *found;

        for (int i = 0; i < COLUMNS_MAX; i++) {
                found = charm_answer(w, charm_text(p, "/results/%d/columns/%d", index, i));
                if (!found)
                        return NULL;
                if (!strcmp(found, name))
                        return charm_answer(w, charm_text(p, "/results/%d/rows/0/%d", index, i));
        }
        return NULL;
}

int64_t replica_asked(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        int64_t unit = replica_number(v, charm_unit(w));
        const char *application = charm_application(v);

        if (replica_units(v) == 1)
                charm_give_up(a, "there is one unit: scale out first");
        else if (unit < 0)
                charm_give_up(a, "run it on a unit of %s, %s/0 to %s/%lld", application,
                              application, application, (long long)replica_units(v) - 1);
        else if (unit == replica_primary(v))
                charm_give_up(a, "%s is the primary already", charm_unit(w));
        else
                return unit;
        return -1;
}

const char *replica_without(struct charm_plan *p, const char *text, int64_t unit) {
        const char *out = NULL;

        for (; *text; text = charm_list_rest(text)) {
                const char *one = charm_list_first(p, text);

                if (strtoll(one, NULL, 10) != unit)
                        out = out ? charm_text(p, "%s,%s", out, one) : one;
        }
        return out;
}

const char *replica_with(struct charm_plan *p, const char *text, int64_t unit) {
        const char *others = replica_without(p, text, unit);
        long long n = unit;

        return others ? charm_text(p, "%s,%lld", others, n) : charm_text(p, "%lld", n);
}

/* ---- get-cluster-status: one unit after the other */

static const char *describe(const struct charm_world *w, struct charm_ask *a, int64_t unit) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *fenced = charm_answer(w, "/results/0/rows/0/0"),
                   *source = replica_column(w, a, 1, "Source_Host"),
                   *behind = replica_column(w, a, 1, "Seconds_Behind_Source"),
                   *error = replica_column(w, a, 1, "Last_SQL_Error");
        bool open = fenced && !strcmp(fenced, "0");
        const char *access = open ? "takes writes" : "read-only";

        if (strcmp(charm_outcome(w), "done") != 0)
                return charm_text(p, "does not answer: %s", charm_error(w));
        if (unit == replica_primary(v))
                return charm_text(p, "primary, %s", access);
        if (replica_is_aside(v, p, unit))
                return charm_text(p, "set aside, %s", access);
        if (!source)
                return charm_text(p, "replicates from nobody yet, %s", access);
        if (!error || !*error)
                error = replica_column(w, a, 1, "Last_IO_Error");
        if (!behind)
                return charm_text(p, "does not replicate from %s, %s: %s", source, access,
                                  error && *error ? error : "it was stopped, or connects");
        return charm_text(p, "replica, %s s behind, %s", behind, access);
}

static void look_at_units(const struct charm_world *w, struct charm_ask *a) {
        const struct charm_view *v = charm_world_view(w);
        struct charm_plan *p = charm_paper(a);
        const char *state = charm_state(w, "unit");
        int64_t unit = state ? strtoll(state, NULL, 10) : 0;

        if (charm_outcome(w)) {
                charm_result(a, charm_text(p, "unit-%lld", (long long)unit), describe(w, a, unit));
                unit++;
        }
        if (unit >= replica_units(v)) {
                charm_result(a, "primary",
                             charm_text(p, "%s/%lld", charm_application(v),
                                        (long long)replica_primary(v)));
                return charm_done(a);
        }
        charm_set(a, "unit", charm_text(p, "%lld", (long long)unit));
        charm_ask_sql(a, replica_units(v) > 1 ? replica_target(p, unit) : "server",
                      CHARM_TEXTS("SELECT @@GLOBAL.super_read_only", "SHOW REPLICA STATUS"), NULL);
}

const struct charm_step replica_status_steps[] = { { "ask", look_at_units, 20, CHARM_ALL }, {} };
