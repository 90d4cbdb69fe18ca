/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan_difference.c - what two plans of one application differ in, without values */
#include "plan-difference.h"

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

static struct plan *plan_of(const char *status, const char *message, const char *version,
                            const char *tell, const char *secrets, const char *targets) {
        struct plan *p = mem_new(struct plan);

        p->status = status ? str_dup(status) : NULL;
        p->message = message ? str_dup(message) : NULL;
        p->version = version ? str_dup(version) : NULL;
        assert_int_equal(json_parse(tell, strlen(tell), &p->tell, NULL), 0);
        assert_int_equal(json_parse(secrets, strlen(secrets), &p->secrets, NULL), 0);
        assert_int_equal(json_parse(targets, strlen(targets), &p->targets, NULL), 0);
        return p;
}

static void assert_sentences(struct plan *before, struct plan *after, const char *const *want) {
        json_t *relations = json_pack("[{s:i, s:s, s:s}]", "id", 7, "application", "store",
                                      "endpoint", "object-storage");
        json_t *found = plan_differences(before, after, relations);
        size_t n = 0;

        for (; want[n]; n++)
                assert_string_equal(json_string_value(json_array_get(found, n)) ?: "", want[n]);
        assert_int_equal(json_array_size(found), n);
        json_decref(found);
        json_decref(relations);
        plan_free(before);
        plan_free(after);
}

static void equal_plans_differ_in_nothing(void **state) {
        static const char tell[] = "{\"7\":{\"host\":\"a\"}}", secrets[] = "{\"admin/key\":{}}";

        assert_sentences(plan_of("active", NULL, "1", tell, secrets, "{}"),
                         plan_of("active", NULL, "1", tell, secrets, "{}"),
                         (const char *const[]){ NULL });
}

static void status_and_version_are_told(void **state) {
        assert_sentences(
                plan_of(NULL, NULL, "1.0", "{}", "{}", "{}"),
                plan_of("waiting", "for a database", "2.0", "{}", "{}", "{}"),
                (const char *const[]){ "say \"waiting: for a database\" where the content before "
                                       "says \"what its objects are\"",
                                       "run version 2.0 instead of 1.0", NULL });
}

static void of_what_others_are_told_only_names_are_said(void **state) {
        assert_sentences(
                plan_of(NULL, NULL, NULL, "{\"7\":{\"host\":\"a\",\"old\":\"x\",\"same\":\"s\"}}",
                        "{}", "{}"),
                plan_of(NULL, NULL, NULL, "{\"7\":{\"host\":\"b\",\"port\":\"1\",\"same\":\"s\"}}",
                        "{}", "{}"),
                (const char *const[]){ "tell store something else over object-storage: host, new "
                                       "port, no old",
                                       NULL });
}

static void secrets_and_targets_are_told(void **state) {
        assert_sentences(plan_of(NULL, NULL, NULL, "{}",
                                 "{\"admin/key\":{\"length\":8},\"gone/key\":{}}", "{}"),
                         plan_of(NULL, NULL, NULL, "{}",
                                 "{\"admin/key\":{\"length\":9},\"new/key\":{}}", "{\"db\":{}}"),
                         (const char *const[]){ "ask in another way for the secret admin/key",
                                                "ask for a new secret new/key",
                                                "ask no more for the secret gone/key",
                                                "open a new target db", NULL });
}

static void many_sentences_are_counted(void **state) {
        struct buf secrets = BUF_INIT;
        struct plan *before, *after;
        json_t *found;

        buf_puts(&secrets, "{");
        for (int i = 0; i < 50; i++)
                buf_printf(&secrets, "%s\"s%d/key\":{}", i ? "," : "", i);
        buf_puts(&secrets, "}");
        before = plan_of(NULL, NULL, NULL, "{}", "{}", "{}");
        after = plan_of(NULL, NULL, NULL, "{}", buf_str(&secrets), "{}");
        found = plan_differences(before, after, NULL);
        assert_int_equal(json_array_size(found), PLAN_DIFFERENCES_MAX);
        assert_string_equal(json_string_value(json_array_get(found, PLAN_DIFFERENCES_MAX - 1)),
                            "differ in 31 more ways from the content before");
        json_decref(found);
        plan_free(before);
        plan_free(after);
        buf_free(&secrets);
}

static void add_doc(struct plan *p, const char *label, uint8_t first) {
        p->docs = mem_grow(p->docs, &p->doc_room, p->doc_count + 1, sizeof(*p->docs));
        p->docs[p->doc_count] = (struct plan_doc){ .label = str_dup(label) };
        p->docs[p->doc_count++].sha256[0] = first;
}

static void the_same_document_is_known_by_its_bytes(void **state) {
        struct plan *before = plan_of(NULL, NULL, NULL, "{}", "{}", "{}");
        struct plan *after = plan_of(NULL, NULL, NULL, "{}", "{}", "{}");

        add_doc(before, "service", 1);
        add_doc(before, "secret", 2);
        add_doc(after, "secret", 3);
        add_doc(after, "service", 1);
        add_doc(after, "new", 1);
        assert_true(plan_same_document(before, after, "service"));
        assert_false(plan_same_document(before, after, "secret"));
        assert_false(plan_same_document(before, after, "new"));
        plan_free(before);
        plan_free(after);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(equal_plans_differ_in_nothing),
                cmocka_unit_test(status_and_version_are_told),
                cmocka_unit_test(of_what_others_are_told_only_names_are_said),
                cmocka_unit_test(secrets_and_targets_are_told),
                cmocka_unit_test(many_sentences_are_counted),
                cmocka_unit_test(the_same_document_is_known_by_its_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
