/* SPDX-License-Identifier: Apache-2.0 */
/* test_text.c - texts for people: natural order, widths, sizes, times, nothing that steers a
 * terminal. */
#include "table.h"
#include "text.h"

#include "clock.h"

#include <locale.h>
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static void numbers_in_names_count_as_numbers(void **state) {
        assert_true(text_natural("web/2", "web/10") < 0);
        assert_true(text_natural("web/10", "web/2") > 0);
        assert_int_equal(text_natural("web/10", "web/10"), 0);
        assert_true(text_natural("a", "b") < 0);
        assert_true(text_natural("a", "a1") < 0);
        assert_true(text_natural("a02b", "a2c") < 0);
}

static void control_bytes_never_reach_the_terminal(void **state) {
        cleanup_(freep) char *safe = text_safe("red\033[31m\r\nnext\ttab\xc2\x9b"
                                               "1m\x7f");

        assert_string_equal(safe, "red?[31m? next tab1m?");
}

static void marks_that_turn_a_line_are_shown_as_such(void **state) {
        cleanup_(freep) char *safe = text_safe("a\xe2\x80\xae"
                                               "b\xe2\x81\xa9 \xd8\x9c\xe2\x80\x8f");
        cleanup_(freep) char *cut = text_safe("\xe2\x80");
        cleanup_(freep) char *kept = text_safe("Über \xe2\x80\x93 \xd8\xa7 \xe2\x82\xac");

        assert_string_equal(safe, "a?b? ??");
        assert_string_equal(kept, "Über \xe2\x80\x93 \xd8\xa7 \xe2\x82\xac");
        assert_string_equal(cut, "\xe2\x80");
}

static void sizes_are_written_in_the_largest_whole_unit(void **state) {
        char text[32];

        assert_string_equal(text_size(10737418240, text), "10GiB");
        assert_string_equal(text_size(1536, text), "1536B");
        assert_string_equal(text_size(1048576, text), "1MiB");
        assert_string_equal(text_size(0, text), "0B");
}

static void a_bar_is_as_full_as_what_is_done(void **state) {
        char bar[TEXT_BAR_MAX + 1];

        assert_string_equal(text_bar(0, 7, 10, bar), "..........");
        assert_string_equal(text_bar(3, 7, 10, bar), "####......");
        assert_string_equal(text_bar(7, 7, 10, bar), "##########");
        assert_string_equal(text_bar(1, 0, 10, bar), "..........");
}

static void times_of_today_have_no_date(void **state) {
        char text[40];
        int64_t now;

        assert_true(clock_parse_iso("2026-11-21T14:05:00Z", &now));
        clock_fake(1, now);
        assert_string_equal(text_time("2026-11-21T14:02:07Z", true, text), "14:02:07Z");
        assert_string_equal(text_time("2026-11-20T14:02:07Z", true, text), "2026-11-20 14:02:07Z");
        assert_string_equal(text_time("nonsense", true, text), "");
        assert_string_equal(text_time(NULL, true, text), "");
        clock_real();
}

static void the_clock_shows_its_zone(void **state) {
        char text[40];

        setenv("TZ", "UTC-2", 1); /* two hours east, as POSIX writes it */
        tzset();
        assert_string_equal(text_clock("2026-11-21T14:02:07Z", false, text), "16:02:07+02:00");
        assert_string_equal(text_clock("2026-11-21T14:02:07Z", true, text), "14:02:07Z");
        setenv("TZ", "UTC", 1);
        tzset();
}

static void letters_beyond_ascii_take_their_columns(void **state) {
        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                skip();
        assert_int_equal(text_width("abc"), 3);
        assert_int_equal(text_width("\xc3\xa9"), 1);
        assert_int_equal(text_width("\xe6\xbc\xa2"), 2);
        assert_int_equal(text_width("\xff\xfe"), 2);
}

static void values_that_are_no_text_are_json(void **state) {
        cleanup_(json_freep) json_t *list = json_pack("[i, s]", 1, "a");
        cleanup_(freep) char *text = text_value(list);
        cleanup_(freep) char *none = text_value(NULL);

        assert_string_equal(text, "[1,\"a\"]");
        assert_string_equal(none, "");
}

static void a_text_is_cut_where_it_tells_least(void **state) {
        cleanup_(freep) char *end = NULL, *begin = NULL, *whole = NULL;

        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                skip();
        end = text_cut("waiting for pods", 8, false);
        begin = text_cut("spec.containers[name=x].image", 8, true);
        whole = text_cut("short", 5, true);
        assert_string_equal(end, "waiting…");
        assert_string_equal(begin, "…].image");
        assert_string_equal(whole, "short");
        assert_int_equal(text_line("one two three", 9), 7);
        assert_int_equal(text_line("onetwothree", 5), 5);
        assert_int_equal(text_line("one", 5), 3);
}

static char *drawn(size_t room) {
        static const char *const head[] = { "App", "Version", "Status", "Empty", "Message", NULL };
        cleanup_(table_deinit) struct table t;
        char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);

        table_init(&t, head);
        table_spare(&t, 1);
        table_add(&t, "mlflow-server");
        table_add(&t, "RELEASE.2025-09-07");
        table_add(&t, "waiting");
        table_add(&t, "");
        table_add(&t, "Deployment mlflow/mlflow-server: 0 of 1 pods updated");
        table_print_width(&t, false, room, f);
        fclose(f);
        return text;
}

static void a_table_that_is_too_wide_loses_what_tells_least(void **state) {
        static const char all[] = "App            Version             Status   Empty  Message\n"
                                  "mlflow-server  RELEASE.2025-09-07  waiting         "
                                  "Deployment mlflow/mlflow-server: 0 of 1 pods updated\n";
        static const char some[] = "App            Status   Message\n"
                                   "mlflow-server  waiting  Deployment mlflow/mlflow-server: 0\n"
                                   "                        of 1 pods updated\n"
                                   "(no room here for Version)\n";
        cleanup_(freep) char *whole = drawn(0), *narrow = drawn(58), *tiny = drawn(40);

        assert_string_equal(whole, all);
        assert_string_equal(narrow, some);
        assert_null(strstr(tiny, "RELEASE"));
        assert_non_null(strstr(tiny, "waiting"));
        for (const char *line = tiny; *line; line += strcspn(line, "\n") + 1) {
                cleanup_(freep) char *one = str_ndup(line, strcspn(line, "\n"));

                assert_true(text_width(one) <= 40);
        }
}

static char *put(const char *text, size_t at, const char *indent, size_t columns) {
        char *out = NULL;
        size_t len;
        FILE *f = open_memstream(&out, &len);

        text_put(text, at, indent, columns, f);
        fclose(f);
        return out;
}

static void a_long_text_is_broken_at_blanks_and_indented(void **state) {
        static const char text[] = "the claim is being deleted: make a backup now, and keep its "
                                   "volume";
        static const char broken[] = "the claim is being\n"
                                     "│ deleted: make a backup now, and\n"
                                     "│ keep its volume\n";
        cleanup_(freep) char *narrow = put(text, 8, "│ ", 34), *pipe = put(text, 8, "│ ", 0),
                             *tiny = put(text, 8, "│ ", 10), *deep = put("one two", 32, "  ", 34);

        assert_string_equal(narrow, broken);
        assert_int_equal(strlen(pipe), strlen(text) + 1);
        assert_string_equal(tiny, pipe);
        assert_string_equal(deep, "\n  one two\n");
}

static void measured_bytes_are_round(void **state) {
        char text[32];

        assert_string_equal(text_bytes(0, text), "0 B");
        assert_string_equal(text_bytes(1023, text), "1023 B");
        assert_string_equal(text_bytes(1536, text), "1.5 KiB");
        assert_string_equal(text_bytes(5368709120, text), "5.0 GiB");
}

static void an_object_is_named_as_why_takes_it(void **state) {
        static const char *const cases[][3] = {
                { "Deployment.apps", "mlflow/mlflow-server", "deployment/mlflow-server" },
                { "Namespace", "mlflow", "namespace/mlflow" },
                { "grant", "relation-1@%/db", "grant relation-1@%/db" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(freep) char *text = text_object(cases[i][0], cases[i][1]);

                assert_string_equal(text, cases[i][2]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_in_names_count_as_numbers),
                cmocka_unit_test(control_bytes_never_reach_the_terminal),
                cmocka_unit_test(marks_that_turn_a_line_are_shown_as_such),
                cmocka_unit_test(sizes_are_written_in_the_largest_whole_unit),
                cmocka_unit_test(a_bar_is_as_full_as_what_is_done),
                cmocka_unit_test(times_of_today_have_no_date),
                cmocka_unit_test(the_clock_shows_its_zone),
                cmocka_unit_test(letters_beyond_ascii_take_their_columns),
                cmocka_unit_test(a_text_is_cut_where_it_tells_least),
                cmocka_unit_test(a_table_that_is_too_wide_loses_what_tells_least),
                cmocka_unit_test(values_that_are_no_text_are_json),
                cmocka_unit_test(a_long_text_is_broken_at_blanks_and_indented),
                cmocka_unit_test(measured_bytes_are_round),
                cmocka_unit_test(an_object_is_named_as_why_takes_it),
        };

        return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
