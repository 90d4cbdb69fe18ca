/* SPDX-License-Identifier: Apache-2.0 */
/* test_metric.c - metrics, their text, and the process */
#include "metric.h"

#include <setjmp.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static const double bounds[] = { 0.1, 1, 0 };
static struct metric repairs = { "mooring_repairs_total", "repairs done", METRIC_COUNTER,
                                 .labels = { { "kind" } } };
static struct metric drift = { "mooring_drift_total", "drift found", METRIC_COUNTER,
                               .labels = { { "type", 3 }, { "who", 2 } } };
static struct metric queue = { "mooring_queue", "keys that wait", METRIC_GAUGE };
static struct metric many = { "mooring_many", "of many models", METRIC_GAUGE,
                              .labels = { { "model", 64 }, { "word" } } };
static struct metric took = { "mooring_apply_seconds", "a line\nand \\", METRIC_HISTOGRAM, bounds };
static struct metric asked = { "mooring_ask_seconds", "asks", METRIC_HISTOGRAM, bounds,
                               .labels = { { "verb" } } };

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
        metric_add(&repairs, LABELS("ConfigMap"), 1);
        metric_add(&repairs, LABELS("ConfigMap"), 2);
        metric_add(&repairs, LABELS("a\"b\\c\n"), 1);
        metric_set(&queue, NULL, 2.5);
        metric_set(&queue, NULL, 1795293884.125); /* a time, to the millisecond */
        metric_observe(&took, NULL, 0.1);
        metric_observe(&took, NULL, 0.5);
        metric_observe(&took, NULL, 7);
        assert_true(metric_value(&repairs, LABELS("ConfigMap")) == 3);
        check_print("# HELP mooring_apply_seconds a line\\nand \\\\\n"
                    "# TYPE mooring_apply_seconds histogram\n"
                    "mooring_apply_seconds_bucket{le=\"0.1\"} 1\n"
                    "mooring_apply_seconds_bucket{le=\"1\"} 2\n"
                    "mooring_apply_seconds_bucket{le=\"+Inf\"} 3\n"
                    "mooring_apply_seconds_sum 7.6\n"
                    "mooring_apply_seconds_count 3\n"
                    "# HELP mooring_queue keys that wait\n"
                    "# TYPE mooring_queue gauge\n"
                    "mooring_queue 1795293884.125\n"
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
                metric_add(&repairs, LABELS(label), 1);
        }
        assert_int_equal(repairs.count, METRIC_CHILDREN_MAX);
        assert_true(metric_value(&repairs, LABELS("other")) == 101);
        assert_true(metric_value(&repairs, LABELS("l0")) == 1);
        metric_reset();
        assert_int_equal(repairs.count, 0);
}

/* 7,000 sets of one metric, of which most are "other": gathered at each scrape, on the loop. */
static void many_sets_are_found_without_looking_at_each(void **state) {
        char name[16];

        for (int model = 0; model < 1000; model++)
                for (int word = 0; word < 7; word++) {
                        snprintf(name, sizeof(name), "m%d", model);
                        metric_add(&many, LABELS(name, (char[]){ (char)('a' + word), 0 }), 1);
                }
        assert_int_equal(many.count, (64 + 1) * 7);
        assert_true(metric_value(&many, LABELS("m63", "g")) == 1);
        assert_true(metric_value(&many, LABELS("other", "a")) == 1000 - 64);
        assert_true(metric_value(&many, LABELS("m63a", "")) == 0);
        metric_clear(&many);
        metric_add(&many, LABELS("m999", "a"), 1); /* room again, and nothing of before */
        assert_true(metric_value(&many, LABELS("m999", "a")) == 1);
        assert_true(metric_value(&many, LABELS("other", "a")) == 0);
        metric_reset();
}

static void labels_of_a_histogram_stand_before_its_bounds(void **state) {
        metric_observe(&asked, LABELS("GET"), 0.5);
        metric_observe(&asked, LABELS("PUT"), 0.05);
        check_print("# HELP mooring_ask_seconds asks\n"
                    "# TYPE mooring_ask_seconds histogram\n"
                    "mooring_ask_seconds_bucket{verb=\"GET\",le=\"0.1\"} 0\n"
                    "mooring_ask_seconds_bucket{verb=\"GET\",le=\"1\"} 1\n"
                    "mooring_ask_seconds_bucket{verb=\"GET\",le=\"+Inf\"} 1\n"
                    "mooring_ask_seconds_sum{verb=\"GET\"} 0.5\n"
                    "mooring_ask_seconds_count{verb=\"GET\"} 1\n"
                    "mooring_ask_seconds_bucket{verb=\"PUT\",le=\"0.1\"} 1\n"
                    "mooring_ask_seconds_bucket{verb=\"PUT\",le=\"1\"} 1\n"
                    "mooring_ask_seconds_bucket{verb=\"PUT\",le=\"+Inf\"} 1\n"
                    "mooring_ask_seconds_sum{verb=\"PUT\"} 0.05\n"
                    "mooring_ask_seconds_count{verb=\"PUT\"} 1\n");
        metric_reset();
}

static void a_label_has_a_limit_of_its_own(void **state) {
        metric_add(&drift, LABELS("Secret", "kubectl"), 1);
        metric_add(&drift, LABELS("Secret", "helm"), 1);
        metric_add(&drift, LABELS("Secret", "somebody"), 1);
        metric_add(&drift, LABELS("Service", "anybody"), 1);
        metric_add(&drift, LABELS("Secret", "kubectl"), 1);
        assert_true(metric_value(&drift, LABELS("Secret", "kubectl")) == 2);
        assert_true(metric_value(&drift, LABELS("Secret", "other")) == 1);
        assert_true(metric_value(&drift, LABELS("Service", "other")) == 1);
        assert_true(metric_value(&drift, LABELS("Secret", "somebody")) == 0);
        metric_add(&drift, LABELS("Pod", "kubectl"), 1);
        metric_add(&drift, LABELS("Node", "helm"), 1);
        assert_true(metric_value(&drift, LABELS("Pod", "kubectl")) == 1);
        assert_true(metric_value(&drift, LABELS("other", "helm")) == 1);
        metric_reset();
}

static void long_values_are_cut_and_stay_one_series(void **state) {
        char name[METRIC_VALUE_MAX * 2 + 1];

        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        metric_add(&drift, LABELS(name, NULL), 1);
        name[METRIC_VALUE_MAX + 5] = 'y';
        metric_add(&drift, LABELS(name, ""), 1);
        assert_int_equal(drift.count, 1);
        assert_true(metric_value(&drift, LABELS(name, "")) == 2);
        metric_reset();
}

static void what_is_gathered_anew_forgets_what_went(void **state) {
        metric_set(&repairs, LABELS("a"), 1);
        metric_clear(&repairs);
        metric_set(&repairs, LABELS("b"), 2);
        check_print("# HELP mooring_repairs_total repairs done\n"
                    "# TYPE mooring_repairs_total counter\n"
                    "mooring_repairs_total{kind=\"b\"} 2\n");
        metric_reset();
}

static double printed(const char *text, const char *name) {
        const char *at = strstr(text, name);

        assert_non_null(at);
        return strtod(at + strlen(name), NULL);
}

static void the_process_is_read_from_the_kernel(void **state) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        metric_process();
        metric_print(&out);
        assert_true(printed(buf_str(&out), "\nprocess_resident_memory_bytes ") > 1e6);
        assert_true(printed(buf_str(&out), "\nprocess_virtual_memory_bytes ") >
                    printed(buf_str(&out), "\nprocess_resident_memory_bytes "));
        assert_true(printed(buf_str(&out), "\nprocess_open_fds ") >= 3);
        assert_true(printed(buf_str(&out), "\nprocess_max_fds ") >=
                    printed(buf_str(&out), "\nprocess_open_fds "));
        assert_true(printed(buf_str(&out), "\nprocess_start_time_seconds ") <=
                    (double)now.tv_sec + 1);
        assert_true(printed(buf_str(&out), "\nprocess_start_time_seconds ") >
                    (double)now.tv_sec - 3600);
        metric_reset();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(metrics_that_were_never_touched_are_not_printed),
                cmocka_unit_test(metrics_print_by_name_in_prometheus_text),
                cmocka_unit_test(labels_beyond_the_limit_count_as_other),
                cmocka_unit_test(many_sets_are_found_without_looking_at_each),
                cmocka_unit_test(labels_of_a_histogram_stand_before_its_bounds),
                cmocka_unit_test(a_label_has_a_limit_of_its_own),
                cmocka_unit_test(long_values_are_cut_and_stay_one_series),
                cmocka_unit_test(what_is_gathered_anew_forgets_what_went),
                cmocka_unit_test(the_process_is_read_from_the_kernel),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
