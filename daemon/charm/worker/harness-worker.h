/* SPDX-License-Identifier: Apache-2.0 */
/* harness-worker.h - a worker as the harness (and the bench) runs it: blocking, with a deadline
 *
 * What the module prints comes out of a pipe and goes to our stdout: the worker's limits allow no
 * byte in a file, which our stdout may be. */
#pragma once

#include "plan.h"

struct harness_worker {
        pid_t pid;
        int channel, output;
        struct plan_reader reader;
        const char *charm; /* for messages, borrowed */
};
struct harness_answer {
        struct plan *plan;           /* of a view, */
        struct step *step;           /* or of a world; both NULL: refused */
        char *refused;               /* the charm's own text */
        uint8_t digest[DIGEST_SIZE]; /* of all bytes that the worker sent */
        size_t bytes;
};

struct harness_options;
/* Starts one; a module that cannot be used is -EINVAL with the worker's words. */
int harness_worker_start(struct harness_worker *w, const struct harness_options *o,
                         struct err *err);
/* <0: the worker crashed, was too slow, or sent what is no plan. */
int harness_worker_plan(struct harness_worker *w, const char *view, size_t len,
                        struct harness_answer *ret, struct err *err);
int harness_worker_step(struct harness_worker *w, const char *world, size_t len,
                        struct harness_answer *ret, struct err *err);
/* Waits for its end. <0: it did not end well (leaks, in sanitizer builds). */
int harness_worker_stop(struct harness_worker *w, struct err *err);
void harness_answer_deinit(struct harness_answer *a);
