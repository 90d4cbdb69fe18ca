/* SPDX-License-Identifier: Apache-2.0 */
/* test_stream.c - streams of events and log lines: what arrives, who lags, and that they end. */
#include "desk.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void put_event(struct desk *d, const char *model, const char *kind, const char *text) {
        cleanup_(json_freep) json_t *event = json_object();

        json_object_set_new(event, "kind", json_string(kind));
        json_object_set_new(event, "model", json_string(model));
        json_object_set_new(event, "text", json_string(text));
        admin_event(d->admin, event);
}

static void an_event_reaches_the_streams_of_its_model_only(void **state) {
        struct desk *d = *state;
        cleanup_(buf_free) struct buf got = BUF_INIT;
        cleanup_(closep) int fd = desk_connect(d, "/v1/events?model=a");

        desk_read_until(d, fd, "begin", &got);
        put_event(d, "b", "status", "not for us");
        put_event(d, "a", "status", "for us");
        desk_read_until(d, fd, "for us", &got);
        assert_null(strstr(got.data, "not for us"));
}

static void a_reader_that_lags_is_told_how_much_it_lost(void **state) {
        struct desk *d = *state;
        cleanup_(buf_free) struct buf got = BUF_INIT;
        cleanup_(closep) int fd = desk_connect(d, "/v1/events");

        desk_read_until(d, fd, "begin", &got);
        for (int i = 0; i < ADMIN_STREAM_LAG_MAX + 10; i++)
                put_event(d, "a", "status", "much");
        put_event(d, "a", "status", "the last");
        desk_read_until(d, fd, "the last", &got);
        assert_non_null(strstr(got.data, "\"kind\":\"lagged\",\"lost\":1000"));
}

static void a_stream_beyond_the_limit_is_refused(void **state) {
        struct desk *d = *state;
        static const struct peer_fake root = { 0 };
        int fds[ADMIN_STREAMS_MAX];
        cleanup_(freep) char *text = NULL;

        peer_set_fake(&root);
        for (int i = 0; i < ADMIN_STREAMS_MAX; i++) {
                cleanup_(buf_free) struct buf got = BUF_INIT;

                fds[i] = desk_connect(d, "/v1/events");
                desk_read_until(d, fds[i], "begin", &got);
        }
        desk_role(ROLE_VIEWER); /* another user: not his own share, but all streams are taken */
        text = desk_refusal(d, "GET", "/v1/events", NULL, 503);
        assert_non_null(strstr(text, "streams are open"));
        for (int i = 0; i < ADMIN_STREAMS_MAX; i++)
                close(fds[i]);
}

static void streams_end_before_the_daemon_does(void **state) {
        struct desk *d = *state;
        cleanup_(buf_free) struct buf got = BUF_INIT;
        cleanup_(closep) int fd = desk_connect(d, "/v1/events");

        desk_read_until(d, fd, "begin", &got);
        d->admin = admin_free(d->admin);
        assert_true(desk_ended(d, fd));
}

static void a_client_that_left_is_found_by_the_beat(void **state) {
        struct desk *d = *state;
        cleanup_(buf_free) struct buf got = BUF_INIT;
        int fd = desk_connect(d, "/v1/events");

        desk_read_until(d, fd, "begin", &got);
        close(fd);
        while (d->admin->stream_count) {
                put_event(d, "a", "status",
                          "anybody there?"); /* what a beat does, without waiting for it */
                loop_step(d->loop, 5);
        }
}

/* ---- log */

static void sink(void *arg, const struct log_line *line) {
        struct desk *d = arg;

        admin_log(d->admin, line);
}

static void *log_elsewhere(void *arg) {
        log_event(LOG_NOTICE, "elsewhere", (struct log_field[]){ { "APPLICATION", "web" }, {} },
                  "from another thread");
        return NULL;
}

static void lines_of_other_threads_reach_the_log_stream(void **state) {
        struct desk *d = *state;
        cleanup_(buf_free) struct buf got = BUF_INIT;
        cleanup_(closep) int fd = -1;
        pthread_t thread;

        log_reset();
        log_event(LOG_WARNING, "before", NULL, "kept in the ring");
        fd = desk_connect(d, "/v1/log?replay=true");
        desk_read_until(d, fd, "kept in the ring", &got);
        log_set_sink(sink, d);
        pthread_create(&thread, NULL, log_elsewhere, NULL);
        pthread_join(thread, NULL);
        log_set_sink(NULL, NULL);
        desk_read_until(d, fd, "from another thread", &got);
        assert_non_null(strstr(got.data, "\"APPLICATION\":\"web\""));
}

static void the_log_is_filtered_by_level_and_application_and_ends_when_not_followed(void **state) {
        cleanup_(buf_free) struct buf got = BUF_INIT;
        struct desk *d = *state;
        cleanup_(closep) int fd = -1;

        log_reset();
        log_event(LOG_INFO, "a", (struct log_field[]){ { "APPLICATION", "web" }, {} },
                  "too chatty");
        log_event(LOG_ERR, "b", (struct log_field[]){ { "APPLICATION", "other" }, {} },
                  "of another");
        log_event(LOG_ERR, "c", (struct log_field[]){ { "APPLICATION", "web" }, {} }, "wanted");
        fd = desk_connect(d, "/v1/log?replay=true&level=error&application=web&follow=false");
        desk_read_until(d, fd, "\r\n0\r\n", &got); /* the last chunk */
        assert_non_null(strstr(got.data, "wanted"));
        assert_null(strstr(got.data, "too chatty"));
        assert_null(strstr(got.data, "of another"));
}

static void an_unknown_level_is_refused(void **state) {
        cleanup_(freep) char *text = desk_refusal(*state, "GET", "/v1/log?level=loud", NULL, 400);

        assert_non_null(strstr(text, "warning"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, desk_set_up, desk_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(an_event_reaches_the_streams_of_its_model_only),
                TEST(a_reader_that_lags_is_told_how_much_it_lost),
                TEST(a_stream_beyond_the_limit_is_refused),
                TEST(streams_end_before_the_daemon_does),
                TEST(a_client_that_left_is_found_by_the_beat),
                TEST(lines_of_other_threads_reach_the_log_stream),
                TEST(the_log_is_filtered_by_level_and_application_and_ends_when_not_followed),
                TEST(an_unknown_level_is_refused),
        };

        return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
