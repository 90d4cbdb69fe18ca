/* SPDX-License-Identifier: Apache-2.0 */
/* store-fixture.h - a store on a folder of its own, its loop, and calls that are waited for */
#pragma once

#include "queries.gen.h"
#include "store.h"

#include <semaphore.h>
#include <setjmp.h>
#include <cmocka.h>

#define FIXTURE_EVENTS_MAX 4000

struct fixture {
        const struct store_engine *engine;
        char *dir;
        struct loop *loop;
        struct store *store;
        /* In order, what the loop was told: "mark 1 7", "done a 0", "readonly". */
        char *events[FIXTURE_EVENTS_MAX];
        int n_events;
        int pending; /* calls whose done has not run */
        bool readonly;
};

/* A call that is waited for. */
struct waited {
        struct store_call call;
        struct fixture *fixture;
        const char *name;
        int result;
        bool ended;
        struct err err;
        char *answer; /* a copy; waited_free frees it */
        size_t answer_len;
        int runs;
        void *arg;
};

int fixture_set_up(void **state, const struct store_engine *engine);
int fixture_tear_down(void **state);
void fixture_open(struct fixture *f);
int fixture_try_open(struct fixture *f, struct err *err); /* without assertion */
void fixture_close(struct fixture *f);
char *fixture_path(struct fixture *f, const char *name); /* freed by the caller */
void fixture_clear_events(struct fixture *f);
int fixture_event(struct fixture *f, const char *event); /* its place, or -1 */

struct waited *waited_new(struct fixture *f, const char *name,
                          int (*run)(struct tx *, struct store_call *, struct err *), void *arg);
struct waited *waited_free(struct waited *w);
struct waited *waited_of(struct store_call *c);
void waited_submit(struct waited *w);
void waited_read(struct waited *w);
int waited_wait(struct waited *w); /* its result */
/* The store thread stands in a call until waited_unblock: what is submitted meanwhile waits. */
struct waited *waited_block(struct fixture *f, sem_t sems[2]);
void waited_unblock(struct waited *w, sem_t sems[2]);
void fixture_wait(struct fixture *f, bool (*until)(struct fixture *f));

/* One write that sets a setting; one read of it ("" when it is not there). */
int fixture_set(struct fixture *f, const char *name, const char *value);
char *fixture_get(struct fixture *f, const char *name);
