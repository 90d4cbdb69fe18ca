/* SPDX-License-Identifier: Apache-2.0 */
/* test_applications.c - what is shown of an application follows its last plan, with the real
 * reconciler */
#include "loop-fixture.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

static int set_up(void **state) {
        struct fixture *f = mem_new(struct fixture);

        fixture_init(f, NULL);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        fixture_deinit(*state);
        free(*state);
        return 0;
}

static void what_a_plan_says_is_shown_though_no_document_changed(void **state) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", json_pack("{s:s}", "shape", "said"));
        fixture_until_status(f, "app", "active", "");
        fixture_settle(f);
        fixture_config(f, "app", json_pack("{s:s}", "note", "rain"));
        fixture_until_status(f, "app", "waiting", "for rain");
        fixture_settle(f);
        fixture_config(f, "app", json_pack("{s:s}", "note", "first"));
        fixture_until_status(f, "app", "active", "");
}

static void a_mistake_that_is_mended_is_not_shown_any_more(void **state) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", json_pack("{s:s}", "shape", "said"));
        fixture_until_status(f, "app", "active", "");
        fixture_config(f, "app", json_pack("{s:s}", "shape", "none"));
        fixture_until_status(f, "app", "error", "no such shape: none");
        fixture_settle(f);
        fixture_config(f, "app", json_pack("{s:s}", "shape", "said"));
        fixture_until_status(f, "app", "active", "");
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(what_a_plan_says_is_shown_though_no_document_changed),
                TEST(a_mistake_that_is_mended_is_not_shown_any_more),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
