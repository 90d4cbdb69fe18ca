/* SPDX-License-Identifier: Apache-2.0 */
/* smd.c - see smd.h */
#include "smd.h"

#include "yaml.h"

#include <assert.h>
#include <stdlib.h>

static char *read_file(const char *path) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        cleanup_(fclosep) FILE *f = fopen(path, "re");
        char data[65536];
        size_t n;

        if (!f)
                return NULL;
        while ((n = fread(data, 1, sizeof(data), f)) > 0)
                buf_add(&out, data, n);
        return buf_take(&out);
}

char *smd_file(const char *name) {
        const char *shared = getenv("MOORING_SHARED");
        cleanup_(freep) char *path =
                str_format("%s/fixtures/smd/%s", shared ? shared : SOURCE_ROOT "/../shared", name);

        return read_file(path);
}

static struct schema_type *type_of(struct schema *s, const json_t *ref);

/* Members of an atom into T. */
static void fill(struct schema *s, struct schema_type *t, const json_t *atom) {
        static const char *const scalars[] = { "", "string", "numeric", "boolean", "untyped" };
        json_t *list = json_get(atom, "list"), *map = json_get(atom, "map"), *f, *key;
        cleanup_(buf_free) struct buf keys = BUF_INIT;
        size_t i;

        for (int n = 1; n < SCHEMA_SCALAR_MAX; n++)
                if (str_eq(json_get_str(atom, "scalar", ""), scalars[n]))
                        t->scalar = (enum schema_scalar)n;
        if (list) {
                t->has_list = true;
                t->list_atomic =
                        !str_eq(json_get_str(list, "elementRelationship", ""), "associative");
                t->item = type_of(s, json_get(list, "elementType"));
                json_array_foreach(json_get(list, "keys"), i, key) {
                        buf_printf(&keys, "%s%s", i ? "," : "", json_string_value(key));
                }
                schema_keys(t, buf_str(&keys));
        }
        if (!map)
                return;
        t->has_map = true;
        t->map_atomic = str_eq(json_get_str(map, "elementRelationship", ""), "atomic");
        json_array_foreach(json_get(map, "fields"), i, f) {
                schema_field(t, json_get_str(f, "name", ""), type_of(s, json_get(f, "type")),
                             json_get(f, "default") ? json_deep_copy(json_get(f, "default"))
                                                    : NULL);
        }
        if (json_get(map, "elementType"))
                t->other = type_of(s, json_get(map, "elementType"));
}

/* A reference that overrides how its type is merged gets a copy of it. */
static struct schema_type *overridden(struct schema *s, struct schema_type *t, const json_t *all,
                                      const char *how) {
        struct schema_type *copy = schema_add(s, NULL);

        fill(s, copy, all);
        copy->list_atomic = copy->map_atomic = str_eq(how, "atomic");
        return copy;
}

static const json_t *current; /* the types of the schema being read */

static struct schema_type *type_of(struct schema *s, const json_t *ref) {
        const char *name = json_get_str(ref, "namedType", NULL);
        const char *how = json_get_str(ref, "elementRelationship", NULL);
        struct schema_type *t;
        json_t *one, *found = NULL;
        size_t i;

        if (!name) {
                t = schema_add(s, NULL);
                fill(s, t, ref);
                if (how)
                        t->list_atomic = t->map_atomic = str_eq(how, "atomic");
                return t;
        }
        json_array_foreach((json_t *)current, i, one) {
                if (str_eq(json_get_str(one, "name", ""), name))
                        found = one;
        }
        if (!found)
                return schema_untyped(s); /* one schema names a type that it leaves out */
        t = schema_find(s, name);
        if (!t) {
                t = schema_add(s, name);
                t->deduced = str_eq(name, "__untyped_deduced_");
                fill(s, t, found);
        }
        return how ? overridden(s, t, found, how) : t;
}

const struct schema_type *smd_schema(struct schema *s, const char *yaml, const char *type_ref) {
        struct yaml_stream stream;
        struct err err;
        cleanup_(json_freep) json_t *ref =
                json_pack("{s:s}", "namedType", strchr(type_ref, ' ') + 1);
        const struct schema_type *t;

        assert(yaml_parse(yaml, strlen(yaml), NULL, YAML_CORE, &stream, &err) == 0);
        current = json_get(stream.documents[0].root, "types");
        t = type_of(s, ref);
        yaml_stream_free(&stream);
        return t;
}
