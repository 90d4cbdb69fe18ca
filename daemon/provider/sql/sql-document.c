/* SPDX-License-Identifier: Apache-2.0 */
/* sql-document.c - what is wanted of a server, as documents and as paths; see sql-document.h
 *
 *   {"type":"database","name":"mlflow","charset":"utf8mb4","collation":"..."}         mlflow
 *   {"type":"user","name":"u1","host":"%","password":"{{secret:...}}"}                u1@%
 *                                      and "locked":true: not let in
 *   {"type":"grant","user":"u1","database":"mlflow","privileges":["ALL PRIVILEGES"]}  u1@%/mlflow
 *   {"type":"certificate","name":"server","certificate":"{{secret:...}}"}           server
 *   {"type":"replication","name":"server","role":"replica","id":2,"user":"u",
 *    "password":"{{secret:...}}","source":"db-0.db"}        server; roles: mysql-replication.c
 *
 * Pure. What only one kind of server knows (its privileges, its character sets) is checked by
 * that engine. */
#include "sql-document.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

static const char *const kind_names[] = { "database",    "user",        "grant",
                                          "certificate", "replication", NULL };
static const char *const role_names[] = { "primary", "closed", "replica", "aside", "alone", NULL };
_Static_assert(ARRAY_SIZE(kind_names) == SQL_KIND_MAX + 1, "a kind without a name");
_Static_assert(ARRAY_SIZE(role_names) == SQL_ROLE_MAX + 1, "a role without a name");

/* What servers keep for themselves: a plan that names one would break the server. */
static const char *const server_databases[] = {
        "mysql",    "information_schema", "performance_schema", "sys",
        "postgres", "template0",          "template1"
};
static const char *const server_users[] = { "root",          "mysql.sys",
                                            "mysql.session", "mysql.infoschema",
                                            "mariadb.sys",   "postgres",
                                            "public" };

struct fields {
        int type;
        const char *name, *user, *host, *database, *charset, *collation, *password, *certificate,
                *source;
        int role;
        int64_t id;
        json_t *privileges;
        bool locked;
};

#define TEXT(member, json, flags, max)                                                             \
        { json, JSON_FIELD_STRING, offsetof(struct fields, member), flags, 1, max }

static const struct json_field database_fields[] = {
        { "type", JSON_FIELD_ENUM, offsetof(struct fields, type), JSON_REQUIRED,
          .names = kind_names },
        TEXT(name, "name", JSON_REQUIRED, SQL_DATABASE_MAX),
        TEXT(charset, "charset", 0, 64),
        TEXT(collation, "collation", 0, 64),
        {}
};
static const struct json_field user_fields[] = {
        { "type", JSON_FIELD_ENUM, offsetof(struct fields, type), JSON_REQUIRED,
          .names = kind_names },
        TEXT(name, "name", JSON_REQUIRED, 4 * SQL_USER_MAX),
        TEXT(host, "host", 0, SQL_HOST_MAX),
        TEXT(password, "password", JSON_REQUIRED | JSON_SECRET,
             SECRET_TOKEN_MAX + SQL_PASSWORD_MAX),
        { "locked", JSON_FIELD_BOOL, offsetof(struct fields, locked) },
        {}
};
static const struct json_field grant_fields[] = {
        { "type", JSON_FIELD_ENUM, offsetof(struct fields, type), JSON_REQUIRED,
          .names = kind_names },
        TEXT(user, "user", JSON_REQUIRED, 4 * SQL_USER_MAX),
        TEXT(host, "host", 0, SQL_HOST_MAX),
        TEXT(database, "database", JSON_REQUIRED, SQL_DATABASE_MAX),
        { "privileges", JSON_FIELD_LIST, offsetof(struct fields, privileges), JSON_REQUIRED },
        {}
};
/* Its file is the server's own business: it is only to show that one. */
static const struct json_field certificate_fields[] = {
        { "type", JSON_FIELD_ENUM, offsetof(struct fields, type), JSON_REQUIRED,
          .names = kind_names },
        TEXT(name, "name", JSON_REQUIRED, SQL_DATABASE_MAX),
        TEXT(certificate, "certificate", JSON_REQUIRED, SECRET_TOKEN_MAX + SQL_CERTIFICATE_MAX),
        {}
};
static const struct json_field replication_fields[] = {
        { "type", JSON_FIELD_ENUM, offsetof(struct fields, type), JSON_REQUIRED,
          .names = kind_names },
        TEXT(name, "name", JSON_REQUIRED, SQL_DATABASE_MAX),
        { "role", JSON_FIELD_ENUM, offsetof(struct fields, role), JSON_REQUIRED,
          .names = role_names },
        { "id", JSON_FIELD_INT, offsetof(struct fields, id), JSON_REQUIRED, 1, SQL_SERVER_ID_MAX },
        TEXT(user, "user", JSON_REQUIRED, 4 * SQL_USER_MAX),
        TEXT(password, "password", JSON_REQUIRED | JSON_SECRET,
             SECRET_TOKEN_MAX + SQL_PASSWORD_MAX),
        TEXT(source, "source", 0, SQL_SOURCE_MAX),
        {}
};
static const struct json_field *const tables[] = { database_fields, user_fields, grant_fields,
                                                   certificate_fields, replication_fields };
_Static_assert(ARRAY_SIZE(tables) == SQL_KIND_MAX, "a kind without fields");

static bool has_host(enum sql_kind kind) {
        return kind == SQL_USER || kind == SQL_GRANT;
}

static int kind_find(const char *name) {
        for (int i = 0; i < SQL_KIND_MAX; i++)
                if (str_eq(name, kind_names[i]))
                        return i;
        return -1;
}

/* ---- names */

static size_t characters(const char *s) {
        size_t n = 0;

        for (; *s; s++)
                n += ((unsigned char)*s & 0xc0) != 0x80;
        return n;
}

/* MySQL's identifiers end at U+FFFF: no byte sequence of four. */
static int check_name(const char *what, const char *s, struct err *err) {
        size_t n = strlen(s);

        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char)s[i];

                if (c < ' ' || c == 127 || c >= 0xf0 || strchr("/@\\", c))
                        return err_set(err, -EINVAL, "%s \"%s\": character %zu cannot stand in it",
                                       what, s, i + 1);
        }
        if (n == 0 || s[0] == ' ' || s[n - 1] == ' ')
                return err_set(err, -EINVAL, "%s \"%s\": begins or ends with a blank, or is empty",
                               what, s);
        return 0;
}

static int check_not_ours(const char *what, const char *s, const char *const *names, size_t n,
                          struct err *err) {
        for (size_t i = 0; i < n; i++)
                if (strcasecmp(s, names[i]) == 0)
                        return err_set(err, -EINVAL, "%s \"%s\" belongs to the server itself", what,
                                       s);
        return 0;
}

bool sql_document_of_server(const char *database) {
        struct err err = { 0 };

        return check_not_ours("database", database, server_databases, ARRAY_SIZE(server_databases),
                              &err) < 0;
}

static int check_database(const char *s, struct err *err) {
        int r = check_name("database", s, err);

        if (r == 0)
                r = check_not_ours("database", s, server_databases, ARRAY_SIZE(server_databases),
                                   err);
        return r;
}

static int check_user(const char *s, const char *host, struct err *err) {
        int r = check_name("user", s, err);

        if (r < 0)
                return r;
        if (characters(s) > SQL_USER_MAX)
                return err_set(err, -EINVAL, "user \"%s\": longer than %d characters", s,
                               SQL_USER_MAX);
        for (const char *p = host; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr(".:_%-/", *p))
                        return err_set(err, -EINVAL,
                                       "host \"%s\": a name, an address, or a pattern of them",
                                       host);
        return check_not_ours("user", s, server_users, ARRAY_SIZE(server_users), err);
}

/* Words such as UTF8MB4 or en_US.UTF-8: they are not quoted as identifiers everywhere. */
static int check_word(const char *what, const char *s, struct err *err) {
        for (const char *p = s ? s : ""; *p; p++)
                if (!isalnum((unsigned char)*p) && !strchr("._-@", *p))
                        return err_set(err, -EINVAL,
                                       "%s \"%s\": letters, digits, \"_\", \".\" and \"-\"", what,
                                       s);
        return 0;
}

/* ---- privileges */

static int by_text(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int upper_privilege(const char *s, char *ret, size_t size, struct err *err) {
        size_t n = str_copy(ret, size, s ? s : "");

        if (n == 0 || n >= size)
                return err_set(err, -EINVAL, "privileges: each is a short text");
        for (char *p = ret; *p; p++) {
                *p = (char)toupper((unsigned char)*p);
                if (!(*p >= 'A' && *p <= 'Z') && *p != ' ')
                        return err_set(err, -EINVAL, "privilege \"%s\": words of letters", s);
        }
        if (str_eq(ret, "ALL"))
                str_copy(ret, size, "ALL PRIVILEGES");
        if (str_eq(ret, "GRANT OPTION") || str_eq(ret, "USAGE") || str_eq(ret, "PROXY"))
                return err_set(err, -EINVAL, "privilege \"%s\" is not given to a relation's user",
                               ret);
        return 0;
}

/* Upper case, sorted, each once: equal wants give equal bytes. */
static int take_privileges(const json_t *list, json_t **ret, struct err *err) {
        char words[SQL_PRIVILEGES_MAX][64];
        const char *sorted[SQL_PRIVILEGES_MAX];
        size_t n = json_array_size(list);
        cleanup_(json_freep) json_t *out = json_array();
        bool all = false;

        if (n == 0 || n > SQL_PRIVILEGES_MAX)
                return err_set(err, -EINVAL, "privileges: between 1 and %d of them",
                               SQL_PRIVILEGES_MAX);
        for (size_t i = 0; i < n; i++) {
                int r = upper_privilege(json_string_value(json_array_get(list, i)), words[i],
                                        sizeof(words[i]), err);

                if (r < 0)
                        return r;
                sorted[i] = words[i];
                all |= str_eq(words[i], "ALL PRIVILEGES");
        }
        qsort(sorted, n, sizeof(*sorted), by_text);
        for (size_t i = 0; i < n && !all; i++)
                if (!i || !str_eq(sorted[i], sorted[i - 1]))
                        json_array_append_new(out, json_string(sorted[i]));
        if (all)
                json_array_append_new(out, json_string("ALL PRIVILEGES"));
        *ret = take_ptr(out);
        return 0;
}

bool sql_document_everything(const struct sql_document *d) {
        return str_eq(json_string_value(json_array_get(d->privileges, 0)), "ALL PRIVILEGES");
}

/* ---- documents */

static int check(const struct fields *f, enum sql_kind kind, struct err *err) {
        int r;

        switch (kind) {
        case SQL_DATABASE:
                r = check_database(f->name, err);
                if (r == 0)
                        r = check_word("charset", f->charset, err);
                return r < 0 ? r : check_word("collation", f->collation, err);
        case SQL_USER:
                return check_user(f->name, f->host, err);
        case SQL_CERTIFICATE:
                return check_name("certificate", f->name, err);
        case SQL_REPLICATION:
                if (f->role == SQL_REPLICA && !f->source)
                        return err_set(err, -EINVAL, "source: a replica has one");
                r = check_name("replication", f->name, err);
                return r < 0 ? r : check_user(f->user, f->source ? f->source : "", err);
        default:
                r = check_user(f->user, f->host, err);
                return r < 0 ? r : check_database(f->database, err);
        }
}

static const char *keep(struct sql_document *d, const char *member, const char *text) {
        if (!text)
                return NULL;
        json_object_set_new(d->json, member, json_string(text));
        return json_get_str(d->json, member, NULL);
}

static void take_replication(const struct fields *f, enum sql_kind kind, struct sql_document *d) {
        if (kind != SQL_REPLICATION)
                return;
        d->role = (enum sql_role)f->role;
        d->id = f->id;
        json_object_set_new(d->json, "role", json_string(role_names[f->role]));
        json_object_set_new(d->json, "id", json_integer((json_int_t)f->id));
        d->user = keep(d, "user", f->user);
        d->source = keep(d, "source", f->source);
}

/* The document in its one form, with all defaults in it. */
static int take(const struct fields *f, enum sql_kind kind, struct sql_document *ret,
                struct err *err) {
        struct sql_document d = { .kind = kind, .json = json_object() };
        json_t *privileges = NULL;

        if (f->privileges && take_privileges(f->privileges, &privileges, err) < 0) {
                sql_document_free(&d);
                return -EINVAL;
        }
        if (privileges)
                json_object_set_new(d.json, "privileges", privileges);
        d.privileges = privileges;
        d.name = keep(&d, "name", kind == SQL_GRANT ? f->user : f->name);
        d.host = has_host(kind) ? keep(&d, "host", f->host) : NULL;
        d.database = keep(&d, "database", f->database);
        d.charset = keep(&d, "charset", f->charset);
        d.collation = keep(&d, "collation", f->collation);
        d.password = keep(&d, "password", f->password);
        d.certificate = keep(&d, "certificate", f->certificate);
        d.locked = f->locked;
        take_replication(f, kind, &d);
        if (f->locked)
                json_object_set_new(d.json, "locked", json_true());
        *ret = d;
        return 0;
}

int sql_document_parse(const json_t *wanted, struct sql_document *ret, struct err *err) {
        int kind = kind_find(json_get_str(wanted, "type", NULL));
        struct fields f = { .host = "%" };
        int r;

        if (kind < 0)
                return err_set(err, -EINVAL,
                               "type: one of database, user, grant, certificate, "
                               "replication");
        r = json_decode(wanted, tables[kind], false, &f, &(struct json_where){ .path = "" }, err);
        if (r == 0)
                r = check(&f, (enum sql_kind)kind, err);
        if (r < 0)
                return err_add(err, r, "%s", kind_names[kind]);
        return take(&f, (enum sql_kind)kind, ret, err);
}

int sql_document_at(const char *type, const char *path, struct sql_document *ret, struct err *err) {
        cleanup_(freep) char *copy = str_dup(path);
        int kind = kind_find(type);
        char *at = strchr(copy, '@'), *slash = strrchr(copy, '/');
        struct fields f = { .name = copy, .user = copy };

        if (kind < 0 || (has_host((enum sql_kind)kind) && !at) || (kind == SQL_GRANT && !slash))
                return err_set(err, -EINVAL, "%s %s: no such path", type, path);
        if (has_host((enum sql_kind)kind)) {
                *at = '\0';
                f.host = at + 1;
        }
        if (kind == SQL_GRANT) {
                *slash = '\0';
                f.database = slash + 1;
        }
        return take(&f, (enum sql_kind)kind, ret, err);
}

void sql_document_free(struct sql_document *d) {
        json_decref(d->json);
        *d = (struct sql_document){ 0 };
}

char *sql_document_path(const struct sql_document *d) {
        if (!has_host(d->kind))
                return str_dup(d->name);
        if (d->kind == SQL_USER)
                return str_format("%s@%s", d->name, d->host);
        return str_format("%s@%s/%s", d->name, d->host, d->database);
}

int sql_document_identify(const json_t *wanted, const char *scope, struct identity *ret,
                          struct err *err) {
        cleanup_(sql_document_free) struct sql_document d = { 0 };
        cleanup_(freep) char *user = NULL;
        struct identity i = { 0 };
        int r = sql_document_parse(wanted, &d, err);

        if (r < 0)
                return r;
        i.type = str_dup(kind_names[d.kind]);
        i.path = sql_document_path(&d);
        i.data = d.kind == SQL_DATABASE;
        if (d.kind == SQL_GRANT) {
                user = str_format("%s@%s", d.name, d.host);
                identity_need(&i, NEED_EXISTS, "user", user);
                identity_need(&i, NEED_EXISTS, "database", d.database);
        }
        *ret = i;
        return 0;
}
