/* SPDX-License-Identifier: Apache-2.0 */
/* test_param.c - schemas of parameters, values that fit them, and what is said of those that do
 * not */
#include "charm-meta.h"
#include "param.h"
#include "unit.h"
#include "yaml.h"

static json_t *yaml(const char *text) {
        struct yaml_stream y = {};
        struct err err = {};
        json_t *j;

        if (yaml_parse(text, strlen(text), "test", YAML_CORE, &y, &err) < 0)
                fail_msg("%s: %s", text, err_text(&err));
        j = json_deep_copy(y.documents[0].root);
        yaml_stream_free(&y);
        return j;
}

static const char schema[] =
        "{type: object, additionalProperties: false, required: [user], properties: {"
        "  user: {type: string, enum: [root, admin], description: whose password},"
        "  password: {type: string, secret: true, minLength: 8, maxLength: 10},"
        "  keep: {type: integer, minimum: 1, maximum: 7, default: 3},"
        "  share: {type: number, exclusiveMinimum: 0, exclusiveMaximum: 1},"
        "  force: {type: boolean, default: false},"
        "  name: {type: string, pattern: '^[a-z]+'},"
        "  either: {type: [integer, string]},"
        "  tables: {type: array, minItems: 1, maxItems: 2, uniqueItems: true, items: {type: "
        "string}},"
        "  to: {type: object, required: [bucket], properties: {bucket: {type: string},"
        "       key: {type: string, secret: true}}, additionalProperties: {type: integer}}}}";

static void values_that_fit_are_taken_with_defaults(void **state) {
        static const struct {
                const char *given, *wanted;
        } cases[] = {
                { "{user: root}", "{user: root, keep: 3, force: false}" },
                { "{user: root, keep: '5', force: 'true', share: '0.5'}",
                  "{user: root, keep: 5, force: true, share: 0.5}" },
                { "{user: admin, keep: 7.0, either: '12'}",
                  "{user: admin, keep: 7, force: false, either: '12'}" },
                { "{user: root, to: {bucket: b, depth: 2}, tables: [a, b]}",
                  "{user: root, keep: 3, force: false, to: {bucket: b, depth: 2}, tables: [a, "
                  "b]}" },
        };
        cleanup_(json_freep) json_t *s = yaml(schema);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *given = yaml(cases[i].given), *made = NULL;
                cleanup_(json_freep) json_t *wanted = yaml(cases[i].wanted);
                struct err err = {};

                if (param_check(s, "parameter", given, &made, &err) < 0)
                        fail_msg("%s: %s", cases[i].given, err_text(&err));
                assert_true(json_equal(made, wanted));
        }
}

static void what_does_not_fit_is_told_with_its_path(void **state) {
        static const struct {
                const char *given, *told;
        } cases[] = {
                { "{}", "parameter user: is needed: whose password" },
                { "[]", "the parameters: wants a map, is a list" },
                { "{user: toor}",
                  "parameter user: must be one of root, admin, is the text \"toor\"" },
                { "{user: root, kep: 1}", "there is no parameter kep, did you mean \"keep\"?" },
                { "{user: root, nothing-like-it: 1}", "there is no parameter nothing-like-it" },
                { "{user: root, keep: 0}", "parameter keep: must be at least 1, is 0" },
                { "{user: root, keep: 8}", "parameter keep: must be at most 7, is 8" },
                { "{user: root, keep: two}",
                  "parameter keep: wants a whole number, is the text \"two\"" },
                { "{user: root, keep: 1.5}", "parameter keep: wants a whole number, is 1.5" },
                { "{user: root, share: 0}", "parameter share: must be above 0, is 0" },
                { "{user: root, share: 1}", "parameter share: must be below 1, is 1" },
                { "{user: root, force: yes please}",
                  "parameter force: wants true or false, is the text \"yes please\"" },
                { "{user: root, name: Abc}",
                  "parameter name: must match ^[a-z]+, is the text \"Abc\"" },
                { "{user: root, name: 1}", "parameter name: wants a text, is 1" },
                { "{user: root, either: true}",
                  "parameter either: wants a whole number or a text, is true" },
                { "{user: root, tables: []}",
                  "parameter tables: must have at least 1 item, has 0" },
                { "{user: root, tables: [a, b, c]}",
                  "parameter tables: must have at most 2 items, has 3" },
                { "{user: root, tables: [a, a]}",
                  "parameter tables: item 1 is the same as item 0" },
                { "{user: root, tables: [a, 1]}", "parameter tables[1]: wants a text, is 1" },
                { "{user: root, to: {}}", "parameter to.bucket: is needed" },
                { "{user: root, to: {bucket: b, depth: x}}",
                  "parameter to.depth: wants a whole number, is the text \"x\"" },
                { "{user: root, to: {bucket: b, key: 12345}}",
                  "parameter to.key: wants a text, is a whole number" },
                { "{user: root, password: 'secret:me'}",
                  "parameter password: takes no secret:NAME, give the value itself (--params FILE "
                  "hides it)" },
                { "{user: root, tables: ['secret:a']}",
                  "parameter tables[0]: takes no secret:NAME, give the value itself (--params FILE "
                  "hides it)" },
                { "{user: root, password: short}",
                  "parameter password: must have at least 8 letters, has 5" },
                { "{user: root, password: much-too-long}",
                  "parameter password: must have at most 10 letters, has 13" },
        };
        cleanup_(json_freep) json_t *s = yaml(schema);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *given = yaml(cases[i].given), *made = NULL;
                struct err err = {};

                assert_int_equal(param_check(s, "parameter", given, &made, &err), -EINVAL);
                assert_string_equal(err_text(&err), cases[i].told);
                assert_null(made);
        }
}

static json_t *mask(void *arg, const char *path, const json_t *value) {
        buf_printf(arg, "%s=%s ", path, json_string_value(value));
        return json_string("(secret)");
}

static void secrets_are_found_at_any_depth(void **state) {
        cleanup_(json_freep) json_t *s = yaml(schema);
        cleanup_(json_freep) json_t *given =
                yaml("{user: root, password: hunter22, to: {bucket: b, key: k}}");
        cleanup_(buf_free) struct buf seen = BUF_INIT;

        param_each_secret(s, given, mask, &seen);
        assert_non_null(strstr(buf_str(&seen), "password=hunter22 "));
        assert_non_null(strstr(buf_str(&seen), "to.key=k "));
        assert_string_equal(json_get_str(given, "password", ""), "(secret)");
        assert_string_equal(json_get_str(json_get(given, "to"), "key", ""), "(secret)");
        assert_string_equal(json_get_str(given, "user", ""), "root");
}

static void schemas_that_say_what_nobody_checks_are_mistakes(void **state) {
        static const struct {
                const char *schema, *told;
        } cases[] = {
                { "{type: strng}",
                  "c.p.type: must be string, integer, number, boolean, array, object or null, or a "
                  "list of these" },
                { "{minimun: 1}", "c.p.minimun: is not checked here, did you mean \"minimum\"?" },
                { "{oneOf: []}", "c.p.oneOf: is not checked here" },
                { "{pattern: '['}", "c.p.pattern: is no extended regular expression: " },
                { "{minLength: -1}", "c.p.minLength: must be a whole number from 0 on" },
                { "{enum: []}", "c.p.enum: must be a list that is not empty" },
                { "{type: object, required: [a], properties: {b: {}}}",
                  "c.p.required: \"a\" is none of the properties" },
                { "{type: integer, default: x}",
                  "c.p.default: the defaults: wants a whole number, is the text \"x\"" },
                { "{type: integer, secret: true}", "c.p.secret: only a text can be a secret" },
                { "{type: string, secret: true, default: x}",
                  "c.p.default: a secret has no default" },
                { "{items: {type: x}}", "c.p.items.type: must be string" },
                { "{properties: {a: {maximum: x}}}",
                  "c.p.properties.a.maximum: must be a number, is a text" },
                { "12", "c.p: must be a schema, is a whole number" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *s = yaml(cases[i].schema);
                struct json_where where = { NULL, NULL, "c.p" };
                struct err err = {};

                assert_int_equal(param_check_schema(s, &where, &err), -EINVAL);
                assert_memory_equal(err_text(&err), cases[i].told, strlen(cases[i].told));
        }
}

/* ---- actions of charm.yaml */

static const char charm[] = "name: db\n"
                            "actions:\n"
                            "  set-password:\n"
                            "    description: Change it\n"
                            "    params: {user: {type: string}, password: {type: string, secret: "
                            "true}}\n"
                            "    required: [user]\n"
                            "    destructive: true\n"
                            "    role: operator\n"
                            "    deadline: 5m\n"
                            "    execution-group: maintenance\n"
                            "    secret-results: [password]\n"
                            "  status:\n"
                            "    parallel: true\n"
                            "    additionalProperties: true\n";

static void actions_are_read(void **state) {
        cleanup_(charm_meta_freep) struct charm_meta *m = NULL;
        const struct meta_action *a;
        struct err err = {};

        if (charm_meta_parse(charm, strlen(charm), "charm.yaml", &m, &err) < 0)
                fail_msg("%s", err_text(&err));
        assert_int_equal(m->action_count, 2);
        a = charm_meta_action(m, "set-password");
        assert_string_equal(a->description, "Change it");
        assert_true(a->destructive);
        assert_true(a->for_operators);
        assert_false(a->parallel);
        assert_int_equal(a->deadline_ms, 300000);
        assert_string_equal(a->group, "maintenance");
        assert_true(json_is_false(json_get(a->schema, "additionalProperties")));
        assert_int_equal(json_array_size(a->secret_results), 1);
        a = charm_meta_action(m, "status");
        assert_true(a->parallel);
        assert_int_equal(a->deadline_ms, 1800000);
        assert_false(a->for_operators);
        assert_null(a->group);
        assert_true(json_is_true(json_get(a->schema, "additionalProperties")));
        assert_null(charm_meta_action(m, "nothing"));
}

static void mistakes_in_actions_are_told_with_their_line(void **state) {
        static const struct {
                const char *text, *told;
        } cases[] = {
                { "name: db\nactions:\n  Go: {}\n", "actions.Go: the name of an action has" },
                { "name: db\nactions:\n  go:\n    role: viewer\n",
                  "c.yaml:4: actions.go.role: must be operator or admin" },
                { "name: db\nactions:\n  go:\n    deadline: soon\n",
                  "c.yaml:4: actions.go.deadline: must be a time" },
                { "name: db\nactions:\n  go:\n    dedline: 1m\n",
                  "c.yaml:4: actions.go.dedline: is not known here, did you mean \"deadline\"?" },
                { "name: db\nactions:\n  go:\n    params:\n      a: {type: text}\n",
                  "c.yaml:5: actions.go.properties.a.type: must be string" },
                { "name: db\nactions:\n  go: {required: [a]}\n",
                  "actions.go.required: \"a\" is none of the properties" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct charm_meta *m = NULL;
                struct err err = {};

                assert_int_equal(
                        charm_meta_parse(cases[i].text, strlen(cases[i].text), "c.yaml", &m, &err),
                        -EINVAL);
                if (!strstr(err_text(&err), cases[i].told))
                        fail_msg("%s", err_text(&err));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_that_fit_are_taken_with_defaults),
                cmocka_unit_test(what_does_not_fit_is_told_with_its_path),
                cmocka_unit_test(secrets_are_found_at_any_depth),
                cmocka_unit_test(schemas_that_say_what_nobody_checks_are_mistakes),
                cmocka_unit_test(actions_are_read),
                cmocka_unit_test(mistakes_in_actions_are_told_with_their_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
