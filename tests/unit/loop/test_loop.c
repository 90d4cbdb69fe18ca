/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop.c - laters, posts from threads, signals, jobs, descriptors, and the measuring of
 * handlers */
#include "clock.h"
#include "log.h"
#include "loop.h"
#include "metric.h"

#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 20000 /* generous: only reached when the test has failed */

static struct loop *loop;
static int count;

static int setup(void **state) {
        count = 0;
        return loop_new(&loop, NULL);
}

static int teardown(void **state) {
        loop = loop_free(loop);
        return 0;
}

static void add_one(void *arg) {
        count++;
}

static void ask_again(void *arg) {
        count++;
        later_run(arg);
}

static void later_runs_once_and_not_at_once(void **state) {
        struct later l;

        later_init(&l, loop, "later", add_one, NULL);
        later_run(&l);
        later_run(&l);
        assert_int_equal(count, 0);
        assert_true(loop_step(loop, WAIT_MS));
        assert_int_equal(count, 1);
        assert_false(loop_step(loop, 0));
        later_run(&l);
        later_cancel(&l);
        assert_false(loop_step(loop, 0));
        assert_int_equal(count, 1);
}

static void later_that_asks_again_waits_for_the_next_turn(void **state) {
        struct later l;

        later_init(&l, loop, "later", ask_again, &l);
        later_run(&l);
        assert_true(loop_step(loop, 0));
        assert_int_equal(count, 1);
        assert_true(loop_step(loop, 0));
        assert_int_equal(count, 2);
        later_cancel(&l);
}

static struct later first, second;

static void cancel_second(void *arg) {
        later_cancel(&second);
}

static void later_of_the_same_turn_can_be_cancelled(void **state) {
        later_init(&first, loop, "first", cancel_second, NULL);
        later_init(&second, loop, "second", add_one, NULL);
        later_run(&first);
        later_run(&second);
        loop_step(loop, 0);
        loop_step(loop, 0);
        assert_int_equal(count, 0);
}

/* Works for longer than a handler may; on a machine that is busy it takes longer still. */
static void busy_wait(void *arg) {
        struct timespec t;
        int64_t end, now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        end = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + LOOP_SLOW_MS + 3;
        do {
                clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
                now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
        } while (now < end);
        count++;
}

static void stand_still(void *arg) {
        nanosleep(&(struct timespec){ .tv_nsec = (LOOP_SLOW_MS + 3) * 1000000 }, NULL);
}

static char logged[256];

static void sink(void *arg, const struct log_line *line) {
        snprintf(logged, sizeof(logged), "%s %s", line->event, line->fields[0].value);
}

static void slow_handler_is_named_and_counted_under_a_fake_clock_too(void **state) {
        struct later l;
        struct buf text = BUF_INIT;
        const char *name = NULL;

        clock_fake(1, 1);
        log_set_sink(sink, NULL);
        later_init(&l, loop, "the-slow-one", busy_wait, NULL);
        later_run(&l);
        loop_step(loop, 0);
        log_set_sink(NULL, NULL);
        clock_real();
        assert_true(loop_slowest_us(loop, &name) >= LOOP_SLOW_MS * 1000);
        assert_string_equal(name, "the-slow-one");
        assert_string_equal(logged, "slow-handler the-slow-one");
        metric_print(&text);
        assert_non_null(strstr(buf_str(&text), "handler=\"the-slow-one\",cause=\"work\"} 1"));
        buf_free(&text);
        metric_reset();
}

static void slow_handler_that_stood_still_did_not_work(void **state) {
        struct later l;
        struct buf text = BUF_INIT;

        later_init(&l, loop, "the-still-one", stand_still, NULL);
        later_run(&l);
        loop_step(loop, 0);
        metric_print(&text);
        assert_non_null(strstr(buf_str(&text), "handler=\"the-still-one\",cause=\"wait\"} 1"));
        buf_free(&text);
        metric_reset();
}

static void what_another_worked_before_is_not_its_own(void **state) {
        struct timer busy, still;
        struct buf text = BUF_INIT;

        clock_fake(1, 1);
        timer_init(&busy, loop, "busy", busy_wait, NULL);
        timer_init(&still, loop, "still", stand_still, NULL);
        timer_after(&busy, 1);
        timer_after(&still, 1);
        loop_advance(loop, 1);
        clock_real();
        metric_print(&text);
        assert_non_null(strstr(buf_str(&text), "handler=\"busy\",cause=\"work\"} 1"));
        assert_non_null(strstr(buf_str(&text), "handler=\"still\",cause=\"wait\"} 1"));
        buf_free(&text);
        metric_reset();
}

static void laters_leave_the_loop_to_others_after_the_limit(void **state) {
        struct later l[3];

        for (size_t i = 0; i < ARRAY_SIZE(l); i++) {
                later_init(&l[i], loop, "slow", busy_wait, NULL);
                later_run(&l[i]);
        }
        loop_step(loop, 0);
        assert_int_equal(count, 1);
        while (loop_step(loop, 0))
                ;
        assert_int_equal(count, 3);
        metric_reset();
}

static void *poster(void *arg) {
        for (int i = 0; i < 1000; i++)
                loop_post(loop, "add", add_one, NULL);
        return NULL;
}

static void posts_from_threads_all_arrive(void **state) {
        pthread_t t[4];

        for (size_t i = 0; i < ARRAY_SIZE(t); i++)
                pthread_create(&t[i], NULL, poster, NULL);
        while (count < 4000)
                assert_true(loop_step(loop, WAIT_MS));
        for (size_t i = 0; i < ARRAY_SIZE(t); i++)
                pthread_join(t[i], NULL);
        assert_int_equal(count, 4000);
        loop_post(loop, "add", add_one, NULL); /* freed with the loop, not leaked */
}

static void got_signal(void *arg, int signum) {
        count = signum;
}

static void signal_is_seen(void **state) {
        assert_int_equal(loop_signal(loop, SIGUSR1, got_signal, NULL, NULL), 0);
        raise(SIGUSR1);
        assert_true(loop_step(loop, WAIT_MS));
        assert_int_equal(count, SIGUSR1);
}

/* ---- jobs */

static sem_t go;
static int worked, done_n, dropped_n;

static char work_thread[16];

static void work_waits(void *arg) {
        sem_wait(&go);
        __atomic_add_fetch(&worked, 1, __ATOMIC_SEQ_CST);
}

static void work_done(void *arg) {
        done_n++;
}

static void work_dropped(void *arg) {
        dropped_n++;
}

static int job_setup(void **state) {
        worked = done_n = dropped_n = 0;
        sem_init(&go, 0, 0);
        return setup(state);
}

static struct job job_make(void) {
        return (struct job){ .loop = loop,
                             .work = work_waits,
                             .done = work_done,
                             .dropped = work_dropped,
                             .name = "job" };
}

static void job_works_in_a_thread_and_is_done_on_the_loop(void **state) {
        struct job j = job_make();

        job_start(&j);
        assert_true(j.busy);
        sem_post(&go);
        while (!done_n)
                assert_true(loop_step(loop, WAIT_MS));
        assert_false(j.busy);
        assert_int_equal(worked, 1);
        assert_int_equal(dropped_n, 0);
        job_start(&j); /* may be used again */
        sem_post(&go);
        while (done_n < 2)
                assert_true(loop_step(loop, WAIT_MS));
}

static void work_reads_its_name(void *arg) {
        pthread_getname_np(pthread_self(), work_thread, sizeof(work_thread));
}

static void thread_of_a_job_has_a_name(void **state) {
        struct job j = job_make();

        j.work = work_reads_its_name;
        job_start(&j);
        while (!done_n)
                assert_true(loop_step(loop, WAIT_MS));
        assert_string_equal(work_thread, "job");
}

static void cancelled_job_is_dropped_when_its_thread_is_out(void **state) {
        struct job j[LOOP_THREADS_MAX + 4];

        for (size_t i = 0; i < ARRAY_SIZE(j); i++) {
                j[i] = job_make();
                job_start(&j[i]);
        }
        for (size_t i = 0; i < ARRAY_SIZE(j); i++)
                job_cancel(&j[i]);
        while (dropped_n < 4) /* those that no thread had taken, while the others still wait */
                assert_true(loop_step(loop, WAIT_MS));
        for (size_t i = 0; i < ARRAY_SIZE(j); i++)
                sem_post(&go);
        while (dropped_n < (int)ARRAY_SIZE(j))
                assert_true(loop_step(loop, WAIT_MS));
        assert_int_equal(done_n, 0);
        assert_true(worked <= LOOP_THREADS_MAX);
}

/* ---- descriptors */

static int got_events;
static struct watcher *watcher;

static void note_events(void *arg, int fd, int events) {
        got_events |= events;
        count++;
}

static void stop_itself(void *arg, int fd, int events) {
        count++;
        watcher = watcher_stop(watcher);
}

static int pair_setup(void **state) {
        static int fds[2];

        got_events = 0;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        *state = fds;
        return setup(state);
}

static int pair_teardown(void **state) {
        int *fds = *state;

        watcher = watcher_stop(watcher);
        close(fds[0]);
        close(fds[1]);
        return teardown(state);
}

static void descriptor_is_level_triggered_and_can_change(void **state) {
        int *fds = *state;
        struct err err = { 0 };

        assert_int_equal(
                watcher_start(loop, "pair", fds[0], LOOP_READ, note_events, NULL, &watcher, &err),
                0);
        assert_false(loop_step(loop, 0));
        assert_int_equal(write(fds[1], "x", 1), 1);
        assert_true(loop_step(loop, WAIT_MS));
        assert_true(loop_step(loop, WAIT_MS)); /* not read: again */
        assert_int_equal(count, 2);
        assert_int_equal(got_events, LOOP_READ);
        assert_int_equal(watcher_change(watcher, 0, &err), 0);
        assert_false(loop_step(loop, 0));
        assert_int_equal(watcher_change(watcher, LOOP_WRITE, &err), 0);
        assert_true(loop_step(loop, WAIT_MS));
        assert_true(got_events & LOOP_WRITE);
}

static void hangup_is_told(void **state) {
        int *fds = *state;

        assert_int_equal(
                watcher_start(loop, "pair", fds[0], LOOP_HANGUP, note_events, NULL, &watcher, NULL),
                0);
        shutdown(fds[1], SHUT_RDWR);
        assert_true(loop_step(loop, WAIT_MS));
        assert_true(got_events & LOOP_HANGUP);
}

static void watcher_may_stop_itself_and_leaves_the_descriptor_open(void **state) {
        int *fds = *state;

        assert_int_equal(
                watcher_start(loop, "pair", fds[0], LOOP_WRITE, stop_itself, NULL, &watcher, NULL),
                0);
        assert_true(loop_step(loop, WAIT_MS));
        assert_false(loop_step(loop, 0));
        assert_int_equal(count, 1);
        assert_int_equal(write(fds[0], "x", 1), 1);
}

static void what_cannot_be_watched_is_an_error(void **state) {
        struct err err = { 0 };
        FILE *f = tmpfile();

        assert_true(watcher_start(loop, "file", fileno(f), LOOP_READ, note_events, NULL, &watcher,
                                  &err) < 0);
        assert_non_null(strstr(err.text, "file: watching descriptor"));
        fclose(f);
}

/* A connection that was refused reports POLLERR, at which libuv stops the poll by itself. */
static void error_on_a_descriptor_is_passed_on_as_readable(void **state) {
        int p[2];

        assert_int_equal(pipe(p), 0);
        close(p[0]);
        assert_int_equal(
                watcher_start(loop, "pipe", p[1], LOOP_HANGUP, note_events, NULL, &watcher, NULL),
                0);
        assert_true(loop_step(loop, WAIT_MS));
        assert_true(got_events & LOOP_READ && got_events & LOOP_WRITE);
        assert_true(loop_step(loop, WAIT_MS)); /* and goes on */
        watcher = watcher_stop(watcher);
        close(p[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(later_runs_once_and_not_at_once, setup, teardown),
                cmocka_unit_test_setup_teardown(later_that_asks_again_waits_for_the_next_turn,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(later_of_the_same_turn_can_be_cancelled, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                        slow_handler_is_named_and_counted_under_a_fake_clock_too, setup, teardown),
                cmocka_unit_test_setup_teardown(slow_handler_that_stood_still_did_not_work, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(what_another_worked_before_is_not_its_own, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(laters_leave_the_loop_to_others_after_the_limit,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(posts_from_threads_all_arrive, setup, teardown),
                cmocka_unit_test_setup_teardown(signal_is_seen, setup, teardown),
                cmocka_unit_test_setup_teardown(job_works_in_a_thread_and_is_done_on_the_loop,
                                                job_setup, teardown),
                cmocka_unit_test_setup_teardown(thread_of_a_job_has_a_name, job_setup, teardown),
                cmocka_unit_test_setup_teardown(cancelled_job_is_dropped_when_its_thread_is_out,
                                                job_setup, teardown),
                cmocka_unit_test_setup_teardown(descriptor_is_level_triggered_and_can_change,
                                                pair_setup, pair_teardown),
                cmocka_unit_test_setup_teardown(hangup_is_told, pair_setup, pair_teardown),
                cmocka_unit_test_setup_teardown(
                        watcher_may_stop_itself_and_leaves_the_descriptor_open, pair_setup,
                        pair_teardown),
                cmocka_unit_test_setup_teardown(what_cannot_be_watched_is_an_error, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(error_on_a_descriptor_is_passed_on_as_readable,
                                                setup, teardown),
        };

        return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
