/* SPDX-License-Identifier: Apache-2.0 */
/* param.h - the part of JSON schema that actions of Juju charms use: is a schema one, and does a
 * value fit it
 *
 * Keywords: type, enum, const, default, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
 * minLength, maxLength, pattern (anywhere in the text), items, minItems, maxItems, uniqueItems,
 * properties, required, additionalProperties; title, description, examples and format are only
 * shown. Ours: secret, for a text whose value is kept sealed and shown nowhere. Another keyword is
 * a mistake of the schema: what it says would be checked by nobody. */
#pragma once

#include "json.h"

/* SCHEMA is what it should be; -EINVAL with WHERE. */
int param_check_schema(const json_t *schema, const struct json_where *where, struct err *err);
/* VALUE fits SCHEMA: *RET is a new value with its defaults filled in. A text that reads as what is
 * wanted is taken, for a command line may give no other. -EINVAL: "parameter backup.keep: must be
 * at least 1, is 0"; WHAT is the first word. */
int param_check(const json_t *schema, const char *what, const json_t *value, json_t **ret,
                struct err *err);
/* Calls FN with each member of VALUE, at whatever depth, whose schema says that it is secret, and
 * with the path of its name; what FN gives back takes its place (NULL: it stays). */
typedef json_t *param_secret_fn(void *arg, const char *path, const json_t *value);
void param_each_secret(const json_t *schema, json_t *value, param_secret_fn *fn, void *arg);
