/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.h - a loop, an http and a scripted server, for the tests of this folder */
#pragma once

#include "clock.h"
#include "http.h"
#include "server.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define WAIT_MS 10000 /* generous: only reached when the test has failed */

struct fixture {
        struct loop *loop;
        struct http *http;
        struct server *server;
        struct http_server *to;
};

/* One request of a test, with what its callbacks saw. */
struct probe {
        struct http_request r;
        int done, heads;
        struct buf data;
};

static inline void fixture_target(struct fixture *f, const struct http_server_config *c) {
        struct err err = { 0 };

        f->to = http_server_unref(f->to);
        if (http_server_new(c, &f->to, &err) < 0)
                fail_msg("%s", err.text);
}

static inline int fixture_setup(void **state) {
        struct fixture *f = mem_new(struct fixture);

        assert_int_equal(loop_new(&f->loop, NULL), 0);
        assert_int_equal(http_new(f->loop, &f->http, NULL), 0);
        f->server = server_new(NULL);
        fixture_target(f, &(struct http_server_config){ .url = server_url(f->server) });
        *state = f;
        return 0;
}

static inline int fixture_teardown(void **state) {
        struct fixture *f = *state;

        http_free(f->http);
        http_server_unref(f->to);
        loop_free(f->loop);
        server_free(f->server);
        free(f);
        clock_real();
        return 0;
}

static inline void probe_done(struct http_request *r) {
        struct probe *p = r->arg;

        p->done++;
}

static inline void probe_head(struct http_request *r) {
        struct probe *p = r->arg;

        p->heads++;
}

static inline int probe_data(struct http_request *r, const char *data, size_t len) {
        struct probe *p = r->arg;

        buf_add(&p->data, data, len);
        return 0;
}

static inline void probe_init(struct probe *p, const struct fixture *f, const char *method,
                              const char *path) {
        *p = (struct probe){ 0 };
        p->r.server = f->to;
        p->r.method = method;
        p->r.path = path;
        p->r.done = probe_done;
        p->r.on_head = probe_head;
        p->r.arg = p;
}

static inline void probe_free(struct probe *p) {
        http_deinit(&p->r);
        buf_free(&p->data);
}

/* Steps the loop until the condition holds. */
#define step_until(f, condition)                                                                   \
        while (!(condition))                                                                       \
        step_or_fail((f), #condition)

static inline void step_or_fail(struct fixture *f, const char *what) {
        static int64_t slept;

        /* A server's thread may be what is waited for: then nothing happens on the loop. */
        if (loop_step(f->loop, 20)) {
                slept = 0;
                return;
        }
        slept += 20;
        if (slept > WAIT_MS) {
                slept = 0;
                fail_msg("never came true: %s", what);
        }
}

static inline void probe_run(struct probe *p, struct fixture *f) {
        http_start(f->http, &p->r);
        step_until(f, p->done);
}
