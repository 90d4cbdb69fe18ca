/* SPDX-License-Identifier: Apache-2.0 */
/* test_identify.c - type, path and needs of documents */
#include "identify.h"

#include <errno.h>
#include <setjmp.h>

#include <cmocka.h>

static void identify(const char *text, struct identity *ret) {
        cleanup_(json_freep) json_t *j = NULL;
        struct err err = { 0 };

        assert_int_equal(json_parse(text, strlen(text), &j, &err), 0);
        if (identify_document(j, "model", ret, &err) < 0)
                fail_msg("%s", err_text(&err));
}

static void assert_identity(const char *text, const char *type, const char *path) {
        cleanup_(identity_free) struct identity i = { 0 };

        identify(text, &i);
        assert_string_equal(i.type, type);
        assert_string_equal(i.path, path);
}

static bool needs(const struct identity *i, enum need_kind kind, const char *type,
                  const char *path) {
        for (size_t n = 0; n < i->count; n++)
                if (i->needs[n].kind == kind && str_eq(i->needs[n].type, type) &&
                    str_eq(i->needs[n].path, path))
                        return true;
        return false;
}

static void a_type_has_its_group_and_no_version(void **state) {
        assert_identity(
                "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\"}}",
                "Service", "model/a");
        assert_identity(
                "{\"apiVersion\":\"apps/"
                "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"}}",
                "Deployment.apps", "b/a");
        assert_identity("{\"apiVersion\":\"autoscaling/"
                        "v2\",\"kind\":\"HorizontalPodAutoscaler\",\"metadata\":{\"name\":\"a\"}}",
                        "HorizontalPodAutoscaler.autoscaling", "model/a");
}

static void what_has_no_namespace_gets_none(void **state) {
        assert_identity(
                "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}",
                "Namespace", "a");
        assert_identity("{\"apiVersion\":\"rbac.authorization.k8s.io/"
                        "v1\",\"kind\":\"ClusterRole\",\"metadata\":{\"name\":\"system:a\","
                        "\"namespace\":\"b\"}}",
                        "ClusterRole.rbac.authorization.k8s.io", "system:a");
        assert_identity("{\"apiVersion\":\"cert-manager.io/"
                        "v1\",\"kind\":\"ClusterIssuer\",\"metadata\":{\"name\":\"a\"}}",
                        "ClusterIssuer.cert-manager.io", "a");
        assert_identity("{\"apiVersion\":\"kubeflow.org/"
                        "v1\",\"kind\":\"Profile\",\"metadata\":{\"name\":\"a\"}}",
                        "Profile.kubeflow.org", "a");
}

static void names_that_kubernetes_refuses_are_refused(void **state) {
        static const char *const bad[] = {
                "{\"kind\":\"A\",\"metadata\":{\"name\":\"a\"}}",
                "{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}",
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}",
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{}}",
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a/b\"}}",
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"..\"}}",
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a?b\"}}",
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\","
                "\"namespace\":\"b/c\"}}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                cleanup_(json_freep) json_t *j = NULL;
                struct identity id;
                struct err err = { 0 };

                assert_int_equal(json_parse(bad[i], strlen(bad[i]), &j, &err), 0);
                assert_int_equal(identify_document(j, "model", &id, &err), -EINVAL);
        }
}

static void a_pod_needs_what_it_mounts_and_reads_but_not_what_is_optional(void **state) {
        static const char text[] =
                "{\"apiVersion\":\"apps/"
                "v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"a\"},\"spec\":{"
                "\"serviceName\":\"svc\",\"template\":{\"spec\":{"
                "\"serviceAccountName\":\"acc\",\"imagePullSecrets\":[{\"name\":\"pull\"}],"
                "\"volumes\":[{\"name\":\"1\",\"secret\":{\"secretName\":\"s1\"}},{\"name\":\"2\","
                "\"configMap\":{\"name\":\"c1\",\"optional\":true}},"
                "{\"name\":\"3\",\"persistentVolumeClaim\":{\"claimName\":\"p1\"}},{\"name\":\"4\","
                "\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"c2\"}}]}}],"
                "\"initContainers\":[{\"name\":\"i\",\"envFrom\":[{\"secretRef\":{\"name\":\"s2\"}}"
                ",{\"configMapRef\":{\"name\":\"c3\",\"optional\":true}}]}],"
                "\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"X\",\"valueFrom\":{"
                "\"secretKeyRef\":{\"name\":\"s3\",\"key\":\"k\"}}},"
                "{\"name\":\"Y\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s4\",\"key\":\"k\","
                "\"optional\":true}}}]}]}}}}";
        cleanup_(identity_free) struct identity i = { 0 };

        identify(text, &i);
        assert_true(needs(&i, NEED_EXISTS, "Namespace", "model"));
        assert_true(needs(&i, NEED_EXISTS, "Service", "model/svc"));
        assert_true(needs(&i, NEED_EXISTS, "ServiceAccount", "model/acc"));
        assert_true(needs(&i, NEED_EXISTS, "Secret", "model/pull"));
        assert_true(needs(&i, NEED_EXISTS, "Secret", "model/s1"));
        assert_true(needs(&i, NEED_EXISTS, "Secret", "model/s2"));
        assert_true(needs(&i, NEED_EXISTS, "Secret", "model/s3"));
        assert_true(needs(&i, NEED_EXISTS, "ConfigMap", "model/c2"));
        assert_true(needs(&i, NEED_EXISTS, "PersistentVolumeClaim", "model/p1"));
        assert_int_equal(i.count, 9);
}

static void a_binding_needs_its_role_and_accounts(void **state) {
        cleanup_(identity_free) struct identity i = { 0 };

        identify("{\"apiVersion\":\"rbac.authorization.k8s.io/"
                 "v1\",\"kind\":\"RoleBinding\",\"metadata\":{\"name\":\"a\"},\"roleRef\":{"
                 "\"kind\":\"Role\","
                 "\"name\":\"r\"},\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":\"s\","
                 "\"namespace\":\"o\"},{\"kind\":\"User\",\"name\":\"u\"}]}",
                 &i);
        assert_true(needs(&i, NEED_EXISTS, "Role.rbac.authorization.k8s.io", "model/r"));
        assert_true(needs(&i, NEED_EXISTS, "ServiceAccount", "o/s"));
        assert_int_equal(i.count, 3);
}

static void a_webhook_needs_its_service_ready(void **state) {
        cleanup_(identity_free) struct identity i = { 0 };
        cleanup_(identity_free) struct identity api = { 0 };

        identify("{\"apiVersion\":\"admissionregistration.k8s.io/"
                 "v1\",\"kind\":\"ValidatingWebhookConfiguration\",\"metadata\":{\"name\":\"a\"},"
                 "\"webhooks\":[{\"clientConfig\":{\"service\":{\"name\":\"s\",\"namespace\":\"n\"}"
                 "}},{\"clientConfig\":{\"url\":\"https://x\"}}]}",
                 &i);
        assert_true(needs(&i, NEED_READY, "Service", "n/s"));
        assert_int_equal(i.count, 1);
        identify("{\"apiVersion\":\"apiregistration.k8s.io/"
                 "v1\",\"kind\":\"APIService\",\"metadata\":{\"name\":\"v1.a\"},\"spec\":{"
                 "\"service\":"
                 "{\"name\":\"s\",\"namespace\":\"n\"}}}",
                 &api);
        assert_true(needs(&api, NEED_READY, "Service", "n/s"));
}

static void what_holds_data_is_marked(void **state) {
        static const struct {
                const char *text;
                bool data;
        } cases[] = {
                { "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":{"
                  "\"name\":\"a\"}}",
                  true },
                { "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}",
                  true },
                { "{\"apiVersion\":\"apiextensions.k8s.io/"
                  "v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":\"a\"}}",
                  true },
                { "{\"apiVersion\":\"storage.k8s.io/"
                  "v1\",\"kind\":\"StorageClass\",\"metadata\":{\"name\":\"a\"}}",
                  true },
                { "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"}}",
                  false },
        };

        for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
                cleanup_(identity_free) struct identity i = { 0 };

                identify(cases[n].text, &i);
                assert_int_equal(i.data, cases[n].data);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_type_has_its_group_and_no_version),
                cmocka_unit_test(what_has_no_namespace_gets_none),
                cmocka_unit_test(names_that_kubernetes_refuses_are_refused),
                cmocka_unit_test(a_pod_needs_what_it_mounts_and_reads_but_not_what_is_optional),
                cmocka_unit_test(a_binding_needs_its_role_and_accounts),
                cmocka_unit_test(a_webhook_needs_its_service_ready),
                cmocka_unit_test(what_holds_data_is_marked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
