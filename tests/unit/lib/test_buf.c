/* SPDX-License-Identifier: Apache-2.0 */
/* test_buf.c - the growing run of bytes */
#include "buf.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_empty_buffer_reads_as_an_empty_text(void **state) {
        struct buf b = BUF_INIT;
        char *s;

        assert_string_equal(buf_str(&b), "");
        buf_clear(&b);
        buf_skip(&b, 0);
        s = buf_take(&b);
        assert_string_equal(s, "");
        free(s);
        buf_free(&b);
}

static void a_nul_always_follows_the_bytes(void **state) {
        struct buf b = BUF_INIT;

        for (int i = 0; i < 1000; i++) {
                buf_putc(&b, 'a');
                assert_int_equal(b.data[b.len], '\0');
        }
        assert_int_equal(b.len, 1000);
        buf_skip(&b, 997);
        assert_string_equal(b.data, "aaa");
        buf_skip(&b, 3);
        assert_string_equal(b.data, "");
        buf_free(&b);
}

static void printing_appends(void **state) {
        struct buf b = BUF_INIT;

        buf_puts(&b, "unit ");
        buf_printf(&b, "%s/%d", "mysql", 0);
        buf_printf(&b, "%s", "");
        assert_string_equal(buf_str(&b), "unit mysql/0");
        assert_int_equal(b.len, 12);
        buf_free(&b);
}

static void bytes_with_nuls_are_kept(void **state) {
        struct buf b = BUF_INIT;

        buf_add(&b, "a\0b", 3);
        buf_add(&b, NULL, 0);
        assert_int_equal(b.len, 3);
        assert_memory_equal(b.data, "a\0b", 4);
        buf_free(&b);
}

static void taking_leaves_an_empty_buffer(void **state) {
        struct buf b = BUF_INIT;
        char *s;

        buf_puts(&b, "x");
        s = buf_take(&b);
        assert_string_equal(s, "x");
        assert_null(b.data);
        assert_int_equal(b.room, 0);
        free(s);
}

static void a_wiped_buffer_is_usable_again(void **state) {
        struct buf b = BUF_INIT;

        buf_puts(&b, "secret");
        buf_wipe(&b);
        assert_null(b.data);
        buf_puts(&b, "x");
        assert_string_equal(buf_str(&b), "x");
        buf_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_buffer_reads_as_an_empty_text),
                cmocka_unit_test(a_nul_always_follows_the_bytes),
                cmocka_unit_test(printing_appends),
                cmocka_unit_test(bytes_with_nuls_are_kept),
                cmocka_unit_test(taking_leaves_an_empty_buffer),
                cmocka_unit_test(a_wiped_buffer_is_usable_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
