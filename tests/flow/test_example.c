/* SPDX-License-Identifier: Apache-2.0 */
/* test_example.c - the harness on a small flow that is right, and on six that are wrong in ways
 * it must find
 *
 * The world: things are made by POST /things, found by GET /things/x, become ready at the third
 * look, and get a label by PATCH. Exactly one must be there, ready and labelled. */
#include "harness.h"

#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

struct world {
        int things, looks;
        bool labelled;
};

struct example {
        struct flow flow;
        const struct harness_tools *tools;
        bool there;
};

static struct example *of(struct flow *f) {
        return container_of(f, struct example, flow);
}

/* ---- the world */

static void serve(struct server_call *c, void *arg) {
        struct world *w = arg;

        if (strcmp(c->method, "POST") == 0) {
                w->things++;
                server_reply(c, 201, NULL, "{\"ready\":false}");
        } else if (strcmp(c->method, "PATCH") == 0) {
                w->labelled = true;
                server_reply(c, 200, NULL, "{\"ready\":true}");
        } else if (w->things == 0) {
                server_reply(c, 404, NULL, "{}");
        } else {
                server_reply(c, 200, NULL,
                             ++w->looks < 3 ? "{\"ready\":false}" : "{\"ready\":true}");
        }
}

static void reset(void *world) {
        *(struct world *)world = (struct world){ 0 };
}

static bool converged(void *world, struct err *why) {
        const struct world *w = world;

        err_set(why, -EINVAL, "%d things, %d looks, %slabelled", w->things, w->looks,
                w->labelled ? "" : "not ");
        return w->things == 1 && w->looks >= 3 && w->labelled;
}

static struct flow *make(const struct harness_tools *t, void *world) {
        struct example *e = mem_new(struct example);

        e->tools = t;
        return &e->flow;
}

static void drop(struct flow *f) {
        free(of(f));
}

/* ---- the flow */

static flow_ask ask_look, ask_make, ask_make_blindly, ask_label;
static flow_got got_look, got_made, got_ready, got_labelled, got_anything, got_gives_up;
static flow_got got_made_or_look, got_end;

static const struct flow_step right[] = {
        { "look", ask_look, got_look, 60000, 1000, 0 },
        { "make", ask_make, got_made_or_look, 60000, 1000, FLOW_ALL },
        { "ready", ask_look, got_ready, 60000, 1000, 0 },
        { "label", ask_label, got_labelled, 60000, 1000, 0 },
        { NULL },
};
static const struct flow_step makes_twice[] = {
        { "make", ask_make_blindly, got_made, 60000, 1000, 0 },
        { "ready", ask_look, got_ready, 60000, 1000, 0 },
        { "label", ask_label, got_labelled, 60000, 1000, 0 },
        { NULL },
};
static const struct flow_step asks_again_blindly[] = {
        { "look", ask_look, got_look, 60000, 1000, 0 },
        { "make", ask_make, got_made, 60000, 1000, 0 },
        { "ready", ask_look, got_ready, 60000, 1000, 0 },
        { "label", ask_label, got_labelled, 60000, 1000, 0 },
        { NULL },
};
static const struct flow_step believes_all[] = {
        { "look", ask_look, got_look, 60000, 1000, 0 },
        { "make", ask_make, got_made_or_look, 60000, 1000, FLOW_ALL },
        { "ready", ask_look, got_ready, 60000, 1000, 0 },
        { "label", ask_label, got_anything, 60000, 1000, 0 },
        { NULL },
};
static const struct flow_step gives_up[] = {
        { "look", ask_look, got_gives_up, 60000, 1000, FLOW_ALL },
        { "make", ask_make, got_made_or_look, 60000, 1000, FLOW_ALL },
        { "ready", ask_look, got_ready, 60000, 1000, 0 },
        { "label", ask_label, got_labelled, 60000, 1000, 0 },
        { NULL },
};
static const struct flow_step too_short[] = {
        { "look", ask_look, got_look, 60000, 1000, 0 },
        { "make", ask_make, got_made_or_look, 60000, 1000, FLOW_ALL },
        { "ready", ask_look, got_ready, 1500, 1000, 0 },
        { "label", ask_label, got_labelled, 60000, 1000, 0 },
        { NULL },
};

static int ask_look(struct flow *f, struct ask *a, struct err *err) {
        const struct harness_tools *t = of(f)->tools;

        http_ask(a, t->http, t->server, "GET", NULL, "/things/%s", "x");
        return FLOW_OK;
}

/* Done, and with a body that can be what it should be. */
static int check(const struct ask *a, struct err *err) {
        const struct http_request *r = http_answer(a);

        if (a->outcome != OUTCOME_DONE)
                return err_set(err, -EPROTO, "%s", a->err.text);
        if (!r->reply.len || r->reply.data[0] != '{')
                return err_set(err, -EBADMSG, "the answer is not JSON");
        return 0;
}

static int got_look(struct flow *f, struct ask *a, struct err *err) {
        of(f)->there = false;
        if (a->outcome == OUTCOME_GONE)
                return FLOW_OK;
        of(f)->there = true;
        return check(a, err);
}

static int ask_make_blindly(struct flow *f, struct ask *a, struct err *err) {
        const struct harness_tools *t = of(f)->tools;

        http_ask(a, t->http, t->server, "POST", str_dup("{\"name\":\"x\"}"), "/things");
        return FLOW_OK;
}

static int ask_make(struct flow *f, struct ask *a, struct err *err) {
        return of(f)->there ? FLOW_SKIP : ask_make_blindly(f, a, err);
}

static int got_made(struct flow *f, struct ask *a, struct err *err) {
        return check(a, err);
}

/* POST /things is not idempotent: when its answer is lost, asking again makes a second one.
 * FLOW_ALL and going back to the look puts that right. */
static int got_made_or_look(struct flow *f, struct ask *a, struct err *err) {
        if (a->outcome == OUTCOME_DONE)
                return check(a, err);
        if (a->outcome == OUTCOME_UNREACHABLE || a->outcome == OUTCOME_THROTTLED)
                return FLOW_GOTO(0);
        return check(a, err);
}

static int got_ready(struct flow *f, struct ask *a, struct err *err) {
        int r = check(a, err);

        if (r < 0)
                return r;
        return strstr(buf_str(&http_answer(a)->reply), "true") ? FLOW_OK : FLOW_AGAIN;
}

static int ask_label(struct flow *f, struct ask *a, struct err *err) {
        const struct harness_tools *t = of(f)->tools;

        http_ask(a, t->http, t->server, "PATCH", str_dup("{\"label\":1}"), "/things/x");
        return FLOW_OK;
}

static int got_labelled(struct flow *f, struct ask *a, struct err *err) {
        return check(a, err);
}

static int got_anything(struct flow *f, struct ask *a, struct err *err) {
        return FLOW_OK;
}

static int got_gives_up(struct flow *f, struct ask *a, struct err *err) {
        if (a->outcome == OUTCOME_UNREACHABLE)
                return err_set(err, -EIO, "no patience");
        return got_look(f, a, err);
}

/* ---- the tests */

static int all(const struct flow_step *steps, struct err *err) {
        struct world w = { 0 };
        struct harness_flow f = { .name = "example",
                                  .steps = steps,
                                  .make = make,
                                  .drop = drop,
                                  .reset = reset,
                                  .serve = serve,
                                  .converged = converged,
                                  .world = &w };

        *err = (struct err){ 0 };
        return harness_all(&f, err);
}

static void wrong(const struct flow_step *steps, const char *step, const char *fault,
                  const char *what) {
        struct err err;

        assert_true(all(steps, &err) < 0);
        if (!strstr(err.text, step) || !strstr(err.text, fault) || !strstr(err.text, what))
                fail_msg("%s", err.text);
}

static void flow_that_looks_before_it_acts_passes(void **state) {
        struct err err;
        int n = all(right, &err);

        if (n < 0)
                fail_msg("%s", err.text);
        assert_int_equal(n, 1 + 6 * 9 * 2); /* look, make, ready three times, label */
}

static void second_creation_is_found(void **state) {
        wrong(makes_twice, "step make", "", "2 things");
        wrong(asks_again_blindly, "step make", "lost answer", "2 things");
}

static void garbage_that_is_believed_is_found(void **state) {
        wrong(believes_all, "step label", "409", "said it was done");
}

static void giving_up_too_early_is_found(void **state) {
        wrong(gives_up, "step look", "reset", "was not overcome in the same run");
        wrong(too_short, "plain run", "", "step ready: gave up after 1.5s");
}

static int got_end(struct flow *f, struct ask *a, struct err *err) {
        int r = check(a, err);

        return r < 0 ? r : FLOW_END;
}

static void step_that_is_never_reached_is_found(void **state) {
        struct flow_step steps[6];

        memcpy(steps, right, sizeof(right));
        steps[4] = steps[3];
        steps[4].name = "too late";
        steps[3].got = got_end;
        steps[5] = (struct flow_step){ 0 };
        wrong(steps, "step too late", "", "was never reached");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(flow_that_looks_before_it_acts_passes),
                cmocka_unit_test(second_creation_is_found),
                cmocka_unit_test(garbage_that_is_believed_is_found),
                cmocka_unit_test(giving_up_too_early_is_found),
                cmocka_unit_test(step_that_is_never_reached_is_found),
        };

        return cmocka_run_group_tests_name("harness", tests, NULL, NULL);
}
