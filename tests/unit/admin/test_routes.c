/* SPDX-License-Identifier: Apache-2.0 */
/* test_routes.c - schema/api/openapi.yaml and the route table say the same, in both directions. */
#include "routes.h"

#include "yaml.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

static json_t *api;

static char *lower(const char *s) {
        char *out = str_dup(s);

        for (char *p = out; *p; p++)
                *p = (char)tolower((unsigned char)*p);
        return out;
}

static json_t *operation(const struct route *r) {
        cleanup_(freep) char *method = lower(r->method);

        return json_dig(api, "paths", r->path, method, NULL);
}

static const struct route *find_route(const char *path, const char *method) {
        for (const struct route *r = route_table; r->method; r++) {
                cleanup_(freep) char *own = lower(r->method);

                if (str_eq(r->path, path) && str_eq(own, method))
                        return r;
        }
        return NULL;
}

static void every_route_is_described_with_its_help_and_role(void **state) {
        for (const struct route *r = route_table; r->method; r++) {
                const json_t *o = operation(r);

                if (!o)
                        fail_msg("%s %s is not described", r->method, r->path);
                assert_string_equal(json_get_str(o, "summary", ""), r->help);
                assert_string_equal(json_get_str(o, "x-role", ""), request_role_name(r->access));
                assert_string_equal(json_get_str(o, "x-action", ""), r->action ? r->action : "");
        }
}

static void what_needs_more_than_a_viewer_has_a_name_for_the_audit(void **state) {
        for (const struct route *r = route_table; r->method; r++)
                if (!r->action != (r->access <= ROLE_VIEWER))
                        fail_msg("%s %s: an action without a name, or the other way round",
                                 r->method, r->path);
}

static void everything_that_is_described_is_a_route(void **state) {
        const char *path, *method;
        json_t *item, *o;

        json_object_foreach(json_get(api, "paths"), path, item)
                json_object_foreach(item, method, o) {
                        if (!str_eq(method, "parameters") && !find_route(path, method))
                                fail_msg("%s %s is described and not there", method, path);
                }
}

static size_t count_query(const struct route *r) {
        size_t n = 0;

        while (r->query && r->query[n])
                n++;
        return n;
}

static void query_parameters_are_the_same(void **state) {
        for (const struct route *r = route_table; r->method; r++) {
                const json_t *list = json_get(operation(r), "parameters"), *p;
                size_t i;

                if (json_array_size(list) != count_query(r))
                        fail_msg("%s %s: other query parameters", r->method, r->path);
                json_array_foreach(list, i, p) {
                        assert_string_equal(json_get_str(p, "name", ""), r->query[i]);
                        assert_string_equal(json_get_str(p, "in", ""), "query");
                }
        }
}

static void names_in_paths_are_described(void **state) {
        const char *path;
        json_t *item;

        json_object_foreach(json_get(api, "paths"), path, item) {
                const json_t *list = json_get(item, "parameters");
                size_t n = 0;

                for (const char *p = path; (p = strchr(p, '{')); p++) {
                        const char *name = json_get_str(json_array_get(list, n++), "name", "");

                        assert_int_equal(strncmp(p + 1, name, strlen(name)), 0);
                        assert_int_equal(p[1 + strlen(name)], '}');
                }
                assert_int_equal(json_array_size(list), n);
        }
}

static const char *type_of(const struct json_field *f) {
        static const char *const types[JSON_FIELD_KIND_MAX] = {
                [JSON_FIELD_STRING] = "string", [JSON_FIELD_INT] = "integer",
                [JSON_FIELD_BOOL] = "boolean",  [JSON_FIELD_NUMBER] = "number",
                [JSON_FIELD_OBJECT] = "object", [JSON_FIELD_LIST] = "array",
                [JSON_FIELD_ENUM] = "string",
        };

        return types[f->kind] ? types[f->kind] : "";
}

static bool is_required(const json_t *schema, const char *name) {
        const json_t *item;
        size_t i;

        json_array_foreach(json_get(schema, "required"), i, item)
                if (str_eq(json_string_value(item), name))
                        return true;
        return false;
}

static void bodies_have_the_same_fields_and_types(void **state) {
        for (const struct route *r = route_table; r->method; r++) {
                const json_t *schema = json_dig(operation(r), "requestBody", "content",
                                                "application/json", "schema", NULL);
                const json_t *properties = json_get(schema, "properties");
                size_t n = 0;

                if (!r->fields != !schema)
                        fail_msg("%s %s: one of both has a body", r->method, r->path);
                for (const struct json_field *f = r->fields; f && f->name; f++, n++) {
                        const json_t *p = json_get(properties, f->name);

                        if (!p)
                                fail_msg("%s %s: %s is not described", r->method, r->path, f->name);
                        assert_string_equal(json_get_str(p, "type", ""), type_of(f));
                        if (f->flags & JSON_REQUIRED)
                                assert_true(is_required(schema, f->name));
                }
                assert_int_equal(json_object_size(properties), n);
        }
}

static int read_api(void **state) {
        struct yaml_stream s = { 0 };
        struct err err = { 0 };
        char *text = mem_alloc(1 << 20);
        FILE *f = fopen(OPENAPI, "re");
        size_t n;

        assert_non_null(f);
        n = fread(text, 1, (1 << 20) - 1, f);
        fclose(f);
        if (yaml_parse(text, n, "openapi.yaml", YAML_CORE, &s, &err) < 0)
                fail_msg("%s", err_text(&err));
        api = json_incref(s.documents[0].root);
        yaml_stream_free(&s);
        free(text);
        return 0;
}

static int drop_api(void **state) {
        json_decref(api);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_route_is_described_with_its_help_and_role),
                cmocka_unit_test(what_needs_more_than_a_viewer_has_a_name_for_the_audit),
                cmocka_unit_test(everything_that_is_described_is_a_route),
                cmocka_unit_test(query_parameters_are_the_same),
                cmocka_unit_test(names_in_paths_are_described),
                cmocka_unit_test(bodies_have_the_same_fields_and_types),
        };

        return cmocka_run_group_tests_name("routes", tests, read_api, drop_api);
}
