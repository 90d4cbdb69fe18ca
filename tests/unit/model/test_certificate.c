/* SPDX-License-Identifier: Apache-2.0 */
/* test_certificate.c - certificates of a model: issued, renewed in time, and the replacement of
 * its CA, step by step, on a clock that the test drives */
#include "desk.h"

#include "certificate.h"
#include "clock.h"

#include <errno.h>

#define DAY_MS 86400000ll
#define LIFE_MS (90 * DAY_MS)

static int64_t midnight;

static int set_up(void **state) {
        struct desk *d;
        int r;

        midnight = desk_midnight();
        r = desk_set_up(state);
        d = *state;
        desk_charm(d, "name: hook\n");
        desk_deployed(d, "bundle: kubernetes\napplications:\n  a: {charm: hook, scale: 1}\n");
        return r;
}

static int tear_down(void **state) {
        clock_real();
        return desk_tear_down(state);
}

/* ---- what the loop does */

static struct {
        struct desk *desk;
        const char *label, *names, *common;
        struct q_certificate_row row;
        char bundle[40], waits[200], states[60], issuer[100];
        size_t trusted; /* certificates in the bundle */
        bool quiet;
        int turned;
} now;

static int issue_run(struct tx *tx, int64_t application, struct err *err) {
        cleanup_(json_freep) json_t *names = json_pack("[s]", now.names ? now.names : "a.lab.svc");
        cleanup_(json_freep) json_t *spec = json_pack(
                "{s:s, s:O, s:[s], s:s, s:i}", "common-name", now.common ? now.common : "a",
                "names", names, "use", "server", "key", "ecdsa-p256", "lifetime", 0);
        cleanup_(secret_text_free) struct secret_text key = { NULL, 0 };
        int r = certificate_check(now.label, spec, err);

        if (r >= 0)
                r = cert_key_make(CERT_KEY_ECDSA, &key, err);
        return r < 0 ? r
                     : certificate_issue(tx,
                                         &(struct certificate_ask){ .sealer = now.desk->sealer,
                                                                    .model = 1,
                                                                    .application = application,
                                                                    .label = now.label,
                                                                    .spec = spec,
                                                                    .key = &key },
                                         err);
}

/* As a save of the plan does. */
static int plan_run(struct tx *tx, int64_t application, struct err *err) {
        struct certificate_view v = { NULL };
        int r = certificate_view_read(tx, 1, application, &v, err);

        if (r >= 0)
                r = w_certificate_set_planned(
                        tx,
                        &(struct w_certificate_set_planned_in){ .application_id = application,
                                                                .bundle = v.bundle },
                        err);
        json_decref(v.shown);
        json_decref(v.rows);
        free(v.bundle);
        return r < 0 ? r : 0;
}

static int turn_run(struct tx *tx, int64_t model, struct err *err) {
        char *waits = NULL;
        int r = authority_renew(tx, now.desk->sealer, model, err);

        if (r >= 0)
                r = authority_turn(tx, now.desk->sealer, model, now.quiet, &waits, err);
        str_copy(now.waits, sizeof(now.waits), waits ? waits : "");
        now.turned = r;
        free(waits);
        return r < 0 ? r : 0;
}

static int look_run(struct tx *tx, int64_t application, struct err *err) {
        cleanup_(buf_free) struct buf pem = BUF_INIT, ids = BUF_INIT, states = BUF_INIT;
        struct q_certificate_row *rows;
        struct q_authority_row *authorities;
        size_t n;
        int r = q_certificate_by_application(
                tx, &(struct q_certificate_by_application_in){ .application_id = application },
                &rows, &n, err);

        if (r >= 0 && n) {
                now.row = rows[0];
                str_copy(now.issuer, sizeof(now.issuer), rows[0].issuer);
        }
        if (r >= 0)
                r = authority_bundle(tx, 1, &pem, &ids, err);
        str_copy(now.bundle, sizeof(now.bundle), buf_str(&ids));
        now.trusted = 0;
        for (const char *p = buf_str(&pem); (p = strstr(p, "-----BEGIN")); p++)
                now.trusted++;
        if (r >= 0)
                r = q_authority_list(tx, &(struct q_authority_list_in){ .model_id = 1 },
                                     &authorities, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                buf_printf(&states, "%s%s", i ? " " : "", authorities[i].state);
        str_copy(now.states, sizeof(now.states), buf_str(&states));
        return r < 0 ? r : 0;
}

static int issue(struct desk *d, const char *label, const char *names) {
        now.desk = d;
        now.label = label;
        now.names = names;
        return desk_write(d, issue_run, desk_application_id(d, "a"));
}

static void plan(struct desk *d) {
        assert_int_equal(desk_write(d, plan_run, desk_application_id(d, "a")), 0);
}

static void look(struct desk *d) {
        assert_int_equal(desk_write(d, look_run, desk_application_id(d, "a")), 0);
}

/* What is waited for. */
static const char *turn(struct desk *d, int64_t later_ms, bool quiet) {
        clock_fake_advance(later_ms);
        now.desk = d;
        now.quiet = quiet;
        assert_int_equal(desk_write(d, turn_run, 1), 0);
        look(d);
        return now.waits;
}

static int run(struct desk *d, int (*fn)(struct tx *, struct command *, struct err *),
               const char *pem) {
        struct command_certificate c = {
                .head = { .run = fn, .of_model = "lab", .sealer = d->sealer },
                .model = "lab",
                .application = "a",
                .pem = pem
        };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

/* ---- tests */

static void test_issued_and_renewed_at_two_thirds(void **state) {
        struct desk *d = *state;
        int64_t third = LIFE_MS / 3, first;

        assert_int_equal(issue(d, "tls", NULL), 0);
        look(d);
        assert_string_equal(now.states, "current");
        assert_string_equal(now.bundle, "1");
        assert_int_equal(now.row.revision, 1);
        assert_int_equal(now.row.ends_at, midnight + LIFE_MS);
        assert_in_range(now.row.renew_at, midnight + 2 * third,
                        midnight + 2 * third + LIFE_MS / CERTIFICATE_JITTER_PART);
        first = now.row.renew_at;
        clock_fake_advance(first - midnight);
        assert_int_equal(issue(d, "tls", NULL), 0);
        look(d);
        assert_int_equal(now.row.revision, 2);
        assert_int_equal(now.row.renewals, 1);
        assert_true(now.row.renew_at > first);
        assert_string_equal(now.states, "current");
}

static void test_jitter_spreads_what_was_issued_together(void **state) {
        struct desk *d = *state;
        int64_t low = INT64_MAX, high = 0;

        for (int i = 0; i < 20; i++) {
                assert_int_equal(issue(d, "tls", NULL), 0);
                look(d);
                low = MIN_OF(low, now.row.renew_at);
                high = MAX_OF(high, now.row.renew_at);
        }
        assert_true(high - low > DAY_MS); /* of 4.5 days; by chance less: once in 10^12 */
}

static void test_a_clock_before_the_ca_is_an_error(void **state) {
        struct desk *d = *state;

        assert_int_equal(issue(d, "tls", NULL), 0);
        clock_fake_advance(-DAY_MS);
        assert_int_equal(issue(d, "tls", NULL), -ETIME);
        assert_non_null(strstr(err_text(&d->err), "before the model's CA began"));
        clock_fake_advance(4000 * DAY_MS);
        assert_int_equal(issue(d, "tls", NULL), -ETIME);
        assert_non_null(strstr(err_text(&d->err), "rotate-ca"));
}

static void test_names_of_another_namespace_are_refused(void **state) {
        struct desk *d = *state;

        assert_int_equal(issue(d, "tls", "a.other.svc"), -EPERM);
        assert_int_equal(issue(d, "tls", "a.other.svc.cluster.local"), -EPERM);
        assert_int_equal(issue(d, "tls", "kubernetes.default.svc"), -EPERM);
        assert_int_equal(issue(d, "tls", "a.lab.svc.cluster.local"), 0);
        assert_int_equal(issue(d, "tls", "www.example.org"), 0);
        assert_int_equal(issue(d, "tls", "no name"), -EINVAL);
        now.common = "kubernetes.default.svc";
        assert_int_equal(issue(d, "tls", "a.lab.svc"), -EPERM);
        now.common = NULL;
}

static void test_the_ca_is_replaced_with_overlap(void **state) {
        struct desk *d = *state;

        assert_int_equal(issue(d, "tls", NULL), 0);
        plan(d);
        assert_int_equal(run(d, command_certificate_rotate_ca, NULL), 0);
        assert_int_equal(run(d, command_certificate_rotate_ca, NULL), -EBUSY);
        assert_string_equal(turn(d, 0, true), "a/tls is to get the CA bundle with the new CA");
        assert_string_equal(now.states, "current next");
        assert_int_equal(now.trusted, 2);
        plan(d);
        assert_string_equal(turn(d, 0, false), ""); /* an apply is under way */
        assert_non_null(strstr(turn(d, 3600000, true), "ca-overlap"));
        assert_string_equal(turn(d, 600000, true), "");
        assert_int_equal(now.turned, 1);
        assert_string_equal(now.states, "old current");
        assert_int_equal(now.row.renew_at, 0); /* due */
        assert_int_equal(now.trusted, 2);
        assert_string_equal(turn(d, 3600000, true), "a/tls is to be issued by the new CA");
        assert_int_equal(issue(d, "tls", NULL), 0);
        assert_string_equal(turn(d, 3600000, true), "a/tls is to be issued by the new CA");
        plan(d);
        assert_non_null(strstr(turn(d, 0, true), "ca-overlap"));
        assert_string_equal(now.states, "old current");
        turn(d, 600000, true);
        assert_int_equal(now.turned, 1);
        assert_string_equal(now.states, "current");
        assert_int_equal(now.trusted, 1);
        assert_string_equal(now.bundle, "2");
}

/* What was settled and is not any more begins to settle anew. */
static void test_a_late_change_delays_the_overlap(void **state) {
        struct desk *d = *state;

        assert_int_equal(issue(d, "tls", NULL), 0);
        assert_int_equal(run(d, command_certificate_rotate_ca, NULL), 0);
        plan(d);
        assert_non_null(strstr(turn(d, 0, true), "ca-overlap"));
        turn(d, 599000, false);
        assert_non_null(strstr(turn(d, 5000, true), "ca-overlap"));
        assert_string_equal(now.states, "current next");
}

static void test_the_ca_is_renewed_by_itself(void **state) {
        struct desk *d = *state;

        assert_int_equal(issue(d, "tls", NULL), 0);
        turn(d, 2400 * DAY_MS, true);
        assert_string_equal(now.states, "current");
        turn(d, 40 * DAY_MS, true); /* beyond two thirds of 3,650 days */
        assert_string_equal(now.states, "current next");
}

static void test_rotate_certificate_makes_it_due(void **state) {
        struct desk *d = *state;

        assert_int_equal(run(d, command_certificate_rotate, NULL), -ENOENT);
        assert_int_equal(issue(d, "tls", NULL), 0);
        assert_int_equal(run(d, command_certificate_rotate, NULL), 0);
        assert_string_equal(desk_change(d, 0), "renew certificate a/tls now");
        look(d);
        assert_int_equal(now.row.renew_at, 0);
}

/* ---- signed by an operator's root */

struct root {
        struct secret_text key;
        struct buf pem;
};

static void root_make(struct root *r) {
        struct cert_wish w = { .common_name = "root",
                               .authority = true,
                               .from = midnight - DAY_MS,
                               .until = midnight + 9000 * DAY_MS };

        assert_int_equal(cert_key_make(CERT_KEY_ECDSA, &r->key, NULL), 0);
        assert_int_equal(cert_issue(&w, &r->key, NULL, &r->pem, NULL), 0);
}

static void root_sign(const struct root *r, const char *request, bool authority, struct buf *ret) {
        struct cert_issuer by = { buf_str(&r->pem), &r->key };
        struct cert_wish w = { .authority = authority,
                               .use = authority ? 0 : CERT_SERVER,
                               .from = midnight - DAY_MS,
                               .until = midnight + 1000 * DAY_MS };

        buf_clear(ret);
        assert_int_equal(cert_issue_requested(&w, request, &by, ret, NULL), 0);
        buf_puts(ret, buf_str(&r->pem));
}

static void test_a_ca_that_is_signed_by_a_root(void **state) {
        cleanup_(buf_free) struct buf file = BUF_INIT;
        cleanup_(freep) char *request = NULL;
        struct root root = {}, other = {};
        struct desk *d = *state;

        root_make(&root);
        root_make(&other);
        assert_int_equal(issue(d, "tls", NULL), 0);
        assert_int_equal(run(d, command_certificate_set_ca, buf_str(&root.pem)), -ENOENT);
        assert_int_equal(run(d, command_certificate_ca_csr, NULL), 0);
        request = str_dup(json_get_str(d->reply, "request", ""));
        assert_int_equal(run(d, command_certificate_ca_csr, NULL), 0);
        assert_string_equal(json_get_str(d->reply, "request", ""), request);
        assert_int_equal(run(d, command_certificate_set_ca, buf_str(&root.pem)), -EINVAL);
        root_sign(&root, request, false, &file);
        assert_int_equal(run(d, command_certificate_set_ca, buf_str(&file)), -EINVAL);
        assert_true(desk_has_error(d, "may not issue"));
        root_sign(&root, request, true, &file);
        file.data[file.len - root.pem.len] = '\0'; /* without its root */
        assert_int_equal(run(d, command_certificate_set_ca, file.data), -EINVAL);
        assert_true(desk_has_error(d, "the root is missing"));
        root_sign(&root, request, true, &file);
        assert_int_equal(run(d, command_certificate_set_ca, buf_str(&file)), 0);
        look(d);
        assert_string_equal(now.states, "current next");
        plan(d);
        turn(d, 0, true);
        turn(d, 600000, true);
        assert_int_equal(issue(d, "tls", NULL), 0);
        look(d);
        assert_string_equal(now.issuer, "CN=mooring CA of lab");
        assert_string_equal(now.states, "old current");
        assert_int_equal(run(d, command_certificate_rotate_ca, NULL), -EBUSY);
        assert_true(desk_has_error(d, "ca-csr"));
        secret_text_free(&root.key);
        secret_text_free(&other.key);
        buf_free(&root.pem);
        buf_free(&other.pem);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_issued_and_renewed_at_two_thirds, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_jitter_spreads_what_was_issued_together,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_clock_before_the_ca_is_an_error, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_names_of_another_namespace_are_refused, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_the_ca_is_replaced_with_overlap, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_late_change_delays_the_overlap, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_the_ca_is_renewed_by_itself, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_rotate_certificate_makes_it_due, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_a_ca_that_is_signed_by_a_root, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
