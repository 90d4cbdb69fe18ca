/* SPDX-License-Identifier: Apache-2.0 */
/* view-model-application.c - show-application, show-unit, config; see view-model.h */
#include "view-internal.h"

#include "constraint.h"
#include "user-secret.h"

#include <errno.h>
#include <stdlib.h>

static int find(struct tx *tx, const char *model, const char *application,
                const struct q_application_row **ret, struct err *err) {
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        return r < 0 ? r : lookup_application(tx, m, application, ret, err);
}

/* ---- config */

/* Which secret of people's it takes is no secret. */
static bool is_masked(const struct meta_option *o, const json_t *value) {
        const char *text = json_string_value(value);

        if (text && str_starts(text, USER_SECRET_SCHEME))
                return false;
        return o->type == META_SECRET || view_is_token(value);
}

static json_t *option_json(const struct meta_option *o, json_t *value) {
        json_t *j = json_object();
        bool secret = is_masked(o, value);

        if (value && secret) {
                json_decref(value);
                value = json_string("(secret)");
        }
        json_object_set_new(j, "source",
                            json_string(value      ? "user"
                                        : o->value ? "default"
                                                   : "unset"));
        if (value)
                json_object_set_new(j, "value", value);
        else if (o->value)
                json_object_set(j, "value", o->value);
        if (o->value)
                json_object_set(j, "default", o->value);
        view_put(j, "type", meta_type_names[o->type]);
        view_put(j, "description", o->description);
        return j;
}

static json_t *find_value(const struct q_application_option_list_row *rows, size_t n,
                          const char *name) {
        for (size_t i = 0; i < n; i++) {
                if (str_eq(rows[i].name, name))
                        return view_parse(rows[i].value);
        }
        return NULL;
}

/* Without a charm nobody knows types or defaults: what was given. */
static json_t *settings_json(const struct charm_meta *meta,
                             const struct q_application_option_list_row *rows, size_t n) {
        static const struct meta_option unknown = { .type = META_STRING };
        json_t *settings = json_object();

        for (size_t i = 0; meta && i < meta->option_count; i++)
                json_object_set_new(
                        settings, meta->options[i].name,
                        option_json(&meta->options[i], find_value(rows, n, meta->options[i].name)));
        for (size_t i = 0; !meta && i < n; i++)
                json_object_set_new(settings, rows[i].name,
                                    option_json(&unknown, view_parse(rows[i].value)));
        return settings;
}

/* The row of an option that takes a secret of people's reads as it was given. */
static int name_reference(struct tx *tx, struct q_application_option_list_row *row,
                          struct err *err) {
        cleanup_(json_freep) json_t *value = view_parse(row->value);
        const char *reference;
        int r = json_is_string(value)
                        ? user_secret_reference(tx, json_string_value(value), &reference, err)
                        : 1;

        if (r == 0 && reference)
                row->value = tx_format(tx, "\"%s\"", reference);
        return r < 0 ? r : 0;
}

static int read_settings(struct tx *tx, const struct q_application_row *a, json_t **ret,
                         struct err *err) {
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        struct q_application_option_list_row *rows;
        size_t n;
        int r = lookup_meta(tx, a, &meta, err);

        if (r >= 0)
                r = q_application_option_list(
                        tx, &(struct q_application_option_list_in){ .application_id = a->id },
                        &rows, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = name_reference(tx, &rows[i], err);
        if (r >= 0)
                *ret = settings_json(meta, rows, n);
        return r < 0 ? r : 0;
}

int view_model_options(struct tx *tx, const char *model, const char *application, json_t **ret,
                       struct err *err) {
        const struct q_application_row *a;
        json_t *settings;
        int r = find(tx, model, application, &a, err);

        if (r >= 0)
                r = read_settings(tx, a, &settings, err);
        if (r < 0)
                return r;
        *ret = json_pack("{s:s, s:s, s:o}", "application", a->name, "charm", a->charm_name,
                         "settings", settings);
        return 0;
}

/* ---- show-application */

static int put_resources(struct tx *tx, const struct q_application_row *a,
                         const struct charm_meta *meta, json_t *into, struct err *err) {
        struct q_application_resource_list_row *rows;
        json_t *resources = json_object();
        size_t n;
        int r = q_application_resource_list(
                tx, &(struct q_application_resource_list_in){ .application_id = a->id }, &rows, &n,
                err);

        json_object_set_new(into, "resources", resources);
        for (size_t i = 0; meta && i < meta->resource_count; i++) {
                const struct meta_resource *m = &meta->resources[i];

                json_object_set_new(resources, m->name,
                                    json_pack("{s:s, s:s?, s:s}", "type",
                                              m->image ? "oci-image" : "file", "value",
                                              m->source ? m->source : m->path, "source", "charm"));
        }
        for (size_t i = 0; r >= 0 && i < n; i++)
                json_object_set_new(
                        resources, rows[i].name,
                        json_pack("{s:s, s:s}", "value", rows[i].value, "source", "operator"));
        return r < 0 ? r : 0;
}

static void put_endpoints(const struct charm_meta *meta, json_t *into) {
        json_t *endpoints = json_object();

        json_object_set_new(into, "endpoints", endpoints);
        for (size_t i = 0; meta && i < meta->endpoint_count; i++) {
                const struct meta_endpoint *e = &meta->endpoints[i];
                json_t *j = json_pack("{s:s, s:s, s:b}", "interface", e->interface, "role",
                                      meta_role_names[e->role], "optional", e->optional);

                if (e->limit > 0)
                        view_put_int(j, "limit", e->limit);
                json_object_set_new(endpoints, e->name, j);
        }
}

int view_model_application(struct tx *tx, const char *model, const char *application, json_t **ret,
                           struct err *err) {
        static const struct view_filter all = { .relations = true, .units = true };
        cleanup_(charm_meta_freep) struct charm_meta *meta = NULL;
        cleanup_(json_freep) json_t *j = NULL;
        cleanup_(json_freep) json_t *constraints = NULL;
        cleanup_(freep) char *text = NULL;
        const struct q_application_row *a;
        int r = find(tx, model, application, &a, err);

        if (r >= 0)
                r = lookup_meta(tx, a, &meta, err);
        if (r >= 0)
                r = view_application_json(tx, a, &all, &j, err);
        if (r >= 0)
                r = put_resources(tx, a, meta, j, err);
        if (r < 0)
                return r;
        constraints = view_parse(a->constraints);
        text = constraint_text(constraints);
        view_put(j, "constraints", text);
        if (meta) {
                view_put_int(j, "highest-scale", meta->scale_max);
                view_put(j, "summary", meta->summary);
        }
        put_endpoints(meta, j);
        json_object_set_new(j, "annotations", view_parse(a->annotations));
        view_put_time(j, "created", a->created_at);
        *ret = json_pack("{s:O}", a->name, j);
        return 0;
}

/* ---- show-unit */

static int no_unit(const char *unit, struct err *err) {
        return err_set(err, -ENOENT, "no unit \"%.120s\"%s", unit,
                       strchr(unit, '/') ? "" : ": units have names such as mlflow-server/0");
}

static int find_unit(struct tx *tx, const struct q_application_row *a, const char *unit,
                     json_t **ret, struct err *err) {
        cleanup_(json_freep) json_t *units = NULL;
        const char *name;
        json_t *j;
        int r = view_units_json(tx, a, &units, err);

        if (r < 0)
                return r;
        json_object_foreach(units, name, j) {
                if (!str_eq(name, unit) && !str_eq(json_get_str(j, "provider-id", NULL), unit))
                        continue;
                view_put(j, "application", a->name);
                *ret = json_pack("{s:O}", name, j);
                return 0;
        }
        return 1;
}

/* The application of "mlflow-server/0" or of pod "mlflow-server-0", which may be a deployment's
 * with a longer tail. */
static int unit_application(struct tx *tx, const struct q_model_row *m, const char *unit,
                            const char *slash, json_t **ret, struct err *err) {
        cleanup_(freep) char *name = slash ? str_ndup(unit, (size_t)(slash - unit)) : str_dup(unit);
        const struct q_application_row *a;
        struct q_application_row *row;
        int64_t number;
        char *dash;
        size_t n;
        int r;

        if (slash) {
                r = lookup_application(tx, m, name, &a, err);
                if (r >= 0)
                        r = find_unit(tx, a, unit, ret, err);
                if (r <= 0 || !str_to_int(slash + 1, &number))
                        return r;
                r = lookup_unit(tx, a, number, err);
                return r < 0 ? r : 1; /* "a/00" is no way to write a unit */
        }
        while ((dash = strrchr(name, '-'))) {
                *dash = '\0';
                r = q_application_by_name(
                        tx, &(struct q_application_by_name_in){ .model_id = m->id, .name = name },
                        &row, &n, err);
                if (r >= 0 && n > 0)
                        r = find_unit(tx, row, unit, ret, err);
                else if (r >= 0)
                        r = 1;
                if (r <= 0)
                        return r;
        }
        return 1;
}

int view_model_unit(struct tx *tx, const char *model, const char *unit, json_t **ret,
                    struct err *err) {
        const struct q_model_row *m;
        int r = lookup_model(tx, model, &m, err);

        if (r >= 0)
                r = unit_application(tx, m, unit, strchr(unit, '/'), ret, err);
        return r > 0 ? no_unit(unit, err) : r;
}
