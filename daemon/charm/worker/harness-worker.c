/* SPDX-License-Identifier: Apache-2.0 */
/* harness-worker.c - one worker process behind a socketpair; see harness-worker.h */
#include "harness-worker.h"

#include "clock.h"
#include "harness.h"
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 10000 /* as the daemon's for one plan */

/* Moves to numbers beyond those that are assigned first: a source may lie on another's place. */
static void place(int output, int channel, int folder, int module) {
        int high[3] = { fcntl(channel, F_DUPFD, 16), fcntl(folder, F_DUPFD, 16),
                        module >= 0 ? fcntl(module, F_DUPFD, 16) : -1 };

        if (dup2(output, 1) < 0 || dup2(output, 2) < 0 || dup2(high[0], SERVE_CHANNEL) < 0 ||
            dup2(high[1], SERVE_FOLDER) < 0 || (module >= 0 && dup2(high[2], SERVE_MODULE) < 0))
                _exit(126);
        (void)close_range(module >= 0 ? 6 : 5, ~0u, 0);
}

static _Noreturn void become_worker(const struct harness_options *o, int output, int channel,
                                    int folder, int module, pid_t parent) {
        const char *argv[10] = { "mooring-charm", "--worker", "test", "--folder" }, *slash;
        char pid[24];
        int n = 4;

        snprintf(pid, sizeof(pid), "--parent=%d", (int)parent);
        argv[n++] = pid;
        if (module >= 0) {
                slash = strrchr(o->module, '/');
                argv[n++] = "--module";
                argv[n++] = slash ? slash + 1 : o->module;
        }
        if (!o->sandbox)
                argv[n++] = "--no-sandbox";
        place(output, channel, folder, module);
        execv("/proc/self/exe", (char *const *)argv);
        _exit(127);
}

static int open_files(const struct harness_options *o, int *folder, int *module, struct err *err) {
        *folder = open(o->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*folder < 0)
                return err_set(err, -errno, "%s: %s", o->folder, strerror(errno));
        if (!o->module)
                return 0;
        *module = open(o->module, O_RDONLY | O_CLOEXEC);
        return *module < 0 ? err_set(err, -errno, "%s: %s", o->module, strerror(errno)) : 0;
}

/* False: the worker's end is closed. */
static bool pass_output(struct harness_worker *w) {
        char text[4096];
        ssize_t n = read(w->output, text, sizeof(text));

        if (n <= 0)
                return n < 0 && errno == EINTR;
        fwrite(text, 1, (size_t)n, stdout);
        return true;
}

/* How the process ended, in words. */
static int end_in_words(struct harness_worker *w, struct err *err) {
        const char *what = w->charm;
        pid_t pid = w->pid;
        int status = 0;

        while (pass_output(w))
                ;
        w->pid = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
                return err_set(err, -EPERM, "%s: it made a system call that charms do not have",
                               what);
        if (WIFSIGNALED(status))
                return err_set(err, -EFAULT, "%s: it crashed: %s%s", what,
                               strsignal(WTERMSIG(status)),
                               WTERMSIG(status) == SIGSEGV
                                       ? " (a bad pointer, or the time: charms have no clock)"
                                       : "");
        if (WEXITSTATUS(status))
                return err_set(err, -EFAULT, "%s: it ended with status %d", what,
                               WEXITSTATUS(status));
        return 0;
}

/* 1: go on; 0: the worker closed its side. */
static int read_some(struct harness_worker *w, int64_t deadline, struct harness_answer *a,
                     struct buf *all, struct err *err) {
        static char part[64 << 10];
        struct pollfd p[2] = { { .fd = w->channel, .events = POLLIN },
                               { .fd = w->output, .events = POLLIN } };
        int64_t left = deadline - clock_mono();
        ssize_t n;

        if (left <= 0 || poll(p, 2, (int)left) == 0)
                return err_set(err, -ETIMEDOUT, "it did not answer within %d s",
                               DEADLINE_MS / 1000);
        if (p[1].revents && !pass_output(w))
                closep(&w->output);
        if (!p[0].revents)
                return 1;
        n = read(w->channel, part, sizeof(part));
        if (n < 0)
                return errno == EINTR || errno == EAGAIN ? 1 : 0;
        plan_reader_feed(&w->reader, part, (size_t)n);
        if (a) {
                a->bytes += (size_t)n;
                buf_add(all, part, (size_t)n);
        }
        return n > 0;
}

static int next_answer(struct harness_worker *w, struct harness_answer *a, struct buf *all,
                       struct err *err) {
        int64_t deadline = clock_mono() + DEADLINE_MS;
        struct plan *plan = NULL;
        int r;

        for (;;) {
                r = plan_reader_next(&w->reader, &plan, err);
                if (r == PLAN_WHOLE)
                        a->plan = plan;
                if (r == PLAN_STEP)
                        a->step = take_ptr(w->reader.step);
                if (r != PLAN_MORE)
                        return r;
                r = read_some(w, deadline, a, all, err);
                if (r < 0)
                        return r;
                if (r == 0) {
                        r = end_in_words(w, err);
                        return r < 0 ? r
                                     : err_set(err, -EFAULT, "%s: it ended by itself", w->charm);
                }
        }
}

static int open_channels(struct harness_worker *w, int *channel, int *output, struct err *err) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return err_set(err, -errno, "no socket pair: %s", strerror(errno));
        w->channel = pair[0];
        *channel = pair[1];
        if (pipe2(pair, O_CLOEXEC) < 0)
                return err_set(err, -errno, "no pipe: %s", strerror(errno));
        w->output = pair[0];
        *output = pair[1];
        return 0;
}

int harness_worker_start(struct harness_worker *w, const struct harness_options *o,
                         struct err *err) {
        cleanup_(closep) int folder = -1, module = -1, output = -1, channel = -1;
        int r = open_files(o, &folder, &module, err);
        pid_t parent = getpid();

        *w = (struct harness_worker){ .channel = -1, .output = -1, .charm = o->folder };
        if (r >= 0)
                r = open_channels(w, &channel, &output, err);
        if (r < 0)
                return r;
        fflush(stdout);
        w->pid = fork();
        if (w->pid == 0)
                become_worker(o, output, channel, folder, module, parent);
        closep(&channel);
        closep(&output);
        plan_reader_init(&w->reader);
        r = w->pid < 0 ? err_set(err, -errno, "no process: %s", strerror(errno))
                       : next_answer(w, NULL, NULL, err);
        if (r == PLAN_READY)
                return 0;
        (void)harness_worker_stop(w, NULL);
        return r < 0 ? r : -EINVAL;
}

static int call(struct harness_worker *w, uint8_t type, const char *text, size_t len,
                struct harness_answer *ret, struct err *err) {
        cleanup_(buf_free) struct buf all = BUF_INIT;
        int r;

        *ret = (struct harness_answer){};
        r = frame_write(w->channel, type, text, len, err);
        if (r >= 0)
                r = next_answer(w, ret, &all, err);
        if (r < 0)
                return r;
        if (plan_reader_left(&w->reader))
                return err_set(err, -EBADMSG, "it went on after the end of its plan");
        if ((r == PLAN_WHOLE && type != PLAN_FRAME_VIEW) ||
            (r == PLAN_STEP && type != PLAN_FRAME_STEP))
                return err_set(err, -EBADMSG, "it answered something else than it was asked");
        digest_sha256(all.data, all.len, ret->digest);
        if (r == PLAN_REFUSED)
                ret->refused = str_dup(err_text(err));
        return 0;
}

int harness_worker_plan(struct harness_worker *w, const char *view, size_t len,
                        struct harness_answer *ret, struct err *err) {
        return call(w, PLAN_FRAME_VIEW, view, len, ret, err);
}

int harness_worker_step(struct harness_worker *w, const char *world, size_t len,
                        struct harness_answer *ret, struct err *err) {
        return call(w, PLAN_FRAME_STEP, world, len, ret, err);
}

int harness_worker_stop(struct harness_worker *w, struct err *err) {
        int r = 0;

        closep(&w->channel);
        plan_reader_deinit(&w->reader);
        if (w->pid > 0)
                r = end_in_words(w, err);
        closep(&w->output);
        return r;
}

void harness_answer_deinit(struct harness_answer *a) {
        a->plan = plan_free(a->plan);
        a->step = step_free(a->step);
        free(a->refused);
        a->refused = NULL;
}
