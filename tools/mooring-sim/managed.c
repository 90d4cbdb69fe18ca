/* SPDX-License-Identifier: Apache-2.0 */
/* managed.c - metadata.managedFields on top of ssa.c; see managed.h. Called by write.c */
#include "managed.h"

#include "clock.h"
#include "ssa.h"
#include "store.h"

#include <assert.h>
#include <stdlib.h>

#define CURRENT "current operation" /* id of the writer while what it changed is found out */

/* Managers with their times (id -> text). */
struct managed {
        struct ssa_managers managers;
        json_t *times;
};

static void managed_deinit(struct managed *m) {
        ssa_managers_deinit(&m->managers);
        json_decref(m->times);
}

static char *id_of(const char *manager, const char *operation, const char *version,
                   const char *subresource) {
        cleanup_(json_freep) json_t *id = json_pack(
                "{s:s,s:s,s:s,s:s}", "manager", manager, "operation", operation, "apiVersion",
                str_eq(operation, "Apply") ? "" : version, "subresource", subresource);

        return json_text(id);
}

static json_t *parse_id(const char *id) {
        json_t *out = NULL;
        int r = json_parse(id, strlen(id), &out, NULL);

        assert(r == 0); /* id_of wrote it */
        return out;
}

/* False: the list is not one that could be kept. */
static bool decode(const json_t *list, struct managed *ret) {
        json_t *entry;
        size_t i;

        *ret = (struct managed){ .times = json_object() };
        json_array_foreach((json_t *)list, i, entry) {
                const char *operation = json_get_str(entry, "operation", "");
                const char *version = json_get_str(entry, "apiVersion", "");
                json_t *fields = json_get(entry, "fieldsV1");
                cleanup_(freep) char *id = NULL;

                if ((!str_eq(operation, "Apply") && !str_eq(operation, "Update")) || !*version ||
                    !str_eq(json_get_str(entry, "fieldsType", ""), "FieldsV1"))
                        return false;
                id = id_of(json_get_str(entry, "manager", ""), operation, version,
                           json_get_str(entry, "subresource", ""));
                ssa_managers_set(&ret->managers, id, version, str_eq(operation, "Apply"),
                                 fields ? json_deep_copy(fields) : json_object());
                if (json_get(entry, "time"))
                        json_object_set(ret->times, id, json_get(entry, "time"));
        }
        return true;
}

static int by_rank(const void *a, const void *b) {
        static const char *const members[] = { "operation", "time", "manager", "apiVersion",
                                               "subresource" };
        const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
        int r = 0;

        for (size_t i = 0; !r && i < ARRAY_SIZE(members); i++)
                r = strcmp(json_get_str(x, members[i], ""), json_get_str(y, members[i], ""));
        return r;
}

static json_t *encode_one(const struct ssa_manager *m, const json_t *times) {
        cleanup_(json_freep) json_t *id = parse_id(m->id);
        json_t *entry = json_object(), *time = json_object_get(times, m->id);
        const char *subresource = json_get_str(id, "subresource", "");

        json_object_set(entry, "manager", json_object_get(id, "manager"));
        json_object_set_new(entry, "operation", json_string(m->applied ? "Apply" : "Update"));
        json_object_set_new(entry, "apiVersion", json_string(m->version));
        if (time)
                json_object_set(entry, "time", time);
        json_object_set_new(entry, "fieldsType", json_string("FieldsV1"));
        json_object_set_new(entry, "fieldsV1", json_deep_copy(m->set));
        if (*subresource)
                json_object_set_new(entry, "subresource", json_string(subresource));
        return entry;
}

static void encode(const struct managed *m, json_t *object) {
        size_t n = m->managers.count;
        cleanup_(freep) json_t **entries = mem_array(json_t *, n ? n : 1);
        json_t *list = json_array(), *meta = store_meta(object);

        for (size_t i = 0; i < n; i++)
                entries[i] = encode_one(&m->managers.items[i], m->times);
        qsort(entries, n, sizeof(*entries), by_rank);
        for (size_t i = 0; i < n; i++)
                json_array_append_new(list, entries[i]);
        if (n)
                json_object_set_new(meta, "managedFields", list);
        else {
                json_object_del(meta, "managedFields");
                json_decref(list);
        }
}

static json_t *now(void) {
        char text[CLOCK_TEXT_MAX];

        return json_string(clock_iso(clock_wall(), false, text));
}

/* What no manager owns: identity and what the server writes. */
static json_t *never_owned(void) {
        static const char *const meta[] = {
                "f:name",        "f:namespace",  "f:creationTimestamp", "f:selfLink",       "f:uid",
                "f:clusterName", "f:generation", "f:managedFields",     "f:resourceVersion"
        };
        json_t *set =
                json_pack("{s:{},s:{},s:{s:{}}}", "f:apiVersion", "f:kind", "f:metadata", ".");

        for (size_t i = 0; i < ARRAY_SIZE(meta); i++)
                json_object_set_new(json_object_get(set, "f:metadata"), meta[i], json_object());
        return set;
}

static void strip(struct ssa_managers *m, const char *id) {
        struct ssa_manager *x = ssa_managers_find(m, id);
        cleanup_(json_freep) json_t *never = never_owned();
        cleanup_(freep) char *version = NULL;

        if (!x)
                return;
        version = str_dup(x->version);
        ssa_managers_set(m, id, version, x->applied, fieldset_difference(x->set, never));
}

/* The object as the walks see it: its managedFields are none of its fields. */
static json_t *bare(const json_t *object) {
        json_t *copy, *meta;

        if (!object)
                return NULL;
        copy = json_copy((json_t *)object);
        meta = store_meta(copy) ? json_copy(store_meta(copy)) : json_object();
        json_object_del(meta, "managedFields");
        json_object_set_new(copy, "metadata", meta);
        return copy;
}

static struct ssa_request request_of(const struct managed_request *q, const char *id) {
        return (struct ssa_request){
                .type = q->kind->type,
                .manager = id,
                .version = q->kind->api_version,
                .ignored = *q->subresource ? q->kind->ignored_status : q->kind->ignored_main,
                .force = q->force,
        };
}

/* --- update */

/* What an empty object of a built-in type holds all the same: the structs in it that are no
 * pointers. A creation does not own those. */
static json_t *skeleton(const struct schema_type *t, const char *kind) {
        static const char *const structs[] = { "metadata",      "spec",           "status",
                                               "template",      "strategy",       "updateStrategy",
                                               "jobTemplate",   "loadBalancer",   "names",
                                               "acceptedNames", "scaleTargetRef", "podSelector" };
        json_t *out = json_object();

        for (size_t i = 0; i < ARRAY_SIZE(structs); i++) {
                const struct schema_field *f = schema_field_find(t, structs[i]);

                if (f && f->type->has_map && f->type != t && !f->type->map_atomic)
                        json_object_set_new(out, structs[i], skeleton(f->type, kind));
        }
        if (schema_field_find(t, "containers"))
                json_object_set_new(out, "containers", json_null());
        if (str_eq(kind, "PersistentVolumeClaim") && schema_field_find(t, "resources"))
                json_object_set_new(out, "resources", json_object());
        return out;
}

static int by_age(const void *a, const void *b) {
        const char *const *x = a, *const *y = b;
        int r = strcmp(x[0], y[0]);

        return r ? r : strcmp(x[1], y[1]);
}

/* Too many update managers: the oldest of one version become "ancient-changes". */
static void cap(struct managed *m) {
        size_t n = 0, rest;
        cleanup_(freep) const char *(*old)[2] =
                mem_alloc_array(m->managers.count + 1, sizeof(*old));
        cleanup_(json_freep) json_t *first = json_object();
        cleanup_(json_freep) json_t *ids = json_array();

        for (size_t i = 0; i < m->managers.count; i++) {
                const struct ssa_manager *x = &m->managers.items[i];

                if (x->applied)
                        continue;
                json_array_append_new(ids, json_string(x->id));
                old[n][0] = json_get_str(m->times, x->id, "");
                old[n][1] = json_string_value(json_array_get(ids, n));
                n++;
        }
        qsort(old, n, sizeof(*old), by_age);
        rest = n;
        for (size_t i = 0; i < n && rest > MANAGED_UPDATES_MAX; i++) {
                struct ssa_manager *x = ssa_managers_find(&m->managers, old[i][1]);
                cleanup_(freep) char *version = str_dup(x->version);
                cleanup_(freep) char *bucket = id_of("ancient-changes", "Update", version, "");
                const char *other = json_get_str(first, version, NULL);
                struct ssa_manager *y;
                json_t *both;

                if (!other) {
                        json_object_set_new(first, version, json_string(old[i][1]));
                        continue;
                }
                y = ssa_managers_find(&m->managers, bucket)
                            ?: ssa_managers_find(&m->managers, other);
                both = y ? fieldset_union(x->set, y->set) : json_deep_copy(x->set);
                json_object_set_new(m->times, bucket, json_string(old[i][0]));
                if (!str_eq(old[i][1], bucket))
                        ssa_managers_set(&m->managers, old[i][1], version, false, NULL);
                if (!str_eq(other, bucket))
                        ssa_managers_set(&m->managers, other, version, false, NULL);
                ssa_managers_set(&m->managers, bucket, version, false, both);
                rest--;
        }
}

static void update(const struct managed_request *q, const json_t *live, const json_t *object,
                   struct managed *m) {
        struct ssa_request ssa = request_of(q, CURRENT);
        cleanup_(freep) char *id =
                id_of(q->manager, "Update", q->kind->api_version, q->subresource);
        struct ssa_manager *mine, *before;
        json_t *set;

        ssa_update(&ssa, live, object, &m->managers);
        strip(&m->managers, CURRENT);
        mine = ssa_managers_find(&m->managers, CURRENT);
        if (mine) {
                before = ssa_managers_find(&m->managers, id);
                set = before ? fieldset_union(mine->set, before->set) : json_deep_copy(mine->set);
                ssa_managers_set(&m->managers, CURRENT, ssa.version, false, NULL);
                ssa_managers_set(&m->managers, id, ssa.version, false, set);
                json_object_set_new(m->times, id, now());
        }
        cap(m);
}

/* An empty list, or one empty entry, asks for the managers to be forgotten. */
static bool is_reset(const json_t *list) {
        return json_is_array(list) &&
               (json_array_size(list) == 0 ||
                (json_array_size(list) == 1 && json_object_size(json_array_get(list, 0)) == 0));
}

void managed_update(const struct managed_request *q, const json_t *live, json_t *object) {
        bool built_in = !(q->kind->flags & KIND_CUSTOM);
        cleanup_(json_freep) json_t *old =
                live || !built_in ? bare(live) : skeleton(q->kind->type, q->kind->kind);
        cleanup_(json_freep) json_t *new = bare(object);
        json_t *sent = json_get(store_meta(object), "managedFields");
        json_t *had = live ? json_get(store_meta(live), "managedFields") : NULL;
        cleanup_(managed_deinit) struct managed m = { 0 };
        bool reset = !*q->subresource && is_reset(sent);

        if (reset) {
                m.times = json_object();
        } else if (*q->subresource || !json_array_size(sent) || !decode(sent, &m)) {
                managed_deinit(&m);
                if (!decode(had, &m)) {
                        managed_deinit(&m);
                        m = (struct managed){ .times = json_object() };
                }
        }
        /* An object whose managers nobody tracks stays so until it is applied. */
        if (m.managers.count || !live)
                update(q, old, new, &m);
        encode(&m, object);
}

/* --- apply */

static void manager_text(const char *id, struct buf *out) {
        cleanup_(json_freep) json_t *entry = parse_id(id);
        const char *subresource = json_get_str(entry, "subresource", "");

        buf_printf(out, "\"%s\"", json_get_str(entry, "manager", ""));
        if (*subresource)
                buf_printf(out, " with subresource \"%s\"", subresource);
        if (str_eq(json_get_str(entry, "operation", ""), "Update"))
                buf_printf(out, " using %s", json_get_str(entry, "apiVersion", ""));
}

static void conflicts_text(const struct ssa_conflicts *c, struct buf *out) {
        const char *last = NULL;

        if (c->count == 1) {
                buf_puts(out, "Apply failed with 1 conflict: conflict with ");
                manager_text(c->items[0].id, out);
                buf_printf(out, ": %s", c->items[0].path);
                return;
        }
        buf_printf(out, "Apply failed with %zu conflicts: ", c->count);
        for (size_t i = 0; i < c->count; i++) {
                if (!str_eq(last, c->items[i].id)) {
                        buf_printf(out, "%sconflicts with ", last ? "\n" : "");
                        manager_text(c->items[i].id, out);
                        buf_putc(out, ':');
                        last = c->items[i].id;
                }
                buf_printf(out, "\n- %s", c->items[i].path);
        }
}

static void reply_conflicts(const struct ssa_conflicts *c, struct reply *reply) {
        cleanup_(buf_free) struct buf text = BUF_INIT;
        json_t *causes = json_array();

        for (size_t i = 0; i < c->count; i++) {
                cleanup_(buf_free) struct buf message = BUF_INIT;

                buf_puts(&message, "conflict with ");
                manager_text(c->items[i].id, &message);
                json_array_append_new(
                        causes, json_pack("{s:s,s:s,s:s}", "reason", "FieldManagerConflict",
                                          "message", buf_str(&message), "field", c->items[i].path));
        }
        conflicts_text(c, &text);
        reply_status(reply, 409, "Conflict", json_pack("{s:o}", "causes", causes), "%s",
                     buf_str(&text));
}

static bool check_config(const struct managed_request *q, const json_t *config,
                         struct reply *reply) {
        cleanup_(typed_problems_deinit) struct typed_problems problems = { 0 };
        cleanup_(buf_free) struct buf text = BUF_INIT;

        if (json_get(store_meta(config), "managedFields")) {
                reply_bad_request(reply, "metadata.managedFields must be nil");
                return false;
        }
        typed_check(q->kind->type, config, false, &problems);
        if (!problems.list)
                return true;
        typed_problems_text(&problems, &text);
        reply_status(reply, 500, "", NULL,
                     "failed to create typed patch object (%s/%s; %s/%s, Kind=%s): %s",
                     q->namespace ? q->namespace : "", store_name(config), q->kind->group,
                     q->kind->version, q->kind->kind, buf_str(&text));
        return false;
}

/* Objects that nobody tracked get one manager for all they held before their first apply. */
static void adopt_untracked(const struct managed_request *q, const json_t *live,
                            struct managed *m) {
        struct managed_request before = *q;

        before.manager = "before-first-apply";
        before.subresource = "";
        if (!m->managers.count && live)
                update(&before, NULL, live, m);
}

bool managed_apply(const struct managed_request *q, const json_t *live, const json_t *config,
                   json_t **ret, struct reply *reply) {
        cleanup_(freep) char *id = id_of(q->manager, "Apply", q->kind->api_version, q->subresource);
        cleanup_(json_freep) json_t *old = bare(live), *new = bare(config), *merged = NULL;
        cleanup_(ssa_conflicts_deinit) struct ssa_conflicts conflicts = { 0 };
        cleanup_(managed_deinit) struct managed m = { 0 };
        struct ssa_request ssa = request_of(q, id);

        if (!check_config(q, config, reply))
                return false;
        if (!decode(live ? json_get(store_meta(live), "managedFields") : NULL, &m)) {
                reply_internal(reply, "failed to decode managed fields");
                return false;
        }
        adopt_untracked(q, old, &m);
        if (ssa_apply(&ssa, old, new, &m.managers, &merged, &conflicts) == SSA_CONFLICT) {
                reply_conflicts(&conflicts, reply);
                return false;
        }
        strip(&m.managers, id);
        json_object_set_new(m.times, id, now());
        *ret = json_deep_copy(merged);
        encode(&m, *ret);
        return true;
}

/* --- equality */

static bool same_entries(const json_t *a, const json_t *b) {
        const char *key;
        json_t *value;

        if (json_object_size(a) != json_object_size(b))
                return false;
        json_object_foreach((json_t *)a, key, value) {
                json_t *other = json_object_get(b, key);

                if (!other || (!str_eq(key, "time") && !json_equal(value, other)))
                        return false;
        }
        return true;
}

/* In any order: entries are ranked by their times, which do not count here. */
static bool same_managers(const json_t *a, const json_t *b) {
        size_t n = json_array_size(a);

        if (n != json_array_size(b))
                return false;
        for (size_t i = 0; i < n; i++) {
                bool found = false;

                for (size_t j = 0; j < n && !found; j++)
                        found = same_entries(json_array_get(a, i), json_array_get(b, j));
                if (!found)
                        return false;
        }
        return true;
}

static bool same_meta(const json_t *a, const json_t *b) {
        cleanup_(json_freep) json_t *x = json_copy((json_t *)a), *y = json_copy((json_t *)b);

        json_object_del(x, "managedFields");
        json_object_del(y, "managedFields");
        json_object_del(x, "resourceVersion");
        json_object_del(y, "resourceVersion");
        return typed_equal(x, y) &&
               same_managers(json_get(a, "managedFields"), json_get(b, "managedFields"));
}

bool managed_same(const json_t *a, const json_t *b) {
        const char *key;
        json_t *value;

        if (json_object_size(a) != json_object_size(b))
                return false;
        json_object_foreach((json_t *)a, key, value) {
                json_t *other = json_object_get(b, key);

                if (!other)
                        return false;
                if (str_eq(key, "metadata") ? !same_meta(value, other) : !typed_equal(value, other))
                        return false;
        }
        return true;
}
