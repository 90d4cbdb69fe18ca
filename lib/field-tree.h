/* SPDX-License-Identifier: Apache-2.0 */
/* field-tree.h - a list of fields (field-path.h) as a tree of the elements that
 * metadata.managedFields has
 *
 *   spec.ports[port=80,protocol=TCP].name     metadata.labels["example.org/a.b"]
 *   webhooks[*].clientConfig.caBundle         finalizers[*]
 *
 * "a.b, a.c" is {"f:a":{"f:b":{},"f:c":{}}}; [*] is "*", [name=x] is "k:{\"name\":\"x\"}" (what
 * reads as a number is one). What ends in the tree is meant with all below
 * it: a path below another one's end adds nothing. */
#pragma once

#include "json.h"

#define FIELD_TREE_MAX 1000 /* bytes of a list of paths: what a person wrote */

/* -EINVAL: which path, and what is wrong with it. */
int field_tree_parse(const char *list, json_t **ret, struct err *err);
/* What TREE says of an element that it may name by "*"; NULL: nothing. */
const json_t *field_tree_child(const json_t *tree, const char *element);
/* Does ELEMENT ("*", "k:{...}") name this item of a list? */
bool field_tree_is_item(const json_t *item, const char *element);
/* A path of one ends in, above or below a path of the other. */
bool field_tree_overlap(const json_t *a, const json_t *b);
/* Takes out of VALUE, an object as it is, what TREE leads to. */
void field_tree_prune(json_t *value, const json_t *tree);
/* Takes out of FIELDS (fieldsV1) what TREE leads to, and what is empty after that. */
void field_tree_prune_set(json_t *fields, const json_t *tree);
