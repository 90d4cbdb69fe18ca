/* SPDX-License-Identifier: Apache-2.0 */
/* test_timer.c - deadlines under a fake clock, and once under the real one */
#include "clock.h"
#include "loop.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define MANY 500

struct seen {
        struct loop *loop;
        char order[64];
        struct timer a, b, c;
        int n;
};

static int setup(void **state) {
        struct seen *s = mem_new(struct seen);

        clock_fake(1000, 0);
        assert_int_equal(loop_new(&s->loop, NULL), 0);
        *state = s;
        return 0;
}

static int teardown(void **state) {
        struct seen *s = *state;

        loop_free(s->loop);
        free(s);
        clock_real();
        return 0;
}

static struct seen *current;

static void note(void *arg) {
        const char *name = arg;

        size_t n = strlen(current->order);

        str_copy(current->order + n, sizeof(current->order) - n, name);
}

static void fire_in_order(void **state) {
        struct seen *s = current = *state;

        timer_init(&s->a, s->loop, "a", note, (char *)"a");
        timer_init(&s->b, s->loop, "b", note, (char *)"b");
        timer_init(&s->c, s->loop, "c", note, (char *)"c");
        timer_after(&s->a, 30);
        timer_after(&s->b, 10);
        timer_after(&s->c, 10);
        assert_int_equal(loop_next(s->loop), 10);
        loop_advance(s->loop, 9);
        assert_string_equal(s->order, "");
        loop_advance(s->loop, 1);
        assert_string_equal(s->order, "bc");
        loop_advance(s->loop, 100);
        assert_string_equal(s->order, "bca");
        assert_int_equal(clock_mono(), 1110);
        assert_int_equal(loop_next(s->loop), -1);
}

static void set_again_replaces_and_cancel_is_fine_when_not_set(void **state) {
        struct seen *s = current = *state;

        timer_init(&s->a, s->loop, "a", note, (char *)"a");
        timer_cancel(&s->a);
        timer_after(&s->a, 10);
        timer_after(&s->a, 50);
        loop_advance(s->loop, 20);
        assert_string_equal(s->order, "");
        timer_cancel(&s->a);
        loop_advance(s->loop, 100);
        assert_string_equal(s->order, "");
}

static void again(void *arg) {
        struct seen *s = arg;

        if (++s->n < 5)
                timer_after(&s->a, 10);
        timer_cancel(&s->b);
}

static void handler_may_set_itself_and_cancel_others(void **state) {
        struct seen *s = current = *state;

        timer_init(&s->a, s->loop, "a", again, s);
        timer_init(&s->b, s->loop, "b", note, (char *)"b");
        timer_after(&s->a, 10);
        timer_after(&s->b, 10);
        loop_advance(s->loop, 35);
        assert_int_equal(s->n, 3);
        loop_advance(s->loop, 100);
        assert_int_equal(s->n, 5);
        assert_string_equal(s->order, "");
}

static void free_itself(void *arg) {
        current->n++;
        free(arg);
}

static void handler_may_free_its_timer(void **state) {
        struct seen *s = current = *state;
        struct timer *t = mem_new(struct timer);

        timer_init(t, s->loop, "t", free_itself, t);
        timer_after(t, 1);
        loop_advance(s->loop, 1);
        assert_int_equal(s->n, 1);
}

static int64_t last_at;

static void rising(void *arg) {
        struct timer *t = arg;

        assert_true(clock_mono() >= last_at);
        last_at = clock_mono();
        current->n++;
        timer_init(t, current->loop, "t", rising, t);
}

static void heap_keeps_order_over_random_sets_and_cancels(void **state) {
        struct seen *s = current = *state;
        struct timer *t = mem_array(struct timer, MANY);
        int set = 0;

        last_at = 0;
        for (int i = 0; i < MANY; i++)
                timer_init(&t[i], s->loop, "t", rising, &t[i]);
        srandom(7);
        for (int i = 0; i < MANY * 20; i++) {
                struct timer *one = &t[random() % MANY];

                if (random() % 3 == 0)
                        timer_cancel(one);
                else
                        timer_after(one, random() % 10000);
        }
        for (int i = 0; i < MANY; i++)
                set += t[i].at != 0;
        assert_true(set > MANY / 2);
        loop_advance(s->loop, 10000);
        assert_int_equal(s->n, set);
        free(t);
}

static void stop(void *arg) {
        loop_stop(arg, 42);
}

static void real_clock_wakes_the_loop(void **state) {
        struct seen *s = *state;
        int64_t before;

        clock_real();
        before = clock_mono();
        timer_init(&s->a, s->loop, "a", stop, s->loop);
        timer_after(&s->a, 20);
        assert_int_equal(loop_run(s->loop), 42);
        assert_true(clock_mono() - before >= 20);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(fire_in_order, setup, teardown),
                cmocka_unit_test_setup_teardown(set_again_replaces_and_cancel_is_fine_when_not_set,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(handler_may_set_itself_and_cancel_others, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(handler_may_free_its_timer, setup, teardown),
                cmocka_unit_test_setup_teardown(heap_keeps_order_over_random_sets_and_cancels,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(real_clock_wakes_the_loop, setup, teardown),
        };

        return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
