/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h - what server-side apply must know of a type: members, which lists are keyed and by
 * what, what is atomic
 *
 * A type may allow several shapes at once (a scalar or a map), as types without a schema do. The
 * built-in types come from schema.txt (schema_read), those of CRDs from their openAPIV3Schema
 * (crd.c). */
#pragma once

#include "err.h"
#include "json.h"
#include "map.h"

enum schema_scalar {
        SCHEMA_NO_SCALAR,
        SCHEMA_STRING,
        SCHEMA_NUMBER,
        SCHEMA_BOOLEAN,
        SCHEMA_ANY_SCALAR,
        SCHEMA_SCALAR_MAX
};

struct schema_type {
        char *name; /* NULL: written in place */
        enum schema_scalar scalar;
        bool has_list, has_map;
        bool list_atomic, map_atomic;
        bool deduced;             /* shapes are found from the values: no schema was given */
        bool reached;             /* read by schema_read, not only named */
        struct schema_type *item; /* of the list */
        char **keys;              /* of a keyed list, sorted; NULL: a set */
        size_t key_count;
        struct map fields; /* name -> struct schema_field */
        struct schema_type
                *other; /* members that are not in FIELDS; NULL: such members are errors */
};

struct schema_field {
        struct schema_type *type;
        json_t *fallback; /* value of a list key that an item leaves out, or NULL */
};

struct schema {
        struct map names; /* borrowed from all */
        struct schema_type **all;
        size_t count, room;
};

void schema_deinit(struct schema *s);
struct schema_type *schema_add(struct schema *s, const char *name); /* NAME may be NULL */
/* The type of that name; made empty when it is not there yet. */
struct schema_type *schema_get(struct schema *s, const char *name);
struct schema_type *schema_find(const struct schema *s, const char *name);
/* Any value: maps are merged by member, lists are replaced whole ("*"); or all is replaced whole
 * ("~"). */
struct schema_type *schema_deduced(struct schema *s);
struct schema_type *schema_untyped(struct schema *s);
void schema_field(struct schema_type *t, const char *name, struct schema_type *type,
                  json_t *fallback);
const struct schema_field *schema_field_find(const struct schema_type *t, const char *name);
void schema_keys(struct schema_type *t, const char *comma_separated);
/* The type of member NAME of a map type, or NULL where such a member is not allowed. */
const struct schema_type *schema_member(const struct schema_type *t, const char *name);
/* Reads the text form that the head of schema.txt describes. */
int schema_read(struct schema *s, const char *text, struct err *err);
