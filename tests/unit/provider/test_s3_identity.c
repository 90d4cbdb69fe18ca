/* SPDX-License-Identifier: Apache-2.0 */
/* test_s3_identity.c - the machine's managed identity: how its token is asked for, kept, renewed
 * and sent, and how long a store that fails is waited for, against a metadata service and a
 * store of a few lines
 *
 * The clock stands; it is moved to the next timer while the operation pauses, and never while a
 * request is out. */
#include "s3-stage.h"

#include "clock.h"
#include "s3-config.h"
#include "s3-identity.h"

#include <pthread.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define STEPS_MAX 4000
#define NOW_S 1800000000LL
#define LASTS_S 3600

/* What both answer with, and what they saw. Of each list the last goes on. */
static struct {
        pthread_mutex_t lock;
        int imds[8], store[4]; /* statuses, 0 ends */
        const char *says;      /* what IMDS says with the last; NULL: a token */
        int asked, tokens, stored;
        char query[256], metadata[16], bearer[64], version[32];
} outside = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int status_of(const int *list, int n) {
        int at = 0;

        while (at < n && list[at + 1])
                at++;
        return list[at];
}

static void imds(struct server_call *c, void *arg) {
        char token[256];
        const char *says;
        int status;

        pthread_mutex_lock(&outside.lock);
        status = status_of(outside.imds, outside.asked++);
        outside.tokens += status == 200;
        str_copy(outside.query, sizeof(outside.query), c->query);
        str_copy(outside.metadata, sizeof(outside.metadata),
                 server_header(c, "Metadata") ? server_header(c, "Metadata") : "");
        snprintf(
                token, sizeof(token),
                "{\"access_token\":\"token-%d\",\"expires_on\":\"%lld\",\"token_type\":\"Bearer\"}",
                outside.tokens, NOW_S + (long long)LASTS_S * outside.tokens);
        says = outside.says;
        pthread_mutex_unlock(&outside.lock);
        server_reply(c, status, NULL, says ? says : status == 200 ? token : "{}");
}

static void store(struct server_call *c, void *arg) {
        int status;

        pthread_mutex_lock(&outside.lock);
        status = status_of(outside.store, outside.stored++);
        str_copy(outside.bearer, sizeof(outside.bearer),
                 server_header(c, "Authorization") ? server_header(c, "Authorization") : "");
        str_copy(outside.version, sizeof(outside.version),
                 server_header(c, "x-ms-version") ? server_header(c, "x-ms-version") : "");
        pthread_mutex_unlock(&outside.lock);
        server_reply(c, status,
                     status == 403 ? "x-ms-error-code: AuthorizationPermissionMismatch\r\n" : NULL,
                     "");
}

struct world {
        struct s3_stage stage;
        struct server *imds;
};

static int setup(void **state) {
        struct world *w = mem_new(struct world);

        clock_fake(1000, NOW_S * 1000);
        w->imds = server_new(NULL);
        server_route(w->imds, "GET", "/metadata/identity/oauth2/token", imds, NULL);
        s3_stage_open(&w->stage, store,
                      json_pack("{s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s}}", "engine", "azure", "via",
                                "ns/store-0", "access-key", "acc", "identity", "client-id",
                                "0123-abcd", "address", server_url(w->imds), "tls", "mode",
                                "plain"));
        memset(outside.imds, 0, sizeof(outside.imds));
        memset(outside.store, 0, sizeof(outside.store));
        outside.imds[0] = outside.store[0] = 200;
        outside.asked = outside.tokens = outside.stored = 0;
        outside.says = NULL;
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;

        s3_stage_close(&w->stage);
        server_free(w->imds);
        free(w);
        clock_real();
        return 0;
}

static void on_done(struct op *op) {
        *(bool *)op->arg = true;
}

static void see_asking(void *arg, const struct flow *f, const char *step) {
        *(bool *)arg |= f->asking;
}

static void pass(struct world *w) {
        bool asking = false;

        flow_each(w->stage.loop, see_asking, &asking);
        if (!asking && loop_next(w->stage.loop) > 0)
                loop_advance(w->stage.loop, loop_next(w->stage.loop));
}

static enum outcome head(struct world *w, struct op *ret) {
        cleanup_(json_freep) json_t *ask = json_pack("{s:s, s:s}", "bucket", "b", "key", "k");
        struct act_request r = { .verb = "head-object", .ask = ask };
        bool done = false;

        *ret = (struct op){ .loop = w->stage.loop, .done = on_done, .arg = &done };
        provider_s3.act(w->stage.target, &r, ret);
        for (int i = 0; !done && i < STEPS_MAX; i++)
                if (!loop_step(w->stage.loop, 5))
                        pass(w);
        assert_true(done);
        return ret->outcome;
}

static void says(const struct op *op, const char *text) {
        if (!strstr(op->err.text, text))
                fail_msg("\"%s\" is not in: %s", text, op->err.text);
        assert_null(strstr(op->err.text, "token-"));
}

/* ---- */

static void a_token_is_asked_for_once_and_sent_with_each_request(void **state) {
        struct world *w = *state;
        struct op op;

        assert_int_equal(head(w, &op), OUTCOME_DONE);
        op_clear(&op);
        assert_int_equal(head(w, &op), OUTCOME_DONE);
        op_clear(&op);
        assert_int_equal(outside.asked, 1);
        assert_int_equal(outside.stored, 2);
        assert_string_equal(outside.bearer, "Bearer token-1");
        assert_string_equal(outside.version, "2021-12-02");
        assert_string_equal(outside.metadata, "true");
        assert_string_equal(outside.query,
                            "api-version=2018-02-01&resource="
                            "https%3A%2F%2Fstorage.azure.com%2F&client_id=0123-abcd");
}

static void a_token_is_renewed_before_it_runs_out(void **state) {
        struct world *w = *state;
        struct op op;

        assert_int_equal(head(w, &op), OUTCOME_DONE);
        clock_fake_advance(LASTS_S * 1000 - S3_IDENTITY_MARGIN_MS - 60000);
        op_clear(&op);
        assert_int_equal(head(w, &op), OUTCOME_DONE);
        assert_int_equal(outside.asked, 1);
        clock_fake_advance(60000);
        op_clear(&op);
        assert_int_equal(head(w, &op), OUTCOME_DONE);
        assert_int_equal(outside.asked, 2);
        assert_string_equal(outside.bearer, "Bearer token-2");
        op_clear(&op);
}

static void what_passes_is_waited_for(void **state) {
        static const int answers[] = { 410, 429, 500, 404, 503, 200 };
        struct world *w = *state;
        struct op op;

        memcpy(outside.imds, answers, sizeof(answers));
        assert_int_equal(head(w, &op), OUTCOME_DONE);
        assert_int_equal(outside.asked, ARRAY_SIZE(answers));
        assert_string_equal(outside.bearer, "Bearer token-1");
        op_clear(&op);
}

static void what_does_not_pass_is_given_up_and_said(void **state) {
        struct world *w = *state;
        int64_t since = clock_mono();
        struct op op;

        outside.imds[0] = 410;
        assert_int_equal(head(w, &op), OUTCOME_UNREACHABLE);
        says(&op, "managed identity: gave up after 1m40s");
        says(&op, "answered 410");
        assert_int_equal(clock_mono() - since, S3_IDENTITY_MS);
        assert_in_range(outside.asked, 6, 16);
        assert_int_equal(outside.stored, 0);
        op_clear(&op);
}

static void a_refusal_is_said_at_once(void **state) {
        struct world *w = *state;
        struct op op;

        outside.imds[0] = 400;
        outside.says =
                "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}";
        assert_int_equal(head(w, &op), OUTCOME_DENIED);
        says(&op, "Identity not found (400): assign an identity to this machine");
        assert_int_equal(outside.asked, 1);
        op_clear(&op);
}

static void an_answer_without_a_token_that_is_valid_is_none(void **state) {
        static const char *const answers[] = {
                "]",
                "[]",
                "{}",
                "{\"access_token\":\"token-x\"}",
                "{\"access_token\":\"token-x\",\"expires_on\":\"1700000000\"}",
                "{\"access_token\":\"token-x\",\"expires_on\":\"soon\"}",
                "{\"access_token\":7,\"expires_on\":\"1900000000\"}",
        };
        struct world *w = *state;
        struct op op;

        for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
                outside.says = answers[i];
                assert_int_equal(head(w, &op), OUTCOME_UNREACHABLE);
                says(&op, "without a token that is valid now");
                op_clear(&op);
        }
        assert_int_equal(outside.stored, 0);
        outside.says = "{\"access_token\":\"number\",\"expires_on\":1900000000}";
        assert_int_equal(head(w, &op), OUTCOME_DONE);
        assert_string_equal(outside.bearer, "Bearer number");
        op_clear(&op);
}

static void a_token_that_the_store_refuses_is_replaced_once(void **state) {
        static const int answers[] = { 200, 401, 200 };
        struct world *w = *state;
        struct op op;

        memcpy(outside.store, answers, sizeof(answers));
        assert_int_equal(head(w, &op), OUTCOME_DONE);
        op_clear(&op);
        assert_int_equal(head(w, &op), OUTCOME_DONE);
        op_clear(&op);
        assert_int_equal(outside.asked, 2);
        assert_string_equal(outside.bearer, "Bearer token-2");
        outside.store[0] = 401;
        outside.store[1] = outside.stored = 0;
        assert_int_equal(head(w, &op), OUTCOME_DENIED);
        assert_int_equal(outside.stored, 2);
        assert_int_equal(outside.asked, 3);
        op_clear(&op);
}

static void a_missing_right_says_which_role_is_wanted(void **state) {
        struct world *w = *state;
        struct op op;

        outside.store[0] = 403;
        assert_int_equal(head(w, &op), OUTCOME_DENIED);
        says(&op, "Storage Blob Data Contributor");
        says(&op, "AuthorizationPermissionMismatch");
        assert_int_equal(outside.stored, 1);
        op_clear(&op);
}

/* ---- a stream, for which the store is away */

struct ended {
        bool over;
        enum outcome outcome;
        struct err err;
};

static void on_data(void *arg, const void *data, size_t len) {
}

static void on_end(void *arg, enum outcome outcome, const struct err *err, json_t *told) {
        struct ended *e = arg;

        json_decref(told);
        e->over = true;
        e->outcome = outcome;
        e->err = *err;
}

static void a_stream_says_its_trouble_and_gives_up_after_some_tries(void **state) {
        cleanup_(json_freep) json_t *ask = json_pack("{s:s, s:s}", "bucket", "b", "key", "k");
        struct world *w = *state;
        struct ended e = {};
        struct bytes_request r = {
                .verb = "object", .ask = ask, .on_data = on_data, .on_end = on_end, .arg = &e
        };
        char text[ERR_TEXT_MAX] = "", newest[ERR_TEXT_MAX];
        struct err err = {};
        struct bytes *b = provider_s3.bytes(w->stage.target, &r, &err);

        outside.store[0] = 500;
        assert_non_null(b);
        assert_false(b->trouble(b, text, sizeof(text)));
        for (int i = 0; !e.over && i < STEPS_MAX; i++) {
                if (!loop_step(w->stage.loop, 5))
                        pass(w);
                if (!e.over && b->trouble(b, newest, sizeof(newest)))
                        str_copy(text, sizeof(text), newest);
        }
        assert_true(e.over);
        assert_int_equal(e.outcome, OUTCOME_UNREACHABLE);
        assert_int_equal(outside.stored, 12);
        assert_non_null(strstr(e.err.text, "step piece: gave up after 12 tries in "));
        assert_non_null(strstr(text, "tried 11 times: "));
        assert_non_null(strstr(text, "answered 500"));
        b->free(b);
}

static void bad_targets_say_what_is_wrong(void **state) {
        static const struct {
                const char *rest, *text;
        } table[] = {
                { "\"engine\":\"azure\"", "secret-key" },
                { "\"engine\":\"minio\",\"identity\":{}", "identity" },
                { "\"engine\":\"azure\",\"identity\":{},\"secret-key\":\"a2V5\"", "identity" },
                { "\"engine\":\"azure\",\"identity\":{\"client-id\":\"a&b\"}", "client id" },
                { "\"engine\":\"azure\",\"identity\":{\"address\":\"http://10.0.0.1\"}",
                  "for tests" },
                { "\"engine\":\"azure\",\"identity\":{\"name\":\"x\"}", "name" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                cleanup_(freep) char *text = str_format(
                        "{\"endpoint\":\"https://h\",\"access-key\":\"a\",%s}", table[i].rest);
                cleanup_(json_freep) json_t *config = NULL;
                struct s3_config c;
                struct err err = { 0 };

                assert_int_equal(json_parse(text, strlen(text), &config, NULL), 0);
                assert_true(s3_config_parse(config, &c, &err) < 0);
                if (!strstr(err.text, table[i].text))
                        fail_msg("%s: %s", text, err.text);
        }
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(a_token_is_asked_for_once_and_sent_with_each_request),
                T(a_token_is_renewed_before_it_runs_out),
                T(what_passes_is_waited_for),
                T(what_does_not_pass_is_given_up_and_said),
                T(a_refusal_is_said_at_once),
                T(an_answer_without_a_token_that_is_valid_is_none),
                T(a_token_that_the_store_refuses_is_replaced_once),
                T(a_missing_right_says_which_role_is_wanted),
                T(a_stream_says_its_trouble_and_gives_up_after_some_tries),
                cmocka_unit_test(bad_targets_say_what_is_wrong),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
