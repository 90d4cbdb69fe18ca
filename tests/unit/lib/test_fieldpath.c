/* SPDX-License-Identifier: Apache-2.0 */
/* test_fieldpath.c - paths of fields as trees, and what they lead to */
#include "fieldpath.h"

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

        if (fieldpath_parse(list, &tree, &err) < 0)
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
                { "ports[port=80,name=\"8\"]",
                  "{\"f:ports\":{\"k:{\\\"name\\\":\\\"8\\\",\\\"port\\\":80}\":{}}}" },
                { "a, a.b", "{\"f:a\":{}}" },
                { "a.b, a", "{\"f:a\":{}}" },
                { "", "{}" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *tree = tree_of(cases[i].list);

                assert_json(tree, cases[i].tree);
        }
}

static void what_is_no_path_is_refused_with_what_is_wrong(void **state) {
        static const struct {
                const char *list, *said;
        } cases[] = {
                { "/spec", "a name is missing" }, { "a..b", "a name is missing" },
                { "a.", "a name is missing" },    { "a[b]", "[name=value]" },
                { "a[b=1", "does not close" },    { "a[\"b", "does not end" },
                { "a b", "separated by commas" }, { "a[*]b", "separated by dots" },
                { "a[\"\"]", "is empty" },        { "a, b[", "b[\" is no path" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct err err = { 0 };
                json_t *tree = NULL;

                assert_int_equal(fieldpath_parse(cases[i].list, &tree, &err), -EINVAL);
                assert_null(tree);
                assert_non_null(strstr(err_text(&err), cases[i].said));
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

                assert_int_equal(fieldpath_overlap(a, b), cases[i].overlap);
                assert_int_equal(fieldpath_overlap(b, a), cases[i].overlap);
        }
}

static void what_a_path_leads_to_is_taken_out(void **state) {
        cleanup_(json_freep) json_t *tree = tree_of("a.b, l[*].x, l[id=2], missing.c");
        cleanup_(json_freep) json_t *value =
                parsed("{\"a\":{\"b\":1,\"c\":2},\"l\":[{\"id\":1,\"x\":1},{\"id\":2,\"x\":2}]}");

        fieldpath_prune(value, tree);
        assert_json(value, "{\"a\":{\"c\":2},\"l\":[{\"id\":1}]}");
}

static void a_field_set_loses_what_is_empty_after_and_keeps_what_is_one_value(void **state) {
        cleanup_(json_freep) json_t *tree = tree_of("a.b, l[*].x, atomic[*].y, only.this");
        cleanup_(json_freep) json_t *set =
                parsed("{\"f:a\":{\"f:b\":{},\"f:c\":{}},\"f:atomic\":{},\"f:l\":{\"k:{\\\"id\\\":"
                       "1}\":{\".\":{},\"f:x\":{}}},\"f:only\":{\"f:this\":{}}}");

        fieldpath_prune_set(set, tree);
        assert_json(set, "{\"f:a\":{\"f:c\":{}},\"f:atomic\":{},\"f:l\":{\"k:{\\\"id\\\":1}\":{"
                         "\".\":{}}}}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_are_one_tree),
                cmocka_unit_test(what_is_no_path_is_refused_with_what_is_wrong),
                cmocka_unit_test(trees_overlap_where_one_ends_on_the_way_of_the_other),
                cmocka_unit_test(what_a_path_leads_to_is_taken_out),
                cmocka_unit_test(a_field_set_loses_what_is_empty_after_and_keeps_what_is_one_value),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
