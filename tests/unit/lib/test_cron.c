/* SPDX-License-Identifier: Apache-2.0 */
/* test_cron.c - when windows begin, also where clocks are put forward and back; fields as paths */
#include "clock.h"
#include "cron.h"
#include "field-path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

/* A table without transitions: only the footer's rule counts. */
static struct zone *zone_of(const char *footer) {
        static const uint8_t head[] = { 'T', 'Z', 'i', 'f', '2' };
        uint8_t data[256] = { 0 };
        struct zone *z;
        struct err err = { 0 };
        size_t at = 0;

        for (int i = 0; i < 2; i++) { /* the first body is for old readers */
                memcpy(data + at, head, sizeof(head));
                data[at + 39] = 1; /* one type */
                data[at + 43] = 4; /* letters of names */
                at += 44 + 6 + 4;
        }
        at += (size_t)snprintf((char *)data + at, sizeof(data) - at, "\n%s\n", footer);
        assert_return_code(zone_parse(data, at, &z, &err), 0);
        return z;
}

static int64_t when(const char *text) {
        int64_t ms;

        assert_true(clock_parse_iso(text, &ms));
        return ms / 1000;
}

static void assert_next(const char *cron, const struct zone *z, const char *after,
                        const char *wanted) {
        struct cron c;
        struct err err = { 0 };
        char text[CLOCK_TEXT_MAX];

        assert_return_code(cron_parse(cron, &c, &err), 0);
        assert_string_equal(clock_iso(cron_next(&c, z, when(after)) * 1000, false, text), wanted);
}

static void begins_come_as_crontab_says(void **state) {
        struct zone *utc = zone_of("UTC0");

        assert_next("0 2 * * *", utc, "2026-09-23T01:59:59Z", "2026-09-23T02:00:00Z");
        assert_next("0 2 * * *", utc, "2026-09-23T02:00:00Z", "2026-09-24T02:00:00Z");
        assert_next("*/20 8-9 * * mon-fri", utc, "2026-09-25T09:45:00Z", "2026-09-28T08:00:00Z");
        assert_next("30 6 1,15 * *", utc, "2026-09-02T00:00:00Z", "2026-09-15T06:30:00Z");
        assert_next("0 0 13 * fri", utc, "2026-09-05T00:00:00Z", "2026-09-11T00:00:00Z");
        assert_next("0 0 29 feb *", utc, "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z");
        assert_next("0 3 * * 7", utc, "2026-09-23T00:00:00Z", "2026-09-27T03:00:00Z");
        zone_free(utc);
}

static void an_hour_that_is_skipped_or_comes_twice_begins_a_window_once(void **state) {
        struct zone *z = zone_of("CET-1CEST,M3.5.0,M10.5.0/3");

        assert_next("30 2 * * *", z, "2027-03-27T12:00:00Z", "2027-03-28T01:30:00Z");
        assert_next("30 2 * * *", z, "2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z");
        assert_next("30 2 * * *", z, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
        assert_next("30 2 * * *", z, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
        zone_free(z);
        z = zone_of("AEST-10AEDT,M10.1.0,M4.1.0/3"); /* summer over the turn of the year */
        assert_next("0 12 * * *", z, "2027-01-05T12:00:00Z", "2027-01-06T01:00:00Z");
        assert_next("0 12 * * *", z, "2027-06-05T12:00:00Z", "2027-06-06T02:00:00Z");
        zone_free(z);
}

static void a_window_is_open_for_its_length(void **state) {
        struct window w = { .zone = zone_of("UTC0"), .length = 4 * 3600 };
        struct err err = { 0 };
        int64_t change;

        assert_return_code(cron_parse("0 22 * * sat", &w.cron, &err), 0);
        assert_false(window_open(&w, when("2026-09-26T21:59:59Z"), &change));
        assert_int_equal(change, when("2026-09-26T22:00:00Z"));
        assert_true(window_open(&w, when("2026-09-26T22:00:00Z"), &change));
        assert_int_equal(change, when("2026-09-27T02:00:00Z"));
        assert_true(window_open(&w, when("2026-09-27T01:59:59Z"), &change));
        assert_false(window_open(&w, when("2026-09-27T02:00:00Z"), &change));
        zone_free(w.zone);
}

static void what_is_no_cron_is_refused(void **state) {
        static const char *const wrong[] = {
                "",           "* * * *",   "* * * * * *", "60 * * * *",  "* 24 * * *", "* * 0 * *",
                "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *",  "1, * * * *"
        };
        struct cron c;
        struct err err;

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                assert_int_equal(cron_parse(wrong[i], &c, &err), -EINVAL);
}

static void the_tables_of_this_host_are_read(void **state) {
        struct zone *z;
        struct err err = { 0 };

        assert_int_equal(zone_open("Europe/Nowhere", &z, &err), -ENOENT);
        assert_int_equal(zone_open("../../etc/passwd", &z, &err), -EINVAL);
        assert_int_equal(zone_open("/etc/passwd", &z, &err), -EINVAL);
        assert_int_equal(zone_parse("TZif2", 5, &z, &err), -EBADMSG);
        if (zone_open("Europe/Berlin", &z, &err) < 0)
                skip();
        assert_int_equal(zone_offset(z, when("1950-01-01T12:00:00Z")), 3600);
        assert_int_equal(zone_offset(z, when("2026-07-01T12:00:00Z")), 7200);
        assert_int_equal(zone_offset(z, when("2026-12-01T12:00:00Z")), 3600);
        assert_int_equal(zone_offset(z, when("2090-07-01T12:00:00Z")), 7200);
        zone_free(z);
}

static void a_rule_covers_its_field_and_what_is_in_it(void **state) {
        const char *image = "spec.template.spec.containers[name=server].image";

        assert_true(field_path_covers("spec", image));
        assert_true(field_path_covers(image, image));
        assert_true(field_path_covers("spec.template.spec.containers[*].image", image));
        assert_true(field_path_covers("spec.template.spec.containers", image));
        assert_false(field_path_covers("spec.temp", image));
        assert_false(field_path_covers("spec.template.spec.containers[name=other].image", image));
        assert_false(field_path_covers("spec.template.spec.containers[*].imagePullPolicy", image));
        assert_true(field_path_covers("metadata.labels[\"a]/b\"]", "metadata.labels[\"a]/b\"]"));
        assert_true(field_path_covers("metadata.labels[*]", "metadata.labels[\"a]/b\"]"));
}

static void what_is_no_field_is_refused(void **state) {
        static const char *const wrong[] = { "",    ".",  "spec.",  "spec..x",
                                             "a b", "x[", "x[\"a]", "x]" };
        struct err err;

        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                assert_int_equal(field_path_check(wrong[i], &err), -EINVAL);
        assert_int_equal(field_path_check("spec.ports[port=80,protocol=TCP].name", &err), 0);
        assert_int_equal(field_path_check("metadata.labels[\"a.b/c\"]", &err), 0);
}

static void a_path_reads_back_as_the_names_that_were_put_into_it(void **state) {
        static const char *const names[] = { "metadata", "labels", "a.b/c", "x_y-Z0", NULL };
        cleanup_(buf_free) struct buf path = BUF_INIT;
        const char *p;

        for (size_t i = 0; names[i]; i++)
                field_path_add(&path, names[i]);
        assert_string_equal(buf_str(&path), "metadata.labels[\"a.b/c\"].x_y-Z0");
        p = buf_str(&path);
        for (size_t i = 0; names[i]; i++) {
                struct field_step step = { 0 };

                assert_true(field_path_next(&p, &step));
                assert_false(step.item);
                assert_string_equal(step.text, names[i]);
                free(step.text);
        }
        assert_string_equal(p, "");
}

static void an_item_is_chosen_by_its_keys(void **state) {
        cleanup_(json_freep) json_t *port = json_pack("{s:i, s:s}", "port", 80, "name", "http");
        cleanup_(json_freep) json_t *text = json_string("x");

        assert_true(field_path_chooses("port=80,protocol=TCP", port));
        assert_true(field_path_chooses("*", port));
        assert_false(field_path_chooses("port=81,protocol=TCP", port));
        assert_false(field_path_chooses("ip=1", port));
        assert_true(field_path_chooses("x", text));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(begins_come_as_crontab_says),
                cmocka_unit_test(an_hour_that_is_skipped_or_comes_twice_begins_a_window_once),
                cmocka_unit_test(a_window_is_open_for_its_length),
                cmocka_unit_test(what_is_no_cron_is_refused),
                cmocka_unit_test(the_tables_of_this_host_are_read),
                cmocka_unit_test(a_rule_covers_its_field_and_what_is_in_it),
                cmocka_unit_test(what_is_no_field_is_refused),
                cmocka_unit_test(a_path_reads_back_as_the_names_that_were_put_into_it),
                cmocka_unit_test(an_item_is_chosen_by_its_keys),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
