/* SPDX-License-Identifier: Apache-2.0 */
/* data_tls.c - how far a server's certificate is believed: each mode on each real server
 *
 * MariaDB, MySQL, PostgreSQL and MinIO, each with a certificate of its own: of the authority that
 * we trust and of others, for the name that we asked for and another, valid and expired; directly
 * and through a tunnel. The peers' network knows three names of each server: NAME, which is in its
 * certificate, alias.NAME, which is in none, and expired.NAME, for which there is one that has
 * expired. */
#include "data.h"
#include "tunnel-tcp.h"

#include <unistd.h>

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

extern const struct provider provider_sql, provider_s3;

struct server {
        const char *name, *engine, *upper; /* as the peers, a target and the environment call it */
        bool names_in_tunnel;              /* its client checks a name that it did not dial */
        const char *tls_word, *expired_word; /* what its client says */
};

static struct server servers[] = {
        { "mariadb", "mysql", "MARIADB", false, "TLS", "has expired" },
        { "mysql", "mysql", "MYSQL", false, "TLS", "has expired" },
        { "postgres", "postgresql", "POSTGRES", true, "TLS", "certificate verify failed" },
        { "minio-tls", "minio", "MINIO_TLS", true, "SSL", "has expired" },
};

struct world {
        struct server *server;
        struct data *d;
        struct tunnel_tcp way;
        char *ca, *name, *alias, *expired, *system_ca;
};

static const char *env_of(const struct server *s, const char *what) {
        char name[64];

        snprintf(name, sizeof(name), "PEERS_%s_%s", s->upper, what);
        return data_env(name);
}

static bool is_s3(const struct server *s) {
        return str_eq(s->engine, "minio");
}

static int setup(void **state) {
        struct server *s = *state;
        struct world *w = mem_new(struct world);

        w->server = s;
        w->d = data_new(is_s3(s) ? &provider_s3 : &provider_sql);
        w->way.loop = w->d->loop;
        w->way.port = (int)strtol(env_of(s, "PORT"), NULL, 10);
        str_copy(w->way.address, sizeof(w->way.address), env_of(s, "ADDRESS"));
        w->ca = data_file(data_env("PEERS_DATA_CA"));
        w->system_ca = access(SYSTEM_CA, R_OK) == 0 ? data_file(SYSTEM_CA) : NULL;
        w->name = str_dup(env_of(s, "NAME"));
        w->alias = str_format("alias.%s", w->name);
        w->expired = str_format("expired.%s", w->name);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;

        data_free(w->d);
        assert_int_equal(w->way.opened, w->way.closed);
        free(w->ca);
        free(w->system_ca);
        free(w->name);
        free(w->alias);
        free(w->expired);
        free(w);
        return 0;
}

/* MODE or CA may be NULL: the default, and the system's authorities. */
static json_t *config_of(struct world *w, const char *host, const char *mode, const char *ca) {
        const struct server *s = w->server;
        json_t *c = json_pack("{s:s, s:{}}", "engine", s->engine, "tls"), *tls = json_get(c, "tls");

        json_object_set_new(c, is_s3(s) ? "access-key" : "user", json_string(env_of(s, "USER")));
        json_object_set_new(c, is_s3(s) ? "secret-key" : "password",
                            json_string(env_of(s, "PASSWORD")));
        if (is_s3(s) && host)
                json_object_set_new(c, "endpoint",
                                    json_sprintf("https://%s:%d", host, w->way.port));
        if (!is_s3(s)) {
                json_object_set_new(c, "port", json_integer(w->way.port));
                if (host)
                        json_object_set_new(c, "host", json_string(host));
        }
        if (mode)
                json_object_set_new(tls, "mode", json_string(mode));
        if (ca)
                json_object_set_new(tls, "ca", json_string(ca));
        return c;
}

static enum outcome look(struct world *w, json_t *config, char ret_text[ERR_TEXT_MAX]) {
        struct thing t = is_s3(w->server) ? thing_of(w->d, "{'type':'bucket','name':'not-there'}")
                                          : thing_of(w->d, "{'type':'database','name':'nobody'}");
        struct err err = { 0 };
        enum outcome outcome;
        struct op op;

        if (data_open(w->d, config, &err) < 0)
                fail_msg("%s: %s", w->server->name, err.text);
        outcome = thing_do(w->d, &t, DATA_LOOK, 0, &op);
        str_copy(ret_text, ERR_TEXT_MAX, err_text(&op.err));
        op_clear(&op);
        thing_free(&t);
        return outcome;
}

/* It answered what it was asked: there is no such thing. */
static void believed(struct world *w, json_t *config) {
        char text[ERR_TEXT_MAX];
        enum outcome outcome = look(w, config, text);

        if (outcome != OUTCOME_GONE)
                fail_msg("%s: %s: %s", w->server->name, outcome_name(outcome), text);
}

/* It was not asked anything, and both words are said. */
static void refused(struct world *w, json_t *config, const char *word, const char *other) {
        char text[ERR_TEXT_MAX];
        enum outcome outcome = look(w, config, text);

        if (outcome != OUTCOME_UNREACHABLE || !strstr(text, word) || !strstr(text, other))
                fail_msg("%s: %s: %s; wanted: unreachable, %s, %s", w->server->name,
                         outcome_name(outcome), text, word, other);
}

static void directly_the_right_name_and_authority_are_needed(void **state) {
        struct world *w = *state;

        believed(w, config_of(w, w->name, NULL, w->ca));
        believed(w, config_of(w, w->name, "verify-full", w->ca));
        believed(w, config_of(w, env_of(w->server, "ADDRESS"), NULL, w->ca));
        refused(w, config_of(w, w->alias, NULL, w->ca), w->server->tls_word, "");
        refused(w, config_of(w, w->name, NULL, NULL), w->server->tls_word, "certificate");
}

static void directly_nothing_less_can_be_asked_for(void **state) {
        static const char *const modes[] = { "verify-ca", "encrypt", "plain" };
        struct world *w = *state;

        for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
                struct err err = { 0 };
                int r = data_open(w->d, config_of(w, w->name, modes[i], w->ca), &err);

                assert_int_equal(r, -EINVAL);
                assert_non_null(strstr(err.text, "verify-full"));
        }
}

static json_t *through(json_t *config) {
        json_object_set_new(config, "via", json_string("ns/pod-0"));
        return config;
}

static void dig(struct world *w) {
        w->d->through = &tunnel_tcp_provider;
        w->d->reach = tunnel_tcp_target(&w->way);
}

static void fill_up(struct world *w) {
        if (w->d->target)
                w->d->target = w->d->provider->close(w->d->target);
        data_turn(w->d, 20);
}

static void in_a_tunnel_verify_ca_means_the_authority_and_no_name(void **state) {
        struct world *w = *state;

        dig(w);
        believed(w, through(config_of(w, NULL, "verify-ca", w->ca)));
        believed(w, through(config_of(w, w->alias, "verify-ca", w->ca)));
        if (w->system_ca)
                refused(w, through(config_of(w, NULL, "verify-ca", w->system_ca)),
                        w->server->tls_word, "certificate");
        assert_true(w->way.opened > 0);
        fill_up(w);
}

static void in_a_tunnel_encrypt_means_any_certificate(void **state) {
        struct world *w = *state;

        dig(w);
        believed(w, through(config_of(w, NULL, "encrypt", NULL)));
        if (w->system_ca)
                believed(w, through(config_of(w, w->alias, "encrypt", w->system_ca)));
        fill_up(w);
}

static void in_a_tunnel_the_name_can_be_verified_or_that_is_refused(void **state) {
        struct world *w = *state;
        struct err err = { 0 };

        dig(w);
        if (w->server->names_in_tunnel) {
                believed(w, through(config_of(w, w->name, NULL, w->ca)));
                refused(w, through(config_of(w, w->alias, NULL, w->ca)), w->server->tls_word, "");
        } else {
                assert_int_equal(data_open(w->d, through(config_of(w, w->name, NULL, w->ca)), &err),
                                 -EINVAL);
                assert_non_null(strstr(err.text, "verify-ca can be had"));
        }
        fill_up(w);
}

static void tell_peers(const struct server *s, const char *what) {
        cleanup_(freep) char *command =
                str_format("\"$PEERS_TOOL\" %s \"$PEERS_DIR\" %s >/dev/null", what, s->name);

        assert_int_equal(system(command), 0);
}

/* Another certificate in place of the server's own, and its key. */
static void show(const struct server *s, const char *which) {
        cleanup_(freep) char *command =
                str_format("cd \"$PEERS_DIR/services/pki\" && cp %s-%s.crt %s.crt && cp %s-%s.key "
                           "%s.key",
                           s->name, which, s->name, s->name, which, s->name);

        assert_int_equal(system(command), 0);
        tell_peers(s, "restart");
}

/* Until a server that starts answers so. */
static void in_the_end(struct world *w, json_t *config, enum outcome outcome, const char *word) {
        char text[ERR_TEXT_MAX] = "";
        enum outcome is = OUTCOME_DONE;

        for (int i = 0; i < 600; i++) {
                is = look(w, json_incref(config), text);
                if (is == outcome && strstr(text, word))
                        break;
                data_turn(w->d, 100);
        }
        json_decref(config);
        if (is != outcome || !strstr(text, word))
                fail_msg("%s: %s: %s", w->server->name, outcome_name(is), text);
}

/* MinIO shows it to whoever asks for its name; the others are started again with it. */
static void an_expired_certificate_is_believed_by_encrypt_only(void **state) {
        struct world *w = *state;

        if (!getenv("PEERS_TOOL"))
                skip();
        if (is_s3(w->server)) {
                refused(w, config_of(w, w->expired, NULL, w->ca), w->server->tls_word,
                        w->server->expired_word);
                dig(w);
                refused(w, through(config_of(w, w->expired, NULL, w->ca)), w->server->tls_word,
                        w->server->expired_word);
                fill_up(w);
                return;
        }
        show(w->server, "expired");
        in_the_end(w, config_of(w, w->expired, NULL, w->ca), OUTCOME_UNREACHABLE,
                   w->server->expired_word);
        dig(w);
        refused(w, through(config_of(w, NULL, "verify-ca", w->ca)), w->server->tls_word,
                w->server->expired_word);
        believed(w, through(config_of(w, NULL, "encrypt", NULL)));
        fill_up(w);
}

static const struct CMUnitTest cases[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(directly_the_right_name_and_authority_are_needed),
        T(directly_nothing_less_can_be_asked_for),
        T(in_a_tunnel_verify_ca_means_the_authority_and_no_name),
        T(in_a_tunnel_encrypt_means_any_certificate),
        T(in_a_tunnel_the_name_can_be_verified_or_that_is_refused),
        /* The server keeps it. */
        T(an_expired_certificate_is_believed_by_encrypt_only),
};

int main(void) {
        struct CMUnitTest tests[ARRAY_SIZE(servers) * ARRAY_SIZE(cases)];
        char names[ARRAY_SIZE(tests)][128];

        for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
                struct server *s = &servers[i / ARRAY_SIZE(cases)];

                tests[i] = cases[i % ARRAY_SIZE(cases)];
                snprintf(names[i], sizeof(names[i]), "%s: %s", s->name, tests[i].name);
                tests[i].name = names[i];
                tests[i].initial_state = s;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
