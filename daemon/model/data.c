/* SPDX-License-Identifier: Apache-2.0 */
/* data.c - what holds data, where it lives, and the line that stays of what is left in place
 *
 * For commands, and for the reconciler's removals: both go by the same answers. */
#include "command-internal.h"

#define PAGE 500

bool data_held(const struct q_resource_row *row) {
        return row->keep &&
               (row->applied_generation || row->made || row->adopted || !row->initialised_at_null);
}

typedef int page_fn(struct tx *tx, int64_t of, int64_t after, struct q_resource_row **ret,
                    size_t *ret_n, struct err *err);

static int page_of_owner(struct tx *tx, int64_t of, int64_t after, struct q_resource_row **ret,
                         size_t *ret_n, struct err *err) {
        struct q_resource_by_owner_in in = { .owner_id = of, .after = after, .max = PAGE };

        return q_resource_by_owner(tx, &in, ret, ret_n, err);
}

static int page_of_model(struct tx *tx, int64_t of, int64_t after, struct q_resource_row **ret,
                         size_t *ret_n, struct err *err) {
        struct q_resource_by_model_in in = { .model_id = of, .after = after, .max = PAGE };

        return q_resource_by_model(tx, &in, ret, ret_n, err);
}

struct walk {
        page_fn *page;
        int64_t of;
        data_fn *fn;
        void *arg;
};

static int walk(struct tx *tx, const struct walk *w, struct err *err) {
        struct q_resource_row *rows;
        int64_t after = 0;
        int taken = 0;
        size_t n;
        int r;

        do {
                r = w->page(tx, w->of, after, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        after = rows[i].id;
                        r = w->fn(tx, &rows[i], w->arg, err);
                        taken += r > 0;
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : taken;
}

int data_each_resource(struct tx *tx, int64_t application, data_fn *fn, void *arg,
                       struct err *err) {
        return walk(tx, &(struct walk){ page_of_owner, application, fn, arg }, err);
}

int data_each_of_model(struct tx *tx, int64_t model, data_fn *fn, void *arg, struct err *err) {
        return walk(tx, &(struct walk){ page_of_model, model, fn, arg }, err);
}

int data_inside(struct tx *tx, int64_t target, int64_t application, bool *ret, struct err *err) {
        struct q_target_row *row;
        size_t n;
        int r = q_target_by_id(tx, &(struct q_target_by_id_in){ .id = target }, &row, &n, err);

        *ret = r >= 0 && n && !row->application_id_null && row->application_id == application;
        return r < 0 ? r : 0;
}

int data_leave(struct tx *tx, const struct data_left *left, struct err *err) {
        struct w_leftover_insert_in in = { .id = tx_id(tx, "leftover"),
                                           .model = left->model,
                                           .application = left->application,
                                           .type = left->type,
                                           .path = left->path,
                                           .why = left->why,
                                           .at = tx_now(tx) };
        int r = w_leftover_insert(tx, &in, err);

        return r < 0 ? r : 0;
}
