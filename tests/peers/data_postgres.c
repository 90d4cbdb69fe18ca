/* SPDX-License-Identifier: Apache-2.0 */
/* data_postgres.c - the sql provider against a real PostgreSQL: every kind made, damaged, seen
 * and put right */
#include "data.h"
#include "tunnel-tcp.h"

#include <libpq-fe.h>

extern const struct provider provider_sql;

struct world {
        struct data *d;
        PGconn *outside;
};

static json_t *config_of(const char *host, const char *password) {
        cleanup_(freep) char *ca = data_file(data_env("PEERS_DATA_CA"));

        return json_pack("{s:s, s:s, s:i, s:s, s:s, s:{s:s}}", "engine", "postgresql", "host", host,
                         "port", data_port("PEERS_POSTGRES_PORT"), "user",
                         data_env("PEERS_POSTGRES_USER"), "password", password, "tls", "ca", ca);
}

static PGconn *connect_as(const char *user, const char *password, const char *database) {
        const char *const names[] = { "hostaddr", "port", "user", "password", "dbname", NULL };
        const char *const values[] = { data_env("PEERS_POSTGRES_ADDRESS"),
                                       data_env("PEERS_POSTGRES_PORT"),
                                       user,
                                       password,
                                       database,
                                       NULL };

        return PQconnectdbParams(names, values, 0);
}

static void sql(struct world *w, const char *text) {
        PGresult *r = PQexec(w->outside, text);

        if (PQresultStatus(r) != PGRES_COMMAND_OK)
                fail_msg("%s: %s", text, PQresultErrorMessage(r));
        PQclear(r);
}

static bool as_user(const char *user, const char *password, const char *database,
                    const char *statement) {
        PGconn *pg = connect_as(user, password, database);
        PGresult *r = PQstatus(pg) == CONNECTION_OK ? PQexec(pg, statement) : NULL;
        bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;

        PQclear(r);
        PQfinish(pg);
        return ok;
}

static int setup(void **state) {
        struct world *w = mem_new(struct world);
        struct err err = { 0 };

        w->d = data_new(&provider_sql);
        if (data_open(
                    w->d,
                    config_of(data_env("PEERS_POSTGRES_NAME"), data_env("PEERS_POSTGRES_PASSWORD")),
                    &err) < 0)
                fail_msg("%s", err_text(&err));
        w->outside = connect_as(data_env("PEERS_POSTGRES_USER"),
                                data_env("PEERS_POSTGRES_PASSWORD"), "postgres");
        if (PQstatus(w->outside) != CONNECTION_OK)
                fail_msg("%s", PQerrorMessage(w->outside));
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;

        PQfinish(w->outside);
        data_free(w->d);
        free(w);
        return 0;
}

static void a_database_is_made_closed_to_strangers_and_kept_so(void **state) {
        struct world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'ml\\\"flow'}");

        thing_make(w->d, &db);
        sql(w, "GRANT CONNECT ON DATABASE \"ml\"\"flow\" TO PUBLIC");
        thing_healed(w->d, &db, "public[CONNECT]");
        sql(w, "DROP DATABASE \"ml\"\"flow\"");
        thing_healed(w->d, &db, "(absent)");
        sql(w, "DROP DATABASE \"ml\"\"flow\"");
        sql(w, "CREATE DATABASE \"ml\"\"flow\"");
        thing_healed(w->d, &db, "(replaced)");
        thing_gone(w->d, &db);
}

static void encoding_and_collation_are_for_life(void **state) {
        struct world *w = *state;
        struct thing db = thing_of(
                w->d, "{'type':'database','name':'latin','charset':'LATIN1','collation':'C'}");
        struct thing other = thing_of(w->d, "{'type':'database','name':'latin','charset':'UTF8'}");
        struct op op;

        thing_make(w->d, &db);
        assert_int_equal(thing_do(w->d, &other, DATA_APPLY, 0, &op), OUTCOME_IMMUTABLE);
        op_clear(&op);
        thing_free(&other);
        thing_gone(w->d, &db);
}

static void a_database_with_tables_that_is_not_ours_is_not_taken(void **state) {
        struct world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'theirs'}");
        struct op op;

        sql(w, "CREATE DATABASE theirs");
        assert_true(as_user(data_env("PEERS_POSTGRES_USER"), data_env("PEERS_POSTGRES_PASSWORD"),
                            "theirs", "CREATE TABLE t (a int)"));
        assert_int_equal(thing_do(w->d, &db, DATA_APPLY, 0, &op), OUTCOME_CONFLICT);
        op_clear(&op);
        assert_int_equal(thing_do(w->d, &db, DATA_APPLY, APPLY_ADOPT, &op), OUTCOME_DONE);
        assert_false(op.created);
        assert_true(op.seen.filled);
        op_clear(&op);
        str_copy(db.incarnation, sizeof(db.incarnation), "1"); /* as if ours were an older one */
        assert_int_equal(thing_do(w->d, &db, DATA_REMOVE, 0, &op), OUTCOME_GONE);
        op_clear(&op);
        sql(w, "DROP DATABASE theirs");
        thing_free(&db);
}

static void a_user_gets_in_and_whatever_is_done_to_it_is_put_right(void **state) {
        struct world *w = *state;
        struct thing u = thing_of(
                w->d, "{'type':'user','name':'o\\u0027hare \\\"1','password':'w\\u0027; -- \\\\'}");
        const char *user = "o'hare \"1", *word = "w'; -- \\";

        thing_make(w->d, &u);
        assert_true(as_user(user, word, "postgres", "SELECT 1"));
        sql(w, "ALTER ROLE \"o'hare \"\"1\" PASSWORD 'other'");
        thing_healed(w->d, &u, "password");
        assert_true(as_user(user, word, "postgres", "SELECT 1"));
        assert_false(as_user(user, "other", "postgres", "SELECT 1"));
        sql(w, "ALTER ROLE \"o'hare \"\"1\" NOLOGIN SUPERUSER VALID UNTIL '2001-01-01'");
        thing_healed(w->d, &u, "login superuser limited");
        sql(w, "GRANT pg_monitor TO \"o'hare \"\"1\"");
        thing_healed(w->d, &u, "member-of[pg_monitor]");
        sql(w, "ALTER ROLE \"o'hare \"\"1\" PASSWORD NULL");
        thing_healed(w->d, &u, "password");
        sql(w, "DROP ROLE \"o'hare \"\"1\"");
        thing_healed(w->d, &u, "(absent)");
        thing_gone(w->d, &u);
        assert_false(as_user(user, word, "postgres", "SELECT 1"));
}

static void an_apply_that_changes_nothing_leaves_the_password_alone(void **state) {
        struct world *w = *state;
        struct thing u = thing_of(w->d, "{'type':'user','name':'audit','password':'w'}");
        struct thing other = thing_of(w->d, "{'type':'user','name':'audit','password':'x'}");
        uint8_t before[DIGEST_SIZE];
        struct op op;

        thing_make(w->d, &u);
        memcpy(before, u.digest, DIGEST_SIZE);
        assert_int_equal(thing_do(w->d, &u, DATA_APPLY, 0, &op), OUTCOME_DONE);
        assert_false(op.created);
        assert_memory_equal(before, op.baseline_digest, DIGEST_SIZE);
        op_clear(&op);
        assert_int_equal(thing_do(w->d, &other, DATA_APPLY, 0, &op), OUTCOME_CONFLICT);
        op_clear(&op);
        thing_free(&other);
        thing_gone(w->d, &u);
}

static void a_grant_lets_work_and_no_more(void **state) {
        struct world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'work'}");
        struct thing u = thing_of(w->d, "{'type':'user','name':'u1','password':'w'}");
        struct thing g = thing_of(
                w->d, "{'type':'grant','user':'u1','database':'work','privileges':['ALL']}");
        struct thing few = thing_of(
                w->d, "{'type':'grant','user':'u1','database':'work','privileges':['connect']}");
        struct op op;

        assert_int_equal(thing_do(w->d, &g, DATA_APPLY, 0, &op), OUTCOME_NOT_YET);
        op_clear(&op);
        thing_make(w->d, &db);
        thing_make(w->d, &u);
        assert_false(as_user("u1", "w", "work", "SELECT 1"));
        thing_make(w->d, &g);
        assert_true(as_user("u1", "w", "work", "CREATE TABLE t (a int)"));
        thing_do(w->d, &db, DATA_LOOK, 0, &op);
        assert_true(op.seen.filled);
        op_clear(&op);
        sql(w, "REVOKE CONNECT ON DATABASE work FROM u1");
        thing_healed(w->d, &g, "privileges[ALL PRIVILEGES] privileges[CONNECT]");
        sql(w, "REVOKE ALL ON DATABASE work FROM u1");
        thing_do(w->d, &g, DATA_APPLY, 0, &op);
        op_clear(&op);
        thing_same(w->d, &g);
        assert_int_equal(thing_do(w->d, &few, DATA_APPLY, 0, &op), OUTCOME_DONE);
        op_clear(&op);
        assert_false(as_user("u1", "w", "work", "CREATE TABLE public.t2 (a int)"));
        sql(w, "GRANT TEMPORARY ON DATABASE work TO u1 WITH GRANT OPTION");
        thing_healed(w->d, &few, "privileges[TEMPORARY WITH GRANT OPTION]");
        thing_free(&few);
        thing_gone(w->d, &g);
        thing_gone(w->d, &u); /* its table is handed over */
        thing_do(w->d, &db, DATA_LOOK, 0, &op);
        assert_true(op.seen.filled);
        op_clear(&op);
        thing_gone(w->d, &db);
}

static void what_the_server_does_not_have_is_refused(void **state) {
        struct world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'x','charset':'klingon'}");
        struct thing u = thing_of(w->d, "{'type':'user','name':'x','host':'10.1','password':'w'}");
        struct op op;

        assert_int_equal(thing_do(w->d, &db, DATA_APPLY, 0, &op), OUTCOME_REFUSED);
        op_clear(&op);
        assert_int_equal(thing_do(w->d, &u, DATA_APPLY, 0, &op), OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "no host"));
        op_clear(&op);
        thing_free(&db);
        thing_free(&u);
}

static void who_the_server_is_and_who_we_are_is_checked(void **state) {
        struct world *w = *state;
        const char *name = data_env("PEERS_POSTGRES_NAME"),
                   *password = data_env("PEERS_POSTGRES_PASSWORD");
        json_t *config = config_of(name, password);
        struct err err = { 0 };

        assert_int_equal(data_try(w->d, config_of(name, "wrong"), &err), OUTCOME_DENIED);
        assert_non_null(strstr(err.text, "set it back"));
        json_object_del(config, "tls");
        assert_int_equal(data_try(w->d, config, &err), OUTCOME_UNREACHABLE);
        assert_non_null(strstr(err.text, "TLS"));
}

static void through_a_tunnel_the_name_is_still_checked(void **state) {
        struct world *w = *state;
        struct tunnel_tcp way = { .loop = w->d->loop, .port = data_port("PEERS_POSTGRES_PORT") };
        const char *name = data_env("PEERS_POSTGRES_NAME"),
                   *password = data_env("PEERS_POSTGRES_PASSWORD");
        json_t *config = config_of(name, password);
        struct err err = { 0 };

        str_copy(way.address, sizeof(way.address), data_env("PEERS_POSTGRES_ADDRESS"));
        w->d->through = &tunnel_tcp_provider;
        w->d->reach = tunnel_tcp_target(&way);
        json_object_set_new(config, "via", json_string("db/pg-0"));
        assert_int_equal(data_try(w->d, json_incref(config), &err), OUTCOME_GONE);
        assert_string_equal(way.asked, "db/pg-0:5432");
        json_object_set_new(config, "host", json_string("other.peers.test"));
        assert_int_equal(data_try(w->d, config, &err), OUTCOME_UNREACHABLE);
        assert_non_null(strstr(err.text, "TLS"));
        w->d->target = provider_sql.close(w->d->target);
        data_turn(w->d, 20);
        assert_int_equal(way.opened, way.closed);
}

static void a_connection_that_breaks_anywhere_is_survived(void **state) {
        struct world *w = *state;
        struct tunnel_tcp way = { .loop = w->d->loop, .port = data_port("PEERS_POSTGRES_PORT") };
        json_t *config =
                config_of(data_env("PEERS_POSTGRES_NAME"), data_env("PEERS_POSTGRES_PASSWORD"));
        struct err err = { 0 };

        str_copy(way.address, sizeof(way.address), data_env("PEERS_POSTGRES_ADDRESS"));
        w->d->through = &tunnel_tcp_provider;
        w->d->reach = tunnel_tcp_target(&way);
        json_object_set_new(config, "via", json_string("db/pg-0"));
        assert_int_equal(data_open(w->d, config, &err), 0);
        thing_broken_everywhere(w->d, &way, "{'type':'database','name':'broken'}");
        thing_broken_everywhere(w->d, &way, "{'type':'user','name':'broken','password':'w'}");
        assert_true(way.dropped > 15);
        w->d->target = provider_sql.close(w->d->target);
        data_turn(w->d, 20);
}

static void a_server_that_goes_is_met_again(void **state) {
        struct world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'stays'}");
        struct op op;

        if (!getenv("PEERS_TOOL")) {
                print_message("PEERS_TOOL is not set: left out\n");
                thing_free(&db);
                return;
        }
        thing_make(w->d, &db);
        assert_int_equal(system("\"$PEERS_TOOL\" kill \"$PEERS_DIR\" postgres >/dev/null"), 0);
        assert_int_equal(thing_do(w->d, &db, DATA_LOOK, 0, &op), OUTCOME_UNREACHABLE);
        op_clear(&op);
        assert_int_equal(system("\"$PEERS_TOOL\" start \"$PEERS_DIR\" postgres >/dev/null"), 0);
        for (int i = 0; i < 300; i++) {
                enum outcome o = thing_do(w->d, &db, DATA_LOOK, 0, &op);

                op_clear(&op);
                if (o == OUTCOME_DONE)
                        break;
                data_turn(w->d, 100);
        }
        thing_same(w->d, &db);
        thing_gone(w->d, &db);
}

/* Placeholders are values, whatever is in them; results have their types; a failure its state. */
static void statements_of_actions_are_done(void **state) {
        struct world *w = *state;
        cleanup_(freep) char *text = NULL;
        struct op op =
                data_act(w->d, "sql",
                         "{'statements':[{'sql':'CREATE TABLE public.acts (v text, n int)'},"
                         "{'sql':'INSERT INTO acts VALUES (:\\u0027v\\u0027, :\\u0027n\\u0027)',"
                         "'values':{'v':'it\\u0027s \\\\ ; DROP TABLE acts','n':7}},"
                         "{'sql':'SELECT v, n, NULL AS x FROM :\\\"t\\\"','values':{'t':'acts'}},"
                         "{'sql':'DROP TABLE acts'}]}",
                         NULL);

        text = json_text(json_array_get(json_get(op.told, "results"), 2));
        assert_string_equal(text, "{\"columns\":[\"v\",\"n\",\"x\"],\"rows\":[[\"it's \\\\ ; DROP "
                                  "TABLE acts\",7,null]]}");
        data_must(&op, OUTCOME_DONE, NULL);
        op = data_act(w->d, "sql",
                      "{'statements':[{'sql':'SELECT 1'},{'sql':'SELECT * FROM nix'}]}", NULL);
        assert_int_equal(json_get_int(op.told, "statement", -1), 1);
        assert_string_equal(json_get_str(op.told, "sqlstate", ""), "42P01");
        data_must(&op, OUTCOME_REFUSED, "nix");
        op = data_act(w->d, "sql",
                      "{'statements':[{'sql':'SELECT generate_series(1, 5000)'}],"
                      "'database':'template1'}",
                      NULL);
        assert_int_equal(json_array_size(json_get(op.told, "rows")), 1000);
        data_must(&op, OUTCOME_DONE, NULL);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(a_database_is_made_closed_to_strangers_and_kept_so),
                T(encoding_and_collation_are_for_life),
                T(a_database_with_tables_that_is_not_ours_is_not_taken),
                T(a_user_gets_in_and_whatever_is_done_to_it_is_put_right),
                T(an_apply_that_changes_nothing_leaves_the_password_alone),
                T(a_grant_lets_work_and_no_more),
                T(what_the_server_does_not_have_is_refused),
                T(who_the_server_is_and_who_we_are_is_checked),
                T(through_a_tunnel_the_name_is_still_checked),
                T(a_connection_that_breaks_anywhere_is_survived),
                T(statements_of_actions_are_done),
                T(a_server_that_goes_is_met_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
