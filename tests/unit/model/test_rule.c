/* SPDX-License-Identifier: Apache-2.0 */
/* test_rule.c - which rule decides, when a window lets a repair go, and what is frozen */
#include "clock.h"
#include "rule.h"

#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#define ANY (char *)""
#define RULE(n, a, t, p, f)                                                                        \
        {                                                                                          \
                .id = n, .application = (char *)a, .type = (char *)t, .path = (char *)p,           \
                .field = (char *)f, .begins = ANY, .owner = (char *)"eve", .why = (char *)"x"      \
        }

static const struct rule_subject server = { "web", "Deployment.apps", "m/web" };

static int64_t decides(struct rule *items, size_t n, const char *field) {
        struct rules r = { .items = items, .count = n };
        const struct rule *rule = rules_find(&r, &server, field);

        return rule ? rule->id : 0;
}

static void the_narrowest_rule_decides(void **state) {
        struct rule items[] = {
                RULE(1, "", "", "", ""),
                RULE(2, "web", "", "", ""),
                RULE(3, "", "deployment", "", ""),
                RULE(4, "", "Deployment.apps", "m/web", ""),
                RULE(5, "", "", "", "spec"),
                RULE(6, "", "", "", "spec.replicas"),
                RULE(7, "web", "", "", "spec.replicas"),
        };

        assert_int_equal(decides(items, 1, "spec.replicas"), 1);
        assert_int_equal(decides(items, 2, "spec.replicas"), 2);
        assert_int_equal(decides(items, 3, "spec.replicas"), 3);
        assert_int_equal(decides(items, 4, "spec.replicas"), 4);
        assert_int_equal(decides(items, 5, "spec.replicas"), 5);
        assert_int_equal(decides(items, 6, "spec.replicas"), 6);
        assert_int_equal(decides(items, 7, "spec.replicas"), 7);
        assert_int_equal(decides(items, 7, "spec.paused"), 5);
        assert_int_equal(decides(items, 7, "metadata.labels"), 4);
        assert_int_equal(decides(items, 7, ""), 4);
}

static void what_does_not_fit_does_not_decide(void **state) {
        struct rule items[] = {
                RULE(1, "other", "", "", ""),
                RULE(2, "", "Service", "", ""),
                RULE(3, "", "Deployment.apps", "m/other", ""),
                RULE(4, "", "", "", "spec.template"),
        };

        assert_int_equal(decides(items, 4, "spec.replicas"), 0);
        assert_int_equal(decides(items, 4, "spec.template.spec.x"), 4);
        assert_null(rules_find(NULL, &server, ""));
}

static void a_window_that_cannot_be_told_never_opens(void **state) {
        struct rule r = RULE(1, "", "", "", "");
        int64_t change;

        assert_true(rule_window_open(&r, 0, &change));
        r.begins = (char *)"0 2 * * *";
        r.broken = (char *)"there is no time zone";
        assert_false(rule_window_open(&r, 0, &change));
        assert_int_equal(change, 0);
}

static void a_freeze_holds_its_application_or_all(void **state) {
        struct freeze items[] = {
                { .application = (char *)"web", .type = ANY, .path = ANY },
                { .application = ANY, .type = (char *)"Service", .path = (char *)"m/web" },
        };
        struct rules r = { .freezes = items, .freeze_count = 2 };

        assert_ptr_equal(rules_frozen(&r, "web"), &items[0]);
        assert_null(rules_frozen(&r, "other"));
        assert_null(rules_frozen(&r, NULL));
        assert_ptr_equal(rules_paused(&r, "Service", "m/web"), &items[1]);
        assert_null(rules_paused(&r, "Service", "m/other"));
        items[0].application = ANY;
        assert_ptr_equal(rules_frozen(&r, "other"), &items[0]);
        assert_ptr_equal(rules_frozen(&r, NULL), &items[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_narrowest_rule_decides),
                cmocka_unit_test(what_does_not_fit_does_not_decide),
                cmocka_unit_test(a_window_that_cannot_be_told_never_opens),
                cmocka_unit_test(a_freeze_holds_its_application_or_all),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
