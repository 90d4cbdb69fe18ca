/* SPDX-License-Identifier: Apache-2.0 */
/* test_difference.c - what an object would be made into is told by fields, without what the server
 * writes by itself and without secrets */
#include "difference.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parsed(const char *text) {
        json_t *json = NULL;
        struct err err = { 0 };

        assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
        return json;
}

static void expect(const char *from, const char *to, const char *told) {
        cleanup_(json_freep) json_t *a = parsed(from), *b = parsed(to);
        cleanup_(json_freep) json_t *d = difference(a, b);
        cleanup_(freep) char *text = json_text(d);

        assert_string_equal(text, told);
}

static void items_are_told_apart_by_their_names(void **state) {
        expect("{\"spec\":{\"c\":[{\"name\":\"a\",\"v\":1},{\"name\":\"b\"}]}}",
               "{\"spec\":{\"c\":[{\"name\":\"n\"},{\"name\":\"a\",\"v\":2}],\"x\":true}}",
               "{\"fields\":[{\"field\":\"spec.c[name=a].v\",\"from\":1,\"to\":2},"
               "{\"field\":\"spec.c[name=b]\",\"from\":{\"name\":\"b\"}},"
               "{\"field\":\"spec.c[name=n]\",\"to\":{\"name\":\"n\"}},"
               "{\"field\":\"spec.x\",\"to\":true}]}");
}

static void what_the_server_writes_is_no_difference(void **state) {
        expect("{\"metadata\":{\"resourceVersion\":\"1\",\"generation\":1,\"labels\":{\"a.b\":"
               "\"1\"}"
               "},\"status\":{\"x\":1}}",
               "{\"metadata\":{\"resourceVersion\":\"2\",\"generation\":2,\"labels\":{\"a.b\":"
               "\"2\"}"
               "},\"status\":{\"x\":2}}",
               "{\"fields\":[{\"field\":\"metadata.labels[\\\"a.b\\\"]\",\"from\":\"1\",\"to\":"
               "\"2\"}]}");
}

static void hidden_values_stay_hidden(void **state) {
        expect("{\"data\":{\"p\":\"(hidden, aa)\",\"q\":\"(hidden, cc)\"}}",
               "{\"data\":{\"p\":\"(hidden, bb)\"}}",
               "{\"fields\":[{\"field\":\"data.p\",\"from\":\"(hidden, "
               "differs)\",\"to\":\"(hidden, "
               "differs)\"},{\"field\":\"data.q\",\"from\":\"(hidden)\"}]}");
}

static void a_deeper_secret_is_hidden_too(void **state) {
        expect("{}", "{\"data\":{\"p\":\"(hidden, bb)\"}}",
               "{\"fields\":[{\"field\":\"data\",\"to\":{\"p\":\"(hidden)\"}}]}");
}

static void many_fields_are_counted(void **state) {
        cleanup_(json_freep) json_t *a = json_object(), *b = json_object(), *d = NULL;

        for (int i = 0; i < DIFFERENCE_FIELDS_MAX + 7; i++) {
                cleanup_(freep) char *name = str_format("f%d", i);

                json_object_set_new(b, name, json_integer(i));
        }
        d = difference(a, b);
        assert_int_equal(json_array_size(json_get(d, "fields")), DIFFERENCE_FIELDS_MAX);
        assert_int_equal(json_get_int(d, "more", 0), 7);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(items_are_told_apart_by_their_names),
                cmocka_unit_test(what_the_server_writes_is_no_difference),
                cmocka_unit_test(hidden_values_stay_hidden),
                cmocka_unit_test(a_deeper_secret_is_hidden_too),
                cmocka_unit_test(many_fields_are_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
