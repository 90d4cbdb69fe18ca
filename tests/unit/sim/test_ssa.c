/* SPDX-License-Identifier: Apache-2.0 */
/* test_ssa.c - ownership: own cases, and the sequences recorded from structured-merge-diff's
 * tests */
#include "ssa.h"

#include "smd.h"

#include "parse.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- recorded cases */

#define RENAMES "renames fields between versions, which the simulator does not do"

/* What the recording does not say: the upstream test changes the schema, or has fields ignored. */
static const struct special {
        const char *name;
        int step; /* from here on the recorded schema; before, SCHEMA */
        const char *schema;
        const char *ignored; /* version -> set */
        const char *skip;
} specials[] = {
        { "TestAtomicToGranularSchemaChanges/to-granular", 2, "fa473c3b93", NULL, NULL },
        { "TestGranularToAtomicSchemaChanges/to-atomic", 1, "45a5450d62", NULL, NULL },
        { "TestIgnoreFilter/apply_does_not_own_ignored", 0, NULL, "{\"v1\":{\"f:string\":{}}}",
          NULL },
        { "TestIgnoreFilter/update_does_not_own_ignored", 0, NULL, "{\"v1\":{\"f:string\":{}}}",
          NULL },
        { "TestIgnoredFields/apply_does_not_own_ignored", 0, NULL, "{\"v1\":{\"f:string\":{}}}",
          NULL },
        { "TestIgnoredFields/update_does_not_own_ignored", 0, NULL, "{\"v1\":{\"f:string\":{}}}",
          NULL },
        { "TestFilteredFieldsUsesVersions/update_does_not_steal_ignored", 0, NULL, NULL, RENAMES },
        { "TestFilteredFieldsUsesVersions/apply_does_not_steal_ignored", 0, NULL, NULL, RENAMES },
        {},
};

static const struct special *special_of(const char *name) {
        const struct special *s = specials;

        while (s->name && !str_eq(s->name, name))
                s++;
        return s;
}

struct run {
        const json_t *entry, *schemas;
        const struct special *special;
        json_t *ignored, *live;
        struct ssa_managers managers;
};

static void run_deinit(struct run *r) {
        json_decref(r->ignored);
        json_decref(r->live);
        ssa_managers_deinit(&r->managers);
}

static void copy_managers(const struct ssa_managers *from, struct ssa_managers *to) {
        *to = (struct ssa_managers){ 0 };
        for (size_t i = 0; i < from->count; i++)
                ssa_managers_set(to, from->items[i].id, from->items[i].version,
                                 from->items[i].applied, json_deep_copy(from->items[i].set));
}

static json_t *managers_json(const struct ssa_managers *m) {
        json_t *out = json_object();

        for (size_t i = 0; i < m->count; i++)
                json_object_set_new(out, m->items[i].id,
                                    json_pack("{s:s,s:b,s:O}", "apiVersion", m->items[i].version,
                                              "applied", m->items[i].applied, "fieldsV1",
                                              m->items[i].set));
        return out;
}

static bool same(const char *name, size_t step, const char *what, const json_t *is,
                 const json_t *wanted) {
        cleanup_(freep) char *a = NULL, *b = NULL;

        if (typed_equal(is, wanted))
                return true;
        a = json_text(is);
        b = json_text(wanted);
        print_error("%s, step %zu: %s\n  is     %s\n  wanted %s\n", name, step, what, a, b);
        return false;
}

static json_t *conflicts_json(const struct ssa_conflicts *c) {
        json_t *out = json_array();

        for (size_t i = 0; i < c->count; i++)
                json_array_append_new(out, json_pack("{s:s,s:s}", "manager", c->items[i].id, "path",
                                                     c->items[i].path));
        return c->count ? out : (json_decref(out), NULL);
}

static void one_step(struct run *r, const struct ssa_request *q, const json_t *step,
                     struct ssa_conflicts *ret_conflicts) {
        struct ssa_managers after;
        json_t *object = json_get(step, "object"), *merged = NULL;

        copy_managers(&r->managers, &after);
        if (!str_eq(json_get_str(step, "op", ""), "apply")) {
                ssa_update(q, r->live, object, &after);
                merged = json_deep_copy(object);
        } else if (ssa_apply(q, r->live, object, &after, &merged, ret_conflicts) == SSA_CONFLICT) {
                ssa_managers_deinit(&after);
                return;
        }
        ssa_managers_deinit(&r->managers);
        r->managers = after;
        json_decref(r->live);
        r->live = merged;
}

static bool run_step(struct run *r, size_t i, const json_t *step) {
        const char *name = json_get_str(r->entry, "name", ""),
                   *version = json_get_str(step, "apiVersion", "");
        json_t *type = json_get(json_get(r->entry, "types"), version);
        const char *id = json_get_str(type, "schema", "");
        struct schema schema = { 0 };
        struct ssa_conflicts conflicts = { 0 };
        struct ssa_request q = { .manager = json_get_str(step, "manager", ""),
                                 .version = version,
                                 .ignored = r->ignored,
                                 .force = json_get_bool(step, "force", false) };
        cleanup_(json_freep) json_t *managers = NULL, *got = NULL;
        bool ok;

        if (r->special->schema && (int)i < r->special->step)
                id = r->special->schema;
        q.type = smd_schema(&schema, json_get_str(r->schemas, id, ""),
                            json_get_str(type, "typeRef", ""));
        one_step(r, &q, step, &conflicts);
        managers = managers_json(&r->managers);
        got = conflicts_json(&conflicts);
        ok = same(name, i, "conflicts", got ? got : json_null(),
                  json_get(step, "conflicts") ? json_get(step, "conflicts") : json_null());
        ok = same(name, i, "live object", r->live, json_get(step, "live")) && ok;
        ok = same(name, i, "managers", managers, json_get(step, "managed")) && ok;
        ssa_conflicts_deinit(&conflicts);
        schema_deinit(&schema);
        return ok;
}

/* -1: skipped */
static int run_case(const json_t *entry, const json_t *schemas) {
        cleanup_(run_deinit) struct run r = { .entry = entry, .schemas = schemas };
        json_t *step;
        bool ok = true;
        size_t i;

        r.special = special_of(json_get_str(entry, "name", ""));
        if (r.special->skip) {
                print_message("%s: skipped: %s\n", r.special->name, r.special->skip);
                return -1;
        }
        if (r.special->ignored)
                r.ignored = parse(r.special->ignored);
        json_array_foreach(json_get(entry, "steps"), i, step) {
                ok = run_step(&r, i, step) && ok;
        }
        return ok;
}

static void the_recorded_sequences_give_the_recorded_owners(void **state) {
        cleanup_(freep) char *cases = smd_file("ssa-ops.jsonl"), *text = smd_file("schemas.json");
        cleanup_(json_freep) json_t *schemas = text ? parse(text) : NULL;
        int count[3] = { 0 };

        if (!cases) {
                print_message("skipped: fixtures/smd is not at hand (MOORING_SHARED)\n");
                skip();
        }
        for (char *save = NULL, *line = strtok_r(cases, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
                cleanup_(json_freep) json_t *entry = parse(line);

                count[run_case(entry, schemas) + 1]++;
        }
        print_message("%d agree, %d differ, %d skipped\n", count[2], count[1], count[0]);
        assert_int_equal(count[1], 0);
        assert_int_equal(count[2], 58);
}

/* --- own cases, on the built-in types */

static const char types[] =
        "Root spec:Spec status:s\n"
        "Spec replicas:n ports:[port,protocol]Port labels:{}s set:[=]s list:[]s\n"
        "Port port:n protocol:s=TCP name:s\n";

struct fixture {
        struct schema schema;
        struct ssa_managers managers;
        struct ssa_conflicts conflicts;
        json_t *live;
};

static int set_up(void **state) {
        struct fixture *f = mem_new(struct fixture);
        struct err err;

        assert_int_equal(schema_read(&f->schema, types, &err), 0);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;

        schema_deinit(&f->schema);
        ssa_managers_deinit(&f->managers);
        ssa_conflicts_deinit(&f->conflicts);
        json_decref(f->live);
        free(f);
        return 0;
}

static int apply(struct fixture *f, const char *manager, bool force, const char *text) {
        cleanup_(json_freep) json_t *config = parse(text);
        struct ssa_request q = { .type = schema_find(&f->schema, "Root"),
                                 .manager = manager,
                                 .version = "v1",
                                 .force = force };
        json_t *out = NULL;
        int r = ssa_apply(&q, f->live, config, &f->managers, &out, &f->conflicts);

        if (r == 0) {
                json_decref(f->live);
                f->live = json_deep_copy(out);
                json_decref(out);
        }
        return r;
}

static void assert_live(const struct fixture *f, const char *text) {
        cleanup_(freep) char *is = json_text(f->live);

        assert_string_equal(is, text);
}

static void assert_owns(const struct fixture *f, const char *manager, const char *set) {
        const struct ssa_manager *m = ssa_managers_find(&f->managers, manager);
        cleanup_(freep) char *is = m ? json_text(m->set) : str_dup("nothing");

        assert_string_equal(is, set);
}

static void what_is_no_longer_applied_goes(void **state) {
        struct fixture *f = *state;

        apply(f, "a", false, "{\"spec\":{\"replicas\":1,\"labels\":{\"x\":\"1\",\"y\":\"2\"}}}");
        apply(f, "a", false, "{\"spec\":{\"labels\":{\"x\":\"1\"}}}");
        assert_live(f, "{\"spec\":{\"labels\":{\"x\":\"1\"}}}");
        assert_owns(f, "a", "{\"f:spec\":{\"f:labels\":{\"f:x\":{}}}}");
}

static void what_another_owns_too_stays(void **state) {
        struct fixture *f = *state;

        apply(f, "a", false, "{\"spec\":{\"labels\":{\"x\":\"1\"}}}");
        apply(f, "b", false, "{\"spec\":{\"labels\":{\"x\":\"1\"}}}");
        apply(f, "a", false, "{\"spec\":{\"replicas\":2}}");
        assert_live(f, "{\"spec\":{\"labels\":{\"x\":\"1\"},\"replicas\":2}}");
}

static void another_value_is_a_conflict_that_names_field_and_manager(void **state) {
        struct fixture *f = *state;

        apply(f, "a", false, "{\"spec\":{\"ports\":[{\"port\":80,\"name\":\"http\"}]}}");
        assert_int_equal(
                apply(f, "b", false, "{\"spec\":{\"ports\":[{\"port\":80,\"name\":\"web\"}]}}"),
                SSA_CONFLICT);
        assert_int_equal(f->conflicts.count, 1);
        assert_string_equal(f->conflicts.items[0].id, "a");
        assert_string_equal(f->conflicts.items[0].path,
                            ".spec.ports[port=80,protocol=\"TCP\"].name");
        assert_live(f, "{\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80}]}}");
}

static void force_takes_the_field_from_its_owner(void **state) {
        struct fixture *f = *state;

        apply(f, "a", false, "{\"spec\":{\"replicas\":1,\"list\":[\"x\"]}}");
        assert_int_equal(apply(f, "b", true, "{\"spec\":{\"replicas\":2}}"), 0);
        assert_owns(f, "a", "{\"f:spec\":{\"f:list\":{}}}");
        assert_owns(f, "b", "{\"f:spec\":{\"f:replicas\":{}}}");
}

/* The blind spot of plain apply: a list key edited by hand leaves two items. */
static void an_edited_list_key_leaves_two_items(void **state) {
        struct fixture *f = *state;
        struct ssa_request q = { .type = schema_find(&f->schema, "Root"),
                                 .manager = "edit",
                                 .version = "v1" };
        json_t *edited;

        apply(f, "a", false, "{\"spec\":{\"ports\":[{\"port\":80,\"name\":\"http\"}]}}");
        edited = parse("{\"spec\":{\"ports\":[{\"port\":81,\"name\":\"http\"}]}}");
        ssa_update(&q, f->live, edited, &f->managers);
        json_decref(f->live);
        f->live = edited;
        apply(f, "a", true, "{\"spec\":{\"ports\":[{\"port\":80,\"name\":\"http\"}]}}");
        assert_live(f, "{\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":81},"
                       "{\"name\":\"http\",\"port\":80}]}}");
}

static void sets_are_merged_and_atomic_lists_replaced(void **state) {
        struct fixture *f = *state;

        apply(f, "a", false, "{\"spec\":{\"set\":[\"x\",\"y\"],\"list\":[\"1\",\"2\"]}}");
        apply(f, "b", true, "{\"spec\":{\"set\":[\"z\"],\"list\":[\"3\"]}}");
        assert_live(f, "{\"spec\":{\"list\":[\"3\"],\"set\":[\"x\",\"y\",\"z\"]}}");
        assert_owns(f, "a", "{\"f:spec\":{\"f:set\":{\"v:\\\"x\\\"\":{},\"v:\\\"y\\\"\":{}}}}");
}

#define OWN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_recorded_sequences_give_the_recorded_owners),
                OWN(what_is_no_longer_applied_goes),
                OWN(what_another_owns_too_stays),
                OWN(another_value_is_a_conflict_that_names_field_and_manager),
                OWN(force_takes_the_field_from_its_owner),
                OWN(an_edited_list_key_leaves_two_items),
                OWN(sets_are_merged_and_atomic_lists_replaced),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
