/* SPDX-License-Identifier: Apache-2.0 */
/* test_wipe.c - what a tree or a growing buffer held is overwritten before its memory is given
 * back */
#include "buf.h"
#include "json.h"

#include <setjmp.h>
#include <cmocka.h>

static const char needle[] = "a-password-of-a-tree-3141592653";
static int wiped; /* pieces that held it, and were overwritten */

/* The linker puts it in the place of explicit_bzero (meson.build), with and without fortify. */
void __wrap_explicit_bzero(void *p, size_t n);
void __wrap___explicit_bzero_chk(void *p, size_t n, size_t room);

void __wrap_explicit_bzero(void *p, size_t n) {
        wiped += memmem(p, n, needle, sizeof(needle) - 1) != NULL;
        memset(p, 0, n);
}

void __wrap___explicit_bzero_chk(void *p, size_t n, size_t room) {
        __wrap_explicit_bzero(p, n);
}

static void a_trees_texts_and_names_are_overwritten(void **state) {
        json_t *tree = NULL;

        assert_int_equal(json_parse("{\"a-password-of-a-tree-3141592653\": [1, "
                                    "\"x a-password-of-a-tree-3141592653\"]}",
                                    77, &tree, NULL),
                         0);
        wiped = 0;
        json_decref(tree);
        assert_int_equal(wiped, 2);
}

static void a_buffer_that_grows_leaves_nothing_behind(void **state) {
        struct buf b = BUF_INIT;
        const char *begun;

        buf_puts(&b, needle);
        begun = b.data;
        wiped = 0;
        for (int i = 0; i < 4096; i++)
                buf_putc(&b, 'x');
        assert_ptr_not_equal(b.data, begun);
        assert_in_range(wiped, 6, 10); /* each time that it doubled */
        assert_int_equal(strncmp(b.data, needle, sizeof(needle) - 1), 0);
        wiped = 0;
        buf_wipe(&b);
        assert_int_equal(wiped, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_buffer_that_grows_leaves_nothing_behind),
                cmocka_unit_test(a_trees_texts_and_names_are_overwritten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
