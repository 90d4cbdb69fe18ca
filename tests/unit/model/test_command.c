/* SPDX-License-Identifier: Apache-2.0 */
/* test_command.c - each command, and the views, on a small model in a real store */
#include "queries.gen.h"
#include "command-internal.h"
#include "desk.h"

#include "files.h"

#include "secret-token.h"

#define HEAD "bundle: kubernetes\napplications:\n"
#define SECRET "correct-horse-battery"

static int config(struct desk *d, const char *application, const char *set, const char *reset,
                  const char *text) {
        cleanup_(json_freep) json_t *values = set ? files_json(set) : NULL;
        cleanup_(json_freep) json_t *names = reset ? files_json(reset) : NULL;
        struct command_config c = { .head.run = command_config_set,
                                    .model = "lab",
                                    .application = application,
                                    .set = values,
                                    .reset = names,
                                    .file = "o.yaml",
                                    .text = text };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

static int relation(struct desk *d, bool add, const char *a, const char *b) {
        struct command_relation c = { .head.run =
                                              add ? command_relation_add : command_relation_remove,
                                      .model = "lab",
                                      .a = a,
                                      .b = b };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

static int read_options(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        return view_model_options(tx, "lab", arg, ret, err);
}

static const json_t *setting(struct desk *d, const char *app, const char *option) {
        assert_int_equal(desk_read(d, read_options, app), 0);
        return json_dig(d->reply, "settings", option, NULL);
}

/* ---- options */

static void options_are_converted_set_and_reset(void **state) {
        struct desk *d = *state;

        assert_int_equal(
                config(d, "store", "{\"port\": \"9001\", \"mode\": \"gateway\"}", NULL, NULL), 0);
        assert_int_equal(desk_changes(d), 2);
        assert_int_equal(json_get_int(setting(d, "store", "port"), "value", 0), 9001);
        assert_string_equal(json_get_str(setting(d, "store", "port"), "source", ""), "user");
        assert_int_equal(config(d, "store", "{\"port\": 9001}", NULL, NULL), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_int_equal(config(d, "store", NULL, "[\"port\", \"mode\"]", NULL), 0);
        assert_int_equal(desk_changes(d), 2);
        assert_int_equal(json_get_int(setting(d, "store", "port"), "value", 0), 9000);
        assert_string_equal(json_get_str(setting(d, "store", "port"), "source", ""), "default");
}

static void a_file_of_options_may_be_plain_or_by_application(void **state) {
        struct desk *d = *state;

        assert_int_equal(config(d, "store", "{\"port\": 7}", NULL, "port: 5\nmode: gateway\n"), 0);
        assert_int_equal(json_get_int(setting(d, "store", "port"), "value", 0), 7);
        assert_int_equal(
                config(d, "store", NULL, NULL, "store:\n  port: 6\n  mode: null\nother: {x: 1}\n"),
                0);
        assert_int_equal(json_get_int(setting(d, "store", "port"), "value", 0), 6);
        assert_string_equal(json_get_str(setting(d, "store", "mode"), "source", ""), "default");
        assert_int_equal(config(d, "store", NULL, NULL, "port: 5\nmode: sever\nprot: 1\n"),
                         -EINVAL);
        assert_true(desk_has_error(
                d, "o.yaml:2: application store: option mode: wants one of server, gateway"));
        assert_true(desk_has_error(
                d, "o.yaml:3: application store: charm minio has no option \"prot\", did you "
                   "mean \"port\"?"));
        assert_int_equal(json_get_int(setting(d, "store", "port"), "value", 0), 6);
}

static void wrong_options_are_told_with_the_nearest_name(void **state) {
        struct desk *d = *state;

        assert_int_equal(config(d, "store", "{\"port\": \"many\"}", NULL, NULL), -EINVAL);
        assert_string_equal(desk_error(d, 0),
                            "application store: option port: wants a whole number between 1 and "
                            "65535, is the text \"many\"");
        assert_int_equal(config(d, "store", NULL, "[\"prot\"]", NULL), -EINVAL);
        assert_true(desk_has_error(d, "did you mean \"port\"?"));
        assert_int_equal(config(d, "stroe", "{}", NULL, NULL), -ENOENT);
        assert_string_equal(desk_error(d, 0),
                            "model lab: no application \"stroe\", did you mean \"store\"?");
        assert_int_equal(config(d, "store", NULL, NULL, "- a\n"), -EINVAL);
        assert_int_equal(config(d, "store", NULL, NULL, "a: [\n"), -EINVAL);
}

/* Asked twice, the second time must not lead to the next one. */
static void what_destroys_is_told_no_other_name(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_application(d, command_application_remove,
                                          (struct command_application){ .application = "stroe" }),
                         -ENOENT);
        assert_string_equal(desk_error(d, 0), "model lab: no application \"stroe\"");
}

static bool folder_has(struct desk *d, const char *text) {
        cleanup_(freep) char *command =
                str_format("grep -rqaF -- '%s' '%s'", text, d->fixture->dir);

        return system(command) == 0;
}

static void a_secret_option_is_sealed_and_shown_to_nobody(void **state) {
        struct desk *d = *state;
        cleanup_(freep) char *plain = NULL;
        cleanup_(freep) char *opened = NULL;
        cleanup_(freep) char *reply = NULL;

        assert_int_equal(config(d, "store", "{\"secret-key\": \"" SECRET "\"}", NULL, NULL), 0);
        assert_int_equal(desk_changes(d), 1);
        reply = json_text(d->reply);
        assert_null(strstr(reply, SECRET));
        assert_int_equal(config(d, "store", "{\"secret-key\": \"" SECRET "\"}", NULL, NULL), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_string_equal(json_get_str(setting(d, "store", "secret-key"), "value", ""),
                            "(secret)");
        assert_false(folder_has(d, SECRET));
        plain = desk_export(d, NULL);
        assert_null(strstr(plain, "secret-key"));
        opened = desk_export(d, d->sealer);
        assert_non_null(strstr(opened, SECRET));
        assert_int_equal(desk_deploy(d, opened, false), 0);
        assert_int_equal(desk_changes(d), 0);
}

static int read_token(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        struct q_application_option_get_row *row;
        size_t n;
        int r = q_application_option_get(
                tx,
                &(struct q_application_option_get_in){ .application_id = *(const int64_t *)arg,
                                                       .name = "secret-key" },
                &row, &n, err);

        if (r >= 0)
                *ret = n ? json_string(row->value) : json_null();
        return r < 0 ? r : 0;
}

static void a_new_secret_value_is_a_new_revision(void **state) {
        struct desk *d = *state;
        int64_t id = desk_application_id(d, "store");
        struct secret_ref ref;

        config(d, "store", "{\"secret-key\": \"" SECRET "\"}", NULL, NULL);
        assert_int_equal(config(d, "store", "{\"secret-key\": \"another-value\"}", NULL, NULL), 0);
        assert_int_equal(desk_read(d, read_token, &id), 0);
        assert_true(secret_token_next(json_string_value(d->reply), 0, &ref));
        assert_int_equal(ref.revision, 2);
        assert_int_equal(config(d, "store", "{\"secret-key\": \"\"}", NULL, NULL), 0);
        assert_int_equal(desk_read(d, read_token, &id), 0);
        assert_true(json_is_null(d->reply));
}

static void a_token_cannot_be_given_as_a_value(void **state) {
        struct desk *d = *state;

        assert_int_equal(config(d, "store",
                                "{\"mode\": \"{{secret:abcdefghijklmnopqrstuvwxyz:1:plain}}\"}",
                                NULL, NULL),
                         -EINVAL);
        assert_true(desk_has_error(d, "may not name a secret by its token"));
}

static void an_option_that_sounds_secret_is_sealed_before_its_charm_comes(void **state) {
        struct desk *d = *state;
        struct charm_choice choice = {};
        struct command_pin pin = { .head.run = command_deploy_pin, .choice = &choice };

        assert_int_equal(desk_deploy(d,
                                     HEAD "  u: {charm: later, options: {api-token: " SECRET
                                          ", keyboard: us}}\n",
                                     false),
                         0);
        assert_false(folder_has(d, SECRET));
        desk_charm(d, "name: later\nconfig: {options: {api-token: {type: string, secret: true}, "
                      "keyboard: {type: string}}}\n");
        pin.application = desk_application_id(d, "u");
        desk_choose(d, "later", &choice);
        assert_int_equal(desk_run(d, &pin.head), 0);
        command_deinit(&pin.head);
        charm_choice_deinit(&choice);
        assert_false(folder_has(d, SECRET));
        assert_string_equal(json_get_str(setting(d, "u", "keyboard"), "value", ""), "us");
        assert_string_equal(json_get_str(setting(d, "u", "api-token"), "value", ""), "(secret)");
}

/* ---- scale, trust, resources, pause */

static void scale_keeps_to_what_the_charm_can_run(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_application(d, command_application_scale,
                                          (struct command_application){ .application = "store",
                                                                        .scale = 2 }),
                         -EINVAL);
        assert_string_equal(desk_error(d, 0),
                            "application store: scale 2: charm minio can run 0 to 1");
        assert_int_equal(desk_application(d, command_application_scale,
                                          (struct command_application){ .application = "store",
                                                                        .scale = 0 }),
                         0);
        assert_true(desk_has_note(d, "application store: its pods go, its data is kept"));
        assert_int_equal(desk_application(d, command_application_scale,
                                          (struct command_application){ .application = "server",
                                                                        .scale = 3 }),
                         0);
        assert_int_equal(
                json_get_int(json_dig(desk_status(d), "applications", "server", NULL), "scale", 0),
                3);
}

static void trust_and_constraints_are_kept(void **state) {
        struct desk *d = *state;
        const json_t *server;

        assert_int_equal(desk_application(d, command_application_trust,
                                          (struct command_application){ .application = "server",
                                                                        .trust = true }),
                         0);
        assert_int_equal(desk_application(d, command_application_constraints,
                                          (struct command_application){ .application = "server",
                                                                        .constraints = "cores=2" }),
                         0);
        assert_int_equal(
                desk_application(d, command_application_constraints,
                                 (struct command_application){ .application = "server",
                                                               .constraints = "cores=two" }),
                -EINVAL);
        server = json_dig(desk_status(d), "applications", "server", NULL);
        assert_true(json_get_bool(server, "trust", false));
}

static int set_storage(struct desk *d, const char *name, const char *size, bool force) {
        return desk_application(
                d, command_application_storage,
                (struct command_application){
                        .application = "store", .storage = name, .size = size, .force = force });
}

static void a_storage_grows_and_shrinks_by_force_only(void **state) {
        struct desk *d = *state;

        assert_int_equal(set_storage(d, "minio-data", "50G", false), 0);
        assert_int_equal(desk_changes(d), 1);
        assert_int_equal(set_storage(d, "minio-data", "50G", false), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_int_equal(set_storage(d, "minio-data", "40G", false), -EINVAL);
        assert_non_null(strstr(desk_error(d, 0), "is 50G now and cannot become smaller (40G)"));
        assert_int_equal(set_storage(d, "minio-data", "40G", true), 0);
        assert_int_equal(desk_changes(d), 1);
        assert_int_equal(set_storage(d, "minio-data", "1M", true), -EINVAL);
        assert_non_null(strstr(desk_error(d, 0), "the charm needs at least"));
        assert_int_equal(set_storage(d, "minio-date", "50G", false), -EINVAL);
        assert_non_null(strstr(desk_error(d, 0), "has no storage \"minio-date\""));
        assert_int_equal(set_storage(d, "minio-data", "fast,60G", true), -EINVAL);
        assert_int_equal(set_storage(d, "minio-data", "much", false), -EINVAL);
}

static void an_image_can_be_replaced_and_given_back(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "store",
                                         .resource = "oci-image",
                                         .value = "r.example/m:2" };

        assert_int_equal(desk_application(d, command_application_attach_resource, c), 0);
        assert_int_equal(desk_changes(d), 1);
        assert_int_equal(desk_application(d, command_application_attach_resource, c), 0);
        assert_int_equal(desk_changes(d), 0);
        c.value = "no image";
        assert_int_equal(desk_application(d, command_application_attach_resource, c), -EINVAL);
        c.value = NULL;
        assert_int_equal(desk_application(d, command_application_attach_resource, c), 0);
        c.resource = "image";
        assert_int_equal(desk_application(d, command_application_attach_resource, c), -EINVAL);
}

static int pause_for(struct desk *d, const char *application, const char *until) {
        return desk_application(d, command_application_pause,
                                (struct command_application){ .application = application,
                                                              .why = "disk swap",
                                                              .until = until });
}

static void a_pause_may_end_by_itself_and_says_when(void **state) {
        struct desk *d = *state;

        assert_int_equal(pause_for(d, "store", "yesterday"), -EINVAL);
        assert_int_equal(pause_for(d, "store", "2001-01-01T00:00:00Z"), -EINVAL);
        assert_int_equal(pause_for(d, "store", "2101-01-01T00:00:00Z"), 0);
        assert_string_equal(
                json_get_str(json_dig(desk_status(d), "applications", "store", "paused", NULL),
                             "until", ""),
                "2101-01-01T00:00:00Z");
        assert_int_equal(pause_for(d, "store", "2101-01-01T00:00:00Z"), 0); /* the same one */
        assert_int_equal(pause_for(d, "store", NULL), -EEXIST); /* the other's end is not lost */
        assert_non_null(strstr(err_text(&d->err), "disk swap (until 2101-01-01T00:00:00Z)"));
        assert_int_equal(pause_for(d, NULL, "2h"), 0);
        assert_non_null(json_dig(desk_status(d), "model", "paused", "until", NULL));
}

static void a_pause_needs_a_reason_and_says_who(void **state) {
        struct desk *d = *state;
        const json_t *paused;

        assert_int_equal(desk_application(d, command_application_pause,
                                          (struct command_application){ .application = "store" }),
                         -EINVAL);
        assert_int_equal(desk_application(d, command_application_pause,
                                          (struct command_application){ .application = "store",
                                                                        .why = "disk swap" }),
                         0);
        assert_int_equal(desk_application(d, command_application_pause,
                                          (struct command_application){ .why = "window" }),
                         0);
        assert_int_equal(desk_application(d, command_application_pause,
                                          (struct command_application){ .application = "store",
                                                                        .why = "a quick look" }),
                         -EEXIST);
        assert_non_null(strstr(err_text(&d->err), "uid 1000 (alice): disk swap"));
        assert_int_equal(desk_application(d, command_application_pause,
                                          (struct command_application){ .why = "another window" }),
                         -EEXIST);
        assert_int_equal(desk_application(d, command_application_pause,
                                          (struct command_application){ .application = "store",
                                                                        .why = "disk swap" }),
                         0);
        paused = json_dig(desk_status(d), "applications", "store", "paused", NULL);
        assert_string_equal(json_get_str(paused, "by", ""), "uid 1000 (alice)");
        assert_string_equal(json_get_str(paused, "why", ""), "disk swap");
        assert_string_equal(json_get_str(json_dig(d->reply, "model", "paused", NULL), "why", ""),
                            "window");
        assert_int_equal(desk_application(d, command_application_unpause,
                                          (struct command_application){ .application = "store" }),
                         0);
        assert_int_equal(
                desk_application(d, command_application_unpause, (struct command_application){}),
                0);
        assert_null(json_dig(desk_status(d), "applications", "store", "paused", NULL));
        assert_null(json_dig(d->reply, "model", "paused", NULL));
}

/* ---- relations */

static void integrate_matches_refuses_and_removes(void **state) {
        struct desk *d = *state;

        assert_int_equal(relation(d, true, "server", "db"), 0);
        assert_string_equal(desk_change(d, 0), "relate server:relational-db and db:database");
        assert_int_equal(relation(d, true, "db:database", "server"), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_int_equal(relation(d, true, "db", "store"), -EINVAL);
        assert_true(desk_has_error(d, "db and store have no interface in common"));
        assert_int_equal(relation(d, true, "db", "db"), -EINVAL);
        assert_int_equal(relation(d, true, "db", "nobody"), -ENOENT);
        assert_int_equal(relation(d, false, "server", "store"), -ENOENT);
        assert_int_equal(relation(d, false, "server", "db"), 0);
        assert_int_equal(desk_changes(d), 2);
        assert_int_equal(relation(d, false, "server", "db"), 0);
        assert_int_equal(desk_changes(d), 0);
        assert_int_equal(relation(d, true, "server", "db"), -EINVAL);
        assert_true(desk_has_error(d, "is being removed"));
}

static void two_of_one_charm_at_one_server_are_noted(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_deploy(d, HEAD "  copy: {charm: mlflow-server}\n", false), 0);
        assert_int_equal(relation(d, true, "server", "db"), 0);
        assert_false(desk_has_note(d, "server"));
        assert_int_equal(relation(d, true, "copy", "db"), 0);
        assert_true(desk_has_note(d, "server and copy, of the same charm, both get their database "
                                     "from db"));
}

static void a_limit_of_one_takes_one(void **state) {
        struct desk *d = *state;

        assert_int_equal(desk_deploy(d, HEAD "  other: {charm: mysql-k8s}\n", false), 0);
        assert_int_equal(relation(d, true, "server", "db"), 0);
        assert_int_equal(relation(d, true, "server", "other"), -EINVAL);
        assert_string_equal(desk_error(d, 0),
                            "relation: server:relational-db takes 1 relation and has one with db");
}

/* ---- removal */

static void removal_ends_relations_and_can_be_upgraded(void **state) {
        struct desk *d = *state;
        struct command_application c = { .application = "db" };
        int64_t id = desk_application_id(d, "db");

        relation(d, true, "server", "db");
        assert_int_equal(desk_application(d, command_application_remove, c), 0);
        assert_string_equal(desk_change(d, 0), "remove application db, which holds no data");
        assert_int_equal(desk_changes(d), 2);
        assert_non_null(strstr(desk_change(d, 1), "server:relational-db"));
        assert_non_null(strstr(desk_change(d, 1), "both are planned without it"));
        assert_string_equal(
                json_get_str(json_dig(desk_status(d), "applications", "db", NULL), "life", ""),
                "dying");
        assert_string_equal(
                json_get_str(json_array_get(json_get(d->reply, "relations"), 0), "life", ""),
                "dying");
        assert_int_equal(desk_application(d, command_application_remove, c), 0);
        assert_int_equal(desk_changes(d), 0);
        c.force = true;
        assert_int_equal(desk_application(d, command_application_remove, c), 0);
        assert_int_equal(desk_changes(d), 1);
        assert_int_equal(config(d, "db", "{}", NULL, NULL), -EBUSY);
        assert_int_equal(desk_write(d, removal_application, id), 0);
        assert_int_equal(desk_application_id(d, "db"), 0);
        assert_int_equal(json_array_size(json_get(desk_status(d), "relations")), 0);
}

static void a_model_ends_after_its_applications(void **state) {
        struct desk *d = *state;
        struct command_model c = { .head.run = command_model_remove, .model = "lab" };
        struct command_cluster cluster = { .head.run = command_cluster_remove, .name = "aks" };
        static const char *const names[] = { "store", "db", "server" };
        int64_t ids[3];

        config(d, "store", "{\"secret-key\": \"" SECRET "\"}", NULL, NULL);
        for (int i = 0; i < 3; i++)
                ids[i] = desk_application_id(d, names[i]);
        assert_int_equal(desk_run(d, &cluster.head), -EBUSY);
        assert_int_equal(desk_run(d, &c.head), 0);
        command_deinit(&c.head);
        assert_string_equal(desk_change(d, 0), "remove model lab"); /* nothing of it holds data */
        assert_false(desk_has_note(d, "model lab stays listed while storage of it is kept: storage "
                                      "--model lab shows it"));
        assert_int_equal(desk_write(d, removal_model, 1), -EBUSY);
        for (int i = 0; i < 3; i++)
                assert_int_equal(desk_write(d, removal_application, ids[i]), 0);
        assert_int_equal(desk_write(d, removal_model, 1), 0);
        assert_int_equal(desk_run(d, &cluster.head), 0);
        command_deinit(&cluster.head);
}

/* ---- models and clusters */

static int add_model(struct desk *d, const char *name, const char *cluster) {
        struct command_model c = { .head.run = command_model_add,
                                   .model = name,
                                   .cluster = cluster };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

static void models_are_added_once_with_a_name_that_can_be(void **state) {
        struct desk *d = *state;

        assert_int_equal(add_model(d, "Kubeflow", "aks"), -EINVAL);
        assert_int_equal(add_model(d, "kube-system", "aks"), -EINVAL);
        assert_int_equal(add_model(d, "kubeflow", "ask"), -ENOENT);
        assert_string_equal(desk_error(d, 0), "no cluster \"ask\", did you mean \"aks\"?");
        assert_int_equal(add_model(d, "lab", "aks"), -EEXIST);
        assert_int_equal(add_model(d, "kubeflow", "aks"), 0);
        assert_int_equal(strlen(json_get_str(d->reply, "uuid", "")), 36);
}

static int model_config(struct desk *d, const char *set, const char *reset) {
        cleanup_(json_freep) json_t *values = set ? files_json(set) : NULL;
        cleanup_(json_freep) json_t *names = reset ? files_json(reset) : NULL;
        struct command_model c = {
                .head.run = command_model_config, .model = "lab", .set = values, .reset = names
        };
        int r = desk_run(d, &c.head);

        command_deinit(&c.head);
        return r;
}

static int read_model_config(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        return view_model_config(tx, "lab", &LIMITS_DEFAULT, ret, err);
}

static void model_config_checks_what_goes_to_all_pods(void **state) {
        struct desk *d = *state;

        assert_int_equal(
                model_config(
                        d,
                        "{\"image-registry\": \"registry.local:5000/mirror\", \"node-selector\": "
                        "\"pool=system\", \"tolerations\": \"[{\\\"key\\\": \\\"a\\\"}]\"}",
                        NULL),
                0);
        assert_int_equal(desk_changes(d), 3);
        assert_int_equal(desk_read(d, read_model_config, NULL), 0);
        assert_string_equal(
                json_get_str(json_dig(d->reply, "node-selector", "value", NULL), "pool", ""),
                "system");
        assert_int_equal(json_get_int(json_get(d->reply, "limit-change-free"), "value", 0), 50);
        assert_string_equal(json_get_str(json_get(d->reply, "limit-change-free"), "source", ""),
                            "default");
        assert_true(json_is_null(json_dig(d->reply, "image-pull-secret", "value", NULL)));
        assert_int_equal(
                model_config(
                        d,
                        "{\"image-registry\": \"https://x\", \"image-regstry\": \"x\", "
                        "\"image-pull-secret\": \"A\", \"tolerations\": [1], \"node-selector\": "
                        "{\"-\": \"x\"}}",
                        NULL),
                -EINVAL);
        assert_int_equal(json_array_size(json_get(d->reply, "errors")), 5);
        assert_true(desk_has_error(d, "did you mean \"image-registry\"?"));
        assert_int_equal(model_config(d, NULL, "[\"image-registry\"]"), 0);
        assert_int_equal(desk_read(d, read_model_config, NULL), 0);
        assert_string_equal(json_get_str(json_get(d->reply, "image-registry"), "source", ""),
                            "default");
}

static int read_clusters(struct tx *tx, const void *arg, json_t **ret, struct err *err) {
        return view_model_clusters(tx, 0, ret, err);
}

static int bind_to_one(struct tx *tx, int64_t unused, struct err *err) {
        struct q_target_row *row;
        size_t n;
        int r = q_target_by_name(tx, &(struct q_target_by_name_in){ .name = "aks" }, &row, &n, err);

        if (r < 0 || n == 0)
                return -ENOENT;
        return w_target_set_bound(
                tx, &(struct w_target_set_bound_in){ .bound_uid = "one", .id = row->id }, err);
}

static void clusters_are_updated_and_rebound(void **state) {
        struct desk *d = *state;
        cleanup_(json_freep) json_t *settings = json_pack("{s:s}", "server", "https://127.0.0.1:2");
        struct command_cluster_add c = { .head.run = command_cluster_update,
                                         .name = "aks",
                                         .config = settings,
                                         .credential = "x",
                                         .credential_len = 1 };
        struct command_cluster rebind = { .head.run = command_cluster_rebind, .name = "aks" };
        const json_t *row;

        assert_int_equal(desk_run(d, &c.head), 0);
        c.head.run = command_cluster_add;
        assert_int_equal(desk_run(d, &c.head), -EEXIST);
        command_deinit(&c.head);
        c.name = "again";
        assert_int_equal(desk_run(d, &c.head), 0);
        assert_true(desk_has_note(d, "cluster aks has the same server https://127.0.0.1:2"));
        command_deinit(&c.head);
        assert_int_equal(desk_run(d, &rebind.head), 0);
        assert_int_equal(desk_changes(d), 0); /* bound to nothing yet */
        command_deinit(&rebind.head);
        assert_int_equal(desk_write(d, bind_to_one, 0), 1);
        assert_int_equal(desk_run(d, &rebind.head), -EBUSY); /* nobody answers */
        command_deinit(&rebind.head);
        rebind.answers = "one";
        assert_int_equal(desk_run(d, &rebind.head), -EBUSY);
        command_deinit(&rebind.head);
        rebind.answers = "two";
        assert_int_equal(desk_run(d, &rebind.head), 0);
        assert_int_equal(desk_changes(d), 2); /* and what the model's applications want */
        command_deinit(&rebind.head);
        assert_int_equal(desk_read(d, read_clusters, NULL), 0);
        row = json_array_get(json_get(d->reply, "clusters"), 0);
        assert_string_equal(json_get_str(json_get(row, "config"), "server", ""),
                            "https://127.0.0.1:2");
        assert_null(json_get(row, "credential"));
}

static void a_namespace_that_is_ours_is_not_taken_over(void **state) {
        struct command_model c = { .head.run = command_model_take_over, .model = "lab" };

        assert_int_equal(desk_run(*state, &c.head), -EBUSY);
        command_deinit(&c.head);
        c.foreign = true;
        assert_int_equal(desk_run(*state, &c.head), 0);
        command_deinit(&c.head);
}

#define WITH_MODEL(fn) cmocka_unit_test_setup_teardown(fn, desk_small_set_up, desk_tear_down)

/* ---- what is frozen */

struct changing { /* says that it changes these */
        struct command head;
        const char *word, *application;
        int times;
};

static int change_run(struct tx *tx, struct command *c, struct err *err) {
        const struct changing *k = (struct changing *)c;

        for (int i = 1; i < k->times; i++)
                command_change(c, k->word, NULL, "something");
        command_change(c, k->word, k->application, "something");
        return 0;
}

static int change(struct desk *d, struct changing c, const char *of) {
        struct audit_entry entry = {
                .kind = "person", .what = "change", .model = "lab", .application = of
        };
        int r;

        c.head.run = change_run;
        c.head.of_model = "lab";
        c.head.entry = &entry;
        r = desk_run(d, &c.head);
        command_deinit(&c.head);
        return r;
}

static void no_command_gets_around_a_freeze(void **state) {
        struct desk *d = *state;
        struct command_freeze f = { .head.run = command_freeze_set,
                                    .model = "lab",
                                    .application = "store",
                                    .why = "closing" };

        assert_int_equal(change(d, (struct changing){ .word = "adopt" }, "store"), 0);
        assert_int_equal(desk_run(d, &f.head), 0);
        command_deinit(&f.head);
        assert_int_equal(change(d, (struct changing){ .word = "adopt" }, "store"), -EBUSY);
        assert_int_equal(change(d, (struct changing){ .word = "adopt" }, "db"), 0);
        assert_int_equal(
                change(d, (struct changing){ .word = "config", .application = "store" }, NULL),
                -EBUSY);
        assert_int_equal(change(d,
                                (struct changing){ .word = "deploy",
                                                   .application = "store",
                                                   .times = COMMAND_CHANGES_MAX + 1 },
                                NULL),
                         -EBUSY);
        assert_int_equal(change(d, (struct changing){ .word = "model-config" }, NULL), -EBUSY);
}

static void a_freeze_until_the_end_of_time_is_refused(void **state) {
        struct command_freeze f = { .head.run = command_freeze_set,
                                    .model = "lab",
                                    .why = "closing",
                                    .until = "106751991167d" };

        assert_int_equal(desk_run(*state, &f.head), -EINVAL);
        assert_non_null(strstr(f.head.reply, "beyond all time"));
        command_deinit(&f.head);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_MODEL(no_command_gets_around_a_freeze),
                WITH_MODEL(a_freeze_until_the_end_of_time_is_refused),
                WITH_MODEL(options_are_converted_set_and_reset),
                WITH_MODEL(a_file_of_options_may_be_plain_or_by_application),
                WITH_MODEL(wrong_options_are_told_with_the_nearest_name),
                WITH_MODEL(what_destroys_is_told_no_other_name),
                WITH_MODEL(a_secret_option_is_sealed_and_shown_to_nobody),
                WITH_MODEL(a_new_secret_value_is_a_new_revision),
                WITH_MODEL(a_token_cannot_be_given_as_a_value),
                WITH_MODEL(an_option_that_sounds_secret_is_sealed_before_its_charm_comes),
                WITH_MODEL(scale_keeps_to_what_the_charm_can_run),
                WITH_MODEL(trust_and_constraints_are_kept),
                WITH_MODEL(a_storage_grows_and_shrinks_by_force_only),
                WITH_MODEL(an_image_can_be_replaced_and_given_back),
                WITH_MODEL(a_pause_may_end_by_itself_and_says_when),
                WITH_MODEL(a_pause_needs_a_reason_and_says_who),
                WITH_MODEL(integrate_matches_refuses_and_removes),
                WITH_MODEL(two_of_one_charm_at_one_server_are_noted),
                WITH_MODEL(a_limit_of_one_takes_one),
                WITH_MODEL(removal_ends_relations_and_can_be_upgraded),
                WITH_MODEL(a_model_ends_after_its_applications),
                WITH_MODEL(models_are_added_once_with_a_name_that_can_be),
                WITH_MODEL(model_config_checks_what_goes_to_all_pods),
                WITH_MODEL(clusters_are_updated_and_rebound),
                WITH_MODEL(a_namespace_that_is_ours_is_not_taken_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
