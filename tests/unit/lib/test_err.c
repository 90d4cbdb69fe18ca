/* SPDX-License-Identifier: Apache-2.0 */
/* test_err.c - the error object */
#include "err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static void setting_gives_code_and_text(void **state) {
        struct err e = { 0 };

        assert_int_equal(err_set(&e, -ENOENT, "no application %s", "x"), -ENOENT);
        assert_int_equal(e.code, -ENOENT);
        assert_string_equal(err_text(&e), "no application x");
}

static void context_stands_in_front(void **state) {
        struct err e = { 0 };

        err_set(&e, -EPROTO, "answered 500");
        assert_int_equal(err_add(&e, -EPROTO, "step %s", "evict"), -EPROTO);
        err_add(&e, -EPROTO, "flow drain");
        assert_string_equal(err_text(&e), "flow drain: step evict: answered 500");
}

static void without_a_text_the_code_speaks(void **state) {
        struct err e = { 0 };

        err_add(&e, -ENOENT, "open");
        assert_string_equal(err_text(&e), "open: No such file or directory");
        e = (struct err){ .code = -EPERM };
        assert_string_equal(err_text(&e), "Operation not permitted");
}

static void nobody_has_to_want_the_text(void **state) {
        assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
        assert_int_equal(err_add(NULL, -EIO, "x"), -EIO);
}

static void long_texts_end_in_dots(void **state) {
        char big[2 * ERR_TEXT_MAX];
        struct err e = { 0 };

        memset(big, 'a', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        err_set(&e, -EIO, "%s", big);
        assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
        assert_true(str_ends(e.text, "aaa..."));
        err_add(&e, -EIO, "context");
        assert_true(str_starts(e.text, "context: aaa"));
        assert_true(str_ends(e.text, "..."));
        assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

static void a_long_text_is_cut_between_letters(void **state) {
        static const char letter[] = "\xe6\xbc\xa2";
        char big[2 * ERR_TEXT_MAX] = "";
        struct err e = { 0 };

        for (size_t i = 0; i + sizeof(letter) < sizeof(big); i += strlen(letter))
                memcpy(big + i, letter, sizeof(letter));
        for (int shift = 0; shift < 3; shift++) {
                cleanup_(freep) char *text = NULL;

                err_set(&e, -EIO, "%.*s%s", shift, "ab", big);
                assert_true(str_ends(e.text, "\xa2..."));
                text = str_dup(e.text);
                assert_string_equal(str_make_utf8(text), e.text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(setting_gives_code_and_text),
                cmocka_unit_test(context_stands_in_front),
                cmocka_unit_test(without_a_text_the_code_speaks),
                cmocka_unit_test(nobody_has_to_want_the_text),
                cmocka_unit_test(long_texts_end_in_dots),
                cmocka_unit_test(a_long_text_is_cut_between_letters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
