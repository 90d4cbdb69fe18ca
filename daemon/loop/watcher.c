/* SPDX-License-Identifier: Apache-2.0 */
/* watcher.c - descriptors, level-triggered
 *
 * libuv stops a poll by itself when the kernel reports POLLERR. That is passed on as "readable,
 * writable and hung up", whatever was asked for, so that the owner's next read or write meets the
 * error and tells its text; the poll goes on unless the owner stopped or changed it.
 *
 * The uv handle lives until libuv has closed it, a turn after watcher_stop; the callback is never
 * called after that call. */
#include "loop-internal.h"

#include <errno.h>
#include <stdlib.h>

struct watcher {
        uv_poll_t uv;
        struct loop *loop;
        const char *name;
        int fd;
        int events;
        bool *gone; /* set while the callback runs: tells it that the watcher was stopped */
        watcher_fn *fn;
        void *arg;
};

static void on_poll(uv_poll_t *u, int status, int got);

static int start(struct watcher *w) {
        int want = 0;

        if (w->events & LOOP_READ)
                want |= UV_READABLE;
        if (w->events & LOOP_WRITE)
                want |= UV_WRITABLE;
        if (w->events & LOOP_HANGUP)
                want |= UV_DISCONNECT;
        return want ? uv_poll_start(&w->uv, want, on_poll) : uv_poll_stop(&w->uv);
}

static void on_poll(uv_poll_t *u, int status, int got) {
        struct watcher *w = container_of(u, struct watcher, uv);
        struct loop *l = w->loop;
        const char *name = w->name;
        int64_t began = loop_begin();
        bool gone = false;
        int events = 0;

        if (got & UV_READABLE)
                events |= LOOP_READ;
        if (got & UV_WRITABLE)
                events |= LOOP_WRITE;
        if (got & UV_DISCONNECT)
                events |= LOOP_HANGUP;
        if (status < 0)
                events = LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
        w->gone = &gone;
        w->fn(w->arg, w->fd, events);
        if (!gone) {
                w->gone = NULL;
                if (status < 0)
                        start(w);
        }
        loop_end(l, name, began);
}

static void closed(uv_handle_t *h) {
        free(container_of(h, struct watcher, uv));
}

int watcher_start(struct loop *l, const char *name, int fd, int events, watcher_fn *fn, void *arg,
                  struct watcher **ret, struct err *err) {
        struct watcher *w = mem_new(struct watcher);
        int r = uv_poll_init(&l->uv, &w->uv, fd);

        if (r < 0) {
                free(w);
                return err_set(err, r, "%s: watching descriptor %d: %s", name, fd, uv_strerror(r));
        }
        w->loop = l;
        w->name = name;
        w->fd = fd;
        w->events = events;
        w->fn = fn;
        w->arg = arg;
        r = start(w);
        if (r < 0) {
                uv_close((uv_handle_t *)&w->uv, closed);
                return err_set(err, r, "%s: watching descriptor %d: %s", name, fd, uv_strerror(r));
        }
        *ret = w;
        return 0;
}

int watcher_change(struct watcher *w, int events, struct err *err) {
        int r;

        if (w->events == events)
                return 0;
        w->events = events;
        r = start(w);
        if (r < 0)
                return err_set(err, r, "%s: watching descriptor %d: %s", w->name, w->fd,
                               uv_strerror(r));
        return 0;
}

struct watcher *watcher_stop(struct watcher *w) {
        if (!w)
                return NULL;
        if (w->gone)
                *w->gone = true;
        uv_poll_stop(&w->uv);
        uv_close((uv_handle_t *)&w->uv, closed);
        return NULL;
}
