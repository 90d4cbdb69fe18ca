/* SPDX-License-Identifier: Apache-2.0 */
/* test_user_secret.c - secrets that people add: what is refused, what an option takes, and which
 * revisions stay */
#include "desk.h"

#include "secret-token.h"
#include "user-secret.h"

/* C with the words of CONTENT ("key=value", NULL-terminated). */
static int run(struct desk *d, int (*fn)(struct tx *, struct command *, struct err *),
               struct command_secret c, const char *const *content) {
        json_t *values = content ? json_object() : NULL;
        int r;

        for (; content && *content; content++) {
                const char *eq = strchr(*content, '=');

                json_object_setn_new(values, *content, (size_t)(eq - *content),
                                     json_string(eq + 1));
        }
        c.head = (struct command){ .run = fn, .of_model = "lab" };
        c.model = "lab";
        c.content = values;
        r = desk_run(d, &c.head);
        command_deinit(&c.head);
        json_decref(values);
        return r;
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static int add(struct desk *d, const char *name, const char *const *content) {
        return run(d, command_secret_add, (struct command_secret){ .name = name }, content);
}

static int update(struct desk *d, const char *name, const char *const *content) {
        return run(d, command_secret_update, (struct command_secret){ .name = name }, content);
}

static int grant(struct desk *d, const char *name, const char *application) {
        json_t *list = json_pack("[s]", application);
        int r = run(d, command_secret_grant,
                    (struct command_secret){ .name = name, .applications = list }, NULL);

        json_decref(list);
        return r;
}

static int set_option(struct desk *d, const char *application, const char *option,
                      const char *value) {
        cleanup_(json_freep) json_t *set = json_pack("{s:s}", option, value);
        struct command_config c = { .head = { .run = command_config_set },
                                    .model = "lab",
                                    .application = application,
                                    .set = set };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

/* ---- what is refused */

static void names_keys_and_values_have_to_fit(void **state) {
        struct desk *d = *state;

        assert_int_equal(add(d, "team", WORDS("password=x")), 0);
        assert_int_equal(strlen(json_get_str(d->reply, "secret", "")), SECRET_URI_SIZE - 1);
        assert_int_equal(add(d, "team", WORDS("password=x")), -EEXIST);
        assert_int_equal(add(d, "Team", WORDS("password=x")), -EINVAL);
        assert_int_equal(add(d, "abcdefghijklmnopqrstuvwxyz", WORDS("password=x")), -EINVAL);
        assert_true(desk_has_error(d, "not the 26 that an ID has"));
        assert_int_equal(add(d, "other", WORDS("pw=x")), -EINVAL);
        assert_true(desk_has_error(d, "key \"pw\""));
        assert_int_equal(add(d, "other", WORDS("password=")), -EINVAL);
        assert_true(desk_has_error(d, "key password: its value must be a text, and not empty"));
        assert_int_equal(update(d, "nobody", WORDS("password=x")), -ENOENT);
        assert_int_equal(grant(d, "team", "nobody"), -ENOENT);
}

static void a_value_is_never_in_a_message(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = NULL;

        assert_int_equal(add(d, "team", WORDS("password=x", "Bad=hunter2")), -EINVAL);
        text = json_text(d->reply);
        assert_null(strstr(text, "hunter2"));
}

static void an_option_takes_the_key_of_its_name_or_the_only_one(void **state) {
        struct desk *d = *state;

        assert_int_equal(add(d, "one", WORDS("password=long-enough")), 0);
        assert_int_equal(add(d, "two", WORDS("password=long-enough", "secret-key=long-enough")), 0);
        assert_int_equal(add(d, "three", WORDS("password=long-enough", "user=long-enough")), 0);
        assert_int_equal(set_option(d, "store", "secret-key", "secret:one"), 0);
        assert_true(desk_has_note(d, "grant-secret one store"));
        assert_string_equal(desk_change(d, 0),
                            "set secret option secret-key of store to key password of secret one");
        assert_int_equal(set_option(d, "store", "secret-key", "secret:one#password"), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_int_equal(set_option(d, "store", "secret-key", "secret:two"), 0);
        assert_non_null(strstr(desk_change(d, 0), "to key secret-key of secret two"));
        assert_int_equal(set_option(d, "store", "secret-key", "secret:three"), -EINVAL);
        assert_true(desk_has_error(d, "secret three has several keys (password, user)"));
}

static void a_value_that_an_option_refuses_is_not_taken(void **state) {
        struct desk *d = *state;

        assert_int_equal(add(d, "team", WORDS("password=short")), 0);
        assert_int_equal(set_option(d, "store", "secret-key", "secret:team"), -EINVAL);
        assert_int_equal(update(d, "team", WORDS("password=long-enough")), 0);
        assert_int_equal(set_option(d, "store", "secret-key", "secret:team"), 0);
        assert_int_equal(update(d, "team", WORDS("password=short")), -EINVAL);
        assert_true(desk_has_error(d, "application store: option secret-key"));
        assert_int_equal(update(d, "team", WORDS("other=long-enough")), -EINVAL);
        assert_true(desk_has_error(d, "option secret-key of store takes key password"));
}

/* ---- revisions */

static int read_revisions(struct tx *tx, const void *name, json_t **ret, struct err *err) {
        const struct q_user_secret_row *u;
        const struct q_model_row *m;
        int r = lookup_model(tx, "lab", &m, err);

        if (r >= 0)
                r = user_secret_find(tx, m->id, name, &u, err);
        *ret = json_array();
        return r < 0 ? r : user_secret_revisions(tx, u, *ret, err);
}

static const char *revisions(struct desk *d, const char *name) {
        static char text[200];
        cleanup_(freep) char *whole = NULL;

        assert_int_equal(desk_read(d, read_revisions, name), 0);
        whole = json_text(d->reply);
        str_copy(text, sizeof(text), whole);
        return text;
}

#define RESOURCE 1

static int make_resource(struct tx *tx, int64_t id, struct err *err) {
        return w_resource_insert(tx,
                                 &(struct w_resource_insert_in){ .id = RESOURCE,
                                                                 .target_id = 1,
                                                                 .type = "Secret",
                                                                 .path = "lab/store",
                                                                 .owner_id = id,
                                                                 .wanted_generation = 1,
                                                                 .state = "ready" },
                                 err);
}

/* The only key's newest revision is in the document of that generation. */
static int hold(struct tx *tx, int64_t generation, struct err *err) {
        struct w_resource_want_in want = { .id = RESOURCE,
                                           .wanted = (const uint8_t *)"",
                                           .owner_id_null = true,
                                           .model_id_null = true,
                                           .changed_at_null = true };
        struct w_secret_use_put_in in = { .resource_id = RESOURCE };
        struct q_secret_row *keys;
        size_t n;
        int r = generation > 1 ? w_resource_want(tx, &want, err) : 0;

        if (r >= 0)
                r = q_user_secret_keys(tx, &(struct q_user_secret_keys_in){ .user_secret_id = 1 },
                                       &keys, &n, err);
        if (r < 0)
                return r;
        in.uri = keys[0].uri;
        in.revision = keys[0].revision;
        return w_secret_use_put(tx, &in, err);
}

static int applied(struct tx *tx, int64_t generation, struct err *err) {
        return secret_leave(tx, RESOURCE, generation, err);
}

static void a_revision_stays_until_who_has_it_has_the_next(void **state) {
        struct desk *d = *state;

        assert_int_equal(add(d, "team", WORDS("password=first")), 0);
        assert_int_equal(update(d, "team", WORDS("password=second")), 0);
        assert_string_equal(revisions(d, "team"), "[2]"); /* nobody had the first */
        assert_true(0 <= desk_write(d, make_resource, desk_application_id(d, "store")));
        assert_true(0 <= desk_write(d, hold, 1));
        assert_int_equal(update(d, "team", WORDS("password=third")), 0);
        assert_string_equal(revisions(d, "team"), "[3,2]");
        assert_true(0 <= desk_write(d, hold, 2));
        assert_string_equal(revisions(d, "team"), "[3,2]");
        assert_int_equal(run(d, command_secret_remove,
                             (struct command_secret){ .name = "team", .revision = 2 }, NULL),
                         -EBUSY);
        assert_true(desk_has_error(d, "in use: Secret lab/store"));
        assert_int_equal(desk_write(d, applied, 2), 0);
        assert_string_equal(revisions(d, "team"), "[3]");
        assert_int_equal(
                run(d, command_secret_remove, (struct command_secret){ .name = "team" }, NULL),
                -EBUSY);
        assert_int_equal(desk_write(d, applied, SECRET_ALL_GENERATIONS), 0);
        assert_int_equal(
                run(d, command_secret_remove, (struct command_secret){ .name = "team" }, NULL), 0);
}

static void the_same_value_again_is_no_revision(void **state) {
        struct desk *d = *state;

        assert_int_equal(add(d, "team", WORDS("password=x", "user=y")), 0);
        assert_int_equal(update(d, "team", WORDS("user=y", "password=x")), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_int_equal(update(d, "team", WORDS("password=x")), 0);
        assert_int_equal(desk_changes(d), 1); /* a key less is another content */
        assert_string_equal(revisions(d, "team"), "[2]");
}

/* ---- what an application is shown */

static int read_taken(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct q_application_option_list_row *rows;
        cleanup_(json_freep) json_t *value = NULL;
        struct user_secret_taker to = { .name = "store", .option = "secret-key" };
        const char *taken, *why;
        size_t n;
        int r;

        to.application = *(const int64_t *)arg;
        r = q_application_option_list(
                tx, &(struct q_application_option_list_in){ .application_id = to.application },
                &rows, &n, err);
        if (r < 0)
                return r;
        assert_int_equal(json_parse(rows[0].value, strlen(rows[0].value), &value, err), 0);
        r = user_secret_take(tx, &to, json_string_value(value), &taken, &why, err);
        *ret = json_pack("{s:s?, s:s}", "why", why, "token", taken);
        return r;
}

static const char *taken(struct desk *d, const char *member) {
        int64_t id = desk_application_id(d, "store");

        assert_int_equal(desk_read(d, read_taken, &id), 0);
        return json_get_str(d->reply, member, "");
}

static void what_is_granted_is_taken_and_follows(void **state) {
        struct desk *d = *state;

        assert_int_equal(add(d, "team", WORDS("password=long-enough")), 0);
        assert_int_equal(set_option(d, "store", "secret-key", "secret:team"), 0);
        assert_non_null(strstr(taken(d, "why"), "grant-secret team store"));
        assert_int_equal(grant(d, "team", "store"), 0);
        assert_string_equal(taken(d, "why"), "");
        assert_non_null(strstr(taken(d, "token"), ":1:plain}}"));
        assert_int_equal(update(d, "team", WORDS("password=longer-enough")), 0);
        assert_non_null(strstr(taken(d, "token"), ":2:plain}}"));
}

static void a_model_that_goes_takes_its_secrets_along(void **state) {
        struct desk *d = *state;

        assert_int_equal(add(d, "team", WORDS("password=long-enough")), 0);
        assert_int_equal(grant(d, "team", "store"), 0);
        assert_int_equal(desk_write(d, removal_application, desk_application_id(d, "store")), 0);
        assert_int_equal(desk_write(d, removal_application, desk_application_id(d, "db")), 0);
        assert_int_equal(desk_write(d, removal_application, desk_application_id(d, "server")), 0);
        assert_int_equal(desk_write(d, removal_model, 1), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(names_keys_and_values_have_to_fit,
                                                desk_small_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(a_value_is_never_in_a_message, desk_small_set_up,
                                                desk_tear_down),
                cmocka_unit_test_setup_teardown(an_option_takes_the_key_of_its_name_or_the_only_one,
                                                desk_small_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(a_value_that_an_option_refuses_is_not_taken,
                                                desk_small_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(a_revision_stays_until_who_has_it_has_the_next,
                                                desk_small_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(the_same_value_again_is_no_revision,
                                                desk_small_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(what_is_granted_is_taken_and_follows,
                                                desk_small_set_up, desk_tear_down),
                cmocka_unit_test_setup_teardown(a_model_that_goes_takes_its_secrets_along,
                                                desk_small_set_up, desk_tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
