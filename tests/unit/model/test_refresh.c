/* SPDX-License-Identifier: Apache-2.0 */
/* test_refresh.c - what becomes of a refresh next, row by row */
#include "refresh.h"

#include "unit.h"

#define GATE 60000
#define READY 600000

static const struct {
        const char *title;
        struct refresh_input in; /* .times are those above */
        enum refresh_step step;
        enum refresh_stage next;
        int64_t again_ms;
        const char *why;
} rows[] = {
        { .title = "nothing is written yet: it waits, for so long",
          .in = { .well_ms = -1, .stage_ms = 1000 },
          .step = REFRESH_WAIT,
          .again_ms = READY - 1000 },
        { .title = "the canary starts",
          .in = { .settled = true, .waits = "unit a/3 is waiting", .well_ms = -1 },
          .step = REFRESH_WAIT,
          .again_ms = READY },
        { .title = "the canary does not come up in time",
          .in = { .settled = true,
                  .waits = "unit a/3 is waiting",
                  .well_ms = -1,
                  .stage_ms = READY },
          .step = REFRESH_PAUSE,
          .why = "not ready for 10m: unit a/3 is waiting" },
        { .title = "what it wants is never written",
          .in = { .well_ms = -1, .stage_ms = READY },
          .step = REFRESH_PAUSE,
          .why = "not ready for 10m: what it wants is not written yet" },
        { .title = "the canary is well: from now on it has to be",
          .in = { .settled = true, .well_ms = -1 },
          .step = REFRESH_WELL },
        { .title = "it is asked again at the end of the gate",
          .in = { .settled = true, .well_ms = GATE - 10 },
          .step = REFRESH_WAIT,
          .again_ms = 10 },
        { .title = "the gate is passed",
          .in = { .settled = true, .well_ms = GATE },
          .step = REFRESH_NEXT,
          .next = REFRESH_REST },
        { .title = "the charm's own check is begun then,",
          .in = { .settled = true, .well_ms = GATE, .check = REFRESH_CHECK_WANTED },
          .step = REFRESH_CHECK },
        { .title = "and waited for,",
          .in = { .settled = true, .well_ms = GATE, .check = REFRESH_CHECK_RUNS },
          .step = REFRESH_WAIT,
          .again_ms = REFRESH_CHECK_MS },
        { .title = "but counts for nothing while the canary is not well;",
          .in = { .settled = true,
                  .waits = "unit a/3 is waiting",
                  .well_ms = GATE,
                  .check = REFRESH_CHECK_PASSED },
          .step = REFRESH_UNWELL },
        { .title = "passed, it leads on,",
          .in = { .settled = true, .well_ms = GATE, .check = REFRESH_CHECK_PASSED },
          .step = REFRESH_NEXT,
          .next = REFRESH_REST },
        { .title = "failed, it does not",
          .in = { .settled = true,
                  .well_ms = GATE,
                  .check = REFRESH_CHECK_FAILED,
                  .check_text = "its check verify is failed" },
          .step = REFRESH_PAUSE,
          .why = "its check verify is failed" },
        { .title = "it is not well any more: the gate begins anew",
          .in = { .settled = true, .waits = "unit a/3 is waiting", .well_ms = 5000 },
          .step = REFRESH_UNWELL },
        { .title = "a plan is being made, which is no sign of anything",
          .in = { .well_ms = 5000 },
          .step = REFRESH_WAIT,
          .again_ms = READY },
        { .title = "a passed gate lets nothing through that is not settled",
          .in = { .well_ms = 2 * GATE },
          .step = REFRESH_WAIT,
          .again_ms = READY },
        { .title = "a pull that failed for a moment",
          .in = { .settled = true, .broken = "ImagePullBackOff", .well_ms = -1, .broken_ms = 1 },
          .step = REFRESH_WAIT,
          .again_ms = REFRESH_BROKEN_MS - 1 },
        { .title = "a pull that goes on failing",
          .in = { .settled = true,
                  .broken = "ImagePullBackOff",
                  .well_ms = -1,
                  .broken_ms = REFRESH_BROKEN_MS },
          .step = REFRESH_PAUSE,
          .why = "ImagePullBackOff" },
        { .title = "a container that was started again says enough",
          .in = { .settled = true, .restarted = "started again 1 times", .well_ms = 5000 },
          .step = REFRESH_PAUSE,
          .why = "started again 1 times" },
        { .title = "also in the rest",
          .in = { .stage = REFRESH_REST, .settled = true, .restarted = "again", .well_ms = -1 },
          .step = REFRESH_PAUSE,
          .why = "again" },
        { .title = "the rest is ready",
          .in = { .stage = REFRESH_REST, .settled = true, .well_ms = -1 },
          .step = REFRESH_NEXT,
          .next = REFRESH_DONE },
        { .title = "one of the rest is not",
          .in = { .stage = REFRESH_REST, .settled = true, .waits = "2 of 3", .well_ms = -1 },
          .step = REFRESH_WAIT,
          .again_ms = READY },
        { .title = "one of the rest is broken",
          .in = { .stage = REFRESH_REST,
                  .settled = true,
                  .broken = "CrashLoopBackOff",
                  .broken_ms = REFRESH_BROKEN_MS,
                  .well_ms = -1 },
          .step = REFRESH_PAUSE,
          .why = "CrashLoopBackOff" },
        { .title = "paused, nothing leads on, however well it is",
          .in = { .paused = true, .settled = true, .well_ms = 2 * GATE },
          .step = REFRESH_WAIT },
        { .title = "stopped, nothing is known",
          .in = { .stopped = true, .settled = true, .well_ms = 2 * GATE },
          .step = REFRESH_WAIT },
        { .title = "a way back is over when all is ready",
          .in = { .stage = REFRESH_ROLLBACK, .settled = true, .well_ms = -1 },
          .step = REFRESH_NEXT,
          .next = REFRESH_ROLLED_BACK },
        { .title = "and never pauses",
          .in = { .stage = REFRESH_ROLLBACK,
                  .settled = true,
                  .restarted = "again",
                  .broken = "CrashLoopBackOff",
                  .broken_ms = READY,
                  .stage_ms = READY,
                  .well_ms = -1 },
          .step = REFRESH_WAIT },
        { .title = "what is over stays so",
          .in = { .stage = REFRESH_DONE, .settled = true, .restarted = "again", .well_ms = -1 },
          .step = REFRESH_WAIT },
};

static void test_rows(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct refresh_input in = rows[i].in;
                struct refresh_decision d;

                in.times = (struct refresh_times){ GATE, READY };
                refresh_decide(&in, &d);
                if (d.step != rows[i].step ||
                    (d.step == REFRESH_WAIT && d.again_ms != rows[i].again_ms))
                        fail_msg("%s: step %d, again in %lld", rows[i].title, (int)d.step,
                                 (long long)d.again_ms);
                if (d.step == REFRESH_NEXT)
                        assert_int_equal(d.next, rows[i].next);
                assert_string_equal(d.why, rows[i].why ? rows[i].why : "");
        }
}

/* Without a gate nothing is noted, and what is broken counts at once. */
static void test_no_gate(void **state) {
        struct refresh_input in = { .settled = true, .well_ms = -1, .times = { 0, READY } };
        struct refresh_decision d;

        refresh_decide(&in, &d);
        assert_int_equal(d.step, REFRESH_NEXT);
        in.broken = "ImagePullBackOff";
        refresh_decide(&in, &d);
        assert_int_equal(d.step, REFRESH_PAUSE);
}

static void test_names(void **state) {
        for (int i = 0; i < REFRESH_STAGE_MAX; i++)
                assert_int_equal(refresh_stage_find(refresh_stage_names[i]), i);
        assert_int_equal(refresh_stage_find("gone"), REFRESH_STAGE_MAX);
        assert_true(refresh_is_over(refresh_stage_find("gone")));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_no_gate),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
