/* SPDX-License-Identifier: Apache-2.0 */
/* test_answer.c - what servers, webhooks and policies say, and what it means */
#include "answer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char *folder;

/* As kube-apiserver 1.34 and the webhooks of real operators say it. */
static const struct {
        const char *what;
        long status;
        enum answer_verb verb;
        const char *type, *body;
        enum outcome outcome;
        const char *says; /* is in the reason */
} cases[] = {
        { "taken", 200, ANSWER_APPLY, "ConfigMap", "{}", OUTCOME_DONE, "" },
        { "made", 201, ANSWER_APPLY, "ConfigMap", "{}", OUTCOME_DONE, "" },
        { "not there", 404, ANSWER_GET, "ConfigMap",
          "{\"kind\":\"Status\",\"message\":\"configmaps \\\"x\\\" not "
          "found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"x\",\"kind\":\"configmaps\"},"
          "\"code\":404}",
          OUTCOME_GONE, "not found" },
        { "no namespace", 404, ANSWER_APPLY, "ConfigMap",
          "{\"kind\":\"Status\",\"message\":\"namespaces \\\"n\\\" not "
          "found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"n\",\"kind\":\"namespaces\"},"
          "\"code\":404}",
          OUTCOME_NOT_YET, "namespaces \"n\" not found" },
        { "no kind", 404, ANSWER_APPLY, "Boat.example.com",
          "{\"kind\":\"Status\",\"message\":\"the server could not find the requested "
          "resource\",\"reason\":\"NotFound\",\"details\":{},\"code\":404}",
          OUTCOME_NOT_YET, "does not serve Boat.example.com" },
        { "no kind, plain text", 404, ANSWER_GET, "Boat.example.com", "404 page not found",
          OUTCOME_NOT_YET, "does not serve" },
        { "conflict of managers", 409, ANSWER_APPLY, "ConfigMap",
          "{\"message\":\"Apply failed with 1 "
          "conflict\",\"reason\":\"Conflict\",\"details\":{\"causes\":[{\"reason\":"
          "\"FieldManagerConflict\",\"message\":\"conflict with "
          "\\\"k\\\"\",\"field\":\".data.a\"}]}}",
          OUTCOME_CONFLICT, "conflict" },
        { "changed under us", 409, ANSWER_APPLY, "ConfigMap",
          "{\"message\":\"Operation cannot be fulfilled on configmaps \\\"x\\\": the object has "
          "been modified\",\"reason\":\"Conflict\"}",
          OUTCOME_NOT_YET, "changed under us" },
        { "another incarnation", 409, ANSWER_DELETE, "ConfigMap",
          "{\"message\":\"Operation cannot be fulfilled on ConfigMap \\\"oo\\\": the UID in the "
          "precondition (0) does not match the UID in record (1). The object might have been "
          "deleted and then recreated\",\"reason\":\"Conflict\"}",
          OUTCOME_GONE, "another one" },
        { "namespace is going", 403, ANSWER_APPLY, "ConfigMap",
          "{\"message\":\"configmaps \\\"x\\\" is forbidden: unable to create new content in "
          "namespace n because it is being terminated\",\"reason\":\"Forbidden\","
          "\"details\":{\"causes\":[{\"reason\":\"NamespaceTerminating\",\"message\":\"namespace n "
          "is being terminated\",\"field\":\"metadata.namespace\"}]}}",
          OUTCOME_NOT_YET, "being terminated" },
        { "no right", 403, ANSWER_APPLY, "Deployment.apps",
          "{\"message\":\"deployments.apps \\\"x\\\" is forbidden: User \\\"mooring\\\" cannot "
          "patch resource \\\"deployments\\\" in API group \\\"apps\\\" in the namespace "
          "\\\"n\\\"\",\"reason\":\"Forbidden\"}",
          OUTCOME_DENIED,
          "missing right: patch resource \"deployments\" in API group \"apps\" in the namespace "
          "\"n\" (as mooring)" },
        { "quota", 403, ANSWER_APPLY, "PersistentVolumeClaim",
          "{\"message\":\"persistentvolumeclaims \\\"x\\\" is forbidden: exceeded quota: small, "
          "requested: count/pvc=1, used: count/pvc=1, limited: "
          "count/pvc=1\",\"reason\":\"Forbidden\"}",
          OUTCOME_DENIED, "quota small is exceeded" },
        { "class that lets no volume grow", 403, ANSWER_APPLY, "PersistentVolumeClaim",
          "{\"message\":\"persistentvolumeclaims \\\"x\\\" is forbidden: only dynamically "
          "provisioned pvc can be resized and the storageclass that provisions the pvc must "
          "support resize\",\"reason\":\"Forbidden\"}",
          OUTCOME_DENIED, "storage class does not allow it (allowVolumeExpansion)" },
        { "pod security", 403, ANSWER_APPLY, "Pod",
          "{\"message\":\"pods \\\"x\\\" is forbidden: violates PodSecurity "
          "\\\"restricted:latest\\\": allowPrivilegeEscalation != "
          "false\",\"reason\":\"Forbidden\"}",
          OUTCOME_DENIED, "policy PodSecurity restricted:latest" },
        { "admission policy", 422, ANSWER_APPLY, "Deployment.apps",
          "{\"message\":\"deployments.apps \\\"x\\\" is forbidden: ValidatingAdmissionPolicy "
          "'no-latest' with binding 'all' denied request: failed "
          "expression\",\"reason\":\"Invalid\"}",
          OUTCOME_DENIED, "policy no-latest" },
        { "webhook that does not answer", 500, ANSWER_APPLY, "Certificate.cert-manager.io",
          "{\"message\":\"Internal error occurred: failed calling webhook "
          "\\\"webhook.cert-manager.io\\\": failed to call webhook: Post \\\"https://x\\\": dial "
          "tcp: connect: connection refused\",\"reason\":\"InternalError\"}",
          OUTCOME_NOT_YET, "webhook webhook.cert-manager.io does not answer" },
        { "webhook that says no", 400, ANSWER_APPLY, "Certificate.cert-manager.io",
          "{\"message\":\"admission webhook \\\"webhook.cert-manager.io\\\" denied the request: "
          "spec.issuerRef.name: Required value\",\"reason\":\"BadRequest\"}",
          OUTCOME_REFUSED, "refused by webhook webhook.cert-manager.io" },
        { "webhook that says no with 403", 403, ANSWER_APPLY, "X.example.com",
          "{\"message\":\"admission webhook \\\"v.example.com\\\" denied the request: "
          "no\",\"reason\":\"Forbidden\"}",
          OUTCOME_REFUSED, "webhook v.example.com" },
        { "unknown field", 500, ANSWER_APPLY, "ConfigMap",
          "{\"message\":\"failed to create typed patch object (n/odd; /v1, Kind=ConfigMap): .dta: "
          "field not declared in schema\",\"code\":500}",
          OUTCOME_REFUSED, ".dta" },
        { "bad value", 422, ANSWER_APPLY, "Deployment.apps",
          "{\"message\":\"Deployment.apps \\\"x\\\" is invalid: spec.replicas: Invalid value: "
          "-1\",\"reason\":\"Invalid\"}",
          OUTCOME_REFUSED, "spec.replicas" },
        { "busy", 429, ANSWER_APPLY, "ConfigMap",
          "{\"message\":\"too many requests\",\"reason\":\"TooManyRequests\"}", OUTCOME_THROTTLED,
          "429" },
        { "down", 503, ANSWER_APPLY, "ConfigMap", "service unavailable", OUTCOME_UNREACHABLE,
          "503" },
        { "not us", 401, ANSWER_APPLY, "ConfigMap",
          "{\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\"}", OUTCOME_UNREACHABLE,
          "refuses our credentials" },
        { "too large", 413, ANSWER_APPLY, "ConfigMap",
          "{\"message\":\"Request entity too large: limit is 3145728\"}", OUTCOME_REFUSED,
          "too large" },
        { "secret with a bad value", 422, ANSWER_APPLY, "Secret",
          "{\"message\":\"Secret \\\"x\\\" is invalid: data[a]: Invalid value: \\\"hunter2\\\": "
          "bad\",\"reason\":\"Invalid\",\"details\":{\"causes\":[{\"reason\":\"FieldValueInvalid\","
          "\"message\":\"Invalid value: \\\"hunter2\\\"\",\"field\":\"data[a]\"}]}}",
          OUTCOME_REFUSED, "data[a] FieldValueInvalid" },
};

static struct answer_meaning read_case(size_t i, struct err *err) {
        struct answer a = {
                .type = cases[i].type,
                .verb = cases[i].verb,
                .status = cases[i].status,
                .body = scan_of(cases[i].body, strlen(cases[i].body)),
                .retry_after_ms = -1,
                .now = 5000,
        };
        struct answer_meaning m;

        answer_read(&a, &m, err);
        return m;
}

static void each_answer_has_its_outcome_and_says_why(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct err err = { 0 };
                struct answer_meaning m = read_case(i, &err);

                if (m.outcome != cases[i].outcome || !strstr(err.text, cases[i].says))
                        fail_msg("%s: %s: %s", cases[i].what, outcome_name(m.outcome), err.text);
        }
}

static void no_value_of_a_secret_is_in_a_reason(void **state) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct err err = { 0 };

                read_case(i, &err);
                assert_null(strstr(err.text, "hunter2"));
        }
}

static void a_wait_that_the_server_asks_for_is_kept(void **state) {
        struct answer a = { .type = "ConfigMap",
                            .status = 429,
                            .body = { "{}", 2 },
                            .retry_after_ms = 7000,
                            .now = 100 };
        struct answer_meaning m;
        struct err err = { 0 };

        answer_read(&a, &m, &err);
        assert_int_equal(m.again_at, 7100);
        a.status = 503;
        answer_read(&a, &m, &err);
        assert_int_equal(m.outcome, OUTCOME_THROTTLED);
        assert_int_equal(m.again_at, 7100);
}

static void a_long_reason_keeps_its_beginning_and_its_end(void **state) {
        cleanup_(buf_free) struct buf body = BUF_INIT;
        struct answer a = {
                .type = "Job.batch", .status = 422, .verb = ANSWER_APPLY, .retry_after_ms = -1
        };
        struct answer_meaning m;
        struct err err = { 0 };

        buf_puts(&body, "{\"message\":\"Job.batch is invalid: spec.template: Invalid value: ");
        for (int i = 0; i < 3000; i++)
                buf_putc(&body, 'x');
        buf_puts(&body, ": field is immutable\"}");
        a.body = scan_of(body.data, body.len);
        answer_read(&a, &m, &err);
        assert_true(m.immutable);
        assert_non_null(strstr(err.text, "spec.template"));
        assert_non_null(strstr(err.text, ": field is immutable"));
}

static void a_claim_that_cannot_be_changed_says_what_to_do(void **state) {
        static const char body[] =
                "{\"message\":\"PersistentVolumeClaim \\\"data-0\\\" is invalid: spec: Forbidden: "
                "spec "
                "is immutable after creation except resources.requests and "
                "volumeAttributesClassName for bound claims\\n@@ -14,7 +14,7 @@\\n- s: 1Gi\"}";
        struct answer a = { .type = "PersistentVolumeClaim",
                            .status = 422,
                            .verb = ANSWER_APPLY,
                            .retry_after_ms = -1,
                            .body = scan_of(body, strlen(body)) };
        struct answer_meaning m;
        struct err err = { 0 };

        answer_read(&a, &m, &err);
        assert_true(m.immutable);
        assert_non_null(strstr(err.text, "while it is Pending it holds nothing, so delete it"));
        assert_non_null(strstr(err.text, "deploy --storage)")); /* not cut off */
        assert_null(strstr(err.text, "@@"));
        a.type = "Service";
        answer_read(&a, &m, &err);
        assert_non_null(strstr(err.text, "@@"));
}

static void duplicates_are_told_apart_from_other_refusals(void **state) {
        static const char body[] =
                "{\"message\":\"Service \\\"web\\\" is invalid: spec.ports[1].name: Duplicate "
                "value: \\\"http\\\"\",\"reason\":\"Invalid\",\"details\":"
                "{\"causes\":[{\"reason\":\"FieldValueDuplicate\",\"message\":\"Duplicate value: "
                "\\\"http\\\"\",\"field\":\"spec.ports[1].name\"}]}}";
        struct answer a = { .type = "Service",
                            .status = 422,
                            .verb = ANSWER_APPLY,
                            .body = scan_of(body, strlen(body)) };
        struct answer_meaning m;
        struct err err = { 0 };

        answer_read(&a, &m, &err);
        assert_true(m.duplicate);
        assert_false(m.immutable);
}

static void what_says_immutable_is_known_in_all_its_words(void **state) {
        cleanup_(freep) char *path = str_format("%s/immutable-errors.json", folder);
        cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        cleanup_(json_freep) json_t *list = NULL;
        const json_t *one;
        char text[8192];
        ssize_t n = read(fd, text, sizeof(text));
        size_t i;

        assert_true(n > 0);
        assert_int_equal(json_parse(text, (size_t)n, &list, NULL), 0);
        json_array_foreach(list, i, one)
                assert_int_equal(answer_says_immutable(json_get_str(one, "error", "")),
                                 json_get_bool(one, "immutable", false));
        assert_true(answer_says_immutable(
                "updates to statefulset spec for fields other than 'replicas', ... are forbidden"));
        assert_true(answer_says_immutable("roleRef: Invalid value: cannot change roleRef"));
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_answer_has_its_outcome_and_says_why),
                cmocka_unit_test(no_value_of_a_secret_is_in_a_reason),
                cmocka_unit_test(a_wait_that_the_server_asks_for_is_kept),
                cmocka_unit_test(a_long_reason_keeps_its_beginning_and_its_end),
                cmocka_unit_test(a_claim_that_cannot_be_changed_says_what_to_do),
                cmocka_unit_test(duplicates_are_told_apart_from_other_refusals),
                cmocka_unit_test(what_says_immutable_is_known_in_all_its_words),
        };

        folder = argc > 1 ? argv[1] : ".";
        return cmocka_run_group_tests(tests, NULL, NULL);
}
