/* SPDX-License-Identifier: Apache-2.0 */
/* test_endpoint.c - which endpoints a relation means */
#include "endpoint.h"

#include "unit.h"

static struct charm_meta *charm(const char *text) {
        struct charm_meta *m = NULL;
        struct err err = {};

        if (charm_meta_parse(text, strlen(text), "charm.yaml", &m, &err) < 0)
                fail_msg("%s", err_text(&err));
        return m;
}

struct charms {
        struct charm_meta *server, *mysql, *twice;
};

static int set_up(void **state) {
        struct charms *c = mem_new(struct charms);

        c->server = charm("name: server\nrequires:\n  db: {interface: sql, limit: 1}\n  logs: "
                          "{interface: loki}\n"
                          "peers: {ring: {interface: ring}}\n");
        c->mysql = charm("name: mysql\nprovides:\n  database: {interface: sql}\n  metrics: "
                         "{interface: prom}\n");
        c->twice =
                charm("name: twice\nprovides:\n  one: {interface: sql}\n  two: {interface: sql}\n");
        *state = c;
        return 0;
}

static int tear_down(void **state) {
        struct charms *c = *state;

        charm_meta_free(c->server);
        charm_meta_free(c->mysql);
        charm_meta_free(c->twice);
        free(c);
        return 0;
}

static int match(const char *a_endpoint, const struct charm_meta *a, const char *b_endpoint,
                 const struct charm_meta *b, struct endpoint_match *ret, struct err *err) {
        struct endpoint_side sides[2] = { { "a", a_endpoint, a }, { "b", b_endpoint, b } };

        return endpoint_match(sides, ret, err);
}

static void implied_endpoints_are_found_by_interface_and_role(void **state) {
        struct charms *c = *state;
        struct endpoint_match m;
        struct err err = {};

        assert_int_equal(match(NULL, c->server, NULL, c->mysql, &m, &err), 0);
        assert_string_equal(m.endpoints[0], "db");
        assert_string_equal(m.endpoints[1], "database");
        assert_int_equal(m.roles[0], META_REQUIRES);
        assert_int_equal(m.roles[1], META_PROVIDES);
        assert_string_equal(m.interface, "sql");
        assert_int_equal(m.limits[0], 1);
        assert_int_equal(match(NULL, c->mysql, "db", c->server, &m, &err), 0);
        assert_string_equal(m.endpoints[0], "database");
}

static void ambiguous_endpoints_name_the_candidates(void **state) {
        struct charms *c = *state;
        struct endpoint_match m;
        struct err err = {};

        assert_int_equal(match(NULL, c->server, NULL, c->twice, &m, &err), -EINVAL);
        assert_string_equal(err.text,
                            "a and b can be related in 2 ways, say which: \"a:db b:one\", "
                            "\"a:db b:two\"");
        assert_int_equal(match(NULL, c->server, "two", c->twice, &m, &err), 0);
        assert_string_equal(m.endpoints[1], "two");
}

static void what_does_not_fit_says_why(void **state) {
        struct charms *c = *state;
        struct endpoint_match m;
        struct err err = {};

        assert_int_equal(match("dbb", c->server, NULL, c->mysql, &m, &err), -EINVAL);
        assert_string_equal(err.text,
                            "application a: charm server has no endpoint \"dbb\", did you mean "
                            "\"db\"?");
        assert_int_equal(match("zzzzzz", c->server, NULL, c->mysql, &m, &err), -EINVAL);
        assert_non_null(strstr(err.text, "it has db, logs, ring"));
        assert_int_equal(match("ring", c->server, NULL, c->mysql, &m, &err), -EINVAL);
        assert_non_null(strstr(err.text, "among peers"));
        assert_int_equal(match("logs", c->server, "database", c->mysql, &m, &err), -EINVAL);
        assert_string_equal(err.text,
                            "a:logs and b:database do not fit: interface loki and interface sql");
        assert_int_equal(match("one", c->twice, "database", c->mysql, &m, &err), -EINVAL);
        assert_string_equal(err.text, "a:one and b:database do not fit: both are provides");
        assert_int_equal(match(NULL, c->mysql, NULL, c->twice, &m, &err), -EINVAL);
        assert_string_equal(err.text, "a and b have no interface in common");
}

static void a_charm_that_is_not_there_leaves_the_endpoints_open(void **state) {
        struct charms *c = *state;
        struct endpoint_match m;
        struct err err = {};

        assert_int_equal(match(NULL, NULL, NULL, NULL, &m, &err), ENDPOINT_OPEN);
        assert_string_equal(m.endpoints[0], "");
        assert_string_equal(m.interface, "");
        assert_int_equal(match("x", NULL, "db", c->server, &m, &err), ENDPOINT_OPEN);
        assert_string_equal(m.endpoints[0], "x");
        assert_string_equal(m.endpoints[1], "db");
        assert_int_equal(m.roles[0], META_PROVIDES);
        assert_int_equal(m.roles[1], META_REQUIRES);
        assert_string_equal(m.interface, "sql");
        assert_int_equal(match("x", NULL, "nope", c->server, &m, &err), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(implied_endpoints_are_found_by_interface_and_role,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(ambiguous_endpoints_name_the_candidates, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_does_not_fit_says_why, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_charm_that_is_not_there_leaves_the_endpoints_open,
                                                set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
