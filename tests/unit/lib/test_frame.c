/* SPDX-License-Identifier: Apache-2.0 */
/* test_frame.c - frames in any chunking, their limits, and over a socketpair */
#include "frame.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void frames_come_out_whole_at_every_split(void **state) {
        struct buf stream = BUF_INIT;

        frame_put(&stream, 1, "hello", 5);
        frame_put(&stream, 255, NULL, 0);
        frame_put(&stream, 7, "a\0b", 3);
        for (size_t split = 0; split <= stream.len; split++) {
                struct frame_reader r;
                struct frame f;
                int types[4] = { 0 };
                int n = 0;

                frame_reader_init(&r, 100);
                for (int part = 0; part < 2; part++) {
                        frame_feed(&r, part ? stream.data + split : stream.data,
                                   part ? stream.len - split : split);
                        while (frame_next(&r, &f, NULL) == 1) {
                                types[n++] = f.type;
                                if (f.type == 7)
                                        assert_memory_equal(f.body, "a\0b", 3);
                        }
                }
                assert_int_equal(n, 3);
                assert_int_equal(types[0], 1);
                assert_int_equal(types[1], 255);
                assert_int_equal(types[2], 7);
                frame_reader_deinit(&r);
        }
        buf_free(&stream);
}

static void a_length_beyond_the_limit_is_refused_from_its_head(void **state) {
        struct frame_reader r;
        struct frame f;
        struct err e = { 0 };

        frame_reader_init(&r, 10);
        frame_feed(&r, "\x0b\0\0\0", 4); /* type and ten bytes: allowed */
        assert_int_equal(frame_next(&r, &f, &e), 0);
        frame_reader_deinit(&r);
        frame_reader_init(&r, 10);
        frame_feed(&r, "\x0c\0\0\0", 4);
        assert_int_equal(frame_next(&r, &f, &e), -E2BIG);
        assert_string_equal(e.text, "a frame of 11 bytes, at most 10 are allowed");
        frame_reader_deinit(&r);
        frame_reader_init(&r, 10);
        frame_feed(&r, "\xff\xff\xff\xff", 4);
        assert_int_equal(frame_next(&r, &f, &e), -E2BIG);
        frame_reader_deinit(&r);
}

static void a_frame_without_type_is_refused(void **state) {
        struct frame_reader r;
        struct frame f;

        frame_reader_init(&r, 10);
        frame_feed(&r, "\0\0\0\0", 4);
        assert_int_equal(frame_next(&r, &f, NULL), -EBADMSG);
        frame_reader_deinit(&r);
}

struct side {
        int fd;
        const char *big;
        size_t len;
};

static void *write_side(void *arg) {
        struct side *s = arg;

        assert_int_equal(frame_write(s->fd, 1, "small", 5, NULL), 0);
        assert_int_equal(frame_write(s->fd, 2, s->big, s->len, NULL), 0);
        close(s->fd);
        return NULL;
}

static void a_frame_larger_than_the_socket_goes_through(void **state) {
        struct side s = { .len = 3u << 20 };
        char *big = mem_alloc(s.len);
        struct frame_reader r;
        struct frame f;
        pthread_t thread;
        int fds[2];

        memset(big, 'x', s.len);
        s.big = big;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        s.fd = fds[1];
        assert_int_equal(pthread_create(&thread, NULL, write_side, &s), 0);
        frame_reader_init(&r, s.len);
        assert_int_equal(frame_read(fds[0], &r, &f, NULL), 0);
        assert_int_equal(f.type, 1);
        assert_memory_equal(f.body, "small", 5);
        assert_int_equal(frame_read(fds[0], &r, &f, NULL), 0);
        assert_int_equal(f.type, 2);
        assert_int_equal(f.len, s.len);
        assert_memory_equal(f.body, big, s.len);
        assert_int_equal(frame_read(fds[0], &r, &f, NULL), -EPIPE);
        pthread_join(thread, NULL);
        frame_reader_deinit(&r);
        close(fds[0]);
        free(big);
}

static void an_end_inside_a_frame_is_an_error(void **state) {
        struct frame_reader r;
        struct frame f;
        struct err e = { 0 };
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        assert_int_equal(write(fds[1], "\x05\0\0\0\x01xy", 7), 7);
        close(fds[1]);
        frame_reader_init(&r, 10);
        assert_int_equal(frame_read(fds[0], &r, &f, &e), -EBADMSG);
        assert_string_equal(e.text, "the stream ends inside a frame");
        frame_reader_deinit(&r);
        close(fds[0]);
}

static void a_bad_descriptor_is_told(void **state) {
        struct frame_reader r;
        struct frame f;

        frame_reader_init(&r, 10);
        assert_int_equal(frame_read(-1, &r, &f, NULL), -EBADF);
        assert_int_equal(frame_write(-1, 1, "x", 1, NULL), -EBADF);
        frame_reader_deinit(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_come_out_whole_at_every_split),
                cmocka_unit_test(a_length_beyond_the_limit_is_refused_from_its_head),
                cmocka_unit_test(a_frame_without_type_is_refused),
                cmocka_unit_test(a_frame_larger_than_the_socket_goes_through),
                cmocka_unit_test(an_end_inside_a_frame_is_an_error),
                cmocka_unit_test(a_bad_descriptor_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
