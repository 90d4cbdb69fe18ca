/* SPDX-License-Identifier: Apache-2.0 */
/* identify.h - which resource a document is, and what it stands on */
#pragma once

#include "provider.h"

#define IDENTIFY_NAME_MAX 253 /* DNS subdomain: what Kubernetes takes as a name */

int identify_document(const json_t *wanted, const char *default_scope, struct identity *ret,
                      struct err *err);
/* "ns/name" or "name" in parts; both point into PATH, the namespace with its length. */
const char *identify_split(const char *path, size_t *ret_namespace_len);
