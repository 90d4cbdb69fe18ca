/* SPDX-License-Identifier: Apache-2.0 */
/* overlay.c - lays one document over a bundle, as Juju does; see bundle.h */
#include "bundle.h"

#include <stdlib.h>

/* What OVER says replaces what BASE says. */
static void move_text(char **to, char **from) {
        if (!*from)
                return;
        free(*to);
        *to = take_ptr(*from);
}

static void move_values(struct bundle_values *to, struct bundle_values *from) {
        for (size_t i = 0; i < from->count; i++) {
                struct bundle_value *v = &from->items[i];

                bundle_set(to, v->name, take_ptr(v->value), v->at);
        }
}

/* A class alone, or a size alone, leaves the other as it was. */
static void merge_storage(struct bundle_values *to, struct bundle_values *from) {
        for (size_t i = 0; i < from->count; i++) {
                struct bundle_value *v = &from->items[i];
                const struct bundle_value *before = bundle_value(to, v->name);

                if (before)
                        json_object_update_missing(v->value, before->value);
                bundle_set(to, v->name, take_ptr(v->value), v->at);
        }
}

static void merge_kept(struct bundle_values *to, struct bundle_values *from) {
        for (size_t i = 0; i < from->count; i++) {
                struct bundle_value *v = &from->items[i];
                const struct bundle_value *before = bundle_value(to, v->name);

                if (before && str_eq(v->name, "annotations"))
                        json_object_update_missing(v->value, before->value);
                bundle_set(to, v->name, take_ptr(v->value), v->at);
        }
}

static void merge_application(struct bundle_application *to, struct bundle_application *from) {
        if (from->charm)
                to->charm_at = from->charm_at;
        if (from->channel)
                to->channel_at = from->channel_at;
        move_text(&to->charm, &from->charm);
        move_text(&to->channel, &from->channel);
        if (from->revision >= 0)
                to->revision = from->revision;
        if (from->scale >= 0) {
                to->scale = from->scale;
                to->scale_at = from->scale_at;
        }
        if (from->trust >= 0)
                to->trust = from->trust;
        if (from->constraints) {
                json_decref(to->constraints);
                to->constraints = take_ptr(from->constraints);
        }
        move_values(&to->options, &from->options);
        merge_storage(&to->storage, &from->storage);
        move_values(&to->resources, &from->resources);
        merge_kept(&to->kept, &from->kept);
}

static void take_away(struct bundle *base, const struct bundle_values *taken) {
        for (size_t i = 0; i < taken->count; i++) {
                const struct bundle_value *v = &taken->items[i];

                if (bundle_find(base, v->name))
                        bundle_drop(base, v->name);
                else
                        faults_add(&base->faults, v->at.file, v->at.line,
                                   "application %s: is taken away, and is not in the bundle",
                                   v->name);
        }
}

static void move_relations(struct bundle *base, struct bundle *over) {
        if (base->relation_count + over->relation_count > BUNDLE_RELATIONS_MAX) {
                faults_add(&base->faults, over->relations[0].at.file, over->relations[0].at.line,
                           "more than %d relations", BUNDLE_RELATIONS_MAX);
                return;
        }
        for (size_t i = 0; i < over->relation_count; i++) {
                base->relations = mem_grow(base->relations, &base->relation_room,
                                           base->relation_count + 1, sizeof(*base->relations));
                base->relations[base->relation_count++] = over->relations[i];
        }
        over->relation_count = 0;
}

void overlay_apply(struct bundle *base, struct bundle *over, const struct bundle_values *taken) {
        take_away(base, taken);
        for (size_t i = 0; i < over->application_count; i++) {
                struct bundle_application *from = &over->applications[i];
                struct bundle_application *to = bundle_find(base, from->name);

                if (!to && base->application_count == BUNDLE_APPLICATIONS_MAX) {
                        faults_add(&base->faults, from->at.file, from->at.line,
                                   "more than %d applications", BUNDLE_APPLICATIONS_MAX);
                        break;
                }
                if (!to)
                        to = bundle_append(base, from->name, from->at);
                merge_application(to, from);
        }
        move_relations(base, over);
        move_text(&base->name, &over->name);
        move_text(&base->description, &over->description);
        faults_append(&base->faults, &over->faults);
        faults_append(&base->notes, &over->notes);
}
