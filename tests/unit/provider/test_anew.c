/* SPDX-License-Identifier: Apache-2.0 */
/* test_anew.c - what is made anew is made of all that is wanted, whatever was left out before
 *
 * A scripted API server knows one ConfigMap and notes the requests and the bodies. */
#include "clock.h"
#include "kube-api.h"

#include <pthread.h>
#include <stdlib.h>

#define FIELDS "{\"f:data\":{\"f:b\":{}}}"

static struct world {
        struct kube_api api;
        bool done;
        pthread_mutex_t lock; /* of what follows */
        bool there, immutable;
        struct buf methods; /* "PATCH POST " */
        json_t *bodies;     /* of those that say what the object is */
} w;

/* ---- the server */

static void reply_object(struct server_call *c, int status) {
        server_reply(c, status, NULL,
                     "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\","
                     "\"namespace\":\"ns\",\"uid\":\"u1\",\"resourceVersion\":\"5\",\"labels\":{"
                     "\"app.kubernetes.io/managed-by\":\"mooring\",\"mooring.dev/"
                     "controller\":\"c\",\"mooring.dev/model\":\"m\"},"
                     "\"managedFields\":[{\"manager\":\"mooring\",\"operation\":\"Apply\","
                     "\"apiVersion\":\"v1\",\"fieldsV1\":" FIELDS "}]},\"data\":{\"a\":\"9\","
                     "\"b\":\"1\"}}");
}

static void serve_write(struct server_call *c) {
        json_array_append_new(w.bodies, kube_api_json(c->body));
        if (str_eq(c->method, "PATCH") && w.immutable) {
                server_reply(c, 422, NULL,
                             "{\"message\":\"data: field is immutable\",\"reason\":\"Invalid\"}");
        } else {
                int status = w.there ? 200 : 201;

                w.there = w.there || str_eq(c->method, "PATCH");
                reply_object(c, status); /* last: whoever has the answer may go on at once */
        }
}

static void serve(struct server_call *c, void *arg) {
        pthread_mutex_lock(&w.lock);
        buf_printf(&w.methods, "%s ", c->method);
        if (str_eq(c->method, "PATCH") || str_eq(c->method, "POST")) {
                serve_write(c);
        } else if (!w.there) {
                server_reply(c, 404, NULL,
                             "{\"message\":\"not "
                             "found\",\"details\":{\"name\":\"x\",\"kind\":\"configmaps\"}}");
        } else if (str_eq(c->method, "DELETE")) {
                w.there = w.immutable = false;
                server_reply(c, 200, NULL, "{\"kind\":\"Status\",\"status\":\"Success\"}");
        } else {
                reply_object(c, 200);
        }
        pthread_mutex_unlock(&w.lock);
}

/* ---- the applies */

static void on_done(struct op *op) {
        w.done = true;
}

#define PLAIN "{}"
#define COMPLETED "{\"mooring.dev/runtime-fields\":\"data.a\"}"

static const struct {
        const char *what, *annotations;
        unsigned flags;
        bool kept, there;
        const char *methods;
} cases[] = {
        { "a person wants it made anew", PLAIN, APPLY_RECREATE, true, true,
          "PATCH POST GET DELETE GET PATCH " },
        { "only a part was to be put right", PLAIN, APPLY_RECREATE | APPLY_PART, true, true,
          "PATCH POST GET DELETE GET PATCH " },
        { "its component completes it", COMPLETED, APPLY_RECREATE, false, true,
          "GET PATCH POST GET DELETE GET PATCH " },
        { "it went before the apply", PLAIN, 0, true, false, "PATCH PATCH " },
        { "it went, and a part was to be put right", PLAIN, APPLY_PART, true, false,
          "PATCH PATCH " },
        { "it went before it was looked at", COMPLETED, 0, true, false, "GET PATCH " },
        { "it went before fields were taken over", PLAIN, APPLY_TAKE_OVER, true, false,
          "GET PATCH " },
};

static void run(size_t i, struct op *op) {
        cleanup_(json_freep) json_t *wanted = kube_api_json(
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},"
                "\"data\":{\"a\":\"1\",\"b\":\"1\"}}");
        cleanup_(json_freep) json_t *marks =
                kube_api_json("{\"model\":\"m\",\"application\":\"a\",\"controller\":\"c\"}");
        cleanup_(json_freep) json_t *baseline = kube_api_json("{\"data\":{\"b\":\"1\"}}");
        cleanup_(json_freep) json_t *found = kube_api_json(
                "{\"object\":{\"data\":{\"a\":\"9\",\"b\":\"1\"}},\"others\":[{\"manager\":"
                "\"edit\",\"fields\":{\"f:data\":{\"f:a\":{}}}}]}");
        const struct kept_field kept = { "data.a", false };
        struct projection *p = NULL;
        struct apply_request r = { .type = "ConfigMap",
                                   .path = "ns/x",
                                   .wanted = wanted,
                                   .marks = marks,
                                   .baseline = baseline,
                                   .found = found,
                                   .incarnation = "u1",
                                   .token = "",
                                   .kept = &kept,
                                   .kept_count = cases[i].kept,
                                   .flags = cases[i].flags };

        json_object_set_new(json_get(wanted, "metadata"), "annotations",
                            kube_api_json(cases[i].annotations));
        assert_int_equal(provider_kube.projection_parse(
                                 "{\"apiVersion\":\"v1\",\"fields\":" FIELDS "}", &p, NULL),
                         0);
        r.projection = p;
        w.done = false;
        *op = (struct op){ .loop = w.api.loop, .done = on_done };
        provider_kube.apply(w.api.target, &r, op);
        for (int64_t end = clock_mono() + KUBE_API_WAIT_MS; !w.done && clock_mono() < end;)
                loop_step(w.api.loop, 50);
        assert_true(w.done);
        provider_kube.projection_free(p);
}

static bool says_all(const json_t *body) {
        return str_eq(json_get_str(json_get(body, "data"), "a", ""), "1");
}

static void assert_made_whole(size_t i, const struct op *op) {
        size_t count = json_array_size(w.bodies), k;
        const json_t *body;

        if (op->outcome != OUTCOME_DONE || !str_eq(buf_str(&w.methods), cases[i].methods))
                fail_msg("%s: %s: %s: %s", cases[i].what, buf_str(&w.methods),
                         outcome_name(op->outcome), err_text(&op->err));
        /* Only the first may leave out what somebody else has: it changes what is there. */
        json_array_foreach(w.bodies, k, body)
                if (says_all(body) != (k > 0 || count == 1))
                        fail_msg("%s: write %zu", cases[i].what, k);
        assert_true(op->created);
        assert_non_null(op->baseline);
}

static void what_is_made_anew_is_made_of_all_that_is_wanted(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct op op;

                pthread_mutex_lock(&w.lock);
                w.there = w.immutable = cases[i].there;
                w.bodies = json_array();
                pthread_mutex_unlock(&w.lock);
                run(i, &op);
                assert_made_whole(i, &op);
                json_decref(w.bodies);
                buf_free(&w.methods);
                op_clear(&op);
        }
}

/* ---- setup */

static int setup(void **state) {
        pthread_mutex_init(&w.lock, NULL);
        kube_api_init(&w.api, "{\"resource\":\"configmaps\",\"responseKind\":{\"kind\":"
                              "\"ConfigMap\"},\"scope\":\"Namespaced\",\"verbs\":[\"get\"]}");
        server_route(w.api.server, NULL, "/api/v1/namespaces/ns/configmaps", serve, NULL);
        server_route(w.api.server, NULL, "/api/v1/namespaces/ns/configmaps/x", serve, NULL);
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
                cmocka_unit_test(what_is_made_anew_is_made_of_all_that_is_wanted),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
