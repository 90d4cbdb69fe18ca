/* SPDX-License-Identifier: Apache-2.0 */
/* test_typed.c - the operations below apply, against the recorded calls of
 * structured-merge-diff's tests */
#include "typed.h"

#include "smd.h"

#include "parse.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

struct call {
        const json_t *line;
        const struct schema_type *type;
};

static bool same(const struct call *c, const char *what, const json_t *is, const json_t *wanted) {
        cleanup_(freep) char *a = NULL, *b = NULL, *line = NULL;

        if (typed_equal(is ? is : json_null(), wanted ? wanted : json_null()))
                return true;
        line = json_text(c->line);
        a = json_text(is);
        b = json_text(wanted);
        print_error("%s\n  %s is %s, wanted %s\n", line, what, a, b);
        return false;
}

static bool run_compare(const struct call *c) {
        struct typed_comparison got;
        bool ok;

        typed_compare(c->type, json_get(c->line, "lhs"), json_get(c->line, "rhs"), &got);
        ok = same(c, "added", got.added, json_get(c->line, "added"));
        ok = same(c, "modified", got.modified, json_get(c->line, "modified")) && ok;
        ok = same(c, "removed", got.removed, json_get(c->line, "removed")) && ok;
        typed_comparison_deinit(&got);
        return ok;
}

static bool run_merge(const struct call *c) {
        cleanup_(json_freep) json_t *out =
                typed_merge(c->type, json_get(c->line, "lhs"), json_get(c->line, "rhs"));

        return same(c, "the merged value", out, json_get(c->line, "out"));
}

static bool run_fields(const struct call *c) {
        cleanup_(json_freep) json_t *out = typed_fields(c->type, json_get(c->line, "object"));

        return same(c, "the field set", out, json_get(c->line, "set"));
}

static bool run_remove(const struct call *c) {
        cleanup_(json_freep) json_t *out =
                typed_remove(c->type, json_get(c->line, "object"), json_get(c->line, "items"));

        return same(c, "the rest", out, json_get(c->line, "out"));
}

static bool run_validate(const struct call *c) {
        cleanup_(typed_problems_deinit) struct typed_problems problems = { 0 };

        typed_check(c->type, json_get(c->line, "object"), json_get_int(c->line, "options", 0),
                    &problems);
        return !problems.list == !json_get(c->line, "error");
}

static const struct {
        const char *name;
        bool (*run)(const struct call *c);
} functions[] = {
        { "compare", run_compare },    { "merge", run_merge },       { "toFieldSet", run_fields },
        { "removeItems", run_remove }, { "validate", run_validate },
};

/* -1: no function of ours */
static int run_line(const json_t *line, const json_t *schemas) {
        struct schema schema = { 0 };
        struct call c = { .line = line };
        int r = -1;

        c.type = smd_schema(&schema, json_get_str(schemas, json_get_str(line, "schema", ""), ""),
                            json_get_str(line, "typeRef", ""));
        for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
                if (str_eq(functions[i].name, json_get_str(line, "fn", "")))
                        r = functions[i].run(&c);
        schema_deinit(&schema);
        return r;
}

static void the_recorded_calls_give_the_recorded_results(void **state) {
        cleanup_(freep) char *calls = smd_file("typed-ops.jsonl"), *text = smd_file("schemas.json");
        cleanup_(json_freep) json_t *schemas = text ? parse(text) : NULL;
        int count[3] = { 0 };

        if (!calls) {
                print_message("skipped: fixtures/smd is not at hand (MOORING_SHARED)\n");
                skip();
        }
        for (char *save = NULL, *line = strtok_r(calls, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
                cleanup_(json_freep) json_t *entry = parse(line);

                count[run_line(entry, schemas) + 1]++;
        }
        print_message("%d agree, %d differ, %d are of a function that we do not have\n", count[2],
                      count[1], count[0]);
        assert_int_equal(count[1], 0);
        assert_true(count[2] > 150);
}

static void problems_are_told_with_their_path(void **state) {
        struct schema schema = { 0 };
        cleanup_(typed_problems_deinit) struct typed_problems problems = { 0 };
        cleanup_(buf_free) struct buf text = BUF_INIT;
        cleanup_(json_freep) json_t *v = NULL;
        struct err err;

        assert_int_equal(schema_read(&schema, "Top a:n b:[name]Item\nItem name:s\n", &err), 0);
        v = parse("{\"a\":\"x\",\"b\":[{\"name\":\"n\",\"c\":1}]}");
        typed_check(schema_find(&schema, "Top"), v, false, &problems);
        typed_problems_text(&problems, &text);
        assert_string_equal(buf_str(&text), "errors:\n"
                                            "  .a: expected numeric (int or float), got string\n"
                                            "  .b[name=\"n\"].c: field not declared in schema");
        schema_deinit(&schema);
}

static void a_type_that_is_not_described_is_refused(void **state) {
        struct schema schema = { 0 };
        struct err err;

        assert_true(schema_read(&schema, "Top a:Missing\n", &err) < 0);
        assert_string_equal(err_text(&err), "type Missing is used but not described");
        schema_deinit(&schema);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_recorded_calls_give_the_recorded_results),
                cmocka_unit_test(problems_are_told_with_their_path),
                cmocka_unit_test(a_type_that_is_not_described_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
