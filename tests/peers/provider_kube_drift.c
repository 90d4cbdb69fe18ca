/* SPDX-License-Identifier: Apache-2.0 */
/* provider_kube_drift.c - what others change of an object is seen, named and put right */
#include "kube-world.h"
#include "provider_kube.h"

void a_cluster_is_reached_and_says_which_it_is(void **state) {
        wait_for(w.reachable);
        assert_true(strlen(w.identity) > 30);
}

void an_applied_object_is_seen_in_place_by_the_watch(void **state) {
        cleanup_(freep) char *path = world_path("plain");
        struct thing *t = world_thing("ConfigMap", path);
        struct op op;

        assert_int_equal(world_apply(CONFIG_MAP("plain", "{\"a\":\"1\",\"b\":\"2\"}"),
                                     (struct asked){ .first = true }, &op),
                         OUTCOME_DONE);
        assert_true(op.created);
        assert_int_equal(op.seen.presence, PRESENCE_PRESENT);
        assert_int_equal(op.seen.ready, READY_YES);
        assert_true(op.seen.ours);
        assert_string_equal(json_get_str(json_get(op.baseline, "data"), "a", ""), "1");
        op_clear(&op);
        wait_for(t->seen > 0);
        assert_true(world_in_place(t));
}

void an_identical_apply_changes_nothing(void **state) {
        struct op one, two;

        assert_int_equal(world_apply(CONFIG_MAP("same", "{\"a\":\"1\"}"),
                                     (struct asked){ .first = true }, &one),
                         OUTCOME_DONE);
        assert_int_equal(
                world_apply(CONFIG_MAP("same", "{\"a\":\"1\"}"), (struct asked){ 0 }, &two),
                OUTCOME_DONE);
        assert_false(two.created);
        assert_string_equal(one.seen.version, two.seen.version);
        assert_string_equal(one.fields, two.fields);
        op_clear(&one);
        op_clear(&two);
}

void a_changed_value_is_drift_with_its_writer_and_is_healed(void **state) {
        cleanup_(freep) char *path = world_path("changed");
        cleanup_(freep) char *url = world_url("/api/v1", "configmaps/changed");
        struct thing *t = world_thing("ConfigMap", path);
        struct drift_list list;

        world_apply_ok(CONFIG_MAP("changed", "{\"a\":\"1\"}"));
        world_edit(url, "[{\"op\":\"replace\",\"path\":\"/data/a\",\"value\":\"2\"}]");
        wait_for(world_drifted(t));
        list = world_drift("ConfigMap", path);
        assert_int_equal(list.count, 1);
        world_assert_drift(&list.items[0], "data.a", "\"1\"", "\"2\"", OTHER);
        assert_true(list.items[0].at > 0);
        drift_list_free(&list);
        world_heal(CONFIG_MAP("changed", "{\"a\":\"1\"}"), 0, "ConfigMap", path);
}

void a_removed_field_is_drift_without_a_writer(void **state) {
        cleanup_(freep) char *path = world_path("removed");
        cleanup_(freep) char *url = world_url("/api/v1", "configmaps/removed");
        struct thing *t = world_thing("ConfigMap", path);
        struct drift_list list;

        world_apply_ok(CONFIG_MAP("removed", "{\"a\":\"1\",\"b\":\"2\"}"));
        world_edit(url, "[{\"op\":\"remove\",\"path\":\"/data/b\"}]");
        wait_for(world_drifted(t));
        list = world_drift("ConfigMap", path);
        assert_int_equal(list.count, 1);
        world_assert_drift(&list.items[0], "data.b", "\"2\"", NULL, NULL);
        drift_list_free(&list);
        world_heal(CONFIG_MAP("removed", "{\"a\":\"1\",\"b\":\"2\"}"), 0, "ConfigMap", path);
}

void a_field_that_is_not_ours_is_no_drift(void **state) {
        cleanup_(freep) char *path = world_path("foreign-field");
        cleanup_(freep) char *url = world_url("/api/v1", "configmaps/foreign-field");
        struct thing *t = world_thing("ConfigMap", path);
        int before;

        world_apply_ok(CONFIG_MAP("foreign-field", "{\"a\":\"1\"}"));
        wait_for(world_in_place(t));
        before = t->seen;
        world_edit(url, "[{\"op\":\"add\",\"path\":\"/data/z\",\"value\":\"2\"}]");
        wait_for(t->seen > before);
        assert_true(world_in_place(t));
}

void a_deleted_object_is_absent_and_comes_back(void **state) {
        cleanup_(freep) char *path = world_path("deleted");
        cleanup_(freep) char *url = world_url("/api/v1", "configmaps/deleted");
        struct thing *t = world_thing("ConfigMap", path);
        struct drift_list list;

        world_apply_ok(CONFIG_MAP("deleted", "{\"a\":\"1\"}"));
        assert_int_equal(world_send("DELETE", "application/json", NULL, url), 200);
        wait_for(t->last.presence == PRESENCE_ABSENT);
        list = world_drift("ConfigMap", path);
        assert_int_equal(list.count, 1);
        drift_list_free(&list);
        world_heal(CONFIG_MAP("deleted", "{\"a\":\"1\"}"), 0, "ConfigMap", path);
}

void a_removed_label_of_ours_is_drift_and_not_a_deletion(void **state) {
        cleanup_(freep) char *path = world_path("unlabelled");
        cleanup_(freep) char *url = world_url("/api/v1", "configmaps/unlabelled");
        struct thing *t = world_thing("ConfigMap", path);
        struct drift_list list;

        world_apply_ok(CONFIG_MAP("unlabelled", "{\"a\":\"1\"}"));
        wait_for(world_in_place(t));
        world_edit(url, "[{\"op\":\"remove\",\"path\":\"/metadata/labels/"
                        "app.kubernetes.io~1managed-by\"}]");
        wait_for(world_drifted(t));
        assert_false(t->last.ours);
        list = world_drift("ConfigMap", path);
        assert_int_equal(list.count, 1);
        world_assert_drift(&list.items[0], "metadata.labels[\"app.kubernetes.io/managed-by\"]",
                           "\"mooring\"", NULL, NULL);
        drift_list_free(&list);
        world_heal(CONFIG_MAP("unlabelled", "{\"a\":\"1\"}"), 0, "ConfigMap", path);
}

#define SERVICE(ports)                                                                             \
        "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"},\"spec\":"    \
        "{\"selector\":{\"app\":\"web\"},\"ports\":" ports "}}"

void a_port_edited_by_hand_is_healed_by_taking_it_over(void **state) {
        static const char wanted[] =
                SERVICE("[{\"name\":\"http\",\"port\":80,\"targetPort\":8080}]");
        cleanup_(freep) char *path = world_path("web");
        cleanup_(freep) char *url = world_url("/api/v1", "services/web");
        cleanup_(json_freep) json_t *after = NULL;
        struct thing *t = world_thing("Service", path);
        struct drift_list list;
        struct op op;

        world_apply_ok(wanted);
        world_edit(url, "[{\"op\":\"replace\",\"path\":\"/spec/ports/0/port\",\"value\":81}]");
        wait_for(world_drifted(t));
        list = world_drift("Service", path);
        assert_int_equal(list.count, 2);
        assert_string_equal(list.items[0].field, "spec.ports[port=80,protocol=TCP]");
        assert_null(list.items[0].found);
        assert_string_equal(list.items[1].field, "spec.ports[port=81,protocol=TCP]");
        assert_null(list.items[1].wanted);
        assert_string_equal(list.items[1].who, OTHER);
        drift_list_free(&list);
        assert_int_equal(world_apply(wanted, (struct asked){ 0 }, &op), OUTCOME_DONE);
        assert_string_equal(op.took_over, OTHER);
        op_clear(&op);
        wait_for(world_in_place(t));
        after = world_fetch(url);
        assert_int_equal(json_array_size(json_dig(after, "spec", "ports", NULL)), 1);
        assert_int_equal(
                json_get_int(json_array_get(json_dig(after, "spec", "ports", NULL), 0), "port", 0),
                80);
}

void a_renamed_container_is_told_and_goes_when_taken_over(void **state) {
        static const char wanted[] = DEPLOYMENT("renamed", "0");
        cleanup_(freep) char *path = world_path("renamed");
        cleanup_(freep) char *url = world_url("/apis/apps/v1", "deployments/renamed");
        cleanup_(json_freep) json_t *after = NULL;
        struct thing *t = world_thing("Deployment.apps", path);
        struct drift_list list;

        world_apply_ok(wanted);
        world_edit(url, "[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/"
                        "name\",\"value\":\"evil\"}]");
        wait_for(world_drifted(t));
        list = world_drift("Deployment.apps", path);
        assert_int_equal(list.count, 2);
        assert_string_equal(list.items[0].field, "spec.template.spec.containers[name=main]");
        assert_string_equal(list.items[1].field, "spec.template.spec.containers[name=evil]");
        assert_null(list.items[1].wanted);
        drift_list_free(&list);
        world_heal(wanted, APPLY_TAKE_OVER, "Deployment.apps", path);
        after = world_fetch(url);
        assert_int_equal(
                json_array_size(json_dig(after, "spec", "template", "spec", "containers", NULL)),
                1);
}

#define TWO_CONTAINERS                                                                             \
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"two\"},"     \
        "\"spec\":{\"replicas\":0,\"selector\":{\"matchLabels\":{\"app\":\"two\"}},"               \
        "\"template\":{\"metadata\":{\"labels\":{\"app\":\"two\"}},\"spec\":{\"containers\":["     \
        "{\"name\":\"main\",\"image\":\"registry.example/pause:1\"},"                              \
        "{\"name\":\"aux\",\"image\":\"registry.example/pause:1\","                                \
        "\"env\":[{\"name\":\"A\",\"value\":\"1\"}]}]}}}}"

/* What stands beside ours where nothing of ours was lost is nobody's mistake. */
void taking_over_leaves_what_others_added_elsewhere(void **state) {
        cleanup_(freep) char *path = world_path("two");
        cleanup_(freep) char *url = world_url("/apis/apps/v1", "deployments/two");
        cleanup_(json_freep) json_t *after = NULL;
        struct thing *t = world_thing("Deployment.apps", path);
        const json_t *containers;
        struct op op;

        world_apply_ok(TWO_CONTAINERS);
        world_edit(url, "[{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/1/env/-\","
                        "\"value\":{\"name\":\"B\",\"value\":\"2\"}},"
                        "{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/name\","
                        "\"value\":\"evil\"}]");
        wait_for(world_drifted(t));
        assert_int_equal(
                world_apply(TWO_CONTAINERS, (struct asked){ .flags = APPLY_TAKE_OVER }, &op),
                OUTCOME_DONE);
        assert_string_equal(op.took_over, OTHER);
        op_clear(&op);
        wait_for(world_in_place(t));
        after = world_fetch(url);
        containers = json_dig(after, "spec", "template", "spec", "containers", NULL);
        assert_int_equal(json_array_size(containers), 2);
        for (size_t i = 0; i < 2; i++) {
                const json_t *c = json_array_get(containers, i);

                if (str_eq(json_get_str(c, "name", ""), "aux"))
                        assert_int_equal(json_array_size(json_get(c, "env")), 2);
                else
                        assert_string_equal(json_get_str(c, "name", ""), "main");
        }
}

void a_field_of_a_pod_template_has_a_readable_path(void **state) {
        static const char wanted[] = DEPLOYMENT("image", "0");
        cleanup_(freep) char *path = world_path("image");
        cleanup_(freep) char *url = world_url("/apis/apps/v1", "deployments/image");
        struct thing *t = world_thing("Deployment.apps", path);
        struct drift_list list;

        world_apply_ok(wanted);
        world_edit(url, "[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/"
                        "image\",\"value\":\"other\"}]");
        wait_for(world_drifted(t));
        list = world_drift("Deployment.apps", path);
        assert_int_equal(list.count, 1);
        world_assert_drift(&list.items[0], "spec.template.spec.containers[name=main].image",
                           "\"registry.example/pause:1\"", "\"other\"", OTHER);
        drift_list_free(&list);
        world_heal(wanted, 0, "Deployment.apps", path);
}

void a_deployment_becomes_ready_and_its_pods_are_units(void **state) {
        cleanup_(freep) char *path = world_path("runs");
        struct thing *t = world_thing("Deployment.apps", path);

        world_apply_ok(DEPLOYMENT("runs", "2"));
        wait_for(t->last.ready == READY_YES);
        wait_for(world_unit_is("runs-", "active|peer-app|"));
        world_apply(DEPLOYMENT("runs", "0"), (struct asked){ 0 }, NULL);
        wait_for(world_unit_is("runs-", "gone"));
}
