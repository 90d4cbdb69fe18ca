/* SPDX-License-Identifier: Apache-2.0 */
/* test_operation.c - actions that are queued, cancelled, approved; what is refused before that */
#include "desk.h"

#include "secret-token.h"

static const char charm[] = "name: acting\n"
                            "actions:\n"
                            "  back-up: {params: {to: {type: string}}, required: [to],\n"
                            "            role: operator}\n"
                            "  set-password:\n"
                            "    params: {password: {type: string, secret: true}}\n"
                            "    secret-results: [password]\n"
                            "  destroy: {destructive: true, deadline: 5m}\n";

static int set_up(void **state) {
        int r = desk_set_up(state);
        struct desk *d = *state;

        desk_charm(d, charm);
        desk_deployed(d, "bundle: kubernetes\n"
                         "applications:\n"
                         "  a: {charm: acting, scale: 1}\n"
                         "  b: {charm: acting, scale: 1}\n");
        return r;
}

static struct audit_entry person(int64_t uid, int64_t login) {
        return (struct audit_entry){ .kind = "person",
                                     .has_user = true,
                                     .uid = uid,
                                     .has_login = login >= 0,
                                     .login_name = login == 1001 ? "bob" : "alice",
                                     .login = login };
}

/* As uid 1000, who logged in as that; ENTRY NULL. */
static int run_as(struct desk *d, const struct audit_entry *entry, const char *action,
                  const char *params, int64_t *ret) {
        cleanup_(json_freep) json_t *j = NULL;
        struct command_run c = {
                .head = { .run = command_operation_run, .of_model = "lab", .entry = entry },
                .model = "lab",
                .application = "a",
                .action = action,
                .why = "a test"
        };
        int r;

        assert_int_equal(json_parse(params, strlen(params), &j, NULL), 0);
        c.params = j;
        r = desk_run(d, &c.head);
        if (ret)
                *ret = json_get_int(d->reply, "operation", 0);
        command_deinit(&c.head);
        return r;
}

static int run(struct desk *d, const char *action, const char *params, int64_t *ret) {
        struct audit_entry alice = person(1000, 1000);

        return run_as(d, &alice, action, params, ret);
}

static int one(struct desk *d, int (*fn)(struct tx *, struct command *, struct err *),
               const struct audit_entry *entry, int64_t id) {
        struct command_operation c = { .head = { .run = fn, .of_model = "lab", .entry = entry },
                                       .model = "lab",
                                       .id = id };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

struct wanted {
        int64_t id;
        char status[20], params[200], approval[10], asked_by[80], approved_by[80];
        int64_t secrets;
};

static int read_row(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct wanted *w = (struct wanted *)arg;
        struct q_operation_row *row;
        struct q_operation_secrets_row *secrets;
        size_t n;
        int r = q_operation_by_id(tx, &(struct q_operation_by_id_in){ .id = w->id }, &row, &n, err);

        assert_int_equal(n, 1);
        str_copy(w->status, sizeof(w->status), row->status);
        str_copy(w->params, sizeof(w->params), row->params);
        str_copy(w->approval, sizeof(w->approval), row->approval);
        str_copy(w->asked_by, sizeof(w->asked_by), row->asked_by);
        str_copy(w->approved_by, sizeof(w->approved_by), row->approved_by);
        if (r >= 0)
                r = q_operation_secrets(
                        tx,
                        &(struct q_operation_secrets_in){
                                .application_id = row->application_id,
                                .label = tx_format(tx, "operation-%lld", (long long)w->id) },
                        &secrets, &n, err);
        w->secrets = (int64_t)n;
        *ret = json_object();
        return r < 0 ? r : 0;
}

static struct wanted row_of(struct desk *d, int64_t id) {
        struct wanted w = { .id = id };

        assert_int_equal(desk_read(d, read_row, &w), 0);
        return w;
}

/* ---- tests */

static void an_action_is_queued_with_its_parameters(void **state) {
        struct desk *d = *state;
        struct wanted w;
        int64_t id;

        assert_int_equal(run(d, "back-up", "{\"to\": \"s3\"}", &id), 0);
        assert_string_equal(desk_change(d, 0), "run back-up on a as operation 1");
        w = row_of(d, id);
        assert_string_equal(w.status, "pending");
        assert_string_equal(w.params, "{\"to\":\"s3\"}");
        assert_string_equal(w.approval, "");
}

static void a_secret_parameter_is_sealed_and_goes_with_its_operation(void **state) {
        struct desk *d = *state;
        struct wanted w;
        int64_t id;

        assert_int_equal(run(d, "set-password", "{\"password\": \"open sesame\"}", &id), 0);
        w = row_of(d, id);
        assert_null(strstr(w.params, "sesame"));
        assert_true(secret_token_in(w.params));
        assert_int_equal(w.secrets, 1);
        assert_int_equal(one(d, command_operation_cancel, NULL, id), 0);
        w = row_of(d, id);
        assert_string_equal(w.status, "cancelled");
        assert_int_equal(w.secrets, 0);
}

static int set_state(struct tx *tx, int64_t id, struct err *err) {
        int r = w_operation_set_turn(
                tx,
                &(struct w_operation_set_turn_in){ .id = id,
                                                   .step = "restore",
                                                   .state = "{\"leaves\":\"half a table\"}",
                                                   .results = "{}",
                                                   .ending = "",
                                                   .message = "",
                                                   .steps = "[]" },
                err);

        return r < 0 ? r : 0;
}

static void who_cancels_is_told_what_is_half_done(void **state) {
        static const char told[] = "cancelled now it leaves something half done: half a table";
        struct desk *d = *state;
        int64_t id;

        assert_int_equal(run(d, "back-up", "{\"to\": \"s3\"}", &id), 0);
        assert_int_equal(desk_write(d, set_state, id), 0);
        assert_int_equal(one(d, command_operation_cancel, NULL, id), 0);
        assert_true(desk_has_note(d, told));
        assert_int_equal(run(d, "back-up", "{\"to\": \"s3\"}", &id), 0);
        assert_int_equal(one(d, command_operation_cancel, NULL, id), 0);
        assert_false(desk_has_note(d, told));
}

static void what_is_wrong_is_refused(void **state) {
        static const struct {
                const char *action, *params, *told;
        } cases[] = {
                { "back-upp", "{}",
                  "charm acting has no action \"back-upp\", did you mean \"back-up\"?" },
                { "back-up", "{}", "back-up: parameter to: is needed" },
                { "back-up", "{\"too\": 1}",
                  "back-up: there is no parameter too, did you mean \"to\"?" },
                { "back-up", "{\"to\": 1}", "back-up: parameter to: wants a text, is 1" },
                { "back-up", "{\"to\": \"{{secret:x\"}",
                  "back-up: parameter /to: a secret's token is not taken here" },
        };
        struct desk *d = *state;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_true(run(d, cases[i].action, cases[i].params, NULL) < 0);
                assert_string_equal(desk_error(d, 0), cases[i].told);
        }
}

static void an_application_that_is_being_removed_is_not_acted_on(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_application(d, command_application_remove,
                                          (struct command_application){ .application = "a" }),
                         0);
        assert_int_equal(run(d, "set-password", "{}", NULL), -EBUSY);
        assert_string_equal(desk_error(d, 0), "application a is being removed");
}

static void an_application_that_is_paused_or_frozen_is_not_acted_on(void **state) {
        struct desk *d = *state;
        struct command_freeze freeze = { .head = { .run = command_freeze_set },
                                         .model = "lab",
                                         .why = "a test" };
        struct command_run during = { .head = { .run = command_operation_run, .of_model = "lab" },
                                      .model = "lab",
                                      .application = "b",
                                      .action = "set-password",
                                      .during_freeze = true };

        assert_int_equal(desk_application(d, command_application_pause,
                                          (struct command_application){ .application = "a",
                                                                        .why = "a test" }),
                         0);
        assert_int_equal(run(d, "set-password", "{}", NULL), -EBUSY);
        assert_non_null(strstr(desk_error(d, 0), "a is paused by "));
        assert_int_equal(desk_application(d, command_application_unpause,
                                          (struct command_application){ .application = "a" }),
                         0);
        assert_int_equal(desk_application(d, command_application_pause,
                                          (struct command_application){ .why = "a test" }),
                         0);
        assert_int_equal(run(d, "set-password", "{}", NULL), -EBUSY);
        assert_non_null(strstr(desk_error(d, 0), "model lab is paused by "));
        assert_non_null(strstr(desk_error(d, 0), "`unpause` first"));
        assert_int_equal(
                desk_application(d, command_application_unpause, (struct command_application){}),
                0);
        assert_int_equal(desk_run(d, &freeze.head), 0);
        assert_int_equal(run(d, "set-password", "{}", NULL), -EBUSY);
        assert_non_null(strstr(desk_error(d, 0), "model lab is frozen by "));
        assert_int_equal(desk_run(d, &during.head), 0);
        command_deinit(&freeze.head);
        command_deinit(&during.head);
}

static void a_second_person_who_logged_in_approves(void **state) {
        struct audit_entry alice = person(1000, 1000), sudo = person(0, 1000),
                           nobody = person(0, -1), bob = person(0, 1001);
        struct desk *d = *state;
        int64_t id;

        assert_int_equal(run_as(d, &alice, "destroy", "{}", &id), 0);
        assert_true(desk_has_note(d, "somebody else has to approve it"));
        assert_string_equal(row_of(d, id).approval, "wanted");
        assert_int_equal(one(d, command_operation_approve, &alice, id), -EPERM);
        assert_int_equal(one(d, command_operation_approve, &sudo, id), -EPERM);
        assert_non_null(strstr(desk_error(d, 0), "may not approve it"));
        assert_int_equal(one(d, command_operation_approve, &nobody, id), -EPERM);
        assert_non_null(strstr(desk_error(d, 0), "who approves did not log in"));
        assert_int_equal(one(d, command_operation_approve, &bob, id), 0);
        assert_true(desk_has_note(d, "parameters {"));
        assert_true(desk_has_note(d, "reason: "));
        assert_string_equal(row_of(d, id).approval, "given");
        assert_int_equal(one(d, command_operation_approve, &bob, id), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_true(desk_has_note(d, "was approved already, by uid 1001 (bob)"));
        assert_string_equal(row_of(d, id).approved_by, "uid 1001 (bob) as uid 1000 (alice)");
}

static void what_nobody_could_approve_is_refused(void **state) {
        struct audit_entry nobody = person(0, -1);
        struct desk *d = *state;

        assert_int_equal(run_as(d, &nobody, "destroy", "{}", NULL), -EPERM);
        assert_non_null(strstr(desk_error(d, 0), "destroys something, so a second person has to"));
        assert_non_null(strstr(desk_error(d, 0), "Log in to this machine as yourself"));
        assert_int_equal(run_as(d, &nobody, "set-password", "{}", NULL), 0);
}

static void what_has_ended_is_neither_cancelled_nor_approved(void **state) {
        struct audit_entry bob = person(0, 1001);
        struct desk *d = *state;
        int64_t id;

        assert_int_equal(run(d, "destroy", "{}", &id), 0);
        assert_int_equal(one(d, command_operation_cancel, &bob, id), 0);
        assert_int_equal(one(d, command_operation_cancel, &bob, id), -EINVAL);
        assert_string_equal(desk_error(d, 0), "operation 1 has ended: cancelled");
        assert_int_equal(one(d, command_operation_approve, &bob, id), -EINVAL);
        assert_string_equal(desk_error(d, 0), "operation 1 has ended: cancelled");
        assert_int_equal(one(d, command_operation_approve, &bob, 99), -ENOENT);
}

static int set(struct desk *d, const char *action, bool grant) {
        struct command_permission c = { .head = { .run = command_permission_set,
                                                  .of_model = "lab",
                                                  .actor = "uid 0 (root)" },
                                        .model = "lab",
                                        .application = "a",
                                        .action = action,
                                        .why = "a test",
                                        .grant = grant };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

static int schedule_as(struct desk *d, const struct audit_entry *entry) {
        struct command_schedule c = {
                .head = { .run = command_schedule_add, .of_model = "lab", .entry = entry },
                .model = "lab",
                .application = "a",
                .action = "set-password",
                .at = "1h"
        };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

static void an_operator_runs_what_the_charm_or_an_admin_allows(void **state) {
        struct audit_entry alice = person(1000, 1000), root = person(0, 0);
        struct desk *d = *state;

        alice.role = "operator";
        alice.user = "alice";
        root.role = "admin";
        assert_int_equal(run_as(d, &alice, "back-up", "{\"to\": \"s3\"}", NULL), 0);
        assert_int_equal(run_as(d, &root, "set-password", "{}", NULL), 0);
        assert_int_equal(run_as(d, &alice, "set-password", "{}", NULL), -EPERM);
        assert_string_equal(desk_error(d, 0),
                            "set-password of a needs the role admin, and alice has operator; an "
                            "admin allows it to operators by `mooringctl grant-action a "
                            "set-password`");
        assert_int_equal(schedule_as(d, &alice), -EPERM);
        assert_int_equal(set(d, "set-password", true), 0);
        assert_string_equal(desk_change(d, 0), "operators may run set-password of a");
        assert_int_equal(set(d, "set-password", true), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_int_equal(run_as(d, &alice, "set-password", "{}", NULL), 0);
        assert_int_equal(schedule_as(d, &alice), 0);
        assert_int_equal(set(d, "back-up", false), 0);
        assert_string_equal(desk_change(d, 0), "only admins may run back-up of a");
        assert_int_equal(run_as(d, &alice, "back-up", "{\"to\": \"s3\"}", NULL), -EPERM);
        assert_int_equal(set(d, "back-upp", true), -ENOENT);
        assert_non_null(strstr(desk_error(d, 0), "did you mean \"back-up\"?"));
}

static void one_application_has_room_for_so_many(void **state) {
        struct desk *d = *state;

        for (int i = 0; i < OPERATIONS_APPLICATION_MAX; i++)
                assert_int_equal(run(d, "set-password", "{}", NULL), 0);
        assert_int_equal(run(d, "set-password", "{}", NULL), -EAGAIN);
        assert_string_equal(desk_error(d, 0),
                            "200 actions of a wait or run, which is as many as there may be");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, desk_tear_down)
        const struct CMUnitTest tests[] = {
                CASE(an_action_is_queued_with_its_parameters),
                CASE(a_secret_parameter_is_sealed_and_goes_with_its_operation),
                CASE(who_cancels_is_told_what_is_half_done),
                CASE(what_is_wrong_is_refused),
                CASE(an_application_that_is_being_removed_is_not_acted_on),
                CASE(an_application_that_is_paused_or_frozen_is_not_acted_on),
                CASE(a_second_person_who_logged_in_approves),
                CASE(what_nobody_could_approve_is_refused),
                CASE(what_has_ended_is_neither_cancelled_nor_approved),
                CASE(an_operator_runs_what_the_charm_or_an_admin_allows),
                CASE(one_application_has_room_for_so_many),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
