/* SPDX-License-Identifier: Apache-2.0 */
/* test_crd.c - an object against a structural schema: checks, pruning, defaults, list keys for
 * apply */
#include "crd.h"
#include "typed.h"

#include "parse.h"

#include <setjmp.h>

#include <cmocka.h>

static const char structure[] =
        "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"required\":[\"mode\"]"
        ","
        "\"properties\":{\"mode\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]},"
        "\"n\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":5,\"default\":3},"
        "\"port\":{\"x-kubernetes-int-or-string\":true},"
        "\"free\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true},"
        "\"list\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
        "\"x-kubernetes-list-map-keys\":[\"name\",\"zone\"],\"items\":{\"type\":\"object\","
        "\"properties\":"
        "{\"name\":{\"type\":\"string\"},\"zone\":{\"type\":\"string\",\"default\":\"x\"}}}}}}}}";

static json_t *spec(const char *text) {
        cleanup_(json_freep) json_t *s = parse(text);

        return json_pack("{s:s,s:s,s:{s:s},s:O}", "apiVersion", "v1", "kind", "Foo", "metadata",
                         "name", "f", "spec", s);
}

static void assert_problem(const char *text, const char *wanted) {
        cleanup_(json_freep) json_t *schema = parse(structure), *object = spec(text);
        cleanup_(invalid_deinit) struct invalid invalid = { 0 };
        struct kind kind = { .structure = schema };

        crd_validate(&kind, object, &invalid);
        if (wanted)
                assert_string_equal(invalid.text, wanted);
        else
                assert_null(invalid.text);
}

static void each_rule_is_told_as_the_server_tells_it(void **state) {
        assert_problem("{\"mode\":\"a\",\"n\":2,\"port\":\"http\"}", NULL);
        assert_problem("{}", "spec.mode: Required value");
        assert_problem("{\"mode\":\"c\"}",
                       "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"");
        assert_problem(
                "{\"mode\":\"a\",\"n\":0}",
                "spec.n: Invalid value: 0: spec.n in body should be greater than or equal to 1");
        assert_problem(
                "{\"mode\":\"a\",\"n\":6}",
                "spec.n: Invalid value: 6: spec.n in body should be less than or equal to 5");
        assert_problem("{\"mode\":\"a\",\"n\":\"x\"}",
                       "spec.n: Invalid value: \"string\": spec.n in body must be of type integer: "
                       "\"string\"");
}

static void unknown_members_go_and_defaults_come(void **state) {
        cleanup_(json_freep) json_t *schema = parse(structure), *unknown = json_array();
        cleanup_(json_freep) json_t *object = spec("{\"mode\":\"a\",\"zz\":1,\"free\":{\"any\":1},"
                                                   "\"list\":[{\"name\":\"n\",\"y\":1}]}");
        cleanup_(freep) char *is = NULL, *names = NULL;
        struct kind kind = { .structure = schema };

        crd_prune(&kind, object, unknown);
        crd_defaults(&kind, object);
        is = json_text(json_get(object, "spec"));
        names = json_text(unknown);
        assert_string_equal(is, "{\"free\":{\"any\":1},\"list\":[{\"name\":\"n\",\"zone\":\"x\"}],"
                                "\"mode\":\"a\",\"n\":3}");
        assert_string_equal(names, "[\"spec.zz\",\"spec.list[0].y\"]");
}

static void list_keys_reach_apply_with_their_defaults(void **state) {
        cleanup_(json_freep) json_t *schema = parse(structure);
        cleanup_(json_freep) json_t *item = json_pack("{s:s}", "name", "n");
        struct schema types = { 0 }, builtin = { 0 };
        const struct schema_type *t, *list;
        cleanup_(freep) char *element = NULL;
        const char *why;

        schema_add(&builtin, "ObjectMeta");
        t = crd_type(&types, schema, &builtin);
        list = schema_member(schema_member(t, "spec"), "list");
        element = typed_item_element(list, item, &why);
        assert_string_equal(element, "k:{\"name\":\"n\",\"zone\":\"x\"}");
        assert_true(schema_member(schema_member(schema_member(t, "spec"), "free"), "any")->deduced);
        assert_null(schema_member(schema_member(t, "spec"), "zz"));
        schema_deinit(&types);
        schema_deinit(&builtin);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_rule_is_told_as_the_server_tells_it),
                cmocka_unit_test(unknown_members_go_and_defaults_come),
                cmocka_unit_test(list_keys_reach_apply_with_their_defaults),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
