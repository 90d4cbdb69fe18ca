/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c - which secrets there are, who has which revision, and the value of one for an admin
 * who asks for it by name
 *
 * Of charms each field of a label is one secret, of people all keys under a name. A list never
 * holds a value. A value that is shown is logged with who asked; what carried it is overwritten. */
#include "admin-internal.h"
#include "routes.h"

#include "clock.h"
#include "command.h"
#include "lookup.h"
#include "user-secret.h"

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

/* Of a secret of people's: what its keys share. */
static int set_user(struct tx *tx, const struct q_user_secret_row *u, json_t *j, struct err *err) {
        struct q_user_secret_granted_row *rows;
        json_t *list = json_array();
        size_t n;
        int r = q_user_secret_granted(
                tx, &(struct q_user_secret_granted_in){ .user_secret_id = u->id }, &rows, &n, err);

        json_object_set_new(j, "id", json_string(u->uri));
        json_object_set_new(j, "name", json_string(u->name));
        json_object_set_new(j, "owner", json_null());
        json_object_set_new(j, "purpose", json_string("user"));
        json_object_set_new(j, "revision", json_integer(u->revision));
        json_object_set_new(j, "info", json_string(u->info));
        json_object_set_new(j, "created", json_stamp(u->created_at, false));
        json_object_set_new(j, "updated", json_stamp(u->updated_at, false));
        json_object_set_new(j, "expires", json_stamp(u->expire_at, false));
        json_object_set_new(j, "granted", list);
        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(list, json_pack("{s:s}", "application", rows[i].name));
        return r < 0 ? r : 0;
}

static int set_key(struct tx *tx, const struct q_secret_row *s, json_t *j, struct err *err) {
        struct q_user_secret_row *u;
        size_t n;
        int r = q_user_secret_by_id(tx, &(struct q_user_secret_by_id_in){ .id = s->user_secret_id },
                                    &u, &n, err);

        return r < 0 || n == 0 ? r : set_user(tx, u, j, err);
}

static int secret_json(struct tx *tx, const struct q_secret_row *s, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = json_object();
        int r;

        json_object_set_new(j, "id", json_string(s->uri));
        json_object_set_new(j, "label", json_string(s->label));
        json_object_set_new(j, "field", json_string(s->field));
        json_object_set_new(j, "purpose", json_string(s->purpose));
        json_object_set_new(j, "revision", json_integer(s->revision));
        json_object_set_new(j, "created", json_stamp(s->created_at, false));
        if (!s->user_secret_id_null) {
                r = set_key(tx, s, j, err);
        } else {
                json_object_set_new(j, "rotate", json_string(s->rotate));
                json_object_set_new(j, "rotates", json_stamp(s->rotate_at, false));
                r = set_owner(tx, s, j, err);
                if (r >= 0)
                        r = set_grants(tx, s, j, err);
        }
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

/* ---- one */

struct asked { /* one of the two */
        const struct q_secret_row *secret;
        const struct q_user_secret_row *user;
};

static int find(struct tx *tx, const struct request *q, struct asked *ret, struct err *err) {
        const char *name = request_param(q, 1);
        const struct q_user_secret_row *user;
        const struct q_model_row *model;
        struct q_secret_row *row;
        size_t n;
        int r = lookup_model(tx, request_param(q, 0), &model, err);

        if (r >= 0)
                r = q_secret_by_uri(tx, &(struct q_secret_by_uri_in){ .uri = name }, &row, &n, err);
        if (r < 0)
                return r;
        if (n && row->model_id == model->id) {
                *ret = (struct asked){ .secret = row };
                return 0;
        }
        r = user_secret_find(tx, model->id, name, &user, err);
        if (r == -ENOENT)
                return err_set(err, r, "model %s has no secret %s; mooringctl secrets lists them",
                               model->name, name);
        if (r >= 0)
                *ret = (struct asked){ .user = user };
        return r;
}

static json_t *revision_json(int64_t revision, bool newest, json_t *uses) {
        return json_pack("{s:I, s:b, s:o}", "revision", (json_int_t)revision, "newest", newest,
                         "used-by", uses);
}

static int list_revisions(struct tx *tx, const struct q_secret_row *s, json_t *list,
                          struct err *err) {
        struct q_secret_revision_list_row *rows;
        size_t n;
        int r = q_secret_revision_list(
                tx, &(struct q_secret_revision_list_in){ .secret_id = s->id }, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *uses = json_array();
                json_t *j = revision_json(rows[i].revision, rows[i].revision == s->revision, uses);

                json_object_set_new(j, "created", json_stamp(rows[i].created_at, false));
                json_array_append_new(list, j);
                r = secret_uses(tx, s, rows[i].revision, uses, err);
        }
        return r < 0 ? r : 0;
}

static int list_user_revisions(struct tx *tx, const struct q_user_secret_row *u, json_t *list,
                               struct err *err) {
        cleanup_(json_freep) json_t *numbers = json_array();
        int r = user_secret_revisions(tx, u, numbers, err);
        json_t *number;
        size_t i;

        json_array_foreach(numbers, i, number) {
                int64_t revision = json_integer_value(number);
                json_t *uses = json_array();

                json_array_append_new(list, revision_json(revision, revision == u->revision, uses));
                if (r >= 0)
                        r = user_secret_uses(tx, u, revision, uses, err);
        }
        return r < 0 ? r : 0;
}

static int list_keys(struct tx *tx, const struct q_user_secret_row *u, json_t *list,
                     struct err *err) {
        struct q_secret_row *keys;
        size_t n;
        int r = q_user_secret_keys(tx, &(struct q_user_secret_keys_in){ .user_secret_id = u->id },
                                   &keys, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (keys[i].revision == u->revision)
                        json_array_append_new(list, json_string(keys[i].field));
        return r < 0 ? r : 0;
}

static int asked_json(struct tx *tx, const struct asked *a, json_t **ret, struct err *err) {
        json_t *revisions, *keys;
        int r;

        if (a->secret) {
                r = secret_json(tx, a->secret, ret, err);
                if (r < 0)
                        return r;
                json_object_set_new(*ret, "revisions", revisions = json_array());
                return list_revisions(tx, a->secret, revisions, err);
        }
        *ret = json_object();
        r = set_user(tx, a->user, *ret, err);
        json_object_set_new(*ret, "keys", keys = json_array());
        json_object_set_new(*ret, "revisions", revisions = json_array());
        if (r >= 0)
                r = list_keys(tx, a->user, keys, err);
        return r < 0 ? r : list_user_revisions(tx, a->user, revisions, err);
}

static int read_one(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;
        struct asked asked;
        int r = find(tx, q, &asked, err);

        if (r >= 0)
                r = asked_json(tx, &asked, &j, err);
        if (r >= 0)
                *ret = take_ptr(j);
        return r;
}

void secrets_show(struct request *q) {
        request_read(q, read_one, NULL);
}

/* ---- its value */

static int open_value(struct tx *tx, const struct request *q, const struct q_secret_row *s,
                      int64_t revision, json_t **ret, struct err *err) {
        cleanup_(secret_text_free) struct secret_text value = { 0 };
        int r;

        if (str_eq(s->purpose, "authority"))
                return err_set(err, -EPERM, "the key of the model's CA is shown to nobody");
        r = secret_revision_open(tx, q->admin->options.sealer, s, revision, &value, err);

        if (r < 0)
                return r;
        *ret = json_stringn(value.data, value.len);
        return *ret ? 0 : err_set(err, -EINVAL, "secret %s is not text", s->uri);
}

static int has_revision(struct tx *tx, const struct q_secret_row *s, int64_t revision, bool *ret,
                        struct err *err) {
        struct q_secret_revision_get_in in = { .secret_id = s->id, .revision = revision };
        struct q_secret_revision_row *row;
        size_t n;
        int r = q_secret_revision_get(tx, &in, &row, &n, err);

        *ret = r >= 0 && n;
        return r < 0 ? r : 0;
}

/* All keys that the revision holds. */
static int open_content(struct tx *tx, const struct request *q, const struct q_user_secret_row *u,
                        int64_t revision, json_t *content, struct err *err) {
        struct q_secret_row *keys;
        bool has;
        size_t n;
        int r = q_user_secret_keys(tx, &(struct q_user_secret_keys_in){ .user_secret_id = u->id },
                                   &keys, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *value = NULL;

                r = has_revision(tx, &keys[i], revision, &has, err);
                if (r >= 0 && has)
                        r = open_value(tx, q, &keys[i], revision, &value, err);
                if (value)
                        json_object_set_new(content, keys[i].field, value);
        }
        if (r >= 0 && json_object_size(content) == 0)
                return err_set(err, -ENOENT, "secret %s has no revision %lld", u->name,
                               (long long)revision);
        return r < 0 ? r : 0;
}

static int read_value(struct tx *tx, struct request *q, json_t **ret, struct err *err) {
        int64_t revision = request_query_int(q, "revision", 0);
        json_t *j = NULL, *value = NULL;
        struct asked asked;
        int r = find(tx, q, &asked, err);

        if (r >= 0)
                r = asked_json(tx, &asked, &j, err);
        if (r >= 0 && asked.secret) {
                r = open_value(tx, q, asked.secret, revision ? revision : asked.secret->revision,
                               &value, err);
                json_object_set_new(j, "value", value ? value : json_null());
        } else if (r >= 0) {
                json_object_set_new(j, "content", value = json_object());
                r = open_content(tx, q, asked.user, revision ? revision : asked.user->revision,
                                 value, err);
        }
        if (r >= 0)
                *ret = take_ptr(j);
        if (j)
                json_wipe(j);
        return r;
}

static void finish_value(struct request *q, json_t *json) {
        log_event(LOG_NOTICE, "secret-revealed",
                  (struct log_field[]){ { "MODEL", request_param(q, 0) },
                                        { "SECRET", request_param(q, 1) },
                                        { "ACTOR", q->actor },
                                        {} },
                  "%s was shown the value of %s/%s of %s", q->actor,
                  json_get_str(json, "label", "secret"),
                  json_get_str(json, "field", json_get_str(json, "name", "")),
                  json_get_str(json, "owner", "no application"));
        q->secret = true;
        json_incref(json);
        request_reply(q, 200, json);
        json_wipe(json);
}

void secrets_reveal(struct request *q) {
        request_read(q, read_value, finish_value);
}
