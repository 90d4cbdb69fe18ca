/* SPDX-License-Identifier: Apache-2.0 */
/* test_exec.c - commands in pods: what is sent, what is kept, and how each end is told
 *
 * A scripted API server plays the kubelet; a script says what it sends and where it breaks. */
#include "kube-api.h"

#include "clock.h"

#include <errno.h>
#include <stdlib.h>

#define POD "/api/v1/namespaces/ns/pods/db-0/exec"
#define SUCCESS "\3{\"metadata\":{},\"status\":\"Success\"}"
#define EXIT_7                                                                                     \
        "\3{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{"      \
        "\"reason\":\"ExitCode\",\"message\":\"7\"}]}}"

static const char uri[] = "abcdefghijklmnopqrstuvwxyz";

/* What the kubelet does, in this order. */
static struct script {
        const char *protocol; /* NULL: v5 */
        int refuse;           /* a status instead of the upgrade */
        const char *body;
        bool reads;               /* stdin, to its end */
        const char *messages[8];  /* channel byte and text */
        size_t flood;             /* bytes of output before them */
        bool reset, hangup, hold; /* instead of a close */
} script;
static struct buf heard; /* of stdin; the server's thread's until it is done */
static char query[1024];

static void read_input(struct server_call *c) {
        cleanup_(buf_free) struct buf m = BUF_INIT;

        while (server_ws_recv(c, &m) == SERVER_WS_BINARY) {
                if (m.len && m.data[0] == '\0')
                        buf_add(&heard, m.data + 1, m.len - 1);
                if (m.len == 2 && (uint8_t)m.data[0] == 255)
                        return;
                buf_clear(&m);
        }
}

static void kubelet(struct server_call *c, void *arg) {
        char piece[1001];

        str_copy(query, sizeof(query), c->query);
        if (script.refuse) {
                server_reply(c, script.refuse, NULL, script.body);
                server_hold(c);
                return;
        }
        server_upgrade(c, script.protocol ? script.protocol : "v5.channel.k8s.io", NULL, 0);
        server_ws_send(c, SERVER_WS_BINARY, "\1", 1);
        if (script.reads)
                read_input(c);
        memset(piece, 'x', sizeof(piece));
        piece[0] = 1;
        for (size_t i = 0; i < script.flood; i += sizeof(piece) - 1)
                server_ws_send(c, SERVER_WS_BINARY, piece, sizeof(piece));
        for (const char **m = script.messages; *m; m++)
                server_ws_send(c, SERVER_WS_BINARY, *m, strlen(*m));
        if (script.reset)
                server_reset(c);
        else if (script.hold)
                server_hold(c);
        else if (!script.hangup)
                server_ws_send(c, SERVER_WS_CLOSE, "\3\350", 2);
}

/* ---- one ask */

static int setup(void **state) {
        struct kube_api *k = mem_new(struct kube_api);

        kube_api_init(k, "{\"resource\":\"pods\",\"responseKind\":{\"group\":\"\",\"version\":"
                         "\"v1\",\"kind\":\"Pod\"},\"scope\":\"Namespaced\",\"verbs\":[\"get\"]}");
        server_route(k->server, "GET", POD, kubelet, NULL);
        kube_api_open(k, NULL, NULL);
        script = (struct script){ 0 };
        buf_clear(&heard);
        *state = k;
        return 0;
}

static int teardown(void **state) {
        kube_api_deinit(*state);
        free(*state);
        buf_free(&heard);
        clock_real();
        return 0;
}

static void on_done(struct op *op) {
        *(bool *)op->arg = true;
}

static void until(struct kube_api *k, const bool *done) {
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; !*done && clock_mono() < end;)
                loop_step(k->loop, 50);
        assert_true(*done);
}

static struct op act(struct kube_api *k, const char *verb, const char *ask,
                     const struct secret_values *values) {
        cleanup_(json_freep) json_t *j = kube_api_json(ask);
        struct act_request r = { .verb = verb, .ask = j, .values = values };
        bool done = false;
        struct op op = { .loop = k->loop, .done = on_done, .arg = &done };

        provider_kube.act(k->target, &r, &op);
        assert_false(done);
        until(k, &done);
        return op;
}

static void must(struct op *op, enum outcome outcome, const char *text) {
        if (op->outcome != outcome || (text && !strstr(err_text(&op->err), text)))
                fail_msg("%s: %s", outcome_name(op->outcome), err_text(&op->err));
        op_clear(op);
}

#define ASK "{\"pod\":\"ns/db-0\",\"container\":\"db\",\"argv\":[\"sh\",\"-c\",\"a b&\"]}"
#define ASK_IN(text) "{\"pod\":\"ns/db-0\",\"argv\":[\"cat\"],\"stdin\":\"" text "\"}"

/* ---- tests */

static void output_and_exit_are_told(void **state) {
        struct op op;

        script.messages[0] = "\1out";
        script.messages[1] = "\2err";
        script.messages[2] = "\1put";
        script.messages[3] = EXIT_7;
        op = act(*state, "exec", ASK, NULL);
        assert_int_equal(op.outcome, OUTCOME_DONE);
        assert_int_equal(json_get_int(op.told, "exit", -1), 7);
        assert_string_equal(json_get_str(op.told, "stdout", ""), "output");
        assert_int_equal(json_get_int(op.told, "stdout-bytes", -1), 6);
        assert_string_equal(json_get_str(op.told, "stderr", ""), "err");
        assert_null(json_get(op.told, "truncated"));
        assert_string_equal(query, "stdout=true&stderr=true&container=db&command=sh&command=-c&"
                                   "command=a%20b%26");
        op_clear(&op);
}

static void input_goes_in_and_ends(void **state) {
        struct secret_values *values = secret_values_new();
        char token[SECRET_TOKEN_MAX];
        cleanup_(freep) char *ask =
                str_format(ASK_IN("user=%s;"), secret_token_write(uri, 1, SECRET_PLAIN, token));
        struct op op;

        secret_values_add(values, uri, 1, "hunter2hunter2", 14);
        script.reads = true;
        script.messages[0] = "\2no login with hunter2hunter2";
        script.messages[1] = SUCCESS;
        op = act(*state, "exec", ask, values);
        assert_int_equal(op.outcome, OUTCOME_DONE);
        assert_int_equal(json_get_int(op.told, "exit", -1), 0);
        assert_string_equal(buf_str(&heard), "user=hunter2hunter2;");
        assert_string_equal(json_get_str(op.told, "stderr", ""), "no login with (hidden)");
        assert_null(strstr(query, "hunter2"));
        op_clear(&op);
        secret_values_free(values);
}

static void a_secret_in_a_command_line_is_refused(void **state) {
        struct secret_values *values = secret_values_new();
        char token[SECRET_TOKEN_MAX];
        cleanup_(freep) char *ask =
                str_format("{\"pod\":\"ns/db-0\",\"argv\":[\"login\",\"-p%s\"]}",
                           secret_token_write(uri, 1, SECRET_PLAIN, token));
        struct op op;

        secret_values_add(values, uri, 1, "hunter2hunter2", 14);
        op = act(*state, "exec", ask, values);
        must(&op, OUTCOME_REFUSED, "/argv/1");
        secret_values_free(values);
}

static void much_output_is_kept_in_part(void **state) {
        struct op op;

        script.flood = 200000;
        script.messages[0] = SUCCESS;
        op = act(*state, "exec", ASK, NULL);
        assert_int_equal(op.outcome, OUTCOME_DONE);
        assert_int_equal(json_string_length(json_get(op.told, "stdout")), 65536);
        assert_int_equal(json_get_int(op.told, "stdout-bytes", -1), 200000);
        assert_true(json_get_bool(op.told, "truncated", false));
        op_clear(&op);
}

static void bytes_that_are_no_text_come_as_base64(void **state) {
        struct op op;

        script.messages[0] = "\1\377\376";
        script.messages[1] = SUCCESS;
        op = act(*state, "exec", ASK, NULL);
        assert_null(json_get(op.told, "stdout"));
        assert_string_equal(json_get_str(op.told, "stdout-base64", ""), "//4=");
        op_clear(&op);
}

static void a_connection_that_breaks_says_nothing_of_the_command(void **state) {
        struct op op;

        script.messages[0] = "\1half";
        for (int i = 0; i < 3; i++) {
                script.reset = i == 0;
                script.hangup = i == 1; /* 2: closed in order, without a Status */
                op = act(*state, "exec", ASK, NULL);
                must(&op, OUTCOME_UNREACHABLE, "it may have run to its end");
        }
        script.reset = true;
        script.messages[1] = SUCCESS; /* said before */
        op = act(*state, "exec", ASK, NULL);
        must(&op, OUTCOME_DONE, NULL);
}

static void refusals_are_told_apart(void **state) {
        static const struct {
                int status;
                const char *body;
                enum outcome outcome;
        } cases[] = {
                { 403, "{\"message\":\"forbidden\"}", OUTCOME_DENIED },
                { 404, "{\"message\":\"pods \\\"db-0\\\" not found\"}", OUTCOME_GONE },
                { 400, "{\"message\":\"container x is not valid for pod db-0\"}", OUTCOME_REFUSED },
                { 400, "{\"message\":\"pod db-0 does not have a host assigned\"}",
                  OUTCOME_NOT_YET },
                { 500, "{\"message\":\"container not found (\\\"db\\\")\"}", OUTCOME_NOT_YET },
                { 500, "{\"message\":\"dial tcp: connection refused\"}", OUTCOME_UNREACHABLE },
        };
        struct op op;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                script.refuse = cases[i].status;
                script.body = cases[i].body;
                op = act(*state, "exec", ASK, NULL);
                must(&op, cases[i].outcome, NULL);
        }
}

static void a_command_that_cannot_be_begun_is_refused(void **state) {
        struct op op;

        script.messages[0] = "\3{\"status\":\"Failure\",\"reason\":\"InternalError\",\"code\":500,"
                             "\"message\":\"exec: \\\"nope\\\": executable file not found in "
                             "$PATH\"}";
        op = act(*state, "exec", ASK, NULL);
        must(&op, OUTCOME_REFUSED, "executable file not found");
        script.messages[0] = "\3{\"stat";
        op = act(*state, "exec", ASK, NULL);
        must(&op, OUTCOME_UNREACHABLE, "cannot be read");
        script.messages[0] = "\7what";
        op = act(*state, "exec", ASK, NULL);
        must(&op, OUTCOME_UNREACHABLE, "channel 7");
}

static void an_older_server_takes_no_input(void **state) {
        struct op op;

        script.protocol = "v4.channel.k8s.io";
        script.messages[0] = SUCCESS;
        op = act(*state, "exec", ASK, NULL);
        must(&op, OUTCOME_DONE, NULL);
        op = act(*state, "exec", ASK_IN("x"), NULL);
        must(&op, OUTCOME_REFUSED, "1.30");
}

static void wrong_asks_are_refused(void **state) {
        static const char *const wrong[] = {
                "{\"argv\":[\"x\"]}",
                "{\"pod\":\"db-0\",\"argv\":[\"x\"]}",
                "{\"pod\":\"ns/db-0/exec?\",\"argv\":[\"x\"]}",
                "{\"pod\":\"ns/db-0\"}",
                "{\"pod\":\"ns/db-0\",\"argv\":[]}",
                "{\"pod\":\"ns/db-0\",\"argv\":[1]}",
                "{\"pod\":\"ns/db-0\",\"argv\":\"x\"}",
        };
        struct op op;

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
                op = act(*state, "exec", wrong[i], NULL);
                must(&op, OUTCOME_REFUSED, NULL);
        }
        op = act(*state, "dance", ASK, NULL);
        must(&op, OUTCOME_REFUSED, "dance");
}

static void what_takes_too_long_ends_and_what_is_cancelled_is_never_heard_of(void **state) {
        struct kube_api *k = *state;
        cleanup_(json_freep) json_t *j = kube_api_json(ASK);
        struct act_request r = { .verb = "exec", .ask = j, .within_ms = 1 };
        bool done = false;
        struct op op = { .loop = k->loop, .done = on_done, .arg = &done };

        script.hold = true;
        provider_kube.act(k->target, &r, &op);
        until(k, &done);
        must(&op, OUTCOME_UNREACHABLE, "it may go on");
        done = false;
        r.within_ms = 0;
        provider_kube.act(k->target, &r, &op);
        loop_step(k->loop, 10);
        provider_kube.cancel(&op);
        for (int i = 0; i < 5; i++)
                loop_step(k->loop, 1);
        assert_false(done);
}

static void a_log_is_read_from_its_end(void **state) {
        struct kube_api *k = *state;
        struct op op = act(k, "log", "{\"pod\":\"ns/none\"}", NULL);

        must(&op, OUTCOME_GONE, NULL);
        op = act(k, "log", "{\"pod\":\"ns/none\",\"lines\":0}", NULL);
        must(&op, OUTCOME_REFUSED, "lines");
}

/* ---- as an end of a stream */

struct end {
        struct bytes *bytes;
        struct buf got;
        bool ended, room;
        enum outcome outcome;
        struct err err;
        json_t *told;
};

static void end_data(void *arg, const void *data, size_t len) {
        buf_add(&((struct end *)arg)->got, data, len);
}

static void end_room(void *arg) {
        ((struct end *)arg)->room = true;
}

static void end_end(void *arg, enum outcome outcome, const struct err *err, json_t *told) {
        struct end *e = arg;

        e->ended = true;
        e->outcome = outcome;
        e->err = *err;
        e->told = told;
}

static void end_open(struct kube_api *k, struct end *e, const json_t *ask, bool into) {
        struct bytes_request r = { .verb = "exec",
                                   .ask = ask,
                                   .into = into,
                                   .on_data = end_data,
                                   .on_room = end_room,
                                   .on_end = end_end,
                                   .arg = e };

        *e = (struct end){ 0 };
        e->bytes = provider_kube.bytes(k->target, &r, NULL);
        assert_non_null(e->bytes);
}

static void end_close(struct end *e) {
        e->bytes->free(e->bytes);
        json_decref(e->told);
        buf_free(&e->got);
}

static void a_command_that_fails_breaks_its_stream(void **state) {
        struct kube_api *k = *state;
        cleanup_(json_freep) json_t *ask = kube_api_json(ASK);
        struct end e;

        script.messages[0] = "\1part of it";
        script.messages[1] = "\2disk is full";
        script.messages[2] = EXIT_7;
        end_open(k, &e, ask, false);
        until(k, &e.ended);
        assert_int_equal(e.outcome, OUTCOME_REFUSED);
        assert_string_equal(buf_str(&e.got), "part of it");
        assert_non_null(strstr(err_text(&e.err), "disk is full"));
        assert_int_equal(json_get_int(e.told, "exit", 0), 7);
        end_close(&e);
        script.messages[2] = SUCCESS;
        end_open(k, &e, ask, false);
        until(k, &e.ended);
        assert_int_equal(e.outcome, OUTCOME_DONE);
        end_close(&e);
}

static void why_it_ended_is_told_behind_many_warnings(void **state) {
        struct kube_api *k = *state;
        cleanup_(json_freep) json_t *ask = kube_api_json(ASK);
        cleanup_(freep) char *said =
                str_format("\2%0400d\nWarning: %0100d\nGot error: 1045\n", 7, 8);
        struct end e;

        script.messages[0] = said;
        script.messages[1] = EXIT_7;
        end_open(k, &e, ask, false);
        until(k, &e.ended);
        assert_non_null(strstr(err_text(&e.err), "ended with 7: Warning: 0"));
        assert_non_null(strstr(err_text(&e.err), "Got error: 1045"));
        end_close(&e);
}

static void a_command_is_fed_as_fast_as_it_reads(void **state) {
        struct kube_api *k = *state;
        cleanup_(json_freep) json_t *ask = kube_api_json(ASK);
        char piece[65536];
        size_t sent = 0;
        struct end e;

        memset(piece, 'y', sizeof(piece));
        script.hold = true; /* reads nothing */
        end_open(k, &e, ask, true);
        while (e.bytes->write(e.bytes, piece, sizeof(piece)))
                assert_true((sent += sizeof(piece)) < 1u << 20); /* says no while it is not open */
        end_close(&e);
        script = (struct script){ .reads = true, .messages = { SUCCESS } };
        buf_clear(&heard);
        end_open(k, &e, ask, true);
        for (sent = 0; sent < 8u << 20; sent += sizeof(piece)) {
                e.room = false;
                if (!e.bytes->write(e.bytes, piece, sizeof(piece)))
                        until(k, &e.room);
        }
        e.bytes->finish(e.bytes);
        until(k, &e.ended);
        assert_int_equal(e.outcome, OUTCOME_DONE);
        assert_int_equal(heard.len, sent);
        end_close(&e);
}

static void a_command_that_ends_unread_breaks_its_stream(void **state) {
        struct kube_api *k = *state;
        cleanup_(json_freep) json_t *ask = kube_api_json(ASK);
        struct end e;

        script.messages[0] = SUCCESS;
        end_open(k, &e, ask, true);
        until(k, &e.ended);
        assert_int_equal(e.outcome, OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&e.err), "before it had read all"));
        end_close(&e);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(output_and_exit_are_told),
                TEST(input_goes_in_and_ends),
                TEST(a_secret_in_a_command_line_is_refused),
                TEST(much_output_is_kept_in_part),
                TEST(bytes_that_are_no_text_come_as_base64),
                TEST(a_connection_that_breaks_says_nothing_of_the_command),
                TEST(refusals_are_told_apart),
                TEST(a_command_that_cannot_be_begun_is_refused),
                TEST(an_older_server_takes_no_input),
                TEST(wrong_asks_are_refused),
                TEST(what_takes_too_long_ends_and_what_is_cancelled_is_never_heard_of),
                TEST(a_log_is_read_from_its_end),
                TEST(a_command_that_fails_breaks_its_stream),
                TEST(why_it_ended_is_told_behind_many_warnings),
                TEST(a_command_is_fed_as_fast_as_it_reads),
                TEST(a_command_that_ends_unread_breaks_its_stream),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
