/* SPDX-License-Identifier: Apache-2.0 */
/* worker-check.c - can workers be confined on this machine, under the user they would have?
 * worker_check, see worker.h
 *
 * The worker program tries both stages itself: what a kernel offers, a container's own filter
 * may still refuse, and only trying tells. Blocking, because nothing runs yet when the daemon
 * starts. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

bool worker_become_user(const struct worker_spec *spec) {
        return spec->uid == (uid_t)-1 ||
               (setgroups(0, NULL) == 0 && setresgid(spec->gid, spec->gid, spec->gid) == 0 &&
                setresuid(spec->uid, spec->uid, spec->uid) == 0);
}

static _Noreturn void become_check(const struct worker_spec *spec, int program, int words) {
        char path[32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", program);
        if (dup2(words, 2) < 0 || !worker_become_user(spec)) {
                /* So it is in a user namespace that has no other users. */
                dprintf(2, "they cannot run as the user of --charm-user (%s)\n", strerror(errno));
                _exit(126);
        }
        execl(path, "mooring-charm", "--check-sandbox", NULL);
        _exit(127);
}

static void read_words(int fd, char *text, size_t size) {
        size_t len = 0;
        ssize_t n;

        while (len + 1 < size && (n = read(fd, text + len, size - len - 1)) > 0)
                len += (size_t)n;
        text[len] = '\0';
        text[strcspn(text, "\n")] = '\0';
}

#ifdef MOORING_SANITIZED
#define NEEDED "A build with sanitizers cannot confine them at all: start it with --sandbox=no"
#else
#define NEEDED                                                                                     \
        "It needs seccomp and landlock (Linux 5.13 or later, \"landlock\" among the security "     \
        "modules; systemd units and containers must allow the calls landlock_* and seccomp)"
#endif

static int run_check(const struct worker_spec *spec, int program, int pair[2], struct err *err) {
        pid_t pid = fork();
        char text[256];
        int status = 0;

        if (pid == 0)
                become_check(spec, program, pair[1]);
        closep(&pair[1]);
        if (pid < 0)
                return err_set(err, -errno, "no process: %s", strerror(errno));
        read_words(pair[0], text, sizeof(text));
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        return err_set(err, -ENOSYS,
                       "charms cannot be confined on this machine, so the daemon does not start: "
                       "%s. " NEEDED,
                       *text ? text : "the check crashed");
}

int worker_check(const struct worker_spec *spec, struct err *err) {
        /* Not closed by exec: a program that the other user cannot reach by its path is run from
         * this descriptor. */
        cleanup_(closep) int program = open(spec->program, O_RDONLY);
        int pair[2], r;

        if (program < 0)
                return err_set(err, -errno, "%s: %s", spec->program, strerror(errno));
        if (pipe2(pair, O_CLOEXEC) < 0)
                return err_set(err, -errno, "no pipe: %s", strerror(errno));
        r = run_check(spec, program, pair, err);
        closep(&pair[0]);
        closep(&pair[1]);
        return r;
}
