/* SPDX-License-Identifier: Apache-2.0 */
/* test_clock.c - stamps, spans and the fake clock */
#include "clock.h"

#include <setjmp.h>

#include <cmocka.h>

static void stamps_are_written_in_utc(void **state) {
        char text[CLOCK_TEXT_MAX];

        assert_string_equal(clock_iso(0, false, text), "1970-01-01T00:00:00Z");
        assert_string_equal(clock_iso(1790172127123, true, text), "2026-09-23T14:02:07.123Z");
        assert_string_equal(clock_iso(-1, true, text), "1969-12-31T23:59:59.999Z");
        assert_string_equal(clock_iso(INT64_MAX, true, text), "292278994-08-17T07:12:55.807Z");
}

static void stamps_are_read_with_fraction_and_zone(void **state) {
        static const struct {
                const char *text;
                bool good;
                int64_t ms;
        } rows[] = {
                { "1970-01-01T00:00:00Z", true, 0 },
                { "2026-09-23T14:02:07Z", true, 1790172127000 },
                { "2026-09-23T14:02:07.1Z", true, 1790172127100 },
                { "2026-09-23T14:02:07.123999Z", true, 1790172127123 },
                { "2026-09-23T16:02:07+02:00", true, 1790172127000 },
                { "2026-09-23T08:32:07-05:30", true, 1790172127000 },
                { "2024-02-29T00:00:00Z", true, 1709164800000 },
                { "2023-02-29T00:00:00Z", false, 0 },
                { "2026-13-01T00:00:00Z", false, 0 },
                { "2026-04-31T00:00:00Z", false, 0 },
                { "2026-01-01T24:00:00Z", false, 0 },
                { "2026-01-01T00:00:00", false, 0 },
                { "2026-01-01T00:00:00.Z", false, 0 },
                { "2026-01-01T00:00:00Zx", false, 0 },
                { "2026-01-01T00:00:00+0200", false, 0 },
                { "2026-01-01T00:00:00+24:00", false, 0 },
                { "", false, 0 },
                { "-026-01-01T00:00:00Z", false, 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int64_t ms = 5;

                assert_int_equal(clock_parse_iso(rows[i].text, &ms), rows[i].good);
                assert_true(ms == (rows[i].good ? rows[i].ms : 5));
        }
}

static void what_is_written_reads_back(void **state) {
        for (int64_t at = -2000000000000; at < 4000000000000; at += 98765432123) {
                char text[CLOCK_TEXT_MAX];
                int64_t back;

                assert_true(clock_parse_iso(clock_iso(at, true, text), &back));
                assert_true(back == at);
        }
}

static void spans_are_short(void **state) {
        static const struct {
                int64_t ms;
                const char *text;
        } rows[] = {
                { 0, "0ms" },       { 350, "350ms" },      { 4200, "4.2s" },    { 4000, "4s" },
                { 59990, "59.9s" }, { 60000, "1m" },       { 190000, "3m10s" }, { 7500000, "2h5m" },
                { 7200000, "2h" },  { 273600000, "3d4h" }, { 86400000, "1d" },  { -4200, "-4.2s" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                char text[CLOCK_TEXT_MAX];

                assert_string_equal(clock_span(rows[i].ms, text), rows[i].text);
        }
}

static void spans_are_read(void **state) {
        static const struct {
                const char *text;
                int64_t ms; /* <0: refused */
        } rows[] = {
                { "90s", 90000 },
                { "10m", 600000 },
                { "2h", 7200000 },
                { "1d", 86400000 },
                { "500ms", 500 },
                { "45", 45000 },
                { "4.2s", 4200 },
                { "1.5", 1500 },
                { "1h30m", 5400000 },
                { "1h30m0s", 5400000 },
                { "0", 0 },
                { "", -1 },
                { "-1s", -1 },
                { "s", -1 },
                { "1x", -1 },
                { "1s1h", -1 },
                { "1h30", -1 },
                { "1 s", -1 },
                { "1.s", -1 },
                { "99999999999999999999", -1 },
                { "9223372036854775807d", -1 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                int64_t ms = -1;

                assert_int_equal(clock_parse_span(rows[i].text, &ms), rows[i].ms >= 0);
                assert_true(ms == rows[i].ms);
        }
}

static void the_fake_clock_stands_still_until_moved(void **state) {
        assert_false(clock_is_fake());
        clock_fake(1000, 5000);
        assert_true(clock_is_fake());
        assert_int_equal(clock_mono(), 1000);
        assert_int_equal(clock_mono_us(), 1000000);
        assert_int_equal(clock_wall(), 5000);
        clock_fake_advance(50);
        assert_int_equal(clock_mono(), 1050);
        assert_int_equal(clock_wall(), 5050);
        clock_real();
        assert_true(clock_wall() > 1600000000000);
}

static void the_real_clock_never_goes_back(void **state) {
        int64_t before = clock_mono_us();

        for (int i = 0; i < 1000; i++) {
                int64_t now = clock_mono_us();

                assert_true(now >= before);
                before = now;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(stamps_are_written_in_utc),
                cmocka_unit_test(stamps_are_read_with_fraction_and_zone),
                cmocka_unit_test(what_is_written_reads_back),
                cmocka_unit_test(spans_are_short),
                cmocka_unit_test(spans_are_read),
                cmocka_unit_test(the_fake_clock_stands_still_until_moved),
                cmocka_unit_test(the_real_clock_never_goes_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
