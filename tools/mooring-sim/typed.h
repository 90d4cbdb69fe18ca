/* SPDX-License-Identifier: Apache-2.0 */
/* typed.h - operations on a JSON value seen through its schema type: check, field set, compare,
 * merge, remove
 *
 * These are the five operations that server-side apply is made of (ssa.c). A value that is
 * absent is a NULL json_t, which is not the same as JSON null. Results share parts with their
 * input: copy deeply before changing one. */
#pragma once

#include "fieldset.h"
#include "schema.h"

struct typed_problems {
        json_t *list; /* of texts, each "path: message" */
};

void typed_problems_deinit(struct typed_problems *p);
/* One problem as it is, several as "errors:" and one a line, as the API server words them. */
void typed_problems_text(const struct typed_problems *p, struct buf *out);

/* Adds to PROBLEMS what of V does not fit T; DUPLICATES: two items of one key are let pass. */
void typed_check(const struct schema_type *t, const json_t *v, bool duplicates,
                 struct typed_problems *problems);
/* The fields and items that V mentions. */
json_t *typed_fields(const struct schema_type *t, const json_t *v);

struct typed_comparison {
        json_t *added, *modified, *removed; /* field sets */
};

void typed_compare(const struct schema_type *t, const json_t *before, const json_t *after,
                   struct typed_comparison *ret);
void typed_comparison_deinit(struct typed_comparison *c);
/* BASE overlaid with OVER: nothing is removed; new or moved items take the order of OVER. */
json_t *typed_merge(const struct schema_type *t, const json_t *base, const json_t *over);
/* V without the fields and items that are members of SET; NULL when nothing is left. */
json_t *typed_remove(const struct schema_type *t, const json_t *v, const json_t *set);
/* SET, and every declared field on the way to its members. */
json_t *typed_named_members(const struct schema_type *t, const json_t *set);
/* SET as it must read after a type of its fields turned atomic. New, equal to SET when nothing
 * changed. */
json_t *typed_follow_schema(const struct schema_type *t, const json_t *set);
/* The path element of a list item ("k:…" or "v:…"), or NULL with a reason (static text) in
 * *RET_WHY. */
char *typed_item_element(const struct schema_type *list, const json_t *item, const char **ret_why);
/* json_equal, but 1 equals 1.0. */
bool typed_equal(const json_t *a, const json_t *b);
