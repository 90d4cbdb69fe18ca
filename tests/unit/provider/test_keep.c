/* SPDX-License-Identifier: Apache-2.0 */
/* test_keep.c - what of a document is sent where fields are kept as they are */
#include "keep.h"

#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

static json_t *parse(const char *text) {
        cleanup_(freep) char *copy = str_dup(text ? text : "null");
        struct err err = { 0 };
        json_t *j = NULL;

        if (!text)
                return NULL;
        for (char *p = copy; *p; p++)
                if (*p == '\'')
                        *p = '"';
        if (json_parse(copy, strlen(copy), &j, &err) < 0)
                fail_msg("%s: %s", err_text(&err), copy);
        return j;
}

/* FOUND, OTHERS: NULL: nothing differs from BASELINE. WANTED NULL: the document stays as it is. */
static void assert_kept(const char *field, const char *document, const char *baseline,
                        const char *found, const char *others, const char *wanted) {
        cleanup_(json_freep) json_t *doc = parse(document);
        cleanup_(json_freep) json_t *base = parse(baseline);
        cleanup_(json_freep) json_t *seen = NULL;
        cleanup_(json_freep) json_t *sent = NULL;
        cleanup_(json_freep) json_t *owned = NULL;
        cleanup_(json_freep) json_t *right = parse(wanted);
        const struct kept_field kept = { field, false };
        struct apply_request r = {
                .wanted = doc, .baseline = base, .kept = &kept, .kept_count = 1
        };

        if (found)
                seen = json_pack("{s:o, s:[{s:s, s:o}]}", "object", parse(found), "others",
                                 "manager", "hpa", "fields", parse(others));
        r.found = seen;
        sent = keep_document(&r, &owned);
        assert_null(owned);
        if (!right)
                assert_null(sent);
        else
                assert_true(json_equal(sent, right));
}

#define REPLICAS "spec.replicas"
#define DOCUMENT "{'spec': {'replicas': 1, 'paused': false}}"

static void what_another_owns_is_left_out(void **state) {
        assert_kept(REPLICAS, DOCUMENT, DOCUMENT, "{'spec': {'replicas': 5}}",
                    "{'f:spec': {'f:replicas': {}}}", "{'spec': {'paused': false}}");
}

static void what_nobody_owns_is_declared_as_it_is(void **state) {
        assert_kept(REPLICAS, DOCUMENT, DOCUMENT, "{'spec': {'replicas': 5}}", "{}",
                    "{'spec': {'replicas': 5, 'paused': false}}");
}

static void what_is_gone_stays_gone(void **state) {
        assert_kept(REPLICAS, DOCUMENT, DOCUMENT, "{'spec': {}}", "{}",
                    "{'spec': {'paused': false}}");
}

static void what_does_not_differ_is_declared_as_it_was(void **state) {
        assert_kept(REPLICAS, "{'spec': {'replicas': 9}}", "{'spec': {'replicas': 1}}", NULL, NULL,
                    "{'spec': {'replicas': 1}}");
        assert_kept(REPLICAS, DOCUMENT, DOCUMENT, NULL, NULL, NULL);
        /* It was left to another before. */
        assert_kept(REPLICAS, DOCUMENT, "{'spec': {'paused': false}}", NULL, NULL,
                    "{'spec': {'paused': false}}");
        /* Nothing is known of it: left out, it might be deleted. */
        assert_kept(REPLICAS, DOCUMENT, NULL, NULL, NULL, NULL);
}

static void what_is_hidden_is_left_to_its_owner_or_as_declared(void **state) {
        assert_kept("data.key", "{'data': {'key': 'x'}}", "{'data': {'key': '(hidden, 1)'}}",
                    "{'data': {'key': '(hidden, 2)'}}", "{'f:data': {'f:key': {}}}",
                    "{'data': {}}");
        assert_kept("data.key", "{'data': {'key': 'x'}}", "{'data': {'key': '(hidden, 1)'}}",
                    "{'data': {'key': '(hidden, 2)'}}", "{}", NULL);
}

#define CONTAINERS "{'containers': [{'name': 'a', 'image': '1'}, {'name': 'b', 'image': '1'}]}"
#define CHANGED "{'containers': [{'name': 'b', 'image': '3'}, {'name': 'a', 'image': '2'}]}"

static void items_of_lists_are_found_by_their_keys(void **state) {
        assert_kept("containers[name=a].image", CONTAINERS, CONTAINERS, CHANGED, "{}",
                    "{'containers': [{'name': 'a', 'image': '2'}, {'name': 'b', 'image': '1'}]}");
        assert_kept("containers[*].image", CONTAINERS, CONTAINERS, CHANGED,
                    "{'f:containers': {'k:{\\'name\\':\\'b\\'}': {'f:image': {}}}}",
                    "{'containers': [{'name': 'a', 'image': '2'}, {'name': 'b'}]}");
        assert_kept("containers[name=none].image", CONTAINERS, CONTAINERS, CHANGED, "{}", NULL);
}

static void what_a_rule_covers_is_kept_leaf_by_leaf(void **state) {
        assert_kept("metadata.labels", "{'metadata': {'labels': {'a': '1', 'b': '1'}}}",
                    "{'metadata': {'labels': {'a': '1', 'b': '1'}}}",
                    "{'metadata': {'labels': {'a': '2', 'b': '1', 'theirs': 'x'}}}", "{}",
                    "{'metadata': {'labels': {'a': '2', 'b': '1'}}}");
}

#define ENV "{'env': [{'name': 'A', 'value': '1'}, {'name': 'B', 'value': '1'}]}"
#define THEIRS "{'f:env': {'k:{\\'name\\':\\'X\\'}': {'.': {}, 'f:name': {}, 'f:value': {}}}}"

/* Left out, a list would lose all items that nobody else owns. */
static void of_a_list_that_another_has_items_of_ours_are_declared_as_they_are(void **state) {
        static const char changed[] =
                "{'env': [{'name': 'A', 'value': '2'}, {'name': 'X', 'value': '9'}]}";

        assert_kept("env", ENV, ENV, changed, THEIRS, "{'env': [{'name': 'A', 'value': '2'}]}");
        assert_kept("env", ENV, ENV, "{'env': [{'name': 'X', 'value': '9'}]}", THEIRS, "{}");
        assert_kept("", "{'spec': {'env': [{'name': 'A', 'value': '1'}], 'n': 1}}",
                    "{'spec': {'env': [{'name': 'A', 'value': '1'}], 'n': 1}}",
                    "{'spec': {'env': [{'name': 'X'}, {'name': 'A', 'value': '1'}], 'n': 2}}",
                    "{'f:spec': " THEIRS "}",
                    "{'spec': {'env': [{'name': 'A', 'value': '1'}], 'n': 2}}");
        /* One writer has all of it: it is theirs. */
        assert_kept("env", ENV, ENV, changed, "{'f:env': {}}", "{}");
        assert_kept("tags", "{'tags': ['a', 'b']}", "{'tags': ['a', 'b']}", "{'tags': ['c', 'a']}",
                    "{'f:tags': {'v:\\'c\\'': {}}}", "{'tags': ['a']}");
}

static void what_names_the_object_is_declared_whatever_a_rule_says(void **state) {
        static const char named[] = "{'kind': 'Service', 'metadata': {'name': 'x', 'labels': "
                                    "{'a': '1'}}, 'spec': {'name': 'x'}}";

        assert_kept("kind", named, named, named, "{'f:kind': {}}", NULL);
        assert_kept("metadata", named, named, named,
                    "{'f:metadata': {'f:name': {}, 'f:labels': {'f:a': {}}}}",
                    "{'kind': 'Service', 'metadata': {'name': 'x', 'labels': {}}, 'spec': "
                    "{'name': 'x'}}");
        assert_kept("spec.name", named, named, named, "{'f:spec': {'f:name': {}}}",
                    "{'kind': 'Service', 'metadata': {'name': 'x', 'labels': {'a': '1'}}, 'spec': "
                    "{}}");
}

static void what_is_given_up_is_left_out_and_named(void **state) {
        cleanup_(json_freep) json_t *doc = parse(DOCUMENT);
        cleanup_(json_freep) json_t *right = parse("{'spec': {'paused': false}}");
        cleanup_(json_freep) json_t *path = parse("{'p': [['f:spec', 'f:replicas']]}");
        const struct kept_field kept = { REPLICAS, true };
        struct apply_request r = { .wanted = doc, .baseline = doc, .kept = &kept, .kept_count = 1 };
        cleanup_(json_freep) json_t *owned = NULL;
        cleanup_(json_freep) json_t *sent = keep_document(&r, &owned);

        assert_true(json_equal(sent, right));
        assert_true(json_equal(owned, json_get(path, "p")));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_another_owns_is_left_out),
                cmocka_unit_test(what_nobody_owns_is_declared_as_it_is),
                cmocka_unit_test(what_is_gone_stays_gone),
                cmocka_unit_test(what_does_not_differ_is_declared_as_it_was),
                cmocka_unit_test(what_is_hidden_is_left_to_its_owner_or_as_declared),
                cmocka_unit_test(items_of_lists_are_found_by_their_keys),
                cmocka_unit_test(what_a_rule_covers_is_kept_leaf_by_leaf),
                cmocka_unit_test(of_a_list_that_another_has_items_of_ours_are_declared_as_they_are),
                cmocka_unit_test(what_names_the_object_is_declared_whatever_a_rule_says),
                cmocka_unit_test(what_is_given_up_is_left_out_and_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
