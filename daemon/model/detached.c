/* SPDX-License-Identifier: Apache-2.0 */
/* detached.c - storage that nobody wants any more: kept with what opens it, taken over by a new
 * application of that name, or given to the reconciler to be destroyed
 *
 * A row of detached becomes a row of resource again, with all that was known of it: which one it
 * is (incarnation), who made it, that it was filled once. So an empty one, or another one of the
 * same name, is lost data and never begun anew, and one that was lost stays so. Attached, it is
 * the new application's; its secrets move along, and go before those that the new application
 * may have made meanwhile. Destroyed, it is a dying resource of the model, which the reconciler
 * deletes, and its secrets go with it; what was not made by us is left in place and listed. What
 * a living application let go is its own again when a plan of it wants it again. */
#include "command-internal.h"
#include "drift-outcome.h"

#include <errno.h>

#define PAGE 500

/* ---- secrets */

static int drop_twin(struct tx *tx, const struct q_secret_row *s, int64_t application,
                     struct err *err) {
        struct q_secret_by_label_in in = { .application_id = application,
                                           .label = s->label,
                                           .field = s->field };
        struct q_secret_row *twin;
        size_t n;
        int r = q_secret_by_label(tx, &in, &twin, &n, err);

        if (r < 0 || n == 0 || twin->id == s->id)
                return r < 0 ? r : 0;
        return application_row_forget_secret(tx, twin->id, err);
}

/* It is APPLICATION's from now on, also while no plan asks for it. Values of options belong to
 * rows that are gone. */
static int move_secret(struct tx *tx, const struct q_secret_row *s, int64_t application,
                       struct err *err) {
        int r;

        if (!secret_planned(s))
                return application_row_forget_secret(tx, s->id, err);
        r = drop_twin(tx, s, application, err);
        if (r >= 0)
                r = w_secret_set_asked(
                        tx, &(struct w_secret_set_asked_in){ .asked_null = true, .id = s->id },
                        err);
        if (r < 0)
                return r;
        r = w_secret_set_owner(
                tx, &(struct w_secret_set_owner_in){ .application_id = application, .id = s->id },
                err);
        return r < 0 ? r : 0;
}

struct heir { /* of a kept row's secrets: the application, or gone with the resource */
        int64_t application;
        int64_t resource; /* 0: it is left in place */
};

/* One that has an owner was taken over with another row already, or never left it. */
static int give_secret(struct tx *tx, const struct q_secret_row *s, void *arg, struct err *err) {
        const struct heir *to = arg;

        if (!s->application_id_null)
                return secret_settle(tx, s->id, err);
        return to->application ? move_secret(tx, s, to->application, err)
                               : secret_end_with(tx, s, to->resource, err);
}

/* Those of ROW, which is deleted. */
static int move_secrets(struct tx *tx, const struct q_detached_row *row, struct heir to,
                        struct err *err) {
        return secret_each_in(tx, row->secrets, give_secret, &to, err);
}

/* ---- rows */

static int insert_resource(struct tx *tx, const struct q_detached_row *row, int64_t application,
                           int64_t *ret, struct err *err) {
        bool filled = application && !row->initialised_at_null;
        struct w_resource_insert_kept_in in = {
                .id = tx_id(tx, "resource"),
                .target_id = row->target_id,
                .type = row->type,
                .path = row->path,
                .owner_id = application,
                .owner_id_null = application == 0,
                .model_id = row->model_id,
                .model_id_null = application != 0,
                .life = application ? "alive" : "dying",
                .incarnation = row->incarnation,
                .made = row->made,
                .adopted = row->adopted,
                .keep = application != 0,
                .initialised_at = row->initialised_at,
                .initialised_at_null = !filled,
                .lost_at = tx_now(tx),
                .lost_at_null = !filled || !str_eq(row->trouble, "lost"),
                .state = application ? "new" : "removing",
        };
        int r = w_resource_insert_kept(tx, &in, err);

        *ret = in.id;
        tx_mark(tx, MARK_RESOURCE, in.id);
        return r < 0 ? r : 0;
}

/* The plan of the new application asked for it already. */
static int update_resource(struct tx *tx, const struct q_detached_row *row,
                           const struct q_resource_row *resource, int64_t application,
                           struct err *err) {
        struct w_resource_set_kept_in in = { .incarnation = row->incarnation,
                                             .made = row->made,
                                             .adopted = row->adopted,
                                             .initialised_at = row->initialised_at,
                                             .initialised_at_null = row->initialised_at_null,
                                             .lost_at = tx_now(tx),
                                             .lost_at_null = !str_eq(row->trouble, "lost"),
                                             .id = resource->id };
        int r;

        if (resource->owner_id_null || resource->owner_id != application)
                return err_set(err, -EBUSY, "%s %s is in use by another application", row->type,
                               row->path);
        r = w_resource_set_kept(tx, &in, err);
        tx_mark(tx, MARK_RESOURCE, resource->id);
        return r < 0 ? r : 0;
}

static int leave_row(struct tx *tx, const char *model, const struct q_detached_row *row,
                     struct err *err) {
        struct data_left left = { model, row->application, row->type, row->path,
                                  row->adopted ? "was adopted: never deleted"
                                               : "was not made by us: never deleted" };

        return data_leave(tx, &left, err);
}

static bool is_deletable(const struct q_detached_row *row) {
        return row->made && !row->adopted;
}

/* Its open lines in the ledger end with it. */
static int drop_row(struct tx *tx, const struct q_detached_row *row, struct err *err) {
        int r = w_drift_close_open(
                tx,
                &(struct w_drift_close_open_in){ .resource_id = row->resource_id,
                                                 .outcome = drift_outcome_name(DRIFT_REMOVED),
                                                 .repaired_at = tx_now(tx) },
                err);

        return r < 0 ? r
                     : w_detached_delete(tx, &(struct w_detached_delete_in){ .id = row->id }, err);
}

static int take_row(struct tx *tx, const char *model, const struct q_detached_row *row,
                    int64_t application, struct err *err) {
        struct q_resource_by_identity_in in = { .target_id = row->target_id,
                                                .type = row->type,
                                                .path = row->path };
        struct q_resource_row *resource;
        int64_t made = 0;
        size_t n;
        int r = q_resource_by_identity(tx, &in, &resource, &n, err);

        if (r < 0)
                return r;
        if (n)
                r = update_resource(tx, row, resource, application, err);
        else if (application || is_deletable(row))
                r = insert_resource(tx, row, application, &made, err);
        else
                r = leave_row(tx, model, row, err);
        if (r >= 0)
                r = drop_row(tx, row, err);
        return r < 0 ? r : move_secrets(tx, row, (struct heir){ application, made }, err);
}

int detached_take_back(struct tx *tx, int64_t application, int64_t resource,
                       const struct q_detached_by_identity_in *identity, struct err *err) {
        struct q_resource_row *row;
        struct q_detached_row *kept;
        size_t n;
        int r = q_detached_by_identity(tx, identity, &kept, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = resource }, &row, &n, err);
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        if (kept->application_id_null || kept->application_id != application)
                return err_set(err, -EBUSY,
                               "%s %s is kept as storage of %s (mooringctl storage): another "
                               "application does not take it over",
                               row->type, row->path, kept->application);
        r = update_resource(tx, kept, row, application, err);
        if (r >= 0)
                r = drop_row(tx, kept, err);
        return r < 0 ? r : move_secrets(tx, kept, (struct heir){ application }, err);
}

static int destroy_row(struct tx *tx, struct command *c, const char *model,
                       const struct q_detached_row *row, struct err *err) {
        command_change(c, "destroy-storage", row->application,
                       str_eq(row->trouble, "lost") ? "forget %s %s, which is lost already"
                       : is_deletable(row)
                               ? "delete %s %s and the data in it"
                               : "forget %s %s, which was not made by us and is left in place",
                       row->type, row->path);
        return take_row(tx, model, row, 0, err);
}

static int tell_inherited(struct tx *tx, struct command *c, const struct q_model_row *model,
                          const char *name, struct err *err) {
        struct q_inherited_row *rows;
        size_t n;
        int r = q_inherited_list(
                tx, &(struct q_inherited_list_in){ .model_id = model->id, .application = name },
                &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                command_change(c, "attach-storage", name,
                               rows[i].initialised_at_null
                                       ? "remove %s %s, which the earlier %s made in it, unless it "
                                         "is wanted"
                                       : "look for %s %s, in which the earlier %s had data, when "
                                         "it is wanted",
                               rows[i].type, rows[i].path, name);
        return r;
}

int detached_begin_anew(struct tx *tx, struct command *c, int64_t model, const char *name,
                        struct err *err) {
        struct q_inherited_row *rows;
        size_t n;
        int r = q_inherited_list(
                tx, &(struct q_inherited_list_in){ .model_id = model, .application = name }, &rows,
                &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (rows[i].initialised_at_null)
                        continue;
                command_change(c, "accept-data-loss", NULL, "begin anew with %s %s inside of it",
                               rows[i].type, rows[i].path);
                r = w_inherited_delete(tx, &(struct w_inherited_delete_in){ .id = rows[i].id },
                                       err);
        }
        return r < 0 ? r : 0;
}

int detached_attach(struct tx *tx, struct command *c, const struct q_model_row *model,
                    const char *name, int64_t application, struct err *err) {
        struct q_detached_earlier_in in = { .model_id = model->id, .application = name };
        struct q_detached_row *rows;
        size_t n;
        int r = q_detached_earlier(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                command_change(c, "attach-storage", name, "use %s %s of the earlier %s%s",
                               rows[i].type, rows[i].path, name,
                               str_eq(rows[i].trouble, "lost")
                                       ? ", which is lost: blocked until it is restored or that "
                                         "is accepted"
                                       : "");
                r = take_row(tx, model->name, &rows[i], application, err);
        }
        if (r >= 0 && n)
                r = tell_inherited(tx, c, model, name, err);
        return r < 0 ? r : (int)n;
}

int detached_destroy(struct tx *tx, struct command *c, const struct q_model_row *model,
                     const char *name, struct err *err) {
        struct q_detached_by_application_in in = { .model_id = model->id, .application = name };
        struct q_detached_row *rows;
        size_t n;
        int r = q_detached_by_application(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = destroy_row(tx, c, model->name, &rows[i], err);
        if (r >= 0)
                r = w_inherited_delete_of(tx,
                                          &(struct w_inherited_delete_of_in){ .model_id = model->id,
                                                                              .application = name },
                                          err);
        return r < 0 ? r : (int)n;
}

int detached_destroy_all(struct tx *tx, struct command *c, const struct q_model_row *model,
                         struct err *err) {
        struct q_detached_list_in in = { .model_id = model->id, .max = PAGE };
        struct q_detached_row *rows;
        size_t n;
        int r;

        do {
                r = q_detached_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        r = destroy_row(tx, c, model->name, &rows[i], err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

static int end_row(struct tx *tx, const char *model, const struct q_detached_row *row,
                   struct err *err) {
        struct q_resource_by_identity_in in = { .target_id = row->target_id,
                                                .type = row->type,
                                                .path = row->path };
        struct q_resource_row *used;
        bool inside;
        size_t n = 0;
        int r = data_inside(tx, row->target_id, row->application_id, &inside, err);

        if (r >= 0 && !inside)
                r = q_resource_by_identity(tx, &in, &used, &n, err);
        if (r < 0 || inside)
                return r < 0 ? r : 0;
        return n ? detached_forget(tx, row, err) : take_row(tx, model, row, 0, err);
}

int detached_end_of(struct tx *tx, int64_t model, int64_t application, struct err *err) {
        struct q_detached_of_in in = { .application_id = application };
        struct q_detached_row *rows;
        struct q_model_row *m;
        size_t n, count = 0;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &m, &n, err);

        if (r >= 0 && n)
                r = q_detached_of(tx, &in, &rows, &count, err);
        for (size_t i = 0; r >= 0 && i < count; i++)
                r = end_row(tx, m->name, &rows[i], err);
        return r < 0 ? r : 0;
}

int detached_forget(struct tx *tx, const struct q_detached_row *row, struct err *err) {
        int r = drop_row(tx, row, err);

        return r < 0 ? r : move_secrets(tx, row, (struct heir){ 0 }, err);
}
