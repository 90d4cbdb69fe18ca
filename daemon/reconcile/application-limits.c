/* SPDX-License-Identifier: Apache-2.0 */
/* application-limits.c - what a plan changes and takes away, and whether that is more than a change
 * of ours may do by itself
 *
 * Beyond a limit (model/limit.h) the plan is held: none of its rows are written until a person lets
 * this very plan go, or another plan comes. So that nothing follows from what is half known, the
 * model freezes with it, once for each plan that is held: who ends that freeze without letting the
 * plan go goes on with the rest. The freeze ends by itself with the last plan that is held.
 *
 * Inside of the save; application_limit_digests for previews too. */
#include "application.h"

#include "audit.h"
#include "command.h"
#include "queries.gen.h"
#include "rule.h"

#include <stdlib.h>

#define LISTED_MAX 400 /* lines of what a plan that is held does; the rest is counted */

/* ---- what changes, what goes */

static int walk_one(struct application_work *w, const struct limit_walk *walk, size_t i,
                    struct buf *removal, struct buf *changes, struct err *err) {
        const struct world_want *want = &w->wants[i];
        const struct prepared *d = application_doc(w, want->label);
        bool gone = !d, other = d && memcmp(d->mark, want->document, DIGEST_SIZE) != 0;
        int r = 0;

        if (d && !d->unchanged)
                r = walk->replaced(walk->arg, d, want, &gone, err);
        if (r < 0 || (!gone && !other))
                return r;
        if (gone) {
                w->removed++;
                buf_printf(removal, "%s %lld\n", want->label, (long long)want->resource);
        } else {
                w->changed++;
                buf_puts(changes, want->label);
                buf_add(changes, d->mark, DIGEST_SIZE);
        }
        return walk->tell ? walk->tell(walk->arg, want, gone, err) : 0;
}

int application_limit_digests(struct application_work *w, const struct limit_walk *walk,
                              struct err *err) {
        cleanup_(buf_free) struct buf removal = BUF_INIT, changes = BUF_INIT;
        int r = 0;

        w->removed = w->changed = 0;
        for (size_t i = 0; r >= 0 && i < w->want_count; i++)
                r = walk_one(w, walk, i, &removal, &changes, err);
        digest_sha256(removal.data, removal.len, w->removal);
        digest_sha256(changes.data, changes.len, w->change);
        return r;
}

struct saving {
        struct tx *tx;
        struct application_work *work;
        struct q_resource_row *row; /* that was read last, or NULL */
        struct q_model_row *model;  /* NULL: there is none */
        int64_t since;              /* changes from then on count with this one */
        size_t counted;             /* of what this plan changes, changed since then already */
        size_t passing;             /* of what it takes away, under no limit */
        size_t more;
};

/* Of one that changes both functions of the walk ask. */
static int read_resource(struct saving *s, int64_t id, struct err *err) {
        size_t n;
        int r;

        if (s->row && s->row->id == id)
                return 0;
        r = q_resource_by_id(s->tx, &(struct q_resource_by_id_in){ .id = id }, &s->row, &n, err);
        if (r < 0 || n == 0)
                s->row = NULL;
        return r;
}

/* A label that stands for something else now takes the thing before away. */
static int is_replaced(void *arg, const struct prepared *d, const struct world_want *want,
                       bool *ret, struct err *err) {
        struct saving *s = arg;
        int r = read_resource(s, want->resource, err);

        *ret = s->row &&
               (!str_eq(s->row->type, d->identity.type) || !str_eq(s->row->path, d->identity.path));
        return r;
}

/* For people who decide on it. */
static int tell(void *arg, const struct world_want *want, bool gone, struct err *err) {
        struct saving *s = arg;
        int r = read_resource(s, want->resource, err);
        const struct q_resource_row *row = s->row;

        if (!row)
                return r;
        s->passing += gone && limit_is_passing(row->type);
        s->counted += !gone && !row->changed_at_null && row->changed_at >= s->since;
        if (json_array_size(s->work->taken) == LISTED_MAX) {
                s->more++;
                return r;
        }
        json_array_append_new(s->work->taken,
                              json_sprintf(!gone            ? "change %s %s"
                                           : data_held(row) ? "keep %s %s as detached storage"
                                                            : "delete %s %s",
                                           row->type, row->path));
        return r;
}

/* ---- how much that is */

static int count_objects(struct tx *tx, const struct application_work *w, const struct saving *s,
                         struct limit_count *c, struct err *err) {
        struct q_resource_changed_count_row *changed;
        struct q_want_count_model_row *wants;
        size_t n;
        int r = q_resource_changed_count(
                tx,
                &(struct q_resource_changed_count_in){ .model_id = w->model, .since = s->since },
                &changed, &n, err);

        if (r < 0)
                return r;
        c->changed_all = w->changed + (n ? (size_t)changed->total : 0) - s->counted;
        if (c->changed_all <= (size_t)w->limits.change_free)
                return 0;
        r = q_want_count_model(tx, &(struct q_want_count_model_in){ .model_id = w->model }, &wants,
                               &n, err);
        c->objects = r >= 0 && n ? (size_t)wants->total : 0;
        return r;
}

static int count(struct tx *tx, struct application_work *w, struct saving *s, struct limit_count *c,
                 struct err *err) {
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = w->model }, &s->model, &n, err);

        if (r < 0 || n == 0)
                s->model = NULL;
        *c = (struct limit_count){ .removed = w->removed - s->passing,
                                   .changed = w->was_active && !w->renewal ? w->changed : 0,
                                   .wants = w->want_count,
                                   .empty = w->doc_count == 0,
                                   .removed_all = w->removed - s->passing };
        if (s->model && s->model->deleted_at >= s->since)
                c->removed_all += (size_t)s->model->deleted;
        return r < 0 || !c->changed ? r : count_objects(tx, w, s, c, err);
}

static bool is_released(const struct application_work *w, unsigned over) {
        if (over & LIMIT_DELETE &&
            !(w->release_valid && memcmp(w->release_digest, w->removal, DIGEST_SIZE) == 0))
                return false;
        return !(over & LIMIT_CHANGE) || (w->release_changes_valid &&
                                          memcmp(w->release_changes, w->change, DIGEST_SIZE) == 0);
}

static void hold(struct application_work *w, const struct limit_count *c) {
        static const uint8_t none[DIGEST_SIZE];
        cleanup_(freep) char *text = limit_text(&w->limits, c, w->over);
        char content[LIMIT_CONTENT_SIZE], name[LIMIT_NAME_SIZE];

        limit_content(w->over & LIMIT_DELETE ? w->removal : none,
                      w->over & LIMIT_CHANGE ? w->change : none, content);
        limit_name(w->id, content, name);
        w->held_now = str_format("%s; mooringctl apply %s lets it go", text, name);
}

static int count_deleted(struct tx *tx, struct application_work *w, const struct saving *s,
                         struct err *err) {
        const struct q_model_row *m = s->model;
        bool goes_on = m && m->deleted_at >= s->since;

        if (!m)
                return 0;
        return w_model_count_deleted(tx,
                                     &(struct w_model_count_deleted_in){
                                             .id = w->model,
                                             .deleted_at = goes_on ? m->deleted_at : tx_now(tx),
                                             .deleted = (int64_t)(w->removed - s->passing) +
                                                        (goes_on ? m->deleted : 0) },
                                     err);
}

int application_limits(struct tx *tx, struct application_work *w, struct err *err) {
        struct saving s = { .tx = tx, .work = w, .since = tx_now(tx) - w->limits.window_ms };
        struct limit_walk walk = { is_replaced, tell, &s };
        struct limit_count c;
        int r;

        free(take_ptr(w->held_now));
        json_decref(w->taken);
        w->taken = json_array();
        r = application_limit_digests(w, &walk, err);
        if (r >= 0)
                r = count(tx, w, &s, &c, err);
        if (r < 0)
                return r;
        if (s.more)
                json_array_append_new(w->taken, json_sprintf("and %zu more", s.more));
        w->over = limit_over(&w->limits, &c);
        if (w->over && !is_released(w, w->over))
                hold(w, &c);
        else if (c.removed && !w->over)
                r = count_deleted(tx, w, &s, err);
        return r < 0 ? r : 0;
}

void application_limits_view(const struct application_work *w, bool held,
                             uint8_t ret[DIGEST_SIZE]) {
        const struct limits *l = &w->limits;
        const int64_t all[] = { l->change_free,  l->change_share, l->delete_free,
                                l->delete_share, l->delete_most,  l->window_ms };
        cleanup_(buf_free) struct buf b = BUF_INIT;

        memcpy(ret, w->digest, DIGEST_SIZE);
        if (!held)
                return;
        buf_add(&b, w->digest, DIGEST_SIZE);
        buf_add(&b, all, sizeof(all));
        digest_sha256(b.data, b.len, ret);
}

/* ---- the freeze */

static int tell_audit(struct tx *tx, const struct application_work *w, const char *what,
                      const char *text, struct err *err) {
        struct audit_entry e = { .kind = "loop",
                                 .what = what,
                                 .model = w->model_name,
                                 .application = w->name,
                                 .subject = "",
                                 .why = "limits of changes",
                                 .outcome = "done",
                                 .message = text };

        return w->rec->options.audit ? audit_append(tx, w->rec->options.audit, &e, err) : 0;
}

/* Whoever froze the model before has stopped it already. */
static int freeze(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_freeze_row *rows;
        const char *why = tx_format(tx, "the plan of %s %s", w->name, w->held_now);
        size_t n;
        int r = q_freeze_list(tx, &(struct q_freeze_list_in){ .model_id = w->model }, &rows, &n,
                              err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!rows[i].application[0] && !rows[i].type[0])
                        return 0;
        if (r >= 0)
                r = w_freeze_insert(tx,
                                    &(struct w_freeze_insert_in){ .id = tx_id(tx, "freeze"),
                                                                  .model_id = w->model,
                                                                  .application = "",
                                                                  .type = "",
                                                                  .path = "",
                                                                  .owner = LIMIT_OWNER,
                                                                  .why = why,
                                                                  .at = tx_now(tx),
                                                                  .until_null = true },
                                    err);
        tx_mark(tx, MARK_MODEL, w->model);
        w->froze = true;
        return r < 0 ? r : tell_audit(tx, w, "freeze", why, err);
}

/* Nothing is held any more. */
static int unfreeze(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_application_held_count_row *held;
        struct q_freeze_row *rows;
        size_t n;
        int r = q_application_held_count(
                tx, &(struct q_application_held_count_in){ .model_id = w->model, .id = w->id },
                &held, &n, err);

        if (r < 0 || (n && held->total))
                return r;
        r = q_freeze_list(tx, &(struct q_freeze_list_in){ .model_id = w->model }, &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (!str_eq(rows[i].owner, LIMIT_OWNER))
                        continue;
                r = w_freeze_delete(tx, &(struct w_freeze_delete_in){ .id = rows[i].id }, err);
                tx_mark(tx, MARK_MODEL, w->model);
                if (r >= 0)
                        r = tell_audit(tx, w, "unfreeze", "no plan is held any more", err);
        }
        return r;
}

static bool same(const uint8_t *a, size_t len, const uint8_t *b) {
        return b ? len == DIGEST_SIZE && memcmp(a, b, DIGEST_SIZE) == 0 : len == 0;
}

int application_limits_save(struct tx *tx, struct application_work *w, struct err *err) {
        cleanup_(freep) char *list = w->held_now ? json_text(w->taken) : str_dup("[]");
        const uint8_t *removal = w->held_now && w->over & LIMIT_DELETE ? w->removal : NULL;
        const uint8_t *changes = w->held_now && w->over & LIMIT_CHANGE ? w->change : NULL;
        struct q_application_row *a;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = w->id }, &a, &n,
                                    err);

        w->froze = false;
        if (r < 0 || n == 0)
                return r;
        r = w_application_set_held(tx,
                                   &(struct w_application_set_held_in){
                                           .id = w->id,
                                           .held = w->held_now,
                                           .held_list = list,
                                           .held_digest = removal,
                                           .held_digest_len = removal ? DIGEST_SIZE : 0,
                                           .held_changes = changes,
                                           .held_changes_len = changes ? DIGEST_SIZE : 0 },
                                   err);
        if (r >= 0 && (w->release_valid || w->release_changes_valid))
                r = w_application_set_release(/* used now, or meant for another plan */
                                              tx,
                                              &(struct w_application_set_release_in){ .id = w->id },
                                              err);
        if (r >= 0 && w->held_now &&
            !(a->held && same(a->held_digest, a->held_digest_len, removal) &&
              same(a->held_changes, a->held_changes_len, changes)))
                r = freeze(tx, w, err);
        else if (r >= 0 && !w->held_now && a->held)
                r = unfreeze(tx, w, err);
        return r;
}
