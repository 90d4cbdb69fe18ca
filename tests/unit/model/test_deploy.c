/* SPDX-License-Identifier: Apache-2.0 */
/* test_deploy.c - bundles into rows and out again */
#include "desk.h"
#include "files.h"

#include "yaml.h"

#define HEAD "bundle: kubernetes\napplications:\n"

static size_t count(struct desk *d, const char *what) {
        const json_t *j = json_get(desk_status(d), what);

        return json_is_array(j) ? json_array_size(j) : json_object_size(j);
}

static int read_diff(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        return view_model_diff(tx, "lab", arg, ret, err);
}

/* diff-bundle of TEXT against the model, as text. */
static char *diff(struct desk *d, const char *text) {
        struct bundle_source source = { "b.yaml", text, strlen(text) };
        cleanup_(bundle_freep) struct bundle *b = bundle_parse(&source, 1, NULL);

        assert_int_equal(desk_read(d, read_diff, b), 0);
        return json_text(d->reply);
}

static void fails_with(struct desk *d, const char *text, const char *wanted) {
        int r = desk_deploy(d, text, false);

        if (r != -EINVAL || !desk_has_error(d, wanted))
                fail_msg("%d %s: wanted %s", r, err_text(&d->err), wanted);
}

static void the_mlflow_bundle_becomes_rows(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = files_read(EXAMPLES "/bundle-mlflow.yaml");
        const json_t *server, *relations;

        desk_mlflow_charms(d);
        assert_int_equal(desk_deploy(d, text, false), 0);
        assert_int_equal(desk_changes(d), 5);
        assert_string_equal(desk_change(d, 0),
                            "deploy application mlflow-minio with 1 unit of charm minio from "
                            "channel ckf-1.10/stable, revision 0");
        assert_string_equal(desk_change(d, 4),
                            "relate mlflow-server:relational-db and mlflow-mysql:database");
        assert_int_equal(count(d, "applications"), 3);
        assert_int_equal(count(d, "relations"), 3); /* and mysql's peers */
        server = json_dig(d->reply, "applications", "mlflow-server", NULL);
        assert_string_equal(json_get_str(server, "charm-channel", ""), "2.22/stable");
        relations = json_dig(server, "relations", "relational-db", NULL);
        assert_string_equal(json_get_str(json_array_get(relations, 0), "related-application", ""),
                            "mlflow-mysql");
        assert_true(fixture_event(d->fixture, "mark 1 1") >= 0);
}

static void a_dry_run_tells_the_same_and_writes_nothing(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = files_read(EXAMPLES "/bundle-mlflow.yaml");
        cleanup_(json_freep) json_t *dry = NULL;

        desk_mlflow_charms(d);
        assert_int_equal(desk_deploy(d, text, true), -ECANCELED);
        dry = json_incref(json_get(d->reply, "changes"));
        assert_true(json_is_true(json_get(d->reply, "dry-run")));
        assert_int_equal(count(d, "applications"), 0);
        assert_int_equal(desk_deploy(d, text, false), 0);
        assert_true(json_equal(dry, json_get(d->reply, "changes")));
}

static void the_same_bundle_again_changes_nothing(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = files_read(EXAMPLES "/bundle-mlflow.yaml");

        desk_mlflow_charms(d);
        assert_int_equal(desk_deploy(d, text, false), 0);
        fixture_clear_events(d->fixture);
        assert_int_equal(desk_deploy(d, text, false), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_int_equal(d->fixture->n_events, 1); /* done, and no mark */
}

static void a_changed_bundle_changes_what_it_says_and_removes_nothing(void **state) {
        struct desk *d = *state;

        desk_mlflow_charms(d);
        assert_int_equal(
                desk_deploy(
                        d,
                        HEAD
                        "  a: {charm: minio, options: {port: 9001}}\n  b: {charm: mlflow-server}\n",
                        false),
                0);
        assert_int_equal(
                desk_deploy(d,
                            HEAD "  a: {charm: minio, scale: 0, trust: true, constraints: mem=1G, "
                                 "options: {mode: gateway}, storage: {minio-data: 20G}, "
                                 "annotations: {x: z}}\n",
                            false),
                0);
        assert_int_equal(desk_changes(d), 6);
        assert_int_equal(count(d, "applications"), 2);
        assert_string_equal(
                json_get_str(json_dig(d->reply, "applications", "a", NULL), "charm-channel", "x"),
                "");
        assert_int_equal(
                json_get_int(json_dig(d->reply, "storage", "a/minio-data", NULL), "size", 0),
                20ll << 30);
}

static void an_exported_bundle_deploys_to_the_same(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = files_read(EXAMPLES "/bundle-mlflow.yaml");
        cleanup_(freep) char *out = NULL;
        cleanup_(freep) char *difference = NULL;

        desk_mlflow_charms(d);
        assert_int_equal(desk_deploy(d, text, false), 0);
        difference = diff(d, text);
        assert_string_equal(difference, "{}");
        out = desk_export(d, NULL);
        assert_non_null(strstr(out, "_github_repo_name"));
        assert_int_equal(desk_deploy(d, out, false), 0);
        assert_int_equal(desk_changes(d), 0);
}

static void a_diff_names_what_differs(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = NULL;

        desk_mlflow_charms(d);
        assert_int_equal(
                desk_deploy(
                        d,
                        HEAD
                        "  a: {charm: minio, options: {port: 9001}}\n  c: {charm: mlflow-server}\n"
                        "relations:\n- [a, c]\n",
                        false),
                0);
        text = diff(
                d, HEAD
                "  a: {charm: minio, scale: 0, options: {mode: gateway}}\n  b: {charm: mysql-k8s}\n"
                "relations:\n- [a, b]\n");
        assert_string_equal(
                text,
                "{\"applications\":{\"a\":{\"options\":{\"mode\":{\"bundle\":\"gateway\",\"model\":"
                "\"server\"},\"port\":{\"bundle\":null,\"model\":9001}},\"scale\":{\"bundle\":0,"
                "\"model\":1}},\"b\":{\"missing\":\"model\"},\"c\":{\"missing\":\"bundle\"}},"
                "\"relations\":{\"bundle-additions\":[[\"a\",\"b\"]],\"model-additions\":[[\"a:"
                "object-"
                "storage\",\"c:object-storage\"]]}}");
}

static void all_that_is_wrong_is_told_and_nothing_is_written(void **state) {
        struct desk *d = *state;

        desk_mlflow_charms(d);
        assert_int_equal(desk_deploy(d,
                                     HEAD "  good: {charm: mlflow-server}\n"
                                          "  a:\n"
                                          "    charm: minio\n"
                                          "    scale: 2\n"
                                          "    scael: 1\n"
                                          "    options:\n"
                                          "      port: many\n"
                                          "      prot: 1\n"
                                          "    storage: {minio-data: 1G, more: 1G}\n"
                                          "    resources: {image: x}\n"
                                          "  b: {charm: mysql-k8s}\n"
                                          "relations:\n"
                                          "- [a, b]\n"
                                          "- [good, nobody]\n",
                                     false),
                         -EINVAL);
        assert_true(desk_has_error(d, "b.yaml:7: application a: key \"scael\""));
        assert_true(desk_has_error(
                d, "b.yaml:6: application a: scale 2 is more than charm minio can run: 1"));
        assert_true(desk_has_error(
                d, "b.yaml:9: application a: option port: wants a whole number between 1 and "
                   "65535, is the text \"many\""));
        assert_true(desk_has_error(
                d, "b.yaml:10: application a: charm minio has no option \"prot\", did you mean "
                   "\"port\"?"));
        assert_true(desk_has_error(
                d, "b.yaml:11: application a: storage minio-data: is 1G, the charm needs at "
                   "least 10G"));
        assert_true(
                desk_has_error(d, "b.yaml:11: application a: charm minio has no storage \"more\""));
        assert_true(desk_has_error(
                d, "b.yaml:12: application a: resource image: the charm has no such"));
        assert_true(desk_has_error(d, "b.yaml:15: relation: a and b have no interface in common"));
        assert_true(
                desk_has_error(d, "b.yaml:16: relation [good, nobody]: there is no application"));
        assert_int_equal(json_array_size(json_get(d->reply, "errors")), 9);
        assert_int_equal(count(d, "applications"), 0);
}

static void relations_that_cannot_be_are_refused(void **state) {
        struct desk *d = *state;

        desk_mlflow_charms(d);
        desk_charm(d, "name: twice\nprovides: {one: {interface: mysql_client}, two: {interface: "
                      "mysql_client}}\n");
        fails_with(d,
                   HEAD "  s: {charm: mlflow-server}\n  t: {charm: twice}\nrelations:\n- [s, t]\n",
                   "b.yaml:6: relation: s and t can be related in 2 ways, say which: "
                   "\"s:relational-db t:one\"");
        fails_with(d,
                   HEAD "  s: {charm: mlflow-server}\n  t: {charm: twice}\nrelations:\n- [s, "
                        "\"t:one\"]\n- [s, \"t:two\"]\n",
                   "b.yaml:7: relation: s:relational-db takes 1 relation and has one with t");
        fails_with(
                d,
                HEAD
                "  s: {charm: mlflow-server}\n  t: {charm: twice}\nrelations:\n- [\"s:db\", t]\n",
                "charm mlflow-server has no endpoint \"db\"");
}

static void another_charm_of_that_name_is_refused(void **state) {
        struct desk *d = *state;

        desk_mlflow_charms(d);
        assert_int_equal(desk_deploy(d, HEAD "  a: {charm: minio}\n", false), 0);
        fails_with(d, HEAD "  a: {charm: mysql-k8s}\n", "application a is there with charm minio");
        fails_with(d, HEAD "  a: {charm: minio, storage: {minio-data: 5G}}\n",
                   "cannot become smaller (5G)");
}

static void a_charm_that_is_missing_blocks_only_its_application(void **state) {
        struct desk *d = *state;
        struct charm_choice choice = {};
        struct command_pin pin = { .head.run = command_deploy_pin, .choice = &choice };

        desk_mlflow_charms(d);
        desk_charm(d, "name: spare\n");
        charm_meta_free(d->charms[3]);
        d->charms[3] = NULL;
        assert_int_equal(
                desk_deploy(d,
                            HEAD
                            "  s: {charm: mlflow-server}\n"
                            "  u: {charm: unknown, options: {size: 3, admin-password: hush-hush}}\n"
                            "relations:\n"
                            "- [s, u]\n",
                            false),
                0);
        assert_true(desk_has_note(d, "application u: no charm module \"unknown\"; it is blocked"));
        desk_charm(d, "name: unknown\nprovides: {db: {interface: mysql_client}}\npeers: {p: "
                      "{interface: q}}\n"
                      "config: {options: {size: {type: int}, admin-password: {type: string, "
                      "secret: true}}}\n");
        pin.application = desk_application_id(d, "u");
        desk_choose(d, "unknown", &choice);
        assert_int_equal(desk_run(d, &pin.head), 0);
        command_deinit(&pin.head);
        charm_choice_deinit(&choice);
        assert_int_equal(count(d, "relations"), 2);
        assert_non_null(json_dig(d->reply, "applications", "u", "relations", "db", NULL));
        assert_non_null(
                json_dig(d->reply, "applications", "s", "relations", "relational-db", NULL));
}

static void a_charm_without_the_asked_channel_is_an_error(void **state) {
        struct desk *d = *state;
        struct charm_choice choice = {};
        struct command_charm c = { .head.run = command_deploy_charm,
                                   .model = "lab",
                                   .charm = "minio",
                                   .channel = "9/edge",
                                   .revision = -1,
                                   .scale = -1,
                                   .trust = -1,
                                   .choice = &choice };

        charm_choice_missing(&choice, true, "minio has channels 1.10/stable, not 9/edge");
        assert_int_equal(desk_run(d, &c.head), -EINVAL);
        assert_string_equal(desk_error(d, 0),
                            "application minio: minio has channels 1.10/stable, not 9/edge");
        command_deinit(&c.head);
        charm_choice_deinit(&choice);
}

static void a_charm_that_is_not_there_is_taken_only_with_force(void **state) {
        struct desk *d = *state;
        struct charm_choice choice = {};
        struct command_charm c = { .head.run = command_deploy_charm,
                                   .model = "lab",
                                   .charm = "mini",
                                   .revision = -1,
                                   .scale = -1,
                                   .trust = -1,
                                   .choice = &choice };

        charm_choice_missing(&choice, false, "no charm module \"mini\"");
        assert_int_equal(desk_run(d, &c.head), -EINVAL);
        assert_string_equal(desk_error(d, 0),
                            "application mini: no charm module \"mini\"; --force takes it all the "
                            "same, blocked until there is one");
        command_deinit(&c.head);
        c.head = (struct command){ .run = command_deploy_charm };
        c.force = true;
        assert_int_equal(desk_run(d, &c.head), 0);
        command_deinit(&c.head);
        charm_choice_deinit(&choice);
}

static void one_charm_is_deployed_with_all_its_flags(void **state) {
        struct desk *d = *state;
        cleanup_(json_freep) json_t *options = json_pack("{s:s}", "port", "9001");
        cleanup_(json_freep) json_t *storage = json_pack("{s:s}", "minio-data", "fast,20G");
        cleanup_(json_freep) json_t *resources =
                json_pack("{s:s}", "oci-image", "r.example/minio:2");
        cleanup_(freep) char *out = NULL;
        struct charm_choice choice = {};
        struct command_charm c = { .head.run = command_deploy_charm,
                                   .model = "lab",
                                   .application = "store",
                                   .charm = "minio",
                                   .channel = "stable",
                                   .revision = -1,
                                   .scale = -1,
                                   .trust = 1,
                                   .options = options,
                                   .constraints = "mem=1G",
                                   .storage = storage,
                                   .resources = resources,
                                   .choice = &choice };

        desk_mlflow_charms(d);
        desk_choose(d, "minio", &choice);
        assert_int_equal(desk_run(d, &c.head), 0);
        assert_int_equal(desk_run(d, &c.head), -EINVAL);
        assert_true(desk_has_error(d, "application store is already there"));
        command_deinit(&c.head);
        charm_choice_deinit(&choice);
        out = desk_export(d, NULL);
        assert_non_null(strstr(out, "channel: latest/stable"));
        assert_non_null(strstr(out, "port: 9001"));
        assert_non_null(strstr(out, "minio-data: fast,20G"));
        assert_non_null(strstr(out, "constraints: mem=1G"));
}

/* ---- the real Kubeflow */

static char *kubeflow(void) {
        cleanup_(freep) char *path = files_shared("upstream/bundle-kubeflow-1.11.yaml");
        char *text = path ? files_read(path) : NULL;

        if (!text)
                print_message("skipped: no shared folder with upstream/ (MOORING_SHARED)\n");
        return text;
}

static void kubeflow_is_taken_whole_without_any_charm(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = kubeflow();
        cleanup_(freep) char *out = NULL;
        cleanup_(freep) char *difference = NULL;

        if (!text)
                skip();
        assert_int_equal(desk_deploy(d, text, false), 0);
        assert_int_equal(desk_changes(d), 37 + 35 + 5); /* and five options */
        assert_true(desk_has_note(d, "application dex-auth: no charm module \"dex-auth\""));
        assert_int_equal(count(d, "applications"), 37);
        assert_int_equal(count(d, "relations"), 35);
        difference = diff(d, text);
        assert_string_equal(difference, "{}");
        out = desk_export(d, d->sealer);
        assert_int_equal(desk_deploy(d, out, false), 0);
        assert_int_equal(desk_changes(d), 0);
}

/* The endpoints and options of a charm from its fact file, as charm.yaml would say them. */
static struct charm_meta *from_facts(const char *name) {
        cleanup_(freep) char *file = str_format("reference/charms/%s.json", name);
        cleanup_(freep) char *path = files_shared(file);
        cleanup_(freep) char *text = path ? files_read(path) : NULL;
        cleanup_(json_freep) json_t *facts = text ? files_json(text) : NULL;
        cleanup_(json_freep) json_t *j =
                json_pack("{s:s, s:{}, s:{}, s:{}, s:{s:{}}}", "name", name, "provides", "requires",
                          "peers", "config", "options");
        struct charm_meta *m = NULL;
        struct err err = {};
        size_t i;
        json_t *item;

        json_array_foreach(json_get(facts, "endpoints"), i, item) {
                const char *role = json_get_str(item, "role", "");
                json_t *e = json_pack("{s:s}", "interface", json_get_str(item, "interface", ""));

                if (json_get_int(item, "limit", 0) > 0)
                        json_object_set(e, "limit", json_get(item, "limit"));
                json_object_set_new(json_get(j, str_eq(role, "peer") ? "peers" : role),
                                    json_get_str(item, "name", ""), e);
        }
        json_array_foreach(json_get(facts, "config"), i, item)
                json_object_set_new(
                        json_dig(j, "config", "options", NULL), json_get_str(item, "name", ""),
                        json_pack("{s:s}", "type", json_get_str(item, "type", "string")));
        if (facts && charm_meta_from_json(j, &m, &err) < 0)
                fail_msg("%s: %s", name, err_text(&err));
        return m;
}

static void kubeflow_is_wired_when_its_charms_are_there(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *text = kubeflow();
        struct bundle_source source = { "b.yaml", text, text ? strlen(text) : 0 };
        cleanup_(bundle_freep) struct bundle *b = text ? bundle_parse(&source, 1, NULL) : NULL;
        size_t i;
        json_t *relation;

        if (!text)
                skip();
        for (size_t k = 0; k < b->application_count; k++) {
                struct charm_meta *m = desk_find_charm(d, b->applications[k].charm)
                                               ? NULL
                                               : from_facts(b->applications[k].charm);

                if (m)
                        desk_charm_take(d, m);
        }
        if (desk_deploy(d, text, false) < 0)
                fail_msg("%s", err_text(&d->err));
        assert_false(desk_has_note(d, "no charm module"));
        desk_status(d);
        json_array_foreach(json_get(d->reply, "relations"), i, relation) {
                assert_non_null(strchr(json_get_str(relation, "provider", ""), ':'));
                assert_non_null(strchr(json_get_str(relation, "requirer", ""), ':'));
        }
        assert_int_equal(desk_deploy(d, text, false), 0);
        assert_int_equal(desk_changes(d), 0);
}

#define WITH_DESK(fn) cmocka_unit_test_setup_teardown(fn, desk_set_up, desk_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_DESK(the_mlflow_bundle_becomes_rows),
                WITH_DESK(a_dry_run_tells_the_same_and_writes_nothing),
                WITH_DESK(the_same_bundle_again_changes_nothing),
                WITH_DESK(a_changed_bundle_changes_what_it_says_and_removes_nothing),
                WITH_DESK(an_exported_bundle_deploys_to_the_same),
                WITH_DESK(a_diff_names_what_differs),
                WITH_DESK(all_that_is_wrong_is_told_and_nothing_is_written),
                WITH_DESK(relations_that_cannot_be_are_refused),
                WITH_DESK(another_charm_of_that_name_is_refused),
                WITH_DESK(a_charm_that_is_missing_blocks_only_its_application),
                WITH_DESK(a_charm_without_the_asked_channel_is_an_error),
                WITH_DESK(a_charm_that_is_not_there_is_taken_only_with_force),
                WITH_DESK(one_charm_is_deployed_with_all_its_flags),
                WITH_DESK(kubeflow_is_taken_whole_without_any_charm),
                WITH_DESK(kubeflow_is_wired_when_its_charms_are_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
