/* SPDX-License-Identifier: Apache-2.0 */
/* test_view.c - the ways on where an application is blocked, and what people read */
#include "desk.h"

#define HEAD "bundle: kubernetes\napplications:\n"

/* ---- ways on that are not needed */

static void ways_on_are_refused_where_nothing_is_blocked(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "store" };

        assert_int_equal(desk_application(d, command_application_accept_loss, c), -ENOENT);
        assert_int_equal(desk_application(d, command_application_adopt, c), -ENOENT);
        assert_int_equal(desk_application(d, command_application_attach_storage, c), -ENOENT);
        assert_int_equal(desk_application(d, command_application_destroy_storage, c), -ENOENT);
}

/* A resource of store: lost when ID is negative, else blocked by something that was there before.
 */
static int put_resource(struct tx *tx, int64_t id, struct err *err) {
        bool lost = id < 0;
        const char *path = lost ? "lab/data" : "lab/store";
        struct w_resource_insert_in in = { .id = lost ? 2 : 1,
                                           .target_id = 1,
                                           .type = lost ? "PersistentVolumeClaim"
                                                        : "Deployment.apps",
                                           .path = path,
                                           .owner_id = lost ? -id : id,
                                           .wanted_generation = 1,
                                           .keep = lost,
                                           .state = lost ? "lost" : "blocked" };

        int r = w_resource_insert(tx, &in, err);

        if (r >= 0 && lost)
                r = w_resource_set_lost(
                        tx, &(struct w_resource_set_lost_in){ .at = 7, .id = in.id }, err);
        return r < 0 ? r : 0;
}

/* Two buckets with something in them in the server that store runs; the first one is lost. */
static int put_buckets(struct tx *tx, int64_t id, struct err *err) {
        struct w_target_insert_in target = { .id = tx_id(tx, "target"),
                                             .name = "lab/store/server",
                                             .provider = "s3",
                                             .config = "{}",
                                             .application_id = id,
                                             .label = "server",
                                             .created_at = 1 };
        int r = w_target_insert(tx, &target, err);

        for (int i = 0; r >= 0 && i < 2; i++) {
                struct w_resource_insert_in in = { .id = 10 + i,
                                                   .target_id = target.id,
                                                   .type = "bucket",
                                                   .path = i ? "whole" : "lost",
                                                   .owner_id = id,
                                                   .wanted_generation = 1,
                                                   .keep = true,
                                                   .state = "ready" };

                r = w_resource_insert(tx, &in, err);
                if (r >= 0)
                        r = w_resource_set_filled(
                                tx, &(struct w_resource_set_filled_in){ .at = 5, .id = in.id },
                                err);
        }
        if (r >= 0)
                r = w_resource_set_lost(tx, &(struct w_resource_set_lost_in){ .at = 7, .id = 10 },
                                        err);
        return r < 0 ? r : 0;
}

static void a_lost_bucket_gives_up_no_other_and_a_lost_volume_all(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "store" };
        int64_t id = desk_application_id(d, "store");

        assert_int_equal(desk_write(d, put_buckets, id), 0);
        assert_int_equal(desk_application(d, command_application_accept_loss, c), 0);
        assert_int_equal(desk_changes(d), 1);
        assert_string_equal(desk_change(d, 0), "begin anew with bucket lost, whose data is gone");
        assert_int_equal(desk_application(d, command_application_accept_loss, c), -ENOENT);
        assert_int_equal(desk_write(d, put_resource, -id), 0);
        assert_int_equal(desk_application(d, command_application_accept_loss, c), 0);
        assert_int_equal(desk_changes(d), 2);
        assert_string_equal(desk_change(d, 1), "begin anew with bucket whole inside of it");
}

static int find_another(struct tx *tx, int64_t since, struct err *err) {
        int r = w_resource_set_found(tx,
                                     &(struct w_resource_set_found_in){
                                             .id = 2, .found = "uid-9", .found_since = since },
                                     err);

        if (r >= 0)
                r = w_resource_set_filled(
                        tx, &(struct w_resource_set_filled_in){ .at = 5, .id = 2 }, err);
        if (r >= 0)
                r = w_resource_set_lost(tx, &(struct w_resource_set_lost_in){ .at = 7, .id = 2 },
                                        err);
        return r < 0 ? r : 0;
}

static void what_is_in_the_place_of_lost_data_is_taken_as_it_is(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "store" };

        assert_int_equal(desk_write(d, put_resource, -desk_application_id(d, "store")), 0);
        assert_int_equal(desk_write(d, find_another, 1000), 0);
        assert_int_equal(desk_application(d, command_application_accept_loss, c), 0);
        assert_string_equal(desk_change(d, 0),
                            "go on with the PersistentVolumeClaim lab/data that is there since "
                            "1970-01-01T00:00:01Z (uid uid-9), as it is: nothing is deleted");
}

static void what_is_lost_is_not_told_to_be_kept(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "store" };

        assert_int_equal(desk_write(d, put_resource, -desk_application_id(d, "store")), 0);
        assert_int_equal(desk_write(d, find_another, 1000), 0);
        assert_int_equal(desk_application(d, command_application_remove, c), 0);
        assert_string_equal(desk_change(d, 1),
                            "keep nothing of PersistentVolumeClaim lab/data, which is lost "
                            "already: it stays listed as lost");
        c.destroy_storage = true;
        assert_int_equal(desk_application(d, command_application_remove, c), 0);
        assert_string_equal(desk_change(d, 1),
                            "forget PersistentVolumeClaim lab/data, which is lost already");
}

static int say_why(struct tx *tx, int64_t conflict, struct err *err) {
        struct w_resource_set_state_in in = { .id = 1,
                                              .state = "blocked",
                                              .reason = "",
                                              .outcome = conflict ? "conflict" : "denied" };
        int r = w_resource_set_state(tx, &in, err);

        return r < 0 ? r : 0;
}

static void what_is_blocked_is_let_go_by_name(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "store" };
        int64_t id = desk_application_id(d, "store");

        assert_int_equal(desk_write(d, put_resource, id), 0);
        assert_int_equal(desk_write(d, put_resource, -id), 0);
        assert_int_equal(desk_application(d, command_application_accept_loss, c), 0);
        assert_string_equal(desk_change(d, 0),
                            "begin anew with PersistentVolumeClaim lab/data, whose data is gone");
        c.object = "service/store";
        assert_int_equal(desk_application(d, command_application_adopt, c), -ENOENT);
        c.object = NULL;
        assert_int_equal(desk_write(d, say_why, false), 0);
        assert_int_equal(desk_application(d, command_application_adopt, c), -ENOENT);
        assert_int_equal(desk_write(d, say_why, true), 0);
        c.object = "deployment/store";
        assert_int_equal(desk_application(d, command_application_adopt, c), 0);
        assert_string_equal(desk_change(d, 0),
                            "adopt Deployment.apps lab/store, which was there before; it will "
                            "not be deleted, and its pods are replaced where they are other than "
                            "wanted");
        assert_int_equal(desk_application(d, command_application_adopt, c), -ENOENT);
}

static int bucket_was_there(struct tx *tx, int64_t id, struct err *err) {
        int r = put_buckets(tx, id, err);

        if (r >= 0)
                r = w_resource_set_state(
                        tx,
                        &(struct w_resource_set_state_in){
                                .id = 11, .state = "blocked", .reason = "", .outcome = "conflict" },
                        err);
        return r < 0 ? r : 0;
}

static int read_leftovers(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct q_leftover_by_model_in in = { .model = "lab", .max = 10 };
        struct q_leftover_row *rows;
        size_t n;
        int r = q_leftover_by_model(tx, &in, &rows, &n, err);

        *ret = json_array();
        for (size_t i = 0; r >= 0 && i < n; i++)
                json_array_append_new(*ret, json_sprintf("%s %s %s: %s", rows[i].application,
                                                         rows[i].type, rows[i].path, rows[i].why));
        return r < 0 ? r : 0;
}

static void who_else_has_rights_in_adopted_storage_is_left_to_a_person(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "store" };
        const char *text;

        assert_int_equal(desk_write(d, bucket_was_there, desk_application_id(d, "store")), 0);
        assert_int_equal(desk_application(d, command_application_adopt, c), 0);
        assert_int_equal(desk_read(d, read_leftovers, NULL), 0);
        text = json_string_value(json_array_get(d->reply, 0));
        assert_non_null(text);
        assert_true(str_starts(text, "store bucket whole: was adopted: users of earlier"));
        assert_non_null(strstr(text, "mc admin user rm"));
}

/* ---- storage of an earlier application */

/* Made by us when ID is 0, else adopted. */
static int put_detached(struct tx *tx, int64_t id, struct err *err) {
        struct w_secret_insert_in secret = { .id = tx_id(tx, "secret"),
                                             .uri = "aaaaaaaaaaaaaaaaaaaaaaaaaa",
                                             .model_id = 1,
                                             .application_id_null = true,
                                             .label = "root",
                                             .field = "password",
                                             .purpose = "generated",
                                             .policy = "{}",
                                             .revision = 1,
                                             .created_at = 1 };
        const char *secrets = tx_format(tx, "[%lld]", (long long)secret.id);
        struct w_detached_insert_in in = { .id = tx_id(tx, "detached"),
                                           .model_id = 1,
                                           .application = "old",
                                           .application_id_null = true,
                                           .charm_name = "minio",
                                           .target_id = 1,
                                           .type = "PersistentVolumeClaim",
                                           .path = "lab/data-old-0",
                                           .secrets = secrets,
                                           .incarnation = "uid-1",
                                           .made = id == 0,
                                           .adopted = id != 0,
                                           .initialised_at = 7,
                                           .trouble = "",
                                           .at = 9 };
        int r = w_secret_insert(tx, &secret, err);

        if (r >= 0)
                r = w_detached_insert(tx, &in, err);
        return r < 0 ? r : 0;
}

static int read_kept(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct q_resource_by_identity_in in = { .target_id = 1,
                                                .type = "PersistentVolumeClaim",
                                                .path = "lab/data-old-0" };
        struct q_secret_by_uri_in uri = { .uri = "aaaaaaaaaaaaaaaaaaaaaaaaaa" };
        struct q_resource_row *row;
        struct q_secret_row *secret;
        size_t n, secrets;
        int r = q_resource_by_identity(tx, &in, &row, &n, err);

        if (r >= 0)
                r = q_secret_by_uri(tx, &uri, &secret, &secrets, err);
        if (r < 0)
                return r;
        *ret = json_pack("{s:i, s:i}", "resources", (int)n, "secrets", (int)secrets);
        if (n)
                json_object_update_new(*ret, json_pack("{s:I, s:s, s:I, s:s, s:b, s:b, s:I}",
                                                       "owner", row->owner_id, "life", row->life,
                                                       "initialised", row->initialised_at,
                                                       "incarnation", row->incarnation, "made",
                                                       (int)row->made, "adopted", (int)row->adopted,
                                                       "model", row->model_id));
        if (secrets)
                json_object_set_new(*ret, "secret-owner", json_integer(secret->application_id));
        return 0;
}

static void earlier_storage_is_attached_with_its_secrets(void **state) {
        struct desk *d = *state;
        int64_t id;

        assert_int_equal(desk_write(d, put_detached, 0), 0);
        assert_int_equal(desk_deploy(d, HEAD "  old: {charm: minio}\n", false), 0);
        assert_true(
                desk_has_note(d, "it is blocked until attach-storage old or destroy-storage old"));
        assert_int_equal(desk_application(d, command_application_attach_storage,
                                          (struct command_application){ .application = "old" }),
                         0);
        id = desk_application_id(d, "old");
        assert_int_equal(desk_read(d, read_kept, NULL), 0);
        assert_int_equal(json_get_int(d->reply, "owner", 0), id);
        assert_int_equal(json_get_int(d->reply, "secret-owner", 0), id);
        assert_int_equal(json_get_int(d->reply, "initialised", 0), 7);
        assert_string_equal(json_get_str(d->reply, "life", ""), "alive");
        assert_string_equal(json_get_str(d->reply, "incarnation", ""), "uid-1");
        assert_true(json_get_bool(d->reply, "made", false));
        assert_false(json_get_bool(d->reply, "adopted", true));
        assert_int_equal(desk_application(d, command_application_attach_storage,
                                          (struct command_application){ .application = "old" }),
                         -ENOENT);
}

static void adopted_storage_stays_adopted_and_is_only_forgotten(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "old" };

        assert_int_equal(desk_write(d, put_detached, 1), 0);
        assert_int_equal(desk_application(d, command_application_destroy_storage, c), 0);
        assert_string_equal(desk_change(d, 0),
                            "forget PersistentVolumeClaim lab/data-old-0, which was not made by us "
                            "and is left in place");
        assert_int_equal(desk_read(d, read_kept, NULL), 0);
        assert_int_equal(json_get_int(d->reply, "resources", -1), 0);
        assert_int_equal(json_get_int(d->reply, "secrets", -1), 0);
}

static void earlier_storage_is_destroyed_only_when_named(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_write(d, put_detached, 0), 0);
        assert_int_equal(desk_application(d, command_application_destroy_storage,
                                          (struct command_application){ .application = "old" }),
                         0);
        assert_string_equal(desk_change(d, 0),
                            "delete PersistentVolumeClaim lab/data-old-0 and the data in it");
        assert_int_equal(desk_read(d, read_kept, NULL), 0);
        assert_string_equal(json_get_str(d->reply, "life", ""), "dying");
        assert_int_equal(json_get_int(d->reply, "model", 0), 1);    /* its pause holds this too */
        assert_int_equal(json_get_int(d->reply, "secrets", -1), 1); /* until the data is gone */
}

/* ---- views */

static int put_unit(struct tx *tx, int64_t id, struct err *err) {
        struct w_unit_put_in in = { .application_id = id,
                                    .name = "store-7d5f-x2",
                                    .uid = "u",
                                    .number = 0,
                                    .status = "active",
                                    .agent = "idle",
                                    .message = "",
                                    .address = "10.0.0.1",
                                    .node = "n1",
                                    .ports = "",
                                    .status_at = tx_now(tx) };
        int r = w_unit_put(tx, &in, err);

        return r < 0 ? r : 0;
}

static int read_unit(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        return view_model_unit(tx, "lab", arg, ret, err);
}

static int read_application(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        return view_model_application(tx, "lab", arg, ret, err);
}

static int read_page(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct view_filter f = { .max = 2, .after = arg };

        return view_model_status(tx, "lab", &f, ret, err);
}

static void a_unit_is_found_by_its_number_and_by_its_pod(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_write(d, put_unit, desk_application_id(d, "store")), 0);
        assert_int_equal(desk_read(d, read_unit, "store/0"), 0);
        assert_string_equal(json_get_str(json_get(d->reply, "store/0"), "provider-id", ""),
                            "store-7d5f-x2");
        assert_int_equal(desk_read(d, read_unit, "store-7d5f-x2"), 0);
        assert_string_equal(
                json_get_str(json_dig(d->reply, "store/0", "workload-status", NULL), "current", ""),
                "active");
        assert_int_equal(desk_read(d, read_unit, "store/7"), -ENOENT);
        assert_int_equal(desk_read(d, read_unit, "nothing-0"), -ENOENT);
}

static void show_application_tells_endpoints_and_images(void **state) {
        struct desk *d = *state;
        const json_t *store;

        assert_int_equal(desk_read(d, read_application, "store"), 0);
        store = json_get(d->reply, "store");
        assert_string_equal(
                json_get_str(json_dig(store, "endpoints", "object-storage", NULL), "role", ""),
                "provides");
        assert_string_equal(
                json_get_str(json_dig(store, "resources", "oci-image", NULL), "value", ""),
                "minio@sha256:00");
        assert_int_equal(json_get_int(store, "highest-scale", 0), 1);
}

static void status_comes_in_pages(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_read(d, read_page, NULL), 0);
        assert_int_equal(json_object_size(json_get(d->reply, "applications")), 2);
        assert_string_equal(json_get_str(d->reply, "next", ""), "server");
        assert_int_equal(desk_read(d, read_page, "server"), 0);
        assert_int_equal(json_object_size(json_get(d->reply, "applications")), 1);
        assert_null(json_get(d->reply, "next"));
}

static void the_same_request_gets_the_recorded_answer(void **state) {
        struct desk *d = *state;
        struct command_application scale = { .head.run = command_application_scale,
                                             .model = "lab",
                                             .application = "server",
                                             .scale = 4 };
        cleanup_(freep) char *first = NULL;

        for (int i = 0; i < 2; i++) {
                struct waited *w = waited_new(d->fixture, "command", command_run, NULL);

                w->call.arg = &scale.head;
                str_copy(w->call.request, sizeof(w->call.request), "request-1");
                waited_submit(w);
                assert_int_equal(waited_wait(w), 0);
                if (first)
                        assert_string_equal(w->answer, first);
                else
                        first = str_dup(w->answer);
                waited_free(w);
        }
        assert_non_null(strstr(first, "scale server from 1 to 4"));
        command_deinit(&scale.head);
}

#define WITH_MODEL(fn) cmocka_unit_test_setup_teardown(fn, desk_small_set_up, desk_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_MODEL(ways_on_are_refused_where_nothing_is_blocked),
                WITH_MODEL(what_is_blocked_is_let_go_by_name),
                WITH_MODEL(a_lost_bucket_gives_up_no_other_and_a_lost_volume_all),
                WITH_MODEL(what_is_in_the_place_of_lost_data_is_taken_as_it_is),
                WITH_MODEL(what_is_lost_is_not_told_to_be_kept),
                WITH_MODEL(who_else_has_rights_in_adopted_storage_is_left_to_a_person),
                WITH_MODEL(adopted_storage_stays_adopted_and_is_only_forgotten),
                WITH_MODEL(earlier_storage_is_attached_with_its_secrets),
                WITH_MODEL(earlier_storage_is_destroyed_only_when_named),
                WITH_MODEL(a_unit_is_found_by_its_number_and_by_its_pod),
                WITH_MODEL(show_application_tells_endpoints_and_images),
                WITH_MODEL(status_comes_in_pages),
                WITH_MODEL(the_same_request_gets_the_recorded_answer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
