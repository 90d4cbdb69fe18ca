/* SPDX-License-Identifier: Apache-2.0 */
/* test_outputs.c - values of one resource in the documents of others, across two outsides, with
 * the real reconciler */
#include "loop-fixture.h"

#include "digest.h"

#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#define SECRET "/api/v1/namespaces/" FIXTURE_MODEL "/secrets/app"
#define SERVICE "/api/v1/namespaces/" FIXTURE_MODEL "/services/app"
#define CONFIGMAP "/api/v1/namespaces/" FIXTURE_MODEL "/configmaps/"

static int set_up(void **state) {
        struct fixture *f = mem_new(struct fixture);

        fixture_init(f, NULL);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        fixture_deinit(*state);
        free(*state);
        return 0;
}

static json_t *shape(const char *name) {
        return json_pack("{s:s}", "shape", name);
}

/* A member of the Secret's data, opened. */
static char *data_of(struct fixture *f, const char *member) {
        cleanup_(json_freep) json_t *secret = fixture_object(f, SECRET);
        const char *text = json_get_str(json_get(secret, "data"), member, "");
        struct buf out = BUF_INIT;

        assert_int_equal(digest_unbase64(text, strlen(text), &out, NULL), 0);
        return buf_take(&out);
}

struct wanted_data {
        const char *member, *value;
};

static bool says(struct fixture *f, const void *arg) {
        const struct wanted_data *w = arg;
        cleanup_(freep) char *value = data_of(f, w->member);

        return str_eq(value, w->value);
}

static void until_data(struct fixture *f, const char *member, const char *value) {
        fixture_until(f, value, says, &(struct wanted_data){ member, value });
}

static void a_secret_is_written_with_the_outputs_of_a_thing_elsewhere(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *why = NULL;

        slow_hold(true);
        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "waiting", "waiting for /address of Thing blue/one: ");
        why = fixture_why(f, "secret/app");
        assert_non_null(strstr(why, "Secret across/app: waiting: waiting for /address of Thing "
                                    "blue/one: not "));
        assert_non_null(strstr(why, "\nThing blue/one: "));
        assert_null(fixture_object(f, SECRET));
        slow_hold(false);
        fixture_until_status(f, "app", "active", "");
        until_data(f, "address", "slow://blue/one");
        until_data(f, "url", "http://me:word%200%20of%20Blue%2FOne@localhost");
        free(why);
        why = fixture_why(f, "secret/app");
        assert_non_null(strstr(why, "/address of Thing blue/one: slow://blue/one\n"));
        assert_non_null(strstr(why, "/word of Thing blue/one: known, and secret\n"));
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM drift"), 0);
}

static void another_value_is_written_again_and_is_no_drift(void **state) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "active", "");
        assert_true(slow_move("blue/one", "slow://elsewhere"));
        until_data(f, "address", "slow://elsewhere");
        assert_true(slow_renew("blue/one"));
        until_data(f, "url", "http://me:word%201%20of%20Blue%2FOne@localhost");
        fixture_until_status(f, "app", "active", "");
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM drift"), 0);
        assert_int_equal(fixture_number(f,
                                        "SELECT max(wanted_generation) FROM resource WHERE type = "
                                        "'Secret'"),
                         1);
}

static void a_value_that_changed_while_nobody_looked_is_written_after_a_restart(void **state) {
        struct fixture *f = *state;
        cleanup_(json_freep) json_t *before = NULL, *after = NULL;

        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "active", "");
        before = fixture_object(f, SECRET);
        fixture_close(f);
        fixture_open(f);
        fixture_until_status(f, "app", "active", "");
        fixture_settle(f);
        after = fixture_object(f, SECRET);
        assert_true(json_equal(before, after)); /* nothing was written */
        fixture_close(f);
        assert_true(slow_move("blue/one", "slow://moved"));
        fixture_open(f);
        until_data(f, "address", "slow://moved");
}

static bool is_gone(struct fixture *f, const void *arg) {
        return !slow_at(arg);
}

static bool is_there(struct fixture *f, const void *arg) {
        return slow_at(arg) != NULL;
}

static void a_label_that_stands_for_another_thing_gives_its_values(void **state) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "active", "");
        fixture_config(f, "app", json_pack("{s:s}", "thing", "Other"));
        until_data(f, "address", "slow://blue/other");
        fixture_until(f, "the end of the thing before", is_gone, "blue/one");
        fixture_until_status(f, "app", "active", "");
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM edge WHERE kind = 'value'"), 2);
}

static void what_needs_a_label_is_written_down_anew_with_it(void **state) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", shape("ordered"));
        fixture_until_status(f, "app", "active", "");
        fixture_config(f, "app", json_pack("{s:s}", "thing", "Other"));
        fixture_until(f, "the other thing", is_there, "blue/other");
        fixture_until(f, "the end of the thing before", is_gone, "blue/one");
        fixture_until_status(f, "app", "active", "");
}

static void a_plan_that_renames_all_is_held(void **state) {
        struct fixture *f = *state;
        cleanup_(json_freep) json_t *object = NULL;

        fixture_deploy(f, "app", shape("many"));
        fixture_until_status(f, "app", "active", "");
        fixture_config(f, "app", json_pack("{s:s}", "note", "second"));
        fixture_until_status(f, "app", "blocked", "deletes 5 of 5");
        fixture_settle(f);
        object = fixture_object(f, CONFIGMAP "first-0");
        assert_non_null(object);
}

static void values_of_values_come_in_their_order(void **state) {
        struct fixture *f = *state;
        cleanup_(json_freep) json_t *object = NULL;

        fixture_deploy(f, "app", shape("chain"));
        fixture_until_status(f, "app", "active", "");
        assert_string_equal(json_get_str(slow_at("blue/two"), "note", ""), "slow://blue/one");
        object = fixture_object(f, CONFIGMAP "third");
        assert_string_equal(json_get_str(json_get(object, "data"), "value", ""),
                            "after slow://blue/two");
}

/* The value is not known any more: what is in place stays, and what is to be written waits. */
static void what_is_in_place_stays_while_a_value_is_gone(void **state) {
        struct fixture *f = *state;
        cleanup_(freep) char *address = NULL;

        fixture_deploy(f, "app", NULL);
        fixture_until_status(f, "app", "active", "");
        fixture_config(f, "app", json_pack("{s:s}", "note", "second"));
        fixture_settle(f);
        slow_delete("blue/one");
        fixture_until(f, "the thing", is_there, "blue/one");
        address = data_of(f, "address");
        assert_string_equal(address, "slow://blue/one");
        fixture_until_status(f, "app", "active", "");
}

static void a_value_that_never_comes_says_so(void **state) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", shape("nowhere"));
        fixture_until_status(f, "app", "waiting",
                             "waiting for /no/such of Thing blue/one: it is ready and says "
                             "nothing there");
        assert_null(fixture_object(f, CONFIGMAP "open"));
}

static void assert_refused(void **state, const char *name, const char *text) {
        struct fixture *f = *state;

        fixture_deploy(f, "app", shape(name));
        fixture_until_status(f, "app", "error", text);
        assert_int_equal(slow_begun(), 0);
        assert_int_equal(fixture_number(f, "SELECT count(*) FROM want"), 0);
}

static void outputs_in_a_circle_fail_the_plan(void **state) {
        assert_refused(state, "circle", "outputs go in a circle: a takes from b takes from a");
}

static void needs_in_a_circle_fail_the_plan(void **state) {
        assert_refused(state, "mixed",
                       "needs go in a circle: Thing blue/b needs ConfigMap across/c needs Thing "
                       "blue/a needs Thing blue/b");
}

static void a_secret_output_where_no_secret_may_stand_fails_the_plan(void **state) {
        assert_refused(state, "misplaced",
                       "configmap: the secret output /word of thing stands at /data/value");
}

static void an_output_in_a_name_fails_the_plan(void **state) {
        assert_refused(state, "named", "an output (/address of thing) stands in a name");
}

static void an_output_in_a_target_fails_the_plan(void **state) {
        assert_refused(state, "target", "charm_output stands in a target's configuration");
}

static bool no_service(struct fixture *f, const void *arg) {
        cleanup_(json_freep) json_t *object = fixture_object(f, SERVICE);

        return !object;
}

static void an_address_of_a_service_goes_after_what_holds_it(void **state) {
        struct fixture *f = *state;
        cleanup_(json_freep) json_t *service = NULL, *configmap = NULL;
        cleanup_(freep) char *address = NULL;

        fixture_deploy(f, "app", shape("service"));
        fixture_until_status(f, "app", "active", "");
        service = fixture_object(f, SERVICE);
        configmap = fixture_object(f, CONFIGMAP "address");
        address = str_format("http://%s:80",
                             json_get_str(json_get(service, "spec"), "clusterIP", "?"));
        assert_string_equal(json_get_str(json_get(configmap, "data"), "value", ""), address);
        assert_int_equal(fixture_command(f,
                                         &(struct command_application){
                                                 .head = { .run = command_application_remove },
                                                 .model = FIXTURE_MODEL,
                                                 .application = "app" }
                                                  .head,
                                         NULL),
                         0);
        fixture_until(f, "the end of the Service", no_service, NULL);
        assert_null(fixture_object(f, CONFIGMAP "address"));
}

#define TEST(run) cmocka_unit_test_setup_teardown(run, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_secret_is_written_with_the_outputs_of_a_thing_elsewhere),
                TEST(another_value_is_written_again_and_is_no_drift),
                TEST(a_value_that_changed_while_nobody_looked_is_written_after_a_restart),
                TEST(a_label_that_stands_for_another_thing_gives_its_values),
                TEST(what_needs_a_label_is_written_down_anew_with_it),
                TEST(a_plan_that_renames_all_is_held),
                TEST(values_of_values_come_in_their_order),
                TEST(what_is_in_place_stays_while_a_value_is_gone),
                TEST(a_value_that_never_comes_says_so),
                TEST(outputs_in_a_circle_fail_the_plan),
                TEST(needs_in_a_circle_fail_the_plan),
                TEST(a_secret_output_where_no_secret_may_stand_fails_the_plan),
                TEST(an_output_in_a_name_fails_the_plan),
                TEST(an_output_in_a_target_fails_the_plan),
                TEST(an_address_of_a_service_goes_after_what_holds_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
