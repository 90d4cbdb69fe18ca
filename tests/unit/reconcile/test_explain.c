/* SPDX-License-Identifier: Apache-2.0 */
/* test_explain.c - why something is as it is, also where all wait for all */
#include "reconcile-internal.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define APPLICATIONS 30

static void applications_that_wait_for_each_other_are_each_told_once(void **state) {
        struct reconcile rec = { 0 };
        struct world_model *m;
        json_t *causes;

        world_init(&rec.world);
        m = world_model_get(&rec.world, 1);
        world_model_rename(&rec.world, m, "m");
        for (int64_t id = 1; id <= APPLICATIONS; id++) {
                struct world_application *a = world_application_get(&rec.world, id);

                a->model = 1;
                a->name = str_format("app-%lld", (long long)id);
                str_set(&a->message, "waits");
                str_copy(a->status, sizeof(a->status), "waiting");
                a->providers = mem_array(int64_t, APPLICATIONS);
                for (int64_t other = 1; other <= APPLICATIONS; other++)
                        if (other != id)
                                a->providers[a->provider_count++] = other;
        }
        causes = reconcile_why(&rec, "m", "app-1", NULL);
        assert_string_equal(json_get_str(json_array_get(causes, 0), "subject", ""), "app-1");
        /* As deep as causes are followed, and no application twice. */
        assert_in_range(json_array_size(causes), 12, APPLICATIONS);
        json_decref(causes);
        world_deinit(&rec.world);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(applications_that_wait_for_each_other_are_each_told_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
