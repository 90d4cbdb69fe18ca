/* SPDX-License-Identifier: Apache-2.0 */
/* test_arena.c - where secret values lie: not in dumps, not in children, not after they were
 * freed */
#include "arena.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The VmFlags line of the mapping that holds P, or NULL. */
static char *flags_of(const void *p) {
        cleanup_(fclosep) FILE *f = fopen("/proc/self/smaps", "re");
        unsigned long from, to;
        bool inside = false;
        char line[512];

        assert_non_null(f);
        while (fgets(line, sizeof(line), f)) {
                if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
                        inside = (unsigned long)p >= from && (unsigned long)p < to;
                else if (inside && str_starts(line, "VmFlags:"))
                        return str_dup(line);
        }
        return NULL;
}

static void assert_kept_out(size_t size) {
        void *p = arena_alloc(size);
        cleanup_(freep) char *flags = flags_of(p);

        assert_non_null(flags);
        assert_non_null(strstr(flags, " dd"));
        assert_non_null(strstr(flags, " wf"));
        arena_free(p, size);
}

static void values_are_left_out_of_dumps_and_children(void **state) {
        assert_kept_out(20);
        assert_kept_out(16 << 10);
        assert_kept_out(1 << 20);
}

static void ordinary_memory_has_not_these_flags(void **state) {
        cleanup_(freep) char *p = mem_alloc(100);
        cleanup_(freep) char *flags = flags_of(p);

        assert_non_null(flags);
        assert_null(strstr(flags, " wf"));
}

static void a_forked_child_sees_zeros(void **state) {
        struct secret_text t = {};
        int status = 0;
        pid_t pid;

        secret_text_set(&t, "correct horse battery staple", 28);
        pid = fork();
        if (pid == 0) {
                for (size_t i = 0; i < t.len; i++) {
                        if (t.data[i])
                                _exit(1);
                }
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_memory_equal(t.data, "correct horse battery staple", 29);
        secret_text_free(&t);
}

static void what_is_freed_is_overwritten(void **state) {
        struct secret_text t = {};
        const char *was;
        char copy[64];

        secret_text_set(&t, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
        was = t.data;
        secret_text_free(&t);
        assert_null(t.data);
        memcpy(copy, was, sizeof(copy));
        assert_null(memmem(copy, sizeof(copy), "89abcdef", 8));
        assert_null(memmem(copy, sizeof(copy), "uvwxyz", 6));
        for (size_t i = sizeof(void *); i < sizeof(copy); i++)
                assert_int_equal(copy[i], 0);
}

static void memory_comes_zeroed_and_is_used_again(void **state) {
        char *p = arena_alloc(100);
        char *q;

        memset(p, 'x', 100);
        arena_free(p, 100);
        q = arena_alloc(100);
        assert_ptr_equal(p, q);
        for (int i = 0; i < 100; i++)
                assert_int_equal(q[i], 0);
        arena_free(q, 100);
}

static void behind_a_large_value_is_a_guard(void **state) {
        size_t size = 64 << 10;
        char *p = arena_alloc(size);
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                signal(SIGSEGV, SIG_DFL); /* neither cmocka's nor the sanitizer's report */
                ((volatile char *)p)[size] = 'x';
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSEGV);
        arena_free(p, size);
}

static void many_values_of_all_sizes_do_not_touch_each_other(void **state) {
        struct secret_text t[300] = {};
        size_t before = arena_used();

        for (int i = 0; i < 300; i++) {
                cleanup_(freep) char *text = mem_alloc(i * 61 + 1);

                memset(text, 'a' + i % 26, i * 61);
                secret_text_set(&t[i], text, i * 61);
        }
        for (int i = 0; i < 300; i++) {
                for (size_t k = 0; k < t[i].len; k++)
                        assert_int_equal(t[i].data[k], 'a' + i % 26);
                assert_int_equal(t[i].data[t[i].len], 0);
                secret_text_free(&t[i]);
        }
        assert_int_equal(arena_used(), before);
}

static void a_text_may_be_set_to_a_part_of_itself(void **state) {
        struct secret_text t = {};

        secret_text_set(&t, "user:password", 13);
        secret_text_set(&t, t.data + 5, 8);
        assert_string_equal(t.data, "password");
        secret_text_free(&t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_left_out_of_dumps_and_children),
                cmocka_unit_test(ordinary_memory_has_not_these_flags),
                cmocka_unit_test(a_forked_child_sees_zeros),
                cmocka_unit_test(what_is_freed_is_overwritten),
                cmocka_unit_test(memory_comes_zeroed_and_is_used_again),
                cmocka_unit_test(behind_a_large_value_is_a_guard),
                cmocka_unit_test(many_values_of_all_sizes_do_not_touch_each_other),
                cmocka_unit_test(a_text_may_be_set_to_a_part_of_itself),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
