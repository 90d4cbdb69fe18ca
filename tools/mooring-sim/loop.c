/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - see loop.h */
#include "loop.h"

#include "clock.h"
#include "http.h"
#include "watch.h"
#include "work.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

void loop_add(struct sim *sim, struct poller *p) {
        if (!list_linked(&p->entry))
                list_append(&sim->pollers, &p->entry);
}

void loop_remove(struct poller *p) {
        if (p->entry.next)
                list_unlink(&p->entry);
}

static int64_t sooner(int64_t a, int64_t b) {
        return a < 0 ? b : b < 0 ? a : MIN_OF(a, b);
}

/* Pollers may remove each other: each one is looked for again before it is called. */
static bool still_there(const struct sim *sim, const struct poller *p) {
        list_each(e, (struct list *)&sim->pollers) {
                if (list_entry(e, struct poller, entry) == p)
                        return true;
        }
        return false;
}

static void dispatch(struct sim *sim, const struct pollfd *fds, struct poller **pollers, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (fds[i].revents && still_there(sim, pollers[i]))
                        pollers[i]->ready(pollers[i], fds[i].revents);
}

static int wait_once(struct sim *sim, int64_t timeout, struct err *err) {
        cleanup_(freep) struct pollfd *fds = NULL;
        cleanup_(freep) struct poller **pollers = NULL;
        size_t n = 0, i = 0;
        int r;

        list_each(e, &sim->pollers)
                n++;
        fds = mem_array(struct pollfd, n + 1);
        pollers = mem_array(struct poller *, n + 1);
        list_each(e, &sim->pollers) {
                pollers[i] = list_entry(e, struct poller, entry);
                fds[i] = (struct pollfd){ .fd = pollers[i]->fd, .events = pollers[i]->events };
                i++;
        }
        r = poll(fds, n, (int)MIN_OF(timeout < 0 ? 60000 : timeout, 60000));
        if (r < 0 && errno != EINTR)
                return err_set(err, -errno, "poll");
        if (r > 0)
                dispatch(sim, fds, pollers, n);
        return 0;
}

int loop_run(struct sim *sim, struct err *err) {
        int r = 0;

        while (!sim->stopping && r >= 0) {
                int64_t next;

                work_run(sim);
                next = watch_tick(sim);
                next = sooner(next, http_tick(sim));
                next = sooner(next, work_next(sim)); /* last: requests make work */
                r = wait_once(sim, next < 0 ? -1 : MAX_OF(next - clock_mono(), 0), err);
        }
        return r;
}
