/* SPDX-License-Identifier: Apache-2.0 */
/* data_mysql_user.c - users of MariaDB and MySQL: who gets in, and what is done to them */
#include "data_mysql.h"
#include "tunnel-tcp.h"

static void a_user_gets_in_and_whatever_is_done_to_it_is_put_right(void **state) {
        struct mysql_world *w = *state;
        struct thing u =
                thing_of(w->d, "{'type':'user','name':'relation-1','password':'pass\\\\word `%%'}");
        const char *word = "pass\\word `%";

        thing_make(w->d, &u);
        assert_int_equal(mysql_as("relation-1", word, "SELECT 1"), 0);
        mysql_do(w, "ALTER USER 'relation-1'@'%%' IDENTIFIED BY 'other'");
        thing_healed(w->d, &u, "password");
        assert_int_equal(mysql_as("relation-1", word, "SELECT 1"), 0);
        assert_int_equal(mysql_as("relation-1", "other", "SELECT 1"), 1045);
        mysql_do(w, "ALTER USER 'relation-1'@'%%' ACCOUNT LOCK");
        thing_healed(w->d, &u, "locked");
        mysql_do(w, "ALTER USER 'relation-1'@'%%' PASSWORD EXPIRE");
        thing_healed(w->d, &u, "expired");
        mysql_do(w, "GRANT SELECT, PROCESS ON *.* TO 'relation-1'@'%%' WITH GRANT OPTION");
        thing_healed(w->d, &u, "global[PROCESS] global[SELECT]");
        mysql_do(w, "ALTER USER 'relation-1'@'%%' REQUIRE SSL");
        thing_healed(w->d, &u, "ssl_type");
        mysql_do(w, "DROP USER 'relation-1'@'%%'");
        thing_healed(w->d, &u, "(absent)");
        assert_int_equal(mysql_as("relation-1", word, "SELECT 1"), 0);
        thing_gone(w->d, &u);
        assert_int_equal(mysql_as("relation-1", word, "SELECT 1"), 1045);
}

static bool is_locked(int number) {
        return number == 3118 || number == 4151; /* MySQL's and MariaDB's */
}

static void a_locked_user_stays_locked_and_lets_in_again(void **state) {
        struct mysql_world *w = *state;
        struct thing u = thing_of(w->d, "{'type':'user','name':'shut','password':'w'}");
        struct thing locked =
                thing_of(w->d, "{'type':'user','name':'shut','password':'w','locked':true}");

        thing_make(w->d, &u);
        thing_make(w->d, &locked); /* taken for ours by its password */
        assert_true(is_locked(mysql_as("shut", "w", "SELECT 1")));
        mysql_do(w, "ALTER USER shut@'%%' ACCOUNT UNLOCK");
        thing_healed(w->d, &locked, "locked");
        assert_true(is_locked(mysql_as("shut", "w", "SELECT 1")));
        mysql_do(w, "ALTER USER shut@'%%' IDENTIFIED BY 'other'");
        thing_healed(w->d, &locked, "password");
        assert_true(is_locked(mysql_as("shut", "w", "SELECT 1")));
        mysql_do(w, "DROP USER shut@'%%'");
        thing_healed(w->d, &locked, "(absent)");
        assert_true(is_locked(mysql_as("shut", "w", "SELECT 1")));
        thing_free(&u);
        u = thing_of(w->d, "{'type':'user','name':'shut','password':'w'}");
        thing_make(w->d, &u);
        assert_int_equal(mysql_as("shut", "w", "SELECT 1"), 0);
        thing_free(&locked);
        thing_gone(w->d, &u);
}

static void another_plugin_is_seen(void **state) {
        struct mysql_world *w = *state;
        struct thing u = thing_of(w->d, "{'type':'user','name':'plug','password':'w'}");

        thing_make(w->d, &u);
        if (mysql_is_mariadb()) {
                mysql_do(w, "ALTER USER plug@'%%' IDENTIFIED VIA mysql_native_password USING "
                            "PASSWORD('w') OR unix_socket");
                thing_healed(w->d, &u, "auth_or");
        } else {
                mysql_do(w, "ALTER USER plug@'%%' IDENTIFIED WITH sha256_password BY 'w'");
                thing_healed(w->d, &u, "plugin password");
        }
        mysql_do(w, "RENAME USER plug@'%%' TO plug@localhost");
        thing_healed(w->d, &u, "(absent)");
        mysql_do(w, "DROP USER plug@localhost");
        thing_gone(w->d, &u);
}

/* The server may have heard a CREATE USER whose answer we lost. */
static void a_user_with_our_password_is_ours_and_another_is_not(void **state) {
        struct mysql_world *w = *state;
        struct thing u = thing_of(w->d, "{'type':'user','name':'crash','password':'only-we-know'}");
        struct op op;

        mysql_do(w, "CREATE USER crash@'%%' IDENTIFIED BY 'only-we-know'");
        thing_make(w->d, &u);
        thing_gone(w->d, &u);
        u = thing_of(w->d, "{'type':'user','name':'crash','password':'only-we-know'}");
        mysql_do(w, "CREATE USER crash@'%%' IDENTIFIED BY 'theirs'");
        assert_int_equal(thing_do(w->d, &u, DATA_APPLY, 0, &op), OUTCOME_CONFLICT);
        op_clear(&op);
        assert_int_equal(mysql_as("crash", "theirs", "SELECT 1"), 0);
        mysql_do(w, "DROP USER crash@'%%'");
        thing_free(&u);
}

static void an_apply_that_changes_nothing_leaves_the_password_alone(void **state) {
        struct mysql_world *w = *state;
        struct thing u = thing_of(w->d, "{'type':'user','name':'audit','password':'w'}");
        uint8_t before[DIGEST_SIZE];
        struct op op;

        thing_make(w->d, &u);
        memcpy(before, u.digest, DIGEST_SIZE);
        mysql_do(w, "ALTER USER audit@'%%' PASSWORD EXPIRE INTERVAL 90 DAY");
        assert_int_equal(thing_do(w->d, &u, DATA_APPLY, 0, &op), OUTCOME_DONE);
        assert_false(op.created);
        assert_memory_equal(before, op.baseline_digest, DIGEST_SIZE);
        op_clear(&op);
        thing_gone(w->d, &u);
}

/* That ours still lets in does not mean that nobody changed anything. */
static void a_second_password_is_taken_away(void **state) {
        struct mysql_world *w = *state;
        struct thing u;

        if (mysql_is_mariadb())
                skip(); /* it has none: "auth_or" is its way */
        u = thing_of(w->d, "{'type':'user','name':'two','password':'ours'}");
        thing_make(w->d, &u);
        mysql_do(w, "ALTER USER two@'%%' IDENTIFIED BY 'theirs' RETAIN CURRENT PASSWORD");
        assert_int_equal(mysql_as("two", "theirs", "SELECT 1"), 0);
        thing_healed(w->d, &u, "password second-password");
        assert_int_equal(mysql_as("two", "theirs", "SELECT 1"), 1045);
        assert_int_equal(mysql_as("two", "ours", "SELECT 1"), 0);
        thing_gone(w->d, &u);
}

static void limits_of_a_user_are_taken_away(void **state) {
        struct mysql_world *w = *state;
        struct thing u = thing_of(w->d, "{'type':'user','name':'slow','password':'w'}");

        thing_make(w->d, &u);
        mysql_do(w, "ALTER USER slow@'%%' WITH MAX_QUERIES_PER_HOUR 1 MAX_USER_CONNECTIONS 1");
        thing_healed(w->d, &u, "max_questions max_user_connections");
        for (int i = 0; i < 3; i++)
                assert_int_equal(mysql_as("slow", "w", "SELECT 1"), 0);
        if (!mysql_is_mariadb()) {
                mysql_do(w, "ALTER USER slow@'%%' FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 5");
                thing_healed(w->d, &u, "login-attempts");
                assert_int_equal(mysql_as("slow", "wrong", "SELECT 1"), 1045);
                assert_int_equal(mysql_as("slow", "w", "SELECT 1"), 0);
        }
        thing_gone(w->d, &u);
}

/* A role gives rights past all grants. */
static void a_role_of_a_user_is_taken_away(void **state) {
        struct mysql_world *w = *state;
        struct thing u = thing_of(w->d, "{'type':'user','name':'actor','password':'w'}");

        thing_make(w->d, &u);
        mysql_do(w, "CREATE ROLE 'every`thing'");
        mysql_do(w, "GRANT ALL ON *.* TO 'every`thing'");
        mysql_do(w, "GRANT 'every`thing' TO actor@'%%' WITH ADMIN OPTION");
        thing_healed(w->d, &u, mysql_is_mariadb() ? "roles[every`thing]" : "roles[every`thing@%]");
        assert_int_not_equal(mysql_as("actor", "w", "SET ROLE 'every`thing'"), 0);
        mysql_do(w, "DROP ROLE 'every`thing'");
        thing_gone(w->d, &u);
}

/* The first login since the server started has no cached digest: without TLS the client asks for
 * the server's RSA key. So it is in a tunnel to a server without TLS, which only "plain" takes. */
static void a_server_without_tls_is_met_in_a_tunnel_by_plain_only(void **state) {
        static const char *const modes[] = { "verify-ca", "encrypt", "plain" };
        struct mysql_world *w = *state;
        struct tunnel_tcp way = { .loop = w->d->loop };

        if (mysql_is_mariadb())
                skip(); /* it cannot lay its TLS down while it runs */
        way.port = data_port("PEERS_MYSQL_PORT");
        str_copy(way.address, sizeof(way.address), data_env("PEERS_MYSQL_ADDRESS"));
        way.never = data_env("PEERS_MYSQL_PASSWORD");
        w->d->through = &tunnel_tcp_provider;
        w->d->reach = tunnel_tcp_target(&way);
        mysql_do(w, "SET GLOBAL ssl_cert = ''");
        mysql_do(w, "SET GLOBAL ssl_key = ''");
        mysql_do(w, "ALTER INSTANCE RELOAD TLS NO ROLLBACK ON ERROR");
        mysql_do(w, "FLUSH PRIVILEGES"); /* forgets whom it has seen */
        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                struct thing u = thing_of(w->d, "{'type':'user','name':'bare','password':'w'}");
                json_t *config = mysql_config("x", data_env("PEERS_MYSQL_PASSWORD"));
                struct err err = { 0 };
                struct op op;

                json_object_set_new(config, "via", json_string("ns/pod-0"));
                json_object_set_new(json_get(config, "tls"), "mode", json_string(modes[i]));
                assert_int_equal(data_open(w->d, config, &err), 0);
                if (str_eq(modes[i], "plain")) {
                        thing_make(w->d, &u);
                        assert_int_equal(mysql_as("bare", "w", "SELECT 1"), 0);
                        thing_gone(w->d, &u);
                        continue;
                }
                assert_int_equal(thing_do(w->d, &u, DATA_LOOK, 0, &op), OUTCOME_UNREACHABLE);
                assert_non_null(strstr(err_text(&op.err), "TLS"));
                op_clear(&op);
                thing_free(&u);
        }
        assert_false(way.leaked);
        w->d->target = provider_sql.close(w->d->target);
        data_turn(w->d, 20);
}

static json_t *a_login_each_time(void) {
        return json_pack("{s:i}", "login-ms", 0);
}

/* A session lives on, whatever becomes of its user's password. */
static void an_administrator_who_is_let_in_no_more_is_found_by_a_fresh_login(void **state) {
        struct mysql_world *w = *state;
        json_t *config = mysql_config(NULL, "first");
        struct thing db = thing_of(w->d, "{'type':'database','name':'nobody-made-it'}");
        struct err err = { 0 };
        struct op op;

        json_object_set_new(config, "user", json_string("chief"));
        mysql_do(w, "CREATE USER chief@'%%' IDENTIFIED BY 'first'");
        mysql_do(w, "GRANT ALL ON *.* TO chief@'%%' WITH GRANT OPTION");
        assert_int_equal(data_open(w->d, json_incref(config), &err), 0);
        assert_int_equal(thing_do(w->d, &db, DATA_LOOK, 0, &op), OUTCOME_GONE);
        op_clear(&op);
        mysql_do(w, "ALTER USER chief@'%%' IDENTIFIED BY 'other'");
        assert_int_equal(thing_do(w->d, &db, DATA_LOOK, 0, &op), OUTCOME_GONE);
        op_clear(&op);
        mysql_do(w, "ALTER USER chief@'%%' IDENTIFIED BY 'first'");
        w->d->options = a_login_each_time;
        assert_int_equal(data_open(w->d, config, &err), 0);
        assert_int_equal(thing_do(w->d, &db, DATA_LOOK, 0, &op), OUTCOME_GONE);
        op_clear(&op);
        mysql_do(w, "ALTER USER chief@'%%' IDENTIFIED BY 'other'");
        w->d->lost = 0;
        assert_int_equal(thing_do(w->d, &db, DATA_LOOK, 0, &op), OUTCOME_DENIED);
        assert_non_null(strstr(err_text(&op.err), "was changed outside"));
        assert_int_equal(w->d->lost, 1);
        op_clear(&op);
        mysql_do(w, "ALTER USER chief@'%%' IDENTIFIED BY 'first'");
        assert_int_equal(thing_do(w->d, &db, DATA_LOOK, 0, &op), OUTCOME_GONE);
        op_clear(&op);
        mysql_do(w, "DROP USER chief@'%%'");
        thing_free(&db);
}

int data_mysql_users(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, mysql_setup, mysql_teardown)
        const struct CMUnitTest tests[] = {
                T(a_user_gets_in_and_whatever_is_done_to_it_is_put_right),
                T(a_locked_user_stays_locked_and_lets_in_again),
                T(another_plugin_is_seen),
                T(a_user_with_our_password_is_ours_and_another_is_not),
                T(an_apply_that_changes_nothing_leaves_the_password_alone),
                T(a_second_password_is_taken_away),
                T(limits_of_a_user_are_taken_away),
                T(a_role_of_a_user_is_taken_away),
                T(an_administrator_who_is_let_in_no_more_is_found_by_a_fresh_login),
                /* The server stays so. */
                T(a_server_without_tls_is_met_in_a_tunnel_by_plain_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
