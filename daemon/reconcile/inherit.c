/* SPDX-License-Identifier: Apache-2.0 */
/* inherit.c - what an application made inside of its own server, and that server's storage is
 * kept
 *
 * Users and policies go with the server, and are in its volume all the same: they come back with
 * it, with all their rights, and no relation wants them. So their names are kept beside the
 * storage (inherit_leave). When an application of that name has the storage and a plan, they are
 * resources of it again, dying: the reconciler removes them, those first that stand on others
 * (inherit_take). Databases that something was in are remembered too, until they are wanted:
 * gone by then they are lost. Only what we made is removed: what came with adopted storage
 * cannot be told from what somebody else wants. */
#include "application.h"

#include "command.h"
#include "queries.gen.h"

#include <stdlib.h>

#define PAGE 500

/* ---- leaving */

static int needs_text(struct tx *tx, int64_t resource, char **ret, struct err *err) {
        cleanup_(json_freep) json_t *list = json_array();
        struct q_edge_row *edges;
        size_t n;
        int r = q_edge_of(tx, &(struct q_edge_of_in){ .resource_id = resource }, &edges, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(list, json_integer(edges[i].needs_id));
        *ret = json_text(list);
        return r;
}

static int secrets_text(struct tx *tx, int64_t resource, char **ret, struct err *err) {
        cleanup_(json_freep) json_t *list = json_array();
        struct q_secret_in_row *rows;
        size_t n;
        int r = q_secret_in(tx, &(struct q_secret_in_in){ .resource_id = resource }, &rows, &n,
                            err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(list, json_integer(rows[i].secret_id));
        *ret = json_text(list);
        return r;
}

static int insert_row(struct tx *tx, const struct application_work *w, int64_t target,
                      struct w_inherited_insert_in *in, struct err *err) {
        struct q_target_row *row;
        size_t n;
        int r = q_target_by_id(tx, &(struct q_target_by_id_in){ .id = target }, &row, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        in->id = tx_id(tx, "inherited");
        in->model_id = w->model;
        in->application = w->name;
        in->target = row->label;
        return w_inherited_insert(tx, in, err);
}

static int leave_row(struct tx *tx, const struct application_work *w,
                     const struct q_resource_row *row, struct err *err) {
        cleanup_(freep) char *needs = NULL;
        cleanup_(freep) char *secrets = NULL;
        struct w_inherited_insert_in in = { .type = row->type,
                                            .path = row->path,
                                            .incarnation = row->incarnation,
                                            .resource_id = row->id,
                                            .made = row->made,
                                            .adopted = row->adopted,
                                            .initialised_at = row->initialised_at,
                                            .initialised_at_null = row->initialised_at_null,
                                            .lost_at = row->lost_at,
                                            .lost_at_null = row->lost_at_null };
        int r = needs_text(tx, row->id, &needs, err);

        if (r >= 0)
                r = secrets_text(tx, row->id, &secrets, err);
        if (r < 0)
                return r;
        in.needs = needs;
        in.secrets = secrets;
        return insert_row(tx, w, row->target_id, &in, err);
}

static int leave_detached(struct tx *tx, const struct application_work *w,
                          const struct q_detached_row *row, struct err *err) {
        struct w_inherited_insert_in in = { .type = row->type,
                                            .path = row->path,
                                            .incarnation = row->incarnation,
                                            .resource_id = row->resource_id,
                                            .needs = "[]",
                                            .secrets = "[]",
                                            .made = row->made,
                                            .adopted = row->adopted,
                                            .initialised_at = row->initialised_at,
                                            .lost_at = tx_now(tx),
                                            .lost_at_null = !str_eq(row->trouble, "lost") };
        int r = insert_row(tx, w, row->target_id, &in, err);

        return r < 0 ? r : detached_forget(tx, row, err);
}

/* What the charm had let go of before is in the same volume. */
static int leave_all_detached(struct tx *tx, const struct application_work *w, struct err *err) {
        struct q_detached_row *rows;
        size_t n;
        int r = q_detached_inside(tx, &(struct q_detached_inside_in){ .application_id = w->id },
                                  &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = leave_detached(tx, w, &rows[i], err);
        return r < 0 ? r : 0;
}

int inherit_leave(struct tx *tx, const struct application_work *w, struct err *err) {
        struct q_resource_made_inside_in in = { .application_id = w->id, .max = PAGE };
        struct q_resource_row *rows;
        size_t n;
        int r;

        do {
                r = q_resource_made_inside(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        r = leave_row(tx, w, &rows[i], err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : leave_all_detached(tx, w, err);
}

int inherit_end(struct tx *tx, const struct application_work *w, struct err *err) {
        struct q_detached_row *kept;
        size_t n;
        int r = q_detached_earlier(
                tx, &(struct q_detached_earlier_in){ .model_id = w->model, .application = w->name },
                &kept, &n, err);

        if (r < 0 || n)
                return r < 0 ? r : 0;
        r = w_inherited_delete_of(
                tx,
                &(struct w_inherited_delete_of_in){ .model_id = w->model, .application = w->name },
                err);
        return r < 0 ? r : 0;
}

/* ---- taking */

static int64_t target_of(const struct q_target_row *targets, size_t n, const char *label) {
        for (size_t i = 0; i < n; i++)
                if (str_eq(targets[i].label, label))
                        return targets[i].id;
        return 0;
}

static int insert(struct tx *tx, const struct application_work *w,
                  const struct q_inherited_row *row, int64_t target, int64_t *ret,
                  struct err *err) {
        struct w_resource_insert_kept_in in = { .id = tx_id(tx, "resource"),
                                                .target_id = target,
                                                .type = row->type,
                                                .path = row->path,
                                                .owner_id = w->id,
                                                .model_id_null = true,
                                                .life = "dying",
                                                .incarnation = row->incarnation,
                                                .made = true,
                                                .initialised_at_null = true,
                                                .lost_at_null = true,
                                                .state = "removing" };

        *ret = in.id;
        tx_mark(tx, MARK_RESOURCE, in.id);
        return w_resource_insert_kept(tx, &in, err);
}

struct gift {
        int64_t application, resource;
};

/* One that came with the storage, and that no plan asked for since, ends with what held it. */
static int give_secret(struct tx *tx, const struct q_secret_row *s, void *arg, struct err *err) {
        const struct gift *gift = arg;

        if (s->application_id_null || s->application_id != gift->application || !s->asked_null)
                return 0;
        return secret_end_with(tx, s, gift->resource, err);
}

/* Wanted again it is the one that it was, or lost; until then it is remembered. */
static int take_data(struct tx *tx, const struct q_inherited_row *row,
                     const struct q_resource_row *there, struct err *err) {
        struct w_resource_set_kept_in in = { .incarnation = row->incarnation,
                                             .made = row->made,
                                             .adopted = row->adopted,
                                             .initialised_at = row->initialised_at,
                                             .lost_at = row->lost_at,
                                             .lost_at_null = row->lost_at_null,
                                             .id = there->id };

        tx_mark(tx, MARK_RESOURCE, there->id);
        return w_resource_set_kept(tx, &in, err);
}

/* Wanted again it is not taken: then it is the plan's. */
static int take_row(struct tx *tx, const struct application_work *w,
                    const struct q_inherited_row *row, int64_t target, int64_t *ret,
                    struct err *err) {
        struct q_resource_by_identity_in in = { .target_id = target,
                                                .type = row->type,
                                                .path = row->path };
        struct q_resource_row *there;
        size_t n;
        int r = q_resource_by_identity(tx, &in, &there, &n, err);

        if (r >= 0 && !row->initialised_at_null) {
                if (n == 0)
                        return 0;
                r = take_data(tx, row, there, err);
        } else if (r >= 0 && n == 0) {
                r = insert(tx, w, row, target, ret, err);
                if (r >= 0)
                        r = secret_each_in(tx, row->secrets, give_secret,
                                           &(struct gift){ w->id, *ret }, err);
        }
        return r < 0 ? r
                     : w_inherited_delete(tx, &(struct w_inherited_delete_in){ .id = row->id },
                                          err);
}

static int64_t new_id(const struct q_inherited_row *rows, const int64_t *ids, size_t n,
                      int64_t before) {
        for (size_t i = 0; i < n; i++)
                if (rows[i].resource_id == before)
                        return ids[i];
        return 0;
}

static int take_needs(struct tx *tx, const struct q_inherited_row *rows, const int64_t *ids,
                      size_t n, size_t at, struct err *err) {
        cleanup_(json_freep) json_t *needs = NULL;
        json_t *need;
        size_t i;
        int r = json_parse(rows[at].needs, strlen(rows[at].needs), &needs, err);

        json_array_foreach(needs, i, need) {
                int64_t to = new_id(rows, ids, n, json_integer_value(need));

                if (r >= 0 && ids[at] && to)
                        r = w_edge_insert(
                                tx,
                                &(struct w_edge_insert_in){ .resource_id = ids[at],
                                                            .needs_id = to,
                                                            .kind = need_name(NEED_EXISTS),
                                                            .output = "" },
                                err);
        }
        return r < 0 ? r : 0;
}

int inherit_take(struct tx *tx, const struct application_work *w, struct err *err) {
        cleanup_(freep) int64_t *ids = NULL;
        struct q_target_row *targets;
        struct q_inherited_row *rows;
        size_t n, count;
        int r = q_inherited_list(
                tx, &(struct q_inherited_list_in){ .model_id = w->model, .application = w->name },
                &rows, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        ids = mem_array(int64_t, n);
        r = q_target_by_application(tx,
                                    &(struct q_target_by_application_in){ .application_id = w->id },
                                    &targets, &count, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                int64_t target = target_of(targets, count, rows[i].target);

                if (target)
                        r = take_row(tx, w, &rows[i], target, &ids[i], err);
        }
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = take_needs(tx, rows, ids, n, i, err);
        return r < 0 ? r : 0;
}
