/* SPDX-License-Identifier: Apache-2.0 */
/* test_rollback.c - what a rollback of a refresh sets back, and what it leaves */
#include "desk.h"

#include "command-internal.h"

#include <errno.h>

#define OLD                                                                                        \
        "name: pipe\n"                                                                             \
        "config:\n"                                                                                \
        "  options:\n"                                                                             \
        "    width: {type: int, default: 1}\n"                                                     \
        "    primary: {type: int, default: 0, set-by-actions: true}\n"

static int plan(struct tx *tx, int64_t id, struct err *err) {
        static const uint8_t digest[] = { 1 };

        return w_application_set_plan(
                tx,
                &(struct w_application_set_plan_in){ .id = id,
                                                     .plan_digest = digest,
                                                     .plan_digest_len = sizeof(digest),
                                                     .plan_error = "",
                                                     .plan_status = "",
                                                     .plan_message = "",
                                                     .version = "" },
                err);
}

static void set(struct desk *d, const char *options) {
        struct err err = {};
        struct command_config c = { .head = { .run = command_config_set },
                                    .model = "lab",
                                    .application = "pipe" };

        assert_true(json_parse(options, strlen(options), &c.set, &err) >= 0);
        assert_int_equal(desk_run(d, &c.head), 0);
        command_deinit(&c.head);
        json_decref(c.set);
}

/* To the newest charm of that name. */
static void refresh(struct desk *d) {
        struct charm_choice choice;
        struct command_refresh c = { .head = { .run = command_deploy_refresh },
                                     .model = "lab",
                                     .application = "pipe",
                                     .revision = -1,
                                     .choice = &choice };

        desk_choose(d, "pipe", &choice);
        memset(choice.sha256, 'e', 64);
        assert_int_equal(desk_run(d, &c.head), 0);
        command_deinit(&c.head);
        charm_choice_deinit(&choice);
}

static int roll_back(struct desk *d) {
        struct command_going c = { .head = { .run = command_refresh_rollback },
                                   .model = "lab",
                                   .application = "pipe" };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

/* The charm pipe, planned, and refreshed to the content NEW. */
static void go(struct desk *d, const char *new) {
        desk_charm(d, OLD);
        desk_deployed(
                d, "bundle: kubernetes\napplications: {pipe: {charm: pipe, options: {width: 2}}}");
        assert_true(desk_write(d, plan, desk_application_id(d, "pipe")) >= 0);
        charm_meta_freep(&d->charms[0]);
        desk_charm(d, new);
        refresh(d);
}

static void what_actions_set_stays_and_the_rest_goes_back(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = NULL;

        go(d, OLD "    other: {type: string}\n");
        set(d, "{\"width\": 3, \"primary\": 1, \"other\": \"x\"}");
        assert_true(desk_has_note(d, "option primary is set by its actions: by hand only where"));
        assert_false(desk_has_note(d, "option width"));
        assert_int_equal(roll_back(d), 0);
        text = desk_export(d, NULL);
        assert_non_null(strstr(text, "width: 2"));
        assert_null(strstr(text, "other"));
        set(d, "{\"primary\": 1}");
        assert_int_equal(desk_changes(d), 0);
}

/* Who forgets which server takes writes has two of them. */
static void what_actions_set_and_the_old_content_does_not_know_is_refused(void **state) {
        struct desk *d = *state;

        go(d, OLD "    aside: {type: string, set-by-actions: true}\n"
                  "    token: {type: secret}\n");
        set(d, "{\"aside\": \"1\", \"token\": \"sesame-sesame\"}");
        assert_int_equal(roll_back(d), -EINVAL);
        assert_true(desk_has_error(d, "its actions have set option aside, which the content of "
                                      "before does not know: config pipe --reset aside first"));
        set(d, "{\"aside\": null}");
        assert_int_equal(roll_back(d), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_actions_set_stays_and_the_rest_goes_back,
                                                desk_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(
                        what_actions_set_and_the_old_content_does_not_know_is_refused, desk_set_up,
                        desk_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
