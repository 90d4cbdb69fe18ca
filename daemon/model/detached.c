/* SPDX-License-Identifier: Apache-2.0 */
/* detached.c - storage that outlived its application: taken over by a new one, or given to the
 * reconciler to be destroyed
 *
 * A row of detached becomes a row of resource again, with all that was known of it: which one it
 * is (incarnation), who made it, that it was filled once. So an empty one, or another one of the
 * same name, is lost data and never begun anew. Attached, it is the new application's; its
 * secrets move along, and go before those that the new application may have made meanwhile.
 * Destroyed, it is a dying resource of the model, which the reconciler deletes; what was not made
 * by us is left in place and listed. */
#include "command-internal.h"

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

/* APPLICATION 0: the data goes, and so do they. Values of options belong to rows that are gone. */
static int move_secret(struct tx *tx, int64_t secret, int64_t application, struct err *err) {
        struct q_secret_row *s;
        size_t n;
        int r = q_secret_by_id(tx, &(struct q_secret_by_id_in){ .id = secret }, &s, &n, err);

        if (r < 0 || n == 0 || !s->application_id_null)
                return r < 0 ? r : 0; /* taken over with another row already */
        if (application == 0 || str_eq(s->purpose, "option"))
                return application_row_forget_secret(tx, secret, err);
        r = drop_twin(tx, s, application, err);
        if (r < 0)
                return r;
        r = w_secret_set_owner(
                tx, &(struct w_secret_set_owner_in){ .application_id = application, .id = secret },
                err);
        return r < 0 ? r : 0;
}

static int move_secrets(struct tx *tx, const struct q_detached_row *row, int64_t application,
                        struct err *err) {
        cleanup_(json_freep) json_t *ids = NULL;
        size_t i;
        json_t *id;
        int r = json_parse(row->secrets, strlen(row->secrets), &ids, err);

        json_array_foreach(ids, i, id) {
                if (r >= 0)
                        r = move_secret(tx, json_integer_value(id), application, err);
        }
        return r < 0 ? r : 0;
}

/* ---- rows */

static int insert_resource(struct tx *tx, const struct q_detached_row *row, int64_t application,
                           struct err *err) {
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
                .state = application ? "new" : "removing",
        };
        int r = w_resource_insert_kept(tx, &in, err);

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
                                             .id = resource->id };
        int r;

        if (application == 0)
                return err_set(err, -EBUSY, "%s %s is in use again", row->type, row->path);
        r = w_resource_set_kept(tx, &in, err);
        tx_mark(tx, MARK_RESOURCE, resource->id);
        return r < 0 ? r : 0;
}

static int leave_row(struct tx *tx, const char *model, const struct q_detached_row *row,
                     struct err *err) {
        int r = w_leftover_insert(tx,
                                  &(struct w_leftover_insert_in){
                                          .id = tx_id(tx, "leftover"),
                                          .model = model,
                                          .application = row->application,
                                          .type = row->type,
                                          .path = row->path,
                                          .why = row->adopted ? "was adopted: never deleted"
                                                              : "was not made by us: never deleted",
                                          .at = tx_now(tx) },
                                  err);

        return r < 0 ? r : 0;
}

static bool is_deletable(const struct q_detached_row *row) {
        return row->made && !row->adopted;
}

static int take_row(struct tx *tx, const char *model, const struct q_detached_row *row,
                    int64_t application, struct err *err) {
        struct q_resource_by_identity_in in = { .target_id = row->target_id,
                                                .type = row->type,
                                                .path = row->path };
        struct q_resource_row *resource;
        size_t n;
        int r = q_resource_by_identity(tx, &in, &resource, &n, err);

        if (r < 0)
                return r;
        if (n)
                r = update_resource(tx, row, resource, application, err);
        else if (application || is_deletable(row))
                r = insert_resource(tx, row, application, err);
        else
                r = leave_row(tx, model, row, err);
        if (r >= 0)
                r = move_secrets(tx, row, application, err);
        if (r >= 0)
                r = w_detached_delete(tx, &(struct w_detached_delete_in){ .id = row->id }, err);
        return r < 0 ? r : 0;
}

static int destroy_row(struct tx *tx, struct command *c, const char *model,
                       const struct q_detached_row *row, struct err *err) {
        command_change(c, "destroy-storage", row->application,
                       is_deletable(row)
                               ? "delete %s %s and the data in it"
                               : "forget %s %s, which was not made by us and is left in place",
                       row->type, row->path);
        return take_row(tx, model, row, 0, err);
}

int detached_attach(struct tx *tx, struct command *c, const struct q_model_row *model,
                    const char *name, int64_t application, struct err *err) {
        struct q_detached_by_application_in in = { .model_id = model->id, .application = name };
        struct q_detached_row *rows;
        size_t n;
        int r = q_detached_by_application(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                command_change(c, "attach-storage", name, "use %s %s of the earlier %s",
                               rows[i].type, rows[i].path, name);
                r = take_row(tx, model->name, &rows[i], application, err);
        }
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
