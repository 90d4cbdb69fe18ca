/* SPDX-License-Identifier: Apache-2.0 */
/* test_websocket.c - opening, frames, pings, closing and refusals */
#include "certs.h"
#include "fixture.h"

#include <errno.h>
#include <unistd.h>

#define LARGE 14014 /* bytes behind a 101's head, as seen from a kube-apiserver */

struct peer {
        struct websocket *w;
        int opened, closed, writable, messages;
        char protocol[64];
        struct buf got;
        size_t last_len;
        int close_r;
        long close_status;
        char close_text[ERR_TEXT_MAX];
        int free_in; /* which callback frees: 1 open, 2 message, 3 close */
};

static void maybe_free(struct peer *p, int where) {
        if (p->free_in == where)
                p->w = websocket_free(p->w);
}

static void on_open(void *arg, const char *protocol) {
        struct peer *p = arg;

        p->opened++;
        str_copy(p->protocol, sizeof(p->protocol), protocol);
        maybe_free(p, 1);
}

static void on_message(void *arg, const uint8_t *data, size_t len) {
        struct peer *p = arg;

        p->messages++;
        p->last_len = len;
        buf_add(&p->got, data, len);
        maybe_free(p, 2);
}

static void on_writable(void *arg) {
        struct peer *p = arg;

        p->writable++;
}

static void on_close(void *arg, int r, long status, const struct err *err) {
        struct peer *p = arg;

        p->closed++;
        p->close_r = r;
        p->close_status = status;
        str_copy(p->close_text, sizeof(p->close_text), err ? err->text : "");
        maybe_free(p, 3);
}

static struct websocket_config config(struct fixture *f, struct peer *p) {
        *p = (struct peer){ 0 };
        return (struct websocket_config){ .server = f->to,
                                          .path = "/ws",
                                          .protocols = "v5.channel.k8s.io, v4.channel.k8s.io",
                                          .on_open = on_open,
                                          .on_message = on_message,
                                          .on_writable = on_writable,
                                          .on_close = on_close,
                                          .arg = p };
}

static void begin(struct fixture *f, struct peer *p, const struct websocket_config *c) {
        struct err err = { 0 };

        assert_int_equal(websocket_open(f->http, c, &p->w, &err), 0);
        assert_int_equal(p->opened + p->closed, 0);
}

static void end(struct peer *p) {
        p->w = websocket_free(p->w);
        buf_free(&p->got);
}

/* ---- the server's side */

static int server_saw_close;

static void echo(struct server_call *c, void *arg) {
        cleanup_(buf_free) struct buf b = BUF_INIT;
        int opcode;

        if (!server_upgrade(c, "v4.channel.k8s.io", NULL, 0))
                return;
        while ((opcode = server_ws_recv(c, &b)) >= 0) {
                if (opcode == SERVER_WS_CLOSE) {
                        __atomic_add_fetch(&server_saw_close, 1, __ATOMIC_SEQ_CST);
                        server_ws_send(c, SERVER_WS_CLOSE, b.data, b.len);
                        return;
                }
                if (opcode == SERVER_WS_BINARY)
                        server_ws_send(c, opcode, b.data, b.len);
        }
}

static void messages_go_both_ways(void **state) {
        struct fixture *f = *state;
        static const size_t sizes[] = { 0, 1, 125, 126, 65535, 65536, 300000 };
        struct peer p;
        struct websocket_config c = config(f, &p);
        char *data = mem_alloc(300000);

        server_route(f->server, "GET", "/ws", echo, NULL);
        for (size_t i = 0; i < 300000; i++)
                data[i] = (char)(i * 7);
        begin(f, &p, &c);
        assert_int_equal(websocket_send(p.w, "x", 1), -EPIPE); /* not open yet */
        step_until(f, p.opened);
        assert_string_equal(p.protocol, "v4.channel.k8s.io");
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                buf_clear(&p.got);
                assert_int_equal(websocket_send(p.w, data, sizes[i]), 0);
                step_until(f, p.messages == (int)i + 1);
                assert_int_equal(p.last_len, sizes[i]);
                assert_memory_equal(buf_str(&p.got), data, sizes[i]);
        }
        assert_int_equal(websocket_unsent(p.w), 0);
        end(&p);
        step_until(f, __atomic_load_n(&server_saw_close, __ATOMIC_SEQ_CST) == 1);
        assert_int_equal(p.closed, 0);
        free(data);
}

static void behind(struct server_call *c, void *arg) {
        cleanup_(buf_free) struct buf frames = BUF_INIT;
        char piece[1000];

        memset(piece, 'b', sizeof(piece));
        while (frames.len + sizeof(piece) + 4 <= LARGE)
                server_ws_frame(&frames, SERVER_WS_BINARY, piece, sizeof(piece));
        server_upgrade(c, NULL, frames.data, frames.len);
        server_hold(c);
}

static void bytes_behind_the_head_are_frames(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        server_route(f->server, "GET", "/ws", behind, NULL);
        begin(f, &p, &c);
        step_until(f, p.messages == LARGE / 1004);
        assert_int_equal(p.opened, 1);
        assert_int_equal(p.got.len, LARGE / 1004 * 1000);
        end(&p);
}

static void fragments(struct server_call *c, void *arg) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        server_upgrade(c, NULL, NULL, 0);
        server_ws_frame(&b, SERVER_WS_BINARY, "one-", 4);
        b.data[0] = SERVER_WS_BINARY;                /* without FIN */
        server_ws_frame(&b, SERVER_WS_PING, "p", 1); /* may stand between fragments */
        server_ws_frame(&b, 0, "two", 3);
        server_raw(c, b.data, b.len);
        if (server_ws_recv(c, &b) == SERVER_WS_PONG && strcmp(b.data, "p") == 0)
                server_ws_send(c, SERVER_WS_BINARY, "ponged", 6);
        server_hold(c);
}

static void fragments_are_one_message_and_pings_are_answered(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        server_route(f->server, "GET", "/ws", fragments, NULL);
        begin(f, &p, &c);
        step_until(f, p.messages == 2);
        assert_string_equal(p.got.data, "one-twoponged");
        end(&p);
}

static void answers_pings(struct server_call *c, void *arg) {
        cleanup_(buf_free) struct buf b = BUF_INIT;
        int *answers = arg;

        server_upgrade(c, NULL, NULL, 0);
        for (int i = 0; i < *answers && server_ws_recv(c, &b) == SERVER_WS_PING; i++) {
                server_ws_send(c, SERVER_WS_PONG, b.data, b.len);
                server_ws_send(c, SERVER_WS_BINARY, "ping seen", 9);
        }
        server_hold(c);
}

static void two_pings_without_an_answer_close(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);
        int answers = 3;

        clock_fake(1000, 1000);
        c.ping_ms = 10000;
        server_route(f->server, "GET", "/ws", answers_pings, &answers);
        begin(f, &p, &c);
        step_until(f, p.opened);
        for (int i = 1; i <= answers; i++) {
                loop_advance(f->loop, 10000);
                step_until(f, p.messages == i);
        }
        loop_advance(f->loop, 20000); /* two more, that nobody answers */
        assert_int_equal(p.closed, 0);
        loop_advance(f->loop, 10000);
        assert_int_equal(p.closed, 1);
        assert_int_equal(p.close_r, -ETIMEDOUT);
        assert_non_null(strstr(p.close_text, "two pings without an answer"));
        assert_int_equal(websocket_send(p.w, "x", 1), -EPIPE);
        end(&p);
}

/* Who may read slowly is not taken for dead, and the kernel is not told to do so either. */
static void a_patient_one_waits_for_no_answer(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);
        int answers = 0;

        clock_fake(1000, 1000);
        c.ping_ms = 10000;
        c.patient = true;
        server_route(f->server, "GET", "/ws", answers_pings, &answers);
        begin(f, &p, &c);
        step_until(f, p.opened);
        loop_advance(f->loop, 600000);
        assert_int_equal(p.closed, 0);
        assert_int_equal(websocket_send(p.w, "x", 1), 0);
        end(&p);
}

static void reads_when_let(struct server_call *c, void *arg) {
        cleanup_(buf_free) struct buf b = BUF_INIT;

        server_upgrade(c, NULL, NULL, 0);
        if (!server_wait(c, "read"))
                return;
        while (server_ws_recv(c, &b) >= 0)
                buf_clear(&b);
}

static void a_limit_of_ones_own_throttles_until_half_is_out(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);
        static char piece[65536];
        int r = 0;

        c.send_max = 4 * sizeof(piece);
        server_route(f->server, "GET", "/ws", reads_when_let, NULL);
        begin(f, &p, &c);
        step_until(f, p.opened);
        for (int i = 0; i < 1000 && r == 0; i++) { /* what the kernel takes is not ours to count */
                r = websocket_send(p.w, piece, sizeof(piece));
                loop_step(f->loop, 0);
        }
        assert_int_equal(r, -EAGAIN);
        assert_true(websocket_unsent(p.w) <= c.send_max + 16384);
        assert_int_equal(p.writable, 0);
        server_open(f->server, "read");
        step_until(f, p.writable == 1);
        assert_true(websocket_unsent(p.w) <= c.send_max / 2);
        end(&p);
}

static void closes(struct server_call *c, void *arg) {
        const int *code = arg;
        cleanup_(buf_free) struct buf b = BUF_INIT;
        uint8_t payload[2] = { (uint8_t)(*code >> 8), (uint8_t)*code };

        server_upgrade(c, NULL, NULL, 0);
        server_ws_send(c, SERVER_WS_CLOSE, payload, *code ? 2 : 0);
        if (server_ws_recv(c, &b) == SERVER_WS_CLOSE)
                __atomic_add_fetch(&server_saw_close, 1, __ATOMIC_SEQ_CST);
}

static void servers_close_is_told_with_its_code(void **state) {
        struct fixture *f = *state;
        static const struct {
                int code, r;
        } cases[] = { { 1000, 0 }, { 1001, 0 }, { 0, 0 }, { 1011, -EPROTO } };
        struct peer p;

        server_saw_close = 0;
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct websocket_config c = config(f, &p);

                server_route(f->server, "GET", "/ws", closes, (int *)&cases[i].code);
                begin(f, &p, &c);
                step_until(f, p.closed);
                assert_int_equal(p.opened, 1);
                assert_int_equal(p.close_r, cases[i].r);
                assert_int_equal(p.close_status, 0);
                assert_true(cases[i].r == 0 || strstr(p.close_text, "code 1011"));
                step_until(f, __atomic_load_n(&server_saw_close, __ATOMIC_SEQ_CST) == (int)i + 1);
                end(&p);
        }
}

static void ends(struct server_call *c, void *arg) {
        server_upgrade(c, NULL, NULL, 0);
        server_ws_send(c, SERVER_WS_BINARY, "last", 4);
        if (arg)
                server_reset(c);
}

static void end_without_a_close_frame_is_an_error(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        server_route(f->server, "GET", "/ws", ends, NULL);
        begin(f, &p, &c);
        step_until(f, p.closed);
        assert_int_equal(p.close_r, -ECONNRESET);
        assert_string_equal(buf_str(&p.got), "last"); /* what came before it was delivered */
        end(&p);
}

static void refuses(struct server_call *c, void *arg) {
        server_reply(c, 403, NULL, "{\"message\":\"pods \\\"x\\\" is forbidden\"}\n");
        server_hold(c);
}

static void refusal_tells_status_and_reason(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        server_route(f->server, "GET", "/ws", refuses, NULL);
        begin(f, &p, &c);
        step_until(f, p.closed);
        assert_int_equal(p.opened, 0);
        assert_int_equal(p.close_status, 403);
        assert_int_equal(p.close_r, -ECONNREFUSED);
        assert_non_null(strstr(p.close_text, "status 403: {\"message\":\"pods"));
        end(&p);
}

static void sends_raw(struct server_call *c, void *arg) {
        server_raw(c, arg, strlen(arg));
        server_hold(c);
}

static void improper_answers_are_refused(void **state) {
        struct fixture *f = *state;
        static const char *const bad[] = {
                "HTTP/1.1 101 X\r\n\r\n",
                "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
                "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", /* of another key */
                "HTTP/1.1 101 X\r\nUpgrade: h2c\r\n\r\n",
                "SSH-2.0-OpenSSH_9.2\r\n\r\n",
                "HTTP/2 101\r\n\r\n",
        };
        struct peer p;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct websocket_config c = config(f, &p);

                server_route(f->server, "GET", "/ws", sends_raw, (char *)bad[i]);
                begin(f, &p, &c);
                step_until(f, p.closed);
                assert_int_equal(p.opened, 0);
                assert_int_equal(p.close_r, -EPROTO);
                end(&p);
        }
}

static void other_protocol(struct server_call *c, void *arg) {
        server_upgrade(c, "v1.channel.k8s.io", NULL, 0);
        server_hold(c);
}

static void protocol_that_was_not_offered_is_refused(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        server_route(f->server, "GET", "/ws", other_protocol, NULL);
        begin(f, &p, &c);
        step_until(f, p.closed);
        assert_int_equal(p.close_r, -EPROTO);
        assert_non_null(strstr(p.close_text, "v1.channel.k8s.io"));
        end(&p);
}

static void holds(struct server_call *c, void *arg) {
        server_hold(c);
}

static void opening_has_a_deadline(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        clock_fake(1000, 1000);
        c.open_ms = 5000;
        server_route(f->server, "GET", "/ws", holds, NULL);
        begin(f, &p, &c);
        step_until(f, server_waiting(f->server));
        loop_advance(f->loop, 4999);
        assert_int_equal(p.closed, 0);
        loop_advance(f->loop, 1);
        assert_int_equal(p.close_r, -ETIMEDOUT);
        end(&p);
}

static void nobody_listening_is_told_by_close(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c;

        fixture_target(f, &(struct http_server_config){ .url = "http://127.0.0.1:1" });
        c = config(f, &p);
        begin(f, &p, &c);
        step_until(f, p.closed);
        assert_int_equal(p.close_r, -EHOSTUNREACH);
        assert_string_equal(p.close_text, "127.0.0.1:1: connection refused");
        end(&p);
}

static void message_beyond_the_limit_ends_it(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        c.message_max = 999;
        server_route(f->server, "GET", "/ws", behind, NULL);
        begin(f, &p, &c);
        step_until(f, p.closed);
        assert_int_equal(p.close_r, -EMSGSIZE);
        assert_int_equal(p.messages, 0);
        end(&p);
}

static void reads_when_open(struct server_call *c, void *arg) {
        cleanup_(buf_free) struct buf b = BUF_INIT;
        size_t *total = arg;

        server_upgrade(c, NULL, NULL, 0);
        if (!server_wait(c, "read"))
                return;
        while (server_ws_recv(c, &b) == SERVER_WS_BINARY)
                __atomic_add_fetch(total, b.len, __ATOMIC_SEQ_CST);
}

static void sender_is_told_to_wait_and_when_to_go_on(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);
        size_t total = 0;
        size_t sent = 0;
        char *data = mem_alloc(1u << 20);
        int r;

        server_route(f->server, "GET", "/ws", reads_when_open, &total);
        begin(f, &p, &c);
        step_until(f, p.opened);
        while ((r = websocket_send(p.w, data, 1u << 20)) == 0) {
                sent += 1u << 20;
                loop_step(f->loop, 0);
                assert_true(sent < (256u << 20));
        }
        assert_int_equal(r, -EAGAIN);
        assert_true(websocket_unsent(p.w) <= WEBSOCKET_SEND_MAX);
        assert_int_equal(p.writable, 0);
        server_open(f->server, "read");
        step_until(f, p.writable);
        assert_int_equal(websocket_send(p.w, data, 1u << 20), 0);
        sent += 1u << 20;
        step_until(f, __atomic_load_n(&total, __ATOMIC_SEQ_CST) == sent);
        end(&p);
        free(data);
}

/* A close frame must not overtake them. */
static void free_lets_out_what_was_sent_before(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);
        size_t total = 0;

        server_route(f->server, "GET", "/ws", reads_when_open, &total);
        server_open(f->server, "read");
        begin(f, &p, &c);
        step_until(f, p.opened);
        assert_int_equal(websocket_send(p.w, "last", 4), 0);
        assert_int_equal(websocket_send(p.w, "words", 5), 0);
        end(&p);
        step_until(f, __atomic_load_n(&total, __ATOMIC_SEQ_CST) == 9);
}

static void paused_reader_gets_nothing_until_it_goes_on(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        server_route(f->server, "GET", "/ws", echo, NULL);
        begin(f, &p, &c);
        step_until(f, p.opened);
        websocket_pause(p.w, true);
        websocket_send(p.w, "hello", 5);
        for (int i = 0; i < 5; i++)
                loop_step(f->loop, 10);
        assert_int_equal(p.messages, 0);
        websocket_pause(p.w, false);
        step_until(f, p.messages == 1);
        end(&p);
}

static void every_callback_may_free(void **state) {
        struct fixture *f = *state;
        struct peer p;

        for (int where = 1; where <= 3; where++) {
                struct websocket_config c = config(f, &p);

                server_route(f->server, "GET", "/ws", where == 3 ? ends : behind, NULL);
                p.free_in = where;
                begin(f, &p, &c);
                step_until(f, !p.w);
                assert_int_equal(p.messages, where == 1 ? 0 : 1);
                assert_int_equal(p.closed, where == 3);
                while (loop_step(f->loop, 0))
                        ;
                assert_int_equal(p.messages, where == 1 ? 0 : 1);
                end(&p);
        }
}

static void free_in_every_state(void **state) {
        struct fixture *f = *state;
        struct peer p;
        struct websocket_config c = config(f, &p);

        server_route(f->server, "GET", "/ws", holds, NULL);
        begin(f, &p, &c);
        end(&p); /* before anything */
        begin(f, &p, &c);
        step_until(f, server_waiting(f->server)); /* the request is out */
        end(&p);
        assert_int_equal(p.opened + p.closed, 0);
}

/* The trap: with h2 in the handshake's offer, sending on the bare connection crashes curl. */
static void works_over_tls_with_a_client_certificate(void **state) {
        struct fixture *f = *state;
        struct certs *ca = certs_new("test CA");
        cleanup_(freep) char *cert = NULL, *key = NULL, *client = NULL, *client_key = NULL;
        struct websocket_config c;
        struct peer p;
        char *data = mem_alloc(500000);

        certs_issue(ca, "server", "IP:127.0.0.1", 30, &cert, &key);
        certs_issue(ca, "client", NULL, 30, &client, &client_key);
        server_free(f->server);
        f->server = server_new(&(struct server_config){
                .cert_pem = cert, .key_pem = key, .client_ca_pem = certs_ca_pem(ca) });
        fixture_target(f, &(struct http_server_config){ .url = server_url(f->server),
                                                        .ca_pem = certs_ca_pem(ca),
                                                        .cert_pem = client,
                                                        .key_pem = client_key });
        server_route(f->server, "GET", "/ws", echo, NULL);
        c = config(f, &p);
        begin(f, &p, &c);
        step_until(f, p.opened);
        for (int i = 1; i <= 5; i++) {
                assert_int_equal(websocket_send(p.w, data, 500000), 0);
                step_until(f, p.messages == i);
                assert_int_equal(p.last_len, 500000);
        }
        end(&p);
        certs_free(ca);
        free(data);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(messages_go_both_ways),
                T(bytes_behind_the_head_are_frames),
                T(fragments_are_one_message_and_pings_are_answered),
                T(two_pings_without_an_answer_close),
                T(a_patient_one_waits_for_no_answer),
                T(a_limit_of_ones_own_throttles_until_half_is_out),
                T(servers_close_is_told_with_its_code),
                T(end_without_a_close_frame_is_an_error),
                T(refusal_tells_status_and_reason),
                T(improper_answers_are_refused),
                T(protocol_that_was_not_offered_is_refused),
                T(opening_has_a_deadline),
                T(nobody_listening_is_told_by_close),
                T(message_beyond_the_limit_ends_it),
                T(sender_is_told_to_wait_and_when_to_go_on),
                T(free_lets_out_what_was_sent_before),
                T(paused_reader_gets_nothing_until_it_goes_on),
                T(every_callback_may_free),
                T(free_in_every_state),
                T(works_over_tls_with_a_client_certificate),
        };

        return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
