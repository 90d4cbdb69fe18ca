/* SPDX-License-Identifier: Apache-2.0 */
/* test_slow.c - that the double "slow" is as slow, as throttled and as forgetful of case as it
 * says */
#include "provider-slow.h"

#include "clock.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

struct world {
        struct loop *loop;
        struct target *target;
        const struct provider *provider;
        json_t *wanted;
        struct identity id;
        char token[512];
};

static void open_it(struct world *w) {
        assert_int_equal(w->provider->open(&(struct target_config){ .loop = w->loop }, NULL,
                                           &w->target, NULL),
                         0);
}

static int setup(void **state) {
        struct world *w = mem_new(struct world);

        clock_fake(1000, 1000000);
        slow_reset();
        provider_set_table(slow_table(NULL));
        w->provider = provider_find("slow");
        assert_non_null(w->provider);
        assert_null(provider_find("kubernetes"));
        assert_int_equal(loop_new(&w->loop, NULL), 0);
        open_it(w);
        w->wanted = json_pack("{s:s, s:s, s:s, s:i, s:s}", "type", "Thing", "group", "Blue", "name",
                              "One", "size", 3, "key", "word");
        assert_int_equal(w->provider->identify(w->wanted, "model", &w->id, NULL), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;

        w->provider->close(w->target);
        identity_free(&w->id);
        json_decref(w->wanted);
        loop_free(w->loop);
        free(w);
        provider_set_table(NULL);
        slow_reset();
        clock_real();
        return 0;
}

static void on_done(struct op *op) {
        *(bool *)op->arg = true;
}

typedef void call(struct target *t, const struct apply_request *r, struct op *op);

static enum outcome do_it(struct world *w, call *fn, const json_t *baseline, struct op *ret) {
        bool done = false;
        struct apply_request r = { .type = w->id.type,
                                   .path = w->id.path,
                                   .wanted = w->wanted,
                                   .baseline = baseline,
                                   .incarnation = "",
                                   .token = w->token };

        *ret = (struct op){ .loop = w->loop, .done = on_done, .arg = &done };
        fn(w->target, &r, ret);
        assert_false(done);
        while (!done)
                loop_step(w->loop, 1000);
        str_copy(w->token, sizeof(w->token), ret->outcome == OUTCOME_RUNNING ? ret->token : "");
        return ret->outcome;
}

/* Through the throttling and all rounds; the answer of the end is in RET. */
static void to_the_end(struct world *w, call *fn, struct op *ret) {
        int running = 0;

        for (int i = 0; i < 10; i++) {
                enum outcome o = do_it(w, fn, NULL, ret);

                if (o == OUTCOME_DONE)
                        break;
                running += o == OUTCOME_RUNNING;
                assert_true(o == OUTCOME_RUNNING || o == OUTCOME_THROTTLED);
                assert_true(ret->again_at > clock_mono());
                loop_advance(w->loop, ret->again_at - clock_mono());
                op_clear(ret);
        }
        assert_int_equal(ret->outcome, OUTCOME_DONE);
        assert_int_equal(running, SLOW_ROUNDS);
}

static void a_write_is_throttled_once_runs_three_rounds_and_ends(void **state) {
        struct world *w = *state;
        struct op op;

        assert_string_equal(w->id.path, "blue/one");
        assert_false(w->provider->can & PROVIDER_WATCHES);
        assert_int_equal(do_it(w, w->provider->look, NULL, &op), OUTCOME_GONE);
        op_clear(&op);
        to_the_end(w, w->provider->apply, &op);
        assert_true(op.created);
        assert_int_equal(slow_throttled(), 1);
        assert_int_equal(slow_begun(), 1);
        assert_int_equal(slow_early(), 0);
        assert_string_equal(json_get_str(op.seen.output, "address", ""), "slow://blue/one");
        assert_string_not_equal(json_get_str(op.baseline, "key", ""),
                                "word"); /* only a trace of it */
        op_clear(&op);
        assert_int_equal(slow_count(), 1);
        assert_string_equal(json_get_str(slow_at("BLUE/one"), "key", ""), "word");
}

static void a_restart_in_the_middle_goes_on_with_the_token(void **state) {
        struct world *w = *state;
        struct op op;

        do_it(w, w->provider->apply, NULL, &op); /* throttled */
        op_clear(&op);
        assert_int_equal(do_it(w, w->provider->apply, NULL, &op), OUTCOME_RUNNING);
        op_clear(&op);
        w->target = w->provider->close(w->target);
        open_it(w);
        for (int i = 0; i < SLOW_ROUNDS; i++) {
                loop_advance(w->loop, SLOW_AGAIN_MS);
                do_it(w, w->provider->apply, NULL, &op);
                if (i + 1 < SLOW_ROUNDS)
                        op_clear(&op);
        }
        assert_int_equal(op.outcome, OUTCOME_DONE);
        op_clear(&op);
        assert_int_equal(slow_begun(), 1);
        assert_int_equal(slow_count(), 1);
}

static void a_lost_token_shows_as_a_second_operation(void **state) {
        struct world *w = *state;
        struct op op;

        for (int i = 0; i < 3; i++) {
                do_it(w, w->provider->apply, NULL, &op);
                op_clear(&op);
                w->token[0] = '\0';
        }
        assert_int_equal(slow_begun(), 2);
        str_copy(w->token, sizeof(w->token), "slow:7:1");
        assert_int_equal(do_it(w, w->provider->apply, NULL, &op), OUTCOME_REFUSED);
        op_clear(&op);
}

static void who_asks_too_early_is_counted_and_gets_no_further(void **state) {
        struct world *w = *state;
        struct op op;

        do_it(w, w->provider->apply, NULL, &op);
        op_clear(&op);
        for (int i = 0; i < 5; i++) {
                assert_int_equal(do_it(w, w->provider->apply, NULL, &op), OUTCOME_RUNNING);
                op_clear(&op);
        }
        assert_int_equal(slow_early(), 4);
        assert_string_equal(w->token, "slow:0:1");
}

static void changes_from_outside_are_found_and_told(void **state) {
        struct world *w = *state;
        cleanup_(drift_list_free) struct drift_list list = { 0 };
        cleanup_(json_freep) json_t *baseline = NULL;
        struct apply_request r = { .type = "Thing", .path = "blue/one" };
        struct op op;

        to_the_end(w, w->provider->apply, &op);
        baseline = json_incref(op.baseline);
        op_clear(&op);
        assert_true(slow_change("Blue/ONE", "size", json_integer(4)));
        assert_int_equal(do_it(w, w->provider->look, baseline, &op), OUTCOME_DONE);
        r.baseline = baseline;
        assert_int_equal(w->provider->compare(&r, &op.seen, &list, NULL), 0);
        assert_int_equal(list.count, 1);
        assert_string_equal(list.items[0].field, "size");
        op_clear(&op);
        assert_true(slow_delete("BLUE/ONE"));
        assert_int_equal(do_it(w, w->provider->look, baseline, &op), OUTCOME_GONE);
        op_clear(&op);
        slow_down(true);
        assert_int_equal(do_it(w, w->provider->look, baseline, &op), OUTCOME_UNREACHABLE);
        op_clear(&op);
}

static void a_removal_runs_long_too_and_a_thing_made_again_is_another(void **state) {
        struct world *w = *state;
        char first[64];
        struct op op;

        to_the_end(w, w->provider->apply, &op);
        str_copy(first, sizeof(first), op.seen.incarnation);
        op_clear(&op);
        to_the_end(w, w->provider->remove, &op);
        op_clear(&op);
        assert_int_equal(slow_count(), 0);
        assert_int_equal(do_it(w, w->provider->remove, NULL, &op), OUTCOME_GONE);
        op_clear(&op);
        to_the_end(w, w->provider->apply, &op);
        assert_string_not_equal(op.seen.incarnation, first);
        op_clear(&op);
}

static void never(struct op *op) {
        fail_msg("done after cancel");
}

static void a_cancelled_operation_tells_nobody(void **state) {
        struct world *w = *state;
        struct apply_request r = {
                .type = "Thing", .path = "blue/one", .wanted = w->wanted, .token = ""
        };
        struct op op = { .loop = w->loop, .done = never };

        w->provider->apply(w->target, &r, &op);
        w->provider->cancel(&op);
        loop_step(w->loop, 0);
        op_clear(&op);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(a_write_is_throttled_once_runs_three_rounds_and_ends),
                T(a_restart_in_the_middle_goes_on_with_the_token),
                T(a_lost_token_shows_as_a_second_operation),
                T(who_asks_too_early_is_counted_and_gets_no_further),
                T(changes_from_outside_are_found_and_told),
                T(a_removal_runs_long_too_and_a_thing_made_again_is_another),
                T(a_cancelled_operation_tells_nobody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
