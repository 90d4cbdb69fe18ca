/* SPDX-License-Identifier: Apache-2.0 */
/* test_map.c - the hash table, against a plain array as its model */
#include "map.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_empty_map_answers_and_removes_nothing(void **state) {
        struct map m = MAP_INIT;
        size_t i = 0;

        assert_null(map_find(&m, "a"));
        assert_null(map_remove(&m, "a"));
        assert_null(map_next(&m, &i));
        map_free(&m);
}

static void setting_again_returns_the_old_value(void **state) {
        struct map m = MAP_INIT;
        int a, b;

        assert_null(map_set(&m, "k", &a));
        assert_ptr_equal(map_set(&m, "k", &b), &a);
        assert_ptr_equal(map_find(&m, "k"), &b);
        assert_int_equal(m.count, 1);
        assert_ptr_equal(map_remove(&m, "k"), &b);
        assert_int_equal(m.count, 0);
        map_free(&m);
}

static void keys_are_bytes_and_are_copied(void **state) {
        struct map m = MAP_INIT;
        char key[3] = { 'a', '\0', 'b' };
        int a, b;

        map_set_bytes(&m, key, 3, &a);
        map_set_bytes(&m, key, 1, &b);
        key[2] = 'c';
        assert_null(map_find_bytes(&m, key, 3));
        assert_ptr_equal(map_find_bytes(&m, "a\0b", 3), &a);
        assert_ptr_equal(map_find(&m, "a"), &b);
        map_free(&m);
}

static void borrowed_keys_are_the_newest_values(void **state) {
        struct map m = { .borrows = true };
        char *first = str_dup("key"), *second = str_dup("key"), *other = str_dup("other");
        struct map_entry *e;
        size_t i = 0;

        assert_null(map_set(&m, first, first));
        assert_null(map_set(&m, other, other));
        assert_ptr_equal(map_set(&m, second, second), first);
        free(first); /* as its value would be: the table must not look at it again */
        assert_ptr_equal(map_find(&m, "key"), second);
        assert_ptr_equal(map_remove(&m, "key"), second);
        free(second);
        e = map_next(&m, &i);
        assert_ptr_equal(e->key, other);
        map_free_with(&m, free); /* frees the values, and with them the keys */
        assert_true(m.borrows);
}

static void a_table_that_was_large_gives_memory_back_and_loses_nothing(void **state) {
        struct map m = MAP_INIT;
        static int values[20000];
        char key[16];
        size_t most;

        for (int i = 0; i < 20000; i++) {
                snprintf(key, sizeof(key), "%d", i);
                map_set(&m, key, &values[i]);
        }
        most = m.room;
        for (int i = 0; i < 19990; i++) {
                snprintf(key, sizeof(key), "%d", i);
                assert_ptr_equal(map_remove(&m, key), &values[i]);
        }
        assert_true(m.room < most / 4);
        for (int i = 19990; i < 20000; i++) {
                snprintf(key, sizeof(key), "%d", i);
                assert_ptr_equal(map_find(&m, key), &values[i]);
        }
        map_free(&m);
}

/* 20,000 random sets, removals and look-ups of 500 keys; a deletion that breaks a run of slots
 * shows here. */
static void random_changes_agree_with_a_plain_array(void **state) {
        static int values[500];
        bool there[500] = { false };
        struct map m = MAP_INIT;
        uint32_t random = 7;
        size_t count = 0;

        for (int step = 0; step < 20000; step++) {
                char key[16];
                int k;

                random = random * 1664525u + 1013904223u;
                k = (int)(random >> 16) % 500;
                snprintf(key, sizeof(key), "key-%d", k);
                assert_ptr_equal(map_find(&m, key), there[k] ? &values[k] : NULL);
                if (random >> 8 & 1)
                        map_set(&m, key, &values[k]);
                else
                        map_remove(&m, key);
                there[k] = random >> 8 & 1;
        }
        for (size_t i = 0; i < 500; i++)
                count += there[i];
        assert_int_equal(m.count, count);
        map_free(&m);
}

static void a_walk_meets_every_entry_once(void **state) {
        struct map m = MAP_INIT;
        struct map_entry *e;
        int seen[100] = { 0 };

        for (int i = 0; i < 100; i++) {
                char key[16];

                snprintf(key, sizeof(key), "%d", i);
                map_set(&m, key, &seen[i]);
        }
        for (size_t i = 0; (e = map_next(&m, &i));)
                (*(int *)e->value)++;
        for (int i = 0; i < 100; i++)
                assert_int_equal(seen[i], 1);
        map_free(&m);
}

static void values_are_freed_on_demand(void **state) {
        struct map m = MAP_INIT;

        map_set(&m, "a", str_dup("x"));
        map_set(&m, "b", str_dup("y"));
        map_free_with(&m, free);
        assert_int_equal(m.count, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_map_answers_and_removes_nothing),
                cmocka_unit_test(setting_again_returns_the_old_value),
                cmocka_unit_test(keys_are_bytes_and_are_copied),
                cmocka_unit_test(random_changes_agree_with_a_plain_array),
                cmocka_unit_test(a_walk_meets_every_entry_once),
                cmocka_unit_test(values_are_freed_on_demand),
                cmocka_unit_test(a_table_that_was_large_gives_memory_back_and_loses_nothing),
                cmocka_unit_test(borrowed_keys_are_the_newest_values),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
