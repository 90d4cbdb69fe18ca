/* SPDX-License-Identifier: Apache-2.0 */
/* user-secret.c - secrets that people add, and revisions that nobody has any more; see
 * user-secret.h */
#include "user-secret.h"

#include "command-internal.h"
#include "secret-token.h"

#include <errno.h>
#include <stdlib.h>

#define PAGE 500

/* ---- by its name */

static const char *without_scheme(const char *text) {
        return str_starts(text, USER_SECRET_SCHEME) ? text + strlen(USER_SECRET_SCHEME) : text;
}

int user_secret_find(struct tx *tx, int64_t model, const char *text,
                     const struct q_user_secret_row **ret, struct err *err) {
        const char *name = without_scheme(text);
        struct q_user_secret_row *row;
        size_t n;
        int r = q_user_secret_by_name(
                tx, &(struct q_user_secret_by_name_in){ .model_id = model, .name = name }, &row, &n,
                err);

        if (r >= 0 && n == 0)
                r = q_user_secret_by_uri(tx, &(struct q_user_secret_by_uri_in){ .uri = name }, &row,
                                         &n, err);
        if (r < 0)
                return r;
        if (n == 0 || row->model_id != model)
                return err_set(err, -ENOENT,
                               "the model has no secret \"%.80s\" of its own: mooringctl secrets "
                               "lists them, add-secret adds one",
                               name);
        *ret = row;
        return 0;
}

static bool is_held(const struct q_user_secret_row *u, const struct q_secret_row *key) {
        return key->revision == u->revision;
}

static int find_key(struct tx *tx, const struct q_user_secret_row *u, const char *key,
                    const struct q_secret_row **ret, struct err *err) {
        struct q_secret_row *row;
        size_t n;
        int r = q_user_secret_key(
                tx, &(struct q_user_secret_key_in){ .user_secret_id = u->id, .field = key }, &row,
                &n, err);

        *ret = r >= 0 && n && is_held(u, row) ? row : NULL;
        return r < 0 ? r : 0;
}

/* The only key; *RET NULL: there are more. *RET_NAMES: all of them, for a message. */
static int only_key(struct tx *tx, const struct q_user_secret_row *u,
                    const struct q_secret_row **ret, const char **ret_names, struct err *err) {
        struct q_secret_row *rows;
        const char *names = "";
        size_t n, held = 0;
        int r = q_user_secret_keys(tx, &(struct q_user_secret_keys_in){ .user_secret_id = u->id },
                                   &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (!is_held(u, &rows[i]))
                        continue;
                *ret = held++ ? NULL : &rows[i];
                names = tx_format(tx, "%s%s%s", names, *names ? ", " : "", rows[i].field);
        }
        *ret_names = names;
        return r < 0 ? r : 0;
}

int user_secret_refer(struct tx *tx, int64_t model, const char *text, const char *option,
                      const struct q_secret_row **ret, struct err *err) {
        const char *hash = strchr(text, '#'), *names = "";
        const struct q_user_secret_row *u;
        char *name = tx_format(tx, "%.*s", (int)strcspn(text, "#"), text);
        int r = user_secret_find(tx, model, name, &u, err);

        if (r < 0)
                return r;
        *ret = NULL;
        r = find_key(tx, u, hash ? hash + 1 : option, ret, err);
        if (r < 0 || *ret)
                return r;
        r = only_key(tx, u, ret, &names, err);
        if (r < 0 || (*ret && !hash))
                return r;
        if (hash)
                return err_set(err, -ENOENT, "secret %s has no key \"%.80s\": it has %s", u->name,
                               hash + 1, names);
        return err_set(err, -EINVAL, "secret %s has several keys (%s): say which, as secret:%s#KEY",
                       u->name, names, u->name);
}

/* TOKEN is all of one that means the newest revision. */
static bool is_reference(const char *token, struct secret_ref *ret) {
        return secret_token_next(token, 0, ret) && ret->start == 0 && !token[ret->end] &&
               ret->revision == USER_SECRET_NEWEST;
}

/* *RET NULL: neither is there any more. */
static int read_reference(struct tx *tx, const char *uri, const struct q_secret_row **ret,
                          const struct q_user_secret_row **ret_of, struct err *err) {
        struct q_secret_row *key;
        struct q_user_secret_row *u;
        size_t n;
        int r = q_secret_by_uri(tx, &(struct q_secret_by_uri_in){ .uri = uri }, &key, &n, err);

        *ret = NULL;
        if (r < 0 || n == 0 || key->user_secret_id_null)
                return r < 0 ? r : 0;
        r = q_user_secret_by_id(tx, &(struct q_user_secret_by_id_in){ .id = key->user_secret_id },
                                &u, &n, err);
        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        *ret = key;
        *ret_of = u;
        return 0;
}

int user_secret_reference(struct tx *tx, const char *text, const char **ret, struct err *err) {
        const struct q_user_secret_row *u;
        const struct q_secret_row *key;
        struct secret_ref ref;
        int r;

        *ret = NULL;
        if (!is_reference(text, &ref))
                return 0;
        r = read_reference(tx, ref.uri, &key, &u, err);
        if (r >= 0 && key)
                *ret = tx_format(tx, USER_SECRET_SCHEME "%s#%s", u->name, key->field);
        return r;
}

/* ---- what an application is shown */

static int is_open(struct tx *tx, const char *uri, int64_t application, bool *ret,
                   struct err *err) {
        struct q_secret_opens_in in = { .uri = uri, .application_id = application };
        struct q_secret_opens_row *row;
        size_t n;
        int r = q_secret_opens(tx, &in, &row, &n, err);

        *ret = r >= 0 && n;
        return r < 0 ? r : 0;
}

int user_secret_take(struct tx *tx, const struct user_secret_taker *to, const char *token,
                     const char **ret, const char **ret_why, struct err *err) {
        const struct q_user_secret_row *u;
        const struct q_secret_row *key;
        struct secret_ref ref;
        bool open = false;
        char text[SECRET_TOKEN_MAX];
        int r;

        *ret = token;
        *ret_why = NULL;
        if (!is_reference(token, &ref))
                return 0;
        r = read_reference(tx, ref.uri, &key, &u, err);
        if (r >= 0 && key)
                r = is_open(tx, ref.uri, to->application, &open, err);
        if (r < 0)
                return r;
        if (!key)
                *ret_why = tx_format(tx,
                                     "option %s takes a secret that is not there any more: "
                                     "`mooringctl config %s %s=secret:NAME`",
                                     to->option, to->name, to->option);
        else if (!open)
                *ret_why = tx_format(tx,
                                     "option %s takes secret %s, which is not granted to it: "
                                     "`mooringctl grant-secret %s %s`",
                                     to->option, u->name, u->name, to->name);
        else
                *ret = tx_format(tx, "%s",
                                 secret_token_write(ref.uri, key->revision, ref.form, text));
        return 0;
}

/* ---- who uses it */

static void add_use(json_t *list, const char *application, const char *what) {
        json_t *use = json_pack("{s:s, s:s}", "application", application, "what", what);
        const json_t *other;
        size_t i;

        json_array_foreach(list, i, other)
                if (json_equal(other, use))
                        return json_decref(use);
        json_array_append_new(list, use);
}

/* In whose relation data or configuration of a provider a token of this revision stands. */
static int read_told(struct tx *tx, const struct q_secret_row *s, int64_t revision,
                     struct q_secret_revision_told_row **ret, size_t *ret_n, struct err *err) {
        char *token = tx_format(tx, "{{secret:%s:%lld:", s->uri, (long long)revision);

        return q_secret_revision_told(tx, &(struct q_secret_revision_told_in){ .token = token },
                                      ret, ret_n, err);
}

int secret_uses(struct tx *tx, const struct q_secret_row *s, int64_t revision, json_t *list,
                struct err *err) {
        struct q_secret_use_list_in in = { .secret_id = s->id,
                                           .revision = revision,
                                           .max = USER_SECRET_USES_MAX };
        struct q_secret_revision_told_row *told;
        struct q_secret_use_list_row *rows;
        size_t n;
        int r = q_secret_use_list(tx, &in, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                add_use(list, rows[i].application,
                        tx_format(tx, "%s %s", rows[i].type, rows[i].path));
        if (r >= 0)
                r = read_told(tx, s, revision, &told, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                add_use(list, told[i].application, "tells it, or logs in with it");
        return r < 0 ? r : 0;
}

static int option_use(struct tx *tx, const struct user_secret_option *o, void *list,
                      struct err *err) {
        add_use(list, o->name, tx_format(tx, "option %s", o->option));
        return 0;
}

static int key_uses(struct tx *tx, const struct q_secret_row *key, json_t *list, struct err *err) {
        struct q_secret_revision_list_row *rows;
        size_t n;
        int r = q_secret_revision_list(
                tx, &(struct q_secret_revision_list_in){ .secret_id = key->id }, &rows, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = secret_uses(tx, key, rows[i].revision, list, err);
        return r < 0 ? r : 0;
}

int user_secret_uses(struct tx *tx, const struct q_user_secret_row *u, int64_t revision,
                     json_t *list, struct err *err) {
        struct q_secret_row *keys;
        size_t n;
        int r = q_user_secret_keys(tx, &(struct q_user_secret_keys_in){ .user_secret_id = u->id },
                                   &keys, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = revision == USER_SECRET_NEWEST ? key_uses(tx, &keys[i], list, err)
                                                   : secret_uses(tx, &keys[i], revision, list, err);
        if (r >= 0 && revision == USER_SECRET_NEWEST)
                r = user_secret_each_option(tx, u, option_use, list, err);
        return r < 0 ? r : 0;
}

/* Into a list that begins with the highest. */
static void add_number(json_t *list, int64_t number) {
        size_t i = 0;

        while (i < json_array_size(list) && json_integer_value(json_array_get(list, i)) > number)
                i++;
        if (json_integer_value(json_array_get(list, i)) != number)
                json_array_insert_new(list, i, json_integer(number));
}

int user_secret_revisions(struct tx *tx, const struct q_user_secret_row *u, json_t *list,
                          struct err *err) {
        struct q_secret_revision_list_row *rows;
        struct q_secret_row *keys;
        size_t n, count;
        int r = q_user_secret_keys(tx, &(struct q_user_secret_keys_in){ .user_secret_id = u->id },
                                   &keys, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = q_secret_revision_list(
                        tx, &(struct q_secret_revision_list_in){ .secret_id = keys[i].id }, &rows,
                        &count, err);
                for (size_t k = 0; r >= 0 && k < count; k++)
                        add_number(list, rows[k].revision);
        }
        return r < 0 ? r : 0;
}

struct looking {
        const struct q_user_secret_row *u;
        user_secret_option_fn *fn;
        void *arg;
};

static int look_option(struct tx *tx, const struct q_application_row *a, const char *option,
                       const char *text, const struct looking *l, struct err *err) {
        cleanup_(json_freep) json_t *value = NULL;
        const struct q_user_secret_row *u;
        const struct q_secret_row *key;
        struct user_secret_option o;
        struct secret_ref ref;
        int r = json_parse(text, strlen(text), &value, err);

        if (r < 0 || !json_is_string(value) || !is_reference(json_string_value(value), &ref))
                return r;
        r = read_reference(tx, ref.uri, &key, &u, err);
        if (r < 0 || !key || u->id != l->u->id)
                return r;
        o = (struct user_secret_option){ a->id, a->name, option, key->field };
        return l->fn(tx, &o, l->arg, err);
}

static int look_application(struct tx *tx, const struct q_application_row *a, void *arg,
                            struct err *err) {
        struct q_application_option_list_row *rows;
        size_t n;
        int r = q_application_option_list(
                tx, &(struct q_application_option_list_in){ .application_id = a->id }, &rows, &n,
                err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = look_option(tx, a, rows[i].name, rows[i].value, arg, err);
        return r < 0 ? r : 0;
}

int user_secret_each_option(struct tx *tx, const struct q_user_secret_row *u,
                            user_secret_option_fn *fn, void *arg, struct err *err) {
        struct looking l = { u, fn, arg };

        return lookup_each_application(tx, u->model_id, look_application, &l, err);
}

/* ---- what nobody has any more */

/* A running action may still want what was before. */
static int is_acting(struct tx *tx, const struct q_secret_row *s, bool *ret, struct err *err) {
        struct q_operation_live_of_row *rows;
        size_t n = 0;
        int r = s->application_id_null
                        ? 0
                        : q_operation_live_of(tx,
                                              &(struct q_operation_live_of_in){
                                                      .application_id = s->application_id },
                                              &rows, &n, err);

        *ret = n > 0;
        return r < 0 ? r : 0;
}

static int prune_one(struct tx *tx, const struct q_secret_row *s, int64_t revision,
                     struct err *err) {
        struct q_secret_revision_told_row *told;
        struct q_secret_revision_used_row *used;
        size_t n;
        int r = q_secret_revision_used(
                tx, &(struct q_secret_revision_used_in){ .secret_id = s->id, .revision = revision },
                &used, &n, err);

        if (r >= 0 && n == 0)
                r = read_told(tx, s, revision, &told, &n, err);
        if (r < 0 || n)
                return r < 0 ? r : 0;
        return w_secret_revision_delete(
                tx,
                &(struct w_secret_revision_delete_in){ .secret_id = s->id, .revision = revision },
                err);
}

/* The revision from which on S is kept whoever has it. */
static int newest_of(struct tx *tx, const struct q_secret_row *s, int64_t *ret, struct err *err) {
        struct q_user_secret_row *u;
        size_t n;
        int r;

        *ret = s->revision;
        if (s->user_secret_id_null)
                return 0;
        r = q_user_secret_by_id(tx, &(struct q_user_secret_by_id_in){ .id = s->user_secret_id }, &u,
                                &n, err);
        if (r >= 0 && n)
                *ret = u->revision;
        return r < 0 ? r : 0;
}

/* A key that no revision holds. */
static int prune_key(struct tx *tx, const struct q_secret_row *s, struct err *err) {
        struct q_secret_revision_last_row *last;
        size_t n;
        int r = q_secret_revision_last(
                tx, &(struct q_secret_revision_last_in){ .secret_id = s->id }, &last, &n, err);

        return r < 0 || n ? (r < 0 ? r : 0) : application_row_forget_secret(tx, s->id, err);
}

int secret_prune(struct tx *tx, int64_t secret, struct err *err) {
        struct q_secret_revision_stale_in in = { .secret_id = secret };
        struct q_secret_revision_stale_row *rows;
        struct q_secret_row *s;
        bool acting = false;
        size_t n;
        int r = q_secret_by_id(tx, &(struct q_secret_by_id_in){ .id = secret }, &s, &n, err);

        if (r < 0 || n == 0)
                return r < 0 ? r : 0;
        r = newest_of(tx, s, &in.revision, err);
        if (r >= 0)
                r = q_secret_revision_stale(tx, &in, &rows, &n, err);
        if (r >= 0 && n)
                r = is_acting(tx, s, &acting, err);
        for (size_t i = 0; r >= 0 && !acting && i < n; i++)
                r = prune_one(tx, s, rows[i].revision, err);
        return r < 0 || s->user_secret_id_null ? (r < 0 ? r : 0) : prune_key(tx, s, err);
}

int user_secret_each_key(struct tx *tx, int64_t user_secret,
                         int (*fn)(struct tx *tx, int64_t secret, struct err *err),
                         struct err *err) {
        struct q_secret_row *keys;
        size_t n;
        int r = q_user_secret_keys(tx,
                                   &(struct q_user_secret_keys_in){ .user_secret_id = user_secret },
                                   &keys, &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = fn(tx, keys[i].id, err);
        return r < 0 ? r : 0;
}

int user_secret_forget(struct tx *tx, int64_t user_secret, struct err *err) {
        struct w_user_secret_grant_delete_all_in grants = { .user_secret_id = user_secret };
        int r = user_secret_each_key(tx, user_secret, application_row_forget_secret, err);

        if (r >= 0)
                r = w_user_secret_grant_delete_all(tx, &grants, err);
        if (r >= 0)
                r = w_user_secret_delete(tx, &(struct w_user_secret_delete_in){ .id = user_secret },
                                         err);
        return r < 0 ? r : 0;
}
