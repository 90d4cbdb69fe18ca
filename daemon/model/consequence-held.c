/* SPDX-License-Identifier: Apache-2.0 */
/* consequence-held.c - destruction of data that a pause or a freeze holds up: said where it is
 * asked for, and where what holds it up ends
 *
 * Who ends a pause need not be the one who said that data is destroyed, and may not know of it. */
#include "command-internal.h"

#include "clock.h"
#include "rule.h"

#include <stdlib.h>

#define PAGE 500

struct holds { /* of a model, as they stand */
        const struct q_model_row *model;
        struct rules *rules;
};

static int holds_load(struct tx *tx, int64_t model, struct holds *ret, struct err *err) {
        struct q_model_row *row;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &row, &n, err);

        *ret = (struct holds){ 0 };
        if (r < 0 || n == 0)
                return r;
        ret->model = row;
        return rules_load_freezes(tx, model, &ret->rules, err);
}

/* "paused by alice: copying", or NULL; free it. A: whose it is, or NULL. */
static char *held_by(const struct holds *h, const struct q_application_row *a,
                     const struct q_resource_row *row) {
        const struct freeze *frozen = rules_frozen(h->rules, a ? a->name : NULL);
        const struct freeze *f = frozen ? frozen : rules_paused(h->rules, row->type, row->path);
        cleanup_(freep) char *text = f ? freeze_text(f) : NULL;

        if (f)
                return str_format("%s by %s", frozen ? "frozen" : "paused", text);
        if (!h->model->paused_at_null)
                return str_format("paused by %s: %s", h->model->paused_by, h->model->paused_why);
        if (a && !a->paused_at_null)
                return str_format("paused by %s: %s", a->paused_by, a->paused_why);
        return NULL;
}

int consequence_held_note(struct tx *tx, struct command *c, const struct q_application_row *a,
                          const struct q_resource_row *row, struct err *err) {
        cleanup_(freep) char *by = NULL;
        struct holds h;
        int r = holds_load(tx, a->model_id, &h, err);

        by = r >= 0 && h.model ? held_by(&h, a, row) : NULL;
        if (by)
                command_note(c, "%s %s is %s: it is deleted when that ends", row->type, row->path,
                             by);
        rules_free(h.rules);
        return r < 0 ? r : 0;
}

/* ---- what held it up ends */

struct ending {
        struct command *command;
        const struct consequence_stop *was;
        struct holds now;
        const struct q_application_row *application; /* whose resources are walked; or NULL */
};

/* It is under what ends, nothing else holds it up, and its deletion did not begin before. */
static bool is_let_go(const struct ending *e, const struct q_resource_row *row) {
        cleanup_(freep) char *by = NULL;

        if (row->adopted || !row->lost_at_null || !row->delete_at_null)
                return false;
        if (e->was->type && !(str_eq(e->was->type, row->type) && str_eq(e->was->path, row->path)))
                return false;
        by = held_by(&e->now, e->application, row);
        return !by;
}

static int tell_owned(struct tx *tx, const struct q_resource_row *row, void *arg, struct err *err) {
        const struct ending *e = arg;
        const struct q_application_row *a = e->application;
        char said[CLOCK_TEXT_MAX];
        bool inside;
        int r = data_inside(tx, row->target_id, a->id, &inside, err);

        if (r < 0 || inside || !data_held(row) || !is_let_go(e, row))
                return r;
        command_change(e->command, "destroy", a->name,
                       "delete %s %s and the data in it, as %s said at %s", row->type, row->path,
                       a->destroy_by, clock_iso(a->destroy_at, false, said));
        if (e->command->dry_run)
                command_note(
                        e->command,
                        "`remove-application %s` first, without --destroy-storage, keeps %s %s",
                        a->name, row->type, row->path);
        return 0;
}

static int each_application(struct tx *tx, struct ending *e, struct err *err) {
        struct q_application_list_in in = { .model_id = e->now.model->id,
                                            .after = "",
                                            .max = PAGE };
        struct q_application_row *rows;
        size_t n;
        int r;

        do {
                r = q_application_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].name;
                        e->application = &rows[i];
                        if (rows[i].destroy_storage &&
                            (!e->was->application || str_eq(e->was->application, rows[i].name)))
                                r = data_each_resource(tx, rows[i].id, tell_owned, e, err);
                }
        } while (r >= 0 && n == PAGE);
        e->application = NULL;
        return r < 0 ? r : 0;
}

/* Detached storage that destroy-storage was said of: it is kept no more, unlike the namespace. */
static int each_ownerless(struct tx *tx, struct ending *e, struct err *err) {
        struct q_resource_by_model_in in = { .model_id = e->now.model->id, .max = PAGE };
        struct q_resource_row *rows;
        size_t n;
        int r;

        do {
                r = q_resource_by_model(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        if (str_eq(rows[i].life, "dying") && !rows[i].keep &&
                            is_let_go(e, &rows[i]))
                                command_change(e->command, "destroy", NULL,
                                               "delete %s %s and the data in it, as "
                                               "destroy-storage said",
                                               rows[i].type, rows[i].path);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

int consequence_held_end(struct tx *tx, struct command *c, int64_t model,
                         const struct consequence_stop *was, struct err *err) {
        struct ending e = { .command = c, .was = was };
        int r = holds_load(tx, model, &e.now, err);

        if (r >= 0 && e.now.model)
                r = each_application(tx, &e, err);
        if (r >= 0 && e.now.model && !was->application)
                r = each_ownerless(tx, &e, err);
        rules_free(e.now.rules);
        return r < 0 ? r : 0;
}
