/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta.h - charm.yaml as a struct: endpoints, options, resources, storage, highest scale,
 * actions
 *
 * charm.yaml has the keys of a Juju charm (name, summary, description, provides, requires,
 * peers, config.options, resources, storage, actions; the rest of Juju's is accepted and kept) and
 * Mooring's own: revision, channels, scale {default, max, zero-keeps-data}, option keys min,
 * max, enum, secret, strict (fields under which nobody else may add anything), runtime-fields
 * (fields that the component itself completes), secrets (which get a new value at times),
 * defaults-changed (Juju's insecure defaults that
 * differ here, with why). */
#pragma once

#include "json.h"

enum meta_role { META_PROVIDES, META_REQUIRES, META_PEERS, META_ROLE_MAX };
extern const char *const meta_role_names[]; /* "provides", "requires", "peers", NULL */

struct meta_endpoint {
        char *name, *interface;
        enum meta_role role;
        int64_t limit; /* 0: none */
        bool optional;
};

enum meta_type { META_STRING, META_INT, META_FLOAT, META_BOOLEAN, META_SECRET, META_TYPE_MAX };
struct meta_option {
        char *name, *description;
        enum meta_type type; /* META_SECRET: text that is kept as a secret */
        json_t *value;       /* default, or NULL */
        int64_t min, max;    /* when they differ; of a text: its length, unless it is empty */
        json_t *choices;     /* list of texts, or NULL */
        json_t *reserved;    /* list of texts that it may not be, in any case; or NULL */
        char *pattern;       /* or NULL: all of a text matches it, unless that is empty */
        char *wants;         /* the same in words, or NULL */
        bool by_actions;     /* actions set it, and no rollback of a refresh sets it back */
};

/* What actions set and people need not know: no bundle has it. */
static inline bool meta_option_is_note(const struct meta_option *o) {
        return o && o->by_actions && o->type != META_SECRET;
}

struct meta_resource {
        char *name, *description;
        bool image;   /* else a file */
        char *source; /* image reference with digest; URL of a file */
        /* of a file, hex; NULL for images and for files in the charm's folder */
        char *sha256;
        char *path; /* file shipped in the charm's folder, or NULL */
};

struct meta_storage {
        char *name, *location;
        int64_t size; /* bytes, default */
};

struct meta_action {
        char *name, *description;
        json_t *schema;         /* of its parameters, an object (param.h) */
        bool parallel;          /* beside other actions of its application */
        char *group;            /* one at a time of all that say the same, or NULL */
        bool destructive;       /* a second person has to approve it */
        bool for_operators;     /* who is no admin may run it too, if no admin says otherwise */
        int64_t deadline_ms;    /* of the whole, without what cleans up */
        json_t *secret_results; /* list of names, or NULL */
        json_t *asks;           /* what its steps may ask of the cluster: list of verbs, or NULL */
};

struct charm_meta {
        char *name, *summary;
        int64_t revision;
        char **channels; /* NULL-terminated: "8.0/stable", ...; "*": any */
        int64_t scale, scale_max;
        bool zero_keeps_data; /* scale 0 leaves the data where it is */
        struct meta_endpoint *endpoints;
        size_t endpoint_count;
        struct meta_option *options;
        size_t option_count;
        struct meta_resource *resources;
        size_t resource_count;
        struct meta_storage *storages;
        size_t storage_count;
        struct meta_action *actions;
        size_t action_count;
        json_t *secrets;     /* {"LABEL/FIELD": {"rotate"}}, or NULL */
        char *refresh_check; /* action that has to complete on a refresh's canary, or NULL */
        json_t *one_way;     /* list of {"what", "since", "loses-data"}, or NULL: see refresh */
        json_t *strict, *runtime_fields; /* lists of {"kind", "name", "field"}, or NULL */
        json_t *json;                    /* the whole, as stored in table charm */
};

/* From charm.yaml's text (FILE for messages), or from what table charm holds. -EINVAL, every
 * message with its line. */
int charm_meta_parse(const char *text, size_t len, const char *file, struct charm_meta **ret,
                     struct err *err);
int charm_meta_from_json(const json_t *j, struct charm_meta **ret, struct err *err);
struct charm_meta *charm_meta_free(struct charm_meta *m);
void charm_meta_freep(struct charm_meta **m);

/* TEXT matches PATTERN, all of it or anywhere: 1, 0, or <0: that is no regular expression. */
int charm_meta_pattern(const char *pattern, bool whole, const char *text, struct err *err);
/* All of TEXT matches O's pattern. */
int charm_meta_matches(const struct meta_option *o, const char *text, struct err *err);
const struct meta_option *charm_meta_option(const struct charm_meta *m, const char *name);
const struct meta_endpoint *charm_meta_endpoint(const struct charm_meta *m, const char *name);
const struct meta_resource *charm_meta_resource(const struct charm_meta *m, const char *name);
const struct meta_storage *charm_meta_storage(const struct charm_meta *m, const char *name);
const struct meta_action *charm_meta_action(const struct charm_meta *m, const char *name);
/* ASK is what a step of A asks for (step.h). -EPERM: charm.yaml does not list it. */
int charm_meta_action_asks(const struct meta_action *a, const json_t *ask, struct err *err);
/* ASK sets no option but those that actions set by M (NULL: the charm is not there), -EPERM; and
 * none to a secret's token that is no secret by M (NULL: none is), -EINVAL. */
int charm_meta_options_asked(const struct charm_meta *m, const json_t *ask, struct err *err);
int charm_meta_option_sealed(const struct charm_meta *m, const char *option, struct err *err);
/* "string", "int", "float", "boolean", "secret", NULL */
extern const char *const meta_type_names[];
/* VALUE for option NAME, as bundles and `config` give it: converted, checked. "application
 * minio: option port: wants a whole number between 1 and 65535, is the text \"x\"" -EINVAL. A
 * text that reads as what is wanted is taken (the command line gives texts); null is not a
 * value. A secret option's value is never in a message. */
int charm_meta_check_option(const struct charm_meta *m, const char *application, const char *name,
                            const json_t *value, json_t **ret, struct err *err);
