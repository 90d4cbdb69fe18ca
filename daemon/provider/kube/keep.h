/* SPDX-License-Identifier: Apache-2.0 */
/* keep.h - fields that an apply leaves as they are outside
 *
 * Plain apply writes all that it declares. What it does not declare any more it deletes, where
 * nobody else owns it. So a field is left out of the document where another writer owns it, or
 * where nobody has it; else it is declared as it is. */
#pragma once

#include "provider.h"

/* The document with R's kept fields as they are outside, or NULL: nothing of it is other. New.
 * RET_OWNED: paths of managedFields ([["f:spec", "f:replicas"], ...], of an item of a list the item
 * itself) that are given up and that nobody but us owns, as far as is known; they are not in the
 * document. New, or NULL: none. */
json_t *keep_document(const struct apply_request *r, json_t **ret_owned);
/* Does the element "k:{...}" name ITEM? What the item does not say is as its default. */
bool keep_names_item(const char *element, const json_t *item);
/* What such an element would be for ITEM, by the names in LIKE, that of a neighbour. NULL: the item
 * has none of them, or not all when it is to be WHOLE. Caller frees. */
char *keep_element(const char *like, const json_t *item, bool whole);
