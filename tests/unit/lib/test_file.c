/* SPDX-License-Identifier: Apache-2.0 */
/* test_file.c - what a descriptor holds is read to its end, and no further than its limit */
#include "file.h"

#include <errno.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

static void what_comes_in_pieces_is_read_whole(void **state) {
        char data[8];
        int pair[2];
        size_t n = 0;

        assert_int_equal(pipe(pair), 0);
        assert_int_equal(file_write_all(pair[1], "of ", 3), 0);
        if (fork() == 0) {
                _exit(file_write_all(pair[1], "two", 3));
        }
        close(pair[1]);
        assert_int_equal(file_read_all(pair[0], data, sizeof(data), &n), 0);
        assert_int_equal(n, 6);
        assert_memory_equal(data, "of two", 6);
        wait(NULL);
        close(pair[0]);
}

static void what_fills_its_room_is_too_large(void **state) {
        char data[4];
        int pair[2];
        size_t n = 7;

        assert_int_equal(pipe(pair), 0);
        assert_int_equal(file_write_all(pair[1], "four", 4), 0);
        close(pair[1]);
        assert_int_equal(file_read_all(pair[0], data, sizeof(data), &n), -E2BIG);
        assert_int_equal(n, 7);
        close(pair[0]);
        assert_int_equal(file_read_all(-1, data, sizeof(data), &n), -EBADF);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_comes_in_pieces_is_read_whole),
                cmocka_unit_test(what_fills_its_room_is_too_large),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
