/* SPDX-License-Identifier: Apache-2.0 */
/* kinds.h - what has to be known of a kind before any server was asked */
#pragma once

#include "json.h"

enum {
        KIND_CLUSTER = 1 << 0, /* not in a namespace */
        KIND_DATA = 1 << 1,    /* holds data: never deleted without consent */
        KIND_PLAIN = 1 << 2,   /* has no state: what exists is ready */
};

struct kind_row {
        const char *type; /* "Deployment.apps" */
        unsigned flags;
        const char *pod; /* pointer to its pod template ("" : it is a pod), or NULL */
};

const struct kind_row *kinds_find(const char *type); /* NULL: nothing known */
bool kinds_cluster_scoped(const char *type);         /* also kinds of CRDs that are known for it */
/* "Deployment.apps" of a document; NULL when apiVersion or kind is missing. Caller frees. */
char *kinds_type(const json_t *document);
char *kinds_type_of(const char *api_version, const char *kind);
/* "apps" of "apps/v1", "" of "v1"; RET_VERSION points into API_VERSION. */
size_t kinds_group(const char *api_version, const char **ret_version);
/* The pod template's metadata and spec of a document; NULL: it has none. Borrowed. */
json_t *kinds_pod_spec(const char *type, const json_t *document);
