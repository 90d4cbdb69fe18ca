/* SPDX-License-Identifier: Apache-2.0 */
/* application-row.c - options, storage and resources of one application: checked against its
 * charm, written when they differ
 *
 * A secret option's row holds a token; its value is sealed in a revision of secret (application,
 * "option", NAME). A new value is a new revision, so what uses it rolls; the same value again
 * changes nothing. "secret:NAME" takes a key of a secret that people added: the row holds its
 * token of no revision (user-secret.h). While the charm is not there nobody knows which options
 * are secret: those whose name sounds so are sealed, and put right when it comes
 * (application_row_recheck). */
#include "command-internal.h"

#include "certificate.h"

#include "opt.h"
#include "secret-token.h"
#include "size.h"
#include "user-secret.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define OPTION_LABEL "option" /* of secrets that hold an option's value; their field is its name */
#define IMAGE_MAX 1024        /* letters of an image reference */

/* ---- secrets */

static int find_secret(struct tx *tx, int64_t application, const char *option,
                       const struct q_secret_row **ret, struct err *err) {
        struct q_secret_row *row;
        size_t n;
        int r = q_secret_by_label(tx,
                                  &(struct q_secret_by_label_in){ .application_id = application,
                                                                  .label = OPTION_LABEL,
                                                                  .field = option },
                                  &row, &n, err);

        *ret = r >= 0 && n ? row : NULL;
        return r < 0 ? r : 0;
}

int application_row_secret(struct tx *tx, const struct sealer *sealer, int64_t application,
                           const char *option, struct secret_text *ret, struct err *err) {
        const struct q_secret_row *s;
        int r = find_secret(tx, application, option, &s, err);

        if (r < 0)
                return r;
        return s ? secret_revision_open(tx, sealer, s, s->revision, ret, err) : 1;
}

static int insert_secret(const struct application_row *a, const char *option, int64_t id,
                         const char *uri, struct err *err) {
        struct w_secret_insert_in in = { .id = id,
                                         .uri = uri,
                                         .model_id = a->model,
                                         .application_id = a->id,
                                         .label = OPTION_LABEL,
                                         .field = option,
                                         .purpose = "option",
                                         .policy = "{}",
                                         .revision = 1,
                                         .created_at = tx_now(a->tx) };

        return w_secret_insert(a->tx, &in, err);
}

static int insert_revision(const struct application_row *a, int64_t id, const char *uri,
                           int64_t revision, const char *value, struct err *err) {
        struct secret_revision s = { id, uri, revision };

        return secret_revision_add(a->tx, a->command->sealer, &s, value, strlen(value), err);
}

/* The row's text, or NULL. */
static int current(const struct application_row *a, const char *option, const char **ret,
                   struct err *err) {
        struct q_application_option_get_row *row;
        size_t n;
        int r = q_application_option_get(
                a->tx,
                &(struct q_application_option_get_in){ .application_id = a->id, .name = option },
                &row, &n, err);

        *ret = r >= 0 && n ? row->value : NULL;
        return r < 0 ? r : 0;
}

/* TEXT is the JSON of a row, or NULL. */
static json_t *audit_option(const struct application_row *a, const char *option, const char *text) {
        const struct meta_option *o = a->meta ? charm_meta_option(a->meta, option) : NULL;
        cleanup_(json_freep) json_t *value = NULL;

        if (!text || json_parse(text, strlen(text), &value, NULL) < 0)
                return NULL;
        if (!o)
                return json_string(AUDIT_UNKNOWN);
        if (o->type == META_SECRET ||
            (json_is_string(value) && secret_token_in(json_string_value(value))))
                return json_string(AUDIT_SECRET);
        return take_ptr(value);
}

/* TEXT NULL: back to its default. */
static void record_option(const struct application_row *a, const char *option, const char *before,
                          const char *text) {
        cleanup_(freep) char *field = NULL;

        if (!a->command->entry) /* nobody will read it */
                return;
        field = str_format("option %s", option);
        command_record(a->command, a->name, field, audit_option(a, option, before),
                       audit_option(a, option, text));
}

static int write_option(const struct application_row *a, const char *option, const char *text,
                        struct err *err) {
        struct w_application_option_set_in in = { .application_id = a->id,
                                                  .name = option,
                                                  .value = text };
        int r = w_application_option_set(a->tx, &in, err);

        return r < 0 ? r : 1;
}

static int write_token(const struct application_row *a, const char *option, const char *uri,
                       int64_t revision, struct err *err) {
        char token[SECRET_TOKEN_MAX];
        cleanup_(json_freep) json_t *value =
                json_string(secret_token_write(uri, revision, SECRET_PLAIN, token));
        cleanup_(freep) char *text = json_text(value);
        const char *before;
        int r = current(a, option, &before, err);

        if (r < 0)
                return r;
        record_option(a, option, before, text);
        command_change(a->command, "set-option", a->name, "set secret option %s of %s", option,
                       a->name);
        return write_option(a, option, text, err);
}

int application_row_follow(struct tx *tx, const struct q_secret_row *s, int64_t revision,
                           struct err *err) {
        char token[SECRET_TOKEN_MAX];
        cleanup_(json_freep) json_t *value =
                json_string(secret_token_write(s->uri, revision, SECRET_PLAIN, token));
        cleanup_(freep) char *text = json_text(value);

        return w_application_option_set(
                tx,
                &(struct w_application_option_set_in){
                        .application_id = s->application_id, .name = s->field, .value = text },
                err);
}

static int first_revision(const struct application_row *a, const char *option, const char *value,
                          struct err *err) {
        cleanup_(freep) char *name = str_format("%lld/%s", (long long)a->id, option);
        int64_t id = tx_id(a->tx, "secret");
        char uri[SECRET_URI_SIZE];
        int r;

        command_uri(a->command, name, uri);
        r = insert_secret(a, option, id, uri, err);
        if (r >= 0)
                r = insert_revision(a, id, uri, 1, value, err);
        return r < 0 ? r : write_token(a, option, uri, 1, err);
}

static int set_secret(const struct application_row *a, const char *option, const char *value,
                      struct err *err) {
        cleanup_(secret_text_free) struct secret_text before = {};
        const struct q_secret_row *s;
        int r = find_secret(a->tx, a->id, option, &s, err);

        if (r < 0)
                return r;
        if (!s)
                return first_revision(a, option, value, err);
        r = secret_revision_open(a->tx, a->command->sealer, s, s->revision, &before, err);
        if (r < 0)
                return r;
        if (before.len == strlen(value) && memcmp(before.data, value, before.len) == 0)
                return 0;
        r = insert_revision(a, s->id, s->uri, s->revision + 1, value, err);
        if (r >= 0)
                r = w_secret_set_revision(a->tx,
                                          &(struct w_secret_set_revision_in){
                                                  .revision = s->revision + 1, .id = s->id },
                                          err);
        return r < 0 ? r : write_token(a, option, s->uri, s->revision + 1, err);
}

int application_row_forget_secret(struct tx *tx, int64_t secret, struct err *err) {
        int r = w_secret_grant_delete_all(
                tx, &(struct w_secret_grant_delete_all_in){ .secret_id = secret }, err);

        if (r >= 0)
                r = certificate_forget(tx, secret, err);
        if (r >= 0)
                r = w_secret_use_drop_all(
                        tx, &(struct w_secret_use_drop_all_in){ .secret_id = secret }, err);
        if (r >= 0)
                r = w_secret_revision_delete_all(
                        tx, &(struct w_secret_revision_delete_all_in){ .secret_id = secret }, err);
        if (r >= 0)
                r = w_secret_delete(tx, &(struct w_secret_delete_in){ .id = secret }, err);
        return r < 0 ? r : 0;
}

static int drop_secret(const struct application_row *a, const char *option, struct err *err) {
        const struct q_secret_row *s;
        int r = find_secret(a->tx, a->id, option, &s, err);

        return r < 0 || !s ? r : application_row_forget_secret(a->tx, s->id, err);
}

/* ---- a key of a secret that people added */

static bool is_reference(const struct application_row *a, const char *option, const json_t *value) {
        const struct meta_option *o = a->meta ? charm_meta_option(a->meta, option) : NULL;

        return o && o->type == META_SECRET && json_is_string(value) &&
               str_starts(json_string_value(value), USER_SECRET_SCHEME);
}

/* Its value has to fit like one that is given. */
static int check_taken(const struct application_row *a, const char *option,
                       const struct q_secret_row *key, struct bundle_place at, struct err *err) {
        cleanup_(secret_text_free) struct secret_text text = {};
        cleanup_(json_freep) json_t *value = NULL, *checked = NULL;
        struct err wrong = {};
        int r = secret_revision_open(a->tx, a->command->sealer, key, key->revision, &text, err);

        if (r < 0)
                return r;
        value = json_stringn(text.data, text.len);
        if (charm_meta_check_option(a->meta, a->name, option, value, &checked, &wrong) < 0)
                command_fault(a->command, at, "%s", err_text(&wrong));
        json_wipe(take_ptr(value));
        return 0;
}

static int note_closed(const struct application_row *a, const struct q_secret_row *key,
                       struct err *err) {
        struct q_secret_opens_row *open;
        size_t n;
        int r = q_secret_opens(
                a->tx, &(struct q_secret_opens_in){ .uri = key->uri, .application_id = a->id },
                &open, &n, err);

        if (r >= 0 && n == 0)
                command_note(a->command, "%s waits until mooringctl grant-secret %s %s", a->name,
                             key->label, a->name);
        return r < 0 ? r : 0;
}

/* OPTION becomes TEXT, and a secret that it was until now goes. 0: it was that before. */
static int replace_option(const struct application_row *a, const char *option, const char *text,
                          struct err *err) {
        const char *before;
        int r = current(a, option, &before, err);

        if (r < 0 || str_eq(before, text))
                return r < 0 ? r : 0;
        r = drop_secret(a, option, err);
        if (r < 0)
                return r;
        record_option(a, option, before, text);
        r = write_option(a, option, text, err);
        return r < 0 ? r : 1;
}

static int write_reference(const struct application_row *a, const char *option,
                           const struct q_secret_row *key, struct err *err) {
        char token[SECRET_TOKEN_MAX];
        cleanup_(json_freep) json_t *value =
                json_string(secret_token_write(key->uri, USER_SECRET_NEWEST, SECRET_PLAIN, token));
        cleanup_(freep) char *text = json_text(value);
        int r = replace_option(a, option, text, err);

        if (r <= 0)
                return r;
        command_change(a->command, "set-option", a->name,
                       "set secret option %s of %s to key %s of secret %s", option, a->name,
                       key->field, key->label);
        r = note_closed(a, key, err);
        return r < 0 ? r : 1;
}

static int set_reference(const struct application_row *a, const char *option, const char *text,
                         struct bundle_place at, struct err *err) {
        const struct q_secret_row *key;
        struct err wrong = {};
        int r = user_secret_refer(a->tx, a->model, text, option, &key, &wrong);

        if (r == -ENOENT || r == -EINVAL) {
                command_fault(a->command, at, "application %s: option %s: %s", a->name, option,
                              err_text(&wrong));
                return 0;
        }
        if (r < 0)
                return err_set(err, r, "%s", err_text(&wrong));
        r = check_taken(a, option, key, at, err);
        return r < 0 ? r : write_reference(a, option, key, err);
}

/* ---- options */

static bool sounds_secret(const char *option) {
        static const char *const words[] = { "password", "secret",     "token",
                                             "key",      "credential", "passphrase" };
        cleanup_(freep) char *lower = str_dup(option);

        for (char *p = lower; *p; p++)
                *p = (char)tolower((unsigned char)*p);
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                if (strstr(lower, words[i]))
                        return true;
        }
        return false;
}

static int set_plain(const struct application_row *a, const char *option, const json_t *value,
                     struct err *err) {
        cleanup_(freep) char *text = json_text(value);
        int r = replace_option(a, option, text, err);

        if (r > 0)
                command_change(a->command, "set-option", a->name, "set option %s of %s to %.100s",
                               option, a->name, text);
        return r;
}

static bool is_secret(const struct application_row *a, const char *option, const json_t *value) {
        const struct meta_option *o = a->meta ? charm_meta_option(a->meta, option) : NULL;

        if (o)
                return o->type == META_SECRET;
        return json_is_string(value) && sounds_secret(option);
}

/* A value that merely looks like a token would open somebody else's secret. */
static bool is_forged(const json_t *value) {
        return json_is_string(value) && secret_token_in(json_string_value(value));
}

int application_row_option(const struct application_row *a, const char *option, const json_t *value,
                           struct bundle_place at, struct err *err) {
        cleanup_(json_freep) json_t *checked = NULL;
        struct err wrong = {};

        if (is_forged(value)) {
                command_fault(a->command, at,
                              "application %s: option %s: may not name a secret by its token",
                              a->name, option);
                return 0;
        }
        if (is_reference(a, option, value))
                return set_reference(a, option, json_string_value(value), at, err);
        if (a->meta &&
            charm_meta_check_option(a->meta, a->name, option, value, &checked, &wrong) < 0) {
                command_fault(a->command, at, "%s", err_text(&wrong));
                return 0;
        }
        if (!checked)
                checked = json_incref((json_t *)value);
        if (!is_secret(a, option, checked))
                return set_plain(a, option, checked, err);
        if (json_string_length(checked) == 0)
                return application_row_reset(a, option, at, err);
        return set_secret(a, option, json_string_value(checked), err);
}

int application_row_bundle_option(const struct application_row *a, const struct bundle_value *v,
                                  struct err *err) {
        const struct meta_option *o = a->meta ? charm_meta_option(a->meta, v->name) : NULL;
        cleanup_(json_freep) json_t *told = NULL, *now = NULL;
        const char *text;
        int r;

        if (!meta_option_is_note(o) ||
            charm_meta_check_option(a->meta, a->name, v->name, v->value, &told, NULL) < 0)
                return application_row_option(a, v->name, v->value, v->at, err);
        r = current(a, v->name, &text, err);
        if (r >= 0 && text)
                r = json_parse(text, strlen(text), &now, err);
        if (r < 0 || json_equal(told, now ? now : o->value))
                return r < 0 ? r : 0;
        command_note(a->command,
                     "application %s: option %s is %.100s, as its actions set it, and stays so: "
                     "`config %s %s=VALUE` changes it",
                     a->name, v->name, text ? text : "not set", a->name, v->name);
        return 0;
}

int application_row_reset(const struct application_row *a, const char *option,
                          struct bundle_place at, struct err *err) {
        cleanup_(json_freep) json_t *value = NULL;
        const char *before;
        struct err wrong = {};
        int r = current(a, option, &before, err);

        if (r < 0)
                return r;
        if (!before && a->meta && !charm_meta_option(a->meta, option)) {
                /* Only for its message: unknown, with the nearest name. */
                charm_meta_check_option(a->meta, a->name, option, json_null(), &value, &wrong);
                command_fault(a->command, at, "%s", err_text(&wrong));
        }
        if (!before)
                return 0;
        r = drop_secret(a, option, err);
        if (r >= 0)
                r = w_application_option_delete(a->tx,
                                                &(struct w_application_option_delete_in){
                                                        .application_id = a->id, .name = option },
                                                err);
        if (r < 0)
                return r;
        command_change(a->command, "reset-option", a->name,
                       "set option %s of %s back to its default", option, a->name);
        record_option(a, option, before, NULL);
        return 1;
}

static int recheck_option(const struct application_row *a, const char *option, const char *text,
                          struct err *err) {
        cleanup_(secret_text_free) struct secret_text opened = {};
        cleanup_(json_freep) json_t *value = NULL;
        int r = json_parse(text, strlen(text), &value, err);

        if (r < 0)
                return r;
        if (is_forged(
                    value)) { /* ours: what application_row_option refuses never gets into a row */
                r = application_row_secret(a->tx, a->command->sealer, a->id, option, &opened, err);
                if (r != 0)
                        return r;
                json_decref(value);
                value = json_stringn(opened.data, opened.len);
        }
        r = application_row_option(a, option, value, (struct bundle_place){}, err);
        return r < 0 ? r : 0;
}

static int recheck_storage(const struct application_row *a, struct err *err) {
        struct q_application_storage_list_row *rows;
        size_t n;
        int r = q_application_storage_list(
                a->tx, &(struct q_application_storage_list_in){ .application_id = a->id }, &rows,
                &n, err);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                json_t *wanted = json_object();

                if (rows[i].class)
                        json_object_set_new(wanted, "class", json_string(rows[i].class));
                if (rows[i].size > 0)
                        json_object_set_new(wanted, "size", json_integer(rows[i].size));
                r = application_row_storage(a, rows[i].name, wanted, true, (struct bundle_place){},
                                            err);
                json_decref(wanted);
        }
        return r < 0 ? r : 0;
}

int application_row_recheck(const struct application_row *a, struct err *err) {
        struct q_application_option_list_row *rows;
        size_t n;
        int r = q_application_option_list(
                a->tx, &(struct q_application_option_list_in){ .application_id = a->id }, &rows, &n,
                err);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = recheck_option(a, rows[i].name, rows[i].value, err);
        return r < 0 ? r : recheck_storage(a, err);
}

/* ---- storage */

struct storage_now {
        bool found;
        const char *class;
        int64_t size;
};

static int find_storage(const struct application_row *a, const char *name, struct storage_now *ret,
                        struct err *err) {
        struct q_application_storage_list_row *rows;
        size_t n;
        int r = q_application_storage_list(
                a->tx, &(struct q_application_storage_list_in){ .application_id = a->id }, &rows,
                &n, err);

        *ret = (struct storage_now){};
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (str_eq(rows[i].name, name))
                        *ret = (struct storage_now){ true, rows[i].class, rows[i].size };
        }
        return r < 0 ? r : 0;
}

static void unknown_storage(const struct application_row *a, const char *name,
                            struct bundle_place at) {
        cleanup_(freep) const char **names = mem_array(const char *, a->meta->storage_count + 1);
        const char *near;

        for (size_t i = 0; i < a->meta->storage_count; i++)
                names[i] = a->meta->storages[i].name;
        near = opt_nearest(name, names);
        if (!near && a->meta->storage_count == 1)
                near = names[0];
        command_fault(a->command, at, "application %s: charm %s has no storage \"%.80s\"%s%s%s",
                      a->name, a->meta->name, name, near ? ", did you mean \"" : "",
                      near ? near : "", near ? "\"?" : "");
}

/* What stands against it, or NULL; TEXT backs the answer. */
static const char *storage_fault(const struct application_row *a, const struct meta_storage *m,
                                 const struct storage_now *now, const char *class, int64_t size,
                                 bool is_new, char *text, size_t text_size) {
        char is[SIZE_TEXT_MAX], least[SIZE_TEXT_MAX];
        int64_t before = now->found && now->size > 0 ? now->size : m ? m->size : 0;

        if (!is_new && size < before) {
                snprintf(text, text_size, "is %s now and cannot become smaller (%s)",
                         size_text(before, least), size_text(size, is));
                return text;
        }
        if (m && size < m->size) {
                snprintf(text, text_size, "is %s, the charm needs at least %s", size_text(size, is),
                         size_text(m->size, least));
                return text;
        }
        if (!is_new && class && !str_eq(class, now->class)) {
                snprintf(text, text_size, "has class %s, which cannot change once data is there",
                         now->class ? now->class : "of the cluster's default");
                return text;
        }
        return NULL;
}

static json_t *audit_storage(const char *class, int64_t size) {
        json_t *j = json_object();

        if (class)
                json_object_set_new(j, "class", json_string(class));
        if (size > 0)
                json_object_set_new(j, "size", json_integer(size));
        return j;
}

static void record_storage(const struct application_row *a, const char *name,
                           const struct storage_now *now, const char *class, int64_t size) {
        cleanup_(freep) char *field = str_format("storage %s", name);

        command_record(a->command, a->name, field,
                       now->found ? audit_storage(now->class, now->size) : NULL,
                       audit_storage(class, size));
}

int application_row_storage(const struct application_row *a, const char *name, const json_t *wanted,
                            bool is_new, struct bundle_place at, struct err *err) {
        const struct meta_storage *m = a->meta ? charm_meta_storage(a->meta, name) : NULL;
        const char *class = json_get_str(wanted, "class", NULL), *fault;
        struct storage_now now;
        char text[160], shown[SIZE_TEXT_MAX];
        int64_t size;
        int r = find_storage(a, name, &now, err);

        if (r < 0)
                return r;
        if (a->meta && !m) {
                unknown_storage(a, name, at);
                return 0;
        }
        size = json_get_int(wanted, "size", now.found && now.size > 0 ? now.size : m ? m->size : 0);
        fault = storage_fault(a, m, &now, class, size, is_new, text, sizeof(text));
        if (fault) {
                command_fault(a->command, at, "application %s: storage %s: %s", a->name, name,
                              fault);
                return 0;
        }
        class = class ? class : now.class;
        if (now.found && now.size == size && str_eq(now.class, class))
                return 0;
        command_change(a->command, "set-storage", a->name, "set storage %s of %s to %s%s%s", name,
                       a->name, class ? class : "", class ? "," : "",
                       size > 0 ? size_text(size, shown) : "its default");
        record_storage(a, name, &now, class, size);
        r = w_application_storage_set(
                a->tx,
                &(struct w_application_storage_set_in){
                        .application_id = a->id, .name = name, .class = class, .size = size },
                err);
        return r < 0 ? r : 1;
}

/* ---- resources */

static bool is_image(const char *text) {
        size_t n = strlen(text);

        if (n == 0 || n > IMAGE_MAX || !isalnum((unsigned char)text[0]))
                return false;
        for (; *text; text++) {
                if (!isalnum((unsigned char)*text) && !strchr("._-/:@", *text))
                        return false;
        }
        return true;
}

static const char *no_resource(const struct application_row *a) {
        cleanup_(buf_free) struct buf names = BUF_INIT;

        for (size_t i = 0; i < a->meta->resource_count; i++)
                buf_printf(&names, "%s%s", i ? ", " : "", a->meta->resources[i].name);
        return tx_format(a->tx, "the charm has no such resource; it has %s",
                         names.len ? buf_str(&names) : "none");
}

/* What stands against VALUE for RESOURCE, or NULL. */
static const char *resource_fault(const struct application_row *a, const char *name,
                                  const char *value) {
        const struct meta_resource *m = a->meta ? charm_meta_resource(a->meta, name) : NULL;

        if (a->meta && !m)
                return no_resource(a);
        if (!value || !m)
                return value && !is_image(value) ? "is no image reference" : NULL;
        if (m->image)
                return is_image(value) ? NULL
                                       : "is no image reference (registry/name:tag@sha256:...)";
        return strlen(value) == 64 && strspn(value, "0123456789abcdef") == 64
                       ? NULL
                       : "is a file: attach its content, not a name";
}

static void record_resource(const struct application_row *a, const char *name, const char *before,
                            const char *value) {
        cleanup_(freep) char *field = str_format("resource %s", name);

        command_record(a->command, a->name, field, json_string(before), json_string(value));
}

int application_row_resource(const struct application_row *a, const char *name, const char *value,
                             struct bundle_place at, struct err *err) {
        const char *fault = resource_fault(a, name, value), *before = NULL;
        struct q_application_resource_list_row *rows;
        size_t n;
        int r;

        if (fault) {
                command_fault(a->command, at, "application %s: resource %s: %s", a->name, name,
                              fault);
                return 0;
        }
        r = q_application_resource_list(
                a->tx, &(struct q_application_resource_list_in){ .application_id = a->id }, &rows,
                &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                before = str_eq(rows[i].name, name) ? rows[i].value : before;
        if (r < 0 || str_eq(before, value))
                return r < 0 ? r : 0;
        command_change(a->command, "attach-resource", a->name, "use %s for resource %s of %s",
                       value ? value : "the charm's own", name, a->name);
        record_resource(a, name, before, value);
        if (value)
                r = w_application_resource_set(
                        a->tx,
                        &(struct w_application_resource_set_in){
                                .application_id = a->id, .name = name, .value = value },
                        err);
        else
                r = w_application_resource_delete(a->tx,
                                                  &(struct w_application_resource_delete_in){
                                                          .application_id = a->id, .name = name },
                                                  err);
        return r < 0 ? r : 1;
}

int application_row_destroyer(struct tx *tx, const struct command *c, int64_t application,
                              struct err *err) {
        struct w_application_set_destroyer_in in = { .destroy_by = c->actor ? c->actor : "somebody",
                                                     .destroy_at = tx_now(tx),
                                                     .id = application };

        return w_application_set_destroyer(tx, &in, err);
}
