/* SPDX-License-Identifier: Apache-2.0 */
/* compare.h - field by field, what of an object is not as its baseline says, and who wrote that */
#pragma once

#include "fieldset.h"

/* BASELINE is a projection, FOUND {"object": ..., "others": [...]}; both free of secrets. Fields
 * that differ have WANTED and FOUND; missing ones no FOUND. One without WANTED is an item that
 * others added to a keyed list from which one of ours is missing (a container renamed by hand):
 * plain apply leaves it, APPLY_TAKE_OVER removes it. */
void compare_fields(const struct projection *p, const json_t *baseline, const json_t *found,
                    struct drift_list *ret);
/* The same where no baseline was kept: scalars, and items with a name, that DOCUMENT, the wanted
 * one, says itself. Not all that differs is found. */
void compare_said(const json_t *document, const json_t *found, struct drift_list *ret);
