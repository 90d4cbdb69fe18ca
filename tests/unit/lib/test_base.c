/* SPDX-License-Identifier: Apache-2.0 */
/* test_base.c - memory and strings of base.h */
#include "base.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void whole_text_must_be_a_number(void **state) {
        static const struct {
                const char *text;
                bool good;
                int64_t n;
        } rows[] = {
                { "0", true, 0 },
                { "-7", true, -7 },
                { "9223372036854775807", true, INT64_MAX },
                { "-9223372036854775808", true, INT64_MIN },
                { "007", true, 7 },
                { "", false, 0 },
                { NULL, false, 0 },
                { "9223372036854775808", false, 0 },
                { " 1", false, 0 },
                { "1 ", false, 0 },
                { "+1", false, 0 },
                { "-", false, 0 },
                { "1x", false, 0 },
                { "0x10", false, 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int64_t n = 4711;

                assert_int_equal(str_to_int(rows[i].text, &n), rows[i].good);
                assert_true(n == (rows[i].good ? rows[i].n : 4711));
        }
}

static void copies_are_cut_and_always_end(void **state) {
        char text[4] = "xyz";

        assert_int_equal(str_copy(text, sizeof(text), "ab"), 2);
        assert_string_equal(text, "ab");
        assert_int_equal(str_copy(text, sizeof(text), "abcdef"), 6);
        assert_string_equal(text, "abc");
        assert_int_equal(str_copy(text, 0, "q"), 1);
        assert_string_equal(text, "abc");
}

static void a_text_may_be_set_from_its_own_middle(void **state) {
        char *text = str_dup("mysql/0");

        str_set(&text, text + 5);
        assert_string_equal(text, "/0");
        str_set(&text, NULL);
        assert_null(text);
}

static void prefixes_suffixes_and_nulls_compare(void **state) {
        assert_true(str_starts("mooring", "moor"));
        assert_true(str_starts("x", ""));
        assert_false(str_starts("mo", "moor"));
        assert_true(str_ends("bundle.yaml", ".yaml"));
        assert_false(str_ends("yaml", "x.yaml"));
        assert_true(str_eq(NULL, NULL));
        assert_false(str_eq(NULL, ""));
        assert_true(str_eq("a", "a"));
}

static void grown_memory_is_zeroed_and_doubles(void **state) {
        size_t room = 0;
        int *p = NULL;

        p = mem_grow(p, &room, 1, sizeof(int));
        assert_int_equal(room, 8);
        for (size_t i = 0; i < room; i++)
                assert_int_equal(p[i], 0);
        p[7] = 5;
        p = mem_grow(p, &room, 9, sizeof(int));
        assert_int_equal(room, 16);
        assert_int_equal(p[7], 5);
        assert_int_equal(p[15], 0);
        free(p);
}

static void sizes_that_overflow_abort(void **state) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                size_t room = 0;

                mem_grow(NULL, &room, SIZE_MAX / 2, 16);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
}

static void ownership_moves_with_take_ptr(void **state) {
        cleanup_(freep) char *a = str_format("%s-%d", "unit", 3);
        cleanup_(freep) char *b = take_ptr(a);

        assert_null(a);
        assert_string_equal(b, "unit-3");
}

static void closing_twice_is_harmless(void **state) {
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        closep(&fds[0]);
        assert_int_equal(fds[0], -1);
        closep(&fds[0]);
        closep(&fds[1]);
}

static void what_is_no_utf8_is_made_so(void **state) {
        static const char *const rows[][2] = {
                { "", "" },
                { "plain", "plain" },
                { "\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x9a\xa2", "\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x9a\xa2" },
                { "cut \xc3", "cut " },
                { "cut \xe6\xbc", "cut " },
                { "cut \xf0\x9f\x9a", "cut " },
                { "latin \xe4 one", "latin ? one" },
                { "lone \xbc", "lone ?" },
                { "long \xc0\xaf", "long ??" },
                { "half \xed\xa0\x80", "half ???" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char text[32];

                str_copy(text, sizeof(text), rows[i][0]);
                assert_string_equal(str_make_utf8(text), rows[i][1]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_text_must_be_a_number),
                cmocka_unit_test(copies_are_cut_and_always_end),
                cmocka_unit_test(a_text_may_be_set_from_its_own_middle),
                cmocka_unit_test(what_is_no_utf8_is_made_so),
                cmocka_unit_test(prefixes_suffixes_and_nulls_compare),
                cmocka_unit_test(grown_memory_is_zeroed_and_doubles),
                cmocka_unit_test(sizes_that_overflow_abort),
                cmocka_unit_test(ownership_moves_with_take_ptr),
                cmocka_unit_test(closing_twice_is_harmless),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
