/* SPDX-License-Identifier: Apache-2.0 */
/* test_cert.c - what is issued says what was wished, chains up to who issued it, and opens with
 * its own key only */
#include "cert.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define FROM 1700000000000ll
#define DAY_MS 86400000ll

struct pair {
        struct secret_text key;
        struct buf pem;
};

static void pair_free(struct pair *p) {
        secret_text_free(&p->key);
        buf_free(&p->pem);
}

static void issue(enum cert_key kind, const struct cert_wish *w, const struct pair *by,
                  struct pair *ret) {
        struct cert_issuer issuer = { by ? buf_str(&by->pem) : NULL, by ? &by->key : NULL };
        struct err err = {};

        if (cert_key_make(kind, &ret->key, &err) < 0 ||
            cert_issue(w, &ret->key, by ? &issuer : NULL, &ret->pem, &err) < 0)
                fail_msg("%s", err_text(&err));
}

static struct cert_wish ca_wish(void) {
        return (struct cert_wish){
                .common_name = "CA", .authority = true, .from = FROM, .until = FROM + 100 * DAY_MS
        };
}

static void test_says_what_was_wished(void **state) {
        cleanup_(pair_free) struct pair ca = {}, leaf = {};
        cleanup_(json_freep) json_t *names = json_pack("[s,s,s]", "a.b.svc", "10.0.0.1", "*.x.org");
        cleanup_(cert_facts_free) struct cert_facts f = {};
        struct cert_wish w = ca_wish();

        issue(CERT_KEY_ECDSA, &w, NULL, &ca);
        for (int kind = 0; kind < CERT_KEY_MAX; kind++) {
                pair_free(&leaf);
                leaf = (struct pair){};
                issue((enum cert_key)kind,
                      &(struct cert_wish){ .common_name = "a.b.svc",
                                           .names = names,
                                           .use = CERT_SERVER,
                                           .from = FROM,
                                           .until = FROM + DAY_MS },
                      &ca, &leaf);
                cert_facts_free(&f);
                assert_int_equal(cert_read(buf_str(&leaf.pem), &f, NULL), 0);
                assert_string_equal(f.subject, "CN=a.b.svc");
                assert_string_equal(f.issuer, "CN=CA");
                assert_int_equal(f.from, FROM);
                assert_int_equal(f.until, FROM + DAY_MS);
                assert_false(f.authority);
                assert_false(f.self_signed);
                assert_int_equal(strlen(f.serial), 32);
                assert_true(json_equal(f.names, names));
                assert_int_equal(cert_check_key(buf_str(&leaf.pem), &leaf.key, NULL), 0);
                assert_int_equal(cert_check_key(buf_str(&leaf.pem), &ca.key, NULL), -EKEYREJECTED);
        }
        cert_facts_free(&f);
        assert_int_equal(cert_read(buf_str(&ca.pem), &f, NULL), 0);
        assert_true(f.authority && f.self_signed);
}

static void test_a_chain_is_one(void **state) {
        cleanup_(pair_free) struct pair root = {}, other = {}, leaf = {};
        cleanup_(buf_free) struct buf chain = BUF_INIT;
        struct cert_wish w = ca_wish();
        struct err err = {};
        size_t end = 0;

        issue(CERT_KEY_ECDSA, &w, NULL, &root);
        issue(CERT_KEY_ECDSA, &w, NULL, &other);
        w.common_name = "intermediate";
        issue(CERT_KEY_ECDSA, &w, &root, &leaf);
        buf_puts(&chain, buf_str(&leaf.pem));
        buf_puts(&chain, buf_str(&root.pem));
        assert_int_equal(cert_check_chain(buf_str(&chain), &end, &err), 0);
        assert_string_equal(buf_str(&chain) + end, buf_str(&root.pem));
        buf_clear(&chain);
        buf_puts(&chain, buf_str(&leaf.pem));
        buf_puts(&chain, buf_str(&other.pem)); /* of the same name, and another key */
        assert_int_equal(cert_check_chain(buf_str(&chain), &end, &err), -EBADMSG);
        assert_int_equal(cert_check_chain("no certificate", &end, &err), -EBADMSG);
}

static void test_requests(void **state) {
        cleanup_(pair_free) struct pair ca = {}, asked = {};
        cleanup_(json_freep) json_t *names = json_pack("[s]", "a.b.svc");
        cleanup_(cert_facts_free) struct cert_facts f = {};
        cleanup_(buf_free) struct buf request = BUF_INIT, signed_pem = BUF_INIT;
        struct cert_wish w = ca_wish(), want = { .common_name = "a", .names = names };
        struct cert_issuer by;
        struct err err = {};

        issue(CERT_KEY_ECDSA, &w, NULL, &ca);
        by = (struct cert_issuer){ buf_str(&ca.pem), &ca.key };
        assert_int_equal(cert_key_make(CERT_KEY_ECDSA, &asked.key, &err), 0);
        assert_int_equal(cert_request(&want, &asked.key, &request, &err), 0);
        assert_int_equal(cert_read_request(buf_str(&request), &f, &err), 0);
        assert_string_equal(f.subject, "CN=a");
        assert_true(json_equal(f.names, names));
        assert_false(f.authority);
        cert_facts_free(&f);
        w.authority = false;
        w.use = CERT_SERVER;
        assert_int_equal(cert_issue_requested(&w, buf_str(&request), &by, &signed_pem, &err), 0);
        assert_int_equal(cert_read(buf_str(&signed_pem), &f, &err), 0);
        assert_int_equal(json_array_size(f.names), 0); /* none that were not wished for */
        cert_facts_free(&f);
        buf_clear(&signed_pem);
        w.names = names;
        assert_int_equal(cert_issue_requested(&w, buf_str(&request), &by, &signed_pem, &err), 0);
        assert_int_equal(cert_read(buf_str(&signed_pem), &f, &err), 0);
        assert_string_equal(f.subject, "CN=a");
        assert_true(json_equal(f.names, names));
        assert_int_equal(cert_check_key(buf_str(&signed_pem), &asked.key, &err), 0);
        assert_int_equal(cert_read_request(buf_str(&ca.pem), &f, &err), -EBADMSG);
}

static void test_a_request_of_another_key_is_none(void **state) {
        cleanup_(pair_free) struct pair asked = {};
        cleanup_(buf_free) struct buf request = BUF_INIT;
        struct cert_facts f = {};
        struct err err = {};
        char *at;

        assert_int_equal(cert_key_make(CERT_KEY_ECDSA, &asked.key, &err), 0);
        assert_int_equal(
                cert_request(&(struct cert_wish){ .common_name = "a" }, &asked.key, &request, &err),
                0);
        at = strstr(request.data, "\n-----END") - 12; /* in its signature */
        *at = *at == 'A' ? 'B' : 'A';
        assert_int_equal(cert_read_request(buf_str(&request), &f, &err), -EBADMSG);
}

static void test_names(void **state) {
        static const char *const good[] = { "a",        "a.b.svc", "*.example.org",
                                            "10.0.0.1", "::1",     "x_y.z" };
        static const char *const bad[] = { "",        ".", "a..b",  "-a.b",    "a b",
                                           "a,DNS:b", "*", "a.*.b", "http://a" };

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                assert_int_equal(cert_check_name(good[i], NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (cert_check_name(bad[i], NULL) != -EINVAL)
                        fail_msg("\"%s\" is taken for a name", bad[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_says_what_was_wished),
                cmocka_unit_test(test_a_chain_is_one),
                cmocka_unit_test(test_requests),
                cmocka_unit_test(test_a_request_of_another_key_is_none),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
