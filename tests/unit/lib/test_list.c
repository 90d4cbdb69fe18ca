/* SPDX-License-Identifier: Apache-2.0 */
/* test_list.c - the intrusive ring */
#include "list.h"

#include <setjmp.h>

#include <cmocka.h>

struct thing {
        int n;
        struct list link;
};

static int number(struct list *l) {
        return list_entry(l, struct thing, link)->n;
}

static void entries_keep_their_order(void **state) {
        struct list head = LIST_INIT(head);
        struct thing a = { .n = 1 }, b = { .n = 2 }, c = { .n = 0 };
        int want = 0;

        assert_true(list_empty(&head));
        list_append(&head, &a.link);
        list_append(&head, &b.link);
        list_prepend(&head, &c.link);
        list_each(p, &head)
                assert_int_equal(number(p), want++);
        assert_int_equal(want, 3);
}

static void the_current_entry_may_be_unlinked_in_a_walk(void **state) {
        struct list head = LIST_INIT(head);
        struct thing things[4] = { { 0 } };
        int left = 0;

        for (int i = 0; i < 4; i++) {
                things[i].n = i;
                list_append(&head, &things[i].link);
        }
        list_each(p, &head)
                if (number(p) % 2)
                        list_unlink(p);
        list_each(p, &head)
                left += 1 + number(p);
        assert_int_equal(left, 1 + 3);
        assert_false(list_linked(&things[1].link));
        assert_true(list_linked(&things[0].link));
}

static void unlinking_twice_or_never_linked_is_harmless(void **state) {
        struct list head = LIST_INIT(head);
        struct thing a = { .n = 1 };

        list_unlink(&a.link);
        assert_false(list_linked(&a.link));
        list_append(&head, &a.link);
        list_unlink(&a.link);
        list_unlink(&a.link);
        assert_true(list_empty(&head));
}

static void popping_takes_the_first_until_none_is_left(void **state) {
        struct list head = LIST_INIT(head);
        struct thing a = { .n = 1 }, b = { .n = 2 };

        list_append(&head, &a.link);
        list_append(&head, &b.link);
        assert_int_equal(number(list_pop(&head)), 1);
        assert_int_equal(number(list_pop(&head)), 2);
        assert_null(list_pop(&head));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(entries_keep_their_order),
                cmocka_unit_test(the_current_entry_may_be_unlinked_in_a_walk),
                cmocka_unit_test(unlinking_twice_or_never_linked_is_harmless),
                cmocka_unit_test(popping_takes_the_first_until_none_is_left),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
