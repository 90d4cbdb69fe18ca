/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - see control.h */
#include "control.h"

#include "admission.h"
#include "store.h"
#include "typed.h"
#include "write.h"

#include <stdlib.h>

struct kind *control_kind(struct sim *sim, const char *group, const char *plural) {
        list_each(e, &sim->kinds.all) {
                struct kind *k = list_entry(e, struct kind, entry);

                if (str_eq(k->group, group) && str_eq(k->plural, plural))
                        return k;
        }
        return NULL;
}

json_t *control_get(struct sim *sim, const char *group, const char *plural, const char *namespace,
                    const char *name) {
        struct kind *kind = control_kind(sim, group, plural);

        return kind ? store_get(kind, namespace, name) : NULL;
}

static struct write writing(struct sim *sim, struct kind *kind, const char *namespace,
                            const char *name, const char *manager, struct reply *reply) {
        return (struct write){ .sim = sim,
                               .kind = kind,
                               .namespace = namespace,
                               .name = name,
                               .subresource = "",
                               .manager = manager,
                               .trusted = true,
                               .unknown = WRITE_IGNORE,
                               .reply = reply };
}

static bool done(struct reply *reply, struct err *why) {
        bool failed = reply_failed(reply);

        if (failed)
                err_set(why, -1, "%s", json_get_str(reply->body, "message", "refused"));
        reply_deinit(reply);
        return !failed;
}

bool control_create(struct sim *sim, struct kind *kind, const char *namespace, json_t *object,
                    const char *manager, struct err *why) {
        struct reply reply = { 0 };
        struct write w = writing(sim, kind, namespace, "", manager, &reply);

        json_object_set_new(object, "apiVersion", json_string(kind->api_version));
        json_object_set_new(object, "kind", json_string(kind->kind));
        if (*namespace)
                json_object_set_new(store_meta(object), "namespace", json_string(namespace));
        if (str_eq(kind->kind, "Pod") && !admission_check(sim, kind, object, &reply))
                json_decref(object);
        else
                write_create(&w, object);
        return done(&reply, why);
}

bool control_update(struct sim *sim, struct kind *kind, json_t *object, const char *manager) {
        struct reply reply = { 0 };
        cleanup_(freep) char *namespace = str_dup(store_namespace(object));
        cleanup_(freep) char *name = str_dup(store_name(object));
        struct write w = writing(sim, kind, namespace, name, manager, &reply);

        write_update(&w, object);
        return done(&reply, NULL);
}

void control_set_status(struct sim *sim, struct kind *kind, const char *namespace, const char *name,
                        json_t *status, const char *manager) {
        control_set_status_noted(sim, kind, namespace, name, status, manager, NULL, NULL);
}

void control_set_status_noted(struct sim *sim, struct kind *kind, const char *namespace,
                              const char *name, json_t *status, const char *manager,
                              const char *annotation, const char *value) {
        json_t *live = store_get(kind, namespace, name), *object;
        struct reply reply = { 0 };
        struct write w = writing(sim, kind, namespace, name, manager, &reply);

        bool noted = !annotation || str_eq(json_get_str(json_get(store_meta(live), "annotations"),
                                                        annotation, NULL),
                                           value);

        if (!live || (noted && typed_equal(json_get(live, "status"), status))) {
                json_decref(status);
                return;
        }
        object = json_deep_copy(live);
        json_object_set_new(object, "status", status);
        if (!json_get(store_meta(object), "annotations") && annotation)
                json_object_set_new(store_meta(object), "annotations", json_object());
        if (annotation)
                json_object_set_new(json_get(store_meta(object), "annotations"), annotation,
                                    json_string(value));
        w.subresource = "status";
        write_update(&w, object);
        reply_deinit(&reply);
}

void control_delete(struct sim *sim, struct kind *kind, const char *namespace, const char *name,
                    const char *propagation) {
        cleanup_(json_freep) json_t *options = json_pack("{s:s}", "propagationPolicy", propagation);
        struct reply reply = { 0 };
        struct write w = writing(sim, kind, namespace, name, CONTROL_MANAGER, &reply);

        write_delete(&w, options);
        reply_deinit(&reply);
}

void control_delete_all(struct sim *sim, struct kind *kind, const char *namespace) {
        cleanup_(json_freep) json_t *options =
                json_pack("{s:s}", "propagationPolicy", "Background");
        struct selector all = { 0 };
        struct reply reply = { 0 };
        struct write w = writing(sim, kind, namespace, "", CONTROL_MANAGER, &reply);

        write_delete_all(&w, &all, options);
        reply_deinit(&reply);
}

void control_drop_finalizer(struct sim *sim, struct kind *kind, const char *namespace,
                            const char *name, const char *finalizer) {
        json_t *live = store_get(kind, namespace, name), *object, *list;
        size_t before;

        if (!live)
                return;
        object = json_deep_copy(live);
        list = json_get(store_meta(object), "finalizers");
        before = json_array_size(list);
        for (size_t i = before; i-- > 0;)
                if (str_eq(json_string_value(json_array_get(list, i)), finalizer))
                        json_array_remove(list, i);
        if (json_array_size(list) == before) {
                json_decref(object);
                return;
        }
        if (!json_array_size(list))
                json_object_del(store_meta(object), "finalizers");
        control_update(sim, kind, object, CONTROL_MANAGER);
}

const json_t *control_owner_of(const json_t *object) {
        json_t *r;
        size_t i;

        json_array_foreach(json_get(store_meta(object), "ownerReferences"), i, r) {
                if (json_get_bool(r, "controller", false))
                        return r;
        }
        return NULL;
}

json_t *control_children(struct sim *sim, struct kind *kind, const char *namespace,
                         const char *uid) {
        cleanup_(freep) char *prefix = str_format("%s/", namespace);
        const struct collection *c = kind->collection;
        json_t *out = json_array();

        for (size_t i = store_seek(c, prefix); i < c->count && str_starts(c->items[i]->key, prefix);
             i++) {
                const json_t *owner = control_owner_of(c->items[i]->json);

                if (owner && str_eq(json_get_str(owner, "uid", ""), uid))
                        json_array_append(out, c->items[i]->json);
        }
        return out;
}

json_t *control_owner(const struct kind *kind, const json_t *owner) {
        return json_pack("[{s:s,s:s,s:s,s:s,s:b,s:b}]", "apiVersion", kind->api_version, "kind",
                         kind->kind, "name", store_name(owner), "uid", store_uid(owner),
                         "controller", 1, "blockOwnerDeletion", 1);
}

bool control_leaving(const json_t *object) {
        return json_get(store_meta(object), "deletionTimestamp");
}

static json_t *find_condition(const json_t *status, const char *type) {
        json_t *c;
        size_t i;

        json_array_foreach(json_get(status, "conditions"), i, c) {
                if (str_eq(json_get_str(c, "type", ""), type))
                        return c;
        }
        return NULL;
}

void control_condition(json_t *status, const json_t *before, const char *type, bool on,
                       const char *reason, const char *message) {
        json_t *list = json_get(status, "conditions"), *old = find_condition(before, type), *c;
        bool same = str_eq(json_get_str(old, "status", ""), on ? "True" : "False");

        if (!list) {
                list = json_array();
                json_object_set_new(status, "conditions", list);
        }
        c = json_pack("{s:s,s:s,s:o}", "type", type, "status", on ? "True" : "False",
                      "lastTransitionTime",
                      same && json_get(old, "lastTransitionTime")
                              ? json_incref(json_get(old, "lastTransitionTime"))
                              : sim_now());
        if (reason)
                json_object_set_new(c, "reason", json_string(reason));
        if (message)
                json_object_set_new(c, "message", json_string(message));
        json_array_append_new(list, c);
}

void control_count(json_t *status, const char *member, int64_t n) {
        if (n)
                json_object_set_new(status, member, json_integer(n));
}

void control_hash(const json_t *template, char ret[11]) {
        static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
        cleanup_(freep) char *text = json_text(template);
        uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

        for (const char *p = text; *p; p++)
                h = (h ^ (unsigned char)*p) * 0x100000001b3u;
        for (size_t i = 0; i < 10; i++, h /= 27)
                ret[i] = letters[h % 27];
        ret[10] = '\0';
}

void control_event(struct sim *sim, const struct kind *kind, const json_t *object, const char *type,
                   const char *reason, const char *message) {
        const char *namespace = *store_namespace(object) ? store_namespace(object) : "default";
        cleanup_(freep) char *name =
                str_format("%s.%llx", store_name(object),
                           (unsigned long long)++sim->next_uid * 0x9e3779b97f4aULL);
        json_t *event = json_pack(
                "{s:{s:s},s:{s:s,s:s,s:s,s:s,s:s},s:s,s:s,s:s,s:{s:s},s:o,s:o,s:i,s:s,s:s}",
                "metadata", "name", name, "involvedObject", "kind", kind->kind, "apiVersion",
                kind->api_version, "name", store_name(object), "namespace", store_namespace(object),
                "uid", store_uid(object), "type", type, "reason", reason, "message", message,
                "source", "component", CONTROL_MANAGER, "firstTimestamp", sim_now(),
                "lastTimestamp", sim_now(), "count", 1, "reportingComponent", CONTROL_MANAGER,
                "reportingInstance", "");

        control_create(sim, control_kind(sim, "", "events"), namespace, event, CONTROL_MANAGER,
                       NULL);
}

bool control_pod_ready(const json_t *pod) {
        return str_eq(json_get_str(find_condition(json_get(pod, "status"), "Ready"), "status", ""),
                      "True");
}
