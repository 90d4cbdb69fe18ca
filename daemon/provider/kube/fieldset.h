/* SPDX-License-Identifier: Apache-2.0 */
/* fieldset.h - which fields of an object are ours, and what they say: the base of drift
 *
 * The answer to a server-side apply carries, in our own entry of metadata.managedFields, the set
 * of fields that we own. It says which lists are keyed and by which values, for built-in kinds
 * and CRDs alike, so that no schema is needed. An object restricted to that set is the
 * projection; the baseline is the projection of the answer. A later object is in place exactly
 * when its projection to the *stored* set has the same digest.
 *
 *   "f:name"            a member             "k:{\"name\":\"x\"}"  an item of a keyed list
 *   "v:\"x\""           an item of a set     "i:3"                an item by index
 *   "."                 the thing itself     no children          all of the value
 *
 * As text a field set is {"apiVersion":"apps/v1","fields":{fieldsV1}}: a set means something
 * only in its version. The object's rules (field-rules.h) are part of it: fields completed at
 * run time are not in "fields", and what is strict stands beside it as "strict", with "runtime"
 * for what is left out under it. A strict field is one value for the digest, whoever owns what
 * is under it, and need not be ours at all. */
#pragma once

#include "provider.h"
#include "scan.h"

#define FIELDSET_MANAGER "mooring"

struct projection;

/* -EBADMSG. Equal texts give the same projection, which is counted. */
int fieldset_parse(const char *text, struct projection **ret, struct err *err);
struct projection *fieldset_ref(const struct projection *p);
void fieldset_unref(struct projection *p);
const char *fieldset_version(const struct projection *p); /* "apps/v1" */
size_t fieldset_interned(void);                           /* projections alive: tests */

/* Our own entry's field set as text, with the rules of the object, or NULL when it has none. */
char *fieldset_of_answer(const char *type, struct scan_slice object);
bool fieldset_is_strict(const struct projection *p); /* something in it is */
/* Our own entry, whole; NULL: none. */
struct scan_slice fieldset_own(struct scan_slice object);
/* The entries of others, for "who": a list of {"manager","operation","time","fields"}; NULL:
 * none. */
json_t *fieldset_others(struct scan_slice object);
