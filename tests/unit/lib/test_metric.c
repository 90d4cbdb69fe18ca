/* SPDX-License-Identifier: Apache-2.0 */
/* test_metric.c - metrics and their text */
#include "metric.h"

#include <setjmp.h>

#include <cmocka.h>

static const double bounds[] = { 0.1, 1, 0 };
static struct metric repairs = { "mooring_repairs_total", "repairs done", METRIC_COUNTER, "kind" };
static struct metric queue = { "mooring_queue", "keys that wait", METRIC_GAUGE };
static struct metric took = { "mooring_apply_seconds", "a line\nand \\", METRIC_HISTOGRAM, NULL,
                              bounds };

static void check_print(const char *wanted) {
        cleanup_(buf_free) struct buf out = BUF_INIT;

        metric_print(&out);
        assert_string_equal(buf_str(&out), wanted);
}

static void metrics_that_were_never_touched_are_not_printed(void **state) {
        check_print("");
        assert_true(metric_value(&queue, NULL) == 0);
}

static void metrics_print_by_name_in_prometheus_text(void **state) {
        metric_add(&repairs, "ConfigMap", 1);
        metric_add(&repairs, "ConfigMap", 2);
        metric_add(&repairs, "a\"b\\c\n", 1);
        metric_set(&queue, NULL, 2.5);
        metric_set(&queue, NULL, -3);
        metric_observe(&took, NULL, 0.1);
        metric_observe(&took, NULL, 0.5);
        metric_observe(&took, NULL, 7);
        assert_true(metric_value(&repairs, "ConfigMap") == 3);
        check_print("# HELP mooring_apply_seconds a line\\nand \\\\\n"
                    "# TYPE mooring_apply_seconds histogram\n"
                    "mooring_apply_seconds_bucket{le=\"0.1\"} 1\n"
                    "mooring_apply_seconds_bucket{le=\"1\"} 2\n"
                    "mooring_apply_seconds_bucket{le=\"+Inf\"} 3\n"
                    "mooring_apply_seconds_sum 7.6\n"
                    "mooring_apply_seconds_count 3\n"
                    "# HELP mooring_queue keys that wait\n"
                    "# TYPE mooring_queue gauge\n"
                    "mooring_queue -3\n"
                    "# HELP mooring_repairs_total repairs done\n"
                    "# TYPE mooring_repairs_total counter\n"
                    "mooring_repairs_total{kind=\"ConfigMap\"} 3\n"
                    "mooring_repairs_total{kind=\"a\\\"b\\\\c\\n\"} 1\n");
        metric_reset();
        check_print("");
}

static void labels_beyond_the_limit_count_as_other(void **state) {
        for (int i = 0; i < METRIC_CHILDREN_MAX + 100; i++) {
                char label[16];

                snprintf(label, sizeof(label), "l%d", i);
                metric_add(&repairs, label, 1);
        }
        assert_int_equal(repairs.count, METRIC_CHILDREN_MAX);
        assert_true(metric_value(&repairs, "other") == 101);
        assert_true(metric_value(&repairs, "l0") == 1);
        metric_reset();
        assert_int_equal(repairs.count, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(metrics_that_were_never_touched_are_not_printed),
                cmocka_unit_test(metrics_print_by_name_in_prometheus_text),
                cmocka_unit_test(labels_beyond_the_limit_count_as_other),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
