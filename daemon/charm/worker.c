/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - spawn, feed and bury one worker; see worker.h
 *
 * The worker is an attacker that may send anything at any time or nothing at all. So it has one
 * deadline for each view, from the moment it can be at it until the plan's last frame, whatever
 * happens between; a first wrong byte ends it; and what it said before is dropped. Its end is
 * told when both the process is gone and its last words are read: a refusal is often followed at
 * once by the exit. */
#include "worker.h"

#include "charm-dir.h"
#include "charm-host.h"
#include "clock.h"
#include "worker-output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE (64u << 10)
#define READS_PER_TURN 4 /* 256 KiB: hashing and checking them takes under a millisecond */
#define REAP_MS 2000     /* between the channel's end and the process's; then it is killed */
#define SPENT_CPU_S                                                                                \
        (CHARM_WORKER_CPU_S - CHARM_CALL_MS / 1000 -                                               \
         LOOK_US / 1000000)      /* so that a call never runs into the limit before its deadline */
#define SPENT_MEMORY (64u << 20) /* resident; a worker has 3 MiB, one that leaks grows until then */
/* Calls, or time that calls took, between two looks at what it used: a look is four system calls.
 * */
#define LOOK_EVERY 64
#define LOOK_US 1000000
#define OUT_MAX CHARM_VIEW_MAX /* of views that the worker has not read: no more is given */

struct worker {
        struct loop *loop;
        struct child *child;
        struct watcher *watcher;
        struct timer deadline;
        struct plan_reader reader;
        struct buf out; /* the views on their way, from WRITTEN on */
        size_t written, given;
        bool steps[WORKER_AHEAD]; /* which of those that were given are no plans */
        int fd;
        char *charm; /* name, for messages */
        struct worker_output *output;
        worker_done_fn *done;
        void (*over_fn)(void *arg, struct worker *w);
        void *arg;
        bool over, exited;
        int status, signum; /* of its end */
        uint64_t calls;
        int64_t idle_since;
        int64_t at_since_us, unlooked_us; /* the first view; what calls took since the last look */
};

/* ---- the end */

static void stop_watching(struct worker *w) {
        w->watcher = watcher_stop(w->watcher);
        closep(&w->fd);
}

void worker_stop(struct worker *w) {
        w->over = true;
        timer_cancel(&w->deadline);
        stop_watching(w);
        w->child = child_free(w->child);
        w->output = worker_output_stop(w->output);
}

/* R and ERR for the call at hand; nobody waits while it is idle. */
static void end(struct worker *w, int r, const struct err *err) {
        if (w->over)
                return;
        worker_stop(w);
        if (w->given)
                w->done(w->arg, w, r, &(struct worker_answer){}, err);
        else
                w->over_fn(w->arg, w);
}

static int end_in_words(const struct worker *w, struct err *err) {
        if (w->signum == SIGSYS)
                return err_set(err, -EPERM,
                               "charm %s made a system call that charms do not have, and was ended",
                               w->charm);
        if (w->signum == SIGXCPU || w->signum == SIGKILL)
                return err_set(err, -EDQUOT,
                               "charm %s was ended: it used more CPU or memory than it may",
                               w->charm);
        if (w->signum == SIGABRT)
                return err_set(err, -EFAULT,
                               "charm %s crashed: Aborted (a failed assertion, or its memory of %u "
                               "MiB used up)",
                               w->charm, CHARM_WORKER_MEMORY >> 20);
        if (w->signum)
                return err_set(err, -EFAULT, "charm %s crashed: %s", w->charm,
                               strsignal(w->signum));
        return err_set(err, -EFAULT, "charm %s ended by itself with status %d", w->charm,
                       w->status);
}

static void on_deadline(void *arg) {
        struct worker *w = arg;
        struct err err = {};
        int r = w->given ? err_set(&err, -ETIMEDOUT, "charm %s did not finish its plan within %d s",
                                   w->charm, CHARM_CALL_MS / 1000)
                         : -EPIPE;

        end(w, r, &err);
}

/* ---- reading */

/* The worker can be at the first of those that it was given. */
static void begin_call(struct worker *w) {
        timer_after(&w->deadline, CHARM_CALL_MS);
        w->at_since_us = clock_mono_us();
}

static void answered(struct worker *w, int r, const struct worker_answer *answer,
                     const struct err *err) {
        memmove(w->steps, w->steps + 1, --w->given * sizeof(*w->steps));
        w->calls++;
        w->unlooked_us += clock_mono_us() - w->at_since_us;
        if (w->given) {
                begin_call(w);
        } else {
                w->idle_since = clock_mono();
                timer_cancel(&w->deadline);
        }
        w->done(w->arg, w, r, answer, err);
}

static void end_unbelieved(struct worker *w, int r, const char *text) {
        struct err err;

        r = err_set(&err, r, "charm %s sent what is no plan: %s", w->charm, text);
        end(w, r, &err);
}

static void end_unusable(struct worker *w, const char *text) {
        struct err err;
        int r = err_set(&err, -ENOEXEC, "charm %s cannot be used: %s", w->charm, text);

        end(w, r, &err);
}

static void drop_answer(const struct worker_answer *a) {
        plan_free(a->plan);
        step_free(a->step);
}

/* R: what plan_reader_next said, whole, a step's or refused. */
static void take_answer(struct worker *w, int r, const struct worker_answer *answer,
                        const struct err *err) {
        struct err full = {};

        if (!w->given || (w->given == 1 && plan_reader_left(&w->reader)) ||
            (r == PLAN_WHOLE && w->steps[0]) || (r == PLAN_STEP && !w->steps[0])) {
                drop_answer(answer);
                return end_unbelieved(w, -EBADMSG, "bytes that nobody asked for");
        }
        if (r == PLAN_WHOLE || r == PLAN_STEP)
                return answered(w, 0, answer, &full);
        if (!w->reader.ready)
                return end_unusable(w, err_text(err));
        r = err_set(&full, -EINVAL, "charm %s: %s", w->charm, err_text(err));
        answered(w, r, &(struct worker_answer){}, &full);
}

/* Hands on all answers that are complete. */
static void take_frames(struct worker *w) {
        struct plan *plan = NULL;
        struct err err = {};
        int r;

        while (!w->over && (r = plan_reader_next(&w->reader, &plan, &err)) != PLAN_MORE) {
                struct worker_answer answer = { take_ptr(plan), take_ptr(w->reader.step) };

                if (r < 0)
                        end_unbelieved(w, r, err_text(&err));
                else if (r != PLAN_READY)
                        take_answer(w, r, &answer, &err);
        }
}

/* 1: something was read, and there may be more; 0: nothing more now; <0: the channel is closed. */
static int read_once(struct worker *w) {
        static char part[READ_SIZE]; /* one thread */
        ssize_t n = read(w->fd, part, sizeof(part));

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
        if (n == 0)
                return -EPIPE;
        plan_reader_feed(&w->reader, part, (size_t)n);
        take_frames(w);
        return n == sizeof(part) || w->exited;
}

static void finish_exited(struct worker *w) {
        struct err err = {};
        int r = end_in_words(w, &err);

        end(w, r, &err);
}

static void on_closed(struct worker *w) {
        if (w->exited)
                return finish_exited(w);
        /* Its status tells why; it comes within a moment. */
        stop_watching(w);
        timer_after(&w->deadline, REAP_MS);
}

/* LIMIT reads, 0: all there is. */
static void read_answer(struct worker *w, int limit) {
        int r = 1;

        for (int i = 0; r > 0 && (!limit || i < limit); i++) {
                r = read_once(w);
                if (w->over)
                        return;
        }
        if (r < 0)
                on_closed(w);
        else if (w->exited)
                finish_exited(w);
}

static void on_exited(void *arg, int status, int signum) {
        struct worker *w = arg;

        w->exited = true;
        w->status = status;
        w->signum = signum;
        if (w->fd >= 0)
                read_answer(w, 0);
        else
                finish_exited(w);
}

/* ---- writing */

static int write_views(struct worker *w) {
        while (w->written < w->out.len) {
                ssize_t n = send(w->fd, w->out.data + w->written, w->out.len - w->written,
                                 MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                w->written += (size_t)n;
        }
        buf_clear(&w->out);
        w->written = 0;
        return 0;
}

static void on_socket(void *arg, int fd, int events) {
        struct worker *w = arg;

        /* A failed write shows as the channel's end, by the read. */
        if ((events & LOOP_WRITE) && write_views(w) == 0 && !w->out.len)
                (void)watcher_change(w->watcher, LOOP_READ, NULL);
        if (events & (LOOP_READ | LOOP_HANGUP))
                read_answer(w, READS_PER_TURN);
}

bool worker_takes(const struct worker *w) {
        return w->fd >= 0 && w->given < WORKER_AHEAD && w->out.len - w->written < OUT_MAX;
}

void worker_give(struct worker *w, bool is_step, const char *view, size_t len) {
        w->steps[w->given] = is_step;
        if (!w->given++)
                begin_call(w);
        frame_put(&w->out, is_step ? PLAN_FRAME_STEP : PLAN_FRAME_VIEW, view, len);
}

void worker_send(struct worker *w) {
        if (w->out.len && w->fd >= 0 && write_views(w) == 0 && w->out.len)
                (void)watcher_change(w->watcher, LOOP_READ | LOOP_WRITE, NULL);
}

/* ---- starting */

static int charm_name(const struct worker_spec *spec, int folder, char **ret, struct err *err) {
        cleanup_(charm_dir_freep) struct charm_dir *d = NULL;
        int r = charm_dir_load(folder, spec->sha256, &d, err);

        if (r < 0)
                return err_add(err, r, "charm %.12s...", spec->sha256);
        if (!d->module)
                return err_set(err, -ENOENT, "charm %.12s... has no module", spec->sha256);
        *ret = str_ndup(d->module, strlen(d->module) - strlen(".so"));
        return 0;
}

static int open_here(const char *path, int flags, int *ret, struct err *err) {
        *ret = open(path, flags | O_CLOEXEC);
        return *ret < 0 ? err_set(err, -errno, "%s: %s", path, strerror(errno)) : 0;
}

void worker_words(const struct worker_spec *spec, const char *shown, struct worker_words *ret) {
        snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d", WORKER_PROGRAM_FD);
        snprintf(ret->parent, sizeof(ret->parent), "--parent=%d", (int)getpid());
        ret->argv[0] = shown;
        ret->argv[1] = "--worker";
        ret->argv[2] = spec->sha256;
        ret->argv[3] = ret->parent;
        ret->argv[4] = spec->sandbox ? NULL : "--no-sandbox";
        ret->argv[5] = NULL;
}

/* The program is started from a descriptor: the other user may not reach it by its path (a clone
 * below /root). */
static int start_child(struct worker *w, const struct worker_spec *spec, int channel, int folder,
                       struct err *err) {
        cleanup_(closep) int program = -1, output = -1;
        cleanup_(freep) char *shown = str_format("mooring-charm [%s]", w->charm);
        struct worker_words words;
        int fds[] = { -1, -1, -1, channel, folder, -1 };
        struct child_spec child = { .program = words.path,
                                    .argv = words.argv,
                                    .fds = fds,
                                    .nfds = ARRAY_SIZE(fds),
                                    .uid = spec->uid,
                                    .gid = spec->gid,
                                    .session = true,
                                    .name = "charm worker",
                                    .exited = on_exited,
                                    .arg = w };
        int r = open_here(spec->program, O_RDONLY, &program, err);

        if (r >= 0 && spec->show_output)
                r = worker_output_start(w->loop, w->charm, &w->output, &output, err);
        if (r < 0)
                return r;
        fds[1] = fds[2] = output;
        fds[WORKER_PROGRAM_FD] = program;
        worker_words(spec, shown, &words);
        return child_start(w->loop, &child, &w->child, err);
}

static int start(struct worker *w, const struct worker_spec *spec, struct err *err) {
        cleanup_(closep) int folder = -1, channel = -1;
        int pair[2], r = open_here(spec->folder, O_RDONLY | O_DIRECTORY, &folder, err);

        if (r >= 0)
                r = charm_name(spec, folder, &w->charm, err);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return err_set(err, -errno, "no channel to a charm worker: %s", strerror(errno));
        w->fd = pair[0];
        channel = pair[1];
        if (fcntl(w->fd, F_SETFL, O_NONBLOCK) < 0)
                return err_set(err, -errno, "no channel to a charm worker: %s", strerror(errno));
        r = start_child(w, spec, channel, folder, err);
        return r < 0 ? r
                     : watcher_start(w->loop, "charm worker", w->fd, LOOP_READ, on_socket, w,
                                     &w->watcher, err);
}

int worker_start(struct loop *l, const struct worker_spec *spec, struct worker **ret,
                 struct err *err) {
        struct worker *w = mem_new(struct worker);
        int r;

        w->loop = l;
        w->fd = -1;
        w->done = spec->done;
        w->over_fn = spec->over;
        w->arg = spec->arg;
        w->idle_since = clock_mono();
        plan_reader_init(&w->reader);
        timer_init(&w->deadline, l, "charm deadline", on_deadline, w);
        r = start(w, spec, err);
        if (r < 0) {
                worker_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

struct worker *worker_free(struct worker *w) {
        if (!w)
                return NULL;
        timer_cancel(&w->deadline);
        stop_watching(w);
        child_free(w->child);
        worker_output_stop(w->output);
        plan_reader_deinit(&w->reader);
        buf_free(&w->out);
        free(w->charm);
        free(w);
        return NULL;
}

/* ---- looking */

bool worker_busy(const struct worker *w) {
        return w->given;
}

bool worker_over(const struct worker *w) {
        return w->over;
}

int64_t worker_idle_since(const struct worker *w) {
        return w->idle_since;
}

static bool used_much_memory(pid_t pid) {
        cleanup_(closep) int fd = -1;
        char path[40], text[80];
        long resident = 0;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = '\0';
        return sscanf(text, "%*d %ld", &resident) == 1 &&
               resident * sysconf(_SC_PAGESIZE) > (long)SPENT_MEMORY;
}

bool worker_spent(struct worker *w) {
        struct timespec used;
        clockid_t clock;

        if (w->calls % LOOK_EVERY && w->unlooked_us < LOOK_US)
                return false;
        w->unlooked_us = 0;
        if (!w->child || clock_getcpuclockid(child_pid(w->child), &clock) != 0 ||
            clock_gettime(clock, &used) < 0)
                return false;
        if (used.tv_sec >= SPENT_CPU_S)
                return true;
        return used_much_memory(child_pid(w->child));
}
