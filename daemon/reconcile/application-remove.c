/* SPDX-License-Identifier: Apache-2.0 */
/* application-remove.c - a removal is a resumable plan that ends
 *
 * Each run does what can be done now, and the end of each resource marks the application again:
 * relations go first, so that the other sides plan without it; then its wants. What holds data
 * is detached (the row moves to `detached`, with the secrets that open it) unless destroying it
 * was asked for, then also what it let go before; what lives inside a server of its own that is
 * itself going is dropped, not connected to; the rest is dying and waits for what stands on it.
 * With the last resource gone the rows go (removal_application). --force lists what cannot be
 * reached as leftover and ends. */
#include "application.h"

#include "command.h"
#include "queries.gen.h"

#include <errno.h>

#define PAGE 1000

static int remove_relations(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_relation_other_sides_row *rows;
        size_t n;
        int r = q_relation_other_sides(
                tx, &(struct q_relation_other_sides_in){ .application_id = w->id }, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = removal_relation(tx, rows[i].relation_id, err);
                tx_mark(tx, MARK_APPLICATION, rows[i].other_id);
        }
        return r;
}

int application_remove_ended(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_relation_by_application_in in = { .application_id = w->id, .max = PAGE };
        struct q_relation_by_application_row *rows;
        size_t n;
        int r;

        do {
                r = q_relation_by_application(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].relation_id;
                        if (str_eq(rows[i].life, "dying"))
                                r = removal_side(tx, in.after, w->id, err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

/* Of a living application: what it made for a relation opens that one's part only, and goes with
 * it. */
static int is_lent(struct tx *tx, int64_t secret, bool *ret_opens, struct err *err) {
        struct q_secret_grant_list_row *rows;
        size_t n;
        int r = q_secret_grant_list(tx, &(struct q_secret_grant_list_in){ .secret_id = secret },
                                    &rows, &n, err);

        *ret_opens = r >= 0 && n == 0;
        return r;
}

static int secrets_as_json(struct tx *tx, const struct application_work *w, json_t **ret,
                           struct err *err) {
        struct q_secret_row *rows;
        size_t n;
        int r = q_secret_by_application(
                tx,
                &(struct q_secret_by_application_in){ .application_id = w->id,
                                                      .after_label = "",
                                                      .after_field = "",
                                                      .max = PAGE },
                &rows, &n, err);

        *ret = json_array();
        for (size_t i = 0; r >= 0 && i < n; i++) {
                bool opens = rows[i].asked_null || rows[i].asked;

                if (opens && !w->dying)
                        r = is_lent(tx, rows[i].id, &opens, err);
                if (opens)
                        json_array_append_new(*ret, json_integer(rows[i].id));
        }
        return r;
}

static int delete_row(struct tx *tx, int64_t resource, struct err *err) {
        int r = resource_delete_rows(tx, resource, err);

        tx_mark(tx, MARK_RESOURCE, resource);
        return r;
}

int application_detach(struct tx *tx, const struct application_work *w,
                       const struct q_resource_row *row, struct err *err) {
        cleanup_(json_freep) json_t *ids = NULL;
        cleanup_(freep) char *text = NULL;
        int r = secrets_as_json(tx, w, &ids, err);

        if (r < 0)
                return r;
        text = json_text(ids);
        r = w_detached_insert(
                tx,
                &(struct w_detached_insert_in){ .id = tx_id(tx, "detached"),
                                                .model_id = w->model,
                                                .application = w->name,
                                                .application_id = w->id,
                                                .application_id_null = w->dying,
                                                .charm_name = w->charm_name,
                                                .target_id = row->target_id,
                                                .type = row->type,
                                                .path = row->path,
                                                .secrets = text,
                                                .incarnation = row->incarnation,
                                                .made = row->made,
                                                .adopted = row->adopted,
                                                .initialised_at = row->initialised_at,
                                                .initialised_at_null = row->initialised_at_null,
                                                .resource_id = row->id,
                                                .trouble = row->lost_at_null ? "" : "lost",
                                                .at = tx_now(tx) },
                err);
        if (r < 0)
                return r;
        tx_mark(tx, MARK_MODEL, w->model); /* it is looked at from now on */
        tx_mark(tx, MARK_RESOURCE, row->id);
        return resource_detach_rows(tx, row, err);
}

/* Outside it stays. */
static int leave_row(struct tx *tx, const struct application_work *w,
                     const struct q_resource_row *row, const char *why, struct err *err) {
        struct data_left left = { w->model_name, w->name, row->type, row->path, why };
        int r = data_leave(tx, &left, err);

        return r < 0 ? r : delete_row(tx, row->id, err);
}

/* ---- on the loop: what --force does not wait for */

static bool waits_for_own(struct reconcile *rec, const struct world_resource *r) {
        const struct world_ids *l = world_needed_by(&rec->world, r->id);

        for (size_t i = 0; l && i < l->count; i++) {
                const struct world_resource *d = world_resource(&rec->world, l->ids[i]);

                if (d && d->row.dying && d->owner == r->owner)
                        return true;
        }
        return false;
}

/* What its model lives in cannot be read, and why is known. */
static bool is_away(struct reconcile *rec, const struct world_resource *r) {
        const struct world_model *m = resource_model(rec, r);
        const struct world_target *t = m ? world_target(&rec->world, m->target) : NULL;

        return t && t->reach_why;
}

static bool is_stuck(struct reconcile *rec, struct world_resource *r) {
        struct resource_policy_text text;
        struct policy policy;

        resource_policy(rec, r, &text, &policy);
        if (policy.paused)
                return false;
        return policy.blocked || (policy.unread && is_away(rec, r)) ||
               (policy.held_up && !waits_for_own(rec, r));
}

void application_find_stuck(struct application_work *w) {
        struct reconcile *rec = w->rec;
        struct map_entry *e;

        for (size_t i = 0; w->force && (e = map_next(&rec->world.resources, &i));) {
                struct world_resource *r = e->value;

                if (r->owner != w->id || !r->row.dying || !is_stuck(rec, r))
                        continue;
                w->stuck =
                        mem_grow(w->stuck, &w->stuck_room, w->stuck_count + 1, sizeof(*w->stuck));
                w->stuck[w->stuck_count++] = r->id;
        }
}

/* ---- on the store thread */

static bool gave_up(const struct application_work *w, const struct q_resource_row *row) {
        bool stuck = row->tries > 0;

        for (size_t i = 0; i < w->stuck_count; i++)
                stuck |= w->stuck[i] == row->id;
        return w->force && stuck;
}

/* One resource that lost this application's want. */
static int let_go(struct tx *tx, struct application_work *w, const struct q_resource_row *row,
                  struct err *err) {
        struct q_want_row *wants;
        bool inside = false;
        size_t n;
        int r = q_want_by_resource(tx, &(struct q_want_by_resource_in){ .resource_id = row->id },
                                   &wants, &n, err);

        if (r < 0)
                return r;
        if (n) {
                tx_mark(tx, MARK_RESOURCE, row->id);
                return w_resource_set_owner(
                        tx,
                        &(struct w_resource_set_owner_in){ .id = row->id,
                                                           .owner_id = wants[0].application_id },
                        err);
        }
        r = data_inside(tx, row->target_id, w->id, &inside, err);
        if (r < 0)
                return r;
        if (inside)
                return delete_row(tx, row->id, err);
        if (data_held(row) && !w->destroy_storage)
                return application_detach(tx, w, row, err);
        if (row->adopted)
                return leave_row(tx, w, row, "was adopted: never deleted", err);
        if (str_eq(row->life, "dying"))
                return gave_up(w, row) ? leave_row(tx, w, row, row->reason, err) : 0;
        tx_mark(tx, MARK_RESOURCE, row->id);
        return w_resource_set_life(
                tx, &(struct w_resource_set_life_in){ .id = row->id, .life = "dying" }, err);
}

/* Storage in a server of its own that was to be destroyed: it goes with the server. */
static int drop_ownerless(struct tx *tx, const struct application_work *w, struct err *err) {
        struct q_resource_inside_row *rows;
        size_t n;
        int r;

        do {
                r = q_resource_inside(tx, &(struct q_resource_inside_in){ .application_id = w->id },
                                      &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++)
                        r = delete_row(tx, rows[i].id, err);
        } while (r >= 0 && n);
        return r < 0 ? r : 0;
}

int application_remove_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct application_work *w = c->arg;
        struct q_resource_row *rows;
        int64_t after = 0;
        size_t n, left = 0;
        int r = remove_relations(tx, w, err);

        if (r >= 0)
                r = w_want_delete_all(tx, &(struct w_want_delete_all_in){ .application_id = w->id },
                                      err);
        if (r >= 0)
                r = inherit_leave(tx, w, err);
        do {
                if (r < 0)
                        return r;
                r = q_resource_by_owner(tx,
                                        &(struct q_resource_by_owner_in){
                                                .owner_id = w->id, .after = after, .max = PAGE },
                                        &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        after = rows[i].id;
                        r = let_go(tx, w, &rows[i], err);
                }
        } while (r >= 0 && n == PAGE);
        if (r >= 0)
                r = q_resource_by_owner(tx,
                                        &(struct q_resource_by_owner_in){
                                                .owner_id = w->id, .after = 0, .max = PAGE },
                                        &rows, &left, err);
        if (r < 0 || left)
                return r < 0 ? r : 0;
        r = w->destroy_storage ? detached_end_of(tx, w->model, w->id, err) : 0;
        if (r >= 0)
                r = drop_ownerless(tx, w, err);
        if (r >= 0)
                r = removal_application(tx, w->id, err);
        if (r >= 0)
                r = inherit_end(tx, w, err);
        if (r < 0)
                return r;
        tx_mark(tx, MARK_APPLICATION, w->id);
        tx_mark(tx, MARK_MODEL, w->model);
        return 0;
}
