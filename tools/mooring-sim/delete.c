/* SPDX-License-Identifier: Apache-2.0 */
/* delete.c - DELETE of one and of many: preconditions, finalizers, graceful pods, propagation;
 * see write.h
 *
 * What cannot go at once is marked (deletionTimestamp) and goes when its last finalizer does
 * (write.c) or when a controller is done with it (controllers/). */
#include "write.h"

#include "crd.h"
#include "managed.h"
#include "store.h"

#include <stdlib.h>

static bool check_preconditions(struct write *w, const json_t *live, const json_t *options) {
        json_t *p = json_get(options, "preconditions");
        const char *uid = json_get_str(p, "uid", NULL),
                   *version = json_get_str(p, "resourceVersion", NULL);
        const char *is = json_get_str(store_meta(live), "resourceVersion", "");

        if (uid && !str_eq(uid, store_uid(live))) {
                reply_precondition(w->reply, w->kind, w->name,
                                   "the UID in the precondition (%s) does not match the UID in "
                                   "record (%s). The "
                                   "object might have been deleted and then recreated",
                                   uid, store_uid(live));
                return false;
        }
        if (version && !str_eq(version, is)) {
                reply_precondition(
                        w->reply, w->kind, w->name,
                        "the ResourceVersion in the precondition (%s) does not match the "
                        "ResourceVersion in record (%s). The object might have been modified",
                        version, is);
                return false;
        }
        return true;
}

static void add_finalizer(json_t *meta, const char *name) {
        json_t *list = json_get(meta, "finalizers"), *have;
        size_t i;

        if (!json_is_array(list)) {
                list = json_array();
                json_object_set_new(meta, "finalizers", list);
        }
        json_array_foreach(list, i, have) {
                if (str_eq(json_string_value(have), name))
                        return;
        }
        json_array_append_new(list, json_string(name));
}

static const char *propagation(const struct write *w, const json_t *options) {
        const char *policy = json_get_str(options, "propagationPolicy", NULL);

        if (policy)
                return policy;
        if (json_get(options, "orphanDependents"))
                return json_get_bool(options, "orphanDependents", false) ? "Orphan" : "Background";
        return str_eq(w->kind->kind, "Job") && str_eq(w->kind->group, "batch") ? "Orphan"
                                                                               : "Background";
}

static int64_t grace(const struct write *w, const json_t *live, const json_t *options) {
        json_t *spec = json_get(live, "spec");
        const char *phase = json_get_str(json_get(live, "status"), "phase", "");

        if (!str_eq(w->kind->kind, "Pod") || *w->kind->group)
                return 0;
        if (!*json_get_str(spec, "nodeName", "") || str_eq(phase, "Succeeded") ||
            str_eq(phase, "Failed"))
                return 0;
        return json_get_int(options, "gracePeriodSeconds",
                            json_get_int(spec, "terminationGracePeriodSeconds", 30));
}

static void terminating_crd(json_t *object) {
        json_t *status = json_get(object, "status"), *conditions = json_get(status, "conditions");

        if (!json_is_array(conditions))
                return;
        json_array_append_new(
                conditions,
                json_pack("{s:s,s:s,s:o,s:s,s:s}", "type", "Terminating", "status", "True",
                          "lastTransitionTime", sim_now(), "reason", "InstanceDeletionPending",
                          "message",
                          "CustomResourceDefinition marked for deletion; CustomResource "
                          "deletion will begin soon"));
}

/* LIVE marked as going; NULL when nothing holds it. */
static json_t *marked(struct write *w, const json_t *live, const json_t *options) {
        cleanup_(json_freep) json_t *object = json_deep_copy(live);
        json_t *meta = store_meta(object);
        const char *policy = propagation(w, options);
        bool crd = str_eq(w->kind->kind, "CustomResourceDefinition"); /* its deletion is its own */
        int64_t seconds = grace(w, live, options), generation = json_get_int(meta, "generation", 0);

        if (str_eq(policy, "Foreground"))
                add_finalizer(meta, "foregroundDeletion");
        else if (str_eq(policy, "Orphan"))
                add_finalizer(meta, "orphan");
        if (crd)
                add_finalizer(meta, CRD_FINALIZER);
        if (json_array_size(json_get(meta, "finalizers")) == 0 && seconds == 0 &&
            json_array_size(json_dig(object, "spec", "finalizers", NULL)) == 0)
                return NULL;
        if (!json_get(meta, "deletionTimestamp")) {
                json_object_set_new(meta, "deletionTimestamp", sim_now());
                if (generation && !crd)
                        json_object_set_new(meta, "generation", json_integer(generation + 1));
                if (crd)
                        terminating_crd(object);
        }
        if (!crd)
                json_object_set_new(meta, "deletionGracePeriodSeconds", json_integer(seconds));
        if (str_eq(w->kind->kind, "Namespace") && !*w->kind->group)
                json_object_set_new(json_get(object, "status"), "phase",
                                    json_string("Terminating"));
        return take_ptr(object);
}

static bool returns_object(const struct kind *k) {
        return !*k->group &&
               (str_eq(k->kind, "Pod") || str_eq(k->kind, "PersistentVolumeClaim") ||
                str_eq(k->kind, "PersistentVolume") || str_eq(k->kind, "ServiceAccount") ||
                str_eq(k->kind, "ResourceQuota") || str_eq(k->kind, "PodTemplate"));
}

static void answer_gone(struct write *w, const json_t *live) {
        json_t *details;

        if (returns_object(w->kind)) {
                reply_ok(w->reply, 200, json_incref((json_t *)live));
                return;
        }
        details = json_pack("{s:s,s:s,s:s}", "name", w->name, "kind", w->kind->plural, "uid",
                            store_uid(live));
        if (*w->kind->group)
                json_object_set_new(details, "group", json_string(w->kind->group));
        reply_ok(w->reply, 200,
                 json_pack("{s:s,s:s,s:{},s:s,s:o}", "kind", "Status", "apiVersion", "v1",
                           "metadata", "status", "Success", "details", details));
}

void write_delete(struct write *w, const json_t *options) {
        cleanup_(json_freep) json_t *live = json_incref(store_get(w->kind, w->namespace, w->name));
        json_t *object;
        bool again;
        struct err err = { 0 };

        if (!live) {
                reply_not_found(w->reply, w->kind, w->name);
                return;
        }
        if (!check_preconditions(w, live, options))
                return;
        object = marked(w, live, options);
        if (!object) {
                answer_gone(w, live);
                if (!w->dry_run)
                        store_remove(w->sim, w->kind, w->namespace, w->name);
                return;
        }
        again = managed_same(live, object);
        reply_ok(w->reply,
                 json_get(options, "propagationPolicy") && !returns_object(w->kind) ? 202 : 200,
                 json_incref(again ? live : object));
        if (w->dry_run || again)
                json_decref(object);
        else if (store_put(w->sim, w->kind, object, &err) < 0)
                reply_internal(w->reply, "%s", err_text(&err));
}

void write_delete_all(struct write *w, const struct selector *selector, const json_t *options) {
        cleanup_(freep) char *prefix =
                *w->namespace ? str_format("%s/", w->namespace) : str_dup("");
        cleanup_(json_freep) json_t *doomed = json_array();
        const struct collection *c = w->kind->collection;
        json_t *list, *object;
        size_t i;

        for (i = store_seek(c, prefix); i < c->count && str_starts(c->items[i]->key, prefix); i++)
                if (selector_matches(selector, c->items[i]->json))
                        json_array_append(doomed, c->items[i]->json);
        json_array_foreach(doomed, i, object) {
                struct write one = *w;
                struct reply ignored = { 0 };

                one.namespace = store_namespace(object);
                one.name = store_name(object);
                one.reply = &ignored;
                write_delete(&one, options);
                reply_deinit(&ignored);
        }
        list = json_pack("{s:s,s:s,s:{s:s},s:O}", "kind", w->kind->list_kind, "apiVersion",
                         w->kind->api_version, "metadata", "resourceVersion", "0", "items", doomed);
        json_object_set_new(json_get(list, "metadata"), "resourceVersion",
                            json_sprintf("%llu", (unsigned long long)w->sim->store.version));
        reply_ok(w->reply, 200, list);
}
