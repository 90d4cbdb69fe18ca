/* SPDX-License-Identifier: Apache-2.0 */
/* view.c - the reading half of charm.h; see view.h
 *
 * The charm_* functions here are called by charm code and exported to it. Members of the view
 * were made by the daemon, so wrong types there just read as absent. */
#include "view.h"

#include "plan-out.h"

#include <errno.h>
#include <stdlib.h>

/* ---- opening */

static int compare_relations(const void *a, const void *b) {
        int64_t x = ((const struct view_relation *)a)->public.id,
                y = ((const struct view_relation *)b)->public.id;

        return x < y ? -1 : x > y;
}

static void read_relation(struct charm_view *v, json_t *j) {
        struct view_relation *r = &v->relations[v->relation_count++];

        r->public.id = json_get_int(j, "id", 0);
        r->public.endpoint = json_get_str(j, "endpoint", "");
        r->public.interface = json_get_str(j, "interface", "");
        r->public.application = json_get_str(j, "application", "");
        r->told = json_get(j, "told");
        r->view = v;
}

static void read_relations(struct charm_view *v) {
        json_t *list = json_get(v->root, "relations"), *j;
        size_t i;

        if (!json_array_size(list))
                return;
        v->relations = mem_array(struct view_relation, json_array_size(list));
        json_array_foreach(list, i, j)
                read_relation(v, j);
        qsort(v->relations, v->relation_count, sizeof(*v->relations), compare_relations);
        for (i = 0; i < v->relation_count; i++)
                v->relations[i].public.private = &v->relations[i];
}

int view_open(struct charm_view *v, const char *text, size_t len, const json_t *meta,
              struct arena *arena, struct err *err) {
        json_t *j;
        size_t i;
        int r;

        *v = (struct charm_view){ .meta = meta, .arena = arena, .ready = MAP_INIT };
        r = json_parse(text, len, &v->root, err);
        if (r < 0)
                return err_add(err, r, "view");
        if (!json_is_object(v->root)) {
                view_close(v);
                return err_set(err, -EBADMSG, "the view is no object");
        }
        read_relations(v);
        json_array_foreach(json_get(v->root, "ready"), i, j)
                if (json_is_string(j))
                        map_set(&v->ready, json_string_value(j), v);
        return 0;
}

void view_close(struct charm_view *v) {
        map_free(&v->ready);
        free(v->relations);
        json_decref(v->root);
        *v = (struct charm_view){};
}

/* ---- names */

static bool has_endpoint(const json_t *meta, const char *name) {
        return json_dig(meta, "provides", name, NULL) || json_dig(meta, "requires", name, NULL) ||
               json_dig(meta, "peers", name, NULL);
}

bool view_has_name(const json_t *meta, const char *section, const char *name) {
        if (str_eq(section, "endpoints"))
                return has_endpoint(meta, name);
        if (str_eq(section, "options"))
                return json_dig(meta, "config", "options", name, NULL) != NULL;
        return json_dig(meta, section, name, NULL) != NULL;
}

static bool known(const struct charm_view *v, const char *function, const char *section,
                  const char *name) {
        if (name && view_has_name(v->meta, section, name))
                return true;
        plan_out_mistake(v->plan, "%s: charm.yaml has no \"%s\" under %s", function,
                         name ? name : "(null)", section);
        return false;
}

/* ---- values */

json_t *view_option(const struct charm_view *v, const char *name) {
        json_t *value = json_dig(v->root, "config", name, NULL);

        if (!value)
                value = json_dig(v->meta, "config", "options", name, "default", NULL);
        return json_is_null(value) ? NULL : value;
}

json_t *view_storage(const struct charm_view *v, const char *name) {
        return json_dig(v->root, "storage", name, NULL);
}

const char *view_image(const struct charm_view *v, const char *resource) {
        const char *image = json_get_str(json_get(v->root, "images"), resource, NULL);

        return image ? image
                     : json_get_str(json_dig(v->meta, "resources", resource, NULL),
                                    "upstream-source", NULL);
}

const char *view_text(const struct charm_view *v, const json_t *value) {
        cleanup_(buf_free) struct buf text = BUF_INIT;

        if (!value || json_is_null(value))
                return NULL;
        if (json_is_string(value))
                return json_string_value(value);
        json_canonical(value, &text);
        return arena_text(v->arena, text.data, text.len);
}

/* ---- what is wished */

const char *charm_application(const struct charm_view *v) {
        return json_get_str(v->root, "application", "");
}

const char *charm_model(const struct charm_view *v) {
        return json_get_str(v->root, "model", "");
}

const char *charm_option(const struct charm_view *v, const char *name) {
        const char *text;

        if (!known(v, "charm_option", "options", name))
                return "";
        text = view_text(v, view_option(v, name));
        return text ? text : "";
}

int64_t charm_option_int(const struct charm_view *v, const char *name) {
        json_t *value;

        if (!known(v, "charm_option_int", "options", name))
                return 0;
        value = view_option(v, name);
        if (value && !json_is_integer(value))
                plan_out_mistake(v->plan, "charm_option_int: option %s is %s", name,
                                 json_type_name(value));
        return json_integer_value(value);
}

bool charm_option_bool(const struct charm_view *v, const char *name) {
        json_t *value;

        if (!known(v, "charm_option_bool", "options", name))
                return false;
        value = view_option(v, name);
        if (value && !json_is_boolean(value))
                plan_out_mistake(v->plan, "charm_option_bool: option %s is %s", name,
                                 json_type_name(value));
        return json_is_true(value);
}

bool charm_option_set(const struct charm_view *v, const char *name) {
        return known(v, "charm_option_set", "options", name) && view_option(v, name);
}

int64_t charm_scale(const struct charm_view *v) {
        return json_get_int(v->root, "scale", 1);
}

const char *charm_image(const struct charm_view *v, const char *resource) {
        const char *image;

        if (!known(v, "charm_image", "resources", resource))
                return "";
        image = view_image(v, resource);
        if (!image)
                plan_out_mistake(v->plan, "charm_image: resource %s is no image", resource);
        return image ? image : "";
}

const char *charm_constraint(const struct charm_view *v, const char *name) {
        const char *text = view_text(v, json_dig(v->root, "constraints", name, NULL));

        return text ? text : "";
}

const char *charm_storage_class(const struct charm_view *v, const char *name) {
        if (!known(v, "charm_storage_class", "storage", name))
                return "";
        return json_get_str(view_storage(v, name), "class", "");
}

int64_t charm_storage_size(const struct charm_view *v, const char *name) {
        if (!known(v, "charm_storage_size", "storage", name))
                return 0;
        return json_get_int(view_storage(v, name), "size", 0);
}

/* ---- relations */

const struct charm_relation *charm_relation(const struct charm_view *v, const char *endpoint,
                                            size_t i) {
        if (!known(v, "charm_relation", "endpoints", endpoint))
                return NULL;
        for (size_t n = 0; n < v->relation_count; n++)
                if (str_eq(v->relations[n].public.endpoint, endpoint) && i-- == 0)
                        return &v->relations[n].public;
        return NULL;
}

size_t charm_relations(const struct charm_view *v, const char *endpoint) {
        size_t count = 0;

        if (!known(v, "charm_relations", "endpoints", endpoint))
                return 0;
        for (size_t n = 0; n < v->relation_count; n++)
                count += str_eq(v->relations[n].public.endpoint, endpoint);
        return count;
}

const char *charm_told(const struct charm_relation *r, const char *key) {
        const struct view_relation *own = r ? r->private : NULL;

        return own ? view_text(own->view, json_get(own->told, key)) : NULL;
}

/* ---- what was seen */

static json_t *seen(const struct charm_view *v, const char *label) {
        return json_dig(v->root, "seen", label, NULL);
}

bool charm_exists(const struct charm_view *v, const char *label) {
        return map_find(&v->ready, label) || json_get_bool(seen(v, label), "exists", false);
}

bool charm_ready(const struct charm_view *v, const char *label) {
        return map_find(&v->ready, label) || json_get_bool(seen(v, label), "ready", false);
}

const char *charm_reason(const struct charm_view *v, const char *label) {
        return json_get_str(seen(v, label), "reason", "");
}

const char *charm_seen(const struct charm_view *v, const char *label, const char *pointer) {
        return view_text(v, json_get(json_get(seen(v, label), "fields"), pointer));
}
