/* SPDX-License-Identifier: Apache-2.0 */
/* test_normalise.c - bodies on their way out, Secrets on their way in */
#include "normalise.h"
#include "observe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define MARKS "{\"model\":\"m\",\"application\":\"a\",\"controller\":\"c\"}"
#define URI "abcdefghijklmnopqrstuvwxyz"

static struct secret_values *values;

static int body_of(const char *type, const char *path, const char *text, json_t **ret,
                   struct err *err) {
        cleanup_(buf_wipe) struct buf body = BUF_INIT;
        cleanup_(json_freep) json_t *wanted = NULL;
        cleanup_(json_freep) json_t *before = NULL;
        cleanup_(json_freep) json_t *marks = NULL;
        int r;

        assert_int_equal(json_parse(text, strlen(text), &wanted, NULL), 0);
        assert_int_equal(json_parse(MARKS, strlen(MARKS), &marks, NULL), 0);
        before = json_deep_copy(wanted);
        r = normalise_body(wanted, type, path, marks, NULL, values, &body, err);
        assert_true(json_equal(before, wanted));
        if (r == 0 && json_parse(buf_str(&body), body.len, ret, err) < 0)
                fail_msg("%s: %s", err->text, buf_str(&body));
        return r;
}

static void a_body_has_our_marks_its_namespace_and_nothing_of_the_server(void **state) {
        cleanup_(json_freep) json_t *body = NULL;
        const json_t *metadata;
        struct err err = { 0 };

        assert_int_equal(
                body_of("ConfigMap", "ns/x",
                        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                        "\"x\",\"uid\":\"u\",\"creationTimestamp\":null,\"resourceVersion\":\"1\","
                        "\"managedFields\":[],\"labels\":{\"own\":\"1\",\"app.kubernetes.io/"
                        "managed-by\":\"Helm\"},\"annotations\":{\"a\":\"b\","
                        "\"kubectl.kubernetes.io/"
                        "last-applied-configuration\":\"{}\"}},\"status\":{},\"data\":{\"k\":\"v\"}"
                        "}",
                        &body, &err),
                0);
        metadata = json_get(body, "metadata");
        assert_null(json_get(body, "status"));
        assert_int_equal(json_object_size(metadata), 4);
        assert_string_equal(json_get_str(metadata, "namespace", ""), "ns");
        assert_int_equal(json_object_size(json_get(metadata, "annotations")), 1);
        assert_string_equal(
                json_get_str(json_get(metadata, "labels"), "app.kubernetes.io/managed-by", ""),
                "mooring");
        assert_string_equal(json_get_str(json_get(metadata, "labels"), "mooring.dev/model", ""),
                            "m");
        assert_string_equal(
                json_get_str(json_get(metadata, "labels"), "mooring.dev/application", ""), "a");
        assert_string_equal(
                json_get_str(json_get(metadata, "labels"), "mooring.dev/controller", ""), "c");
        assert_string_equal(json_get_str(json_get(metadata, "labels"), "own", ""), "1");
}

static void pods_of_a_workload_carry_the_marks_but_its_selector_does_not(void **state) {
        cleanup_(json_freep) json_t *body = NULL;
        struct err err = { 0 };

        assert_int_equal(body_of("CronJob.batch", "ns/x",
                                 "{\"apiVersion\":\"batch/"
                                 "v1\",\"kind\":\"CronJob\",\"metadata\":{\"name\":\"x\"},\"spec\":"
                                 "{\"jobTemplate\":{\"spec\":{\"template\":{\"spec\":{}}}}}}",
                                 &body, &err),
                         0);
        assert_string_equal(
                json_string_value(json_at(body, "/spec/jobTemplate/spec/template/metadata/labels/"
                                                "mooring.dev~1application")),
                "a");
        assert_null(json_at(
                body,
                "/spec/jobTemplate/spec/template/metadata/labels/app.kubernetes.io~1managed-by"));
}

static void rules_of_an_aggregated_role_are_its_controllers(void **state) {
        cleanup_(json_freep) json_t *body = NULL;
        struct err err = { 0 };

        assert_int_equal(body_of("ClusterRole.rbac.authorization.k8s.io", "x",
                                 "{\"apiVersion\":\"rbac.authorization.k8s.io/"
                                 "v1\",\"kind\":\"ClusterRole\",\"metadata\":{\"name\":\"x\","
                                 "\"namespace\":\"ns\"},\"aggregationRule\":{},\"rules\":null}",
                                 &body, &err),
                         0);
        assert_null(json_get(body, "rules"));
        assert_null(json_get(json_get(body, "metadata"), "namespace"));
}

#define SECRET(rest)                                                                               \
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"}" rest "}"

static void tokens_of_a_secret_are_filled_in_its_two_ways(void **state) {
        cleanup_(json_freep) json_t *body = NULL;
        struct err err = { 0 };

        assert_int_equal(body_of("Secret", "ns/x",
                                 SECRET(",\"stringData\":{\"url\":\"db://u:{{secret:" URI
                                        ":1:plain}}@h\"},\"data\":{\"pw\":\"{{secret:" URI
                                        ":1:base64}}\",\"url\":\"eA==\"},\"type\":\"Opaque\""),
                                 &body, &err),
                         0);
        assert_null(json_get(body, "stringData"));
        assert_string_equal(json_get_str(json_get(body, "data"), "pw", ""), "aHVudGVyMg==");
        assert_string_equal(json_get_str(json_get(body, "data"), "url", ""),
                            "ZGI6Ly91Omh1bnRlcjJAaA==");
        assert_int_equal(json_object_size(json_get(body, "data")), 2);
        assert_string_equal(json_get_str(body, "type", ""), "Opaque");
        assert_string_equal(/* of what is one token */
                            json_get_str(json_get(json_get(body, "metadata"), "annotations"),
                                         "mooring.dev/revisions", ""),
                            "{\"pw\":\"" URI ":1\"}");
}

static void a_token_where_none_may_stand_fails_with_its_place(void **state) {
        static const struct {
                const char *type, *text, *place;
        } bad[] = {
                { "ConfigMap",
                  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},"
                  "\"data\":{\"a\":\"x{{secret:" URI ":1:plain}}\"}}",
                  "/data/a" },
                { "Deployment.apps",
                  "{\"apiVersion\":\"apps/"
                  "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"x\"},\"spec\":{"
                  "\"template\":{\"spec\":{\"containers\":[{\"env\":[{\"value\":\"{{secret:" URI
                  ":1:plain}}\"}]}]}}}}",
                  "/env/0/value" },
                { "Secret",
                  "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\","
                  "\"labels\":{\"l\":\"{{secret:" URI ":1:plain}}\"}},\"data\":{}}",
                  "/metadata/labels/l" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct err err = { 0 };
                json_t *body = NULL;

                assert_int_equal(body_of(bad[i].type, "ns/x", bad[i].text, &body, &err), -EINVAL);
                if (!strstr(err.text, bad[i].place) || strstr(err.text, "hunter2"))
                        fail_msg("%s", err.text);
        }
}

static void a_value_that_is_missing_or_no_base64_fails(void **state) {
        struct err err = { 0 };
        json_t *body = NULL;

        assert_int_equal(body_of("Secret", "ns/x",
                                 SECRET(",\"stringData\":{\"a\":\"{{secret:" URI ":2:plain}}\"}"),
                                 &body, &err),
                         -ENOKEY);
        assert_int_equal(
                body_of("Secret", "ns/x", SECRET(",\"data\":{\"a\":\"not base64!\"}"), &body, &err),
                -EINVAL);
        assert_int_equal(body_of("Secret", "ns/x", SECRET(",\"data\":{\"a\":1}"), &body, &err),
                         -EINVAL);
}

static void a_secret_is_hidden_by_its_own_word_and_by_what_was_asked_for(void **state) {
        static const uint8_t key[DIGEST_SIZE] = "k";
        static const char spoofed[] = "{\"kind\":\"Secret\",\"data\":{\"a\":\"aHVudGVyMg==\"},"
                                      "\"stringData\":{\"b\":\"hunter2\"}}";
        static const char listed[] =
                "{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/"
                "last-applied-configuration\":\"hunter2\"}},\"data\":{\"a\":\"aHVudGVyMg==\"}}";
        cleanup_(json_freep) json_t *one =
                normalise_found("ConfigMap", scan_of(spoofed, strlen(spoofed)), key);
        cleanup_(json_freep) json_t *two =
                normalise_found("Secret", scan_of(listed, strlen(listed)), key);
        cleanup_(freep) char *a = json_text(one);
        cleanup_(freep) char *b = json_text(two);

        assert_null(strstr(a, "hunter2"));
        assert_null(strstr(a, "aHVud"));
        assert_null(strstr(b, "hunter2"));
        assert_null(strstr(b, "aHVud"));
        assert_string_equal(json_string_value(json_at(one, "/data/a")),
                            json_string_value(json_at(one, "/stringData/b")));
}

static int setup(void **state) {
        values = secret_values_new();
        secret_values_add(values, URI, 1, "hunter2", 7);
        return 0;
}

static int teardown(void **state) {
        values = secret_values_free(values);
        return 0;
}

#define KEPT "{\\\"data\\\":{\\\"p\\\":\\\"aHVudGVyMg==\\\"}}" /* kubectl's copy of all of it */

static json_t *seen_of(const char *const *see) {
        static const char text[] =
                "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"n\",\"uid\":\"u\","
                "\"labels\":{\"l\":\"1\"},\"annotations\":{\"kubectl.kubernetes.io/"
                "last-applied-configuration\":\"" KEPT "\"}},\"data\":{\"p\":\"aHVudGVyMg==\"}}";
        struct target t = { .controller = (char *)"c" };
        struct observe_context c = { .type = "Secret", .path = "ns/n", .see = see };
        struct observation o;
        json_t *seen;

        observe_object(&t, &c, scan_of(text, strlen(text)), &o, NULL);
        seen = json_incref(o.seen);
        observation_clear(&o);
        return seen;
}

static void of_a_secret_a_plan_sees_what_it_is_called(void **state) {
        static const char *const see[] = {
                "",
                "/metadata",
                "/metadata/annotations",
                "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
                "/data",
                "/data/p",
                "/stringData",
                "/metadata/name",
                "/metadata/uid",
                "/metadata/labels",
                "/metadata/labels/l",
                NULL
        };
        cleanup_(json_freep) json_t *secret = seen_of(see);
        cleanup_(freep) char *text = json_text(secret);

        assert_int_equal(json_object_size(secret), 4);
        assert_string_equal(json_get_str(secret, "/metadata/labels/l", ""), "1");
        assert_null(strstr(text, "aHVudGVyMg"));
}

#define OWN(version)                                                                               \
        "{\"apiVersion\":\"" version                                                               \
        "\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"n\",\"uid\":\"u\","                        \
        "\"managedFields\":[{\"manager\":\"mooring\",\"operation\":\"Apply\",\"apiVersion\":\"x."  \
        "io/v1\","                                                                                 \
        "\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:spec\":{\"f:a\":{}}}}]},\"spec\":{\"a\":1," \
        "\"b\":2}}"

static bool has_digest(const char *text, bool written) {
        struct target t = { .controller = (char *)"c" };
        struct observe_context c = { .type = "Thing.x.io", .path = "ns/n", .written = written };
        struct observation o;
        bool valid;

        observe_object(&t, &c, scan_of(text, strlen(text)), &o, NULL);
        valid = o.digest_valid;
        observation_clear(&o);
        return valid;
}

/* cache.db was lost: each answer says what was ours, as each event does. */
static void what_we_wrote_has_a_digest_though_the_field_set_is_not_known(void **state) {
        assert_true(has_digest(OWN("x.io/v1"), true));
        assert_false(has_digest(OWN("x.io/v1"), false));
        assert_false(has_digest(OWN("x.io/v2"), true)); /* its fields mean something else there */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_body_has_our_marks_its_namespace_and_nothing_of_the_server),
                cmocka_unit_test(pods_of_a_workload_carry_the_marks_but_its_selector_does_not),
                cmocka_unit_test(rules_of_an_aggregated_role_are_its_controllers),
                cmocka_unit_test(tokens_of_a_secret_are_filled_in_its_two_ways),
                cmocka_unit_test(a_token_where_none_may_stand_fails_with_its_place),
                cmocka_unit_test(a_value_that_is_missing_or_no_base64_fails),
                cmocka_unit_test(a_secret_is_hidden_by_its_own_word_and_by_what_was_asked_for),
                cmocka_unit_test(of_a_secret_a_plan_sees_what_it_is_called),
                cmocka_unit_test(what_we_wrote_has_a_digest_though_the_field_set_is_not_known),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
