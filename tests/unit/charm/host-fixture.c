/* SPDX-License-Identifier: Apache-2.0 */
/* host-fixture.c - see host-fixture.h */
#include "host-fixture.h"

#include "clock.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_changed(void *arg) {
        struct fixture *f = arg;

        f->changed = true;
}

static void run(const char *const *argv) {
        pid_t pid = fork();
        int status = -1;

        if (pid == 0) {
                execvp(argv[0], (char *const *)argv);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

void fixture_remove(const char *path) {
        run((const char *const[]){ "chmod", "-R", "u+w", path, NULL });
        run((const char *const[]){ "rm", "-rf", path, NULL });
}

void fixture_copy(const char *from, const char *to) {
        run((const char *const[]){ "cp", "-R", from, to, NULL });
}

void fixture_init(struct fixture *f, const char *const *charm_dirs, bool dev) {
        static const char *const standard[] = { TEST_CHARM_DIR, NULL };
        struct charm_host_options o = { .state_dir = f->state,
                                        .charm_dirs = charm_dirs ? charm_dirs : standard,
                                        .worker = TEST_WORKER,
                                        .dev = dev,
                                        .sandbox = true,
                                        .changed = on_changed,
                                        .arg = f };
        struct err err = {};

        *f = (struct fixture){ .state = "/tmp/mooring-charm-XXXXXX" };
        assert_non_null(mkdtemp(f->state));
        if (!dev)
                clock_fake(1000000, 1700000000000);
        assert_int_equal(loop_new(&f->loop, NULL), 0);
        if (charm_host_new(f->loop, &o, &f->host, &err) < 0)
                fail_msg("%s", err_text(&err));
        if (charm_host_scan(f->host, &err) < 0)
                fail_msg("%s", err_text(&err));
}

void fixture_deinit(struct fixture *f) {
        f->host = charm_host_free(f->host);
        f->loop = loop_free(f->loop);
        clock_real();
        fixture_remove(f->state);
}

static void on_done(struct charm_call *call, int r, struct plan *plan, const struct err *err) {
        struct test_call *c = call->arg;

        assert_false(c->done);
        c->done = true;
        c->r = r;
        c->plan = plan;
        if (r < 0)
                c->err = *err;
}

void fixture_plan(struct fixture *f, struct test_call *c, const char *name, int64_t model,
                  const char *config) {
        const struct charm_offer *offer;
        struct err err = {};

        *c = (struct test_call){};
        if (charm_host_find(f->host, name, NULL, -1, &offer, &err) < 0 ||
            charm_host_pin(f->host, offer, &err) < 0)
                fail_msg("%s", err_text(&err));
        c->view = str_format("{\"application\":\"app\",\"config\":%s,\"model\":\"m\",\"scale\":1}",
                             config);
        memcpy(c->call.sha256, offer->sha256, sizeof(c->call.sha256));
        c->call.model = model;
        c->call.view = c->view;
        c->call.view_len = strlen(c->view);
        c->call.done = on_done;
        c->call.arg = c;
        charm_host_plan(f->host, &c->call);
        assert_false(c->done);
}

void fixture_wait(struct fixture *f, struct test_call *c) {
        for (int i = 0; !c->done && i < WAIT_STEPS; i++)
                loop_step(f->loop, 1000);
        assert_true(c->done);
}

void test_call_deinit(struct test_call *c) {
        plan_free(c->plan);
        free(c->view);
        *c = (struct test_call){};
}
