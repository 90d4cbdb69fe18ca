/* SPDX-License-Identifier: Apache-2.0 */
/* test_request.c - requests and replies over plain HTTP/1.1 */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[4096];

/* Says method, path, query, some headers and the body, and notes it. */
static void echo(struct server_call *c, void *arg) {
        static const char *const names[] = { "Content-Type", "X-One",  "Authorization",  "Host",
                                             "User-Agent",   "Expect", "Accept-Encoding" };
        char text[4096];
        int n = snprintf(text, sizeof(text), "%s %s?%s\n", c->method, c->path, c->query);

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (server_header(c, names[i]))
                        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s=%s\n", names[i],
                                      server_header(c, names[i]));
        snprintf(text + n, sizeof(text) - (size_t)n, "[%s]", c->body);
        pthread_mutex_lock(&seen_lock);
        str_copy(seen, sizeof(seen), text);
        pthread_mutex_unlock(&seen_lock);
        server_reply(c, 200, "X-Answer: yes\r\n", text);
}

static void reply_comes_whole(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, NULL, "/echo", echo, NULL);
        probe_init(&p, f, "GET", "/echo?a=1&b=%2F");
        http_start(f->http, &p.r);
        assert_int_equal(p.done, 0);
        step_until(f, p.done);
        assert_int_equal(p.r.end, HTTP_OK);
        assert_int_equal(p.r.status, 200);
        assert_int_equal(p.r.http_version, 11);
        assert_int_equal(p.heads, 1);
        assert_non_null(strstr(buf_str(&p.r.reply), "GET /echo?a=1&b=%2F\n"));
        assert_non_null(strstr(buf_str(&p.r.reply), "[]"));
        assert_null(strstr(buf_str(&p.r.reply), "Accept-Encoding"));
        assert_string_equal(http_header(&p.r, "x-answer"), "yes");
        assert_null(http_header(&p.r, "X-Nothing"));
        assert_int_equal(p.r.retry_after_ms, -1);
        assert_true(p.r.took_us > 0);
        assert_int_equal(p.done, 1);
        probe_free(&p);
}

static void methods_and_bodies_arrive(void **state) {
        struct fixture *f = *state;
        static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE" };
        struct probe p;

        server_route(f->server, NULL, "/echo", echo, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
                char want[64];

                probe_init(&p, f, methods[i], "/echo");
                p.r.body = "{\"a\":1}";
                p.r.body_len = 7;
                p.r.headers = (const char *const[]){ "Content-Type: application/json", NULL };
                probe_run(&p, f);
                snprintf(want, sizeof(want), "%s /echo?\nContent-Type=application/json\n",
                         methods[i]);
                assert_true(str_starts(buf_str(&p.r.reply), want));
                assert_true(str_ends(buf_str(&p.r.reply), "[{\"a\":1}]"));
                probe_free(&p);
        }
        probe_init(&p, f, "HEAD", "/echo");
        probe_run(&p, f);
        assert_int_equal(p.r.status, 200);
        assert_int_equal(p.r.reply.len, 0);
        probe_free(&p);
        probe_init(&p, f, "PUT", "/echo"); /* no body at all */
        probe_run(&p, f);
        assert_int_equal(p.r.status, 200);
        probe_free(&p);
}

static void big_body_goes_out_without_expect(void **state) {
        struct fixture *f = *state;
        struct probe p;
        char *body = mem_alloc((3u << 20) + 1);

        server_route(f->server, NULL, "/echo", echo, NULL);
        memset(body, 'x', 3u << 20);
        probe_init(&p, f, "POST", "/echo");
        p.r.body = body;
        p.r.body_len = 3u << 20;
        probe_run(&p, f);
        assert_int_equal(p.r.status, 200);
        assert_non_null(strstr(buf_str(&p.r.reply), "Content-Type=application/octet-stream"));
        assert_null(strstr(buf_str(&p.r.reply), "Expect"));
        probe_free(&p);
        free(body);
}

static int tokens;

static void give_token(void *arg, struct buf *ret_value) {
        tokens++;
        if (arg)
                buf_printf(ret_value, "Bearer %s-%d", (const char *)arg, tokens);
}

static void authorization_is_asked_for_each_request(void **state) {
        struct fixture *f = *state;
        struct probe p;
        char name[] = "secret";

        server_route(f->server, NULL, "/echo", echo, NULL);
        tokens = 0;
        fixture_target(f, &(struct http_server_config){ .url = server_url(f->server),
                                                        .user_agent = "mooring/test",
                                                        .authorize = give_token,
                                                        .arg = name });
        for (int i = 1; i <= 2; i++) {
                char want[64];

                probe_init(&p, f, "GET", "/echo");
                probe_run(&p, f);
                snprintf(want, sizeof(want), "Authorization=Bearer secret-%d\n", i);
                assert_non_null(strstr(buf_str(&p.r.reply), want));
                assert_non_null(strstr(buf_str(&p.r.reply), "User-Agent=mooring/test\n"));
                probe_free(&p);
        }
        assert_int_equal(server_connections(f->server), 1); /* the connection was used again */
}

static void many_headers(struct server_call *c, void *arg) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        for (int i = 0; i < *(int *)arg; i++)
                buf_printf(&b, "Warning: 299 - \"number %d\"\r\n", i);
        server_reply(c, 200, buf_str(&b), "");
}

static void duplicate_headers_are_all_kept(void **state) {
        struct fixture *f = *state;
        struct probe p;
        int n = 3;

        server_route(f->server, NULL, "/h", many_headers, &n);
        probe_init(&p, f, "GET", "/h");
        probe_run(&p, f);
        assert_string_equal(http_header(&p.r, "warning"), "299 - \"number 0\"");
        assert_string_equal(http_header_at(&p.r, "Warning", 2), "299 - \"number 2\"");
        assert_null(http_header_at(&p.r, "Warning", 3));
        probe_free(&p);
}

static void too_many_headers_are_refused(void **state) {
        struct fixture *f = *state;
        struct probe p;
        int n = HTTP_HEADERS_MAX;

        server_route(f->server, NULL, "/h", many_headers, &n);
        probe_init(&p, f, "GET", "/h");
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_TOO_BIG);
        assert_non_null(strstr(p.r.err.text, "the head of the reply is too large"));
        probe_free(&p);
}

static void with_headers(struct server_call *c, void *arg) {
        server_reply(c, 429, arg, "");
}

static void retry_after_is_read_as_seconds_and_as_date(void **state) {
        struct fixture *f = *state;
        struct {
                const char *header;
                int64_t want;
        } cases[] = {
                { "Retry-After: 7\r\n", 7000 },
                { "Retry-After: 0\r\n", 0 },
                { "Retry-After: 99999999\r\n", 3600000 },
                { "Retry-After: Thu, 01 Jan 1970 00:00:25 GMT\r\n", 5000 },
                { "Retry-After: Thu, 01 Jan 1970 00:00:15 GMT\r\n", 0 },
                { "Retry-After: soon\r\n", -1 },
                { "Retry-After: -3\r\n", -1 },
        };
        struct probe p;
        int64_t again_at;

        clock_fake(1000, 20000);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                server_route(f->server, NULL, "/r", with_headers, (char *)cases[i].header);
                probe_init(&p, f, "GET", "/r");
                probe_run(&p, f);
                assert_int_equal(p.r.retry_after_ms, cases[i].want);
                assert_int_equal(http_outcome(&p.r, &again_at), OUTCOME_THROTTLED);
                assert_int_equal(again_at, cases[i].want < 0 ? 0 : 1000 + cases[i].want);
                probe_free(&p);
        }
}

static void status_has_an_outcome(void **state) {
        struct {
                long status;
                enum outcome plain, after; /* AFTER: with Retry-After */
        } cases[] = {
                { 200, OUTCOME_DONE, OUTCOME_DONE },
                { 204, OUTCOME_DONE, OUTCOME_DONE },
                { 302, OUTCOME_UNREACHABLE, OUTCOME_UNREACHABLE },
                { 400, OUTCOME_REFUSED, OUTCOME_REFUSED },
                { 401, OUTCOME_DENIED, OUTCOME_DENIED },
                { 403, OUTCOME_DENIED, OUTCOME_DENIED },
                { 404, OUTCOME_GONE, OUTCOME_GONE },
                { 405, OUTCOME_REFUSED, OUTCOME_REFUSED },
                { 408, OUTCOME_UNREACHABLE, OUTCOME_UNREACHABLE },
                { 409, OUTCOME_CONFLICT, OUTCOME_CONFLICT },
                { 410, OUTCOME_GONE, OUTCOME_GONE },
                { 412, OUTCOME_CONFLICT, OUTCOME_CONFLICT },
                { 422, OUTCOME_REFUSED, OUTCOME_REFUSED },
                { 429, OUTCOME_THROTTLED, OUTCOME_THROTTLED },
                { 500, OUTCOME_UNREACHABLE, OUTCOME_THROTTLED },
                { 503, OUTCOME_UNREACHABLE, OUTCOME_THROTTLED },
                { 507, OUTCOME_REFUSED, OUTCOME_REFUSED },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct http_request r = { .status = cases[i].status, .retry_after_ms = -1 };

                assert_int_equal(http_outcome(&r, NULL), cases[i].plain);
                r.retry_after_ms = 10;
                assert_int_equal(http_outcome(&r, NULL), cases[i].after);
        }
        for (int end = HTTP_UNREACHABLE; end < HTTP_END_MAX; end++) {
                struct http_request r = { .end = (enum http_end)end, .retry_after_ms = -1 };
                bool refused = end == HTTP_TOO_BIG || end == HTTP_STOPPED;

                assert_int_equal(http_outcome(&r, NULL),
                                 refused ? OUTCOME_REFUSED : OUTCOME_UNREACHABLE);
                assert_non_null(http_end_name((enum http_end)end));
        }
}

static void stream_three(struct server_call *c, void *arg) {
        server_begin(c, *(int *)arg, "X-Kind: stream\r\n");
        server_send(c, "one,", 4);
        if (server_wait(c, "second"))
                server_send(c, "two,", 4);
        server_send(c, "three", 5);
        server_end(c);
}

static void stream_gives_pieces_as_they_come(void **state) {
        struct fixture *f = *state;
        struct probe p;
        int status = 200;

        server_route(f->server, NULL, "/s", stream_three, &status);
        probe_init(&p, f, "GET", "/s");
        p.r.pool = HTTP_WATCHES;
        p.r.on_data = probe_data;
        http_start(f->http, &p.r);
        step_until(f, p.data.len);
        assert_string_equal(p.data.data, "one,");
        assert_int_equal(p.r.status, 200);
        assert_string_equal(http_header(&p.r, "x-kind"), "stream");
        server_open(f->server, "second");
        step_until(f, p.done);
        assert_string_equal(p.data.data, "one,two,three");
        assert_int_equal(p.r.end, HTTP_OK);
        assert_int_equal(p.r.reply.len, 0);
        probe_free(&p);
}

static void stream_with_an_error_status_is_collected(void **state) {
        struct fixture *f = *state;
        struct probe p;
        int status = 410;

        server_route(f->server, NULL, "/s", stream_three, &status);
        server_open(f->server, "second");
        probe_init(&p, f, "GET", "/s");
        p.r.on_data = probe_data;
        probe_run(&p, f);
        assert_int_equal(p.data.len, 0);
        assert_string_equal(buf_str(&p.r.reply), "one,two,three");
        assert_int_equal(p.r.status, 410);
        probe_free(&p);
}

static int stop_reading(struct http_request *r, const char *data, size_t len) {
        return -EBADMSG;
}

static void reader_may_stop_the_stream(void **state) {
        struct fixture *f = *state;
        struct probe p;
        int status = 200;

        server_route(f->server, NULL, "/s", stream_three, &status);
        probe_init(&p, f, "GET", "/s");
        p.r.on_data = stop_reading;
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_STOPPED);
        assert_int_equal(p.r.err.code, -EBADMSG);
        probe_free(&p);
}

/* ---- a reader that takes longer for each piece than a turn of the loop may last */

#define LONG_BODY (1u << 20)

static void long_body(struct server_call *c, void *arg) {
        cleanup_(freep) char *body = mem_alloc(LONG_BODY + 1);

        for (size_t i = 0; i < LONG_BODY; i++)
                body[i] = (char)('a' + i / 1000 % 26);
        server_reply(c, 200, NULL, body);
}

static int pieces, stop_at;
static bool free_it;

static int slow_data(struct http_request *r, const char *data, size_t len) {
        struct probe *p = r->arg;

        clock_fake_advance(5);
        buf_add(&p->data, data, len);
        if (++pieces != stop_at)
                return 0;
        if (!free_it)
                return -EBADMSG;
        http_deinit(r);
        return 0;
}

static void slow_start(struct fixture *f, struct probe *p) {
        clock_fake(1000, 1000);
        pieces = 0;
        server_route(f->server, NULL, "/long", long_body, NULL);
        probe_init(p, f, "GET", "/long");
        p->r.on_data = slow_data;
        http_start(f->http, &p->r);
}

static void a_slow_reader_gets_all_in_pieces_of_many_turns(void **state) {
        struct fixture *f = *state;
        struct probe p;

        stop_at = 0;
        slow_start(f, &p);
        while (!p.done) {
                int before = pieces;

                step_or_fail(f, "done");
                assert_true(pieces - before <= 2);
        }
        assert_int_equal(p.done, 1);
        assert_int_equal(p.r.end, HTTP_OK);
        assert_int_equal(p.data.len, LONG_BODY);
        for (size_t i = 0; i < LONG_BODY; i++)
                if (p.data.data[i] != (char)('a' + i / 1000 % 26))
                        fail_msg("byte %zu is in the wrong place", i);
        probe_free(&p);
}

static void a_slow_reader_may_stop_or_free_between_turns(void **state) {
        struct fixture *f = *state;
        struct probe p;

        stop_at = 5;
        free_it = false;
        slow_start(f, &p);
        step_until(f, p.done);
        assert_int_equal(p.r.end, HTTP_STOPPED);
        assert_int_equal(p.r.err.code, -EBADMSG);
        assert_int_equal(pieces, 5);
        probe_free(&p);
        free_it = true;
        slow_start(f, &p);
        step_until(f, pieces == 5);
        while (loop_step(f->loop, 0))
                ;
        assert_int_equal(pieces, 5);
        assert_int_equal(p.done, 0);
        probe_free(&p);
}

static void reply_larger_than_its_limit_is_refused(void **state) {
        struct fixture *f = *state;
        struct probe p;
        int status = 200;

        server_route(f->server, NULL, "/s", stream_three, &status); /* chunked: no length told */
        server_route(f->server, NULL, "/echo", echo, NULL);         /* with its length */
        server_open(f->server, "second");
        for (int i = 0; i < 2; i++) {
                probe_init(&p, f, "GET", i ? "/s" : "/echo");
                p.r.reply_max = 12;
                probe_run(&p, f);
                assert_int_equal(p.r.end, HTTP_TOO_BIG);
                assert_non_null(strstr(p.r.err.text, "the reply is larger than 12 bytes"));
                probe_free(&p);
        }
        probe_init(&p, f, "GET", "/s");
        p.r.reply_max = 13;
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_OK);
        probe_free(&p);
}

static void what_cannot_be_sent_is_told_by_done(void **state) {
        struct fixture *f = *state;
        static const char *const bad[] = { "nodes", "/a b", "/a\r\nX: y", "" };
        struct probe p;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                probe_init(&p, f, "GET", bad[i]);
                http_start(f->http, &p.r);
                assert_int_equal(p.done, 0);
                step_until(f, p.done);
                assert_int_equal(p.r.end, HTTP_STOPPED);
                assert_int_equal(p.r.err.code, -EINVAL);
                probe_free(&p);
        }
        probe_init(&p, f, "GET", "/");
        p.r.headers = (const char *const[]){ "X-One: a\r\nX-Two: b", NULL };
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_STOPPED);
        probe_free(&p);
        assert_int_equal(server_requests(f->server), 0);
}

static void strings_are_copied_by_start(void **state) {
        struct fixture *f = *state;
        struct probe p;
        char path[] = "/echo";
        char header[] = "X-One: kept";
        char method[] = "PATCH";
        const char *headers[] = { header, NULL };

        server_route(f->server, NULL, "/echo", echo, NULL);
        probe_init(&p, f, method, path);
        p.r.headers = headers;
        http_start(f->http, &p.r);
        memset(path, 'x', 5);
        memset(header, 'x', 11);
        memset(method, 'x', 5);
        headers[0] = NULL;
        step_until(f, p.done);
        assert_true(str_starts(buf_str(&p.r.reply), "PATCH /echo?\n"));
        assert_non_null(strstr(buf_str(&p.r.reply), "X-One=kept\n"));
        probe_free(&p);
}

static void request_may_be_started_again(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, NULL, "/echo", echo, NULL);
        probe_init(&p, f, "GET", "/nothing");
        probe_run(&p, f);
        assert_int_equal(p.r.status, 404);
        p.r.path = "/echo";
        p.done = 0;
        probe_run(&p, f);
        assert_int_equal(p.r.status, 200);
        assert_true(str_starts(buf_str(&p.r.reply), "GET /echo"));
        probe_free(&p);
}

static void fault_countdown_fails_the_nth_request(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, NULL, "/echo", echo, NULL);
        for (int end = HTTP_UNREACHABLE; end <= HTTP_TIMEOUT; end++) {
                bool sent = end == HTTP_RESET || end == HTTP_TIMEOUT;
                size_t before = server_requests(f->server);

                http_fault(f->http, 2, (enum http_end)end);
                for (int i = 1; i <= 3; i++) {
                        probe_init(&p, f, "GET", "/echo");
                        probe_run(&p, f);
                        assert_int_equal(p.r.end, i == 2 ? end : HTTP_OK);
                        assert_int_equal(p.r.status, i == 2 ? 0 : 200);
                        assert_int_equal(p.r.reply.len == 0, i == 2);
                        probe_free(&p);
                }
                assert_int_equal(server_requests(f->server) - before, sent ? 3 : 2);
        }
}

static void escape_keeps_unreserved_characters(void **state) {
        struct buf b = BUF_INIT;

        http_escape(&b, "aZ09-._~/ ä=", false);
        assert_string_equal(b.data, "aZ09-._~%2F%20%C3%A4%3D");
        buf_clear(&b);
        http_escape(&b, "/a b/", true);
        assert_string_equal(b.data, "/a%20b/");
        buf_free(&b);
}

static void server_urls_are_checked(void **state) {
        static const char *const bad[] = { "",
                                           "ftp://a",
                                           "https://",
                                           "https://a/path",
                                           "https://u:p@a",
                                           "https://a:70000",
                                           "https://a?b",
                                           "nonsense" };
        struct http_server *s = NULL;
        struct err err = { 0 };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct http_server_config c = { .url = bad[i] };

                assert_int_equal(http_server_new(&c, &s, &err), -EINVAL);
        }
        assert_null(s);
        assert_int_equal(
                http_server_new(&(struct http_server_config){ .url = "https://[::1]:6443/" }, &s,
                                &err),
                0);
        http_server_unref(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(reply_comes_whole),
                T(methods_and_bodies_arrive),
                T(big_body_goes_out_without_expect),
                T(authorization_is_asked_for_each_request),
                T(duplicate_headers_are_all_kept),
                T(too_many_headers_are_refused),
                T(retry_after_is_read_as_seconds_and_as_date),
                cmocka_unit_test(status_has_an_outcome),
                T(stream_gives_pieces_as_they_come),
                T(stream_with_an_error_status_is_collected),
                T(reader_may_stop_the_stream),
                T(a_slow_reader_gets_all_in_pieces_of_many_turns),
                T(a_slow_reader_may_stop_or_free_between_turns),
                T(reply_larger_than_its_limit_is_refused),
                T(what_cannot_be_sent_is_told_by_done),
                T(strings_are_copied_by_start),
                T(request_may_be_started_again),
                T(fault_countdown_fails_the_nth_request),
                cmocka_unit_test(escape_keeps_unreserved_characters),
                cmocka_unit_test(server_urls_are_checked),
        };

        return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
