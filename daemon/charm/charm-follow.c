/* SPDX-License-Identifier: Apache-2.0 */
/* charm-follow.c - inotify on charm directories, their charms and objects; see charm-follow.h
 *
 * Events say only that something happened: a build writes many files, so CHANGED is called once
 * it has been quiet for a moment, and whoever is called reads everything anew. */
#include "charm-follow.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define QUIET_MS 300 /* a linker is done by then */
#define WATCHED                                                                                    \
        (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB |        \
         IN_ONLYDIR)

struct charm_follow {
        int fd;
        struct watcher *watcher;
        struct timer quiet;
        void (*changed)(void *arg);
        void *arg;
};

static void on_quiet(void *arg) {
        struct charm_follow *f = arg;

        f->changed(f->arg);
}

static void on_event(void *arg, int fd, int events) {
        struct charm_follow *f = arg;
        char part[4096];

        while (read(fd, part, sizeof(part)) > 0)
                ;
        timer_after(&f->quiet, QUIET_MS);
}

static void watch(struct charm_follow *f, const char *folder, const char *below) {
        cleanup_(freep) char *path = str_format("%s/%s", folder, below);

        /* A folder that is not there has nothing to follow; its parent tells when it comes. */
        (void)inotify_add_watch(f->fd, path, WATCHED);
}

void charm_follow_update(struct charm_follow *f, const struct charm_offers *offers) {
        for (size_t i = 0; offers->dirs[i]; i++)
                watch(f, offers->dirs[i], "");
        for (size_t i = 0; i < offers->count; i++) {
                watch(f, offers->list[i].folder, "");
                watch(f, offers->list[i].folder, "objects");
                watch(f, offers->list[i].folder, "files");
        }
}

int charm_follow_start(struct loop *l, const struct charm_offers *offers,
                       void (*changed)(void *arg), void *arg, struct charm_follow **ret,
                       struct err *err) {
        struct charm_follow *f = mem_new(struct charm_follow);
        int r;

        f->changed = changed;
        f->arg = arg;
        timer_init(&f->quiet, l, "charm directories", on_quiet, f);
        f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        r = f->fd < 0 ? err_set(err, -errno, "charm directories cannot be followed: %s",
                                strerror(errno))
                      : watcher_start(l, "charm directories", f->fd, LOOP_READ, on_event, f,
                                      &f->watcher, err);
        if (r < 0) {
                charm_follow_stop(f);
                return r;
        }
        charm_follow_update(f, offers);
        *ret = f;
        return 0;
}

struct charm_follow *charm_follow_stop(struct charm_follow *f) {
        if (!f)
                return NULL;
        timer_cancel(&f->quiet);
        f->watcher = watcher_stop(f->watcher);
        closep(&f->fd);
        free(f);
        return NULL;
}
