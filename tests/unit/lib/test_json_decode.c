/* SPDX-License-Identifier: Apache-2.0 */
/* test_json_decode.c - objects into structs: every kind, every message */
#include "json.h"
#include "yaml.h"

#include <errno.h>
#include <setjmp.h>

#include <cmocka.h>

struct target {
        const char *charm;
        int64_t scale;
        bool trust;
        double ratio;
        json_t *options, *to, *any, *value;
        int channel;
        const char *token;
        int64_t port;
};

static const char *const channels[] = { "stable", "edge", NULL };

static const struct json_field fields[] = {
        { "charm", JSON_FIELD_STRING, offsetof(struct target, charm), JSON_REQUIRED, 1, 10 },
        { "scale", JSON_FIELD_INT, offsetof(struct target, scale), 0, 0, 100 },
        { "trust", JSON_FIELD_BOOL, offsetof(struct target, trust), JSON_NULL_OK },
        { "ratio", JSON_FIELD_NUMBER, offsetof(struct target, ratio) },
        { "options", JSON_FIELD_OBJECT, offsetof(struct target, options) },
        { "to", JSON_FIELD_LIST, offsetof(struct target, to) },
        { "any", JSON_FIELD_ANY, offsetof(struct target, any) },
        { "value", JSON_FIELD_SCALAR, offsetof(struct target, value) },
        { "channel", JSON_FIELD_ENUM, offsetof(struct target, channel), 0, 0, 0, channels },
        { "token", JSON_FIELD_STRING, offsetof(struct target, token), JSON_SECRET, 8, INT64_MAX },
        { "port", JSON_FIELD_INT, offsetof(struct target, port), 0, 1, INT64_MAX },
        { NULL },
};

static int decode(const char *text, bool open, struct target *t, json_t **ret, struct err *e) {
        struct json_where where = { "bundle.yaml", NULL, "applications.minio" };

        assert_int_equal(json_parse(text, strlen(text), ret, e), 0);
        return json_decode(*ret, fields, open, t, &where, e);
}

static void every_kind_lands_in_its_field(void **state) {
        cleanup_(json_freep) json_t *j = NULL;
        struct target t = { .scale = 1, .port = 80 };
        struct err e = { 0 };

        assert_int_equal(decode("{\"charm\":\"minio\",\"scale\":3,\"trust\":true,\"ratio\":2,"
                                "\"options\":{\"a\":1},\"to\":[1],\"any\":null,\"value\":\"x\","
                                "\"channel\":\"edge\",\"token\":\"12345678\"}",
                                false, &t, &j, &e),
                         0);
        assert_string_equal(t.charm, "minio");
        assert_int_equal(t.scale, 3);
        assert_true(t.trust);
        assert_true(t.ratio == 2.0);
        assert_int_equal(json_object_size(t.options), 1);
        assert_int_equal(json_array_size(t.to), 1);
        assert_true(json_is_null(t.any));
        assert_string_equal(json_string_value(t.value), "x");
        assert_int_equal(t.channel, 1);
        assert_int_equal(t.port, 80);
}

static void absent_fields_keep_their_defaults_and_notes_are_let_pass(void **state) {
        cleanup_(json_freep) json_t *j = NULL;
        struct target t = { .scale = 7, .trust = true };
        struct err e = { 0 };

        assert_int_equal(decode("{\"charm\":\"m\",\"trust\":null,\"_github_x\":1,\"x-note\":{}}",
                                false, &t, &j, &e),
                         0);
        assert_int_equal(t.scale, 7);
        assert_true(t.trust);
}

static void open_objects_may_hold_more(void **state) {
        cleanup_(json_freep) json_t *j = NULL;
        struct target t = { 0 };
        struct err e = { 0 };

        assert_int_equal(decode("{\"charm\":\"m\",\"else\":1}", true, &t, &j, &e), 0);
}

static void every_mistake_has_its_message(void **state) {
        static const struct {
                const char *text, *message;
        } rows[] = {
                { "{}", ".charm: is missing" },
                { "{\"charm\":null}", ".charm: must be a text, is null" },
                { "{\"charm\":\"\"}",
                  ".charm: must be a text of between 1 and 10 bytes, is the text \"\"" },
                { "{\"charm\":5}", ".charm: must be a text, is the number 5" },
                { "{\"charm\":\"m\",\"scale\":\"two\"}",
                  ".scale: must be a whole number between 0 and 100, is the text \"two\"" },
                { "{\"charm\":\"m\",\"scale\":101}",
                  ".scale: must be a whole number between 0 and 100, is the number 101" },
                { "{\"charm\":\"m\",\"scale\":1.5}",
                  ".scale: must be a whole number between 0 and 100, is the number 1.5" },
                { "{\"charm\":\"m\",\"port\":0}",
                  ".port: must be a whole number at least 1, is the number 0" },
                { "{\"charm\":\"m\",\"trust\":\"yes\"}",
                  ".trust: must be true or false, is the text \"yes\"" },
                { "{\"charm\":\"m\",\"ratio\":[]}", ".ratio: must be a number, is a list" },
                { "{\"charm\":\"m\",\"options\":[]}", ".options: must be an object, is a list" },
                { "{\"charm\":\"m\",\"to\":{}}", ".to: must be a list, is an object" },
                { "{\"charm\":\"m\",\"value\":null}",
                  ".value: must be a text, a number or true or false, is null" },
                { "{\"charm\":\"m\",\"channel\":\"beta\"}",
                  ".channel: must be one of stable, edge, is the text \"beta\"" },
                { "{\"charm\":\"m\",\"sclae\":1}",
                  ".sclae: is not known here, did you mean \"scale\"?" },
                { "{\"charm\":\"m\",\"completely-else\":1}",
                  ".completely-else: is not known here" },
                { "{\"charm\":\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\"}",
                  ".charm: must be a text of between 1 and 10 bytes, is the text "
                  "\"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...\"" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                cleanup_(json_freep) json_t *j = NULL;
                cleanup_(freep) char *wanted =
                        str_format("bundle.yaml: applications.minio%s", rows[i].message);
                struct target t = { 0 };
                struct err e = { 0 };

                assert_int_equal(decode(rows[i].text, false, &t, &j, &e), -EINVAL);
                assert_string_equal(e.text, wanted);
        }
}

static void a_secret_value_is_never_repeated(void **state) {
        static const char *const texts[] = {
                "{\"charm\":\"m\",\"token\":\"hunter2\"}", /* too short */
                "{\"charm\":\"m\",\"token\":4711}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                cleanup_(json_freep) json_t *j = NULL;
                struct target t = { 0 };
                struct err e = { 0 };

                assert_int_equal(decode(texts[i], false, &t, &j, &e), -EINVAL);
                assert_null(strstr(e.text, "hunter2"));
                assert_null(strstr(e.text, "4711"));
                assert_non_null(strstr(e.text, i ? "is a whole number" : "is a text"));
        }
}

static void what_is_no_object_is_told_with_its_path(void **state) {
        cleanup_(json_freep) json_t *j = NULL;
        struct target t = { 0 };
        struct err e = { 0 };

        assert_int_equal(decode("[]", false, &t, &j, &e), -EINVAL);
        assert_string_equal(e.text,
                            "bundle.yaml: applications.minio: must be an object, is a list");
        assert_int_equal(json_decode(NULL, fields, false, &t, NULL, &e), -EINVAL);
        assert_string_equal(e.text, "must be an object, is nothing");
}

static void lines_come_from_the_yaml_text(void **state) {
        static const char text[] = "applications:\n"
                                   "  minio:\n"
                                   "    charm: minio\n"
                                   "    scale: two\n"
                                   "  other: {}\n";
        cleanup_(yaml_stream_free) struct yaml_stream s = { 0 };
        struct target t = { 0 };
        struct err e = { 0 };
        struct json_where where = { "bundle.yaml", NULL, "applications.minio" };
        json_t *apps;

        assert_int_equal(yaml_parse(text, strlen(text), "bundle.yaml", YAML_CORE, &s, &e), 0);
        where.lines = s.documents[0].lines;
        apps = json_get(s.documents[0].root, "applications");
        json_decode(json_get(apps, "minio"), fields, false, &t, &where, &e);
        assert_string_equal(e.text, "bundle.yaml:4: applications.minio.scale: must be a whole "
                                    "number between 0 and 100, is the text \"two\"");
        where.path = "applications.other";
        json_decode(json_get(apps, "other"), fields, false, &t, &where, &e);
        assert_string_equal(e.text, "bundle.yaml:5: applications.other.charm: is missing");
        where.file = NULL;
        where.path = "";
        json_error(&e, &where, apps, "minio", "no %s", "good");
        assert_string_equal(e.text, "line 2: minio: no good");
        json_error(&e, &where, apps, NULL, "no good");
        assert_string_equal(e.text, "line 2: no good");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_kind_lands_in_its_field),
                cmocka_unit_test(absent_fields_keep_their_defaults_and_notes_are_let_pass),
                cmocka_unit_test(open_objects_may_hold_more),
                cmocka_unit_test(every_mistake_has_its_message),
                cmocka_unit_test(a_secret_value_is_never_repeated),
                cmocka_unit_test(what_is_no_object_is_told_with_its_path),
                cmocka_unit_test(lines_come_from_the_yaml_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
