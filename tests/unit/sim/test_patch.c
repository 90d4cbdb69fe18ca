/* SPDX-License-Identifier: Apache-2.0 */
/* test_patch.c - JSON patch, merge patch and strategic merge */
#include "patch.h"

#include <errno.h>
#include "parse.h"

#include <setjmp.h>

#include <cmocka.h>

static void assert_json(json_t *is, const char *wanted) {
        cleanup_(freep) char *text = json_text(is);

        assert_string_equal(text, wanted);
        json_decref(is);
}

static void assert_patched(const char *object, const char *patch, int result, const char *wanted) {
        cleanup_(json_freep) json_t *o = parse(object), *p = parse(patch);
        json_t *out = NULL;
        struct err err;

        assert_int_equal(patch_json(o, p, &out, &err), result);
        if (result == 0)
                assert_json(out, wanted);
}

static void a_json_patch_adds_replaces_and_removes(void **state) {
        assert_patched("{\"a\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", 0,
                       "{\"a\":[1,2,3]}");
        assert_patched("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}]", 0,
                       "{\"a\":[1,2]}");
        assert_patched("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":null}]", 0,
                       "{\"a\":null}");
        assert_patched("{\"x/y\":1,\"b\":2}", "[{\"op\":\"remove\",\"path\":\"/x~1y\"}]", 0,
                       "{\"b\":2}");
        assert_patched("{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b\"}]", 0,
                       "{\"b\":1}");
}

static void a_json_patch_that_does_not_apply_changes_nothing(void **state) {
        assert_patched("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", -ENOENT, NULL);
        assert_patched("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]", -ENOENT,
                       NULL);
        assert_patched("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", -ENOENT,
                       NULL);
        assert_patched("{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/5\",\"value\":2}]", -ENOENT,
                       NULL);
        assert_patched("{}", "[{\"op\":\"fly\",\"path\":\"/a\"}]", -EINVAL, NULL);
        assert_patched("{}", "{}", -EINVAL, NULL);
}

static void a_merge_patch_removes_by_null(void **state) {
        cleanup_(json_freep) json_t *o = parse("{\"a\":{\"b\":1,\"c\":2},\"l\":[1]}");
        cleanup_(json_freep) json_t *p = parse("{\"a\":{\"b\":null,\"d\":3},\"l\":[2]}");

        assert_json(patch_merge(o, p), "{\"a\":{\"c\":2,\"d\":3},\"l\":[2]}");
}

static void a_strategic_merge_finds_items_by_their_key(void **state) {
        struct schema schema = { 0 };
        cleanup_(json_freep) json_t *o =
                parse("{\"l\":[{\"n\":\"a\",\"v\":1},{\"n\":\"b\",\"v\":2}],\"s\":[\"x\"]}");
        cleanup_(json_freep) json_t *p =
                parse("{\"l\":[{\"n\":\"b\",\"v\":3},{\"n\":\"a\",\"$patch\":\"delete\"},"
                      "{\"n\":\"c\"}],\"s\":[\"y\"]}");
        cleanup_(json_freep) json_t *all =
                parse("{\"l\":[{\"$patch\":\"replace\"},{\"n\":\"z\"}]}");
        struct err err;

        assert_int_equal(schema_read(&schema, "Top l:[n]Item s:[=]s\nItem n:s v:n\n", &err), 0);
        assert_json(patch_strategic(schema_find(&schema, "Top"), o, p),
                    "{\"l\":[{\"n\":\"c\"},{\"n\":\"b\",\"v\":3}],\"s\":[\"y\",\"x\"]}");
        assert_json(patch_strategic(schema_find(&schema, "Top"), o, all),
                    "{\"l\":[{\"n\":\"z\"}],\"s\":[\"x\"]}");
        schema_deinit(&schema);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_json_patch_adds_replaces_and_removes),
                cmocka_unit_test(a_json_patch_that_does_not_apply_changes_nothing),
                cmocka_unit_test(a_merge_patch_removes_by_null),
                cmocka_unit_test(a_strategic_merge_finds_items_by_their_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
