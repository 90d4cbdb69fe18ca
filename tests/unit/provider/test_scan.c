/* SPDX-License-Identifier: Apache-2.0 */
/* test_scan.c - reading members and the canonical form of JSON texts */
#include "scan.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static struct scan_slice of(const char *text) {
        return scan_of(text, strlen(text));
}

static void assert_canonical(const char *text, const char *wanted) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        assert_true(scan_canonical(of(text), &out));
        assert_string_equal(buf_str(&out), wanted);
}

static void a_member_is_found_whatever_stands_before_it(void **state) {
        struct scan_slice object = of(" { \"a\" : \"}\\\"{\" , \"b\" : [ { \"c\" : \"]\" } ] , "
                                      "\"metadata\" : { \"name\" : \"x\" } } ");

        assert_true(scan_says(scan_dig(object, "metadata", "name", NULL), "x"));
        assert_true(scan_is_null(scan_get(object, "c")));
        assert_true(scan_says(scan_get(object, "a"), "}\"{"));
}

static void a_name_with_escapes_is_the_name_that_it_means(void **state) {
        assert_true(scan_says(scan_get(of("{\"n\\u0061me\":\"\\u00e9\\ud83d\\ude00\\n\"}"), "name"),
                              "\xc3\xa9\xf0\x9f\x98\x80\n"));
}

static void the_canonical_form_sorts_members_and_drops_blanks(void **state) {
        assert_canonical("{ \"b\" : 1 , \"a\" : [ true , null , \"\\u003c\" ] , \"aa\" : { \"z\" : "
                         "0, \"y\":-1.50 } }",
                         "{\"a\":[true,null,\"<\"],\"aa\":{\"y\":-1.5,\"z\":0},\"b\":1}");
        assert_canonical("{}", "{}");
        assert_canonical("[ ]", "[]");
}

static void the_canonical_form_is_that_of_the_trees(void **state) {
        static const char *const texts[] = {
                "{\"data\":{\"b\":\"line\\nline\\t\\u0001\\\"\\\\/\",\"a\":\"\\/"
                "\"},\"n\":[1,2.50,1e3,-0,12345678901234567890]}",
                "[[],{},\"\",{\"a\":{\"c\":1,\"b\":[{\"z\":1,\"a\":2}]}}]",
                "\"\\ud800\"",
        };

        for (size_t i = 0; i < 2; i++) {
                cleanup_(json_freep) json_t *tree = scan_json(of(texts[i]));
                cleanup_(freep) char *wanted = json_text(tree);

                assert_canonical(texts[i], wanted);
        }
        assert_canonical(texts[2], "\"\xef\xbf\xbd\"");
}

static void what_is_not_json_is_nothing_and_is_read_within_its_bounds(void **state) {
        static const char *const bad[] = { "",          "{",         "\"",    "{\"a\"", "{\"a\":",
                                           "{\"a\":\"", "[1",        "{,}",   "{\"\\",  "[\"\\u12",
                                           "{:1}",      "{\"a\" 1}", "nul\"", "}" };
        cleanup_(buf_free) struct buf out = BUF_INIT;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                size_t len = strlen(bad[i]);
                cleanup_(freep) char *exact = mem_dup(bad[i], len);

                scan_canonical(scan_of(exact, len), &out);
                assert_true(scan_is_null(scan_get(scan_of(exact, len), "b")));
        }
        assert_false(scan_canonical(of("{\"a\":"), &out));
}

static void nesting_beyond_the_limit_is_refused(void **state) {
        cleanup_(buf_free) struct buf deep = BUF_INIT;
        cleanup_(buf_free) struct buf out = BUF_INIT;

        for (int i = 0; i < 100000; i++)
                buf_putc(&deep, '[');
        assert_false(scan_canonical(scan_of(deep.data, deep.len), &out));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_member_is_found_whatever_stands_before_it),
                cmocka_unit_test(a_name_with_escapes_is_the_name_that_it_means),
                cmocka_unit_test(the_canonical_form_sorts_members_and_drops_blanks),
                cmocka_unit_test(the_canonical_form_is_that_of_the_trees),
                cmocka_unit_test(what_is_not_json_is_nothing_and_is_read_within_its_bounds),
                cmocka_unit_test(nesting_beyond_the_limit_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
