/* SPDX-License-Identifier: Apache-2.0 */
/* test_fieldset.c - field sets, projections, comparison and taking over */
#include "compare.h"
#include "fieldset.h"
#include "project.h"
#include "takeover.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define SET(fields) "{\"apiVersion\":\"v1\",\"fields\":" fields "}"
static const char service_set[] = SET(
        "{\"f:metadata\":{\"f:labels\":{\"f:app.kubernetes.io/name\":{}}},\"f:spec\":{\"f:ports\":{"
        "\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:name\":{},\"f:port\":{}"
        "},"
        "\"k:{\\\"port\\\":443,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:name\":{},\"f:port\":{"
        "}}},"
        "\"f:selector\":{}}}");
static const char service[] =
        "{\"metadata\":{\"name\":\"x\",\"labels\":{\"app.kubernetes.io/"
        "name\":\"web\",\"more\":\"1\"}},\"spec\":{\"clusterIP\":\"1.2.3.4\","
        "\"ports\":[{\"name\":\"https\",\"protocol\":\"TCP\",\"port\":443,\"targetPort\":443},"
        "{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80,\"targetPort\":80}],\"selector\":{"
        "\"b\":\"2\",\"a\":\"1\"}}}";

static struct scan_slice of(const char *text) {
        return scan_of(text, strlen(text));
}

static struct projection *set_of(const char *text) {
        struct projection *p = NULL;
        struct err err = { 0 };

        if (fieldset_parse(text, &p, &err) < 0)
                fail_msg("%s", err_text(&err));
        return p;
}

static void assert_same_digest(const struct projection *p, const char *a, const char *b,
                               bool same) {
        uint8_t x[DIGEST_SIZE], y[DIGEST_SIZE];

        project_digest(p, of(a), NULL, x);
        project_digest(p, of(b), NULL, y);
        assert_int_equal(memcmp(x, y, DIGEST_SIZE) == 0, same);
}

static void an_object_is_restricted_to_the_set_with_the_keys_of_its_items(void **state) {
        struct projection *p = set_of(service_set);
        cleanup_(json_freep) json_t *j = project_restrict(p, of(service), NULL);
        cleanup_(freep) char *text = json_text(j);

        assert_string_equal(text, "{\"metadata\":{\"labels\":{\"app.kubernetes.io/"
                                  "name\":\"web\"}},\"spec\":{\"ports\":["
                                  "{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\"},"
                                  "{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}],"
                                  "\"selector\":{\"a\":\"1\",\"b\":\"2\"}}}");
        assert_same_digest(p, service, text, true);
        fieldset_unref(p);
}

static void order_blanks_and_what_is_not_ours_do_not_change_the_digest(void **state) {
        static const char other[] =
                "{ \"spec\": {\"selector\":{\"a\":\"1\",\"b\":\"2\"}, "
                "\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"name\":\"http\",\"nodePort\":3},"
                "{\"port\":443,\"protocol\":\"TCP\",\"name\":\"http\\u0073\"}, "
                "{\"port\":1,\"protocol\":\"UDP\"}]},"
                "\"metadata\":{\"labels\":{\"app.kubernetes.io\\/name\":\"web\"}},\"status\":{}}";
        struct projection *p = set_of(service_set);

        assert_same_digest(p, service, other, true);
        fieldset_unref(p);
}

static void each_change_of_ours_changes_the_digest(void **state) {
        static const char *const edits[][2] = {
                { "\"web\"", "\"wep\"" },           { "\"port\":80", "\"port\":81" },
                { "\"b\":\"2\"", "\"b\":\"3\"" },   { "\"name\":\"http\"", "\"gone\":\"http\"" },
                { "\"selector\"", "\"selectox\"" }, { "\"b\":\"2\",", "" },
        };
        struct projection *p = set_of(service_set);

        for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
                const char *at = strstr(service, edits[i][0]);
                cleanup_(freep) char *edited = str_format("%.*s%s%s", (int)(at - service), service,
                                                          edits[i][1], at + strlen(edits[i][0]));

                assert_same_digest(p, service, edited, false);
        }
        fieldset_unref(p);
}

static void a_number_is_not_the_text_that_looks_like_it(void **state) {
        struct projection *p = set_of(SET("{\"f:a\":{},\"f:b\":{}}"));

        assert_same_digest(p, "{\"a\":1}", "{\"a\":\"1\"}", false);
        assert_same_digest(p, "{\"a\":1}", "{\"b\":1}", false);
        assert_same_digest(p, "{\"a\":null}", "{}", true);
        assert_same_digest(p, "{\"a\":1.0}", "{\"a\":1.00}", true);
        fieldset_unref(p);
}

static void a_set_item_is_ours_while_it_is_in_the_list(void **state) {
        struct projection *p =
                set_of(SET("{\"f:metadata\":{\"f:finalizers\":{\"v:\\\"a/b\\\"\":{}}}}"));

        assert_same_digest(p, "{\"metadata\":{\"finalizers\":[\"x\",\"a/b\"]}}",
                           "{\"metadata\":{\"finalizers\":[\"a/b\"]}}", true);
        assert_same_digest(p, "{\"metadata\":{\"finalizers\":[\"x\"]}}",
                           "{\"metadata\":{\"finalizers\":[\"a/b\"]}}", false);
        fieldset_unref(p);
}

static void equal_sets_are_one_projection_and_the_last_user_frees_it(void **state) {
        struct projection *a = set_of(service_set);
        struct projection *b = set_of(service_set);

        assert_ptr_equal(a, b);
        assert_int_equal(fieldset_interned(), 1);
        fieldset_unref(a);
        assert_int_equal(fieldset_interned(), 1);
        fieldset_unref(b);
        assert_int_equal(fieldset_interned(), 0);
}

static void what_is_no_field_set_is_refused(void **state) {
        static const char *const bad[] = { "",
                                           "[]",
                                           "{}",
                                           "{\"apiVersion\":\"v1\"}",
                                           SET("[]"),
                                           SET("{\"x:a\":{}}"),
                                           SET("{\"f\":{}}"),
                                           SET("{\"k:name\":{}}"),
                                           SET("{\"k:[1]\":{}}"),
                                           SET("{\"f:a\":1}") };
        struct projection *p;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct err err = { 0 };

                if (fieldset_parse(bad[i], &p, &err) == 0)
                        fail_msg("taken: %s", bad[i]);
                assert_int_equal(err.code, -EBADMSG);
        }
}

static void our_entry_of_managed_fields_is_found_among_others(void **state) {
        static const char object[] =
                "{\"metadata\":{\"managedFields\":[{\"manager\":\"mooring\",\"operation\":"
                "\"Update\",\"apiVersion\":\"v1\",\"fieldsV1\":{\"f:x\":{}}},"
                "{\"manager\":\"mooring\",\"operation\":\"Apply\",\"subresource\":\"status\","
                "\"apiVersion\":\"v1\",\"fieldsV1\":{\"f:y\":{}}},"
                "{\"manager\":\"mooring\",\"operation\":\"Apply\",\"apiVersion\":\"v1\","
                "\"fieldsV1\":{\"f:b\":{},\"f:a\":{}}}]}}";
        cleanup_(freep) char *text = fieldset_of_answer("ConfigMap", of(object));
        cleanup_(json_freep) json_t *others = fieldset_others(of(object));

        assert_string_equal(text, "{\"apiVersion\":\"v1\",\"fields\":{\"f:a\":{},\"f:b\":{}}}");
        assert_int_equal(json_array_size(others), 2);
        assert_null(fieldset_of_answer("ConfigMap", of("{\"metadata\":{}}")));
}

/* ---- secrets */

static void a_secrets_values_are_keyed_hashes_of_what_they_decode_to(void **state) {
        static const uint8_t key[DIGEST_SIZE] = "one", other[DIGEST_SIZE] = "two";
        struct projection *p = set_of(SET("{\"f:data\":{\"f:a\":{}},\"f:type\":{}}"));
        cleanup_(json_freep) json_t *one =
                project_restrict(p, of("{\"type\":\"t\",\"data\":{\"a\":\"aGk=\"}}"), key);
        cleanup_(json_freep) json_t *same =
                project_restrict(p, of("{\"type\":\"t\",\"data\":{\"a\":\"aGk\\u003d\"}}"), key);
        cleanup_(json_freep) json_t *two =
                project_restrict(p, of("{\"type\":\"t\",\"data\":{\"a\":\"aGk=\"}}"), other);
        cleanup_(freep) char *text = json_text(one);
        uint8_t live[DIGEST_SIZE], stored[DIGEST_SIZE];

        assert_null(strstr(text, "aGk"));
        assert_string_equal(json_get_str(one, "type", ""), "t");
        assert_true(json_equal(one, same));
        assert_false(json_equal(one, two));
        project_digest(p, of("{\"type\":\"t\",\"data\":{\"a\":\"aGk=\"}}"), key, live);
        project_digest(p, of(text), NULL, stored);
        assert_memory_equal(live, stored, DIGEST_SIZE);
        fieldset_unref(p);
}

/* ---- comparison */

static struct drift_list compared(const struct projection *p, const char *baseline,
                                  const char *object, const char *others) {
        cleanup_(json_freep) json_t *base = project_restrict(p, of(baseline), NULL);
        cleanup_(json_freep) json_t *found = json_object();
        struct drift_list list = { 0 };

        json_object_set_new(found, "object", scan_json(of(object)));
        json_object_set_new(found, "others", scan_json(of(others)));
        compare_fields(p, base, found, &list);
        return list;
}

static void an_equal_object_has_no_drift(void **state) {
        struct projection *p = set_of(service_set);
        struct drift_list list = compared(p, service, service, "[]");

        assert_int_equal(list.count, 0);
        fieldset_unref(p);
}

static void a_changed_field_names_its_newest_writer(void **state) {
        static const char others[] =
                "[{\"manager\":\"old\",\"time\":\"2026-01-01T00:00:00Z\",\"fields\":{\"f:"
                "metadata\":{\"f:labels\":{\"f:app.kubernetes.io/name\":{}}}}},"
                "{\"manager\":\"new\",\"time\":\"2026-02-01T00:00:00Z\",\"fields\":{\"f:metadata\":"
                "{\"f:labels\":{\"f:app.kubernetes.io/name\":{}}}}},"
                "{\"manager\":\"newest\",\"time\":\"2026-03-01T00:00:00Z\",\"fields\":{\"f:"
                "metadata\":{\"f:labels\":{\"f:more\":{}}}}}]";
        static const char edited[] =
                "{\"metadata\":{\"labels\":{\"app.kubernetes.io/name\":\"wep\"}}}";
        struct projection *p =
                set_of(SET("{\"f:metadata\":{\"f:labels\":{\"f:app.kubernetes.io/name\":{}}}}"));
        struct drift_list list = compared(p, service, edited, others);

        assert_int_equal(list.count, 1);
        assert_string_equal(list.items[0].field, "metadata.labels[\"app.kubernetes.io/name\"]");
        assert_string_equal(json_string_value(list.items[0].wanted), "web");
        assert_string_equal(json_string_value(list.items[0].found), "wep");
        assert_string_equal(list.items[0].who, "new");
        assert_true(list.items[0].at > 0);
        drift_list_free(&list);
        fieldset_unref(p);
}

static void what_is_missing_has_nobodys_name_on_it(void **state) {
        struct projection *p = set_of(service_set);
        struct drift_list list = compared(
                p, service, "{\"metadata\":{\"labels\":{\"app.kubernetes.io/name\":\"web\"}}}",
                "[{\"manager\":\"m\",\"time\":\"2026-01-01T00:00:00Z\",\"fields\":{\"f:spec\":{}}}"
                "]");

        assert_int_equal(list.count, 1);
        assert_string_equal(list.items[0].field, "spec");
        assert_null(list.items[0].found);
        assert_null(list.items[0].who);
        drift_list_free(&list);
        fieldset_unref(p);
}

static void an_item_beside_a_lost_one_is_told_whoever_added_it(void **state) {
        static const char object[] = "{\"metadata\":{\"labels\":{\"app.kubernetes.io/"
                                     "name\":\"web\"}},\"spec\":{\"ports\":[{\"name\":\"x\","
                                     "\"port\":9,\"protocol\":\"TCP\"},"
                                     "{\"name\":\"https\",\"port\":443,\"protocol\":\"TCP\"}],"
                                     "\"selector\":{\"a\":\"1\",\"b\":\"2\"}}}";
        static const char format[] =
                "[{\"manager\":\"%s\",\"time\":\"2026-01-01T00:00:00Z\",\"fields\":{\"f:spec\":{"
                "\"f:ports\":{\"k:{\\\"port\\\":9,\\\"protocol\\\":\\\"TCP\\\"}\":"
                "{\".\":{}}}}}}]";
        struct projection *p = set_of(service_set);
        cleanup_(freep) char *person = str_format(format, "kubectl-edit");
        cleanup_(freep) char *platform = str_format(format, "kube-controller-manager");
        struct drift_list one = compared(p, service, object, person);
        struct drift_list two = compared(p, service, object, platform);

        assert_int_equal(one.count, 2);
        assert_string_equal(one.items[1].field, "spec.ports[port=9,protocol=TCP]");
        assert_null(one.items[1].wanted);
        assert_string_equal(one.items[1].who, "kubectl-edit");
        assert_int_equal(two.count, 2); /* anybody may call himself so */
        assert_string_equal(two.items[1].who, "kube-controller-manager");
        drift_list_free(&one);
        drift_list_free(&two);
        fieldset_unref(p);
}

/* ---- without a baseline */

static void what_is_wanted_is_compared_where_no_baseline_was_kept(void **state) {
        cleanup_(json_freep) json_t *wanted = scan_json(of(
                "{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"x\",\"labels\":{\"l\":\"1\"}},"
                "\"spec\":{\"paused\":false,\"rules\":[{\"a\":1}],\"containers\":[{\"name\":"
                "\"one\","
                "\"image\":\"new\",\"env\":[{\"name\":\"A\",\"value\":\"{{secret:x}}\"}],"
                "\"resources\":{\"limits\":{\"cpu\":\"0.5\"}}}]},\"data\":{\"k\":\"v\"}}"));
        cleanup_(json_freep) json_t *found = scan_json(
                of("{\"object\":{\"metadata\":{\"name\":\"x\"},\"spec\":{\"rules\":[{\"a\":1,\"b\":"
                   "2}],"
                   "\"containers\":[{\"name\":\"beside\"},{\"name\":\"one\",\"image\":\"old\","
                   "\"env\":[{\"name\":\"A\",\"value\":\"s\"}],\"resources\":{\"limits\":{\"cpu\":"
                   "\"500m\"}},\"more\":1}]},\"data\":{\"k\":\"(hidden, "
                   "77)\"}},\"others\":[{\"manager\":"
                   "\"edit\",\"time\":\"2026-11-21T22:00:00Z\",\"fields\":{\"f:spec\":{"
                   "\"f:containers\":{\"k:{\\\"name\\\":\\\"one\\\"}\":{\"f:image\":{}}}}}}]}"));
        struct drift_list list = { 0 };

        compare_said(wanted, found, &list);
        assert_int_equal(list.count, 2);
        assert_string_equal(list.items[0].field, "metadata.labels");
        assert_null(list.items[0].found);
        assert_string_equal(list.items[1].field, "spec.containers[name=one].image");
        assert_string_equal(json_string_value(list.items[1].wanted), "new");
        assert_string_equal(json_string_value(list.items[1].found), "old");
        assert_string_equal(list.items[1].who, "edit");
        drift_list_free(&list);
}

/* ---- taking over */

/* KEPT: a field that the apply leaves as it is, or NULL. */
static char *take(const struct projection *p, const char *object, enum takeover_how how,
                  const char *kept, char **ret_whose) {
        const struct kept_field field = { kept, false };
        const struct takeover t = {
                .stored = p, .how = how, .kept = &field, .kept_count = kept != NULL
        };

        return takeover_patch(&t, of(object), 0, ret_whose);
}

static void foreign_items_of_our_lists_move_into_our_entry(void **state) {
        static const char object[] =
                "{\"metadata\":{\"resourceVersion\":\"7\",\"managedFields\":["
                "{\"manager\":\"mooring\",\"operation\":\"Apply\",\"apiVersion\":\"v1\","
                "\"fieldsV1\":{\"f:spec\":{\"f:ports\":{}}}},"
                "{\"manager\":\"kubectl-edit\",\"operation\":\"Update\",\"apiVersion\":\"v1\","
                "\"fieldsV1\":{\"f:spec\":{\"f:ports\":{"
                "\"k:{\\\"port\\\":81,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:port\":{}}}}}},"
                "{\"manager\":\"kube-controller-manager\",\"operation\":\"Update\",\"apiVersion\":"
                "\"v1\",\"fieldsV1\":{\"f:spec\":{\"f:ports\":{"
                "\"k:{\\\"port\\\":82,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{}}}}}}]}}";
        struct projection *p = set_of(service_set);
        cleanup_(freep) char *whose = NULL;
        cleanup_(freep) char *text = take(p, object, TAKEOVER_ALL, NULL, &whose);
        cleanup_(json_freep) json_t *patch = scan_json(of(text));
        const json_t *entries = json_at(patch, "/0/value");
        const json_t *ours = json_at(entries, "/0/fieldsV1/f:spec/f:ports");

        assert_string_equal(whose, "kubectl-edit, kube-controller-manager");
        assert_string_equal(json_string_value(json_at(patch, "/1/value")), "7");
        assert_non_null(json_get(ours, "k:{\"port\":81,\"protocol\":\"TCP\"}"));
        assert_non_null(json_get(ours, "k:{\"port\":82,\"protocol\":\"TCP\"}"));
        assert_null(json_at(entries,
                            "/1/fieldsV1/f:spec/f:ports/k:{\"port\":81,\"protocol\":\"TCP\"}"));
        fieldset_unref(p);
}

/* Someone gave our port another number; beside it stands one that another person added. */
#define EDITED(ports)                                                                              \
        "{\"metadata\":{\"resourceVersion\":\"7\",\"managedFields\":["                             \
        "{\"manager\":\"kubectl-edit\",\"operation\":\"Update\",\"apiVersion\":\"v1\","            \
        "\"fieldsV1\":{\"f:spec\":{\"f:ports\":{"                                                  \
        "\"k:{\\\"port\\\":81,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{}}}}}}]},"                   \
        "\"spec\":{\"ports\":[" ports "]}}"

static void only_lists_that_lost_an_item_of_ours_are_gone_through(void **state) {
        static const char lost[] =
                EDITED("{\"port\":443,\"protocol\":\"TCP\"},{\"port\":81,\"protocol\":\"TCP\"}");
        static const char whole[] =
                EDITED("{\"port\":443,\"protocol\":\"TCP\"},{\"port\":80,\"protocol\":\"TCP\"},{"
                       "\"port\":81,\"protocol\":\"TCP\"}");
        struct projection *p = set_of(service_set);
        cleanup_(freep) char *whose = NULL, *all = NULL;
        cleanup_(freep) char *taken = take(p, lost, TAKEOVER_LOST, NULL, &whose);
        cleanup_(freep) char *told = NULL;

        assert_string_equal(whose, "kubectl-edit");
        assert_non_null(taken);
        assert_null(take(p, whole, TAKEOVER_LOST, NULL, &all));
        told = take(p, whole, TAKEOVER_ALL, NULL, &all);
        assert_non_null(told);
        fieldset_unref(p);
}

/* What a rule, a window or a fight leaves as it is: owned by us, it would go with the apply. */
static void what_an_apply_keeps_is_not_taken(void **state) {
        static const char lost[] =
                EDITED("{\"port\":443,\"protocol\":\"TCP\"},{\"port\":81,\"protocol\":\"TCP\"}");
        static const char nobodys[] =
                "{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"ports\":["
                "{\"port\":81,\"protocol\":\"TCP\"}]}}";
        static const struct {
                const char *field;
                bool kept;
        } cases[] = {
                { "spec.ports[port=81,protocol=TCP]", true },
                { "spec.ports[*]", true },
                { "spec.ports", true },
                { "", true },
                { "spec.ports[port=82,protocol=TCP]", false },
                { "spec.ports[port=81,protocol=TCP].name", false },
                { "spec.selector", false },
        };
        struct projection *p = set_of(service_set);

        for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
                const char *object = i % 2 ? nobodys : lost;

                for (enum takeover_how how = TAKEOVER_LOST; how <= TAKEOVER_ALL; how++) {
                        cleanup_(freep) char *whose = NULL;
                        cleanup_(freep) char *patch =
                                take(p, object, how, cases[i / 2].field, &whose);

                        assert_int_equal(patch == NULL, cases[i / 2].kept);
                }
        }
        fieldset_unref(p);
}

/* cache.db was lost: the document says what is ours, the entries by what items are told apart. */
static void without_a_stored_set_what_the_document_does_not_declare_is_taken(void **state) {
        static const char lost[] = EDITED("{\"port\":81,\"protocol\":\"TCP\"}");
        static const char unkeyed[] =
                "{\"metadata\":{\"managedFields\":[{\"manager\":\"x\",\"fieldsV1\":{\"f:spec\":{"
                "\"f:ports\":{}}}}]},\"spec\":{\"ports\":[{\"port\":81}]}}";
        static const struct {
                const char *document, *object;
                bool taken;
        } cases[] = {
                { "{\"apiVersion\":\"v1\",\"spec\":{\"ports\":[{\"port\":80}]}}", lost, true },
                { "{\"apiVersion\":\"v1\",\"spec\":{\"ports\":[{\"port\":81}]}}", lost, false },
                { "{\"apiVersion\":\"v1\",\"spec\":{\"ports\":[{\"name\":\"a\"}]}}", lost, false },
                { "{\"apiVersion\":\"v1\",\"spec\":{\"ports\":[{\"port\":80}]}}", unkeyed, false },
                { "{\"spec\":{\"ports\":[{\"port\":80}]}}", lost, false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                cleanup_(json_freep) json_t *document = scan_json(of(cases[i].document));
                struct takeover t = { .document = document, .how = TAKEOVER_ALL };
                cleanup_(freep) char *whose = NULL;
                cleanup_(freep) char *patch = takeover_patch(&t, of(cases[i].object), 0, &whose);

                assert_int_equal(patch != NULL, cases[i].taken);
                if (patch)
                        assert_string_equal(whose, "kubectl-edit");
        }
        assert_int_equal(fieldset_interned(), 0);
}

static void where_nothing_is_foreign_there_is_nothing_to_take(void **state) {
        struct projection *p = set_of(service_set);
        char *whose = NULL;

        assert_null(take(p,
                         "{\"metadata\":{\"managedFields\":[{\"manager\":\"x\","
                         "\"fieldsV1\":{\"f:data\":{\"f:a\":{}}}}]}}",
                         TAKEOVER_ALL, NULL, &whose));
        assert_null(take(p, "{\"metadata\":{}}", TAKEOVER_ALL, NULL, &whose));
        assert_null(whose);
        fieldset_unref(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_object_is_restricted_to_the_set_with_the_keys_of_its_items),
                cmocka_unit_test(order_blanks_and_what_is_not_ours_do_not_change_the_digest),
                cmocka_unit_test(each_change_of_ours_changes_the_digest),
                cmocka_unit_test(a_number_is_not_the_text_that_looks_like_it),
                cmocka_unit_test(a_set_item_is_ours_while_it_is_in_the_list),
                cmocka_unit_test(equal_sets_are_one_projection_and_the_last_user_frees_it),
                cmocka_unit_test(what_is_no_field_set_is_refused),
                cmocka_unit_test(our_entry_of_managed_fields_is_found_among_others),
                cmocka_unit_test(a_secrets_values_are_keyed_hashes_of_what_they_decode_to),
                cmocka_unit_test(an_equal_object_has_no_drift),
                cmocka_unit_test(a_changed_field_names_its_newest_writer),
                cmocka_unit_test(what_is_missing_has_nobodys_name_on_it),
                cmocka_unit_test(an_item_beside_a_lost_one_is_told_whoever_added_it),
                cmocka_unit_test(what_is_wanted_is_compared_where_no_baseline_was_kept),
                cmocka_unit_test(foreign_items_of_our_lists_move_into_our_entry),
                cmocka_unit_test(only_lists_that_lost_an_item_of_ours_are_gone_through),
                cmocka_unit_test(what_an_apply_keeps_is_not_taken),
                cmocka_unit_test(without_a_stored_set_what_the_document_does_not_declare_is_taken),
                cmocka_unit_test(where_nothing_is_foreign_there_is_nothing_to_take),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
