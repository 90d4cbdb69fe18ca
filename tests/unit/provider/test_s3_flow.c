/* SPDX-License-Identifier: Apache-2.0 */
/* test_s3_flow.c - each operation on an object store, failing at each of its requests in each way
 *
 * A few lines that behave as MinIO does stand behind the tunnel's double. Every operation runs once
 * for each of its requests and each failure, and then once more from the top: it must end as if
 * nothing had been. How many requests there are is found out by running. */
#include "s3-stage.h"

#include "clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define WAIT_MS 20000
#define BORN "2026-01-02T03:04:05.678Z"

enum failure { NONE, RESET, LOST, S403, S409, S429, S500, GARBAGE, STARTING, FULL, FAILURE_MAX };
static const char *const failure_names[] = { "none", "reset", "lost",    "403",      "409",
                                             "429",  "500",   "garbage", "starting", "full" };

/* The store, as the server's threads see it. */
static struct {
        pthread_mutex_t lock;
        bool bucket, policy, user, attached;
        bool enabled;
        char rules[512]; /* of the lifecycle; "": none */
        int objects;
        int countdown; /* the request that fails; 0: none */
        enum failure failure;
        int hits, asked;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct answer {
        int status;
        char body[2048];
};

static void say(struct answer *a, int status, const char *body) {
        a->status = status;
        str_copy(a->body, sizeof(a->body), body);
}

/* False: it is about something else. */
static bool rules_call(const struct server_call *c, struct answer *a) {
        bool versioning = str_eq(c->query, "versioning=");

        if (!store.bucket || (!versioning && !str_eq(c->query, "lifecycle=")))
                return false;
        if (str_eq(c->method, "PUT") && versioning)
                store.enabled = strstr(c->body, "Enabled") != NULL;
        else if (str_eq(c->method, "PUT"))
                str_copy(store.rules, sizeof(store.rules), c->body);
        else if (str_eq(c->method, "DELETE"))
                store.rules[0] = '\0';
        else if (versioning)
                say(a, 200, store.enabled ? "<V><Status>Enabled</Status></V>" : "<V/>");
        else
                say(a, store.rules[0] ? 200 : 404,
                    store.rules[0] ? store.rules
                                   : "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>");
        if (!str_eq(c->method, "GET"))
                say(a, str_eq(c->method, "PUT") ? 200 : 204, "");
        return true;
}

static void bucket_call(const struct server_call *c, struct answer *a) {
        bool get = str_eq(c->method, "GET");

        if (rules_call(c, a))
                return;
        if (str_eq(c->method, "PUT")) {
                say(a, store.bucket ? 409 : 200,
                    store.bucket ? "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>" : "");
                store.bucket = true;
        } else if (!store.bucket) {
                say(a, 404, "<Error><Code>NoSuchBucket</Code></Error>");
        } else if (strstr(c->query, "policy")) {
                say(a, 404, "<Error><Code>NoSuchBucketPolicy</Code></Error>");
        } else if (get && strstr(c->query, "versions")) {
                say(a, 200,
                    store.objects
                            ? "<R><Version><Key>a%20b</Key><VersionId>v1</VersionId></Version></R>"
                            : "<R></R>");
        } else if (get) {
                say(a, 200, store.objects ? "<R><Contents><Key>k</Key></Contents></R>" : "<R></R>");
        } else if (str_eq(c->method, "POST")) {
                say(a, 200, "<DeleteResult></DeleteResult>");
                if (strstr(c->body, "<Key>a b</Key><VersionId>v1</VersionId>"))
                        store.objects--;
        } else {
                say(a, store.objects ? 409 : 204,
                    store.objects ? "<Error><Code>BucketNotEmpty</Code></Error>" : "");
                store.bucket = store.objects > 0;
        }
}

static void policy_call(const struct server_call *c, struct answer *a) {
        static const char text[] =
                "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":["
                "\"s3:*\"],\"Resource\":[\"arn:aws:s3:::b/*\"]}]}";

        if (strstr(c->path, "add-canned")) {
                store.policy = true;
                say(a, 200, "");
        } else if (strstr(c->path, "remove-canned")) {
                store.policy = false;
                say(a, 200, "");
        } else {
                say(a, store.policy ? 200 : 404,
                    store.policy ? text : "{\"Code\":\"XMinioAdminNoSuchPolicy\"}");
        }
}

static void user_call(const struct server_call *c, struct answer *a) {
        if (strstr(c->path, "add-user")) {
                store.user = true;
                say(a, 200, "");
        } else if (strstr(c->path, "remove-user")) {
                say(a, store.user ? 200 : 404, "");
                store.user = store.attached = false;
        } else if (strstr(c->path, "set-user-or-group")) {
                store.attached = store.user;
                say(a, store.user ? 200 : 404, "");
        } else {
                say(a, store.user ? 200 : 404, "");
                if (store.user)
                        snprintf(a->body, sizeof(a->body),
                                 "{\"status\":\"enabled\",\"policyName\":\"%s\"}",
                                 store.attached ? "p" : "");
        }
}

static void serve_well(const struct server_call *c, struct answer *a) {
        if (strstr(c->path, "/minio/admin/v3/") && strstr(c->path, "policy") &&
            !strstr(c->path, "set-user"))
                policy_call(c, a);
        else if (strstr(c->path, "/minio/admin/v3/"))
                user_call(c, a);
        else if (str_eq(c->path, "/"))
                say(a, 200,
                    store.bucket ? "<R><Bucket><Name>b-1</Name><CreationDate>" BORN
                                   "</CreationDate></Bucket></R>"
                                 : "<R></R>");
        else
                bucket_call(c, a);
}

static void break_off(struct server_call *c, enum failure f) {
        static const int status[] = {
                [S403] = 403, [S409] = 409, [S429] = 429, [S500] = 500, [GARBAGE] = 200
        };

        if (f == RESET || f == LOST)
                server_reset(c);
        else if (f == STARTING)
                server_reply(c, 503, "Retry-After: 120\r\n",
                             "<Error><Code>XMinioServerNotInitialized</Code></Error>");
        else if (f == FULL)
                server_reply(c, 507, NULL,
                             "<Error><Code>XMinioStorageFull</Code><Message>no room</Message>"
                             "</Error>");
        else
                server_reply(c, status[f], f == S429 ? "Retry-After: 1\r\n" : NULL,
                             f == GARBAGE ? "]]<{\"" : "");
}

static void serve(struct server_call *c, void *arg) {
        struct answer a = { 0 };
        enum failure f;

        pthread_mutex_lock(&store.lock);
        store.asked++;
        f = store.countdown > 0 && --store.countdown == 0 ? store.failure : NONE;
        store.hits += f != NONE;
        if (f == NONE || f == LOST)
                serve_well(c, &a);
        pthread_mutex_unlock(&store.lock);
        if (f == NONE)
                server_reply(c, a.status, NULL, a.body);
        else
                break_off(c, f);
}

/* ---- the operation */

static int setup(void **state) {
        struct s3_stage *w = mem_new(struct s3_stage);

        s3_stage_open(w, serve,
                      json_pack("{s:s, s:s, s:s, s:s, s:{s:s}}", "engine", "minio", "via",
                                "ns/store-0", "access-key", "admin", "secret-key", "admin secret",
                                "tls", "mode", "plain"));
        *state = w;
        return 0;
}

static int teardown(void **state) {
        s3_stage_close(*state);
        free(*state);
        return 0;
}

static void on_done(struct op *op) {
        *(bool *)op->arg = true;
}

typedef void call(struct target *t, const struct apply_request *r, struct op *op);

static enum outcome do_with(struct s3_stage *w, call *fn, const char *text, bool known,
                            struct op *ret) {
        cleanup_(json_freep) json_t *wanted = NULL;
        cleanup_(identity_free) struct identity id = { 0 };
        struct apply_request r = { .incarnation = "", .token = "", .first = true };
        int64_t until = clock_mono() + WAIT_MS;
        bool done = false;

        assert_int_equal(json_parse(text, strlen(text), &wanted, NULL), 0);
        assert_int_equal(provider_s3.identify(wanted, "m", &id, NULL), 0);
        r.wanted = known ? wanted : NULL;
        r.type = id.type;
        r.path = id.path;
        *ret = (struct op){ .loop = w->loop, .done = on_done, .arg = &done };
        fn(w->target, &r, ret);
        while (!done && clock_mono() < until)
                loop_step(w->loop, 100);
        assert_true(done);
        return ret->outcome;
}

static enum outcome do_it(struct s3_stage *w, call *fn, const char *text, struct op *ret) {
        return do_with(w, fn, text, true, ret);
}

static void prepare(bool there, int objects, int countdown, enum failure f) {
        pthread_mutex_lock(&store.lock);
        store.bucket = store.policy = store.user = store.attached = there;
        store.enabled = false;
        store.rules[0] = '\0';
        store.objects = objects;
        store.countdown = countdown;
        store.failure = f;
        store.hits = 0;
        pthread_mutex_unlock(&store.lock);
}

static bool was_hit(void) {
        bool hit;

        pthread_mutex_lock(&store.lock);
        hit = store.hits > 0;
        store.countdown = 0;
        pthread_mutex_unlock(&store.lock);
        return hit;
}

/* Returns how many requests the operation makes. */
static int fail_everywhere(struct s3_stage *w, call *fn, const char *text, bool there,
                           int objects) {
        int checks = 0, n = 0;

        for (int f = RESET; f < FAILURE_MAX; f++) {
                for (n = 1;; n++) {
                        struct op op;
                        enum outcome first;

                        prepare(there, objects, n, (enum failure)f);
                        first = do_it(w, fn, text, &op);
                        op_clear(&op);
                        if (!was_hit()) {
                                assert_int_equal(first, OUTCOME_DONE);
                                break;
                        }
                        assert_int_not_equal(first, OUTCOME_RUNNING);
                        if (do_it(w, fn, text, &op) != OUTCOME_DONE)
                                fail_msg("%s, %s at request %d: the second run: %s: %s", text,
                                         failure_names[f], n, outcome_name(op.outcome),
                                         err_text(&op.err));
                        op_clear(&op);
                        checks++;
                }
        }
        assert_true(checks >= FAILURE_MAX - 1);
        return n - 1;
}

#define BUCKET "{\"type\":\"bucket\",\"name\":\"b-1\"}"
#define RULED                                                                                      \
        "{\"type\":\"bucket\",\"name\":\"b-1\",\"versioning\":\"enabled\",\"lifecycle\":[{"        \
        "\"prefix\":"                                                                              \
        "\"a<b/"                                                                                   \
        "\",\"expire-days\":7},{\"noncurrent-expire-days\":3,\"noncurrent-expire-newer\":2}]}"
#define UNRULED                                                                                    \
        "{\"type\":\"bucket\",\"name\":\"b-1\",\"versioning\":\"suspended\",\"lifecycle\":[]}"
#define POLICY                                                                                     \
        "{\"type\":\"policy\",\"name\":\"p\",\"document\":{\"Version\":\"2012-10-17\","            \
        "\"Statement\":[{\"Effect\":"                                                              \
        "\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::b/*\"}]}}"
#define USER "{\"type\":\"user\",\"name\":\"KEY\",\"secret-key\":\"12345678\",\"policy\":\"p\"}"

static void applies_end_well_after_any_failure(void **state) {
        struct s3_stage *w = *state;

        assert_int_equal(fail_everywhere(w, provider_s3.apply, BUCKET, false, 0), 5);
        assert_true(store.bucket);
        /* made, versions, rules, and four looks at what came of it beside the first one */
        assert_int_equal(fail_everywhere(w, provider_s3.apply, RULED, false, 0), 9);
        assert_true(store.enabled && store.rules[0]);
        assert_int_equal(fail_everywhere(w, provider_s3.apply, POLICY, false, 0), 3);
        assert_true(store.policy);
        assert_int_equal(fail_everywhere(w, provider_s3.apply, USER, false, 0), 5);
        assert_true(store.user && store.attached);
}

static void looks_end_well_after_any_failure(void **state) {
        struct s3_stage *w = *state;

        assert_int_equal(fail_everywhere(w, provider_s3.look, BUCKET, true, 1), 3);
        assert_int_equal(fail_everywhere(w, provider_s3.look, RULED, true, 1), 5);
        assert_int_equal(fail_everywhere(w, provider_s3.look, POLICY, true, 0), 1);
        assert_int_equal(fail_everywhere(w, provider_s3.look, USER, true, 0), 2);
}

static void removals_end_well_after_any_failure(void **state) {
        struct s3_stage *w = *state;

        /* Three objects, one a page: list and delete three times, list, remove. */
        assert_int_equal(fail_everywhere(w, provider_s3.remove, BUCKET, true, 3), 9);
        assert_false(store.bucket);
        assert_int_equal(store.objects, 0);
        assert_int_equal(fail_everywhere(w, provider_s3.remove, POLICY, true, 0), 1);
        assert_false(store.policy);
        assert_int_equal(fail_everywhere(w, provider_s3.remove, USER, true, 0), 1);
        assert_false(store.user);
}

static void rules_that_are_as_wanted_are_not_written(void **state) {
        static const char *const order[] = { RULED, RULED, UNRULED, UNRULED, BUCKET };
        static const int requests[] = { 11, 9, 11, 9, 5 };
        struct s3_stage *w = *state;
        struct op op;

        prepare(true, 0, 0, NONE);
        for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
                pthread_mutex_lock(&store.lock);
                store.asked = 0;
                pthread_mutex_unlock(&store.lock);
                assert_int_equal(do_it(w, provider_s3.apply, order[i], &op), OUTCOME_DONE);
                assert_int_equal(store.asked, requests[i]);
                assert_int_equal(store.enabled, i < 2);
                assert_int_equal(store.rules[0] != '\0', i < 2);
                op_clear(&op);
        }
}

static void a_throttled_store_says_until_when(void **state) {
        struct s3_stage *w = *state;
        struct op op;

        prepare(true, 0, 1, S429);
        assert_int_equal(do_it(w, provider_s3.look, BUCKET, &op), OUTCOME_THROTTLED);
        assert_true(op.again_at > clock_mono());
        op_clear(&op);
}

/* MinIO says two minutes, and is there after a second. */
static void a_store_that_starts_is_asked_again_soon(void **state) {
        struct s3_stage *w = *state;
        struct op op;

        prepare(true, 0, 1, STARTING);
        assert_int_equal(do_it(w, provider_s3.look, BUCKET, &op), OUTCOME_NOT_YET);
        assert_int_equal(op.again_at, 0);
        op_clear(&op);
}

/* A person makes room: an action that writes there has failed, and says so now. */
static void a_store_that_is_full_is_not_asked_again(void **state) {
        struct s3_stage *w = *state;
        struct op op;
        int asked;

        prepare(true, 0, 1, FULL);
        asked = store.asked;
        assert_int_equal(do_it(w, provider_s3.look, BUCKET, &op), OUTCOME_REFUSED);
        assert_string_equal(err_text(&op.err), "XMinioStorageFull: no room (507)");
        assert_int_equal(store.asked, asked + 1);
        op_clear(&op);
}

/* cache.db was lost: whether the key is the wanted one cannot be tried. */
static void a_user_whose_document_is_lost_compares_with_nothing(void **state) {
        struct s3_stage *w = *state;
        struct op op;

        prepare(true, 0, 0, RESET);
        assert_int_equal(do_with(w, provider_s3.look, USER, false, &op), OUTCOME_DONE);
        assert_int_equal(op.seen.presence, PRESENCE_PRESENT);
        assert_false(op.seen.digest_valid);
        op_clear(&op);
        assert_int_equal(do_it(w, provider_s3.look, USER, &op), OUTCOME_DONE);
        assert_true(op.seen.digest_valid);
        op_clear(&op);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(applies_end_well_after_any_failure),
                T(looks_end_well_after_any_failure),
                T(removals_end_well_after_any_failure),
                T(rules_that_are_as_wanted_are_not_written),
                T(a_throttled_store_says_until_when),
                T(a_store_that_starts_is_asked_again_soon),
                T(a_store_that_is_full_is_not_asked_again),
                T(a_user_whose_document_is_lost_compares_with_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
