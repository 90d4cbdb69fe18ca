/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c - which secrets there are, and the value of one for an admin who asks for it by name
 *
 * A list never holds a value. A value that is shown is logged with who asked; what carried it is
 * overwritten. */
#include "admin-internal.h"
#include "routes.h"

#include "clock.h"
#include "lookup.h"

#include <errno.h>
#include <stdlib.h>

#define SECRETS_PAGE 500 /* of one answer: Kubeflow has some sixty */

static int set_owner(struct tx *tx, const struct q_secret_row *s, json_t *j, struct err *err) {
        struct q_application_row *owner;
        size_t n = 0;
        int r = 0;

        if (!s->application_id_null)
                r = q_application_by_id(tx,
                                        &(struct q_application_by_id_in){ .id = s->application_id },
                                        &owner, &n, err);
        if (r < 0)
                return r;
        json_object_set_new(j, "owner", n ? json_string(owner->name) : json_null());
        return 0;
}

/* The sides that are not the owner's own may open it. */
static int add_grant(struct tx *tx, const struct q_secret_row *s, int64_t relation, json_t *list,
                     struct err *err) {
        struct q_relation_side_list_row *sides;
        size_t n;
        int r = q_relation_side_list(
                tx, &(struct q_relation_side_list_in){ .relation_id = relation }, &sides, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *grant;

                if (sides[i].application_id == s->application_id)
                        continue;
                grant = json_object();
                json_object_set_new(grant, "relation", json_integer(relation));
                json_object_set_new(grant, "application", json_string(sides[i].application));
                json_object_set_new(grant, "endpoint", json_string(sides[i].endpoint));
                json_array_append_new(list, grant);
        }
        return r;
}

static int set_grants(struct tx *tx, const struct q_secret_row *s, json_t *j, struct err *err) {
        struct q_secret_grant_list_row *grants;
        json_t *list = json_array();
        size_t n;
        int r = q_secret_grant_list(tx, &(struct q_secret_grant_list_in){ .secret_id = s->id },
                                    &grants, &n, err);

        json_object_set_new(j, "granted", list);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_grant(tx, s, grants[i].relation_id, list, err);
        return r;
}

static int secret_json(struct tx *tx, const struct q_secret_row *s, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = json_object();
        char stamp[CLOCK_TEXT_MAX];
        int r;

        json_object_set_new(j, "id", json_string(s->uri));
        json_object_set_new(j, "label", json_string(s->label));
        json_object_set_new(j, "field", json_string(s->field));
        json_object_set_new(j, "purpose", json_string(s->purpose));
        json_object_set_new(j, "revision", json_integer(s->revision));
        json_object_set_new(j, "created", json_string(clock_iso(s->created_at, false, stamp)));
        r = set_owner(tx, s, j, err);
        if (r >= 0)
                r = set_grants(tx, s, j, err);
        if (r < 0)
                return r;
        *ret = take_ptr(j);
        return 0;
}

static int read_list(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        struct q_secret_list_in in = { .after = request_query_int(q, "after", 0),
                                       .max = SECRETS_PAGE };
        cleanup_(json_freep) json_t *out = json_object();
        const struct q_model_row *model;
        struct q_secret_row *rows = NULL;
        json_t *list = json_array();
        size_t n = 0;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        json_object_set_new(out, "secrets", list);
        if (r < 0)
                return r;
        in.model_id = model->id;
        r = q_secret_list(tx, &in, &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *one = NULL;

                r = secret_json(tx, &rows[i], &one, err);
                if (one)
                        json_array_append_new(list, one);
        }
        if (r < 0)
                return r;
        if (n == SECRETS_PAGE)
                json_object_set_new(out, "next", json_integer(rows[n - 1].id));
        *ret = take_ptr(out);
        return 0;
}

void secrets_list(struct request *q) {
        request_read(q, read_list, NULL);
}

/* ---- one value */

static int open_value(struct tx *tx, struct request *q, const struct q_secret_row *s, json_t *j,
                      struct err *err) {
        struct seal_place at = { "secret_revision", "sealed", s->uri, s->revision };
        cleanup_(secret_text_free) struct secret_text value = { 0 };
        struct q_secret_revision_row *row;
        json_t *text;
        size_t n;
        int r = q_secret_revision_get(
                tx,
                &(struct q_secret_revision_get_in){ .secret_id = s->id, .revision = s->revision },
                &row, &n, err);

        if (r < 0)
                return r;
        if (n == 0)
                return err_set(err, -ENOENT, "secret %s has no revision %lld", s->uri,
                               (long long)s->revision);
        r = seal_open(q->admin->options.sealer, &at, row->sealed, row->sealed_len, &value, err);
        if (r < 0)
                return err_add(err, r, "secret %s", s->uri);
        text = json_stringn(value.data, value.len);
        if (!text)
                return err_set(err, -EINVAL, "secret %s is not text", s->uri);
        json_object_set_new(j, "value", text);
        return 0;
}

static int read_value(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        const struct q_model_row *model;
        struct q_secret_row *row;
        size_t n;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r >= 0)
                r = q_secret_by_uri(tx, &(struct q_secret_by_uri_in){ .uri = request_param(q, 1) },
                                    &row, &n, err);
        if (r < 0)
                return r;
        if (n == 0 || row->model_id != model->id)
                return err_set(err, -ENOENT,
                               "model %s has no secret %s; mooringctl secrets lists them",
                               model->name, request_param(q, 1));
        r = secret_json(tx, row, &j, err);
        if (r >= 0)
                r = open_value(tx, q, row, j, err);
        if (r < 0)
                return r;
        *ret = take_ptr(j);
        return 0;
}

static void finish_value(struct request *q, json_t *json) {
        log_event(LOG_NOTICE, "secret-revealed",
                  (struct log_field[]){ { "MODEL", request_param(q, 0) },
                                        { "SECRET", request_param(q, 1) },
                                        { "ACTOR", q->actor },
                                        {} },
                  "%s was shown the value of %s/%s of %s", q->actor,
                  json_get_str(json, "label", ""), json_get_str(json, "field", ""),
                  json_get_str(json, "owner", "no application"));
        q->secret = true;
        json_incref(json);
        request_reply(q, 200, json);
        json_wipe(json);
}

void secrets_reveal(struct request *q) {
        request_read(q, read_value, finish_value);
}
