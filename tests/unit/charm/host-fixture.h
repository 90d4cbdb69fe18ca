/* SPDX-License-Identifier: Apache-2.0 */
/* host-fixture.h - a charm host on a loop with a fake clock, a state folder of its own, and the
 * test modules on offer
 *
 * TEST_CHARM_DIR and TEST_WORKER are set by the build: modules and worker without sanitizers, in
 * the real sandbox. */
#pragma once

#include "charm-host.h"

/* Of a second each at most: a loaded machine is no failure, and a thousand lines that a module
 * prints come in as many steps. */
#define WAIT_STEPS 5000

struct fixture {
        struct loop *loop;
        struct charm_host *host;
        char state[64]; /* folder below /tmp */
        bool changed;
};

struct test_call {
        struct charm_call call;
        bool done;
        int r;
        struct plan *plan;
        struct err err;
        char *view;
};

void fixture_init(struct fixture *f, const char *const *charm_dirs, bool dev);
void fixture_deinit(struct fixture *f);
/* Pins charm NAME and calls its plan for MODEL with a view of CONFIG (JSON object text). */
void fixture_plan(struct fixture *f, struct test_call *c, const char *name, int64_t model,
                  const char *config);
void fixture_wait(struct fixture *f, struct test_call *c);
void test_call_deinit(struct test_call *c);
/* Removes a folder of the test with all in it. */
void fixture_remove(const char *path);
/* Copies a folder. */
void fixture_copy(const char *from, const char *to);
