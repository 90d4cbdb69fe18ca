/* SPDX-License-Identifier: Apache-2.0 */
/* test_rotation.c - when a charm's secrets get a new value, and what puts that off */
#include "desk.h"

#include "clock.h"
#include "rotation.h"

#define DAY_MS 86400000ll
#define URI "aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SECRET 900 /* its id */
#define RESOURCE 1

static struct rotation_run due;
static struct desk *desk;

/* As charm_secret of application "store" has it made. */
static int add_secret(struct tx *tx, int64_t application, struct err *err) {
        struct w_secret_insert_in in = { .id = SECRET,
                                         .uri = URI,
                                         .model_id = 1,
                                         .application_id = application,
                                         .label = "admin",
                                         .field = "password",
                                         .purpose = "generated",
                                         .policy = "{\"length\": 24}",
                                         .revision = 1,
                                         .created_at = tx_now(tx) };
        struct secret_revision first = { SECRET, URI, 1 };
        int r = w_secret_insert(tx, &in, err);

        return r < 0 ? r : secret_revision_add(tx, desk->sealer, &first, "first", 5, err);
}

static int note(struct tx *tx, int64_t application, struct err *err) {
        cleanup_(json_freep) json_t *policies =
                json_pack("{s:{s:s}}", "admin/*", "rotate", "daily");

        return rotation_note(tx, application, policies, err);
}

static int note_nothing(struct tx *tx, int64_t application, struct err *err) {
        return rotation_note(tx, application, NULL, err);
}

static int set_up(void **state) {
        int64_t store;
        int r;

        desk_midnight();
        r = desk_small_set_up(state);
        desk = *state;
        due = (struct rotation_run){ .sealer = desk->sealer };
        store = desk_application_id(desk, "store");
        assert_true(0 <= desk_write(desk, add_secret, store));
        assert_true(0 <= desk_write(desk, note, store));
        return r;
}

static int tear_down(void **state) {
        int r = desk_tear_down(state);

        json_decref(take_ptr(due.told));
        clock_real();
        return r;
}

static int run_due(struct tx *tx, int64_t id, struct err *err) {
        return rotation_due(tx, &due, err);
}

/* What is told of the one that is due; NULL: none is. */
static const char *tick(int64_t later_ms) {
        clock_fake_advance(later_ms);
        assert_int_equal(desk_write(desk, run_due, 0), 0);
        return json_array_size(due.told) ? json_get_str(json_array_get(due.told, 0), "text", NULL)
                                         : NULL;
}

static int read_newest(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        cleanup_(secret_text_free) struct secret_text value = {};
        struct q_secret_row *s;
        size_t n;
        int r = q_secret_by_id(tx, &(struct q_secret_by_id_in){ .id = SECRET }, &s, &n, err);

        if (r >= 0)
                r = secret_revision_open(tx, desk->sealer, s, s->revision, &value, err);
        if (r >= 0)
                *ret = json_pack("{s:I, s:I}", "revision", (json_int_t)s->revision, "length",
                                 (json_int_t)value.len);
        return r;
}

static int64_t newest(const char *member) {
        assert_int_equal(desk_read(desk, read_newest, NULL), 0);
        return json_get_int(desk->reply, member, 0);
}

static void it_gets_a_new_value_when_its_time_is_over(void **state) {
        assert_null(tick(DAY_MS - 1));
        assert_int_equal(newest("revision"), 1);
        assert_true(due.next_at >= clock_wall() &&
                    due.next_at <= clock_wall() + ROTATION_JITTER_MS);
        assert_string_equal(tick(ROTATION_JITTER_MS), "");
        assert_int_equal(newest("revision"), 2);
        assert_int_equal(newest("length"), 24);
        assert_true(due.next_at >= clock_wall() + DAY_MS);
        assert_null(tick(DAY_MS / 2));
}

static void what_was_due_while_the_daemon_was_off_is_due_at_once_and_once(void **state) {
        assert_string_equal(tick(40 * DAY_MS), "");
        assert_int_equal(newest("revision"), 2);
        assert_null(tick(0));
}

static void a_policy_that_goes_ends_it(void **state) {
        assert_true(0 <= desk_write(desk, note_nothing, desk_application_id(desk, "store")));
        assert_null(tick(40 * DAY_MS));
        assert_int_equal(due.next_at, 0);
}

static void a_freeze_puts_it_off(void **state) {
        struct command_freeze freeze = { .head = { .run = command_freeze_set },
                                         .model = "lab",
                                         .why = "a test" };

        assert_int_equal(desk_run(desk, &freeze.head), 0);
        command_deinit(&freeze.head);
        assert_non_null(strstr(tick(2 * DAY_MS), "frozen by"));
        assert_int_equal(newest("revision"), 1);
        assert_null(tick(ROTATION_RETRY_MS - 1));
        freeze.head = (struct command){ .run = command_freeze_end };
        assert_int_equal(desk_run(desk, &freeze.head), 0);
        command_deinit(&freeze.head);
        assert_string_equal(tick(1), "");
}

/* An object has the newest revision. */
static int hold(struct tx *tx, int64_t application, struct err *err) {
        struct w_resource_insert_in in = { .id = RESOURCE,
                                           .target_id = 1,
                                           .type = "Secret",
                                           .path = "lab/store",
                                           .owner_id = application,
                                           .wanted_generation = 1,
                                           .state = "ready" };
        int r = w_resource_insert(tx, &in, err);

        if (r < 0)
                return r;
        return w_secret_use_put(
                tx,
                &(struct w_secret_use_put_in){ .uri = URI, .revision = 1, .resource_id = RESOURCE },
                err);
}

static int let_go(struct tx *tx, int64_t id, struct err *err) {
        return secret_leave(tx, RESOURCE, SECRET_ALL_GENERATIONS, err);
}

static void it_waits_while_somebody_has_the_value_before(void **state) {
        assert_true(0 <= desk_write(desk, hold, desk_application_id(desk, "store")));
        assert_string_equal(tick(2 * DAY_MS), "");
        assert_int_equal(newest("revision"), 2);
        assert_non_null(strstr(tick(2 * DAY_MS), "revision 1 is still in use"));
        assert_int_equal(newest("revision"), 2);
        assert_int_equal(desk_write(desk, let_go, 0), 0);
        assert_string_equal(tick(ROTATION_RETRY_MS), "");
        assert_int_equal(newest("revision"), 3);
}

static void a_policy_is_found_by_its_pattern(void **state) {
        cleanup_(json_freep) json_t *policies =
                json_pack("{s:{s:s}, s:{s:s}}", "root/password", "rotate", "never", "*/password",
                          "rotate", "weekly");

        assert_string_equal(rotation_word(policies, "root", "key"), "never");
        assert_string_equal(rotation_word(policies, "user-3", "password"), "weekly");
        assert_string_equal(rotation_word(policies, "root", "password"), "never");
        assert_int_equal(rotation_period("weekly"), 7 * DAY_MS);
        assert_int_equal(rotation_period("never"), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(it_gets_a_new_value_when_its_time_is_over, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(
                        what_was_due_while_the_daemon_was_off_is_due_at_once_and_once, set_up,
                        tear_down),
                cmocka_unit_test_setup_teardown(a_policy_that_goes_ends_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_freeze_puts_it_off, set_up, tear_down),
                cmocka_unit_test_setup_teardown(it_waits_while_somebody_has_the_value_before,
                                                set_up, tear_down),
                cmocka_unit_test(a_policy_is_found_by_its_pattern),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
