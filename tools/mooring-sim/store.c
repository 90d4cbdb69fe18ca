/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - objects by kind, versions and history; see store.h */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

void store_init(struct store *s) {
        *s = (struct store){ .version = 1, .compacted = 0 };
        s->history = mem_array(struct store_event, STORE_HISTORY_MAX);
}

static void event_clear(struct store_event *e) {
        json_decref(e->object);
        json_decref(e->before);
        *e = (struct store_event){ 0 };
}

void store_deinit(struct store *s) {
        for (size_t i = 0; s->history && i < STORE_HISTORY_MAX; i++)
                event_clear(&s->history[i]);
        free(s->history);
        s->history = NULL;
}

json_t *store_meta(const json_t *object) {
        return json_object_get(object, "metadata");
}

const char *store_name(const json_t *object) {
        return json_get_str(store_meta(object), "name", "");
}

const char *store_namespace(const json_t *object) {
        return json_get_str(store_meta(object), "namespace", "");
}

const char *store_uid(const json_t *object) {
        return json_get_str(store_meta(object), "uid", "");
}

char *store_key(const char *namespace, const char *name) {
        return namespace && *namespace ? str_format("%s/%s", namespace, name) : str_dup(name);
}

size_t store_seek(const struct collection *c, const char *key) {
        size_t low = 0, high = c->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(c->items[middle]->key, key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static struct object *find(const struct collection *c, const char *key, size_t *ret_at) {
        size_t i = store_seek(c, key);

        *ret_at = i;
        return i < c->count && str_eq(c->items[i]->key, key) ? c->items[i] : NULL;
}

json_t *store_get(const struct kind *kind, const char *namespace, const char *name) {
        cleanup_(freep) char *key = store_key(namespace, name);
        size_t at;
        struct object *o = find(kind->collection, key, &at);

        return o ? o->json : NULL;
}

const struct store_event *store_event_at(const struct store *s, size_t i) {
        return &s->history[(s->first + i) % STORE_HISTORY_MAX];
}

/* Steals BEFORE. */
static void record(struct sim *sim, struct kind *kind, enum store_change change, json_t *object,
                   json_t *before) {
        struct store *s = &sim->store;
        struct store_event *e;

        if (s->count == STORE_HISTORY_MAX) {
                s->compacted = s->history[s->first].version;
                event_clear(&s->history[s->first]);
                s->first = (s->first + 1) % STORE_HISTORY_MAX;
                s->count--;
        }
        e = &s->history[(s->first + s->count++) % STORE_HISTORY_MAX];
        *e = (struct store_event){ .version = s->version,
                                   .change = change,
                                   .collection = kind->collection,
                                   .object = json_incref(object),
                                   .before = before };
        sim_changed(sim, kind, e);
}

static void stamp(struct store *s, json_t *object) {
        char text[24];

        snprintf(text, sizeof(text), "%" PRIu64, ++s->version);
        json_object_set_new(store_meta(object), "resourceVersion", json_string(text));
}

int store_put(struct sim *sim, struct kind *kind, json_t *object, struct err *err) {
        cleanup_(freep) char *key = store_key(store_namespace(object), store_name(object));
        struct collection *c = kind->collection;
        json_t *before = NULL;
        struct object *o;
        size_t at;

        o = find(c, key, &at);
        if (!o && sim->store.objects >= STORE_OBJECTS_MAX) {
                json_decref(object);
                return err_set(err, -ENOSPC, "the simulator keeps at most %d objects",
                               STORE_OBJECTS_MAX);
        }
        stamp(&sim->store, object);
        if (!o) {
                o = mem_new(struct object);
                o->key = take_ptr(key);
                c->items = mem_grow(c->items, &c->room, c->count + 1, sizeof(*c->items));
                memmove(&c->items[at + 1], &c->items[at], (c->count - at) * sizeof(*c->items));
                c->items[at] = o;
                c->count++;
                sim->store.objects++;
        } else {
                before = o->json;
        }
        o->json = object;
        o->version = sim->store.version;
        record(sim, kind, before ? STORE_MODIFIED : STORE_ADDED, object, before);
        return 0;
}

void store_remove(struct sim *sim, struct kind *kind, const char *namespace, const char *name) {
        cleanup_(freep) char *key = store_key(namespace, name);
        struct collection *c = kind->collection;
        cleanup_(json_freep) json_t *last = NULL;
        struct object *o;
        size_t at;

        o = find(c, key, &at);
        if (!o)
                return;
        last = json_copy(o->json);
        json_object_set_new(last, "metadata", json_copy(store_meta(last)));
        stamp(&sim->store, last);
        memmove(&c->items[at], &c->items[at + 1], (c->count - at - 1) * sizeof(*c->items));
        c->count--;
        sim->store.objects--;
        record(sim, kind, STORE_DELETED, last, json_incref(o->json));
        free(o->key);
        json_decref(o->json);
        free(o);
}

json_t *store_get_at(const struct store *s, const struct kind *kind, const char *namespace,
                     const char *name, uint64_t version) {
        json_t *now = store_get(kind, namespace, name);

        for (size_t i = s->count; i-- > 0;) {
                const struct store_event *e = store_event_at(s, i);

                if (e->version <= version)
                        break;
                if (e->collection == kind->collection && str_eq(store_name(e->object), name) &&
                    str_eq(store_namespace(e->object), namespace ? namespace : ""))
                        now = e->before;
        }
        return now;
}

void store_compact(struct store *s) {
        for (size_t i = 0; i < s->count; i++)
                event_clear((struct store_event *)store_event_at(s, i));
        s->first = s->count = 0;
        s->compacted = s->version;
}

bool store_empty_namespace(const struct sim *sim, const char *namespace) {
        cleanup_(freep) char *prefix = str_format("%s/", namespace);

        list_each(e, &sim->kinds.all) {
                const struct kind *k = list_entry(e, struct kind, entry);
                size_t at;

                if (!(k->flags & KIND_NAMESPACED))
                        continue;
                at = store_seek(k->collection, prefix);
                if (at < k->collection->count && str_starts(k->collection->items[at]->key, prefix))
                        return false;
        }
        return true;
}
