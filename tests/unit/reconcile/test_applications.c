/* SPDX-License-Identifier: Apache-2.0 */
/* test_applications.c - what is shown of an application follows its last plan, with the real
 * reconciler */
#include "loop-fixture.h"

#include "engine-gate.h"
#include "queries.gen.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

static int set_up(void **state) {
        struct fixture *f = mem_new(struct fixture);

        fixture_init(f, gate_engine());
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        gate_open();
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

#define CONFIGMAP "/api/v1/namespaces/" FIXTURE_MODEL "/configmaps/said"

static bool is_reached(struct fixture *f, const void *arg) {
        return gate_reached();
}

static bool is_removed(struct fixture *f, const void *arg) {
        cleanup_(json_freep) json_t *object = fixture_object(f, CONFIGMAP);

        return !object;
}

static int let_go(struct tx *tx, struct store_call *c, struct err *err) {
        const int64_t *id = c->arg;
        int r = w_want_delete_all(tx, &(struct w_want_delete_all_in){ .application_id = id[1] },
                                  err);

        if (r >= 0)
                r = w_resource_set_life(
                        tx, &(struct w_resource_set_life_in){ .id = id[0], .life = "dying" }, err);
        tx_mark(tx, MARK_RESOURCE, id[0]);
        return r < 0 ? r : 0;
}

/* The row was read, then written, and the reader is heard after the writer. */
static void a_row_that_changed_while_it_was_read_is_read_again(void **state) {
        struct fixture *f = *state;
        int64_t id[2];

        fixture_deploy(f, "app", json_pack("{s:s}", "shape", "said"));
        fixture_until_status(f, "app", "active", "");
        fixture_settle(f);
        id[0] = fixture_number(f, "SELECT id FROM resource WHERE type = 'ConfigMap'");
        id[1] = fixture_number(f, "SELECT id FROM application");
        gate_shut("resource_by_id");
        fixture_edit(f, CONFIGMAP,
                     "[{\"op\":\"replace\",\"path\":\"/data/value\",\"value\":\"y\"}]");
        fixture_until(f, "the reading of the row", is_reached, NULL);
        assert_int_equal(fixture_write(f, let_go, id), 0);
        gate_open();
        fixture_until(f, "the end of the ConfigMap", is_removed, NULL);
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(what_a_plan_says_is_shown_though_no_document_changed),
                TEST(a_mistake_that_is_mended_is_not_shown_any_more),
                TEST(a_row_that_changed_while_it_was_read_is_read_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
