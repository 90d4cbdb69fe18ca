/* SPDX-License-Identifier: Apache-2.0 */
/* job.c - blocking work in a thread of libuv's pool
 *
 *      idle --job_start--> busy --thread is out--> done
 *                            \--job_cancel--> busy, cancelled --thread is out--> dropped
 *
 * A job that no thread has taken yet is withdrawn when it is cancelled; one that runs goes on to
 * its end, because nothing can stop a thread inside a client library: its WORK has deadlines of
 * its own. */
#include "loop-internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct work {
        uv_work_t uv;
        struct job *job;
};

static void in_thread(uv_work_t *u) {
        struct job *j = container_of(u, struct work, uv)->job;

        /* Each time: the pool is libuv's, and tells nobody of a new thread. */
        pthread_setname_np(pthread_self(), "job");
        j->work(j->arg);
}

static void thread_is_out(uv_work_t *u, int status) {
        struct work *w = container_of(u, struct work, uv);
        struct job *j = w->job;
        struct loop *l = j->loop;
        const char *name = j->name;
        int64_t began = loop_begin();
        void (*fn)(void *) = j->cancelled ? j->dropped : j->done;

        free(w);
        l->jobs--;
        j->busy = false;
        j->private = NULL;
        if (fn)
                fn(j->arg); /* may free J */
        loop_end(l, name, began);
}

void job_start(struct job *j) {
        struct work *w = mem_new(struct work);
        int r;

        assert(!j->busy);
        w->job = j;
        j->busy = true;
        j->loop->jobs++;
        j->cancelled = false;
        j->private = w;
        r = uv_queue_work(&j->loop->uv, &w->uv, in_thread, thread_is_out);
        assert(r == 0); /* only fails without a work function */
}

void job_cancel(struct job *j) {
        struct work *w = j->private;

        if (!j->busy || j->cancelled)
                return;
        j->cancelled = true;
        uv_cancel((uv_req_t *)&w->uv); /* -EBUSY while a thread has it */
}

#define FINISH_STEP_MS 1000 /* of waiting for a thread; its end wakes the loop at once */

void loop_finish_jobs(struct loop *l) {
        while (l->jobs) {
                l->stopped = false; /* by one signal more: loop_step would not wait */
                loop_step(l, FINISH_STEP_MS);
        }
}
