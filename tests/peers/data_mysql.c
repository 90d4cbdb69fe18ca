/* SPDX-License-Identifier: Apache-2.0 */
/* data_mysql.c - the sql provider against a real MariaDB, or with the argument "mysql" a real
 * MySQL: every kind made, damaged, seen and put right
 *
 * Runs inside the peers' network (tests/peers/with-peers). Damage is done on a connection of
 * our own, as a person would do it. */
#include "data_mysql.h"
#include "tunnel-tcp.h"

#include <unistd.h>

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

static const char *server = "mariadb"; /* as the peers call it */

bool mysql_is_mariadb(void) {
        return str_eq(server, "mariadb");
}

static const char *server_env(const char *what) {
        char name[64];

        snprintf(name, sizeof(name), "PEERS_%s_%s", mysql_is_mariadb() ? "MARIADB" : "MYSQL", what);
        return data_env(name);
}

static int server_port(void) {
        return data_port(mysql_is_mariadb() ? "PEERS_MARIADB_PORT" : "PEERS_MYSQL_PORT");
}

static int tell_server(const char *what) {
        cleanup_(freep) char *command =
                str_format("\"$PEERS_TOOL\" %s \"$PEERS_DIR\" %s >/dev/null", what, server);

        return system(command);
}

json_t *mysql_config(const char *host, const char *password) {
        cleanup_(freep) char *ca = data_file(data_env("PEERS_DATA_CA"));

        return json_pack("{s:s, s:s, s:i, s:s, s:s, s:{s:s}}", "engine", "mysql", "host",
                         host ? host : server_env("NAME"), "port", server_port(), "user",
                         server_env("USER"), "password", password, "tls", "ca", ca);
}

void mysql_do(struct mysql_world *w, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        MYSQL_RES *result;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        if (mysql_query(w->outside, text) != 0)
                fail_msg("%s: %s", text, mysql_error(w->outside));
        result = mysql_store_result(w->outside);
        if (result)
                mysql_free_result(result);
}

/* Can this user log in and do STATEMENT? 0, or the server's number. */
unsigned mysql_as(const char *user, const char *password, const char *statement) {
        MYSQL *my = mysql_init(NULL);
        unsigned r = 0;

        if (!mysql_real_connect(my, server_env("ADDRESS"), user, password, NULL,
                                (unsigned)server_port(), NULL, 0) ||
            mysql_query(my, statement) != 0)
                r = mysql_errno(my);
        if (r == 0) {
                MYSQL_RES *result = mysql_store_result(my);

                if (result)
                        mysql_free_result(result);
        }
        mysql_close(my);
        return r;
}

int mysql_setup(void **state) {
        struct mysql_world *w = mem_new(struct mysql_world);
        struct err err = { 0 };

        w->d = data_new(&provider_sql);
        if (data_open(w->d, mysql_config(server_env("NAME"), server_env("PASSWORD")), &err) < 0)
                fail_msg("%s", err_text(&err));
        w->outside = mysql_init(NULL);
        if (!mysql_real_connect(w->outside, server_env("ADDRESS"), server_env("USER"),
                                server_env("PASSWORD"), NULL, (unsigned)server_port(), NULL, 0))
                fail_msg("%s", mysql_error(w->outside));
        *state = w;
        return 0;
}

int mysql_teardown(void **state) {
        struct mysql_world *w = *state;

        mysql_close(w->outside);
        data_free(w->d);
        free(w);
        return 0;
}

static void a_database_is_made_and_changes_of_it_are_put_right(void **state) {
        struct mysql_world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'ml_flow'}");

        assert_true(db.id.data);
        thing_make(w->d, &db);
        assert_true(db.made);
        mysql_do(w, "ALTER DATABASE ml_flow CHARACTER SET latin1");
        thing_healed(w->d, &db, "charset collation");
        mysql_do(w, "ALTER DATABASE ml_flow COLLATE utf8mb4_bin");
        thing_healed(w->d, &db, "collation");
        mysql_do(w, "DROP DATABASE ml_flow");
        thing_healed(w->d, &db, "(absent)");
        thing_gone(w->d, &db);
}

static void a_database_made_again_by_another_is_told_from_ours(void **state) {
        struct mysql_world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'again'}");
        struct op op;

        thing_make(w->d, &db);
        mysql_do(w, "CREATE TABLE again.t (a INT)");
        thing_do(w->d, &db, DATA_LOOK, 0, &op);
        assert_true(op.seen.filled);
        assert_true(op.seen.ours);
        op_clear(&op);
        mysql_do(w, "DROP DATABASE again");
        mysql_do(w, "CREATE DATABASE again CHARACTER SET utf8mb4");
        thing_do(w->d, &db, DATA_LOOK, 0, &op);
        assert_int_equal(op.seen.presence, PRESENCE_PRESENT);
        assert_false(op.seen.filled);
        assert_false(op.seen.ours);
        assert_string_not_equal(op.seen.incarnation, db.incarnation);
        op_clear(&op);
        /* It is not what was to be removed: left in place. */
        thing_do(w->d, &db, DATA_REMOVE, 0, &op);
        assert_int_equal(op.outcome, OUTCOME_GONE);
        op_clear(&op);
        mysql_do(w, "CREATE TABLE again.t (a INT)");
        mysql_do(w, "DROP DATABASE again");
        thing_free(&db);
}

static void a_database_with_tables_that_is_not_ours_is_not_taken(void **state) {
        struct mysql_world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'theirs'}");
        struct op op;

        mysql_do(w, "CREATE DATABASE theirs");
        mysql_do(w, "CREATE TABLE theirs.t (a INT)");
        assert_int_equal(thing_do(w->d, &db, DATA_APPLY, 0, &op), OUTCOME_CONFLICT);
        assert_non_null(strstr(err_text(&op.err), "adopt"));
        op_clear(&op);
        assert_int_equal(thing_do(w->d, &db, DATA_APPLY, APPLY_ADOPT, &op), OUTCOME_DONE);
        assert_false(op.created); /* so that a removal leaves it */
        op_clear(&op);
        thing_same(w->d, &db);
        mysql_do(w, "DROP DATABASE theirs");
        thing_free(&db);
}

struct set {
        struct thing db, user, grant;
};

static struct set make_set(struct mysql_world *w, const char *db, const char *privileges) {
        struct set s = { thing_of(w->d, "{'type':'database','name':'%s'}", db),
                         thing_of(w->d, "{'type':'user','name':'u1','password':'w'}"),
                         thing_of(w->d,
                                  "{'type':'grant','user':'u1','database':'%s','privileges':[%s]}",
                                  db, privileges) };

        thing_make(w->d, &s.db);
        thing_make(w->d, &s.user);
        thing_make(w->d, &s.grant);
        return s;
}

static void drop_set(struct mysql_world *w, struct set *s) {
        thing_gone(w->d, &s->grant);
        thing_gone(w->d, &s->user);
        thing_gone(w->d, &s->db);
}

static void all_privileges_are_kept_as_they_should_be(void **state) {
        struct mysql_world *w = *state;
        struct set s = make_set(w, "wild_one", "'all'");

        assert_int_equal(s.grant.id.count, 2);
        assert_int_equal(mysql_as("u1", "w", "CREATE TABLE wild_one.t (a INT)"), 0);
        mysql_do(w, "REVOKE DELETE, DROP ON `wild\\_one`.* FROM u1@'%%'");
        thing_healed(w->d, &s.grant,
                     "privileges[ALL PRIVILEGES] privileges[DELETE] privileges[DROP]");
        mysql_do(w, "GRANT SELECT ON `wild\\_one`.* TO u1@'%%' WITH GRANT OPTION");
        thing_healed(w->d, &s.grant, "privileges[GRANT OPTION]");
        mysql_do(w, "REVOKE ALL PRIVILEGES ON `wild\\_one`.* FROM u1@'%%'");
        thing_healed(w->d, &s.grant, "(absent)");
        assert_int_equal(mysql_as("u1", "w", "DROP TABLE wild_one.t"), 0);
        drop_set(w, &s);
}

/* "_" in a grant's database name is a pattern: wild_one must not open wildXone. */
static void a_grant_opens_no_other_database(void **state) {
        struct mysql_world *w = *state;
        struct set s = make_set(w, "wild_one", "'ALL PRIVILEGES'");

        mysql_do(w, "CREATE DATABASE wildXone");
        assert_int_equal(mysql_as("u1", "w", "CREATE TABLE wildXone.t (a INT)"), 1142);
        mysql_do(w, "DROP DATABASE wildXone");
        drop_set(w, &s);
}

static void added_and_taken_privileges_are_put_right_one_by_one(void **state) {
        struct mysql_world *w = *state;
        struct set s = make_set(w, "few", "'select','INSERT','create temporary tables'");

        mysql_do(w, "GRANT DELETE, CREATE VIEW ON few.* TO u1@'%%'");
        thing_healed(w->d, &s.grant, "privileges[DELETE] privileges[CREATE VIEW]");
        mysql_do(w, "REVOKE INSERT ON few.* FROM u1@'%%'");
        thing_healed(w->d, &s.grant, "privileges[INSERT]");
        mysql_do(w, "CREATE TABLE few.t (a INT)");
        mysql_do(w, "GRANT DELETE ON few.t TO u1@'%%'");
        thing_healed(w->d, &s.grant, "tables.t");
        assert_int_equal(mysql_as("u1", "w", "DELETE FROM few.t"), 1142);
        assert_int_equal(mysql_as("u1", "w", "INSERT INTO few.t VALUES (1)"), 0);
        /* What it may do elsewhere is not this grant's. */
        mysql_do(w, "CREATE DATABASE elsewhere");
        mysql_do(w, "GRANT SELECT ON elsewhere.* TO u1@'%%'");
        thing_same(w->d, &s.grant);
        mysql_do(w, "DROP DATABASE elsewhere");
        drop_set(w, &s);
}

static void names_with_quotes_are_only_names(void **state) {
        struct mysql_world *w = *state;
        struct thing db =
                thing_of(w->d, "{'type':'database','name':'a`b; DROP DATABASE $%%_\xc3\xa9'}");
        struct thing u = thing_of(w->d, "{'type':'user','name':'o`\\u0027hare','host':'10.%%','"
                                        "password':'\\u0027; -- \\\\'}");
        struct thing g = thing_of(w->d, "{'type':'grant','user':'o`\\u0027hare','host':'10.%%','"
                                        "database':'a`b; DROP DATABASE $%%_\xc3\xa9',"
                                        "'privileges':['SELECT']}");

        thing_make(w->d, &db);
        thing_make(w->d, &u);
        thing_make(w->d, &g);
        assert_int_equal(mysql_as("o`'hare", "'; -- \\", "SELECT 1"), 0);
        thing_gone(w->d, &g);
        thing_gone(w->d, &u);
        thing_gone(w->d, &db);
}

static void what_the_server_does_not_have_is_refused(void **state) {
        struct mysql_world *w = *state;
        struct thing g = thing_of(
                w->d, "{'type':'grant','user':'nobody','database':'d','privileges':['FLY']}");
        struct thing h = thing_of(
                w->d, "{'type':'grant','user':'nobody','database':'d','privileges':['SELECT']}");
        struct thing db = thing_of(w->d, "{'type':'database','name':'x','charset':'klingon'}");
        struct op op;

        assert_int_equal(thing_do(w->d, &g, DATA_APPLY, 0, &op), OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "FLY"));
        op_clear(&op);
        assert_int_equal(thing_do(w->d, &h, DATA_APPLY, 0, &op), OUTCOME_NOT_YET);
        op_clear(&op);
        assert_int_not_equal(mysql_as("nobody", "", "SELECT 1"),
                             0); /* and no user was made on the way */
        assert_int_equal(thing_do(w->d, &db, DATA_APPLY, 0, &op), OUTCOME_REFUSED);
        op_clear(&op);
        thing_free(&g);
        thing_free(&h);
        thing_free(&db);
}

static void a_wrong_password_says_the_way_back(void **state) {
        struct mysql_world *w = *state;
        struct err err = { 0 };

        assert_int_equal(data_try(w->d, mysql_config(server_env("NAME"), "wrong"), &err),
                         OUTCOME_DENIED);
        assert_non_null(strstr(err.text, "set it back"));
        assert_null(strstr(err.text, "wrong"));
}

static void a_certificate_of_another_name_is_refused(void **state) {
        struct mysql_world *w = *state;
        struct err err = { 0 };
        const char *password = server_env("PASSWORD");

        /* The same address in a spelling that is not in the certificate. */
        assert_int_equal(data_try(w->d, mysql_config("10.255.11", password), &err),
                         OUTCOME_UNREACHABLE);
        assert_non_null(strstr(err.text, "TLS"));
        assert_int_equal(data_try(w->d, mysql_config(server_env("ADDRESS"), password), &err),
                         OUTCOME_GONE);
}

static void a_certificate_of_another_authority_is_refused(void **state) {
        struct mysql_world *w = *state;
        struct err err = { 0 };
        json_t *config = mysql_config(server_env("NAME"), server_env("PASSWORD"));

        json_object_del(config, "tls");
        assert_int_equal(data_try(w->d, config, &err), OUTCOME_UNREACHABLE);
        assert_non_null(strstr(err.text, "TLS"));
}

static json_t *through_config(const char *mode) {
        json_t *config = mysql_config("mariadb.other.name", server_env("PASSWORD"));

        json_object_set_new(config, "via", json_string("mlflow/mlflow-mysql-0"));
        json_object_set_new(json_get(config, "tls"), "mode", json_string(mode));
        return config;
}

static void the_same_goes_through_a_tunnel(void **state) {
        static const char *const modes[] = { "verify-ca", "encrypt", "plain" };
        struct mysql_world *w = *state;
        struct tunnel_tcp way = { .loop = w->d->loop, .port = server_port() };
        struct err err = { 0 };

        str_copy(way.address, sizeof(way.address), server_env("ADDRESS"));
        w->d->through = &tunnel_tcp_provider;
        w->d->reach = tunnel_tcp_target(&way);
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                struct thing u =
                        thing_of(w->d, "{'type':'user','name':'tunnelled','password':'w'}");

                if (data_open(w->d, through_config(modes[i]), &err) < 0)
                        fail_msg("%s", err_text(&err));
                thing_make(w->d, &u);
                mysql_do(w, "ALTER USER tunnelled@'%%' IDENTIFIED BY 'x'");
                thing_healed(w->d, &u, "password");
                assert_string_equal(way.asked, "mlflow/mlflow-mysql-0:3306");
                thing_gone(w->d, &u);
        }
        assert_int_equal(data_open(w->d, through_config("verify-full"), &err), -EINVAL);
        assert_int_equal(data_try(w->d, through_config("encrypt"), &err), OUTCOME_GONE);
        way.refuse = "mlflow/mlflow-mysql-0 is not ready";
        assert_int_equal(data_try(w->d, through_config("encrypt"), &err), OUTCOME_NOT_YET);
        assert_string_equal(err.text, way.refuse);
        if (w->d->target)
                w->d->target = provider_sql.close(w->d->target);
        data_turn(w->d, 20);
        assert_int_equal(way.opened, way.closed);
}

static void a_connection_that_breaks_anywhere_is_survived(void **state) {
        struct mysql_world *w = *state;
        struct tunnel_tcp way = { .loop = w->d->loop, .port = server_port() };
        struct thing u, db;
        struct err err = { 0 };

        str_copy(way.address, sizeof(way.address), server_env("ADDRESS"));
        w->d->through = &tunnel_tcp_provider;
        w->d->reach = tunnel_tcp_target(&way);
        if (data_open(w->d, through_config("encrypt"), &err) < 0)
                fail_msg("%s", err_text(&err));
        thing_broken_everywhere(w->d, &way, "{'type':'database','name':'broken'}");
        thing_broken_everywhere(w->d, &way, "{'type':'user','name':'broken','password':'w'}");
        db = thing_of(w->d, "{'type':'database','name':'broken'}");
        u = thing_of(w->d, "{'type':'user','name':'broken','password':'w'}");
        thing_make(w->d, &db);
        thing_make(w->d, &u);
        thing_broken_everywhere(w->d, &way,
                                "{'type':'grant','user':'broken','database':'broken','privileges':["
                                "'SELECT','INSERT']}");
        thing_gone(w->d, &u);
        thing_gone(w->d, &db);
        assert_true(way.dropped > 15);
        w->d->target = provider_sql.close(w->d->target);
        data_turn(w->d, 20);
}

/* An authority that did not sign the server's certificate is refused through a tunnel too. */
static void verify_ca_through_a_tunnel_means_it(void **state) {
        struct mysql_world *w = *state;
        struct tunnel_tcp way = { .loop = w->d->loop, .port = server_port() };
        json_t *config = through_config("verify-ca");
        cleanup_(freep) char *ca = NULL;
        struct err err = { 0 };

        if (access(SYSTEM_CA, R_OK)) {
                json_decref(config);
                skip();
        }
        ca = data_file(SYSTEM_CA);
        str_copy(way.address, sizeof(way.address), server_env("ADDRESS"));
        w->d->through = &tunnel_tcp_provider;
        w->d->reach = tunnel_tcp_target(&way);
        json_object_set_new(json_get(config, "tls"), "ca", json_string(ca));
        assert_int_equal(data_try(w->d, config, &err), OUTCOME_UNREACHABLE);
        assert_non_null(strstr(err.text, "TLS"));
        w->d->target = provider_sql.close(w->d->target);
        data_turn(w->d, 20);
}

static void a_server_that_goes_is_met_again(void **state) {
        struct mysql_world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'stays'}");
        struct op op;

        if (!getenv("PEERS_TOOL")) {
                print_message("PEERS_TOOL is not set: left out\n");
                thing_free(&db);
                return;
        }
        thing_make(w->d, &db);
        assert_int_equal(w->d->reached, 1);
        assert_int_equal(tell_server("kill"), 0);
        assert_int_equal(thing_do(w->d, &db, DATA_LOOK, 0, &op), OUTCOME_UNREACHABLE);
        op_clear(&op);
        assert_int_equal(w->d->lost, 1);
        assert_int_equal(tell_server("start"), 0);
        for (int i = 0; i < 300; i++) {
                enum outcome o = thing_do(w->d, &db, DATA_LOOK, 0, &op);

                op_clear(&op);
                if (o == OUTCOME_DONE)
                        break;
                data_turn(w->d, 100);
        }
        thing_same(w->d, &db);
        assert_int_equal(w->d->reached, 2);
        /* A connection that died unseen is made anew within the same operation. */
        assert_int_equal(tell_server("restart"), 0);
        data_turn(w->d, 3000);
        thing_same(w->d, &db);
        thing_do(w->d, &db, DATA_REMOVE, 0, &op);
        op_clear(&op);
        thing_free(&db);
}

static void never_called(struct op *op) {
        fail_msg("done after cancel");
}

/* A server that holds an operation up does not hold up whoever closes the target: a daemon that
 * stops. */
static void closing_does_not_wait_for_the_server(void **state) {
        struct mysql_world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'held'}");
        struct apply_request r = { .type = "database",
                                   .path = "held",
                                   .wanted = db.wanted,
                                   .incarnation = "",
                                   .first = true };
        struct op op, blocked = { .loop = w->d->loop, .done = never_called };
        int64_t began;

        thing_do(w->d, &db, DATA_LOOK, 0, &op);
        op_clear(&op);
        mysql_do(w, "FLUSH TABLES WITH READ LOCK");
        provider_sql.apply(w->d->target, &r, &blocked);
        data_turn(w->d, 300); /* it waits for the lock now; if not yet, it is only easier */
        provider_sql.cancel(&blocked);
        began = clock_mono();
        w->d->target = provider_sql.close(w->d->target);
        w->d->http = http_free(w->d->http);
        w->d->loop = loop_free(w->d->loop);        /* returns when the thread is back */
        assert_true(clock_mono() - began < 15000); /* its own deadline is 30 s */
        mysql_do(w, "UNLOCK TABLES");
        assert_int_equal(loop_new(&w->d->loop, NULL), 0);
        assert_int_equal(http_new(w->d->loop, &w->d->http, NULL), 0);
        mysql_do(w, "DROP DATABASE IF EXISTS held");
        thing_free(&db);
}

static void a_cancelled_operation_tells_nobody(void **state) {
        struct mysql_world *w = *state;
        struct thing db = thing_of(w->d, "{'type':'database','name':'x'}");
        struct apply_request r = {
                .type = "database", .path = "x", .wanted = db.wanted, .incarnation = ""
        };
        struct op one = { .loop = w->d->loop, .done = never_called }, two = one, three = one;

        provider_sql.look(w->d->target, &r, &one);
        provider_sql.look(w->d->target, &r, &two);
        provider_sql.cancel(&two); /* in line */
        loop_step(w->d->loop, 0);
        provider_sql.cancel(&one); /* in its thread, or about to */
        provider_sql.look(w->d->target, &r, &three);
        provider_sql.cancel(&three);
        data_turn(w->d, 200);
        provider_sql.look(w->d->target, &r, &one);
        loop_step(w->d->loop, 0);
        provider_sql.cancel(&one);
        w->d->target = provider_sql.close(w->d->target); /* with a thread out */
        data_turn(w->d, 50);
        thing_free(&db);
}

int main(int argc, char **argv) {
#define T(name) cmocka_unit_test_setup_teardown(name, mysql_setup, mysql_teardown)
        const struct CMUnitTest tests[] = {
                T(a_database_is_made_and_changes_of_it_are_put_right),
                T(a_database_made_again_by_another_is_told_from_ours),
                T(a_database_with_tables_that_is_not_ours_is_not_taken),
                T(all_privileges_are_kept_as_they_should_be),
                T(a_grant_opens_no_other_database),
                T(added_and_taken_privileges_are_put_right_one_by_one),
                T(names_with_quotes_are_only_names),
                T(what_the_server_does_not_have_is_refused),
                T(a_wrong_password_says_the_way_back),
                T(a_certificate_of_another_name_is_refused),
                T(a_certificate_of_another_authority_is_refused),
                T(a_cancelled_operation_tells_nobody),
                T(closing_does_not_wait_for_the_server),
                T(the_same_goes_through_a_tunnel),
                T(a_connection_that_breaks_anywhere_is_survived),
                T(verify_ca_through_a_tunnel_means_it),
                T(a_server_that_goes_is_met_again),
        };

        int failed;

        if (argc > 1)
                server = argv[1];
        failed = data_mysql_acts();
        failed += cmocka_run_group_tests(tests, NULL, NULL);
        return failed + data_mysql_users(); /* last: MySQL is left without TLS */
}
