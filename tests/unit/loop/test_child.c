/* SPDX-License-Identifier: Apache-2.0 */
/* test_child.c - what a child gets, what it does not get, and how its end is told */
#include "buf.h"
#include "loop.h"

#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

static struct loop *loop;
static int ended, ended_status, ended_signal;
static struct child *child;

static int setup(void **state) {
        ended = 0;
        return loop_new(&loop, NULL);
}

static int teardown(void **state) {
        child = child_free(child);
        loop = loop_free(loop);
        return 0;
}

static void exited(void *arg, int status, int signum) {
        ended++;
        ended_status = status;
        ended_signal = signum;
}

static void exited_frees(void *arg, int status, int signum) {
        ended++;
        child = child_free(child);
}

static int shell(const char *script, const int *fds, size_t nfds, const char *const *env,
                 struct err *err) {
        const char *const argv[] = { "/bin/sh", "-c", script, NULL };
        struct child_spec spec = { .argv = argv,
                                   .env = env,
                                   .fds = fds,
                                   .nfds = nfds,
                                   .uid = (uid_t)-1,
                                   .gid = (gid_t)-1,
                                   .session = true,
                                   .name = "shell",
                                   .exited = exited };

        return child_start(loop, &spec, &child, err);
}

static void wait_end(void) {
        while (!ended)
                assert_true(loop_step(loop, WAIT_MS));
}

static void status_and_signal_are_told_once(void **state) {
        assert_int_equal(shell("exit 3", NULL, 0, NULL, NULL), 0);
        wait_end();
        assert_int_equal(ended_status, 3);
        assert_int_equal(ended_signal, 0);
        child = child_free(child);
        ended = 0;
        assert_int_equal(shell("kill -KILL $$", NULL, 0, NULL, NULL), 0);
        wait_end();
        assert_int_equal(ended_signal, SIGKILL);
        assert_false(loop_step(loop, 0));
        assert_int_equal(ended, 1);
}

static void child_gets_its_descriptors_and_no_others(void **state) {
        int out[2];
        int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, on purpose */
        char text[512] = "";
        static const char *const env[] = { "A=b", NULL };
        size_t n = 0;
        ssize_t r;

        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        assert_int_equal(
                shell("set -- /proc/$$/fd/*; for f; do [ -e $f ] && printf '%s ' ${f##*/}; done; "
                      "echo \"A=$A HOME=$HOME\"; cat <&0 | wc -c >&3",
                      (int[]){ -1, out[1], -1, out[1] }, 4, env, NULL),
                0);
        close(out[1]);
        while ((r = read(out[0], text + n, sizeof(text) - 1 - n)) > 0)
                n += (size_t)r;
        wait_end();
        assert_string_equal(text, "0 1 2 3 A=b HOME=\n0\n");
        assert_int_equal(ended_status, 0);
        close(out[0]);
        close(leak);
}

/* The descriptors asked for lie at each other's numbers. */
static void descriptors_may_change_places(void **state) {
        int a[2], b[2];
        int low[2];
        char text[8] = "";

        assert_int_equal(pipe2(a, O_CLOEXEC), 0);
        assert_int_equal(pipe2(b, O_CLOEXEC), 0);
        low[0] = fcntl(a[1], F_DUPFD_CLOEXEC, 3);
        low[1] = fcntl(b[1], F_DUPFD_CLOEXEC, 3);
        assert_int_equal(
                shell("echo a >&1; echo b >&2", (int[]){ -1, low[1], low[0] }, 3, NULL, NULL), 0);
        wait_end();
        assert_int_equal(read(b[0], text, sizeof(text)), 2);
        assert_memory_equal(text, "a\n", 2);
        assert_int_equal(read(a[0], text, sizeof(text)), 2);
        assert_memory_equal(text, "b\n", 2);
        for (int i = 0; i < 2; i++) {
                close(a[i]);
                close(b[i]);
                close(low[i]);
        }
}

static void program_that_is_not_there_fails_the_start(void **state) {
        const char *const argv[] = { "/nonexistent/program", NULL };
        struct child_spec spec = { .argv = argv, .uid = (uid_t)-1, .gid = (gid_t)-1 };
        struct err err = { 0 };

        assert_int_equal(child_start(loop, &spec, &child, &err), -ENOENT);
        assert_string_equal(err.text, "starting /nonexistent/program: No such file or directory");
        assert_null(child);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left behind */
        assert_int_equal(errno, ECHILD);
}

static void kill_reaches_it(void **state) {
        assert_int_equal(shell("while :; do sleep 1; done", NULL, 0, NULL, NULL), 0);
        child_kill(child, SIGTERM);
        wait_end();
        assert_int_equal(ended_signal, SIGTERM);
        child_kill(child, SIGTERM); /* fine after its end */
}

static void free_kills_and_says_nothing(void **state) {
        pid_t pid;

        assert_int_equal(shell("while :; do sleep 1; done", NULL, 0, NULL, NULL), 0);
        pid = child_pid(child);
        child = child_free(child);
        while (waitpid(pid, NULL, WNOHANG) == 0 || kill(pid, 0) == 0)
                loop_step(loop, 10);
        assert_int_equal(ended, 0);
}

static void exited_may_free_the_child(void **state) {
        const char *const argv[] = { "/bin/true", NULL };
        struct child_spec spec = {
                .argv = argv, .uid = (uid_t)-1, .gid = (gid_t)-1, .exited = exited_frees
        };

        assert_int_equal(child_start(loop, &spec, &child, NULL), 0);
        wait_end();
        assert_null(child);
}

static void user_and_group_are_given_up(void **state) {
        int out[2];
        char text[64] = "";
        const char *const argv[] = { "/usr/bin/id", NULL };
        struct child_spec spec = {
                .argv = argv,
                .uid = 65534,
                .gid = 65534,
                .fds = (int[]){-1, -1, -1},
                .nfds = 3,
                .exited = exited
        };

        if (geteuid() != 0)
                skip();
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        spec.fds = (int[]){ -1, out[1], -1 };
        assert_int_equal(child_start(loop, &spec, &child, NULL), 0);
        close(out[1]);
        wait_end();
        assert_true(read(out[0], text, sizeof(text) - 1) > 0);
        assert_non_null(strstr(text, "uid=65534"));
        assert_null(strstr(text, "root"));
        close(out[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(status_and_signal_are_told_once, setup, teardown),
                cmocka_unit_test_setup_teardown(child_gets_its_descriptors_and_no_others, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(descriptors_may_change_places, setup, teardown),
                cmocka_unit_test_setup_teardown(program_that_is_not_there_fails_the_start, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(kill_reaches_it, setup, teardown),
                cmocka_unit_test_setup_teardown(free_kills_and_says_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(exited_may_free_the_child, setup, teardown),
                cmocka_unit_test_setup_teardown(user_and_group_are_given_up, setup, teardown),
        };

        return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
