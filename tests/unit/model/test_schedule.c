/* SPDX-License-Identifier: Apache-2.0 */
/* test_schedule.c - when schedules are due, and what becomes of runs that are late or in each
 * other's way */
#include "desk.h"

#include "clock.h"

#include <sys/resource.h>
#include "schedule-age.h"

#include <errno.h>

#define DAY_MS 86400000ll

static struct schedule_run due;

static int set_up(void **state) {
        struct desk *d;
        int r;

        desk_midnight();
        r = desk_set_up(state);
        d = *state;
        desk_charm(d, "name: acting\nactions:\n  back-up: {params: {to: {type: string}}}\n");
        desk_deployed(d, "bundle: kubernetes\napplications:\n  a: {charm: acting, scale: 1}\n");
        return r;
}

static int tear_down(void **state) {
        int r = desk_tear_down(state);

        json_decref(take_ptr(due.told));
        due = (struct schedule_run){ NULL };
        clock_real();
        return r;
}

static int64_t add(struct desk *d, struct command_schedule c) {
        int r;

        c.head = (struct command){ .run = command_schedule_add, .of_model = "lab" };
        c.model = "lab";
        c.application = "a";
        c.action = "back-up";
        r = desk_run(d, &c.head);
        command_deinit(&c.head);
        if (r < 0)
                fail_msg("%s", desk_error(d, 0));
        return json_get_int(d->reply, "schedule", 0);
}

static int run_due(struct tx *tx, int64_t id, struct err *err) {
        return command_schedule_due(tx, &due, err);
}

/* What is told of the one that is due; NULL: none is. */
static const char *tick(struct desk *d, int64_t later_ms) {
        clock_fake_advance(later_ms);
        assert_int_equal(desk_write(d, run_due, 0), 0);
        return json_array_size(due.told) ? json_get_str(json_array_get(due.told, 0), "text", NULL)
                                         : NULL;
}

static int count_live(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct q_operation_live_count_row *row;
        size_t n;
        int r = q_operation_live_count(tx, &row, &n, err);

        *ret = json_pack("{s:I}", "live", (json_int_t)row->total);
        return r < 0 ? r : 0;
}

static int64_t live(struct desk *d) {
        assert_int_equal(desk_read(d, count_live, NULL), 0);
        return json_get_int(d->reply, "live", -1);
}

static void next_is(const char *wanted) {
        char text[CLOCK_TEXT_MAX];

        assert_string_equal(due.next_at ? clock_iso(due.next_at, false, text) : "never", wanted);
}

static void a_cron_runs_at_its_time_in_its_zone(void **state) {
        struct desk *d = *state;

        add(d, (struct command_schedule){ .cron = "0 3 * * *", .zone = "UTC" });
        assert_null(tick(d, 0));
        next_is("2026-03-02T03:00:00Z");
        assert_null(tick(d, 3 * 3600000ll - 1));
        assert_string_equal(tick(d, 1), "");
        next_is("2026-03-03T03:00:00Z");
        assert_int_equal(live(d), 1);
        assert_null(tick(d, 1));
        assert_int_equal(live(d), 1);
}

static void what_is_for_once_goes_with_its_run(void **state) {
        struct desk *d = *state;

        add(d, (struct command_schedule){ .at = "2h" });
        assert_string_equal(tick(d, 2 * 3600000ll), "");
        assert_int_equal(live(d), 1);
        next_is("never");
        assert_null(tick(d, DAY_MS));
}

static void a_run_that_is_not_over_is_not_begun_twice(void **state) {
        struct desk *d = *state;

        add(d, (struct command_schedule){ .cron = "0 3 * * *" });
        assert_string_equal(tick(d, 3 * 3600000ll), "");
        assert_string_equal(tick(d, DAY_MS), "skipped: operation 1 is not over yet");
        next_is("2026-03-04T03:00:00Z");
        assert_int_equal(live(d), 1);
}

static void or_it_waits_behind_it_where_that_is_said(void **state) {
        struct desk *d = *state;

        add(d, (struct command_schedule){ .cron = "0 3 * * *", .overlap = "queue" });
        assert_string_equal(tick(d, 3 * 3600000ll), "");
        assert_string_equal(tick(d, DAY_MS), "");
        assert_int_equal(live(d), 2);
}

static void what_was_due_while_the_daemon_was_off_is_left_out(void **state) {
        struct desk *d = *state;

        add(d, (struct command_schedule){ .cron = "0 3 * * *" });
        assert_string_equal(tick(d, 3 * DAY_MS), "missed: the daemon was off then");
        assert_int_equal(live(d), 0);
        next_is("2026-03-05T03:00:00Z");
}

static void or_it_is_run_once_where_that_is_said(void **state) {
        struct desk *d = *state;

        add(d, (struct command_schedule){ .cron = "0 3 * * *", .missed = "run" });
        assert_string_equal(tick(d, 3 * DAY_MS), "");
        assert_int_equal(live(d), 1);
        next_is("2026-03-05T03:00:00Z");
}

static void what_is_refused_is_told_and_the_next_time_comes(void **state) {
        struct command_freeze freeze = { .head = { .run = command_freeze_set },
                                         .model = "lab",
                                         .why = "a test" };
        struct desk *d = *state;

        add(d, (struct command_schedule){ .cron = "0 3 * * *" });
        assert_int_equal(desk_run(d, &freeze.head), 0);
        command_deinit(&freeze.head);
        assert_memory_equal(tick(d, 3 * 3600000ll), "skipped: model lab is frozen by ", 32);
        assert_int_equal(live(d), 0);
        next_is("2026-03-03T03:00:00Z");
}

static void what_would_be_refused_each_night_is_refused_now(void **state) {
        cleanup_(json_freep) json_t *token = json_pack("{s:s}", "to", "{{secret:x");
        const struct {
                struct command_schedule c;
                const char *told;
        } cases[] = {
                { { .unit = "a/x" }, "\"a/x\" is no unit of a" },
                { { .params = token }, "a secret's token is not taken here" },
        };
        struct desk *d = *state;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct command_schedule c = cases[i].c;

                c.head = (struct command){ .run = command_schedule_add, .of_model = "lab" };
                c.model = "lab";
                c.application = "a";
                c.action = "back-up";
                c.cron = "0 3 * * *";
                assert_true(desk_run(d, &c.head) < 0);
                assert_non_null(strstr(desk_error(d, 0), cases[i].told));
                command_deinit(&c.head);
        }
}

/* As where descriptors have run out. */
static void may_open(struct rlimit *was, bool may) {
        struct rlimit none = { 0, was->rlim_max };

        assert_int_equal(setrlimit(RLIMIT_NOFILE, may ? was : &none), 0);
}

static void while_its_zone_cannot_be_read_nothing_is_run(void **state) {
        struct desk *d = *state;
        struct rlimit was;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
        add(d, (struct command_schedule){
                       .cron = "0 3 * * *", .zone = "Europe/Berlin", .overlap = "queue" });
        may_open(&was, false);
        assert_non_null(strstr(tick(d, 2 * 3600000ll), "its time zone cannot be read"));
        assert_int_equal(live(d), 1); /* it was known that it is due */
        next_is("2026-03-02T02:10:00Z");
        assert_string_equal(tick(d, 600000), ""); /* told already */
        assert_int_equal(live(d), 1);
        next_is("2026-03-02T02:20:00Z");
        may_open(&was, true);
        assert_string_equal(tick(d, 600000), "");
        assert_int_equal(live(d), 1);
        next_is("2026-03-03T02:00:00Z");
}

static void jitter_is_the_same_whenever_it_is_asked(void **state) {
        struct desk *d = *state;
        int64_t first;

        add(d, (struct command_schedule){ .cron = "0 3 * * *", .jitter = "1h" });
        assert_null(tick(d, 0));
        first = due.next_at - clock_wall();
        assert_in_range(first, 3 * 3600000ll, 4 * 3600000ll - 1);
        assert_null(tick(d, 60000));
        assert_int_equal(due.next_at - clock_wall(), first - 60000);
        assert_string_equal(tick(d, first - 60000), "");
}

static int read_ages(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        *ret = json_array();
        return schedule_ages_read(tx, NULL, *ret, err);
}

/* Of the one schedule: when it completed, -1 while it is overdue. */
static int64_t completed(struct desk *d) {
        const json_t *age;

        assert_int_equal(desk_read(d, read_ages, NULL), 0);
        assert_int_equal(json_array_size(d->reply), 1);
        age = json_array_get(d->reply, 0);
        return json_get_bool(age, "overdue", true) ? -1 : json_get_int(age, "completed", -2);
}

static int end_one(struct tx *tx, int64_t id, struct err *err) {
        struct w_operation_set_ended_in in = {
                .id = id, .status = "completed", .message = "", .ended_at = tx_now(tx)
        };

        return w_operation_set_ended(tx, &in, err) < 0 ? -EINVAL : 0;
}

static void two_runs_that_were_due_make_it_overdue_until_one_completes(void **state) {
        struct desk *d = *state;
        int64_t begin = clock_wall(), end;

        add(d, (struct command_schedule){ .at = "2400h" }); /* comes once: it has no age */
        add(d, (struct command_schedule){ .cron = "0 3 * * *" });
        assert_string_equal(tick(d, 3 * 3600000ll), "");
        clock_fake_advance(DAY_MS);
        assert_int_equal(completed(d), 0);
        clock_fake_advance(1000);
        assert_int_equal(completed(d), -1);
        end = clock_wall();
        assert_int_equal(desk_write(d, end_one, 1), 0);
        assert_int_equal(completed(d), end);
        clock_fake_advance(begin + 3 * DAY_MS + 3 * 3600000ll - end);
        assert_int_equal(completed(d), end);
        clock_fake_advance(1000);
        assert_int_equal(completed(d), -1);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(a_cron_runs_at_its_time_in_its_zone),
                CASE(what_is_for_once_goes_with_its_run),
                CASE(a_run_that_is_not_over_is_not_begun_twice),
                CASE(or_it_waits_behind_it_where_that_is_said),
                CASE(what_was_due_while_the_daemon_was_off_is_left_out),
                CASE(or_it_is_run_once_where_that_is_said),
                CASE(what_is_refused_is_told_and_the_next_time_comes),
                CASE(what_would_be_refused_each_night_is_refused_now),
                CASE(while_its_zone_cannot_be_read_nothing_is_run),
                CASE(jitter_is_the_same_whenever_it_is_asked),
                CASE(two_runs_that_were_due_make_it_overdue_until_one_completes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
