/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls.c - trust in both directions, names, proxies with CONNECT, and the AWS signature as a
 * server checks it */
#include "certs.h"
#include "fixture.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

struct pki {
        struct fixture *f;
        struct certs *ca, *other_ca;
        char *cert, *key;              /* the server's */
        char *client, *client_key;     /* by CA */
        char *stranger, *stranger_key; /* by OTHER_CA */
};

static void says_ok(struct server_call *c, void *arg) {
        const char *host = server_header(c, "Host");

        server_reply(c, 200, NULL, host ? host : "");
}

static int setup(void **state) {
        struct pki *k = mem_new(struct pki);
        void *f;

        fixture_setup(&f);
        k->f = f;
        k->ca = certs_new("test CA");
        k->other_ca = certs_new("another CA");
        certs_issue(k->ca, "server", "IP:127.0.0.1,DNS:kubernetes.default", 30, &k->cert, &k->key);
        certs_issue(k->ca, "client", NULL, 30, &k->client, &k->client_key);
        certs_issue(k->other_ca, "stranger", NULL, 30, &k->stranger, &k->stranger_key);
        *state = k;
        return 0;
}

static int teardown(void **state) {
        struct pki *k = *state;
        void *f = k->f;

        fixture_teardown(&f);
        certs_free(k->ca);
        certs_free(k->other_ca);
        free(k->cert);
        free(k->key);
        free(k->client);
        free(k->client_key);
        free(k->stranger);
        free(k->stranger_key);
        free(k);
        return 0;
}

static void serve(struct pki *k, const char *cert, const char *key, bool want_client) {
        struct server_config c = { .cert_pem = cert,
                                   .key_pem = key,
                                   .client_ca_pem = want_client ? certs_ca_pem(k->ca) : NULL };

        server_free(k->f->server);
        k->f->server = server_new(&c);
        server_route(k->f->server, "GET", "/ok", says_ok, NULL);
}

/* What a request to the server ends as; the text of its error stays in TEXT. */
static char text[ERR_TEXT_MAX];
static char reply[256];

static enum http_end ask(struct pki *k, struct http_server_config c) {
        struct probe p;
        enum http_end end;

        c.url = c.url ? c.url : server_url(k->f->server);
        fixture_target(k->f, &c);
        probe_init(&p, k->f, "GET", "/ok");
        probe_run(&p, k->f);
        end = p.r.end;
        str_copy(text, sizeof(text), p.r.err.text);
        str_copy(reply, sizeof(reply), buf_str(&p.r.reply));
        if (end == HTTP_OK)
                assert_int_equal(p.r.status, 200);
        probe_free(&p);
        return end;
}

static void servers_certificate_is_verified(void **state) {
        struct pki *k = *state;
        cleanup_(freep) char *cert = NULL, *key = NULL;

        serve(k, k->cert, k->key, false);
        assert_int_equal(ask(k, (struct http_server_config){ .ca_pem = certs_ca_pem(k->ca) }),
                         HTTP_OK);
        assert_int_equal(ask(k, (struct http_server_config){ .ca_pem = certs_ca_pem(k->other_ca) }),
                         HTTP_TLS);
        assert_non_null(strstr(text, "certificate"));
        assert_int_equal(ask(k, (struct http_server_config){ 0 }), HTTP_TLS); /* system's CAs */
        assert_int_equal(ask(k, (struct http_server_config){ .insecure = true }), HTTP_OK);
        certs_issue(k->ca, "server", "IP:127.0.0.1", -1, &cert, &key);
        serve(k, cert, key, false);
        assert_int_equal(ask(k, (struct http_server_config){ .ca_pem = certs_ca_pem(k->ca) }),
                         HTTP_TLS);
        assert_non_null(strstr(text, "expired"));
}

static void authority_alone_can_be_verified(void **state) {
        struct pki *k = *state;
        struct http_server_config c = { .ca_pem = certs_ca_pem(k->ca), .any_name = true };
        cleanup_(freep) char *cert = NULL, *key = NULL;

        certs_issue(k->ca, "server", "DNS:api.test", 60, &cert, &key);
        serve(k, cert, key, false);
        assert_int_equal(ask(k, c), HTTP_OK);
        c.ca_pem = certs_ca_pem(k->other_ca);
        assert_int_equal(ask(k, c), HTTP_TLS);
        assert_non_null(strstr(text, "certificate"));
}

static void name_is_verified_and_can_be_another_than_the_address(void **state) {
        struct pki *k = *state;
        cleanup_(freep) char *cert = NULL, *key = NULL;
        char host[64];

        certs_issue(k->ca, "server", "DNS:kubernetes.default", 30, &cert, &key);
        serve(k, cert, key, false);
        assert_int_equal(ask(k, (struct http_server_config){ .ca_pem = certs_ca_pem(k->ca) }),
                         HTTP_TLS);
        assert_int_equal(ask(k, (struct http_server_config){ .ca_pem = certs_ca_pem(k->ca),
                                                             .tls_name = "kubernetes.default" }),
                         HTTP_OK);
        snprintf(host, sizeof(host), "127.0.0.1:%d", server_port(k->f->server));
        assert_string_equal(reply, host); /* the Host header stays the address */
        assert_int_equal(ask(k, (struct http_server_config){ .ca_pem = certs_ca_pem(k->ca),
                                                             .tls_name = "other.default" }),
                         HTTP_TLS);
}

static void client_certificate_is_shown_and_its_refusal_is_told(void **state) {
        struct pki *k = *state;
        struct http_server_config c = { .ca_pem = certs_ca_pem(k->ca) };

        serve(k, k->cert, k->key, true);
        assert_int_equal(ask(k, c), HTTP_TLS); /* none */
        c.cert_pem = k->stranger;
        c.key_pem = k->stranger_key;
        assert_int_equal(ask(k, c), HTTP_TLS); /* of another CA */
        assert_non_null(strstr(text, "alert"));
        c.key_pem = k->client_key; /* does not belong to it */
        assert_int_equal(ask(k, c), HTTP_TLS);
        c.cert_pem = k->client;
        assert_int_equal(ask(k, c), HTTP_OK);
}

static void two_servers_of_one_address_do_not_share_a_connection(void **state) {
        struct pki *k = *state;
        struct http_server_config with = { .ca_pem = certs_ca_pem(k->ca),
                                           .cert_pem = k->client,
                                           .key_pem = k->client_key };

        serve(k, k->cert, k->key, true);
        assert_int_equal(ask(k, with), HTTP_OK);
        assert_int_equal(ask(k, (struct http_server_config){ .ca_pem = certs_ca_pem(k->ca) }),
                         HTTP_TLS);
        assert_int_equal(ask(k, (struct http_server_config){ .ca_pem = certs_ca_pem(k->other_ca),
                                                             .cert_pem = k->client,
                                                             .key_pem = k->client_key }),
                         HTTP_TLS);
}

static void closes_at_once(struct server_call *c, void *arg) {
        server_hangup(c);
}

static void handshake_that_breaks_off_is_no_matter_of_certificates(void **state) {
        struct pki *k = *state;
        char url[64];

        server_free(k->f->server);
        k->f->server = server_new(&(struct server_config){ .raw = closes_at_once });
        snprintf(url, sizeof(url), "https://127.0.0.1:%d", server_port(k->f->server));
        assert_int_equal(ask(k, (struct http_server_config){ .url = url }), HTTP_RESET);
}

static void key_without_certificate_is_refused(void **state) {
        struct pki *k = *state;
        struct http_server *s = NULL;

        assert_int_equal(http_server_new(&(struct http_server_config){ .url = "https://a",
                                                                       .key_pem = k->key },
                                         &s, NULL),
                         -EINVAL);
}

/* ---- a proxy's CONNECT */

static int connects;

static void connect_to(struct server_call *c, void *arg) {
        static const char head[] = "HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n";

        connects++;
        server_raw(c, head, sizeof(head) - 1);
        server_tunnel(c, *(int *)arg);
}

static void refuse_connect(struct server_call *c, void *arg) {
        server_reply(c, 403, NULL, "no");
}

static void https_goes_through_a_proxys_connect(void **state) {
        struct pki *k = *state;
        struct server *proxy = server_new(NULL);
        struct http_server_config c = { .url = "https://127.0.0.1:6443",
                                        .ca_pem = certs_ca_pem(k->ca),
                                        .proxy = server_url(proxy) };
        int port;

        serve(k, k->cert, k->key, false);
        port = server_port(k->f->server);
        server_route(proxy, "CONNECT", "127.0.0.1:6443", connect_to, &port);
        assert_int_equal(ask(k, c), HTTP_OK);
        assert_int_equal(connects, 1);
        server_route(proxy, "CONNECT", "127.0.0.1:6443", refuse_connect, NULL);
        c.insecure = true; /* another connection */
        assert_int_equal(ask(k, c), HTTP_UNREACHABLE);
        assert_non_null(strstr(text, "403"));
        http_free(k->f->http);
        k->f->http = NULL;
        server_free(proxy);
}

/* ---- the signature, computed once more as a server does */

static void hex(const uint8_t *data, size_t n, char *out) {
        for (size_t i = 0; i < n; i++)
                snprintf(out + 2 * i, 3, "%02x", data[i]);
}

static void sign(const char *canonical, const char *date, char out[65]) {
        static const char *const scope[] = { "us-east-1", "s3", "aws4_request" };
        uint8_t key[32], digest[32];
        unsigned n = 32;
        char sum[65], to_sign[512];

        SHA256((const uint8_t *)canonical, strlen(canonical), digest);
        hex(digest, 32, sum);
        snprintf(to_sign, sizeof(to_sign),
                 "AWS4-HMAC-SHA256\n%s\n%.8s/us-east-1/s3/aws4_request\n%s", date, date, sum);
        HMAC(EVP_sha256(), "AWS4sesame-sesame", 17, (const uint8_t *)date, 8, key, &n);
        for (size_t i = 0; i < ARRAY_SIZE(scope); i++)
                HMAC(EVP_sha256(), key, 32, (const uint8_t *)scope[i], strlen(scope[i]), key, &n);
        HMAC(EVP_sha256(), key, 32, (const uint8_t *)to_sign, strlen(to_sign), digest, &n);
        hex(digest, 32, out);
}

static void field(const char *auth, const char *name, char *out, size_t size) {
        const char *p = strstr(auth, name);

        out[0] = '\0';
        if (p)
                snprintf(out, size, "%.*s", (int)strcspn(p + strlen(name), ", "), p + strlen(name));
}

/* Answers 200 when the signature is right for the canonical query in ARG, 403 when not. */
static void check_signature(struct server_call *c, void *arg) {
        const char *auth = server_header(c, "Authorization");
        const char *date = server_header(c, "x-amz-date");
        const char *hash = server_header(c, "x-amz-content-sha256");
        char signed_names[256], names[256], got[128], want[65], sum[65];
        cleanup_(buf_free) struct buf b = BUF_INIT;
        uint8_t digest[32];
        char *save = NULL;

        if (!auth || !date || !hash) {
                server_reply(c, 400, NULL, "not signed");
                return;
        }
        field(auth, "SignedHeaders=", signed_names, sizeof(signed_names));
        field(auth, "Signature=", got, sizeof(got));
        SHA256((const uint8_t *)c->body, c->body_len, digest);
        hex(digest, 32, sum);
        buf_printf(&b, "%s\n%s\n%s\n", c->method, c->path, (const char *)arg);
        str_copy(names, sizeof(names), signed_names);
        for (char *n = strtok_r(names, ";", &save); n; n = strtok_r(NULL, ";", &save))
                buf_printf(&b, "%s:%s\n", n, server_header(c, n));
        buf_printf(&b, "\n%s\n%s", signed_names, hash);
        sign(b.data, date, want);
        if (strcmp(got, want) != 0 || strcmp(hash, sum) != 0)
                server_reply(c, 403, NULL, b.data);
        else
                server_reply(c, 200, NULL, c->query);
}

static void aws_signature_is_what_a_server_computes(void **state) {
        struct pki *k = *state;
        struct fixture *f = k->f;
        static const struct {
                const char *method, *path, *canonical, *body;
        } cases[] = {
                { "GET", "/ok", "", NULL },
                { "PUT", "/ok", "", "some bytes" },
                { "GET", "/ok?policy", "policy=", NULL },
                { "GET", "/ok?prefix=b&list-type=2&delimiter=/",
                  "delimiter=%2F&list-type=2&prefix=b", NULL },
                { "GET", "/ok?a-b=1&a=2&a=10", "a=10&a=2&a-b=1", NULL },
                { "DELETE", "/ok?key=a%20b+c%2f\xc3\xa4&x=%7e", "key=a%20b%2Bc%2F%C3%A4&x=~",
                  NULL },
        };
        struct probe p;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                server_route(f->server, NULL, "/ok", check_signature, (char *)cases[i].canonical);
                probe_init(&p, f, cases[i].method, cases[i].path);
                p.r.aws_sigv4 = "aws:amz:us-east-1:s3";
                p.r.user = "access";
                p.r.password = "sesame-sesame";
                p.r.body = cases[i].body;
                p.r.body_len = cases[i].body ? strlen(cases[i].body) : 0;
                probe_run(&p, f);
                assert_int_equal(p.r.end, HTTP_OK);
                if (p.r.status != 200)
                        fail_msg("%s %s: %ld\n%s", cases[i].method, cases[i].path, p.r.status,
                                 buf_str(&p.r.reply));
                assert_string_equal(buf_str(&p.r.reply), cases[i].canonical);
                probe_free(&p);
        }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(servers_certificate_is_verified),
                T(authority_alone_can_be_verified),
                T(name_is_verified_and_can_be_another_than_the_address),
                T(client_certificate_is_shown_and_its_refusal_is_told),
                T(two_servers_of_one_address_do_not_share_a_connection),
                T(handshake_that_breaks_off_is_no_matter_of_certificates),
                T(key_without_certificate_is_refused),
                T(https_goes_through_a_proxys_connect),
                T(aws_signature_is_what_a_server_computes),
        };

        return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
