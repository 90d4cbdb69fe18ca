/* SPDX-License-Identifier: Apache-2.0 */
/* bundle.h - Juju's bundles and overlays as structs, each value with the place where it stands
 *
 * Read as they are: `bundle: kubernetes`, applications (or services), relations in both forms,
 * overlays as further documents or files. All that is wrong is collected (faults), what is
 * accepted without meaning here is noted. Keys that begin with "_" and Juju's keys without
 * meaning on Kubernetes are kept and exported again. Machine bundles are refused by what makes
 * them so.
 *
 * Overlays, as Juju does it: a value replaces, options, resources, storage and annotations merge
 * key by key, an application with nothing (`minio:`) is taken away with its relations, relations
 * add. */
#pragma once

#include "charm-meta.h"
#include "faults.h"

#define BUNDLE_TEXT_MAX (4u << 20)  /* Kubeflow's has 8 KB; options may carry files */
#define BUNDLE_APPLICATIONS_MAX 500 /* of one bundle: ten times Kubeflow */
#define BUNDLE_RELATIONS_MAX 2000
#define BUNDLE_INCLUDE_MAX (1u << 20) /* one included file */

struct bundle_place {
        const char *file; /* borrowed from the bundle */
        int line;
};

struct bundle_value {
        char *name;
        json_t *value;
        struct bundle_place at;
};

struct bundle_values {
        struct bundle_value *items;
        size_t count, room;
};

struct bundle_application {
        char *name;
        struct bundle_place at;
        char *charm;
        char *channel;       /* full form, or NULL: not said */
        int64_t revision;    /* -1: not said */
        int64_t scale;       /* -1: not said */
        int trust;           /* -1: not said */
        json_t *constraints; /* as constraint.h, or NULL: not said */
        struct bundle_place charm_at, channel_at, scale_at;
        struct bundle_values options;
        struct bundle_values storage;   /* {"class": text or absent, "size": bytes or absent} */
        struct bundle_values resources; /* texts: image references */
        struct bundle_values kept;      /* keys without meaning here */
};

struct bundle_side {
        char *application;
        char *endpoint; /* NULL: implied */
};

struct bundle_relation {
        struct bundle_side sides[2];
        struct bundle_place at;
};

struct bundle {
        char *name, *description; /* or NULL */
        struct bundle_application *applications;
        size_t application_count, application_room;
        struct bundle_relation *relations;
        size_t relation_count, relation_room;
        char **files; /* names that places borrow */
        size_t file_count, file_room;
        struct faults faults, notes;
};

struct bundle_source {
        const char *file; /* for messages */
        const char *text;
        size_t len;
};

/* The first document of the first source is the bundle, all others are overlays. INCLUDES:
 * {path: text} of the files that include-file:// and include-base64:// name, read by whoever has
 * the right to; or NULL. Never fails: see faults. */
struct bundle *bundle_parse(const struct bundle_source *sources, size_t count,
                            const json_t *includes);
struct bundle *bundle_new(void);
struct bundle *bundle_free(struct bundle *b);
void bundle_freep(struct bundle **b);

struct bundle_application *bundle_find(const struct bundle *b, const char *name); /* NULL: none */
const struct bundle_value *bundle_value(const struct bundle_values *v, const char *name);
/* Replaces or appends; takes the reference VALUE. */
void bundle_set(struct bundle_values *v, const char *name, json_t *value, struct bundle_place at);
/* "application[:endpoint]". -EINVAL. */
int bundle_read_side(const char *text, struct bundle_side *ret, struct err *err);
void bundle_side_deinit(struct bundle_side *s);
/* "[CLASS,][COUNT,]SIZE", or a CLASS alone: {"class", "size"}. -EINVAL: also for a count above
 * 1. */
int bundle_read_storage(const char *text, json_t **ret, struct err *err);

/* ---- for overlay.c */
struct bundle_application *bundle_append(struct bundle *b, const char *name,
                                         struct bundle_place at);
void bundle_drop(struct bundle *b, const char *name); /* and its relations */
/* OVER is emptied into BASE; applications named in TAKEN (a list of {name, place}) go first. */
void overlay_apply(struct bundle *base, struct bundle *over, const struct bundle_values *taken);
