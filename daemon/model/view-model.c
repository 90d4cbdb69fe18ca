/* SPDX-License-Identifier: Apache-2.0 */
/* view-model.c - lists of models and clusters, model-config, and what all views are made of; see
 * view-model.h */
#include "view-internal.h"

#include "certificate.h"
#include "clock.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 500      /* models, clusters, applications, relations of one read */
#define KEPT_MAX 1000 /* storage of a removed model that is looked through for its line */

void view_put(json_t *j, const char *member, const char *text) {
        if (text)
                json_object_set_new(j, member, json_string(text));
}

void view_put_int(json_t *j, const char *member, int64_t n) {
        json_object_set_new(j, member, json_integer(n));
}

void view_put_time(json_t *j, const char *member, int64_t wall_ms) {
        char text[CLOCK_TEXT_MAX];

        json_object_set_new(j, member, json_string(clock_iso(wall_ms, false, text)));
}

void view_put_pause(json_t *j, const char *by, const char *why, int64_t until) {
        json_t *pause;

        if (!by)
                return;
        pause = json_pack("{s:s, s:s?}", "by", by, "why", why);
        if (until)
                view_put_time(pause, "until", until);
        json_object_set_new(j, "paused", pause);
}

json_t *view_state(const char *current, const char *message, int64_t since) {
        json_t *j = json_object();

        view_put(j, "current", current);
        if (message && *message)
                view_put(j, "message", message);
        view_put_time(j, "since", since);
        return j;
}

json_t *view_parse(const char *text) {
        json_t *j = NULL;

        return json_parse(text, strlen(text), &j, NULL) == 0 ? j : json_null();
}

bool view_is_token(const json_t *value) {
        return json_is_string(value) && secret_token_in(json_string_value(value));
}

int view_each_relation(struct tx *tx, int64_t model, view_relation_fn fn, void *arg,
                       struct err *err) {
        struct q_relation_list_in in = { .model_id = model, .max = PAGE };
        struct q_relation_side_list_row *sides;
        struct q_relation_row *rows;
        size_t n, count;
        int r;

        do {
                r = q_relation_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after = rows[i].id;
                        r = q_relation_side_list(
                                tx, &(struct q_relation_side_list_in){ .relation_id = in.after },
                                &sides, &count, err);
                        if (r >= 0 && count > 0)
                                r = fn(tx, &rows[i], sides, count, arg, err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

/* ---- models */

/* ", 2 of it lost"; "" when none is. */
static const char *lost_text(struct tx *tx, const struct q_detached_row *kept, size_t n) {
        size_t lost = 0;

        for (size_t i = 0; i < n; i++)
                lost += str_eq(kept[i].trouble, "lost");
        return lost ? tx_format(tx, ", %zu of it lost", lost) : "";
}

int view_model_state(struct tx *tx, const struct q_model_row *m, json_t **ret, struct err *err) {
        struct q_application_count_row *count;
        struct q_detached_row *kept;
        const char *word = "available", *message = "";
        size_t n, k;
        int r = q_application_count(tx, &(struct q_application_count_in){ .model_id = m->id },
                                    &count, &n, err);

        if (r >= 0)
                r = q_detached_list(
                        tx, &(struct q_detached_list_in){ .model_id = m->id, .max = KEPT_MAX },
                        &kept, &k, err);
        if (r < 0)
                return r;
        if (!str_eq(m->life, "alive"))
                word = "destroying";
        if (!str_eq(m->life, "alive") && n && count->total == 0 && k && !m->destroy_storage) {
                word = "removed";
                message = tx_format(tx,
                                    "its storage is kept%s (mooringctl storage --model %s): "
                                    "remove-model %s --destroy-storage, or add-model %s to go on "
                                    "with it",
                                    lost_text(tx, kept, k), m->name, m->name, m->name);
        }
        *ret = view_state(word, message, m->created_at);
        return 0;
}

static int model_json(struct tx *tx, const struct q_model_row *m, json_t **ret, struct err *err) {
        struct q_application_count_row *count;
        struct q_target_row *cluster;
        json_t *j, *state;
        size_t n, clusters;
        int r = q_application_count(tx, &(struct q_application_count_in){ .model_id = m->id },
                                    &count, &n, err);

        if (r >= 0)
                r = q_target_by_id(tx, &(struct q_target_by_id_in){ .id = m->target_id }, &cluster,
                                   &clusters, err);
        if (r >= 0)
                r = view_model_state(tx, m, &state, err);
        if (r < 0)
                return r;
        j = json_object();
        json_object_set_new(j, "model-status", state);
        view_put(j, "name", m->name);
        view_put(j, "model-uuid", m->uuid);
        view_put(j, "type", "caas");
        view_put(j, "cluster", clusters ? cluster->name : NULL);
        view_put(j, "life", m->life);
        view_put_int(j, "applications", n ? count->total : 0);
        view_put_pause(j, m->paused_by, m->paused_why, m->paused_until);
        view_put_time(j, "created", m->created_at);
        *ret = j;
        return 0;
}

int view_model_list(struct tx *tx, int64_t after, json_t **ret, struct err *err) {
        struct q_model_row *rows;
        json_t *list, *j;
        size_t n;
        int r = q_model_list(tx, &(struct q_model_list_in){ .after = after, .max = PAGE }, &rows,
                             &n, err);

        if (r < 0)
                return r;
        *ret = json_pack("{s:[]}", "models");
        list = json_get(*ret, "models");
        for (size_t i = 0; i < n; i++) {
                r = model_json(tx, &rows[i], &j, err);
                if (r < 0) {
                        json_decref(take_ptr(*ret));
                        return r;
                }
                json_array_append_new(list, j);
        }
        if (n == PAGE)
                view_put_int(*ret, "next", rows[n - 1].id);
        return 0;
}

static json_t *default_of(const struct limits *limits, const char *name) {
        json_t *limit = limit_value(limits, name);

        return limit ? limit : certificate_option_default(name);
}

int view_model_config(struct tx *tx, const char *model, const struct limits *defaults, json_t **ret,
                      struct err *err) {
        static const char *const names[] = { "image-registry",    "image-pull-secret",
                                             "tolerations",       "node-selector",
                                             "limit-change-free", "limit-change-share",
                                             "limit-delete-free", "limit-delete-share",
                                             "limit-delete-most", "certificate-lifetime",
                                             "ca-lifetime",       "ca-overlap",
                                             "ca-subject" };
        struct q_model_option_list_row *rows;
        const struct q_model_row *m;
        json_t *j;
        size_t n;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0)
                r = q_model_option_list(tx, &(struct q_model_option_list_in){ .model_id = m->id },
                                        &rows, &n, err);
        if (r < 0)
                return r;
        j = json_object();
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                json_object_set_new(j, names[i],
                                    json_pack("{s:o?, s:s}", "value",
                                              default_of(defaults, names[i]), "source", "default"));
        for (size_t i = 0; i < n; i++)
                json_object_set_new(j, rows[i].name,
                                    json_pack("{s:o, s:s}", "value", view_parse(rows[i].value),
                                              "source", "model"));
        *ret = j;
        return 0;
}

/* ---- clusters */

static int cluster_json(struct tx *tx, const struct q_target_row *t, json_t **ret,
                        struct err *err) {
        struct q_model_row *models;
        json_t *j, *names;
        size_t n;
        int r = q_model_by_target(tx,
                                  &(struct q_model_by_target_in){ .target_id = t->id, .max = PAGE },
                                  &models, &n, err);

        if (r < 0)
                return r;
        j = json_object();
        names = json_array();
        view_put_int(j, "id", t->id);
        view_put(j, "name", t->name);
        view_put(j, "provider", t->provider);
        json_object_set_new(j, "config", view_parse(t->config));
        view_put(j, "bound-to", t->bound_uid);
        json_object_set_new(j, "models", names);
        for (size_t i = 0; i < n; i++)
                json_array_append_new(names, json_string(models[i].name));
        view_put_time(j, "created", t->created_at);
        *ret = j;
        return 0;
}

int view_model_clusters(struct tx *tx, int64_t after, json_t **ret, struct err *err) {
        struct q_target_row *rows;
        json_t *list, *j;
        size_t n;
        int r = q_target_list(tx, &(struct q_target_list_in){ .after = after, .max = PAGE }, &rows,
                              &n, err);

        if (r < 0)
                return r;
        *ret = json_pack("{s:[]}", "clusters");
        list = json_get(*ret, "clusters");
        for (size_t i = 0; i < n; i++) {
                if (!rows[i].application_id_null)
                        continue; /* a plan made it: it is part of its application */
                r = cluster_json(tx, &rows[i], &j, err);
                if (r < 0) {
                        json_decref(take_ptr(*ret));
                        return r;
                }
                json_array_append_new(list, j);
        }
        if (n == PAGE)
                view_put_int(*ret, "next", rows[n - 1].id);
        return 0;
}
