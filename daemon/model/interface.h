/* SPDX-License-Identifier: Apache-2.0 */
/* interface.h - what may be told over a relation of an interface (schema/interfaces, built in)
 *
 * Called on each plan before anything of it is kept, and by the charm writer's harness. An
 * interface without a schema takes everything; tokens of secrets do not pass there, because
 * nothing says who may read them. Peers tell what they like. */
#pragma once

#include "json.h"

/* Results of interface_check besides 0 and errors. */
enum { INTERFACE_UNKNOWN = 1 };

/* May the side ROLE ("provides", "requires", "peers") tell VALUE under KEY? 0;
 * INTERFACE_UNKNOWN: no schema, nothing was checked but secrets; -EINVAL: no, with the
 * interface, the key and what would be right. */
int interface_check(const char *interface, const char *role, const char *key, const json_t *value,
                    struct err *err);
/* May (or must) tokens of secrets stand in what ROLE tells under KEY? */
bool interface_secret(const char *interface, const char *role, const char *key);
/* Everything a plan tells: TELL is {"relation id": {key: value}}, RELATIONS the list of the view
 * (charm-host.h). Adds the names of interfaces without a schema to the list RET_UNKNOWN, each
 * once, when that is not NULL. */
int interface_check_tell(const json_t *relations, const json_t *tell, json_t *ret_unknown,
                         struct err *err);
