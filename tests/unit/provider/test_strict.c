/* SPDX-License-Identifier: Apache-2.0 */
/* test_strict.c - fields under which nobody else may add anything, and those that a component
 * completes: the set, the digest, the lines, and what is taken over */
#include "compare.h"
#include "fieldset.h"
#include "project.h"
#include "field-rules.h"
#include "takeover.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define ENTRY(manager, operation, fields)                                                          \
        "{\"manager\":\"" manager "\",\"operation\":\"" operation                                  \
        "\",\"apiVersion\":\"apps/v1\",\"fieldsV1\":" fields "}"
#define KEY(name) "\"k:{\\\"name\\\":\\\"" name "\\\"}\""
/* Both annotations are ours wherever they are. */
#define RULES                                                                                      \
        "\"f:metadata\":{\"f:annotations\":{\"f:mooring.dev/strict\":{},"                          \
        "\"f:mooring.dev/runtime-fields\":{}}}"
#define ENV_FIELDS "\"f:spec\":{\"f:env\":{" KEY("A") ":{\".\":{},\"f:v\":{}}}}"
#define OURS ENTRY("mooring", "Apply", "{" RULES "," ENV_FIELDS "}")
#define PLAIN ENTRY("mooring", "Apply", "{" ENV_FIELDS "}")
#define OBJECT(annotations, entries, spec)                                                         \
        "{\"metadata\":{\"resourceVersion\":\"7\",\"annotations\":{" annotations                   \
        "},\"managedFields\":[" entries "]},\"spec\":" spec "}"
#define STRICT "\"mooring.dev/strict\":\"spec\""
#define SPEC "{\"env\":[{\"name\":\"A\",\"v\":\"1\"}],\"policy\":\"Always\"}"
#define MORE                                                                                       \
        "{\"env\":[{\"name\":\"A\",\"v\":\"1\"},{\"name\":\"B\",\"v\":\"2\"}],\"policy\":"         \
        "\"Always\"}"

static struct scan_slice of(const char *text) {
        return scan_of(text, strlen(text));
}

static struct projection *set_of(const char *type, const char *object) {
        cleanup_(freep) char *text = fieldset_of_answer(type, of(object));
        struct projection *p = NULL;
        struct err err = { 0 };

        assert_non_null(text);
        if (fieldset_parse(text, &p, &err) < 0)
                fail_msg("%s", err_text(&err));
        return p;
}

static bool same_digest(const struct projection *p, const char *a, const char *b) {
        uint8_t x[DIGEST_SIZE], y[DIGEST_SIZE];

        project_digest(p, of(a), NULL, x);
        project_digest(p, of(b), NULL, y);
        return memcmp(x, y, DIGEST_SIZE) == 0;
}

static struct drift_list compared(const struct projection *p, const char *before,
                                  const char *after) {
        cleanup_(json_freep) json_t *base = project_restrict(p, of(before), NULL);
        cleanup_(json_freep) json_t *found = json_object();
        struct drift_list list = { 0 };

        json_object_set_new(found, "object", scan_json(of(after)));
        json_object_set_new(found, "others", fieldset_others(of(after)));
        compare_fields(p, base, found, &list);
        return list;
}

static void what_others_add_is_drift_only_where_it_is_strict(void **state) {
        static const char strict[] = OBJECT(STRICT, OURS, SPEC);
        static const char loose[] = OBJECT("", OURS, SPEC);
        struct projection *one = set_of("Deployment.apps", strict);
        struct projection *two = set_of("Deployment.apps", loose);

        assert_true(fieldset_is_strict(one));
        assert_false(fieldset_is_strict(two));
        assert_false(same_digest(one, strict, OBJECT(STRICT, OURS, MORE)));
        assert_true(same_digest(two, loose, OBJECT("", OURS, MORE)));
        fieldset_unref(one);
        fieldset_unref(two);
}

static void roles_bindings_and_network_policies_are_strict_by_themselves(void **state) {
        static const struct {
                const char *type, *object;
                bool strict;
        } cases[] = {
                { "Role.rbac.authorization.k8s.io", OBJECT("", OURS, "{}"), true },
                { "ClusterRoleBinding.rbac.authorization.k8s.io", OBJECT("", OURS, "{}"), true },
                { "NetworkPolicy.networking.k8s.io", OBJECT("", OURS, "{}"), true },
                { "ClusterRole.rbac.authorization.k8s.io",
                  "{\"aggregationRule\":{},\"metadata\":{\"managedFields\":[" OURS "]}}", false },
                { "NetworkPolicy.networking.k8s.io",
                  OBJECT("\"mooring.dev/runtime-fields\":\"spec.podSelector\"", OURS, "{}"),
                  false },
                { "Service", OBJECT("", OURS, "{}"), false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct projection *p = set_of(cases[i].type, cases[i].object);

                assert_int_equal(fieldset_is_strict(p), cases[i].strict);
                fieldset_unref(p);
        }
}

/* Subjects that nobody declared. */
static void what_is_strict_is_seen_where_nothing_of_it_is_ours(void **state) {
        static const char before[] = OBJECT("", PLAIN, "{}");
        static const char after[] = "{\"metadata\":{\"managedFields\":[" ENTRY(
                "mallory", "Update",
                "{\"f:subjects\":{}}") "]},\"spec\":{},\"subjects\":[{\"name\":\"m\"}]}";
        struct projection *p = set_of("RoleBinding.rbac.authorization.k8s.io", before);
        struct drift_list list = compared(p, before, after);

        assert_false(same_digest(p, before, after));
        assert_int_equal(list.count, 1);
        assert_string_equal(list.items[0].field, "subjects");
        assert_null(list.items[0].wanted);
        assert_string_equal(list.items[0].who, "mallory");
        drift_list_free(&list);
        fieldset_unref(p);
}

static void each_addition_is_a_line_of_its_own(void **state) {
        static const char before[] = OBJECT(STRICT, OURS, SPEC);
        static const char after[] =
                OBJECT(STRICT, OURS,
                       "{\"env\":[{\"name\":\"A\",\"v\":\"1\",\"x\":1},{\"name\":\"B\"}],"
                       "\"policy\":\"Never\",\"host\":{\"a\":1}}");
        struct projection *p = set_of("Deployment.apps", before);
        struct drift_list list = compared(p, before, after);
        static const char *const fields[] = { "spec.env[name=A].x", "spec.env[name=B]",
                                              "spec.policy", "spec.host" };

        assert_int_equal(list.count, ARRAY_SIZE(fields));
        for (size_t i = 0; i < list.count; i++)
                assert_string_equal(list.items[i].field, fields[i]);
        drift_list_free(&list);
        list = compared(p, before, before);
        assert_int_equal(list.count, 0);
        fieldset_unref(p);
}

static void an_autoscalers_replicas_are_its_own_unless_they_are_declared(void **state) {
        static const char before[] = OBJECT(STRICT, OURS, "{\"replicas\":1}");
        static const char after[] = OBJECT(STRICT, OURS, "{\"replicas\":5}");
        static const char declared[] = OBJECT(
                STRICT, ENTRY("mooring", "Apply", "{" RULES ",\"f:spec\":{\"f:replicas\":{}}}"),
                "{\"replicas\":1}");
        struct projection *free_ = set_of("Deployment.apps", before);
        struct projection *ours = set_of("Deployment.apps", declared);

        assert_true(same_digest(free_, before, after));
        assert_false(same_digest(ours, before, after));
        fieldset_unref(free_);
        fieldset_unref(ours);
}

#define RUNTIME "\"mooring.dev/runtime-fields\":\"spec.env[*].v, spec.policy\""

#define COMPLETED "{\"env\":[{\"name\":\"A\",\"v\":\"9\"}],\"policy\":\"Never\"}"

static void what_a_component_completes_is_in_no_set_and_in_no_digest(void **state) {
        static const char loose[] = OBJECT(RUNTIME, OURS, SPEC);
        static const char both[] = OBJECT(STRICT "," RUNTIME, OURS, SPEC);
        static const char after[] = OBJECT(STRICT "," RUNTIME, OURS, COMPLETED);
        struct projection *one = set_of("Deployment.apps", loose);
        struct projection *two = set_of("Deployment.apps", both);
        struct drift_list list = compared(two, both, after);

        assert_true(same_digest(one, loose, OBJECT(RUNTIME, OURS, COMPLETED)));
        assert_true(same_digest(two, both, after));
        assert_false(
                same_digest(two, both, OBJECT(STRICT "," RUNTIME, OURS, "{\"policy\":\"Never\"}")));
        assert_int_equal(list.count, 0);
        drift_list_free(&list);
        fieldset_unref(one);
        fieldset_unref(two);
}

/* Who may annotate an object may not switch its drift off. */
static void an_annotation_of_somebody_else_says_nothing(void **state) {
        static const char *const types[] = { "Deployment.apps", "NetworkPolicy.networking.k8s.io" };
        static const char bare[] = OBJECT("", PLAIN, SPEC);
        static const char annotated[] =
                OBJECT(STRICT ",\"mooring.dev/runtime-fields\":\"spec\"",
                       PLAIN "," ENTRY("kubectl-annotate", "Update", "{" RULES "}"), SPEC);

        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                cleanup_(freep) char *before = fieldset_of_answer(types[i], of(bare));
                cleanup_(freep) char *after = fieldset_of_answer(types[i], of(annotated));

                assert_string_equal(after, before);
        }
}

/* ---- taking over */

static json_t *taken(const struct projection *p, const char *object, enum takeover_how how,
                     const json_t *baseline, const char *whose_is) {
        cleanup_(freep) char *whose = NULL;
        cleanup_(freep) char *patch =
                takeover_patch(&(struct takeover){ .stored = p, .how = how, .baseline = baseline },
                               of(object), 0, &whose);
        json_t *j = patch ? scan_json(of(patch)) : NULL;

        if (whose_is)
                assert_string_equal(whose, whose_is);
        else
                assert_null(patch);
        return j;
}

static void additions_under_what_is_strict_become_ours(void **state) {
        static const char object[] = OBJECT(
                STRICT,
                OURS
                "," ENTRY("kubelet", "Update",
                          "{\"f:spec\":{\"f:env\":{" KEY("B") ":{\".\":{}}},\"f:replicas\":{},"
                                                              "\"f:host\":{}},\"f:status\":{}}"),
                MORE);
        struct projection *p = set_of("Deployment.apps", object);
        cleanup_(json_freep) json_t *patch = taken(p, object, TAKEOVER_STRICT, NULL, "kubelet");
        const json_t *ours = json_at(patch, "/0/value/0/fieldsV1/f:spec");
        const json_t *theirs = json_at(patch, "/0/value/1/fieldsV1");

        assert_non_null(json_get(json_get(ours, "f:env"), "k:{\"name\":\"B\"}"));
        assert_non_null(json_get(ours, "f:host"));
        assert_null(json_get(ours, "f:replicas"));
        assert_non_null(json_get(json_get(theirs, "f:spec"), "f:replicas"));
        assert_non_null(json_get(theirs, "f:status"));
        assert_null(json_get(json_get(theirs, "f:spec"), "f:host"));
        fieldset_unref(p);
}

static void what_nobody_owns_is_taken_where_the_baseline_lacks_it(void **state) {
        static const char before[] = OBJECT(STRICT, OURS, SPEC);
        static const char after[] =
                OBJECT(STRICT, OURS,
                       "{\"env\":[{\"name\":\"A\",\"v\":\"1\"},{\"name\":\"B\"}],\"policy\":"
                       "\"Always\",\"host\":1}");
        struct projection *p = set_of("Deployment.apps", before);
        cleanup_(json_freep) json_t *baseline = project_restrict(p, of(before), NULL);
        cleanup_(json_freep) json_t *patch =
                taken(p, after, TAKEOVER_LOST, baseline, "somebody who is not recorded");
        const json_t *ours = json_at(patch, "/0/value/0/fieldsV1/f:spec");

        assert_non_null(json_get(ours, "f:host"));
        assert_non_null(json_get(json_get(ours, "f:env"), "k:{\"name\":\"B\"}"));
        assert_null(json_get(ours, "f:policy"));
        taken(p, before, TAKEOVER_LOST, baseline, NULL);
        taken(p, after, TAKEOVER_LOST, NULL, NULL); /* what was there before is not known */
        fieldset_unref(p);
}

static void an_old_apply_keeps_only_what_it_alone_declares(void **state) {
        static const char object[] =
                OBJECT("",
                       OURS "," ENTRY("kubectl-client-side-apply", "Update",
                                      "{\"f:spec\":{\"f:env\":{\".\":{}," KEY(
                                              "A") ":{\".\":{},\"f:v\":{}}},\"f:policy\":{}}}"),
                       SPEC);
        static const char other[] = OBJECT(
                "",
                OURS "," ENTRY("somebody", "Apply",
                               "{\"f:spec\":{\"f:env\":{" KEY("A") ":{\".\":{},\"f:v\":{}}}}}"),
                SPEC);
        cleanup_(freep) char *text = takeover_fold(of(object));
        cleanup_(json_freep) json_t *patch = text ? scan_json(of(text)) : NULL;
        const json_t *theirs = json_at(patch, "/0/value/1/fieldsV1/f:spec");

        assert_null(json_get(json_get(theirs, "f:env"), "k:{\"name\":\"A\"}"));
        assert_non_null(json_get(theirs, "f:policy"));
        assert_string_equal(json_string_value(json_at(patch, "/1/value")), "7");
        assert_null(takeover_fold(of(other)));
}

/* ---- declared until somebody else has completed it */

static void what_was_completed_is_not_declared_again(void **state) {
        cleanup_(json_freep) json_t *document = scan_json(
                of("{\"hooks\":[{\"name\":\"A\",\"rules\":1},{\"name\":\"B\",\"rules\":1},"
                   "{\"name\":\"C\",\"rules\":1}],\"data\":{\"x\":1}}"));
        cleanup_(json_freep) json_t *live =
                scan_json(of("{\"hooks\":[{\"name\":\"B\",\"rules\":9},{\"name\":\"A\",\"rules\":1}"
                             "]}"));
        cleanup_(json_freep) json_t *own = scan_json(
                of("{\"f:hooks\":{" KEY("A") ":{\"f:rules\":{}}," KEY("B") ":{\"f:name\":{}}}}"));
        cleanup_(json_freep) json_t *runtime = NULL;
        cleanup_(freep) char *text = NULL;
        struct err err = { 0 };

        assert_int_equal(field_tree_parse("hooks[*].rules, data", &runtime, &err), 0);
        field_rules_release(document, runtime, own, live);
        text = json_text(document);
        assert_string_equal(text, "{\"data\":{\"x\":1},\"hooks\":[{\"name\":\"A\",\"rules\":1},"
                                  "{\"name\":\"B\"},{\"name\":\"C\",\"rules\":1}]}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_others_add_is_drift_only_where_it_is_strict),
                cmocka_unit_test(roles_bindings_and_network_policies_are_strict_by_themselves),
                cmocka_unit_test(what_is_strict_is_seen_where_nothing_of_it_is_ours),
                cmocka_unit_test(each_addition_is_a_line_of_its_own),
                cmocka_unit_test(an_autoscalers_replicas_are_its_own_unless_they_are_declared),
                cmocka_unit_test(what_a_component_completes_is_in_no_set_and_in_no_digest),
                cmocka_unit_test(an_annotation_of_somebody_else_says_nothing),
                cmocka_unit_test(additions_under_what_is_strict_become_ours),
                cmocka_unit_test(what_nobody_owns_is_taken_where_the_baseline_lacks_it),
                cmocka_unit_test(an_old_apply_keeps_only_what_it_alone_declares),
                cmocka_unit_test(what_was_completed_is_not_declared_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
