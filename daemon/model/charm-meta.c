/* SPDX-License-Identifier: Apache-2.0 */
/* charm-meta.c - charm.yaml's text, or what table charm holds of it, into a struct; see
 * charm-meta.h
 *
 * Called by the charm host for each offered folder, by the commands for rows of table charm, and
 * by gen tools. Members are read by field tables; those of Juju that mean nothing to the daemon
 * are named in one table and kept in the JSON. The first fault ends the reading. Values of
 * options are charm-meta-option.c's. */
#include "charm-meta.h"

#include "channel.h"
#include "charm-meta-action.h"
#include "charm-meta-refresh.h"
#include "charm-meta-secret.h"
#include "field-tree.h"
#include "name.h"
#include "size.h"
#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

#define CHARM_TEXT_MAX (1u << 20) /* charm.yaml of the largest charm has 60 KB */
#define ITEMS_MAX 1000            /* endpoints, options, resources: nobody reads more */
#define SCALE_MAX 10000           /* pods of one application; far beyond what one is made for */

const char *const meta_role_names[] = { "provides", "requires", "peers", NULL };
const char *const meta_type_names[] = { "string", "int", "float", "boolean", "secret", NULL };

struct top {
        const char *name, *summary, *title;
        int64_t revision;
        json_t *channels, *scale, *roles[META_ROLE_MAX], *config, *resources, *storage, *actions,
                *secrets, *refresh;
        json_t *runtime_fields, *strict, *defaults_changed, *rest;
        bool subordinate;
};

#define AT(member) offsetof(struct top, member)
#define KEPT(key)                                                                                  \
        { key, JSON_FIELD_ANY, AT(rest), 0, 0, 0, NULL }

static const struct json_field top_fields[] = {
        { "name", JSON_FIELD_STRING, AT(name), JSON_REQUIRED, 1, NAME_MODEL_MAX, NULL },
        { "summary", JSON_FIELD_STRING, AT(summary), 0, 0, 0, NULL },
        { "revision", JSON_FIELD_INT, AT(revision), 0, 0, INT32_MAX, NULL },
        { "channels", JSON_FIELD_LIST, AT(channels), 0, 0, 0, NULL },
        { "scale", JSON_FIELD_OBJECT, AT(scale), 0, 0, 0, NULL },
        { "provides", JSON_FIELD_OBJECT, AT(roles[META_PROVIDES]), JSON_NULL_OK, 0, 0, NULL },
        { "requires", JSON_FIELD_OBJECT, AT(roles[META_REQUIRES]), JSON_NULL_OK, 0, 0, NULL },
        { "peers", JSON_FIELD_OBJECT, AT(roles[META_PEERS]), JSON_NULL_OK, 0, 0, NULL },
        { "config", JSON_FIELD_OBJECT, AT(config), JSON_NULL_OK, 0, 0, NULL },
        { "resources", JSON_FIELD_OBJECT, AT(resources), JSON_NULL_OK, 0, 0, NULL },
        { "storage", JSON_FIELD_OBJECT, AT(storage), JSON_NULL_OK, 0, 0, NULL },
        { "actions", JSON_FIELD_OBJECT, AT(actions), JSON_NULL_OK, 0, 0, NULL },
        { "secrets", JSON_FIELD_OBJECT, AT(secrets), JSON_NULL_OK, 0, 0, NULL },
        { "refresh", JSON_FIELD_OBJECT, AT(refresh), JSON_NULL_OK, 0, 0, NULL },
        { "runtime-fields", JSON_FIELD_LIST, AT(runtime_fields), JSON_NULL_OK, 0, 0, NULL },
        { "strict", JSON_FIELD_LIST, AT(strict), JSON_NULL_OK, 0, 0, NULL },
        { "defaults-changed", JSON_FIELD_ANY, AT(defaults_changed), 0, 0, 0, NULL },
        { "subordinate", JSON_FIELD_BOOL, AT(subordinate), 0, 0, 0, NULL },
        /* Juju's, kept as they are */
        KEPT("description"),
        KEPT("title"),
        KEPT("display-name"),
        KEPT("type"),
        KEPT("maintainer"),
        KEPT("maintainers"),
        KEPT("docs"),
        KEPT("issues"),
        KEPT("source"),
        KEPT("website"),
        KEPT("links"),
        KEPT("tags"),
        KEPT("categories"),
        KEPT("terms"),
        KEPT("assumes"),
        KEPT("containers"),
        KEPT("bases"),
        KEPT("base"),
        KEPT("platforms"),
        KEPT("parts"),
        KEPT("series"),
        KEPT("charm-user"),
        KEPT("charm-libs"),
        KEPT("analysis"),
        KEPT("architectures"),
        KEPT("extra-bindings"),
        KEPT("devices"),
        KEPT("payloads"),
        KEPT("min-juju-version"),
        {},
};

/* Reads member by member of one object below the root. */
struct reader {
        struct charm_meta *meta;
        const char *file;
        const struct json_lines *lines;
        struct err *err;
};

static struct json_where where_of(const struct reader *r, const char *path) {
        return (struct json_where){ r->file, r->lines, path };
}

static char *copy_text(const json_t *j, const char *member) {
        return str_dup(json_get_str(j, member, NULL));
}

/* ---- endpoints */

struct endpoint_in {
        const char *interface;
        json_t *limit, *rest;
        bool optional;
};

static const struct json_field endpoint_fields[] = {
        { "interface", JSON_FIELD_STRING, offsetof(struct endpoint_in, interface), JSON_REQUIRED, 1,
          200, NULL },
        { "limit", JSON_FIELD_ANY, offsetof(struct endpoint_in, limit), 0, 0, 0, NULL },
        { "optional", JSON_FIELD_BOOL, offsetof(struct endpoint_in, optional), 0, 0, 0, NULL },
        { "scope", JSON_FIELD_ANY, offsetof(struct endpoint_in, rest), 0, 0, 0, NULL },
        { "schema", JSON_FIELD_ANY, offsetof(struct endpoint_in, rest), 0, 0, 0, NULL },
        { "versions", JSON_FIELD_ANY, offsetof(struct endpoint_in, rest), 0, 0, 0, NULL },
        { "description", JSON_FIELD_ANY, offsetof(struct endpoint_in, rest), 0, 0, 0, NULL },
        {},
};

static int read_endpoint(struct reader *r, enum meta_role role, const char *name, json_t *j,
                         const struct json_where *where) {
        const struct meta_endpoint *twin = charm_meta_endpoint(r->meta, name);
        struct meta_endpoint *e = &r->meta->endpoints[r->meta->endpoint_count];
        struct endpoint_in in = {};
        int64_t limit = 0;

        int k = json_decode(j, endpoint_fields, false, &in, where, r->err);
        if (k < 0)
                return k;
        if (twin)
                return json_error(r->err, where, j, NULL, "the endpoint is already in %s",
                                  meta_role_names[twin->role]);
        if (json_is_integer(in.limit) && json_integer_value(in.limit) > 0)
                limit = json_integer_value(in.limit);
        else if (in.limit && !json_is_null(in.limit))
                return json_error(r->err, where, j, "limit", "must be a whole number above 0");
        *e = (struct meta_endpoint){ .name = str_dup(name),
                                     .interface = str_dup(in.interface),
                                     .role = role,
                                     .limit = limit,
                                     .optional = in.optional };
        r->meta->endpoint_count++;
        return 0;
}

static int read_endpoints(struct reader *r, const struct top *top) {
        size_t n = 0;

        for (int role = 0; role < META_ROLE_MAX; role++)
                n += json_object_size(top->roles[role]);
        if (n > ITEMS_MAX)
                return err_set(r->err, -EINVAL, "%s: has %zu endpoints, at most %d are read",
                               r->file ? r->file : "charm", n, ITEMS_MAX);
        r->meta->endpoints = mem_array(struct meta_endpoint, n + 1);
        for (int role = 0; role < META_ROLE_MAX; role++) {
                const char *name;
                json_t *j;

                json_object_foreach(top->roles[role], name, j) {
                        cleanup_(freep) char *path =
                                str_format("%s.%s", meta_role_names[role], name);
                        struct json_where where = where_of(r, path);
                        int k = read_endpoint(r, role, name, j, &where);

                        if (k < 0)
                                return k;
                }
        }
        return 0;
}

/* ---- resources */

struct resource_in {
        const char *description, *type, *source, *upstream, *sha256, *path, *filename;
};

#define RESOURCE_AT(member) offsetof(struct resource_in, member)
static const struct json_field resource_fields[] = {
        { "type", JSON_FIELD_STRING, RESOURCE_AT(type), JSON_REQUIRED, 0, 0, NULL },
        { "description", JSON_FIELD_STRING, RESOURCE_AT(description), JSON_NULL_OK, 0, 0, NULL },
        { "source", JSON_FIELD_STRING, RESOURCE_AT(source), 0, 1, 2048, NULL },
        { "upstream-source", JSON_FIELD_STRING, RESOURCE_AT(upstream), 0, 1, 2048, NULL },
        { "sha256", JSON_FIELD_STRING, RESOURCE_AT(sha256), 0, 64, 64 + 1, NULL },
        { "path", JSON_FIELD_STRING, RESOURCE_AT(path), 0, 1, 255, NULL },
        { "filename", JSON_FIELD_STRING, RESOURCE_AT(filename), 0, 0, 0, NULL },
        {},
};

static int check_file(struct reader *r, const struct resource_in *in, const json_t *j,
                      const struct json_where *where) {
        if (in->path && (in->path[0] == '/' || strstr(in->path, "..")))
                return json_error(r->err, where, j, "path", "must stay in the charm's folder");
        if (in->path)
                return 0;
        if (!in->source && !in->upstream)
                return json_error(
                        r->err, where, j, NULL,
                        "a file needs path (in the charm's folder), or source and sha256");
        if (!in->sha256 || strspn(in->sha256, "0123456789abcdef") != 64 || in->sha256[64])
                return json_error(
                        r->err, where, j, in->sha256 ? "sha256" : NULL,
                        "a file that is fetched needs its sha256: 64 letters of lower-case hex");
        return 0;
}

static int read_resource(struct reader *r, const char *name, json_t *j,
                         const struct json_where *where) {
        struct meta_resource *e = &r->meta->resources[r->meta->resource_count];
        struct resource_in in = {};
        int k = json_decode(j, resource_fields, false, &in, where, r->err);

        if (k < 0)
                return k;
        if (!str_eq(in.type, "oci-image") && !str_eq(in.type, "file"))
                return json_error(r->err, where, j, "type", "must be oci-image or file");
        k = str_eq(in.type, "file") ? check_file(r, &in, j, where) : 0;
        if (k < 0)
                return k;
        *e = (struct meta_resource){ .name = str_dup(name),
                                     .description = str_dup(in.description),
                                     .image = str_eq(in.type, "oci-image"),
                                     .source = str_dup(in.source ? in.source : in.upstream),
                                     .sha256 = str_dup(in.sha256),
                                     .path = str_dup(in.path) };
        r->meta->resource_count++;
        return 0;
}

/* ---- storage */

struct storage_in {
        const char *type, *location;
        json_t *size, *rest;
};

#define STORAGE_AT(member) offsetof(struct storage_in, member)
static const struct json_field storage_fields[] = {
        { "type", JSON_FIELD_STRING, STORAGE_AT(type), JSON_REQUIRED, 0, 0, NULL },
        { "location", JSON_FIELD_STRING, STORAGE_AT(location), 0, 0, 0, NULL },
        { "minimum-size", JSON_FIELD_SCALAR, STORAGE_AT(size), 0, 0, 0, NULL },
        { "description", JSON_FIELD_ANY, STORAGE_AT(rest), 0, 0, 0, NULL },
        { "multiple", JSON_FIELD_ANY, STORAGE_AT(rest), 0, 0, 0, NULL },
        { "read-only", JSON_FIELD_ANY, STORAGE_AT(rest), 0, 0, 0, NULL },
        { "shared", JSON_FIELD_ANY, STORAGE_AT(rest), 0, 0, 0, NULL },
        { "properties", JSON_FIELD_ANY, STORAGE_AT(rest), 0, 0, 0, NULL },
        {},
};

#define STORAGE_SIZE_DEFAULT ((int64_t)1 << 30) /* Juju's, where a charm names none */

static int read_storage(struct reader *r, const char *name, json_t *j,
                        const struct json_where *where) {
        struct meta_storage *e = &r->meta->storages[r->meta->storage_count];
        struct storage_in in = {};
        int64_t size = STORAGE_SIZE_DEFAULT;
        int k = json_decode(j, storage_fields, false, &in, where, r->err);

        if (k < 0)
                return k;
        if (!str_eq(in.type, "filesystem"))
                return json_error(r->err, where, j, "type", "must be filesystem");
        if (in.size) {
                cleanup_(freep) char *text = json_is_string(in.size)
                                                     ? str_dup(json_string_value(in.size))
                                                     : json_text(in.size);

                if (!size_parse(text, &size) || size == 0)
                        return json_error(r->err, where, j, "minimum-size",
                                          "is no size: wants one like 10G or 512M");
        }
        *e = (struct meta_storage){ .name = str_dup(name),
                                    .location = str_dup(in.location),
                                    .size = size };
        r->meta->storage_count++;
        return 0;
}

/* ---- options */

#define PATTERN_MAX 300 /* letters of a pattern, and of what it means: an error line */

struct option_in {
        const char *description, *pattern, *wants;
        int type;
        json_t *value, *min, *max, *choices, *reserved, *rest;
        bool secret, by_actions;
};

#define OPTION_AT(member) offsetof(struct option_in, member)
static const struct json_field option_fields[] = {
        { "type", JSON_FIELD_ENUM, OPTION_AT(type), JSON_REQUIRED, 0, 0, meta_type_names },
        { "description", JSON_FIELD_STRING, OPTION_AT(description), JSON_NULL_OK, 0, 0, NULL },
        { "default", JSON_FIELD_SCALAR, OPTION_AT(value), JSON_NULL_OK, 0, 0, NULL },
        { "min", JSON_FIELD_ANY, OPTION_AT(min), 0, 0, 0, NULL },
        { "max", JSON_FIELD_ANY, OPTION_AT(max), 0, 0, 0, NULL },
        { "enum", JSON_FIELD_LIST, OPTION_AT(choices), 0, 0, 0, NULL },
        { "reserved", JSON_FIELD_LIST, OPTION_AT(reserved), 0, 0, 0, NULL },
        { "pattern", JSON_FIELD_STRING, OPTION_AT(pattern), 0, 1, PATTERN_MAX, NULL },
        { "wants", JSON_FIELD_STRING, OPTION_AT(wants), 0, 1, PATTERN_MAX, NULL },
        { "secret", JSON_FIELD_BOOL, OPTION_AT(secret), 0, 0, 0, NULL },
        { "set-by-actions", JSON_FIELD_BOOL, OPTION_AT(by_actions), 0, 0, 0, NULL },
        {},
};

static int read_range(struct reader *r, const struct option_in *in, const json_t *j,
                      const struct json_where *where, struct meta_option *o) {
        if ((in->min && !json_is_integer(in->min)) || (in->max && !json_is_integer(in->max)))
                return json_error(r->err, where, j, in->min ? "min" : "max",
                                  "must be a whole number");
        if (!in->min && !in->max)
                return 0;
        if (o->type == META_BOOLEAN)
                return json_error(r->err, where, j, in->min ? "min" : "max",
                                  "means nothing for true and false");
        o->min = in->min ? json_integer_value(in->min) : INT64_MIN;
        o->max = in->max ? json_integer_value(in->max) : INT64_MAX;
        if (o->min >= o->max)
                return json_error(r->err, where, j, in->max ? "max" : "min",
                                  "the smallest must be below the largest");
        return 0;
}

static int read_texts(struct reader *r, json_t *list, const char *member, const json_t *j,
                      const struct json_where *where, const struct meta_option *o, json_t **ret) {
        size_t i;
        json_t *item;

        if (list && o->type != META_STRING)
                return json_error(r->err, where, j, member, "is only for options of type string");
        json_array_foreach(list, i, item) {
                if (!json_is_string(item))
                        return json_error(r->err, where, j, member, "must be a list of texts");
        }
        *ret = json_incref(list);
        return 0;
}

static int read_pattern(struct reader *r, const struct option_in *in, const json_t *j,
                        const struct json_where *where, struct meta_option *o) {
        struct err err = {};

        if (!in->pattern)
                return !in->wants
                               ? 0
                               : json_error(r->err, where, j, "wants", "says what a pattern means");
        if (o->type != META_STRING && o->type != META_SECRET)
                return json_error(r->err, where, j, "pattern", "is only for texts");
        o->pattern = str_dup(in->pattern);
        o->wants = str_dup(in->wants);
        if (charm_meta_matches(o, "", &err) < 0)
                return json_error(r->err, where, j, "pattern", "%s", err_text(&err));
        return 0;
}

/* The default goes through the same check as what people give. */
static int read_default(struct reader *r, const struct option_in *in, const json_t *j,
                        const struct json_where *where, const char *name) {
        struct meta_option *o = &r->meta->options[r->meta->option_count - 1];
        json_t *value = NULL;
        struct err err = {};
        int k;

        if (!in->value)
                return 0;
        if (o->type == META_SECRET && json_string_length(in->value) > 0)
                return json_error(r->err, where, j, "default", "a secret has no default");
        if (json_is_string(in->value) && !*json_string_value(in->value) && o->type <= META_STRING)
                value = json_incref(in->value); /* "": not set; need not be one of enum */
        k = value ? 0
                  : charm_meta_check_option(r->meta, r->meta->name, name, in->value, &value, &err);
        if (k < 0)
                return json_error(r->err, where, j, "default", "%s", err_text(&err));
        o->value = value;
        return 0;
}

static int read_option(struct reader *r, const char *name, json_t *j,
                       const struct json_where *where) {
        struct meta_option *o = &r->meta->options[r->meta->option_count];
        struct option_in in = {};
        int k = json_decode(j, option_fields, false, &in, where, r->err);

        if (k < 0)
                return k;
        if (in.secret && in.type != META_STRING && in.type != META_SECRET)
                return json_error(r->err, where, j, "secret", "only a string can be a secret");
        *o = (struct meta_option){ .name = str_dup(name),
                                   .description = str_dup(in.description),
                                   .type = in.secret ? META_SECRET : (enum meta_type)in.type,
                                   .by_actions = in.by_actions };
        r->meta->option_count++;
        k = read_range(r, &in, j, where, o);
        if (k == 0)
                k = read_texts(r, in.choices, "enum", j, where, o, &o->choices);
        if (k == 0)
                k = read_texts(r, in.reserved, "reserved", j, where, o, &o->reserved);
        if (k == 0)
                k = read_pattern(r, &in, j, where, o);
        return k < 0 ? k : read_default(r, &in, j, where, name);
}

/* ---- the whole */

typedef int (*read_member)(struct reader *r, const char *name, json_t *j,
                           const struct json_where *where);

/* Each member of OBJECT, below PATH. */
static int read_members(struct reader *r, json_t *object, const char *path, read_member read) {
        const char *name;
        json_t *j;

        if (json_object_size(object) > ITEMS_MAX)
                return err_set(r->err, -EINVAL, "%s: %s has more than %d entries",
                               r->file ? r->file : "charm", path, ITEMS_MAX);
        json_object_foreach(object, name, j) {
                cleanup_(freep) char *full = str_format("%s.%s", path, name);
                struct json_where where = where_of(r, full);
                int k = read(r, name, j, &where);

                if (k < 0)
                        return k;
        }
        return 0;
}

static int read_options(struct reader *r, const struct top *top) {
        json_t *options = json_get(top->config, "options");
        struct json_where where = where_of(r, "config");

        if (top->config && json_object_size(top->config) > (options ? 1 : 0))
                return json_error(r->err, &where, top->config, NULL, "may only have options");
        if (options && !json_is_object(options) && !json_is_null(options))
                return json_error(r->err, &where, top->config, "options",
                                  "must be an object, is %s", json_type_name(options));
        r->meta->options = mem_array(struct meta_option, json_object_size(options) + 1);
        return read_members(r, options, "config.options", read_option);
}

static int read_channels(struct reader *r, const struct top *top, const json_t *root) {
        size_t n = json_array_size(top->channels);
        struct json_where where = where_of(r, "");
        char full[CHANNEL_MAX];

        r->meta->channels = mem_array(char *, MAX_OF(n, (size_t)1) + 1);
        if (n == 0)
                r->meta->channels[0] = str_dup("*");
        for (size_t i = 0; i < n; i++) {
                const char *text = json_string_value(json_array_get(top->channels, i));
                struct err err = {};

                if (!text)
                        return json_error(r->err, &where, root, "channels",
                                          "must be a list of texts "
                                          "(put \"1.10/stable\")");
                if (!str_eq(text, "*") && channel_parse(text, full, &err) < 0)
                        return json_error(r->err, &where, root, "channels", "%s", err_text(&err));
                r->meta->channels[i] = str_dup(text);
        }
        return 0;
}

struct scale_in {
        int64_t value, max;
        bool zero_keeps_data;
};

static const struct json_field scale_fields[] = {
        { "default", JSON_FIELD_INT, offsetof(struct scale_in, value), 0, 0, SCALE_MAX, NULL },
        { "max", JSON_FIELD_INT, offsetof(struct scale_in, max), 0, 1, SCALE_MAX, NULL },
        { "zero-keeps-data", JSON_FIELD_BOOL, offsetof(struct scale_in, zero_keeps_data), 0, 0, 0,
          NULL },
        {},
};

static int read_scale(struct reader *r, const struct top *top) {
        struct scale_in in = { .value = 1, .max = SCALE_MAX };
        struct json_where where = where_of(r, "scale");
        int k = top->scale ? json_decode(top->scale, scale_fields, false, &in, &where, r->err) : 0;

        if (k < 0)
                return k;
        if (in.value > in.max)
                return json_error(r->err, &where, top->scale, "default", "is above max");
        r->meta->scale = in.value;
        r->meta->scale_max = in.max;
        r->meta->zero_keeps_data = in.zero_keeps_data;
        return 0;
}

struct field_in {
        const char *kind, *name, *field;
};

static const struct json_field field_fields[] = {
        { "kind", JSON_FIELD_STRING, offsetof(struct field_in, kind), JSON_REQUIRED, 1, 200, NULL },
        { "name", JSON_FIELD_STRING, offsetof(struct field_in, name), 0, 1, 253, NULL },
        { "field", JSON_FIELD_STRING, offsetof(struct field_in, field), JSON_REQUIRED, 1,
          FIELD_TREE_MAX, NULL },
        {},
};

/* strict and runtime-fields: which fields of which objects. */
static int read_fields(struct reader *r, const char *key, json_t *list, json_t **ret) {
        size_t i;
        json_t *item;

        json_array_foreach(list, i, item) {
                cleanup_(freep) char *path = str_format("%s[%zu]", key, i);
                cleanup_(json_freep) json_t *tree = NULL;
                struct json_where where = where_of(r, path);
                struct field_in in = {};
                struct err why = {};
                int k = json_decode(item, field_fields, false, &in, &where, r->err);

                if (k < 0)
                        return k;
                if (field_tree_parse(in.field, &tree, &why) < 0)
                        return json_error(r->err, &where, item, "field", "%s", err_text(&why));
        }
        *ret = json_is_array(list) ? json_incref(list) : NULL;
        return 0;
}

static int read_lists(struct reader *r, const struct top *top, const json_t *root) {
        int k = read_channels(r, top, root);

        if (k == 0)
                k = read_scale(r, top);
        if (k == 0)
                k = read_endpoints(r, top);
        if (k == 0)
                k = read_options(r, top);
        r->meta->resources = mem_array(struct meta_resource, json_object_size(top->resources) + 1);
        if (k == 0)
                k = read_members(r, top->resources, "resources", read_resource);
        r->meta->storages = mem_array(struct meta_storage, json_object_size(top->storage) + 1);
        if (k == 0)
                k = read_members(r, top->storage, "storage", read_storage);
        if (k == 0)
                k = charm_meta_action_read(r->meta, top->actions, r->file, r->lines, r->err);
        if (k == 0)
                k = charm_meta_secrets_read(r->meta, top->secrets, r->file, r->lines, r->err);
        if (k == 0)
                k = charm_meta_refresh_read(r->meta, top->refresh, r->file, r->lines, r->err);
        if (k == 0)
                k = read_fields(r, "strict", top->strict, &r->meta->strict);
        if (k == 0)
                k = read_fields(r, "runtime-fields", top->runtime_fields, &r->meta->runtime_fields);
        return k;
}

static int read_all(struct reader *r, const json_t *root) {
        struct json_where where = where_of(r, "");
        struct top top = {};
        struct err err = {};
        int k = json_decode(root, top_fields, false, &top, &where, r->err);

        if (k < 0)
                return k;
        if (name_check_charm(top.name, &err) < 0)
                return json_error(r->err, &where, root, "name", "%s", err_text(&err));
        if (top.subordinate)
                return json_error(
                        r->err, &where, root, "subordinate",
                        "subordinate charms ride on machines, which there are none of here");
        r->meta->name = str_dup(top.name);
        r->meta->summary = copy_text(root, "summary");
        r->meta->revision = top.revision;
        r->meta->json = json_incref((json_t *)root);
        return read_lists(r, &top, root);
}

static int read_root(const json_t *root, const char *file, const struct json_lines *lines,
                     struct charm_meta **ret, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *m = mem_new(struct charm_meta);
        struct reader r = { m, file, lines, err };
        int k = read_all(&r, root);

        if (k < 0)
                return k;
        *ret = take_ptr(m);
        return 0;
}

int charm_meta_parse(const char *text, size_t len, const char *file, struct charm_meta **ret,
                     struct err *err) {
        cleanup_(yaml_stream_free) struct yaml_stream stream = {};
        int r;

        if (len > CHARM_TEXT_MAX)
                return err_set(err, -EINVAL, "%s: has %zu bytes, at most %u are read", file, len,
                               CHARM_TEXT_MAX);
        r = yaml_parse(text, len, file, YAML_KUBERNETES, &stream, err);
        if (r < 0)
                return -EINVAL;
        if (stream.count != 1)
                return err_set(err, -EINVAL, "%s: must be one YAML document, has %zu", file,
                               stream.count);
        return read_root(stream.documents[0].root, file, stream.documents[0].lines, ret, err);
}

int charm_meta_from_json(const json_t *j, struct charm_meta **ret, struct err *err) {
        return read_root(j, NULL, NULL, ret, err);
}

static void free_options(struct charm_meta *m) {
        for (size_t i = 0; i < m->option_count; i++) {
                free(m->options[i].name);
                free(m->options[i].description);
                json_decref(m->options[i].value);
                json_decref(m->options[i].choices);
                json_decref(m->options[i].reserved);
                free(m->options[i].pattern);
                free(m->options[i].wants);
        }
        free(m->options);
}

static void free_resources(struct charm_meta *m) {
        for (size_t i = 0; i < m->resource_count; i++) {
                free(m->resources[i].name);
                free(m->resources[i].description);
                free(m->resources[i].source);
                free(m->resources[i].sha256);
                free(m->resources[i].path);
        }
        free(m->resources);
}

struct charm_meta *charm_meta_free(struct charm_meta *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; m->channels && m->channels[i]; i++)
                free(m->channels[i]);
        for (size_t i = 0; i < m->endpoint_count; i++) {
                free(m->endpoints[i].name);
                free(m->endpoints[i].interface);
        }
        for (size_t i = 0; i < m->storage_count; i++) {
                free(m->storages[i].name);
                free(m->storages[i].location);
        }
        free_options(m);
        free_resources(m);
        charm_meta_action_free(m);
        free(m->channels);
        free(m->endpoints);
        free(m->storages);
        free(m->name);
        free(m->summary);
        free(m->refresh_check);
        json_decref(m->secrets);
        json_decref(m->one_way);
        json_decref(m->strict);
        json_decref(m->runtime_fields);
        json_decref(m->json);
        free(m);
        return NULL;
}

void charm_meta_freep(struct charm_meta **m) {
        *m = charm_meta_free(*m);
}

#define FIND(list, count, wanted)                                                                  \
        for (size_t i = 0; i < (count); i++) {                                                     \
                if (str_eq((list)[i].name, (wanted)))                                              \
                        return &(list)[i];                                                         \
        }                                                                                          \
        return NULL

const struct meta_endpoint *charm_meta_endpoint(const struct charm_meta *m, const char *name) {
        FIND(m->endpoints, m->endpoint_count, name);
}

const struct meta_resource *charm_meta_resource(const struct charm_meta *m, const char *name) {
        FIND(m->resources, m->resource_count, name);
}

const struct meta_storage *charm_meta_storage(const struct charm_meta *m, const char *name) {
        FIND(m->storages, m->storage_count, name);
}

const struct meta_action *charm_meta_action(const struct charm_meta *m, const char *name) {
        FIND(m->actions, m->action_count, name);
}
