/* SPDX-License-Identifier: Apache-2.0 */
/* test_field_tree.c - lists of fields as trees, and what they lead to */
#include "field-tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static json_t *parsed(const char *text) {
        struct err err = { 0 };
        json_t *j = NULL;

        if (json_parse(text, strlen(text), &j, &err) < 0)
                fail_msg("%s", err_text(&err));
        return j;
}

static json_t *tree_of(const char *list) {
        struct err err = { 0 };
        json_t *tree = NULL;

        if (field_tree_parse(list, &tree, &err) < 0)
                fail_msg("%s: %s", list, err_text(&err));
        return tree;
}

static void assert_json(const json_t *found, const char *wanted) {
        cleanup_(freep) char *text = json_text(found);

        assert_string_equal(text, wanted);
}

static void paths_are_one_tree(void **state) {
        static const struct {
                const char *list, *tree;
        } cases[] = {
                { "spec", "{\"f:spec\":{}}" },
                { "a.b, a.c", "{\"f:a\":{\"f:b\":{},\"f:c\":{}}}" },
                { "metadata.labels[\"x.y/z\"]",
                  "{\"f:metadata\":{\"f:labels\":{\"f:x.y/z\":{}}}}" },
                { "hooks[*].rules", "{\"f:hooks\":{\"*\":{\"f:rules\":{}}}}" },
                { "ports[port=80,name=http]",
                  "{\"f:ports\":{\"k:{\\\"name\\\":\\\"http\\\",\\\"port\\\":80}\":{}}}" },
                { "a, a.b", "{\"f:a\":{}}" },
                { "a.b, a", "{\"f:a\":{}}" },
                { "", "{}" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *tree = tree_of(cases[i].list);

                assert_json(tree, cases[i].tree);
        }
}

static void what_is_no_field_is_refused(void **state) {
        static const char *const bad[] = { "/spec", "a..b",  "a.",  "a[b]",  "a[b=1", "a[\"b",
                                           "a b",   "a[*]b", "a[]", "a, b[", "a[=x]", "a[b=]" };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct err err = { 0 };
                json_t *tree = NULL;

                if (field_tree_parse(bad[i], &tree, &err) >= 0)
                        fail_msg("%s is taken", bad[i]);
                assert_int_equal(err.code, -EINVAL);
                assert_null(tree);
        }
}

static void trees_overlap_where_one_ends_on_the_way_of_the_other(void **state) {
        static const struct {
                const char *a, *b;
                bool overlap;
        } cases[] = {
                { "spec", "spec.replicas", true },   { "spec.a", "spec.b", false },
                { "h[*].rules", "h[name=x]", true }, { "h[name=x].a", "h[*].b", false },
                { "h[name=x]", "h[name=y]", false }, { "rules", "subjects, rules[*].verbs", true },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *a = tree_of(cases[i].a), *b = tree_of(cases[i].b);

                assert_int_equal(field_tree_overlap(a, b), cases[i].overlap);
                assert_int_equal(field_tree_overlap(b, a), cases[i].overlap);
        }
}

static void what_a_path_leads_to_is_taken_out(void **state) {
        cleanup_(json_freep) json_t *tree = tree_of("a.b, l[*].x, l[id=2], missing.c");
        cleanup_(json_freep) json_t *value =
                parsed("{\"a\":{\"b\":1,\"c\":2},\"l\":[{\"id\":1,\"x\":1},{\"id\":2,\"x\":2}]}");

        field_tree_prune(value, tree);
        assert_json(value, "{\"a\":{\"c\":2},\"l\":[{\"id\":1}]}");
}

static void a_field_set_loses_what_is_empty_after_and_keeps_what_is_one_value(void **state) {
        cleanup_(json_freep) json_t *tree = tree_of("a.b, l[*].x, atomic[*].y, only.this");
        cleanup_(json_freep) json_t *set =
                parsed("{\"f:a\":{\"f:b\":{},\"f:c\":{}},\"f:atomic\":{},\"f:l\":{\"k:{\\\"id\\\":"
                       "1}\":{\".\":{},\"f:x\":{}}},\"f:only\":{\"f:this\":{}}}");

        field_tree_prune_set(set, tree);
        assert_json(set, "{\"f:a\":{\"f:c\":{}},\"f:atomic\":{},\"f:l\":{\"k:{\\\"id\\\":1}\":{"
                         "\".\":{}}}}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_are_one_tree),
                cmocka_unit_test(what_is_no_field_is_refused),
                cmocka_unit_test(trees_overlap_where_one_ends_on_the_way_of_the_other),
                cmocka_unit_test(what_a_path_leads_to_is_taken_out),
                cmocka_unit_test(a_field_set_loses_what_is_empty_after_and_keeps_what_is_one_value),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
