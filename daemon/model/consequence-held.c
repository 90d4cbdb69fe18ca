/* SPDX-License-Identifier: Apache-2.0 */
/* consequence-held.c - destruction of data that a pause or a freeze holds up: said where it is
 * asked for, and where what holds it up ends
 *
 * Who ends a pause need not be the one who said that data is destroyed, and may not know of it. */
#include "command-internal.h"

#include "clock.h"
#include "rule.h"

#include <stdlib.h>

int consequence_holds_load(struct tx *tx, int64_t model, struct consequence_holds *ret,
                           struct err *err) {
        struct q_model_row *row;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &row, &n, err);

        *ret = (struct consequence_holds){ 0 };
        if (r < 0 || n == 0)
                return r;
        ret->model = row;
        return rules_load_freezes(tx, model, &ret->rules, err);
}

static char *pause_text(const struct consequence_holds *h, const struct q_application_row *a) {
        if (!h->model->paused_at_null)
                return rule_pause_text(h->model->paused_by, h->model->paused_why,
                                       h->model->paused_until);
        if (a && !a->paused_at_null)
                return rule_pause_text(a->paused_by, a->paused_why, a->paused_until);
        return NULL;
}

/* "paused by alice: copying", or NULL; free it. A: whose it is, or NULL. */
static char *held_by(const struct consequence_holds *h, const struct q_application_row *a,
                     const struct q_resource_row *row) {
        const struct freeze *frozen = rules_frozen(h->rules, a ? a->name : NULL);
        const struct freeze *f = frozen ? frozen : rules_paused(h->rules, row->type, row->path);
        cleanup_(freep) char *text = f ? freeze_text(f) : pause_text(h, a);

        return text ? str_format("%s by %s", frozen ? "frozen" : "paused", text) : NULL;
}

void consequence_held_note(const struct consequence_holds *h, struct command *c,
                           const struct q_application_row *a, const struct q_resource_row *row) {
        cleanup_(freep) char *by = h->model ? held_by(h, a, row) : NULL;

        if (by)
                command_note(c, "%s %s is %s: it is deleted when that ends", row->type, row->path,
                             by);
}

/* ---- what held it up ends */

struct ending {
        struct command *command;
        const struct consequence_stop *was;
        struct consequence_holds now;
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

static int tell_application(struct tx *tx, const struct q_application_row *a, void *arg,
                            struct err *err) {
        struct ending *e = arg;

        if (!a->destroy_storage || (e->was->application && !str_eq(e->was->application, a->name)))
                return 0;
        e->application = a;
        return data_each_resource(tx, a->id, tell_owned, e, err);
}

/* Detached storage that destroy-storage was said of: it is kept no more, unlike the namespace. */
static int tell_ownerless(struct tx *tx, const struct q_resource_row *row, void *arg,
                          struct err *err) {
        struct ending *e = arg;

        if (str_eq(row->life, "dying") && !row->keep && is_let_go(e, row))
                command_change(e->command, "destroy", NULL,
                               "delete %s %s and the data in it, as destroy-storage said",
                               row->type, row->path);
        return 0;
}

int consequence_held_end(struct tx *tx, struct command *c, int64_t model,
                         const struct consequence_stop *was, struct err *err) {
        struct ending e = { .command = c, .was = was };
        int r = consequence_holds_load(tx, model, &e.now, err);

        if (r >= 0 && e.now.model)
                r = lookup_each_application(tx, e.now.model->id, tell_application, &e, err);
        e.application = NULL;
        if (r >= 0 && e.now.model && !was->application)
                r = data_each_of_model(tx, e.now.model->id, tell_ownerless, &e, err);
        rules_free(e.now.rules);
        return r < 0 ? r : 0;
}
