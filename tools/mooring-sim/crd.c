/* SPDX-License-Identifier: Apache-2.0 */
/* crd.c - CustomResourceDefinitions become kinds, and stop being kinds; see crd.h
 *
 * As on a real server this takes a moment: first the conditions NamesAccepted and Established,
 * then discovery. Deleting one deletes its objects first, and waits for their finalizers. */
#include "crd.h"

#include "controllers/control.h"
#include "store.h"
#include "watch.h"
#include "work.h"

#include <stdlib.h>

#define RETRY_MS 50 /* until the objects of a deleted CRD are gone */

static struct kind *crd_kind(struct sim *sim) {
        return kinds_find(&sim->kinds, "apiextensions.k8s.io", "v1", "customresourcedefinitions");
}

static char *joined(const json_t *list) {
        cleanup_(buf_free) struct buf out = BUF_INIT;
        json_t *one;
        size_t i;

        json_array_foreach((json_t *)list, i, one) {
                buf_printf(&out, "%s%s", i ? "," : "", json_string_value(one));
        }
        return buf_take(&out);
}

static unsigned flags_of(const json_t *spec, const json_t *version) {
        json_t *sub = json_get(version, "subresources");

        return KIND_CUSTOM | KIND_GENERATION |
               (str_eq(json_get_str(spec, "scope", ""), "Namespaced") ? KIND_NAMESPACED : 0) |
               (json_get(sub, "status") ? KIND_STATUS : 0) |
               (json_get(sub, "scale") ? KIND_SCALE : 0);
}

static void describe(struct sim *sim, struct kind *k, const json_t *version) {
        json_t *structure = json_dig(version, "schema", "openAPIV3Schema", NULL);

        k->structure = json_incref(structure);
        k->scale = json_incref(json_dig(version, "subresources", "scale", NULL));
        k->type = crd_type(&k->schema, structure, &sim->kinds.schema);
}

static void serve(struct sim *sim, const json_t *spec, const json_t *version) {
        const char *group = json_get_str(spec, "group", "");
        json_t *names = json_get(spec, "names");
        cleanup_(freep) char *short_names = joined(json_get(names, "shortNames"));
        cleanup_(freep) char *categories = joined(json_get(names, "categories"));
        struct kind from = { 0 }, *k;

        from.group = (char *)group;
        from.version = (char *)json_get_str(version, "name", "");
        from.kind = (char *)json_get_str(names, "kind", "");
        from.plural = (char *)json_get_str(names, "plural", "");
        from.singular = (char *)json_get_str(names, "singular", "");
        from.list_kind = (char *)json_get_str(names, "listKind", "");
        from.short_names = short_names;
        from.categories = categories;
        from.flags = flags_of(spec, version);
        k = kinds_find(&sim->kinds, group, from.version, from.plural);
        if (k) {
                /* The schema may have changed: watchers and objects stay. */
                json_decref(k->structure);
                json_decref(k->scale);
                schema_deinit(&k->schema);
                k->flags = from.flags;
                describe(sim, k, version);
                return;
        }
        describe(sim, kinds_add(&sim->kinds, &from), version);
}

static bool still_served(const json_t *spec, const char *name) {
        json_t *version;
        size_t i;

        json_array_foreach(json_get(spec, "versions"), i, version) {
                if (str_eq(json_get_str(version, "name", ""), name))
                        return json_get_bool(version, "served", false);
        }
        return false;
}

/* SPEC NULL: all versions go. */
static void retire(struct sim *sim, const char *group, const char *plural, const json_t *spec) {
        list_each(e, &sim->kinds.all) {
                struct kind *k = list_entry(e, struct kind, entry);

                if (!(k->flags & KIND_CUSTOM) || !str_eq(k->group, group) ||
                    !str_eq(k->plural, plural) || (spec && still_served(spec, k->version)))
                        continue;
                watch_kind_gone(sim, k);
                kinds_remove(&sim->kinds, k);
        }
}

static json_t *condition(const char *type, const char *reason, const char *message) {
        return json_pack("{s:s,s:s,s:o,s:s,s:s}", "type", type, "status", "True",
                         "lastTransitionTime", sim_now(), "reason", reason, "message", message);
}

static void establish(struct sim *sim, const char *name, const json_t *object) {
        json_t *spec = json_get(object, "spec"), *status, *version, *stored = json_array();
        size_t i;

        json_array_foreach(json_get(spec, "versions"), i, version) {
                if (json_get_bool(version, "storage", false))
                        json_array_append(stored, json_get(version, "name"));
        }
        status = json_pack("{s:O,s:o,s:[o,o]}", "acceptedNames", json_get(spec, "names"),
                           "storedVersions", stored, "conditions",
                           condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                           condition("Established", "InitialNamesAccepted",
                                     "the initial names have been accepted"));
        control_set_status(sim, crd_kind(sim), "", name, status, "kube-apiserver");
}

/* Deletes what is there; true when nothing is left. */
static bool objects_gone(struct sim *sim, const char *group, const char *plural) {
        struct kind *kind = NULL;

        list_each(e, &sim->kinds.all) {
                struct kind *k = list_entry(e, struct kind, entry);

                if (str_eq(k->group, group) && str_eq(k->plural, plural))
                        kind = k;
        }
        if (kind)
                control_delete_all(sim, kind, "");
        return !kind || kind->collection->count == 0;
}

void crd_sync(struct sim *sim, const char *namespace, const char *name) {
        json_t *object = store_get(crd_kind(sim), NULL, name), *spec = json_get(object, "spec"),
               *version;
        const char *dot = strchr(name, '.');
        cleanup_(freep) char *plural = dot ? str_ndup(name, (size_t)(dot - name)) : str_dup(name);
        const char *group = dot ? dot + 1 : "";
        size_t i;

        if (!object) {
                retire(sim, group, plural, NULL);
                return;
        }
        if (json_get(store_meta(object), "deletionTimestamp")) {
                if (objects_gone(sim, group, plural))
                        control_drop_finalizer(sim, crd_kind(sim), "", name, CRD_FINALIZER);
                else
                        work_add(sim, crd_sync, namespace, name, RETRY_MS);
                return;
        }
        json_array_foreach(json_get(spec, "versions"), i, version) {
                if (json_get_bool(version, "served", false))
                        serve(sim, spec, version);
        }
        retire(sim, group, plural, spec);
        if (!json_array_size(json_dig(object, "status", "conditions", NULL)))
                establish(sim, name, object);
}
