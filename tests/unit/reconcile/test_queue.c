/* SPDX-License-Identifier: Apache-2.0 */
/* test_queue.c - the keyed work queue on a loop whose clock the test drives */
#include "queue.h"

#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SEEN_MAX 64

struct world {
        struct loop *loop;
        struct queue *queue;
        struct queue_key seen[SEEN_MAX];
        size_t count;
        bool keep; /* the handler does not end its keys by itself */
};

static void handler(void *arg, struct queue_key key) {
        struct world *w = arg;

        assert_true(w->count < SEEN_MAX);
        w->seen[w->count++] = key;
        if (!w->keep)
                queue_done(w->queue, key.kind, key.id);
}

static int up(void **state) {
        struct world *w = mem_new(struct world);

        clock_fake(1000, 1000);
        assert_int_equal(loop_new(&w->loop, NULL), 0);
        assert_int_equal(queue_new(w->loop, handler, w, &w->queue), 0);
        queue_limit(w->queue, 0, 8);
        queue_limit(w->queue, 1, 1);
        *state = w;
        return 0;
}

static int down(void **state) {
        struct world *w = *state;

        queue_free(w->queue);
        loop_free(w->loop);
        freep(state);
        clock_real();
        return 0;
}

static void settle(struct world *w) {
        while (loop_step(w->loop, 0))
                ;
}

static void a_key_added_twice_runs_once(void **state) {
        struct world *w = *state;

        queue_add(w->queue, 0, 5, QUEUE_CHANGE);
        queue_add(w->queue, 0, 5, QUEUE_CHANGE);
        assert_int_equal(w->count, 0);
        settle(w);
        assert_int_equal(w->count, 1);
        assert_true(queue_idle(w->queue));
}

static void drift_goes_before_what_was_added_first(void **state) {
        struct world *w = *state;

        queue_add(w->queue, 0, 1, QUEUE_AUDIT);
        queue_add(w->queue, 0, 2, QUEUE_FIRST);
        queue_add(w->queue, 0, 3, QUEUE_DRIFT);
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        assert_int_equal(w->count, 3);
        assert_int_equal(w->seen[0].id, 3);
        assert_int_equal(w->seen[1].id, 1);
        assert_int_equal(w->seen[2].id, 2);
}

static void a_key_dirtied_while_worked_on_runs_again_after(void **state) {
        struct world *w = *state;

        w->keep = true;
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        assert_int_equal(w->count, 1);
        queue_done(w->queue, 0, 1);
        settle(w);
        assert_int_equal(w->count, 2);
        queue_done(w->queue, 0, 1);
        settle(w);
        assert_int_equal(w->count, 2);
}

static void a_full_kind_does_not_hold_up_another(void **state) {
        struct world *w = *state;

        w->keep = true;
        queue_add(w->queue, 1, 1, QUEUE_DRIFT);
        queue_add(w->queue, 1, 2, QUEUE_DRIFT);
        queue_add(w->queue, 0, 3, QUEUE_AUDIT);
        settle(w);
        assert_int_equal(w->count, 2);
        assert_int_equal(w->seen[1].id, 3);
        queue_done(w->queue, 1, 1);
        settle(w);
        assert_int_equal(w->count, 3);
        assert_int_equal(w->seen[2].id, 2);
        queue_done(w->queue, 1, 2);
        queue_done(w->queue, 0, 3);
}

static void a_key_that_yields_leaves_its_place_and_stays_taken(void **state) {
        struct world *w = *state;

        w->keep = true;
        queue_add(w->queue, 1, 1, QUEUE_CHANGE);
        queue_add(w->queue, 1, 2, QUEUE_CHANGE);
        settle(w);
        assert_int_equal(w->count, 1);
        queue_yield(w->queue, 1, 1);
        queue_yield(w->queue, 1, 1);
        queue_add(w->queue, 1, 3, QUEUE_CHANGE);
        queue_add(w->queue, 1, 1, QUEUE_CHANGE);
        settle(w);
        assert_int_equal(w->count, 2); /* one place was left, once, and 1 is still worked on */
        assert_int_equal(w->seen[1].id, 2);
        queue_done(w->queue, 1, 1);
        settle(w);
        assert_int_equal(w->count, 2);
        queue_done(w->queue, 1, 2);
        settle(w);
        assert_int_equal(w->count, 3);
        assert_int_equal(w->seen[2].id, 3);
        queue_done(w->queue, 1, 3);
        settle(w);
        assert_int_equal(w->seen[3].id, 1);
        queue_done(w->queue, 1, 1);
}

static void a_timer_waits_for_who_works_on_the_key(void **state) {
        struct world *w = *state;

        w->keep = true;
        queue_add(w->queue, 1, 1, QUEUE_CHANGE);
        settle(w);
        queue_add_at(w->queue, 1, 1, QUEUE_CHANGE, clock_mono() + 10);
        loop_advance(w->loop, 20);
        settle(w);
        assert_int_equal(w->count, 1);
        queue_done(w->queue, 1, 1);
        settle(w);
        assert_int_equal(w->count, 2);
        queue_done(w->queue, 1, 1);
        queue_add(w->queue, 1, 2, QUEUE_CHANGE); /* the kind's one place is free again */
        settle(w);
        assert_int_equal(w->count, 3);
        queue_done(w->queue, 1, 2);
}

static void yielded_keys_have_a_limit_of_their_own(void **state) {
        struct world *w = *state;

        w->keep = true;
        for (int64_t i = 0; i < QUEUE_YIELDED_MAX + 10; i++) {
                queue_add(w->queue, 1, i, QUEUE_CHANGE);
                settle(w);
                w->count = 0;
                queue_yield(w->queue, 1, i);
        }
        settle(w);
        assert_int_equal(w->count, 0);
        assert_int_equal(queue_waiting(w->queue), 10);
        queue_done(w->queue, 1, 0);
        settle(w);
        assert_int_equal(w->count, 1);
}

static void what_rests_keeps_its_back_off(void **state) {
        struct world *w = *state;
        int64_t at;
        int failures;

        w->keep = true;
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        at = queue_failed(w->queue, 0, 1, QUEUE_CHANGE);
        queue_touch(w->queue, 0, 1, QUEUE_CHANGE, clock_mono() + 10);
        assert_int_equal(queue_next(w->queue, 0, 1, &failures), at);
        queue_add(w->queue, 0, 1, QUEUE_CHANGE); /* something that may be the mend */
        settle(w);
        assert_int_equal(w->count, 2);
        queue_rest(w->queue, 0, 1);
        assert_int_equal(queue_next(w->queue, 0, 1, &failures), at);
        assert_int_equal(failures, 1);
        loop_advance(w->loop, at - clock_mono());
        settle(w);
        assert_int_equal(w->count, 3);
        queue_done(w->queue, 0, 1);
        assert_int_equal(queue_next(w->queue, 0, 1, &failures), 0);
        assert_int_equal(failures, 0);
}

static void a_failing_key_comes_back_later_and_later(void **state) {
        struct world *w = *state;
        int64_t last = 0;
        int failures;

        w->keep = true;
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        for (int i = 1; i <= 5; i++) {
                int64_t at = queue_failed(w->queue, 0, 1, QUEUE_CHANGE);
                int64_t wait = at - clock_mono();

                assert_true(wait > last);
                assert_int_equal(queue_next(w->queue, 0, 1, &failures), at);
                assert_int_equal(failures, i);
                loop_advance(w->loop, wait - 1);
                settle(w);
                assert_int_equal(w->count, (size_t)i);
                loop_advance(w->loop, 1);
                settle(w);
                assert_int_equal(w->count, (size_t)i + 1);
                last = wait;
        }
        queue_done(w->queue, 0, 1);
        queue_next(w->queue, 0, 1, &failures);
        assert_int_equal(failures, 0);
}

static void a_change_does_not_wait_for_the_back_off(void **state) {
        struct world *w = *state;

        w->keep = true;
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        queue_failed(w->queue, 0, 1, QUEUE_CHANGE);
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        assert_int_equal(w->count, 2);
        queue_done(w->queue, 0, 1);
}

/* The charm that is slow to fail: what mends it is said while it is tried for the third time. */
static void a_change_during_any_failing_try_is_tried_at_once(void **state) {
        struct world *w = *state;
        int64_t at;
        int failures;

        w->keep = true;
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        for (int i = 1; i < 3; i++) {
                at = queue_failed(w->queue, 0, 1, QUEUE_CHANGE);
                loop_advance(w->loop, at - clock_mono());
                settle(w);
        }
        assert_int_equal(w->count, 3);
        queue_change(w->queue, 0, 1, 0);
        settle(w);
        assert_int_equal(w->count, 3); /* it is still being worked on */
        assert_int_equal(queue_failed(w->queue, 0, 1, QUEUE_CHANGE), clock_mono());
        settle(w);
        assert_int_equal(w->count, 4);
        at = queue_failed(w->queue, 0, 1, QUEUE_CHANGE); /* nothing new: the back-off goes on */
        assert_true(at - clock_mono() >= QUEUE_BACKOFF_FIRST_MS * 8);
        assert_int_equal(queue_next(w->queue, 0, 1, &failures), at);
        assert_int_equal(failures, 4);
}

static void a_change_for_later_is_not_lost_with_the_try_that_fails(void **state) {
        struct world *w = *state;
        int64_t soon;

        w->keep = true;
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        soon = clock_mono() + 100;
        queue_change(w->queue, 0, 1, soon);
        assert_int_equal(queue_failed(w->queue, 0, 1, QUEUE_CHANGE), soon);
        loop_advance(w->loop, 100);
        settle(w);
        assert_int_equal(w->count, 2);
        queue_change(w->queue, 0, 1, clock_mono() + 100);
        queue_done(w->queue, 0, 1);
        loop_advance(w->loop, 100);
        settle(w);
        assert_int_equal(w->count, 3);
        queue_change(w->queue, 0, 1, 0); /* throttled: not before the server's time */
        soon = queue_failed_until(w->queue, 0, 1, QUEUE_CHANGE, clock_mono() + 30000);
        assert_true(soon >= clock_mono() + 30000);
        queue_change(w->queue, 0, 1, 0);
        settle(w);
        assert_int_equal(w->count, 4);
        queue_done(w->queue, 0, 1);
}

static void a_retry_time_from_outside_is_a_minimum(void **state) {
        struct world *w = *state;
        int64_t at;

        w->keep = true;
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        at = queue_failed_until(w->queue, 0, 1, QUEUE_CHANGE, clock_mono() + 30000);
        assert_true(at >= clock_mono() + 30000);
        loop_advance(w->loop, 29999);
        settle(w);
        assert_int_equal(w->count, 1);
}

/* Of 8 places; drift 9 was found. */
static void set_up_drift(struct world *w) {
        w->keep = true;
        for (int i = 1; i <= 8; i++)
                queue_add(w->queue, 0, i, QUEUE_CHANGE);
        queue_add(w->queue, 0, 9, QUEUE_DRIFT);
        queue_drift(w->queue, 0);
        settle(w);
        assert_int_equal(w->count, 2);
        assert_int_equal(w->seen[0].id, 9);
        assert_int_equal(w->seen[1].id, 1);
}

static void beside_drift_the_rest_begins_when_nothing_is_out(void **state) {
        struct world *w = *state;

        set_up_drift(w);
        queue_done(w->queue, 0, 9);
        settle(w);
        assert_int_equal(w->count, 2);
        queue_done(w->queue, 0, 1);
        settle(w);
        assert_int_equal(w->count, 3);
        queue_add(w->queue, 0, 10, QUEUE_DRIFT);
        queue_add(w->queue, 0, 11, QUEUE_DRIFT);
        settle(w);
        assert_int_equal(w->count, 5); /* drift itself has all places */
        queue_done(w->queue, 0, 2);
        queue_done(w->queue, 0, 10);
        settle(w);
        assert_int_equal(w->count, 5);
        queue_done(w->queue, 0, 11);
        settle(w);
        assert_int_equal(w->count, 6);
}

static void what_is_slow_beside_drift_holds_up_one_step_only(void **state) {
        struct world *w = *state;

        set_up_drift(w);
        loop_advance(w->loop, QUEUE_DRIFT_STEP_MS - 1);
        settle(w);
        assert_int_equal(w->count, 2);
        loop_advance(w->loop, 1);
        settle(w);
        assert_int_equal(w->count, 3);
        for (int i = 0; i < 10; i++) {
                loop_advance(w->loop, QUEUE_DRIFT_STEP_MS);
                settle(w);
        }
        assert_int_equal(w->count, 8); /* the limit holds */
        assert_int_equal(queue_waiting(w->queue), 1);
}

static void after_drift_the_rest_has_its_places_again(void **state) {
        struct world *w = *state;

        set_up_drift(w);
        loop_advance(w->loop, QUEUE_DRIFT_MS);
        settle(w);
        assert_int_equal(w->count, 8);
}

/* The echo of a write of ours comes as urgently as a drift, before it is compared. */
static void what_was_only_seen_leaves_the_rest_its_places(void **state) {
        struct world *w = *state;

        w->keep = true;
        for (int i = 1; i <= 8; i++)
                queue_add(w->queue, 0, i, QUEUE_CHANGE);
        queue_add(w->queue, 0, 9, QUEUE_DRIFT);
        settle(w);
        assert_int_equal(w->count, 8);
}

static int64_t told_wait, told_failures;

static void on_told(int kind, int64_t waited_us) {
        assert_int_equal(kind, 0);
        if (waited_us < 0)
                told_failures++;
        else
                told_wait = waited_us;
}

static void figures_say_what_waits_since_when_and_what_fails(void **state) {
        struct world *w = *state;
        struct queue_figures f;

        queue_tell_to(w->queue, on_told);
        queue_limit(w->queue, 0, 1);
        w->keep = true;
        queue_add(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        queue_add(w->queue, 0, 2, QUEUE_AUDIT);
        clock_fake_advance(1500);
        queue_add(w->queue, 0, 3, QUEUE_CHANGE);
        clock_fake_advance(500);
        queue_add(w->queue, 0, 2, QUEUE_AUDIT); /* once more, and no younger */
        queue_figures(w->queue, 0, &f);
        assert_int_equal(f.ready, 2);
        assert_int_equal(f.busy, 1);
        assert_int_equal(f.failing, 0);
        assert_int_equal(f.oldest_ms, 2000);
        queue_failed(w->queue, 0, 1, QUEUE_CHANGE);
        settle(w);
        assert_int_equal(w->seen[1].id, 3);
        assert_int_equal(told_wait, 500000);
        assert_int_equal(told_failures, 1);
        queue_failed(w->queue, 0, 3, QUEUE_CHANGE);
        settle(w);
        queue_figures(w->queue, 0, &f);
        assert_int_equal(f.ready, 0);
        assert_int_equal(f.failing, 2);
        assert_int_equal(f.oldest_ms, 0);
        queue_done(w->queue, 0, 1);
        queue_figures(w->queue, 0, &f);
        assert_int_equal(f.failing, 1);
        queue_figures(w->queue, 1, &f);
        assert_int_equal(f.ready + f.busy + f.failing, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_key_added_twice_runs_once, up, down),
                cmocka_unit_test_setup_teardown(drift_goes_before_what_was_added_first, up, down),
                cmocka_unit_test_setup_teardown(a_key_dirtied_while_worked_on_runs_again_after, up,
                                                down),
                cmocka_unit_test_setup_teardown(a_full_kind_does_not_hold_up_another, up, down),
                cmocka_unit_test_setup_teardown(a_key_that_yields_leaves_its_place_and_stays_taken,
                                                up, down),
                cmocka_unit_test_setup_teardown(a_timer_waits_for_who_works_on_the_key, up, down),
                cmocka_unit_test_setup_teardown(yielded_keys_have_a_limit_of_their_own, up, down),
                cmocka_unit_test_setup_teardown(what_rests_keeps_its_back_off, up, down),
                cmocka_unit_test_setup_teardown(a_failing_key_comes_back_later_and_later, up, down),
                cmocka_unit_test_setup_teardown(a_change_does_not_wait_for_the_back_off, up, down),
                cmocka_unit_test_setup_teardown(a_change_during_any_failing_try_is_tried_at_once,
                                                up, down),
                cmocka_unit_test_setup_teardown(
                        a_change_for_later_is_not_lost_with_the_try_that_fails, up, down),
                cmocka_unit_test_setup_teardown(a_retry_time_from_outside_is_a_minimum, up, down),
                cmocka_unit_test_setup_teardown(what_is_slow_beside_drift_holds_up_one_step_only,
                                                up, down),
                cmocka_unit_test_setup_teardown(after_drift_the_rest_has_its_places_again, up,
                                                down),
                cmocka_unit_test_setup_teardown(beside_drift_the_rest_begins_when_nothing_is_out,
                                                up, down),
                cmocka_unit_test_setup_teardown(what_was_only_seen_leaves_the_rest_its_places, up,
                                                down),
                cmocka_unit_test_setup_teardown(figures_say_what_waits_since_when_and_what_fails,
                                                up, down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
