/* SPDX-License-Identifier: Apache-2.0 */
/* test_output.c - tokens of outputs, and the values put in for them */
#include "output.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

static void a_token_is_found_inside_text(void **state) {
        const char *text = "http://{{output:svc/a:/spec/clusterIP:url}}:80/{{output:b:/x:plain}}";
        struct output_ref ref;

        assert_true(output_token_next(text, 0, &ref));
        assert_string_equal(ref.ref, "svc/a");
        assert_string_equal(ref.pointer, "/spec/clusterIP");
        assert_int_equal(ref.form, SECRET_URL);
        assert_int_equal(ref.start, strlen("http://"));
        assert_true(output_token_next(text, ref.end, &ref));
        assert_string_equal(ref.ref, "b");
        assert_string_equal(text + ref.end, "");
        assert_false(output_token_next(text, ref.end, &ref));
}

static void what_only_looks_like_a_token_stays_text(void **state) {
        static const char *const none[] = {
                "{{output:",
                "{{output:}}",
                "{{output::/x:plain}}",
                "{{output:a:x:plain}}",
                "{{output:a::plain}}",
                "{{output:a:/x}}",
                "{{output:a:/x:hex}}",
                "{{output:a:/x:a-form-that-is-much-too-long}}",
                "{{output:a{b:/x:plain}}",
                "{{output:a:/x\"y:plain}}",
                "{{outputs:a:/x:plain}}",
        };
        cleanup_(freep) char *label = mem_alloc(OUTPUT_REF_MAX + 2);
        cleanup_(freep) char *text = NULL;
        struct output_ref ref;

        for (size_t i = 0; i < ARRAY_SIZE(none); i++)
                if (output_token_next(none[i], 0, &ref))
                        fail_msg("%s", none[i]);
        memset(label, 'a', OUTPUT_REF_MAX + 1);
        label[OUTPUT_REF_MAX + 1] = '\0';
        text = str_format("{{output:%s:/x:plain}}", label);
        assert_false(output_token_next(text, 0, &ref));
        assert_true(output_token_next("{{output:{{output:a:/x:plain}}", 0, &ref));
        assert_int_equal(ref.start, strlen("{{output:"));
}

static void the_first_token_of_a_document_is_named_by_its_place(void **state) {
        cleanup_(json_freep) json_t *j =
                json_pack("{s:[s, {s:s}]}", "a", "x", "b", "{{output:l:/x:plain}}");
        cleanup_(json_freep) json_t *name = json_pack("{s:i}", "{{output:l:/x:plain}}", 1);
        cleanup_(json_freep) json_t *none = json_pack("{s:s}", "a", "{{output:l}}");
        cleanup_(freep) char *place = output_token_in(j);
        cleanup_(freep) char *in_name = output_token_in(name);

        assert_string_equal(place, "/a/1/b");
        assert_non_null(in_name);
        assert_null(output_token_in(none));
        assert_null(output_token_in(NULL));
}

static void assert_value(const json_t *output, const char *pointer, const char *wanted) {
        cleanup_(freep) char *value = output_value(output, pointer);

        if (wanted)
                assert_string_equal(value, wanted);
        else
                assert_null(value);
}

static void single_values_are_taken_as_text(void **state) {
        cleanup_(json_freep) json_t *o =
                json_pack("{s:s, s:i, s:b, s:s, s:n, s:{s:[{s:s}]}}", "text", "a", "number", 7,
                          "yes", 1, "empty", "", "null", "deep", "list", "ip", "10.0.0.1");

        assert_value(o, "/text", "a");
        assert_value(o, "/number", "7");
        assert_value(o, "/yes", "true");
        assert_value(o, "/deep/list/0/ip", "10.0.0.1");
        assert_value(o, "/empty", NULL);
        assert_value(o, "/null", NULL);
        assert_value(o, "/deep", NULL);
        assert_value(o, "/no/such", NULL);
        assert_value(NULL, "/text", NULL);
}

static void a_value_is_put_in_in_its_form(void **state) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct output_ref ref = { .pointer = "/x", .form = SECRET_URL };

        output_put(&ref, "a b", &out);
        ref.form = SECRET_BASE64;
        output_put(&ref, "a b", &out);
        assert_string_equal(buf_str(&out), "a%20bYSBi");
}

static void a_secret_output_stays_a_token_and_differs_with_its_value(void **state) {
        static const uint8_t key[DIGEST_SIZE] = { 1 };
        cleanup_(observation_clear) struct observation o = { 0 }, other = { 0 };
        cleanup_(buf_free) struct buf out = BUF_INIT, filled = BUF_INIT;
        struct output_ref ref = { .pointer = "/key", .form = SECRET_URL };
        cleanup_(freep) char *value = NULL;

        observation_hide(&o, key, "key", "s3cr&t", 6);
        observation_hide(&other, key, "key", "another", 7);
        assert_false(json_equal(o.output, other.output));
        value = output_value(o.output, "/key");
        assert_null(strstr(value, "s3cr"));
        output_put(&ref, value, &out);
        assert_true(secret_token_in(buf_str(&out)));
        assert_int_equal(secret_values_fill(o.hidden, buf_str(&out), &filled, NULL), 0);
        assert_string_equal(buf_str(&filled), "s3cr%26t");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_token_is_found_inside_text),
                cmocka_unit_test(what_only_looks_like_a_token_stays_text),
                cmocka_unit_test(the_first_token_of_a_document_is_named_by_its_place),
                cmocka_unit_test(single_values_are_taken_as_text),
                cmocka_unit_test(a_value_is_put_in_in_its_form),
                cmocka_unit_test(a_secret_output_stays_a_token_and_differs_with_its_value),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
