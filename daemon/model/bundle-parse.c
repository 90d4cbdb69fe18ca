/* SPDX-License-Identifier: Apache-2.0 */
/* bundle-parse.c - the documents of a bundle and its overlays into one struct; see bundle.h
 *
 * Each document becomes a bundle of its own, overlays are applied to the first in order
 * (overlay.c), then the whole is checked. Nothing ends the reading: a part that is wrong becomes
 * a fault and is left out. */
#include "bundle-internal.h"

#include "name.h"
#include "opt.h"
#include "yaml.h"

#include <errno.h>
#include <stdlib.h>

#define TEXT_SHOWN 80 /* letters of a wrong text that a message repeats */

struct bundle_place bundle_place_of(const struct bundle_reader *r, const json_t *container,
                                    const char *member, size_t index) {
        return (struct bundle_place){ r->file, json_line_of(r->lines, container, member, index) };
}

void bundle_fault(const struct bundle_reader *r, struct bundle_place at, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        faults_add(&r->bundle->faults, at.file, at.line, "%s", text);
}

void bundle_note(const struct bundle_reader *r, struct bundle_place at, const char *fmt, ...) {
        cleanup_(freep) char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = str_vformat(fmt, ap);
        va_end(ap);
        faults_add(&r->bundle->notes, at.file, at.line, "%s", text);
}

void bundle_unknown(const struct bundle_reader *r, struct bundle_place at, const char *where,
                    const char *member, const char *const *names) {
        const char *near = opt_nearest(member, names);

        if (near)
                bundle_fault(r, at, "%s: key \"%.*s\" is not known, did you mean \"%s\"?", where,
                             TEXT_SHOWN, member, near);
        else
                bundle_fault(r, at, "%s: key \"%.*s\" is not known", where, TEXT_SHOWN, member);
}

/* ---- relations */

/* A side is a text, or a list of texts: one relation with each. */
static size_t side_count(const json_t *side) {
        return json_is_array(side) ? json_array_size(side) : 1;
}

static const char *side_at(const json_t *side, size_t i) {
        return json_string_value(json_is_array(side) ? json_array_get(side, i) : side);
}

static void add_relation(struct bundle_reader *r, struct bundle_place at, const char *a,
                         const char *b) {
        struct bundle *bundle = r->bundle;
        struct bundle_relation relation = { .at = at };
        struct err err = {};

        if (!a || !b) {
                bundle_fault(r, at,
                             "relation: each side must be APPLICATION or APPLICATION:ENDPOINT");
                return;
        }
        if (bundle_read_side(a, &relation.sides[0], &err) < 0 ||
            bundle_read_side(b, &relation.sides[1], &err) < 0) {
                bundle_fault(r, at, "relation [%.*s, %.*s]: %s", TEXT_SHOWN, a, TEXT_SHOWN, b,
                             err_text(&err));
                bundle_side_deinit(&relation.sides[0]);
                return;
        }
        if (bundle->relation_count == BUNDLE_RELATIONS_MAX) {
                bundle_side_deinit(&relation.sides[0]);
                bundle_side_deinit(&relation.sides[1]);
                bundle_fault(r, at, "more than %d relations", BUNDLE_RELATIONS_MAX);
                return;
        }
        bundle->relations = mem_grow(bundle->relations, &bundle->relation_room,
                                     bundle->relation_count + 1, sizeof(*bundle->relations));
        bundle->relations[bundle->relation_count++] = relation;
}

static void read_relation(struct bundle_reader *r, const json_t *item, struct bundle_place at) {
        const json_t *a = json_array_get(item, 0), *b = json_array_get(item, 1);

        if (!json_is_array(item) || json_array_size(item) != 2) {
                bundle_fault(r, at, "relation: must be a list of two, is %s%s",
                             json_type_name(item), json_is_array(item) ? " of another length" : "");
                return;
        }
        for (size_t i = 0; i < side_count(a); i++) {
                for (size_t k = 0; k < side_count(b); k++) {
                        if (r->bundle->faults.more > 0)
                                return;
                        add_relation(r, at, side_at(a, i), side_at(b, k));
                }
        }
}

static void take_relations(struct bundle_reader *r, const char *key, const json_t *root,
                           const json_t *value) {
        size_t i;
        json_t *item;

        if (!json_is_array(value) && !json_is_null(value))
                bundle_fault(r, bundle_place_of(r, root, key, 0), "%s: must be a list, is %s", key,
                             json_type_name(value));
        json_array_foreach(value, i, item)
                read_relation(r, item, bundle_place_of(r, value, NULL, i));
}

/* ---- applications */

static void read_one(struct bundle_reader *r, const char *name, const json_t *j,
                     struct bundle_place at) {
        struct err err = {};

        if (name_check_application(name, &err) < 0) {
                bundle_fault(r, at, "%s", err_text(&err));
                return;
        }
        if (json_is_null(j) && r->overlay) {
                bundle_set(r->taken, name, json_null(), at);
                return;
        }
        if (!json_is_object(j)) {
                bundle_fault(r, at, "application %s: must be an object, is %s", name,
                             json_type_name(j));
                return;
        }
        bundle_read_application(r, bundle_append(r->bundle, name, at), j);
}

static void take_applications(struct bundle_reader *r, const char *key, const json_t *root,
                              const json_t *value) {
        struct bundle_place at = bundle_place_of(r, root, key, 0);
        const char *name;
        json_t *j;

        if (str_eq(key, "services") && json_get(root, "applications")) {
                bundle_fault(r, at, "applications and services are the same: say one of them");
                return;
        }
        if (!json_is_object(value)) {
                bundle_fault(r, at, "%s: must be an object, is %s", key, json_type_name(value));
                return;
        }
        if (json_object_size(value) > BUNDLE_APPLICATIONS_MAX) {
                bundle_fault(r, at, "%zu applications, at most %d are read",
                             json_object_size(value), BUNDLE_APPLICATIONS_MAX);
                return;
        }
        json_object_foreach((json_t *)value, name, j)
                read_one(r, name, j, bundle_place_of(r, value, name, 0));
}

/* ---- the other keys of a document */

static void take_text(struct bundle_reader *r, const char *key, const json_t *root,
                      const json_t *value) {
        char **to = str_eq(key, "name") ? &r->bundle->name : &r->bundle->description;

        if (json_is_string(value))
                str_set(to, json_string_value(value));
        else
                bundle_fault(r, bundle_place_of(r, root, key, 0), "%s: must be a text, is %s", key,
                             json_type_name(value));
}

static void take_type(struct bundle_reader *r, const char *key, const json_t *root,
                      const json_t *value) {
        if (!str_eq(json_string_value(value), "kubernetes"))
                bundle_fault(r, bundle_place_of(r, root, key, 0),
                             "a machine bundle: bundle says something else than kubernetes");
}

static void refuse_machines(struct bundle_reader *r, const char *key, const json_t *root,
                            const json_t *value) {
        if (json_object_size(value) > 0 || json_array_size(value) > 0)
                bundle_fault(r, bundle_place_of(r, root, key, 0),
                             "a machine bundle: it has machines, and Kubernetes has none to give");
}

static void refuse_saas(struct bundle_reader *r, const char *key, const json_t *root,
                        const json_t *value) {
        if (json_object_size(value) > 0)
                bundle_fault(r, bundle_place_of(r, root, key, 0),
                             "saas: offers of other models are not there yet");
}

static void ignore(struct bundle_reader *r, const char *key, const json_t *root,
                   const json_t *value) {
}

static const struct {
        const char *name;
        void (*take)(struct bundle_reader *r, const char *key, const json_t *root,
                     const json_t *value);
} keys[] = {
        { "bundle", take_type },
        { "name", take_text },
        { "description", take_text },
        { "applications", take_applications },
        { "services", take_applications },
        { "relations", take_relations },
        { "machines", refuse_machines },
        { "saas", refuse_saas },
        { "series", ignore },
        { "default-base", ignore },
        { "tags", ignore },
        { "docs", ignore },
        { "issues", ignore },
        { "source", ignore },
        { "website", ignore },
        { "type", ignore },
        { "assumes", ignore },
        { "variables", ignore },
};

static void find_unknown(struct bundle_reader *r, const json_t *root) {
        const char *names[ARRAY_SIZE(keys) + 1] = {};
        const char *name;
        json_t *value;

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                names[i] = keys[i].name;
        json_object_foreach((json_t *)root, name, value) {
                size_t i = 0;

                while (i < ARRAY_SIZE(keys) && !str_eq(keys[i].name, name))
                        i++;
                if (i == ARRAY_SIZE(keys) && name[0] != '_' && !str_starts(name, "x-"))
                        bundle_unknown(r, bundle_place_of(r, root, name, 0), "bundle", name, names);
        }
}

static void read_document(struct bundle_reader *r, const struct yaml_document *d) {
        struct bundle_place at = { r->file, d->line };
        const json_t *root = d->root;

        if (json_is_null(root))
                return;
        if (!json_is_object(root)) {
                bundle_fault(r, at, "a bundle must be an object, is %s", json_type_name(root));
                return;
        }
        if (!r->overlay && !json_get(root, "bundle") &&
            !str_eq(json_get_str(root, "series", NULL), "kubernetes"))
                bundle_fault(r, at, "a machine bundle: it does not say `bundle: kubernetes`");
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                const json_t *value = json_get(root, keys[i].name);

                if (value)
                        keys[i].take(r, keys[i].name, root, value);
        }
        find_unknown(r, root);
}

/* ---- the whole */

static void add_document(struct bundle *whole, const struct yaml_document *d, const char *file,
                         const json_t *includes, bool overlay) {
        cleanup_(bundle_freep) struct bundle *part = overlay ? bundle_new() : NULL;
        struct bundle_values taken = {};
        struct bundle_reader r = { part ? part : whole, file, d->lines, includes, overlay, &taken };

        read_document(&r, d);
        if (part)
                overlay_apply(whole, part, &taken);
        for (size_t i = 0; i < taken.count; i++)
                free(taken.items[i].name);
        free(taken.items);
}

static const char *keep_name(struct bundle *b, const char *file) {
        b->files = mem_grow(b->files, &b->file_room, b->file_count + 1, sizeof(*b->files));
        b->files[b->file_count] = str_dup(file);
        return b->files[b->file_count++];
}

static void read_source(struct bundle *whole, const struct bundle_source *s, const json_t *includes,
                        bool overlay) {
        cleanup_(yaml_stream_free) struct yaml_stream stream = {};
        const char *file = keep_name(whole, s->file);
        struct err err = {};

        if (s->len > BUNDLE_TEXT_MAX) {
                faults_add(&whole->faults, file, 0, "has %zu bytes, at most %u are read", s->len,
                           BUNDLE_TEXT_MAX);
                return;
        }
        if (yaml_parse(s->text, s->len, file, YAML_KUBERNETES, &stream, &err) < 0) {
                faults_add_err(&whole->faults, &err);
                return;
        }
        if (!overlay && (stream.count == 0 || json_is_null(stream.documents[0].root)))
                faults_add(&whole->faults, file, 0, "has no bundle in it");
        for (size_t i = 0; i < stream.count; i++)
                add_document(whole, &stream.documents[i], file, includes, overlay || i > 0);
}

/* null takes a value of an earlier document away. */
static void drop_nulls(struct bundle_values *v) {
        size_t kept = 0;

        for (size_t i = 0; i < v->count; i++) {
                if (json_is_null(v->items[i].value))
                        free(v->items[i].name);
                else
                        v->items[kept++] = v->items[i];
        }
        v->count = kept;
}

static void check_side(struct bundle *b, const struct bundle_relation *r, const char *name) {
        cleanup_(freep) const char **names = NULL;
        const char *near;

        if (bundle_find(b, name))
                return;
        names = mem_array(const char *, b->application_count + 1);
        for (size_t i = 0; i < b->application_count; i++)
                names[i] = b->applications[i].name;
        near = opt_nearest(name, names);
        faults_add(&b->faults, r->at.file, r->at.line,
                   "relation [%s, %s]: there is no application \"%s\" in this bundle%s%s%s",
                   r->sides[0].application, r->sides[1].application, name,
                   near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static bool same_side(const struct bundle_side *a, const struct bundle_side *b) {
        return str_eq(a->application, b->application) && str_eq(a->endpoint, b->endpoint);
}

static bool same_relation(const struct bundle_relation *a, const struct bundle_relation *b) {
        return (same_side(&a->sides[0], &b->sides[0]) && same_side(&a->sides[1], &b->sides[1])) ||
               (same_side(&a->sides[0], &b->sides[1]) && same_side(&a->sides[1], &b->sides[0]));
}

static void check_relation(struct bundle *b, size_t index) {
        const struct bundle_relation *r = &b->relations[index];
        const char *one = r->sides[0].application, *other = r->sides[1].application;

        check_side(b, r, one);
        if (str_eq(one, other)) {
                faults_add(&b->faults, r->at.file, r->at.line,
                           "relation [%s, %s]: an application cannot be related to itself", one,
                           other);
                return;
        }
        check_side(b, r, other);
        for (size_t i = 0; i < index; i++) {
                if (same_relation(&b->relations[i], r)) {
                        faults_add(&b->faults, r->at.file, r->at.line,
                                   "relation [%s, %s]: is already at %s:%d", one, other,
                                   b->relations[i].at.file, b->relations[i].at.line);
                        return;
                }
        }
}

static void check_whole(struct bundle *b) {
        for (size_t i = 0; i < b->application_count; i++) {
                struct bundle_application *a = &b->applications[i];

                drop_nulls(&a->options);
                drop_nulls(&a->resources);
                if (!a->charm && !a->charm_at.file)
                        faults_add(&b->faults, a->at.file, a->at.line,
                                   "application %s: no charm is named", a->name);
        }
        for (size_t i = 0; i < b->relation_count; i++)
                check_relation(b, i);
}

struct bundle *bundle_parse(const struct bundle_source *sources, size_t count,
                            const json_t *includes) {
        struct bundle *whole = bundle_new();

        for (size_t i = 0; i < count; i++)
                read_source(whole, &sources[i], includes, i > 0);
        check_whole(whole);
        return whole;
}
