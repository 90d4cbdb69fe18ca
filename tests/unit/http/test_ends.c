/* SPDX-License-Identifier: Apache-2.0 */
/* test_ends.c - how requests end: together, on the timer, freed, cancelled, reset, silent */
#include "fixture.h"

#include "metric.h"

#include <errno.h>
#include <unistd.h>

static void says_ok(struct server_call *c, void *arg) {
        server_reply(c, 200, NULL, "ok");
}

static void waits(struct server_call *c, void *arg) {
        if (server_wait(c, "go"))
                server_reply(c, 200, NULL, "late");
}

static void stops_in_the_body(struct server_call *c, void *arg) {
        server_begin(c, 200, NULL);
        server_send(c, "part", 4);
        server_hold(c);
}

/* ---- the three that curl's and libuv's own samples get wrong */

static void two_transfers_that_end_in_one_wake_both_end(void **state) {
        struct fixture *f = *state;
        struct probe p[20];

        server_route(f->server, "GET", "/w", waits, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
                probe_init(&p[i], f, "GET", "/w");
                http_start(f->http, &p[i].r);
        }
        step_until(f, server_waiting(f->server) == ARRAY_SIZE(p));
        server_open(f->server, "go");
        usleep(100000); /* all answers lie ready: the wake finds many; correct whatever it finds */
        for (size_t i = 0; i < ARRAY_SIZE(p); i++)
                step_until(f, p[i].done);
        for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
                assert_int_equal(p[i].done, 1);
                assert_int_equal(p[i].r.end, HTTP_OK);
                probe_free(&p[i]);
        }
}

/* Nothing listens: curl finds out within its own timer or at the first look, with no transfer
 * left after it. */
static void last_transfer_that_ends_on_the_timer_is_seen(void **state) {
        struct fixture *f = *state;
        struct probe p;

        fixture_target(f, &(struct http_server_config){ .url = "http://127.0.0.1:1" });
        for (int i = 0; i < 3; i++) {
                probe_init(&p, f, "GET", "/");
                probe_run(&p, f);
                assert_int_equal(p.r.end, HTTP_UNREACHABLE);
                assert_string_equal(p.r.err.text, "127.0.0.1:1: connection refused");
                probe_free(&p);
        }
        /* A name that cannot be looked up: the resolver's thread, then curl's timer. */
        fixture_target(f, &(struct http_server_config){ .url = "http://nothing.invalid" });
        probe_init(&p, f, "GET", "/");
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_UNREACHABLE);
        assert_non_null(strstr(p.r.err.text, "nothing.invalid"));
        probe_free(&p);
}

static int freed;

static void done_frees(struct http_request *r) {
        freed++;
        http_deinit(r);
        free(r);
}

static void request_may_be_freed_inside_its_own_callback(void **state) {
        struct fixture *f = *state;

        freed = 0;
        server_route(f->server, "GET", "/ok", says_ok, NULL);
        for (int i = 0; i < 5; i++) {
                struct http_request *r = mem_new(struct http_request);

                r->server = f->to;
                r->method = "GET";
                r->path = "/ok";
                r->done = done_frees;
                http_start(f->http, r);
        }
        step_until(f, freed == 5);
}

static struct http *again_http;

static void done_starts_again(struct http_request *r) {
        struct probe *p = r->arg;

        if (++p->done < 3)
                http_start(again_http, r);
}

static void request_may_be_started_again_inside_its_own_callback(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "/ok", says_ok, NULL);
        probe_init(&p, f, "GET", "/ok");
        p.r.done = done_starts_again;
        again_http = f->http;
        http_start(f->http, &p.r);
        step_until(f, p.done == 3);
        assert_int_equal(server_requests(f->server), 3);
        probe_free(&p);
}

/* ---- cancel */

static struct probe *other;

static void head_cancels(struct http_request *r) {
        struct probe *p = r->arg;

        p->heads++;
        http_cancel(r);
}

static void head_frees(struct http_request *r) {
        freed++;
        http_deinit(r);
        free(r);
}

static int data_frees(struct http_request *r, const char *data, size_t len) {
        freed++;
        http_deinit(r);
        free(r);
        return 0;
}

static int data_cancels_other_and_starts_it(struct http_request *r, const char *data, size_t len) {
        http_cancel(&other->r);
        if (!freed++)
                http_start(again_http, &other->r);
        return 0;
}

static void cancel_before_the_connect_and_while_waiting(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "/w", waits, NULL);
        probe_init(&p, f, "GET", "/w");
        http_cancel(&p.r); /* never started */
        http_start(f->http, &p.r);
        http_cancel(&p.r);
        http_cancel(&p.r);
        http_start(f->http, &p.r);
        step_until(f, server_waiting(f->server));
        http_cancel(&p.r);
        step_until(f, !server_waiting(f->server)); /* the server saw us leave */
        assert_int_equal(p.done, 0);
        probe_free(&p);
}

static void cancel_between_the_end_and_done(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "/ok", says_ok, NULL);
        probe_init(&p, f, "GET", "/ok");
        http_start(f->http, &p.r);
        step_until(f, p.r.took_us); /* ended, done is due in the next turn */
        assert_int_equal(p.done, 0);
        http_cancel(&p.r);
        while (loop_step(f->loop, 0))
                ;
        assert_int_equal(p.done, 0);
        probe_free(&p);
}

static void cancel_in_head_and_free_in_head_and_data(void **state) {
        struct fixture *f = *state;
        struct probe p;

        freed = 0;
        server_route(f->server, "GET", "/s", stops_in_the_body, NULL);
        probe_init(&p, f, "GET", "/s");
        p.r.on_head = head_cancels;
        http_start(f->http, &p.r);
        step_until(f, p.heads);
        step_until(f, !server_waiting(f->server));
        assert_int_equal(p.done, 0);
        probe_free(&p);
        for (int in_data = 0; in_data < 2; in_data++) {
                struct http_request *r = mem_new(struct http_request);

                r->server = f->to;
                r->method = "GET";
                r->path = "/s";
                r->on_head = in_data ? NULL : head_frees;
                r->on_data = in_data ? data_frees : NULL;
                http_start(f->http, r);
                step_until(f, freed == in_data + 1);
        }
        while (loop_step(f->loop, 0))
                ;
        assert_int_equal(freed, 2);
}

static void another_request_may_be_cancelled_and_started_inside_a_callback(void **state) {
        struct fixture *f = *state;
        struct probe p, q;

        freed = 0;
        other = &q;
        again_http = f->http;
        server_route(f->server, "GET", "/s", stops_in_the_body, NULL);
        server_route(f->server, "GET", "/w", waits, NULL);
        probe_init(&q, f, "GET", "/w");
        http_start(f->http, &q.r);
        step_until(f, server_waiting(f->server));
        server_open(f->server, "go"); /* the first /w was cancelled, the second is answered */
        probe_init(&p, f, "GET", "/s");
        p.r.on_data = data_cancels_other_and_starts_it;
        http_start(f->http, &p.r);
        step_until(f, q.done || (freed && q.done));
        assert_int_equal(q.done, 1);
        assert_int_equal(q.r.end, HTTP_OK);
        probe_free(&p);
        probe_free(&q);
}

static void http_goes_while_requests_were_cancelled(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "/w", waits, NULL);
        probe_init(&p, f, "GET", "/w");
        http_start(f->http, &p.r);
        step_until(f, server_waiting(f->server));
        probe_free(&p);
        f->http = http_free(f->http);
}

/* ---- resets */

static void resets(struct server_call *c, void *arg) {
        const char *where = arg;

        if (strcmp(where, "head") == 0)
                server_raw(c, "HTTP/1.1 200 OK\r\nContent-Le", 27);
        if (strcmp(where, "body") == 0)
                server_raw(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 44);
        if (strcmp(where, "chunk") == 0) {
                server_begin(c, 200, NULL);
                server_raw(c, "10\r\nhalf", 8);
        }
        if (strcmp(where, "nonsense") == 0)
                server_raw(c, "\x16\x03\x01 this is not HTTP\r\n\r\n", 25);
        if (strcmp(where, "bad chunk") == 0) {
                server_begin(c, 200, NULL);
                server_raw(c, "zz\r\nhalf\r\n", 10);
        }
        server_hangup(c);
}

/* Of mooring_http_requests_total. */
static double counted(const char *labels) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(freep) char *series = str_format("mooring_http_requests_total%s ", labels);
        const char *at;

        metric_print(&text);
        at = strstr(buf_str(&text), series);
        return at ? strtod(at + strlen(series), NULL) : 0;
}

static void connection_that_ends_inside_a_reply_is_a_reset(void **state) {
        struct fixture *f = *state;
        static const char *const where[] = { "nothing", "head",     "body",
                                             "chunk",   "nonsense", "bad chunk" };
        double before = counted("{verb=\"GET\",code=\"reset\"}");
        struct probe p;

        for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
                server_route(f->server, "GET", "/r", resets, (char *)where[i]);
                probe_init(&p, f, "GET", "/r");
                probe_run(&p, f);
                if (p.r.end != HTTP_RESET)
                        fail_msg("%s: %s: %s", where[i], http_end_name(p.r.end), p.r.err.text);
                assert_int_equal(p.r.err.code, -ECONNRESET);
                assert_int_equal(http_outcome(&p.r, NULL), OUTCOME_UNREACHABLE);
                probe_free(&p);
        }
        assert_true(counted("{verb=\"GET\",code=\"reset\"}") == before + ARRAY_SIZE(where));
}

static void rst(struct server_call *c, void *arg) {
        server_reset(c);
}

static void rst_is_a_reset(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "/r", rst, NULL);
        probe_init(&p, f, "GET", "/r");
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_RESET);
        probe_free(&p);
}

/* ---- deadlines, under a fake clock */

static void silence_in_the_body_ends_a_stream(void **state) {
        struct fixture *f = *state;
        struct probe p;

        clock_fake(1000, 1000);
        server_route(f->server, "GET", "/s", stops_in_the_body, NULL);
        probe_init(&p, f, "GET", "/s");
        p.r.pool = HTTP_WATCHES;
        p.r.on_data = probe_data;
        p.r.silence_ms = 30000;
        p.r.total_ms = -1;
        http_start(f->http, &p.r);
        step_until(f, p.data.len);
        loop_advance(f->loop, 29999);
        assert_int_equal(p.done, 0);
        loop_advance(f->loop, 1);
        step_until(f, p.done);
        assert_int_equal(p.r.end, HTTP_TIMEOUT);
        assert_non_null(strstr(p.r.err.text, "the reply fell silent"));
        assert_true(counted("{verb=\"WATCH\",code=\"timeout\"}") == 1);
        step_until(f, !server_waiting(f->server));
        probe_free(&p);
}

static void ticks(struct server_call *c, void *arg) {
        char gate[2] = "a";

        server_begin(c, 200, NULL);
        for (; gate[0] < 'e' && server_wait(c, gate); gate[0]++)
                server_send(c, gate, 1);
        server_end(c);
}

static void bytes_put_the_silence_off(void **state) {
        struct fixture *f = *state;
        struct probe p;

        clock_fake(1000, 1000);
        server_route(f->server, "GET", "/s", ticks, NULL);
        probe_init(&p, f, "GET", "/s");
        p.r.on_data = probe_data;
        p.r.silence_ms = 30000;
        p.r.total_ms = -1;
        http_start(f->http, &p.r);
        for (char gate[2] = "a"; gate[0] < 'e'; gate[0]++) {
                server_open(f->server, gate);
                step_until(f, p.data.len == (size_t)(gate[0] - 'a') + 1);
                loop_advance(f->loop, 29999);
        }
        step_until(f, p.done);
        assert_int_equal(p.r.end, HTTP_OK);
        assert_string_equal(p.data.data, "abcd");
        probe_free(&p);
}

static void total_deadline_ends_what_still_talks(void **state) {
        struct fixture *f = *state;
        struct probe p;

        clock_fake(1000, 1000);
        server_route(f->server, "GET", "/s", stops_in_the_body, NULL);
        probe_init(&p, f, "GET", "/s");
        http_start(f->http, &p.r);
        step_until(f, p.heads && p.r.reply.len);
        loop_advance(f->loop, 59999);
        assert_int_equal(p.done, 0);
        loop_advance(f->loop, 1);
        step_until(f, p.done);
        assert_int_equal(p.r.end, HTTP_TIMEOUT);
        probe_free(&p);
}

/* The first connection is never answered, later ones are. */
static void only_later_connections(struct server_call *c, void *arg) {
        if (c->connection == 1)
                server_hold(c);
        else
                server_reply(c, 200, NULL, c->body);
}

static void no_first_byte_is_tried_again_on_a_fresh_connection(void **state) {
        struct fixture *f = *state;
        struct probe p;
        char path[] = "/f";
        char header[] = "X-One: kept";
        const char *headers[] = { header, NULL };

        clock_fake(1000, 1000);
        server_route(f->server, NULL, "/f", only_later_connections, NULL);
        probe_init(&p, f, "PATCH", path);
        p.r.body = "again";
        p.r.body_len = 5;
        p.r.headers = headers;
        http_start(f->http, &p.r);
        memset(path, 'x', 2);
        headers[0] = NULL;
        step_until(f, server_waiting(f->server));
        loop_advance(f->loop, HTTP_FIRST_BYTE_MS - 1);
        assert_int_equal(server_connections(f->server), 1);
        loop_advance(f->loop, 1);
        step_until(f, p.done);
        assert_int_equal(p.r.end, HTTP_OK);
        assert_string_equal(p.r.reply.data, "again");
        assert_int_equal(server_connections(f->server), 2);
        probe_free(&p);
}

static void second_first_byte_deadline_ends_it(void **state) {
        struct fixture *f = *state;
        struct probe p;

        clock_fake(1000, 1000);
        server_route(f->server, NULL, "/w", waits, NULL);
        probe_init(&p, f, "GET", "/w");
        http_start(f->http, &p.r);
        step_until(f, server_connections(f->server) == 1 && server_waiting(f->server));
        loop_advance(f->loop, HTTP_FIRST_BYTE_MS);
        step_until(f, server_connections(f->server) == 2);
        assert_int_equal(p.done, 0);
        loop_advance(f->loop, HTTP_FIRST_BYTE_MS);
        step_until(f, p.done);
        assert_int_equal(p.r.end, HTTP_TIMEOUT);
        assert_non_null(strstr(p.r.err.text, "no answer, on a fresh connection neither"));
        probe_free(&p);
}

static void post_that_was_sent_is_not_sent_again(void **state) {
        struct fixture *f = *state;
        struct probe p;

        clock_fake(1000, 1000);
        server_route(f->server, NULL, "/w", waits, NULL);
        probe_init(&p, f, "POST", "/w");
        http_start(f->http, &p.r);
        step_until(f, server_waiting(f->server));
        loop_advance(f->loop, HTTP_FIRST_BYTE_MS);
        step_until(f, p.done);
        assert_int_equal(p.r.end, HTTP_TIMEOUT);
        assert_int_equal(server_requests(f->server), 1);
        probe_free(&p);
}

static int done_before_reset;

static void done_then_reset(struct server_call *c, void *arg) {
        if (__atomic_add_fetch(&done_before_reset, 1, __ATOMIC_SEQ_CST) > 1)
                server_reply(c, 200, NULL, "");
        else
                server_hangup(c);
}

/* On a connection that was used before, curl would repeat both by itself. */
static void post_whose_connection_ends_is_not_repeated_a_patch_is(void **state) {
        struct fixture *f = *state;
        struct probe p;

        server_route(f->server, "GET", "/ok", says_ok, NULL);
        server_route(f->server, NULL, "/d", done_then_reset, NULL);
        for (int post = 0; post < 2; post++) {
                done_before_reset = 0;
                probe_init(&p, f, "GET", "/ok");
                probe_run(&p, f);
                probe_free(&p);
                probe_init(&p, f, post ? "POST" : "PATCH", "/d");
                p.r.body = "x";
                p.r.body_len = 1;
                probe_run(&p, f);
                assert_int_equal(p.r.end, post ? HTTP_RESET : HTTP_OK);
                assert_int_equal(done_before_reset, post ? 1 : 2);
                probe_free(&p);
        }
}

/* HTTP/1.1 has one request a connection: more than the limit wait, and none is lost. */
static void more_requests_than_connections_all_end(void **state) {
        struct fixture *f = *state;
        enum { MANY = 200 };
        struct probe *p = mem_array(struct probe, MANY);
        int n = 0;

        server_route(f->server, "GET", "/ok", says_ok, NULL);
        for (int i = 0; i < MANY; i++) {
                probe_init(&p[i], f, "GET", "/ok");
                http_start(f->http, &p[i].r);
        }
        for (int i = 0; i < MANY; i++)
                step_until(f, p[i].done);
        for (int i = 0; i < MANY; i++) {
                n += p[i].r.end == HTTP_OK;
                probe_free(&p[i]);
        }
        assert_int_equal(n, MANY);
        assert_true(server_connections(f->server) <= 32);
        free(p);
}

/* A hundred watches never keep a write from its connection. */
static void watches_do_not_hold_up_requests(void **state) {
        struct fixture *f = *state;
        enum { MANY = 100 };
        struct probe *w = mem_array(struct probe, MANY);
        struct probe p;

        server_route(f->server, "GET", "/s", stops_in_the_body, NULL);
        server_route(f->server, "GET", "/ok", says_ok, NULL);
        for (int i = 0; i < MANY; i++) {
                probe_init(&w[i], f, "GET", "/s");
                w[i].r.pool = HTTP_WATCHES;
                w[i].r.on_data = probe_data;
                http_start(f->http, &w[i].r);
        }
        for (int i = 0; i < MANY; i++)
                step_until(f, w[i].data.len);
        probe_init(&p, f, "GET", "/ok");
        probe_run(&p, f);
        assert_int_equal(p.r.end, HTTP_OK);
        probe_free(&p);
        for (int i = 0; i < MANY; i++)
                probe_free(&w[i]);
        free(w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(two_transfers_that_end_in_one_wake_both_end),
                T(last_transfer_that_ends_on_the_timer_is_seen),
                T(request_may_be_freed_inside_its_own_callback),
                T(request_may_be_started_again_inside_its_own_callback),
                T(cancel_before_the_connect_and_while_waiting),
                T(cancel_between_the_end_and_done),
                T(cancel_in_head_and_free_in_head_and_data),
                T(another_request_may_be_cancelled_and_started_inside_a_callback),
                T(http_goes_while_requests_were_cancelled),
                T(connection_that_ends_inside_a_reply_is_a_reset),
                T(rst_is_a_reset),
                T(silence_in_the_body_ends_a_stream),
                T(bytes_put_the_silence_off),
                T(total_deadline_ends_what_still_talks),
                T(no_first_byte_is_tried_again_on_a_fresh_connection),
                T(second_first_byte_deadline_ends_it),
                T(post_that_was_sent_is_not_sent_again),
                T(post_whose_connection_ends_is_not_repeated_a_patch_is),
                T(more_requests_than_connections_all_end),
                T(watches_do_not_hold_up_requests),
        };

        return cmocka_run_group_tests_name("ends", tests, NULL, NULL);
}
