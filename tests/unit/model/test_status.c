/* SPDX-License-Identifier: Apache-2.0 */
/* test_status.c - the word that is shown for an application */
#include "status.h"

#include "unit.h"

static const struct {
        struct status_input in;
        enum status_word word;
        const char *message;
} rows[] = {
        { { .planned = true, .scale = 1 }, STATUS_ACTIVE, "" },
        { { .planned = true, .scale = 1, .plan_word = "active", .plan_message = "fine" },
          STATUS_ACTIVE,
          "fine" },
        { { .scale = 1 }, STATUS_WAITING, "the charm's plan is being made" },
        { { .planned = true, .scale = 1, .not_ready = "Deployment x: 0 of 1" },
          STATUS_WAITING,
          "Deployment x: 0 of 1" },
        { { .planned = true, .scale = 1, .not_ready = "x", .unit_error = "a/0: ImagePullBackOff" },
          STATUS_WAITING,
          "a/0: ImagePullBackOff" },
        { { .planned = true, .scale = 1, .changing = true }, STATUS_WAITING, STATUS_CHANGING },
        { { .planned = true, .runs = true, .scale = 3, .units = 1, .ready = 1 },
          STATUS_WAITING,
          "1 of 3 units are ready" },
        { { .planned = true,
            .runs = true,
            .scale = 3,
            .units = 1,
            .ready = 1,
            .paused = "alice: swap" },
          STATUS_WAITING,
          "paused by alice: swap; 1 of 3 units are ready" },
        { { .planned = true, .runs = true, .scale = 1 }, STATUS_WAITING, "0 of 1 units are ready" },
        { { .planned = true, .scale = 1 }, STATUS_ACTIVE, "" },
        { { .planned = true, .runs = true, .scale = 1, .units = 2, .ready = 1 },
          STATUS_ACTIVE,
          "" },
        { { .planned = true, .runs = true, .units = 1 }, STATUS_ACTIVE, "scaled to 0" },
        { { .planned = true, .keeps_data = true }, STATUS_ACTIVE, "scaled to 0, data is kept" },
        { { .planned = true,
            .scale = 1,
            .plan_word = "waiting",
            .plan_message = "for db",
            .not_ready = "x" },
          STATUS_WAITING,
          "for db" },
        { { .planned = true, .scale = 1, .plan_word = "maintenance", .plan_message = "moving" },
          STATUS_MAINTENANCE,
          "moving" },
        { { .planned = true, .scale = 1, .failing = "409", .plan_word = "waiting" },
          STATUS_WAITING,
          "409" },
        { { .planned = true,
            .scale = 1,
            .failing = "409",
            .plan_word = "blocked",
            .plan_message = "no db" },
          STATUS_BLOCKED,
          "no db" },
        { { .planned = true,
            .scale = 1,
            .blocked = "quota",
            .plan_word = "blocked",
            .plan_message = "no db" },
          STATUS_BLOCKED,
          "quota" },
        { { .planned = true, .scale = 1, .blocked = "quota", .plan_error = "died of signal 11" },
          STATUS_ERROR,
          "charm: died of signal 11" },
        { { .plan_error = "charm x: no", .held = "deletes 14 of 15" },
          STATUS_BLOCKED,
          "deletes 14 of 15" },
        { { .lost = "volume is empty" }, STATUS_BLOCKED, "volume is empty" },
        { { .undecided = "storage of an earlier db", .lost = "x" },
          STATUS_BLOCKED,
          "storage of an earlier db" },
        { { .model_blocked = "another cluster", .undecided = "x" },
          STATUS_BLOCKED,
          "another cluster" },
        { { .no_charm = "no charm module \"x\"", .model_blocked = "y" },
          STATUS_BLOCKED,
          "no charm module \"x\"" },
        { { .dying = true, .no_charm = "x" }, STATUS_MAINTENANCE, "removing" },
        { { .dying = true, .removing = "PVC y" }, STATUS_MAINTENANCE, "removing: PVC y" },
        { { .dying = true, .unseen = "no route" },
          STATUS_UNKNOWN,
          "being removed; not seen yet: no route" },
        { { .dying = true,
            .unseen = "no route",
            .last_word = "active",
            .last_seen = 1758636127000 },
          STATUS_UNKNOWN,
          "being removed; last seen active 2025-09-23T14:02:07Z: no route" },
        { { .unseen = "no route", .last_word = "active", .last_seen = 1758636127000 },
          STATUS_UNKNOWN,
          "last seen active 2025-09-23T14:02:07Z: no route" },
        { { .planned = true, .scale = 1, .paused = "alice: swap" },
          STATUS_ACTIVE,
          "paused by alice: swap" },
        { { .planned = true, .scale = 1, .not_ready = "x", .paused = "alice: swap" },
          STATUS_WAITING,
          "paused by alice: swap; x" },
        { { .planned = true, .scale = 1, .plan_word = "nonsense", .not_ready = "x" },
          STATUS_WAITING,
          "x" },
};

static void the_first_row_that_holds_wins(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct status_output o;

                status_compute(&rows[i].in, &o);
                if (o.word != rows[i].word || !str_eq(o.message, rows[i].message))
                        fail_msg("case %zu: %s \"%s\"", i, status_words[o.word], o.message);
        }
}

static void a_message_too_long_is_cut(void **state) {
        char text[2000];
        struct status_input in = {
                .planned = true, .scale = 1, .not_ready = text, .paused = "a: b"
        };
        struct status_output o;

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        status_compute(&in, &o);
        assert_int_equal(strlen(o.message), STATUS_MESSAGE_MAX - 1);
}

static void a_word_is_found_by_its_name(void **state) {
        for (int i = 0; i < STATUS_MAX; i++)
                assert_int_equal(status_find(status_words[i]), i);
        assert_int_equal(status_find("sleepy"), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_word_is_found_by_its_name),
                cmocka_unit_test(the_first_row_that_holds_wins),
                cmocka_unit_test(a_message_too_long_is_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
