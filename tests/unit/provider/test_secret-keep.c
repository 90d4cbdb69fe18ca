/* SPDX-License-Identifier: Apache-2.0 */
/* test_secret-keep.c - what a Secret held before us is told, and nothing else of it */
#include "secret-keep.h"

#include "digest.h"

#include <errno.h>
#include <setjmp.h>

#include <cmocka.h>

#define URI "aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbb"
#define TOKEN "{{secret:" URI ":1:plain}}"

/* Secret {"password": THERE} against a wanted {MEMBER: {"password": TEXT}}. */
static int keep_with(const char *own, const char *member, const char *text, const char *there,
                     char *ret, struct err *err) {
        cleanup_(json_freep) json_t *wanted = json_pack("{s:{s:s}}", member, "password", text);
        cleanup_(json_freep) json_t *purposes = json_object();
        struct secret_values *values = secret_values_new();
        struct secret_values *found = NULL;
        cleanup_(buf_free) struct buf coded = BUF_INIT;
        cleanup_(freep) char *object = NULL;
        struct apply_request r = {
                .path = "ns/x", .wanted = wanted, .values = values, .own = purposes
        };
        size_t len;
        int k;

        if (own)
                json_object_set_new(purposes, URI, json_string(own));
        secret_values_add(values, URI, 1, "new", 3);
        secret_values_add(values, OTHER, 1, "other", 5);
        digest_base64(there, strlen(there), &coded);
        object = str_format("{\"data\":{\"password\":\"%s\"}}", buf_str(&coded));
        k = secret_keep(&r, scan_of(object, strlen(object)), &found, err);
        if (k > 0) {
                const char *value = secret_values_get(found, URI, 1, &len);

                assert_non_null(value);
                snprintf(ret, 64, "%.*s", (int)len, value);
        }
        secret_values_free(found);
        secret_values_free(values);
        return k;
}

static void test_another_password_is_kept(void **state) {
        struct err err = { 0 };
        char value[64];

        assert_int_equal(keep_with("generated", "stringData", TOKEN, "old", value, &err), 1);
        assert_string_equal(value, "old");
        assert_int_equal(
                keep_with("generated", "data", "{{secret:" URI ":1:base64}}", "old", value, &err),
                1);
        assert_string_equal(value, "old");
}

static void test_equal_empty_and_not_ours_is_nothing(void **state) {
        struct err err = { 0 };
        char value[64];

        assert_int_equal(keep_with("generated", "stringData", TOKEN, "new", value, &err), 0);
        assert_int_equal(keep_with("generated", "stringData", TOKEN, "", value, &err), 0);
        assert_int_equal(keep_with("generated", "stringData", "plain", "old", value, &err), 0);
        assert_int_equal(keep_with(NULL, "stringData", TOKEN, "old", value, &err), 0);
        assert_int_equal(keep_with("generated", "stringData", "u:{{secret:" OTHER ":1:plain}}",
                                   "u:old", value, &err),
                         0);
}

static void test_what_cannot_be_taken_is_refused_by_name(void **state) {
        struct err err = { 0 };
        char value[64];

        assert_int_equal(keep_with("generated", "stringData", "u:" TOKEN, "u:sesame", value, &err),
                         -EEXIST);
        assert_non_null(strstr(err_text(&err), "another value in password"));
        assert_null(strstr(err_text(&err), "sesame"));
        assert_int_equal(keep_with("option", "stringData", TOKEN, "old", value, &err), -EEXIST);
        assert_non_null(strstr(err_text(&err), "option"));
}

/* What is compared in {"password": "old"}, written by MANAGER with STAMP, against a wanted TEXT. 0:
 * nothing is newer; 1: it is, as far as is known; else its revision. */
static int64_t newer(const char *purpose, const char *manager, const char *text,
                     const char *stamp) {
        cleanup_(json_freep) json_t *wanted = json_pack("{s:{s:s}}", "data", "password", text);
        cleanup_(json_freep) json_t *purposes = json_pack("{s:s}", URI, purpose);
        cleanup_(freep) char *object = str_format(
                "{\"metadata\":{\"annotations\":{\"mooring.dev/"
                "revisions\":\"{\\\"password\\\":\\\"%s\\\"}\"},"
                "\"managedFields\":[{\"manager\":\"%s\",\"operation\":\"Apply\","
                "\"fieldsV1\":{\"f:data\":{\"f:password\":{}}}}]},\"data\":{\"password\":\"b2xk\"}"
                "}",
                stamp, manager);
        struct secret_values *values = secret_values_new();
        struct secret_values *found = NULL;
        struct apply_request r = {
                .path = "ns/x", .wanted = wanted, .values = values, .own = purposes
        };
        json_t *revisions = NULL;
        int64_t result;

        secret_values_add(values, URI, 5, "new", 3);
        secret_keep_compare(&r, scan_of(object, strlen(object)), &found, &revisions);
        result = found ? json_get_int(revisions, URI, 1) : 0;
        secret_values_free(found);
        secret_values_free(values);
        json_decref(revisions);
        return result;
}

static bool is_newer(const char *purpose, const char *manager, const char *text) {
        return newer(purpose, manager, text, "") != 0;
}

#define CODED "{{secret:" URI ":5:base64}}"

static void test_only_what_we_made_and_wrote_is_newer(void **state) {
        assert_true(is_newer("generated", "mooring", CODED));
        assert_true(is_newer("certificate", "mooring", CODED));
        assert_false(is_newer("generated", "kubectl-edit", CODED));
        assert_false(is_newer("option", "mooring", CODED));
        assert_false(is_newer("user", "mooring", CODED));
        assert_false(is_newer("authority", "mooring", CODED));
        assert_false(is_newer("generated", "mooring", "dXNlcjo={{secret:" URI ":5:base64}}"));
}

static void test_a_stamp_says_which_is_newer(void **state) {
        static const char *const given[] = { "generated", "certificate", "option", "user" };

        for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
                assert_int_equal(newer(given[i], "mooring", CODED, URI ":7"), 7);
                assert_int_equal(newer(given[i], "mooring", CODED, URI ":4"),
                                 0); /* not written yet */
                assert_int_equal(newer(given[i], "kubectl-edit", CODED, URI ":7"), 0);
        }
        assert_int_equal(newer("authority", "mooring", CODED, URI ":7"), 0);
        assert_int_equal(newer("generated", "mooring", CODED, URI ":5"), 1); /* of another life */
        assert_int_equal(newer("generated", "mooring", CODED, OTHER ":7"), 1);
        assert_int_equal(newer("generated", "mooring", CODED, "7"), 1);
        assert_int_equal(newer("option", "mooring", CODED, URI ":5"), 0);
        assert_int_equal(newer("option", "mooring", CODED, OTHER ":7"), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_another_password_is_kept),
                cmocka_unit_test(test_equal_empty_and_not_ours_is_nothing),
                cmocka_unit_test(test_what_cannot_be_taken_is_refused_by_name),
                cmocka_unit_test(test_only_what_we_made_and_wrote_is_newer),
                cmocka_unit_test(test_a_stamp_says_which_is_newer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
