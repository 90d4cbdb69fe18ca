/* SPDX-License-Identifier: Apache-2.0 */
/* postgres-database.c - a database: its oid is what tells it from another of the same name
 *
 * A new database is open to everybody who may log in; here that is taken away when it is made,
 * and when somebody gives it back. Encoding and collation are for life: another one is wanted in
 * vain. */
#include "postgres-kinds.h"

#include <strings.h>

static int look_filled(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_closep) struct postgres_session *inside =
                postgres_session_of(s, t, t->doc.name);
        cleanup_(postgres_session_clearp) PGresult *r = NULL;

        if (!inside ||
            postgres_session_do(
                    inside, t, &r,
                    "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                    "WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema' "
                    "AND left(n.nspname, 3) <> 'pg_' LIMIT 1") < 0)
                return -1;
        t->filled = PQntuples(r) > 0;
        return 0;
}

static int look_public(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;
        json_t *list = json_array();

        json_object_set_new(t->seen, "public", list);
        if (postgres_session_do(s, t, &r,
                                "SELECT a.privilege_type FROM pg_database d, "
                                "aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE "
                                "d.datname = %S AND "
                                "a.grantee = 0 ORDER BY 1",
                                t->doc.name) < 0)
                return -1;
        for (int i = 0; i < PQntuples(r); i++)
                json_array_append_new(list, json_string(postgres_session_at(r, i, 0)));
        return 0;
}

int postgres_database_look(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;
        char id[64];

        t->present = t->ours = t->filled = false;
        t->found_incarnation[0] = '\0';
        if (postgres_session_do(
                    s, t, &r,
                    "SELECT oid, pg_encoding_to_char(encoding), datcollate, "
                    "shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %S",
                    t->doc.name) < 0)
                return -1;
        if (PQntuples(r) == 0)
                return 0;
        t->present = true;
        str_copy(t->found_incarnation, sizeof(t->found_incarnation), postgres_session_at(r, 0, 0));
        sql_engine_marked(t, postgres_session_at(r, 0, 3), &t->ours, id);
        json_decref(t->seen);
        t->seen = json_pack("{s:s, s:s?}", "charset", postgres_session_at(r, 0, 1), "collation",
                            postgres_session_at(r, 0, 2));
        return look_public(s, t) < 0 ? -1 : look_filled(s, t);
}

static int check_fixed(struct sql_task *t) {
        const char *charset = json_get_str(t->seen, "charset", ""),
                   *collation = json_get_str(t->seen, "collation", "");

        if (t->doc.charset && strcasecmp(t->doc.charset, charset) != 0)
                return sql_fail(t, OUTCOME_IMMUTABLE,
                                "database %s: its encoding is %s for life, not %s", t->doc.name,
                                charset, t->doc.charset);
        if (t->doc.collation && !str_eq(t->doc.collation, collation))
                return sql_fail(t, OUTCOME_IMMUTABLE,
                                "database %s: its collation is %s for life, not %s", t->doc.name,
                                collation, t->doc.collation);
        if (t->first && !t->ours && !t->adopt && t->filled)
                return sql_fail(
                        t, OUTCOME_CONFLICT,
                        "database %s is there already, with tables in it, and was not made by this "
                        "application: adopt it, or choose another name",
                        t->doc.name);
        return 0;
}

static int create(struct postgres_session *s, struct sql_task *t) {
        int r;

        if (t->doc.charset && t->doc.collation)
                r = postgres_session_try(s, t, "42P04",
                                         "CREATE DATABASE %I TEMPLATE template0 ENCODING %S "
                                         "LC_COLLATE %S LC_CTYPE %S",
                                         t->doc.name, t->doc.charset, t->doc.collation,
                                         t->doc.collation);
        else if (t->doc.charset)
                r = postgres_session_try(s, t, "42P04",
                                         "CREATE DATABASE %I TEMPLATE template0 ENCODING %S",
                                         t->doc.name, t->doc.charset);
        else if (t->doc.collation)
                r = postgres_session_try(
                        s, t, "42P04",
                        "CREATE DATABASE %I TEMPLATE template0 LC_COLLATE %S LC_CTYPE %S",
                        t->doc.name, t->doc.collation, t->doc.collation);
        else
                r = postgres_session_try(s, t, "42P04", "CREATE DATABASE %I", t->doc.name);
        t->created = r == 0;
        return r < 0 ? -1 : 0;
}

static int settle(struct postgres_session *s, struct sql_task *t) {
        char mark[256];

        sql_engine_mark(t, "database", mark, sizeof(mark));
        if (!t->ours &&
            postgres_session_do(s, t, NULL, "COMMENT ON DATABASE %I IS %S", t->doc.name, mark) < 0)
                return -1;
        return postgres_session_do(s, t, NULL, "REVOKE ALL ON DATABASE %I FROM PUBLIC",
                                   t->doc.name);
}

int postgres_database_apply(struct postgres_session *s, struct sql_task *t) {
        if (postgres_database_look(s, t) < 0)
                return -1;
        if (t->present) {
                if (check_fixed(t) < 0)
                        return -1;
                t->created = t->first && !t->adopt;
        } else if (create(s, t) < 0) {
                return -1;
        }
        return settle(s, t) < 0 ? -1 : postgres_database_look(s, t);
}

/* What is connected is cut off: it was asked for by name, and would hold the removal up for
 * ever. */
int postgres_database_remove(struct postgres_session *s, struct sql_task *t) {
        if (postgres_database_look(s, t) < 0)
                return -1;
        if (!t->present)
                return 0;
        if (t->incarnation[0] && !str_eq(t->incarnation, t->found_incarnation))
                return sql_fail(t, OUTCOME_GONE,
                                "another database has the name %s now: left in place", t->doc.name);
        t->present = false;
        return postgres_session_do(s, t, NULL, "DROP DATABASE IF EXISTS %I WITH (FORCE)",
                                   t->doc.name);
}
