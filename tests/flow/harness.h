/* SPDX-License-Identifier: Apache-2.0 */
/* harness.h - runs a flow once for each of its requests and each fault, then again from the top
 *
 * A flow is described by struct harness_flow: how to make it, the world it works on (a scripted
 * HTTP server on loopback), and how to see that the world is as it should be. harness_all runs it
 *   1. plainly, which counts the requests, and tells which step made each;
 *   2. for each request k and each fault: from a fresh world, with request k failing so; then, in
 *   the world that this left, once more from the top without a fault, which must end well and
 *   leave the world converged. Time is virtual: back-off and deadlines cost nothing. See
 *   README.md. */
#pragma once

#include "http.h"
#include "server.h"

enum harness_fault {
        HARNESS_NONE,
        HARNESS_RESET,   /* the connection ends before anything was done */
        HARNESS_LOST,    /* it was done, the answer is lost */
        HARNESS_TIMEOUT, /* no answer, ever */
        HARNESS_409,
        HARNESS_429, /* with Retry-After: 1 */
        HARNESS_500,
        HARNESS_403,
        HARNESS_GARBAGE, /* 200 with bytes that are no JSON */
        HARNESS_CANCEL,  /* the flow is dropped while it waits for the answer */
        HARNESS_FAULT_MAX
};
const char *harness_fault_name(enum harness_fault f);

#define HARNESS_BIT(fault) (1u << (fault))

/* What a flow is made with. */
struct harness_tools {
        struct loop *loop;
        struct http *http;
        struct http_server *server;
};

struct harness_flow {
        const char *name;
        const struct flow_step *steps;
        /* Makes the struct that embeds the flow. The harness sets steps, loop, name and done and
         * starts it. */
        struct flow *(*make)(const struct harness_tools *t, void *world);
        void (*drop)(struct flow *f); /* frees what make made; the flow does not run */
        void (*reset)(void *world);   /* before each case */
        /* answers one request; its argument is WORLD. One at a time. */
        server_fn *serve;
        bool (*converged)(void *world, struct err *why);
        void *world;
        /* The faults RESET, LOST, TIMEOUT, 429 and 500 must be overcome within the same run,
         * except these. */
        unsigned may_fail;
};

/* The number of checks made, or <0 with what went wrong, where: "apply: request 2 (step patch) x
 * 409: again from the top: ...". Uses the fake clock; it is real again afterwards. */
int harness_all(const struct harness_flow *f, struct err *err);
