/* SPDX-License-Identifier: Apache-2.0 */
/* test_flow.c - the step engine, asked through a kind of its own whose answers are scripted */
#include "clock.h"
#include "flow.h"

#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#define ANSWERS_MAX 64

struct answer {
        enum outcome outcome;
        int64_t again_in; /* ms; 0: not said */
        bool never;
};

static struct loop *loop;
static struct flow *flow;
static struct answer script[ANSWERS_MAX];
static int started, cancelled, cleared, gots[4];
static int64_t started_at[ANSWERS_MAX];
static int done_n, done_r;
static char done_text[ERR_TEXT_MAX];
static int got_result, ask_result;
static int start_result;

static int kind_start(struct ask *a, struct err *err) {
        struct answer *s = &script[started];

        started_at[started++] = clock_mono();
        if (start_result)
                return err_set(err, start_result, "cannot start");
        a->outcome = s->outcome;
        a->again_at = s->again_in ? clock_mono() + s->again_in : 0;
        if (s->outcome != OUTCOME_DONE)
                err_set(&a->err, -EIO, "server says %s", outcome_name(s->outcome));
        if (!s->never)
                flow_answer(a);
        return 0;
}

static void kind_cancel(struct ask *a) {
        cancelled++;
}

static void kind_clear(struct ask *a) {
        cleared++;
        free(a->request);
}

static const struct ask_kind scripted = { "scripted", kind_start, kind_cancel, kind_clear };

static flow_ask ask_plain, ask_says;
static flow_got got_first, got_second, got_says, got_drops;

static const struct flow_step two_steps[] = {
        {"first",    ask_plain, got_first, 30000, 1000, 0 },
        { "second", ask_plain, got_second, 10000, 500, 0 },
        { NULL     },
};
static const struct flow_step all_step[] = {
        {"all",     ask_plain, got_says, 30000, 1000, FLOW_ALL },
        { NULL}
};
static const struct flow_step says_steps[] = {
        {"says",    ask_says, got_says, 30000, 1000, 0 },
        { "second", ask_plain, got_second, 0, 0, 0 },
        { NULL    },
};
static const struct flow_step drop_step[] = {
        {"drop",     ask_plain, got_drops, 1000, 10, 0 },
        { NULL}
};

static int ask_plain(struct flow *f, struct ask *a, struct err *err) {
        a->kind = &scripted;
        a->request = mem_alloc(1);
        return FLOW_OK;
}

static int ask_says(struct flow *f, struct ask *a, struct err *err) {
        int r = ask_result;

        ask_plain(f, a, err);
        if (r < 0)
                return err_set(err, r, "no such thing");
        if (r == FLOW_AGAIN)
                ask_result = FLOW_OK;
        return r;
}

static int got_first(struct flow *f, struct ask *a, struct err *err) {
        gots[0]++;
        return FLOW_OK;
}

static int got_second(struct flow *f, struct ask *a, struct err *err) {
        gots[1]++;
        return FLOW_OK;
}

static int got_says(struct flow *f, struct ask *a, struct err *err) {
        int r = got_result;

        gots[2]++;
        if (r < 0)
                return err_set(err, r, "not acceptable");
        got_result = FLOW_OK;
        return r;
}

static int got_drops(struct flow *f, struct ask *a, struct err *err) {
        flow_cancel(f);
        free(f);
        flow = NULL;
        return FLOW_OK;
}

static void done(struct flow *f, int r, const struct err *err) {
        done_n++;
        done_r = r;
        str_copy(done_text, sizeof(done_text), err ? err->text : "");
        free(f);
        flow = NULL;
}

static int setup(void **state) {
        memset(script, 0, sizeof(script));
        memset(gots, 0, sizeof(gots));
        started = cancelled = cleared = done_n = done_r = got_result = ask_result = 0;
        start_result = 0;
        done_text[0] = '\0';
        clock_fake(5000, 0);
        return loop_new(&loop, NULL);
}

static int teardown(void **state) {
        if (flow)
                flow_cancel(flow);
        free(flow);
        flow = NULL;
        loop = loop_free(loop);
        clock_real();
        return 0;
}

static void begin(const struct flow_step *steps) {
        flow = mem_new(struct flow);
        flow->steps = steps;
        flow->loop = loop;
        flow->name = "example";
        flow->done = done;
        flow_start(flow);
}

static void steps_run_in_order_and_never_within_the_start(void **state) {
        begin(two_steps);
        assert_int_equal(started, 0);
        assert_true(flow_running(flow));
        loop_advance(loop, 0);
        assert_int_equal(done_n, 1);
        assert_int_equal(done_r, 0);
        assert_int_equal(started, 2);
        assert_int_equal(gots[0] + gots[1], 2);
        assert_int_equal(cleared, 2);
        assert_int_equal(loop_next(loop), -1);
}

static void unreachable_is_tried_again_with_growing_pauses(void **state) {
        for (int i = 0; i < 4; i++)
                script[i].outcome = OUTCOME_UNREACHABLE;
        begin(two_steps);
        loop_advance(loop, 29000);
        assert_int_equal(done_n, 1);
        assert_int_equal(done_r, 0);
        assert_int_equal(started, 6);
        assert_int_equal(gots[0], 1); /* got saw only the answer that did */
        for (int i = 0; i < 4; i++) {
                int64_t pause = started_at[i + 1] - started_at[i];

                assert_in_range(pause, 1000 * (1 << i) / 2, 1000 * (1 << i));
        }
}

static void gives_up_at_the_deadline_with_the_last_error(void **state) {
        for (int i = 0; i < ANSWERS_MAX; i++)
                script[i].outcome = OUTCOME_NOT_YET;
        begin(two_steps);
        loop_advance(loop, 29999);
        assert_int_equal(done_n, 0);
        assert_int_equal(started_at[started - 1], 5000 + 29000); /* the last try */
        loop_advance(loop, 1);
        assert_int_equal(done_r, -ETIMEDOUT);
        assert_string_equal(done_text, "step first: gave up after 30s: server says not yet");
}

static void gives_up_after_as_many_tries_as_the_step_names(void **state) {
        static const struct flow_step steps[] = {
                { "first", ask_plain, got_first, 300000, 1000, 0, 4 }, {}
        };
        const struct err *why;
        int tries;

        for (int i = 0; i < ANSWERS_MAX; i++)
                script[i].outcome = OUTCOME_UNREACHABLE;
        begin(steps);
        assert_null(flow_trouble(flow, &tries));
        loop_advance(loop, 0);
        why = flow_trouble(flow, &tries);
        assert_non_null(why);
        assert_int_equal(tries, 1);
        assert_string_equal(err_text(why), "server says unreachable");
        loop_advance(loop, 10000);
        assert_int_equal(done_r, -ETIMEDOUT);
        assert_int_equal(started, 4);
        assert_non_null(strstr(done_text, "step first: gave up after 4 tries in "));
        assert_non_null(strstr(done_text, ": server says unreachable"));
}

static void again_at_is_a_minimum(void **state) {
        script[0] = (struct answer){ OUTCOME_THROTTLED, 20000, false };
        begin(two_steps);
        loop_advance(loop, 19999);
        assert_int_equal(started, 1);
        loop_advance(loop, 1);
        assert_int_equal(done_n, 1);
        assert_int_equal(done_r, 0);
}

static void again_at_behind_the_deadline_ends_the_flow_at_once(void **state) {
        script[0] = (struct answer){ OUTCOME_THROTTLED, 60000, false };
        begin(two_steps);
        loop_advance(loop, 10);
        assert_int_equal(done_r, -ETIMEDOUT);
        assert_string_equal(done_text, "step first: gave up after 0ms: server says throttled");
}

static void no_answer_is_cancelled_at_the_deadline(void **state) {
        script[0].never = true;
        begin(two_steps);
        loop_advance(loop, 30000);
        assert_int_equal(done_r, -ETIMEDOUT);
        assert_string_equal(done_text, "step first: gave up after 30s: no answer");
        assert_int_equal(cancelled, 1);
        assert_int_equal(cleared, 1);
}

static void each_step_has_its_own_deadline(void **state) {
        script[0] = (struct answer){ OUTCOME_THROTTLED, 25000, false };
        script[2].never = true;
        begin(two_steps);
        loop_advance(loop, 34999);
        assert_int_equal(done_n, 0);
        loop_advance(loop, 1);
        assert_string_equal(done_text, "step second: gave up after 10s: no answer");
}

static void flow_all_sees_every_outcome(void **state) {
        script[0].outcome = OUTCOME_UNREACHABLE;
        got_result = -EPROTO;
        begin(all_step);
        loop_advance(loop, 0);
        assert_int_equal(gots[2], 1);
        assert_int_equal(done_r, -EPROTO);
        assert_string_equal(done_text, "step all: not acceptable");
}

static void other_outcomes_reach_got(void **state) {
        const enum outcome seen[] = { OUTCOME_RUNNING, OUTCOME_GONE,      OUTCOME_CONFLICT,
                                      OUTCOME_REFUSED, OUTCOME_IMMUTABLE, OUTCOME_DENIED };

        for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
                script[started].outcome = seen[i];
                begin(says_steps);
                loop_advance(loop, 0);
                assert_int_equal(gots[2], (int)i + 1);
        }
}

static void again_pauses_exactly_and_obeys_again_at(void **state) {
        got_result = FLOW_AGAIN;
        begin(says_steps);
        loop_advance(loop, 999);
        assert_int_equal(started, 1);
        loop_advance(loop, 1);
        assert_int_equal(started, 3);
        assert_int_equal(done_n, 1);
        got_result = FLOW_AGAIN;
        script[3] = (struct answer){ OUTCOME_RUNNING, 7000, false };
        begin(says_steps);
        loop_advance(loop, 6999);
        assert_int_equal(started, 4);
        loop_advance(loop, 1);
        assert_int_equal(done_n, 2);
}

static void retry_pauses_as_after_an_answer_that_did_not_do(void **state) {
        for (int i = 0; i < 2; i++)
                script[i].outcome = OUTCOME_UNREACHABLE;
        got_result = FLOW_RETRY;
        begin(says_steps);
        loop_advance(loop, 29000);
        assert_int_equal(done_n, 1);
        assert_int_equal(done_r, 0);
        assert_int_equal(gots[2], 2);
        for (int i = 0; i < 3; i++) {
                int64_t pause = started_at[i + 1] - started_at[i];

                assert_in_range(pause, 1000 * (1 << i) / 2, 1000 * (1 << i));
        }
}

static void end_and_goto(void **state) {
        got_result = FLOW_END;
        begin(says_steps);
        loop_advance(loop, 0);
        assert_int_equal(started, 1);
        assert_int_equal(done_r, 0);
        got_result = FLOW_GOTO(0);
        begin(says_steps);
        loop_advance(loop, 0);
        assert_int_equal(gots[2], 3);
        assert_int_equal(gots[1], 1);
}

static void ask_may_skip_end_wait_and_fail(void **state) {
        ask_result = FLOW_SKIP;
        begin(says_steps);
        loop_advance(loop, 0);
        assert_int_equal(started, 1);
        assert_int_equal(gots[1], 1);
        assert_int_equal(cleared, 2); /* what was filled in before the skip too */
        ask_result = FLOW_END;
        begin(says_steps);
        loop_advance(loop, 0);
        assert_int_equal(started, 1);
        assert_int_equal(done_n, 2);
        ask_result = FLOW_AGAIN;
        begin(says_steps);
        loop_advance(loop, 999);
        assert_int_equal(started, 1);
        loop_advance(loop, 1);
        assert_int_equal(done_n, 3);
        ask_result = -ENOENT;
        begin(says_steps);
        loop_advance(loop, 0);
        assert_int_equal(done_r, -ENOENT);
        assert_string_equal(done_text, "step says: no such thing");
}

static void endless_skips_are_an_error(void **state) {
        ask_result = FLOW_GOTO(0);
        begin(says_steps);
        loop_advance(loop, 0);
        assert_int_equal(done_r, -ELOOP);
}

static void start_that_fails_ends_the_flow(void **state) {
        start_result = -EINVAL;
        begin(two_steps);
        loop_advance(loop, 0);
        assert_int_equal(done_r, -EINVAL);
        assert_string_equal(done_text, "step first: cannot start");
        assert_int_equal(cancelled, 0);
        assert_int_equal(cleared, 1);
}

static void cancel_drops_in_every_state(void **state) {
        begin(two_steps);
        flow_cancel(flow); /* before the first step */
        assert_false(flow_running(flow));
        free(flow);
        script[0].never = true;
        begin(two_steps);
        loop_step(loop, 0); /* asking */
        assert_int_equal(started, 1);
        flow_cancel(flow);
        assert_int_equal(cancelled, 1);
        flow_cancel(flow); /* fine when not running */
        free(flow);
        script[1].outcome = OUTCOME_UNREACHABLE;
        begin(two_steps);
        loop_advance(loop, 0); /* pausing */
        assert_int_equal(started, 2);
        flow_cancel(flow);
        assert_int_equal(cancelled, 1); /* it had been answered */
        loop_advance(loop, 60000);
        assert_int_equal(done_n, 0);
        assert_int_equal(cleared, 2);
}

static void got_may_cancel_and_free_the_flow(void **state) {
        begin(drop_step);
        loop_advance(loop, 60000);
        assert_null(flow);
        assert_int_equal(done_n, 0);
        assert_int_equal(cleared, 1);
}

static char listed[128];

static void list_one(void *arg, const struct flow *f, const char *step) {
        snprintf(listed + strlen(listed), sizeof(listed) - strlen(listed), "%s/%s %d;", f->name,
                 step, f->tries);
}

static void running_flows_are_listed_with_step_and_tries(void **state) {
        struct loop *other = NULL;

        listed[0] = '\0';
        script[0].outcome = OUTCOME_UNREACHABLE;
        begin(two_steps);
        loop_advance(loop, 0);
        assert_int_equal(loop_new(&other, NULL), 0);
        flow_each(loop, list_one, NULL);
        flow_each(other, list_one, NULL);
        loop_free(other);
        assert_string_equal(listed, "example/first 1;");
}

static void every_outcome_has_a_name(void **state) {
        for (int i = 0; i < OUTCOME_MAX; i++)
                assert_non_null(outcome_name((enum outcome)i));
        assert_string_equal(outcome_name(OUTCOME_MAX), "unknown");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(steps_run_in_order_and_never_within_the_start),
                T(unreachable_is_tried_again_with_growing_pauses),
                T(gives_up_at_the_deadline_with_the_last_error),
                T(gives_up_after_as_many_tries_as_the_step_names),
                T(again_at_is_a_minimum),
                T(again_at_behind_the_deadline_ends_the_flow_at_once),
                T(no_answer_is_cancelled_at_the_deadline),
                T(each_step_has_its_own_deadline),
                T(flow_all_sees_every_outcome),
                T(other_outcomes_reach_got),
                T(again_pauses_exactly_and_obeys_again_at),
                T(retry_pauses_as_after_an_answer_that_did_not_do),
                T(end_and_goto),
                T(ask_may_skip_end_wait_and_fail),
                T(endless_skips_are_an_error),
                T(start_that_fails_ends_the_flow),
                T(cancel_drops_in_every_state),
                T(got_may_cancel_and_free_the_flow),
                T(running_flows_are_listed_with_step_and_tries),
                T(every_outcome_has_a_name),
        };

        return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
