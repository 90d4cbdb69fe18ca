/* SPDX-License-Identifier: Apache-2.0 */
/* test_jsplit.c - the splitter at every split position, its limits, and against jansson's own
 * view of a list */
#include "jsplit.h"
#include "json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

/* Items are collected with a bar behind each. */
static int collect(void *arg, const char *text, size_t len, struct err *err) {
        buf_add(arg, text, len);
        buf_putc(arg, '|');
        return 0;
}

static int run(enum jsplit_mode mode, const char *text, size_t len, size_t chunk, struct buf *items,
               struct buf *rest, struct err *e) {
        struct jsplit s;
        int r = 0;

        jsplit_init(&s, mode, 1u << 21, collect, items);
        for (size_t at = 0; at < len && r == 0; at += chunk) {
                size_t n = MIN_OF(chunk, len - at);
                char *copy = mem_dup(text + at, n); /* ASan sees reads beyond the chunk */

                r = jsplit_feed(&s, copy, n, e);
                free(copy);
        }
        if (r == 0)
                r = jsplit_end(&s, e);
        if (rest)
                buf_puts(rest, jsplit_rest(&s, NULL));
        jsplit_deinit(&s);
        return r;
}

static void check_all_splits(enum jsplit_mode mode, const char *text, const char *wanted,
                             const char *wanted_rest) {
        size_t len = strlen(text);

        for (size_t split = 0; split <= len; split++) {
                cleanup_(buf_free) struct buf items = BUF_INIT;
                struct jsplit s;
                struct err e = { 0 };

                jsplit_init(&s, mode, 1000, collect, &items);
                assert_int_equal(jsplit_feed(&s, text, split, &e), 0);
                assert_int_equal(jsplit_feed(&s, text + split, len - split, &e), 0);
                assert_int_equal(jsplit_end(&s, &e), 0);
                assert_string_equal(buf_str(&items), wanted);
                assert_string_equal(jsplit_rest(&s, NULL), wanted_rest);
                jsplit_deinit(&s);
        }
        for (size_t chunk = 1; chunk < 8; chunk++) {
                cleanup_(buf_free) struct buf items = BUF_INIT;
                cleanup_(buf_free) struct buf rest = BUF_INIT;

                assert_int_equal(run(mode, text, len, chunk, &items, &rest, NULL), 0);
                assert_string_equal(buf_str(&items), wanted);
                assert_string_equal(buf_str(&rest), wanted_rest);
        }
}

static void values_are_cut_at_every_split(void **state) {
        check_all_splits(JSPLIT_VALUES, "{\"a\":1}\n{\"b\":[{}]}\r\n \"x\" 12 true\tnull[]",
                         "{\"a\":1}|{\"b\":[{}]}|\"x\"|12|true|null|[]|", "");
        check_all_splits(JSPLIT_VALUES, "", "", "");
        check_all_splits(JSPLIT_VALUES, "  \n ", "", "");
        check_all_splits(JSPLIT_VALUES, "-1.5e3", "-1.5e3|", "");
}

static void strings_hide_brackets_quotes_and_backslashes(void **state) {
        check_all_splits(JSPLIT_VALUES,
                         "{\"}\\\"]\":\"\\\\\"} {\"a\":\"\\\\\\\"}{\"}\"\\\\\\\\\" \"\\\"\"",
                         "{\"}\\\"]\":\"\\\\\"}|{\"a\":\"\\\\\\\"}{\"}|\"\\\\\\\\\"|\"\\\"\"|", "");
}

static void items_of_a_list_are_cut_at_every_split(void **state) {
        check_all_splits(JSPLIT_LIST,
                         " {\"kind\" : \"PodList\", \"metadata\":{\"items\":[1,2]},\"items\": [ "
                         "{\"a\":[\"]\"]} , 5 ,\"x\"],\"items2\":[3], \"n\": 1 } \n",
                         "{\"a\":[\"]\"]}|5|\"x\"|",
                         "{\"kind\":\"PodList\",\"metadata\":{\"items\":[1,2]},\"items\":[],"
                         "\"items2\":[3],\"n\":1}");
        check_all_splits(JSPLIT_LIST, "{}", "", "{}");
        check_all_splits(JSPLIT_LIST, "{\"items\":[]}", "", "{\"items\":[]}");
        check_all_splits(JSPLIT_LIST, "{\"items\":null,\"a\":true}", "",
                         "{\"items\":null,\"a\":true}");
        check_all_splits(JSPLIT_LIST, "{\"it\\\"ems\":[1],\"a-very-long-name-of-a-member\":2}", "",
                         "{\"it\\\"ems\":[1],\"a-very-long-name-of-a-member\":2}");
}

static void broken_streams_are_refused(void **state) {
        static const struct {
                enum jsplit_mode mode;
                const char *text, *message;
        } rows[] = {
                { JSPLIT_VALUES, "{} x", "byte 4 is 'x', wanted a value" },
                { JSPLIT_VALUES, "]", "byte 1 is ']', wanted a value" },
                { JSPLIT_VALUES, "{} \x01", "byte 4 is 0x01, wanted a value" },
                { JSPLIT_VALUES, "{\"a\":", "ends inside a value, after 5 bytes" },
                { JSPLIT_VALUES, "\"abc", "ends inside a value" },
                { JSPLIT_LIST, "", "ends inside a value, after 0 bytes" },
                { JSPLIT_LIST, "[1]", "byte 1 is '[', wanted an object" },
                { JSPLIT_LIST, "{\"items\":[1 2]}",
                  "byte 13 is '2', wanted a comma or the list's" },
                { JSPLIT_LIST, "{\"items\":[1,]}", "byte 13 is ']', wanted a value" },
                { JSPLIT_LIST, "{\"items\":[,1]}", "byte 11 is ',', wanted a value" },
                { JSPLIT_LIST, "{\"a\" 1}", "byte 6 is '1', wanted a colon" },
                { JSPLIT_LIST, "{\"a\":1,}", "byte 8 is '}', wanted a member's name" },
                { JSPLIT_LIST, "{\"a\":1 \"b\":2}", "wanted a comma or the object's end" },
                { JSPLIT_LIST, "{,}", "byte 2 is ',', wanted a member's name" },
                { JSPLIT_LIST, "{}{}", "byte 3 is '{', wanted nothing more" },
                { JSPLIT_LIST, "{\"items\":[1", "ends inside a value" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                for (size_t chunk = 1; chunk <= 20; chunk += 19) {
                        cleanup_(buf_free) struct buf items = BUF_INIT;
                        struct err e = { 0 };
                        size_t len = strlen(rows[i].text);

                        assert_int_equal(
                                run(rows[i].mode, rows[i].text, len, chunk, &items, NULL, &e),
                                -EBADMSG);
                        assert_non_null(strstr(e.text, rows[i].message));
                }
        }
}

static void an_item_beyond_the_limit_is_refused_whether_whole_or_in_parts(void **state) {
        static const char text[] = "{\"a\":\"0123456789\"}"; /* 18 bytes */

        for (size_t max = 17; max <= 18; max++) {
                for (size_t chunk = 1; chunk <= 18; chunk++) {
                        cleanup_(buf_free) struct buf items = BUF_INIT;
                        struct jsplit s;
                        struct err e = { 0 };
                        int r = 0;

                        jsplit_init(&s, JSPLIT_VALUES, max, collect, &items);
                        for (size_t at = 0; at < 18 && r == 0; at += chunk)
                                r = jsplit_feed(&s, text + at, MIN_OF(chunk, 18 - at), &e);
                        assert_int_equal(r, max == 17 ? -E2BIG : 0);
                        if (r)
                                assert_int_equal(jsplit_feed(&s, "{}", 2, &e), -EBADMSG);
                        jsplit_deinit(&s);
                }
        }
}

static void the_rest_of_a_list_has_the_same_limit(void **state) {
        cleanup_(buf_free) struct buf items = BUF_INIT;
        struct jsplit s;

        jsplit_init(&s, JSPLIT_LIST, 20, collect, &items);
        assert_int_equal(jsplit_feed(&s, "{\"a\":\"0123456789012345\"", 23, NULL), -E2BIG);
        jsplit_deinit(&s);
}

static int stop_at_second(void *arg, const char *text, size_t len, struct err *err) {
        int *n = arg;

        return ++*n == 2 ? err_set(err, -ECANCELED, "enough") : 1;
}

static void the_item_function_may_stop_the_stream(void **state) {
        struct jsplit s;
        struct err e = { 0 };
        int n = 0;

        jsplit_init(&s, JSPLIT_VALUES, 100, stop_at_second, &n);
        assert_int_equal(jsplit_feed(&s, "{}{}{}", 6, &e), -ECANCELED);
        assert_string_equal(e.text, "enough");
        assert_int_equal(n, 2);
        assert_int_equal(jsplit_end(&s, &e), -EBADMSG);
        jsplit_deinit(&s);
}

/* A list whose second item has 1.5 MB, in chunks as curl gives them. */
static void large_items_come_out_unchanged(void **state) {
        cleanup_(json_freep) json_t *list = json_object();
        cleanup_(buf_free) struct buf big = BUF_INIT;
        cleanup_(buf_free) struct buf items = BUF_INIT;
        cleanup_(buf_free) struct buf rest = BUF_INIT;
        cleanup_(freep) char *text = NULL;
        cleanup_(freep) char *second = NULL;
        json_t *array = json_array();
        char *bar;

        while (big.len < 1500000)
                buf_puts(&big, "line with \"quotes\", \\ and {brackets]\n");
        json_array_append_new(array, json_integer(1));
        json_array_append_new(array, json_string(big.data));
        json_object_set_new(list, "items", array);
        json_object_set_new(list, "kind", json_string("X"));
        text = json_text(list);
        second = json_text(json_array_get(array, 1));
        assert_int_equal(run(JSPLIT_LIST, text, strlen(text), 16384, &items, &rest, NULL), 0);
        bar = items.data + items.len - 1;
        *bar = '\0';
        assert_true(str_starts(items.data, "1|"));
        assert_string_equal(items.data + 2, second);
        assert_string_equal(buf_str(&rest), "{\"items\":[],\"kind\":\"X\"}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_cut_at_every_split),
                cmocka_unit_test(strings_hide_brackets_quotes_and_backslashes),
                cmocka_unit_test(items_of_a_list_are_cut_at_every_split),
                cmocka_unit_test(broken_streams_are_refused),
                cmocka_unit_test(an_item_beyond_the_limit_is_refused_whether_whole_or_in_parts),
                cmocka_unit_test(the_rest_of_a_list_has_the_same_limit),
                cmocka_unit_test(the_item_function_may_stop_the_stream),
                cmocka_unit_test(large_items_come_out_unchanged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
