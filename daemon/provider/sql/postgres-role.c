/* SPDX-License-Identifier: Apache-2.0 */
/* postgres-role.c - a user: a role that may log in, and nothing more
 *
 * The password is sent as a SCRAM verifier that is made here, so it is in no statement and in no
 * log of the server; the verifier that the server keeps is checked against the wanted password
 * the same way, without logging in. A role that owns something cannot be dropped: what it owns
 * is handed to the administrator first, database by database. */
#include "postgres-kinds.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define DATABASES_MAX 64 /* in which one relation's user owns something */
#define SCRAM "SCRAM-SHA-256$"
#define ITERATIONS_MAX 10000000 /* a verifier that somebody else wrote must not keep us busy */

int postgres_role_check(struct sql_task *t) {
        if (str_eq(t->doc.host, "%"))
                return 0;
        return sql_fail(t, OUTCOME_REFUSED, "user %s: users of PostgreSQL have no host",
                        t->doc.name);
}

/* ---- looking */

static int look_memberships(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;
        json_t *list = json_array();

        json_object_set_new(t->seen, "member-of", list);
        if (postgres_session_do(s, t, &r,
                                "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid "
                                "= m.roleid JOIN "
                                "pg_roles u ON u.oid = m.member WHERE u.rolname = %S ORDER BY 1",
                                t->doc.name) < 0)
                return -1;
        for (int i = 0; i < PQntuples(r); i++)
                json_array_append_new(list, json_string(postgres_session_at(r, i, 0)));
        return 0;
}

static const char *const columns[] = { "login",       "superuser", "createdb", "createrole",
                                       "replication", "bypassrls", "limited" };

static int look(struct postgres_session *s, struct sql_task *t, PGresult **ret) {
        cleanup_(freep) char *path = sql_document_path(&t->doc);
        cleanup_(postgres_session_clearp) PGresult *r = NULL;
        char hash[DIGEST_HEX_SIZE];
        const char *verifier;

        t->present = false;
        json_decref(t->seen);
        t->seen = json_object();
        if (postgres_session_do(
                    s, t, &r,
                    "SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, "
                    "rolbypassrls, rolconnlimit <> -1 OR coalesce(rolvaliduntil, 'infinity') <> "
                    "'infinity', coalesce(rolpassword, ''), oid FROM pg_authid WHERE rolname = %S",
                    t->doc.name) < 0)
                return -1;
        if (PQntuples(r) == 0)
                return 0;
        t->present = true;
        for (int i = 0; i < (int)ARRAY_SIZE(columns); i++)
                json_object_set_new(t->seen, columns[i],
                                    json_boolean(str_eq(postgres_session_at(r, 0, i), "t")));
        verifier = postgres_session_at(r, 0, (int)ARRAY_SIZE(columns));
        sql_engine_hash(s->config, path, verifier, strlen(verifier), hash);
        json_object_set_new(t->seen, "password", json_string(hash));
        str_copy(t->found_incarnation, sizeof(t->found_incarnation),
                 postgres_session_at(r, 0, (int)ARRAY_SIZE(columns) + 1));
        if (ret)
                *ret = take_ptr(r);
        return look_memberships(s, t);
}

int postgres_role_look(struct postgres_session *s, struct sql_task *t) {
        return postgres_role_check(t) < 0 ? -1 : look(s, t, NULL);
}

/* ---- the password */

/* "4096:<salt>$<stored key>:<server key>", RFC 5803. The stored key is H(HMAC(salted password,
 * "Client Key")). */
static bool verifies(const char *verifier, const char *password) {
        cleanup_(buf_free) struct buf salt = BUF_INIT, stored = BUF_INIT;
        uint8_t salted[DIGEST_SIZE], client[DIGEST_SIZE], is[DIGEST_SIZE];
        char *end;
        long rounds;
        size_t n;

        if (!str_starts(verifier, SCRAM))
                return false;
        rounds = strtol(verifier + strlen(SCRAM), &end, 10);
        if (*end != ':' || rounds <= 0 || rounds > ITERATIONS_MAX)
                return false;
        n = strcspn(++end, "$");
        if (end[n] != '$' || digest_unbase64(end, n, &salt, NULL) < 0)
                return false;
        end += n + 1;
        if (digest_unbase64(end, strcspn(end, ":"), &stored, NULL) < 0 || stored.len != DIGEST_SIZE)
                return false;
        PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const uint8_t *)salt.data,
                          (int)salt.len, (int)rounds, EVP_sha256(), DIGEST_SIZE, salted);
        digest_hmac(salted, DIGEST_SIZE, "Client Key", strlen("Client Key"), client);
        digest_sha256(client, DIGEST_SIZE, is);
        OPENSSL_cleanse(salted, sizeof(salted));
        OPENSSL_cleanse(client, sizeof(client));
        return CRYPTO_memcmp(is, stored.data, DIGEST_SIZE) == 0;
}

static int with_verifier(struct postgres_session *s, struct sql_task *t, const char *fmt) {
        char *verifier = PQencryptPasswordConn(s->pg, t->password, t->doc.name, "scram-sha-256");
        int r;

        if (!verifier)
                return sql_fail(t, OUTCOME_UNREACHABLE, "no verifier could be made: %s",
                                PQerrorMessage(s->pg));
        r = postgres_session_do(s, t, NULL, fmt, t->doc.name, verifier);
        PQfreemem(verifier);
        return r;
}

/* ---- making */

static int take_memberships(struct postgres_session *s, struct sql_task *t) {
        size_t i;
        json_t *role;

        json_array_foreach(json_get(t->seen, "member-of"), i, role)
                if (postgres_session_do(s, t, NULL, "REVOKE %I FROM %I", json_string_value(role),
                                        t->doc.name) < 0)
                        return -1;
        return 0;
}

static bool is_plain(const struct sql_task *t) {
        if (json_get_bool(t->seen, "login", t->doc.locked) == t->doc.locked)
                return false;
        for (size_t i = 1; i < ARRAY_SIZE(columns); i++)
                if (json_get_bool(t->seen, columns[i], true))
                        return false;
        return true;
}

#define PLAIN                                                                                      \
        "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT -1 VALID " \
        "UNTIL 'infinity'"

/* A user with the password that only we know is ours, made by a try whose answer was lost. */
static int repair(struct postgres_session *s, struct sql_task *t, bool knows) {
        if (t->first && !knows && !t->adopt)
                return sql_fail(
                        t, OUTCOME_CONFLICT,
                        "user %s is there already, with another password: adopt it, or remove it",
                        t->doc.name);
        t->created = t->first && knows;
        if (!is_plain(t) && postgres_session_do(s, t, NULL,
                                                t->doc.locked ? "ALTER ROLE %I NOLOGIN " PLAIN
                                                              : "ALTER ROLE %I LOGIN " PLAIN,
                                                t->doc.name) < 0)
                return -1;
        if (!knows && with_verifier(s, t, "ALTER ROLE %I PASSWORD %S") < 0)
                return -1;
        return take_memberships(s, t);
}

int postgres_role_apply(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;
        int k;

        if (postgres_role_check(t) < 0)
                return -1;
        if (!t->password || !t->password[0])
                return sql_fail(t, OUTCOME_REFUSED, "user %s: no password is wanted for it",
                                t->doc.name);
        if (look(s, t, &r) < 0)
                return -1;
        if (t->present) {
                k = repair(
                        s, t,
                        verifies(postgres_session_at(r, 0, (int)ARRAY_SIZE(columns)), t->password));
        } else {
                k = with_verifier(s, t,
                                  t->doc.locked ? "CREATE ROLE %I NOLOGIN PASSWORD %S"
                                                : "CREATE ROLE %I LOGIN PASSWORD %S");
                t->created = k == 0;
        }
        return k < 0 ? k : look(s, t, NULL);
}

/* ---- removing */

static int hand_over(struct postgres_session *s, struct sql_task *t, const char *database) {
        cleanup_(postgres_session_closep) struct postgres_session *inside =
                postgres_session_of(s, t, database);

        if (!inside || postgres_session_do(inside, t, NULL, "REASSIGN OWNED BY %I TO CURRENT_USER",
                                           t->doc.name) < 0)
                return -1;
        return postgres_session_do(inside, t, NULL, "DROP OWNED BY %I", t->doc.name);
}

static int hand_all_over(struct postgres_session *s, struct sql_task *t) {
        cleanup_(postgres_session_clearp) PGresult *r = NULL;

        /* dbid 0 is what all databases share: rights on the databases themselves. */
        if (postgres_session_do(
                    s, t, &r,
                    "SELECT DISTINCT coalesce(d.datname, current_database()) FROM pg_shdepend h "
                    "LEFT JOIN "
                    "pg_database d ON d.oid = h.dbid JOIN pg_roles u ON u.oid = h.refobjid WHERE "
                    "h.refclassid = 'pg_authid'::regclass AND u.rolname = %S",
                    t->doc.name) < 0)
                return -1;
        if (PQntuples(r) > DATABASES_MAX)
                return sql_fail(t, OUTCOME_REFUSED, "user %s owns things in more than %d databases",
                                t->doc.name, DATABASES_MAX);
        for (int i = 0; i < PQntuples(r); i++)
                if (hand_over(s, t, postgres_session_at(r, i, 0)) < 0)
                        return -1;
        return 0;
}

int postgres_role_remove(struct postgres_session *s, struct sql_task *t) {
        if (postgres_role_look(s, t) < 0)
                return -1;
        if (!t->present)
                return 0;
        if (t->incarnation[0] && !str_eq(t->incarnation, t->found_incarnation))
                return sql_fail(t, OUTCOME_GONE, "another user has the name %s now: left in place",
                                t->doc.name);
        if (hand_all_over(s, t) < 0)
                return -1;
        t->present = false;
        return postgres_session_do(s, t, NULL, "DROP ROLE IF EXISTS %I", t->doc.name);
}
