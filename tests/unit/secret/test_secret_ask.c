/* SPDX-License-Identifier: Apache-2.0 */
/* test_secret_ask.c - where a secret's token may stand in what a step asks for */
#include "secret-ask.h"

#include <errno.h>
#include <setjmp.h>

#include <cmocka.h>

#define TOKEN "{{secret:aaaaaaaaaaaaaaaaaaaaaaaaaa:1:plain}}"

/* NULL: it is allowed. */
static const char *said(const char *ask, struct err *err) {
        cleanup_(json_freep) json_t *j = NULL;

        *err = (struct err){};
        assert_int_equal(json_parse(ask, strlen(ask), &j, err), 0);
        return secret_ask_check(j, err) < 0 ? err_text(err) : NULL;
}

static void where_values_are_put_in_they_may_stand(void **state) {
        static const char *const asks[] = {
                "{\"kind\":\"verb\",\"verb\":\"exec\",\"ask\":{\"stdin\":\"a " TOKEN "\"}}",
                "{\"kind\":\"verb\",\"verb\":\"http\",\"ask\":{\"body\":\"" TOKEN "\"}}",
                "{\"kind\":\"verb\",\"verb\":\"http\",\"ask\":{\"headers\":{\"A\":\"" TOKEN "\"}}}",
                "{\"kind\":\"verb\",\"verb\":\"sql\",\"ask\":{\"statements\":[{\"values\":{\"p\":"
                "\"" TOKEN "\"}}]}}",
                "{\"kind\":\"verb\",\"verb\":\"sql\",\"ask\":{\"statements\":[{\"params\":[\"" TOKEN
                "\"]}]}}",
                "{\"kind\":\"verb\",\"verb\":\"stream\",\"ask\":{\"key\":\"" TOKEN
                "\",\"from\":{\"stdin\":\"" TOKEN "\"},\"to\":{\"stdin\":\"" TOKEN "\"}}}",
                "{\"kind\":\"new-secret\",\"value\":\"" TOKEN "\"}",
                "{\"kind\":\"use-secret\",\"token\":\"" TOKEN "\"}",
                "{\"kind\":\"taken\",\"application\":\"a\",\"token\":\"" TOKEN "\"}",
                "{\"kind\":\"config\",\"options\":{\"a\":\"" TOKEN "\"}}",
                "{\"kind\":\"wait\",\"seconds\":1}",
        };
        struct err err;

        for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
                assert_null(said(asks[i], &err));
}

static void anywhere_else_they_may_not(void **state) {
        static const struct {
                const char *ask, *where;
        } asks[] = {
                { "{\"kind\":\"verb\",\"verb\":\"exec\",\"ask\":{\"argv\":[\"-p" TOKEN "\"]}}",
                  "exec: a secret at /ask/argv/0" },
                { "{\"kind\":\"verb\",\"verb\":\"exec\",\"ask\":{\"stdin2\":\"" TOKEN "\"}}",
                  "/ask/stdin2" },
                { "{\"kind\":\"verb\",\"verb\":\"http\",\"ask\":{\"path\":\"" TOKEN "\"}}",
                  "/ask/path" },
                { "{\"kind\":\"verb\",\"verb\":\"sql\",\"ask\":{\"statements\":[{\"sql\":\"" TOKEN
                  "\"}]}}",
                  "/ask/statements/0/sql" },
                { "{\"kind\":\"verb\",\"verb\":\"put-object\",\"ask\":{\"body\":\"" TOKEN "\"}}",
                  "/ask/body" },
                { "{\"kind\":\"verb\",\"verb\":\"remove\",\"ask\":{\"stdin\":\"" TOKEN "\"}}",
                  "/ask/stdin" },
                { "{\"kind\":\"verb\",\"verb\":\"exec\",\"target\":\"" TOKEN "\",\"ask\":{}}",
                  "/target" },
                { "{\"kind\":\"new-secret\",\"label\":\"" TOKEN "\"}", "/label" },
                { "{\"kind\":\"config\",\"options\":{\"" TOKEN "\":\"a\"}}", "/options" },
                { "{\"kind\":\"ready\",\"label\":\"" TOKEN "\"}", "ready: a secret at /label" },
        };
        struct err err;

        for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
                const char *text = said(asks[i].ask, &err);

                assert_non_null(text);
                assert_non_null(strstr(text, asks[i].where));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(where_values_are_put_in_they_may_stand),
                cmocka_unit_test(anywhere_else_they_may_not),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
