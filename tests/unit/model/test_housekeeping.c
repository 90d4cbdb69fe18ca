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

static int add_operation(struct tx *tx, const char *asked_by, int64_t at, struct err *err) {
        int64_t id = tx_id(tx, "operation");
        int r = w_operation_insert(tx,
                                   &(struct w_operation_insert_in){ .id = id,
                                                                    .model_id = 1,
                                                                    .model = "lab",
                                                                    .application_id = 1,
                                                                    .application = "db",
                                                                    .unit = "",
                                                                    .action = "ship",
                                                                    .params = "{}",
                                                                    .secret_results = "[]",
                                                                    .charm_sha256 = "",
                                                                    .key = "k",
                                                                    .execution_group = "",
                                                                    .approval = "",
                                                                    .asked_by = asked_by,
                                                                    .asked_uid_null = true,
                                                                    .asked_login_null = true,
                                                                    .reason = "" },
                                   err);

        return r < 0 ? r
                     : w_operation_set_ended(
                               tx,
                               &(struct w_operation_set_ended_in){ .id = id,
                                                                   .status = "completed",
                                                                   .message = "",
                                                                   .ended_at = at },
                               err);
}

/* The one of a person is the oldest. */
static int add_runs(struct tx *tx, int64_t n, struct err *err) {
        int64_t now = tx_now(tx);
        int r = add_operation(tx, "uid 0", now - 2 * n, err);

        for (int64_t i = 0; r >= 0 && i < n; i++)
                r = add_operation(tx, i % 2 ? "schedule 4 of uid 0" : "schedule 5 of uid 0",
                                  now - n + i, err);
        return r < 0 ? r : 0;
}

static int count_runs(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct q_operation_row *rows;
        size_t n;
        int r = q_operation_list(
                tx,
                &(struct q_operation_list_in){ .model_id = 1, .newest = INT64_MAX, .max = 5000 },
                &rows, &n, err);

        *ret = json_pack("{s:I, s:s}", "count", (json_int_t)n, "oldest",
                         n ? rows[n - 1].asked_by : "");
        return r;
}

static void of_each_schedule_the_newest_runs_stay_and_all_of_people(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_write(d, add_runs, 2 * HOUSEKEEPING_SCHEDULED + 20), 0);
        while (step(d) == 1)
                ;
        assert_int_equal(desk_read(d, count_runs, NULL), 0);
        assert_int_equal(json_get_int(d->reply, "count", 0), 2 * HOUSEKEEPING_SCHEDULED + 1);
        assert_string_equal(json_get_str(d->reply, "oldest", ""), "uid 0");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(old_lines_go_step_by_step_until_none_is_left,
                                                desk_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(
                        of_each_schedule_the_newest_runs_stay_and_all_of_people, desk_set_up,
                        desk_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
