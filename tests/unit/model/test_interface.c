/* SPDX-License-Identifier: Apache-2.0 */
/* test_interface.c - what may be told over relations, by the built-in schemas */
#include "interface.h"

#include <errno.h>
#include <setjmp.h>
#include <cmocka.h>

#define TOKEN "{{secret:aaaaaaaaaaaaaaaaaaaaaaaaaa:1:plain}}"

static int check(const char *interface, const char *role, const char *key, const char *json,
                 struct err *err) {
        cleanup_(json_freep) json_t *list = NULL;
        cleanup_(freep) char *text = str_format("[%s]", json);

        assert_int_equal(json_parse(text, strlen(text), &list, NULL), 0);
        return interface_check(interface, role, key, json_array_get(list, 0), err);
}

static void assert_forbidden(const char *interface, const char *role, const char *key,
                             const char *json, const char *part) {
        struct err err = {};
        int r = check(interface, role, key, json, &err);

        if (r != -EINVAL || !strstr(err_text(&err), part))
                fail_msg("%s %s: %d \"%s\", wanted \"%s\"", interface, key, r, err_text(&err),
                         part);
}

static void what_the_schema_has_may_be_told(void **state) {
        assert_int_equal(check("mysql_client", "requires", "database", "\"mlflow\"", NULL), 0);
        assert_int_equal(check("mysql_client", "provides", "database", "\"mlflow\"", NULL), 0);
        assert_int_equal(check("mysql_client", "provides", "password", "\"" TOKEN "\"", NULL), 0);
        assert_int_equal(check("mysql_client", "provides", "password",
                               "\"{{want:db/password:plain}}\"", NULL),
                         0);
        assert_int_equal(check("mysql_client", "provides", "username", "\"relation-5\"", NULL), 0);
        assert_int_equal(check("mysql_client", "provides", "username", "\"" TOKEN "\"", NULL), 0);
        assert_int_equal(check("object-storage", "provides", "port", "9000", NULL), 0);
        assert_int_equal(check("object-storage", "provides", "secure", "false", NULL), 0);
        assert_int_equal(check("object-storage", "requires", "bucket", "\"mlflow\"", NULL), 0);
        assert_int_equal(
                check("kubeflow_dashboard_links", "requires", "dashboard_links", "[]", NULL), 0);
        assert_int_equal(check("kubernetes_manifest", "requires", "kubernetes_manifests",
                               "[{\"stringData\":{\"k\":\"" TOKEN "\"}}]", NULL),
                         0);
}

static void what_the_schema_forbids_is_told_with_what_is_right(void **state) {
        assert_forbidden("mysql_client", "requires", "databse", "\"x\"",
                         "the requires side has no field databse; it has database");
        assert_forbidden("mysql_client", "requires", "password", "\"" TOKEN "\"",
                         "password is told by the other side");
        assert_forbidden("mysql_client", "provides", "database", "5", "database wants a text, is");
        assert_forbidden("object-storage", "provides", "port", "\"9000\"",
                         "port wants a whole number");
        assert_forbidden("object-storage", "provides", "secure", "\"false\"",
                         "secure wants a boolean");
        assert_forbidden("prometheus_scrape", "provides", "scrape_jobs", "{}",
                         "scrape_jobs wants a list");
        assert_forbidden("prometheus_scrape", "provides", "scrape_metadata", "[]",
                         "scrape_metadata wants a map");
        assert_forbidden("kubeflow_dashboard_links", "provides", "x", "1",
                         "the provides side has no field x; it has none");
}

static void secrets_stand_where_they_belong_and_nowhere_else(void **state) {
        assert_forbidden("mysql_client", "provides", "password", "\"letmein\"",
                         "password is secret: it takes a token");
        assert_forbidden("mysql_client", "provides", "endpoints", "\"h:1/" TOKEN "\"",
                         "endpoints is not secret");
        assert_forbidden("object-storage", "provides", "service", "\"{{want:a/b:base64}}\"",
                         "service is not secret");
        assert_forbidden("ingress", "requires", "prefix", "\"" TOKEN "\"", "prefix is not secret");
        assert_forbidden("no-such-interface", "requires", "x", "[\"" TOKEN "\"]",
                         "has no schema, so that x cannot hold a secret");
        assert_true(interface_secret("mysql_client", "provides", "password"));
        assert_true(interface_secret("mysql_client", "provides", "username"));
        assert_false(interface_secret("mysql_client", "requires", "password"));
        assert_false(interface_secret("mysql_client", "provides", "endpoints"));
        assert_false(interface_secret("no-such-interface", "provides", "password"));
}

static void unknown_interfaces_and_peers_tell_what_they_like(void **state) {
        assert_int_equal(check("no-such-interface", "requires", "x", "1", NULL), INTERFACE_UNKNOWN);
        assert_int_equal(check("mysql_peers", "peers", "x", "{}", NULL), 0);
}

static void a_plan_is_checked_as_a_whole(void **state) {
        static const char relations_text[] =
                "[{\"id\":3,\"endpoint\":\"db\",\"interface\":\"mysql_client\",\"role\":"
                "\"requires\"},"
                "{\"id\":4,\"endpoint\":\"own\",\"interface\":\"own-one\",\"role\":\"provides\"}]";
        cleanup_(json_freep) json_t *relations = NULL, *good = NULL, *bad = NULL, *nowhere = NULL,
                                    *unknown = json_array();
        struct err err = {};

        json_parse(relations_text, strlen(relations_text), &relations, NULL);
        good = json_pack("{s:{s:s}, s:{s:i, s:i}}", "3", "database", "x", "4", "a", 1, "b", 2);
        bad = json_pack("{s:{s:s}}", "3", "databse", "x");
        nowhere = json_pack("{s:{s:s}}", "9", "database", "x");
        assert_int_equal(interface_check_tell(relations, good, unknown, NULL), 0);
        assert_int_equal(json_array_size(unknown), 1);
        assert_string_equal(json_string_value(json_array_get(unknown, 0)), "own-one");
        assert_int_equal(interface_check_tell(relations, bad, NULL, &err), -EINVAL);
        assert_true(str_starts(err_text(&err), "relation db: interface mysql_client: "));
        assert_int_equal(interface_check_tell(relations, nowhere, NULL, &err), -EINVAL);
        assert_non_null(strstr(err_text(&err), "relation 9, which is not in its view"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_the_schema_has_may_be_told),
                cmocka_unit_test(what_the_schema_forbids_is_told_with_what_is_right),
                cmocka_unit_test(secrets_stand_where_they_belong_and_nowhere_else),
                cmocka_unit_test(unknown_interfaces_and_peers_tell_what_they_like),
                cmocka_unit_test(a_plan_is_checked_as_a_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
