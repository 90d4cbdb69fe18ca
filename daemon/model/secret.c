/* SPDX-License-Identifier: Apache-2.0 */
/* secret.c - when a secret goes: no plan asks for it, and nothing that holds it is left
 *
 * A plan that does not ask for a secret any more (its relation ended) only marks it. It stays
 * while a resource outside may still hold it (secret_use: a user of that password, the other
 * side's Secret), while it is granted over a relation, while a target of its application opens
 * with it, and while detached storage needs it. Each end of one of these asks here. */
#include "command-internal.h"

#include "certificate.h"
#include "user-secret.h"

#include <errno.h>

#define PAGE 500

static bool is_listed(const char *ids, int64_t secret) {
        cleanup_(json_freep) json_t *list = NULL;
        size_t i;
        json_t *id;

        if (json_parse(ids, strlen(ids), &list, NULL) < 0)
                return true; /* cannot tell, so it stays */
        json_array_foreach(list, i, id)
                if (json_integer_value(id) == secret)
                        return true;
        return false;
}

bool secret_planned(const struct q_secret_row *s) {
        return str_eq(s->purpose, "generated") || str_eq(s->purpose, "certificate");
}

int secret_kept(struct tx *tx, int64_t model, int64_t secret, bool *ret, struct err *err) {
        struct q_detached_list_in in = { .model_id = model, .max = PAGE };
        struct q_detached_row *rows;
        size_t n;
        int r;

        *ret = false;
        do {
                r = q_detached_list(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n && !*ret; i++) {
                        in.after = rows[i].id;
                        *ret = is_listed(rows[i].secrets, secret);
                }
        } while (r >= 0 && n == PAGE && !*ret);
        return r < 0 ? r : 0;
}

static int opens_target(struct tx *tx, const struct q_secret_row *s, bool *ret, struct err *err) {
        struct q_target_row *rows;
        size_t n;
        int r;

        if (s->application_id_null)
                return 0;
        r = q_target_by_application(
                tx, &(struct q_target_by_application_in){ .application_id = s->application_id },
                &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                *ret |= strstr(rows[i].config, s->uri) != NULL;
        return r < 0 ? r : 0;
}

static int is_used(struct tx *tx, const struct q_secret_row *s, bool *ret, struct err *err) {
        struct q_secret_used_row *uses;
        struct q_secret_grant_list_row *grants;
        size_t n;
        int r = q_secret_used(tx, &(struct q_secret_used_in){ .secret_id = s->id }, &uses, &n, err);

        *ret = r >= 0 && n;
        if (r >= 0 && !*ret) {
                r = q_secret_grant_list(tx, &(struct q_secret_grant_list_in){ .secret_id = s->id },
                                        &grants, &n, err);
                *ret = r >= 0 && n;
        }
        if (r >= 0 && !*ret)
                r = secret_kept(tx, s->model_id, s->id, ret, err);
        return r < 0 || *ret ? r : opens_target(tx, s, ret, err);
}

int secret_settle(struct tx *tx, int64_t secret, struct err *err) {
        struct q_secret_row *s;
        bool used;
        size_t n;
        int r = q_secret_by_id(tx, &(struct q_secret_by_id_in){ .id = secret }, &s, &n, err);

        if (r < 0 || n == 0 || s->asked_null || s->asked || !secret_planned(s))
                return r < 0 ? r : 0;
        r = is_used(tx, s, &used, err);
        return r < 0 || used ? r : application_row_forget_secret(tx, secret, err);
}

int secret_leave(struct tx *tx, int64_t resource, int64_t generation, struct err *err) {
        struct q_secret_use_older_in older = { .resource_id = resource, .generation = generation };
        struct q_secret_unasked_in_row *rows;
        struct q_secret_use_older_row *left;
        size_t n, left_count = 0;
        int r = q_secret_unasked_in(tx, &(struct q_secret_unasked_in_in){ .resource_id = resource },
                                    &rows, &n, err);

        if (r >= 0)
                r = q_secret_use_older(tx, &older, &left, &left_count, err);

        if (r >= 0)
                r = w_secret_use_drop(tx,
                                      &(struct w_secret_use_drop_in){ .resource_id = resource,
                                                                      .generation = generation },
                                      err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = secret_settle(tx, rows[i].id, err);
        for (size_t i = 0; r >= 0 && i < left_count; i++)
                r = secret_prune(tx, left[i].secret_id, err);
        return r < 0 ? r : 0;
}

int secret_each(struct tx *tx, int64_t application, secret_fn *fn, void *arg, struct err *err) {
        struct q_secret_by_application_in in = {
                .application_id = application, .after_label = "", .after_field = "", .max = PAGE
        };
        struct q_secret_row *rows;
        size_t n;
        int r;

        do {
                r = q_secret_by_application(tx, &in, &rows, &n, err);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        in.after_label = rows[i].label;
                        in.after_field = rows[i].field;
                        r = fn(tx, &rows[i], arg, err);
                }
        } while (r >= 0 && n == PAGE);
        return r < 0 ? r : 0;
}

static bool is_asked(struct tx *tx, const struct q_secret_row *s, const json_t *asked) {
        return json_object_get(asked, tx_format(tx, "%s/%s", s->label, s->field)) != NULL;
}

static int ask(struct tx *tx, const struct q_secret_row *s, void *asked, struct err *err) {
        struct w_secret_set_asked_in in = { .asked = 1, .id = s->id };

        if (!secret_planned(s) || !is_asked(tx, s, asked))
                return 0;
        return w_secret_set_asked(tx, &in, err);
}

static int unask(struct tx *tx, const struct q_secret_row *s, void *asked, struct err *err) {
        struct w_secret_set_asked_in in = { .asked = 0, .id = s->id };
        int r;

        if (!secret_planned(s) || s->asked_null || is_asked(tx, s, asked))
                return 0;
        r = w_secret_set_asked(tx, &in, err);
        if (r >= 0)
                r = certificate_forget(tx, s->id, err); /* it is not renewed any more */
        return r < 0 ? r : secret_settle(tx, s->id, err);
}

int secret_ask(struct tx *tx, int64_t application, const json_t *asked, struct err *err) {
        return secret_each(tx, application, ask, (json_t *)asked, err);
}

int secret_unask(struct tx *tx, int64_t application, const json_t *asked, struct err *err) {
        return secret_each(tx, application, unask, (json_t *)asked, err);
}

int secret_end_with(struct tx *tx, const struct q_secret_row *s, int64_t resource,
                    struct err *err) {
        int r = w_secret_set_asked(tx, &(struct w_secret_set_asked_in){ .id = s->id }, err);

        if (r < 0)
                return r;
        if (!resource)
                return secret_settle(tx, s->id, err);
        r = w_secret_use_put(tx,
                             &(struct w_secret_use_put_in){ .uri = s->uri,
                                                            .revision = s->revision,
                                                            .resource_id = resource },
                             err);
        return r < 0 ? r : 0;
}

int secret_each_in(struct tx *tx, const char *ids, secret_fn *fn, void *arg, struct err *err) {
        cleanup_(json_freep) json_t *list = NULL;
        int r = json_parse(ids, strlen(ids), &list, err);
        struct q_secret_row *s;
        size_t i, n = 0;
        json_t *id;

        json_array_foreach(list, i, id) {
                if (r >= 0)
                        r = q_secret_by_id(
                                tx, &(struct q_secret_by_id_in){ .id = json_integer_value(id) }, &s,
                                &n, err);
                if (r >= 0 && n)
                        r = fn(tx, s, arg, err);
        }
        return r < 0 ? r : 0;
}
