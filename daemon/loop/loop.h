/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h - the only wrapper of libuv: timers, descriptors, signals, jobs in threads, children
 *
 * One thread. Handlers run to completion and never wait; one that takes longer than LOOP_SLOW_MS
 * is logged by name and counted. All deadlines live in one heap under one uv timer, fed by lib's
 * clock, so that a test with a fake clock moves them by loop_advance. Nothing is called back
 * before the call that started it returned. The names that are given here are literals, or
 * outlive the loop. */
#pragma once

#include "err.h"
#include "list.h"

#define LOOP_SLOW_MS 5 /* no handler on the loop may take longer (DESIGN.md, figures) */

struct loop;

int loop_new(struct loop **ret, struct err *err);
struct loop *loop_free(struct loop *l); /* everything started on it was stopped before */
int loop_run(struct loop *l);           /* until loop_stop; returns what loop_stop was given */
void loop_stop(struct loop *l, int result);
/* Runs what is ready now, waiting at most MS for the first; whether anything ran. Tests, and who
 * stops and has to wait for a thread. */
bool loop_step(struct loop *l, int64_t ms);
/* Fake clock only: moves time on and fires what falls due, in order; laters run between.
 * Descriptors do not: the test steps for those. */
void loop_advance(struct loop *l, int64_t ms);
/* Milliseconds until the next timer falls due, 0 when one already is; -1: none is set. */
int64_t loop_next(const struct loop *l);
int64_t loop_slowest_us(struct loop *l, const char **ret_name); /* since start; for figures */

/* Timers: embedded, zeroed, then timer_init once. */
typedef void timer_fn(void *arg);
struct timer {
        struct loop *loop;
        timer_fn *fn;
        void *arg;
        const char *name; /* for the slow-handler log */
        int64_t at;       /* clock_mono; 0: not set */
        size_t heap_index;
        uint64_t order;
};
void timer_init(struct timer *t, struct loop *l, const char *name, timer_fn *fn, void *arg);
void timer_set(struct timer *t, int64_t at_mono); /* replaces an earlier setting */
void timer_after(struct timer *t, int64_t ms);
void timer_cancel(struct timer *t); /* fine when not set */

/* Runs once, soon, from the loop and never from within the call that asked. */
struct later {
        struct loop *loop;
        timer_fn *fn;
        void *arg;
        const char *name;
        struct list link;
};
void later_init(struct later *l, struct loop *loop, const char *name, timer_fn *fn, void *arg);
void later_run(struct later *l); /* again while waiting: once */
void later_cancel(struct later *l);

/* A descriptor. Level-triggered. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };
struct watcher;
typedef void watcher_fn(void *arg, int fd, int events);
int watcher_start(struct loop *l, const char *name, int fd, int events, watcher_fn *fn, void *arg,
                  struct watcher **ret, struct err *err);
int watcher_change(struct watcher *w, int events, struct err *err);
/* the fd stays open; fine inside its own callback */
struct watcher *watcher_stop(struct watcher *w);

/* Blocking work in a thread of libuv's pool (LOOP_THREADS_MAX). WORK sees only ARG; DONE runs on
 * the loop. */
#define LOOP_THREADS_MAX 16 /* SQL sessions and file writes at once; set before the loop starts */
struct job {
        struct loop *loop;
        void (*work)(void *arg); /* in a thread */
        void (*done)(void *arg); /* on the loop, once; after job_cancel: never */
        void *arg;
        /* on the loop, instead of done, when cancelled and the thread is out */
        void (*dropped)(void *arg);
        const char *name;
        bool busy, cancelled;
        void *private;
};
void job_start(struct job *j);
void job_cancel(struct job *j); /* J itself must live until done or dropped ran */
/* For who stops: runs the loop until no job is out, so that each ends while what its end needs is
 * still there. */
void loop_finish_jobs(struct loop *l);

/* From any thread: runs FN(ARG) on the loop. The poster must not outlive loop_free. */
void loop_post(struct loop *l, const char *name, timer_fn *fn, void *arg);

/* From within a handler that does what others asked for: what it is at, in the place of its own
 * name, if it turns out slow. */
void loop_doing(struct loop *l, const char *name);

int loop_signal(struct loop *l, int signum, void (*fn)(void *arg, int signum), void *arg,
                struct err *err);

/* A child process: argv[0] is a path. FDS[i] becomes descriptor i of the child, -1 = /dev/null;
 * all else is closed. EXITED gets the wait status, on the loop, once. */
struct child;
struct child_spec {
        const char *program; /* NULL: argv[0], which else is only what ps shows */
        const char *const *argv;
        const char *const *env; /* NULL: an empty environment */
        const int *fds;
        size_t nfds;
        uid_t uid; /* (uid_t)-1: as we are */
        gid_t gid;
        bool session; /* setsid */
        const char *name;
        void (*exited)(void *arg, int status, int signum);
        void *arg;
};
int child_start(struct loop *l, const struct child_spec *spec, struct child **ret, struct err *err);
pid_t child_pid(const struct child *c);
void child_kill(struct child *c, int signum);
/* kills it when it still runs; EXITED is not called any more */
struct child *child_free(struct child *c);
