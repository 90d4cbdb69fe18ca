/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - running, stopping, posting from threads, signals, and the measuring of handlers
 *
 * Everything of the daemon that is not in a thread of its own is called from here. One turn of
 * the loop: due timers (timer.c), laters (later.c), then descriptors, posts and finished jobs.
 * Each handler is measured by itself with the real clock; one that takes longer than LOOP_SLOW_MS
 * is counted and logged by its name, at most one line a second.
 *
 * SIGPIPE is ignored for the whole process: OpenSSL writes without MSG_NOSIGNAL.
 *
 * It does not: know flows, sockets of clients, or who calls it. */
#include "loop-internal.h"

#include "clock.h"
#include "log.h"
#include "metric.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define SLOW_LOG_EVERY_US 1000000 /* a handler that is always slow must not fill the journal */
/* Rounds of laters after one instant of loop_advance: enough for chains, and an endless one ends.
 * */
#define ADVANCE_ROUNDS_MAX 1000

struct post {
        const char *name;
        timer_fn *fn;
        void *arg;
        struct list link;
};

struct signal_handler {
        uv_signal_t uv;
        struct loop *loop;
        void (*fn)(void *arg, int signum);
        void *arg;
        struct list link;
};

static struct metric slow_handlers = {
        .name = "mooring_slow_handlers_total",
        .help = "Handlers on the loop that took longer than 5 ms; cause: work, or wait: they stood "
                "still, for the machine, a disk or a lock.",
        .type = METRIC_COUNTER,
        .labels = { { "handler" }, { "cause" } },
};

static struct metric slowest_handler = {
        .name = "mooring_slowest_handler_seconds",
        .help = "Longest time that handlers held the loop, where it was a record",
        .type = METRIC_GAUGE,
        .labels = { { "handler" } },
};

int64_t loop_begin(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* What this thread ran on a processor, ever. */
static int64_t thread_ran(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The call costs a system call, so it is made once a turn and after LOOP_SAMPLE_US of handlers, not
 * for each: what ran since then is at least what the handler ran, and that much more at most. */
static void sample(struct loop *l, int64_t now) {
        l->sampled_us = now;
        l->sampled_ran_us = thread_ran();
}

static void on_turn(uv_prepare_t *p) {
        sample(p->data, loop_begin());
}

static void slow(struct loop *l, const char *name, int64_t took, int64_t now) {
        int64_t ran = MIN_OF(thread_ran() - l->sampled_ran_us, took);
        bool own = ran > LOOP_SLOW_MS * 1000;

        metric_add(&slow_handlers, LABELS(name, own ? "work" : "wait"), 1);
        if (l->slow_logged_us && now - l->slow_logged_us < SLOW_LOG_EVERY_US) {
                l->slow_unlogged++;
                return;
        }
        log_event(LOG_WARNING, "slow-handler", (struct log_field[]){ { "HANDLER", name }, {} },
                  "%s held the loop for %lld.%lld ms, at work for at most %lld.%lld ms of them%s "
                  "(%llu more were not logged)",
                  name, (long long)(took / 1000), (long long)(took % 1000 / 100),
                  (long long)(ran / 1000), (long long)(ran % 1000 / 100),
                  own ? "" : ": else it waited for the machine, a disk or a lock",
                  (unsigned long long)l->slow_unlogged);
        l->slow_logged_us = now;
        l->slow_unlogged = 0;
}

void loop_end(struct loop *l, const char *name, int64_t began) {
        int64_t now = loop_begin();
        int64_t took = now - began;

        name = l->doing ? l->doing : name;
        l->doing = NULL;
        l->ran++;
        if (took > l->slowest_us) {
                l->slowest_us = took;
                l->slowest_name = name;
                metric_set(&slowest_handler, LABELS(name ? name : "unnamed"), (double)took / 1e6);
        }
        if (took > LOOP_SLOW_MS * 1000)
                slow(l, name ? name : "unnamed", took, now);
        if (now - l->sampled_us > LOOP_SAMPLE_US)
                sample(l, now);
}

int64_t loop_slowest_us(struct loop *l, const char **ret_name) {
        if (ret_name)
                *ret_name = l->slowest_name;
        return l->slowest_us;
}

static void on_wake(uv_timer_t *t) {
        struct loop *l = t->data;

        l->armed = 0;
        if (!clock_is_fake())
                timer_fire_due(l, clock_mono());
        timer_arm(l);
}

static void on_guard(uv_timer_t *t) {
        struct loop *l = t->data;

        l->guard_over = true;
}

static void on_soon(uv_idle_t *i) {
        later_run_all(i->data);
}

static void on_posted(uv_async_t *a) {
        struct loop *l = a->data;
        struct list batch;

        list_init(&batch);
        pthread_mutex_lock(&l->lock);
        list_each(pos, &l->posts) {
                list_unlink(pos);
                list_append(&batch, pos);
        }
        pthread_mutex_unlock(&l->lock);
        for (struct list *pos; (pos = list_pop(&batch));) {
                struct post *p = list_entry(pos, struct post, link);
                int64_t began = loop_begin();

                p->fn(p->arg);
                loop_end(l, p->name, began);
                free(p);
        }
}

int loop_new(struct loop **ret, struct err *err) {
        struct loop *l = mem_new(struct loop);
        char threads[16];
        int r;

        /* libuv reads it when the first job starts; an operator's own value stays. */
        snprintf(threads, sizeof(threads), "%d", LOOP_THREADS_MAX);
        setenv("UV_THREADPOOL_SIZE", threads, 0);
        signal(SIGPIPE, SIG_IGN);
        r = uv_loop_init(&l->uv);
        if (r < 0) {
                free(l);
                return err_set(err, r, "event loop: %s", uv_strerror(r));
        }
        r = uv_async_init(&l->uv, &l->posted, on_posted);
        if (r < 0) {
                uv_loop_close(&l->uv);
                free(l);
                return err_set(err, r, "event loop: %s", uv_strerror(r));
        }
        uv_timer_init(&l->uv, &l->wake);
        uv_timer_init(&l->uv, &l->guard);
        uv_idle_init(&l->uv, &l->soon);
        uv_prepare_init(&l->uv, &l->turn);
        l->wake.data = l->guard.data = l->soon.data = l->posted.data = l->turn.data = l;
        uv_prepare_start(&l->turn, on_turn);
        uv_unref((uv_handle_t *)&l->turn);
        sample(l, loop_begin());
        list_init(&l->laters);
        list_init(&l->signals);
        list_init(&l->dying);
        list_init(&l->posts);
        pthread_mutex_init(&l->lock, NULL);
        *ret = l;
        return 0;
}

static void signal_closed(uv_handle_t *h) {
        free(container_of(h, struct signal_handler, uv));
}

struct loop *loop_free(struct loop *l) {
        int r;

        if (!l)
                return NULL;
        child_reap_all(l);
        list_each(pos, &l->signals) {
                uv_close((uv_handle_t *)&list_entry(pos, struct signal_handler, link)->uv,
                         signal_closed);
        }
        uv_close((uv_handle_t *)&l->wake, NULL);
        uv_close((uv_handle_t *)&l->guard, NULL);
        uv_close((uv_handle_t *)&l->soon, NULL);
        uv_close((uv_handle_t *)&l->turn, NULL);
        uv_close((uv_handle_t *)&l->posted, NULL);
        uv_run(&l->uv, UV_RUN_DEFAULT);
        r = uv_loop_close(&l->uv);
        assert(r == 0); /* a watcher or a child was not stopped before */
        while (!list_empty(&l->laters))
                list_pop(&l->laters);
        for (struct list *pos; (pos = list_pop(&l->posts));)
                free(list_entry(pos, struct post, link));
        pthread_mutex_destroy(&l->lock);
        free(l->heap);
        free(l);
        return NULL;
}

int loop_run(struct loop *l) {
        while (!l->stopped)
                uv_run(&l->uv, UV_RUN_DEFAULT);
        l->stopped = false;
        return l->result;
}

void loop_stop(struct loop *l, int result) {
        l->stopped = true;
        l->result = result;
        uv_stop(&l->uv);
}

bool loop_step(struct loop *l, int64_t ms) {
        uint64_t before = l->ran;

        uv_run(&l->uv, UV_RUN_NOWAIT);
        if (l->ran != before || ms <= 0)
                return l->ran != before;
        l->guard_over = false;
        uv_update_time(&l->uv);
        uv_timer_start(&l->guard, on_guard, (uint64_t)ms, 0);
        while (l->ran == before && !l->guard_over && !l->stopped)
                uv_run(&l->uv, UV_RUN_ONCE);
        uv_timer_stop(&l->guard);
        return l->ran != before;
}

int64_t loop_next(const struct loop *l) {
        int64_t at = timer_earliest(l);

        return at ? MAX_OF(at - clock_mono(), 0) : -1;
}

static void settle(struct loop *l) {
        for (int i = 0; i < ADVANCE_ROUNDS_MAX && !list_empty(&l->laters); i++)
                later_run_all(l);
}

void loop_advance(struct loop *l, int64_t ms) {
        int64_t end = clock_mono() + ms;

        assert(clock_is_fake());
        settle(l);
        for (;;) {
                int64_t at = timer_earliest(l);
                int64_t now = clock_mono();

                if (!at || at > end)
                        break;
                if (at > now)
                        clock_fake_advance(at - now);
                timer_fire_due(l, clock_mono());
                settle(l);
        }
        if (clock_mono() < end)
                clock_fake_advance(end - clock_mono());
}

void loop_doing(struct loop *l, const char *name) {
        l->doing = name;
}

void loop_post(struct loop *l, const char *name, timer_fn *fn, void *arg) {
        struct post *p = mem_new(struct post);

        p->name = name;
        p->fn = fn;
        p->arg = arg;
        pthread_mutex_lock(&l->lock);
        list_append(&l->posts, &p->link);
        pthread_mutex_unlock(&l->lock);
        uv_async_send(&l->posted);
}

static void on_signal(uv_signal_t *u, int signum) {
        struct signal_handler *s = container_of(u, struct signal_handler, uv);
        struct loop *l = s->loop;
        int64_t began = loop_begin();

        s->fn(s->arg, signum);
        loop_end(l, "signal", began);
}

int loop_signal(struct loop *l, int signum, void (*fn)(void *arg, int signum), void *arg,
                struct err *err) {
        struct signal_handler *s = mem_new(struct signal_handler);
        int r;

        s->loop = l;
        s->fn = fn;
        s->arg = arg;
        uv_signal_init(&l->uv, &s->uv);
        list_append(&l->signals, &s->link);
        r = uv_signal_start(&s->uv, on_signal, signum);
        if (r < 0) {
                list_unlink(&s->link);
                uv_close((uv_handle_t *)&s->uv, signal_closed);
                return err_set(err, r, "signal %d: %s", signum, uv_strerror(r));
        }
        return 0;
}

void loop_wake_laters(struct loop *l, bool waiting) {
        if (waiting)
                uv_idle_start(&l->soon, on_soon);
        else
                uv_idle_stop(&l->soon);
}

void loop_wake_at(struct loop *l, int64_t in_ms) {
        uv_timer_start(&l->wake, on_wake, (uint64_t)in_ms, 0);
}
