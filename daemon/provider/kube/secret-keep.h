/* SPDX-License-Identifier: Apache-2.0 */
/* secret-keep.h - values of a Secret that was there before us, which an apply would write over */
#pragma once

#include "provider.h"
#include "scan.h"

/* Compares what OBJECT holds with what an apply of R would write, where R->own says that a
 * secret's value is made by us alone. Such a value may be the only copy of what opens data beside
 * it. 0: nothing is lost. 1: *RET_FOUND has the values to take over instead, under their tokens.
 * -EEXIST: they differ and cannot be taken over; ERR says where and why. */
int secret_keep(const struct apply_request *r, struct scan_slice object,
                struct secret_values **ret_found, struct err *err);
/* The same where our own last write put them there (managedFields) and their stamp (secret-stamp.h)
 * does not say that they are older than ours; without one only of secrets that were made here,
 * passwords and certificates. What is part of a longer text follows from the others. NULL: nothing
 * differs. *RET_REVISIONS: {URI: revision} of those whose stamp is newer, or NULL. */
void secret_keep_compare(const struct apply_request *r, struct scan_slice object,
                         struct secret_values **ret_found, json_t **ret_revisions);
