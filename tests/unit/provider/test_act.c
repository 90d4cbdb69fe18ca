/* SPDX-License-Identifier: Apache-2.0 */
/* test_act.c - what an answer shows of the secrets of its ask: nothing */
#include "act.h"
#include "secret-token.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define URI "aaaaaaaaaaaaaaaaaaaaaaaaaa"

static void no_text_of_an_answer_shows_a_value(void **state) {
        struct secret_values *values = secret_values_new();
        cleanup_(json_freep) json_t *ask = NULL, *told = NULL, *hidden = NULL;
        struct act_request r = { .verb = "sql", .values = values };
        char token[SECRET_TOKEN_MAX];
        cleanup_(freep) char *text = NULL;

        secret_values_add(values, URI, 1, "open sesame", 11);
        ask = json_pack("{s:[{s:s, s:{s:s}}]}", "statements", "sql", "SELECT :'x'", "values", "x",
                        secret_token_write(URI, 1, SECRET_PLAIN, token));
        r.ask = ask;
        told = json_pack("[{s:[s], s:[[s, s, i, n]]}]", "columns", "open sesame", "rows",
                         "open sesame", "as <open sesame>, open", 11);
        hidden = act_hidden(&r, told);
        text = json_text(hidden);
        assert_string_equal(text, "[{\"columns\":[\"(hidden)\"],\"rows\":[[\"(hidden)\","
                                  "\"as <(hidden)>, open\",11,null]]}]");
        secret_values_free(values);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_text_of_an_answer_shows_a_value),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
