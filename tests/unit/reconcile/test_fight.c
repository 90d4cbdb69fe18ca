/* SPDX-License-Identifier: Apache-2.0 */
/* test_fight.c - when a breaker opens, how it slows, and when it is over */
#include "fight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define MINUTE 60000ll
static const struct fight_options usual = { 4, 10 * MINUTE, 6, 360 * MINUTE, 30000, 30 * MINUTE };

/* The writer answers each write of ours after PAUSE; how many writes that is until UNTIL. */
static int64_t writes(struct fight *f, int64_t pause, int64_t until) {
        int64_t n = 0;

        for (int64_t now = 1; now < until; n++) {
                fight_note(f, &usual, now);
                now = MAX_OF(now, f->next_at) + pause; /* put right, and changed again */
        }
        return n;
}

static void a_fast_fight_of_ten_minutes_costs_ten_writes_at_most(void **state) {
        struct fight f = { 0 };

        assert_in_range(writes(&f, 5, 10 * MINUTE), 4, 10);
        assert_true(fight_is_open(&f));
        assert_false(f.slow);
}

static void the_repair_is_slowed_to_the_ceiling_and_never_ended(void **state) {
        struct fight f = { 0 };

        writes(&f, 5, 600 * MINUTE);
        assert_int_equal(f.delay_ms, usual.delay_max_ms);
        assert_int_equal(f.next_at, fight_last(&f) + usual.delay_max_ms);
}

static void three_times_are_no_fight(void **state) {
        struct fight f = { 0 };

        assert_false(fight_note(&f, &usual, 1 * MINUTE));
        assert_false(fight_note(&f, &usual, 2 * MINUTE));
        assert_false(fight_note(&f, &usual, 3 * MINUTE));
        assert_false(fight_is_open(&f));
        assert_false(fight_note(&f, &usual, 14 * MINUTE)); /* the first ones were long ago */
        assert_false(fight_is_open(&f));
}

static void once_in_twenty_minutes_is_found_in_two_hours(void **state) {
        struct fight f = { 0 };
        int64_t at = 0;

        while (!fight_is_open(&f) && at < 600 * MINUTE) {
                at += 20 * MINUTE;
                fight_note(&f, &usual, at);
        }
        assert_int_equal(at, 120 * MINUTE);
        assert_true(f.slow);
        /* It does not count as over before it comes again. */
        assert_true(fight_quiet_at(&f, &usual) > at + 20 * MINUTE);
}

static void who_is_quiet_for_long_enough_has_stopped(void **state) {
        struct fight f = { 0 };
        int64_t quiet;

        for (int64_t i = 1; i <= 4; i++)
                fight_note(&f, &usual, i * 1000);
        assert_true(fight_is_open(&f));
        quiet = fight_quiet_at(&f, &usual);
        assert_int_equal(quiet, 4000 + 30000 + 10 * MINUTE);
        fight_note(&f, &usual, quiet + 1);
        assert_false(fight_is_open(&f));
}

/* Set back by a day, the clock makes nothing of what was noted before; and nothing lasts. */
static void a_clock_that_was_wrong_leaves_no_fight(void **state) {
        struct fight f = { 0 };

        fight_note(&f, &usual, 1440 * MINUTE);
        fight_note(&f, &usual, 1441 * MINUTE);
        fight_note(&f, &usual, 1442 * MINUTE);
        assert_false(fight_note(&f, &usual, 2 * MINUTE));
        assert_int_equal(f.count, 1);
        assert_int_equal(fight_last(&f), 2 * MINUTE);
        assert_false(fight_note(&f, &usual, 100000 * MINUTE));
        assert_int_equal(f.count, 1);
        assert_int_equal(fight_time(&f, 0), 100000 * MINUTE);
}

static void the_newest_times_are_kept(void **state) {
        struct fight f = { 0 };

        for (int64_t i = 0; i < FIGHT_TIMES_MAX + 3; i++)
                fight_add(&f, 1000 + i * MINUTE);
        assert_int_equal(f.count, FIGHT_TIMES_MAX);
        assert_int_equal(fight_time(&f, 0), 1000 + 3 * MINUTE);
        assert_int_equal(fight_last(&f), 1000 + (FIGHT_TIMES_MAX + 2) * MINUTE);
}

static void each_field_fights_alone(void **state) {
        struct fights *l = mem_new(struct fights);
        struct fight *f = fights_get(l, "spec.replicas");

        fight_note(f, &usual, 1);
        assert_int_equal(fights_get(l, "spec.image")->count, 0);
        assert_int_equal(fights_get(l, "spec.replicas")->count, 1);
        for (int i = 0; i < FIGHTS_MAX * 2; i++) {
                char field[32];

                snprintf(field, sizeof(field), "spec.x%d", i);
                fight_note(fights_get(l, field), &usual, 10 + i);
        }
        assert_int_equal(l->count, FIGHTS_MAX);
        /* None is pushed out by the next: what has no room of its own is found as many. */
        assert_string_equal(fights_get(l, "spec.x40")->field, FIGHT_MANY);
        assert_int_equal(fights_find(l, "spec.x40")->count, FIGHT_TIMES_MAX);
        assert_int_equal(fights_find(l, "spec.x3")->count, 1);
        fights_free(l);
}

static void who_fights_is_one_or_several_and_is_known_once_somebody_gave_a_name(void **state) {
        struct fights *l = mem_new(struct fights);
        struct fight *f = fights_get(l, "spec.replicas");

        fight_by(f, NULL);
        assert_false(fight_is_of_one(f));
        assert_string_equal(fight_who(f), "somebody");
        fight_by(f, "build-1");
        fight_by(f, NULL);
        assert_true(fight_is_of_one(f));
        assert_string_equal(fight_who(f), "build-1");
        fight_by(f, "build-2");
        fight_by(f, "build-2");
        assert_false(fight_is_of_one(f));
        assert_string_equal(fight_who(f), FIGHT_SEVERAL);
        fights_free(l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_fast_fight_of_ten_minutes_costs_ten_writes_at_most),
                cmocka_unit_test(the_repair_is_slowed_to_the_ceiling_and_never_ended),
                cmocka_unit_test(three_times_are_no_fight),
                cmocka_unit_test(once_in_twenty_minutes_is_found_in_two_hours),
                cmocka_unit_test(who_is_quiet_for_long_enough_has_stopped),
                cmocka_unit_test(a_clock_that_was_wrong_leaves_no_fight),
                cmocka_unit_test(the_newest_times_are_kept),
                cmocka_unit_test(each_field_fights_alone),
                cmocka_unit_test(
                        who_fights_is_one_or_several_and_is_known_once_somebody_gave_a_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
