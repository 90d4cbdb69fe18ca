/* SPDX-License-Identifier: Apache-2.0 */
/* test_charm_meta.c - charm.yaml into a struct, and values for its options */
#include "charm-meta.h"

#include "files.h"
#include "unit.h"

static const char good[] = "name: minio\n"
                           "summary: object storage\n"
                           "description: |\n"
                           "  More.\n"
                           "revision: 4\n"
                           "channels: [ckf-1.10/stable, \"1.10/stable\"]\n"
                           "scale: {default: 1, max: 1, zero-keeps-data: true}\n"
                           "provides:\n"
                           "  object-storage: {interface: object-storage, schema: v1}\n"
                           "requires:\n"
                           "  logging: {interface: loki_push_api, limit: 1, optional: true}\n"
                           "peers:\n"
                           "  ring: {interface: ring}\n"
                           "resources:\n"
                           "  oci-image: {type: oci-image, upstream-source: \"minio@sha256:00\"}\n"
                           "  crds: {type: file, path: crds.yaml}\n"
                           "storage:\n"
                           "  minio-data: {type: filesystem, location: /data, minimum-size: 10G}\n"
                           "config:\n"
                           "  options:\n"
                           "    port: {type: int, default: 9000, min: 1, max: 65535}\n"
                           "    mode: {type: string, default: server, enum: [server, gateway]}\n"
                           "    secret-key: {type: string, secret: true, min: 8, max: 40}\n"
                           "    ratio: {type: float, default: 0.5}\n"
                           "    tls: {type: boolean, default: false}\n"
                           "    note: {type: string}\n"
                           "    user: {type: string, reserved: [root, sys]}\n"
                           "    days: {type: string, default: auto, pattern: \"auto|[0-9]+\"}\n"
                           "    bucket: {type: string, max: 9, pattern: \"[a-z]+\", wants: a "
                           "bucket}\n"
                           "runtime-fields:\n"
                           "- {kind: Secret, name: a, field: data}\n"
                           "strict: [{kind: Role, field: rules}]\n"
                           "_note: kept\n";

static struct charm_meta *parse_good(void) {
        struct charm_meta *m = NULL;
        struct err err = {};

        if (charm_meta_parse(good, strlen(good), "charm.yaml", &m, &err) < 0)
                fail_msg("%s", err_text(&err));
        return m;
}

static void all_of_charm_yaml_is_read(void **state) {
        cleanup_(charm_meta_freep) struct charm_meta *m = parse_good();

        assert_string_equal(m->name, "minio");
        assert_string_equal(m->summary, "object storage");
        assert_int_equal(m->revision, 4);
        assert_string_equal(m->channels[1], "1.10/stable");
        assert_null(m->channels[2]);
        assert_int_equal(m->scale_max, 1);
        assert_true(m->zero_keeps_data);
        assert_int_equal(m->endpoint_count, 3);
        assert_int_equal(charm_meta_endpoint(m, "logging")->role, META_REQUIRES);
        assert_int_equal(charm_meta_endpoint(m, "logging")->limit, 1);
        assert_true(charm_meta_endpoint(m, "logging")->optional);
        assert_int_equal(charm_meta_endpoint(m, "ring")->role, META_PEERS);
        assert_true(charm_meta_resource(m, "oci-image")->image);
        assert_string_equal(charm_meta_resource(m, "oci-image")->source, "minio@sha256:00");
        assert_string_equal(charm_meta_resource(m, "crds")->path, "crds.yaml");
        assert_int_equal(charm_meta_storage(m, "minio-data")->size, 10ll << 30);
        assert_int_equal(charm_meta_option(m, "secret-key")->type, META_SECRET);
        assert_int_equal(json_integer_value(charm_meta_option(m, "port")->value), 9000);
        assert_null(charm_meta_option(m, "note")->value);
        assert_null(charm_meta_option(m, "nothing"));
}

static void its_json_gives_the_same_again(void **state) {
        cleanup_(charm_meta_freep) struct charm_meta *m = parse_good();
        cleanup_(charm_meta_freep) struct charm_meta *again = NULL;
        cleanup_(freep) char *text = json_text(m->json);
        cleanup_(json_freep) json_t *j = NULL;
        struct err err = {};

        assert_int_equal(json_parse(text, strlen(text), &j, &err), 0);
        assert_int_equal(charm_meta_from_json(j, &again, &err), 0);
        assert_int_equal(again->option_count, m->option_count);
        assert_int_equal(charm_meta_storage(again, "minio-data")->size, 10ll << 30);
        assert_string_equal(json_get_str(again->json, "_note", ""), "kept");
}

static void each_fault_names_its_line(void **state) {
        static const struct {
                const char *text, *wanted;
        } cases[] = {
                { "name: a\nsumary: x\n", "charm.yaml:2: sumary: is not known here, did you mean "
                                          "\"summary\"?" },
                { "summary: x\n", "charm.yaml:1: name: is missing" },
                { "name: A\n", "charm.yaml:1: name: charm name \"A\" has upper-case" },
                { "name: a\nprovides:\n  x: {interfase: io}\n",
                  "charm.yaml:3: provides.x.interfase: " },
                { "name: a\nprovides:\n  x: {interface: io}\nrequires:\n  x: {interface: io}\n",
                  "charm.yaml:5: requires.x: the endpoint is already in provides" },
                { "name: a\nrequires:\n  x: {interface: io, limit: 0}\n",
                  "charm.yaml:3: requires.x.limit" },
                { "name: a\nchannels: [1.10]\n",
                  "charm.yaml:2: channels: must be a list of texts" },
                { "name: a\nchannels: [a/b/c/d]\n", "charm.yaml:2: channels: channel \"a/b/c/d\"" },
                { "name: a\nscale: {default: 3, max: 1}\n",
                  "charm.yaml:2: scale.default: is above max" },
                { "name: a\nconfig: {port: 1}\n", "charm.yaml:2: config: may only have options" },
                { "name: a\nconfig:\n  options:\n    p: {type: number}\n",
                  "charm.yaml:4: config.options.p.type: must be one of string, int" },
                { "name: a\nconfig:\n  options:\n    p: {type: int, default: x}\n",
                  "charm.yaml:4: config.options.p.default: application a: option p: wants a "
                  "whole" },
                { "name: a\nconfig:\n  options:\n    p: {type: int, reserved: [a]}\n",
                  "charm.yaml:4: config.options.p.reserved: is only for options of type string" },
                { "name: a\nconfig:\n  options:\n    p: {type: string, pattern: \"(\"}\n",
                  "charm.yaml:4: config.options.p.pattern: is no extended regular expression" },
                { "name: a\nconfig:\n  options:\n    p: {type: string, pattern: "
                  "\"(((((a{1,255}){1,255}){1,255}){1,255}){1,255})\"}\n",
                  "charm.yaml:4: config.options.p.pattern: its repetitions make more than" },
                { "name: a\nconfig:\n  options:\n    p: {type: int, pattern: \"1\"}\n",
                  "charm.yaml:4: config.options.p.pattern: is only for texts" },
                { "name: a\nconfig:\n  options:\n    p: {type: string, wants: luck}\n",
                  "charm.yaml:4: config.options.p.wants: says what a pattern means" },
                { "name: a\nconfig:\n  options:\n    p: {type: string, default: x, pattern: z}\n",
                  "charm.yaml:4: config.options.p.default: application a: option p: wants a text" },
                { "name: a\nconfig:\n  options:\n    p: {type: string, secret: true, default: x}\n",
                  "charm.yaml:4: config.options.p.default: a secret has no default" },
                { "name: a\nresources:\n  f: {type: file, source: \"https://x\"}\n",
                  "charm.yaml:3: resources.f: a file that is fetched needs its sha256" },
                { "name: a\nresources:\n  f: {type: file, path: ../x}\n",
                  "charm.yaml:3: resources.f.path: must stay" },
                { "name: a\nstorage:\n  d: {type: block}\n", "charm.yaml:3: storage.d.type" },
                { "name: a\nstorage:\n  d: {type: filesystem, minimum-size: big}\n",
                  "charm.yaml:3: storage.d.minimum-size: is no size" },
                { "name: a\nsubordinate: true\n", "charm.yaml:2: subordinate" },
                { "name: a\nruntime-fields: [x]\n",
                  "charm.yaml: runtime-fields[0]: must be an object" },
                { "name: a\nstrict:\n- {kind: Role}\n",
                  "charm.yaml:3: strict[0].field: is missing" },
                { "name: a\nstrict:\n- {kind: Role, field: /rules}\n",
                  "charm.yaml:3: strict[0].field: \"/rules\" is no field: give it as drift show "
                  "prints it" },
                { "name: a\n---\nname: b\n", "charm.yaml: must be one YAML document, has 2" },
                { "name: [\n", "charm.yaml:2" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct charm_meta *m = NULL;
                struct err err = {};
                int r = charm_meta_parse(cases[i].text, strlen(cases[i].text), "charm.yaml", &m,
                                         &err);

                if (r != -EINVAL || !str_starts(err.text, cases[i].wanted))
                        if (!strstr(err.text, cases[i].wanted))
                                fail_msg("case %zu: %d %s", i, r, err.text);
                assert_null(m);
        }
}

/* What CHECK answers for OPTION and a value given as JSON text. */
static int check(const struct charm_meta *m, const char *option, const char *value, json_t **ret,
                 struct err *err) {
        cleanup_(json_freep) json_t *j = files_json(value);

        return charm_meta_check_option(m, "store", option, j, ret, err);
}

static void values_are_converted_to_the_options_type(void **state) {
        static const struct {
                const char *option, *value, *wanted;
        } cases[] = {
                { "port", "80", "80" },
                { "port", "\"80\"", "80" },
                { "mode", "\"gateway\"", "\"gateway\"" },
                { "tls", "true", "true" },
                { "tls", "\"false\"", "false" },
                { "ratio", "2", "2.0" },
                { "ratio", "\"0.25\"", "0.25" },
                { "note", "\"\"", "\"\"" },
                { "secret-key", "\"\"", "\"\"" },
                { "secret-key", "\"12345678\"", "\"12345678\"" },
        };
        cleanup_(charm_meta_freep) struct charm_meta *m = parse_good();

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *value = NULL;
                cleanup_(freep) char *text = NULL;
                struct err err = {};

                assert_int_equal(check(m, cases[i].option, cases[i].value, &value, &err), 0);
                text = json_text(value);
                assert_string_equal(text, cases[i].wanted);
        }
}

static void wrong_values_say_application_option_and_wanted_type(void **state) {
        static const struct {
                const char *option, *value, *wanted;
        } cases[] = {
                { "port", "\"x\"",
                  "application store: option port: wants a whole number between 1 and "
                  "65535, is the text \"x\"" },
                { "port", "0",
                  "application store: option port: wants a whole number between 1 and 65535, "
                  "is the number 0" },
                { "port", "8.5",
                  "application store: option port: wants a whole number between 1 and "
                  "65535, is the number 8.5" },
                { "port", "\"70000\"",
                  "application store: option port: wants a whole number between 1 and "
                  "65535, is 70000" },
                { "bucket", "\"\"",
                  "application store: option bucket: wants a bucket, is empty; --reset takes what "
                  "is set away" },
                { "note", "\"secret:registry\"",
                  "application store: option note takes no secret: a text that begins with "
                  "\"secret:\" is refused; of charm minio secret-key" },
                { "mode", "\"sever\"",
                  "application store: option mode: wants one of server, gateway, is "
                  "the text \"sever\"" },
                { "user", "\"Root\"",
                  "application store: option user: wants a text that is none of root, sys, is the "
                  "text \"Root\"" },
                { "days", "\"autos\"",
                  "application store: option days: wants a text that matches auto|[0-9]+, is the "
                  "text \"autos\"" },
                { "days", "\"1\\n2\"",
                  "application store: option days: wants a text that matches auto|[0-9]+, is the "
                  "text \"1\n2\"" },
                { "bucket", "\"My_Bucket\"",
                  "application store: option bucket: wants a bucket, is the text \"My_Bucket\"" },
                { "bucket", "\"abcdefghij\"",
                  "application store: option bucket: wants a bucket, is the text \"abcdefghij\"" },
                { "note", "5", "application store: option note: wants a text, is the number 5" },
                { "note", "{}", "application store: option note: wants a text, is an object" },
                { "tls", "\"perhaps\"",
                  "application store: option tls: wants true or false, is the text "
                  "\"perhaps\"" },
                { "ratio", "\"nan\"",
                  "application store: option ratio: wants a number, is the text "
                  "\"nan\"" },
                { "prot", "1",
                  "application store: charm minio has no option \"prot\", did you mean "
                  "\"port\"?" },
                { "zzzzzz", "1",
                  "application store: charm minio has no option \"zzzzzz\"; `mooringctl "
                  "charms minio` lists them" },
        };
        cleanup_(charm_meta_freep) struct charm_meta *m = parse_good();

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                json_t *value = NULL;
                struct err err = {};

                assert_int_equal(check(m, cases[i].option, cases[i].value, &value, &err), -EINVAL);
                assert_string_equal(err.text, cases[i].wanted);
                assert_null(value);
        }
}

static void a_secret_value_is_never_in_a_message(void **state) {
        cleanup_(charm_meta_freep) struct charm_meta *m = parse_good();
        json_t *value = NULL;
        struct err err = {};

        assert_int_equal(check(m, "secret-key", "\"hush\"", &value, &err), -EINVAL);
        assert_null(strstr(err.text, "hush"));
        assert_non_null(strstr(err.text, "wants a text between 8 and 40 letters"));
        assert_int_equal(check(m, "secret-key", "4711", &value, &err), -EINVAL);
        assert_null(strstr(err.text, "4711"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_of_charm_yaml_is_read),
                cmocka_unit_test(its_json_gives_the_same_again),
                cmocka_unit_test(each_fault_names_its_line),
                cmocka_unit_test(values_are_converted_to_the_options_type),
                cmocka_unit_test(wrong_values_say_application_option_and_wanted_type),
                cmocka_unit_test(a_secret_value_is_never_in_a_message),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
