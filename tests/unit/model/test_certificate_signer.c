/* SPDX-License-Identifier: Apache-2.0 */
/* test_certificate_signer.c - authorities of applications' own: what they sign, what they do not,
 * and how another one takes the place of one, on a clock that the test drives; and requests for
 * others to sign */
#include "desk.h"

#include "certificate.h"
#include "clock.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define HOUR_MS 3600000ll

static int set_up(void **state) {
        struct desk *d;
        int r;

        desk_midnight();
        r = desk_set_up(state);
        d = *state;
        desk_charm(d, "name: hook\n");
        desk_deployed(d, "bundle: kubernetes\napplications:\n  a: {charm: hook, scale: 1}\n"
                         "  b: {charm: hook, scale: 1}\n");
        return r;
}

static int tear_down(void **state) {
        clock_real();
        return desk_tear_down(state);
}

/* ---- what the loop does */

static struct {
        struct desk *desk;
        const char *names;  /* of the request, JSON */
        const char *common; /* NULL: b */
        struct secret_text key;
        struct buf request;
        json_t *signed_one; /* what the plan is shown of it, or NULL */
        char ca[8192], serial[64], waits[200];
        int64_t turning, signs, revision;
} now;

static int authority_run(struct tx *tx, int64_t application, struct err *err) {
        cleanup_(json_freep) json_t *spec = json_pack(
                "{s:s, s:{s:s}, s:[], s:[], s:s, s:i}", "common-name", "ours", "authority", "O",
                "Ours", "names", "use", "key", "ecdsa-p256", "lifetime", 8640000);
        cleanup_(secret_text_free) struct secret_text key = { NULL, 0 };
        int r = certificate_check("ca", spec, err);

        if (r >= 0)
                r = cert_key_make(CERT_KEY_ECDSA, &key, err);
        return r < 0 ? r
                     : certificate_issue(tx,
                                         &(struct certificate_ask){ .sealer = now.desk->sealer,
                                                                    .model = 1,
                                                                    .application = application,
                                                                    .label = "ca",
                                                                    .spec = spec,
                                                                    .key = &key },
                                         err);
}

static int sign_run(struct tx *tx, int64_t application, struct err *err) {
        return certificate_sign(tx,
                                &(struct certificate_ask){ .sealer = now.desk->sealer,
                                                           .model = 1,
                                                           .application = application,
                                                           .label = "ca" },
                                &(struct certificate_signing){ .request = buf_str(&now.request),
                                                               .lifetime_s = 86400 },
                                err);
}

static int view_run(struct tx *tx, int64_t application, struct err *err) {
        struct certificate_view v = { NULL };
        struct q_certificate_row *rows;
        const char *digest;
        json_t *one;
        size_t n;
        int r = certificate_view_read(tx, 1, application, &v, err);

        json_decref(take_ptr(now.signed_one));
        json_object_foreach(json_dig(v.shown, "ca", "signed", NULL), digest, one)
                now.signed_one = json_incref(one);
        str_copy(now.ca, sizeof(now.ca), json_get_str(json_get(v.shown, "ca"), "ca", ""));
        if (r >= 0)
                r = q_certificate_by_application(
                        tx,
                        &(struct q_certificate_by_application_in){ .application_id = application },
                        &rows, &n, err);
        if (r >= 0 && n) {
                now.turning = rows->turning;
                now.signs = rows->signs_revision;
                now.revision = rows->revision;
        }
        json_decref(v.shown);
        json_decref(v.rows);
        free(v.bundle);
        return r < 0 ? r : 0;
}

static int turn_run(struct tx *tx, int64_t application, struct err *err) {
        struct q_certificate_row *rows;
        char *waits = NULL;
        size_t n;
        int r = q_certificate_by_application(
                tx, &(struct q_certificate_by_application_in){ .application_id = application },
                &rows, &n, err);

        if (r >= 0)
                r = certificate_turn(tx, rows->id, true, &waits, err);
        str_copy(now.waits, sizeof(now.waits), waits ? waits : "");
        free(waits);
        return r < 0 ? r : 0;
}

/* B's certificate, which A issues: NAMES is asked for, or what A signed is taken. */
static int external(struct tx *tx, int64_t application, bool take, struct err *err) {
        cleanup_(json_freep) json_t *names = NULL, *spec = NULL;
        cleanup_(buf_free) struct buf both = BUF_INIT;
        struct certificate_answer answer = { .csr = buf_str(&now.request),
                                             .pem = json_get_str(now.signed_one, "certificate", ""),
                                             .ca = now.ca };
        struct certificate_ask a = { .sealer = now.desk->sealer,
                                     .model = 1,
                                     .application = application,
                                     .label = "tls",
                                     .key = &now.key };

        assert_int_equal(json_parse(now.names, strlen(now.names), &names, NULL), 0);
        a.spec = spec = json_pack("{s:s, s:O, s:[s], s:s, s:i, s:i}", "common-name",
                                  now.common ? now.common : "b", "names", names, "use", "server",
                                  "key", "ecdsa-p256", "lifetime", 0, "issuer", 1);
        buf_printf(&both, "%s%s", answer.pem, answer.ca);
        digest_sha256_hex(both.data, both.len, answer.digest);
        return take ? certificate_take(tx, &a, &answer, err) : certificate_request(tx, &a, err);
}

static int request_run(struct tx *tx, int64_t application, struct err *err) {
        struct q_certificate_row *rows;
        size_t n;
        int r = external(tx, application, false, err);

        if (r >= 0)
                r = q_certificate_by_application(
                        tx,
                        &(struct q_certificate_by_application_in){ .application_id = application },
                        &rows, &n, err);
        buf_clear(&now.request);
        if (r >= 0)
                buf_puts(&now.request, rows->csr);
        return r < 0 ? r : 0;
}

static int take_run(struct tx *tx, int64_t application, struct err *err) {
        struct q_certificate_row *rows;
        size_t n;
        int r = external(tx, application, true, err);

        if (r >= 0)
                r = q_certificate_by_application(
                        tx,
                        &(struct q_certificate_by_application_in){ .application_id = application },
                        &rows, &n, err);
        if (r >= 0)
                str_copy(now.serial, sizeof(now.serial), rows->serial_number);
        return r < 0 ? r : 0;
}

static void run(struct desk *d, const char *application,
                int (*fn)(struct tx *, int64_t, struct err *)) {
        now.desk = d;
        if (desk_write(d, fn, desk_application_id(d, application)) != 0)
                fail_msg("%s", err_text(&d->err));
}

/* What A's plan is shown then. */
static void sign(struct desk *d) {
        run(d, "a", sign_run);
        run(d, "a", view_run);
}

/* What it waits for. */
static const char *turn(struct desk *d, int64_t later_ms) {
        clock_fake_advance(later_ms);
        run(d, "a", turn_run);
        run(d, "a", view_run);
        return now.waits;
}

static void forget(void) {
        secret_text_free(&now.key);
        buf_free(&now.request);
        json_decref(take_ptr(now.signed_one));
        memset(&now, 0, sizeof(now));
}

/* Of a key of its own, made elsewhere. */
static void ask_for(const char *name) {
        cleanup_(json_freep) json_t *names = json_pack("[s]", name);
        struct cert_wish w = { .common_name = "x", .names = names };

        forget();
        assert_int_equal(cert_key_make(CERT_KEY_ECDSA, &now.key, NULL), 0);
        assert_int_equal(cert_request(&w, &now.key, &now.request, NULL), 0);
}

static void add_names(STACK_OF(X509_EXTENSION) * list, const char *names) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

        if (!extension)
                fail_msg("no such names: %s", names);
        sk_X509_EXTENSION_push(list, extension);
}

/* As others make them: COMMON of LEN bytes is its common name, NAMES and MORE are alternative
 * names as openssl.cnf has them, or NULL. */
static void ask_as(const char *common, int len, const char *names, const char *more) {
        X509_REQ *request = X509_REQ_new();
        STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
        EVP_PKEY *key = EVP_EC_gen("P-256");
        BIO *bio = BIO_new(BIO_s_mem());
        char *data;
        long size;

        forget();
        X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request), NID_commonName,
                                   V_ASN1_UTF8STRING, (const unsigned char *)common, len, -1, 0);
        if (names)
                add_names(extensions, names);
        if (more)
                add_names(extensions, more);
        X509_REQ_add_extensions(request, extensions);
        X509_REQ_set_pubkey(request, key);
        X509_REQ_sign(request, key, EVP_sha256());
        PEM_write_bio_X509_REQ(bio, request);
        size = BIO_get_mem_data(bio, &data);
        buf_add(&now.request, data, (size_t)size);
        BIO_free(bio);
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        X509_REQ_free(request);
        EVP_PKEY_free(key);
}

static bool is_refused(const char *part) {
        return strstr(json_get_str(now.signed_one, "refused", ""), part);
}

/* ---- tests */

static void test_a_request_is_signed(void **state) {
        cleanup_(cert_facts_free) struct cert_facts f = {};
        struct desk *d = *state;
        const char *pem;

        ask_for("b.lab.svc");
        run(d, "a", sign_run); /* before there is an authority: nothing */
        run(d, "a", authority_run);
        sign(d);
        pem = json_get_str(now.signed_one, "certificate", "");
        assert_int_equal(cert_read(pem, &f, NULL), 0);
        assert_string_equal(f.issuer, "O=Ours,CN=ours");
        assert_string_equal(json_string_value(json_array_get(f.names, 0)), "b.lab.svc");
        assert_int_equal(f.until - clock_wall(), 86400000);
        assert_int_equal(cert_check_key(pem, &now.key, NULL), 0);
        forget();
}

static void test_a_foreign_name_is_not_signed(void **state) {
        static const char *const foreign[] = { "kubernetes.default.svc", "b.other.svc",
                                               "b.other.svc.cluster.local" };
        struct desk *d = *state;

        for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
                ask_for(foreign[i]);
                run(d, "a", authority_run);
                sign(d);
                assert_true(is_refused("model lab may not have it"));
                assert_null(json_get(now.signed_one, "certificate"));
                desk_tear_down(state);
                set_up(state);
                d = *state;
        }
        forget();
}

/* An authority that was asked for it, beside a model "other", and what it said to it. */
static void ask_anew(void **state, const char *common, int len, const char *names,
                     const char *more) {
        struct command_model other = { .head.run = command_model_add,
                                       .model = "other",
                                       .cluster = "aks" };

        desk_tear_down(state);
        set_up(state);
        assert_int_equal(desk_run(*state, &other.head), 0);
        command_deinit(&other.head);
        ask_as(common, len, names, more);
        run(*state, "a", authority_run);
        sign(*state);
}

static void test_a_foreign_name_is_found_wherever_it_stands(void **state) {
        static const struct {
                const char *common, *names, *more, *said;
        } asked[] = {
                { "kubernetes.default.svc", "DNS:b.lab.svc", NULL, "namespace default" },
                { "kubernetes.default.svc.", NULL, NULL, "namespace default" },
                { "Kubernetes.Default.SVC", NULL, NULL, "namespace default" },
                { "b.Other", NULL, NULL, "namespace other" },
                { "b.other.", NULL, NULL, "namespace other" },
                { "b", "DNS:b.lab.svc,DNS:KUBERNETES.default.Svc", NULL, "namespace default" },
                { "b", "DNS:*.default.svc", NULL, "namespace default" },
                { "b", "DNS:*.svc.cluster.local", NULL, "namespace *" },
                { "b", "DNS:*.Other", NULL, "namespace other" },
                { "b", "DNS:a-0.a.default.svc.cluster.local", NULL, "namespace default" },
                { "b", "DNS:b.lab.svc.default.svc", NULL, "namespace default" },
                { "b", "DNS:*.*.svc", NULL, "neither a DNS name" },
                { "b", "DNS:b.lab.svc.", NULL, "neither a DNS name" },
                { "b", "DNS:b.lab.svc,URI:spiffe://cluster.local/ns/other/sa/b", NULL, "spiffe" },
                { "b", "email:root@default.svc", NULL, "neither a DNS name" },
                { "b", "RID:1.2.3.4", NULL, "(other)" },
                { "b", "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:admin", NULL, "(other)" },
                { "b", "DER:30:05:87:03:0a:00:01", NULL, "(other)" }, /* an address of 3 bytes */
                { "b", "DER:30:05:82:03:61:00:62", NULL, "(other)" }, /* "a", NUL, "b" */
                { "b", "DNS:kubernetes.default.svc", "DNS:b.lab.svc", "cannot be read" },
                { "b", "DER:61", NULL, "cannot be read" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
                ask_anew(state, asked[i].common, -1, asked[i].names, asked[i].more);
                if (!is_refused(asked[i].said) || json_get(now.signed_one, "certificate"))
                        fail_msg("%s, %s: %s", asked[i].common, asked[i].names,
                                 json_get_str(now.signed_one, "refused", "signed"));
        }
        ask_anew(state, "b\0.lab.svc", 10, NULL, NULL);
        assert_true(is_refused("no text"));
        forget();
}

static void test_names_of_nobody_else_are_signed(void **state) {
        static const char *const asked[][2] = {
                { "b.lab.svc", NULL },
                { "signer of b", "DNS:B.LAB.svc,DNS:*.b.lab.svc.cluster.local,DNS:b.lab" },
                { "b", "DNS:b-0.b.lab.svc,DNS:b.default.svc.lab.svc,DNS:b.example.org,DNS:x.svc" },
                { "10.0.0.1", "IP:10.0.0.1,IP:::1" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
                ask_anew(state, asked[i][0], -1, asked[i][1], NULL);
                if (!json_get(now.signed_one, "certificate"))
                        fail_msg("%s, %s: %s", asked[i][0], asked[i][1],
                                 json_get_str(now.signed_one, "refused", "nothing"));
        }
        forget();
}

static void test_more_names_than_allowed_are_not_signed(void **state) {
        cleanup_(buf_free) struct buf names = BUF_INIT;

        for (int i = 0; i <= CERT_NAMES_MAX; i++)
                buf_printf(&names, "%sDNS:b%d.lab.svc", i ? "," : "", i);
        ask_anew(state, "b", -1, buf_str(&names), NULL);
        assert_true(is_refused("at most"));
        forget();
}

static void test_what_is_no_request_is_not_signed(void **state) {
        struct desk *d = *state;

        ask_for("b.lab.svc");
        run(d, "a", authority_run);
        now.request.len = 40;
        now.request.data[40] = '\0';
        sign(d);
        assert_true(json_get(now.signed_one, "refused"));
        forget();
}

static void test_a_clock_before_the_authority_signs_nothing(void **state) {
        struct desk *d = *state;

        ask_for("b.lab.svc");
        run(d, "a", authority_run);
        clock_fake_advance(-HOUR_MS);
        sign(d);
        assert_true(is_refused("before the CA began"));
        clock_fake_advance(HOUR_MS);
        sign(d);
        assert_null(json_get(now.signed_one, "refused"));
        clock_fake_advance(101 * 24 * HOUR_MS);
        sign(d);
        assert_true(is_refused("after the CA ended"));
        forget();
}

static void test_no_request_goes_out_for_a_foreign_name(void **state) {
        struct desk *d = *state;

        ask_for("unused");
        now.desk = d;
        now.names = "[\"kubernetes.default.svc\"]";
        assert_int_equal(desk_write(d, request_run, desk_application_id(d, "b")), -EPERM);
        now.names = "[\"b.lab.svc\"]";
        now.common = "kubernetes.default.svc";
        assert_int_equal(desk_write(d, request_run, desk_application_id(d, "b")), -EPERM);
        now.common = NULL;
        run(d, "b", request_run);
        forget();
}

static void test_another_authority_takes_its_place(void **state) {
        struct desk *d = *state;
        char serial[64];

        ask_for("unused");
        now.names = "[\"b.lab.svc\"]";
        run(d, "b", request_run);
        run(d, "a", authority_run);
        sign(d);
        run(d, "b", take_run);
        str_copy(serial, sizeof(serial), now.serial);
        assert_string_equal(turn(d, 0), ""); /* nothing takes its place */
        run(d, "a", authority_run);
        assert_int_equal(desk_write(d, authority_run, desk_application_id(d, "a")), -EBUSY);
        assert_string_equal(turn(d, 0), "b/tls is to get the CA bundle with the new CA");
        assert_int_equal(now.signs, 1);
        run(d, "b", take_run);
        assert_string_equal(now.serial, serial); /* the bundle alone is new */
        assert_non_null(strstr(turn(d, 0), "ca-overlap"));
        turn(d, HOUR_MS);
        assert_int_equal(now.signs, 2);
        assert_int_equal(now.turning, 2);
        assert_string_equal(turn(d, 0), "a/ca is to sign requests anew");
        sign(d);
        assert_string_equal(turn(d, HOUR_MS), "b/tls is to take what the new CA signed");
        run(d, "b", take_run);
        assert_string_not_equal(now.serial, serial);
        assert_non_null(strstr(turn(d, 0), "ca-overlap"));
        assert_non_null(strstr(now.ca + 1, "-----BEGIN"));
        turn(d, HOUR_MS);
        assert_int_equal(now.turning, 0);
        assert_null(strstr(now.ca + 1, "-----BEGIN"));
        forget();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_request_is_signed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_foreign_name_is_not_signed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_foreign_name_is_found_wherever_it_stands,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_names_of_nobody_else_are_signed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_more_names_than_allowed_are_not_signed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_what_is_no_request_is_not_signed, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_clock_before_the_authority_signs_nothing,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_request_goes_out_for_a_foreign_name, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_another_authority_takes_its_place, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
