/* SPDX-License-Identifier: Apache-2.0 */
/* consequence.c - what a command does to data and to other applications, named thing by thing in
 * its answer
 *
 * For people before they say yes (--dry-run, and the question of mooringctl), and for the record
 * after. */
#include "command-internal.h"

#include "rule.h"

#include <errno.h>

#define PAGE 500

struct telling {
        struct command *command;
        const struct q_application_row *application;
        int (*fn)(struct tx *tx, const struct telling *t, const struct q_resource_row *row,
                  struct err *err);
        struct consequence_holds holds; /* of a destruction */
};

static int tell_one(struct tx *tx, const struct q_resource_row *row, void *arg, struct err *err) {
        const struct telling *t = arg;

        return data_held(row) ? t->fn(tx, t, row, err) : 0;
}

static int each_data(struct tx *tx, struct telling *t, struct err *err) {
        int r = data_each_resource(tx, t->application->id, tell_one, t, err);

        return r < 0 ? r : 0;
}

static int tell_destroyed(struct tx *tx, const struct telling *t, const struct q_resource_row *row,
                          struct err *err) {
        const struct q_application_row *a = t->application;
        bool inside;
        int r = data_inside(tx, row->target_id, a->id, &inside, err);

        if (r >= 0)
                command_change(t->command, "destroy", a->name,
                               !row->lost_at_null ? "forget %s %s, which is lost already"
                               : row->adopted     ? "leave %s %s, which was adopted"
                               : inside           ? "destroy %s %s with the server that it is in"
                                                  : "delete %s %s and the data in it",
                               row->type, row->path);
        if (r >= 0 && !inside && !row->adopted && row->lost_at_null)
                consequence_held_note(&t->holds, t->command, a, row);
        return r;
}

static int tell_kept(struct tx *tx, const struct telling *t, const struct q_resource_row *row,
                     struct err *err) {
        const struct q_application_row *a = t->application;
        bool inside;
        int r = data_inside(tx, row->target_id, a->id, &inside, err);

        if (r >= 0 && !inside && !row->lost_at_null)
                command_change(t->command, "lost", a->name,
                               "keep nothing of %s %s, which is lost already: it stays listed as "
                               "lost",
                               row->type, row->path);
        else if (r >= 0 && !inside)
                command_change(t->command, "keep", a->name, "keep %s %s as detached storage",
                               row->type, row->path);
        return r;
}

int consequence_removal(struct tx *tx, struct command *c, const struct q_application_row *a,
                        bool destroy, struct err *err) {
        struct telling t = { c, a, destroy ? tell_destroyed : tell_kept, { 0 } };
        int r = destroy ? consequence_holds_load(tx, a->model_id, &t.holds, err) : 0;

        if (r >= 0)
                r = each_data(tx, &t, err);
        rules_free(t.holds.rules);
        return r;
}

static int count_one(struct tx *tx, const struct q_resource_row *row, void *arg, struct err *err) {
        struct consequence_counts *counts = arg;

        if (data_held(row))
                counts->data++;
        else if (!row->adopted && (row->made || row->applied_generation))
                counts->others++;
        return 0;
}

int consequence_count(struct tx *tx, const struct q_application_row *a,
                      struct consequence_counts *ret, struct err *err) {
        *ret = (struct consequence_counts){ 0 };
        return data_each_resource(tx, a->id, count_one, ret, err);
}

/* ---- relations */

static int tell_sides(struct tx *tx, struct command *c, int64_t relation, struct err *err) {
        struct q_relation_side_list_in in = { .relation_id = relation };
        struct q_relation_side_list_row *s;
        size_t n;
        int r = q_relation_side_list(tx, &in, &s, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                command_concerns(c, s[i].application);
        if (r >= 0 && n == 2)
                command_change(c, "end-relation", NULL,
                               "end relation %lld (%s:%s, %s:%s): both are planned without it, and "
                               "say what they miss",
                               (long long)relation, s[0].application, s[0].endpoint,
                               s[1].application, s[1].endpoint);
        return r < 0 ? r : 0;
}

int consequence_relation(struct tx *tx, struct command *c, int64_t relation, struct err *err) {
        struct q_relation_holders_row *rows;
        size_t n;
        int r = tell_sides(tx, c, relation, err);

        if (r >= 0)
                r = q_relation_holders(tx,
                                       &(struct q_relation_holders_in){ .relation_id = relation },
                                       &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                command_change(c, "take-away", rows[i].application,
                               "take away %s %s of %s, or change it: it holds a secret of relation "
                               "%lld",
                               rows[i].type, rows[i].path, rows[i].application,
                               (long long)relation);
        return r < 0 ? r : 0;
}

/* ---- another outside */

static int tell_missed(struct tx *tx, const struct telling *t, const struct q_resource_row *row,
                       struct err *err) {
        const struct q_application_row *a = t->application;
        bool inside;
        int r = data_inside(tx, row->target_id, a->id, &inside, err);

        if (r >= 0 && !inside && !row->initialised_at_null)
                command_change(t->command, "look", a->name,
                               "look for %s %s, which held data: where it is not the same one, %s "
                               "is blocked",
                               row->type, row->path, a->name);
        return r;
}

struct missing {
        struct command *command;
        size_t count; /* of applications */
};

static int miss_application(struct tx *tx, const struct q_application_row *a, void *arg,
                            struct err *err) {
        struct missing *m = arg;

        m->count++;
        return each_data(tx, &(struct telling){ m->command, a, tell_missed, { 0 } }, err);
}

int consequence_rebound(struct tx *tx, struct command *c, const struct q_model_row *model,
                        struct err *err) {
        struct missing m = { .command = c };
        int r = lookup_each_application(tx, model->id, miss_application, &m, err);

        if (r >= 0)
                command_change(c, "write", NULL,
                               "write there what the %zu application%s of model %s want%s", m.count,
                               m.count == 1 ? "" : "s", model->name, m.count == 1 ? "s" : "");
        return r < 0 ? r : 0;
}

/* ---- what is not written */

/* Of rules about one object: the others are too wide to say of a command. */
static int tell_left(struct tx *tx, struct command *c, const struct q_model_row *model,
                     const struct q_application_row *a, const struct rule *rule, struct err *err) {
        struct q_resource_by_identity_in in = { model->target_id, rule->type, rule->path };
        struct q_resource_row *row;
        size_t n;
        int r = q_resource_by_identity(tx, &in, &row, &n, err);

        if (r < 0 || n == 0 || row->owner_id_null || row->owner_id != a->id)
                return r < 0 ? r : 0;
        command_note(c, "%s of %s %s is not written, whatever this changes there: %s%s by %s: %s",
                     rule->field, rule->type, rule->path, rule->writer[0] ? "left to " : "ignored",
                     rule->writer, rule->owner, rule->why);
        return 0;
}

int consequence_left(struct tx *tx, struct command *c, const struct q_model_row *model,
                     const struct q_application_row *a, struct err *err) {
        struct rules *rules = NULL;
        int r = rules_load(tx, model->id, &rules, err);

        for (size_t i = 0; r >= 0 && i < rules->count; i++)
                if (rules->items[i].mode == RULE_IGNORE && rules->items[i].path[0])
                        r = tell_left(tx, c, model, a, &rules->items[i], err);
        rules_free(rules);
        return r < 0 ? r : 0;
}
