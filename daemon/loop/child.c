/* SPDX-License-Identifier: Apache-2.0 */
/* child.c - child processes: exact descriptors, exact environment, and one notice of their end
 *
 * vfork and execve by hand, because libuv's spawn leaves open whatever lacks O_CLOEXEC, and a
 * charm worker must start with the descriptors it was given and no others. vfork, because fork
 * copies the page tables of all that the daemon holds while the loop waits. The memory is shared
 * until execve: that is how a failure comes back, and why only plain system calls are made in
 * between (glibc's setresuid would change the parent's threads). The end is seen on a pidfd, so
 * that nobody needs SIGCHLD and no number is reused before its status was taken. */
#include "loop-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_FDS_MAX 64 /* a worker gets a handful; the moved copies lie above this number */

struct child {
        struct loop *loop;
        const char *name;
        pid_t pid;
        int pidfd;
        struct watcher *watcher;
        void (*exited)(void *arg, int status, int signum);
        void *arg;
        bool dying;       /* freed by its owner, killed, not yet reaped: frees itself */
        struct list link; /* in the loop's list of those */
};

static const char *program_of(const struct child_spec *spec) {
        return spec->program ? spec->program : spec->argv[0];
}

/* ---- in the child */

static _Noreturn void give_up(volatile int *ret_code) {
        *ret_code = errno;
        _exit(127);
}

/* First everything out of the way, then each to its place: a descriptor may be wanted at
 * another's number. */
static void place_descriptors(const struct child_spec *spec, volatile int *ret_code) {
        int moved[CHILD_FDS_MAX];

        for (size_t i = 0; i < spec->nfds; i++) {
                int fd = spec->fds[i] >= 0 ? spec->fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);

                moved[i] = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_FDS_MAX);
                if (moved[i] < 0)
                        give_up(ret_code);
        }
        for (size_t i = 0; i < spec->nfds; i++)
                if (dup2(moved[i], (int)i) < 0)
                        give_up(ret_code);
        if (syscall(SYS_close_range, spec->nfds, ~0U, 0) < 0)
                give_up(ret_code);
}

static void reset_signals(void) {
        sigset_t none;

        for (int s = 1; s < NSIG; s++)
                signal(s, SIG_DFL); /* what is ignored would stay so over execve */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(const struct child_spec *spec, volatile int *ret_code) {
        static const char *const no_env[] = { NULL };
        const char *const *env = spec->env ? spec->env : no_env;
        uid_t uid = spec->uid;
        gid_t gid = spec->gid;

        reset_signals();
        if (spec->session && setsid() < 0)
                give_up(ret_code);
        place_descriptors(spec, ret_code);
        if (uid != (uid_t)-1 && syscall(SYS_setgroups, 0, NULL) < 0)
                give_up(ret_code);
        if (gid != (gid_t)-1 && syscall(SYS_setresgid, gid, gid, gid) < 0)
                give_up(ret_code);
        if (uid != (uid_t)-1 && syscall(SYS_setresuid, uid, uid, uid) < 0)
                give_up(ret_code);
        execve(program_of(spec), (char *const *)spec->argv, (char *const *)env);
        give_up(ret_code);
}

/* ---- in the parent */

static void on_exit_seen(void *arg, int fd, int events) {
        struct child *c = arg;
        siginfo_t info = { 0 };

        if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                return;
        c->watcher = watcher_stop(c->watcher);
        closep(&c->pidfd);
        if (c->dying) {
                list_unlink(&c->link);
                free(c);
                return;
        }
        if (!c->exited)
                return;
        if (info.si_code == CLD_EXITED)
                c->exited(c->arg, info.si_status, 0);
        else
                c->exited(c->arg, -1, info.si_status);
}

static void kill_and_reap(pid_t pid) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

/* Returns when the child has become another program, or has given up. Signals are blocked
 * meanwhile: a handler must not run in memory that two processes use. */
static __attribute__((noinline)) pid_t start_and_wait(const struct child_spec *spec,
                                                      volatile int *ret_code) {
        sigset_t all, before;
        pid_t pid;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = vfork();
        if (pid == 0)
                become(spec, ret_code);
        if (pid < 0)
                *ret_code = errno;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return pid;
}

static int spawn(const struct child_spec *spec, pid_t *ret_pid, struct err *err) {
        volatile int code = 0;
        pid_t pid = start_and_wait(spec, &code);

        if (code == 0) {
                *ret_pid = pid;
                return 0;
        }
        if (pid > 0)
                kill_and_reap(pid);
        return err_set(err, -code, "starting %s: %s", program_of(spec), strerror(code));
}

int child_start(struct loop *l, const struct child_spec *spec, struct child **ret,
                struct err *err) {
        struct child *c;
        pid_t pid = 0;
        int r;

        if (spec->nfds > CHILD_FDS_MAX)
                return err_set(err, -EINVAL, "starting %s: more than %d descriptors", spec->argv[0],
                               CHILD_FDS_MAX);
        r = spawn(spec, &pid, err);
        if (r < 0)
                return r;
        c = mem_new(struct child);
        c->loop = l;
        c->name = spec->name ? spec->name : "child";
        c->pid = pid;
        c->exited = spec->exited;
        c->arg = spec->arg;
        c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (c->pidfd < 0)
                r = err_set(err, -errno, "starting %s: %s", spec->argv[0], strerror(errno));
        else
                r = watcher_start(l, c->name, c->pidfd, LOOP_READ, on_exit_seen, c, &c->watcher,
                                  err);
        if (r < 0) {
                closep(&c->pidfd);
                kill_and_reap(pid);
                free(c);
                return r;
        }
        *ret = c;
        return 0;
}

pid_t child_pid(const struct child *c) {
        return c->pid;
}

void child_kill(struct child *c, int signum) {
        if (c->pidfd >= 0)
                syscall(SYS_pidfd_send_signal, c->pidfd, signum, NULL, 0);
}

struct child *child_free(struct child *c) {
        if (!c)
                return NULL;
        if (c->pidfd < 0) {
                free(c);
                return NULL;
        }
        /* The kernel may take its time to give back a gigabyte: no handler waits for that. */
        child_kill(c, SIGKILL);
        c->dying = true;
        list_append(&c->loop->dying, &c->link);
        return NULL;
}

void child_reap_all(struct loop *l) {
        for (struct list *pos; (pos = list_pop(&l->dying));) {
                struct child *c = list_entry(pos, struct child, link);

                c->watcher = watcher_stop(c->watcher);
                kill_and_reap(c->pid);
                closep(&c->pidfd);
                free(c);
        }
}
