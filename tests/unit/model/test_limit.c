/* SPDX-License-Identifier: Apache-2.0 */
/* test_limit.c - how much one change of ours may do */
#include "unit.h"

#include "limit.h"

static unsigned over(struct limit_count c) {
        const struct limits l = LIMITS_DEFAULT;

        return limit_over(&l, &c);
}

static void deletions(void **state) {
        assert_int_equal(over((struct limit_count){ .removed = 3, .wants = 4, .removed_all = 3 }),
                         0);
        assert_int_equal(over((struct limit_count){ .removed = 4, .wants = 6, .removed_all = 4 }),
                         LIMIT_DELETE);
        assert_int_equal(over((struct limit_count){ .removed = 4, .wants = 8, .removed_all = 4 }),
                         0);
        /* Whatever the share. */
        assert_int_equal(
                over((struct limit_count){ .removed = 101, .wants = 9000, .removed_all = 101 }),
                LIMIT_DELETE);
        assert_int_equal(
                over((struct limit_count){ .removed = 1, .wants = 90, .removed_all = 101 }),
                LIMIT_DELETE);
        /* A plan that turns empty deletes nothing. */
        assert_int_equal(over((struct limit_count){
                                 .removed = 1, .wants = 1, .removed_all = 1, .empty = true }),
                         LIMIT_DELETE);
        assert_int_equal(over((struct limit_count){ .empty = true }), 0);
}

static void a_plan_that_turns_empty_says_that_it_is_held_for_that(void **state) {
        const struct limits l = LIMITS_DEFAULT;
        const struct limit_count c = { .removed = 2, .wants = 2, .removed_all = 8, .empty = true };
        cleanup_(freep) char *text = limit_text(&l, &c, LIMIT_DELETE);

        assert_string_equal(text, "turns empty: deletes 2 of 2, 8 in 10 minutes");
}

static void changes(void **state) {
        assert_int_equal(over((struct limit_count){ .changed = 50, .changed_all = 50 }), 0);
        assert_int_equal(
                over((struct limit_count){ .changed = 51, .changed_all = 51, .objects = 101 }),
                LIMIT_CHANGE);
        assert_int_equal(
                over((struct limit_count){ .changed = 51, .changed_all = 51, .objects = 102 }), 0);
        /* One that only follows what was too much before has nothing to hold. */
        assert_int_equal(over((struct limit_count){ .changed_all = 51, .objects = 60 }), 0);
}

static void a_model_has_its_own(void **state) {
        struct limits l = LIMITS_DEFAULT;
        cleanup_(json_freep) json_t *seven = json_integer(7), *many = json_integer(101);

        assert_true(limit_override(&l, "limit-delete-free", seven));
        assert_int_equal(l.delete_free, 7);
        assert_true(limit_override(&l, "limit-change-share", many)); /* wrong: not taken */
        assert_int_equal(l.change_share, 50);
        assert_false(limit_override(&l, "image-registry", seven));
        assert_non_null(limit_check("limit-change-share", many));
        assert_null(limit_check("limit-delete-most", many));
}

static void a_plan_has_one_name(void **state) {
        const uint8_t a[DIGEST_SIZE] = { 1 }, b[DIGEST_SIZE] = { 2 };
        uint8_t x[DIGEST_SIZE], y[DIGEST_SIZE];
        char content[LIMIT_CONTENT_SIZE], one[LIMIT_NAME_SIZE], two[LIMIT_NAME_SIZE];

        limit_content(a, b, content);
        assert_true(limit_content_read(content, x, y));
        assert_memory_equal(x, a, DIGEST_SIZE);
        assert_memory_equal(y, b, DIGEST_SIZE);
        assert_false(limit_content_read("", x, y));
        limit_name(1, content, one);
        limit_name(2, content, two);
        assert_string_not_equal(one, two);
        limit_name(1, content, two);
        assert_string_equal(one, two);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(deletions),
                cmocka_unit_test(a_plan_that_turns_empty_says_that_it_is_held_for_that),
                cmocka_unit_test(changes),
                cmocka_unit_test(a_model_has_its_own),
                cmocka_unit_test(a_plan_has_one_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
