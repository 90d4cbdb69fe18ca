/* SPDX-License-Identifier: Apache-2.0 */
/* harness.c - runs a flow with each of its requests failing in each way; see harness.h
 *
 * The table is copied with every ask replaced by one that notes the step, so that a request is
 * known by it and a step that no run reaches is told. The server's one route decides whether this
 * request is the one that fails.
 *
 * When may the virtual clock move on? While the flow pauses; while the server holds its request
 * without an answer; and while it waits for something that is not HTTP and nothing happens. Never
 * while an answer may be on its way. */
#include "harness.h"

#include "clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define STEPS_MAX 64
#define REQUESTS_MAX 200 /* of one run: more is a flow that goes in circles */
#define STEP_MS 2        /* real time: how long the loop waits for bytes */
#define IDLE_STEPS 4     /* of them without anything, then other asks than HTTP wait for time */
#define STUCK_MS 20000   /* real time: nothing at all happened */

struct run {
        const struct harness_flow *spec;
        struct harness_tools tools;
        struct server *server;
        struct flow_step steps[STEPS_MAX];
        size_t steps_n;
        bool reached[STEPS_MAX];
        struct flow *flow;
        bool ended;
        int r;
        struct err err;

        pthread_mutex_t lock; /* below, and the world: the server's threads */
        size_t step_now, count, fault_at;
        size_t step_of[REQUESTS_MAX + 1];
        enum harness_fault fault;
        bool cancel_now;
};

static struct run *run; /* asks have no place for an argument */

static const char *const fault_names[HARNESS_FAULT_MAX] = {
        [HARNESS_NONE] = "no fault",   [HARNESS_RESET] = "reset", [HARNESS_LOST] = "lost answer",
        [HARNESS_TIMEOUT] = "timeout", [HARNESS_409] = "409",     [HARNESS_429] = "429",
        [HARNESS_500] = "500",         [HARNESS_403] = "403",     [HARNESS_GARBAGE] = "garbage",
        [HARNESS_CANCEL] = "cancel",
};

const char *harness_fault_name(enum harness_fault f) {
        return (unsigned)f < HARNESS_FAULT_MAX ? fault_names[f] : "unknown";
}

/* ---- the server's side */

static void fail_with(struct server_call *c, int status, const char *headers, const char *reason) {
        char body[256];

        snprintf(body, sizeof(body),
                 "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","
                 "\"message\":\"a fault on demand\",\"reason\":\"%s\",\"code\":%d}",
                 reason, status);
        server_reply(c, status, headers, body);
}

static void serve_fault(struct server_call *c, enum harness_fault fault) {
        switch (fault) {
        case HARNESS_LOST:
                server_mute(c);
                pthread_mutex_lock(&run->lock);
                run->spec->serve(c, run->spec->world);
                pthread_mutex_unlock(&run->lock);
                server_reset(c);
                break;
        case HARNESS_TIMEOUT:
        case HARNESS_CANCEL:
                server_hold(c);
                break;
        case HARNESS_409:
                fail_with(c, 409, NULL, "Conflict");
                break;
        case HARNESS_429:
                fail_with(c, 429, "Retry-After: 1\r\n", "TooManyRequests");
                break;
        case HARNESS_500:
                fail_with(c, 500, NULL, "InternalError");
                break;
        case HARNESS_403:
                fail_with(c, 403, NULL, "Forbidden");
                break;
        case HARNESS_GARBAGE:
                server_reply_bytes(c, 200, "Content-Type: application/json\r\n",
                                   "\x00\xff{\"a\":[1,\x80", 11);
                break;
        default:
                server_reset(c);
        }
}

static void serve(struct server_call *c, void *arg) {
        bool fails;

        pthread_mutex_lock(&run->lock);
        run->count++;
        if (run->count <= REQUESTS_MAX)
                run->step_of[run->count] = run->step_now;
        fails = run->count == run->fault_at;
        if (!fails)
                run->spec->serve(c, run->spec->world);
        else if (run->fault == HARNESS_CANCEL)
                run->cancel_now = true;
        pthread_mutex_unlock(&run->lock);
        if (fails)
                serve_fault(c, run->fault);
}

/* ---- the flow's side */

static int ask_noted(struct flow *f, struct ask *a, struct err *err) {
        pthread_mutex_lock(&run->lock);
        run->step_now = f->step;
        pthread_mutex_unlock(&run->lock);
        run->reached[f->step] = true;
        return run->spec->steps[f->step].ask(f, a, err);
}

static void on_done(struct flow *f, int r, const struct err *err) {
        run->ended = true;
        run->r = r;
        run->err = err ? *err : (struct err){ 0 };
}

static size_t requests(void) {
        size_t n;

        pthread_mutex_lock(&run->lock);
        n = run->count;
        pthread_mutex_unlock(&run->lock);
        return n;
}

static bool cancel_is_due(void) {
        bool due;

        pthread_mutex_lock(&run->lock);
        due = run->cancel_now;
        pthread_mutex_unlock(&run->lock);
        return due;
}

static bool may_advance(int idle) {
        const struct flow *f = run->flow;

        if (!f->asking)
                return idle > 0;
        if (f->ask.kind == &http_ask_kind)
                return idle > 0 && server_waiting(run->server) > 0;
        return idle >= IDLE_STEPS;
}

/* Until the flow has ended or was dropped. */
static int drive(struct err *err) {
        int idle = 0;
        int64_t stuck = 0;

        while (!run->ended) {
                int64_t next;

                if (requests() > REQUESTS_MAX)
                        return err_set(err, -ELOOP, "more than %d requests", REQUESTS_MAX);
                if (cancel_is_due()) {
                        flow_cancel(run->flow);
                        return 0;
                }
                if (loop_step(run->tools.loop, STEP_MS)) {
                        idle = 0;
                        stuck = 0;
                        continue;
                }
                idle++;
                stuck += STEP_MS;
                next = loop_next(run->tools.loop);
                if (may_advance(idle) && next >= 0) {
                        loop_advance(run->tools.loop, next);
                        stuck = 0;
                } else if (stuck > STUCK_MS) {
                        return err_set(err, -EDEADLK, "stuck in step %s",
                                       run->steps[run->flow->step].name);
                }
        }
        return 0;
}

static int run_once(size_t fault_at, enum harness_fault fault, struct err *err) {
        int r;

        pthread_mutex_lock(&run->lock);
        run->count = 0;
        run->fault_at = fault_at;
        run->fault = fault;
        run->cancel_now = false;
        pthread_mutex_unlock(&run->lock);
        run->ended = false;
        run->r = 0;
        run->err = (struct err){ 0 };
        run->flow = run->spec->make(&run->tools, run->spec->world);
        run->flow->steps = run->steps;
        run->flow->loop = run->tools.loop;
        run->flow->name = run->spec->name;
        run->flow->done = on_done;
        flow_start(run->flow);
        r = drive(err);
        flow_cancel(run->flow);
        run->spec->drop(run->flow);
        run->flow = NULL;
        return r;
}

static int check_converged(struct err *err) {
        int r = 0;

        pthread_mutex_lock(&run->lock);
        if (!run->spec->converged(run->spec->world, err))
                r = err_add(err, -EINVAL, "not converged");
        pthread_mutex_unlock(&run->lock);
        return r;
}

static int must_end_well(struct err *err) {
        int r = run_once(0, HARNESS_NONE, err);

        if (r < 0)
                return r;
        if (run->r < 0) {
                *err = run->err;
                return run->r;
        }
        return check_converged(err);
}

static bool must_be_overcome(enum harness_fault fault) {
        const unsigned all = HARNESS_BIT(HARNESS_RESET) | HARNESS_BIT(HARNESS_LOST) |
                             HARNESS_BIT(HARNESS_TIMEOUT) | HARNESS_BIT(HARNESS_429) |
                             HARNESS_BIT(HARNESS_500);

        return (all & ~run->spec->may_fail) & HARNESS_BIT(fault);
}

static void reset_world(void) {
        pthread_mutex_lock(&run->lock);
        run->spec->reset(run->spec->world);
        pthread_mutex_unlock(&run->lock);
}

static int one_case(size_t at, enum harness_fault fault, struct err *err) {
        int r;

        reset_world();
        r = run_once(at, fault, err);
        if (r < 0)
                return r;
        if (requests() < at)
                return err_set(err, -EINVAL, "the request was never made: runs differ");
        if (run->r < 0 && must_be_overcome(fault)) {
                *err = run->err;
                return err_add(err, run->r, "was not overcome in the same run");
        }
        if (run->r < 0 && !str_starts(run->err.text, "step "))
                return err_set(err, -EINVAL, "ended without saying in which step: \"%s\"",
                               run->err.text);
        if (run->r == 0 && run->ended && check_converged(err) < 0)
                return err_add(err, -EINVAL, "said it was done");
        r = must_end_well(err);
        return r < 0 ? err_add(err, r, "again from the top") : 0;
}

static int all_cases(struct err *err) {
        size_t step_of[REQUESTS_MAX + 1];
        size_t n;
        int checks = 1;
        int r;

        reset_world();
        r = must_end_well(err);
        if (r < 0)
                return err_add(err, r, "plain run");
        n = requests();
        memcpy(step_of, run->step_of, sizeof(step_of));
        for (size_t at = 1; at <= n; at++)
                for (int fault = HARNESS_RESET; fault < HARNESS_FAULT_MAX; fault++) {
                        r = one_case(at, (enum harness_fault)fault, err);
                        if (r < 0)
                                return err_add(err, r, "request %zu (step %s) x %s", at,
                                               run->steps[step_of[at]].name, fault_names[fault]);
                        checks += 2;
                }
        for (size_t i = 0; i < run->steps_n; i++)
                if (!run->reached[i])
                        return err_set(err, -EINVAL, "step %s was never reached",
                                       run->steps[i].name);
        return checks;
}

static int begin(const struct harness_flow *f, struct err *err) {
        struct http_server_config c = { 0 };
        int r;

        run->spec = f;
        pthread_mutex_init(&run->lock, NULL);
        for (; f->steps[run->steps_n].name; run->steps_n++) {
                if (run->steps_n == STEPS_MAX - 1)
                        return err_set(err, -E2BIG, "more than %d steps", STEPS_MAX - 1);
                run->steps[run->steps_n] = f->steps[run->steps_n];
                run->steps[run->steps_n].ask = ask_noted;
        }
        /* One request a connection: on a reused one curl repeats by itself what a reset hit, and
         * the flow sees nothing. */
        run->server = server_new(&(struct server_config){ .one_request = true });
        server_route(run->server, NULL, "*", serve, NULL);
        c.url = server_url(run->server);
        clock_fake(1000000, 1700000000000);
        r = loop_new(&run->tools.loop, err);
        if (r == 0)
                r = http_new(run->tools.loop, &run->tools.http, err);
        return r < 0 ? r : http_server_new(&c, &run->tools.server, err);
}

int harness_all(const struct harness_flow *f, struct err *err) {
        int r;

        run = mem_new(struct run);
        r = begin(f, err);
        if (r == 0)
                r = all_cases(err);
        if (r < 0)
                err_add(err, r, "%s", f->name);
        http_free(run->tools.http);
        http_server_unref(run->tools.server);
        loop_free(run->tools.loop);
        server_free(run->server);
        pthread_mutex_destroy(&run->lock);
        free(run);
        run = NULL;
        clock_real();
        return r;
}
