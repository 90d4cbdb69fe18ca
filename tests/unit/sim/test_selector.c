/* SPDX-License-Identifier: Apache-2.0 */
/* test_selector.c - label and field selectors */
#include "selector.h"

#include <setjmp.h>

#include <cmocka.h>

static const struct kind pods = { .group = (char *)"", .kind = (char *)"Pod" };
static const struct kind maps = { .group = (char *)"", .kind = (char *)"ConfigMap" };

static bool matches(const struct kind *kind, const char *labels, const char *fields) {
        cleanup_(selector_deinit) struct selector s = { 0 };
        cleanup_(reply_deinit) struct reply reply = { 0 };
        cleanup_(json_freep) json_t *object =
                json_pack("{s:{s:s,s:{s:s,s:s}},s:{s:s}}", "metadata", "name", "n", "labels", "a",
                          "1", "example.com/b", "2", "status", "phase", "Running");

        assert_true(selector_parse(kind, labels, fields, &s, &reply));
        return selector_matches(&s, object);
}

static void equality_sets_and_existence_select(void **state) {
        assert_true(matches(&pods, NULL, NULL));
        assert_true(matches(&pods, "a=1,example.com/b==2", NULL));
        assert_false(matches(&pods, "a=2", NULL));
        assert_true(matches(&pods, "a!=2,c!=1", NULL));
        assert_true(matches(&pods, "a in (1, 3),a notin (2)", NULL));
        assert_false(matches(&pods, "c in (1)", NULL));
        assert_true(matches(&pods, "a, !c", NULL));
        assert_false(matches(&pods, "!a", NULL));
}

static void known_fields_select(void **state) {
        assert_true(matches(&pods, NULL, "metadata.name=n,status.phase!=Failed"));
        assert_false(matches(&pods, NULL, "metadata.name=m"));
        assert_true(matches(&maps, NULL, "metadata.name=n"));
}

static void assert_refused(const struct kind *kind, const char *labels, const char *fields) {
        struct selector s = { 0 };
        cleanup_(reply_deinit) struct reply reply = { 0 };

        assert_false(selector_parse(kind, labels, fields, &s, &reply));
        assert_int_equal(reply.code, 400);
}

static void what_is_no_selector_is_refused(void **state) {
        assert_refused(&pods, "a in (1", NULL);
        assert_refused(&pods, "=1", NULL);
        assert_refused(&pods, "a b", NULL);
        assert_refused(&maps, NULL, "status.phase=x");
}

static void an_empty_selector_object_selects_nothing(void **state) {
        cleanup_(json_freep) json_t *none = json_object();
        cleanup_(json_freep) json_t *labels = json_pack("{s:s}", "a", "1");
        cleanup_(json_freep) json_t *expressions =
                json_pack("{s:[{s:s,s:s,s:[s]}]}", "matchExpressions", "key", "a", "operator",
                          "NotIn", "values", "2");

        assert_false(selector_matches_object(none, labels));
        assert_true(selector_matches_object(labels, labels));
        assert_true(selector_matches_object(expressions, labels));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(equality_sets_and_existence_select),
                cmocka_unit_test(known_fields_select),
                cmocka_unit_test(what_is_no_selector_is_refused),
                cmocka_unit_test(an_empty_selector_object_selects_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
