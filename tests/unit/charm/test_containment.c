/* SPDX-License-Identifier: Apache-2.0 */
/* test_containment.c - what hostile modules can do: nothing but end their own call
 *
 * Run twice: as root with workers under another user, and with --own-uid under the daemon's own
 * user. Each attack that would be a system call ends the worker by SIGSYS, which shows that it
 * was made and that it was refused. */
#include "host-fixture.h"

#include "clock.h"
#include "log.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <cmocka.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fixture fixture;
static char marker[100], socket_path[100];
static int listener = -1;

static int setup(void **state) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        fixture_init(&fixture, NULL, false);
        snprintf(marker, sizeof(marker), "%s/marker", fixture.state);
        snprintf(socket_path, sizeof(socket_path), "%s/admin.sock", fixture.state);
        str_copy(a.sun_path, sizeof(a.sun_path), socket_path);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(listener, 5), 0);
        return 0;
}

static int teardown(void **state) {
        closep(&listener);
        fixture_deinit(&fixture);
        return 0;
}

/* The daemon, its socket and the file system are as they were. */
static void assert_unharmed(void) {
        assert_int_equal(access(marker, F_OK), -1);
        assert_int_equal(accept(listener, NULL, NULL), -1);
        assert_int_equal(errno, EAGAIN);
}

static void start_attack(struct test_call *c, const char *name) {
        cleanup_(freep) char *config = NULL;
        bool is_socket = str_starts(name, "connect");

        config = str_format("{\"attack\":\"%s\",\"path\":\"%s\",\"pid\":%d}", name,
                            is_socket ? socket_path : marker, (int)getpid());
        fixture_plan(&fixture, c, "hostile", 1, config);
}

static void assert_text(const char *attack, const char *text, const char *part) {
        if (!strstr(text, part))
                fail_msg("%s: \"%s\" does not say \"%s\"", attack, text, part);
}

static void assert_neighbour_works(struct test_call *neighbour) {
        fixture_wait(&fixture, neighbour);
        if (neighbour->r < 0)
                fail_msg("%s", err_text(&neighbour->err));
        assert_int_equal(neighbour->plan->doc_count, 2);
        test_call_deinit(neighbour);
}

/* The attack ends in R with TEXT; another application's calls, before, meanwhile and after, do
 * not notice. */
static void attack(const char *name, int r, const char *text) {
        struct test_call bad, before, after;

        start_attack(&bad, name);
        fixture_plan(&fixture, &before, "hello", 1, "{}");
        assert_neighbour_works(&before);
        fixture_wait(&fixture, &bad);
        if (bad.r != r)
                fail_msg("%s: %d (%s), wanted %d", name, bad.r, err_text(&bad.err), r);
        assert_text(name, err_text(&bad.err), text);
        assert_null(bad.plan);
        test_call_deinit(&bad);
        fixture_plan(&fixture, &after, "hello", 1, "{}");
        assert_neighbour_works(&after);
        assert_unharmed();
}

static void system_calls_end_the_worker(void **state) {
        static const char *const names[] = {
                "open",   "read",   "socket",   "connect",     "connect-channel",
                "fork",   "thread", "exec",     "kill",        "tgkill",
                "ptrace", "mem",    "vm-write", "io-uring",    "time",
                "random", "filter", "other-fd", "exec-memory", "exec-protect"
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                attack(names[i], -EPERM,
                       "charm hostile made a system call that charms do not have");
}

static void crashes_and_leaks_end_that_call_only(void **state) {
        attack("crash", -EFAULT, "charm hostile crashed: Segmentation fault");
        attack("clock", -EFAULT, "charm hostile crashed: Segmentation fault");
        attack("stack", -EFAULT, "charm hostile crashed: Segmentation fault");
        attack("leak", -EFAULT, "charm hostile crashed: Aborted");
        attack("memory", -EFAULT, "charm hostile crashed: Aborted");
        attack("exit", -EFAULT, "charm hostile ended by itself with status 0");
}

static void what_is_no_plan_is_refused(void **state) {
        attack("gigabyte", -E2BIG, "a frame of 1073741823 bytes");
        attack("garbage", -E2BIG, "charm hostile sent what is no plan");
        attack("bad-hash", -EBADMSG, "does not have the hash it was sent with");
        attack("no-head", -EBADMSG, "out of its order");
        attack("two-plans", -EBADMSG, "bytes that nobody asked for");
}

/* The first plan is the answer; the worker that goes on talking is ended and its charm gets a
 * fresh one. */
static void bytes_between_two_calls_end_the_worker(void **state) {
        struct test_call c;

        start_attack(&c, "early-plan");
        fixture_wait(&fixture, &c);
        assert_int_equal(c.r, 0);
        assert_string_equal(c.plan->message, "early");
        test_call_deinit(&c);
        for (int i = 0; charm_host_workers(fixture.host) && i < WAIT_STEPS; i++)
                loop_step(fixture.loop, 1000);
        assert_int_equal(charm_host_workers(fixture.host), 0);
        start_attack(&c, "none");
        fixture_wait(&fixture, &c);
        assert_int_equal(c.r, 0);
        test_call_deinit(&c);
}

static void plans_beyond_a_limit_are_refused_by_name(void **state) {
        attack("document", -EINVAL, "large: a document of 4194");
        attack("documents", -EINVAL, "grows beyond 20000 documents");
        attack("plan", -EINVAL, "grows beyond 67108864 bytes");
        attack("twice", -EINVAL, "label same twice");
}

/* Ends at the deadline and not before; the neighbour is served meanwhile. */
static void assert_ends_at_deadline(const char *name) {
        struct test_call bad, neighbour;

        start_attack(&bad, name);
        fixture_plan(&fixture, &neighbour, "hello", 1, "{}");
        assert_neighbour_works(&neighbour);
        loop_advance(fixture.loop, CHARM_CALL_MS - 1);
        assert_false(bad.done);
        loop_advance(fixture.loop, 1);
        fixture_wait(&fixture, &bad);
        assert_int_equal(bad.r, -ETIMEDOUT);
        assert_string_equal(err_text(&bad.err),
                            "charm hostile did not finish its plan within 10 s");
        test_call_deinit(&bad);
        assert_unharmed();
}

static void endless_and_slow_answers_end_at_the_deadline(void **state) {
        assert_ends_at_deadline("loop");
        assert_ends_at_deadline("slow");
}

static void the_same_charm_works_again_after_an_attack(void **state) {
        struct test_call c;

        attack("crash", -EFAULT, "crashed");
        start_attack(&c, "none");
        fixture_wait(&fixture, &c);
        assert_int_equal(c.r, 0);
        assert_string_equal(c.plan->message, "none succeeded");
        test_call_deinit(&c);
}

/* ---- views ahead */

#define AHEAD 12 /* more than a worker is given at once */
#define TRIES_MAX 20

static void start_all(struct test_call *c, size_t bad, const char *name) {
        for (size_t i = 0; i < AHEAD; i++)
                start_attack(&c[i], i == bad ? name : "none");
}

/* All but BAD have their plan; BAD failed with R, and nothing else did. */
static void assert_only_one_failed(struct test_call *c, size_t bad, int r) {
        for (size_t i = 0; i < AHEAD; i++) {
                fixture_wait(&fixture, &c[i]);
                if (c[i].r != (i == bad ? r : 0))
                        fail_msg("call %zu: %d (%s)", i, c[i].r, err_text(&c[i].err));
                if (i != bad)
                        assert_string_equal(c[i].plan->message, "none succeeded");
                test_call_deinit(&c[i]);
        }
        assert_unharmed();
}

static void a_death_fails_the_call_that_the_worker_was_at(void **state) {
        static const size_t places[] = { 0, 1, 5, AHEAD - 1 };
        struct test_call c[AHEAD];

        for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
                start_all(c, places[i], "crash");
                assert_only_one_failed(c, places[i], -EFAULT);
                start_all(c, places[i], "garbage");
                assert_only_one_failed(c, places[i], -E2BIG);
                start_all(c, places[i], "document"); /* refused: the worker goes on */
                assert_only_one_failed(c, places[i], -EINVAL);
        }
}

/* The deadline is of the one that the worker is at, from when it can be at it. */
static void each_call_ahead_has_a_deadline_of_its_own(void **state) {
        struct test_call c[AHEAD];

        start_all(c, 2, "loop");
        fixture_wait(&fixture, &c[1]);
        loop_advance(fixture.loop, CHARM_CALL_MS - 1);
        assert_false(c[2].done);
        assert_false(c[3].done);
        loop_advance(fixture.loop, 1);
        assert_only_one_failed(c, 2, -ETIMEDOUT);
}

static void a_call_ahead_that_is_cancelled_takes_no_other_s_answer(void **state) {
        struct test_call c[AHEAD], last;

        for (int tries = 1;; tries++) {
                start_all(c, AHEAD, NULL);
                fixture_plan(&fixture, &last, "hostile", 1, "{\"attack\":\"read\",\"pid\":1}");
                do
                        loop_step(fixture.loop, 100);
                while (!charm_host_workers(fixture.host));
                if (charm_host_has(&c[3].call))
                        break;
                assert_true(tries < TRIES_MAX); /* the machine stood still until all had answered */
                fixture_wait(&fixture, &last);
                test_call_deinit(&last);
                for (size_t i = 0; i < AHEAD; i++)
                        test_call_deinit(&c[i]);
        }
        charm_host_cancel(&c[3].call);
        fixture_wait(&fixture, &last);
        assert_int_equal(last.r, -EPERM);
        test_call_deinit(&last);
        assert_false(c[3].done);
        test_call_deinit(&c[3]);
        for (size_t i = 0; i < AHEAD; i++) {
                if (i == 3)
                        continue;
                assert_true(c[i].done);
                assert_int_equal(c[i].r, 0);
                test_call_deinit(&c[i]);
        }
}

/* ---- constructors */

/* The same module in a process without a sandbox: all of its attempts succeed, or the next test
 * would show nothing. */
static void without_a_sandbox_the_constructor_succeeds(void **state) {
        unsigned succeeded = 0;
        int pair[2];
        pid_t pid;

        assert_int_equal(pipe(pair), 0);
        pid = fork();
        if (pid == 0) {
                void *library = dlopen(TEST_CHARM_DIR "/early/early.so", RTLD_LAZY | RTLD_LOCAL);
                unsigned *bits = library ? dlsym(library, "early_succeeded") : NULL;
                ssize_t n unused_ = write(pair[1], bits ? bits : &succeeded, sizeof(succeeded));

                _exit(0);
        }
        assert_int_equal(read(pair[0], &succeeded, sizeof(succeeded)), sizeof(succeeded));
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(pair[0]);
        close(pair[1]);
        assert_int_equal(succeeded, 0x3ffff);
}

static void a_constructor_gains_nothing(void **state) {
        struct test_call c;

        fixture_plan(&fixture, &c, "early", 1, "{}");
        fixture_wait(&fixture, &c);
        if (c.r < 0)
                fail_msg("%s", err_text(&c.err));
        assert_string_equal(c.plan->message, "18 attempts, succeeded: 0");
        test_call_deinit(&c);
}

/* ---- swapped files */

static void write_into(const char *name, const char *text) {
        cleanup_(freep) char *path = NULL;
        const struct charm_offer *offer;
        FILE *f;

        assert_int_equal(charm_host_find(fixture.host, "hello", NULL, -1, &offer, NULL), 0);
        path = str_format("%s/charms/%s/%s", fixture.state, offer->sha256, name);
        assert_int_equal(chmod(path, 0644), 0);
        f = fopen(path, "ae");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

/* Pinned, then changed behind the daemon's back, then planned without a new pin. */
static void assert_change_is_refused(const char *name, const char *part) {
        struct test_call c;

        fixture_plan(&fixture, &c, "hello", 1, "{}");
        write_into(name, " ");
        fixture_wait(&fixture, &c);
        assert_true(c.r < 0);
        assert_text(name, err_text(&c.err), part);
        test_call_deinit(&c);
}

static void a_module_swapped_after_hashing_is_refused(void **state) {
        assert_change_is_refused("hello.so", "hello.so is not the file that was hashed");
}

static void objects_and_metadata_swapped_after_hashing_are_refused(void **state) {
        assert_change_is_refused("objects/service.yaml",
                                 "objects/service.yaml is not the file that was hashed");
}

static void a_manifest_swapped_after_hashing_is_refused(void **state) {
        assert_change_is_refused("manifest", "its manifest has the hash");
}

/* ---- machines without a sandbox */

static int deny(scmp_filter_ctx c, int call, int error) {
        return seccomp_rule_add(c, SCMP_ACT_ERRNO((unsigned)error), call, 0);
}

/* In a child, so that the filter stays there. Its status: 0 when the host refused and said WORD. */
static void assert_host_refuses(int call, int error, const char *word) {
        pid_t pid = fork();
        int status = -1;

        if (pid == 0) {
                static const char *const none[] = { NULL };
                struct charm_host_options o = { .state_dir = fixture.state,
                                                .charm_dirs = none,
                                                .worker = TEST_WORKER,
                                                .sandbox = true };
                scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
                struct charm_host *host = NULL;
                struct err err = {};

                if (deny(c, call, error) < 0 || seccomp_load(c) < 0)
                        _exit(2);
                if (charm_host_new(fixture.loop, &o, &host, &err) != -ENOSYS || host ||
                    !strstr(err_text(&err), word))
                        _exit(1);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void without_landlock_the_host_does_not_start(void **state) {
        assert_host_refuses(SCMP_SYS(landlock_create_ruleset), ENOSYS,
                            "this kernel has no landlock");
        assert_host_refuses(SCMP_SYS(landlock_create_ruleset), EPERM,
                            "this kernel has no landlock");
        assert_host_refuses(SCMP_SYS(landlock_restrict_self), EPERM,
                            "landlock cannot be switched on");
}

static void without_seccomp_the_host_does_not_start(void **state) {
        assert_host_refuses(SCMP_SYS(seccomp), ENOSYS, "seccomp cannot be switched on");
}

/* As in a user namespace that has nobody but its root. */
static void without_the_workers_user_the_host_does_not_start(void **state) {
        if (geteuid() != 0)
                skip();
        assert_host_refuses(SCMP_SYS(setresuid), EINVAL, "as the user of --charm-user (Invalid");
}

/* ---- what a worker is */

/* Pid of the only worker of process PARENT, or 0. */
static pid_t find_worker(pid_t parent) {
        cleanup_(freep) char *path =
                str_format("/proc/%d/task/%d/children", (int)parent, (int)parent);
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        int pid = 0;

        if (f && fscanf(f, "%d", &pid) != 1)
                return 0;
        return pid;
}

static void read_text(pid_t pid, const char *name, char *text, size_t size) {
        cleanup_(freep) char *path = str_format("/proc/%d/%s", (int)pid, name);
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        size_t n;

        assert_non_null(f);
        n = fread(text, 1, size - 1, f);
        text[n] = '\0';
}

/* ps and top show which charm uses the processor. */
static void a_worker_is_shown_by_its_name(void **state) {
        char comm[64], cmdline[512];
        struct test_call c;

        fixture_plan(&fixture, &c, "hello", 1, "{}");
        fixture_wait(&fixture, &c);
        test_call_deinit(&c);
        read_text(find_worker(getpid()), "comm", comm, sizeof(comm));
        read_text(find_worker(getpid()), "cmdline", cmdline, sizeof(cmdline));
        assert_string_equal(comm, "mooring-charm\n");
        assert_string_equal(cmdline, "mooring-charm [hello]");
}

static void a_worker_has_no_privileges_and_no_descriptors(void **state) {
        char text[4096], path[64], target[16];
        struct test_call c;
        pid_t pid;

        fixture_plan(&fixture, &c, "hello", 1, "{}");
        fixture_wait(&fixture, &c);
        assert_int_equal(c.r, 0);
        test_call_deinit(&c);
        pid = find_worker(getpid());
        assert_true(pid > 0);
        assert_int_equal(getsid(pid), pid);
        read_text(pid, "status", text, sizeof(text));
        assert_text("status", text, "NoNewPrivs:\t1");
        assert_text("status", text, "Seccomp:\t2");
        assert_text("status", text, "CapEff:\t0000000000000000");
        if (geteuid() == 0)
                assert_null(strstr(text, "Uid:\t0"));
        for (int fd = 0; fd < 64 && geteuid() == 0; fd++) { /* not dumpable: only root may look */
                snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
                assert_int_equal(readlink(path, target, sizeof(target)) > 0, fd <= 3);
        }
}

static bool is_gone(pid_t pid) {
        for (int i = 0; i < 600; i++) {
                if (kill(pid, 0) < 0 && errno == ESRCH)
                        return true;
                usleep(50000);
        }
        return false;
}

/* The daemon: runs one plan, tells its worker's number and sits there with a worker in an
 * endless loop. */
static _Noreturn void be_daemon(int out) {
        struct test_call c;
        pid_t pid;

        fixture_init(&fixture, NULL, false);
        fixture_plan(&fixture, &c, "hostile", 1, "{\"attack\":\"loop\"}");
        while (!charm_host_workers(fixture.host))
                loop_step(fixture.loop, 100);
        pid = find_worker(getpid());
        if (write(out, &pid, sizeof(pid)) != sizeof(pid) ||
            write(out, fixture.state, sizeof(fixture.state)) < 0)
                _exit(1);
        for (;;)
                pause();
}

static void workers_die_with_the_daemon(void **state) {
        char folder[sizeof(fixture.state)];
        int pair[2];
        pid_t daemon, worker = 0;

        assert_int_equal(pipe(pair), 0);
        daemon = fork();
        if (daemon == 0)
                be_daemon(pair[1]);
        assert_int_equal(read(pair[0], &worker, sizeof(worker)), sizeof(worker));
        assert_int_equal(read(pair[0], folder, sizeof(folder)), sizeof(folder));
        assert_true(worker > 0);
        assert_int_equal(kill(worker, 0) == 0 || errno == EPERM, 1);
        kill(daemon, SIGKILL);
        assert_int_equal(waitpid(daemon, NULL, 0), daemon);
        assert_true(is_gone(worker));
        close(pair[0]);
        close(pair[1]);
        fixture_remove(folder);
}

static int become_ordinary_user(void) {
        const struct passwd *p = getpwnam("nobody");

        if (geteuid() != 0)
                return 0;
        if (!p || setresgid(p->pw_gid, p->pw_gid, p->pw_gid) < 0 ||
            setresuid(p->pw_uid, p->pw_uid, p->pw_uid) < 0)
                return -1;
        prctl(PR_SET_DUMPABLE, 1); /* leak detection looks at its own process */
        return access(TEST_CHARM_DIR "/hello/hello.so", R_OK);
}

/* ---- what a module prints */

static struct {
        size_t lines; /* of charms */
        char last[100];
        bool planning, to_stderr;
} printed;

static void on_line(void *arg, const struct log_line *line) {
        if (!str_eq(line->event, "charm-output"))
                return;
        assert_string_equal(line->fields[0].name, "CHARM");
        assert_string_equal(line->fields[0].value, "hostile");
        printed.lines++;
        printed.planning |= str_eq(line->text, "planning app");
        printed.to_stderr |= str_eq(line->text, "to ? stderr");
        str_copy(printed.last, sizeof(printed.last), line->text);
}

static int setup_printing(void **state) {
        fixture_init(&fixture, NULL, true);
        memset(&printed, 0, sizeof(printed));
        log_set_sink(on_line, NULL);
        return 0;
}

static int teardown_printing(void **state) {
        log_set_sink(NULL, NULL);
        fixture_deinit(&fixture);
        return 0;
}

static void wait_for_lines(size_t n) {
        for (int i = 0; printed.lines < n && i < WAIT_STEPS; i++)
                loop_step(fixture.loop, 1000);
        assert_int_equal(printed.lines, n);
}

/* As under tools/try, whose daemon writes its log there: a worker that had it itself would die of
 * its limit of file sizes at the first byte. */
static int stderr_to_file(void) {
        cleanup_(freep) char *path = str_format("%s/log", fixture.state);
        cleanup_(closep) int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        int before = dup(2);

        assert_true(file >= 0 && before >= 0);
        assert_int_equal(dup2(file, 2), 2);
        return before;
}

static void what_a_module_prints_is_logged_where_the_log_is_a_file(void **state) {
        struct test_call c;
        int before = stderr_to_file();

        start_attack(&c, "print");
        fixture_wait(&fixture, &c);
        dup2(before, 2);
        close(before);
        if (c.r < 0)
                fail_msg("%s", err_text(&c.err));
        test_call_deinit(&c);
        wait_for_lines(3);
        assert_true(printed.planning);
        assert_true(printed.to_stderr);
}

static void what_a_module_prints_without_end_is_counted(void **state) {
        struct test_call c;

        clock_fake(clock_mono(), clock_wall()); /* one window, however slow the machine is */
        start_attack(&c, "print-much");
        fixture_wait(&fixture, &c);
        assert_int_equal(c.r, 0);
        test_call_deinit(&c);
        wait_for_lines(200);
        assert_string_equal(printed.last, "line 199");
        fixture.host = charm_host_free(fixture.host);
        assert_int_equal(printed.lines, 201);
        assert_string_equal(printed.last,
                            "800 lines more were not logged: it printed more than 200 within 10 s");
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(system_calls_end_the_worker, setup, teardown),
                cmocka_unit_test_setup_teardown(crashes_and_leaks_end_that_call_only, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(what_is_no_plan_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(bytes_between_two_calls_end_the_worker, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(plans_beyond_a_limit_are_refused_by_name, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(endless_and_slow_answers_end_at_the_deadline, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(the_same_charm_works_again_after_an_attack, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_death_fails_the_call_that_the_worker_was_at,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(each_call_ahead_has_a_deadline_of_its_own, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                        a_call_ahead_that_is_cancelled_takes_no_other_s_answer, setup, teardown),
                cmocka_unit_test(without_a_sandbox_the_constructor_succeeds),
                cmocka_unit_test_setup_teardown(a_constructor_gains_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(a_module_swapped_after_hashing_is_refused, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                        objects_and_metadata_swapped_after_hashing_are_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(a_manifest_swapped_after_hashing_is_refused, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(without_landlock_the_host_does_not_start, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(without_seccomp_the_host_does_not_start, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(without_the_workers_user_the_host_does_not_start,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_worker_is_shown_by_its_name, setup, teardown),
                cmocka_unit_test_setup_teardown(a_worker_has_no_privileges_and_no_descriptors,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                        what_a_module_prints_is_logged_where_the_log_is_a_file, setup_printing,
                        teardown_printing),
                cmocka_unit_test_setup_teardown(what_a_module_prints_without_end_is_counted,
                                                setup_printing, teardown_printing),
                cmocka_unit_test(workers_die_with_the_daemon),
        };

        signal(SIGPIPE, SIG_IGN); /* as the daemon does */
        if (argc > 1 && str_eq(argv[1], "--own-uid") && become_ordinary_user() != 0) {
                fprintf(stderr, "skipped: user nobody cannot read %s\n", TEST_CHARM_DIR);
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
