/* SPDX-License-Identifier: Apache-2.0 */
/* test_explain.c - why something is as it is, also where all wait for all */
#include "reconcile-internal.h"

#include "tally.h"

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

/* An application of N objects; object I is resource I + 1. */
static struct world_application *large_application(struct reconcile *rec, size_t n) {
        struct world_want *wants = mem_array(struct world_want, n);
        struct world_model *m;
        struct world_application *a;

        world_init(&rec->world);
        m = world_model_get(&rec->world, 1);
        world_model_rename(&rec->world, m, "m");
        a = world_application_get(&rec->world, 1);
        a->model = 1;
        a->name = str_dup("large");
        str_set(&a->message, "");
        str_copy(a->status, sizeof(a->status), "waiting");
        for (size_t i = 0; i < n; i++) {
                cleanup_(freep) char *path = str_format("ns/object-%05zu", i);
                struct world_resource *r =
                        world_resource_get(&rec->world, (int64_t)i + 1, 1, "ConfigMap", path);

                wants[i].label = str_format("object-%05zu", i);
                wants[i].resource = (int64_t)i + 1;
                r->row.applied_generation = r->row.wanted_generation = 1;
                r->seen.presence = PRESENCE_PRESENT;
                r->state = STATE_READY;
                r->stale = false;
        }
        world_set_wants(&rec->world, a, wants, n);
        return a;
}

static void what_is_not_in_place_is_found_among_thousands(void **state) {
        static const struct {
                size_t want;
                enum resource_state state;
        } open[] = {
                { 0, STATE_BLOCKED },   { 63, STATE_RETRYING }, { 64, STATE_LOST },
                { 65, STATE_APPLYING }, { 1000, STATE_NEW },    { 1999, STATE_WAITING },
        };
        struct reconcile rec = { 0 };
        struct world_application *a = large_application(&rec, 2000);
        const struct world_want *want = NULL;

        assert_null(tally_open(a, NULL));
        assert_int_equal(tally_open_count(a), 0);
        for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
                struct world_resource *r = world_resource(&rec.world, (int64_t)open[i].want + 1);

                r->state = open[i].state;
                tally_resource(&rec.world, r);
        }
        for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
                want = tally_open(a, want);
                assert_ptr_equal(want, &a->wants[open[i].want]);
        }
        assert_null(tally_open(a, want));
        assert_int_equal(tally_open_count(a), ARRAY_SIZE(open));
        world_deinit(&rec.world);
}

static void what_changes_of_thousands_is_counted(void **state) {
        struct reconcile rec = { 0 };
        struct world_application *a = large_application(&rec, 2000);
        json_t *causes;

        for (size_t i = 0; i < a->want_count; i++) {
                struct world_resource *r = world_resource(&rec.world, a->wants[i].resource);

                r->row.wanted_generation = 2;
                tally_resource(&rec.world, r);
        }
        causes = reconcile_why(&rec, "m", "large", NULL);
        assert_int_equal(json_array_size(causes), 2);
        assert_string_equal(json_get_str(json_array_get(causes, 1), "text", ""),
                            "2000 more objects are not ready: mooringctl objects large");
        json_decref(causes);
        world_deinit(&rec.world);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(applications_that_wait_for_each_other_are_each_told_once),
                cmocka_unit_test(what_is_not_in_place_is_found_among_thousands),
                cmocka_unit_test(what_changes_of_thousands_is_counted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
