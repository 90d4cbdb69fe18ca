/* SPDX-License-Identifier: Apache-2.0 */
/* test_json.c - parsing, the canonical text, getters and pointers */
#include "json.h"

#include "json-quick.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static json_t *parse(const char *text) {
        json_t *j = NULL;
        struct err e = { 0 };

        if (json_parse(text, strlen(text), &j, &e) < 0)
                fail_msg("%s: %s", text, e.text);
        return j;
}

static void check_canonical(const char *text, const char *wanted) {
        cleanup_(json_freep) json_t *j = parse(text);
        cleanup_(freep) char *got = json_text(j);

        assert_string_equal(got, wanted);
}

static void canonical_text_is_sorted_tight_and_plain(void **state) {
        check_canonical("{ \"b\" : [ 1 , 2 ], \"a\" : { } }", "{\"a\":{},\"b\":[1,2]}");
        check_canonical("\"a\\/b\"", "\"a/b\"");
        check_canonical("\"\\u00e9\\n\\t\\u0001\\u007f\\\"\\\\\"",
                        "\"é\\n\\t\\u0001\x7f\\\"\\\\\"");
        check_canonical("[true,false,null,-0]", "[true,false,null,0]");
        check_canonical("[]", "[]");
        check_canonical("{\"ab\":1,\"a\":2,\"B\":3,\"\":4}", "{\"\":4,\"B\":3,\"a\":2,\"ab\":1}");
}

static void reals_have_the_shortest_digits_and_stay_reals(void **state) {
        check_canonical("0.1", "0.1");
        check_canonical("1.0", "1.0");
        check_canonical("1e2", "100.0");
        check_canonical("0.30000000000000004", "0.30000000000000004");
        check_canonical("1e300", "1e+300");
        check_canonical("-2.5e-7", "-2.5e-07");
}

static void numbers_beyond_int64_become_reals(void **state) {
        check_canonical("9223372036854775807", "9223372036854775807");
        check_canonical("{\"9223372036854775808\":9223372036854775808}",
                        "{\"9223372036854775808\":9.223372036854776e+18}");
        check_canonical("[18446744073709551615,-9223372036854775809,1.5,\"18446744073709551615\"]",
                        "[1.8446744073709552e+19,-9.223372036854776e+18,1.5,"
                        "\"18446744073709551615\"]");
}

static void equal_trees_give_equal_bytes(void **state) {
        cleanup_(json_freep) json_t *a = parse("{\"x\":{\"b\":1,\"a\":[0.5]},\"w\":\"\"}");
        cleanup_(json_freep) json_t *b = parse("{\"w\":\"\",\"x\":{\"a\":[5e-1],\"b\":1}}");
        cleanup_(freep) char *ta = json_text(a);
        cleanup_(freep) char *tb = json_text(b);
        cleanup_(json_freep) json_t *back = parse(ta);

        assert_string_equal(ta, tb);
        assert_true(json_equal(a, back));
}

static void plain_text_is_read_at_once_and_as_jansson_reads_it(void **state) {
        static const char *const texts[] = {
                " {\"a\" : [ 1, -2, 0, 999999999999999999 ],\n\t\"b\":{\"\":null}}\r\n",
                "[true,false,null,\"\",[],{}]",
                "\"line\\nline\\ttab \\\"q\\\" \\\\ \\/ \\b\\f\\r é\"",
                "\"é\"",
                "7",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
                cleanup_(json_freep) json_t *quick = json_quick(texts[i], strlen(texts[i]));
                /* check-style: banned: what json_parse would else have called */
                cleanup_(json_freep) json_t *slow = json_loads(texts[i], flags, NULL);

                if (!quick || !slow || !json_equal(quick, slow))
                        fail_msg("%s", texts[i]);
        }
}

static void what_is_not_plain_is_left_to_jansson(void **state) {
        static const char *const texts[] = { "1.5",
                                             "[1e3]",
                                             "-0",
                                             "1000000000000000000",
                                             "\"\\u00e9\"",
                                             "{\"é\":1}",
                                             "{\"a\\n\":1}",
                                             "",
                                             " ",
                                             "01",
                                             "-",
                                             "+1",
                                             "[1,]",
                                             "{\"a\":1,}",
                                             "[1 2]",
                                             "{\"a\" 1}",
                                             "{\"a\":1,\"a\":1}",
                                             "[1]]",
                                             "[1",
                                             "{\"a\":1",
                                             "{\"a",
                                             "\"a",
                                             "\"a\\",
                                             "\"a\\x\"",
                                             "\"a\nb\"",
                                             "\"\xff\"",
                                             "\"\\n\xff\"",
                                             "nul",
                                             "nulll",
                                             "tru" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                cleanup_(json_freep) json_t *quick = json_quick(texts[i], strlen(texts[i]));

                if (quick)
                        fail_msg("%s", texts[i]);
        }
}

static void bad_json_is_refused(void **state) {
        static const char *const texts[] = {
                "",
                " ",
                "{",
                "[1,]",
                "{\"a\":1,\"a\":2}",
                "{\"a\":1} x",
                "\"\xff\"",
                "nul",
                "1e999",
                "\"\\u0000\"",
                "{\"a\\u0000b\":1}",
                "[1 2]",
                "'a'",
                "\"\\ud800\"",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct err e = { 0 };
                json_t *j = NULL;

                assert_int_equal(json_parse(texts[i], strlen(texts[i]), &j, &e), -EBADMSG);
                assert_null(j);
                assert_non_null(strstr(e.text, "not JSON: line 1"));
        }
}

static void check_depth(int depth, int wanted) {
        cleanup_(buf_free) struct buf b = BUF_INIT;
        cleanup_(json_freep) json_t *j = NULL;

        for (int i = 0; i < depth; i++)
                buf_putc(&b, '[');
        buf_puts(&b, "\"[[[[\\\"[[[[\"");
        for (int i = 0; i < depth; i++)
                buf_putc(&b, ']');
        assert_int_equal(json_parse(b.data, b.len, &j, NULL), wanted);
}

static void depth_has_a_limit_and_strings_do_not_count(void **state) {
        check_depth(JSON_DEPTH_MAX, 0);
        check_depth(JSON_DEPTH_MAX + 1, -EBADMSG);
        check_depth(1000000, -EBADMSG);
}

static void pointers_reach_members_and_items(void **state) {
        cleanup_(json_freep) json_t *j =
                parse("{\"a/b\":{\"m~n\":[10,20,{\"\":30}]},\"01\":1,\"l\":[5]}");

        assert_ptr_equal(json_at(j, ""), j);
        assert_int_equal(json_integer_value(json_at(j, "/a~1b/m~0n/1")), 20);
        assert_int_equal(json_integer_value(json_at(j, "/a~1b/m~0n/2/")), 30);
        assert_int_equal(json_integer_value(json_at(j, "/01")), 1);
        assert_null(json_at(j, "a"));
        assert_null(json_at(j, "/nothing/here"));
        assert_null(json_at(j, "/l/01"));
        assert_null(json_at(j, "/l/-"));
        assert_null(json_at(j, "/l/1"));
        assert_null(json_at(j, "/l/99999999999999999999"));
        assert_null(json_at(j, "/01/x"));
}

static void putting_makes_the_objects_on_the_way(void **state) {
        cleanup_(json_freep) json_t *j = parse("{\"l\":[1,{}],\"n\":3}");
        cleanup_(freep) char *text = NULL;

        assert_true(json_put(j, "/metadata/labels/app.kubernetes.io~1name", json_string("x")));
        assert_true(json_put(j, "/l/0", json_integer(2)));
        assert_true(json_put(j, "/l/1/k", json_true()));
        assert_true(json_put(j, "/l/-", json_null()));
        assert_false(json_put(j, "/n/x", json_integer(4)));
        assert_false(json_put(j, "/l/7", json_integer(4)));
        assert_false(json_put(j, "/l/7/x", json_integer(4)));
        assert_false(json_put(j, "", json_integer(4)));
        assert_false(json_put(j, "n", json_integer(4)));
        text = json_text(j);
        assert_string_equal(text, "{\"l\":[2,{\"k\":true},null],\"metadata\":{\"labels\":"
                                  "{\"app.kubernetes.io/name\":\"x\"}},\"n\":3}");
}

static void getters_fall_back_on_missing_and_on_other_types(void **state) {
        cleanup_(json_freep) json_t *j = parse("{\"s\":\"x\",\"i\":7,\"b\":true,\"f\":false}");

        assert_string_equal(json_get_str(j, "s", "d"), "x");
        assert_string_equal(json_get_str(j, "i", "d"), "d");
        assert_string_equal(json_get_str(NULL, "i", "d"), "d");
        assert_int_equal(json_get_int(j, "i", 1), 7);
        assert_int_equal(json_get_int(j, "s", 1), 1);
        assert_true(json_get_bool(j, "b", false));
        assert_false(json_get_bool(j, "f", true));
        assert_true(json_get_bool(j, "s", true));
        assert_null(json_get(j, "none"));
}

static void digging_stops_where_nothing_is(void **state) {
        cleanup_(json_freep) json_t *j = parse("{\"a\":{\"b\":{\"c\":1}}}");

        assert_int_equal(json_integer_value(json_dig(j, "a", "b", "c", NULL)), 1);
        assert_null(json_dig(j, "a", "x", "c", NULL));
        assert_null(json_dig(j, "a", "b", "c", "d", NULL));
        assert_ptr_equal(json_dig(j, NULL), j);
}

static void types_have_names_for_people(void **state) {
        cleanup_(json_freep) json_t *j = parse("[{},[],\"\",1,1.5,true,false,null]");
        static const char *const names[] = { "an object", "a list", "a text", "a whole number",
                                             "a number",  "true",   "false",  "null" };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                assert_string_equal(json_type_name(json_array_get(j, i)), names[i]);
        assert_string_equal(json_type_name(NULL), "nothing");
}

static int note_text(void *arg, const char *text, const char *pointer, bool in_name,
                     struct err *err) {
        buf_printf(arg, "%s%s=%s;", in_name ? "name " : "", pointer, text);
        return str_eq(text, "stop") ? -ECANCELED : 0;
}

static void every_text_is_visited_with_its_pointer(void **state) {
        cleanup_(json_freep) json_t *j =
                json_pack("{s:[i, s, {s:s}], s:n}", "a", 1, "x", "b/c", "y", "d");
        cleanup_(json_freep) json_t *stops = json_pack("[s, s]", "stop", "never");
        cleanup_(buf_free) struct buf seen = BUF_INIT;

        assert_int_equal(json_walk(j, note_text, &seen, NULL), 0);
        assert_string_equal(buf_str(&seen), "name /a=a;/a/1=x;name /a/2/b~1c=b/c;/a/2/b~1c=y;"
                                            "name /d=d;");
        buf_clear(&seen);
        assert_int_equal(json_walk(stops, note_text, &seen, NULL), -ECANCELED);
        assert_string_equal(buf_str(&seen), "/0=stop;");
}

static int double_text(void *arg, const char *text, struct buf *out, struct err *err) {
        buf_printf(out, "%s%s", text, text);
        return str_eq(text, "stop") ? err_set(err, -ECANCELED, "stopped") : 0;
}

static void a_copy_has_other_texts_and_the_same_rest(void **state) {
        cleanup_(json_freep) json_t *j =
                json_pack("{s:[i, s, {s:s}], s:n}", "a", 1, "x", "b", "y", "d");
        cleanup_(json_freep) json_t *stops = json_pack("{s:s, s:[s]}", "a", "x", "b", "stop");
        cleanup_(freep) char *text = NULL, *before = json_text(j), *after = NULL;
        cleanup_(json_freep) json_t *copy = NULL;
        json_t *none = NULL;

        assert_int_equal(json_fill(j, double_text, NULL, &copy, NULL), 0);
        text = json_text(copy);
        assert_string_equal(text, "{\"a\":[1,\"xx\",{\"b\":\"yy\"}],\"d\":null}");
        after = json_text(j);
        assert_string_equal(before, after);
        assert_int_equal(json_fill(stops, double_text, NULL, &none, NULL), -ECANCELED);
        assert_null(none);
}

static void what_is_wiped_is_gone_from_those_who_hold_it_too(void **state) {
        json_t *held = json_string("hunter2");
        json_t *tree = json_pack("{s:[O, i], s:{s:s}}", "a", held, 7, "b", "c", "d");

        json_wipe(tree);
        assert_int_equal(json_string_length(held), 7);
        assert_memory_equal(json_string_value(held), "\0\0\0\0\0\0\0", 7);
        json_decref(held);
        json_wipe(NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(canonical_text_is_sorted_tight_and_plain),
                cmocka_unit_test(reals_have_the_shortest_digits_and_stay_reals),
                cmocka_unit_test(numbers_beyond_int64_become_reals),
                cmocka_unit_test(equal_trees_give_equal_bytes),
                cmocka_unit_test(plain_text_is_read_at_once_and_as_jansson_reads_it),
                cmocka_unit_test(what_is_not_plain_is_left_to_jansson),
                cmocka_unit_test(bad_json_is_refused),
                cmocka_unit_test(depth_has_a_limit_and_strings_do_not_count),
                cmocka_unit_test(pointers_reach_members_and_items),
                cmocka_unit_test(putting_makes_the_objects_on_the_way),
                cmocka_unit_test(getters_fall_back_on_missing_and_on_other_types),
                cmocka_unit_test(digging_stops_where_nothing_is),
                cmocka_unit_test(types_have_names_for_people),
                cmocka_unit_test(every_text_is_visited_with_its_pointer),
                cmocka_unit_test(a_copy_has_other_texts_and_the_same_rest),
                cmocka_unit_test(what_is_wiped_is_gone_from_those_who_hold_it_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
