/* SPDX-License-Identifier: Apache-2.0 */
/* application-view.c - what a charm is shown, read from the rows on the store's read thread
 *
 * Everything but "seen", which the loop adds from its observations. The shape is in
 * charm-host.h. */
#include "application.h"

#include "certificate.h"
#include "charm-meta.h"
#include "command.h"
#include "queries.gen.h"
#include "user-secret.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 1000

static int read_row(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_application_row *a;
        struct q_model_row *m;
        size_t n;
        int r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = w->id }, &a, &n,
                                    err);

        if (r < 0 || n == 0)
                return r;
        r = q_model_by_id(tx, &(struct q_model_by_id_in){ .id = a->model_id }, &m, &n, err);
        if (r < 0 || n == 0)
                return r;
        w->found = true;
        w->name = str_dup(a->name);
        w->model = a->model_id;
        w->model_name = str_dup(m->name);
        w->target = m->target_id;
        w->created_at = a->created_at;
        w->charm_name = str_dup(a->charm_name);
        w->charm_sha256 = str_dup(a->charm_sha256);
        w->channel = str_dup(a->channel);
        w->revision = a->revision_null ? -1 : a->revision;
        w->dying = str_eq(a->life, "dying");
        w->force = a->force;
        w->destroy_storage = a->destroy_storage;
        w->paused = rule_pause_text(a->paused_by, a->paused_why, a->paused_until);
        w->held = str_dup(a->held);
        w->plan_error = str_dup(a->plan_error);
        w->plan_status = str_dup(a->plan_status);
        w->plan_message = str_dup(a->plan_message);
        w->conflicts = str_dup(a->conflicts);
        w->plan_digest_valid = a->plan_digest_len == DIGEST_SIZE;
        if (w->plan_digest_valid)
                memcpy(w->plan_digest, a->plan_digest, DIGEST_SIZE);
        w->release_valid = a->release_digest_len == DIGEST_SIZE;
        if (w->release_valid)
                memcpy(w->release_digest, a->release_digest, DIGEST_SIZE);
        w->release_changes_valid = a->release_changes_len == DIGEST_SIZE;
        if (w->release_changes_valid)
                memcpy(w->release_changes, a->release_changes, DIGEST_SIZE);
        w->rest_valid = a->rest_digest_len == DIGEST_SIZE;
        if (w->rest_valid)
                memcpy(w->rest_before, a->rest_digest, DIGEST_SIZE);
        w->was_active = a->active_at > 0;
        w->limits = w->rec->options.limits;
        w->held_content = command_held_content(a);
        w->held_list = a->held ? str_dup(a->held_list) : NULL;
        w->view = json_object();
        json_object_set_new(w->view, "application", json_string(a->name));
        json_object_set_new(w->view, "model", json_string(m->name));
        json_object_set_new(w->view, "scale", json_integer(a->scale));
        r = json_parse(a->see, strlen(a->see), &w->see, err);
        if (r == 0) {
                json_t *constraints = NULL;

                r = json_parse(a->constraints, strlen(a->constraints), &constraints, err);
                if (r == 0)
                        json_object_set_new(w->view, "constraints", constraints);
        }
        return r;
}

/* The first that a person has to decide on is told. */
static int take_option(struct tx *tx, struct application_work *w, const char *option,
                       json_t **value, struct err *err) {
        struct user_secret_taker to = { w->id, w->name, option };
        const char *taken, *why;
        int r;

        if (!json_is_string(*value))
                return 0;
        r = user_secret_take(tx, &to, json_string_value(*value), &taken, &why, err);
        if (r < 0)
                return r;
        if (why && !w->undecided && !w->dying)
                w->undecided = str_dup(why);
        if (taken != json_string_value(*value)) {
                json_t *token = json_string(taken);

                json_decref(*value);
                *value = token;
        }
        return 0;
}

static int read_options(struct tx *tx, struct application_work *w, const struct charm_meta *meta,
                        struct err *err) {
        json_t *config = json_object();
        struct q_application_option_list_row *rows;
        size_t n;
        int r = q_application_option_list(
                tx, &(struct q_application_option_list_in){ .application_id = w->id }, &rows, &n,
                err);

        json_object_set_new(w->view, "config", config);
        for (size_t i = 0; i < meta->option_count; i++)
                json_object_set_new(config, meta->options[i].name,
                                    meta->options[i].value ? json_incref(meta->options[i].value)
                                                           : json_null());
        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *value = NULL;

                /* A row of an option that a newer charm dropped stays, and means nothing. */
                if (!charm_meta_option(meta, rows[i].name))
                        continue;
                r = json_parse(rows[i].value, strlen(rows[i].value), &value, err);
                if (r == 0)
                        r = take_option(tx, w, rows[i].name, &value, err);
                if (value)
                        json_object_set_new(config, rows[i].name, value);
        }
        return r;
}

static int read_resources(struct tx *tx, struct application_work *w, const struct charm_meta *meta,
                          struct err *err) {
        json_t *images = json_object(), *files = json_object();
        struct q_application_resource_list_row *rows;
        size_t n;
        int r = q_application_resource_list(
                tx, &(struct q_application_resource_list_in){ .application_id = w->id }, &rows, &n,
                err);

        json_object_set_new(w->view, "images", images);
        json_object_set_new(w->view, "files", files);
        for (size_t i = 0; i < meta->resource_count; i++) {
                const struct meta_resource *m = &meta->resources[i];
                const char *value = m->image ? m->source : m->sha256;

                for (size_t k = 0; r >= 0 && k < n; k++)
                        if (str_eq(rows[k].name, m->name))
                                value = rows[k].value;
                if (value)
                        json_object_set_new(m->image ? images : files, m->name, json_string(value));
        }
        return r;
}

static int read_storage(struct tx *tx, struct application_work *w, const struct charm_meta *meta,
                        struct err *err) {
        json_t *storage = json_object();
        struct q_application_storage_list_row *rows;
        size_t n;
        int r = q_application_storage_list(
                tx, &(struct q_application_storage_list_in){ .application_id = w->id }, &rows, &n,
                err);

        json_object_set_new(w->view, "storage", storage);
        for (size_t i = 0; i < meta->storage_count; i++) {
                const struct meta_storage *m = &meta->storages[i];
                const char *class = NULL;
                int64_t size = m->size;

                for (size_t k = 0; r >= 0 && k < n; k++) {
                        if (!str_eq(rows[k].name, m->name))
                                continue;
                        class = rows[k].class;
                        size = rows[k].size;
                }
                json_object_set_new(
                        storage, m->name,
                        json_pack("{s:s?, s:I}", "class", class, "size", (json_int_t)size));
        }
        return r;
}

/* An option's token is the option's value, a parameter's is the parameter's. */
static int read_secret(struct tx *tx, const struct q_secret_row *s, void *secrets,
                       struct err *err) {
        char token[SECRET_TOKEN_MAX];

        if (secret_planned(s))
                json_object_set_new(
                        secrets, tx_format(tx, "%s/%s", s->label, s->field),
                        json_string(secret_token_write(s->uri, s->revision, SECRET_PLAIN, token)));
        return 0;
}

static int read_secrets(struct tx *tx, struct application_work *w, struct err *err) {
        json_t *secrets = json_object();

        json_object_set_new(w->view, "secrets", secrets);
        return secret_each(tx, w->id, read_secret, secrets, err);
}

static int read_certificates(struct tx *tx, struct application_work *w, struct err *err) {
        int r = certificate_view_read(tx, w->model, w->id, &w->certificates, err);

        if (json_object_size(w->certificates.shown))
                json_object_set(w->view, "certificates", w->certificates.shown);
        return r;
}

static int read_told(struct tx *tx, int64_t relation, int64_t application, json_t *told,
                     struct err *err) {
        struct q_relation_data_list_row *rows;
        const char *after = "";
        size_t n;
        int r;

        do {
                r = q_relation_data_list(
                        tx,
                        &(struct q_relation_data_list_in){ .relation_id = relation,
                                                           .application_id = application,
                                                           .after = after,
                                                           .max = PAGE },
                        &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        json_t *value = NULL;

                        after = rows[i].key;
                        r = json_parse(rows[i].value, strlen(rows[i].value), &value, err);
                        if (r == 0)
                                json_object_set_new(told, rows[i].key, value);
                }
        } while (r >= 0 && n == PAGE);
        return r;
}

static int read_relations(struct tx *tx, struct application_work *w, struct err *err) {
        json_t *list = json_array();
        struct q_relation_other_sides_row *rows;
        size_t n;
        int r = q_relation_other_sides(
                tx, &(struct q_relation_other_sides_in){ .application_id = w->id }, &rows, &n, err);

        json_object_set_new(w->view, "relations", list);
        if (r < 0)
                return r;
        w->providers = mem_array(int64_t, n);
        w->peers = mem_array(int64_t, n);
        for (size_t i = 0; i < n; i++) {
                bool alive = str_eq(rows[i].life, "alive") && rows[i].endpoint[0];
                json_t *told, *item;

                if (alive && str_eq(rows[i].role, "requires"))
                        w->providers[w->provider_count++] = rows[i].other_id;
                else if (rows[i].other_id != w->id)
                        w->peers[w->peer_count++] = rows[i].other_id;
                if (!alive)
                        continue;
                told = json_object();
                item = json_pack("{s:I, s:s, s:s, s:s, s:s, s:o}", "id",
                                 (json_int_t)rows[i].relation_id, "endpoint", rows[i].endpoint,
                                 "interface", rows[i].interface, "application", rows[i].other_name,
                                 "role", rows[i].role, "told", told);
                json_array_append_new(list, item);
                r = read_told(tx, rows[i].relation_id, rows[i].other_id, told, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_wants(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_want_row *rows;
        const char *after = "";
        size_t room = 0, n;
        int r;

        do {
                r = q_want_by_application(
                        tx,
                        &(struct q_want_by_application_in){
                                .application_id = w->id, .after = after, .max = PAGE },
                        &rows, &n, err);
                if (r < 0)
                        return r;
                w->wants = mem_grow(w->wants, &room, w->want_count + n, sizeof(*w->wants));
                for (size_t i = 0; i < n; i++) {
                        struct world_want *to = &w->wants[w->want_count++];

                        after = rows[i].label;
                        to->label = str_dup(rows[i].label);
                        to->resource = rows[i].resource_id;
                        memcpy(to->document, rows[i].document,
                               MIN_OF(rows[i].document_len, (size_t)DIGEST_SIZE));
                }
        } while (n == PAGE);
        return 0;
}

static int read_model_options(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_model_option_list_row *rows;
        size_t n;
        int r = q_model_option_list(tx, &(struct q_model_option_list_in){ .model_id = w->model },
                                    &rows, &n, err);

        w->model_options = json_object();
        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *value = NULL;

                r = json_parse(rows[i].value, strlen(rows[i].value), &value, err);
                if (r < 0)
                        return r;
                if (limit_override(&w->limits, rows[i].name, value))
                        json_decref(value);
                else
                        json_object_set_new(w->model_options, rows[i].name, value);
        }
        return r;
}

static int read_charm(struct tx *tx, struct application_work *w, struct charm_meta **ret,
                      struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        struct q_charm_row *row;
        size_t n;
        int r = q_charm_by_sha256(tx, &(struct q_charm_by_sha256_in){ .sha256 = w->charm_sha256 },
                                  &row, &n, err);

        if (r < 0)
                return r;
        if (n == 0)
                return err_set(err, -ENOENT, "charm %s is not in the store", w->charm_sha256);
        r = json_parse(row->metadata, strlen(row->metadata), &j, err);
        return r < 0 ? r : charm_meta_from_json(j, ret, err);
}

/* What charm.yaml says of fields goes into documents as the model's options do. */
static void take_field_rules(struct application_work *w, const struct charm_meta *meta) {
        json_t *fields;

        if (!meta->strict && !meta->runtime_fields)
                return;
        fields = json_object();
        json_object_set(fields, "strict", meta->strict ? meta->strict : json_null());
        json_object_set(fields, "runtime-fields",
                        meta->runtime_fields ? meta->runtime_fields : json_null());
        json_object_set_new(w->model_options, "fields", fields);
}

/* What an earlier application of that name left behind: nothing is planned until it is decided
 * on. */
static int read_detached(struct tx *tx, struct application_work *w, struct err *err) {
        struct q_detached_row *rows;
        size_t n;
        int r = q_detached_earlier(
                tx, &(struct q_detached_earlier_in){ .model_id = w->model, .application = w->name },
                &rows, &n, err);

        if (r >= 0 && n && !w->dying)
                w->undecided = str_format("%s %s%s of an earlier %s is kept: `mooringctl "
                                          "attach-storage %s`, or destroy-storage %s",
                                          rows[0].type, rows[0].path, n > 1 ? " and more" : "",
                                          w->name, w->name, w->name);
        return r;
}

int application_view_run(struct tx *tx, struct store_call *c, struct err *err) {
        struct application_work *w = c->arg;
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        int r = read_row(tx, w, err);

        if (r < 0 || !w->found)
                return r;
        r = read_wants(tx, w, err);
        if (r >= 0)
                r = read_detached(tx, w, err);
        if (r >= 0)
                r = read_model_options(tx, w, err);
        if (r >= 0)
                r = read_relations(tx, w, err);
        if (r >= 0)
                r = application_stage_read(tx, w, err);
        if (r < 0 || !w->charm_sha256)
                return r;
        r = read_charm(tx, w, &meta, err);
        if (r >= 0)
                take_field_rules(w, meta);
        if (r >= 0)
                w->rotations = json_incref(meta->secrets);
        if (r >= 0)
                r = read_options(tx, w, meta, err);
        if (r >= 0)
                r = read_resources(tx, w, meta, err);
        if (r >= 0)
                r = read_storage(tx, w, meta, err);
        if (r >= 0)
                r = read_secrets(tx, w, err);
        if (r >= 0)
                r = read_certificates(tx, w, err);
        return r < 0 ? r : 0;
}
