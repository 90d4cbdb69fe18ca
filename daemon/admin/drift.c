/* SPDX-License-Identifier: Apache-2.0 */
/* drift.c - what was found and done: the drift ledger, status history, leftovers of removals */
#include "admin-internal.h"
#include "routes.h"

#include "clock.h"
#include "lookup.h"

#include <errno.h>
#include <stdlib.h>

static void set_time(json_t *j, const char *name, int64_t wall) {
        char stamp[CLOCK_TEXT_MAX];

        json_object_set_new(j, name, json_string(clock_iso(wall, true, stamp)));
}

static json_t *drift_json(const struct q_drift_row *d) {
        json_t *j = json_object();
        json_t *fields = NULL;
        char stamp[CLOCK_TEXT_MAX];

        json_object_set_new(j, "id", json_integer(d->id));
        json_object_set_new(j, "application", json_string(d->application));
        json_object_set_new(j, "type", json_string(d->type));
        json_object_set_new(j, "path", json_string(d->path));
        if (json_parse(d->fields, strlen(d->fields), &fields, NULL) < 0)
                fields = json_array();
        json_object_set_new(j, "fields", fields);
        json_object_set_new(j, "who", json_string(d->who));
        if (d->user[0])
                json_object_set_new(j, "user", json_string(d->user));
        set_time(j, "seen-at", d->seen_at);
        if (!d->changed_at_null)
                json_object_set_new(j, "changed-at", /* the writer's: whole seconds */
                                    json_string(clock_iso(d->changed_at, false, stamp)));
        if (!d->detected_ms_null)
                json_object_set_new(j, "detected-ms", json_integer(d->detected_ms));
        if (!d->repaired_at_null) {
                set_time(j, "repaired-at", d->repaired_at);
                json_object_set_new(j, "took-ms",
                                    json_integer(MAX_OF(d->repaired_at - d->seen_at, 0)));
        }
        json_object_set_new(j, "action", json_string(d->action));
        json_object_set_new(j, "outcome", json_string(d->outcome));
        json_object_set_new(j, "before", json_integer(d->before));
        return j;
}

/* The model's newest line before the cursor; 0: there is none. */
static int find_newest(struct tx *tx, const struct request *q, int64_t model, int64_t *ret,
                       struct err *err) {
        struct q_drift_newest_before_in in = { .model_id = model,
                                               .before_id =
                                                       request_query_int(q, "before", INT64_MAX) };
        struct q_drift_newest_before_row *row;
        size_t n;
        int r = q_drift_newest_before(tx, &in, &row, &n, err);

        if (r >= 0)
                *ret = n ? row->id : 0;
        return r;
}

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const struct q_model_row *model;
        struct q_drift_list_in in = { .application = request_query(q, "application"),
                                      .type = request_query(q, "type"),
                                      .who = request_query(q, "who"),
                                      .max = request_query_lines(q) };
        struct q_drift_row *rows;
        json_t *list;
        size_t n;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r >= 0)
                r = request_query_since(q, tx_now(tx), &in.since, err);
        if (r >= 0)
                r = find_newest(tx, q, in.model_id = model->id, &in.newest, err);
        in.oldest = in.newest - REQUEST_WINDOW + 1;
        if (r >= 0)
                r = q_drift_list(tx, &in, &rows, &n, err);
        if (r < 0)
                return r;
        *ret = json_object();
        list = json_array();
        json_object_set_new(*ret, "drift", list);
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, drift_json(&rows[i]));
        request_next(*ret, n, in.max, n ? rows[n - 1].id : 0, in.oldest);
        return 0;
}

void drift_list(struct request *q) {
        request_read(q, read_list, NULL);
}

static int read_one(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const struct q_model_row *model;
        struct q_drift_row *row;
        int64_t id;
        size_t n;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r < 0)
                return r;
        if (!str_to_int(request_param(q, 1), &id))
                return err_set(err, -EINVAL, "drift lines have numbers, not \"%s\"",
                               request_param(q, 1));
        r = q_drift_by_id(tx, &(struct q_drift_by_id_in){ .id = id }, &row, &n, err);
        if (r < 0)
                return r;
        if (n == 0 || row->model_id != model->id)
                return err_set(err, -ENOENT,
                               "model %s has no drift line %lld: it never had, or it is too old",
                               model->name, (long long)id);
        *ret = drift_json(row);
        return 0;
}

void drift_show(struct request *q) {
        request_read(q, read_one, NULL);
}

/* ---- stats */

static json_t *stats_json(const struct q_drift_stats_row *s) {
        json_t *j = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "application", s->application,
                              "type", s->type, "who", s->who, "total", (json_int_t)s->total, "open",
                              (json_int_t)s->open, "repaired", (json_int_t)s->repaired);

        if (!s->detected_ms_null)
                json_object_set_new(j, "detected-ms", json_integer(s->detected_ms));
        if (!s->repaired_ms_null)
                json_object_set_new(j, "took-ms", json_integer(s->repaired_ms));
        if (!s->slowest_ms_null)
                json_object_set_new(j, "slowest-ms", json_integer(s->slowest_ms));
        return j;
}

static int read_stats(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        struct q_drift_stats_in in = { .application = request_query(q, "application") };
        const struct q_model_row *model;
        struct q_drift_stats_row *rows;
        json_t *list;
        size_t n;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r >= 0)
                r = request_query_since(q, tx_now(tx), &in.since, err);
        if (r >= 0) {
                in.model_id = model->id;
                r = q_drift_stats(tx, &in, &rows, &n, err);
        }
        if (r < 0)
                return r;
        list = json_array();
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, stats_json(&rows[i]));
        *ret = json_object();
        json_object_set_new(*ret, "stats", list);
        return 0;
}

void drift_stats(struct request *q) {
        request_read(q, read_stats, NULL);
}

/* ---- status history */

static json_t *history_json(const struct q_status_history_row *h) {
        json_t *j = json_object();

        set_time(j, "at", h->at);
        json_object_set_new(j, "status", json_string(h->status));
        json_object_set_new(j, "message", json_string(h->message));
        json_object_set_new(j, "cause", json_string(h->cause));
        return j;
}

static int read_history(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const char *entity = request_query(q, "entity");
        struct q_status_history_list_in in = { .before_id =
                                                       request_query_int(q, "before", INT64_MAX),
                                               .max = request_query_lines(q) };
        const struct q_model_row *model;
        struct q_status_history_row *rows;
        json_t *list;
        size_t n;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r < 0)
                return r;
        if (!entity)
                return err_set(err, -EINVAL, "whose history: entity is an application or a unit");
        in.model_id = model->id;
        in.entity = tx_format(tx, "%s %s", strchr(entity, '/') ? "unit" : "application", entity);
        r = q_status_history_list(tx, &in, &rows, &n, err);
        if (r < 0)
                return r;
        *ret = json_object();
        list = json_array();
        json_object_set_new(*ret, "history", list);
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, history_json(&rows[i]));
        if ((int64_t)n == in.max)
                json_object_set_new(*ret, "next", json_integer(rows[n - 1].id));
        return 0;
}

void drift_history(struct request *q) {
        request_read(q, read_history, NULL);
}

/* ---- leftovers */

static json_t *leftover_json(const struct q_leftover_row *l) {
        json_t *j = json_object();

        json_object_set_new(j, "id", json_integer(l->id));
        json_object_set_new(j, "model", json_string(l->model));
        json_object_set_new(j, "application", json_string(l->application));
        json_object_set_new(j, "type", json_string(l->type));
        json_object_set_new(j, "path", json_string(l->path));
        json_object_set_new(j, "why", json_string(l->why));
        set_time(j, "at", l->at);
        return j;
}

static int read_leftovers(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        const char *model = request_query(q, "model");
        int64_t after = request_query_int(q, "after", 0);
        int64_t max = request_query_lines(q);
        struct q_leftover_row *rows;
        json_t *list;
        size_t n;
        int r;

        if (model)
                r = q_leftover_by_model(tx,
                                        &(struct q_leftover_by_model_in){
                                                .model = model, .after = after, .max = max },
                                        &rows, &n, err);
        else
                r = q_leftover_list(tx, &(struct q_leftover_list_in){ .after = after, .max = max },
                                    &rows, &n, err);
        if (r < 0)
                return r;
        *ret = json_object();
        list = json_array();
        json_object_set_new(*ret, "leftovers", list);
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, leftover_json(&rows[i]));
        if ((int64_t)n == max)
                json_object_set_new(*ret, "next", json_integer(rows[n - 1].id));
        return 0;
}

void drift_leftovers(struct request *q) {
        request_read(q, read_leftovers, NULL);
}
