/* SPDX-License-Identifier: Apache-2.0 */
/* test_operations.c - look, apply and remove, each request of each of them failing in seven ways
 *
 * A scripted API server knows one ConfigMap and its managedFields. Each scenario is run once as
 * it is, then once for each of its requests and each failure; every operation ends exactly once
 * with an outcome and a reason, and run again from the top it converges. */
#include "clock.h"
#include "kube-api.h"

#include <pthread.h>
#include <stdlib.h>

#define FIELDS "{\"f:data\":{\"f:a\":{}},\"f:list\":{\"k:{\\\"n\\\":1}\":{\".\":{},\"f:n\":{}}}}"

enum failure {
        FAIL_NONE,
        FAIL_RESET,
        FAIL_HANGUP,
        FAIL_409,
        FAIL_429,
        FAIL_500,
        FAIL_403,
        FAIL_GARBAGE,
        FAIL_MAX
};

static struct world {
        struct kube_api api;
        bool done;
        pthread_mutex_t lock; /* of what follows */
        enum failure failure;
        int at, requests; /* which request of the operation fails, how many came */
        bool there, duplicate;
} w;

/* ---- the server */

static void fail_call(struct server_call *c, enum failure f) {
        static const char status[] =
                "{\"kind\":\"Status\",\"message\":\"made to fail\",\"reason\":\"Test\"}";

        if (f == FAIL_RESET)
                server_reset(c);
        else if (f == FAIL_HANGUP)
                server_hangup(c);
        else if (f == FAIL_GARBAGE)
                server_reply(c, 200, NULL, "<html>a login page</html>");
        else
                server_reply(c,
                             f == FAIL_409   ? 409
                             : f == FAIL_429 ? 429
                             : f == FAIL_500 ? 500
                                             : 403,
                             f == FAIL_429 ? "Retry-After: 3\r\n" : NULL, status);
}

static void reply_object(struct server_call *c, int status) {
        server_reply(c, status, NULL,
                     "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\","
                     "\"namespace\":\"ns\",\"uid\":\"u1\",\"resourceVersion\":\"5\","
                     "\"labels\":{\"app.kubernetes.io/managed-by\":\"mooring\",\"mooring.dev/"
                     "controller\":\"c\",\"mooring.dev/model\":\"m\"},\"managedFields\":["
                     "{\"manager\":\"mooring\",\"operation\":\"Apply\",\"apiVersion\":\"v1\","
                     "\"time\":\"2026-11-21T22:00:00Z\",\"fieldsV1\":" FIELDS
                     "},{\"manager\":\"edit\",\"operation\":\"Update\",\"apiVersion\":\"v1\","
                     "\"fieldsV1\":{\"f:list\":{\"k:{\\\"n\\\":2}\":{\".\":{}}}}}]},\"data\":{"
                     "\"a\":\"1\"},\"list\":[{\"n\":1}]}");
}

static void serve_patch(struct server_call *c, bool *duplicate) {
        if (strstr(server_header(c, "Content-Type"), "json-patch")) {
                *duplicate = false;
                reply_object(c, 200);
        } else if (*duplicate) {
                server_reply(
                        c, 422, NULL,
                        "{\"message\":\"Duplicate "
                        "value\",\"details\":{\"causes\":[{\"reason\":\"FieldValueDuplicate\"}]}}");
        } else if (w.there && strstr(c->body, "\"resourceVersion\"")) {
                server_reply(c, 409, NULL,
                             "{\"message\":\"the object has been modified\",\"reason\":"
                             "\"Conflict\"}");
        } else {
                reply_object(c, w.there ? 200 : 201);
                w.there = true;
        }
}

static void serve_object(struct server_call *c, void *arg) {
        pthread_mutex_lock(&w.lock);
        if (w.requests++ == w.at && w.failure) {
                fail_call(c, w.failure);
        } else if (str_eq(c->method, "PATCH")) {
                serve_patch(c, &w.duplicate);
        } else if (!w.there) {
                server_reply(c, 404, NULL,
                             "{\"message\":\"not "
                             "found\",\"details\":{\"name\":\"x\",\"kind\":\"configmaps\"}}");
        } else if (str_eq(c->method, "DELETE")) {
                w.there = false;
                server_reply(c, 200, NULL, "{\"kind\":\"Status\",\"status\":\"Success\"}");
        } else {
                reply_object(c, 200);
        }
        pthread_mutex_unlock(&w.lock);
}

/* ---- the operations */

#define LARGE_SIZE 1000000

static void on_done(struct op *op) {
        assert_false(w.done);
        w.done = true;
}

/* MET: what the first apply would make is there, and has our stamp. LARGE: its body is made in a
 * thread, whatever its size is. */
enum scenario { FIRST, MET, AGAIN, LARGE, TAKE, LOOK, REMOVE, SCENARIO_MAX };
static const char *const names[] = { "first apply",
                                     "first apply of what is there",
                                     "apply",
                                     "apply of something large",
                                     "apply that takes over",
                                     "look",
                                     "remove" };
static const int requests_of[] = { 1, 3, 1, 1, 4, 1, 1 };
static const enum outcome wanted_of[] = { OUTCOME_DONE, OUTCOME_DONE, OUTCOME_DONE, OUTCOME_DONE,
                                          OUTCOME_DONE, OUTCOME_DONE, OUTCOME_GONE };

static void prepare(enum scenario s, enum failure f, int at) {
        pthread_mutex_lock(&w.lock);
        w.failure = f;
        w.at = at;
        w.requests = 0;
        w.there = s != FIRST;
        w.duplicate = s == TAKE;
        pthread_mutex_unlock(&w.lock);
}

static void run(enum scenario s, struct op *op) {
        cleanup_(json_freep) json_t *wanted = kube_api_json(
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},"
                "\"data\":{\"a\":\"1\"}}");
        cleanup_(json_freep) json_t *marks =
                kube_api_json("{\"model\":\"m\",\"application\":\"a\",\"controller\":\"c\"}");
        cleanup_(json_freep) json_t *baseline =
                kube_api_json("{\"data\":{\"a\":\"1\"},\"list\":[{\"n\":1}]}");
        struct projection *p = NULL;
        struct apply_request r = { .type = "ConfigMap",
                                   .path = "ns/x",
                                   .wanted = wanted,
                                   .marks = marks,
                                   .incarnation = "u1",
                                   .token = "",
                                   .first = s <= MET };

        if (s == AGAIN || s == LARGE || s == TAKE || s == LOOK)
                assert_int_equal(provider_kube.projection_parse(
                                         "{\"apiVersion\":\"v1\",\"fields\":" FIELDS "}", &p, NULL),
                                 0);
        r.projection = p;
        r.size = s == LARGE ? LARGE_SIZE : 0;
        r.baseline = s == LOOK ? baseline : NULL;
        w.done = false;
        *op = (struct op){ .loop = w.api.loop, .done = on_done };
        if (s == LOOK)
                provider_kube.look(w.api.target, &r, op);
        else if (s == REMOVE)
                provider_kube.remove(w.api.target, &r, op);
        else
                provider_kube.apply(w.api.target, &r, op);
        assert_false(w.done);
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; !w.done && clock_mono() < end;)
                loop_step(w.api.loop, 50);
        assert_true(w.done);
        provider_kube.projection_free(p);
}

static void each_operation_without_a_failure(void **state) {
        for (enum scenario s = 0; s < SCENARIO_MAX; s++) {
                struct op op;

                prepare(s, FAIL_NONE, 0);
                run(s, &op);
                if (op.outcome != wanted_of[s] || w.requests != requests_of[s])
                        fail_msg("%s: %s after %d requests: %s", names[s], outcome_name(op.outcome),
                                 w.requests, err_text(&op.err));
                if (s == TAKE)
                        assert_string_equal(op.took_over, "edit");
                if (s <= TAKE)
                        assert_string_equal(json_get_str(json_get(op.baseline, "data"), "a", ""),
                                            "1");
                if (s == LOOK) /* it is as we made it, and says when we did */
                        assert_int_equal(op.seen.wrote_at, 1795298400000);
                op_clear(&op);
        }
}

static void what_a_lost_answer_made_is_made_by_us(void **state) {
        struct op op;

        prepare(FIRST, FAIL_NONE, 0);
        run(FIRST, &op);
        assert_true(op.created);
        op_clear(&op);
        run(FIRST, &op); /* as if nobody had heard: it is there, and has our stamp */
        assert_int_equal(op.outcome, OUTCOME_DONE);
        assert_true(op.created);
        op_clear(&op);
        run(AGAIN, &op);
        assert_false(op.created);
        op_clear(&op);
}

static struct apply_request large_request(json_t *wanted, json_t *marks) {
        return (struct apply_request){ .type = "ConfigMap",
                                       .path = "ns/x",
                                       .wanted = wanted,
                                       .size = LARGE_SIZE,
                                       .marks = marks,
                                       .incarnation = "u1",
                                       .token = "" };
}

static void a_large_one_that_cannot_be_sent_is_refused_before_anything_is(void **state) {
        cleanup_(json_freep) json_t *wanted = kube_api_json(
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},"
                "\"data\":{\"a\":\"{{secret:abcdefghijklmnopqrstuvwxyz:1:plain}}\"}}");
        cleanup_(json_freep) json_t *marks = kube_api_json("{\"model\":\"m\"}");
        struct apply_request r = large_request(wanted, marks);
        struct op op = { .loop = w.api.loop, .done = on_done };

        prepare(LARGE, FAIL_NONE, 0);
        w.done = false;
        provider_kube.apply(w.api.target, &r, &op);
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; !w.done && clock_mono() < end;)
                loop_step(w.api.loop, 50);
        assert_true(w.done);
        assert_int_equal(op.outcome, OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "data/a"));
        assert_int_equal(w.requests, 0);
        op_clear(&op);
}

/* The thread goes on with what is its own. */
static void a_large_one_can_be_cancelled_at_any_time(void **state) {
        for (int turns = 0; turns < 4; turns++) {
                json_t *wanted = kube_api_json("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
                                               "\"metadata\":{\"name\":\"x\"}}");
                json_t *marks = kube_api_json("{\"model\":\"m\"}");
                struct apply_request r = large_request(wanted, marks);
                struct op op = { .loop = w.api.loop, .done = on_done };

                prepare(LARGE, FAIL_NONE, 0);
                w.done = false;
                provider_kube.apply(w.api.target, &r, &op);
                for (int i = 0; i < turns && !w.done; i++)
                        loop_step(w.api.loop, 0);
                if (!w.done)
                        provider_kube.cancel(&op);
                op_clear(&op);
                json_decref(wanted);
                json_decref(marks);
                loop_finish_jobs(w.api.loop);
        }
}

/* What an answer may mean; a page of somebody else's with 200 is believed by nobody. */
static bool is_sound(enum scenario s, enum failure f, const struct op *op) {
        switch (f) {
        case FAIL_RESET:
        case FAIL_HANGUP:
                /* curl sends a request again that a kept connection lost before its first byte. */
                return op->outcome == OUTCOME_UNREACHABLE || op->outcome == wanted_of[s];
        case FAIL_500:
                return op->outcome == OUTCOME_UNREACHABLE;
        case FAIL_409:
                return op->outcome == OUTCOME_NOT_YET ||
                       ((s == TAKE || s == MET) && op->outcome == OUTCOME_DONE);
        case FAIL_429:
                return op->outcome == OUTCOME_THROTTLED && op->again_at >= clock_mono() + 1000;
        case FAIL_403:
                return op->outcome == OUTCOME_DENIED;
        default:
                return op->outcome == OUTCOME_UNREACHABLE;
        }
}

static void each_request_of_each_operation_fails_in_each_way_and_then_converges(void **state) {
        int checked = 0;

        for (enum scenario s = 0; s < SCENARIO_MAX; s++)
                for (int at = 0; at < requests_of[s]; at++)
                        for (enum failure f = FAIL_NONE + 1; f < FAIL_MAX; f++, checked++) {
                                struct op op;

                                prepare(s, f, at);
                                run(s, &op);
                                if (!is_sound(s, f, &op) ||
                                    (op.outcome != wanted_of[s] && !op.err.text[0]))
                                        fail_msg("%s, request %d, failure %d: %s: %s", names[s], at,
                                                 f, outcome_name(op.outcome), err_text(&op.err));
                                op_clear(&op);
                                w.failure = FAIL_NONE;
                                run(s, &op);
                                if (op.outcome != wanted_of[s])
                                        fail_msg("%s again after request %d, failure %d: %s: %s",
                                                 names[s], at, f, outcome_name(op.outcome),
                                                 err_text(&op.err));
                                op_clear(&op);
                        }
        print_message("%d failures\n", checked);
}

/* ---- setup */

static int setup(void **state) {
        pthread_mutex_init(&w.lock, NULL);
        kube_api_init(&w.api, "{\"resource\":\"configmaps\",\"responseKind\":{\"kind\":"
                              "\"ConfigMap\"},\"scope\":\"Namespaced\",\"verbs\":[\"get\"]}");
        server_route(w.api.server, NULL, "/api/v1/namespaces/ns/configmaps/x", serve_object, NULL);
        kube_api_open(&w.api, NULL, NULL);
        return kube_api_until_reachable(&w.api);
}

static int teardown(void **state) {
        kube_api_deinit(&w.api);
        pthread_mutex_destroy(&w.lock);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_operation_without_a_failure),
                cmocka_unit_test(what_a_lost_answer_made_is_made_by_us),
                cmocka_unit_test(a_large_one_that_cannot_be_sent_is_refused_before_anything_is),
                cmocka_unit_test(a_large_one_can_be_cancelled_at_any_time),
                cmocka_unit_test(
                        each_request_of_each_operation_fails_in_each_way_and_then_converges),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
