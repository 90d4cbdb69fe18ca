/* SPDX-License-Identifier: Apache-2.0 */
/* view-model-bundle.c - rows back into a bundle, and a bundle against rows; see view-model.h */
#include "view-internal.h"

#include "command-internal.h"
#include "constraint.h"
#include "size.h"
#include "user-secret.h"

#include <errno.h>
#include <stdlib.h>

/* ---- export */

struct export {
        const struct sealer *sealer;
        json_t *applications, *relations;
};

static int export_option(struct tx *tx, const struct q_application_row *a, const struct export *x,
                         const struct q_application_option_list_row *row, json_t *options,
                         struct err *err) {
        cleanup_(secret_text_free) struct secret_text opened = {};
        cleanup_(json_freep) json_t *value = view_parse(row->value);
        const char *reference;
        int r;

        if (!view_is_token(value)) {
                json_object_set(options, row->name, value);
                return 0;
        }
        r = user_secret_reference(tx, json_string_value(value), &reference, err);
        if (r >= 0 && reference)
                json_object_set_new(options, row->name, json_string(reference));
        if (r < 0 || reference || !x->sealer)
                return r;
        r = application_row_secret(tx, x->sealer, a->id, row->name, &opened, err);
        if (r == 0)
                json_object_set_new(options, row->name, json_stringn(opened.data, opened.len));
        return r < 0 ? r : 0;
}

static bool is_note(const struct charm_meta *meta, const char *option) {
        return meta && meta_option_is_note(charm_meta_option(meta, option));
}

static int export_options(struct tx *tx, const struct q_application_row *a, const struct export *x,
                          json_t *into, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        cleanup_(json_freep) json_t *options = json_object();
        struct q_application_option_list_row *rows;
        size_t n;
        int r = lookup_meta(tx, a, &meta, err);

        if (r >= 0)
                r = q_application_option_list(
                        tx, &(struct q_application_option_list_in){ .application_id = a->id },
                        &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!is_note(meta, rows[i].name))
                        r = export_option(tx, a, x, &rows[i], options, err);
        if (json_object_size(options) > 0)
                json_object_set(into, "options", options);
        return r < 0 ? r : 0;
}

/* "fast,10G", "10G", "fast" */
static char *storage_text(const struct q_application_storage_list_row *s) {
        char size[SIZE_TEXT_MAX];

        return str_format("%s%s%s", s->class ? s->class : "", s->class && s->size > 0 ? "," : "",
                          s->size > 0 ? size_text(s->size, size) : "");
}

static int export_entries(struct tx *tx, const struct q_application_row *a, json_t *into,
                          struct err *err) {
        struct q_application_resource_list_row *resources;
        struct q_application_storage_list_row *storage;
        size_t n;
        int r = q_application_resource_list(
                tx, &(struct q_application_resource_list_in){ .application_id = a->id }, &resources,
                &n, err);

        if (r >= 0 && n > 0)
                json_object_set_new(into, "resources", json_object());
        for (size_t i = 0; r >= 0 && i < n; i++)
                view_put(json_get(into, "resources"), resources[i].name, resources[i].value);
        if (r >= 0)
                r = q_application_storage_list(
                        tx, &(struct q_application_storage_list_in){ .application_id = a->id },
                        &storage, &n, err);
        if (r >= 0 && n > 0)
                json_object_set_new(into, "storage", json_object());
        for (size_t i = 0; r >= 0 && i < n; i++) {
                cleanup_(freep) char *text = storage_text(&storage[i]);

                view_put(json_get(into, "storage"), storage[i].name, text);
        }
        return r < 0 ? r : 0;
}

static int export_application(struct tx *tx, const struct q_application_row *a, void *arg,
                              struct err *err) {
        cleanup_(json_freep) json_t *constraints = view_parse(a->constraints);
        cleanup_(json_freep) json_t *kept = view_parse(a->annotations);
        cleanup_(freep) char *text = constraint_text(constraints);
        struct export *x = arg;
        json_t *j;
        int r;

        if (!str_eq(a->life, "alive"))
                return 0;
        j = json_object();
        json_object_set_new(x->applications, a->name, j);
        view_put(j, "charm", a->charm_name);
        view_put(j, "channel", *a->channel ? a->channel : NULL);
        if (!a->revision_null)
                view_put_int(j, "revision", a->revision);
        view_put_int(j, "scale", a->scale);
        r = export_options(tx, a, x, j, err);
        view_put(j, "constraints", *text ? text : NULL);
        if (r >= 0)
                r = export_entries(tx, a, j, err);
        if (a->trust)
                json_object_set_new(j, "trust", json_true());
        json_object_update_missing(j, kept);
        return r;
}

static char *end_text(const struct q_relation_side_list_row *s) {
        return *s->endpoint ? str_format("%s:%s", s->application, s->endpoint)
                            : str_dup(s->application);
}

static int export_relation(struct tx *tx, const struct q_relation_row *row,
                           const struct q_relation_side_list_row *sides, size_t count, void *arg,
                           struct err *err) {
        struct export *x = arg;

        if (count == 2 && str_eq(row->life, "alive")) {
                cleanup_(freep) char *a = end_text(&sides[0]);
                cleanup_(freep) char *b = end_text(&sides[1]);

                json_array_append_new(x->relations, json_pack("[s, s]", a, b));
        }
        return 0;
}

int view_model_bundle(struct tx *tx, const char *model, const struct sealer *sealer, json_t **ret,
                      struct err *err) {
        cleanup_(json_freep) json_t *j = json_object();
        struct export x = { sealer, json_object(), json_array() };
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        view_put(j, "bundle", "kubernetes");
        view_put(j, "name", model);
        json_object_set_new(j, "applications", x.applications);
        json_object_set_new(j, "relations", x.relations);
        if (r >= 0)
                r = lookup_each_application(tx, m->id, export_application, &x, err);
        if (r >= 0)
                r = view_each_relation(tx, m->id, export_relation, &x, err);
        if (r < 0)
                return r;
        *ret = take_ptr(j);
        return 0;
}

/* ---- diff */

struct diff {
        const struct bundle *bundle;
        json_t *applications;
        json_t *ours, *theirs; /* relations only in the model, only in the bundle */
        bool *found;           /* relations of the bundle that the model has */
};

static json_t *two(json_t *bundle, json_t *model) {
        return json_pack("{s:o, s:o}", "bundle", bundle, "model", model);
}

static void compare_text(json_t *into, const char *member, const char *bundle, const char *model) {
        if (bundle && !str_eq(bundle, model))
                json_object_set_new(into, member, two(json_string(bundle), json_string(model)));
}

static void compare_int(json_t *into, const char *member, int64_t bundle, int64_t model) {
        if (bundle >= 0 && bundle != model)
                json_object_set_new(into, member, two(json_integer(bundle), json_integer(model)));
}

static void compare_row(const struct bundle_application *b, const struct q_application_row *a,
                        json_t *into) {
        cleanup_(json_freep) json_t *constraints = view_parse(a->constraints);

        compare_text(into, "charm", b->charm, a->charm_name);
        compare_text(into, "channel", b->channel, a->channel);
        compare_int(into, "revision", b->revision, a->revision_null ? -1 : a->revision);
        compare_int(into, "scale", b->scale, a->scale);
        compare_int(into, "trust", b->trust, a->trust);
        if (b->constraints && !json_equal(b->constraints, constraints)) {
                cleanup_(freep) char *theirs = constraint_text(b->constraints);
                cleanup_(freep) char *ours = constraint_text(constraints);

                compare_text(into, "constraints", theirs, ours);
        }
}

/* The bundle's value as the row would have it. */
static json_t *as_row(const struct charm_meta *meta, const struct bundle_value *v) {
        json_t *checked = NULL;

        if (meta && charm_meta_check_option(meta, "", v->name, v->value, &checked, NULL) == 0)
                return checked;
        return json_incref(v->value);
}

/* Options that the bundle says, against the model's value or the default. */
static void compare_said(const struct bundle_application *b, const struct charm_meta *meta,
                         const json_t *rows, json_t *into) {
        for (size_t i = 0; i < b->options.count; i++) {
                const struct bundle_value *v = &b->options.items[i];
                const struct meta_option *o = meta ? charm_meta_option(meta, v->name) : NULL;
                cleanup_(json_freep) json_t *theirs = as_row(meta, v);
                json_t *ours = json_get(rows, v->name);

                if (view_is_token(ours) || (o && o->type == META_SECRET) || meta_option_is_note(o))
                        continue;
                ours = ours ? ours : o && o->value ? o->value : json_null();
                if (!json_equal(theirs, ours))
                        json_object_set_new(into, v->name,
                                            two(json_incref(theirs), json_incref(ours)));
        }
}

static int compare_options(struct tx *tx, const struct bundle_application *b,
                           const struct q_application_row *a, json_t *into, struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        cleanup_(json_freep) json_t *options = json_object();
        cleanup_(json_freep) json_t *all = json_object();
        struct q_application_option_list_row *rows;
        size_t n;
        int r = lookup_meta(tx, a, &meta, err);

        if (r >= 0)
                r = q_application_option_list(
                        tx, &(struct q_application_option_list_in){ .application_id = a->id },
                        &rows, &n, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                json_object_set_new(all, rows[i].name, view_parse(rows[i].value));
        compare_said(b, meta, all, options);
        for (size_t i = 0; i < n; i++) {
                json_t *ours = json_get(all, rows[i].name);

                if (!view_is_token(ours) && !is_note(meta, rows[i].name) &&
                    !bundle_value(&b->options, rows[i].name))
                        json_object_set_new(options, rows[i].name,
                                            two(json_null(), json_incref(ours)));
        }
        if (json_object_size(options) > 0)
                json_object_set(into, "options", options);
        return 0;
}

static int diff_application(struct tx *tx, const struct q_application_row *a, void *arg,
                            struct err *err) {
        struct diff *d = arg;
        const struct bundle_application *b = bundle_find(d->bundle, a->name);
        cleanup_(json_freep) json_t *j = json_object();
        int r = 0;

        if (!b) {
                view_put(j, "missing", "bundle");
        } else {
                compare_row(b, a, j);
                r = compare_options(tx, b, a, j, err);
        }
        if (json_object_size(j) > 0)
                json_object_set(d->applications, a->name, j);
        return r;
}

static bool side_is(const struct bundle_side *b, const struct q_relation_side_list_row *s) {
        return str_eq(b->application, s->application) &&
               (!b->endpoint || !*s->endpoint || str_eq(b->endpoint, s->endpoint));
}

static int diff_relation(struct tx *tx, const struct q_relation_row *row,
                         const struct q_relation_side_list_row *sides, size_t count, void *arg,
                         struct err *err) {
        struct export only = { .relations = NULL };
        struct diff *d = arg;
        bool found = false;

        if (count != 2)
                return 0;
        for (size_t i = 0; i < d->bundle->relation_count; i++) {
                const struct bundle_relation *b = &d->bundle->relations[i];
                bool same =
                        (side_is(&b->sides[0], &sides[0]) && side_is(&b->sides[1], &sides[1])) ||
                        (side_is(&b->sides[0], &sides[1]) && side_is(&b->sides[1], &sides[0]));

                d->found[i] = d->found[i] || same;
                found = found || same;
        }
        only.relations = d->ours;
        return found ? 0 : export_relation(tx, row, sides, count, &only, err);
}

static void add_missing_relations(struct diff *d) {
        for (size_t i = 0; i < d->bundle->relation_count; i++) {
                const struct bundle_relation *b = &d->bundle->relations[i];
                json_t *pair = json_array();

                for (int k = 0; k < 2; k++) {
                        const struct bundle_side *s = &b->sides[k];
                        cleanup_(freep) char *text =
                                str_format("%s%s%s", s->application, s->endpoint ? ":" : "",
                                           s->endpoint ? s->endpoint : "");

                        json_array_append_new(pair, json_string(text));
                }
                if (d->found[i])
                        json_decref(pair);
                else
                        json_array_append_new(d->theirs, pair);
        }
}

static int diff_all(struct tx *tx, const struct q_model_row *m, struct diff *d, struct err *err) {
        int r = lookup_each_application(tx, m->id, diff_application, d, err);

        for (size_t i = 0; r >= 0 && i < d->bundle->application_count; i++) {
                const char *name = d->bundle->applications[i].name;
                struct q_application_row *row;
                size_t n;

                r = q_application_by_name(
                        tx, &(struct q_application_by_name_in){ .model_id = m->id, .name = name },
                        &row, &n, err);
                if (r >= 0 && n == 0)
                        json_object_set_new(d->applications, name,
                                            json_pack("{s:s}", "missing", "model"));
        }
        if (r >= 0)
                r = view_each_relation(tx, m->id, diff_relation, d, err);
        if (r >= 0)
                add_missing_relations(d);
        return r < 0 ? r : 0;
}

int view_model_diff(struct tx *tx, const char *model, const struct bundle *b, json_t **ret,
                    struct err *err) {
        cleanup_(json_freep) json_t *applications = json_object();
        cleanup_(json_freep) json_t *ours = json_array();
        cleanup_(json_freep) json_t *theirs = json_array();
        cleanup_(freep) bool *found = mem_array(bool, b->relation_count + 1);
        struct diff d = { b, applications, ours, theirs, found };
        const struct q_model_row *m;
        json_t *j;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0)
                r = diff_all(tx, m, &d, err);
        if (r < 0)
                return r;
        j = json_object();
        if (json_object_size(applications) > 0)
                json_object_set(j, "applications", applications);
        if (json_array_size(ours) + json_array_size(theirs) > 0)
                json_object_set_new(j, "relations",
                                    json_pack("{s:O, s:O}", "bundle-additions", theirs,
                                              "model-additions", ours));
        *ret = j;
        return 0;
}
