/* SPDX-License-Identifier: Apache-2.0 */
/* test_prepare.c - a plan's targets are checked as its documents are, before anything is saved */
#include "application.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOKEN "{{secret:abcdefghijklmnopqrstuvwxyz:1:plain}}"
#define REST "\"engine\":\"mysql\",\"via\":\"ns/pod\",\"tls\":{\"mode\":\"plain\"}"

/* The work after its plan's targets were prepared. */
static void prepare(struct application_work *w, struct plan *plan, const char *provider,
                    const char *config) {
        cleanup_(freep) char *text =
                str_format("{\"db\":{\"provider\":\"%s\",\"config\":%s}}", provider, config);

        *plan = (struct plan){ 0 };
        *w = (struct application_work){ .plan = plan };
        assert_int_equal(json_parse(text, strlen(text), &plan->targets, NULL), 0);
        application_prepare(w);
        json_decref(plan->targets);
}

static void a_token_in_a_password_field_is_known_to_the_save(void **state) {
        struct application_work w;
        struct plan plan;

        prepare(&w, &plan, "sql", "{" REST ",\"user\":\"root\",\"password\":\"" TOKEN "\"}");
        assert_int_equal(w.err.code, 0);
        assert_int_equal(w.target_uris.count, 1);
        assert_non_null(map_find(&w.target_uris, "abcdefghijklmnopqrstuvwxyz:1"));
        map_free(&w.target_uris);
}

static void a_target_that_cannot_be_fails_the_plan(void **state) {
        static const struct {
                const char *provider, *config, *says;
        } bad[] = {
                { "sql", "{" REST ",\"user\":\"" TOKEN "\",\"password\":\"x\"}", "/user" },
                { "sql",
                  "{\"engine\":\"mysql\",\"host\":\"" TOKEN "\",\"user\":\"u\",\"password\":\"x\"}",
                  "/host" },
                { "sql", "{" REST ",\"user\":\"u\",\"password\":\"x\",\"" TOKEN "\":1}",
                  "no secret" },
                { "sql", "{" REST ",\"user\":\"u\"}", "password" },
                { "nosuch", "{}", "nosuch" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct application_work w;
                struct plan plan;

                prepare(&w, &plan, bad[i].provider, bad[i].config);
                assert_true(w.err.code < 0);
                if (!strstr(w.err.text, bad[i].says) || !strstr(w.err.text, "target db"))
                        fail_msg("\"%s\" lacks \"%s\"", w.err.text, bad[i].says);
                map_free(&w.target_uris);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_token_in_a_password_field_is_known_to_the_save),
                cmocka_unit_test(a_target_that_cannot_be_fails_the_plan),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
