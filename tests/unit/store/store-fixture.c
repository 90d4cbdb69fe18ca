/* SPDX-License-Identifier: Apache-2.0 */
/* store-fixture.c - see store-fixture.h */
#include "store-fixture.h"

#include "clock.h"
#include "log.h"

#include <stdlib.h>

#define DEADLINE_STEPS 3000 /* of 10 ms: only a hang ever waits that long */

static void add_event(struct fixture *f, char *text) {
        assert_true(f->n_events < FIXTURE_EVENTS_MAX);
        f->events[f->n_events++] = text;
}

static void on_mark(void *arg, enum store_mark kind, int64_t id) {
        add_event(arg, str_format("mark %d %lld", kind, (long long)id));
}

static void on_readonly(void *arg, bool readonly, const char *why) {
        struct fixture *f = arg;

        f->readonly = readonly;
        add_event(f, str_dup(readonly ? "readonly" : "writable"));
}

int fixture_set_up(void **state, const struct store_engine *engine) {
        char template[] = "/tmp/store-test-XXXXXX";
        struct fixture *f = mem_new(struct fixture);
        struct err err = {};

        log_set_level(LOG_EMERG); /* faults are meant */
        f->engine = engine;
        f->dir = str_dup(mkdtemp(template));
        assert_non_null(f->dir);
        assert_int_equal(loop_new(&f->loop, &err), 0);
        *state = f;
        fixture_open(f);
        return 0;
}

int fixture_tear_down(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *command = str_format("rm -rf %s", f->dir);

        fixture_close(f);
        loop_free(f->loop);
        fixture_clear_events(f);
        assert_int_equal(system(command), 0);
        free(f->dir);
        free(f);
        return 0;
}

int fixture_try_open(struct fixture *f, struct err *err) {
        struct store_options o = { .state_dir = f->dir,
                                   .engine = f->engine,
                                   .mark = on_mark,
                                   .readonly = on_readonly,
                                   .arg = f };

        return store_open(f->loop, &o, &f->store, err);
}

void fixture_open(struct fixture *f) {
        struct err err = {};

        if (fixture_try_open(f, &err) < 0)
                fail_msg("%s", err_text(&err));
}

void fixture_close(struct fixture *f) {
        f->store = store_close(f->store);
}

char *fixture_path(struct fixture *f, const char *name) {
        return str_format("%s/%s", f->dir, name);
}

void fixture_clear_events(struct fixture *f) {
        while (f->n_events > 0)
                free(f->events[--f->n_events]);
}

int fixture_event(struct fixture *f, const char *event) {
        for (int i = 0; i < f->n_events; i++) {
                if (str_eq(f->events[i], event))
                        return i;
        }
        return -1;
}

struct waited *waited_of(struct store_call *c) {
        return container_of(c, struct waited, call);
}

static void on_done(struct store_call *c, int r, const struct err *err) {
        struct waited *w = waited_of(c);

        assert_false(w->ended);
        w->ended = true;
        w->result = r;
        w->err = *err;
        w->answer = c->answer ? mem_dup(c->answer, c->answer_len + 1) : NULL;
        w->answer_len = c->answer_len;
        w->fixture->pending--;
        add_event(w->fixture, str_format("done %s %d", w->name, r < 0 ? -1 : r));
}

struct waited *waited_new(struct fixture *f, const char *name,
                          int (*run)(struct tx *, struct store_call *, struct err *), void *arg) {
        struct waited *w = mem_new(struct waited);

        w->fixture = f;
        w->name = name;
        w->arg = arg;
        w->call.run = run;
        w->call.done = on_done;
        w->call.actor = "test";
        return w;
}

struct waited *waited_free(struct waited *w) {
        assert_true(w->ended || !w->fixture->pending);
        free(w->answer);
        free(w);
        return NULL;
}

void waited_submit(struct waited *w) {
        w->fixture->pending++;
        store_submit(w->fixture->store, &w->call);
        assert_false(w->ended);
}

void waited_read(struct waited *w) {
        w->fixture->pending++;
        store_read(w->fixture->store, &w->call);
        assert_false(w->ended);
}

int waited_wait(struct waited *w) {
        for (int i = 0; i < DEADLINE_STEPS && !w->ended; i++)
                loop_step(w->fixture->loop, 10);
        assert_true(w->ended);
        return w->result;
}

void fixture_wait(struct fixture *f, bool (*until)(struct fixture *f)) {
        for (int i = 0; i < DEADLINE_STEPS && !until(f); i++)
                loop_step(f->loop, 10);
        assert_true(until(f));
}

struct pair {
        const char *name, *value;
};

static int run_set(struct tx *tx, struct store_call *c, struct err *err) {
        struct pair *p = waited_of(c)->arg;

        return w_setting_set(tx, &(struct w_setting_set_in){ .name = p->name, .value = p->value },
                             err);
}

int fixture_set(struct fixture *f, const char *name, const char *value) {
        struct pair p = { name, value };
        struct waited *w = waited_new(f, "set", run_set, &p);
        int r;

        waited_submit(w);
        r = waited_wait(w);
        waited_free(w);
        return r;
}

static int run_get(struct tx *tx, struct store_call *c, struct err *err) {
        struct pair *p = waited_of(c)->arg;
        struct q_setting_get_row *row;
        size_t n;
        int r = q_setting_get(tx, &(struct q_setting_get_in){ .name = p->name }, &row, &n, err);

        if (r == 0)
                tx_answer(c, n ? row->value : "", n ? strlen(row->value) : 0);
        return r;
}

char *fixture_get(struct fixture *f, const char *name) {
        struct pair p = { name, NULL };
        struct waited *w = waited_new(f, "get", run_get, &p);
        char *value;

        waited_read(w);
        assert_int_equal(waited_wait(w), 0);
        value = take_ptr(w->answer);
        waited_free(w);
        return value;
}

/* ---- a store thread that stands still */

static int run_blocking(struct tx *tx, struct store_call *c, struct err *err) {
        struct waited *w = waited_of(c);

        if (w->runs++ == 0) {
                sem_post(w->arg);
                sem_wait((sem_t *)w->arg + 1);
        }
        return 0;
}

struct waited *waited_block(struct fixture *f, sem_t sems[2]) {
        struct waited *w = waited_new(f, "block", run_blocking, sems);

        sem_init(&sems[0], 0, 0);
        sem_init(&sems[1], 0, 0);
        waited_submit(w);
        sem_wait(&sems[0]);
        return w;
}

void waited_unblock(struct waited *w, sem_t sems[2]) {
        sem_post(&sems[1]);
        assert_int_equal(waited_wait(w), 0);
        waited_free(w);
        sem_destroy(&sems[0]);
        sem_destroy(&sems[1]);
}
