/* SPDX-License-Identifier: Apache-2.0 */
/* test_verb_list.c - a list of objects is read as it was written, or not at all */
#include "verb-list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static json_t *some(void) {
        cleanup_(json_freep) json_t *objects = json_array();
        static const char *const keys[] = { "1/a b+c.txt", "1/\xc3\xa4 \"\\n\"", "2/z" };

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                cleanup_(json_freep) json_t *object =
                        json_pack("{s:s, s:i, s:s, s:s}", "key", keys[i], "bytes", (int)i, "etag",
                                  "\"e\"", "modified", "today");

                verb_list_add(objects, object);
        }
        return take_ptr(objects);
}

static void what_was_written_is_read(void **state) {
        cleanup_(json_freep) json_t *objects = some(), *all = NULL, *rest = NULL;
        cleanup_(freep) char *text = verb_list_text(objects);
        char sha256[DIGEST_HEX_SIZE];

        verb_list_hash(text, sha256);
        all = verb_list_read(text, sha256, NULL);
        assert_true(json_equal(all, objects));
        assert_null(strstr(text, "today"));
        rest = verb_list_read(text, NULL, "1/a b+c.txt");
        assert_int_equal(json_array_size(rest), 2);
        assert_string_equal(json_get_str(json_array_get(rest, 1), "key", ""), "2/z");
}

static void another_one_is_none(void **state) {
        cleanup_(json_freep) json_t *objects = some();
        cleanup_(freep) char *text = verb_list_text(objects);
        char sha256[DIGEST_HEX_SIZE];

        verb_list_hash("{}", sha256);
        assert_null(verb_list_read(text, sha256, NULL));
        assert_null(verb_list_read("{}", sha256, NULL));
        assert_null(verb_list_read("{\"objects\":[", NULL, NULL));
        assert_null(verb_list_read("", NULL, NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_written_is_read),
                cmocka_unit_test(another_one_is_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
