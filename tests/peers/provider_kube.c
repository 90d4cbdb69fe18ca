/* SPDX-License-Identifier: Apache-2.0 */
/* provider_kube.c - the Kubernetes provider against a server: the same program for the real one
 * and for mooring-sim
 *
 * KUBECONFIG names the server. Drift is in provider_kube_drift.c; here: secrets, ownership,
 * order, removal, watches. */
#include "provider_kube.h"

#include "clock.h"
#include "kube-world.h"
#include "watch.h"

#define SECRET(text)                                                                               \
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"login\"},"            \
        "\"stringData\":{\"password\":\"" text "\"}}"

static void a_secret_is_filled_on_the_way_out_and_hidden_on_the_way_in(void **state) {
        static const char uri[] = "abcdefghijklmnopqrstuvwxyz";
        cleanup_(freep) char *path = world_path("login");
        cleanup_(freep) char *url = world_url("/api/v1", "secrets/login");
        cleanup_(freep) char *text = NULL;
        cleanup_(json_freep) json_t *after = NULL;
        struct secret_values *values = secret_values_new();
        char token[SECRET_TOKEN_MAX];
        cleanup_(freep) char *wanted =
                str_format(SECRET("%s"), secret_token_write(uri, 1, SECRET_PLAIN, token));
        struct thing *t = world_thing("Secret", path);
        struct drift_list list;
        struct op op;

        secret_values_add(values, uri, 1, "hunter2hunter2", 14);
        assert_int_equal(
                world_apply(wanted, (struct asked){ .first = true, .values = values }, &op),
                OUTCOME_DONE);
        text = json_text(op.baseline);
        assert_null(strstr(text, "hunter2"));
        assert_null(strstr(text, "aHVudGVyM"));
        assert_non_null(strstr(text, "(hidden, "));
        op_clear(&op);
        after = world_fetch(url);
        assert_string_equal(json_get_str(json_get(after, "data"), "password", ""),
                            "aHVudGVyMmh1bnRlcjI=");
        world_edit(url, "[{\"op\":\"replace\",\"path\":\"/data/"
                        "password\",\"value\":\"b3RoZXJvdGhlcg==\"}]");
        wait_for(world_drifted(t));
        list = world_drift("Secret", path);
        assert_int_equal(list.count, 1);
        world_assert_drift(&list.items[0], "data.password", "\"(hidden, differs)\"",
                           "\"(hidden, differs)\"", OTHER);
        drift_list_free(&list);
        free(text);
        text = json_text(t->last.found);
        assert_null(strstr(text, "b3RoZXJ"));
        assert_int_equal(world_apply(wanted, (struct asked){ .values = values }, NULL),
                         OUTCOME_DONE);
        wait_for(world_in_place(t));
        secret_values_free(values);
}

static void a_token_outside_of_a_secret_is_refused(void **state) {
        struct op op;

        assert_int_equal(
                world_apply(CONFIG_MAP("leak",
                                       "{\"a\":\"{{secret:abcdefghijklmnopqrstuvwxyz:1:plain}}\"}"),
                            (struct asked){ .first = true }, &op),
                OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "/data/a"));
        op_clear(&op);
}

static void what_is_there_and_not_ours_is_left_alone_until_adopted(void **state) {
        cleanup_(freep) char *url = world_url("/api/v1", "configmaps?fieldManager=" OTHER);
        cleanup_(freep) char *one = world_url("/api/v1", "configmaps/theirs");
        cleanup_(json_freep) json_t *after = NULL;
        struct op op;

        assert_int_equal(world_send("POST", "application/json",
                                    CONFIG_MAP("theirs", "{\"a\":\"theirs\"}"), url),
                         201);
        assert_int_equal(world_apply(CONFIG_MAP("theirs", "{\"a\":\"ours\"}"),
                                     (struct asked){ .first = true }, &op),
                         OUTCOME_CONFLICT);
        assert_non_null(strstr(err_text(&op.err), "configmap/theirs exists and is not ours"));
        op_clear(&op);
        after = world_fetch(one);
        assert_string_equal(json_get_str(json_get(after, "data"), "a", ""), "theirs");
        assert_int_equal(world_apply(CONFIG_MAP("theirs", "{\"a\":\"ours\"}"),
                                     (struct asked){ .first = true, .flags = APPLY_ADOPT }, &op),
                         OUTCOME_DONE);
        assert_false(op.created);
        op_clear(&op);
        json_freep(&after);
        after = world_fetch(one);
        assert_string_equal(json_get_str(json_get(after, "data"), "a", ""), "ours");
}

/* As after a model was forgotten by force: the claim has our stamp, and nobody knows of it. */
static void a_claim_that_is_older_than_its_application_is_left_alone_until_adopted(void **state) {
        static const char claim[] =
                "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":"
                "\"older\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":"
                "{\"requests\":{\"storage\":\"1Gi\"}}}}";
        int64_t later = clock_wall() + 3600000;
        struct op op;

        assert_int_equal(world_apply(claim, (struct asked){ .first = true }, NULL), OUTCOME_DONE);
        assert_int_equal(world_apply(claim, (struct asked){ .first = true, .since = later }, &op),
                         OUTCOME_CONFLICT);
        assert_non_null(strstr(err_text(&op.err), "holds the data of an earlier one"));
        assert_non_null(strstr(err_text(&op.err), "persistentvolumeclaim/older"));
        op_clear(&op);
        assert_int_equal(
                world_apply(claim, (struct asked){ .first = true, .since = clock_wall() }, NULL),
                OUTCOME_DONE);
        assert_int_equal(
                world_apply(claim,
                            (struct asked){ .first = true, .since = later, .flags = APPLY_ADOPT },
                            NULL),
                OUTCOME_DONE);
}

static void a_dry_run_writes_nothing(void **state) {
        cleanup_(freep) char *url = world_url("/api/v1", "configmaps/dry");
        struct op op;

        assert_int_equal(world_apply(CONFIG_MAP("dry", "{\"a\":\"1\"}"),
                                     (struct asked){ .flags = APPLY_DRY_RUN }, &op),
                         OUTCOME_DONE);
        op_clear(&op);
        assert_null(world_fetch(url));
}

/* What would be other is told as the server would store it. */
static void a_dry_run_tells_what_would_be_other(void **state) {
        const json_t *fields;
        struct op op;

        world_apply_ok(CONFIG_MAP("tried", "{\"a\":\"1\",\"b\":\"1\"}"));
        assert_int_equal(world_apply(CONFIG_MAP("tried", "{\"a\":\"2\"}"),
                                     (struct asked){ .flags = APPLY_DRY_RUN }, &op),
                         OUTCOME_DONE);
        fields = json_get(op.told, "fields");
        assert_int_equal(json_array_size(fields), 2);
        assert_string_equal(json_get_str(json_array_get(fields, 0), "field", ""), "data.a");
        assert_string_equal(json_get_str(json_array_get(fields, 0), "from", ""), "1");
        assert_string_equal(json_get_str(json_array_get(fields, 0), "to", ""), "2");
        assert_string_equal(json_get_str(json_array_get(fields, 1), "field", ""), "data.b");
        assert_null(json_get(json_array_get(fields, 1), "to"));
        op_clear(&op);
}

static void an_unknown_field_is_refused_by_name(void **state) {
        struct op op;

        assert_int_equal(world_apply("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                     "\"name\":\"odd\"},\"dta\":{\"a\":\"1\"}}",
                                     (struct asked){ .first = true }, &op),
                         OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "dta"));
        op_clear(&op);
}

static void an_object_waits_for_its_namespace(void **state) {
        struct op op;

        assert_int_equal(world_apply("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                     "\"name\":\"x\",\"namespace\":\"no-such-ns\"}}",
                                     (struct asked){ .first = true }, &op),
                         OUTCOME_NOT_YET);
        assert_non_null(strstr(err_text(&op.err), "no-such-ns"));
        op_clear(&op);
}

/* One CRD for all runs, with a group that carries the namespace, so that a second run meets
 * nothing of the first. */
static void a_kind_that_is_not_served_parks_its_object_until_it_is(void **state) {
        cleanup_(freep) char *crd =
                str_format("{\"apiVersion\":\"apiextensions.k8s.io/"
                           "v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":"
                           "\"boats.%s.example\"},"
                           "\"spec\":{\"group\":\"%s.example\",\"scope\":\"Namespaced\",\"names\":{"
                           "\"kind\":\"Boat\",\"plural\":\"boats\",\"singular\":\"boat\"},"
                           "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
                           "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":"
                           "{\"spec\":{\"type\":\"object\",\"properties\":{\"length\":{\"type\":"
                           "\"integer\"},\"crew\":{\"type\":\"array\","
                           "\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":["
                           "\"name\"],\"items\":{\"type\":\"object\",\"required\":[\"name\"],"
                           "\"properties\":{\"name\":{\"type\":\"string\"},\"role\":{\"type\":"
                           "\"string\"}}}}}}}}}}]}}",
                           w.namespace, w.namespace);
        cleanup_(freep) char *boat = str_format(
                "{\"apiVersion\":\"%s.example/"
                "v1\",\"kind\":\"Boat\",\"metadata\":{\"name\":\"b\"},\"spec\":{\"length\":7,"
                "\"crew\":[{\"name\":\"jo\",\"role\":\"skipper\"}]}}",
                w.namespace);
        cleanup_(freep) char *name = str_format("boats.%s.example", w.namespace);
        cleanup_(freep) char *type = str_format("Boat.%s.example", w.namespace);
        cleanup_(freep) char *url =
                str_format("/apis/%s.example/v1/namespaces/%s/boats/b", w.namespace, w.namespace);
        cleanup_(freep) char *path = world_path("b");
        struct thing *t = world_thing(type, path);
        struct thing *definition =
                world_thing("CustomResourceDefinition.apiextensions.k8s.io", name);
        struct drift_list list;
        struct op op;
        int changed;

        assert_int_equal(world_apply(boat, (struct asked){ .first = true }, &op), OUTCOME_NOT_YET);
        assert_non_null(strstr(err_text(&op.err), "does not serve"));
        op_clear(&op);
        changed = w.changed;
        world_apply_ok(crd);
        wait_for(definition->last.ready == READY_YES);
        wait_for(w.changed > changed);
        for (int64_t end = clock_mono() + DEADLINE_MS;
             world_apply(boat, (struct asked){ .first = true }, NULL) != OUTCOME_DONE;) {
                assert_true(clock_mono() < end);
                loop_step(w.loop, 50);
        }
        wait_for(world_in_place(t));
        world_edit(url, "[{\"op\":\"replace\",\"path\":\"/spec/crew/0/role\",\"value\":\"cook\"}]");
        wait_for(world_drifted(t));
        list = world_drift(type, path);
        assert_int_equal(list.count, 1);
        world_assert_drift(&list.items[0], "spec.crew[name=jo].role", "\"skipper\"", "\"cook\"",
                           OTHER);
        drift_list_free(&list);
        world_heal(boat, 0, type, path);
}

#define JOB(image)                                                                                 \
        "{\"apiVersion\":\"batch/"                                                                 \
        "v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"fixed\"},\"spec\":{\"suspend\":true,"      \
        "\"template\":{\"spec\":"                                                                  \
        "{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"main\",\"image\":\"" image       \
        "\"}]}}}}"

static void what_cannot_be_changed_says_so_and_is_made_anew_when_asked(void **state) {
        cleanup_(freep) char *path = world_path("fixed");
        cleanup_(freep) char *uid = NULL;
        struct op op;

        assert_int_equal(world_apply(JOB("one"), (struct asked){ .first = true }, &op),
                         OUTCOME_DONE);
        uid = str_dup(op.seen.incarnation);
        op_clear(&op);
        assert_int_equal(world_apply(JOB("two"), (struct asked){ 0 }, &op), OUTCOME_IMMUTABLE);
        assert_non_null(strstr(err_text(&op.err), "immutable"));
        op_clear(&op);
        assert_int_equal(world_apply(JOB("two"), (struct asked){ .flags = APPLY_DRY_RUN }, &op),
                         OUTCOME_IMMUTABLE);
        op_clear(&op);
        assert_int_equal(world_apply(JOB("two"),
                                     (struct asked){ .flags = APPLY_DRY_RUN | APPLY_RECREATE },
                                     &op),
                         OUTCOME_DONE);
        assert_non_null(strstr(json_get_str(op.told, "anew", ""), "immutable"));
        op_clear(&op);
        assert_int_equal(world_apply(JOB("two"), (struct asked){ .flags = APPLY_RECREATE }, &op),
                         OUTCOME_DONE);
        assert_string_not_equal(op.seen.incarnation, uid);
        op_clear(&op);
}

#define STORE(policy)                                                                              \
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"hoard\"},"  \
        "\"spec\":{\"replicas\":0,\"serviceName\":\"hoard\",\"podManagementPolicy\":\"" policy     \
        "\",\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"Delete\"},\"selector\":{"  \
        "\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"    \
        "\"spec\":{"                                                                               \
        "\"containers\":[{\"name\":\"main\",\"image\":\"one\"}]}}}}"

static void what_takes_its_claims_along_is_not_made_anew(void **state) {
        cleanup_(freep) char *uid = NULL;
        struct op op;

        assert_int_equal(world_apply(STORE("OrderedReady"), (struct asked){ .first = true }, &op),
                         OUTCOME_DONE);
        uid = str_dup(op.seen.incarnation);
        op_clear(&op);
        assert_int_equal(
                world_apply(STORE("Parallel"), (struct asked){ .flags = APPLY_RECREATE }, &op),
                OUTCOME_IMMUTABLE);
        assert_non_null(strstr(err_text(&op.err), "whenDeleted is Delete"));
        op_clear(&op);
        assert_int_equal(world_apply(STORE("OrderedReady"), (struct asked){ 0 }, &op),
                         OUTCOME_DONE);
        assert_string_equal(op.seen.incarnation, uid);
        op_clear(&op);
}

static void a_wrong_value_is_refused_and_not_called_immutable(void **state) {
        struct op op;

        assert_int_equal(
                world_apply(DEPLOYMENT("wrong", "-1"), (struct asked){ .first = true }, &op),
                OUTCOME_REFUSED);
        assert_non_null(strstr(err_text(&op.err), "spec.replicas"));
        op_clear(&op);
}

static void a_removal_waits_for_a_finalizer_and_names_it(void **state) {
        static const char wanted[] = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                     "\"name\":\"held\",\"finalizers\":[\"example.com/hold\"]}}";
        cleanup_(freep) char *path = world_path("held");
        cleanup_(freep) char *url = world_url("/api/v1", "configmaps/held");
        struct thing *t = world_thing("ConfigMap", path);
        char uid[64];
        struct op op;

        assert_int_equal(world_apply(wanted, (struct asked){ .first = true }, &op), OUTCOME_DONE);
        str_copy(uid, sizeof(uid), op.seen.incarnation);
        op_clear(&op);
        world_call(kube->remove, NULL, "ConfigMap", path, &(struct asked){ .incarnation = uid },
                   &op);
        assert_int_equal(op.outcome, OUTCOME_RUNNING);
        assert_string_equal(op.token, uid);
        assert_non_null(strstr(err_text(&op.err), "example.com/hold"));
        op_clear(&op);
        wait_for(t->last.presence == PRESENCE_LEAVING);
        world_edit(url, "[{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]");
        world_call(kube->remove, NULL, "ConfigMap", path,
                   &(struct asked){ .incarnation = uid, .token = uid }, &op);
        assert_int_equal(op.outcome, OUTCOME_GONE);
        op_clear(&op);
        wait_for(t->last.presence == PRESENCE_ABSENT);
}

static void only_the_incarnation_that_is_known_is_removed(void **state) {
        cleanup_(freep) char *path = world_path("other-one");
        struct op op;

        world_apply_ok(CONFIG_MAP("other-one", "{}"));
        world_call(kube->remove, NULL, "ConfigMap", path,
                   &(struct asked){ .incarnation = "00000000-0000-0000-0000-000000000000" }, &op);
        assert_int_equal(op.outcome, OUTCOME_GONE);
        op_clear(&op);
        assert_int_equal(world_look("ConfigMap", path, &op), OUTCOME_DONE);
        op_clear(&op);
}

static void a_look_at_what_is_not_there_says_gone(void **state) {
        cleanup_(freep) char *path = world_path("nothing");
        struct op op;

        assert_int_equal(world_look("ConfigMap", path, &op), OUTCOME_GONE);
        assert_int_equal(op.seen.presence, PRESENCE_ABSENT);
        op_clear(&op);
}

static void a_cancelled_operation_is_never_heard_of(void **state) {
        cleanup_(freep) char *path = world_path("cancelled");
        bool done = false;
        struct op op = { .loop = w.loop, .done = world_done, .arg = &done };
        struct apply_request r = { .type = "ConfigMap", .path = path, .marks = w.marks };

        kube->look(w.target, &r, &op);
        loop_step(w.loop, 0);
        kube->cancel(&op);
        for (int i = 0; i < 20; i++)
                loop_step(w.loop, 5);
        assert_false(done);
}

/* ---- a watch whose version is too old */

static int old_listed, old_items;

static void old_item(void *arg, enum watch_event event, struct scan_slice object) {
        old_items++;
}

static void old_list(void *arg, bool begin) {
        old_listed += !begin;
}

static void old_health(void *arg, const struct watch_health *h) {
}

static void a_watch_from_an_old_version_brings_all_that_happened_since(void **state) {
        struct watch_config c = {
                .loop = w.loop,
                .http = w.http,
                .server = w.server,
                .path = "/api/v1/configmaps",
                .version = "1",
                .item = old_item,
                .listed = old_list,
                .health = old_health,
        };
        struct watch *watch = watch_new(&c);

        /* 410 and a list, or all events since: either way every object comes. */
        watch_start(watch);
        wait_for(old_items > 3);
        watch_free(watch);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_cluster_is_reached_and_says_which_it_is),
                cmocka_unit_test(an_applied_object_is_seen_in_place_by_the_watch),
                cmocka_unit_test(an_identical_apply_changes_nothing),
                cmocka_unit_test(a_changed_value_is_drift_with_its_writer_and_is_healed),
                cmocka_unit_test(a_removed_field_is_drift_without_a_writer),
                cmocka_unit_test(a_field_that_is_not_ours_is_no_drift),
                cmocka_unit_test(a_deleted_object_is_absent_and_comes_back),
                cmocka_unit_test(a_removed_label_of_ours_is_drift_and_not_a_deletion),
                cmocka_unit_test(a_port_edited_by_hand_is_healed_by_taking_it_over),
                cmocka_unit_test(a_renamed_container_is_told_and_goes_when_taken_over),
                cmocka_unit_test(taking_over_leaves_what_others_added_elsewhere),
                cmocka_unit_test(a_field_of_a_pod_template_has_a_readable_path),
                cmocka_unit_test(a_deployment_becomes_ready_and_its_pods_are_units),
                cmocka_unit_test(a_secret_is_filled_on_the_way_out_and_hidden_on_the_way_in),
                cmocka_unit_test(a_token_outside_of_a_secret_is_refused),
                cmocka_unit_test(what_is_there_and_not_ours_is_left_alone_until_adopted),
                cmocka_unit_test(
                        a_claim_that_is_older_than_its_application_is_left_alone_until_adopted),
                cmocka_unit_test(a_dry_run_writes_nothing),
                cmocka_unit_test(a_dry_run_tells_what_would_be_other),
                cmocka_unit_test(an_unknown_field_is_refused_by_name),
                cmocka_unit_test(an_object_waits_for_its_namespace),
                cmocka_unit_test(a_kind_that_is_not_served_parks_its_object_until_it_is),
                cmocka_unit_test(what_cannot_be_changed_says_so_and_is_made_anew_when_asked),
                cmocka_unit_test(what_takes_its_claims_along_is_not_made_anew),
                cmocka_unit_test(a_wrong_value_is_refused_and_not_called_immutable),
                cmocka_unit_test(a_removal_waits_for_a_finalizer_and_names_it),
                cmocka_unit_test(only_the_incarnation_that_is_known_is_removed),
                cmocka_unit_test(a_look_at_what_is_not_there_says_gone),
                cmocka_unit_test(a_cancelled_operation_is_never_heard_of),
                cmocka_unit_test(a_watch_from_an_old_version_brings_all_that_happened_since),
                cmocka_unit_test(a_pod_that_fits_nowhere_is_its_deployments_reason),
                cmocka_unit_test(a_tunnel_to_no_pod_ends_with_that_reason),
                cmocka_unit_test(a_command_answers_with_its_output_and_exit_code),
                cmocka_unit_test(a_command_that_cannot_run_says_why),
                cmocka_unit_test(a_stream_of_any_size_comes_out_and_goes_in),
                cmocka_unit_test(a_stream_from_a_command_that_fails_is_broken),
        };

        /* The stand-in has no PodSecurity and quota admission, and its pods are no processes. */
        const struct CMUnitTest real[] = {
                cmocka_unit_test(a_deployment_that_may_make_no_pods_says_which_policy_forbids_them),
                cmocka_unit_test(a_stateful_set_without_its_pod_says_what_the_event_says),
                cmocka_unit_test(a_warning_of_the_server_is_handed_on),
                cmocka_unit_test(bytes_go_both_ways_through_a_tunnel),
                cmocka_unit_test(a_request_goes_to_a_port_of_a_pod),
                cmocka_unit_test(a_tunnel_to_a_closed_port_says_so),
        };
        int r;

        if (!getenv("KUBECONFIG")) {
                print_message("no KUBECONFIG: nothing to test against (tools/peers run DIR ...)\n");
                return 77;
        }
        r = cmocka_run_group_tests(tests, world_setup, world_teardown);
        if (getenv("PEERS_DIR")) /* tools/peers says where it runs */
                r += cmocka_run_group_tests(real, world_setup, world_teardown);
        return world_exit(r);
}
