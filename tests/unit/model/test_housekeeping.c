/* SPDX-License-Identifier: Apache-2.0 */
/* test_housekeeping.c - histories are cut until they are within their bounds */
#include "desk.h"

#include "housekeeping.h"

#define OLD (HOUSEKEEPING_SLICE * 2 + 500)

static int add_drift(struct tx *tx, int64_t seen_at, const char *outcome, struct err *err) {
        return w_drift_insert(tx,
                              &(struct w_drift_insert_in){ .id = tx_id(tx, "drift"),
                                                           .model_id = 1,
                                                           .application = "db",
                                                           .resource_id = 1,
                                                           .type = "Secret",
                                                           .path = "lab/x",
                                                           .fields = "[]",
                                                           .who = "not recorded",
                                                           .changed_at_null = true,
                                                           .seen_at = seen_at,
                                                           .detected_ms_null = true,
                                                           .action = "repair",
                                                           .outcome = outcome },
                              err);
}

static int add_many(struct tx *tx, int64_t n, struct err *err) {
        int r = add_drift(tx, 1, "open", err);

        for (int64_t i = 0; r >= 0 && i < n; i++)
                r = add_drift(tx, 1, "repaired", err);
        r = r < 0 ? r : add_drift(tx, tx_now(tx), "repaired", err);
        return r < 0 ? r : 0;
}

static int64_t step(struct desk *d) {
        struct waited *w = waited_new(d->fixture, "step", housekeeping_run, NULL);
        int r;

        waited_submit(w);
        r = waited_wait(w);
        waited_free(w);
        return r;
}

static int count(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct q_drift_row *rows;
        size_t n;
        int r = q_drift_list(
                tx, &(struct q_drift_list_in){ .model_id = 1, .newest = INT64_MAX, .max = 5000 },
                &rows, &n, err);

        *ret = json_integer((json_int_t)n);
        return r;
}

static void old_lines_go_step_by_step_until_none_is_left(void **state) {
        struct desk *d = *state;
        int steps = 1;

        assert_int_equal(desk_write(d, add_many, OLD), 0);
        assert_int_equal(step(d), 1); /* there is more to do, and it says so */
        while (step(d) == 1)
                steps++;
        assert_in_range(steps, 2, 20);
        assert_int_equal(desk_read(d, count, NULL), 0);
        assert_int_equal(json_integer_value(d->reply), 2); /* the open one and the new one */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(old_lines_go_step_by_step_until_none_is_left,
                                                desk_set_up, desk_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
