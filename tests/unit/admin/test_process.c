/* SPDX-License-Identifier: Apache-2.0 */
/* test_process.c - the process at the other end of a connection is told while it lives, and is
 * nobody else when it is gone */
#include "peer-process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct peer {
        pid_t pid;
        int fd; /* our end */
};

/* A child that connects and calls itself "a ) client", to mislead who reads its line in /proc. */
static void connect_and_wait(const struct sockaddr_un *to) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "a ) client");
        if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
                _exit(1);
        pause();
        _exit(0);
}

static int set_up(void **state) {
        char dir[] = "/tmp/peer-process-XXXXXX";
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        struct peer *p = mem_new(struct peer);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_non_null(mkdtemp(dir));
        snprintf(to.sun_path, sizeof(to.sun_path), "%s/s", dir);
        assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(listen(fd, 1), 0);
        p->pid = fork();
        if (p->pid == 0)
                connect_and_wait(&to);
        p->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(p->fd >= 0);
        close(fd);
        unlink(to.sun_path);
        rmdir(dir);
        *state = p;
        return 0;
}

static void end(struct peer *p) {
        if (p->pid > 0) {
                kill(p->pid, SIGKILL);
                waitpid(p->pid, NULL, 0);
        }
        p->pid = 0;
}

static int tear_down(void **state) {
        struct peer *p = *state;

        end(p);
        close(p->fd);
        free(p);
        return 0;
}

static void a_living_peer_has_number_and_name(void **state) {
        struct peer *p = *state;
        struct peer_process found;

        peer_process_find(p->fd, peer_process_clock(), &found);
        assert_int_equal(found.pid, p->pid);
        assert_string_equal(found.command, "a ) client");
}

static void one_that_ended_has_its_number_and_no_name(void **state) {
        struct peer *p = *state;
        struct peer_process found;
        pid_t pid = p->pid;

        end(p);
        peer_process_find(p->fd, peer_process_clock(), &found);
        assert_int_equal(found.pid, pid);
        assert_string_equal(found.command, "");
        assert_false(found.has_login);
}

static void what_is_no_connection_is_nobody(void **state) {
        struct peer_process found = { .pid = 7 };
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        peer_process_find(fds[0], peer_process_clock(), &found);
        assert_int_equal(found.pid, 0);
        close(fds[0]);
        close(fds[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_living_peer_has_number_and_name, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(one_that_ended_has_its_number_and_no_name, set_up,
                                                tear_down),
                cmocka_unit_test(what_is_no_connection_is_nobody),
        };

        return cmocka_run_group_tests_name("peer process", tests, NULL, NULL);
}
