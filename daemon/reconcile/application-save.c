/* SPDX-License-Identifier: Apache-2.0 */
/* application-save.c - a prepared plan becomes rows, in one transaction
 *
 * Order: secrets asked for (then nothing else: the next plan has their tokens), what went away
 * (held when that or what is changed is too much, application-limits.c), targets, what is told,
 * wants and resources, edges, the application's row. Runs on the store thread and may run again:
 * it reads its work and writes only what it resets at its start. */
#include "application.h"

#include "command.h"
#include "queries.gen.h"
#include "rotation.h"

#include <errno.h>
#include <stdlib.h>

static int store_secrets(struct tx *tx, struct application_work *w, struct err *err) {
        for (size_t i = 0; i < w->secret_count; i++) {
                struct new_secret *s = &w->secrets[i];
                struct q_secret_row *row;
                size_t n;
                int64_t id;
                int r = q_secret_by_label(tx,
                                          &(struct q_secret_by_label_in){ .application_id = w->id,
                                                                          .label = s->label,
                                                                          .field = s->field },
                                          &row, &n, err);

                if (r < 0)
                        return r;
                if (n)
                        continue;
                id = tx_id(tx, "secret");
                r = w_secret_insert(tx,
                                    &(struct w_secret_insert_in){ .id = id,
                                                                  .uri = s->uri,
                                                                  .model_id = w->model,
                                                                  .application_id = w->id,
                                                                  .label = s->label,
                                                                  .field = s->field,
                                                                  .purpose = "generated",
                                                                  .policy = s->policy,
                                                                  .revision = 1,
                                                                  .created_at = tx_now(tx) },
                                    err);
                if (r >= 0)
                        r = w_secret_revision_insert(
                                tx,
                                &(struct w_secret_revision_insert_in){
                                        .secret_id = id,
                                        .revision = 1,
                                        .sealed = (const uint8_t *)s->sealed.data,
                                        .sealed_len = s->sealed.len,
                                        .created_at = tx_now(tx) },
                                err);
                if (r < 0)
                        return r;
        }
        w->again = w->secret_count > 0;
        return 0;
}

/* ---- secrets */

/* "URI:REVISION" of a map of them. */
static const char *uri_of(struct tx *tx, const char *key, int64_t *ret_revision) {
        const char *colon = strchr(key, ':');

        str_to_int(colon + 1, ret_revision);
        return tx_format(tx, "%.*s", (int)(colon - key), key);
}

/* LABEL's document or target holds the secrets of URIS. */
static int check_secrets(struct tx *tx, const struct application_work *w, const struct map *uris,
                         const char *label, struct err *err) {
        struct map_entry *e;

        for (size_t i = 0; (e = map_next(uris, &i));) {
                struct q_secret_opens_in in = { .application_id = w->id };
                struct q_secret_opens_row *row;
                int64_t revision;
                size_t n;
                int r;

                in.uri = uri_of(tx, e->key, &revision);
                r = q_secret_opens(tx, &in, &row, &n, err);

                if (r < 0)
                        return r;
                if (n == 0)
                        return err_set(
                                err, -EPERM,
                                "%s: holds a secret that is neither its own nor granted to it",
                                label);
        }
        return 0;
}

/* ---- targets that the plan declares */

static char *target_name(struct tx *tx, const struct application_work *w, const char *label) {
        return tx_format(tx, "%s/%s/%s", w->model_name, w->name, label);
}

static int save_target(struct tx *tx, struct application_work *w, const char *label,
                       const json_t *target, struct err *err) {
        cleanup_(freep) char *config = json_text(json_get(target, "config"));
        char *name = target_name(tx, w, label);
        struct q_target_row *row;
        int64_t id;
        size_t n;
        int r = q_target_by_name(tx, &(struct q_target_by_name_in){ .name = name }, &row, &n, err);

        if (r < 0 || (n && str_eq(row->config, config)))
                return r;
        id = n ? row->id : tx_id(tx, "target");
        if (n)
                r = w_target_set_config(
                        tx, &(struct w_target_set_config_in){ .id = id, .config = config }, err);
        else
                r = w_target_insert(tx,
                                    &(struct w_target_insert_in){
                                            .id = id,
                                            .name = name,
                                            .provider = json_get_str(target, "provider", ""),
                                            .config = config,
                                            .application_id = w->id,
                                            .label = label,
                                            .created_at = tx_now(tx) },
                                    err);
        tx_mark(tx, MARK_TARGET, id);
        return r;
}

static int save_targets(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_target_row *rows;
        const char *label;
        json_t *target;
        size_t n;
        int r = 0;

        r = check_secrets(tx, w, &w->target_uris, "a target", err);
        if (r < 0)
                return r;
        json_object_foreach(w->plan->targets, label, target) {
                r = save_target(tx, w, label, target, err);
                if (r < 0)
                        return r;
        }
        r = q_target_by_application(tx,
                                    &(struct q_target_by_application_in){ .application_id = w->id },
                                    &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct q_target_used_row *used;
                size_t k;

                if (json_get(w->plan->targets, rows[i].label))
                        continue;
                r = q_target_used(tx, &(struct q_target_used_in){ .id = rows[i].id }, &used, &k,
                                  err);
                if (r < 0 || used->models || used->resources || used->stores)
                        continue;
                r = w_target_delete(tx, &(struct w_target_delete_in){ .id = rows[i].id }, err);
                tx_mark(tx, MARK_TARGET, rows[i].id);
        }
        return r;
}

/* ---- wants */

static int target_of(struct tx *tx, const struct application_work *w, const struct prepared *d,
                     int64_t *ret, struct err *err) {
        struct q_target_row *row;
        size_t n;
        int r;

        *ret = w->target;
        if (!d->target)
                return 0;
        r = q_target_by_name(tx,
                             &(struct q_target_by_name_in){ .name = target_name(tx, w, d->target) },
                             &row, &n, err);
        if (r < 0 || n == 0)
                return r < 0 ? r : err_set(err, -ENOENT, "%s: no target %s", d->label, d->target);
        *ret = row->id;
        return 0;
}

/* A model that lives in it. */
static int scope_wanter(struct tx *tx, const struct q_resource_row *row, const char **ret,
                        struct err *err) {
        struct q_model_row *m;
        size_t n;
        int r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = row->model_id }, &m, &n, err);

        if (r >= 0 && n && !m->scope_null && m->scope == row->id)
                *ret = tx_format(tx, "model %s, which lives in it", m->name);
        return r;
}

/* Who else wants this row: its name, or NULL. */
static int other_wanter(struct tx *tx, const struct application_work *w,
                        const struct q_resource_row *row, const char **ret, struct err *err) {
        struct q_want_row *wants;
        struct q_application_row *a;
        size_t n, k;
        int r = q_want_by_resource(tx, &(struct q_want_by_resource_in){ .resource_id = row->id },
                                   &wants, &n, err);

        *ret = NULL;
        if (r >= 0 && !row->model_id_null)
                r = scope_wanter(tx, row, ret, err);
        for (size_t i = 0; r >= 0 && i < n && !*ret; i++) {
                if (wants[i].application_id == w->id)
                        continue;
                r = q_application_by_id(
                        tx, &(struct q_application_by_id_in){ .id = wants[i].application_id }, &a,
                        &k, err);
                if (r >= 0 && k)
                        *ret = a->name;
        }
        return r;
}

static int insert_resource(struct tx *tx, struct application_work *w, struct prepared *d,
                           const uint8_t *digest, struct err *err) {
        int r;

        d->resource = tx_id(tx, "resource");
        r = w_resource_insert(tx,
                              &(struct w_resource_insert_in){ .id = d->resource,
                                                              .target_id = d->target_id,
                                                              .type = d->identity.type,
                                                              .path = d->identity.path,
                                                              .owner_id = w->id,
                                                              .wanted = digest,
                                                              .wanted_len = DIGEST_SIZE,
                                                              .wanted_generation = 1,
                                                              .keep = d->identity.data,
                                                              .remake = d->identity.remake,
                                                              .state = "new" },
                              err);
        d->fresh = true;
        if (r < 0)
                return r;
        return detached_take_back(tx, w->id, d->resource,
                                  &(struct q_detached_by_identity_in){ .target_id = d->target_id,
                                                                       .type = d->identity.type,
                                                                       .path = d->identity.path },
                                  err);
}

/* A person consented to the end of what another one had in it: nobody takes it over. */
static bool is_ending(const struct application_work *w, const struct q_resource_row *row) {
        bool data = row->owner_id_null || (data_held(row) && row->owner_id != w->id);

        return data && str_eq(row->life, "dying");
}

static int update_resource(struct tx *tx, struct application_work *w, struct prepared *d,
                           const struct q_resource_row *row, const uint8_t *digest,
                           struct err *err) {
        bool equal =
                row->wanted_len == DIGEST_SIZE && memcmp(row->wanted, digest, DIGEST_SIZE) == 0;
        const char *other;
        int r = other_wanter(tx, w, row, &other, err);

        d->resource = row->id;
        if (r < 0)
                return r;
        if (is_ending(w, row))
                return err_set(err, -EBUSY, "%s %s and the data in it are being destroyed",
                               row->type, row->path);
        if (other && !equal) {
                buf_printf(&w->conflicts_now, "%s%s %s is owned by %s",
                           w->conflicts_now.len ? "; " : "", row->type, row->path, other);
                d->conflict = true;
                return 0;
        }
        if (equal && str_eq(row->life, "alive"))
                return 0;
        return w_resource_want(tx,
                               &(struct w_resource_want_in){
                                       .id = row->id,
                                       .wanted = digest,
                                       .wanted_len = DIGEST_SIZE,
                                       .owner_id = other ? row->owner_id : w->id,
                                       .owner_id_null = other && row->owner_id_null,
                                       .model_id = row->model_id,
                                       .model_id_null = !other || row->model_id_null,
                                       .keep = d->identity.data,
                                       .changed_at = tx_now(tx),
                                       .changed_at_null = equal || !w->was_active || w->renewal },
                               err);
}

/* The text with the plan's labels resolved goes to cache.db. */
static int save_text(struct tx *tx, struct application_work *w, struct prepared *d, uint8_t *digest,
                     struct err *err) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        int r;

        if (!d->output_count)
                return tx_cache_put(tx, d->text, d->len, digest, err);
        r = application_outputs_text(tx, w, d, &text, err);
        return r < 0 ? r : tx_cache_put(tx, text.data, text.len, digest, err);
}

/* What it holds stays as long as it is outside. */
static int save_uses(struct tx *tx, const struct prepared *d, struct err *err) {
        struct map_entry *e;
        int r = 0;

        for (size_t i = 0; r >= 0 && (e = map_next(&d->uris, &i));) {
                struct w_secret_use_put_in in = { .resource_id = d->resource };

                in.uri = uri_of(tx, e->key, &in.revision);
                r = w_secret_use_put(tx, &in, err);
        }
        return r;
}

static int save_want(struct tx *tx, struct application_work *w, struct prepared *d,
                     struct err *err) {
        int r = save_uses(tx, d, err);

        tx_mark(tx, MARK_RESOURCE, d->resource);
        if (r < 0)
                return r;
        return w_want_put(tx,
                          &(struct w_want_put_in){ .application_id = w->id,
                                                   .label = d->label,
                                                   .resource_id = d->resource,
                                                   .document = d->mark,
                                                   .document_len = DIGEST_SIZE },
                          err);
}

static int update_identity(struct tx *tx, const struct prepared *d, struct err *err) {
        return w_resource_set_identity(
                tx,
                &(struct w_resource_set_identity_in){
                        .id = d->resource, .keep = d->identity.data, .remake = d->identity.remake },
                err);
}

static int save_doc(struct tx *tx, struct application_work *w, struct prepared *d,
                    struct err *err) {
        uint8_t digest[DIGEST_SIZE];
        struct q_resource_row *row;
        size_t n;
        int r = check_secrets(tx, w, &d->uris, d->label, err);

        if (r >= 0)
                r = target_of(tx, w, d, &d->target_id, err);
        if (r >= 0)
                r = save_text(tx, w, d, digest, err);
        if (r < 0)
                return r;
        r = q_resource_by_identity(tx,
                                   &(struct q_resource_by_identity_in){ .target_id = d->target_id,
                                                                        .type = d->identity.type,
                                                                        .path = d->identity.path },
                                   &row, &n, err);
        if (r < 0)
                return r;
        r = n ? update_resource(tx, w, d, row, digest, err)
              : insert_resource(tx, w, d, digest, err);
        d->saved = true;
        if (r >= 0 && n && !d->conflict)
                r = update_identity(tx, d, err);
        return r < 0 || d->conflict ? r : save_want(tx, w, d, err);
}

/* Data is never deleted because a charm stopped asking for it: it stays where it is, as detached
 * storage. Asked for again it is the one that it was, or lost. */
static int let_go(struct tx *tx, struct application_work *w, int64_t id, struct err *err) {
        struct q_resource_row *row;
        size_t n;
        int r = q_resource_by_id(tx, &(struct q_resource_by_id_in){ .id = id }, &row, &n, err);

        if (r < 0 || n == 0)
                return r;
        if (data_held(row))
                return application_detach(tx, w, row, err);
        return w_resource_set_life(
                tx, &(struct w_resource_set_life_in){ .id = id, .life = "dying" }, err);
}

/* One want of it less: the last one takes it along. */
static int unwant(struct tx *tx, struct application_work *w, int64_t resource, struct err *err) {
        struct q_want_row *wants;
        size_t n;
        int r = q_want_by_resource(tx, &(struct q_want_by_resource_in){ .resource_id = resource },
                                   &wants, &n, err);

        if (r < 0)
                return r;
        tx_mark(tx, MARK_RESOURCE, resource);
        if (!n)
                return let_go(tx, w, resource, err);
        return w_resource_set_owner(tx,
                                    &(struct w_resource_set_owner_in){
                                            .id = resource, .owner_id = wants[0].application_id },
                                    err);
}

static int drop_want(struct tx *tx, struct application_work *w, const struct world_want *want,
                     struct err *err) {
        int r = w_want_delete(
                tx, &(struct w_want_delete_in){ .application_id = w->id, .label = want->label },
                err);

        return r < 0 ? r : unwant(tx, w, want->resource, err);
}

/* A document comes after those that it takes values from: their rows are named in it. */
static int save_with_outputs(struct tx *tx, struct application_work *w, struct err *err) {
        bool left = true, any;
        int r = 0;

        while (left) {
                left = any = false;
                for (size_t i = 0; r >= 0 && i < w->doc_count; i++) {
                        struct prepared *d = &w->docs[i];

                        if (d->unchanged || d->saved)
                                continue;
                        if (!application_outputs_placed(w, d)) {
                                left = true;
                                continue;
                        }
                        r = save_doc(tx, w, d, err);
                        any = true;
                }
                if (r < 0)
                        return r;
                if (left && !any)
                        return application_outputs_circle(w, err);
        }
        return 0;
}

/* A label that stands for another resource now: the one before is not wanted by it any more. */
static bool is_renamed(const struct prepared *d, const struct world_want *want) {
        return d->resource && !d->conflict && d->resource != want->resource;
}

static int save_wants(struct tx *tx, struct application_work *w, struct err *err) {
        int r;

        for (size_t i = 0; i < w->doc_count; i++) {
                w->docs[i].resource = 0;
                w->docs[i].saved = w->docs[i].conflict = w->docs[i].fresh = false;
        }
        r = save_with_outputs(tx, w, err);
        if (r >= 0)
                r = application_save_edges(tx, w, err);
        for (size_t i = 0; r >= 0 && i < w->want_count; i++) {
                const struct prepared *d = application_doc(w, w->wants[i].label);

                if (!d)
                        r = drop_want(tx, w, &w->wants[i], err);
                else if (is_renamed(d, &w->wants[i]))
                        r = unwant(tx, w, w->wants[i].resource, err);
        }
        return r;
}

/* ---- the application's row */

static int save_row(struct tx *tx, struct application_work *w, struct err *err) {
        cleanup_(freep) char *see = w->plan->see ? json_text(w->plan->see) : str_dup("{}");
        const uint8_t *before = w->rest_valid ? w->rest_before : NULL;
        const uint8_t *rest = w->held_now ? before : w->certified ? w->rest : NULL;
        uint8_t digest[DIGEST_SIZE];
        int r;

        application_limits_view(w, w->held_now != NULL, digest);
        r = w_application_set_plan(tx,
                                   &(struct w_application_set_plan_in){
                                           .id = w->id,
                                           .plan_digest = digest,
                                           .plan_digest_len = DIGEST_SIZE,
                                           .plan_status = w->plan->status ? w->plan->status : "",
                                           .plan_message = w->plan->message ? w->plan->message : "",
                                           .version = w->plan->version ? w->plan->version : "" },
                                   err);

        if (r >= 0)
                r = w_application_set_see(
                        tx,
                        &(struct w_application_set_see_in){
                                .id = w->id, .see = see, .conflicts = buf_str(&w->conflicts_now) },
                        err);
        if (r >= 0)
                r = application_limits_save(tx, w, err);
        if (r >= 0)
                r = w_application_set_cause(tx,
                                            &(struct w_application_set_cause_in){
                                                    .id = w->id,
                                                    .cause_digest = w->cause,
                                                    .cause_digest_len = DIGEST_SIZE,
                                                    .rest_digest = rest,
                                                    .rest_digest_len = rest ? DIGEST_SIZE : 0 },
                                            err);
        return r;
}

/* A secret went while the plan was made that asks for it again. */
static int check_asked(struct tx *tx, const struct application_work *w, bool *ret_stale,
                       struct err *err) {
        const json_t *have = json_get(w->view, "secrets");
        const char *key;
        json_t *policy;

        json_object_foreach(w->plan->secrets, key, policy) {
                const char *slash = strrchr(key, '/');
                struct q_secret_row *row;
                size_t n;
                int r;

                if (!slash || !json_object_get(have, key))
                        continue;
                r = q_secret_by_label(
                        tx,
                        &(struct q_secret_by_label_in){
                                .application_id = w->id,
                                .label = tx_format(tx, "%.*s", (int)(slash - key), key),
                                .field = slash + 1 },
                        &row, &n, err);
                if (r < 0)
                        return r;
                *ret_stale |= n == 0;
        }
        return 0;
}

/* The row may have changed while the charm was planning: then this plan is of yesterday. */
static int check_row(struct tx *tx, struct application_work *w, bool *ret_stale, struct err *err) {
        struct q_application_row *a;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = w->id }, &a, &n,
                                    err);

        if (r >= 0)
                *ret_stale = n == 0 || !str_eq(a->life, "alive") ||
                             !str_eq(a->charm_sha256, w->charm_sha256);
        if (r >= 0 && n)
                w->moved = a->cause_digest_len != DIGEST_SIZE ||
                           memcmp(a->cause_digest, w->cause, DIGEST_SIZE) != 0;
        return r;
}

int application_save_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct application_work *w = c->arg;
        bool stale = false;
        int r = check_row(tx, w, &stale, err);

        w->again = false;
        buf_clear(&w->conflicts_now);
        if (r >= 0)
                r = check_asked(tx, w, &stale, err);
        if (r < 0)
                return r;
        if (stale) {
                tx_mark(tx, MARK_APPLICATION, w->id);
                return 0;
        }
        if (w->secret_count) {
                r = store_secrets(tx, w, err);
                tx_mark(tx, MARK_APPLICATION, w->id);
                return r;
        }
        r = application_limits(tx, w, err);
        if (r >= 0 && !w->held_now) {
                r = secret_ask(tx, w->id, w->plan->secrets, err);
                if (r >= 0)
                        r = rotation_note(tx, w->id, w->rotations, err);
                if (r >= 0)
                        r = save_targets(tx, w, err);
                if (r >= 0)
                        r = application_tell(tx, w, err);
                if (r >= 0)
                        r = save_wants(tx, w, err);
                if (r >= 0)
                        r = application_save_kept(tx, w, err);
                if (r >= 0)
                        r = inherit_take(tx, w, err);
                if (r >= 0)
                        r = application_remove_ended(tx, w, err);
                if (r >= 0)
                        r = secret_unask(tx, w->id, w->plan->secrets, err);
                if (r >= 0 && w->certified)
                        r = certificate_unsign(tx, w->id, w->plan->sign, err);
                if (r >= 0 && w->certified)
                        r = w_certificate_set_planned(
                                tx,
                                &(struct w_certificate_set_planned_in){
                                        .application_id = w->id, .bundle = w->certificates.bundle },
                                err);
        }
        if (r >= 0)
                r = save_row(tx, w, err);
        if (!str_eq(w->held_now, w->held) || !str_eq(buf_str(&w->conflicts_now), w->conflicts))
                tx_mark(tx, MARK_APPLICATION, w->id); /* perhaps nothing else of it changes */
        return r < 0 ? r : 0;
}

int application_save_error_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct application_work *w = c->arg;
        int r = w_application_set_plan(
                tx,
                &(struct w_application_set_plan_in){ .id = w->id,
                                                     .plan_error = w->err.text,
                                                     .plan_status = w->plan_status,
                                                     .plan_message = w->plan_message,
                                                     .version = "" },
                err);

        return r < 0 ? r : 0;
}
