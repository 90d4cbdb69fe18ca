/* SPDX-License-Identifier: Apache-2.0 */
/* kinds.h - what the API serves: built-in kinds from a table, custom ones added and removed by
 * crd.c
 *
 * A kind is one (group, version, resource). Versions of one group and resource share a
 * collection: the objects themselves. */
#pragma once

#include "list.h"
#include "schema.h"

enum {
        KIND_NAMESPACED = 1 << 0,
        KIND_STATUS = 1 << 1, /* has the subresource */
        KIND_SCALE = 1 << 2,
        KIND_GENERATION = 1 << 3, /* counts changes of its spec */
        KIND_REVIEW = 1 << 4,     /* can only be created, and is answered at once */
        KIND_PODS = 1 << 5,       /* log, exec, portforward, eviction */
        KIND_CUSTOM = 1 << 6,
};

struct object {
        char *key;    /* "namespace/name", or "name" of a cluster-wide object */
        json_t *json; /* never changed once stored: replaced */
        uint64_t version;
};

struct collection {
        char *group, *plural;
        struct object **items; /* sorted by key */
        size_t count, room;
        unsigned kinds; /* how many share it; the last one frees it */
};

struct kind {
        struct list entry; /* struct kinds.all, in order of discovery */
        char *group, *version, *kind, *plural, *singular, *list_kind, *short_names, *categories;
        char *api_version; /* "apps/v1" */
        unsigned flags;
        const struct schema_type *type;
        struct collection *collection;
        json_t *ignored_main, *ignored_status; /* ssa_request.ignored by subresource */
        struct schema schema;                  /* types of a custom kind; empty for built-in ones */
        json_t *structure;                     /* openAPIV3Schema of a custom kind's version */
        json_t *scale;                         /* subresources.scale of a custom kind, or NULL */
};

struct kinds {
        struct list all;
        struct map by_path; /* "group/version/plural" */
        struct schema schema;
};

int kinds_init(struct kinds *k, struct err *err);
void kinds_deinit(struct kinds *k);
struct kind *kinds_find(const struct kinds *k, const char *group, const char *version,
                        const char *plural);
/* By group (NULL: any) and kind, as objects and owner references name it; VERSION may be NULL. */
struct kind *kinds_find_kind(const struct kinds *k, const char *group, const char *version,
                             const char *kind);
/* "deployment", "deployments", "deploy" or "Deployment", with or without ".group". */
struct kind *kinds_find_word(const struct kinds *k, const char *word);
/* Steals nothing; FROM's texts are copied. The collection is shared with other versions. */
struct kind *kinds_add(struct kinds *k, const struct kind *from);
void kinds_remove(struct kinds *k, struct kind *kind);
/* "deployments.apps", "pods" */
const char *kinds_resource(const struct kind *k, char *text, size_t size);
/* "Deployment.apps", "Pod" */
const char *kinds_name(const struct kind *k, char *text, size_t size);
/* group of an apiVersion: "apps" of "apps/v1", "" of "v1" */
void kinds_split_version(const char *api_version, char **ret_group, char **ret_version);

#define KINDS_NAME_MAX 512 /* a group (253) and a kind or resource (63), with room */
