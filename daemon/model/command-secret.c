/* SPDX-License-Identifier: Apache-2.0 */
/* command-secret.c - secrets that people add: adding, a new revision, granting, removing
 *
 * A value is only ever in the request, in its seal and in the arena: changes, notes, faults and
 * the audit name keys. What is refused names who stands against it. */
#include "command-internal.h"

#include "clock.h"
#include "secret-token.h"
#include "user-secret.h"

#include <errno.h>
#include <stdlib.h>

#define USES_TOLD 5 /* in a refusal; the rest is counted */
#define KEY_MAX 63
#define KEY_MIN 3 /* Juju's */

/* ---- what was given */

/* Juju's rule: lower-case letters, digits and single hyphens, three at least, a letter first. */
static bool is_key(const char *key) {
        size_t n = strlen(key);

        if (n < KEY_MIN || n > KEY_MAX || key[0] < 'a' || key[0] > 'z' || key[n - 1] == '-' ||
            strstr(key, "--"))
                return false;
        return strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool is_name(const char *name) {
        size_t n = strlen(name);

        if (n == 0 || n > USER_SECRET_NAME_MAX || name[0] < 'a' || name[0] > 'z')
                return false;
        /* What looks like an ID would hide the one that has it. */
        return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
               n != SECRET_URI_SIZE - 1;
}

static int check_name(const char *name, struct err *err) {
        return is_name(name) ? 0
                             : err_set(err, -EINVAL,
                                       "secret \"%.80s\": a name has lower-case letters, digits "
                                       "and hyphens, a letter first, at most %d of them, and not "
                                       "the %d that an ID has",
                                       name, USER_SECRET_NAME_MAX, SECRET_URI_SIZE - 1);
}

static int check_content(const json_t *content, struct err *err) {
        const char *key;
        size_t total = 0;
        json_t *value;

        if (json_object_size(content) == 0)
                return err_set(err, -EINVAL, "a secret has at least one KEY=VALUE");
        if (json_object_size(content) > USER_SECRET_KEYS_MAX)
                return err_set(err, -EINVAL, "a secret has at most %d keys", USER_SECRET_KEYS_MAX);
        json_object_foreach((json_t *)content, key, value) {
                if (!is_key(key))
                        return err_set(err, -EINVAL,
                                       "key \"%.80s\": %d to %d lower-case letters, digits and "
                                       "single hyphens, a letter first",
                                       key, KEY_MIN, KEY_MAX);
                if (!json_is_string(value) || json_string_length(value) == 0)
                        return err_set(err, -EINVAL,
                                       "key %s: its value must be a text, and not empty", key);
                if (strlen(json_string_value(value)) != json_string_length(value))
                        return err_set(err, -EINVAL, "key %s: its value holds a zero byte", key);
                total += json_string_length(value);
        }
        return total <= USER_SECRET_CONTENT_MAX
                       ? 0
                       : err_set(err, -E2BIG, "the values have %zu bytes, at most %u are kept",
                                 total, USER_SECRET_CONTENT_MAX);
}

static int check_info(const char *info, struct err *err) {
        return !info || strlen(info) <= USER_SECRET_INFO_MAX
                       ? 0
                       : err_set(err, -EINVAL, "info: at most %d letters", USER_SECRET_INFO_MAX);
}

/* *RET 0: never. */
static int read_expire(struct tx *tx, const char *text, int64_t *ret, struct err *err) {
        int r;

        *ret = 0;
        if (!text || str_eq(text, "never"))
                return 0;
        r = command_until(tx, text, ret, err);
        return r < 0 ? err_add(err, r, "expire") : 0;
}

/* ---- its keys */

struct content {
        struct tx *tx;
        struct command *command;
        int64_t id, model, revision;
        const char *name;
};

static int insert_key(const struct content *c, const char *key, struct q_secret_row *ret,
                      struct err *err) {
        struct w_user_secret_key_insert_in in = { .id = tx_id(c->tx, "secret"),
                                                  .model_id = c->model,
                                                  .label = c->name,
                                                  .field = key,
                                                  .revision = c->revision,
                                                  .created_at = tx_now(c->tx),
                                                  .user_secret_id = c->id };
        char *uri = tx_alloc(c->tx, SECRET_URI_SIZE);

        command_uri(c->command, tx_format(c->tx, "%lld#%s", (long long)in.id, key), uri);
        in.uri = uri;
        *ret = (struct q_secret_row){ .id = in.id, .uri = uri };
        return w_user_secret_key_insert(c->tx, &in, err);
}

static int put_key(const struct content *c, const char *key, const char *value, struct err *err) {
        struct q_user_secret_key_in in = { .user_secret_id = c->id, .field = key };
        struct q_secret_row *row, made;
        struct secret_revision next;
        size_t n;
        int r = q_user_secret_key(c->tx, &in, &row, &n, err);

        if (r >= 0 && n)
                r = w_secret_set_revision(c->tx,
                                          &(struct w_secret_set_revision_in){
                                                  .id = row->id, .revision = c->revision },
                                          err);
        else if (r >= 0)
                r = insert_key(c, key, row = &made, err);
        if (r < 0)
                return r;
        next = (struct secret_revision){ row->id, row->uri, c->revision };
        return secret_revision_add(c->tx, c->command->sealer, &next, value, strlen(value), err);
}

static int put_content(const struct content *c, const json_t *content, struct err *err) {
        const char *key;
        json_t *value;
        int r = 0;

        json_object_foreach((json_t *)content, key, value)
                if (r >= 0)
                        r = put_key(c, key, json_string_value(value), err);
        return r;
}

static void record_content(struct command *c, const char *name, bool had, bool has) {
        cleanup_(freep) char *field = str_format("secret %s", name);

        command_record(c, NULL, field, had ? json_string(AUDIT_SECRET) : NULL,
                       has ? json_string(AUDIT_SECRET) : NULL);
}

/* ---- adding */

static int check_new(struct tx *tx, int64_t model, const char *name, struct err *err) {
        struct q_user_secret_row *row;
        size_t n = 0;
        int r = check_name(name, err);

        if (r >= 0)
                r = q_user_secret_by_name(
                        tx, &(struct q_user_secret_by_name_in){ .model_id = model, .name = name },
                        &row, &n, err);
        if (r >= 0 && n)
                r = err_set(err, -EEXIST,
                            "there is a secret %s already: mooringctl update-secret gives it "
                            "another value",
                            name);
        return r < 0 ? r : 0;
}

int command_secret_add(struct tx *tx, struct command *c, struct err *err) {
        const struct command_secret *s = command_of(c, command_secret);
        struct w_user_secret_insert_in in = { .name = s->name,
                                              .info = s->info ? s->info : "",
                                              .revision = 1,
                                              .created_at = tx_now(tx),
                                              .updated_at = tx_now(tx) };
        const struct q_model_row *model;
        char uri[SECRET_URI_SIZE];
        struct content content;
        int r = lookup_live_model(tx, s->model, &model, err);

        if (r >= 0)
                r = check_new(tx, model->id, s->name, err);
        if (r >= 0)
                r = check_content(s->content, err);
        if (r >= 0)
                r = check_info(s->info, err);
        if (r >= 0)
                r = read_expire(tx, s->expire, &in.expire_at, err);
        if (r < 0)
                return r;
        command_uri(c, s->name, uri);
        in.id = tx_id(tx, "user_secret");
        in.uri = uri;
        in.model_id = model->id;
        in.expire_at_null = !in.expire_at;
        r = w_user_secret_insert(tx, &in, err);
        content = (struct content){ tx, c, in.id, model->id, 1, s->name };
        if (r >= 0)
                r = put_content(&content, s->content, err);
        command_change(c, "add-secret", NULL, "add secret %s", s->name);
        command_say(c, "secret", json_string(uri));
        record_content(c, s->name, false, true);
        return r < 0 ? r : 0;
}

/* ---- a new revision */

struct taking {
        struct command *command;
        const json_t *content;
};

/* What an option takes stays there, and fits. */
static int check_option(struct tx *tx, const struct user_secret_option *o, void *arg,
                        struct err *err) {
        const struct taking *t = arg;
        const json_t *value = json_object_get(t->content, o->key);
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        cleanup_(json_freep) json_t *checked = NULL;
        struct q_application_row *a;
        struct err wrong = {};
        size_t n;
        int r;

        if (!value) {
                command_fault(t->command, (struct bundle_place){},
                              "option %s of %s takes key %s: give it too, or mooringctl config %s "
                              "--reset %s first",
                              o->option, o->name, o->key, o->name, o->option);
                return 0;
        }
        r = q_application_by_id(tx, &(struct q_application_by_id_in){ .id = o->application }, &a,
                                &n, err);
        if (r >= 0 && n)
                r = lookup_meta(tx, a, &meta, err);
        if (r < 0 || !meta)
                return r < 0 ? r : 0;
        if (charm_meta_check_option(meta, o->name, o->option, value, &checked, &wrong) < 0)
                command_fault(t->command, (struct bundle_place){}, "%s", err_text(&wrong));
        tx_mark(tx, MARK_APPLICATION, o->application);
        command_concerns(t->command, o->name);
        return 0;
}

static int is_same(struct tx *tx, const struct command *c, const struct q_user_secret_row *u,
                   const json_t *content, bool *ret, struct err *err) {
        struct q_secret_row *keys;
        size_t n, held = 0;
        int r = q_user_secret_keys(tx, &(struct q_user_secret_keys_in){ .user_secret_id = u->id },
                                   &keys, &n, err);

        *ret = true;
        for (size_t i = 0; r >= 0 && *ret && i < n; i++) {
                cleanup_(secret_text_free) struct secret_text before = {};
                const char *now = json_get_str(content, keys[i].field, NULL);

                if (keys[i].revision != u->revision)
                        continue;
                held++;
                r = secret_revision_open(tx, c->sealer, &keys[i], u->revision, &before, err);
                *ret = r >= 0 && str_eq(now, before.data);
        }
        *ret = *ret && held == json_object_size(content);
        return r < 0 ? r : 0;
}

static int put_revision(struct tx *tx, struct command *c, const struct q_user_secret_row *u,
                        const json_t *content, struct w_user_secret_set_in *in, struct err *err) {
        struct content next = { tx, c, u->id, u->model_id, u->revision + 1, u->name };
        struct taking taking = { c, content };
        bool same;
        int r = check_content(content, err);

        if (r >= 0)
                r = is_same(tx, c, u, content, &same, err);
        if (r < 0 || same)
                return r;
        in->revision = next.revision;
        in->updated_at = tx_now(tx);
        r = user_secret_each_option(tx, u, check_option, &taking, err);
        if (r >= 0)
                r = put_content(&next, content, err);
        command_change(c, "update-secret", NULL, "give secret %s revision %lld", u->name,
                       (long long)next.revision);
        record_content(c, u->name, true, true);
        return r;
}

static int put_rest(struct tx *tx, struct command *c, const struct q_user_secret_row *u,
                    struct w_user_secret_set_in *in, struct err *err) {
        const struct command_secret *s = command_of(c, command_secret);
        int r = 0;

        if (s->new_name && !str_eq(s->new_name, u->name)) {
                struct w_user_secret_rename_in label = { .label = s->new_name,
                                                         .user_secret_id = u->id };

                r = check_new(tx, u->model_id, s->new_name, err);
                if (r >= 0)
                        r = w_user_secret_rename(tx, &label, err);
                in->name = s->new_name;
                command_change(c, "update-secret", NULL, "call secret %s %s", u->name, s->new_name);
        }
        if (r >= 0 && s->info && !str_eq(s->info, u->info)) {
                r = check_info(s->info, err);
                in->info = s->info;
                command_change(c, "update-secret", NULL, "set what is told of secret %s", u->name);
        }
        if (r >= 0 && s->expire) {
                char stamp[CLOCK_TEXT_MAX];

                r = read_expire(tx, s->expire, &in->expire_at, err);
                in->expire_at_null = !in->expire_at;
                command_change(c, "update-secret", NULL, "let secret %s expire %s%s", u->name,
                               in->expire_at ? "at " : "never",
                               in->expire_at ? clock_iso(in->expire_at, false, stamp) : "");
        }
        return r < 0 ? r : 0;
}

static int find(struct tx *tx, const struct command_secret *s, const struct q_user_secret_row **ret,
                struct err *err) {
        const struct q_model_row *model;
        int r = lookup_live_model(tx, s->model, &model, err);

        return r < 0 ? r : user_secret_find(tx, model->id, s->name, ret, err);
}

int command_secret_update(struct tx *tx, struct command *c, struct err *err) {
        const struct command_secret *s = command_of(c, command_secret);
        const struct q_user_secret_row *u;
        struct w_user_secret_set_in in;
        int r = find(tx, s, &u, err);

        if (r < 0)
                return r;
        in = (struct w_user_secret_set_in){ .id = u->id,
                                            .name = u->name,
                                            .info = u->info,
                                            .revision = u->revision,
                                            .expire_at = u->expire_at,
                                            .expire_at_null = u->expire_at_null,
                                            .updated_at = u->updated_at };
        if (s->content)
                r = put_revision(tx, c, u, s->content, &in, err);
        if (r >= 0)
                r = put_rest(tx, c, u, &in, err);
        if (r >= 0)
                r = w_user_secret_set(tx, &in, err);
        return r < 0 ? r : user_secret_each_key(tx, u->id, secret_prune, err);
}

/* ---- removing */

/* "Secret lab/sealed of sealed, option api-key of sealed and 2 more" */
static int refuse_used(const struct q_user_secret_row *u, const char *what, const json_t *uses,
                       const char *instead, struct err *err) {
        cleanup_(buf_free) struct buf who = BUF_INIT;
        const json_t *use;
        size_t i;

        json_array_foreach(uses, i, use) {
                const char *application = json_get_str(use, "application", "");

                if (i < USES_TOLD)
                        buf_printf(&who, "%s%s%s%s", i ? ", " : "", json_get_str(use, "what", ""),
                                   *application ? " of " : "", application);
        }
        if (json_array_size(uses) > USES_TOLD)
                buf_printf(&who, " and %zu more", json_array_size(uses) - USES_TOLD);
        return err_set(err, -EBUSY, "%s %s is in use: %s. %s", what, u->name, buf_str(&who),
                       instead);
}

static int remove_revision(struct tx *tx, struct command *c, const struct q_user_secret_row *u,
                           int64_t revision, struct err *err) {
        cleanup_(json_freep) json_t *have = json_array(), *uses = json_array();
        cleanup_(freep) char *what = str_format("revision %lld of secret", (long long)revision);
        struct q_secret_row *keys;
        bool found = false;
        json_t *number;
        size_t i, n = 0;
        int r = user_secret_revisions(tx, u, have, err);

        json_array_foreach(have, i, number)
                found |= json_integer_value(number) == revision;
        if (r >= 0 && !found)
                return err_set(err, -ENOENT, "secret %s has no revision %lld", u->name,
                               (long long)revision);
        if (r >= 0 && revision == u->revision)
                return err_set(err, -EBUSY,
                               "revision %lld is the newest of secret %s: mooringctl update-secret "
                               "makes another one, remove-secret %s removes it whole",
                               (long long)revision, u->name, u->name);
        if (r >= 0)
                r = user_secret_uses(tx, u, revision, uses, err);
        if (r >= 0 && json_array_size(uses))
                return refuse_used(u, what, uses, "It goes by itself when they have the newest one",
                                   err);
        if (r >= 0)
                r = q_user_secret_keys(tx,
                                       &(struct q_user_secret_keys_in){ .user_secret_id = u->id },
                                       &keys, &n, err);
        for (i = 0; r >= 0 && i < n; i++)
                r = w_secret_revision_delete(
                        tx,
                        &(struct w_secret_revision_delete_in){ .secret_id = keys[i].id,
                                                               .revision = revision },
                        err);
        command_change(c, "remove-secret", NULL, "remove revision %lld of secret %s",
                       (long long)revision, u->name);
        return r < 0 ? r : 0;
}

int command_secret_remove(struct tx *tx, struct command *c, struct err *err) {
        const struct command_secret *s = command_of(c, command_secret);
        cleanup_(json_freep) json_t *uses = json_array();
        const struct q_user_secret_row *u;
        int r = lookup_no_guess(find(tx, s, &u, err), err);

        if (r < 0)
                return r;
        if (s->revision)
                return remove_revision(tx, c, u, s->revision, err);
        r = user_secret_uses(tx, u, USER_SECRET_NEWEST, uses, err);
        if (r >= 0 && json_array_size(uses))
                return refuse_used(u, "secret", uses,
                                   "Give these options another value first (mooringctl config)",
                                   err);
        command_change(c, "remove-secret", NULL, "remove secret %s", u->name);
        record_content(c, u->name, true, false);
        return r < 0 ? r : user_secret_forget(tx, u->id, err);
}

/* ---- who may open it */

typedef int access_fn(struct tx *tx, struct command *c, const struct q_user_secret_row *u,
                      const struct q_application_row *a, struct err *err);

static int grant(struct tx *tx, struct command *c, const struct q_user_secret_row *u,
                 const struct q_application_row *a, struct err *err) {
        struct w_user_secret_grant_insert_in in = { .user_secret_id = u->id,
                                                    .application_id = a->id };
        int r = w_user_secret_grant_insert(tx, &in, err);

        if (r <= 0)
                return r;
        command_change(c, "grant-secret", a->name, "grant secret %s to %s", u->name, a->name);
        command_record(c, a->name, "secret", NULL, json_string(u->name));
        tx_mark(tx, MARK_APPLICATION, a->id);
        return 0;
}

static int note_taken(struct tx *tx, const struct user_secret_option *o, void *arg,
                      struct err *err) {
        struct command *c = arg;

        if (json_get(c->also, o->name))
                command_note(c,
                             "%s is blocked until its option %s takes something else, or the "
                             "secret is granted again; what it has outside stays as it is",
                             o->name, o->option);
        return 0;
}

/* What it told others of it goes too: they had it from this application. */
static int revoke(struct tx *tx, struct command *c, const struct q_user_secret_row *u,
                  const struct q_application_row *a, struct err *err) {
        struct w_user_secret_grant_delete_in in = { .user_secret_id = u->id,
                                                    .application_id = a->id };
        struct w_secret_grant_delete_side_in side = { .application_id = a->id };
        struct q_secret_row *keys;
        size_t n;
        int r = w_user_secret_grant_delete(tx, &in, err);

        if (r <= 0)
                return r;
        r = q_user_secret_keys(tx, &(struct q_user_secret_keys_in){ .user_secret_id = u->id },
                               &keys, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                side.secret_id = keys[i].id;
                r = w_secret_grant_delete_side(tx, &side, err);
        }
        command_change(c, "revoke-secret", a->name, "revoke secret %s from %s", u->name, a->name);
        command_record(c, a->name, "secret", json_string(u->name), NULL);
        command_concerns(c, a->name);
        tx_mark(tx, MARK_APPLICATION, a->id);
        return r < 0 ? r : 0;
}

static int each_application(struct tx *tx, struct command *c, access_fn *fn,
                            const struct q_user_secret_row **ret, struct err *err) {
        const struct command_secret *s = command_of(c, command_secret);
        const struct q_application_row *a;
        const struct q_model_row *model;
        const json_t *name;
        size_t i;
        int r = lookup_live_model(tx, s->model, &model, err);

        if (r >= 0)
                r = user_secret_find(tx, model->id, s->name, ret, err);
        if (r >= 0 && json_array_size(s->applications) == 0)
                return err_set(err, -EINVAL, "of which application?");
        json_array_foreach(s->applications, i, name) {
                const char *text = json_string_value(name);

                if (r >= 0)
                        r = lookup_live_application(tx, model, text ? text : "", &a, err);
                if (r >= 0)
                        r = fn(tx, c, *ret, a, err);
        }
        return r < 0 ? r : 0;
}

int command_secret_grant(struct tx *tx, struct command *c, struct err *err) {
        const struct q_user_secret_row *u;

        return each_application(tx, c, grant, &u, err);
}

int command_secret_revoke(struct tx *tx, struct command *c, struct err *err) {
        const struct q_user_secret_row *u;
        int r = each_application(tx, c, revoke, &u, err);

        return r < 0 ? r : user_secret_each_option(tx, u, note_taken, c, err);
}
