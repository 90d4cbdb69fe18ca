/* SPDX-License-Identifier: Apache-2.0 */
/* removal.c - the last step of a removal: rows of what is gone outside; see command.h
 *
 * Called by the reconciler inside its own transactions. Wants are deleted by whoever removed
 * their resources; a want that is left means that something outside may be left too, so it is
 * refused. */
#include "command-internal.h"

#include "certificate.h"
#include "refresh-all.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 500

static int drop_grants(struct tx *tx, int64_t relation, struct err *err) {
        struct q_secret_unasked_over_row *rows;
        size_t n;
        int r = q_secret_unasked_over(
                tx, &(struct q_secret_unasked_over_in){ .relation_id = relation }, &rows, &n, err);

        if (r >= 0)
                r = w_secret_grant_delete_relation(
                        tx, &(struct w_secret_grant_delete_relation_in){ .relation_id = relation },
                        err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = secret_settle(tx, rows[i].id, err);
        return r;
}

int removal_relation(struct tx *tx, int64_t relation, struct err *err) {
        int r = drop_grants(tx, relation, err);

        if (r >= 0)
                r = w_relation_data_delete_all(
                        tx, &(struct w_relation_data_delete_all_in){ .relation_id = relation },
                        err);
        if (r >= 0)
                r = w_relation_side_delete(
                        tx, &(struct w_relation_side_delete_in){ .relation_id = relation }, err);
        if (r >= 0)
                r = w_relation_delete(tx, &(struct w_relation_delete_in){ .id = relation }, err);
        return r < 0 ? r : 0;
}

int removal_side(struct tx *tx, int64_t relation, int64_t application, struct err *err) {
        struct q_relation_side_list_row *sides;
        size_t left = 1;
        int r = w_relation_data_delete_side(
                tx,
                &(struct w_relation_data_delete_side_in){ .relation_id = relation,
                                                          .application_id = application },
                err);

        if (r >= 0)
                r = w_relation_side_leave(
                        tx,
                        &(struct w_relation_side_leave_in){ .relation_id = relation,
                                                            .application_id = application },
                        err);
        if (r >= 0)
                r = q_relation_side_list(
                        tx, &(struct q_relation_side_list_in){ .relation_id = relation }, &sides,
                        &left, err);
        if (r >= 0 && left == 0)
                r = removal_relation(tx, relation, err);
        return r < 0 ? r : 0;
}

static int drop_relations(struct tx *tx, int64_t application, struct err *err) {
        struct q_relation_by_application_in in = { .application_id = application, .max = PAGE };
        struct q_relation_by_application_row *rows;
        size_t n;
        int r;

        do {
                r = q_relation_by_application(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        struct q_relation_side_list_row *sides;
                        size_t count = 0;

                        in.after = rows[i].relation_id;
                        r = q_relation_side_list(
                                tx, &(struct q_relation_side_list_in){ .relation_id = in.after },
                                &sides, &count, err);
                        for (size_t k = 0; r >= 0 && k < count; k++)
                                tx_mark(tx, MARK_APPLICATION, sides[k].application_id);
                        if (r >= 0)
                                r = removal_relation(tx, in.after, err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

/* Detached storage needs it, or the other side of a relation has it outside still: then it stays
 * without an owner, until that ends. */
static int drop_secret(struct tx *tx, const struct q_secret_row *s, void *arg, struct err *err) {
        struct w_secret_set_owner_in owner = { .application_id_null = true, .id = s->id };
        struct q_secret_used_row *uses;
        bool kept;
        size_t n;
        int r = secret_kept(tx, s->model_id, s->id, &kept, err);

        if (r >= 0)
                r = q_secret_used(tx, &(struct q_secret_used_in){ .secret_id = s->id }, &uses, &n,
                                  err);
        if (r < 0)
                return r;
        if (!kept && n == 0)
                return application_row_forget_secret(tx, s->id, err);
        r = certificate_forget(tx, s->id, err);
        if (r >= 0 && !kept)
                r = w_secret_set_asked(
                        tx, &(struct w_secret_set_asked_in){ .asked = 0, .id = s->id }, err);
        return r < 0 ? r : w_secret_set_owner(tx, &owner, err);
}

/* It lives in a server that ends. */
static int drop_inside(struct tx *tx, int64_t target, struct err *err) {
        struct q_detached_row *rows;
        size_t n;
        int r;

        do {
                r = q_detached_by_target(tx,
                                         &(struct q_detached_by_target_in){ .target_id = target },
                                         &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++)
                        r = detached_forget(tx, &rows[i], err);
        } while (r >= 0 && n);
        return r < 0 ? r : 0;
}

static int drop_targets(struct tx *tx, int64_t application, struct err *err) {
        struct q_target_by_application_in in = { .application_id = application };
        struct q_target_row *rows;
        size_t n;
        int r = q_target_by_application(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = drop_inside(tx, rows[i].id, err);
                if (r >= 0)
                        r = w_target_delete(tx, &(struct w_target_delete_in){ .id = rows[i].id },
                                            err);
                tx_mark(tx, MARK_TARGET, rows[i].id);
        }
        return r < 0 ? r : 0;
}

static int drop_entries(struct tx *tx, int64_t id, struct err *err) {
        int r = w_application_option_delete_all(
                tx, &(struct w_application_option_delete_all_in){ .application_id = id }, err);

        if (r >= 0)
                r = w_application_resource_delete_all(
                        tx, &(struct w_application_resource_delete_all_in){ .application_id = id },
                        err);
        if (r >= 0)
                r = w_application_storage_delete_all(
                        tx, &(struct w_application_storage_delete_all_in){ .application_id = id },
                        err);
        if (r >= 0)
                r = w_user_secret_grant_delete_application(
                        tx,
                        &(struct w_user_secret_grant_delete_application_in){ .application_id = id },
                        err);
        if (r >= 0)
                r = w_refresh_delete(tx, &(struct w_refresh_delete_in){ .application_id = id },
                                     err);
        if (r >= 0)
                r = w_unit_delete_all(tx, &(struct w_unit_delete_all_in){ .application_id = id },
                                      err);
        return r < 0 ? r : 0;
}

static int refuse_wants(struct tx *tx, const struct q_application_row *a, struct err *err) {
        struct q_want_count_row *count;
        size_t n;
        int r = q_want_count(tx, &(struct q_want_count_in){ .application_id = a->id }, &count, &n,
                             err);

        if (r >= 0 && n && count->total > 0)
                return err_set(err, -EBUSY,
                               "application %s: not all outside is removed yet, %lld left", a->name,
                               (long long)count->total);
        return r < 0 ? r : 0;
}

/* Another application of that name begins without them. */
static int drop_rules(struct tx *tx, const struct q_application_row *a, struct err *err) {
        struct w_policy_delete_application_in rules = { a->model_id, a->name };
        struct w_freeze_delete_application_in freezes = { a->model_id, a->name };
        int r = w_policy_delete_application(tx, &rules, err);

        return r < 0 ? r : w_freeze_delete_application(tx, &freezes, err);
}

int removal_application(struct tx *tx, int64_t application, struct err *err) {
        struct q_application_row *row;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = application }, &row,
                                    &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        r = refuse_wants(tx, row, err);
        if (r >= 0)
                r = drop_relations(tx, application, err);
        if (r >= 0)
                r = secret_each(tx, application, drop_secret, NULL, err);
        if (r >= 0)
                r = w_detached_orphan(
                        tx, &(struct w_detached_orphan_in){ .application_id = application }, err);
        if (r >= 0)
                r = drop_targets(tx, application, err);
        if (r >= 0)
                r = drop_entries(tx, application, err);
        if (r >= 0)
                r = refresh_all_leave(tx, row, err);
        if (r >= 0)
                r = drop_rules(tx, row, err);
        if (r >= 0)
                r = w_schedule_delete_application(
                        tx,
                        &(struct w_schedule_delete_application_in){ .application_id = application },
                        err);
        if (r >= 0)
                r = w_application_delete(tx, &(struct w_application_delete_in){ .id = application },
                                         err);
        if (r < 0)
                return err_add(err, r, "application %s", row->name);
        tx_mark(tx, MARK_MODEL, row->model_id);
        return 0;
}

static int drop_left_secrets(struct tx *tx, int64_t model, struct err *err) {
        struct q_secret_list_in in = { .model_id = model, .max = PAGE };
        struct q_secret_row *rows;
        size_t n;
        int r;

        do {
                r = q_secret_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        r = application_row_forget_secret(tx, rows[i].id, err);
                }
        } while (r >= 0 && n == PAGE);
        if (r >= 0)
                r = w_user_secret_delete_model(
                        tx, &(struct w_user_secret_delete_model_in){ .model_id = model }, err);
        return r < 0 ? r : 0;
}

static int leave_detached(struct tx *tx, const char *model, const struct q_detached_row *row,
                          struct err *err) {
        struct data_left left = {
                model, row->application, row->type, row->path,
                "data is kept when a model is removed without --destroy-storage"
        };
        int r = data_leave(tx, &left, err);

        return r < 0 ? r
                     : w_detached_delete(tx, &(struct w_detached_delete_in){ .id = row->id }, err);
}

/* What outlives the model is a leftover from now on. */
static int drop_detached(struct tx *tx, const struct q_model_row *model, struct err *err) {
        struct q_detached_list_in in = { .model_id = model->id, .max = PAGE };
        struct q_detached_row *rows;
        size_t n;
        int r;

        do {
                r = q_detached_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        r = leave_detached(tx, model->name, &rows[i], err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

int removal_model(struct tx *tx, int64_t model, struct err *err) {
        struct q_application_count_row *count;
        struct q_model_row *row;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = model }, &row, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        r = q_application_count(tx, &(struct q_application_count_in){ .model_id = model }, &count,
                                &n, err);
        if (r >= 0 && n && count->total > 0)
                return err_set(err, -EBUSY,
                               "model %s: not all applications are removed yet, %lld left",
                               row->name, (long long)count->total);
        if (r >= 0)
                r = drop_detached(tx, row, err);
        if (r >= 0)
                r = w_inherited_delete_model(
                        tx, &(struct w_inherited_delete_model_in){ .model_id = model }, err);
        if (r >= 0)
                r = w_authority_delete_model(
                        tx, &(struct w_authority_delete_model_in){ .model_id = model }, err);
        if (r >= 0)
                r = drop_left_secrets(tx, model, err);
        if (r >= 0)
                r = w_policy_delete_model(
                        tx, &(struct w_policy_delete_model_in){ .model_id = model }, err);
        if (r >= 0)
                r = w_freeze_delete_model(
                        tx, &(struct w_freeze_delete_model_in){ .model_id = model }, err);
        if (r >= 0)
                r = w_shown_delete_model(tx, &(struct w_shown_delete_model_in){ .model_id = model },
                                         err);
        if (r >= 0)
                r = refresh_all_forget(tx, model, err);
        if (r >= 0)
                r = w_model_option_delete_all(
                        tx, &(struct w_model_option_delete_all_in){ .model_id = model }, err);
        if (r >= 0)
                r = w_model_delete(tx, &(struct w_model_delete_in){ .id = model }, err);
        return r < 0 ? err_add(err, r, "model %s", row->name) : 0;
}
