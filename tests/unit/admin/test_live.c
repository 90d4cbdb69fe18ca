/* SPDX-License-Identifier: Apache-2.0 */
/* test_live.c - what the loop knows of an application is put over what its row says */
#include "routes.h"

#include <setjmp.h>
#include <cmocka.h>

static json_t *shown(const char *current) {
        json_t *application = json_pack("{s:{s:s, s:s}}", "application-status", "current",
                                        "waiting", "message", "the row's");
        cleanup_(json_freep) json_t *live =
                json_pack("{s:s, s:s, s:b, s:b, s:b}", "current", current, "message", "the loop's",
                          "readable", true, "settled", false, "changing", false);

        models_add_live(application, live);
        return application;
}

static void the_loops_word_is_newer_than_the_rows(void **state) {
        cleanup_(json_freep) json_t *application = shown("active");
        const json_t *status = json_get(application, "application-status");

        assert_string_equal(json_get_str(status, "current", ""), "active");
        assert_string_equal(json_get_str(status, "message", ""), "the loop's");
}

static void what_the_loop_has_not_judged_yet_is_as_its_row_says(void **state) {
        cleanup_(json_freep) json_t *application = shown("");
        const json_t *status = json_get(application, "application-status");

        assert_string_equal(json_get_str(status, "current", ""), "waiting");
        assert_string_equal(json_get_str(status, "message", ""), "the row's");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_loops_word_is_newer_than_the_rows),
                cmocka_unit_test(what_the_loop_has_not_judged_yet_is_as_its_row_says),
        };

        return cmocka_run_group_tests_name("live", tests, NULL, NULL);
}
