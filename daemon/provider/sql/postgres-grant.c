/* SPDX-License-Identifier: Apache-2.0 */
/* postgres-grant.c - what one user may do on one database: exactly that
 *
 * Rights on a database say little here: tables live in schemas, and since PostgreSQL 15 nobody
 * may make any in "public" unasked. So ALL PRIVILEGES covers that schema too. Both are set in
 * one transaction. */
#include "postgres-kinds.h"

static const char *const known[] = { "CONNECT", "CREATE", "TEMPORARY" };
#define SCHEMA_ALL 2 /* CREATE and USAGE */

/* A right that may be passed on is another right than one that may not. */
static void add_rows(json_t *list, const PGresult *r) {
        for (int i = 0; i < PQntuples(r); i++)
                json_array_append_new(list, json_sprintf("%s%s", postgres_session_at(r, i, 0),
                                                         str_eq(postgres_session_at(r, i, 1), "t")
                                                                 ? " WITH GRANT OPTION"
                                                                 : ""));
}

static int read_database(struct postgres_session *s, struct sql_task *t, json_t *list) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;

        if (postgres_session_do(
                    s, t, &r,
                    "SELECT DISTINCT a.privilege_type, a.is_grantable FROM pg_database d, "
                    "aclexplode(d.datacl) a JOIN pg_roles u ON u.oid = a.grantee WHERE d.datname = "
                    "%S AND "
                    "u.rolname = %S ORDER BY 1",
                    t->doc.database, t->doc.name) < 0)
                return -1;
        add_rows(list, r);
        return 0;
}

static int read_schema(struct postgres_session *inside, struct sql_task *t, json_t *list) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;

        if (postgres_session_do(
                    inside, t, &r,
                    "SELECT DISTINCT a.privilege_type, a.is_grantable FROM pg_namespace n, "
                    "aclexplode(n.nspacl) a JOIN pg_roles u ON u.oid = a.grantee WHERE n.nspname = "
                    "'public' AND u.rolname = %S ORDER BY 1",
                    t->doc.name) < 0)
                return -1;
        add_rows(list, r);
        return 0;
}

static int read_there(struct postgres_session *s, struct sql_task *t, const char *what, bool *ret) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;
        bool database = str_eq(what, "database");

        if (postgres_session_do(s, t, &r,
                                database ? "SELECT 1 FROM pg_database WHERE datname = %S"
                                         : "SELECT 1 FROM pg_roles WHERE rolname = %S",
                                database ? t->doc.database : t->doc.name) < 0)
                return -1;
        *ret = PQntuples(r) > 0;
        return 0;
}

static bool is_all(const json_t *database, const json_t *schema) {
        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                if (!str_eq(json_string_value(json_array_get(database, i)), known[i]))
                        return false;
        return json_array_size(database) == ARRAY_SIZE(known) &&
               json_array_size(schema) == SCHEMA_ALL &&
               str_eq(json_string_value(json_array_get(schema, 0)), "CREATE") &&
               str_eq(json_string_value(json_array_get(schema, 1)), "USAGE");
}

static int look_inside(struct postgres_session *s, struct postgres_session *inside,
                       struct sql_task *t) {
        cleanup_(json_freep) json_t *database = json_array();
        cleanup_(json_freep) json_t *schema = json_array();

        if (read_database(s, t, database) < 0 || read_schema(inside, t, schema) < 0)
                return -1;
        t->present = json_array_size(database) || json_array_size(schema);
        json_decref(t->seen);
        t->seen = json_object();
        if (is_all(database, schema))
                json_array_insert_new(database, 0, json_string("ALL PRIVILEGES"));
        json_object_set(t->seen, "privileges", database);
        json_object_set(t->seen, "schema", schema);
        return 0;
}

int postgres_grant_look(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_closep) struct postgres_session *inside = NULL;
        bool there = false;

        t->present = false;
        if (postgres_role_check(t) < 0 || read_there(s, t, "database", &there) < 0)
                return -1;
        if (!there)
                return 0;
        inside = postgres_session_of(s, t, t->doc.database);
        return inside ? look_inside(s, inside, t) : -1;
}

static int check(struct postgres_session *s, struct sql_task *t) {
        bool user = false, database = false;
        size_t i;
        json_t *item;

        if (postgres_role_check(t) < 0 || read_there(s, t, "user", &user) < 0 ||
            read_there(s, t, "database", &database) < 0)
                return -1;
        if (!user || !database)
                return sql_fail(t, OUTCOME_NOT_YET, "%s %s is not there yet",
                                user ? "database" : "user", user ? t->doc.database : t->doc.name);
        json_array_foreach((json_t *)t->doc.privileges, i, item) {
                const char *p = json_string_value(item);

                if (!str_eq(p, "ALL PRIVILEGES") && !str_eq(p, known[0]) && !str_eq(p, known[1]) &&
                    !str_eq(p, known[2]))
                        return sql_fail(t, OUTCOME_REFUSED,
                                        "privilege \"%s\": CONNECT, CREATE, TEMPORARY or ALL", p);
        }
        return 0;
}

static int settle(struct postgres_session *inside, struct sql_task *t) {
        const struct sql_document *d = &t->doc;

        if (postgres_session_do(inside, t, NULL, "REVOKE ALL ON DATABASE %I FROM %I CASCADE",
                                d->database, d->name) < 0 ||
            postgres_session_do(inside, t, NULL, "REVOKE ALL ON SCHEMA public FROM %I CASCADE",
                                d->name) < 0 ||
            postgres_session_do(inside, t, NULL, "GRANT %P ON DATABASE %I TO %I", d->privileges,
                                d->database, d->name) < 0)
                return -1;
        if (!sql_document_everything(d))
                return 0;
        return postgres_session_do(inside, t, NULL, "GRANT ALL ON SCHEMA public TO %I", d->name);
}

static bool is_wanted(const struct sql_task *t) {
        return t->present && json_equal(json_get(t->seen, "privileges"), t->doc.privileges) &&
               json_array_size(json_get(t->seen, "schema")) == 0;
}

int postgres_grant_apply(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_closep) struct postgres_session *inside = NULL;

        if (check(s, t) < 0)
                return -1;
        inside = postgres_session_of(s, t, t->doc.database);
        if (!inside || look_inside(s, inside, t) < 0)
                return -1;
        t->created = t->first || !t->present;
        if (is_wanted(t))
                return 0;
        if (postgres_session_do(inside, t, NULL, "BEGIN") < 0 || settle(inside, t) < 0 ||
            postgres_session_do(inside, t, NULL, "COMMIT") < 0)
                return -1; /* closing the connection rolls back */
        return look_inside(s, inside, t);
}

int postgres_grant_remove(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_closep) struct postgres_session *inside = NULL;
        const struct sql_document *d = &t->doc;

        if (postgres_grant_look(s, t) < 0)
                return -1;
        if (!t->present)
                return 0;
        inside = postgres_session_of(s, t, d->database);
        t->present = false;
        if (!inside ||
            postgres_session_do(inside, t, NULL, "REVOKE ALL ON SCHEMA public FROM %I CASCADE",
                                d->name) < 0)
                return -1;
        return postgres_session_do(inside, t, NULL, "REVOKE ALL ON DATABASE %I FROM %I CASCADE",
                                   d->database, d->name);
}
