/* SPDX-License-Identifier: Apache-2.0 */
/* owner.c - garbage collection: what goes when its owner goes, and what waits for its dependents
 *
 * sim.dependents counts, per owner's uid, how many objects name it, so that the many objects
 * that own nothing cost no search. */
#include "control.h"
#include "controllers.h"
#include "store.h"

#include <stdlib.h>

#define RETRY_MS 20 /* while dependents of a foreground deletion are still there */

static void count(struct sim *sim, const json_t *object, intptr_t by) {
        json_t *r;
        size_t i;

        json_array_foreach(json_get(store_meta(object), "ownerReferences"), i, r) {
                const char *uid = json_get_str(r, "uid", "");
                intptr_t n = (intptr_t)map_find(&sim->dependents, uid) + by;

                if (n > 0)
                        map_set(&sim->dependents, uid, (void *)n);
                else
                        map_remove(&sim->dependents, uid);
        }
}

/* An object whose owner never was goes too, as the real collector does after a while. */
static bool owner_exists(struct sim *sim, const char *namespace, const json_t *ref) {
        cleanup_(freep) char *group = NULL, *version = NULL;
        struct kind *kind;
        json_t *owner;

        kinds_split_version(json_get_str(ref, "apiVersion", ""), &group, &version);
        kind = kinds_find_kind(&sim->kinds, group, NULL, json_get_str(ref, "kind", ""));
        if (!kind)
                return true; /* not known (yet): nothing is concluded from that */
        owner = store_get(kind, kind->flags & KIND_NAMESPACED ? namespace : "",
                          json_get_str(ref, "name", ""));
        return owner && str_eq(store_uid(owner), json_get_str(ref, "uid", ""));
}

void owner_count(struct sim *sim, const struct store_event *event) {
        json_t *r;
        size_t i;

        if (event->before)
                count(sim, event->before, -1);
        if (event->change == STORE_DELETED)
                return;
        count(sim, event->object, 1);
        json_array_foreach(json_get(store_meta(event->object), "ownerReferences"), i, r) {
                if (!owner_exists(sim, store_namespace(event->object), r))
                        work_add(sim, owner_sync, "", json_get_str(r, "uid", ""), 0);
        }
}

static json_t *find_ref(const json_t *object, const char *uid) {
        json_t *r;
        size_t i;

        json_array_foreach(json_get(store_meta(object), "ownerReferences"), i, r) {
                if (str_eq(json_get_str(r, "uid", ""), uid))
                        return r;
        }
        return NULL;
}

struct dependent {
        struct kind *kind;
        json_t *object;
};

struct dependents {
        struct dependent *items;
        size_t count, room;
};

static void dependents_deinit(struct dependents *d) {
        for (size_t i = 0; i < d->count; i++)
                json_decref(d->items[i].object);
        free(d->items);
}

static void find_dependents(struct sim *sim, const char *uid, struct dependents *ret) {
        *ret = (struct dependents){ 0 };
        if (!map_find(&sim->dependents, uid))
                return;
        list_each(e, &sim->kinds.all) {
                struct kind *k = list_entry(e, struct kind, entry);

                for (size_t i = 0; i < k->collection->count; i++) {
                        json_t *object = k->collection->items[i]->json;

                        if (!find_ref(object, uid))
                                continue;
                        ret->items = mem_grow(ret->items, &ret->room, ret->count + 1,
                                              sizeof(*ret->items));
                        ret->items[ret->count++] = (struct dependent){ k, json_incref(object) };
                }
        }
}

/* Takes the reference to a lost owner away when others remain. */
static void drop_ref(struct sim *sim, const struct dependent *d, const char *uid) {
        json_t *object = json_deep_copy(d->object);
        json_t *list = json_get(store_meta(object), "ownerReferences");

        for (size_t i = json_array_size(list); i-- > 0;)
                if (str_eq(json_get_str(json_array_get(list, i), "uid", ""), uid))
                        json_array_remove(list, i);
        if (!json_array_size(list))
                json_object_del(store_meta(object), "ownerReferences");
        control_update(sim, d->kind, object, CONTROL_MANAGER);
}

static bool has_finalizer(const json_t *object, const char *name) {
        json_t *f;
        size_t i;

        json_array_foreach(json_get(store_meta(object), "finalizers"), i, f) {
                if (str_eq(json_string_value(f), name))
                        return true;
        }
        return false;
}

static bool all_owners_gone(struct sim *sim, const json_t *object) {
        json_t *r;
        size_t i;

        json_array_foreach(json_get(store_meta(object), "ownerReferences"), i, r) {
                if (owner_exists(sim, store_namespace(object), r))
                        return false;
        }
        return true;
}

void owner_sync(struct sim *sim, const char *namespace, const char *uid) {
        cleanup_(dependents_deinit) struct dependents found;

        find_dependents(sim, uid, &found);
        for (size_t i = 0; i < found.count; i++) {
                const struct dependent *d = &found.items[i];

                if (owner_exists(sim, store_namespace(d->object), find_ref(d->object, uid)))
                        continue;
                if (!all_owners_gone(sim, d->object))
                        drop_ref(sim, d, uid);
                else if (!control_leaving(d->object))
                        control_delete(sim, d->kind, store_namespace(d->object),
                                       store_name(d->object), "Background");
        }
}

static void orphan(struct sim *sim, struct kind *kind, const json_t *owner,
                   const struct dependents *found) {
        for (size_t i = 0; i < found->count; i++)
                drop_ref(sim, &found->items[i], store_uid(owner));
        control_drop_finalizer(sim, kind, store_namespace(owner), store_name(owner), "orphan");
}

/* True while a dependent that blocks is still there. */
static bool delete_dependents(struct sim *sim, const json_t *owner,
                              const struct dependents *found) {
        bool blocked = false;

        for (size_t i = 0; i < found->count; i++) {
                const struct dependent *d = &found->items[i];
                const json_t *ref = find_ref(d->object, store_uid(owner));

                blocked = blocked || json_get_bool(ref, "blockOwnerDeletion", false);
                if (!control_leaving(d->object))
                        control_delete(sim, d->kind, store_namespace(d->object),
                                       store_name(d->object), "Foreground");
        }
        return blocked;
}

void owner_finish(struct sim *sim, const char *namespace, const char *path) {
        const char *slash = strchr(path, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
        cleanup_(freep) char *group = slash ? str_ndup(path, (size_t)(slash - path)) : NULL;
        cleanup_(freep) char *plural =
                second ? str_ndup(slash + 1, (size_t)(second - slash - 1)) : NULL;
        struct kind *kind = second ? control_kind(sim, group, plural) : NULL;
        cleanup_(json_freep) json_t *owner =
                kind ? json_incref(store_get(kind, namespace, second + 1)) : NULL;
        cleanup_(dependents_deinit) struct dependents found = { 0 };

        if (!owner || !control_leaving(owner))
                return;
        if (has_finalizer(owner, "orphan")) {
                find_dependents(sim, store_uid(owner), &found);
                orphan(sim, kind, owner, &found);
        } else if (has_finalizer(owner, "foregroundDeletion")) {
                find_dependents(sim, store_uid(owner), &found);
                if (delete_dependents(sim, owner, &found))
                        work_add(sim, owner_finish, namespace, path, RETRY_MS);
                else
                        control_drop_finalizer(sim, kind, namespace, second + 1,
                                               "foregroundDeletion");
        }
}
